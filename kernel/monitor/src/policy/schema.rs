//! What rules can speak about: the Cedar schema, generated from the loaded manifests.
//!
//! ```text
//! principal  Principal::"uid:1000", "jail:NAME", "agent:NAME"; in Group::"uid", "jail" or "agent"
//! action     Action::"<action_id>", in Action::"class:<c>", "risk:<r>", "tag:<t>"
//! resource   Gate::"latchgate"
//! context    args          the arguments that have a Cedar type
//!            args_untyped  names of the arguments given that have none
//!            op            kind "http": plan method scheme host port path query_names secrets body_bytes
//!                          kind "fs":   plan operation path
//!            session {id}  agent {claimed?, verified}  boundary  budget {calls_left?}
//!            time {hour, minute, weekday, unix_ms}: UTC, weekday 1 (Monday) to 7
//! ```
//!
//! For validation, model actions without arguments stand beside the real ones: one for each class, risk and kind of
//! operation, with every tag and with none. They keep a rule about a group valid, and in need of `has` guards, whatever
//! manifests happen to be loaded.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::args::Record;
use crate::manifest::{Class, Manifest, Risk, Template};

pub(super) const GATE: &str = "latchgate";
/// What the ids of model actions begin with; no manifest can have such an id.
pub(super) const MODEL: &str = "model:";

const CLASSES: [Class; 6] =
    [Class::Read, Class::Write, Class::Send, Class::Execute, Class::Submit, Class::TransferValue];
const RISKS: [Risk; 4] = [Risk::Low, Risk::Medium, Risk::High, Risk::Critical];

/// One action as rules see it.
#[derive(Clone, Debug)]
pub(super) struct ActionType {
    pub id: String,
    /// Ids of the action groups that it is in.
    pub groups: BTreeSet<String>,
    pub args: Record,
    /// The type of `context`, in Cedar's JSON schema format.
    pub context: Value,
}

#[derive(Clone, Copy, Debug)]
enum Operation {
    Http,
    Fs,
}

/// The actions of the manifests.
pub(super) fn real_actions(manifests: &[&Manifest]) -> Vec<ActionType> {
    manifests.iter().map(|manifest| ActionType::of(manifest)).collect()
}

/// What any manifest could add, arguments aside.
pub(super) fn model_actions(real: &[ActionType]) -> Vec<ActionType> {
    let every_tag: BTreeSet<String> = real
        .iter()
        .flat_map(|action| &action.groups)
        .filter(|group| group.starts_with("tag:"))
        .cloned()
        .collect();
    let mut models = Vec::new();
    for (class, risk) in CLASSES.iter().flat_map(|class| RISKS.map(|risk| (*class, risk))) {
        for operation in [Operation::Http, Operation::Fs] {
            for tags in [BTreeSet::new(), every_tag.clone()] {
                let mut groups = groups(class, risk);
                groups.extend(tags);
                let id = format!("{MODEL}{}", models.len());
                models.push(ActionType::new(id, groups, Record::default(), operation));
            }
        }
    }
    models
}

/// The schema in Cedar's JSON format.
pub(super) fn cedar_schema<'t>(actions: impl IntoIterator<Item = &'t ActionType>) -> Value {
    let mut declared = Map::new();
    for action in actions {
        for group in &action.groups {
            declared.entry(group.clone()).or_insert_with(|| json!({}));
        }
        let member_of: Vec<Value> = action.groups.iter().map(|id| json!({"id": id})).collect();
        let applies_to = json!({
            "principalTypes": ["Principal"], "resourceTypes": ["Gate"], "context": action.context,
        });
        declared.insert(action.id.clone(), json!({"memberOf": member_of, "appliesTo": applies_to}));
    }
    json!({"": {
        "entityTypes": {
            "Group": {"enum": ["uid", "jail", "agent"]},
            "Principal": {"memberOfTypes": ["Group"]},
            "Gate": {"enum": [GATE]},
        },
        "actions": declared,
    }})
}

fn groups(class: Class, risk: Risk) -> BTreeSet<String> {
    BTreeSet::from([format!("class:{}", class.as_str()), format!("risk:{}", risk.as_str())])
}

impl ActionType {
    fn of(manifest: &Manifest) -> Self {
        let mut groups = groups(manifest.class, manifest.risk_level);
        groups.extend(manifest.tags.iter().map(|tag| format!("tag:{tag}")));
        let operation = match manifest.template {
            Template::Http(_) => Operation::Http,
            Template::Fs(_) => Operation::Fs,
        };
        Self::new(manifest.action_id.clone(), groups, Record::of_request(&manifest.request_schema), operation)
    }

    fn new(id: String, groups: BTreeSet<String>, args: Record, operation: Operation) -> Self {
        let context = context_type(&args, operation);
        Self { id, groups, args, context }
    }
}

fn context_type(args: &Record, operation: Operation) -> Value {
    let op = match operation {
        Operation::Http => record([
            ("kind", text()),
            ("plan", text()),
            ("method", text()),
            ("scheme", text()),
            ("host", text()),
            ("port", long()),
            ("path", text()),
            ("query_names", texts()),
            ("secrets", texts()),
            ("body_bytes", long()),
        ]),
        Operation::Fs => {
            record([("kind", text()), ("plan", text()), ("operation", text()), ("path", text())])
        }
    };
    record([
        ("args", args.cedar_type()),
        ("args_untyped", texts()),
        ("op", op),
        ("session", record([("id", text())])),
        ("agent", record([("claimed", optional(text())), ("verified", json!({"type": "Boolean"}))])),
        ("boundary", text()),
        ("time", record([("hour", long()), ("minute", long()), ("weekday", long()), ("unix_ms", long())])),
        ("budget", record([("calls_left", optional(long()))])),
    ])
}

fn record<const N: usize>(attributes: [(&str, Value); N]) -> Value {
    let attributes: Map<String, Value> =
        attributes.map(|(name, ty)| (name.to_owned(), ty)).into_iter().collect();
    json!({"type": "Record", "attributes": attributes})
}

fn optional(mut ty: Value) -> Value {
    ty["required"] = false.into();
    ty
}

fn text() -> Value {
    json!({"type": "String"})
}

fn long() -> Value {
    json!({"type": "Long"})
}

fn texts() -> Value {
    json!({"type": "Set", "element": text()})
}
