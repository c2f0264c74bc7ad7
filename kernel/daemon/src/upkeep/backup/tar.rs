//! A tar archive as POSIX.1-1988 has it (ustar): files 0600 and directories 0700, of no owner.

use std::io::{self, Read, Write};
use std::path::Path;

const BLOCK: usize = 512;
const NAME_BYTES: usize = 100;
const PREFIX_BYTES: usize = 155;

pub struct Tar<W> {
    out: W,
}

impl<W: Write> Tar<W> {
    pub fn new(out: W) -> Self {
        Self { out }
    }

    pub fn folder(&mut self, path: &Path) -> io::Result<()> {
        let header = header(&format!("{}/", path.display()), 0o700, 0, b'5')?;
        self.out.write_all(&header)
    }

    pub fn file(&mut self, path: &Path, bytes: u64, content: &mut dyn Read) -> io::Result<()> {
        self.out.write_all(&header(&path.display().to_string(), 0o600, bytes, b'0')?)?;
        let copied = io::copy(content, &mut self.out)?;
        if copied != bytes {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("{copied} bytes of {bytes} were there"),
            ));
        }
        let rest = usize::try_from(bytes % BLOCK as u64).unwrap_or(0);
        self.out.write_all(&[0; BLOCK][..(BLOCK - rest) % BLOCK])
    }

    /// Two blocks of zeros end it.
    pub fn finish(&mut self) -> io::Result<&mut W> {
        self.out.write_all(&[0; 2 * BLOCK])?;
        self.out.flush()?;
        Ok(&mut self.out)
    }
}

fn header(path: &str, mode: u32, bytes: u64, kind: u8) -> io::Result<[u8; BLOCK]> {
    let unfit = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, format!("{path}: {what}"));
    let (prefix, name) = split(path).ok_or_else(|| unfit("the name is too long for an archive"))?;
    // Eleven octal digits: 8 GiB, of which segments stay far below.
    if bytes >= 1 << 33 {
        return Err(unfit("the file is too large for an archive"));
    }
    let mut block = [0; BLOCK];
    let mut put = |at: usize, text: &str| block[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, &format!("{mode:07o}"));
    put(108, "0000000");
    put(116, "0000000");
    put(124, &format!("{bytes:011o}"));
    put(136, "00000000000");
    put(148, "        ");
    put(257, "ustar\u{0}00");
    put(345, prefix);
    block[156] = kind;
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\u{0} ").as_bytes());
    Ok(block)
}

/// At a slash, so that both fit into their fields.
fn split(path: &str) -> Option<(&str, &str)> {
    if path.len() <= NAME_BYTES {
        return Some(("", path));
    }
    let slashes = path.match_indices('/').map(|(at, _)| at);
    slashes
        .map(|at| (&path[..at], &path[at + 1..]))
        .find(|(prefix, name)| prefix.len() <= PREFIX_BYTES && !name.is_empty() && name.len() <= NAME_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_split_where_both_parts_fit_and_refused_where_none_do() {
        let long = format!("a/{}", "b".repeat(99));
        assert_eq!(split(&long), Some(("a", &long[2..])));
        assert_eq!(split(&"b".repeat(100)), Some(("", "b".repeat(100).as_str())));
        assert_eq!(split(&"b".repeat(101)), None);
        assert_eq!(split(&format!("{}/{}", "a".repeat(156), "b".repeat(100))), None);
    }

    #[test]
    fn content_is_padded_and_a_short_file_is_an_error() {
        let mut tar = Tar::new(Vec::new());
        tar.file(Path::new("a"), 3, &mut &b"abc"[..]).unwrap();
        assert!(tar.file(Path::new("b"), 4, &mut &b"abc"[..]).is_err());
        let mut tar = Tar::new(Vec::new());
        tar.folder(Path::new("d")).unwrap();
        tar.file(Path::new("d/a"), 512, &mut &[7; 512][..]).unwrap();
        assert_eq!(tar.finish().unwrap().len(), BLOCK * (1 + 2 + 2));
    }
}
