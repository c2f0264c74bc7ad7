//! A gate of its own, in a home of its own, and what can be seen of it from outside.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use latchgate_wire::es256::SigningKey;
use rustix::process::{Pid, Signal, kill_process};

use crate::agent::{Connection, proof};

/// Content of the file that calls read.
pub const FILE: &str = include_str!("readme.txt");

/// No limit on the rate, since all calls come from one principal; and an upstream of this machine.
const CONFIG: &str = "[limits]\ncalls_per_s = 1000000\n[egress]\ndangerous_loopback = true\n";
/// The line of the standard policy by which fetching waits for a person.
const ASK_TO_FETCH: &str = "@ask(\"the request leaves this machine, and its address can carry data\")\n";
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// What `/proc/PID/stat` counts in is fixed for user space on every architecture but Alpha (time(7)).
const TICKS_PER_S: u64 = 100;

/// Ends with this value.
pub struct Gate {
    child: Child,
    home: PathBuf,
    root: PathBuf,
    log: PathBuf,
}

impl Gate {
    /// Starts the gate below `dir`, with these files in its `manifests/`, and waits until it is ready.
    pub async fn start(binary: &Path, dir: &Path, manifests: &[(String, Vec<u8>)]) -> Result<Self> {
        let (home, root, log) = (dir.join("h"), dir.join("root"), dir.join("said"));
        make_home(&home, manifests)?;
        private_dir(&root)?;
        fs::write(root.join("README.md"), FILE)?;
        private_dir(&root.join("files"))?;
        let said = File::create(&log)?;
        let child = spawn(binary, &home, &root, said)?;
        let mut gate = Self { child, home, root, log };
        gate.wait_until_ready(Duration::from_millis(20)).await?;
        Ok(gate)
    }

    /// Ends the gate and starts it again on the same home: how long that takes until it is ready, everything compiled
    /// before.
    pub async fn restart(&mut self, binary: &Path) -> Result<Duration> {
        let pid = Pid::from_raw(self.child.id().cast_signed()).context("the gate has no pid")?;
        kill_process(pid, Signal::TERM)?;
        ensure!(self.child.wait()?.success(), "the gate did not end in order:\n{}", self.said());
        let said = OpenOptions::new().append(true).open(&self.log)?;
        let start = Instant::now();
        self.child = spawn(binary, &self.home, &self.root, said)?;
        self.wait_until_ready(Duration::from_millis(2)).await?;
        Ok(start.elapsed())
    }

    pub fn home(&self) -> &Path {
        &self.home
    }

    pub fn socket(&self) -> PathBuf {
        self.home.join("run/gate.sock")
    }

    /// Its stdout and stderr.
    pub fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    async fn wait_until_ready(&mut self, pause: Duration) -> Result<()> {
        let deadline = Instant::now() + START_TIMEOUT;
        while !self.is_ready().await {
            if let Some(status) = self.child.try_wait()? {
                bail!("the gate ended with {status}:\n{}", self.said());
            }
            ensure!(Instant::now() < deadline, "the gate is not ready after 60 s:\n{}", self.said());
            tokio::time::sleep(pause).await;
        }
        Ok(())
    }

    async fn is_ready(&self) -> bool {
        let Ok(mut connection) = Connection::open(&self.socket()).await else { return false };
        let request = Request::get("/readyz").header("host", "localhost").body(Full::default());
        let Ok(request) = request else { return false };
        connection.send(request).await.is_ok_and(|(status, _)| status.is_success())
    }

    /// User and system time of all its threads so far, in steps of 10 ms.
    pub fn cpu(&self) -> Result<Duration> {
        let path = format!("/proc/{}/stat", self.child.id());
        let text = fs::read_to_string(&path).with_context(|| path.clone())?;
        // After the name, which may hold anything: state is field 3, utime 14, stime 15 (proc_pid_stat(5)).
        let (_, rest) = text.rsplit_once(')').context("the stat file has no name")?;
        let ticks: Vec<u64> =
            rest.split_whitespace().skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
        ensure!(ticks.len() == 2, "{path} is too short");
        Ok(Duration::from_millis(ticks.iter().sum::<u64>() * 1000 / TICKS_PER_S))
    }

    pub fn rss_kib(&self) -> Result<u64> {
        let text = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        Ok(line.trim().trim_end_matches("kB").trim().parse()?)
    }

    /// Bytes written so far to the log and to the payload store.
    pub fn ledger_bytes(&self) -> Result<(u64, u64)> {
        let ledger = self.home.join("state/ledger");
        Ok((written_below(&ledger.join("log"))?, written_below(&ledger.join("payload"))?))
    }

    /// How often the ledger was synced, if the gate says so.
    pub async fn syncs(&self) -> Result<Option<u64>> {
        let answer = self.operate("GET", "/v1/status", Bytes::new()).await?;
        Ok(answer["ledger_syncs"].as_u64())
    }

    /// A request by the operator of the first start.
    pub async fn operate(&self, method: &str, path: &str, body: Bytes) -> Result<serde_json::Value> {
        let pem = fs::read_to_string(self.home.join("state/keys/operator-local.pem"))
            .context("the operator's key")?;
        let key = SigningKey::from_pkcs8_pem(&pem)?;
        let mut connection = Connection::open(&self.home.join("run/admin/gate-admin.sock")).await?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost")
            .header("dpop", proof(&key, method, path, None, &body)?)
            .header("content-type", "application/json")
            .body(Full::from(body))?;
        let (status, answer) = connection.send(request).await?;
        ensure!(status.is_success(), "{path} was refused: {status} {}", String::from_utf8_lossy(&answer));
        Ok(serde_json::from_slice(&answer)?)
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let asked = Pid::from_raw(self.child.id().cast_signed()).map(|pid| kill_process(pid, Signal::TERM));
        if !matches!(asked, Some(Ok(()))) {
            // Ended by itself, or not to be asked: then it is not to be waited for either.
            drop(self.child.kill());
        }
        drop(self.child.wait());
    }
}

fn spawn(binary: &Path, home: &Path, root: &Path, said: File) -> Result<Child> {
    let mut command = Command::new(binary);
    command.args(["up", "--root"]).arg(root).env("LATCHGATE_HOME", home).env_remove("LATCHGATE_SOCKET");
    command.stdin(Stdio::null()).stdout(said.try_clone()?).stderr(said);
    command.spawn().with_context(|| format!("cannot start {}", binary.display()))
}

/// With the policy that `up` would put there, but for fetching.
fn make_home(home: &Path, manifests: &[(String, Vec<u8>)]) -> Result<()> {
    let (policies, actions) = (home.join("policies"), home.join("manifests"));
    for dir in [home, &policies, &actions] {
        private_dir(dir)?;
    }
    let policy = include_str!("../../policies/standard/policy.cedar").replace(ASK_TO_FETCH, "");
    private_file(&policies.join("standard.cedar"), policy.as_bytes())?;
    private_file(&home.join("latchgate.toml"), CONFIG.as_bytes())?;
    manifests.iter().try_for_each(|(name, content)| private_file(&actions.join(name), content))
}

fn private_file(path: &Path, content: &[u8]) -> Result<()> {
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(path)?;
    Ok(file.write_all(content)?)
}

fn private_dir(path: &Path) -> Result<()> {
    DirBuilder::new().mode(0o700).create(path).with_context(|| format!("cannot make {}", path.display()))
}

/// Files are allocated ahead and end in zeros: what counts is what lies before those.
fn written_below(dir: &Path) -> Result<u64> {
    let mut bytes = 0;
    for item in fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))? {
        let content = fs::read(item?.path())?;
        bytes += content.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1);
    }
    Ok(bytes)
}
