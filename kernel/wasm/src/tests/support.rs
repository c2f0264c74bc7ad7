//! A host, jobs for it, and guests written as core modules in text.

use std::pin::Pin;
use std::sync::Arc;

use latchgate_egress::{Config, Egress, Now, Secret, Vault, VaultError};
use latchgate_monitor::manifest::{Import, Limits};
use latchgate_monitor::plan::{Content, FsOperation, FsPath, FsStep, HttpStep, Plan, Step};
use latchgate_monitor::steps::{Ran, StepFailure};
use latchgate_wire::digest::{Digest, Salt};
use latchgate_wire::ids::TraceId;
use latchgate_wire::receipt::{FailureClass, PlanKind};
use latchgate_wire::time::Timestamp;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{Resolve, UnresolvedPackageGroup};

use crate::call::Job;
use crate::pace::Pace;
use crate::{Host, HostConfig, Roots};

pub(super) const ALL: &[Import] = &[Import::Http, Import::Fs, Import::Log];

/// A host that may connect to loopback.
pub(crate) fn host(roots: Roots) -> Host {
    Host::new(config(roots)).unwrap()
}

/// A host without a clock: every check of the epoch that a guest makes is a tick, and its time is up after so many.
pub(crate) fn scripted(ticks: u64) -> Host {
    Host::paced(config(Roots::none()), Pace::Checks(ticks)).unwrap()
}

pub(super) fn config(roots: Roots) -> HostConfig {
    let egress = Egress::new(Config { dangerous_loopback: true, ..Config::default() }).unwrap();
    HostConfig { egress: Arc::new(egress), roots, cache: None, vault: no_secrets(), now: no_time() }
}

/// Secrets by name.
pub(crate) struct Values(pub &'static [(&'static str, &'static str)]);

impl Vault for Values {
    fn secret<'a>(
        &'a self,
        name: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<Secret, VaultError>> + Send + 'a>> {
        let found = self.0.iter().find(|(known, _)| *known == name);
        let found = found.map(|(_, value)| Secret::new((*value).into()));
        Box::pin(async move { found.ok_or_else(|| VaultError::Missing(name.to_owned())) })
    }
}

pub(crate) fn no_secrets() -> Arc<dyn Vault> {
    Arc::new(Values(&[]))
}

pub(crate) fn no_time() -> Now {
    Arc::new(|| Timestamp::from_ms(0))
}

pub(super) fn job(component: &[u8], limits: Limits, steps: Vec<Step>) -> Job {
    Job {
        plan: Plan { kind: PlanKind::Exact, steps },
        salt: Salt([7; 32]),
        module_digest: Digest::of(component),
        imports: ALL.to_vec(),
        limits,
        success: None,
        principal: "tester".into(),
        partition: "tester test".into(),
        action_id: "test".into(),
        trace_id: TraceId::new(0, 1),
    }
}

/// Registers and runs once.
pub(crate) async fn run(component: &[u8], limits: Limits, steps: Vec<Step>) -> Ran {
    run_on(&host(Roots::none()), component, limits, steps).await
}

pub(crate) async fn run_on(host: &Host, component: &[u8], limits: Limits, steps: Vec<Step>) -> Ran {
    host.register("test", component, Digest::of(component), ALL).unwrap();
    let invocation = invocation(&steps);
    host.run_job(job(component, limits, steps), &invocation).await
}

fn invocation(steps: &[Step]) -> String {
    let steps: Vec<_> = steps
        .iter()
        .map(|step| match step {
            Step::Http(step) => serde_json::json!({"kind": "http", "method": step.method, "url": step.url}),
            Step::Fs(step) => {
                serde_json::json!({"kind": "fs", "operation": step.operation.as_str(), "path": step.path.as_str()})
            }
        })
        .collect();
    serde_json::json!({"action_id": "test", "args": {}, "steps": steps}).to_string()
}

/// The reason for which the host stopped the guest.
pub(super) fn stopped(ran: &Ran) -> &StepFailure {
    let stopped = ran.stopped.as_ref().unwrap_or_else(|| panic!("not stopped: {ran:?}"));
    assert_eq!(stopped.class, FailureClass::GuestStopped, "{stopped:?}");
    assert_eq!(ran.runtime.exit_code, 2);
    stopped
}

pub(super) fn get(url: &str) -> Step {
    Step::Http(HttpStep {
        method: "GET".into(),
        url: url.into(),
        target: "test".into(),
        headers: vec![],
        body: None,
        secrets: vec![],
        response_bytes_max: 1000,
    })
}

pub(crate) fn fs(operation: FsOperation, path: &str) -> FsStep {
    FsStep {
        operation,
        path: FsPath::parse(path).unwrap(),
        content: None,
        before: None,
        search: None,
        bytes_max: 1000,
    }
}

pub(crate) fn text(content: &str) -> Option<Content> {
    Some(Content::Text(content.into()))
}

/// Answers every connection with `reply` and then keeps it open.
pub(super) async fn server(reply: &'static str) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let _request = stream.read(&mut [0; 4096]).await;
            let _sent = stream.write_all(reply.as_bytes()).await;
            open.push(stream);
        }
    });
    format!("http://{address}/")
}

/// Answers one request with its own head, and tells it.
pub(super) async fn echo() -> (String, tokio::task::JoinHandle<String>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let telling = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = vec![0; 4096];
        let length = stream.read(&mut request).await.unwrap();
        let request = String::from_utf8(request[..length].to_vec()).unwrap();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", request.len());
        stream.write_all(format!("{head}{request}").as_bytes()).await.unwrap();
        request
    });
    (url, telling)
}

/// A component whose `run` is `body`, over:
///
/// - `$ok` and `$fail`: return `"null"`, as output or as error
/// - `$say tag ptr len`: returns any text, as output (0) or error (1)
/// - what `imports` says; see [`HTTP`], [`FS`] and [`LOG`]
pub(crate) fn guest(imports: &str, body: &str) -> Vec<u8> {
    component(&core(imports, body), "")
}

pub(super) const HTTP: &str =
    r#"(import "latchgate:action/http@1.0.0" "perform" (func $http (param i32 i32)))"#;
pub(super) const FS: &str = r#"(import "latchgate:action/fs@1.0.0" "perform" (func $fs (param i32 i32)))"#;
pub(super) const LOG: &str =
    r#"(import "latchgate:action/log@1.0.0" "write" (func $log (param i32 i32 i32)))"#;

/// Ends `run`: ok, or the text of the `error` that the `http.perform` with return area 1024 gave.
pub(super) const HTTP_RESULT: &str = "(if (result i32) (i32.load8_u (i32.const 1024))
    (then (call $say (i32.const 1) (i32.load (i32.const 1032)) (i32.load (i32.const 1036))))
    (else (call $ok)))";

/// The same for `fs.perform`.
pub(super) const FS_RESULT: &str = "(if (result i32) (i32.load8_u (i32.const 1024))
    (then (call $say (i32.const 1) (i32.load (i32.const 1036)) (i32.load (i32.const 1040))))
    (else (call $ok)))";

/// `imports` also holds globals and functions, after the imports.
pub(super) fn core(imports: &str, body: &str) -> String {
    format!(
        r#"(module
            {imports}
            (memory (export "memory") 4)
            (data (i32.const 16) "null")
            (global $free (mut i32) (i32.const 65536))
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (global.get $free)
                (global.set $free (i32.and (i32.add (global.get $free) (i32.add (local.get 3) (i32.const 7))) (i32.const -8))))
            (func $say (param i32 i32 i32) (result i32)
                (i32.store (i32.const 0) (local.get 0))
                (i32.store (i32.const 4) (local.get 1))
                (i32.store (i32.const 8) (local.get 2))
                (i32.const 0))
            (func $ok (result i32) (call $say (i32.const 0) (i32.const 16) (i32.const 4)))
            (func $fail (result i32) (call $say (i32.const 1) (i32.const 16) (i32.const 4)))
            (func (export "run") (param i32 i32) (result i32) (local $i i32) {body}))"#
    )
}

/// The core module as a component of world `action`, or of world `other:test/other` if `other` is its WIT.
pub(super) fn component(core: &str, other: &str) -> Vec<u8> {
    let mut module = wat::parse_str(core).unwrap_or_else(|error| panic!("{error}"));
    let mut resolve = Resolve::default();
    let wit = concat!(env!("CARGO_MANIFEST_DIR"), "/../../actions/wit/action.wit");
    let text = if other.is_empty() { std::fs::read_to_string(wit).unwrap() } else { other.to_owned() };
    let package = resolve.push_group(UnresolvedPackageGroup::parse("test.wit", &text).unwrap()).unwrap();
    let world = resolve.select_world(&[package], None).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().module(&module).unwrap().encode().unwrap()
}
