//! What must hold after every round: ledger, service and files say the same, and no more happened than one person allowed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use latchgate_tests::of_kind;
use serde_json::Value;

use crate::ground::{Ground, Rules};
use crate::round::{ANOTHER, Held, OLD, Round, content};

/// How a held call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    Redeemed,
    Denied,
    Expired,
    Void,
}

/// What a round came to.
pub struct Sum {
    pub end: End,
    pub effects: usize,
    pub unknown: usize,
}

/// `entries`: what the log says of this round.
///
/// # Panics
/// With what does not hold.
pub fn check(ground: &Ground, round: &Round, entries: &[Value]) -> Sum {
    let intents = of_kind(entries, "call.intent");
    let ends = ends(entries, &intents);
    for intent in &intents {
        assert_authorised(ground, entries, intent);
    }
    assert_none_after_revocation(entries, &intents);
    let (done, unknown) = outcomes(entries, &intents);
    let free = intents.iter().filter(|intent| intent["approval"].is_null()).count();
    let end = *ends.get(&round.held.id).expect("the held call's entry");
    let effects = match round.held.file(ground) {
        Some(_) => assert_file(ground, round, end, free),
        None => assert_service(ground, &round.held, end, free, (done, unknown)),
    };
    Sum { end, effects, unknown }
}

/// Exactly one end each.
fn ends(entries: &[Value], intents: &[&Value]) -> BTreeMap<String, End> {
    let mut all = BTreeMap::new();
    for held in of_kind(entries, "call.held") {
        let id = &held["approval_id"];
        let decisions = of_kind(entries, "approval.decided");
        let decided = decisions.iter().filter(|decided| decided["approval_id"] == *id);
        let mut ends: Vec<End> = decided.filter_map(|decided| end_of(decided)).collect();
        let redeemed = intents.iter().filter(|intent| intent["approval"]["id"] == *id);
        ends.extend(redeemed.map(|_| End::Redeemed));
        let [end] = ends.as_slice() else { panic!("{id}: expected one end, found {ends:?}") };
        all.insert(id.as_str().unwrap().to_owned(), *end);
    }
    all
}

fn end_of(decided: &Value) -> Option<End> {
    match decided["decision"].as_str().unwrap() {
        "approved" => None,
        "denied" => Some(End::Denied),
        "expired" => Some(End::Expired),
        "void" => Some(End::Void),
        other => panic!("a decision `{other}`"),
    }
}

/// By the policy in force when it was committed, and by people in the number asked for, while the approval was good.
fn assert_authorised(ground: &Ground, entries: &[Value], intent: &Value) {
    let call = &intent["call"];
    let digest = call["policy"]["digest"].as_str().unwrap();
    let rules = *ground.rules.get(digest).unwrap_or_else(|| panic!("no rules of ours: {intent:#}"));
    assert_ne!(rules, Rules::Denied, "{intent:#}");
    let verdict = if rules == Rules::Allowed { "allow" } else { "ask" };
    assert_eq!(call["policy"]["verdict"], verdict, "{intent:#}");
    let approval = &intent["approval"];
    if approval.is_null() {
        assert_eq!(rules, Rules::Allowed, "by nobody's word: {intent:#}");
        return;
    }
    let held = of_kind(entries, "call.held").into_iter().find(|held| held["approval_id"] == approval["id"]);
    let held = held.unwrap_or_else(|| panic!("an approval from another round: {intent:#}"));
    for member in ["action", "args_digest", "plan", "request_hash", "payload", "operation"] {
        assert_eq!(held["call"][member], call[member], "{member}\n{held:#}\n{intent:#}");
    }
    assert_eq!(held["call"]["who"], call["who"], "{intent:#}");
    let (time, expires) = (intent["time"].as_str().unwrap(), held["expires_at"].as_str().unwrap());
    assert!(time < expires, "{time} is not before {expires}");
    let people: BTreeSet<&str> = approval["operator"].as_str().unwrap().split(',').collect();
    let asked = match rules {
        Rules::Two => 2,
        Rules::Asked | Rules::Reworded | Rules::Denied | Rules::Allowed => 1,
    };
    let asked = asked.max(held["approvers"].as_u64().unwrap_or(1));
    assert!(people.len() as u64 >= asked, "{people:?} of {asked}: {intent:#}");
    for name in people {
        let said_so = of_kind(entries, "approval.decided").into_iter().any(|decided| {
            decided["approval_id"] == approval["id"]
                && decided["decision"] == "approved"
                && decided["signed"]["operator"] == name
        });
        assert!(said_so, "{name} signed nothing: {intent:#}");
    }
}

/// Every lease of a round was issued before its first event.
fn assert_none_after_revocation(entries: &[Value], intents: &[&Value]) {
    for revoked in of_kind(entries, "lease.revoked") {
        for intent in intents {
            let is_later = intent["seq"].as_u64() > revoked["seq"].as_u64();
            assert!(
                !(is_later && covers(&revoked["target"], &intent["call"]["who"])),
                "executed after its revocation: {revoked:#}\n{intent:#}"
            );
        }
    }
}

fn covers(target: &Value, who: &Value) -> bool {
    let (what, of) = target.as_object().unwrap().iter().next().unwrap();
    match what.as_str() {
        "lease" => who["lease_jti"] == *of,
        "session" => who["session_id"] == *of,
        "principal" => who["principal"] == *of,
        "agent" => who["agent"] == *of || who["principal"] == format!("agent:{}", of.as_str().unwrap()),
        "all" => true,
        other => panic!("a revocation of `{other}`"),
    }
}

/// One outcome each; how many of them are done, and how many may be.
fn outcomes(entries: &[Value], intents: &[&Value]) -> (usize, usize) {
    let (mut done, mut unknown) = (0, 0);
    for intent in intents {
        let all = of_kind(entries, "call.outcome");
        let of_it: Vec<_> = all.iter().filter(|outcome| outcome["intent_seq"] == intent["seq"]).collect();
        let [outcome] = of_it.as_slice() else { panic!("expected one outcome: {intent:#}\n{of_it:#?}") };
        for effect in outcome["effects"].as_array().unwrap() {
            match effect["status"].as_str().unwrap() {
                "done" => done += 1,
                "unknown" => unknown += 1,
                "none" => {}
                other => panic!("an effect `{other}`"),
            }
        }
    }
    (done, unknown)
}

/// The service is the counter. `free`: calls that policy let through by itself.
fn assert_service(
    ground: &Ground,
    held: &Held,
    end: End,
    free: usize,
    (done, unknown): (usize, usize),
) -> usize {
    let seen = ground.upstream.seen();
    let of = |number: u64| seen.iter().filter(|seen| seen.json()["number"] == number).count();
    let (effects, edited) = (of(held.number), of(held.edited()));
    assert!(
        (done..=done + unknown).contains(&(effects + edited)),
        "{effects} and {edited} effects, the ledger has {done} done and {unknown} unknown"
    );
    let approved = usize::from(end == End::Redeemed);
    assert!(effects + edited <= approved + free, "{effects} and {edited} effects, {end:?}, {free} allowed");
    assert!(edited <= free, "an edited call was executed");
    if free == 0 {
        assert!(effects <= approved, "{effects} effects of a call that is {end:?}");
    }
    effects
}

/// The file is what it was, what somebody else made of it, or what a call wrote that was let through.
fn assert_file(ground: &Ground, round: &Round, end: End, free: usize) -> usize {
    let held = &round.held;
    let path = held.file(ground).expect("a call that writes");
    let found = fs::read_to_string(path).unwrap();
    let is_written = found == content(held.number);
    if free == 0 && found != OLD && found != ANOTHER {
        assert!(is_written, "`{found}` was written by a call that nobody approved");
        assert_eq!(end, End::Redeemed, "the file is written");
    }
    usize::from(is_written)
}
