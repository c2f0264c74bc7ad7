//! Logs: what the gate's operator needs to know, never an argument, a lease, a proof or a key.
//!
//! On stderr for whoever watches, and as JSON lines in `gate.log`, which is rotated by size.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal as _, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

/// The file is set aside as `gate.log.1` when it has this many bytes; the one set aside before goes.
const FILE_BYTES_MAX: u64 = 16 << 20;

static FILE: OnceLock<Mutex<Rotated>> = OnceLock::new();

/// What goes to stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logs {
    /// Warnings and errors, for whoever watches.
    Watched,
    /// Everything, as JSON lines, for a service manager.
    Json,
}

/// `LATCHGATE_LOG` chooses the level (`error`, `warn`, `info`, `debug`, or tracing's filter syntax); default `info` for
/// the file, of which stderr shows what `logs` says. Called once; a second call changes nothing.
pub fn init(logs: Logs) {
    let filter = EnvFilter::try_from_env("LATCHGATE_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let watch = tracing_subscriber::fmt::layer().with_writer(|| Watched(io::stderr()));
    let watch = match logs {
        Logs::Watched => watch.with_ansi(colour).with_target(false).with_filter(LevelFilter::WARN).boxed(),
        Logs::Json => watch.json().flatten_event(true).boxed(),
    };
    let keep = tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(|| Kept);
    let subscriber = tracing_subscriber::registry().with(filter).with(watch).with(keep);
    // Somebody who embeds the gate may have a subscriber of their own.
    let _set_already = tracing::subscriber::set_global_default(subscriber);
}

/// From here on `gate.log` in `dir` is written too.
///
/// # Errors
/// If the file cannot be opened.
pub fn keep_in(dir: &Path) -> io::Result<()> {
    let rotated = Rotated::open(dir.join("gate.log"), FILE_BYTES_MAX)?;
    // A second gate in the same process (as in tests) logs to the first one's file.
    let _kept_already = FILE.set(Mutex::new(rotated));
    Ok(())
}

/// stderr, whose absence must not stop the gate.
struct Watched(io::Stderr);

impl Write for Watched {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(self.0.write(bytes).unwrap_or(bytes.len()))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().or(Ok(()))
    }
}

/// The file, once there is one.
struct Kept;

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(file) = FILE.get() {
            // A full disk must not stop the gate for its log's sake.
            let _lost = file.lock().unwrap_or_else(PoisonError::into_inner).append(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Rotated {
    path: PathBuf,
    file: File,
    size: u64,
    bytes_max: u64,
}

impl Rotated {
    fn open(path: PathBuf, bytes_max: u64) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path)?;
        let size = file.metadata()?.len();
        Ok(Self { path, file, size, bytes_max })
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.size + bytes.len() as u64 > self.bytes_max && self.size > 0 {
            fs::rename(&self.path, self.path.with_extension("log.1"))?;
            *self = Self::open(self.path.clone(), self.bytes_max)?;
        }
        self.file.write_all(bytes)?;
        self.size += bytes.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_log_is_set_aside_and_no_line_is_torn() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gate.log");
        let mut log = Rotated::open(path.clone(), 20).unwrap();
        for line in ["first line\n", "second\n", "third line\n", "fourth\n"] {
            log.append(line.as_bytes()).unwrap();
        }
        assert_eq!(fs::read_to_string(dir.path().join("gate.log.1")).unwrap(), "first line\nsecond\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "third line\nfourth\n");
    }
}
