//! Loading and judging together: one test for each way in which a policy could quietly mean something else.

use latchgate_wire::principal::Principal;
use latchgate_wire::receipt::{Boundary, PlanKind, Verdict};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::judge::strictness;
use super::testing::*;
use super::*;
use crate::plan::Plan;

const ALLOW_ALL: &str = r#"@id("allow") permit (principal, action, resource);"#;

/// The errors of a policy that must not load, as `line: problem`.
fn refusals(text: &str) -> Vec<String> {
    let errors = load(text).expect_err("loaded");
    errors.iter().for_each(|error| assert!(error.remedy.len() > 5 && error.file == "p.cedar", "{error}"));
    errors.iter().map(|error| format!("{}: {}", error.line, error.problem)).collect()
}

/// Asserts one refusal, at `line`, whose problem contains `problem`.
fn refused(text: &str, line: usize, problem: &str) {
    let refusals = refusals(text);
    let expected = |refusal: &String| refusal.starts_with(&format!("{line}: ")) && refusal.contains(problem);
    assert!(refusals.iter().any(expected), "expected `{line}: ...{problem}...`, found {refusals:#?}");
}

fn file() -> Value {
    json!({"path": "a/b"})
}

fn url() -> Value {
    json!({"url": "https://example.com/"})
}

// What is not permitted.

#[test]
fn empty_set_denies_everything() {
    for policy in [load("").unwrap(), Policy::load(&[], &samples().iter().collect::<Vec<_>>()).unwrap()] {
        assert_eq!(verdict(&policy, "file_read", &file()), "deny default");
        assert_eq!(verdict(&policy, "note_send", &url()), "deny default");
    }
    assert_eq!(verdict(&load(ALLOW_ALL).unwrap(), "file_read", &file()), "allow allow");
}

#[test]
fn unknown_action_is_denied() {
    let policy = load(ALLOW_ALL).unwrap();
    let unknown = fs_action("file_move", "read", "low", "read");
    let (args, known) = (file(), fs_action("file_read", "read", "low", "read"));
    let plan = plan(&unknown, &args);
    let judgement = policy.judge(&question(&unknown, &args, &plan)).unwrap();
    assert_eq!((judgement.verdict, judgement.rule.as_str()), (Verdict::Deny, "default"));
    assert_eq!(policy.judge(&question(&known, &args, &plan)).unwrap().verdict, Verdict::Allow);
}

#[test]
fn forbid_beats_ask_beats_allow() {
    let ask = r#"@id("ask") @ask("why") @reason("said") permit (principal, action, resource);"#;
    let forbid = r#"@id("forbid") @reason("no") forbid (principal, action, resource);"#;
    for (rules, expected) in [
        (vec![ALLOW_ALL], "allow allow"),
        (vec![ALLOW_ALL, ask], "ask ask"),
        (vec![ask, ALLOW_ALL], "ask ask"),
        (vec![ALLOW_ALL, ask, forbid], "deny forbid"),
        (vec![forbid, ask, ALLOW_ALL], "deny forbid"),
    ] {
        let policy = load(&rules.join("\n")).unwrap();
        assert_eq!(verdict(&policy, "file_read", &file()), expected);
    }
    let asked = judge(&load(ask).unwrap(), "file_read", &file()).unwrap();
    assert_eq!((asked.ask_reason.as_deref(), asked.reason.as_deref()), (Some("why"), Some("said")));
}

#[test]
fn an_allow_stands_for_the_asks_that_it_names_and_no_others() {
    let ask = |id: &str| format!("@id(\"{id}\") @ask(\"why\") permit (principal, action, resource);");
    let allow = r#"@id("but") @at_most("2/1h") @instead_of("one two") permit (principal, action == Action::"file_read", resource);"#;
    let forbid = r#"@id("no") forbid (principal, action, resource);"#;
    for (rules, expected) in [
        (vec![ask("one"), ask("two"), allow.to_owned()], "allow but"),
        (vec![ask("one"), ask("two"), ask("three"), allow.to_owned()], "ask three"),
        (vec![ask("one"), ask("two"), allow.to_owned(), forbid.to_owned()], "deny no"),
        // Whoever wrote a limit meant it, whatever else would allow the call if nobody asked.
        (vec![ALLOW_ALL.to_owned(), ask("one"), ask("two"), allow.to_owned()], "allow but"),
    ] {
        let policy = load(&rules.join("\n")).unwrap();
        assert_eq!(verdict(&policy, "file_read", &file()), expected, "{rules:?}");
        assert_ne!(verdict(&policy, "file_write", &file()), "allow but");
    }
}

#[test]
fn what_an_allow_stands_for_must_be_there_and_ask_one_person() {
    let rules = |named: &str| {
        format!(
            "@id(\"two\") @ask(\"why\") @approvers(\"2\") permit (principal, action, resource);\n\
                 @id(\"no\") forbid (principal, action == Action::\"file_read\", resource);\n\
                 @id(\"but\")\n@instead_of(\"{named}\")\npermit (principal, action, resource);"
        )
    };
    refused(&rules("gone"), 4, "`gone`, and there is no such rule");
    refused(&rules("two"), 4, "`two`, which asks several operators");
    refused(&rules("no"), 4, "`no`, which does not ask");
    refused(&rules("a  b"), 4, "@instead_of names no rules");
    let misplaced = "@id(\"a\")\n@instead_of(\"a\")\nforbid (principal, action, resource);";
    refused(misplaced, 2, "@instead_of on a rule that does not allow");
}

#[test]
fn the_first_written_of_equal_rules_is_named() {
    let text =
        r#"@id("z") forbid (principal, action, resource); @id("a") forbid (principal, action, resource);"#;
    assert_eq!(verdict(&load(text).unwrap(), "file_read", &file()), "deny z");
}

#[test]
fn failing_forbid_beside_a_permit_denies() {
    let forbid = r#"@id("overflow") forbid (principal, action == Action::"note_send", resource)
        when { context.args has count && context.args.count + 9223372036854775807 < 0 };"#;
    let policy = load(&format!("{ALLOW_ALL}\n{forbid}")).unwrap();
    let call = |count: i64| json!({"url": "https://example.com/", "count": count});
    assert_eq!(verdict(&policy, "note_send", &call(1)), "deny overflow");
    assert_eq!(verdict(&policy, "note_send", &call(0)), "allow allow");
}

#[test]
fn failing_permit_alone_denies_by_its_name() {
    let permit = r#"@id("overflow") permit (principal, action == Action::"note_send", resource)
        when { context.args has count && context.args.count * 9223372036854775807 > 0 };"#;
    let policy = load(permit).unwrap();
    let call = |count: i64| json!({"url": "https://example.com/", "count": count});
    assert_eq!(verdict(&policy, "note_send", &call(2)), "deny overflow");
    assert_eq!(verdict(&policy, "note_send", &call(1)), "allow overflow");
}

// What does not load.

#[test]
fn misspelt_argument_is_a_load_error_with_its_line() {
    let rule = |name: &str| {
        format!(
            "// path\n@id(\"a\")\npermit (principal, action == Action::\"file_read\", resource)\nwhen {{\n  context.args.{name} == \"x\"\n}};"
        )
    };
    refused(&rule("pth"), 5, "no action in the rule's scope declares `context.args.pth`");
    assert!(load(&rule("path")).is_ok());
}

#[test]
fn misspelt_has_inside_a_disjunction_is_a_load_error() {
    let rule = |name: &str| {
        format!(
            "@id(\"a\")\nforbid (principal, action == Action::\"file_write\", resource)\nwhen {{ context.args.path == \"x\" ||\n (context.args has {name} && context.args.{name} like \"*secret*\") }};"
        )
    };
    refused(&rule("contnt"), 4, "`context.args.contnt`");
    assert!(load(&rule("content")).is_ok());
}

#[test]
fn every_spelling_of_a_misspelt_name_is_found() {
    for condition in [
        "true || context.args has pth",
        "true || context.args[\"pth\"] == \"x\"",
        "true || context has args.pth",
        "true || context has argz",
        "true || context has args.options.drft",
        "true || (if true then context.args has pth else false)",
        "true || ![context.args has pth].isEmpty()",
        "true || {a: context.args has pth}.a",
        "true || (if true then context.args else context.args) has pth",
        "true || context.op has hots",
        "true || context.agent has claim",
        "true || principal has path",
        "true || resource has path",
        "true || Principal::\"uid:1\" has path",
        "true || principal.hasTag(\"path\")",
        "true || principal == Principal::\"root\"",
        "true || principal == Principal::\"uid:01\"",
        "true || principal in Group::\"wheel\"",
        "true || action in Action::\"class:wirte\"",
        "true || action == Action::\"model:fs\"",
        "true || context.op.mehtod == \"GET\"",
    ] {
        let text = format!("@id(\"a\")\npermit (principal, action, resource)\nwhen {{ {condition} }};");
        assert!(!refusals(&text).is_empty(), "{condition}");
    }
    for condition in [
        "true || context.args has path",
        "true || context.args has options && context.args.options has draft",
        "true || context has args.options.draft",
        "true || context.op has host",
        "true || context.agent has claimed",
        "true || principal == Principal::\"uid:0\"",
        "true || principal in Group::\"jail\"",
        "true || action in [Action::\"class:write\", Action::\"tag:sample\", Action::\"risk:low\"]",
    ] {
        let text = format!("@id(\"a\") permit (principal, action, resource) when {{ {condition} }};");
        assert!(load(&text).is_ok(), "{condition}: {:#?}", load(&text).err());
    }
}

#[test]
fn an_argument_counts_only_in_the_scope_of_the_rule() {
    let rule = |scope: &str| {
        format!(
            "@id(\"a\") permit (principal, action {scope}, resource) when {{ true || context.args has count }};"
        )
    };
    refused(&rule("== Action::\"file_read\""), 1, "`context.args.count`");
    refused(&rule("in [Action::\"file_read\", Action::\"file_write\"]"), 1, "`context.args.count`");
    assert!(load(&rule("in Action::\"class:send\"")).is_ok());
}

#[test]
fn impossible_rule_is_a_load_error() {
    let rule = |condition: &str| {
        format!("\n@id(\"a\")\nforbid (principal, action, resource) when {{ {condition} }};")
    };
    refused(&rule("context.boundary == \"jail\" && false"), 2, "policy is impossible");
    assert!(load(&rule("context.boundary == \"jail\"")).is_ok());
}

#[test]
fn unguarded_optional_and_unguarded_group_rule_are_load_errors() {
    let rule = |scope: &str, condition: &str| {
        format!("@id(\"a\") permit (principal, action {scope}, resource)\nwhen {{ {condition} }};")
    };
    let (one, group) = ("== Action::\"note_send\"", "in Action::\"class:send\"");
    refused(&rule(one, "context.args.count > 1"), 2, "count");
    assert!(load(&rule(one, "context.args has count && context.args.count > 1")).is_ok());
    refused(&rule(group, "context.args.url like \"https:*\""), 2, "url");
    assert!(load(&rule(group, "context.args has url && context.args.url like \"https:*\"")).is_ok());
    refused(&rule(group, "context.op.host == \"x\""), 2, "host");
    assert!(load(&rule(group, "context.op has host && context.op.host == \"x\"")).is_ok());
}

#[test]
fn annotations_are_checked() {
    let rule =
        |annotations: &str, effect: &str| format!("{annotations}\n{effect} (principal, action, resource);");
    refused(&rule("", "permit"), 2, "no @id");
    refused(&rule("@id(\"no spaces\")", "permit"), 1, "@id is no name");
    refused(&rule("@id(\"default\")", "permit"), 1, "`default`");
    refused(&rule("@id(\"a\")\n@at_most(\"3/h\")", "permit"), 2, "@at_most is no rate");
    refused(&rule("@id(\"a\")\n@at_most(\"3/1h\")", "forbid"), 2, "@at_most on a forbid");
    refused(&rule("@id(\"a\")\n@aks(\"why\")", "permit"), 2, "unknown annotation @aks");
    refused(&rule("@id(\"a\")\n@ask(\"\")", "permit"), 2, "@ask");
    refused(&rule("@id(\"a\")\n@reason(\"a\\nb\")", "permit"), 2, "@reason");
    refused(&rule("@id(\"a\")\n@ask(\"why\")", "forbid"), 2, "@ask on a forbid");
    assert!(load(&rule("@id(\"a\")\n@ask(\"why\")\n@reason(\"b\")", "permit")).is_ok());
}

#[test]
fn an_id_names_one_rule_over_all_sources() {
    let source = |name: &str, id: &str| Source {
        name: name.into(),
        text: format!("\n@id(\"{id}\") permit (principal, action, resource);"),
    };
    let errors = Policy::load(&[source("b.cedar", "x"), source("a.cedar", "x")], &[]).unwrap_err();
    assert_eq!(
        errors[0].to_string(),
        "b.cedar:2: a second rule with the @id `x`; give each rule its own @id"
    );
    let errors = Policy::load(&[source("a.cedar", "x"), source("a.cedar", "y")], &[]).unwrap_err();
    assert!(errors[0].problem.contains("second policy file"), "{errors:?}");
    assert!(Policy::load(&[source("b.cedar", "x"), source("a.cedar", "y")], &[]).is_ok());
}

#[test]
fn all_problems_are_reported_at_once_and_syntax_with_its_line() {
    let text = "@id(\"a\") permit (principal, action, resource) when { context.nope };\n@x permit (principal, action, resource);";
    let refusals = refusals(text);
    for expected in
        ["1: `context` has no member `nope`", "2: unknown annotation @x", "2: the rule has no @id"]
    {
        assert!(refusals.iter().any(|refusal| refusal == expected), "{expected} in {refusals:#?}");
    }
    refused("@id(\"a\") permit (principal, action, resource);\n@id(\"b\") permt (principal);", 2, "permt");
    refused("\n\n@id(\"a\") permit (principal == ?principal, action, resource);", 3, "templates");
    refused("@id(\"a\") permit (principal, action == Action::\"file_raed\", resource);", 1, "file_raed");
}

#[test]
fn a_rule_of_ten_thousand_terms_does_not_end_the_process() {
    let rule = |terms: usize| {
        let condition = vec!["context.boundary == \"jail\""; terms].join(" || ");
        format!("@id(\"long\") forbid (principal, action, resource) when {{ {condition} }};\n{ALLOW_ALL}")
    };
    for terms in [100, 10_000] {
        // Where Cedar gives up on evaluating so deep a rule, that is an error and denies.
        let verdict = load(&rule(terms)).map(|policy| verdict(&policy, "file_read", &file()));
        assert!(matches!(verdict.as_deref(), Ok("allow allow" | "deny long")), "{terms}: {verdict:?}");
    }
}

// What else decides.

#[test]
fn an_argument_that_policy_cannot_see_turns_allow_into_ask() {
    let args = json!({"url": "https://example.com/", "headers": {"x": "y"}});
    let judgement = judge(&load(ALLOW_ALL).unwrap(), "note_send", &args).unwrap();
    assert_eq!((judgement.verdict, judgement.rule.as_str()), (Verdict::Ask, "allow"));
    assert!(judgement.ask_reason.unwrap().contains("`headers`"));
    assert_eq!(verdict(&load(ALLOW_ALL).unwrap(), "note_send", &url()), "allow allow");
    assert_eq!(verdict(&load("").unwrap(), "note_send", &args), "deny default");
}

#[test]
fn a_number_that_policy_cannot_see_is_an_error_and_not_a_verdict() {
    let call = |amount: f64| json!({"url": "https://example.com/", "amount": amount});
    let policy = load(ALLOW_ALL).unwrap();
    let error = judge(&policy, "note_send", &call(0.00005)).unwrap_err();
    assert_eq!(error.pointer, "/amount");
    assert_eq!(verdict(&policy, "note_send", &call(0.0005)), "allow allow");
}

#[test]
fn decimals_are_compared_as_numbers() {
    let policy = load(
        r#"@id("small") permit (principal, action == Action::"note_send", resource)
        when { context.args has amount && context.args.amount.lessThanOrEqual(decimal("10.5")) };"#,
    )
    .unwrap();
    for (amount, expected) in [(10.5, "allow small"), (9.0, "allow small"), (10.5001, "deny default")] {
        let args = json!({"url": "https://example.com/", "amount": amount});
        assert_eq!(verdict(&policy, "note_send", &args), expected, "{amount}");
    }
}

#[test]
fn critical_action_is_denied_under_same_user() {
    let policy = load(ALLOW_ALL).unwrap();
    let samples = samples();
    let (critical, args) = (&samples[4], url());
    let plan = plan(critical, &args);
    let judge = |boundary| {
        policy
            .judge(&Question { boundary, ..question(critical, &args, &plan) })
            .map(|judged| judged.rule)
            .unwrap()
    };
    assert_eq!(judge(Boundary::SameUser), "boundary:same-user");
    assert_eq!(judge(Boundary::Service), "allow");
    assert_eq!(judge(Boundary::Jail), "allow");
}

#[test]
fn envelope_that_can_write_is_at_least_ask() {
    let policy = load(ALLOW_ALL).unwrap();
    let judge = |action: usize, kind: PlanKind| {
        let samples = samples();
        let args = if action < 2 { file() } else { url() };
        let plan = Plan { kind, ..plan(&samples[action], &args) };
        policy.judge(&question(&samples[action], &args, &plan)).unwrap().verdict
    };
    for (action, kind, verdict) in [
        (0, PlanKind::Envelope, Verdict::Allow),
        (2, PlanKind::Envelope, Verdict::Allow),
        (1, PlanKind::Envelope, Verdict::Ask),
        (3, PlanKind::Envelope, Verdict::Ask),
        (1, PlanKind::Exact, Verdict::Allow),
    ] {
        assert_eq!(judge(action, kind), verdict, "{action} {kind:?}");
    }
}

#[test]
fn the_strictest_step_decides() {
    let policy = load(
        r#"@id("allow") permit (principal, action, resource);
        @id("ask") @ask("why") permit (principal, action, resource) when { context.op.path like "*ask*" };
        @id("deny") forbid (principal, action, resource) when { context.op.path like "*deny*" };"#,
    )
    .unwrap();
    let manifest = fs_action("file_read", "read", "low", "read");
    let judge = |paths: &[&str]| {
        let steps = paths.iter().flat_map(|path| plan(&manifest, &json!({"path": path})).steps).collect();
        let (args, plan) = (file(), Plan { kind: PlanKind::Exact, steps });
        policy.judge(&question(&manifest, &args, &plan)).unwrap().rule
    };
    assert_eq!(judge(&["a", "b"]), "allow");
    assert_eq!(judge(&["a", "ask", "b"]), "ask");
    assert_eq!(judge(&["a", "deny", "ask"]), "deny");
    assert_eq!(judge(&[]), "fault:plan");
}

#[test]
fn a_plan_that_does_not_fit_the_action_is_denied() {
    let policy = load(ALLOW_ALL).unwrap();
    let samples = samples();
    let (args, at) = (file(), url());
    let wrong = plan(&samples[2], &at);
    assert_eq!(policy.judge(&question(&samples[0], &args, &wrong)).unwrap().rule, "fault:plan");
    let unreadable = json!({"url": "no url"});
    assert_eq!(verdict(&policy, "http_fetch", &unreadable), "deny fault:plan");
}

#[test]
fn rules_see_the_operation_and_not_its_spelling() {
    let policy = load(
        r#"@id("allow") permit (principal, action, resource);
        @id("host") forbid (principal, action, resource) when { context.op has host && context.op.host == "evil.test" };
        @id("path") forbid (principal, action, resource) when { context.op.path like "/admin*" };
        @id("port") forbid (principal, action, resource) when { context.op has port && context.op.port != 443 };
        @id("query") forbid (principal, action, resource)
        when { context.op has query_names && context.op.query_names.contains("token") };"#,
    )
    .unwrap();
    for (url, expected) in [
        ("https://example.com/x?a=b", "allow allow"),
        ("https://evil.test/", "deny host"),
        ("https://evil.test./", "deny host"),
        ("https://EVIL.test/", "deny host"),
        ("https://example.com/%61dmin", "deny path"),
        ("https://example.com/x/../admin", "deny path"),
        ("http://example.com/", "deny port"),
        ("https://example.com/?a=b&tok%65n=1", "deny query"),
    ] {
        assert_eq!(verdict(&policy, "http_fetch", &json!({"url": url})), expected, "{url}");
    }
}

#[test]
fn rules_see_who_asks() {
    let policy = load(
        r#"@id("ci") permit (principal == Principal::"agent:ci", action, resource);
        @id("jail") permit (principal in Group::"jail", action, resource);
        @id("named") permit (principal, action, resource)
        when { context.agent has claimed && context.agent.claimed == "ci" && !context.agent.verified };
        @id("budget") permit (principal, action, resource)
        when { context.budget has calls_left && context.budget.calls_left > 5 };"#,
    )
    .unwrap();
    let (manifest, args) = (fs_action("file_read", "read", "low", "read"), file());
    let plan = plan(&manifest, &args);
    let judge = |principal: &Principal, label, calls_left| {
        let agent = Agent::of(principal, label);
        policy
            .judge(&Question { principal, agent, calls_left, ..question(&manifest, &args, &plan) })
            .unwrap()
            .rule
    };
    let (ci, other) = (Principal::Agent("ci".into()), Principal::Agent("other".into()));
    let (jail, user) = (Principal::Jail("ci".into()), Principal::Uid(0));
    assert_eq!(judge(&ci, Some("ci"), None), "ci");
    assert_eq!(judge(&jail, None, None), "jail");
    assert_eq!(judge(&user, Some("ci"), None), "named");
    assert_eq!(judge(&other, Some("ci"), None), "named");
    assert_eq!(judge(&user, None, Some(6)), "budget");
    assert_eq!(judge(&user, None, Some(u64::MAX)), "budget");
    assert_eq!(judge(&user, None, Some(5)), "default");
    assert_eq!(judge(&other, None, None), "default");
}

#[test]
fn the_digest_is_of_the_document_and_of_what_judging_depends_on() {
    let policy = load(ALLOW_ALL).unwrap();
    assert_eq!(policy.digest(), latchgate_wire::digest::Digest::of(&policy.document()));
    assert_eq!(policy.digest(), load(ALLOW_ALL).unwrap().digest());
    assert_ne!(policy.digest(), load(&format!("{ALLOW_ALL} ")).unwrap().digest());
    let sources = [Source { name: "p.cedar".into(), text: ALLOW_ALL.into() }];
    assert_ne!(policy.digest(), Policy::load(&sources, &[]).unwrap().digest());
    let two = |names: [&str; 2]| {
        let texts = ["", "@id(\"x\") permit (principal, action, resource);"];
        let mut sources: Vec<Source> = names
            .iter()
            .map(|name| Source { name: (*name).into(), text: texts[usize::from(*name == "b")].into() })
            .collect();
        sources.dedup();
        Policy::load(&sources, &[]).unwrap().digest()
    };
    assert_eq!(two(["a", "b"]), two(["b", "a"]));
}

#[test]
fn hostile_strings_never_panic() {
    let policy = load(
        r#"@id("allow") permit (principal, action, resource);
        @id("like") forbid (principal, action, resource)
        when { context.args has url && context.args.url like "*a*b*c*\*secret" };"#,
    )
    .unwrap();
    let long = "ab".repeat(1 << 19);
    let strings =
        ["\"", "\\", "'; forbid", "\u{202e}\u{feff}\u{fffe}", "*", "}{", "__extn", "\u{1}\n", "𝕏é", &long];
    for text in strings {
        let url = format!("https://example.com/{}", text.replace(['\\', '\u{1}', '\n'], ""));
        for args in [json!({"url": url, "labels": [text, text]}), json!({"url": url, text: text})] {
            // The plan's address stays short, so that only the arguments are in question.
            let manifest = http_action("http_fetch", "read", "medium", "GET");
            let plan = plan(&manifest, &json!({"url": "https://example.com/"}));
            let judgement = policy.judge(&question(&manifest, &args, &plan)).unwrap();
            assert_ne!(judgement.verdict, Verdict::Deny, "{:?}", text.get(..9));
        }
    }
    let secret = json!({"url": format!("{long}c*secret")});
    let manifest = http_action("http_fetch", "read", "medium", "GET");
    let plan = plan(&manifest, &json!({"url": "https://example.com/"}));
    assert_eq!(policy.judge(&question(&manifest, &secret, &plan)).unwrap().rule, "like");
}

/// Conditions that may hold or not, and one that fails for `count` 1.
const CONDITIONS: [&str; 6] = [
    "true || context.boundary == \"jail\"",
    "context.op has host && context.op.host == \"example.com\"",
    "context.args has count && context.args.count > 0",
    "context.args has count && context.args.count + 9223372036854775807 > 0",
    "action in Action::\"class:send\"",
    "context.op.path like \"/x*\"",
];

fn rule(id: usize, effect: usize, condition: usize) -> String {
    let (ask, effect) = [("", "permit"), ("@ask(\"why\") ", "permit"), ("", "forbid")][effect];
    format!(
        "@id(\"r{id}\") {ask}{effect} (principal, action, resource) when {{ {} }};\n",
        CONDITIONS[condition]
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn adding_a_forbid_never_widens(
        rules in prop::collection::vec((0..3usize, 0..CONDITIONS.len()), 0..5),
        forbid in 0..CONDITIONS.len(),
        count in 0..2i64,
        path in prop::sample::select(vec!["x", "y"]),
    ) {
        let text: String = rules.iter().enumerate().map(|(id, (effect, condition))| rule(id, *effect, *condition)).collect();
        let args = json!({"url": format!("https://example.com/{path}"), "count": count});
        for action in ["http_fetch", "note_send"] {
            let before = judge(&load(&text).unwrap(), action, &args).unwrap();
            let after = judge(&load(&(text.clone() + &rule(99, 2, forbid))).unwrap(), action, &args).unwrap();
            prop_assert!(strictness(after.verdict) >= strictness(before.verdict), "{before:?} then {after:?}");
        }
    }
}

const OBSERVED: &str = r#"@id("watch") @observe forbid (principal, action in Action::"class:write", resource);
@id("all") permit (principal, action, resource);
@id("ask") @ask("why") permit (principal, action == Action::"file_write", resource);"#;

#[test]
fn a_rule_that_observes_denies_and_tells_what_the_others_would_answer() {
    let policy = load(OBSERVED).unwrap();
    assert!(policy.observes());
    let judged = judge(&policy, "file_write", &file()).unwrap();
    assert_eq!((judged.verdict, judged.rule.as_str()), (Verdict::Deny, "watch"));
    let would = judged.would.unwrap();
    assert_eq!((would.verdict, would.rule.as_str()), (Verdict::Ask, "ask"));
    // What it does not cover is judged as ever, and so is everything without it.
    assert_eq!(judge(&policy, "file_read", &file()).unwrap().would, None);
    let plain = load(&OBSERVED.replace(" @observe", "")).unwrap();
    assert!(!plain.observes());
    assert_eq!(judge(&plain, "file_write", &file()).unwrap().would, None);
}

#[test]
fn who_observes_hides_no_denial_that_stands_without_it() {
    let also =
        format!("{OBSERVED}\n@id(\"never\") forbid (principal, action == Action::\"file_write\", resource);");
    let judged = judge(&load(&also).unwrap(), "file_write", &file()).unwrap();
    assert_eq!((judged.verdict, judged.rule.as_str(), judged.would), (Verdict::Deny, "never", None));
    // A critical action under the same user is denied before any rule is asked.
    let policy = load(OBSERVED).unwrap();
    let (samples, args) = (samples(), url());
    let plan = plan(&samples[4], &args);
    let asked = Question { boundary: Boundary::SameUser, ..question(&samples[4], &args, &plan) };
    assert_eq!(policy.judge(&asked).unwrap().rule, "boundary:same-user");
}

#[test]
fn observing_is_a_forbids_and_has_no_text() {
    let rule = |annotation: &str, effect: &str| {
        format!("@id(\"a\")\n{annotation}\n{effect} (principal, action, resource);")
    };
    refused(&rule("@observe", "permit"), 2, "@observe");
    refused(&rule("@observe(\"yes\")", "forbid"), 2, "@observe");
    assert!(load(&rule("@observe", "forbid")).is_ok());
}
