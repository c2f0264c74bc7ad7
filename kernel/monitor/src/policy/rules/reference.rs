//! Plain rules against a second reading of them that knows nothing of Cedar: same rules, same calls, same verdicts.

use latchgate_wire::principal::Principal;
use latchgate_wire::time::Timestamp;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Map, Value, json};

use super::super::testing::{plan, question, samples};
use super::super::{Agent, Policy, Question, Source};
use crate::manifest::{Manifest, Template};

/// One call, with what a reader of the rules may know of it.
#[derive(Clone, Debug)]
struct Call {
    principal: Principal,
    label: Option<&'static str>,
    action: usize,
    args: Value,
    host: Option<&'static str>,
    path: Option<&'static str>,
    /// 1 to 7.
    weekday: i64,
    minute: i64,
}

/// As it is written, and as it is.
const URLS: [(&str, &str); 5] = [
    ("https://example.com/x", "example.com"),
    ("https://EXAMPLE.com./", "example.com"),
    ("https://api.example.com:8443/", "api.example.com"),
    ("https://example.com.evil.test/", "example.com.evil.test"),
    ("http://127.0.0.1/", "127.0.0.1"),
];
const PATHS: [(&str, &str); 6] = [
    (".env", ".env"),
    ("./.env", ".env"),
    ("a//b", "a/b"),
    ("a/.env", "a/.env"),
    ("b*", "b*"),
    ("a/b/c", "a/b/c"),
];
const CONTENTS: [&str; 5] = ["plain", "*", "\"quoted\"", "a\\", "line\nline"];
const CLOCK: [&str; 5] = ["00:00", "00:01", "08:00", "18:30", "23:59"];
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const PRINCIPALS: [&str; 5] = ["uid:0", "uid:1000", "jail:ci", "agent:ci", "agent:other"];

/// What the rules say of the call, by reading them.
fn expected(rules: &[Value], call: &Call, manifests: &[Manifest]) -> String {
    for then in ["deny", "ask", "allow"] {
        let decides = |rule: &&Value| rule["then"] == then && applies(&rule["when"], then, call, manifests);
        if let Some(rule) = rules.iter().find(decides) {
            return format!("{then} {}", rule["id"].as_str().unwrap());
        }
    }
    "deny default".into()
}

fn applies(when: &Value, then: &str, call: &Call, manifests: &[Manifest]) -> bool {
    let manifest = &manifests[call.action];
    let some = |member: &str, fits: &dyn Fn(&str) -> bool| match &when[member] {
        Value::Null => true,
        Value::String(one) => fits(one),
        Value::Array(many) => many.iter().any(|one| fits(one.as_str().unwrap())),
        other => panic!("{other}"),
    };
    let principal = call.principal.to_string();
    some("action", &|pattern| wild(pattern, &manifest.action_id))
        && some("class", &|class| manifest.class.as_str() == class)
        && some("risk", &|risk| manifest.risk_level.as_str() == risk)
        && some("principal", &|written| wild(written, &principal))
        && some("agent", &|name| {
            principal == format!("agent:{name}") || (then != "allow" && call.label == Some(name))
        })
        && some("host", &|pattern| call.host.is_some_and(|host| wild(pattern, host)))
        && some("path", &|pattern| call.path.is_some_and(|path| wild(pattern, path)))
        && when["args"].as_object().is_none_or(|args| args.iter().all(|(name, p)| holds(name, p, &call.args)))
        && (when["time"].is_null() || inside(&when["time"], call.weekday, call.minute))
}

fn wild(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|text| {
            (0..=text.len()).filter(|i| text.is_char_boundary(*i)).any(|i| wild(rest, &text[i..]))
        }),
    }
}

fn holds(name: &str, predicate: &Value, args: &Value) -> bool {
    let value = &args.pointer(&format!("/{}", name.replace('.', "/"))).cloned().unwrap_or_default();
    let same = |other: &Value| match (value.as_f64(), other.as_f64()) {
        (Some(a), Some(b)) => a.total_cmp(&b).is_eq(),
        _ => value == other,
    };
    predicate.as_object().unwrap().iter().all(|(member, operand)| match member.as_str() {
        "equals" => same(operand),
        "one_of" => operand.as_array().unwrap().iter().any(same),
        "starts_with" => value.as_str().is_some_and(|text| text.starts_with(operand.as_str().unwrap())),
        "less_than" => value.as_f64().is_some_and(|number| number < operand.as_f64().unwrap()),
        "greater_than" => value.as_f64().is_some_and(|number| number > operand.as_f64().unwrap()),
        other => panic!("{other}"),
    })
}

/// Walks through every minute of the window, from each day on which it begins.
fn inside(window: &Value, weekday: i64, minute: i64) -> bool {
    let clock = |member: &str| {
        let (hours, minutes) = window[member].as_str()?.split_once(':')?;
        Some(hours.parse::<i64>().unwrap() * 60 + minutes.parse::<i64>().unwrap())
    };
    let from = clock("from").unwrap_or(0);
    let to = clock("to").map_or(1440, |to| if to < from { to + 1440 } else { to });
    let begins = |day: &&&str| window["days"].as_array().is_none_or(|days| days.contains(&json!(day)));
    let this = (weekday - 1) * 1440 + minute;
    DAYS.iter().enumerate().filter(|(_, day)| begins(day)).any(|(i, _)| {
        let start = i64::try_from(i).unwrap() * 1440;
        (start + from..start + to).any(|at| at % (7 * 1440) == this)
    })
}

fn actual(policy: &Policy, call: &Call, manifests: &[Manifest]) -> String {
    let manifest = &manifests[call.action];
    let plan = plan(manifest, &call.args);
    // 2026-11-16 was a Monday.
    let monday: Timestamp = "2026-11-16T00:00:00.000Z".parse().unwrap();
    let seconds = monday.as_ms() / 1000 + (call.weekday - 1) * 86_400 + call.minute * 60;
    let judged = policy.judge(&Question {
        principal: &call.principal,
        agent: Agent::of(&call.principal, call.label),
        now: Timestamp::from_secs(seconds),
        ..question(manifest, &call.args, &plan)
    });
    let judged = judged.unwrap();
    format!("{:?} {}", judged.verdict, judged.rule).to_lowercase()
}

fn calls() -> impl Strategy<Value = Call> {
    let what = (0..5usize).prop_flat_map(|action| (Just(action), arguments(action)));
    let minutes = select(vec![0, 1, 479, 480, 481, 1109, 1110, 1438, 1439]);
    let who = (select(PRINCIPALS.to_vec()), select(vec![None, Some("ci"), Some("o \"k\"")]));
    (who, what, 1..=7i64, minutes).prop_map(|((principal, label), what, weekday, minute)| {
        let (action, (args, host, path)) = what;
        Call { principal: principal.parse().unwrap(), label, action, args, host, path, weekday, minute }
    })
}

type Arguments = (Value, Option<&'static str>, Option<&'static str>);

fn arguments(action: usize) -> BoxedStrategy<Arguments> {
    if is_file(action) {
        let strategy = (select(PATHS.to_vec()), proptest::option::of(select(CONTENTS.to_vec())));
        return strategy
            .prop_map(|((raw, path), content)| {
                let args = json!({"path": raw, "content": content});
                (without_nulls(args), None, Some(path))
            })
            .boxed();
    }
    let count = proptest::option::of(select(vec![-1, 0, 5, 6]));
    let amount = proptest::option::of(select(vec![-0.5, 0.0, 5.0, 5.25]));
    let options = select(vec![json!(null), json!({}), json!({"draft": true}), json!({"draft": false})]);
    (select(URLS.to_vec()), count, amount, options)
        .prop_map(|((raw, host), count, amount, options)| {
            let args = json!({"url": raw, "count": count, "amount": amount, "options": options});
            (without_nulls(args), Some(host), None)
        })
        .boxed()
}

fn without_nulls(mut value: Value) -> Value {
    value.as_object_mut().unwrap().retain(|_, member| !member.is_null());
    value
}

fn is_file(action: usize) -> bool {
    matches!(samples()[action].template, Template::Fs(_))
}

/// Rules that fit at least one action, since others do not load.
fn rules() -> impl Strategy<Value = Vec<Value>> {
    let rule = (0..5usize).prop_flat_map(|action| (select(vec!["allow", "ask", "deny"]), conditions(action)));
    proptest::collection::vec(rule, 1..6).prop_map(|rules| {
        let numbered = rules.into_iter().enumerate().map(|(i, (then, when))| {
            let mut rule = json!({"id": format!("r{i}"), "then": then, "when": when});
            if then == "ask" {
                rule["ask"] = "why".into();
            }
            if rule["when"].as_object().unwrap().is_empty() {
                rule.as_object_mut().unwrap().remove("when");
            }
            rule
        });
        numbered.collect()
    })
}

/// Up to three conditions, so that rules often apply.
fn conditions(action: usize) -> impl Strategy<Value = Value> {
    let manifest = &samples()[action];
    let (id, class, risk) = (&manifest.action_id, manifest.class.as_str(), manifest.risk_level.as_str());
    let mut members = vec![
        (
            "action",
            one_of(vec![json!(id), json!(format!("{}*", &id[..3])), json!([id, "*_send"]), json!("*")]),
        ),
        ("class", one_of(vec![json!(class), json!([class, "submit"]), json!(["write", "send", "read"])])),
        ("risk", one_of(vec![json!(risk), json!(["low", "medium", "high", "critical"])])),
        ("principal", one_of(vec![json!("uid:1000"), json!("agent:*"), json!(["uid:*", "jail:ci"])])),
        ("agent", one_of(vec![json!("ci"), json!(["ci", "other"])])),
        ("time", window().boxed()),
    ];
    if is_file(action) {
        members.push(("path", one_of(vec![json!(".env"), json!(["*/.env", "a/*"]), json!("*b*")])));
        members.push(("args", predicates(&FILE_PREDICATES)));
    } else {
        let hosts = vec![json!("example.com"), json!(["*.example.com", "127.0.0.1"]), json!("*")];
        members.push(("host", one_of(hosts)));
        members.push(("args", predicates(&HTTP_PREDICATES)));
    }
    subsequence(members, 0..4).prop_flat_map(|members| {
        let (names, values): (Vec<&str>, Vec<BoxedStrategy<Value>>) = members.into_iter().unzip();
        values.prop_map(move |values| {
            names.iter().map(|name| (*name).to_owned()).zip(values).collect::<Map<_, _>>().into()
        })
    })
}

fn one_of(values: Vec<Value>) -> BoxedStrategy<Value> {
    select(values).boxed()
}

const FILE_PREDICATES: [(&str, &str); 6] = [
    ("path", r#"{"equals": "./.env"}"#),
    ("path", r#"{"starts_with": "b*"}"#),
    ("content", r#"{"one_of": ["*", "\"quoted\""]}"#),
    ("content", r#"{"equals": "line\nline"}"#),
    ("content", r#"{"starts_with": "a\\"}"#),
    ("content", r#"{"starts_with": "*"}"#),
];
const HTTP_PREDICATES: [(&str, &str); 8] = [
    ("url", r#"{"starts_with": "https://"}"#),
    ("count", r#"{"greater_than": -1, "less_than": 6}"#),
    ("count", r#"{"one_of": [0, 5.0]}"#),
    ("count", r#"{"equals": -1}"#),
    ("amount", r#"{"less_than": 5.25}"#),
    ("amount", r#"{"greater_than": 0, "one_of": [5, 5.25]}"#),
    ("options.draft", r#"{"equals": false}"#),
    ("options.draft", r#"{"one_of": [true, false]}"#),
];

fn predicates(table: &'static [(&'static str, &'static str)]) -> BoxedStrategy<Value> {
    let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    subsequence(table.to_vec(), 1..3)
        .prop_map(move |chosen| {
            let members = chosen.into_iter().map(|(name, predicate)| (name.to_owned(), parsed(predicate)));
            members.collect::<Map<_, _>>().into()
        })
        .boxed()
}

fn window() -> impl Strategy<Value = Value> {
    let days = proptest::option::of(subsequence(DAYS.to_vec(), 1..=7));
    (days, subsequence(CLOCK.to_vec(), 2), any::<bool>(), any::<bool>()).prop_map(
        |(days, clock, over, whole)| {
            let (from, to) = if over { (clock[1], clock[0]) } else { (clock[0], clock[1]) };
            match (days, whole) {
                (Some(days), true) => json!({"days": days}),
                (Some(days), false) => json!({"days": days, "from": from, "to": to}),
                (None, _) => json!({"from": from, "to": to}),
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn compiled_rules_judge_as_they_read(
        rules in rules(),
        calls in proptest::collection::vec(calls(), 24),
    ) {
        let manifests = samples();
        let text = json!({"format": 1, "rules": rules}).to_string();
        let source = Source { name: "rules.yaml".into(), text };
        let policy = Policy::load(&[source], &manifests.iter().collect::<Vec<_>>());
        let policy = policy.map_err(|errors| TestCaseError::fail(format!("{errors:#?}")))?;
        for call in &calls {
            let (actual, expected) = (actual(&policy, call, &manifests), expected(&rules, call, &manifests));
            prop_assert_eq!(actual, expected, "{:?}\n{}", call, policy.cedar_text());
        }
    }
}
