//! Entries as a gate makes them: reads by five principals, and now and then one by another of another action.

use latchgate_wire::digest::Digest;
use latchgate_wire::entry::*;
use latchgate_wire::ids::*;
use latchgate_wire::principal::Principal;
use latchgate_wire::receipt::*;
use latchgate_wire::time::Timestamp;

pub const ORIGIN: &str = "bench/01BENCHBENCHBENCHBENCHBENCH";
pub const PRINCIPALS: u64 = 5;
/// Every so many calls there is one by [`RARE_UID`].
pub const RARE: u64 = 50_000;
pub const RARE_UID: u32 = 7;
pub const ACTIONS: [&str; 2] = ["notes_read", "rare_read"];

pub fn who(n: u64) -> Who {
    let is_rare = n % RARE == RARE - 1;
    let place = if is_rare { PRINCIPALS } else { n % PRINCIPALS };
    let uid = if is_rare { RARE_UID } else { 1000 + place as u32 };
    Who {
        principal: Principal::Uid(uid),
        session_id: SessionId::new(1, u128::from(place)),
        lease_jti: LeaseId::new(1, u128::from(place)),
        agent: Some("bench".into()),
    }
}

pub fn config() -> Body {
    Body::ConfigChanged(ConfigChanged {
        policy_digest: Digest::of(b"policy"),
        actions: ACTIONS.map(|id| (id.to_owned(), Digest::of(b"manifest"))).into(),
        allowance: None,
    })
}

pub fn lease(who: Who, from: Timestamp) -> Body {
    Body::LeaseIssued(LeaseIssued {
        who,
        jkt: "jkt".into(),
        scopes: vec!["tools:call".into()],
        budgets: Budgets::default(),
        expires_at: from.plus_ms(86_400_000),
        session_expires_at: from.plus_ms(86_400_000),
        renews: None,
        proof: None,
    })
}

/// Each session's lease, the rare one last.
pub fn leases(from: Timestamp) -> impl Iterator<Item = Body> {
    (0..PRINCIPALS).chain([RARE - 1]).map(move |n| lease(who(n), from))
}

pub fn intent(n: u64, at: Timestamp) -> CallIntent {
    let made = at.as_ms().unsigned_abs();
    let action = ACTIONS[usize::from(n % RARE == RARE - 1)];
    let plan = Digest::of(&n.to_be_bytes());
    CallIntent {
        grant_id: GrantId::new(made, u128::from(n)),
        call: Call {
            who: who(n),
            action: ActionRef {
                id: action.into(),
                version: "1.0.0".into(),
                manifest_digest: Digest::of(b"manifest"),
                module_digest: Digest::of(b"module"),
            },
            request_hash: plan,
            operation: Operation {
                summary: "Read a note".into(),
                target: "https://api.example.com/notes/{id}".into(),
                digest: plan,
            },
            plan: PlanRef { digest: plan, kind: PlanKind::Exact },
            args_digest: plan,
            payload: PayloadAt { segment: 0, offset: n * 600 },
            policy: PolicyRef {
                digest: Digest::of(b"policy"),
                rule: "allow-notes".into(),
                verdict: Verdict::Allow,
                at_most: None,
                would: None,
            },
            idempotency_key: None,
            is_read: true,
            proof: Some(ProofId { jkt: "k".repeat(43), jti: format!("{n:026}"), iat: at.as_secs() }),
        },
        approval: None,
        cost: Cost { calls: 1, ..Cost::default() },
        deadline: at.plus_ms(30_000),
        pins: None,
        limits: Vec::new(),
    }
}

pub fn outcome(n: u64, intent_seq: u64, intent: &CallIntent, at: Timestamp) -> Receipt {
    let call = &intent.call;
    Receipt {
        receipt_id: ReceiptId::new(at.as_ms().unsigned_abs(), u128::from(n)),
        intent_seq,
        grant_id: intent.grant_id,
        action: call.action.clone(),
        principal: call.who.principal.clone(),
        agent: call.who.agent.clone(),
        session_id: call.who.session_id,
        operation: call.operation.clone(),
        effects: vec![Effect {
            kind: "http.request".into(),
            target: call.operation.target.clone(),
            status: EffectStatus::Done,
            http_status: Some(200),
            bytes: 500,
            digest: Some(Digest::of(b"body")),
        }],
        verification: Verification { status: VerificationStatus::Verified },
        result: Some(ResultRef {
            kind: ResultKind::Success,
            digest: Digest::of(b"out"),
            bytes: 500,
            payload: None,
        }),
        approval: None,
        boundary: Boundary::SameUser,
        runtime: Runtime { duration_ms: 3, exit_code: 0, fuel_consumed: 123_456 },
        cost: intent.cost,
        started_at: at,
        finished_at: at,
        failure_class: None,
    }
}

pub fn trace_id(n: u64, at: Timestamp) -> TraceId {
    TraceId::new(at.as_ms().unsigned_abs(), u128::from(n))
}
