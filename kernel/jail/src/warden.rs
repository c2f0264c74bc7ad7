//! Outside: starts the stages, hands over what was made inside, and waits.

use std::fs::File;
use std::io::{self, Write as _};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Child;

use rustix::fs::{MemfdFlags, SealFlags};

use crate::channel::{self, BEGIN, Layers, Report};
use crate::plan::Plan;
use crate::stage::{self, Stage};
use crate::terminal::{Relay, Terminal};

/// Why there is no jail. Nothing was started then.
#[derive(Debug, thiserror::Error)]
pub enum JailError {
    #[error("{0}")]
    Refused(String),
    #[error("the jail cannot be started: {0}")]
    Io(#[from] io::Error),
}

/// A jail that is built and confined, in which the command was not started yet. Dropping it ends it.
#[derive(Debug)]
pub struct Jail {
    child: Child,
    control: UnixStream,
    layers: Layers,
    listeners: Vec<TcpListener>,
    terminal: Option<OwnedFd>,
}

/// A jail in which the command runs. Dropping it ends it.
#[derive(Debug)]
pub struct Start {
    jail: Jail,
    relay: Option<Relay>,
}

/// How the command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its exit status; 128 and the signal's number where one ended it.
    pub code: u8,
}

impl Jail {
    /// Builds it. The thread that calls this must outlive it: the jail ends with that thread.
    ///
    /// # Errors
    /// If the kernel does not give what the plan's level needs.
    pub fn build(mut plan: Plan) -> Result<Self, JailError> {
        plan.warden = std::process::id();
        let file = sealed(&plan)?;
        let (control, theirs) = UnixStream::pair()?;
        let theirs = OwnedFd::from(theirs);
        let mut child = stage::command(Stage::Outer, &file, &theirs)?.spawn()?;
        drop((file, theirs));
        let mut control = control;
        match channel::receive(&mut control) {
            Ok((Report::Ready(layers), descriptors)) => {
                let mut descriptors = descriptors.into_iter();
                let listeners = descriptors.by_ref().take(plan.ports.len()).map(TcpListener::from).collect();
                Ok(Self { child, control, layers, listeners, terminal: descriptors.next() })
            }
            Ok((Report::Failed(reason), _)) => {
                child.wait()?;
                Err(JailError::Refused(reason))
            }
            Err(error) => {
                let _ended_already = child.kill();
                child.wait()?;
                Err(JailError::Io(error))
            }
        }
    }

    /// What confines the command besides the namespaces.
    pub fn layers(&self) -> Layers {
        self.layers
    }

    /// The listeners on the ports of the plan, in its order. They live in the jail's network and may be served from here.
    pub fn take_listeners(&mut self) -> Vec<TcpListener> {
        std::mem::take(&mut self.listeners)
    }

    /// Lets the command begin.
    ///
    /// # Errors
    /// If the jail ended meanwhile.
    pub fn start(mut self) -> Result<Start, JailError> {
        let terminal = self.terminal.take();
        // Before the command's first byte: what is typed from here on is the command's.
        let relay = terminal.map(|fd| Terminal::enter(fd).map(Terminal::relay)).transpose()?;
        self.control.write_all(&[BEGIN])?;
        Ok(Start { jail: self, relay })
    }
}

impl Start {
    /// A way to the command for signals.
    ///
    /// # Errors
    /// If descriptors are short.
    pub fn signals(&self) -> io::Result<Signals> {
        Ok(Signals(self.jail.control.try_clone()?))
    }

    /// The caller's window has another size: the terminal inside gets it too.
    pub fn resizer(&self) -> impl Fn() + Send + 'static {
        let resize = self.relay.as_ref().map(Relay::resizer);
        move || resize.iter().for_each(|resize| resize())
    }

    /// Waits for the command. Every other process inside ends with it.
    ///
    /// # Errors
    /// If the command could not be started although all was built.
    pub fn wait(mut self) -> Result<Ended, JailError> {
        let status = self.jail.child.wait()?;
        if let Some(relay) = self.relay.take() {
            relay.finish();
        }
        self.jail.control.set_nonblocking(true)?;
        if let Ok((Report::Failed(reason), _)) = channel::receive(&mut self.jail.control) {
            return Err(JailError::Refused(reason));
        }
        use std::os::unix::process::ExitStatusExt as _;
        let signalled = status.signal().map(|signal| 128 + signal);
        let code = signalled.or(status.code()).and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX);
        Ok(Ended { code })
    }
}

/// Passes signals on to the command.
#[derive(Debug)]
pub struct Signals(UnixStream);

impl Signals {
    /// # Errors
    /// If the jail has ended.
    pub fn send(&mut self, signal: u8) -> io::Result<()> {
        self.0.write_all(&[signal])
    }
}

impl Drop for Jail {
    fn drop(&mut self) {
        // Ended already is as good. With the outer stage goes process 1, and with that everything inside.
        let _ended_already = self.child.kill();
        let _waited_already = self.child.wait();
    }
}

/// A file without a name, which nobody can change any more.
fn sealed(plan: &Plan) -> io::Result<File> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut file = File::from(rustix::fs::memfd_create("latchgate-jail", flags)?);
    file.write_all(&serde_json::to_vec(plan)?)?;
    let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    rustix::fs::fcntl_add_seals(&file, seals)?;
    Ok(file)
}
