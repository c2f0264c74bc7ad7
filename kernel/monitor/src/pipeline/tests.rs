//! The way of a call under scripted ports: what is written, in which order, and what is done.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use latchgate_wire::digest::Digest;
use latchgate_wire::entry::{Body, Reach};
use latchgate_wire::problem::Code;
use latchgate_wire::receipt::*;
use latchgate_wire::time::Timestamp;
use pollster::block_on;

use super::scripted::*;
use super::{Outcome, World as _, call, execute_approved};
use crate::answer::Answer;
use crate::plan::{Before, Content, FsOperation, Step};
use crate::ports::*;
use crate::steps::{CallPayload, Observed, Ran, StepFailure, pins_of};

const READ: &str = r#"{"path":"a.txt"}"#;
const WRITE: &str = r#"{"path":"a.txt","content":"new"}"#;

fn runs(world: &Scripted) -> u64 {
    world.sandbox.runs.load(Ordering::Relaxed)
}

fn recorded(world: &Scripted, policy: &str) -> super::Recorded {
    let request = request(world, "fs_read", READ);
    match block_on(call(world, &catalog(policy), request)).unwrap() {
        Outcome::Recorded(recorded) => recorded,
        other => panic!("expected a record, found {other:?}"),
    }
}

#[test]
fn an_allowed_call_has_its_intent_before_it_runs_and_its_outcome_before_it_is_answered() {
    let world = world();
    let recorded = recorded(&world, ALLOW);
    assert_eq!(world.log.kinds(), ["call.intent", "call.outcome"]);
    assert_eq!((runs(&world), recorded.receipt().intent_seq, recorded.seq()), (1, 0, 1));
    assert_eq!(recorded.receipt().verification.status, VerificationStatus::Verified);
    assert_eq!(Answer::recorded(&recorded).status(), 200);
}

#[test]
fn a_denied_call_leaves_its_entry_with_the_rule_and_runs_nothing() {
    let world = world();
    let denial = block_on(call(&world, &catalog(DENY), request(&world, "fs_read", READ))).unwrap_err();
    assert_eq!((denial.code, denial.deny_reason.as_deref()), (Code::PolicyDenied, Some("not here")));
    assert_eq!((world.log.kinds(), runs(&world)), (vec!["call.denied"], 0));
    let Body::CallDenied(entry) = world.log.entries.lock().unwrap()[0].clone() else { panic!() };
    assert_eq!(entry.policy.unwrap().rule, "no");
    assert!(
        !serde_json::to_string(&denial.problem()).unwrap().contains("\"no\""),
        "the agent learns no rule"
    );
}

#[test]
fn an_empty_policy_denies() {
    let world = world();
    let denial = block_on(call(&world, &catalog(""), request(&world, "fs_read", READ))).unwrap_err();
    assert_eq!((denial.code, runs(&world)), (Code::PolicyDenied, 0));
}

#[test]
fn every_refusal_before_the_intent_leaves_an_entry_and_no_effect() {
    for (action, body, code) in [
        ("nope", READ, Code::ActionNotFound),
        ("fs_read", "[]", Code::BadRequest),
        ("fs_read", r#"{"path":"a","path":"b"}"#, Code::BadRequest),
        ("fs_read", r#"{"path":7}"#, Code::SchemaViolation),
        ("fs_read", r#"{"path":"a","more":1}"#, Code::SchemaViolation),
        ("fs_read", r#"{"path":"../a"}"#, Code::InvalidTarget),
    ] {
        let world = world();
        let denial = block_on(call(&world, &catalog(ALLOW), request(&world, action, body))).unwrap_err();
        assert_eq!(denial.code, code, "{action} {body}");
        assert_eq!((world.log.kinds(), runs(&world)), (vec!["call.denied"], 0), "{action} {body}");
    }
}

#[test]
fn a_root_that_cannot_be_used_is_the_operators_to_mend() {
    let world = world();
    let missing = ProbeError::Root { message: "no root".into(), remediation: "make it".into() };
    *world.probe.0.lock().unwrap() = Err(missing);
    let denial = block_on(call(&world, &catalog(ALLOW), request(&world, "fs_read", READ))).unwrap_err();
    assert_eq!((denial.code, denial.remediation.as_deref()), (Code::Unavailable, Some("make it")));
}

#[test]
fn whom_policy_denies_learns_nothing_of_what_is_there() {
    let absent = ProbeError::Target { message: "`a.txt` does not exist".into() };
    for (policy, code) in
        [(DENY, Code::PolicyDenied), (ALLOW, Code::InvalidTarget), (ASK, Code::InvalidTarget)]
    {
        let world = world();
        *world.probe.0.lock().unwrap() = Err(absent.clone());
        let denial = block_on(call(&world, &catalog(policy), request(&world, "fs_read", READ))).unwrap_err();
        assert_eq!((denial.code, runs(&world)), (code, 0), "{policy}");
    }
}

fn patch(old_text: &str) -> String {
    format!(r#"{{"path":"a.txt","old_text":"{old_text}","new_text":"three"}}"#)
}

#[test]
fn a_patch_is_planned_as_the_write_of_the_whole_result() {
    let world = world();
    let outcome = block_on(call(&world, &catalog(ASK), request(&world, "fs_patch", &patch("one")))).unwrap();
    let Outcome::Held(held) = outcome else { panic!("expected a held call") };
    let stored = CallPayload::read(&world.payloads, held.held.call.payload).unwrap();
    let [Step::Fs(step)] = stored.plan.steps.as_slice() else { panic!("{:?}", stored.plan) };
    let before = Before::File { digest: Digest::of(CONTENT.as_bytes()), size: 11 };
    assert_eq!((step.operation, step.path.as_str()), (FsOperation::Write, "a.txt"));
    assert_eq!((&step.content, &step.before), (&Some(Content::Text("three two two".into())), &Some(before)));
}

#[test]
fn a_patch_that_does_not_fit_is_told_only_to_whom_policy_does_not_deny() {
    let absent = ProbeError::Target { message: "`a.txt` does not exist".into() };
    for (old_text, missing, detail) in [
        ("zero", false, "the text to replace was not found in the file"),
        ("two", false, "the text to replace was found 2 times, expected once"),
        ("one", true, "`a.txt` does not exist"),
    ] {
        for (policy, code) in
            [(DENY, Code::PolicyDenied), (ALLOW, Code::InvalidTarget), (ASK, Code::InvalidTarget)]
        {
            let world = world();
            if missing {
                *world.probe.0.lock().unwrap() = Err(absent.clone());
            }
            let request = request(&world, "fs_patch", &patch(old_text));
            let denial = block_on(call(&world, &catalog(policy), request)).unwrap_err();
            assert_eq!((denial.code, runs(&world)), (code, 0), "{policy} {old_text}");
            assert_eq!(denial.detail == detail, policy != DENY, "{denial:?}");
            assert_eq!(denial.pointer.is_some(), policy != DENY && !missing, "{denial:?}");
            assert_eq!(world.log.kinds(), ["call.denied"]);
        }
    }
}

#[test]
fn policy_judges_a_patch_as_a_write_of_its_path_whatever_is_there() {
    let policy = format!(
        "{ALLOW} @id(\"not-here\") forbid (principal, action, resource) \
         when {{ context.op has operation && context.op.operation == \"write\" && context.op.path == \"a.txt\" }};"
    );
    for found in [Ok(None), Err(ProbeError::Target { message: "absent".into() })] {
        let world = world();
        *world.probe.0.lock().unwrap() = found;
        let request = request(&world, "fs_patch", &patch("one"));
        let denial = block_on(call(&world, &catalog(&policy), request)).unwrap_err();
        assert_eq!(denial.code, Code::PolicyDenied);
    }
}

#[test]
fn an_intent_that_the_log_refuses_runs_nothing() {
    for (error, code) in [
        (CommitError::Refused(Refusal::BudgetExhausted), Code::BudgetExhausted),
        (CommitError::Refused(Refusal::Revoked), Code::LeaseRevoked),
        (CommitError::Refused(Refusal::ConfigChanged), Code::Conflict),
        (CommitError::Full, Code::Unavailable),
    ] {
        let world = world();
        world.log.refuse.lock().unwrap().insert("call.intent", error);
        let denial = block_on(call(&world, &catalog(ALLOW), request(&world, "fs_read", READ))).unwrap_err();
        assert_eq!((denial.code, runs(&world)), (code, 0));
    }
}

#[test]
fn an_outcome_that_cannot_be_recorded_is_not_answered_with_success() {
    let world = world();
    world.log.refuse.lock().unwrap().insert("call.outcome", CommitError::Closed("dead".into()));
    let denial = block_on(call(&world, &catalog(ALLOW), request(&world, "fs_read", READ))).unwrap_err();
    assert_eq!((denial.code, denial.effect), (Code::Internal, EffectStatus::Done));
}

#[test]
fn a_panic_in_the_sandbox_is_recorded_as_unknown() {
    let world = world();
    *world.sandbox.ran.lock().unwrap() = None;
    let recorded = recorded(&world, ALLOW);
    assert_eq!(world.panics.load(Ordering::Relaxed), 1);
    assert_eq!(recorded.receipt().effect(), EffectStatus::Unknown);
    assert_eq!(recorded.receipt().failure_class, Some(FailureClass::Fault));
    assert_eq!(Answer::recorded(&recorded).status(), 500);
    assert_eq!(world.log.kinds(), ["call.intent", "call.outcome"]);
}

#[test]
fn what_the_guest_claims_does_not_count_where_the_host_saw_otherwise() {
    let world = world();
    // The guest says that it is done; the host performed nothing.
    *world.sandbox.ran.lock().unwrap() = Some(Ran { observed: vec![], ..done() });
    let claimed = recorded(&world, ALLOW);
    assert_eq!(claimed.receipt().verification.status, VerificationStatus::VerificationFailed);
    assert_eq!(claimed.receipt().effects[0].status, EffectStatus::None);
    assert!(!claimed.receipt().is_fully_successful());
}

#[test]
fn a_time_out_may_have_happened_and_is_not_retryable() {
    let world = world();
    let failure =
        StepFailure { class: FailureClass::ProviderTimeout, message: "no answer".into(), remediation: None };
    let seen = Observed {
        step: 0,
        status: EffectStatus::Unknown,
        http_status: None,
        is_refusal: false,
        bytes: 0,
        digest: None,
        failure: Some(failure),
    };
    *world.sandbox.ran.lock().unwrap() =
        Some(Ran { output: Err("it failed".into()), observed: vec![seen], ..done() });
    let Answer::Problem(problem) = Answer::recorded(&recorded(&world, ALLOW)) else { panic!() };
    assert_eq!((problem.status, problem.effect, problem.retryable), (504, EffectStatus::Unknown, false));
    assert_eq!(problem.detail, "no answer", "the host's words, not the guest's");
}

#[test]
fn an_output_that_is_no_json_is_a_failure_of_the_component() {
    let world = world();
    *world.sandbox.ran.lock().unwrap() = Some(Ran { output: Ok("{\"a\":1,\"a\":2}".into()), ..done() });
    let Answer::Problem(problem) = Answer::recorded(&recorded(&world, ALLOW)) else { panic!() };
    assert_eq!((problem.error.as_str(), problem.effect), ("action_failed", EffectStatus::Done));
}

#[test]
fn a_live_identical_call_is_joined_before_anything_is_planned() {
    let world = world();
    *world.log.prior.lock().unwrap() = Some(Prior::Running { intent_seq: 4 });
    let outcome = block_on(call(&world, &catalog(ALLOW), request(&world, "fs_write", WRITE))).unwrap();
    assert!(matches!(outcome, Outcome::Joined(Prior::Running { intent_seq: 4 })));
    assert_eq!((world.log.kinds(), runs(&world)), (vec![], 0));
}

#[test]
fn a_call_that_became_live_in_between_is_joined_by_the_log() {
    let world = world();
    let joined = Refusal::Joined(Box::new(Prior::Running { intent_seq: 4 }));
    world.log.refuse.lock().unwrap().insert("call.intent", joined.into());
    let outcome = block_on(call(&world, &catalog(ALLOW), request(&world, "fs_write", WRITE))).unwrap();
    assert!(matches!(outcome, Outcome::Joined(_)));
    assert_eq!(runs(&world), 0);
}

/// A held write and its approval, as the log would tell of them.
fn approved(world: &Scripted) -> Approval {
    *world.probe.0.lock().unwrap() = Ok(Some(Before::Absent));
    let outcome = block_on(call(world, &catalog(ASK), request(world, "fs_write", WRITE))).unwrap();
    let Outcome::Held(held) = outcome else { panic!("expected a held call") };
    let now = Timestamp::from_ms(NOW);
    Approval {
        held: Arc::new(held.held.clone()),
        held_seq: 0,
        held_at: now,
        trace_id: Some(held.trace_id),
        status: ApprovalStatus::Approved,
        approved: Some(ApprovalRef {
            id: held.approval_id(),
            operator: "local".into(),
            decided_at: now,
            scope: ApprovalScope::Once,
        }),
        approved_by: vec!["local".into()],
        reason: None,
        intent_seq: None,
        finished: None,
    }
}

#[test]
fn an_approved_call_executes_the_plan_that_was_held() {
    let world = world();
    let approval = approved(&world);
    assert_eq!((world.log.kinds(), runs(&world)), (vec!["call.held"], 0));
    // What lies there now does not matter: the plan is the stored one, not a new one.
    *world.probe.0.lock().unwrap() = Err(ProbeError::Target { message: "not asked again".into() });
    let recorded = block_on(execute_approved(&world, &catalog(ASK), &approval, Boundary::SameUser)).unwrap();
    assert_eq!(world.log.kinds(), ["call.held", "call.intent", "call.outcome"]);
    assert_eq!(recorded.receipt().operation.digest, approval.held.call.plan.digest);
    assert_eq!(recorded.receipt().approval, approval.approved);
}

#[test]
fn an_approval_is_void_once_policy_denies_or_another_rule_asks() {
    let other_name = ASK.replace("@id(\"ask\")", "@id(\"other\")");
    let same_name = ASK.replace("a person shall see it", "another question");
    for (policy, code) in [
        (DENY, Code::PolicyDenied),
        (ASK_TWO, Code::Conflict),
        (other_name.as_str(), Code::Conflict),
        (same_name.as_str(), Code::Conflict),
    ] {
        let world = world();
        let approval = approved(&world);
        let denial =
            block_on(execute_approved(&world, &catalog(policy), &approval, Boundary::SameUser)).unwrap_err();
        assert_eq!((denial.code, runs(&world)), (code, 0));
        assert_eq!(world.log.kinds(), ["call.held", "approval.decided", "call.denied"]);
    }
}

#[test]
fn an_approval_that_policy_meanwhile_allows_is_executed() {
    let world = world();
    let approval = approved(&world);
    block_on(execute_approved(&world, &catalog(ALLOW), &approval, Boundary::SameUser)).unwrap();
    assert_eq!(runs(&world), 1);
}

/// As an operator grants it after having seen the held write: nothing may change.
fn standing(world: &Scripted) -> StandingApproval {
    let approval = approved(world);
    let stored = CallPayload::read(&world.payloads, approval.held.call.payload).unwrap();
    let pins = pins_of(&world.settings().request_key, &approval, &stored, &[]).unwrap();
    let call = &approval.held.call;
    StandingApproval {
        approved: approval.approved.clone().unwrap(),
        who: call.who.clone(),
        action: call.action.clone(),
        summary: String::new(),
        target: String::new(),
        rule: call.policy.rule.clone(),
        payload: call.payload,
        reach: Reach { pins, free: Vec::new(), until: Timestamp::from_ms(NOW + 1), max_uses: 1 },
        uses: 0,
    }
}

#[test]
fn a_standing_approval_answers_its_like_and_not_where_two_people_are_asked() {
    for (policy, write, is_answered) in [
        (ASK, WRITE, true),
        (ASK, r#"{"path":"b.txt","content":"new"}"#, false),
        (ASK, r#"{"path":"a.txt","content":"other"}"#, false),
        (ASK_TWO, WRITE, false),
    ] {
        let world = world();
        *world.log.standings.lock().unwrap() = vec![standing(&world)];
        let outcome = block_on(call(&world, &catalog(policy), request(&world, "fs_write", write))).unwrap();
        assert_eq!(matches!(outcome, Outcome::Recorded(_)), is_answered, "{policy} {write}");
        assert_eq!(matches!(outcome, Outcome::Held(_)), !is_answered, "{policy} {write}");
    }
}

#[test]
fn a_stored_plan_that_was_swapped_is_not_executed() {
    let world = world();
    let approval = approved(&world);
    let at = approval.held.call.payload;
    let mut stored = serde_json::to_value(CallPayload::read(&world.payloads, at).unwrap()).unwrap();
    stored["plan"]["steps"][0]["content"]["text"] = "evil".into();
    world.payloads.0.lock().unwrap()[usize::try_from(at.offset).unwrap()] = stored.to_string().into_bytes();
    let denial =
        block_on(execute_approved(&world, &catalog(ASK), &approval, Boundary::SameUser)).unwrap_err();
    assert_eq!((denial.code, runs(&world)), (Code::Internal, 0));
}

#[test]
fn an_undecided_approval_is_not_executed() {
    for status in
        [ApprovalStatus::Pending, ApprovalStatus::Denied, ApprovalStatus::Expired, ApprovalStatus::Redeemed]
    {
        let world = world();
        let approval = Approval { status, ..approved(&world) };
        let denial =
            block_on(execute_approved(&world, &catalog(ASK), &approval, Boundary::SameUser)).unwrap_err();
        assert_eq!((denial.code, runs(&world)), (Code::ApprovalDecided, 0), "{status:?}");
    }
}

#[test]
fn a_revoked_lease_and_a_used_proof_are_refused() {
    let world = world();
    let authenticator = authenticator();
    let path = "/v1/actions/fs_read/execute";
    assert!(authenticated(&world, path, READ, "one", &authenticator).is_ok());
    let replayed = authenticated(&world, path, READ, "one", &authenticator).unwrap_err();
    assert_eq!(replayed.code, Code::ReplayDetected);
    *world.log.revoked.lock().unwrap() = true;
    let revoked = authenticated(&world, path, READ, "two", &authenticator).unwrap_err();
    assert_eq!(revoked.code, Code::LeaseRevoked);
}

const ISSUES: &str = r#"{"owner":"o","repo":"r","path":"issues"}"#;

#[test]
fn without_its_secret_a_call_ends_before_commit_and_says_what_to_set() {
    for policy in [ALLOW, ASK] {
        let world = world();
        let request = request(&world, "github_read", ISSUES);
        let denial = block_on(call(&world, &catalog(policy), request)).unwrap_err();
        assert_eq!((denial.code, denial.effect), (Code::SecretMissing, EffectStatus::None));
        assert_eq!(
            denial.remediation.as_deref(),
            Some("ask the operator: latchgate secrets set GITHUB_TOKEN")
        );
        assert_eq!((world.log.kinds(), runs(&world)), (vec!["call.denied"], 0));
    }
    // The twin.
    let world = world();
    world.secrets.0.lock().unwrap().push("GITHUB_TOKEN".into());
    let request = request(&world, "github_read", ISSUES);
    assert!(matches!(block_on(call(&world, &catalog(ALLOW), request)), Ok(Outcome::Recorded(_))));
    assert_eq!((world.log.kinds(), runs(&world)), (vec!["call.intent", "call.outcome"], 1));
}

#[test]
fn whom_policy_denies_learns_nothing_of_secrets() {
    let world = world();
    let denial = block_on(call(&world, &catalog(DENY), request(&world, "github_read", ISSUES))).unwrap_err();
    assert_eq!(denial.code, Code::PolicyDenied);
    assert!(!serde_json::to_string(&denial.problem()).unwrap().contains("GITHUB_TOKEN"));
}

#[test]
fn a_plan_names_the_secrets_that_are_set_and_holds_no_value() {
    let world = world();
    let mut held = Vec::new();
    for set in [&["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"][..], &["AWS_SESSION_TOKEN"]] {
        world.secrets.0.lock().unwrap().extend(set.iter().map(|name| (*name).to_owned()));
        let request = request(&world, "s3_read", r#"{"bucket":"logs","key":"a/b"}"#);
        let outcome = block_on(call(&world, &catalog(ASK), request)).unwrap();
        assert!(matches!(outcome, Outcome::Held(_)));
        let entries = world.log.entries.lock().unwrap();
        let Some(Body::CallHeld(entry)) = entries.last().cloned() else { panic!() };
        let stored = CallPayload::read(&world.payloads, entry.call.payload).unwrap();
        let Step::Http(step) = &stored.plan.steps[0] else { panic!() };
        held.push(step.secrets[0].names().map(str::to_owned).collect::<Vec<_>>());
    }
    assert_eq!(held[0], ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]);
    assert_eq!(held[1], ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"]);
}

/// A service that answers 200 and says in its answer that nothing was done.
#[test]
fn an_answer_that_says_no_is_no_success() {
    let world = world();
    for (is_refusal, status) in
        [(false, VerificationStatus::Verified), (true, VerificationStatus::VerificationFailed)]
    {
        let mut ran = done();
        ran.observed[0].is_refusal = is_refusal;
        *world.sandbox.ran.lock().unwrap() = Some(ran);
        assert_eq!(recorded(&world, ALLOW).receipt().verification.status, status);
    }
}
