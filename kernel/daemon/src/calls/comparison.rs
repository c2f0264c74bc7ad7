//! How two argument objects differ, member by member.

use latchgate_wire::api::Change;
use serde_json::Value;

/// Every member that differs, in the order of their names; objects are gone into, lists and values compared whole.
pub fn changes(then: &Value, now: &Value) -> Vec<Change> {
    let mut changes = Vec::new();
    collect("", Some(then), Some(now), &mut changes);
    changes
}

fn collect(pointer: &str, then: Option<&Value>, now: Option<&Value>, changes: &mut Vec<Change>) {
    if then == now {
        return;
    }
    let (Some(Value::Object(before)), Some(Value::Object(after))) = (then, now) else {
        changes.push(Change { pointer: pointer.to_owned(), then: then.cloned(), now: now.cloned() });
        return;
    };
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        // RFC 6901 section 3.
        let below = format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
        collect(&below, before.get(name), after.get(name), changes);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_differs_is_named_with_both_values_and_the_rest_is_not() {
        let then = json!({"a": 1, "b": {"c": [1], "d": 2}, "gone": true});
        let now = json!({"a": 1, "b": {"c": [2], "d": 2}, "x/y": "new"});
        let change = |pointer: &str, then: Option<Value>, now: Option<Value>| Change {
            pointer: pointer.into(),
            then,
            now,
        };
        assert_eq!(
            changes(&then, &now),
            [
                change("/b/c", Some(json!([1])), Some(json!([2]))),
                change("/gone", Some(json!(true)), None),
                change("/x~1y", None, Some(json!("new"))),
            ]
        );
        assert_eq!(changes(&then, &then), []);
    }
}
