//! What the rounds stand on: a gate with its people, and the files that a reload reads.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use latchgate_tests::{Attempt, Gate, Key, RawAgent, RawOperator, Upstream, eventually, tick, workspace};
use latchgate_wire::digest::Digest;
use serde_json::{Value, json};

const CONFIG: &str = "
[egress]
dangerous_loopback = true
[limits]
calls_per_s = 100000
leases_per_s = 100000
";

/// The actions that are held, each by a rule of its own: one person decides, two must, or one within a second.
pub const ACTIONS: [&str; 3] = ["tick", "tick_two", "tick_soon"];

/// What the plain rules say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rules {
    Asked,
    Reworded,
    Denied,
    Allowed,
    /// Two people by now, whatever it was before.
    Two,
}

impl Rules {
    pub const ALL: [Self; 5] = [Self::Asked, Self::Reworded, Self::Denied, Self::Allowed, Self::Two];

    pub fn text(self) -> String {
        let asked = |word: &str| {
            format!(
                "format: 1
rules:
  - {{ id: one, then: ask, ask: {word}, when: {{ action: [tick, fs_write] }} }}
  - {{ id: two, then: ask, ask: {word}, approvers: 2, when: {{ action: tick_two }} }}
  - {{ id: soon, then: ask, ask: {word}, expires: 1s, when: {{ action: tick_soon }} }}
"
            )
        };
        let also = |rule: &str| format!("{}  - {rule}\n", asked("a race"));
        let actions = "[tick, tick_two, tick_soon, fs_write]";
        match self {
            Self::Asked => asked("a race"),
            Self::Reworded => asked("another race"),
            Self::Denied => also(&format!("{{ id: never, then: deny, when: {{ action: {actions} }} }}")),
            Self::Allowed => {
                format!("format: 1\nrules:\n  - {{ id: free, then: allow, when: {{ action: {actions} }} }}\n")
            }
            Self::Two => also(&format!(
                "{{ id: also-two, then: ask, ask: by two, approvers: 2, when: {{ action: {actions} }} }}"
            )),
        }
    }
}

/// The component behind `tick`: the bundled one, or the same with a custom section, which is another module to everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Module {
    First,
    Second,
}

impl Module {
    fn file(self) -> &'static str {
        match self {
            Self::First => "first.wasm",
            Self::Second => "second.wasm",
        }
    }

    fn bytes(self) -> Vec<u8> {
        let mut bytes = fs::read(workspace().join("actions/prebuilt/http_api.wasm")).unwrap();
        if self == Self::Second {
            // Section 0, three bytes long: a name of one byte, and one of content.
            bytes.extend([0, 3, 1, b'r', b'r']);
        }
        bytes
    }
}

/// The manifest of one of [`ACTIONS`].
pub fn manifest(action: &str, module: Module, title: &str) -> String {
    let bundled = tick::manifest();
    let pin = bundled.lines().find(|line| line.starts_with("module_digest: ")).expect("a pinned module");
    bundled
        .replace(pin, &format!("module_digest: {}", Digest::of(&module.bytes())))
        .replace("module: builtin:http_api", &format!("module: {}", module.file()))
        .replace("action_id: tick", &format!("action_id: {action}"))
        .replace("title: Send a number", &format!("title: {title}"))
}

/// Beyond every number that is raced for.
const UNRACED: u64 = 700_000;

pub const TITLE: &str = "Send a number";

pub struct Ground {
    pub gate: Gate,
    pub upstream: Upstream,
    pub local: RawOperator,
    pub ana: RawOperator,
    pub bob: RawOperator,
    enrolled: Key,
    /// By the policy's digest.
    pub rules: BTreeMap<String, Rules>,
}

impl Ground {
    pub fn new() -> Self {
        let mut builder = Gate::builder().policy("// Everything is in rules.yaml.\n").config(CONFIG);
        for module in [Module::First, Module::Second] {
            builder = builder.beside_manifests(module.file(), module.bytes());
        }
        for action in ACTIONS {
            builder = builder.manifest(&format!("{action}.yaml"), &manifest(action, Module::First, TITLE));
        }
        let mut gate = builder.prepare();
        replace(&gate.home().join("policies/rules.yaml"), &Rules::Asked.text());
        gate.start().unwrap_or_else(|refused| panic!("the gate does not start: {refused:#?}"));
        let local = gate.raw_operator();
        let (ana, bob) = (operator(&gate, &local, "ana"), operator(&gate, &local, "bob"));
        let enrolled = Key::generate();
        let body = json!({ "name": "ci", "jwk": enrolled.jwk() });
        local.post("/v1/agents", &body).send().expect(200);
        let upstream = Upstream::start();
        let mut ground = Self { gate, upstream, local, ana, bob, enrolled, rules: BTreeMap::new() };
        for rules in Rules::ALL.into_iter().rev() {
            replace(&ground.gate.home().join("policies/rules.yaml"), &rules.text());
            let reloaded = ground.local.post("/v1/reload", &json!({})).send().expect(200);
            ground.rules.insert(reloaded["policy_digest"].as_str().unwrap().to_owned(), rules);
        }
        assert_eq!(ground.rules.len(), Rules::ALL.len(), "two sets of rules have one digest");
        ground
    }

    /// An agent of the caller's own user, under a new lease and session.
    pub fn user(&self) -> RawAgent {
        self.gate.raw_agent_with(&json!({ "agent_id": "racer" }))
    }

    /// The enrolled agent, under a new lease and session.
    pub fn enrolled(&self) -> RawAgent {
        let (socket, key) = (self.gate.agent_socket(), self.enrolled.clone());
        let request = json!({ "dpop_jwk": key.jwk() });
        let lease = Attempt::new(&socket, &key, None, "POST", "/v1/leases").json(&request).send().expect(200);
        let text = |name: &str| lease[name].as_str().unwrap().to_owned();
        RawAgent {
            lease: text("lease_jwt"),
            session_id: text("session_id"),
            lease_jti: text("lease_jti"),
            principal: text("principal"),
            key,
            socket,
        }
    }

    /// Whatever reloads came at once: calls are judged by what the log has in force, and not by something between.
    pub fn assert_whole(&self, number: u64) {
        let url = self.upstream.url("/effect");
        let call = self.user().call(ACTIONS[0], &json!({ "url": url, "number": number + UNRACED }));
        let outcome = call.send().outcome();
        assert_ne!(outcome, (409, "conflict".into()), "judged by a policy that is not in force");
        self.settle();
    }

    /// Rules and manifests as they were at first, in force.
    pub fn restore(&self) {
        replace(&self.gate.home().join("policies/rules.yaml"), &Rules::Asked.text());
        for action in ACTIONS {
            let path = self.gate.home().join(format!("manifests/{action}.yaml"));
            replace(&path, &manifest(action, Module::First, TITLE));
        }
        eventually("a reload", || {
            (self.local.post("/v1/reload", &json!({})).send().status == 200).then_some(())
        });
    }

    /// Denies what still waits, until nothing can come of any held call. An operator's first proofs after a restart may be
    /// of the second before it, and refused.
    pub fn settle(&self) {
        eventually("the end of every held call", || {
            let reply = self.local.get("/v1/approvals").send();
            if reply.status != 200 {
                return None;
            }
            let list = reply.json();
            let of = |word: &'static str| {
                let all = list["approvals"].as_array().unwrap().iter();
                all.filter(move |held| held["status"] == word).collect::<Vec<&Value>>()
            };
            for held in of("pending") {
                let body = json!({ "plan_digest": held["plan_digest"] });
                let path = format!("/v1/approvals/{}/deny", held["approval_id"].as_str().unwrap());
                self.local.post(&path, &body).send();
            }
            ["pending", "approved", "running"].iter().all(|word| of(word).is_empty()).then_some(())
        });
    }
}

fn operator(gate: &Gate, local: &RawOperator, name: &str) -> RawOperator {
    let key = Key::generate();
    let body = json!({ "name": name, "role": "approver", "jwk": key.jwk() });
    local.post("/v1/operators", &body).send().expect(200);
    RawOperator::new(&gate.admin_socket(), key)
}

/// Whole or not at all, as an editor saves; several may at once.
pub fn replace(path: &Path, text: &str) {
    let mut beside = tempfile::NamedTempFile::new_in(path.parent().unwrap()).unwrap();
    beside.write_all(text.as_bytes()).unwrap();
    beside.persist(path).unwrap();
}
