//! A terminal taken over: raw and on its second screen, and given back however the program ends.

pub mod keyboard;
pub mod keys;

use std::io::{self, IsTerminal as _, Write as _};
use std::panic;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

/// How the terminal was set before, while it is taken. Global, because a panic has to find it.
static BEFORE: Mutex<Option<Before>> = Mutex::new(None);

struct Before {
    modes: Termios,
    /// The second screen was taken, too.
    is_on_second_screen: bool,
}

/// Second screen, no cursor.
const ENTER: &str = "\u{1B}[?1049h\u{1B}[?25l";
const LEAVE: &str = "\u{1B}[?25h\u{1B}[?1049l";

/// Rows and columns where the terminal does not say.
const SIZE: (usize, usize) = (24, 80);

/// The terminal at stdin and stdout. Dropped, it is as it was.
pub struct Terminal {
    is_coloured: bool,
}

impl Terminal {
    /// Whether somebody sees stdout and types into stdin.
    pub fn is_there() -> bool {
        io::stdin().is_terminal() && io::stdout().is_terminal()
    }

    /// Takes it. What was typed before is dropped: it was meant for something else.
    ///
    /// # Errors
    /// If there is none.
    pub fn take() -> io::Result<Self> {
        give_back_in_a_panic();
        enter()?;
        let is_coloured = anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never;
        Ok(Self { is_coloured })
    }

    /// Rows and columns.
    pub fn size(&self) -> (usize, usize) {
        let size = tcgetwinsize(io::stdout()).ok().filter(|size| size.ws_row > 0 && size.ws_col > 0);
        size.map_or(SIZE, |size| (usize::from(size.ws_row), usize::from(size.ws_col)))
    }

    /// Replaces what is on the screen. A line has no more columns, and there are no more lines, than it has.
    ///
    /// # Errors
    /// If it is gone.
    pub fn draw(&self, lines: &[String]) -> io::Result<()> {
        let mut frame = String::from("\u{1B}[H");
        for (row, line) in lines.iter().enumerate() {
            if row > 0 {
                frame.push_str("\r\n");
            }
            if self.is_coloured {
                frame.push_str(line);
                frame.push_str("\u{1B}[0m");
            } else {
                frame.push_str(&anstream::adapter::strip_str(line).to_string());
            }
            frame.push_str("\u{1B}[K");
        }
        frame.push_str("\u{1B}[J");
        write(&frame)
    }

    pub fn bell(&self) -> io::Result<()> {
        write("\u{7}")
    }

    /// Gives it back for as long as somebody else uses it; [`Self::resume`] takes it again.
    pub fn release(&self) {
        give_back();
    }

    /// # Errors
    /// If it is gone.
    pub fn resume(&self) -> io::Result<()> {
        give_back();
        enter()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        give_back();
    }
}

fn give_back_in_a_panic() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let others = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            give_back();
            others(info);
        }));
    });
}

fn enter() -> io::Result<()> {
    let before = tcgetattr(io::stdin())?;
    let mut raw = before.clone();
    raw.make_raw();
    tcsetattr(io::stdin(), OptionalActions::Flush, &raw)?;
    *taken() = Some(Before { modes: before, is_on_second_screen: true });
    write(ENTER)
}

fn give_back() {
    let Some(before) = taken().take() else { return };
    // Nobody can be told, and there is nothing else to try.
    if before.is_on_second_screen {
        let _gone = write(LEAVE);
    }
    let _gone = tcsetattr(io::stdin(), OptionalActions::Drain, &before.modes);
}

fn taken() -> MutexGuard<'static, Option<Before>> {
    BEFORE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Past colour filters: they would take the control sequences for colours.
fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
