//! Which actions a rule is about: `action`, `class` and `risk`, as the head of the Cedar rule and conditions beside it.

use super::super::schema::ActionType;
use super::Wrong;
use super::format::When;
use super::literal;
use super::write::Line;
use crate::schema::below;

pub(super) struct Scope<'a> {
    /// The constraint in the rule's head, such as `action in Action::"class:read"`.
    pub head: Line,
    /// What the head does not say.
    pub conditions: Vec<Line>,
    /// The loaded actions that fit all of it.
    pub covered: Vec<&'a ActionType>,
}

impl<'a> Scope<'a> {
    pub fn of(when: &When, at: &str, actions: &'a [ActionType], wrong: &mut Vec<Wrong>) -> Self {
        let classes: Vec<String> = when.class.0.iter().map(|c| format!("class:{}", c.as_str())).collect();
        let risks: Vec<String> = when.risk.0.iter().map(|r| format!("risk:{}", r.as_str())).collect();
        let named = named(&when.action.0, &format!("{at}/action"), actions, wrong);
        let in_group = |action: &ActionType, groups: &[String]| {
            groups.is_empty() || groups.iter().any(|group| action.groups.contains(group))
        };
        let covered: Vec<&ActionType> = actions
            .iter()
            .filter(|action| named.as_ref().is_none_or(|ids| ids.contains(&action.id)))
            .filter(|action| in_group(action, &classes) && in_group(action, &risks))
            .collect();
        if covered.is_empty() && named.as_ref().is_some_and(|ids| !ids.is_empty()) {
            let problem = "none of the actions that `action` names has the class and risk asked for";
            wrong.push(Wrong::new(at, problem, "correct one of the three, or leave it out"));
        }
        let said = [("action", named.unwrap_or_default()), ("class", classes), ("risk", risks)];
        let mut lines = said
            .iter()
            .filter(|(_, ids)| !ids.is_empty())
            .map(|(member, ids)| Line::new(format!("{at}/{member}"), constraint(member, ids)));
        let head = lines.next().unwrap_or_else(|| Line::new(at, "action"));
        Self { head, conditions: lines.collect(), covered }
    }
}

/// The ids of the loaded actions that fit a pattern; `None` where every action does, also one that is not loaded yet.
fn named(
    patterns: &[String],
    at: &str,
    actions: &[ActionType],
    wrong: &mut Vec<Wrong>,
) -> Option<Vec<String>> {
    if patterns.is_empty() || patterns.iter().any(|pattern| pattern == "*") {
        return None;
    }
    for (i, pattern) in patterns.iter().enumerate() {
        if !actions.iter().any(|action| fits(pattern, &action.id)) {
            let ids: Vec<&str> = actions.iter().map(|action| action.id.as_str()).collect();
            let problem = format!("no loaded action fits `{pattern}`");
            wrong.push(Wrong::new(below(at, i), problem, format!("expected some of: {}", ids.join(", "))));
        }
    }
    let ids = actions.iter().map(|action| &action.id);
    Some(ids.filter(|id| patterns.iter().any(|pattern| fits(pattern, id))).cloned().collect())
}

fn constraint(member: &str, ids: &[String]) -> String {
    let entities: Vec<String> = ids.iter().map(|id| literal::entity("Action", id)).collect();
    match entities.as_slice() {
        [one] if member == "action" => format!("action == {one}"),
        [one] => format!("action in {one}"),
        several => format!("action in {}", literal::set(several)),
    }
}

/// Whether `pattern`, in which `*` stands for any characters, is all of `id`. What comes between two stars is best matched
/// as early as possible, since that leaves the most for the rest.
fn fits(pattern: &str, id: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = id.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(found) = rest.find(part) else { return false };
        rest = &rest[found + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, id) in
            [("fs_read", "fs_read"), ("fs_*", "fs_read"), ("fs_*", "fs_"), ("*_read", "fs_read"), ("*", "a")]
        {
            assert!(fits(pattern, id), "{pattern} {id}");
        }
        for (pattern, id) in [("*a*a*", "banana"), ("f*_*d", "fs_read"), ("a**b", "ab"), ("**", "")] {
            assert!(fits(pattern, id), "{pattern} {id}");
        }
        for (pattern, id) in
            [("fs", "fs_read"), ("fs_*", "afs_read"), ("*_read", "fs_reads"), ("a*a", "a"), ("", "a")]
        {
            assert!(!fits(pattern, id), "{pattern} {id}");
        }
        assert!(!fits("*ab*ab*", "xabx"));
    }
}
