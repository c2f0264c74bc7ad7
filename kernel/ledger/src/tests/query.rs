//! Queries, with the index, without it, and while it is behind.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use latchgate_wire::api::AuditQuery;
use latchgate_wire::entry::*;
use latchgate_wire::ids::LeaseId;
use latchgate_wire::principal::Principal;
use latchgate_wire::receipt::Who;
use latchgate_wire::stats::{By, StatsQuery};

use crate::Ledger;
use crate::index::Index;
use crate::indexer;
use crate::query::Queries;
use crate::testing::*;

/// Two principals, three kinds of calls, 60 s between calls.
fn filled(home: &Home, calls: u64) -> Ledger {
    let ledger = home.ready(max_calls(10_000));
    let other = Who {
        principal: Principal::Jail("box".into()),
        session_id: session(2),
        lease_jti: LeaseId::new(T0 as u64, 2),
        agent: None,
    };
    say(&ledger, lease(other.clone(), max_calls(10_000))).unwrap();
    for n in 0..calls {
        home.clock.advance(10);
        let mut call = read_call(n);
        if n % 3 == 0 {
            call.who = other.clone();
        }
        let intent = intent(grant(n), call);
        let seq = say(&ledger, Body::CallIntent(intent.clone())).unwrap().seq;
        if n % 2 == 0 {
            say(&ledger, Body::CallOutcome(outcome(seq, &intent))).unwrap();
        }
    }
    ledger
}

fn denied(n: u64) -> Body {
    Body::CallDenied(CallDenied {
        who: who(),
        action_id: format!("other_{}", n % 3),
        error: "policy_denied".into(),
        policy: None,
        approval_id: None,
        proof: None,
    })
}

fn queries_to_compare(ledger: &Ledger) -> Vec<AuditQuery> {
    let receipt =
        ledger.query(&AuditQuery { kind: Some("call.outcome".into()), ..Default::default() }).unwrap();
    let receipt_id = receipt.entries[3]["receipt_id"].as_str().unwrap().to_owned();
    let all = AuditQuery { limit: Some(1000), ..Default::default() };
    vec![
        all.clone(),
        AuditQuery { kind: Some("call.outcome".into()), ..all.clone() },
        AuditQuery { kind: Some("no.such".into()), ..all.clone() },
        AuditQuery { principal: Some("jail:box".into()), ..all.clone() },
        AuditQuery { principal: Some("jail:box".into()), kind: Some("call.intent".into()), ..all.clone() },
        AuditQuery { action: Some(ACTION.into()), before: Some(50), ..all.clone() },
        AuditQuery { action: Some("notes".into()), ..all.clone() },
        AuditQuery { id: Some(receipt_id), ..all.clone() },
        AuditQuery { id: Some(session(2).to_string()), ..all.clone() },
        AuditQuery { id: Some(grant(7).to_string()), ..all.clone() },
        AuditQuery { since: Some(at(100)), until: Some(at(200)), ..all.clone() },
        AuditQuery { since: Some(at(100)), kind: Some("call.intent".into()), limit: Some(3), ..all },
    ]
}

fn answers(queries: &Queries, asked: &[AuditQuery]) -> Vec<(Vec<serde_json::Value>, Option<u64>)> {
    let answer = |query| {
        let page = queries.page(query).unwrap();
        (page.entries, page.next_before)
    };
    asked.iter().map(answer).collect()
}

fn without_index(ledger: &Ledger) -> Queries {
    Queries { view: Arc::clone(&ledger.view), index: None, indexed: Arc::new(AtomicU64::new(0)) }
}

/// What an index is handed as entries are made: nothing, everything, or with gaps where it did not fit.
fn fed(ledger: &Ledger, run: u64) -> VecDeque<Arc<Line>> {
    let handed = |seq: &u64| match run {
        0 => false,
        1 => true,
        _ => seq % 300 < 200,
    };
    let line = |seq| ledger.view.line(seq).unwrap().unwrap();
    let seqs = (0..ledger.stats().entries).filter(handed);
    seqs.map(|seq| Arc::new(Entry::open(&line(seq), &key().verifying_key()).unwrap())).collect()
}

#[test]
fn the_rebuilt_index_answers_as_the_log_does() {
    let home = Home::new();
    let ledger = filled(&home, 700);
    let asked = queries_to_compare(&ledger);
    let expected = answers(&without_index(&ledger), &asked);
    assert!(expected.iter().filter(|(entries, _)| !entries.is_empty()).count() >= 10);
    for run in 0..3 {
        let dir = home.dir.path().join(format!("rebuilt-{run}"));
        let index = Index::open(&dir, ORIGIN).unwrap();
        let indexed =
            indexer::build(Arc::clone(&ledger.view), index.clone(), ORIGIN.into(), fed(&ledger, run))
                .unwrap();
        assert_eq!(indexed.load(std::sync::atomic::Ordering::SeqCst), ledger.stats().entries);
        let rebuilt = Queries { view: Arc::clone(&ledger.view), index: Some(index), indexed };
        assert!(answers(&rebuilt, &asked) == expected);
    }
    assert!(answers(&ledger.queries, &asked) == expected, "and so does the one that runs along");
}

#[test]
fn the_index_goes_on_after_a_restart_and_is_rebuilt_when_deleted() {
    let home = Home::new();
    let ledger = filled(&home, 40);
    let asked = queries_to_compare(&ledger);
    close(&ledger);
    drop(ledger);
    for is_deleted in [false, true] {
        if is_deleted {
            std::fs::remove_dir_all(home.dir.path().join("index")).unwrap();
        }
        let (ledger, _) = home.open().unwrap();
        assert!(answers(&ledger.queries, &asked) == answers(&without_index(&ledger), &asked), "{is_deleted}");
        close(&ledger);
    }
}

#[test]
fn a_broken_index_is_moved_aside() {
    let home = Home::new();
    let ledger = filled(&home, 10);
    close(&ledger);
    drop(ledger);
    let index = home.dir.path().join("index");
    for item in std::fs::read_dir(&index).unwrap() {
        let path = item.unwrap().path();
        if path.is_file() {
            std::fs::write(path, b"rubbish").unwrap();
        }
    }
    std::fs::write(index.join("snap.0000.generating"), b"torn").unwrap();
    let (ledger, _) = home.open().unwrap();
    let page = ledger.query(&AuditQuery { kind: Some("call.intent".into()), ..Default::default() }).unwrap();
    assert_eq!(page.entries.len(), 10);
}

#[test]
fn an_index_of_another_history_is_emptied() {
    let (home, other) = (Home::new(), Home::new());
    close(&filled(&home, 10));
    close(&filled(&other, 3));
    std::fs::remove_dir_all(other.dir.path().join("index")).unwrap();
    std::fs::rename(home.dir.path().join("index"), other.dir.path().join("index")).unwrap();
    let (ledger, _) = other.open().unwrap();
    let page = ledger.query(&AuditQuery { kind: Some("call.intent".into()), ..Default::default() }).unwrap();
    assert_eq!(page.entries.len(), 3);
}

#[test]
fn an_answer_never_lags_behind_the_commit() {
    let home = Home::new();
    let ledger = home.ready(max_calls(100));
    for n in 0..20 {
        let committed = say(&ledger, Body::CallIntent(intent(grant(n), read_call(n)))).unwrap();
        let page =
            ledger.query(&AuditQuery { id: Some(grant(n).to_string()), ..Default::default() }).unwrap();
        assert_eq!(page.entries[0]["seq"], committed.seq);
    }
}

#[test]
fn pages_join_without_gap_or_overlap() {
    let home = Home::new();
    let ledger = filled(&home, 30);
    let query = AuditQuery { kind: Some("call.intent".into()), limit: Some(7), ..Default::default() };
    let (mut seqs, mut before) = (Vec::new(), None);
    loop {
        let page = ledger.query(&AuditQuery { before, ..query.clone() }).unwrap();
        seqs.extend(page.entries.iter().map(|entry| entry["seq"].as_u64().unwrap()));
        before = page.next_before;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(seqs.len(), 30);
    assert!(seqs.is_sorted_by(|a, b| a > b));
}

#[test]
fn whoever_follows_gets_every_entry_once_and_in_order() {
    let home = Home::new();
    let ledger = filled(&home, 30);
    let size = ledger.stats().entries;
    for (kind, expected) in [(None, size), (Some("call.intent"), 30), (Some("no.such"), 0)] {
        let (mut from, mut seqs) = (0, Vec::new());
        while from < size {
            let query = AuditQuery {
                kind: kind.map(str::to_owned),
                from: Some(from),
                limit: Some(7),
                ..Default::default()
            };
            let page = ledger.query(&query).unwrap();
            seqs.extend(page.entries.iter().map(|entry| entry["seq"].as_u64().unwrap()));
            assert!(page.next_from > from);
            from = page.next_from;
        }
        assert_eq!(seqs.len() as u64, expected, "{kind:?}");
        assert!(seqs.is_sorted_by(|a, b| a < b));
    }
    let beyond = ledger.query(&AuditQuery { from: Some(size), ..Default::default() }).unwrap();
    assert_eq!((beyond.entries.len(), beyond.next_from), (0, size));
}

#[test]
fn decisions_are_counted_alike_by_the_index_and_by_the_log() {
    let home = Home::new();
    let ledger = filled(&home, 100);
    home.clock.advance(2 * HOUR);
    for n in 200..230 {
        home.clock.advance(30_000);
        say(&ledger, denied(n)).unwrap();
    }
    let index = Index::open(&home.dir.path().join("rebuilt"), ORIGIN).unwrap();
    let indexed =
        indexer::build(Arc::clone(&ledger.view), index.clone(), ORIGIN.into(), VecDeque::new()).unwrap();
    let rebuilt = Queries { view: Arc::clone(&ledger.view), index: Some(index), indexed };
    for by in [By::Action, By::Principal, By::Decision, By::Hour] {
        let last = at(2 * HOUR + 900_000 + 1000);
        for (since, until) in [
            (None, None),
            (Some(at(HOUR)), None),
            (None, Some(at(HOUR))),
            (Some(at(2 * HOUR + 61_000)), Some(last)),
            (Some(last), Some(at(0))),
        ] {
            let query = StatsQuery { by, since, until };
            let expected = without_index(&ledger).stats(&query).unwrap();
            assert_eq!(rebuilt.stats(&query).unwrap(), expected, "{query:?}");
            assert_eq!(ledger.audit_stats(&query).unwrap(), expected, "{query:?}");
        }
    }
    let all = rebuilt.stats(&StatsQuery { by: By::Decision, ..Default::default() }).unwrap();
    let totals: Vec<_> = all.rows.iter().map(|row| (row.key.as_str(), row.total)).collect();
    assert_eq!(totals, [("allowed", 100), ("denied", 30)]);
    let hours = rebuilt.stats(&StatsQuery { by: By::Hour, ..Default::default() }).unwrap();
    assert_eq!(hours.rows.iter().map(|row| row.total).collect::<Vec<_>>(), [100, 30]);
}

#[test]
fn how_far_the_index_goes_is_known_when_the_ledger_opens() {
    let home = Home::new();
    close(&filled(&home, 10));
    let (ledger, recovery) = home.open().unwrap();
    assert!(ledger.queries.indexed.load(std::sync::atomic::Ordering::Acquire) >= recovery.entries);
    close(&ledger);
}

#[test]
fn several_filters_together_find_what_each_finds() {
    let home = Home::new();
    let ledger = filled(&home, 40);
    say(&ledger, denied(1)).unwrap();
    let all = AuditQuery { limit: Some(1000), ..Default::default() };
    let kind = |query: AuditQuery| AuditQuery { kind: Some("call.outcome".into()), ..query };
    let principal = |query: AuditQuery| AuditQuery { principal: Some("jail:box".into()), ..query };
    let action = |query: AuditQuery| AuditQuery { action: Some(ACTION.into()), ..query };
    let seqs = |query: &AuditQuery| -> Vec<u64> {
        let page = ledger.query(query).unwrap();
        assert_eq!(page.entries, without_index(&ledger).page(query).unwrap().entries);
        page.entries.iter().map(|entry| entry["seq"].as_u64().unwrap()).collect()
    };
    let both = |one: &[u64], other: &[u64]| -> Vec<u64> {
        one.iter().copied().filter(|seq| other.contains(seq)).collect()
    };
    let (of_kind, of_principal) = (seqs(&kind(all.clone())), seqs(&principal(all.clone())));
    let of_action = seqs(&action(all.clone()));
    assert!(!both(&of_kind, &of_principal).is_empty());
    assert_eq!(seqs(&kind(principal(all.clone()))), both(&of_kind, &of_principal));
    assert_eq!(seqs(&kind(action(all.clone()))), both(&of_kind, &of_action));
    assert_eq!(seqs(&action(principal(all.clone()))), both(&of_action, &of_principal));
    assert_eq!(seqs(&kind(action(principal(all.clone())))), both(&both(&of_kind, &of_principal), &of_action));
    let never = AuditQuery { action: Some("other_1".into()), ..principal(all) };
    assert!(seqs(&never).is_empty(), "each is there, together they never were");
}

#[test]
fn an_index_of_an_older_format_is_built_anew() {
    let home = Home::new();
    close(&filled(&home, 10));
    let path = home.dir.path().join("index");
    {
        // As it was written before decisions were counted.
        let db = sled::open(&path).unwrap();
        let marks: Vec<_> = db.range([1u8]..[2u8]).keys().map(Result::unwrap).collect();
        marks.iter().for_each(|key| drop(db.remove(key).unwrap()));
        db.insert(b"\0log", ORIGIN).unwrap();
        db.flush().unwrap();
    }
    let (ledger, _) = home.open().unwrap();
    home.clock.advance(HOUR);
    say(&ledger, denied(0)).unwrap();
    let stats = ledger.audit_stats(&StatsQuery { by: By::Decision, ..Default::default() }).unwrap();
    let totals: Vec<_> = stats.rows.iter().map(|row| (row.key.as_str(), row.total)).collect();
    assert_eq!(totals, [("allowed", 10), ("denied", 1)]);
}
