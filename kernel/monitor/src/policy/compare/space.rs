//! All calls of one action between which two sets could tell a difference.
//!
//! Each dimension holds the values at which some comparison changes its answer, one for each different set of answers.
//! Comparisons that read two dimensions leave both whole.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use cedar_policy::{Entities, EvalResult, Request, eval_expression};
use latchgate_wire::principal::Principal;
use latchgate_wire::receipt::{Boundary, PlanKind};
use latchgate_wire::time::Timestamp;
use serde_json::{Value, json};

use super::super::args::{Record, Scalar, Sort};
use super::super::context::Frame;
use super::super::load::{Policy, entity_uid};
use super::atoms::{Atom, Comparisons, Landmarks, WHO};
use super::point::{Point, Setting, address, whole_argument};
use crate::manifest::{EgressRules, Manifest, Template};
use crate::plan::{FsOperation, FsPath};

pub(super) struct Space {
    base: Point,
    dimensions: Vec<Vec<Setting>>,
    /// What a rule reads and is not varied.
    pub left_out: Vec<String>,
}

/// Which of the same values were kept for the same comparisons before.
#[derive(Default)]
pub(super) struct Memory(HashMap<String, Vec<usize>>);

impl Space {
    /// `None` for an action that neither set was loaded for.
    pub fn of(
        policies: [&Policy; 2],
        manifest: &Manifest,
        is_stand_in: bool,
        memory: &mut Memory,
    ) -> Option<Self> {
        let mut left_out = Vec::new();
        let mut rules = Vec::new();
        for policy in policies {
            for rule in policy.actions.get(&manifest.action_id)?.rules.policies() {
                match Comparisons::of(rule) {
                    Some(comparisons) => rules.push(comparisons),
                    None => left_out.push(format!("the rule {} cannot be taken apart", rule.id())),
                }
            }
        }
        let base = Point::plain(manifest);
        let looking = Looking { policy: policies[0], manifest, base: &base };
        rules.retain(|rule| looking.can_fire(rule));
        let mut landmarks: BTreeMap<String, Landmarks> = BTreeMap::new();
        let mut atoms: BTreeMap<String, Atom> = BTreeMap::new();
        for rule in rules {
            rule.landmarks
                .iter()
                .for_each(|(name, marks)| landmarks.entry(name.clone()).or_default().merge(marks));
            atoms.extend(rule.atoms.into_iter().map(|atom| (atom.text.clone(), atom)));
        }
        let atoms: Vec<Atom> = atoms.into_values().collect();
        let mut laying =
            Laying { looking, atoms, landmarks, memory, is_stand_in, left_out, dimensions: Vec::new() };
        laying.everything();
        let (dimensions, left_out) = (laying.dimensions, laying.left_out);
        Some(Self { base, dimensions, left_out })
    }

    pub fn size(&self) -> usize {
        self.dimensions.iter().fold(1, |size, settings| size.saturating_mul(settings.len().max(1)))
    }

    pub fn points(&self) -> impl Iterator<Item = Point> {
        (0..self.size()).map(|mut number| {
            let mut point = self.base.clone();
            for settings in self.dimensions.iter().filter(|settings| !settings.is_empty()) {
                if let Some(setting) = settings.get(number % settings.len()) {
                    point.set(setting);
                }
                number /= settings.len();
            }
            point
        })
    }
}

/// An action seen by a set: what comparisons answer at a point.
struct Looking<'a> {
    policy: &'a Policy,
    manifest: &'a Manifest,
    base: &'a Point,
}

impl Looking<'_> {
    fn request(&self, point: &Point) -> Option<(Request, Entities)> {
        let action = self.policy.actions.get(&self.manifest.action_id)?;
        let asked = point.question(self.manifest)?;
        let question = asked.as_question();
        let principal = entity_uid(&self.policy.vocabulary.principal, &point.principal.to_string());
        let frame = Frame::new(&question, action.args.see(asked.args()).ok()?)?;
        let entities = self.policy.entities(action, &point.principal, &principal)?;
        let request = self.policy.request(action, &question, &principal, &frame, asked.step()?)?;
        Some((request, entities))
    }

    /// Whether nothing that the action fixes keeps the rule from firing.
    fn can_fire(&self, rule: &Comparisons) -> bool {
        let Some((request, entities)) = self.request(self.base) else { return true };
        let fixed =
            rule.required.iter().filter_map(|at| rule.atoms.get(*at)).filter(|atom| atom.reads.is_empty());
        let mut answers = fixed.map(|atom| answer(atom, &request, &entities));
        answers.all(|answer| answer != Answer::No)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Answer {
    Yes,
    No,
    Fails,
}

fn answer(atom: &Atom, request: &Request, entities: &Entities) -> Answer {
    match eval_expression(request, entities, &atom.expression) {
        Ok(EvalResult::Bool(true)) => Answer::Yes,
        Ok(EvalResult::Bool(false)) => Answer::No,
        Ok(_) | Err(_) => Answer::Fails,
    }
}

/// A space being laid out.
struct Laying<'a, 'm> {
    looking: Looking<'a>,
    atoms: Vec<Atom>,
    landmarks: BTreeMap<String, Landmarks>,
    memory: &'m mut Memory,
    is_stand_in: bool,
    left_out: Vec<String>,
    dimensions: Vec<Vec<Setting>>,
}

impl Laying<'_, '_> {
    fn everything(&mut self) {
        let manifest = self.looking.manifest;
        let whole = whole_argument(manifest).map(|name| format!("args.{name}"));
        self.add(&[WHO], Self::who);
        self.add(&["boundary"], |_, _| {
            [Boundary::Service, Boundary::Jail, Boundary::SameUser].map(Setting::Boundary).to_vec()
        });
        self.add(&["time"], |_, marks| times(marks).into_iter().map(Setting::Time).collect());
        self.add(&["budget"], |_, marks| {
            let left = around(marks).into_iter().filter_map(|n| u64::try_from(n).ok());
            std::iter::once(None).chain(left.map(Some)).map(Setting::CallsLeft).collect()
        });
        self.add(&["session"], |_, marks| {
            let known = marks.texts.iter().filter_map(|text| text.parse().ok());
            known.chain([latchgate_wire::ids::SessionId::new(1, 1)]).map(Setting::Session).collect()
        });
        self.add(&["op.plan"], |_, _| [PlanKind::Exact, PlanKind::Envelope].map(Setting::Plan).to_vec());
        match &manifest.template {
            Template::Fs(_) => self.files(whole.as_deref()),
            Template::Http(_) => self.requests(whole.as_deref()),
        }
        let names: Vec<String> =
            self.landmarks.keys().filter_map(|name| name.strip_prefix("args.")).map(str::to_owned).collect();
        for name in names.into_iter().filter(|name| whole.as_deref() != Some(&format!("args.{name}"))) {
            self.argument(&name);
        }
        if self.landmarks.contains_key("args_untyped") {
            self.left_out.push("a rule reads args_untyped, which is not varied".into());
        }
    }

    /// A dimension of what `names` stand for, if any rule reads one of them.
    fn add(&mut self, names: &[&str], values: impl FnOnce(&Self, &Landmarks) -> Vec<Setting>) {
        let mut marks = Landmarks::default();
        let read: Vec<&&str> = names.iter().filter(|name| self.landmarks.contains_key(**name)).collect();
        if read.is_empty() {
            return;
        }
        read.iter().filter_map(|name| self.landmarks.get(**name)).for_each(|found| marks.merge(found));
        let values = values(self, &marks);
        let kept = self.distinct(names, values);
        self.dimensions.push(kept);
    }

    fn who(&self, marks: &Landmarks) -> Vec<Setting> {
        let mut principals =
            vec![Principal::Uid(1000), Principal::Agent("someone".into()), Principal::Jail("someone".into())];
        principals.extend(marks.principals.iter().filter_map(|text| text.parse().ok()));
        let labels = marks.candidates(&["someone-else"]);
        let labels: Vec<Option<String>> = std::iter::once(None).chain(labels.into_iter().map(Some)).collect();
        let of = |principal: &Principal| -> Vec<Setting> {
            labels.iter().map(|label| Setting::Who(principal.clone(), label.clone())).collect()
        };
        principals.iter().flat_map(of).collect()
    }

    fn files(&mut self, whole: Option<&str>) {
        if self.is_stand_in {
            self.add(&["op.operation"], |_, _| OPERATIONS.map(Setting::Operation).to_vec());
        }
        let names: Vec<&str> = ["op.path"].into_iter().chain(whole).collect();
        self.add(&names, |_, marks| {
            let texts = marks.candidates(&["x", "x/y", ""]);
            let paths = texts.iter().filter_map(|text| FsPath::parse(text).ok());
            paths.map(|path| Setting::Path(path.as_str().to_owned())).collect()
        });
    }

    fn requests(&mut self, whole: Option<&str>) {
        if self.is_stand_in {
            self.add(&["op.method"], |_, marks| {
                let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"].map(str::to_owned);
                let methods: BTreeSet<String> =
                    known.into_iter().chain(marks.texts.iter().cloned()).collect();
                methods.into_iter().map(Setting::Method).collect()
            });
        }
        self.add(&["op.body_bytes"], |_, marks| {
            let sizes = around(marks).into_iter().filter_map(|n| usize::try_from(n).ok());
            sizes.filter(|n| *n <= BODY_BYTES_MAX).map(Setting::BodyBytes).collect()
        });
        let names: Vec<&str> = ["op.host", "op.scheme", "op.port", "op.path", "op.query_names"]
            .into_iter()
            .chain(whole)
            .collect();
        if !names.iter().any(|name| self.landmarks.contains_key(*name)) {
            return;
        }
        let urls = self.addresses(whole);
        let kept = self.distinct(&names, urls.into_iter().map(Setting::Url).collect());
        self.dimensions.push(kept);
    }

    /// Every address that the manifest lets be made, out of the parts that rules tell apart.
    fn addresses(&mut self, whole: Option<&str>) -> Vec<String> {
        let manifest = self.looking.manifest;
        let template = match &manifest.template {
            Template::Http(template) => template.url.as_str(),
            Template::Fs(_) => return Vec::new(),
        };
        let marks = |laying: &Self, name: &str| laying.landmarks.get(name).cloned();
        let fixed = whole.is_none().then(|| fixed_parts(template)).flatten();
        let egress = manifest.egress.as_ref();
        let hosts: Vec<String> = match &fixed {
            Some((_, host, _)) => vec![host.clone()],
            None => {
                let mut hosts = marks(self, "op.host").unwrap_or_default().candidates(&["other.example"]);
                hosts.extend(
                    egress.iter().flat_map(|rules| &rules.domains).map(|name| name.replace('*', "x")),
                );
                hosts.retain(|host| may_reach(egress, host));
                let made = |host: &String| address("https", host, None, "/", &[]).map(Setting::Url);
                let (hosts, urls): (Vec<String>, Vec<Setting>) =
                    hosts.into_iter().filter_map(|host| made(&host).map(|url| (host, url))).unzip();
                self.kept(&["op.host"], &urls).into_iter().filter_map(|i| hosts.get(i).cloned()).collect()
            }
        };
        let schemes: Vec<String> = match (&fixed, marks(self, "op.scheme")) {
            (Some((scheme, _, _)), _) => vec![scheme.clone()],
            (None, Some(_)) => vec!["https".into(), "http".into()],
            (None, None) => vec!["https".into()],
        };
        let mut ports: BTreeSet<Option<u16>> = BTreeSet::from([None]);
        if let Some(marks) = marks(self, "op.port") {
            let near = around(&marks).into_iter().filter_map(|n| u16::try_from(n).ok());
            let allowed = |port: &u16| egress.is_none_or(|rules| rules.ports.contains(port));
            ports.extend(near.filter(allowed).map(Some));
            ports.extend(egress.iter().flat_map(|rules| &rules.ports).map(|port| Some(*port)));
        }
        let prefix = fixed.as_ref().map_or("/", |(_, _, path)| path.as_str());
        let paths: Vec<String> = match marks(self, "op.path") {
            None => vec![prefix.to_owned()],
            Some(marks) => {
                let texts = marks.candidates(&[prefix, "/x"]);
                let texts = texts.into_iter().map(|text| format!("/{}", text.trim_start_matches('/')));
                let texts: Vec<String> = texts.filter(|text| text.starts_with(prefix)).collect();
                let host = hosts.first().map_or("x.example", String::as_str);
                let made = |path: &String| address("https", host, None, path, &[]).map(Setting::Url);
                let (texts, urls): (Vec<String>, Vec<Setting>) =
                    texts.into_iter().filter_map(|path| made(&path).map(|url| (path, url))).unzip();
                self.kept(&["op.path"], &urls).into_iter().filter_map(|i| texts.get(i).cloned()).collect()
            }
        };
        let mut queries: Vec<Vec<String>> = vec![Vec::new()];
        if let Some(marks) = marks(self, "op.query_names") {
            queries.extend(marks.candidates(&["other"]).into_iter().map(|name| vec![name]));
        }
        let mut urls = BTreeSet::new();
        for (scheme, host) in schemes.iter().flat_map(|scheme| hosts.iter().map(move |host| (scheme, host))) {
            for (port, path) in ports.iter().flat_map(|port| paths.iter().map(move |path| (port, path))) {
                urls.extend(queries.iter().filter_map(|query| address(scheme, host, *port, path, query)));
            }
        }
        if let Some(marks) = whole.and_then(|name| marks(self, name)) {
            let written = marks.candidates(&[]).into_iter().filter_map(|text| url::Url::parse(&text).ok());
            let written = written.filter(|url| url.host_str().is_some_and(|host| may_reach(egress, host)));
            urls.extend(written.map(|url| url.to_string()));
        }
        urls.into_iter().collect()
    }

    fn argument(&mut self, name: &str) {
        let record = Record::of_request(&self.looking.manifest.request_schema);
        let Some((is_required, sort)) = record.member(name) else { return };
        let marks = self.landmarks.get(&format!("args.{name}")).cloned().unwrap_or_default();
        let Some(values) = values(sort, &marks) else {
            self.left_out.push(format!("the argument {name} is an object, which is not varied"));
            return;
        };
        let absent = (!is_required).then_some(None);
        let settings = absent.into_iter().chain(values.into_iter().map(Some));
        let settings = settings.map(|value| Setting::Argument(name.to_owned(), value)).collect();
        let kept = self.distinct(&[&format!("args.{name}")], settings);
        self.dimensions.push(kept);
    }

    /// One of each that no comparison tells apart.
    fn distinct(&mut self, names: &[&str], settings: Vec<Setting>) -> Vec<Setting> {
        let kept = self.kept(names, &settings);
        kept.into_iter().filter_map(|at| settings.get(at).cloned()).collect()
    }

    fn kept(&mut self, names: &[&str], settings: &[Setting]) -> Vec<usize> {
        let touches = |atom: &&Atom| atom.reads.iter().any(|name| names.contains(&name.as_str()));
        let atoms: Vec<&Atom> = self.atoms.iter().filter(touches).collect();
        let is_within = |atom: &&Atom| atom.reads.iter().all(|name| names.contains(&name.as_str()));
        // A comparison with something else as well: every value may matter.
        if !atoms.iter().all(is_within) {
            return (0..settings.len()).collect();
        }
        let texts: Vec<&str> = atoms.iter().map(|atom| atom.text.as_str()).collect();
        let is_file = matches!(self.looking.manifest.template, Template::Fs(_));
        let key = format!("{is_file} {texts:?} {settings:?}");
        if let Some(known) = self.memory.0.get(&key) {
            return known.clone();
        }
        let mut seen = BTreeSet::new();
        let kept: Vec<usize> = (0..settings.len())
            .filter(|at| {
                let mut point = self.looking.base.clone();
                settings.get(*at).into_iter().for_each(|setting| point.set(setting));
                let Some((request, entities)) = self.looking.request(&point) else { return false };
                let answers: Vec<Answer> =
                    atoms.iter().map(|atom| answer(atom, &request, &entities)).collect();
                seen.insert(answers)
            })
            .collect();
        self.memory.0.insert(key, kept.clone());
        kept
    }
}

/// Values of an argument; `None` for an object.
fn values(sort: Sort, marks: &Landmarks) -> Option<Vec<Value>> {
    let scalars = |scalar: Scalar| -> Vec<Value> {
        match scalar {
            Scalar::Text => marks.candidates(&["", "x"]).into_iter().map(Value::from).collect(),
            Scalar::Integer => around(marks).into_iter().map(Value::from).collect(),
            Scalar::Boolean => vec![true.into(), false.into()],
            Scalar::Decimal => {
                let near = marks.texts.iter().filter_map(|text| text.parse::<f64>().ok());
                let near = near.flat_map(|n| [n - 0.0001, n, n + 0.0001]);
                near.chain([0.0]).map(|n| json!((n * 10_000.0).round() / 10_000.0)).collect()
            }
        }
    };
    match sort {
        Sort::Scalar(scalar) => Some(scalars(scalar)),
        Sort::Set(scalar) => {
            let single = scalars(scalar);
            let mut sets: Vec<Value> = single.iter().map(|value| json!([value])).collect();
            sets.extend([json!([]), json!(single)]);
            Some(sets)
        }
        Sort::Record => None,
    }
}

/// Each number, the one before and the one behind it, and none.
fn around(marks: &Landmarks) -> Vec<i64> {
    let near = marks.longs.iter().flat_map(|n| [n.saturating_sub(1), *n, n.saturating_add(1)]);
    near.chain([0]).collect::<BTreeSet<i64>>().into_iter().collect()
}

/// Minutes of a week at which a number could begin or end something, as an hour, a minute or a minute of the day.
fn times(marks: &Landmarks) -> Vec<Timestamp> {
    const DAY: i64 = 24 * 60;
    let minutes =
        around(marks).into_iter().flat_map(|n| [n, n.saturating_mul(60), n.saturating_mul(60) + 59]);
    let minutes: BTreeSet<i64> =
        minutes.chain([12 * 60]).filter(|minute| (0..DAY).contains(minute)).collect();
    let of_week = (0..7).flat_map(|day| minutes.iter().map(move |minute| day * DAY + minute));
    let instants = around(marks).into_iter().filter(|n| *n > A_YEAR_MS).map(Timestamp::from_ms);
    of_week.map(|minute| Timestamp::from_ms(MONDAY_MS + minute * 60_000)).chain(instants).collect()
}

/// Scheme, host and the path up to the first argument.
fn fixed_parts(template: &str) -> Option<(String, String, String)> {
    let literal = template.split('{').next().unwrap_or(template);
    let url = url::Url::parse(literal).ok()?;
    Some((url.scheme().to_owned(), url.host_str()?.to_owned(), url.path().to_owned()))
}

fn may_reach(egress: Option<&EgressRules>, host: &str) -> bool {
    let Some(rules) = egress else { return true };
    rules.domains.iter().any(|domain| match domain.strip_prefix("*.") {
        Some(parent) => host.strip_suffix(parent).is_some_and(|rest| rest.ends_with('.')),
        None => domain == "*" || domain == host,
    })
}

const OPERATIONS: [FsOperation; 5] =
    [FsOperation::Read, FsOperation::List, FsOperation::Search, FsOperation::Write, FsOperation::Delete];
const BODY_BYTES_MAX: usize = 1 << 20;
const A_YEAR_MS: i64 = 366 * 86_400_000;
/// 2026-11-16T00:00:00Z, a Monday.
const MONDAY_MS: i64 = 1_794_787_200_000;
