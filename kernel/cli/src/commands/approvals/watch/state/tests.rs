//! What keys decide, and what they must not.

use serde_json::json;

use super::*;
use crate::commands::approvals::watch::gate::Told;
use crate::commands::approvals::watch::screen::frame;
use crate::render::approval::tests::detail;

const FIRST: &str = "appr_01JD3G0000000000000000000F";
const SECOND: &str = "appr_01JD3G0000000000000000000G";

fn held(id: &str) -> ApprovalDetail {
    let mut detail = detail();
    detail.info.approval_id = id.parse().unwrap();
    detail
}

/// The first call is on the screen.
pub fn watching() -> Watch {
    let mut watch = Watch::new("local", BTreeSet::new());
    let first = held(FIRST);
    let id = first.info.approval_id;
    assert_eq!(watch.told(Told::Waiting(Ok(vec![first.info.clone()]))), Act::Show(id));
    assert_eq!(watch.told(Told::Shown(id, Ok(Box::new(first)))), Act::Nothing);
    watch
}

fn draw(watch: &mut Watch, rows: usize) -> String {
    let lines = frame(watch, (rows, 100), "2026-11-20T09:30:00.000Z".parse().unwrap());
    crate::render::stripped(&lines.join("\n"))
}

fn press(watch: &mut Watch, key: char) -> Act {
    watch.pressed(&Pressed(vec![Key::Char(key)]))
}

fn approved(id: &str) -> Told {
    let id = id.parse().unwrap();
    let decided = json!({ "approval_id": id, "status": "approved",
        "receipt_id": "rcpt_01JD3G0000000000000000000R" });
    Told::Decided(id, Ok(serde_json::from_value(decided).unwrap()))
}

#[test]
fn one_key_approves_what_was_read_by_its_digest() {
    let mut watch = watching();
    draw(&mut watch, 60);
    let expected = on(&held(FIRST), Word::Approve);
    assert_eq!(press(&mut watch, 'a'), Act::Decide(vec![expected]));
    assert_eq!(press(&mut watch, 'a'), Act::Nothing, "once");
    watch.told(approved(FIRST));
    watch.told(Told::Done);
    assert_eq!(press(&mut watch, 'a'), Act::Nothing, "decided");
    assert!(draw(&mut watch, 60).contains("that one is decided"));
}

#[test]
fn what_was_not_on_the_screen_is_not_approved() {
    let mut watch = watching();
    assert_eq!(press(&mut watch, 'a'), Act::Nothing, "before anything was drawn");
    for key in ['a', 's'] {
        draw(&mut watch, 12);
        assert_eq!(press(&mut watch, key), Act::Nothing);
        assert!(draw(&mut watch, 12).contains("not on the screen yet"));
    }
    for _ in 0..10 {
        press(&mut watch, ' ');
        draw(&mut watch, 12);
    }
    assert!(matches!(press(&mut watch, 'a'), Act::Decide(_)));
}

#[test]
fn a_call_that_comes_does_not_take_the_place_of_one_that_is_read() {
    let mut watch = watching();
    draw(&mut watch, 60);
    assert!(watch.take_arrived());
    let both = vec![held(SECOND).info, held(FIRST).info];
    assert_eq!(watch.told(Told::Waiting(Ok(both.clone()))), Act::Nothing);
    assert!(watch.take_arrived());
    assert!(draw(&mut watch, 60).contains("2 wait, this is 2 of 2"));
    assert_eq!(press(&mut watch, 'a'), Act::Decide(vec![on(&held(FIRST), Word::Approve)]));
    watch.told(approved(FIRST));
    watch.told(Told::Done);
    // Not even then: the other waits for a key.
    assert_eq!(watch.told(Told::Waiting(Ok(both[..1].to_vec()))), Act::Nothing);
    assert_eq!(press(&mut watch, 'n'), Act::Show(SECOND.parse().unwrap()));
}

#[test]
fn a_key_while_another_call_is_fetched_decides_nothing() {
    let mut watch = watching();
    draw(&mut watch, 60);
    watch.told(Told::Waiting(Ok(vec![held(SECOND).info, held(FIRST).info])));
    assert_eq!(press(&mut watch, 'n'), Act::Show(SECOND.parse().unwrap()));
    draw(&mut watch, 60);
    assert_eq!(press(&mut watch, 'a'), Act::Nothing);
}

#[test]
fn pasted_text_decides_nothing() {
    let mut watch = watching();
    draw(&mut watch, 60);
    assert_eq!(watch.pressed(&Pressed(vec![Key::Char('a'), Key::Char('a')])), Act::Nothing);
    assert!(matches!(watch.mode, Mode::Looking));
}

#[test]
fn the_session_is_approved_after_its_rule_was_shown_and_confirmed() {
    let mut watch = watching();
    draw(&mut watch, 60);
    assert_eq!(press(&mut watch, 's'), Act::Nothing);
    assert_eq!(press(&mut watch, 'y'), Act::Nothing, "not shown yet");
    let shown = draw(&mut watch, 60);
    assert!(shown.contains("later ones are executed without asking"), "{shown}");
    let reach = usual(Scope::Session).unwrap();
    assert_eq!(press(&mut watch, 'y'), Act::Decide(vec![on(&held(FIRST), Word::ApproveSession(reach))]));
}

#[test]
fn a_denial_takes_its_reason_and_escape_takes_it_back() {
    let mut watch = watching();
    draw(&mut watch, 60);
    press(&mut watch, 'd');
    watch.pressed(&Pressed("no, a".chars().map(Key::Char).collect()));
    assert!(draw(&mut watch, 60).contains("reason, for the agent: no, a_"));
    watch.pressed(&Pressed(vec![Key::Escape]));
    assert_eq!(press(&mut watch, 'y'), Act::Nothing);
    press(&mut watch, 'd');
    press(&mut watch, 'q');
    let expected = on(&held(FIRST), Word::Deny(Some("q".into())));
    assert_eq!(watch.pressed(&Pressed(vec![Key::Enter])), Act::Decide(vec![expected]));
}

#[test]
fn calls_alike_are_listed_whole_before_they_are_approved() {
    let mut watch = watching();
    draw(&mut watch, 60);
    let (first, second) = (held(FIRST), held(SECOND));
    let mut elsewhere = held("appr_01JD3G0000000000000000000H");
    elsewhere.plan["steps"][0]["path"] = "b".into();
    watch.told(Told::Waiting(Ok(vec![elsewhere.info.clone(), second.info.clone(), first.info.clone()])));
    let Act::Gather(ids) = press(&mut watch, 'b') else { panic!("not gathered") };
    assert_eq!(ids.len(), 3);
    watch.told(Told::Gathered(Ok(vec![elsewhere, second.clone(), first.clone()])));
    let shown = draw(&mut watch, 80);
    assert!(shown.contains("2 calls of the same action, principal and target"), "{shown}");
    assert!(shown.contains(FIRST) && shown.contains(SECOND), "{shown}");
    let expected = vec![on(&second, Word::Approve), on(&first, Word::Approve)];
    assert_eq!(press(&mut watch, 'y'), Act::Decide(expected));
}

#[test]
fn a_call_that_somebody_else_decided_cannot_be_decided_again() {
    let mut watch = watching();
    draw(&mut watch, 60);
    let id: ApprovalId = FIRST.parse().unwrap();
    press(&mut watch, 's');
    assert_eq!(watch.told(Told::Waiting(Ok(vec![]))), Act::Show(id));
    let mut ended = held(FIRST);
    ended.info.status = "denied".into();
    watch.told(Told::Shown(id, Ok(Box::new(ended))));
    assert!(draw(&mut watch, 60).contains("it no longer waits: denied"));
    for key in ['y', 'a', 's', 'd', 'b'] {
        assert_eq!(press(&mut watch, key), Act::Nothing, "{key}");
    }
}
