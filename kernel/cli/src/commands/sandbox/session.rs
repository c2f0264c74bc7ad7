//! One session: the gate opens a listener, the jail is built around it, the command runs, and we end as it did.

use std::process;
use std::time::Duration;

use latchgate_client::OperatorClient;
use latchgate_jail::{GATE_SOCKET, Jail, JailError, Layout, Start};
use latchgate_wire::jail::{JailOpened, JailRequest};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use super::Sandbox;
use super::choice::Choice;
use super::exits::{self, PROXY_PORT};
use crate::commands::Global;
use crate::connect;
use crate::console::Console;
use crate::exit::{Exit, Failure};

/// What is tried where a name that nobody chose is taken: NAME, NAME-2, NAME-3 and so on.
const NAMES_MAX: usize = 16;
/// For the last notes of what was reached, once the command has ended.
const LAST_NOTES: Duration = Duration::from_secs(10);

pub fn run(sandbox: Sandbox, global: &Global, console: &Console) -> Result<Exit, Failure> {
    // The jail is started by this thread and ends with it: the runtime has others.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let places = connect::places()?;
    let mut choice = Choice::of(&sandbox, &places)?;
    let gate = if sandbox.no_gate {
        if !choice.hosts.is_empty() {
            return Err(
                Failure::usage("--no-gate: what is reached would stand nowhere").remedy("add --no-network")
            );
        }
        None
    } else {
        let operator = connect::operator(global.socket(), &sandbox.operator.name)?;
        let opened = runtime.block_on(open(&operator, &sandbox, &choice))?;
        Some((operator, opened))
    };
    let name = gate.as_ref().map_or_else(|| choice.name.clone(), |(_, opened)| opened.name.clone());
    choice.environment.set("LATCHGATE_SANDBOX", &name);
    if gate.is_some() {
        choice.environment.set("LATCHGATE_SOCKET", GATE_SOCKET);
    }
    let way = if choice.hosts.is_empty() { None } else { Some(exits::way_out(&places)?) };
    if way.is_some() {
        point_at_the_proxy(&mut choice);
    }
    let layout = Layout {
        level: sandbox.level,
        home: choice.home,
        workspace: sandbox.workspace.clone().map_or_else(std::env::current_dir, Ok)?,
        read_only_workspace: false,
        binds: choice.binds,
        kept: choice.kept,
        forbidden: places.forbidden(),
        gate_socket: gate.as_ref().map(|(_, opened)| opened.socket.clone()),
        ports: way.iter().map(|_| PROXY_PORT).collect(),
        environment: choice.environment,
        command: choice.command,
    };
    let plan = layout.plan().map_err(|error| Failure::usage(error.to_string()))?;
    let mut jail = Jail::build(plan).map_err(refused)?;
    let mut listeners = jail.take_listeners().into_iter();
    let proxying = match (way, listeners.next(), gate) {
        (Some(out), Some(listener), Some((operator, opened))) => {
            let (recorder, recording) = exits::recording(&runtime, operator, opened.name);
            let serving = exits::serve(&runtime, listener, out, choice.hosts, recorder);
            Some((serving, recording))
        }
        _ => None,
    };
    if console.is_interactive() {
        console.note(&format!("jail:{name}, level {}", sandbox.level));
    }
    let started = jail.start().map_err(refused)?;
    pass_signals_on(&runtime, &started)?;
    let ended = started.wait().map_err(refused)?;
    if let Some((serving, recording)) = proxying {
        serving.abort();
        runtime.block_on(async {
            // What is not told by then is lost with the gate that does not listen.
            let _told = tokio::time::timeout(LAST_NOTES, recording).await;
        });
    }
    process::exit(i32::from(ended.code));
}

/// A listener of the gate's for this session.
async fn open(operator: &OperatorClient, sandbox: &Sandbox, choice: &Choice) -> Result<JailOpened, Failure> {
    let mut tried = 1;
    loop {
        let name = if tried == 1 { choice.name.clone() } else { format!("{}-{tried}", choice.name) };
        let (level, profile, hosts) = (sandbox.level, choice.profile.clone(), choice.hosts.to_strings());
        let error = match operator.open_jail(&JailRequest { name, level, profile, hosts }).await {
            Ok(opened) => return Ok(opened),
            Err(error) => Failure::from(error),
        };
        let is_taken = error.document()["error"] == "conflict";
        if !is_taken || sandbox.name.is_some() || tried >= NAMES_MAX {
            return Err(error);
        }
        tried += 1;
    }
}

fn point_at_the_proxy(choice: &mut Choice) {
    let proxy = format!("http://127.0.0.1:{PROXY_PORT}");
    for name in ["HTTPS_PROXY", "https_proxy"] {
        choice.environment.set(name, &proxy);
    }
    for name in ["NO_PROXY", "no_proxy"] {
        choice.environment.set(name, "localhost,127.0.0.1,::1");
    }
    // Node's own fetch goes by the variables only if it is told to.
    choice.environment.set("NODE_USE_ENV_PROXY", "1");
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

fn refused(error: JailError) -> Failure {
    let remedy = latchgate_jail::obstacles().first().map(|found| format!("{}: {}", found.what, found.remedy));
    let doctor = "`latchgate sandbox doctor` says what this kernel gives";
    Failure::new(Exit::Failed, error.to_string()).remedy(remedy.unwrap_or_else(|| doctor.into()))
}
