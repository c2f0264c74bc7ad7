//! Held calls: shown to their owner and to operators, decided by operators, executed at once when approved.

use std::sync::Arc;
use std::time::Instant;

use latchgate_ledger::ApprovalFilter;
use latchgate_monitor::answer::Answer;
use latchgate_monitor::denial::Denial;
use latchgate_monitor::pipeline::{self, World as _};
use latchgate_monitor::plan::{FsOperation, Plan, Step};
use latchgate_monitor::ports::{
    Approval, ApprovalStatus, Clock as _, Commit, Durability, Log as _, Probe as _, Refusal,
};
use latchgate_monitor::steps::{CallPayload, Recorded};
use latchgate_wire::api::{
    ApprovalDetail, ApprovalInfo, ApproveRequest, Decided, DenyRequest, EarlierDecision, Poll, WITHDRAWN,
};
use latchgate_wire::digest::Digest;
use latchgate_wire::entry::{ApprovalDecided, Body, Decision};
use latchgate_wire::ids::{ApprovalId, TraceId};
use latchgate_wire::problem::Code;

use crate::calls::call::log_cause;
use crate::calls::{comparison, standing};
use crate::gate::Gate;
use crate::people::operators::Operated;

/// How long a client that polls is asked to wait.
const RETRY_AFTER_S: u64 = 2;

pub fn find(gate: &Gate, id: ApprovalId) -> Result<Approval, Denial> {
    gate.world.ledger.approval(id).ok_or_else(|| {
        Denial::new(Code::NotFound, "there is no such approval, or it ended more than 24 h ago")
    })
}

/// The state of a held call in a word: what lists show.
fn word(approval: &Approval) -> &'static str {
    match approval.status {
        ApprovalStatus::Pending => "pending",
        ApprovalStatus::Approved => "approved",
        ApprovalStatus::Denied => "denied",
        ApprovalStatus::Expired => "expired",
        ApprovalStatus::Void => "void",
        ApprovalStatus::Redeemed => match &approval.finished {
            None => "running",
            Some(finished) if finished.receipt.result.is_none() => "unknown",
            Some(_) => "executed",
        },
    }
}

pub fn info(gate: &Gate, approval: &Approval) -> ApprovalInfo {
    let call = &approval.held.call;
    let catalog = gate.catalog.load();
    let risk = catalog.actions.get(&call.action.id).map_or("unknown", |a| a.manifest.risk_level.as_str());
    ApprovalInfo {
        approval_id: approval.held.approval_id,
        status: word(approval).into(),
        action_id: call.action.id.clone(),
        title: call.operation.summary.clone(),
        risk_level: risk.into(),
        principal: call.who.principal.clone(),
        agent: call.who.agent.clone(),
        session_id: call.who.session_id,
        held_at: approval.held_at,
        expires_at: approval.held.expires_at,
        plan_digest: call.plan.digest,
        receipt_id: approval.finished.as_ref().map(|finished| finished.receipt.receipt_id),
    }
}

/// Newest first. `status` narrows by the word shown.
pub fn list(gate: &Gate, filter: &ApprovalFilter, status: Option<&str>) -> Vec<ApprovalInfo> {
    let approvals = gate.world.ledger.approvals(filter);
    approvals.iter().map(|a| info(gate, a)).filter(|i| status.is_none_or(|word| i.status == word)).collect()
}

/// Everything that an operator needs to judge: the stored plan itself, checked against its digest when it is redeemed.
pub async fn detail(gate: &Gate, approval: &Approval) -> Result<ApprovalDetail, Denial> {
    let call = &approval.held.call;
    let stored = CallPayload::read(&*gate.world.payloads, call.payload)?;
    let catalog = gate.catalog.load_full();
    let action = catalog.actions.get(&call.action.id);
    let plan = serde_json::to_value(&stored.plan).map_err(|error| Denial::fault(error.to_string()))?;
    let like = like(gate, approval);
    let changes = last_approved(&like)
        .and_then(|last| CallPayload::read(&*gate.world.payloads, last.held.call.payload).ok())
        .map(|last| comparison::changes(&last.args, &stored.args));
    Ok(ApprovalDetail {
        info: info(gate, approval),
        description: action.map_or_else(String::new, |action| action.manifest.description.clone()),
        rule: call.policy.rule.clone(),
        rule_reason: catalog.policy.ask_reason(&call.policy.rule),
        present: present(gate, &stored.plan).await,
        arguments: stored.args,
        plan,
        boundary: gate.boundary_for(&call.who.principal),
        approvers: approval.approvers(),
        approved_by: approval.approved_by.clone(),
        agent_reason: stored.agent_reason,
        earlier: like.iter().filter_map(earlier).take(EARLIER_MAX).collect(),
        changes,
    })
}

const EARLIER_MAX: usize = 10;

/// Other calls of the same action by the same principal, newest first.
fn like(gate: &Gate, approval: &Approval) -> Vec<Approval> {
    let call = &approval.held.call;
    let filter = ApprovalFilter { principal: Some(call.who.principal.clone()), ..ApprovalFilter::default() };
    let mut like = gate.world.ledger.approvals(&filter);
    like.retain(|a| a.held.call.action.id == call.action.id && a.held_seq < approval.held_seq);
    like
}

fn last_approved(like: &[Approval]) -> Option<&Approval> {
    like.iter().find(|approval| approval.approved.is_some())
}

fn earlier(approval: &Approval) -> Option<EarlierDecision> {
    let status = word(approval);
    (approval.status != ApprovalStatus::Pending).then(|| EarlierDecision {
        approval_id: approval.held.approval_id,
        status: status.into(),
        held_at: approval.held_at,
        operator: approval.approved_by.join(","),
        reason: approval.reason.clone(),
    })
}

/// What a write or deletion would do away with, if it is a text that can be shown.
async fn present(gate: &Gate, plan: &Plan) -> Option<String> {
    let path = plan.steps.iter().find_map(|step| match step {
        Step::Fs(step) => match step.operation {
            FsOperation::Write | FsOperation::Delete => Some(&step.path),
            FsOperation::Read | FsOperation::List | FsOperation::Search => None,
        },
        Step::Http(_) => None,
    })?;
    let (bytes, _) = gate.world.roots.content(path, PRESENT_BYTES_MAX).await.ok()?;
    String::from_utf8(bytes).ok()
}

/// As much as an action writes at most.
const PRESENT_BYTES_MAX: u64 = 1 << 20;

/// What the owner is told.
pub fn poll(gate: &Gate, approval: &Approval, trace_id: TraceId) -> Result<Poll, Denial> {
    let mut poll = Poll {
        approval_id: approval.held.approval_id,
        action_id: approval.held.call.action.id.clone(),
        status: String::new(),
        receipt_id: None,
        result: None,
        reason: None,
        effect: None,
        retry_after_seconds: None,
    };
    let (status, reason) = match (approval.status, &approval.finished) {
        (ApprovalStatus::Pending | ApprovalStatus::Approved, _) | (ApprovalStatus::Redeemed, None) => {
            poll.retry_after_seconds = Some(RETRY_AFTER_S);
            ("pending", None)
        }
        (ApprovalStatus::Denied, _) => ("denied", approval.reason.clone()),
        (ApprovalStatus::Expired, _) => ("expired", Some("nobody decided in time".to_owned())),
        (ApprovalStatus::Void, _) => ("failed", approval.reason.clone()),
        (ApprovalStatus::Redeemed, Some(finished)) => {
            poll.receipt_id = Some(finished.receipt.receipt_id);
            poll.effect = Some(finished.receipt.effect());
            match Answer::finished(finished, trace_id, &*gate.world.payloads)? {
                Answer::Executed(executed) => {
                    poll.result = Some(executed.output);
                    ("approved", None)
                }
                Answer::Problem(problem) => ("failed", Some(problem.detail)),
                Answer::Pending(_) => ("pending", None),
            }
        }
    };
    poll.status = status.into();
    poll.reason = reason;
    Ok(poll)
}

/// Decides yes, and executes. Both are the gate's own work: an operator who hangs up leaves nothing in between.
pub async fn approve(
    gate: &Arc<Gate>,
    id: ApprovalId,
    request: ApproveRequest,
    operated: Operated,
    trace_id: TraceId,
) -> Result<Decided, Denial> {
    if gate.is_draining() {
        return Err(Denial::new(Code::Draining, "the gate is shutting down, so nothing is executed")
            .remedy("approve after the restart: the call stays held"));
    }
    let approval = find(gate, id)?;
    let reach = standing::reach(gate, &approval, request.scope, request.reach)?;
    let body = ApprovalDecided {
        approval_id: id,
        decision: Decision::Approved,
        plan_digest: request.plan_digest,
        scope: Some(request.scope),
        reason: operator_text("note", request.note)?,
        signed: Some(operated.signed()),
        reach,
        cool_down_until: None,
    };
    let task = gate.tasks.spawn({
        let gate = Arc::clone(gate);
        async move {
            decide(&gate, body, &approval, trace_id).await?;
            let approval = find(&gate, id)?;
            // More operators are needed: the last of them executes it.
            if approval.status == ApprovalStatus::Pending {
                return Ok(None);
            }
            Ok::<_, Denial>(Some(execute(&gate, &approval).await))
        }
    });
    match task.await {
        Ok(executed) => match executed? {
            Some(executed) => Ok(told(id, executed, trace_id)),
            None => Ok(decision(id, "pending")),
        },
        Err(error) => {
            gate.world.count_panic();
            Err(Denial::fault(format!("the call's task ended: {error}")))
        }
    }
}

/// Executes what was approved when the gate died, before anybody could be told otherwise.
pub fn resume(gate: &Arc<Gate>) {
    let filter = ApprovalFilter { status: Some(ApprovalStatus::Approved), ..ApprovalFilter::default() };
    for approval in gate.world.ledger.approvals(&filter) {
        let gate = Arc::clone(gate);
        let tasks = gate.tasks.clone();
        tasks.spawn(async move {
            if let Err(denial) = execute(&gate, &approval).await {
                tracing::warn!(approval = %approval.held.approval_id, why = %denial.detail, "an approved call was not executed after the restart");
            }
        });
    }
}

async fn execute(gate: &Arc<Gate>, approval: &Approval) -> Result<Recorded, Denial> {
    let catalog = gate.catalog.load_full();
    let boundary = gate.boundary_for(&approval.held.call.who.principal);
    let begun = Instant::now();
    let executed = pipeline::execute_approved(&gate.world, &catalog, approval, boundary).await;
    match &executed {
        Ok(recorded) => gate.metrics.recorded(recorded.receipt(), begun.elapsed()),
        Err(denial) => gate.metrics.refused(denial.code),
    }
    executed
}

/// What the operator is told of the execution.
fn told(id: ApprovalId, executed: Result<Recorded, Denial>, trace_id: TraceId) -> Decided {
    let mut decided = decision(id, "approved");
    match executed {
        Ok(recorded) => {
            decided.receipt_id = Some(recorded.receipt().receipt_id);
            decided.effect = Some(recorded.receipt().effect());
            match Answer::recorded(&recorded) {
                Answer::Executed(executed) => decided.output = Some(executed.output),
                Answer::Problem(problem) => decided.problem = Some(*problem),
                Answer::Pending(_) => {}
            }
        }
        Err(denial) => {
            log_cause(&denial, trace_id);
            let mut problem = denial.problem();
            problem.trace_id = Some(trace_id);
            decided.effect = Some(problem.effect);
            decided.problem = Some(problem);
        }
    }
    decided
}

/// Text that an operator adds to an entry: one line of at most 1,024 bytes.
pub fn operator_text(name: &str, text: Option<String>) -> Result<Option<String>, Denial> {
    match text {
        Some(text) if text.len() > OPERATOR_TEXT_BYTES_MAX || text.chars().any(char::is_control) => {
            let detail = format!("{name}: expected one line of at most {OPERATOR_TEXT_BYTES_MAX} bytes");
            Err(Denial::new(Code::BadRequest, detail))
        }
        text => Ok(text),
    }
}

const OPERATOR_TEXT_BYTES_MAX: usize = 1024;

/// Decides no.
pub async fn deny(
    gate: &Gate,
    id: ApprovalId,
    request: DenyRequest,
    operated: Operated,
    trace_id: TraceId,
) -> Result<Decided, Denial> {
    let approval = find(gate, id)?;
    if request.cool_down_s.is_some_and(|seconds| !(1..=COOL_DOWN_S_MAX).contains(&seconds)) {
        return Err(Denial::new(Code::BadRequest, "cool_down_s: expected 1 to 604800"));
    }
    let cool_down_ms = request.cool_down_s.map(|s| i64::try_from(s).unwrap_or(i64::MAX).saturating_mul(1000));
    let body = ApprovalDecided {
        approval_id: id,
        decision: Decision::Denied,
        plan_digest: request.plan_digest,
        scope: None,
        reason: operator_text("reason", request.reason)?,
        signed: Some(operated.signed()),
        reach: None,
        cool_down_until: cool_down_ms.map(|ms| gate.world.clock.now().plus_ms(ms)),
    };
    decide(gate, body, &approval, trace_id).await?;
    Ok(decision(id, "denied"))
}

fn decision(approval_id: ApprovalId, status: &str) -> Decided {
    Decided {
        approval_id,
        status: status.into(),
        receipt_id: None,
        output: None,
        effect: None,
        problem: None,
    }
}

/// A week.
const COOL_DOWN_S_MAX: u64 = 7 * 86_400;

async fn decide(
    gate: &Gate,
    decided: ApprovalDecided,
    approval: &Approval,
    trace_id: TraceId,
) -> Result<(), Denial> {
    check_shown(decided.plan_digest, approval)?;
    let body = Body::ApprovalDecided(decided);
    let commit = Commit { trace_id: Some(trace_id), body, payload: Durability::Buffered };
    gate.world.ledger.commit(commit).await?;
    Ok(())
}

/// The operator decides what was shown, by its digest.
fn check_shown(shown: Digest, approval: &Approval) -> Result<(), Denial> {
    if shown == approval.held.call.plan.digest { Ok(()) } else { Err(Refusal::OtherPlan.into()) }
}

/// Its owner no longer wants it. Nobody is asked any more, and nothing of it happens.
pub async fn withdraw(gate: &Gate, approval: &Approval, trace_id: TraceId) -> Result<Decided, Denial> {
    let body = ApprovalDecided {
        approval_id: approval.held.approval_id,
        decision: Decision::Void,
        plan_digest: approval.held.call.plan.digest,
        scope: None,
        reason: Some(WITHDRAWN.to_owned()),
        signed: None,
        reach: None,
        cool_down_until: None,
    };
    let commit =
        Commit { trace_id: Some(trace_id), body: Body::ApprovalDecided(body), payload: Durability::Buffered };
    gate.world.ledger.commit(commit).await?;
    Ok(decision(approval.held.approval_id, "void"))
}

/// Ends what nobody decided in time; run once a second.
pub async fn expire(gate: &Gate) {
    let now = gate.world.clock.now();
    let filter = ApprovalFilter { status: Some(ApprovalStatus::Pending), ..ApprovalFilter::default() };
    for approval in gate.world.ledger.approvals(&filter) {
        if now < approval.held.expires_at {
            continue;
        }
        let body = Body::ApprovalDecided(ApprovalDecided {
            approval_id: approval.held.approval_id,
            decision: Decision::Expired,
            plan_digest: approval.held.call.plan.digest,
            scope: None,
            reason: None,
            signed: None,
            reach: None,
            cool_down_until: None,
        });
        let commit = Commit { trace_id: approval.trace_id, body, payload: Durability::Buffered };
        // A decision that came first wins; that is no fault.
        let _decided_meanwhile = gate.world.ledger.commit(commit).await;
    }
}
