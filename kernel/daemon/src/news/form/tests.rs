//! What an agent says stays where it is put: for each service, hostile words and their harmless twin make the same message but
//! for the one text that holds them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use latchgate_monitor::ports::Approval;
use latchgate_wire::entry::{ApprovalDecided, Body, CallDenied, CallHeld, Entry, FORMAT};
use latchgate_wire::ids::{LeaseId, SessionId};
use latchgate_wire::notify::Event;
use latchgate_wire::principal::Principal;
use latchgate_wire::receipt::Who;

use super::*;
use crate::news::story::Sources;
use crate::news::text::{WORDS_BYTES_MAX, shown};

const HOSTILE: &[&str] = &[
    "<!channel> <@U123> <https://evil.test|the runbook>",
    "*approved* _by_ ~nobody~ `code` ```\nnext: latchgate approvals approve --yes",
    "\"}]}, {\"type\":\"section\",\"text\":{\"type\":\"mrkdwn\",\"text\":\"*ok*",
    "[approve](https://evil.test) **bold** {{DATE(2026-11-20T00:00:00Z, SHORT)}} ${name}",
    "<b>approved</b> <pre></pre> @channel #tag /approve tg://user?id=1",
    "https://evil.test/approve www.evil.test",
    "line one\nnext: rm -rf /\r\noperator: root\u{2028}gate: other\u{85}x",
    "\u{202E}devorppa\u{202C} \u{200B}\u{FEFF} \u{1B}[2J \u{7}",
    "😀😀😀 astral before the end 😀",
    "",
];
const TWIN: &str = "because the tests need it";

struct Nothing;

impl Sources for Nothing {
    fn agent_reason(&self, _: &CallHeld) -> Option<String> {
        None
    }

    fn held(&self, _: &ApprovalDecided) -> Option<Approval> {
        None
    }
}

/// A refusal, whose words are the name that the client gave itself and what it asked for.
fn story(words: &str) -> Story {
    let who = Who {
        principal: Principal::Uid(1000),
        session_id: SessionId::new(1, 1),
        lease_jti: LeaseId::new(1, 1),
        agent: Some(words.to_owned()),
    };
    let denied = CallDenied {
        who,
        action_id: words.to_owned(),
        error: "action_not_found".into(),
        policy: None,
        approval_id: None,
        proof: None,
    };
    let entry = Entry {
        v: FORMAT,
        seq: 7,
        time: Timestamp::from_ms(1_700_000_000_000),
        gate: "latchgate/01TEST".into(),
        trace_id: None,
        body: Body::CallDenied(denied),
    };
    Story::of(&entry, "r", &Nothing).unwrap()
}

fn kind(kind: Service) -> NotifySettings {
    NotifySettings { name: "r".into(), kind, chat: Some("1".into()), ..NotifySettings::default() }
}

fn sent(service: Service, words: &str) -> Form {
    let secret = Secret::new(format!("whsec_{}", BASE64.encode([7; 32])).into_bytes());
    let now = Timestamp::from_ms(1_700_000_000_000);
    of(&kind(service), &story(words), Some(&secret), now).unwrap()
}

/// The value without the texts that hold the words, and those texts.
fn parted(value: &Value, words: &str, found: &mut Vec<String>) -> Value {
    match value {
        Value::String(text) if text == words => {
            found.push(text.clone());
            Value::Null
        }
        Value::Array(items) => items.iter().map(|item| parted(item, words, found)).collect(),
        Value::Object(members) => {
            let part = |(name, value): (&String, &Value)| (name.clone(), parted(value, words, found));
            Value::Object(members.iter().map(part).collect())
        }
        other => other.clone(),
    }
}

fn check_document(service: Service, as_shown: impl Fn(&str) -> String) {
    let document = |words: &str| {
        let value: Value = serde_json::from_str(&sent(service, words).body).unwrap();
        let mut found = Vec::new();
        let rest = parted(&value, &as_shown(&shown(words, WORDS_BYTES_MAX)), &mut found);
        (rest, found.len())
    };
    let twin = document(TWIN);
    assert_eq!(twin.1, 2, "both words are told");
    for words in HOSTILE {
        assert_eq!(document(words), twin, "{service:?}: {words:?}");
    }
}

fn filled(text: &str) -> String {
    if text.is_empty() { "(empty)".into() } else { text.into() }
}

#[test]
fn words_stay_in_their_member_of_a_webhook() {
    check_document(Service::Webhook, str::to_owned);
}

#[test]
fn words_stay_in_their_element_of_a_slack_message() {
    check_document(Service::Slack, filled);
    for words in HOSTILE {
        let body: Value = serde_json::from_str(&sent(Service::Slack, words).body).unwrap();
        assert_eq!(body["text"], "latchgate: A call was refused", "what Slack reads as markup is ours");
        assert!(!body.to_string().contains("\"mrkdwn\",\"text\""), "{body}");
        let elements = body["blocks"][0]["elements"].as_array().unwrap();
        assert_eq!(elements.iter().filter(|e| e["type"] == "rich_text_preformatted").count(), 2);
    }
}

#[test]
fn words_stay_in_their_run_of_a_teams_card() {
    check_document(Service::Teams, |text| text.replace("{{", "{\\u{7B}").replace("${", "$\\u{7B}"));
    for words in HOSTILE {
        let body = sent(Service::Teams, words).body;
        assert!(!body.contains("{{") && !body.contains("${") && !body.contains("\"TextBlock\""), "{body}");
    }
}

#[test]
fn words_stay_in_their_entity_of_a_telegram_message() {
    for words in HOSTILE.iter().chain(&[TWIN]) {
        let body: Value = serde_json::from_str(&sent(Service::Telegram, words).body).unwrap();
        assert!(body.get("parse_mode").is_none());
        let text: Vec<u16> = body["text"].as_str().unwrap().encode_utf16().collect();
        let entities = body["entities"].as_array().unwrap();
        let covered = |entity: &Value| {
            let at = |name: &str| usize::try_from(entity[name].as_u64().unwrap()).unwrap();
            String::from_utf16(&text[at("offset")..at("offset") + at("length")]).unwrap()
        };
        let said: Vec<_> = entities.iter().filter(|entity| entity["type"] == "pre").map(covered).collect();
        let expected = filled(&shown(words, WORDS_BYTES_MAX));
        assert_eq!(said, [expected.clone(), expected], "{words:?}");
        assert_eq!(covered(entities.last().unwrap()), "latchgate audit --kind call.denied --limit 5");
    }
}

#[test]
fn words_begin_no_line_and_make_no_link_in_ntfy() {
    let shape = |words: &str| {
        let form = sent(Service::Ntfy, words);
        assert!(form.headers.iter().all(|(name, _)| name != "markdown"));
        let lines: Vec<String> = form.body.lines().map(str::to_owned).collect();
        let (said, ours): (Vec<_>, Vec<_>) = lines.into_iter().partition(|line| line.starts_with("  | "));
        assert_eq!(said.len(), 2, "{words:?}");
        assert!(said.iter().all(|line| !line.contains("://")), "{said:?}");
        ours
    };
    for words in HOSTILE {
        assert_eq!(shape(words), shape(TWIN), "{words:?}");
    }
}

#[test]
fn nothing_hidden_and_no_more_than_a_service_takes_is_sent() {
    let long = "😀\u{202E}".repeat(2_000);
    for service in [Service::Webhook, Service::Slack, Service::Teams, Service::Telegram, Service::Ntfy] {
        let body = sent(service, &long).body;
        assert!(!body.contains('\u{202E}') && !body.contains("\\u202e"), "{service:?}");
        assert!(body.contains("more characters]"), "{service:?}: what is cut says so");
        assert!(body.len() < 6_000, "{service:?}: {} bytes", body.len());
    }
    let ntfy = sent(Service::Ntfy, &long).body;
    assert!(ntfy.len() < 4_096, "{}", ntfy.len());
}

#[test]
fn refusals_of_one_principal_are_told_in_one_message() {
    let mut first = story("a");
    assert!(first.absorb(&Story { first: 8, last: 8, ..story("b") }));
    assert_eq!((first.first, first.last, first.count), (7, 8, 2));
    assert_eq!(first.title, "2 calls were refused; the first:");
    let test = Story { topic: crate::news::story::Topic::Event(Event::Held), ..story("c") };
    assert_eq!(test.topic.as_str(), "held");
}
