//! What can be said of a policy without a call: whether an action could ever be permitted, and why a rule asks.

use cedar_policy as cedar;

use super::load::Policy;
use super::rule::Effect;

impl Policy {
    /// Whether any rule that can apply to this action permits something. If not, every call of it is denied.
    pub fn may_permit(&self, action_id: &str) -> bool {
        let Some(action) = self.actions.get(action_id) else { return false };
        action.rules.policies().any(|rule| rule.effect() == cedar::Effect::Permit)
    }

    /// Why the rule of this `@id` wants a person to be asked.
    pub fn ask_reason(&self, rule: &str) -> Option<String> {
        let place = self.rule_places.get(rule)?;
        match &self.rules.get(*place)?.effect {
            Effect::Ask(why) => Some(why.clone()),
            Effect::Allow | Effect::Deny => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::testing;

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
}
