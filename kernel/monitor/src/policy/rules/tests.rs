//! Plain rules: what they become, what is refused and on which line, and that no text of a user escapes its literal.

use latchgate_wire::receipt::Verdict;
use serde_json::{Value, json};

use super::super::testing::{judge, samples, verdict};
use super::super::{Policy, Source};
use super::*;

fn load(yaml: &str) -> Result<Policy, Vec<PolicyError>> {
    let samples = samples();
    let actions: Vec<&Manifest> = samples.iter().collect();
    Policy::load(&[Source { name: "rules.yaml".into(), text: yaml.into() }], &actions)
}

fn compiled(yaml: &str) -> Result<String, Vec<PolicyError>> {
    let samples = samples();
    compile("rules.yaml", yaml, &samples.iter().collect::<Vec<_>>())
}

/// A file of one rule; `when` in the flow style.
fn rule(then: &str, when: &str) -> String {
    let ask = if then == "ask" { "ask: why\n    " } else { "" };
    format!("format: 1\nrules:\n  - id: one\n    then: {then}\n    {ask}when: {when}\n")
}

fn url() -> Value {
    json!({"url": "https://example.com/"})
}

#[test]
fn rules_become_cedar_that_reads_like_them() {
    let yaml = r#"format: 1
rules:
  - id: docs
    then: allow
    at_most: 20/1h
    reason: read the documentation
    when:
      action: http_*
      class: read
      principal: [uid:1000, "jail:*"]
      host: [example.com, "*.example.com"]
      args:
        count: { greater_than: 0, less_than: 10 }
        options.draft: { equals: false }
      time: { days: [mon, fri], from: "08:30", to: "18:00" }
  - id: never
    then: deny
"#;
    let expected = r#"@id("docs")
@at_most("20/1h")
@reason("read the documentation")
permit (principal, action == Action::"http_fetch", resource)
when {
  action in Action::"class:read" &&
  (principal in Group::"jail" || principal == Principal::"uid:1000") &&
  context.op has host && (context.op.host == "example.com" || context.op.host like "*.example.com") &&
  context.args has count && context.args.count < 10 && context.args.count > 0 &&
  context.args has options && context.args.options has draft && context.args.options.draft == false &&
  [1, 5].contains(context.time.weekday) && context.time.hour * 60 + context.time.minute >= 510 && context.time.hour * 60 + context.time.minute < 1080
};

@id("never")
forbid (principal, action, resource);

"#;
    assert_eq!(compiled(yaml).unwrap(), expected);
    let policy = load(yaml).unwrap();
    assert_eq!(policy.cedar_text(), format!("// file: rules.yaml\n{expected}"));
    let document: Value = serde_json::from_slice(&policy.document()).unwrap();
    assert_eq!(document["sources"][0], json!({"name": "rules.yaml", "text": yaml, "cedar": expected}));
}

#[test]
fn a_name_that_a_client_claims_can_ask_and_deny_but_not_allow() {
    for (then, claimed, proven) in [
        ("allow", "deny default", "allow one"),
        ("ask", "ask one", "ask one"),
        ("deny", "deny one", "deny one"),
    ] {
        let policy = load(&rule(then, "{ agent: ci }")).unwrap();
        let (samples, args) = (samples(), json!({"path": "a"}));
        let plan = super::super::testing::plan(&samples[0], &args);
        let as_agent = |principal: &str, label: Option<&str>| {
            let principal = principal.parse().unwrap();
            let judged = policy.judge(&super::super::Question {
                principal: &principal,
                agent: super::super::Agent::of(&principal, label),
                ..super::super::testing::question(&samples[0], &args, &plan)
            });
            let judged = judged.unwrap();
            format!("{:?} {}", judged.verdict, judged.rule).to_lowercase()
        };
        assert_eq!(as_agent("uid:1000", Some("ci")), claimed);
        assert_eq!(as_agent("agent:other", Some("ci")), claimed);
        assert_eq!(as_agent("agent:ci", None), proven);
        assert_eq!(
            as_agent("agent:ci", Some("other")),
            proven,
            "an enrolled agent cannot call itself out of a rule"
        );
        assert_eq!(as_agent("uid:1000", Some("other")), "deny default");
    }
}

#[test]
fn what_a_rule_cannot_mean_is_refused_with_its_line() {
    for (when, line, problem) in [
        ("{ action: fs_raed }", 5, "no loaded action fits `fs_raed`"),
        ("{ action: [http_fetch, \"fs_*\"] }", 5, "no loaded action fits `fs_*`"),
        ("\n      action: http_fetch\n      class: send", 5, "none of the actions that `action` names"),
        ("\n      class: send\n      host: EXAMPLE.com", 7, "`EXAMPLE.com` is no host"),
        ("{ host: \"example.com:443\" }", 5, "is no host"),
        ("{ host: \"https://example.com\" }", 5, "is no host"),
        ("{ host: example.com. }", 5, "is no host"),
        ("{ host: \"*.127.0.0.1\" }", 5, "is no host"),
        ("{ host: \"*.*.com\" }", 5, "is no host"),
        ("{ host: bücher.example }", 5, "is no host"),
        ("{ path: /etc/passwd }", 5, "is no path"),
        ("{ path: [a/b, ../a] }", 5, "is no path"),
        ("{ path: src/ }", 5, "is no path"),
        ("{ principal: root }", 5, "`root` is no principal"),
        ("{ principal: uid:01 }", 5, "is no principal"),
        ("{ agent: [ci, \"a b\"] }", 5, "cannot be the name of an enrolled agent"),
        (
            "\n      args:\n        url: { starts_with: a }\n        cuont: { equals: 1 }",
            8,
            "declares an argument `cuont`",
        ),
        ("{ class: write, risk: medium, args: { count: { equals: 1 } } }", 5, "`count`"),
        ("{ args: { options: { equals: 1 } } }", 5, "is a list or an object"),
        ("{ args: { labels: { equals: a } } }", 5, "is a list or an object"),
        ("{ args: { headers: { equals: a } } }", 5, "`headers` that rules can see"),
        ("{ args: { options.drafts: { equals: true } } }", 5, "`options.drafts`"),
        ("{ args: { count: { equals: one } } }", 5, "an integer of 64 bits"),
        ("{ args: { count: { less_than: 1.5 } } }", 5, "an integer of 64 bits"),
        ("{ args: { amount: { less_than: 0.00001 } } }", 5, "four decimals"),
        ("{ args: { url: { less_than: 1 } } }", 5, "a number"),
        ("{ args: { count: { starts_with: a } } }", 5, "a text"),
        ("{ args: { url: { one_of: [a, 1] } } }", 5, "one_of"),
        ("{ time: { from: \"08:00\", to: \"08:00\" } }", 5, "ends when it begins"),
    ] {
        let errors = compiled(&rule("allow", when)).expect_err(when);
        assert!(
            errors.iter().all(|error| error.file == "rules.yaml" && error.remedy.len() > 5),
            "{errors:?}"
        );
        let found = errors.iter().any(|error| error.line == line && error.problem.contains(problem));
        assert!(found, "{when}: expected `{line}: ...{problem}...`, found {errors:#?}");
    }
    for when in [
        "{ action: http_fetch, class: [read, send] }",
        "{ host: \"[::1]\" }",
        "{ host: 127.0.0.1 }",
        "{ host: \"*\" }",
        "{ host: xn--bcher-kva.example }",
        "{ path: [a/b, \"*/.env\", \"*\"] }",
        "{ principal: [uid:0, \"agent:*\"] }",
        "{ args: { amount: { less_than: 1.5, greater_than: -1 } } }",
        "{ time: { days: [sun] } }",
    ] {
        load(&rule("allow", when)).unwrap_or_else(|errors| panic!("{when}: {errors:#?}"));
    }
}

#[test]
fn what_does_not_fit_the_schema_is_refused_with_its_line() {
    for (yaml, line, problem) in [
        ("", 1, "empty"),
        ("format: 1\n", 1, "rules"),
        ("format: 2\nrules: [{}]\n", 1, "have format 2"),
        (
            "format: 1\nrules:\n  - id: a\n    then: allow\n    else: deny\n",
            5,
            "rules.0.else: unexpected member",
        ),
        ("format: 1\nrules:\n  - id: a\n    then: permit\n", 4, "rules.0.then"),
        ("format: 1\nrules:\n  - id: a\n    then: ask\n", 3, "ask"),
        ("format: 1\nrules:\n  - then: allow\n", 3, "id"),
        ("format: 1\nrules:\n  - id: a b\n    then: allow\n", 3, "rules.0.id"),
        (
            "format: 1\nrules:\n  - id: a\n    then: deny\n    ask: why\n",
            5,
            "`ask` in a rule that does not ask",
        ),
        (
            "format: 1\nrules:\n  - id: a\n    then: deny\n    at_most: 1/1h\n",
            5,
            "`at_most` in a rule that denies",
        ),
        ("format: 1\nrules:\n  - id: a\n    then: allow\n    at_most: 0/1h\n", 5, "at_most"),
        ("format: 1\nrules:\n  - id: a\n    then: allow\n    reason: \"two\\nlines\"\n", 5, "reason"),
        (
            "format: 1\nrules:\n  - id: a\n    then: allow\n    when:\n      time:\n        from: \"8:00\"\n        to: \"24:00\"\n",
            8,
            "to",
        ),
        (
            "format: 1\nrules:\n  - id: a\n    then: allow\n    when: { time: { from: \"08:00\" } }\n",
            5,
            "time",
        ),
        (
            "format: 1\nrules:\n  - id: a\n    then: allow\n    when:\n      time: { from: 08:00, to: 18:00 }\n",
            6,
            "quoted text",
        ),
        ("format: 1\nrules:\n  - id: a\n    id: b\n    then: allow\n", 4, "each key once"),
        ("format: 1\nrules:\n  - &a { id: a, then: allow }\n", 3, "no anchor"),
        ("format: 1\nrules: [\n", 2, "YAML 1.2"),
        ("format: 1\nrules:\n  - id: a\n    then: allow\n    when: {}\n", 5, "when"),
    ] {
        let errors = compiled(yaml).expect_err(yaml);
        let near = |error: &PolicyError| error.line == line && error.problem.contains(problem);
        assert!(errors.iter().any(near), "{yaml}\nexpected `{line}: ...{problem}...`, found {errors:#?}");
    }
}

#[test]
fn all_problems_of_a_file_are_told_in_the_order_of_lines() {
    let yaml = "format: 1\nrules:\n  - id: a\n    then: allow\n    when: { host: X }\n  - id: b\n    then: never\n  - id: c\n    then: allow\n    when: { action: nope }\n";
    let lines: Vec<usize> = compiled(yaml).unwrap_err().iter().map(|error| error.line).collect();
    assert_eq!(lines, [5, 7, 10]);
}

#[test]
fn what_cedar_finds_is_told_by_the_line_of_the_yaml() {
    let refused = |yaml: &str, line: usize, problem: &str| {
        let errors = load(yaml).expect_err(yaml);
        let near = |error: &PolicyError| error.line == line && error.problem.contains(problem);
        assert!(errors.iter().any(near), "{yaml}\nexpected `{line}: ...{problem}...`, found {errors:#?}");
    };
    let first = "format: 1\nrules:\n  - id: first\n    then: allow\n";
    refused(
        &format!("{first}\n  - then: deny\n    when: {{ action: file_read, host: a.example }}\n    id: b\n"),
        8,
        "impossible",
    );
    refused(&format!("{first}  - then: deny\n    id: first\n"), 6, "a second rule with the @id `first`");
    refused(&format!("{first}  - id: default\n    then: deny\n"), 5, "`default`");
    refused(&format!("{first}    at_most: 1/367d\n"), 5, "366d");
    let sources = [
        Source {
            name: "a.cedar".into(),
            text: "@id(\"first\") permit (principal, action, resource);".into(),
        },
        Source { name: "b.yaml".into(), text: format!("# c\n{first}") },
        Source { name: "c.yaml".into(), text: "format: 3".into() },
    ];
    let errors: Vec<String> =
        Policy::load(&sources, &[]).unwrap_err().iter().map(ToString::to_string).collect();
    assert!(errors[0].starts_with("b.yaml:4: a second rule with the @id `first`"), "{errors:#?}");
    assert!(errors[1].starts_with("c.yaml:1: "), "{errors:#?}");
}

/// What could end a literal, a pattern, a comment or a line, if anything could.
const HOSTILE: [&str; 12] = [
    r#"""#,
    r#"\"#,
    r#"\""#,
    r#""); permit (principal, action, resource); //"#,
    r#"\"); permit (principal, action, resource); //"#,
    r#"" || true || context.boundary == ""#,
    "x\"\n@id(\"y\") permit (principal, action, resource);",
    "*",
    r"\*",
    r"\u{22}",
    "/* ${x} // */",
    "'; permit(principal, action, resource); --",
];

#[test]
fn no_text_ends_its_literal() {
    let mut accepted = std::collections::BTreeSet::new();
    for hostile in HOSTILE {
        for (place, value) in [
            ("id", json!({"id": hostile})),
            ("reason", json!({"reason": hostile})),
            ("ask", json!({"then": "ask", "ask": hostile})),
            ("at_most", json!({"at_most": hostile})),
            ("agent", json!({"when": {"agent": hostile}})),
            ("asked agent", json!({"then": "ask", "ask": "why", "when": {"agent": hostile}})),
            ("principal", json!({"when": {"principal": hostile}})),
            ("kind of principal", json!({"when": {"principal": format!("{hostile}:*")}})),
            ("name of principal", json!({"when": {"principal": format!("agent:{hostile}")}})),
            ("action", json!({"when": {"action": [format!("{hostile}x"), "file_read"]}})),
            ("class", json!({"when": {"class": hostile}})),
            ("host", json!({"when": {"host": hostile}})),
            ("below a host", json!({"when": {"host": format!("*.{hostile}")}})),
            ("path", json!({"when": {"path": hostile}})),
            ("argument", json!({"when": {"args": {(hostile): {"equals": "x"}}}})),
            ("equals", json!({"when": {"args": {"content": {"equals": hostile}}}})),
            ("one_of", json!({"when": {"args": {"content": {"one_of": [hostile, "x"]}}}})),
            ("starts_with", json!({"when": {"args": {"content": {"starts_with": hostile}}}})),
            ("days", json!({"when": {"time": {"days": [hostile]}}})),
            ("from", json!({"when": {"time": {"from": hostile, "to": "08:00"}}})),
        ] {
            // Whatever is in the text, it is one rule, about nothing but this action.
            let mut rule = json!({"id": "one", "then": "allow", "when": {}});
            for (name, value) in value.as_object().unwrap() {
                rule[name] = value.clone();
            }
            let file = rule["when"].get("args").or(rule["when"].get("path")).is_some();
            let narrow = if file { "file_write" } else { "account_close" };
            if rule["when"].get("action").is_none() {
                rule["when"]["action"] = narrow.into();
            }
            let yaml = json!({"format": 1, "rules": [rule]}).to_string();
            if let Ok(cedar) = compiled(&yaml) {
                let parsed: cedar_policy::PolicySet =
                    cedar.parse().unwrap_or_else(|e| panic!("{cedar}: {e}"));
                assert_eq!(parsed.policies().count(), 1, "{cedar}");
            }
            let Ok(policy) = load(&yaml) else { continue };
            accepted.insert(place);
            let rules = policy.rules_summary();
            assert_eq!(rules.len(), 1, "{place} {hostile}");
            assert_eq!(rules[0].id, "one");
            assert_eq!(rules[0].reason.as_deref(), rule.get("reason").and_then(Value::as_str));
            assert_eq!(rules[0].ask.as_deref(), rule.get("ask").and_then(Value::as_str));
            assert_eq!(verdict(&policy, "note_send", &url()), "deny default", "{place} {hostile}");
        }
    }
    let free = ["ask", "asked agent", "equals", "one_of", "path", "reason", "starts_with"];
    assert!(free.iter().all(|place| accepted.contains(place)), "{accepted:?}");
}

#[test]
fn hostile_texts_are_compared_as_they_are() {
    let call = |content: &str| json!({"path": "a", "content": content});
    for hostile in HOSTILE {
        for predicate in ["equals", "starts_with"] {
            let when = json!({"args": {"content": {(predicate): hostile}}}).to_string();
            let policy = load(&rule("allow", &when)).unwrap();
            assert_eq!(verdict(&policy, "file_write", &call(hostile)), "allow one", "{hostile}");
            assert_eq!(verdict(&policy, "file_write", &call("x")), "deny default", "{hostile}");
            let longer = judge(&policy, "file_write", &call(&format!("{hostile}x"))).unwrap().verdict;
            assert_eq!(longer == Verdict::Allow, predicate == "starts_with", "{hostile}");
        }
    }
}

#[test]
fn the_example_that_ships_is_accepted() {
    let manifests: Vec<Manifest> = [
        include_str!("../../../../../manifests/fs_read.yaml"),
        include_str!("../../../../../manifests/fs_write.yaml"),
        include_str!("../../../../../manifests/fs_delete.yaml"),
        include_str!("../../../../../manifests/http_fetch.yaml"),
        include_str!("../../../../../manifests/http_post.yaml"),
    ]
    .map(|text| Manifest::parse("m.yaml", text).unwrap())
    .into();
    let text = include_str!("../../../../../policies/rules.example.yaml");
    let source = Source { name: "rules.yaml".into(), text: text.into() };
    let policy = Policy::load(&[source], &manifests.iter().collect::<Vec<_>>()).unwrap();
    assert_eq!((policy.rules_summary().len(), policy.budgets().len()), (7, 3));
}
