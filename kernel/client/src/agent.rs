//! An agent's side: calls under a lease, each with a proof over its body.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use latchgate_wire::api::{ActionInfo, ActionList, ApprovalList, Decided, Executed, Pending, Poll};
use latchgate_wire::entry::Budgets;
use latchgate_wire::es256::SigningKey;
use latchgate_wire::ids::{ApprovalId, ReceiptId, SessionId};
use latchgate_wire::principal::Principal;
use serde_json::Value;

use crate::endpoint::Endpoint;
use crate::error::ClientError;
use crate::exchange::{self, Outgoing, Tagged};
use crate::public::PublicClient;
use crate::session::Session;
use crate::signer::Signer;
use crate::transport::{Answer, Transport};

/// Longest action id, in bytes, inclusive.
const ACTION_ID_BYTES_MAX: usize = 128;

/// Says when an answer counts as delivered.
const DELIVERY: &str = "x-latchgate-delivery";

/// What the agent asks its leases to be.
#[derive(Clone, Debug)]
pub struct AgentOptions {
    /// A label, at most 128 bytes: shown to people as claimed, never authority.
    pub agent_id: Option<String>,
    /// `tools:call`, `action:<id>`, `class:<class>`; `None` means everything that policy permits.
    pub scopes: Option<Vec<String>>,
    /// Upper bounds for the whole session.
    pub budgets: Option<Budgets>,
    /// Have the gate refuse proofs without a body hash. Ours always have one.
    pub bind_body: bool,
    /// The gate's canonical URL, which proofs are made for. `None`: over a socket `http://localhost`, over a port whatever
    /// the gate says.
    pub public_base_url: Option<String>,
    /// The caller's own name of its session, shown as claimed.
    pub session_label: Option<String>,
    pub delivery: Delivery,
}

/// When an answer counts as delivered: from then on an identical call is another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// When its last byte has left the gate.
    #[default]
    Read,
    /// When [`AgentClient::delivered`] says so: for whoever hands answers on, and may die in between.
    Confirmed,
}

impl Delivery {
    fn header(self) -> Option<&'static str> {
        match self {
            Self::Read => None,
            Self::Confirmed => Some("confirmed"),
        }
    }
}

impl Default for AgentOptions {
    fn default() -> Self {
        Self {
            agent_id: None,
            scopes: None,
            budgets: None,
            bind_body: true,
            public_base_url: None,
            session_label: None,
            delivery: Delivery::Read,
        }
    }
}

/// How one call is made.
#[derive(Clone, Debug, Default)]
pub struct CallOptions {
    /// Makes repetitions of this call one call, for 24 h.
    pub idempotency_key: Option<String>,
    /// How long to wait for the decision if the call is held.
    pub wait: Option<Duration>,
    /// One line for whoever decides, shown as claimed.
    pub reason: Option<String>,
}

/// What became of a call that was not refused.
#[derive(Clone, Debug)]
pub enum CallOutcome {
    Executed(Box<Executed>),
    /// Held for an operator.
    Pending(Box<Pending>),
}

/// An agent. Its key exists in this process only unless it was given one; cloned, it is the same agent.
#[derive(Clone)]
pub struct AgentClient {
    session: Arc<Session>,
}

impl fmt::Debug for AgentClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentClient").finish_non_exhaustive()
    }
}

impl AgentClient {
    /// Makes a key and takes a lease.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`] if there is no gate; a problem if it gives no lease.
    pub async fn connect(endpoint: &Endpoint, options: AgentOptions) -> Result<Self, ClientError> {
        Self::connect_as(endpoint, Signer::ephemeral()?, options).await
    }

    /// Takes a lease for a key that the gate may have enrolled: then the principal is `agent:NAME`, wherever this process
    /// runs. Each request for a lease is signed with it.
    ///
    /// # Errors
    /// As [`AgentClient::connect`].
    pub async fn connect_with_key(
        endpoint: &Endpoint,
        key: SigningKey,
        options: AgentOptions,
    ) -> Result<Self, ClientError> {
        Self::connect_as(endpoint, Signer::new(key), options).await
    }

    async fn connect_as(
        endpoint: &Endpoint,
        signer: Signer,
        mut options: AgentOptions,
    ) -> Result<Self, ClientError> {
        let transport = Transport::for_agents(endpoint);
        if endpoint.url().is_some() && options.public_base_url.is_none() {
            options.public_base_url = Some(PublicClient::new(endpoint).ready().await?.public_base_url);
        }
        let signer = signer.signing_for(options.public_base_url.clone());
        let session = Session::new(transport, signer, options);
        session.lease().await?;
        Ok(Self { session: Arc::new(session) })
    }

    /// Who the gate says we are.
    ///
    /// # Errors
    /// If the lease had to be renewed and could not.
    pub async fn principal(&self) -> Result<Principal, ClientError> {
        Ok(self.session.lease().await?.principal.clone())
    }

    /// The session that our leases belong to now.
    ///
    /// # Errors
    /// If the lease had to be renewed and could not.
    pub async fn session_id(&self) -> Result<SessionId, ClientError> {
        Ok(self.session.lease().await?.session_id)
    }

    /// Asks for an action. `args` is an object.
    ///
    /// # Errors
    /// A problem with what is known about the effect; [`ClientError::AnswerLost`] if nobody knows.
    pub async fn call(
        &self,
        action: &str,
        args: &Value,
        options: &CallOptions,
    ) -> Result<CallOutcome, ClientError> {
        if !args.is_object() {
            return Err(ClientError::Input("arguments: expected a json object".into()));
        }
        let path = format!("{}/execute", action_path(action)?);
        let answer = self
            .session
            .send(|| {
                Outgoing::post(&path, args)?
                    .executing()
                    .waiting(options.wait)
                    .header("idempotency-key", options.idempotency_key.as_deref())?
                    .header("x-latchgate-reason", options.reason.as_deref())?
                    .header("x-latchgate-session-id", self.session.label())?
                    .header(DELIVERY, self.session.delivery().header())
            })
            .await?;
        outcome(&answer)
    }

    /// The answer of a held call of ours, as [`Self::call`] would have given it; with `wait`, at the decision. Nothing is
    /// called anew, whatever became of it.
    ///
    /// # Errors
    /// `not_found` if it is not ours; else what became of the call, if that is no answer.
    pub async fn answer(&self, id: ApprovalId, wait: Option<Duration>) -> Result<CallOutcome, ClientError> {
        let path = format!("/v1/approvals/{id}/answer");
        let make = || Outgoing::get(&path).waiting(wait).header(DELIVERY, self.session.delivery().header());
        outcome(&self.session.send(make).await?)
    }

    /// Tells the gate that the answer of this receipt, of a call of ours, has reached whom it is for.
    ///
    /// # Errors
    /// `not_found` if it is not ours.
    pub async fn delivered(&self, id: ReceiptId) -> Result<(), ClientError> {
        let path = format!("/v1/receipts/{id}/delivered");
        self.session.send(|| Outgoing::post(&path, &serde_json::json!({}))).await.map(drop)
    }

    /// Takes back a held call of ours: nobody is asked any more.
    ///
    /// # Errors
    /// `approval_decided` if that came first, `not_found` if it is not ours.
    pub async fn withdraw(&self, id: ApprovalId) -> Result<Decided, ClientError> {
        let path = format!("/v1/approvals/{id}");
        self.get(|| Ok(Outgoing::delete(&path))).await
    }

    /// What became of a held call; with `wait`, at the decision.
    ///
    /// # Errors
    /// `not_found` if it is not ours.
    pub async fn poll(&self, id: ApprovalId, wait: Option<Duration>) -> Result<Poll, ClientError> {
        let path = format!("/v1/approvals/{id}/poll");
        self.get(|| Ok(Outgoing::get(&path).waiting(wait))).await
    }

    /// Our own held calls.
    ///
    /// # Errors
    /// Whatever keeps the gate from answering.
    pub async fn approvals(&self) -> Result<ApprovalList, ClientError> {
        self.get(|| Ok(Outgoing::get("/v1/approvals"))).await
    }

    /// The actions that policy could let us use.
    ///
    /// # Errors
    /// Whatever keeps the gate from answering.
    pub async fn actions(&self) -> Result<Vec<ActionInfo>, ClientError> {
        self.get(|| Ok(Outgoing::get("/v1/actions"))).await.map(|list: ActionList| list.actions)
    }

    /// The same, unless they are what carries `tag`; with `wait`, at their change.
    ///
    /// # Errors
    /// Whatever keeps the gate from answering.
    pub async fn actions_unless(
        &self,
        tag: Option<&str>,
        wait: Option<Duration>,
    ) -> Result<Option<Tagged<ActionList>>, ClientError> {
        let make = || Outgoing::get("/v1/actions").waiting(wait).unless(tag);
        exchange::read_tagged(&self.session.send(make).await?)
    }

    /// One action.
    ///
    /// # Errors
    /// `action_not_found`.
    pub async fn action(&self, id: &str) -> Result<ActionInfo, ClientError> {
        let path = action_path(id)?;
        self.get(|| Ok(Outgoing::get(&path))).await
    }

    /// A receipt of ours, with the members that clients of version 0.2 read.
    ///
    /// # Errors
    /// `not_found` if it is not ours.
    pub async fn receipt(&self, id: ReceiptId) -> Result<Value, ClientError> {
        let path = format!("/v1/receipts/{id}");
        self.get(|| Ok(Outgoing::get(&path))).await
    }

    async fn get<T: serde::de::DeserializeOwned>(
        &self,
        make: impl Fn() -> Result<Outgoing, ClientError>,
    ) -> Result<T, ClientError> {
        exchange::read(&self.session.send(make).await?)
    }
}

fn outcome(answer: &Answer) -> Result<CallOutcome, ClientError> {
    if answer.status == StatusCode::ACCEPTED {
        return exchange::read(answer).map(|pending| CallOutcome::Pending(Box::new(pending)));
    }
    exchange::read(answer).map(|executed| CallOutcome::Executed(Box::new(executed)))
}

/// The route of an action. An id that is none could become another route.
pub(crate) fn action_path(id: &str) -> Result<String, ClientError> {
    let is_id = (1..=ACTION_ID_BYTES_MAX).contains(&id.len())
        && id.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-'))
        && !id.starts_with('.');
    if !is_id {
        return Err(ClientError::Input("action: expected 1 to 128 of `A-Z a-z 0-9 . _ -`".into()));
    }
    Ok(format!("/v1/actions/{id}"))
}

#[cfg(test)]
pub(crate) mod tests;
