//! One session: the gate opens a listener, the jail is built around it, the command runs, and we end as it did.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process;

use latchgate_client::OperatorClient;
use latchgate_jail::{Environment, Fill, GATE_SOCKET, Jail, JailError, Layout, LayoutError, Start};
use latchgate_wire::jail::JailRequest;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use super::Sandbox;
use crate::commands::Global;
use crate::connect;
use crate::console::Console;
use crate::exit::{Exit, Failure};

/// What is tried where a name that nobody chose is taken: NAME, NAME-2, NAME-3 and so on.
const NAMES_MAX: usize = 16;
/// Without one of the caller's.
const SHELL: &str = "/bin/sh";
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

pub fn run(sandbox: Sandbox, global: &Global, console: &Console) -> Result<Exit, Failure> {
    // The jail is started by this thread and ends with it: the runtime has others.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let places = connect::places()?;
    let command = sandbox.command();
    let gate = if sandbox.no_gate {
        None
    } else {
        let operator = connect::operator(global.socket(), &sandbox.operator.name)?;
        Some(runtime.block_on(open(&operator, &sandbox, &command))?)
    };
    let name = gate.as_ref().map_or_else(|| sandbox.own_name(&command), |gate| gate.name.clone());
    let layout = Layout {
        level: sandbox.level,
        home: home()?,
        workspace: sandbox.workspace.clone().map_or_else(std::env::current_dir, Ok)?,
        read_only_workspace: false,
        binds: sandbox.binds(),
        forbidden: places.forbidden(),
        gate_socket: gate.map(|gate| gate.socket),
        ports: Vec::new(),
        environment: sandbox.environment(&name)?,
        command,
    };
    let plan = layout.plan().map_err(refused_layout)?;
    let jail = Jail::build(plan).map_err(refused_jail)?;
    let layers = jail.layers();
    if console.is_interactive() {
        console.note(&format!(
            "jail:{name}, level {}{}",
            sandbox.level,
            if layers.landlock_abi > 0 { ", with Landlock" } else { "" }
        ));
    }
    let started = jail.start().map_err(refused_jail)?;
    pass_signals_on(&runtime, &started)?;
    let ended = started.wait().map_err(refused_jail)?;
    runtime.shutdown_background();
    process::exit(i32::from(ended.code));
}

/// A listener of the gate's for this session.
struct Opened {
    name: String,
    socket: PathBuf,
}

async fn open(operator: &OperatorClient, sandbox: &Sandbox, command: &[OsString]) -> Result<Opened, Failure> {
    let base = sandbox.own_name(command);
    let mut tried = 1;
    loop {
        let name = if tried == 1 { base.clone() } else { format!("{base}-{tried}") };
        let request =
            JailRequest { name, level: sandbox.level, profile: "generic".into(), hosts: Vec::new() };
        match operator.open_jail(&request).await {
            Ok(opened) => return Ok(Opened { name: opened.name, socket: opened.socket }),
            Err(error) => {
                let failure = Failure::from(error);
                let is_taken = failure.document()["error"] == "conflict";
                if !is_taken || sandbox.name.is_some() || tried >= NAMES_MAX {
                    return Err(failure);
                }
                tried += 1;
            }
        }
    }
}

impl Sandbox {
    fn command(&self) -> Vec<OsString> {
        if self.shell {
            let shell = std::env::var_os("SHELL").filter(|shell| Path::new(shell).starts_with("/bin"));
            return vec![shell.unwrap_or_else(|| SHELL.into())];
        }
        self.command.clone()
    }

    /// What a name may not hold becomes `-`.
    fn own_name(&self, command: &[OsString]) -> String {
        if let Some(name) = &self.name {
            return name.clone();
        }
        let program = command.first().map(Path::new).and_then(Path::file_name).unwrap_or_default();
        let name: String = program.to_string_lossy().chars().map(of_a_name).take(NAME_CHARS).collect();
        let name = name.trim_start_matches('.');
        if name.is_empty() { "agent".into() } else { name.to_owned() }
    }

    fn binds(&self) -> Vec<(PathBuf, Fill)> {
        let changed = self.bind.iter().map(|path| (path.clone(), Fill::ReadWrite));
        changed.chain(self.read_only.iter().map(|path| (path.clone(), Fill::ReadOnly))).collect()
    }

    fn environment(&self, name: &str) -> Result<Environment, Failure> {
        let mut environment = Environment::taken_over(std::env::vars_os());
        environment.set("HOME", home()?);
        environment.set("PATH", PATH);
        environment.set("SHELL", SHELL);
        environment.set("TMPDIR", "/tmp");
        environment.set("LATCHGATE_SANDBOX", name);
        if !self.no_gate {
            environment.set("LATCHGATE_SOCKET", GATE_SOCKET);
        }
        for wish in &self.env {
            match wish.split_once('=') {
                Some(("", _)) => {
                    return Err(Failure::usage(format!("--env {wish}: expected NAME or NAME=VALUE")));
                }
                Some((name, value)) => environment.set(name, value),
                None => {
                    let value = std::env::var_os(wish);
                    let value =
                        value.ok_or_else(|| Failure::usage(format!("--env {wish}: it is not set here")))?;
                    environment.set(wish, value);
                }
            }
        }
        Ok(environment)
    }
}

const NAME_CHARS: usize = 60;

fn of_a_name(c: char) -> char {
    if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' }
}

fn home() -> Result<PathBuf, Failure> {
    let home = std::env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
    home.ok_or_else(|| Failure::usage("HOME: expected the absolute path of your home directory"))
}

/// Signals to us are meant for the command; the window's size is the terminal's inside.
fn pass_signals_on(runtime: &Runtime, started: &Start) -> Result<(), Failure> {
    let _entered = runtime.enter();
    for kind in [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup(), SignalKind::quit()] {
        let (mut arriving, mut to) = (signal(kind)?, started.signals()?);
        runtime.spawn(async move {
            while arriving.recv().await.is_some() {
                let number = u8::try_from(kind.as_raw_value()).unwrap_or_default();
                // A command that has ended needs none.
                let _ended = to.send(number);
            }
        });
    }
    let (mut arriving, resize) = (signal(SignalKind::window_change())?, started.resizer());
    runtime.spawn(async move {
        while arriving.recv().await.is_some() {
            resize();
        }
    });
    Ok(())
}

fn refused_layout(error: LayoutError) -> Failure {
    Failure::usage(error.to_string())
}

fn refused_jail(error: JailError) -> Failure {
    Failure::new(Exit::Failed, error.to_string())
}
