//! The gate as the watch sees it: questions are asked beside the screen, answers come as they come.

use std::sync::Arc;
use std::time::Duration;

use latchgate_client::OperatorClient;
use latchgate_wire::api::{ApprovalDetail, ApprovalInfo, ApproveRequest, Decided, DenyRequest, ReachRequest};
use latchgate_wire::digest::Digest;
use latchgate_wire::ids::ApprovalId;
use latchgate_wire::receipt::ApprovalScope;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::exit::Failure;

const PAUSE: Duration = Duration::from_millis(500);

/// What the gate said.
pub enum Told {
    /// Everything that waits, newest first.
    Waiting(Result<Vec<ApprovalInfo>, Failure>),
    Shown(ApprovalId, Result<Box<ApprovalDetail>, Failure>),
    Gathered(Result<Vec<ApprovalDetail>, Failure>),
    Decided(ApprovalId, Result<Box<Decided>, Failure>),
    /// After the last of the decisions asked for together.
    Done,
}

/// A person's word on what was on the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    pub id: ApprovalId,
    /// Of what was on the screen.
    pub plan_digest: Digest,
    pub word: Word,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    Approve,
    ApproveSession(ReachRequest),
    Deny(Option<String>),
}

pub struct Gate {
    operator: Arc<OperatorClient>,
    tell: UnboundedSender<Told>,
}

impl Gate {
    /// Asks what waits, twice a second, until nobody listens.
    pub fn watch(operator: OperatorClient) -> (Self, UnboundedReceiver<Told>) {
        let (tell, told) = unbounded_channel();
        let gate = Self { operator: Arc::new(operator), tell };
        let (operator, tell) = gate.ends();
        tokio::spawn(async move {
            loop {
                let waiting = operator.approvals(Some("pending")).await;
                let waiting = waiting.map(|list| list.approvals).map_err(Failure::from);
                if tell.send(Told::Waiting(waiting)).is_err() {
                    return;
                }
                tokio::time::sleep(PAUSE).await;
            }
        });
        (gate, told)
    }

    /// Asks for everything about one call.
    pub fn show(&self, id: ApprovalId) {
        let (operator, tell) = self.ends();
        tokio::spawn(async move {
            let shown = operator.approval(id).await.map(Box::new).map_err(Failure::from);
            tell.send(Told::Shown(id, shown))
        });
    }

    /// Asks for everything about each of these, together.
    pub fn gather(&self, ids: Vec<ApprovalId>) {
        let (operator, tell) = self.ends();
        tokio::spawn(async move {
            let mut gathered = Vec::new();
            for id in ids {
                match operator.approval(id).await {
                    Ok(detail) => gathered.push(detail),
                    Err(error) => return tell.send(Told::Gathered(Err(error.into()))),
                }
            }
            tell.send(Told::Gathered(Ok(gathered)))
        });
    }

    /// One after the other.
    pub fn decide(&self, decisions: Vec<Decision>) {
        let (operator, tell) = self.ends();
        tokio::spawn(async move {
            for decision in decisions {
                let id = decision.id;
                let decided = decide(&operator, decision).await.map(Box::new);
                tell.send(Told::Decided(id, decided))?;
            }
            tell.send(Told::Done)
        });
    }

    fn ends(&self) -> (Arc<OperatorClient>, UnboundedSender<Told>) {
        (Arc::clone(&self.operator), self.tell.clone())
    }
}

async fn decide(operator: &OperatorClient, decision: Decision) -> Result<Decided, Failure> {
    let Decision { id, plan_digest, word } = decision;
    let (scope, reach) = match word {
        Word::Approve => (ApprovalScope::Once, None),
        Word::ApproveSession(reach) => (ApprovalScope::Session, Some(reach)),
        Word::Deny(reason) => {
            let request = DenyRequest { plan_digest, reason, cool_down_s: None };
            return Ok(operator.deny(id, &request).await?);
        }
    };
    let request = ApproveRequest { plan_digest, scope, note: None, reach };
    Ok(operator.approve(id, &request).await?)
}
