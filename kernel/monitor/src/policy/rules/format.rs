//! Rules as users write them; their members are described in `policies/rules.schema.json`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Number, Value};

use crate::manifest::{Class, Risk};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    pub id: String,
    pub then: Then,
    #[serde(default)]
    pub ask: Option<String>,
    #[serde(default)]
    pub reason: Option<String>,
    #[serde(default)]
    pub at_most: Option<String>,
    /// Of a rule that asks.
    #[serde(default)]
    pub expires: Option<String>,
    /// Of a rule that asks.
    #[serde(default)]
    pub approvers: Option<u32>,
    /// Of a rule that allows: ids of rules that ask.
    #[serde(default)]
    pub instead_of: Several<String>,
    #[serde(default)]
    pub when: When,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Then {
    Allow,
    Ask,
    Deny,
}

/// All must hold; of a list, one.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct When {
    #[serde(default)]
    pub agent: Several<String>,
    #[serde(default)]
    pub principal: Several<String>,
    #[serde(default)]
    pub action: Several<String>,
    #[serde(default)]
    pub class: Several<Class>,
    #[serde(default)]
    pub risk: Several<Risk>,
    #[serde(default)]
    pub host: Several<String>,
    #[serde(default)]
    pub path: Several<String>,
    #[serde(default)]
    pub args: BTreeMap<String, Predicate>,
    #[serde(default)]
    pub time: Option<Window>,
}

/// One or a list; empty where nothing was written.
#[derive(Debug, Deserialize)]
#[serde(from = "OneOrMany<T>")]
pub(super) struct Several<T>(pub Vec<T>);

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Predicate {
    #[serde(default)]
    pub equals: Option<Value>,
    #[serde(default)]
    pub one_of: Option<Vec<Value>>,
    #[serde(default)]
    pub starts_with: Option<String>,
    #[serde(default)]
    pub less_than: Option<Number>,
    #[serde(default)]
    pub greater_than: Option<Number>,
}

/// In UTC; `HH:MM`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Window {
    #[serde(default)]
    pub days: Vec<Day>,
    #[serde(default)]
    pub from: Option<String>,
    #[serde(default)]
    pub to: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> From<OneOrMany<T>> for Several<T> {
    fn from(written: OneOrMany<T>) -> Self {
        match written {
            OneOrMany::One(one) => Self(vec![one]),
            OneOrMany::Many(many) => Self(many),
        }
    }
}

impl<T> Default for Several<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl Day {
    /// ISO 8601: Monday is 1.
    pub fn number(self) -> u8 {
        match self {
            Self::Mon => 1,
            Self::Tue => 2,
            Self::Wed => 3,
            Self::Thu => 4,
            Self::Fri => 5,
            Self::Sat => 6,
            Self::Sun => 7,
        }
    }
}
