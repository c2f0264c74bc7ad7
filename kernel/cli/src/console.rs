//! Where words go: results to stdout, everything else to stderr; colour only where somebody sees it.

use std::io::{self, IsTerminal as _, Write as _};

use owo_colors::OwoColorize as _;
use serde::Serialize;

use crate::exit::Failure;
use crate::visible;

/// What a result is printed as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// `--json`: one document or JSON lines on stdout, and nothing else there.
    Json,
}

/// The two streams, and who is at their ends.
#[derive(Clone, Copy, Debug)]
pub struct Console {
    format: Format,
    is_stdin_terminal: bool,
    is_stdout_terminal: bool,
    is_stderr_terminal: bool,
}

impl Console {
    pub fn new(format: Format) -> Self {
        Self {
            format,
            is_stdin_terminal: io::stdin().is_terminal(),
            is_stdout_terminal: io::stdout().is_terminal(),
            is_stderr_terminal: io::stderr().is_terminal(),
        }
    }

    pub fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    pub fn is_stdout_terminal(&self) -> bool {
        self.is_stdout_terminal
    }

    pub fn is_stderr_terminal(&self) -> bool {
        self.is_stderr_terminal
    }

    /// Somebody reads both streams and waits.
    pub fn is_watched(&self) -> bool {
        self.is_stdout_terminal && self.is_stderr_terminal && !self.is_json()
    }

    /// Somebody can be asked.
    pub fn is_interactive(&self) -> bool {
        self.is_stdin_terminal && self.is_stderr_terminal
    }

    /// Columns of the terminal that results go to; `None` where they go to a file or pipe.
    pub fn width(&self) -> Option<usize> {
        let size = match (self.is_stdout_terminal, self.is_stderr_terminal) {
            (true, _) => rustix::termios::tcgetwinsize(io::stdout()),
            (false, true) => rustix::termios::tcgetwinsize(io::stderr()),
            (false, false) => return None,
        };
        size.ok().map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0)
    }

    /// A result, with a line break behind it.
    pub fn result(&self, text: &str) -> Result<(), Failure> {
        Ok(writeln!(anstream::stdout(), "{}", text.trim_end_matches('\n'))?)
    }

    /// A result as it is, to the byte.
    pub fn bytes(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        out.write_all(bytes)?;
        Ok(out.flush()?)
    }

    /// One JSON document on one line.
    pub fn json(&self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(value).map_err(io::Error::from)?;
        Ok(writeln!(anstream::stdout(), "{}", visible::json(&text))?)
    }

    /// Something to know, not the result.
    pub fn note(&self, text: &str) {
        // Nobody can be told that stderr is closed.
        let _closed = writeln!(anstream::stderr(), "{}", text.trim_end_matches('\n'));
    }

    /// What went wrong and what would help.
    pub fn failure(&self, failure: &Failure) {
        let mut lines = Vec::new();
        let what: Vec<&str> = failure.what.lines().collect();
        for (i, line) in what.iter().enumerate() {
            let label = if i == 0 { "error:" } else { "      " };
            lines.push(format!("{} {}", label.red().bold(), visible::styled(line)));
        }
        if let Some(remedy) = &failure.remedy {
            lines.push(format!("{}  {}", "help:".bold(), visible::styled(remedy)));
        }
        self.note(&lines.join("\n"));
        if self.is_json() {
            // The exit code says it all if stdout is gone.
            let _closed = self.json(&failure.document());
        }
    }

    /// Asks on stderr; anything but yes is no.
    ///
    /// # Errors
    /// If stdin cannot be read.
    pub async fn confirm(&self, question: &str) -> Result<bool, Failure> {
        let answer = self.ask(&format!("{question} [y/N]")).await?;
        Ok(matches!(answer.to_lowercase().as_str(), "y" | "yes"))
    }

    /// Asks on stderr; the line that is typed, without space around it.
    ///
    /// # Errors
    /// If stdin cannot be read.
    pub async fn ask(&self, question: &str) -> Result<String, Failure> {
        let prompt = write!(anstream::stderr(), "{} ", question.bold());
        prompt.and_then(|()| io::stderr().flush())?;
        // Beside the runtime, so that connections kept open are looked after meanwhile.
        let answer = tokio::task::spawn_blocking(|| {
            let mut line = String::new();
            io::stdin().read_line(&mut line).map(|_| line)
        });
        let line = answer.await.map_err(io::Error::other)??;
        Ok(line.trim().to_owned())
    }
}
