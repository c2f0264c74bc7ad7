//! Decisions judged again, by the policy that was kept.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use latchgate_monitor::catalog::Catalog;
use latchgate_monitor::policy::Source;
use latchgate_monitor::ports::{Clock as _, Payloads as _};
use latchgate_wire::digest::{Digest, Salt};
use latchgate_wire::entry::*;
use latchgate_wire::ids::GrantId;
use latchgate_wire::receipt::*;
use serde_json::json;

use crate::Ledger;
use crate::testing::*;
use crate::verify::{self, Report};

const MANIFEST: &str = include_str!("../../../../manifests/fs_read.yaml");
const POLICY: &str = r#"
@id("not-keys")
@reason("keys are not read")
forbid (principal, action in Action::"class:read", resource)
when { context.op.kind == "fs" && context.op.path like "keys/*" };

@id("reads")
@reason("files are read")
permit (principal, action in Action::"class:read", resource)
when { context.time.unix_ms < 1767232800000 };

@id("while-budget-lasts")
@reason("the budget is not used up")
permit (principal, action in Action::"class:read", resource)
when { context.budget has calls_left && context.budget.calls_left > 6 };
"#;

/// Two hours after the tests' clock begins: from there on `reads` matches no more.
const READS_MS: i64 = 2 * HOUR;

fn catalog() -> Catalog {
    let source = |name: &str, text: &str| Source { name: name.into(), text: text.into() };
    Catalog::load(&[source("fs_read.yaml", MANIFEST)], &[source("policy.cedar", POLICY)]).unwrap()
}

/// A ledger with that policy in force, and a session of nine calls.
fn ready(home: &Home) -> Ledger {
    let catalog = catalog();
    let (ledger, _) = home.open().unwrap();
    ledger.keep_policy(&catalog.policy.document()).unwrap();
    ledger.keep_policy(MANIFEST.as_bytes()).unwrap();
    say(&ledger, Body::ConfigChanged(catalog.entry())).unwrap();
    say(&ledger, lease(who(), max_calls(9))).unwrap();
    ledger
}

/// An intent to read that path, let through by that rule as the entry says.
fn read(home: &Home, ledger: &Ledger, n: u64, path: &str, rule: &str) -> u64 {
    let catalog = catalog();
    let action = catalog.actions["fs_read"].reference();
    let (salt, args) = (Salt([7; 32]), json!({ "path": path }));
    let plan = json!({"kind": "exact", "steps": [{"kind": "fs", "operation": "read", "path": path, "bytes_max": 4_194_304}]});
    let stored = json!({ "salt": BASE64.encode(salt.0), "args": args, "plan": plan, "rule": null });
    let payload = ledger.payloads().put(stored.to_string().as_bytes()).unwrap();
    let plan: latchgate_monitor::plan::Plan = serde_json::from_value(plan).unwrap();
    let digest = plan.digest(&salt).unwrap();
    let policy = PolicyRef {
        digest: catalog.policy.digest(),
        rule: rule.into(),
        verdict: Verdict::Allow,
        at_most: None,
        would: None,
    };
    let call = Call {
        action,
        operation: Operation { summary: "Read a file".into(), target: plan.target(), digest },
        plan: PlanRef { digest, kind: PlanKind::Exact },
        args_digest: Digest::salted(&salt, &latchgate_wire::jcs::canonical_value(&args).unwrap()),
        payload,
        policy,
        ..read_call(n)
    };
    let made = u64::try_from(home.clock.now().as_ms()).unwrap();
    let intent = intent(GrantId::new(made, u128::from(n)), call);
    let seq = say(ledger, Body::CallIntent(intent.clone())).unwrap().seq;
    say(ledger, Body::CallOutcome(outcome(seq, &intent))).unwrap();
    seq
}

fn replayed(home: &Home) -> Report {
    verify::verify(&verify::Request {
        dir: &home.ledger_dir(),
        trust: verify::Trust::Key(key().verifying_key()),
        remembered: &[home.last_checkpoint()],
        since: None,
        payload_key: Some(&[9; 32]),
        progress: &|_| {},
    })
    .unwrap()
}

#[test]
fn decisions_that_the_policy_made_are_made_again() {
    let home = Home::new();
    let ledger = ready(&home);
    for n in 0..2 {
        read(&home, &ledger, n, "notes.md", "reads");
    }
    home.clock.advance(READS_MS);
    // Seven calls are left: the other rule lets through one more, judged by what was left in front of it.
    read(&home, &ledger, 2, "notes.md", "while-budget-lasts");
    close(&ledger);
    let report = replayed(&home);
    assert!(report.is_sound(), "{:?}", report.findings);
    assert!(report.notes.contains(&"decisions judged again: 3".to_owned()), "{:?}", report.notes);
}

#[test]
fn a_decision_that_the_policy_did_not_make_is_found_and_named() {
    for (path, rule, after, said) in [
        ("keys/id", "reads", 0, "deny by `not-keys`"),
        ("notes.md", "not-keys", 0, "allow by `reads`"),
        ("notes.md", "reads", READS_MS + HOUR, "allow by `while-budget-lasts`"),
    ] {
        let home = Home::new();
        let ledger = ready(&home);
        read(&home, &ledger, 1, "notes.md", "reads");
        home.clock.advance(after);
        let seq = read(&home, &ledger, 2, path, rule);
        close(&ledger);
        let report = replayed(&home);
        let [finding] = report.findings.as_slice() else { panic!("{:?}", report.findings) };
        assert_eq!((finding.rule, finding.seq), ("policy", Some(seq)));
        assert!(finding.message.contains(&format!("says {said}")), "{}", finding.message);
        assert!(verified(&home).is_sound(), "without the payloads nobody can tell");
    }
}

#[test]
fn what_was_not_kept_is_said_and_is_no_finding() {
    let home = Home::new();
    let ledger = ready(&home);
    read(&home, &ledger, 1, "notes.md", "reads");
    close(&ledger);
    let name = Digest::of(MANIFEST.as_bytes()).to_string().replace("sha256:", "");
    let path = home.ledger_dir().join("policy").join(name);
    std::fs::write(&path, "another").unwrap();
    let report = replayed(&home);
    assert!(report.is_sound(), "{:?}", report.findings);
    assert!(
        report.notes.iter().any(|note| note.contains("not judged again") && note.contains("is another")),
        "{report:?}"
    );
    std::fs::remove_file(path).unwrap();
    let report = replayed(&home);
    assert!(
        report.notes.iter().any(|note| note.contains("the manifest of `fs_read` is not in policy/")),
        "{report:?}"
    );
}
