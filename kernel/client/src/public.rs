//! What a gate tells anyone on its agents' socket, without lease or proof.

use std::time::Duration;

use latchgate_wire::api::{ActionInfo, ActionList, Ready};

use crate::agent::action_path;
use crate::endpoint::Endpoint;
use crate::error::ClientError;
use crate::exchange::{self, Credentials, Outgoing, Tagged};
use crate::transport::Transport;

/// A caller without a name.
#[derive(Debug)]
pub struct PublicClient {
    transport: Transport,
}

impl PublicClient {
    /// Connects at the first request.
    pub fn new(endpoint: &Endpoint) -> Self {
        Self { transport: Transport::for_agents(endpoint) }
    }

    /// Whether the gate takes calls. A gate that starts or drains answers too.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`] if there is none.
    pub async fn ready(&self) -> Result<Ready, ClientError> {
        let outgoing = Outgoing::get("/readyz");
        let answer = exchange::send_any(&self.transport, outgoing, Credentials::default()).await?;
        exchange::read(&answer)
    }

    /// Every action of the gate.
    ///
    /// # Errors
    /// Whatever keeps the gate from answering.
    pub async fn actions(&self) -> Result<Vec<ActionInfo>, ClientError> {
        let answer =
            exchange::send(&self.transport, Outgoing::get("/v1/actions"), Credentials::default()).await?;
        exchange::read::<ActionList>(&answer).map(|list| list.actions)
    }

    /// Every action, unless they are what carries `tag`; with `wait`, at their change.
    ///
    /// # Errors
    /// Whatever keeps the gate from answering.
    pub async fn actions_unless(
        &self,
        tag: Option<&str>,
        wait: Option<Duration>,
    ) -> Result<Option<Tagged<ActionList>>, ClientError> {
        let outgoing = Outgoing::get("/v1/actions").waiting(wait).unless(tag)?;
        exchange::read_tagged(&exchange::send(&self.transport, outgoing, Credentials::default()).await?)
    }

    /// One action.
    ///
    /// # Errors
    /// `action_not_found`, or whatever keeps the gate from answering.
    pub async fn action(&self, id: &str) -> Result<ActionInfo, ClientError> {
        let outgoing = Outgoing::get(action_path(id)?);
        let answer = exchange::send(&self.transport, outgoing, Credentials::default()).await?;
        exchange::read(&answer)
    }
}
