//! Calls: owned by the gate. A client that hangs up ends its connection, never its call.

use std::sync::Arc;
use std::time::{Duration, Instant};

use latchgate_monitor::answer::Answer;
use latchgate_monitor::authenticator::Caller;
use latchgate_monitor::denial::Denial;
use latchgate_monitor::pipeline::{self, Outcome, World as _};
use latchgate_monitor::ports::{Approval, ApprovalStatus, Commit, Durability, Finished, Log as _, Prior};
use latchgate_monitor::steps::Request;
use latchgate_wire::entry::{Body, CallDenied};
use latchgate_wire::ids::{ApprovalId, TraceId};
use latchgate_wire::problem::Code;
use latchgate_wire::receipt::Receipt;

use crate::gate::Gate;
use crate::metrics::Decision;
use crate::process::room;

/// An answer, and the intent that it delivers once it is wholly written.
pub struct Reply {
    pub answer: Answer,
    pub delivers: Option<u64>,
}

impl Reply {
    fn plain(answer: Answer) -> Self {
        Self { answer, delivers: None }
    }

    /// Reads are never joined, so their delivery need not be known.
    fn of(answer: Answer, receipt: &Receipt, is_read: bool) -> Self {
        Self { answer, delivers: (!is_read).then_some(receipt.intent_seq) }
    }
}

/// Runs a call to its answer. `wait` is how long a held call's caller is willing to wait for the decision.
pub async fn execute(gate: &Arc<Gate>, request: Request, wait: Duration) -> Reply {
    let trace_id = request.trace_id();
    let action_id = request.action_id().to_owned();
    let caller = request.caller().clone();
    let begun = Instant::now();
    let mut outcome = run(gate, request.clone()).await;
    if let Ok(Outcome::Joined(Prior::Finished(finished))) = &outcome
        && gate.deliveries.is_written(finished.receipt.intent_seq).await
    {
        // Delivered a moment ago: once the ledger knows, this is a new call.
        gate.record_deliveries().await;
        outcome = run(gate, request).await;
    }
    count(gate, &action_id, &outcome, begun.elapsed());
    match outcome {
        Ok(Outcome::Recorded(recorded)) => {
            let is_read = is_read(gate, recorded.receipt());
            let bytes = recorded.receipt().result.as_ref().map_or(0, |result| result.bytes);
            let answer = || Reply::of(Answer::recorded(&recorded), recorded.receipt(), is_read);
            room::make_room(usize::try_from(bytes).unwrap_or(usize::MAX), answer)
        }
        Ok(Outcome::Held(held)) => match held_answer(gate, held.approval_id(), trace_id, wait).await {
            Some(reply) => reply,
            None => Reply::plain(Answer::held(&held)),
        },
        Ok(Outcome::Joined(prior)) => match joined(gate, prior, trace_id, wait).await {
            Ok(reply) => reply,
            Err(denial) => {
                record_refusal(gate, &caller, &action_id, &denial, trace_id).await;
                Reply::plain(Answer::denied(&denial, trace_id))
            }
        },
        Err(denial) => {
            log_cause(&denial, trace_id);
            Reply::plain(Answer::denied(&denial, trace_id))
        }
    }
}

fn count(gate: &Gate, action_id: &str, outcome: &Result<Outcome, Denial>, took: Duration) {
    let decision = match outcome {
        Ok(Outcome::Recorded(recorded)) => {
            gate.metrics.recorded(recorded.receipt(), took);
            Decision::Executed
        }
        Ok(Outcome::Held(_)) => Decision::Held,
        Ok(Outcome::Joined(_)) => Decision::Joined,
        Err(denial) => {
            gate.metrics.refused(denial.code);
            Decision::Denied
        }
    };
    let catalog = gate.catalog.load();
    let action = catalog.actions.contains_key(action_id).then_some(action_id);
    gate.metrics.answered(action, decision);
}

/// Of a name that a caller chose and that need not be an action's.
const NAME_CHARS_MAX: usize = 64;

/// One pass through the pipeline, in a task of the gate's own.
async fn run(gate: &Arc<Gate>, request: Request) -> Result<Outcome, Denial> {
    let trace_id = request.trace_id();
    let refused = interrupted_entry(&request);
    let task = gate.tasks.spawn({
        let gate = Arc::clone(gate);
        async move {
            let catalog = gate.catalog.load_full();
            pipeline::call(&gate.world, &catalog, request).await
        }
    });
    match task.await {
        Ok(outcome) => outcome,
        Err(error) => Err(panicked(gate, refused, trace_id, &error.to_string()).await),
    }
}

/// The answer of the identical call.
///
/// # Errors
/// If there is none to be had.
async fn joined(gate: &Arc<Gate>, prior: Prior, trace_id: TraceId, wait: Duration) -> Result<Reply, Denial> {
    match prior {
        Prior::Mismatch => Err(Denial::fault("an unhandled mismatch")),
        Prior::Held { approval_id, request_hash, expires_at } => {
            let decided = held_answer(gate, approval_id, trace_id, wait).await;
            Ok(decided.unwrap_or_else(|| {
                Reply::plain(Answer::pending(approval_id, request_hash, expires_at, trace_id))
            }))
        }
        Prior::Running { intent_seq } => match settled(gate, intent_seq).await {
            Some(finished) => Ok(finished_reply(gate, &finished, trace_id)),
            None => {
                Err(Denial::new(Code::Draining, "the gate is shutting down; an identical call is running")
                    .remedy("call again after the restart: you get its answer"))
            }
        },
        Prior::Finished(finished) | Prior::Unknown(finished) => Ok(finished_reply(gate, &finished, trace_id)),
    }
}

fn finished_reply(gate: &Gate, finished: &Finished, trace_id: TraceId) -> Reply {
    match Answer::finished(finished, trace_id, &*gate.world.payloads) {
        Ok(answer) => Reply::of(answer, &finished.receipt, false),
        Err(denial) => {
            log_cause(&denial, trace_id);
            Reply::plain(Answer::denied(&denial, trace_id))
        }
    }
}

/// Waits for the outcome of an intent; `None` if the gate ends first.
pub async fn settled(gate: &Gate, intent_seq: u64) -> Option<Arc<Finished>> {
    let mut changed = gate.world.ledger.changed();
    loop {
        if let Some(finished) = gate.world.ledger.outcome_of(intent_seq) {
            return Some(finished);
        }
        changed.changed().await.ok()?;
    }
}

/// What a held call's caller is told once it is decided and done; `None` if that takes longer than `wait`.
async fn held_answer(gate: &Arc<Gate>, id: ApprovalId, trace_id: TraceId, wait: Duration) -> Option<Reply> {
    if wait.is_zero() {
        return None;
    }
    let approval = decided(gate, id, wait).await?;
    Some(decided_answer(gate, &approval, trace_id))
}

/// The answer of a held call, as its `execute` would have given it: for its owner, who has its id and asks by that, so that
/// nothing is called anew whatever became of it.
pub async fn collect(gate: &Arc<Gate>, approval: &Approval, trace_id: TraceId, wait: Duration) -> Reply {
    if is_terminal(approval) {
        return decided_answer(gate, approval, trace_id);
    }
    let held = &approval.held;
    let decided = held_answer(gate, held.approval_id, trace_id, wait).await;
    decided.unwrap_or_else(|| {
        let hash = held.call.request_hash;
        Reply::plain(Answer::pending(held.approval_id, hash, held.expires_at, trace_id))
    })
}

fn decided_answer(gate: &Gate, approval: &Approval, trace_id: TraceId) -> Reply {
    if let Some(finished) = &approval.finished {
        return finished_reply(gate, finished, trace_id);
    }
    let reason = approval.reason.clone();
    let denial = match approval.status {
        ApprovalStatus::Denied => {
            let mut denial = Denial::new(Code::PolicyDenied, "an operator denied this call");
            denial.deny_reason = reason;
            denial
        }
        ApprovalStatus::Expired => Denial::new(Code::PolicyDenied, "nobody decided this call in time")
            .remedy("call again and ask an operator to look: latchgate approvals list"),
        _ => {
            let detail = reason.unwrap_or_else(|| "the approved call could not be executed".into());
            Denial::new(Code::Conflict, detail).remedy("call again: it is judged anew")
        }
    };
    Reply::plain(Answer::denied(&denial, trace_id))
}

/// The approval once nothing more will come of it, or `None` after `wait`, or when the gate is to end.
pub async fn decided(gate: &Gate, id: ApprovalId, wait: Duration) -> Option<Approval> {
    let _counted = gate.metrics.waits();
    let mut changed = gate.world.ledger.changed();
    let terminal = async {
        loop {
            let approval = gate.world.ledger.approval(id)?;
            if is_terminal(&approval) {
                return Some(approval);
            }
            changed.changed().await.ok()?;
        }
    };
    tokio::select! {
        approval = terminal => approval,
        () = tokio::time::sleep(wait) => None,
        () = gate.shutdown.cancelled() => None,
    }
}

fn is_terminal(approval: &Approval) -> bool {
    match approval.status {
        ApprovalStatus::Pending | ApprovalStatus::Approved => false,
        ApprovalStatus::Redeemed => approval.finished.is_some(),
        ApprovalStatus::Denied | ApprovalStatus::Expired | ApprovalStatus::Void => true,
    }
}

fn is_read(gate: &Gate, receipt: &Receipt) -> bool {
    let catalog = gate.catalog.load();
    let action = catalog.actions.get(&receipt.action.id);
    action.is_some_and(|action| action.manifest.class == latchgate_monitor::manifest::Class::Read)
}

fn interrupted_entry(request: &Request) -> CallDenied {
    CallDenied {
        who: request.caller().who().clone(),
        action_id: request.action_id().chars().take(NAME_CHARS_MAX).collect(),
        error: Code::Internal.as_str().to_owned(),
        policy: None,
        approval_id: None,
        proof: Some(request.proof().clone()),
    }
}

/// A panic outside the sandbox: a fault, an entry, and a counter that tests hold at zero.
async fn panicked(gate: &Gate, entry: CallDenied, trace_id: TraceId, cause: &str) -> Denial {
    gate.world.count_panic();
    let body = Body::CallDenied(entry);
    let commit = Commit { trace_id: Some(trace_id), body, payload: Durability::Buffered };
    if let Err(error) = gate.world.ledger.commit(commit).await {
        tracing::error!(%trace_id, %error, "a panic's entry was not written");
    }
    Denial::fault(format!("the call's task ended: {cause}"))
}

/// The entry of a refusal outside the pipeline, after the caller was authenticated.
pub async fn record_refusal(gate: &Gate, caller: &Caller, what: &str, denial: &Denial, trace_id: TraceId) {
    gate.metrics.refused(denial.code);
    log_cause(denial, trace_id);
    let body = Body::CallDenied(CallDenied {
        who: caller.who().clone(),
        action_id: what.chars().take(NAME_CHARS_MAX).collect(),
        error: denial.code.as_str().to_owned(),
        policy: None,
        approval_id: None,
        proof: Some(caller.proof().clone()),
    });
    let commit = Commit { trace_id: Some(trace_id), body, payload: Durability::Buffered };
    if let Err(error) = gate.world.ledger.commit(commit).await {
        tracing::warn!(%trace_id, %error, "a refusal's entry was not written");
    }
}

/// Whoever ends a fault logs it, once.
pub fn log_cause(denial: &Denial, trace_id: TraceId) {
    if let Some(cause) = &denial.cause {
        tracing::error!(%trace_id, code = denial.code.as_str(), %cause, "fault");
    }
}
