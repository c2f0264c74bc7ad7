//! What an action is judged by is the part of the set that covers it; here that part and the whole set are held against each
//! other, on random requests under random sets and the presets.
//!
//! A fixed seed and few requests, unless `LATCHGATE_DIFFERENTIAL` says how many and `LATCHGATE_DIFFERENTIAL_SEED` which.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{Authorizer, Entities, PolicyId, PolicySet, Response};
use latchgate_wire::principal::Principal;
use latchgate_wire::receipt::Boundary;
use latchgate_wire::time::Timestamp;
use serde_json::{Value, json};

use super::context::Frame;
use super::load::{Policy, entity_uid};
use super::testing::{fs_action, http_action, plan, question, samples};
use super::{Agent, Question, Source};
use crate::manifest::{Manifest, Template};

const REQUESTS: u64 = 2_000;
const REQUESTS_PER_SET: u64 = 500;
const SEED: u64 = 0x1a7c_46a7_e000_0007;

const PRESETS: [&str; 3] = [
    include_str!("../../../../policies/standard/policy.cedar"),
    include_str!("../../../../policies/team/policy.cedar"),
    include_str!("../../../../policies/lockdown/policy.cedar"),
];

const SCOPES: [&str; 8] = [
    "action",
    "action == Action::\"file_read\"",
    "action == Action::\"note_send\"",
    "action in Action::\"class:read\"",
    "action in [Action::\"class:write\", Action::\"class:send\"]",
    "action in Action::\"risk:critical\"",
    "action in [Action::\"file_write\", Action::\"risk:high\"]",
    "action in Action::\"tag:sample\"",
];

const PRINCIPALS: [&str; 4] = [
    "principal",
    "principal == Principal::\"agent:ci\"",
    "principal in Group::\"uid\"",
    "principal in Group::\"jail\"",
];

/// The last two fail for some requests: that, too, must be the same.
const CONDITIONS: [&str; 9] = [
    "context.boundary != \"jail\"",
    "context.op.kind == \"fs\"",
    "context.op.path like \"*a*\"",
    "context.op has host && context.op.host like \"*.example\"",
    "context.time.hour >= 12 || context.time.weekday == 7",
    "context.agent has claimed && context.agent.claimed == \"ci\"",
    "context.args_untyped.isEmpty()",
    "context.args has count && context.args.count + 9223372036854775806 > 0",
    "context.budget has calls_left && context.budget.calls_left * 9223372036854775807 >= 0",
];

/// Numerical Recipes' 64-bit congruence: enough to spread requests, the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    fn of<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name}: {text}")))
}

fn actions() -> Vec<Manifest> {
    let mut actions = samples();
    actions.extend([
        fs_action("file_list", "read", "low", "list"),
        fs_action("file_delete", "write", "high", "delete"),
        http_action("job_run", "execute", "medium", "POST"),
        http_action("pay", "transfer_value", "critical", "POST"),
    ]);
    actions
}

fn random_set(random: &mut Random) -> String {
    let rules = 1 + random.below(14);
    let rule = |n: usize, random: &mut Random| {
        let (ask, effect) = random.of(&[("", "permit"), ("@ask(\"why\") ", "permit"), ("", "forbid")]);
        let (principal, action) = (random.of(&PRINCIPALS), random.of(&SCOPES));
        let condition = random.of(&CONDITIONS);
        format!("@id(\"r{n}\") {ask}{effect} ({principal}, {action}, resource) when {{ {condition} }};\n")
    };
    (0..rules).map(|n| rule(n, random)).collect()
}

/// The set as Cedar reads it by itself, every rule by its `@id`.
fn whole(text: &str) -> PolicySet {
    let parsed: PolicySet = text.parse().unwrap();
    let named = parsed.policies().map(|rule| {
        let id = rule.annotation("id").unwrap();
        rule.new_id(PolicyId::new(id))
    });
    PolicySet::from_policies(named).unwrap()
}

#[derive(Debug, PartialEq, Eq)]
struct Said {
    decision: cedar_policy::Decision,
    reasons: BTreeSet<String>,
    errors: BTreeMap<String, String>,
}

impl Said {
    fn of(response: &Response) -> Self {
        let errors = response.diagnostics().errors().map(|error| match error {
            cedar_policy::AuthorizationError::PolicyEvaluationError(error) => {
                (error.policy_id().to_string(), error.inner().to_string())
            }
        });
        let reasons = response.diagnostics().reason().map(ToString::to_string);
        Self { decision: response.decision(), reasons: reasons.collect(), errors: errors.collect() }
    }
}

fn args(manifest: &Manifest, random: &mut Random) -> Value {
    match manifest.template {
        Template::Fs(_) => {
            json!({ "path": random.of(&["a", "b/c", ".env", "x.pem", ".git/config", "src/a.rs", ""]) })
        }
        Template::Http(_) => {
            let host = random.of(&["a.example", "b.c.example", "evil.test", "127.0.0.1"]);
            let mut args = json!({ "url": format!("https://{host}/{}", random.of(&["", "a", "b?q=1"])) });
            for (name, value) in
                [("count", json!(random.below(4))), ("headers", json!({})), ("amount", json!(1.5))]
            {
                if random.below(2) == 0 {
                    args[name] = value;
                }
            }
            args
        }
    }
}

/// Asks the prepared part and the whole set the same, and says what both said.
fn both(policy: &Policy, set: &PolicySet, manifest: &Manifest, random: &mut Random) -> (Said, Said) {
    let principals = ["uid:0", "uid:1000", "agent:ci", "agent:x", "jail:ci"];
    let principal: Principal = random.of(&principals).parse().unwrap();
    let (args, label) = (args(manifest, random), random.of(&[None, Some("ci"), Some("x")]));
    let plan = plan(manifest, &args);
    let asked = Question {
        principal: &principal,
        agent: Agent::of(&principal, label),
        boundary: random.of(&[Boundary::Service, Boundary::Jail, Boundary::SameUser]),
        now: Timestamp::from_secs(1_794_787_200 + i64::try_from(random.below(7 * 86_400)).unwrap()),
        calls_left: random.of(&[None, Some(0), Some(1), Some(2)]),
        ..question(manifest, &args, &plan)
    };
    let action = &policy.actions[&manifest.action_id];
    let uid = entity_uid(&policy.vocabulary.principal, &principal.to_string());
    let frame = Frame::new(&asked, action.args.see(&args).unwrap()).unwrap();
    let request = policy.request(action, &asked, &uid, &frame, &plan.steps[0]).unwrap();
    let prepared = policy.entities(action, &principal, &uid).unwrap();
    let principal = prepared.get(&uid).unwrap().clone();
    let every: Entities = policy.vocabulary.schema.action_entities().unwrap();
    let every = every.add_entities([principal], None).unwrap();
    let authorizer = Authorizer::new();
    let part = authorizer.is_authorized(&request, &action.rules, &prepared);
    (Said::of(&part), Said::of(&authorizer.is_authorized(&request, set, &every)))
}

#[test]
fn the_part_of_a_set_that_covers_an_action_answers_as_the_whole_set() {
    let requests = number("LATCHGATE_DIFFERENTIAL", REQUESTS);
    let seed = number("LATCHGATE_DIFFERENTIAL_SEED", SEED);
    let (mut random, actions) = (Random(seed), actions());
    let manifests: Vec<&Manifest> = actions.iter().collect();
    let (mut asked, mut sets) = (0, 0);
    let mut decisions = BTreeSet::new();
    while asked < requests {
        let text = PRESETS.get(sets).map_or_else(|| random_set(&mut random), |text| (*text).to_owned());
        sets += 1;
        // A random set may hold a rule that can never fire, which is an error of its own.
        let Ok(policy) = Policy::load(&[Source { name: "p.cedar".into(), text: text.clone() }], &manifests)
        else {
            continue;
        };
        let set = whole(&text);
        for _ in 0..REQUESTS_PER_SET.min(requests - asked) {
            let manifest = random.of(&manifests);
            let (part, whole) = both(&policy, &set, manifest, &mut random);
            assert_eq!(part, whole, "seed {seed}, {}:\n{text}", manifest.action_id);
            decisions.insert((format!("{:?}", part.decision), part.errors.is_empty()));
            asked += 1;
        }
    }
    println!("{asked} requests under {sets} sets agree, seed {seed}");
    assert!(decisions.len() >= 3, "every kind of answer occurs: {decisions:?}");
}
