//! The `default`s of a schema, as a tree that is laid over arguments.

use serde_json::{Map, Value};

use super::{Violation, Violations, below, build};

/// What absent members become, and where to look further. Only along `properties` and `items`: elsewhere a schema
/// need not apply, and the dialect refuses a default there.
#[derive(Debug, Default)]
pub(super) struct Defaults {
    members: Vec<(String, Member)>,
    items: Option<Box<Defaults>>,
}

#[derive(Debug)]
struct Member {
    default: Option<Value>,
    inside: Defaults,
}

impl Defaults {
    /// # Errors
    /// Every default that its own schema refuses.
    pub(super) fn of(schema: &Value) -> Result<Self, Violations> {
        let mut wrong = Vec::new();
        let defaults = Self::at(schema, "", schema.get("$defs"), &mut wrong);
        if wrong.is_empty() { Ok(defaults) } else { Err(Violations(wrong)) }
    }

    fn at(schema: &Value, pointer: &str, defs: Option<&Value>, wrong: &mut Vec<Violation>) -> Self {
        let mut found = Self::default();
        for (name, member) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let pointer = below(&below(pointer, "properties"), name);
            let default = member.get("default").cloned();
            if let Some(default) = &default
                && !fits(default, member, defs)
            {
                wrong.push(Violation::new(
                    below(&pointer, "default"),
                    "expected a default that fits its schema",
                ));
            }
            let inside = Self::at(member, &pointer, defs, wrong);
            if default.is_some() || !inside.is_empty() {
                found.members.push((name.clone(), Member { default, inside }));
            }
        }
        if let Some(items) = schema.get("items") {
            let inside = Self::at(items, &below(pointer, "items"), defs, wrong);
            found.items = (!inside.is_empty()).then(|| Box::new(inside));
        }
        found
    }

    fn is_empty(&self) -> bool {
        self.members.is_empty() && self.items.is_none()
    }

    /// Absent members become their defaults; a member that is present, `null` included, stays.
    pub(super) fn apply(&self, value: &mut Value) {
        match value {
            Value::Object(object) => {
                self.members.iter().for_each(|(name, member)| member.apply(name, object))
            }
            Value::Array(items) => {
                if let Some(inside) = &self.items {
                    items.iter_mut().for_each(|item| inside.apply(item));
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

impl Member {
    fn apply(&self, name: &str, object: &mut Map<String, Value>) {
        if let Some(present) = object.get_mut(name) {
            return self.inside.apply(present);
        }
        if let Some(default) = &self.default {
            let mut value = default.clone();
            self.inside.apply(&mut value);
            object.insert(name.to_owned(), value);
        }
    }
}

/// `schema` stands alone here, so the definitions that it may refer to are put beside it.
fn fits(default: &Value, schema: &Value, defs: Option<&Value>) -> bool {
    let mut alone = Map::new();
    alone.insert("allOf".into(), Value::Array(vec![schema.clone()]));
    if let Some(defs) = defs {
        alone.insert("$defs".into(), defs.clone());
    }
    build(&Value::Object(alone)).is_ok_and(|validator| validator.is_valid(default))
}
