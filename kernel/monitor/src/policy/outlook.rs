//! What can be said of a policy without a call: its rules and its text, and whether it could ever permit an action.

use cedar_policy as cedar;

use latchgate_wire::digest::Digest;
use latchgate_wire::receipt::Verdict;
use serde::Serialize;

use super::at_most::AtMost;
use super::load::Policy;
use super::rule::{Effect, Rule};

/// What a rule says beside its conditions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleSummary {
    pub id: String,
    /// Where it is written: the file's name, and the line it begins on.
    pub file: String,
    pub line: usize,
    /// What it answers where it is satisfied.
    pub effect: Verdict,
    /// What the agent may be told.
    pub reason: Option<String>,
    /// Why a person is asked; there exactly when `effect` is Ask.
    pub ask: Option<String>,
    pub at_most: Option<AtMost>,
}

impl Policy {
    /// Whether any rule that can apply to this action permits something. If not, every call of it is denied.
    pub fn may_permit(&self, action_id: &str) -> bool {
        let Some(action) = self.actions.get(action_id) else { return false };
        action.rules.policies().any(|rule| rule.effect() == cedar::Effect::Permit)
    }

    /// Whether any rule only observes: then what the others would answer is recorded, and not done.
    pub fn observes(&self) -> bool {
        self.rules.iter().any(|rule| rule.observes)
    }

    /// Why the rule of this `@id` wants a person to be asked.
    pub fn ask_reason(&self, rule: &str) -> Option<String> {
        let place = self.rule_places.get(rule)?;
        match &self.rules.get(*place)?.effect {
            Effect::Ask(why) => Some(why.clone()),
            Effect::Allow | Effect::Deny => None,
        }
    }

    /// The digest of a rule as written; `None` for verdicts that no rule gave.
    pub fn rule_digest(&self, rule: &str) -> Option<Digest> {
        let place = self.rule_places.get(rule)?;
        self.rules.get(*place).map(|rule| rule.digest)
    }

    /// Every rule: in the order of the files' names, and within a file as written.
    pub fn rules_summary(&self) -> Vec<RuleSummary> {
        self.rules.iter().map(RuleSummary::of).collect()
    }

    /// The Cedar of every file in force, each after a line `// file: NAME`; plain rules as what they were compiled to.
    pub fn cedar_text(&self) -> String {
        let files = self.sources.iter().map(|source| {
            let end = if source.cedar.is_empty() || source.cedar.ends_with('\n') { "" } else { "\n" };
            format!("// file: {}\n{}{end}", one_line(&source.name), source.cedar)
        });
        files.collect::<Vec<_>>().join("\n")
    }
}

impl RuleSummary {
    pub(super) fn of(rule: &Rule) -> Self {
        let (effect, ask) = match &rule.effect {
            Effect::Allow => (Verdict::Allow, None),
            Effect::Ask(why) => (Verdict::Ask, Some(why.clone())),
            Effect::Deny => (Verdict::Deny, None),
        };
        let (id, reason, at_most) = (rule.id.clone(), rule.reason.clone(), rule.at_most.clone());
        let (file, line) = (rule.file.clone(), rule.line);
        Self { id, file, line, effect, reason, ask, at_most }
    }
}

/// A comment ends with its line; the name of a file must not.
fn one_line(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Source, testing};

    #[test]
    fn an_action_without_a_permit_can_never_be_permitted() {
        let policy = testing::load(
            r#"@id("ask-writes") @ask("it changes files") permit (principal, action in Action::"class:write", resource);
               @id("never") forbid (principal, action, resource);"#,
        )
        .unwrap();
        assert!(policy.may_permit("file_write"));
        assert!(!policy.may_permit("file_read"));
        assert!(!policy.may_permit("unheard_of"));
        assert_eq!(policy.ask_reason("ask-writes").as_deref(), Some("it changes files"));
        assert_eq!(policy.ask_reason("never"), None);
    }

    #[test]
    fn the_summary_says_what_each_rule_answers() {
        let policy = testing::load(
            r#"@id("b") @ask("why") @at_most("2/1m") permit (principal, action, resource);
               @id("a") @reason("no") forbid (principal, action, resource);
               @id("c") permit (principal, action, resource);"#,
        )
        .unwrap();
        let summary = serde_json::to_value(policy.rules_summary()).unwrap();
        let expected = serde_json::json!([
            {"id": "b", "file": "p.cedar", "line": 1, "effect": "ask", "reason": null, "ask": "why", "at_most": {"rule": "b", "n": 2, "window_s": 60}},
            {"id": "a", "file": "p.cedar", "line": 2, "effect": "deny", "reason": "no", "ask": null, "at_most": null},
            {"id": "c", "file": "p.cedar", "line": 3, "effect": "allow", "reason": null, "ask": null, "at_most": null},
        ]);
        assert_eq!(summary, expected);
    }

    #[test]
    fn the_text_shown_is_the_text_in_force() {
        let source = |name: &str, text: &str| Source { name: name.into(), text: text.into() };
        let sources = [
            source("b.yaml", "format: 1\nrules:\n  - { id: b, then: deny, when: { class: send } }"),
            source("a.cedar", r#"@id("a") permit (principal, action, resource);"#),
            source("c\npermit (principal, action, resource);", ""),
        ];
        let text = Policy::load(&sources, &[]).unwrap().cedar_text();
        let files: Vec<&str> = text.lines().filter(|line| line.starts_with("// file: ")).collect();
        assert_eq!(files[..2], ["// file: a.cedar", "// file: b.yaml"]);
        let again = Policy::load(&[source("all.cedar", &text)], &[]).unwrap();
        let ids: Vec<String> = again.rules_summary().into_iter().map(|rule| rule.id).collect();
        assert_eq!(ids, ["a", "b"]);
    }
}
