//! A value on its way in: typed unseen, or read from stdin; and the refusal of one that stands on the command line.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Read as _};
use std::path::Path;

use latchgate_wire::secret::{SecretName, SecretText, VALUE_BYTES_MAX};
use zeroize::Zeroizing;

use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::keys;

/// A name as it was typed. What is none is not repeated: it may be a value.
pub fn name(text: &str) -> Result<SecretName, Failure> {
    text.parse().map_err(|error: latchgate_wire::secret::SecretNameError| {
        Failure::usage(error.to_string())
            .remedy("latchgate secrets set NAME, and the value when it is asked for")
    })
}

/// What stands behind the name has been seen by everybody already, and is not taken.
pub fn refuse_on_command_line(name: &SecretName, extra: &[OsString]) -> Result<(), Failure> {
    if extra.is_empty() {
        return Ok(());
    }
    Err(Failure::usage(
        "a value on the command line can be read by every user of this machine; it was not taken",
    )
    .remedy(format!(
        "latchgate secrets set {name}, and type it when asked, or pipe it in; change the one that was typed, \
             and take it out of your shell's history"
    )))
}

/// The value: typed on a terminal, else all of stdin but one line break at its end.
pub fn read(prompt: &str, console: &Console) -> Result<SecretText, Failure> {
    // A terminal is never read as a pipe: it would show what is typed.
    if io::stdin().is_terminal() {
        return Ok(SecretText::new(keys::ask_hidden(prompt)?.to_string()));
    }
    let value =
        bounded(io::stdin().lock()).map_err(|error| Failure::new(Exit::Failed, format!("stdin: {error}")))?;
    text(value, "stdin", console)
}

/// A value in a private file, read like stdin.
pub fn from_file(path: &Path, console: &Console) -> Result<SecretText, Failure> {
    let named = |error: io::Error| Failure::new(Exit::Failed, format!("{}: {error}", path.display()));
    let value = bounded(std::fs::File::open(path).map_err(named)?).map_err(named)?;
    text(value, &path.display().to_string(), console)
}

/// One byte more than the longest value and its line break: enough to be refused for its length.
fn bounded(from: impl io::Read) -> io::Result<Zeroizing<Vec<u8>>> {
    let limit = VALUE_BYTES_MAX + 3;
    let mut bytes = Zeroizing::new(Vec::with_capacity(limit));
    from.take(limit as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn text(mut value: Zeroizing<Vec<u8>>, what: &str, console: &Console) -> Result<SecretText, Failure> {
    if cut_line_break(&mut value) {
        console.note(&format!("the line break at the end of {what} is not part of the value"));
    }
    let text = std::str::from_utf8(&value)
        .map_err(|_| Failure::usage(format!("{what} is no UTF-8 text; encode it, as base64 for example")))?;
    Ok(SecretText::new(text.to_owned()))
}

fn cut_line_break(value: &mut Vec<u8>) -> bool {
    let cut = match value.as_slice() {
        [.., b'\r', b'\n'] => 2,
        [.., b'\n'] => 1,
        _ => 0,
    };
    value.truncate(value.len() - cut);
    cut > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_break_at_the_end_is_cut_and_no_other() {
        for (read, kept) in
            [("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), ("a", "a"), ("\n", ""), ("a\nb", "a\nb")]
        {
            let mut value = read.as_bytes().to_vec();
            assert_eq!(cut_line_break(&mut value), read != kept, "{read:?}");
            assert_eq!(value, kept.as_bytes(), "{read:?}");
        }
    }

    #[test]
    fn what_was_typed_in_the_wrong_place_is_not_repeated() {
        let extra = [OsString::from("hunter2")];
        let failure = refuse_on_command_line(&"a".parse().unwrap(), &extra).unwrap_err();
        assert!(!format!("{failure:?}").contains("hunter2"));
        assert_eq!(failure.exit, Exit::Usage);
        assert!(!format!("{:?}", name("a=hunter2").unwrap_err()).contains("hunter2"));
    }
}
