//! A world whose every port is scripted: what the pipeline does is seen in what it asks of them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use ed25519_dalek::SigningKey as EntryKey;
use latchgate_wire::digest::{Digest, HashKey};
use latchgate_wire::dpop;
use latchgate_wire::entry::{Body, Entry, FORMAT};
use latchgate_wire::es256::SigningKey;
use latchgate_wire::ids::{ApprovalId, LeaseId, SessionId, TraceId};
use latchgate_wire::jwk::Jwk;
use latchgate_wire::lease::{self, Confirmation, LeaseClaims, LeaseKeys, Scopes};
use latchgate_wire::principal::Principal;
use latchgate_wire::receipt::*;
use latchgate_wire::time::Timestamp;

use super::{Settings, World};
use crate::authenticator::{Authenticator, LeaseCache, Listener, Presented, Purpose};
use crate::catalog::Catalog;
use crate::denial::Denial;
use crate::plan::{Before, FsOperation, FsPath};
use crate::policy::Source;
use crate::ports::*;
use crate::proofs::ProofWindow;
use crate::steps::{Invocation, Observed, Permit, Ran, Request};

pub const NOW: i64 = 1_800_000_000_000;
const URL: &str = "http://localhost";

/// What every file holds.
pub const CONTENT: &str = "one two two";

pub struct Fixed(AtomicU64);

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        Timestamp::from_ms(NOW)
    }
}

impl Entropy for Fixed {
    /// A counter: different each time, the same in each run.
    fn fill(&self, bytes: &mut [u8]) {
        let n = self.0.fetch_add(1, Ordering::Relaxed);
        bytes.iter_mut().zip(n.to_le_bytes()).for_each(|(byte, of)| *byte = of);
    }
}

/// What the log does with each commit.
#[derive(Default)]
pub struct ScriptedLog {
    pub entries: Mutex<Vec<Body>>,
    /// Refuses the first commit of this kind.
    pub refuse: Mutex<BTreeMap<&'static str, CommitError>>,
    pub prior: Mutex<Option<Prior>>,
    pub approval: Mutex<Option<Approval>>,
    pub revoked: Mutex<bool>,
    pub standings: Mutex<Vec<StandingApproval>>,
}

pub fn kind(body: &Body) -> &'static str {
    match body {
        Body::CallDenied(_) => "call.denied",
        Body::CallHeld(_) => "call.held",
        Body::CallIntent(_) => "call.intent",
        Body::CallOutcome(_) => "call.outcome",
        Body::ApprovalDecided(_) => "approval.decided",
        _ => "other",
    }
}

impl ScriptedLog {
    pub fn kinds(&self) -> Vec<&'static str> {
        self.entries.lock().unwrap().iter().map(kind).collect()
    }
}

impl Log for ScriptedLog {
    async fn commit(&self, commit: Commit) -> Result<Committed, CommitError> {
        if let Some(error) = self.refuse.lock().unwrap().remove(kind(&commit.body)) {
            return Err(error);
        }
        let mut entries = self.entries.lock().unwrap();
        let (seq, time) = (entries.len() as u64, Timestamp::from_ms(NOW));
        entries.push(commit.body.clone());
        let entry =
            Entry { v: FORMAT, seq, time, gate: "g".into(), trace_id: commit.trace_id, body: commit.body };
        let line = Arc::new(entry.sign(&EntryKey::from_bytes(&[1; 32])).unwrap());
        Ok(Committed { seq, time, line })
    }

    fn is_revoked(&self, _: &Who) -> bool {
        *self.revoked.lock().unwrap()
    }

    fn prior(&self, _: &CallIdentity) -> Option<Prior> {
        self.prior.lock().unwrap().clone()
    }

    fn calls_left(&self, _: &Who) -> Option<u64> {
        None
    }

    fn standings(&self, _: &Who, _: &str) -> Vec<StandingApproval> {
        self.standings.lock().unwrap().clone()
    }

    fn approval(&self, _: ApprovalId) -> Option<Approval> {
        self.approval.lock().unwrap().clone()
    }
}

#[derive(Default)]
pub struct Memory(pub Mutex<Vec<Vec<u8>>>);

impl Payloads for Memory {
    fn put(&self, bytes: &[u8]) -> Result<PayloadAt, PayloadError> {
        let mut all = self.0.lock().unwrap();
        all.push(bytes.to_vec());
        Ok(PayloadAt { segment: 0, offset: all.len() as u64 - 1 })
    }

    fn read(&self, at: PayloadAt) -> Result<Vec<u8>, PayloadError> {
        let all = self.0.lock().unwrap();
        all.get(usize::try_from(at.offset).unwrap()).cloned().ok_or(PayloadError::Gone(at))
    }
}

pub struct Looked(pub Mutex<Result<Option<Before>, ProbeError>>);

impl Probe for Looked {
    async fn look(&self, _: FsOperation, _: &FsPath) -> Result<Option<Before>, ProbeError> {
        self.0.lock().unwrap().clone()
    }

    /// [`CONTENT`], unless it was told to fail.
    async fn content(&self, _: &FsPath, _: u64) -> Result<(Vec<u8>, Before), ProbeError> {
        self.0.lock().unwrap().clone()?;
        let digest = Digest::of(CONTENT.as_bytes());
        Ok((CONTENT.into(), Before::File { digest, size: CONTENT.len() as u64 }))
    }
}

/// The secrets that are set.
#[derive(Default)]
pub struct Names(pub Mutex<Vec<String>>);

impl Secrets for Names {
    fn is_set(&self, name: &str) -> bool {
        self.0.lock().unwrap().iter().any(|set| set == name)
    }
}

/// What the sandbox answers, and how often it was asked.
pub struct ScriptedSandbox {
    pub runs: AtomicU64,
    pub ran: Mutex<Option<Ran>>,
}

impl Sandbox for ScriptedSandbox {
    async fn run(&self, permit: Permit, _: Invocation) -> Ran {
        self.runs.fetch_add(1, Ordering::Relaxed);
        let script = self.ran.lock().unwrap().clone();
        let _the_permit_ends_here = permit;
        match script {
            Some(ran) => ran,
            None => panic!("the sandbox was told to panic"),
        }
    }
}

pub struct Scripted {
    pub log: ScriptedLog,
    pub payloads: Memory,
    pub probe: Looked,
    pub secrets: Names,
    pub sandbox: ScriptedSandbox,
    pub fixed: Fixed,
    settings: Settings,
    pub panics: AtomicU64,
}

impl World for Scripted {
    type Log = ScriptedLog;
    type Payloads = Memory;
    type Probe = Looked;
    type Secrets = Names;
    type Sandbox = ScriptedSandbox;
    type Clock = Fixed;
    type Entropy = Fixed;

    fn log(&self) -> &ScriptedLog {
        &self.log
    }

    fn payloads(&self) -> &Memory {
        &self.payloads
    }

    fn probe(&self) -> &Looked {
        &self.probe
    }

    fn secrets(&self) -> &Names {
        &self.secrets
    }

    fn sandbox(&self) -> &ScriptedSandbox {
        &self.sandbox
    }

    fn clock(&self) -> &Fixed {
        &self.fixed
    }

    fn entropy(&self) -> &Fixed {
        &self.fixed
    }

    fn settings(&self) -> &Settings {
        &self.settings
    }

    fn count_panic(&self) {
        self.panics.fetch_add(1, Ordering::Relaxed);
    }
}

/// A sandbox that does what was planned.
pub fn done() -> Ran {
    Ran {
        output: Ok(r#"{"path":"a.txt","size":1,"text":"x"}"#.into()),
        stopped: None,
        observed: vec![Observed {
            step: 0,
            status: EffectStatus::Done,
            http_status: None,
            is_refusal: false,
            bytes: 1,
            digest: None,
            failure: None,
        }],
        runtime: Runtime { duration_ms: 1, exit_code: 0, fuel_consumed: 10 },
    }
}

pub fn world() -> Scripted {
    Scripted {
        log: ScriptedLog::default(),
        payloads: Memory::default(),
        probe: Looked(Mutex::new(Ok(None))),
        secrets: Names::default(),
        sandbox: ScriptedSandbox { runs: AtomicU64::new(0), ran: Mutex::new(Some(done())) },
        fixed: Fixed(AtomicU64::new(1)),
        settings: Settings { request_key: HashKey::new(&[7; 32]), approval_ttl_ms: 900_000, held_max: 64 },
        panics: AtomicU64::new(0),
    }
}

/// Bundled actions under `policy`.
pub fn catalog(policy: &str) -> Arc<Catalog> {
    let bundled = [
        ("fs_patch.yaml", include_str!("../../../../manifests/fs_patch.yaml")),
        ("fs_read.yaml", include_str!("../../../../manifests/fs_read.yaml")),
        ("fs_write.yaml", include_str!("../../../../manifests/fs_write.yaml")),
        ("github_read.yaml", include_str!("../../../../manifests/github_read.yaml")),
        ("s3_read.yaml", include_str!("../../../../manifests/s3_read.yaml")),
    ];
    let manifests = bundled.map(|(name, text)| Source { name: name.into(), text: text.into() });
    let policies = [Source { name: "test.cedar".into(), text: policy.into() }];
    Arc::new(Catalog::load(&manifests, &policies).map_err(|problems| problems.join("\n")).unwrap())
}

pub const ALLOW: &str = r#"@id("allow") permit (principal, action, resource);"#;
pub const ASK: &str = r#"@id("ask") @ask("a person shall see it") permit (principal, action, resource);"#;
/// The same rule, and beside it one that asks two people.
pub const ASK_TWO: &str = r#"@id("ask") @ask("a person shall see it") permit (principal, action, resource);
@id("two") @ask("two shall see it") @approvers("2") permit (principal, action, resource);"#;
pub const DENY: &str = r#"@id("no") @reason("not here") forbid (principal, action, resource);"#;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_entropy(&[seed; 32]).unwrap()
}

/// A verified request for `action`, made the way every request is made: by a lease and a proof.
pub fn request(world: &Scripted, action: &str, body: &str) -> Request {
    let path = format!("/v1/actions/{action}/execute");
    let caller = authenticated(world, &path, body, "one", &authenticator()).unwrap();
    Request::new(caller, TraceId::new(NOW as u64, 9), action.into(), body.into(), None)
}

pub fn authenticator() -> Authenticator {
    let mut keys = LeaseKeys::default();
    keys.insert("k", key(1).verifying_key());
    Authenticator {
        keys,
        issuer: URL.into(),
        audience: URL.into(),
        base_urls: vec![URL.into()],
        require_body_hash: false,
        started_at: Timestamp::from_ms(NOW),
        proofs: ProofWindow::default(),
        leases: LeaseCache::default(),
    }
}

pub fn authenticated(
    world: &Scripted,
    path: &str,
    body: &str,
    jti: &str,
    authenticator: &Authenticator,
) -> Result<crate::authenticator::Caller, Denial> {
    let now = Timestamp::from_ms(NOW);
    let agent = key(2);
    let claims = LeaseClaims {
        iss: URL.into(),
        aud: URL.into(),
        sub: Principal::Uid(1000),
        exp: now.as_secs() + 300,
        nbf: now.as_secs(),
        iat: now.as_secs(),
        jti: LeaseId::new(NOW as u64, 1),
        session_id: SessionId::new(NOW as u64, 2),
        scope: Scopes::all_calls(),
        cnf: Confirmation { jkt: Jwk::from(agent.verifying_key()).thumbprint() },
        budgets: None,
        agent: Some("tester".into()),
        bh: true,
    };
    let token = lease::sign(&claims, &key(1), "k").unwrap();
    let url = format!("{URL}{path}");
    let proof = dpop::Request {
        method: "POST",
        url: &url,
        token: Some(&token),
        body: Some(body.as_bytes()),
        jti,
        now,
    };
    let proof = dpop::sign(&proof, &agent).unwrap();
    let header = format!("DPoP {token}");
    let presented = Presented {
        method: "POST",
        path,
        authorization: &[header.as_bytes()],
        dpop: &[proof.as_bytes()],
        body: body.as_bytes(),
    };
    let listener = Listener { peer: Principal::Uid(1000), boundary: Boundary::SameUser };
    authenticator.authenticate(presented, &listener, Purpose::Entry, &world.log, &world.fixed)
}
