//! Keys as they are pressed, on a terminal that otherwise stays as it is: lines are printed, and Ctrl-C is a signal.

use std::io;

use rustix::process::getpgrp;
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, tcgetattr, tcgetpgrp, tcsetattr};

use super::{Before, give_back, give_back_in_a_panic, taken};

/// Given back when it is dropped.
pub struct Keyboard;

impl Keyboard {
    /// Takes it; `None` where another job has the terminal. What was typed before is dropped.
    ///
    /// # Errors
    /// If there is none.
    pub fn take() -> io::Result<Option<Self>> {
        if !is_ours() {
            return Ok(None);
        }
        give_back_in_a_panic();
        enter()?;
        Ok(Some(Self))
    }

    /// The key that was pressed since the last look, if it was one: more of them at once are pasted text, which decides
    /// nothing. Does not wait.
    pub fn pressed(&self) -> Option<char> {
        // A shell that had the terminal meanwhile leaves it as it likes it; reading would wait for a line then.
        if !is_ours() || (is_by_lines() && self.resume().is_err()) {
            return None;
        }
        let mut bytes = [0; 64];
        match rustix::io::read(io::stdin(), &mut bytes) {
            Ok(1) => Some(char::from(bytes[0])),
            _ => None,
        }
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

impl Drop for Keyboard {
    fn drop(&mut self) {
        give_back();
    }
}

/// Keys at once, unseen; a read takes what is there and does not wait.
fn enter() -> io::Result<()> {
    let before = tcgetattr(io::stdin())?;
    let mut modes = before.clone();
    modes.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
    modes.special_codes[SpecialCodeIndex::VMIN] = 0;
    modes.special_codes[SpecialCodeIndex::VTIME] = 0;
    tcsetattr(io::stdin(), OptionalActions::Flush, &modes)?;
    *taken() = Some(Before { modes: before, is_on_second_screen: false });
    Ok(())
}

/// Changing a terminal that another job has would stop us. One that controls nobody has no such job.
fn is_ours() -> bool {
    tcgetpgrp(io::stdin()).map_or(true, |group| group == getpgrp())
}

fn is_by_lines() -> bool {
    tcgetattr(io::stdin()).is_ok_and(|modes| modes.local_modes.contains(LocalModes::ICANON))
}
