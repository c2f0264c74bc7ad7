//! What of an action's arguments rules can see: request schema to Cedar types, arguments to Cedar values.
//!
//! Scalars, sets of scalars and closed objects map. Anything else (open objects, lists of objects, unions) is left out
//! and reported by name, so that a call cannot hide from policy in what policy cannot see.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::RestrictedExpression;
use serde_json::{Map, Number, Value, json};

/// An argument that has no Cedar value: a number with more than four decimals or beyond the range of its type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a number of at most four decimals between ±922337203685477.5807 at `{pointer}`")]
pub struct Unrepresentable {
    /// RFC 6901, into the arguments.
    pub pointer: String,
}

/// The members of a closed object that rules can see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Record {
    members: BTreeMap<String, Member>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Member {
    shape: Shape,
    required: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Shape {
    Scalar(Scalar),
    Set(Scalar),
    Record(Record),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scalar {
    Text,
    Integer,
    /// Cedar's decimal: four places, 64 bits.
    Decimal,
    Boolean,
}

/// What the member of a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Scalar(Scalar),
    /// A set or a record.
    Compound,
}

/// What a member is, with what a set consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Scalar(Scalar),
    Set(Scalar),
    Record,
}

/// Arguments as rules see them.
pub(super) struct Seen {
    pub args: RestrictedExpression,
    /// Arguments that are there but not in `args`; members of objects as `object.member`.
    pub untyped: Vec<String>,
}

impl Record {
    /// The visible part of an action's request schema. A schema that is no closed object has none.
    pub fn of_request(schema: &Value) -> Self {
        Self::of(schema).unwrap_or_default()
    }

    fn of(schema: &Value) -> Option<Self> {
        let closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
        if schema.get("type")? != "object" || !closed || schema.get("patternProperties").is_some() {
            return None;
        }
        let empty = Map::new();
        let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&empty);
        let required: BTreeSet<&str> = schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .flat_map(Value::as_str)
            .collect();
        let members = properties.iter().filter_map(|(name, schema)| {
            let member = Member { shape: Shape::of(schema)?, required: required.contains(name.as_str()) };
            Some((name.clone(), member))
        });
        Some(Self { members: members.collect() })
    }

    /// The type in Cedar's JSON schema format.
    pub fn cedar_type(&self) -> Value {
        let attributes = self.members.iter().map(|(name, member)| {
            let mut attribute = member.shape.cedar_type();
            attribute["required"] = member.required.into();
            (name.clone(), attribute)
        });
        json!({"type": "Record", "attributes": attributes.collect::<Map<_, _>>()})
    }

    /// What is at the end of `path`, a name for each record on the way; `None` if rules can see nothing there.
    pub fn kind(&self, path: &[&str]) -> Option<Kind> {
        let (first, rest) = path.split_first()?;
        match (&self.members.get(*first)?.shape, rest) {
            (Shape::Scalar(scalar), []) => Some(Kind::Scalar(*scalar)),
            (Shape::Set(_) | Shape::Record(_), []) => Some(Kind::Compound),
            (Shape::Record(record), rest) => record.kind(rest),
            (Shape::Scalar(_) | Shape::Set(_), _) => None,
        }
    }

    /// Whether a member must be there, and what it is.
    pub fn member(&self, name: &str) -> Option<(bool, Sort)> {
        let member = self.members.get(name)?;
        let sort = match &member.shape {
            Shape::Scalar(scalar) => Sort::Scalar(*scalar),
            Shape::Set(scalar) => Sort::Set(*scalar),
            Shape::Record(_) => Sort::Record,
        };
        Some((member.required, sort))
    }

    /// The least that fits: required members alone, each text this one.
    pub fn least(&self, text: &str) -> Value {
        let required = self.members.iter().filter(|(_, member)| member.required);
        let least = required.map(|(name, member)| (name.clone(), member.shape.least(text)));
        Value::Object(least.collect())
    }

    /// The values of `args` that have a type, and the names of those that have none.
    ///
    /// # Errors
    /// If a number has no Cedar value, or a value is not of the type declared (which validation excludes).
    pub fn see(&self, args: &Value) -> Result<Seen, Unrepresentable> {
        let mut walk = Walk { path: Vec::new(), untyped: Vec::new() };
        let args = walk.record(self, args)?;
        Ok(Seen { args, untyped: walk.untyped })
    }
}

impl Shape {
    fn of(schema: &Value) -> Option<Self> {
        if let Some(scalar) = Scalar::of(schema) {
            return Some(Self::Scalar(scalar));
        }
        if schema.get("type")? == "array" && schema.get("prefixItems").is_none() {
            return Scalar::of(schema.get("items")?).map(Self::Set);
        }
        Record::of(schema).map(Self::Record)
    }

    fn least(&self, text: &str) -> Value {
        match self {
            Self::Scalar(Scalar::Text) => text.into(),
            Self::Scalar(Scalar::Integer | Scalar::Decimal) => 0.into(),
            Self::Scalar(Scalar::Boolean) => false.into(),
            Self::Set(_) => json!([]),
            Self::Record(record) => record.least(text),
        }
    }

    fn cedar_type(&self) -> Value {
        match self {
            Self::Scalar(scalar) => scalar.cedar_type(),
            Self::Set(scalar) => json!({"type": "Set", "element": scalar.cedar_type()}),
            Self::Record(record) => record.cedar_type(),
        }
    }
}

impl Scalar {
    fn of(schema: &Value) -> Option<Self> {
        let texts = |values: &Vec<Value>| values.iter().all(Value::is_string);
        match schema.get("type") {
            None if schema.get("enum").and_then(Value::as_array).is_some_and(texts) => Some(Self::Text),
            None => None,
            Some(name) => match name.as_str()? {
                "string" => Some(Self::Text),
                "integer" => Some(Self::Integer),
                "number" => Some(Self::Decimal),
                "boolean" => Some(Self::Boolean),
                _ => None,
            },
        }
    }

    fn cedar_type(self) -> Value {
        match self {
            Self::Text => json!({"type": "String"}),
            Self::Integer => json!({"type": "Long"}),
            Self::Decimal => json!({"type": "Extension", "name": "decimal"}),
            Self::Boolean => json!({"type": "Boolean"}),
        }
    }

    fn value(self, value: &Value) -> Option<RestrictedExpression> {
        match self {
            Self::Text => Some(RestrictedExpression::new_string(value.as_str()?.to_owned())),
            Self::Integer => integer(value.as_number()?).map(RestrictedExpression::new_long),
            Self::Decimal => decimal(value.as_number()?).map(RestrictedExpression::new_decimal),
            Self::Boolean => value.as_bool().map(RestrictedExpression::new_bool),
        }
    }
}

/// Where in the arguments the conversion is.
struct Walk<'a> {
    path: Vec<&'a str>,
    untyped: Vec<String>,
}

impl<'a> Walk<'a> {
    fn record(&mut self, record: &Record, value: &'a Value) -> Result<RestrictedExpression, Unrepresentable> {
        let object = value.as_object().ok_or_else(|| self.unrepresentable(None))?;
        let mut fields = Vec::with_capacity(object.len());
        for (name, value) in object {
            self.path.push(name);
            match record.members.get(name) {
                Some(member) => fields.push((name.clone(), self.shape(&member.shape, value)?)),
                None => self.untyped.push(self.path.join(".")),
            }
            self.path.pop();
        }
        RestrictedExpression::new_record(fields).map_err(|_| self.unrepresentable(None))
    }

    fn shape(&mut self, shape: &Shape, value: &'a Value) -> Result<RestrictedExpression, Unrepresentable> {
        match shape {
            Shape::Scalar(scalar) => scalar.value(value).ok_or_else(|| self.unrepresentable(None)),
            Shape::Set(scalar) => {
                let items = value.as_array().ok_or_else(|| self.unrepresentable(None))?.iter().enumerate();
                let values =
                    items.map(|(i, item)| scalar.value(item).ok_or_else(|| self.unrepresentable(Some(i))));
                Ok(RestrictedExpression::new_set(values.collect::<Result<Vec<_>, _>>()?))
            }
            Shape::Record(record) => self.record(record, value),
        }
    }

    fn unrepresentable(&self, item: Option<usize>) -> Unrepresentable {
        let mut pointer = String::new();
        for name in &self.path {
            pointer.push('/');
            pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
        }
        if let Some(item) = item {
            pointer.push_str(&format!("/{item}"));
        }
        Unrepresentable { pointer }
    }
}

/// JSON Schema counts `1.0` as an integer; so do we, where a double counts exactly.
pub(super) fn integer(number: &Number) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_991.0;
    match (number.as_i64(), number.as_f64()) {
        (Some(integer), _) => Some(integer),
        // Lossless: integral and within ±(2^53 - 1).
        (None, Some(double)) if double.fract() == 0.0 && double.abs() <= EXACT => Some(double as i64),
        _ => None,
    }
}

/// The text of a Cedar decimal, which has at least one and at most four places and fits 64 bits as ten-thousandths.
pub(super) fn decimal(number: &Number) -> Option<String> {
    let text = match number.as_i64() {
        Some(integer) => integer.to_string(),
        // The shortest digits that read back as this double, never with an exponent.
        None => number.as_f64()?.to_string(),
    };
    let (whole, places) = text.split_once('.').unwrap_or((&text, "0"));
    if whole.len() > 17 || places.len() > 4 {
        return None;
    }
    let ten_thousandths: i128 = format!("{whole}{places:0<4}").parse().ok()?;
    i64::try_from(ten_thousandths).ok()?;
    Some(format!("{whole}.{places}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Cedar shows the value, which must be one that it accepts.
    fn shown(args: RestrictedExpression) -> String {
        cedar_policy::Context::from_pairs([("args".to_owned(), args)]).unwrap().to_string()
    }

    fn closed(properties: Value) -> Value {
        json!({"type": "object", "additionalProperties": false, "properties": properties})
    }

    #[test]
    fn scalars_sets_and_closed_objects_are_seen_and_the_rest_is_named() {
        let schema = closed(json!({
            "text": {"type": "string"}, "word": {"enum": ["a", "b"]}, "flag": {"type": "boolean"},
            "list": {"type": "array", "items": {"type": "integer"}},
            "closed": closed(json!({"inner": {"type": "number"}, "open": {"type": "object"}})),
            "open": {"type": "object"}, "union": {"type": ["string", "null"]},
            "objects": {"type": "array", "items": {"type": "object"}},
        }));
        let record = Record::of_request(&schema);
        let args = json!({
            "text": "t", "word": "a", "flag": true, "list": [1, 2], "closed": {"inner": 1.5, "open": {}},
            "open": {"a": 1}, "union": "u", "objects": [{}],
        });
        let seen = record.see(&args).unwrap();
        assert_eq!(
            seen.untyped.iter().map(String::as_str).collect::<BTreeSet<_>>(),
            BTreeSet::from(["closed.open", "objects", "open", "union"])
        );
        let shown = shown(seen.args);
        for part in ["text: \"t\"", "list: [1, 2]", "closed: {inner: decimal(\"1.5\")}"] {
            assert!(shown.contains(part), "{part} in {shown}");
        }
        assert!(record.see(&json!({"text": "t"})).unwrap().untyped.is_empty());
    }

    #[test]
    fn optional_stays_optional() {
        let mut schema = closed(json!({"a": {"type": "string"}, "b": {"type": "string"}}));
        schema["required"] = json!(["a"]);
        let attributes = &Record::of_request(&schema).cedar_type()["attributes"];
        assert_eq!(
            (&attributes["a"]["required"], &attributes["b"]["required"]),
            (&json!(true), &json!(false))
        );
    }

    #[test]
    fn numbers_become_decimals_of_up_to_four_places() {
        let record = Record::of_request(&closed(json!({"n": {"type": "number"}})));
        for number in
            [json!(0), json!(-0.0), json!(1.5), json!(-0.0001), json!(1e3), json!(922_337_203_685_477_i64)]
        {
            let seen = record.see(&json!({"n": number}));
            assert!(shown(seen.unwrap().args).contains("decimal"), "{number}");
        }
        for number in
            [json!(0.00001), json!(1e300), json!(922_337_203_685_478_i64), json!(0.1 + 0.2), json!("1")]
        {
            let seen = record.see(&json!({"n": number})).err();
            assert_eq!(seen, Some(Unrepresentable { pointer: "/n".into() }), "{number}");
        }
    }

    #[test]
    fn integers_beyond_64_bits_and_fractions_are_refused() {
        let schema = closed(json!({"a/b": {"type": "array", "items": {"type": "integer"}}}));
        let record = Record::of_request(&schema);
        assert!(record.see(&json!({"a/b": [i64::MAX, 1.0]})).is_ok());
        for number in [json!(u64::MAX), json!(1.5), json!(1e17)] {
            let seen = record.see(&json!({"a/b": [0, number]})).err();
            assert_eq!(seen, Some(Unrepresentable { pointer: "/a~1b/1".into() }), "{number}");
        }
    }
}
