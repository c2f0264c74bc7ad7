//! The way of a call, from a verified caller to a record. There is one: an approved call and an allowed call share every
//! step from `commit` on.

use std::sync::Arc;

use latchgate_wire::digest::HashKey;
use latchgate_wire::entry::{ApprovalDecided, Body, CallDenied, Decision};
use latchgate_wire::ids::{ApprovalId, TraceId};
use latchgate_wire::receipt::{Boundary, ProofId, Who};

use crate::catalog::Catalog;
use crate::denial::Denial;
use crate::ports::{
    Approval, Clock, Commit, CommitError, Durability, Entropy, Log, Payloads, Prior, Probe, Refusal, Sandbox,
    Secrets,
};
use crate::steps::{
    Authorized, Commitment, Decided, Held, HoldError, Holding, Judging, Recorded, Request, redeem,
};

/// The ports together, and what the gate was told.
pub trait World: Send + Sync {
    type Log: Log;
    type Payloads: Payloads;
    type Probe: Probe;
    type Secrets: Secrets;
    type Sandbox: Sandbox;
    type Clock: Clock;
    type Entropy: Entropy;

    fn log(&self) -> &Self::Log;
    fn payloads(&self) -> &Self::Payloads;
    fn probe(&self) -> &Self::Probe;
    fn secrets(&self) -> &Self::Secrets;
    fn sandbox(&self) -> &Self::Sandbox;
    fn clock(&self) -> &Self::Clock;
    fn entropy(&self) -> &Self::Entropy;
    fn settings(&self) -> &Settings;

    /// A panic was caught: counted, and held at zero by tests.
    fn count_panic(&self);

    /// Completes `work`, which computes on so many bytes without a pause. A world that serves others from the same thread lets
    /// them go on elsewhere.
    fn with_room<T: Send>(
        &self,
        _bytes: usize,
        work: impl Future<Output = T> + Send,
    ) -> impl Future<Output = T> + Send {
        work
    }
}

pub struct Settings {
    /// Makes request hashes this gate's own.
    pub request_key: HashKey,
    /// How long a held call waits, in milliseconds.
    pub approval_ttl_ms: i64,
    /// How many calls of one principal may wait at once.
    pub held_max: u32,
}

/// Where a call came to.
#[must_use]
#[derive(Debug)]
pub enum Outcome {
    Recorded(Recorded),
    Held(Held),
    /// An identical call of the same owner is live, or was not delivered: its answer is this call's answer.
    Joined(Prior),
}

/// Takes a call as far as it goes. A refusal has its entry when this returns.
///
/// # Errors
/// The refusal, for the answer.
pub async fn call<W: World>(world: &W, catalog: &Arc<Catalog>, request: Request) -> Result<Outcome, Denial> {
    let refused = Refused::of(&request);
    match judged(world, catalog, request).await {
        Ok(outcome) => Ok(outcome),
        Err(denial) => Err(refused.record(world, denial).await),
    }
}

async fn judged<W: World>(world: &W, catalog: &Arc<Catalog>, request: Request) -> Result<Outcome, Denial> {
    let canonical = request.resolve(catalog)?.validate()?.canonicalize(&world.settings().request_key)?;
    if let Some(prior) = world.log().prior(&canonical.identity()) {
        return joined(prior);
    }
    let planned = canonical.plan(world.probe(), world.secrets(), world.entropy()).await?;
    match planned.authorize(&judging(world))? {
        Decided::Allowed(authorized) => perform(world, authorized).await,
        Decided::Asked(asked) => {
            let holding = Holding {
                log: world.log(),
                payloads: world.payloads(),
                clock: world.clock(),
                entropy: world.entropy(),
                approval_ttl_ms: world.settings().approval_ttl_ms,
                held_max: world.settings().held_max,
            };
            match asked.hold(&holding).await {
                Ok(held) => Ok(Outcome::Held(held)),
                Err(error) => not_admitted(error),
            }
        }
    }
}

fn judging<W: World>(world: &W) -> Judging<'_, W::Log, W::Clock> {
    Judging { log: world.log(), clock: world.clock(), key: &world.settings().request_key }
}

async fn perform<W: World>(world: &W, authorized: Authorized) -> Result<Outcome, Denial> {
    authorized.check_secrets(world.secrets())?;
    let commitment = Commitment {
        log: world.log(),
        payloads: world.payloads(),
        clock: world.clock(),
        entropy: world.entropy(),
    };
    let (permit, spent) = match authorized.commit(&commitment).await {
        Ok(committed) => committed,
        Err(error) => return not_admitted(error),
    };
    let executed = spent.execute(permit, world.sandbox()).await;
    if executed.panicked() {
        world.count_panic();
    }
    let bytes = executed.output_bytes();
    let rest = async {
        let attested = executed.verify().attest(world.clock(), world.entropy())?;
        attested.record(world.log(), world.payloads()).await.map(Outcome::Recorded)
    };
    world.with_room(bytes, rest).await
}

fn not_admitted(error: HoldError) -> Result<Outcome, Denial> {
    match error {
        HoldError::Commit(CommitError::Refused(Refusal::Joined(prior))) => joined(*prior),
        HoldError::Commit(error) => Err(error.into()),
        HoldError::Denied(denial) => Err(*denial),
    }
}

fn joined(prior: Prior) -> Result<Outcome, Denial> {
    match prior {
        Prior::Mismatch => Err(Refusal::IdempotencyMismatch.into()),
        prior => Ok(Outcome::Joined(prior)),
    }
}

/// Executes an approved call. What cannot be executed any more is made void, with its entry.
///
/// # Errors
/// Why it was not executed.
pub async fn execute_approved<W: World>(
    world: &W,
    catalog: &Arc<Catalog>,
    approval: &Approval,
    boundary: Boundary,
) -> Result<Recorded, Denial> {
    let result = match redeem(approval, boundary, catalog, world.payloads(), &judging(world)) {
        Ok(authorized) => perform(world, authorized).await,
        Err(denial) => Err(denial),
    };
    match result {
        Ok(Outcome::Recorded(recorded)) => Ok(recorded),
        Ok(Outcome::Held(_) | Outcome::Joined(_)) => Err(Denial::fault("a redeemed call was held or joined")),
        Err(denial) => {
            void(world, approval, &denial).await;
            Err(Refused::of_approval(approval).record(world, denial).await)
        }
    }
}

/// After `commit` there is nothing to void: the log refuses it then, and that is right.
async fn void<W: World>(world: &W, approval: &Approval, denial: &Denial) {
    let body = Body::ApprovalDecided(ApprovalDecided {
        approval_id: approval.held.approval_id,
        decision: Decision::Void,
        plan_digest: approval.held.call.plan.digest,
        scope: None,
        reason: Some(denial.detail.clone()),
        signed: None,
        reach: None,
        cool_down_until: None,
    });
    let commit = Commit { trace_id: approval.trace_id, body, payload: Durability::Buffered };
    let _refused_if_redeemed = world.log().commit(commit).await;
}

/// What a refusal's entry says of the call.
struct Refused {
    who: Who,
    trace_id: Option<TraceId>,
    action_id: String,
    approval_id: Option<ApprovalId>,
    proof: Option<ProofId>,
}

/// Longer names cannot be an action's.
const ACTION_ID_BYTES_MAX: usize = 128;

impl Refused {
    fn of(request: &Request) -> Self {
        Self {
            who: request.caller().who().clone(),
            trace_id: Some(request.trace_id()),
            action_id: shortened(request.action_id()),
            approval_id: None,
            proof: Some(request.proof().clone()),
        }
    }

    fn of_approval(approval: &Approval) -> Self {
        Self {
            who: approval.held.call.who.clone(),
            trace_id: approval.trace_id,
            action_id: approval.held.call.action.id.clone(),
            approval_id: Some(approval.held.approval_id),
            proof: None,
        }
    }

    /// Writes the entry. Where even that fails, the caller is told that instead.
    async fn record<W: World>(self, world: &W, denial: Denial) -> Denial {
        let body = Body::CallDenied(CallDenied {
            who: self.who,
            action_id: self.action_id,
            error: denial.code.as_str().to_owned(),
            policy: denial.policy.clone(),
            approval_id: self.approval_id,
            proof: self.proof,
        });
        let commit = Commit { trace_id: self.trace_id, body, payload: Durability::Buffered };
        match world.log().commit(commit).await {
            Ok(_) => denial,
            Err(error) => {
                let mut unrecorded = Denial::from(error);
                unrecorded.effect = denial.effect;
                unrecorded.cause.get_or_insert(denial.detail);
                unrecorded
            }
        }
    }
}

fn shortened(text: &str) -> String {
    let mut end = text.len().min(ACTION_ID_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

#[cfg(test)]
mod scripted;
#[cfg(test)]
mod tests;
