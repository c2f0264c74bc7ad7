//! From policy files and manifests to a policy set that can judge, or to every reason why not.

use std::collections::{BTreeMap, HashMap};

use cedar_policy as cedar;
use cedar_policy::{
    Entities, EntityTypeName, EntityUid, PolicyId, PolicySet, Schema, ValidationMode, Validator,
};
use latchgate_wire::digest::Digest;
use latchgate_wire::jcs;
use miette::Diagnostic;
use serde_json::{Value, json};

use super::args::Record;
use super::budget::Budget;
use super::names;
use super::rule::{Effect, Rule};
use super::schema::{self, ActionType, GATE};
use super::source::{Loaded, Place, PolicyError, Source, Written};
use crate::manifest::Manifest;

/// A policy set, checked against the manifests it was loaded with and prepared for each of their actions.
pub struct Policy {
    /// In the order of the sources' names, and within a source as written.
    pub(super) rules: Vec<Rule>,
    /// Places in `rules`, by id.
    pub(super) rule_places: HashMap<String, usize>,
    pub(super) actions: BTreeMap<String, Action>,
    pub(super) vocabulary: Vocabulary,
    /// In the order of their names.
    pub(super) sources: Vec<Loaded>,
    pub(super) budgets: Vec<Budget>,
    document: Vec<u8>,
    digest: Digest,
}

/// One action with the rules that can apply to it.
pub(super) struct Action {
    pub uid: EntityUid,
    pub args: Record,
    pub rules: PolicySet,
    /// Those of `rules` that do not only observe; there where some do.
    pub others: Option<PolicySet>,
    /// The action and its groups.
    pub entities: Entities,
}

/// Names and types that every question needs.
pub(super) struct Vocabulary {
    pub schema: Schema,
    pub principal: EntityTypeName,
    pub group: EntityTypeName,
    pub gate: EntityUid,
}

impl Policy {
    /// Loads `sources` for `actions`; plain rules (`*.yaml`) are compiled to Cedar and go the same way from there. An
    /// empty set is a policy: it denies everything.
    ///
    /// # Errors
    /// All problems at once: what the compiler of plain rules refuses, what Cedar's parser and strict validator report,
    /// its warnings included, and what our own checks of names and annotations find.
    pub fn load(sources: &[Source], actions: &[&Manifest]) -> Result<Self, Vec<PolicyError>> {
        let mut sources: Vec<&Source> = sources.iter().collect();
        sources.sort_by(|a, b| a.name.cmp(&b.name));
        let real = schema::real_actions(actions);
        let (sources, errors) = compile(&sources, &real);
        let (rules, written) = read(&sources, errors, &real)?;
        let alone = |error| vec![error];
        let schema_json = schema::cedar_schema(&real);
        let vocabulary = Vocabulary::new(&schema_json).map_err(alone)?;
        let document = document(&sources, &schema_json).map_err(alone)?;
        let actions = prepare(&real, &written, &rules, &vocabulary.schema).map_err(alone)?;
        let rule_places = rules.iter().enumerate().map(|(place, rule)| (rule.id.clone(), place)).collect();
        let digest = Digest::of(&document);
        let budgets = sources.iter().flat_map(|source| source.budgets.clone()).collect();
        Ok(Self { rules, rule_places, actions, vocabulary, sources, budgets, document, digest })
    }

    /// What judging depends on: the canonical JSON of the sources (`{name, text}`, for plain rules also the `cedar` that
    /// they became) and of the generated schema.
    pub fn document(&self) -> Vec<u8> {
        self.document.clone()
    }

    /// The sources that a document was made of; `None` if it is none. Loaded with the same manifests they give the same document.
    pub fn sources_of(document: &[u8]) -> Option<Vec<Source>> {
        let document: Value = serde_json::from_slice(document).ok()?;
        let member = |source: &Value, name| source.get(name)?.as_str().map(str::to_owned);
        let sources = document.get("sources")?.as_array()?.iter();
        sources
            .map(|source| Some(Source { name: member(source, "name")?, text: member(source, "text")? }))
            .collect()
    }

    /// The digest of [`Policy::document`].
    pub fn digest(&self) -> Digest {
        self.digest
    }
}

impl std::fmt::Debug for Policy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Policy")
            .field("digest", &self.digest)
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}

impl Vocabulary {
    fn new(schema_json: &Value) -> Result<Self, PolicyError> {
        let schema = read_schema(schema_json)?;
        let gate = entity_uid(&type_name("Gate")?, GATE);
        Ok(Self { schema, principal: type_name("Principal")?, group: type_name("Group")?, gate })
    }
}

fn read_schema(json: &Value) -> Result<Schema, PolicyError> {
    Schema::from_json_value(json.clone()).map_err(|e| internal(&e))
}

pub(super) fn entity_uid(ty: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(ty.clone(), cedar::EntityId::new(id))
}

fn type_name(name: &str) -> Result<EntityTypeName, PolicyError> {
    name.parse().map_err(|e: cedar::ParseErrors| internal(&e))
}

/// A fault of the generated schema rather than of the policy; tests hold that it does not occur.
fn internal(error: &dyn std::fmt::Display) -> PolicyError {
    PolicyError {
        file: "(generated schema)".into(),
        line: 1,
        problem: error.to_string(),
        remedy: "look for unusual names in the loaded manifests' schemas and tags".into(),
    }
}

fn document(sources: &[Loaded], schema: &Value) -> Result<Vec<u8>, PolicyError> {
    let sources = sources.iter().map(|source| match &source.written {
        Written::Cedar => json!({"name": source.name, "text": source.cedar}),
        Written::Rules { yaml, .. } => json!({"name": source.name, "text": yaml, "cedar": source.cedar}),
    });
    let sources: Vec<Value> = sources.collect();
    let document = json!({"format": 1, "schema": schema, "sources": sources});
    jcs::canonical(&document).map_err(|error| internal(&error))
}

/// Every source as Cedar, as far as that can be had, and what is wrong with the others and with the names.
fn compile(sources: &[&Source], real: &[ActionType]) -> (Vec<Loaded>, Vec<PolicyError>) {
    let (mut loaded, mut errors) = (Vec::new(), Vec::new());
    for source in sources {
        match source.load(real) {
            Ok(source) => loaded.push(source),
            Err(problems) => errors.extend(problems),
        }
    }
    for pair in sources.windows(2) {
        if let [first, second] = pair
            && first.name == second.name
        {
            errors.push(PolicyError {
                file: second.name.clone(),
                line: 1,
                problem: "a second policy file of this name".into(),
                remedy: "give each policy file its own name".into(),
            });
        }
    }
    (loaded, errors)
}

/// The rules of all sources, with what Cedar evaluates of them, checked against the real and the model actions. What was
/// wrong before is told with what is wrong here.
fn read(
    sources: &[Loaded],
    errors: Vec<PolicyError>,
    real: &[ActionType],
) -> Result<(Vec<Rule>, Vec<cedar::Policy>), Vec<PolicyError>> {
    let types = [real.to_vec(), schema::model_actions(real)].concat();
    let schema = read_schema(&schema::cedar_schema(&types)).map_err(|error| vec![error])?;
    let mut reading =
        Reading { types: &types, rules: Vec::new(), written: Vec::new(), stand_ins: Vec::new(), errors };
    sources.iter().for_each(|source| reading.source(source));
    reading.stand_ins();
    reading.validate(&schema);
    if reading.errors.is_empty() {
        return Ok((reading.rules, reading.written.into_iter().map(|(rule, _)| rule).collect()));
    }
    let mut errors = reading.errors;
    errors.sort_by(|a, b| (&a.file, a.line, &a.problem).cmp(&(&b.file, b.line, &b.problem)));
    errors.dedup();
    Err(errors)
}

/// A load in progress: goes on after an error, to report all of them.
struct Reading<'s> {
    types: &'s [ActionType],
    rules: Vec<Rule>,
    written: Vec<(cedar::Policy, Place<'s>)>,
    /// Ids of rules that name others, with their places.
    stand_ins: Vec<(String, Place<'s>)>,
    errors: Vec<PolicyError>,
}

impl<'s> Reading<'s> {
    fn source(&mut self, source: &'s Loaded) {
        let parsed: PolicySet = match source.cedar.parse() {
            Ok(parsed) => parsed,
            Err(errors) => return self.unparsable(source, &errors),
        };
        for template in parsed.templates() {
            let offset = template.as_ref().loc().map_or(0, |at| at.start());
            let remedy = "write a rule without ?principal and ?resource";
            self.errors.push(source.error(offset, "templates are not supported", remedy));
        }
        let mut rules: Vec<(cedar::Policy, Place<'s>)> = parsed
            .policies()
            .map(|rule| {
                let span = rule.as_ref().loc().map_or(0..source.cedar.len(), |at| at.start()..at.end());
                (rule.clone(), Place { source, span })
            })
            .collect();
        rules.sort_by_key(|(_, place)| place.span.start);
        rules.into_iter().for_each(|(rule, place)| self.rule(rule, place));
    }

    fn unparsable(&mut self, source: &Loaded, errors: &cedar::ParseErrors) {
        for error in errors.iter() {
            let remedy = help(error, "see the Cedar policy grammar");
            self.errors.push(source.error(label(error).unwrap_or(0), error.to_string(), remedy));
        }
    }

    fn rule(&mut self, written: cedar::Policy, place: Place<'s>) {
        self.errors.extend(names::check(&written, self.types, &place));
        let id = match Rule::read(&written, &place) {
            Ok(rule) if self.rules.iter().any(|other| other.id == rule.id) => {
                let problem = format!("a second rule with the @id `{}`", rule.id);
                self.errors.push(place.error_at("id", problem, "give each rule its own @id"));
                None
            }
            Ok(rule) => {
                let id = rule.id.clone();
                if !rule.instead_of.is_empty() {
                    self.stand_ins.push((id.clone(), place.clone()));
                }
                self.rules.push(rule);
                Some(id)
            }
            Err(errors) => {
                self.errors.extend(errors);
                None
            }
        };
        // Rules without a usable name are validated too; `:` keeps theirs apart from any @id.
        let id = id.unwrap_or_else(|| format!("rule:{}", self.written.len() + 1));
        self.written.push((written.new_id(PolicyId::new(id)), place));
    }

    /// What `@instead_of` names must be there and ask one operator: where more are asked, no rule answers for them.
    fn stand_ins(&mut self) {
        for (id, place) in &self.stand_ins {
            let rule = self.rules.iter().find(|rule| rule.id == *id);
            for name in rule.into_iter().flat_map(|rule| &rule.instead_of) {
                let named = self.rules.iter().find(|rule| rule.id == *name);
                let problem = match named.map(|rule| (&rule.effect, rule.asking.needs_more_than(1))) {
                    Some((Effect::Ask(_), false)) => continue,
                    Some((Effect::Ask(_), true)) => {
                        format!("@instead_of names `{name}`, which asks several operators")
                    }
                    Some((Effect::Allow | Effect::Deny, _)) => {
                        format!("@instead_of names `{name}`, which does not ask")
                    }
                    None => format!("@instead_of names `{name}`, and there is no such rule"),
                };
                let remedy = "name rules that ask one operator, or remove it";
                self.errors.push(place.error_at("instead_of", problem, remedy));
            }
        }
    }

    fn validate(&mut self, schema: &Schema) {
        let rules = self.written.iter().map(|(rule, _)| rule.clone());
        let set = match PolicySet::from_policies(rules) {
            Ok(set) => set,
            Err(error) => return self.errors.push(internal(&error)),
        };
        let result = Validator::new(schema.clone()).validate(&set, ValidationMode::Strict);
        for error in result.validation_errors() {
            let problem = self.invalid(error.policy_id(), error, "compare with the schema of the action");
            self.errors.push(problem);
        }
        for warning in result.validation_warnings() {
            // Legitimate in names of files and the like; the other warnings are about deception or dead rules.
            if matches!(warning, cedar::ValidationWarning::MixedScriptString(_)) {
                continue;
            }
            let remedy = "remove the rule, or correct the condition that can never hold";
            let problem = self.invalid(warning.policy_id(), warning, remedy);
            self.errors.push(problem);
        }
    }

    fn invalid(&self, id: &PolicyId, error: &dyn Diagnostic, remedy: &str) -> PolicyError {
        let remedy = help(error, remedy);
        match self.written.iter().find(|(rule, _)| rule.id() == id) {
            Some((_, place)) => {
                place.source.error(label(error).unwrap_or(place.span.start), error.to_string(), remedy)
            }
            None => internal(&error),
        }
    }
}

/// Where in the source Cedar points.
fn label(error: &dyn Diagnostic) -> Option<usize> {
    Some(error.labels()?.next()?.offset())
}

fn help(error: &dyn Diagnostic, otherwise: &str) -> String {
    error.help().map_or_else(|| otherwise.to_owned(), |help| help.to_string())
}

/// For each action only the rules whose scope covers it, since evaluation is linear in the rules.
fn prepare(
    types: &[ActionType],
    rules: &[cedar::Policy],
    read: &[Rule],
    schema: &Schema,
) -> Result<BTreeMap<String, Action>, PolicyError> {
    let entities = schema.action_entities().map_err(|e| internal(&e))?;
    let action_type = type_name("Action")?;
    let actions = types.iter().map(|ty| {
        let uid = entity_uid(&action_type, &ty.id);
        let covering = rules.iter().filter(|rule| names::covers(&rule.action_constraint(), ty));
        let observes = |rule: &&cedar::Policy| {
            let id: &str = rule.id().as_ref();
            read.iter().any(|read| read.observes && read.id == id)
        };
        let others = covering
            .clone()
            .any(|rule| observes(&rule))
            .then(|| PolicySet::from_policies(covering.clone().filter(|rule| !observes(rule)).cloned()));
        let relevant = entities.iter().filter(|entity| {
            let id = entity.uid();
            id == uid || ty.groups.contains(id.id().unescaped())
        });
        let action = Action {
            rules: PolicySet::from_policies(covering.cloned()).map_err(|e| internal(&e))?,
            others: others.transpose().map_err(|e| internal(&e))?,
            entities: Entities::from_entities(relevant.cloned(), None).map_err(|e| internal(&e))?,
            args: ty.args.clone(),
            uid,
        };
        Ok((ty.id.clone(), action))
    });
    actions.collect()
}
