//! A gate of a test's own: the built binary in a process of its own, with its own home, ended with the test.

use std::fs::{self, File, OpenOptions};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use latchgate_client::{AgentClient, AgentOptions, Endpoint, OperatorClient};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::binary::{Ran, binary};
use crate::builder::GateBuilder;
use crate::entries::entries_in;
use crate::key::Key;
use crate::patience::{PATIENCE, eventually, within};
use crate::private::private_file;
use crate::raw_agent::RawAgent;
use crate::raw_operator::RawOperator;
use crate::wire::Connection;

/// How long a gate may take to end by itself once its test is over.
const LAST_WORDS: Duration = Duration::from_secs(3);

pub struct Gate {
    base: TempDir,
    home: PathBuf,
    root: PathBuf,
    env: Vec<(String, String)>,
    uid: Option<u32>,
    binary: PathBuf,
    is_root_configured: bool,
    serves: bool,
    child: Option<Child>,
}

/// What a gate is started on.
pub(crate) struct Prepared {
    pub base: TempDir,
    pub home: PathBuf,
    pub root: PathBuf,
    pub env: Vec<(String, String)>,
    pub uid: Option<u32>,
    /// Another copy of the binary.
    pub binary: Option<PathBuf>,
    /// The configuration names the root, so the command line does not.
    pub is_root_configured: bool,
    /// `serve` instead of `up`.
    pub serves: bool,
}

/// Why a gate did not start.
#[derive(Debug)]
pub struct Refused {
    pub code: i32,
    pub stderr: String,
}

/// What `latchgate verify --json` said.
#[derive(Debug)]
pub struct Verified {
    /// 0 for a sound ledger, 6 for any other.
    pub code: i32,
    pub report: Value,
}

impl Gate {
    pub fn builder() -> GateBuilder {
        GateBuilder::default()
    }

    pub(crate) fn prepared(prepared: Prepared) -> Self {
        let Prepared { base, home, root, env, uid, binary: own_binary, is_root_configured, serves } =
            prepared;
        let binary = own_binary.unwrap_or_else(binary);
        Self { base, home, root, env, uid, binary, is_root_configured, serves, child: None }
    }

    /// Starts the binary and waits until it takes calls or ends.
    ///
    /// # Errors
    /// If it ends.
    ///
    /// # Panics
    /// If it does neither.
    pub fn start(&mut self) -> Result<(), Refused> {
        let said_before = self.log().len();
        let mut command = self.command(if self.serves { &["serve", "--home"] } else { &["up"] });
        if self.serves {
            command.arg(&self.home);
        } else if !self.is_root_configured {
            command.arg("--root").arg(&self.root);
        }
        command.stdin(Stdio::null()).stdout(self.open_log("out")).stderr(self.open_log("err"));
        let mut child = command.spawn().expect("the binary starts");
        let socket = self.agent_socket();
        let ready = within(PATIENCE, || {
            if let Some(status) = child.try_wait().unwrap() {
                return Some(Err(status));
            }
            is_ready(&socket).then_some(Ok(()))
        });
        match ready {
            Some(Ok(())) => {
                self.child = Some(child);
                Ok(())
            }
            Some(Err(status)) => {
                let stderr = self.log().split_off(said_before);
                Err(Refused { code: status.code().unwrap_or(-1), stderr })
            }
            None => {
                let _gone = child.kill();
                let _reaped = child.wait();
                panic!("the gate neither takes calls nor ends; it said:\n{}", self.log())
            }
        }
    }

    pub fn home(&self) -> &Path {
        &self.home
    }

    /// What file actions work below.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Home and root lie in it; gone with the gate.
    pub fn base(&self) -> &Path {
        self.base.path()
    }

    /// A file of this name beside the home, which nobody else may read.
    pub fn private_file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.base().join(name);
        private_file(&path, text);
        path
    }

    pub fn agent_socket(&self) -> PathBuf {
        self.home.join("run/gate.sock")
    }

    pub fn admin_socket(&self) -> PathBuf {
        self.home.join("run/admin/gate-admin.sock")
    }

    pub fn ledger(&self) -> PathBuf {
        self.home.join("state/ledger")
    }

    pub fn keys(&self) -> PathBuf {
        self.home.join("state/keys")
    }

    pub fn endpoint(&self) -> Endpoint {
        Endpoint::in_dir(&self.home.join("run"))
    }

    /// An honest agent with a key of its own.
    ///
    /// # Panics
    /// If it gets no lease.
    pub async fn agent(&self) -> AgentClient {
        self.agent_with(AgentOptions::default()).await
    }

    /// # Panics
    /// If it gets no lease.
    pub async fn agent_with(&self, options: AgentOptions) -> AgentClient {
        AgentClient::connect(&self.endpoint(), options).await.expect("a lease")
    }

    /// An agent that controls every byte.
    pub fn raw_agent(&self) -> RawAgent {
        self.raw_agent_with(&json!({}))
    }

    /// As [`Self::raw_agent`], with members of the lease request such as `budgets`.
    pub fn raw_agent_with(&self, request: &Value) -> RawAgent {
        RawAgent::connect(&self.agent_socket(), request)
    }

    /// The operator that the first start made.
    pub fn operator(&self) -> OperatorClient {
        OperatorClient::new(&self.endpoint(), self.operator_key().signing().clone(), "local")
    }

    /// The same operator, controlling every byte.
    pub fn raw_operator(&self) -> RawOperator {
        RawOperator::new(&self.admin_socket(), self.operator_key())
    }

    pub fn operator_key(&self) -> Key {
        Key::read(&self.keys().join("operator-local.pem"))
    }

    /// Every entry of the ledger, oldest first.
    pub fn entries(&self) -> Vec<Value> {
        entries_in(&self.ledger())
    }

    /// The entries of one kind.
    pub fn entries_of(&self, kind: &str) -> Vec<Value> {
        self.entries().into_iter().filter(|entry| entry["kind"] == kind).collect()
    }

    /// Waits for the first entry that `is` picks: for what is written behind an answer. It may stand in the file a moment
    /// before it is durable and the gate goes by it.
    ///
    /// # Panics
    /// If it does not come.
    pub fn await_entry(&self, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        eventually(what, || self.entries().into_iter().find(&is))
    }

    /// What the gate's standard error says.
    pub fn log(&self) -> String {
        fs::read_to_string(self.base().join("err")).unwrap_or_default()
    }

    /// What the gate's standard output says.
    pub fn said(&self) -> String {
        fs::read_to_string(self.base().join("out")).unwrap_or_default()
    }

    /// Runs `latchgate` with this gate's environment.
    pub fn cli(&self, args: &[&str]) -> Ran {
        Ran::of(self.command(args).stdin(Stdio::null()))
    }

    /// The command behind [`Self::cli`], to be changed before it runs. No variable of the caller's is passed on.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(args).env_clear().current_dir(self.base());
        command.env("LATCHGATE_HOME", &self.home).env("HOME", self.base());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        if let Some(uid) = self.uid {
            command.uid(uid).gid(uid);
        }
        command
    }

    /// Checks the ledger with the gate's own key. The gate may run.
    pub fn verify(&self) -> Verified {
        let ran = self.cli(&["verify", "--json"]);
        Verified { code: ran.code, report: ran.json() }
    }

    /// # Panics
    /// If the ledger is not sound.
    #[track_caller]
    pub fn assert_sound(&self) {
        let Verified { code, report } = self.verify();
        assert_eq!(code, 0, "{report:#}");
    }

    pub fn is_running(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| child.try_wait().unwrap().is_none())
    }

    /// Process id of the running gate.
    ///
    /// # Panics
    /// If it does not run.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("a running gate").id()
    }

    /// As a power cut is to the process: SIGKILL. What the kernel has of its files stays.
    ///
    /// # Panics
    /// If it does not run.
    pub fn kill9(&mut self) {
        let mut child = self.child.take().expect("a running gate");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Asks the gate to end and waits for it.
    ///
    /// # Panics
    /// If it does not run, or does not end.
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// Waits for a gate that was asked to end.
    ///
    /// # Panics
    /// If it does not end.
    pub fn wait(&mut self) -> ExitStatus {
        let child = self.child.as_mut().expect("a running gate");
        let status = eventually("the end of the gate", || child.try_wait().unwrap());
        self.child = None;
        status
    }

    /// # Panics
    /// If it does not run.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(pid, signal).unwrap();
    }

    /// Ends the gate if it runs, and starts it again on the same home.
    ///
    /// # Panics
    /// If it does not start.
    pub fn restart(&mut self) {
        if self.child.is_some() {
            self.terminate();
        }
        self.start().unwrap_or_else(|refused| panic!("the gate does not start again: {refused:#?}"));
    }

    fn open_log(&self, name: &str) -> File {
        OpenOptions::new().create(true).append(true).open(self.base().join(name)).unwrap()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
            let _gone = kill_process(pid, Signal::TERM);
        }
        if within(LAST_WORDS, || child.try_wait().ok().flatten()).is_none() {
            let _gone = child.kill();
            let _reaped = child.wait();
        }
    }
}

fn is_ready(socket: &Path) -> bool {
    let Ok(mut connection) = Connection::try_open(socket) else { return false };
    connection.send(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    connection.try_reply().is_some_and(|reply| reply.status == 200)
}
