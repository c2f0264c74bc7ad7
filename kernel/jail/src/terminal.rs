//! The caller's terminal: raw while the command runs, its bytes moved to and from the one inside.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use rustix::termios::{
    OptionalActions, Termios, Winsize, isatty, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize,
};

const BUFFER_BYTES: usize = 16 * 1024;

/// Which of the first three descriptors are a terminal.
pub fn standard_terminals() -> [bool; 3] {
    [isatty(io::stdin()), isatty(io::stdout()), isatty(io::stderr())]
}

/// Rows and columns of the terminal at hand, if there is one.
pub fn window() -> Option<(u16, u16)> {
    size().map(|size| (size.ws_row, size.ws_col))
}

fn size() -> Option<Winsize> {
    tcgetwinsize(io::stdout())
        .or_else(|_| tcgetwinsize(io::stdin()))
        .or_else(|_| tcgetwinsize(io::stderr()))
        .ok()
}

/// The warden's side of the terminal inside, and how the caller's was before.
#[derive(Debug)]
pub(crate) struct Terminal {
    inside: Arc<File>,
    before: Before,
}

/// Puts the caller's terminal back when it is dropped.
#[derive(Debug)]
struct Before(Option<Termios>);

impl Drop for Before {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            // It may have been hung up.
            let _gone = tcsetattr(io::stdin(), OptionalActions::Drain, before);
        }
    }
}

impl Terminal {
    /// # Errors
    /// If the terminal cannot be made raw.
    pub(crate) fn enter(inside: OwnedFd) -> io::Result<Self> {
        let before = if isatty(io::stdin()) { Some(tcgetattr(io::stdin())?) } else { None };
        if let Some(before) = &before {
            let mut raw = before.clone();
            raw.make_raw();
            tcsetattr(io::stdin(), OptionalActions::Now, &raw)?;
        }
        Ok(Self { inside: Arc::new(File::from(inside)), before: Before(before) })
    }

    /// Moves bytes from here on, each way on a thread.
    pub(crate) fn relay(self) -> Relay {
        let (typed, shown) = (Arc::clone(&self.inside), Arc::clone(&self.inside));
        let output = thread::spawn(move || {
            let to = if isatty(io::stdout()) { Standard::Output } else { Standard::Error };
            pump(&*shown, to);
        });
        if isatty(io::stdin()) {
            // Ends with the process: a read that waits for a key cannot be taken back.
            thread::spawn(move || pump(io::stdin(), &*typed));
        }
        Relay { output: Some(output), terminal: self }
    }
}

/// A terminal whose bytes are moved.
#[derive(Debug)]
pub(crate) struct Relay {
    output: Option<JoinHandle<()>>,
    terminal: Terminal,
}

impl Relay {
    /// Gives the terminal inside the size of the window.
    pub(crate) fn resizer(&self) -> impl Fn() + Send + 'static {
        let inside = Arc::clone(&self.terminal.inside);
        move || {
            if let Some(size) = size() {
                // The jail may have ended.
                let _ended = tcsetwinsize(&*inside, size);
            }
        }
    }

    /// When all has ended inside: shows what is left, and gives the terminal back.
    pub(crate) fn finish(mut self) {
        if let Some(output) = self.output.take() {
            // A panic there has been told already.
            let _told = output.join();
        }
        let _given_back = &self.terminal.before;
    }
}

enum Standard {
    Output,
    Error,
}

impl Write for Standard {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Output => Ok(rustix::io::write(io::stdout(), bytes)?),
            Self::Error => Ok(rustix::io::write(io::stderr(), bytes)?),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Until one end is closed; a terminal inside without processes reads as an error.
fn pump(mut from: impl Read, mut to: impl Write) {
    let mut buffer = [0; BUFFER_BYTES];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return,
            Ok(bytes) => {
                if to.write_all(buffer.get(..bytes).unwrap_or_default()).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}
