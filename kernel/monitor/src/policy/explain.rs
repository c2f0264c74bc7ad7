//! Why a call is judged as it is: every rule that fired, with its place, and what would change the verdict.
//!
//! Each rule is judged by itself, which no call is: this is for whoever writes policy, never for an agent.

mod condition;
mod facts;

use latchgate_wire::receipt::{Boundary, Verdict, Would};
use serde::Serialize;

use super::args::Unrepresentable;
use super::judge::{Judgement, Question};
use super::load::Policy;
use super::outlook::RuleSummary;
use crate::manifest::Risk;

pub use condition::Condition;
use facts::{Facts, Outcome};

/// A judgement and its reasons.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    pub verdict: Verdict,
    /// As the entry names it.
    pub rule: String,
    /// What the agent may be told.
    pub reason: Option<String>,
    pub ask_reason: Option<String>,
    /// What the other rules would answer, where one that only observes denies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub would: Option<Would>,
    /// Rules whose conditions hold, in the order written, whether or not they decided.
    pub fired: Vec<Fired>,
    /// Rules over this action that did not fire, the nearest first.
    pub near: Vec<Near>,
    /// What would change the verdict, in sentences.
    pub changes: Vec<String>,
}

/// A rule that fired, or that failed while it was looked at, which denies.
#[derive(Clone, Debug, Serialize)]
pub struct Fired {
    #[serde(flatten)]
    pub rule: RuleSummary,
    /// Whether the verdict is this rule's.
    pub decided: bool,
    /// Why it could not be evaluated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A rule that covers the action and did not fire, with what does not hold.
#[derive(Clone, Debug, Serialize)]
pub struct Near {
    #[serde(flatten)]
    pub rule: RuleSummary,
    pub missing: Vec<Condition>,
}

impl Policy {
    /// # Errors
    /// As [`Policy::judge`].
    pub fn explain(&self, question: &Question<'_>) -> Result<Explanation, Unrepresentable> {
        let judgement = self.judge(question)?;
        let facts = Facts::of(self, question)?;
        let near = facts.near();
        let changes = changes(&judgement, &facts, &near, question);
        let fired = facts.fired(&judgement.rule);
        let Judgement { verdict, rule, reason, ask_reason, would, .. } = judgement;
        Ok(Explanation { verdict, rule, reason, ask_reason, would, fired, near, changes })
    }
}

fn changes(judged: &Judgement, facts: &Facts<'_>, near: &[Near], question: &Question<'_>) -> Vec<String> {
    let critical = question.manifest.risk_level == Risk::Critical;
    if critical && question.boundary == Boundary::SameUser {
        let what = "no rule can allow this: a critical action is denied under the boundary same-user; run the gate as a \
                    service, so that the agent is another user";
        return vec![what.to_owned()];
    }
    match judged.verdict {
        Verdict::Deny => denied(facts, near),
        Verdict::Ask => asked(judged, facts),
        Verdict::Allow => allowed(facts, near),
    }
}

fn denied(facts: &Facts<'_>, near: &[Near]) -> Vec<String> {
    let broken = facts.broken();
    if !broken.is_empty() {
        let without = facts.outcome_without(&broken);
        return vec![format!(
            "{} cannot be evaluated, which denies: mend the condition; without it {}",
            facts.named(&broken),
            told(&without)
        )];
    }
    let forbids = facts.forbids();
    if !forbids.is_empty() {
        let without = facts.outcome_without(&forbids);
        let mut said = vec![format!("without the forbid {} {}", facts.named(&forbids), told(&without))];
        if without.verdict == Verdict::Deny {
            said.extend(permits_missing(near));
        }
        return said;
    }
    let missing = permits_missing(near);
    if missing.is_empty() {
        return vec!["no rule permits this action at all: a permit that covers it is missing".to_owned()];
    }
    missing
}

/// What the nearest permits wait for.
fn permits_missing(near: &[Near]) -> Vec<String> {
    let permits = near.iter().filter(|near| near.rule.effect != Verdict::Deny && !near.missing.is_empty());
    permits
        .take(SHOWN_MAX)
        .map(|near| {
            let word = if near.rule.effect == Verdict::Ask { "ask" } else { "allow" };
            let conditions: Vec<String> = near.missing.iter().map(Condition::shown).collect();
            format!("{} would {word} if this held: {}", place(&near.rule), conditions.join("; and "))
        })
        .collect()
}

fn asked(judged: &Judgement, facts: &Facts<'_>) -> Vec<String> {
    let people = judged.asking.approvers;
    let mut said = vec![format!(
        "an approval by {people} operator{} lets it happen",
        if people == 1 { "" } else { "s" }
    )];
    let asks = facts.asks();
    if asks.is_empty() {
        // An Allow that became Ask: what policy cannot see, or a plan that is only bounded.
        let why = judged.ask_reason.as_deref().unwrap_or("the plan is not exact");
        said.push(format!("the rules allow it; it is asked about because {why}"));
        return said;
    }
    said.push(format!("without {} {}", facts.named(&asks), told(&facts.outcome_without(&asks))));
    said
}

fn allowed(facts: &Facts<'_>, near: &[Near]) -> Vec<String> {
    let permits = facts.permits();
    let mut said = vec![match permits.as_slice() {
        [_] => {
            format!("only {} permits it: without that rule it is denied by default", facts.named(&permits))
        }
        _ => format!("each of {} permits it: all of them would have to go", facts.named(&permits)),
    }];
    let nearest = near.iter().find(|near| near.rule.effect != Verdict::Allow && near.missing.len() == 1);
    if let Some((nearest, missing)) = nearest.and_then(|near| Some((near, near.missing.first()?))) {
        let word = if nearest.rule.effect == Verdict::Ask { "ask" } else { "deny" };
        said.push(format!("{} would {word} if this held: {}", place(&nearest.rule), missing.shown()));
    }
    said
}

fn told(outcome: &Outcome<'_>) -> String {
    match (outcome.verdict, outcome.rule) {
        (Verdict::Deny, None) => "it would still be denied, because no rule permits it".to_owned(),
        (Verdict::Deny, Some(rule)) => format!("it would still be denied by {}", place(rule)),
        (Verdict::Ask, rule) => format!("it would be asked about{}", by(rule)),
        (Verdict::Allow, rule) => format!("it would be allowed{}", by(rule)),
    }
}

fn by(rule: Option<&RuleSummary>) -> String {
    rule.map_or_else(String::new, |rule| format!(" by {}", place(rule)))
}

/// `name (file:line)`.
fn place(rule: &RuleSummary) -> String {
    format!("{} ({}:{})", rule.id, rule.file, rule.line)
}

/// Rules told of, of those that are near.
const SHOWN_MAX: usize = 3;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::{load, load_yaml, plan, question, samples};
    use super::*;

    const POLICY: &str = r#"@id("reads") @reason("read") permit (principal, action in Action::"class:read", resource)
when { context.op.kind == "fs" && context.op.path like "src/*" };
@id("ask-writes") @ask("it changes files")
permit (principal in Group::"agent", action in Action::"class:write", resource);
@id("no-env")
forbid (principal, action, resource)
when { context.op.kind == "fs" }
unless { !(context.op.path like "*.env") };"#;

    fn explained(policy: &Policy, action: &str, args: &Value) -> Explanation {
        let manifest = samples().into_iter().find(|manifest| manifest.action_id == action).unwrap();
        let plan = plan(&manifest, args);
        policy.explain(&question(&manifest, args, &plan)).unwrap()
    }

    fn fired(explanation: &Explanation) -> Vec<String> {
        explanation.fired.iter().map(|fired| place(&fired.rule)).collect()
    }

    #[test]
    fn what_fired_has_file_and_line_and_the_decider_is_marked() {
        let found = explained(&load(POLICY).unwrap(), "file_read", &json!({"path": "src/a.env"}));
        assert_eq!((found.verdict, found.rule.as_str()), (Verdict::Deny, "no-env"));
        assert_eq!(fired(&found), ["reads (p.cedar:1)", "no-env (p.cedar:5)"]);
        assert!(!found.fired[0].decided && found.fired[1].decided);
        let expected = "without the forbid no-env (p.cedar:5) it would be allowed by reads (p.cedar:1)";
        assert_eq!(found.changes, [expected]);
    }

    #[test]
    fn a_default_denial_names_the_nearest_rule_and_the_condition_that_failed() {
        let found = explained(&load(POLICY).unwrap(), "file_read", &json!({"path": "docs/a"}));
        assert_eq!((found.verdict, found.rule.as_str()), (Verdict::Deny, "default"));
        let expected = "reads (p.cedar:1) would allow if this held: context.op.path like \"src/*\" (line 2)";
        assert_eq!(found.changes, [expected]);
        let write = explained(&load(POLICY).unwrap(), "file_write", &json!({"path": "a"}));
        let expected =
            "ask-writes (p.cedar:3) would ask if this held: principal in Group::\"agent\" (line 3)";
        assert_eq!(write.changes, [expected]);
        let none = explained(&load(POLICY).unwrap(), "note_send", &json!({"url": "https://e.test/"}));
        assert!(none.changes[0].contains("a permit that covers it is missing"), "{:?}", none.changes);
    }

    #[test]
    fn an_ask_says_what_would_make_it_an_allow() {
        let policy = r#"@id("all") permit (principal, action, resource);
@id("ask") @ask("why") permit (principal, action in Action::"class:write", resource);"#;
        let found = explained(&load(policy).unwrap(), "file_write", &json!({"path": "a"}));
        let expected = [
            "an approval by 1 operator lets it happen",
            "without ask (p.cedar:2) it would be allowed by all (p.cedar:1)",
        ];
        assert_eq!(found.changes, expected);
    }

    #[test]
    fn an_ask_that_an_allow_stands_for_is_no_ask_without_the_others() {
        let policy = r#"@id("one") @ask("why") permit (principal, action, resource);
@id("but") @instead_of("one") permit (principal, action, resource);
@id("two") @ask("why") permit (principal, action, resource);"#;
        let found = explained(&load(policy).unwrap(), "file_write", &json!({"path": "a"}));
        assert_eq!((found.verdict, found.rule.as_str()), (Verdict::Ask, "two"));
        let expected = "without one (p.cedar:1), two (p.cedar:3) it would be allowed by but (p.cedar:2)";
        assert_eq!(found.changes[1], expected);
    }

    #[test]
    fn an_allow_says_what_stands_nearest_against_it() {
        let found = explained(&load(POLICY).unwrap(), "file_read", &json!({"path": "src/a"}));
        assert_eq!(found.verdict, Verdict::Allow);
        let expected = [
            "only reads (p.cedar:1) permits it: without that rule it is denied by default",
            "no-env (p.cedar:5) would deny if this held: context.op.path like \"*.env\" (line 8)",
        ];
        assert_eq!(found.changes, expected);
    }

    #[test]
    fn a_rule_that_fails_is_named_with_its_error() {
        let policy = r#"@id("all") permit (principal, action, resource);
@id("overflow") forbid (principal, action == Action::"note_send", resource)
when { context.args has count && context.args.count + 9223372036854775807 < 0 };"#;
        let args = json!({"url": "https://example.com/", "count": 1});
        let found = explained(&load(policy).unwrap(), "note_send", &args);
        assert_eq!((found.verdict, found.rule.as_str()), (Verdict::Deny, "overflow"));
        assert!(found.fired[1].error.as_ref().unwrap().contains("overflow"), "{:?}", found.fired);
        assert!(found.changes[0].ends_with("without it it would be allowed by all (p.cedar:1)"));
    }

    #[test]
    fn plain_rules_are_explained_by_the_lines_of_their_yaml() {
        let yaml = "format: 1\nrules:\n  - id: sources\n    then: allow\n    when:\n      action: file_read\n      path: src/*\n";
        let found = explained(&load_yaml(yaml).unwrap(), "file_read", &json!({"path": "b"}));
        assert!(
            found.changes[0].starts_with("sources (rules.yaml:3) would allow if this held: "),
            "{found:?}"
        );
    }

    #[test]
    fn a_rule_of_ten_thousand_terms_is_not_taken_apart() {
        let condition = vec!["context.boundary == \"jail\""; 10_000].join(" && ");
        let policy = format!("@id(\"long\") permit (principal, action, resource) when {{ {condition} }};");
        if let Ok(policy) = load(&policy) {
            let found = explained(&policy, "file_read", &json!({"path": "b"}));
            assert_eq!(found.verdict, Verdict::Deny);
        }
    }
}
