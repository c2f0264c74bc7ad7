//! Listeners for jails: one each, known by its socket, open as long as the process that asked for it lives.
//!
//! Whoever can reach the socket is that jail. It lies in a directory of the gate's own, which nobody else passes through, and is
//! put into the jail by whoever builds that (`latchgate sandbox`).

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use latchgate_monitor::denial::Denial;
use latchgate_monitor::ports::{Commit, Durability, Log as _};
use latchgate_wire::entry::Body;
use latchgate_wire::ids::TraceId;
use latchgate_wire::jail::{
    CONNECTIONS_MAX, JailConnected, JailConnections, JailEnd, JailEnded, JailOpened, JailRequest,
    JailStarted, Level,
};
use latchgate_wire::principal::is_name;
use latchgate_wire::problem::Code;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::unix::AsyncFd;
use tokio_util::task::TaskTracker;

use super::allotment::Allotment;
use super::connection::{Surface, serve};
use super::listen::{Access, Socket, bind};
use crate::gate::Gate;

/// A jail's connections are its own: it takes no place from anybody.
const CONNECTIONS_PER_JAIL: usize = 64;
const JAILS_MAX: usize = 64;
/// Of one entry's text.
const TEXT_BYTES_MAX: usize = 255;
const HOSTS_MAX: usize = 256;

/// The jails that are open.
#[derive(Default)]
pub struct Jails {
    open: Mutex<BTreeMap<String, Level>>,
    tasks: TaskTracker,
}

impl Jails {
    fn open(&self) -> MutexGuard<'_, BTreeMap<String, Level>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for every listener to be closed; the gate is told to end already.
    pub async fn end(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// What an earlier gate left behind.
///
/// # Errors
/// If it cannot be removed.
pub fn remove_leftovers(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A jail's name while it is open. Dropping it gives the name back.
struct Name {
    gate: Arc<Gate>,
    name: String,
}

impl Name {
    fn take(gate: &Arc<Gate>, request: &JailRequest) -> Result<Self, Denial> {
        let name = request.name.clone();
        let mut open = gate.jails.open();
        if open.contains_key(&name) {
            return Err(Denial::new(Code::Conflict, format!("there is a jail {name} already"))
                .remedy("give this one another name, or end that one"));
        }
        if open.len() >= JAILS_MAX || gate.shutdown.is_cancelled() {
            return Err(Denial::new(Code::Unavailable, "the gate takes no more jails now"));
        }
        open.insert(name.clone(), request.level);
        drop(open);
        Ok(Self { gate: Arc::clone(gate), name })
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        self.gate.jails.open().remove(&self.name);
        // The socket is gone; without its directory the name leaves nothing.
        let _left = fs::remove_dir_all(self.gate.places.jails_dir().join(&self.name));
    }
}

/// Opens a listener until `process`, which asks for it, ends.
///
/// # Errors
/// `schema_violation` for what is no name, `conflict` for one that is taken.
pub async fn open(
    gate: &Arc<Gate>,
    request: JailRequest,
    process: Option<i32>,
    operator: &str,
    trace_id: TraceId,
) -> Result<JailOpened, Denial> {
    check(&request)?;
    let leash = leash(process)?;
    let name = Name::take(gate, &request)?;
    let path = gate.places.jails_dir().join(&name.name).join("gate.sock");
    let socket = bind(&path, Access::Private).map_err(|error| Denial::fault(error.to_string()))?;
    // The directory keeps others away; inside, where the socket alone is, the user may be another one.
    let for_all = fs::set_permissions(&path, fs::Permissions::from_mode(0o666));
    for_all.map_err(|error| Denial::fault(error.to_string()))?;
    let started = Body::JailStarted(JailStarted {
        jail: request.name.clone(),
        level: request.level,
        profile: request.profile,
        hosts: request.hosts,
        operator: operator.to_owned(),
    });
    let log_index = record(gate, started, trace_id).await?;
    gate.jails.tasks.spawn(keep(name, socket, leash, request.level));
    Ok(JailOpened { name: request.name, socket: path, log_index })
}

/// Puts on record what was reached past the gate's actions.
///
/// # Errors
/// `not_found` if there is no such jail, `schema_violation` for too many connections at once.
pub async fn connected(
    gate: &Arc<Gate>,
    name: &str,
    made: JailConnections,
    trace_id: TraceId,
) -> Result<u64, Denial> {
    let level = gate.jails.open().get(name).copied();
    let level = level.ok_or_else(|| Denial::new(Code::NotFound, format!("there is no jail {name}")))?;
    let are_bounded = made.connections.iter().all(|made| {
        let refused = made.refused.as_ref().map_or(0, String::len);
        made.host.len() <= TEXT_BYTES_MAX && refused <= TEXT_BYTES_MAX
    });
    if !(1..=CONNECTIONS_MAX).contains(&made.connections.len()) || !are_bounded {
        let detail = format!(
            "expected 1 to {CONNECTIONS_MAX} connections, with texts of {TEXT_BYTES_MAX} bytes at most"
        );
        return Err(Denial::new(Code::SchemaViolation, detail));
    }
    let body = JailConnected { jail: name.to_owned(), level, connections: made.connections };
    record(gate, Body::JailConnected(body), trace_id).await
}

/// Serves until the process is gone or the gate ends.
async fn keep(name: Name, socket: Socket, leash: AsyncFd<OwnedFd>, level: Level) {
    let gate = Arc::clone(&name.gate);
    let surface = Surface::Jail(name.name.clone());
    let reason = tokio::select! {
        () = serve(&socket.listener, Arc::clone(&gate), &surface, Allotment::new(CONNECTIONS_PER_JAIL)) => {
            JailEnd::GateStopped
        }
        // A process's descriptor becomes readable when it ends.
        _ = leash.readable() => JailEnd::Ended,
    };
    drop(socket);
    let jail = name.name.clone();
    drop(name);
    gate.append(Body::JailEnded(JailEnded { jail, level, reason })).await;
}

fn check(request: &JailRequest) -> Result<(), Denial> {
    let are_bounded = request.hosts.len() <= HOSTS_MAX
        && request.hosts.iter().chain([&request.profile]).all(|text| text.len() <= TEXT_BYTES_MAX);
    match is_name(&request.name) && !request.name.starts_with('.') && are_bounded {
        true => Ok(()),
        false => Err(Denial::new(
            Code::SchemaViolation,
            "expected a name of 1 to 64 of `A-Z a-z 0-9 . _ -` that does not begin with a dot, and at most 256 hosts",
        )),
    }
}

fn leash(process: Option<i32>) -> Result<AsyncFd<OwnedFd>, Denial> {
    let unknown = || Denial::new(Code::BadRequest, "the kernel does not say which process asks");
    let pid = process.and_then(Pid::from_raw).ok_or_else(unknown)?;
    let fd = pidfd_open(pid, PidfdFlags::NONBLOCK).map_err(|_| unknown())?;
    // Its successor is unsafe code, for types that give their descriptor away; this one owns it until it is dropped.
    #[expect(deprecated, reason = "an OwnedFd keeps what the old function asks for")]
    AsyncFd::new(fd).map_err(|error| Denial::fault(error.to_string()))
}

async fn record(gate: &Gate, body: Body, trace_id: TraceId) -> Result<u64, Denial> {
    let commit = Commit { trace_id: Some(trace_id), body, payload: Durability::Buffered };
    Ok(gate.world.ledger.commit(commit).await?.seq)
}
