//! From what the user wants to a [`Plan`]: which of the machine is inside, and what never is.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::environment::Environment;
use crate::plan::{Fill, Mount, Plan};
use crate::terminal;
use latchgate_wire::jail::Level;

/// Read-only from the machine, where it is there.
const SYSTEM: [&str; 11] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/opt",
    "/nix/store",
    "/gnu/store",
    "/snap",
];
/// Of `/etc`, what programs read and no account, key or host of the machine stands in.
const SETTINGS: [&str; 24] = [
    "alternatives",
    "bash.bashrc",
    "ca-certificates",
    "ca-certificates.conf",
    "crypto-policies",
    "debian_version",
    "gitconfig",
    "gnutls",
    "inputrc",
    "java",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "locale.alias",
    "locale.conf",
    "localtime",
    "magic",
    "mime.types",
    "os-release",
    "pki",
    "profile",
    "protocols",
    "services",
    "ssl",
];
/// Below the workspace: what a program outside runs or reads with more rights than the agent has.
const KEPT: [&str; 3] = [".git/hooks", ".git/config", ".vscode/tasks.json"];
const SECRET: [&str; 3] = [".env", ".env.local", ".env.production"];

/// Where the gate's socket is inside: where the service has it, so that clients find it without being told.
pub const GATE_SOCKET: &str = "/run/latchgate/gate.sock";
/// The user inside, where the caller is root: programs that refuse root run, and nothing inside is user 0.
const STAND_IN: u32 = 1000;
const HOSTNAME: &str = "latchgate-jail";

/// What is wanted inside.
#[derive(Clone, Debug)]
pub struct Layout {
    pub level: Level,
    /// Of the caller, and empty inside but for what is put there.
    pub home: PathBuf,
    /// Read and written; also where the command starts.
    pub workspace: PathBuf,
    pub read_only_workspace: bool,
    /// Directories that are kept, with where they lie inside; read and written.
    pub kept: Vec<(PathBuf, PathBuf)>,
    /// Further files and directories, under their own paths.
    pub binds: Vec<(PathBuf, Fill)>,
    /// The gate's directories, sockets included.
    pub forbidden: Vec<PathBuf>,
    /// The socket of this jail's own listener.
    pub gate_socket: Option<PathBuf>,
    pub ports: Vec<u16>,
    pub environment: Environment,
    pub command: Vec<OsString>,
}

/// What cannot be put into a jail.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("{0} is no place for a workspace: it holds far more than a project; give a directory below it")]
    TooWide(PathBuf),
    #[error("{inside} is a part of the gate ({gate}), which no jail holds")]
    Gate { inside: PathBuf, gate: PathBuf },
    #[error(
        "{0} is a link, and what it leads to would be written; make it a file or a directory, or remove it"
    )]
    Link(PathBuf),
}

impl Layout {
    /// Looks at the machine, and says what to build.
    ///
    /// # Errors
    /// [`LayoutError`]
    pub fn plan(self) -> Result<Plan, LayoutError> {
        let workspace = real(&self.workspace)?;
        let home = real(&self.home)?;
        if workspace == Path::new("/") || home.starts_with(&workspace) || is_system(&workspace) {
            return Err(LayoutError::TooWide(workspace));
        }
        let forbidden = self.forbidden.iter().filter_map(|path| path.canonicalize().ok()).collect::<Vec<_>>();
        let mut mounts = system();
        mounts.extend(made(&home));
        mounts.push(Mount::Empty { target: "/tmp".into(), mode: 0o1777 });
        mounts.push(Mount::Empty { target: "/run".into(), mode: 0o755 });
        mounts.push(Mount::Empty { target: home.clone(), mode: 0o700 });
        let mut writable = vec![PathBuf::from("/tmp"), "/dev/shm".into(), "/dev/pts".into(), home.clone()];

        let access = if self.read_only_workspace { Fill::ReadOnly } else { Fill::ReadWrite };
        let mut binds = vec![(workspace.clone(), access)];
        for (path, access) in &self.binds {
            binds.push((real(path)?, *access));
        }
        // The outer one first, so that an inner one lies on top of it.
        binds.sort_by_key(|(path, _)| path.components().count());
        for (path, access) in binds {
            not_of_the_gate(&path, &forbidden)?;
            if access == Fill::ReadWrite {
                writable.push(path.clone());
            }
            mounts.push(Mount::Bind { source: path.clone(), target: path, access });
        }
        for (source, target) in &self.kept {
            let source = real(source)?;
            not_of_the_gate(&source, &forbidden)?;
            writable.push(target.clone());
            mounts.push(Mount::Bind { source, target: target.clone(), access: Fill::ReadWrite });
        }
        mounts.extend(guarded(&workspace)?);
        // What lies below anything bound is covered, whatever was bound.
        let covered = forbidden.iter().filter(|path| is_seen(path, &mounts));
        mounts.extend(covered.map(|path| Mount::Hidden { target: path.clone() }).collect::<Vec<_>>());
        if let Some(socket) = &self.gate_socket {
            let target = PathBuf::from(GATE_SOCKET);
            mounts.push(Mount::Bind { source: real(socket)?, target, access: Fill::ReadOnly });
        }
        mounts.extend([Mount::Proc, Mount::Dev]);
        let (uid, gid) = identity();
        Ok(Plan {
            level: self.level,
            warden: 0,
            hostname: HOSTNAME.into(),
            uid,
            gid,
            mounts,
            writable,
            directory: workspace,
            command: self.command,
            environment: self.environment.into_pairs(),
            ports: self.ports,
            terminal: terminal::standard_terminals(),
            window: terminal::window(),
        })
    }
}

fn real(path: &Path) -> Result<PathBuf, LayoutError> {
    path.canonicalize().map_err(|source| LayoutError::Io { path: path.to_owned(), source })
}

fn is_system(path: &Path) -> bool {
    let closed = ["/etc", "/proc", "/sys", "/dev", "/run", "/var", "/boot", "/tmp", "/root", "/home"];
    SYSTEM.iter().chain(&closed).any(|dir| path == Path::new(dir))
        || SYSTEM.iter().any(|dir| path.starts_with(dir))
}

/// A link stays a link: `/bin` to `/usr/bin`, on most systems.
fn system() -> Vec<Mount> {
    let of_etc = SETTINGS.iter().map(|name| Path::new("/etc").join(name));
    let paths = SYSTEM.iter().map(PathBuf::from).chain(of_etc);
    paths.filter_map(|path| entry(&path)).collect()
}

fn entry(path: &Path) -> Option<Mount> {
    if let Ok(to) = fs::read_link(path) {
        return Some(Mount::Symlink { target: path.to_owned(), to });
    }
    let target = path.to_owned();
    path.exists().then(|| Mount::Bind { source: target.clone(), target, access: Fill::ReadOnly })
}

/// Files that say about the machine inside what the real ones say about the one outside.
fn made(home: &Path) -> Vec<Mount> {
    let (uid, gid) = identity();
    let file = |target: &str, text: String| Mount::File { target: target.into(), text };
    let home = home.display();
    vec![
        file(
            "/etc/passwd",
            format!("agent:x:{uid}:{gid}:agent:{home}:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"),
        ),
        file("/etc/group", format!("agent:x:{gid}:\nnogroup:x:65534:\n")),
        file("/etc/hosts", format!("127.0.0.1 localhost {HOSTNAME}\n::1 localhost\n")),
        file("/etc/hostname", format!("{HOSTNAME}\n")),
        file("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n".into()),
        // There is no name server: names are resolved by the proxy.
        file("/etc/resolv.conf", String::new()),
    ]
}

fn identity() -> (u32, u32) {
    let stand_in = |id: u32| if id == 0 { STAND_IN } else { id };
    (stand_in(rustix::process::geteuid().as_raw()), stand_in(rustix::process::getegid().as_raw()))
}

fn not_of_the_gate(path: &Path, forbidden: &[PathBuf]) -> Result<(), LayoutError> {
    match forbidden.iter().find(|gate| path.starts_with(gate)) {
        Some(gate) => Err(LayoutError::Gate { inside: path.to_owned(), gate: gate.clone() }),
        None => Ok(()),
    }
}

fn is_seen(path: &Path, mounts: &[Mount]) -> bool {
    mounts.iter().any(|mount| matches!(mount, Mount::Bind { target, .. } if path.starts_with(target)))
}

/// What is kept from the agent in a workspace that it may write to, where it is there.
fn guarded(workspace: &Path) -> Result<Vec<Mount>, LayoutError> {
    let there = |names: &[&str]| -> Result<Vec<PathBuf>, LayoutError> {
        let mut paths: Vec<PathBuf> = names.iter().map(|name| workspace.join(name)).collect();
        let mut failed = None;
        paths.retain(|path| is_there(path).unwrap_or_else(|error| failed.replace(error).is_some()));
        failed.map_or(Ok(paths), Err)
    };
    let (kept, secret) = (there(&KEPT)?, there(&SECRET)?);
    let on_the_way: BTreeSet<&Path> = kept
        .iter()
        .chain(&secret)
        .filter_map(|path| path.parent())
        .filter(|path| *path != workspace)
        .collect();
    // A directory that something is mounted on cannot be moved away and made anew.
    let pinned = on_the_way.into_iter().map(|path| (path, Fill::ReadWrite));
    let read_only = kept.iter().map(|path| (path.as_path(), Fill::ReadOnly));
    let bind =
        |(path, access): (&Path, Fill)| Mount::Bind { source: path.into(), target: path.into(), access };
    let hidden = secret.iter().map(|path| Mount::Hidden { target: path.clone() });
    Ok(pinned.chain(read_only).map(bind).chain(hidden).collect())
}

/// Whether something that can be covered is at `path`. A link there, or on the way, could lead the cover elsewhere.
fn is_there(path: &Path) -> Result<bool, LayoutError> {
    match path.canonicalize() {
        Ok(real) if real == path => Ok(true),
        Ok(_) => Err(LayoutError::Link(path.to_owned())),
        Err(_) if fs::symlink_metadata(path).is_ok() => Err(LayoutError::Link(path.to_owned())),
        Err(_) => Ok(false),
    }
}
