//! Lines of a stream, each bounded: what is longer is skipped to its end and named, never kept.

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};

/// The longest message taken.
pub const LINE_BYTES_MAX: usize = 16 << 20;
/// A buffer that grew for one large message is not kept.
const KEPT_BYTES: usize = 64 << 10;

pub struct Lines<R> {
    from: BufReader<R>,
    line: Vec<u8>,
    /// The rest of the line is skipped. Here and not in `next`, which may be dropped and asked again.
    is_skipping: bool,
}

pub enum Line {
    /// Without its end.
    Whole(Vec<u8>),
    TooLong,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub fn new(from: R) -> Self {
        Self { from: BufReader::with_capacity(32 << 10, from), line: Vec::new(), is_skipping: false }
    }

    /// The next line; `None` at the end. May be dropped while it waits: nothing read is lost. Bytes behind the last line
    /// end are no line.
    pub async fn next(&mut self) -> Option<Line> {
        loop {
            let bytes = match self.from.fill_buf().await {
                Ok([]) => return None,
                Ok(bytes) => bytes,
                Err(error) => {
                    tracing::warn!(%error, "standard input cannot be read");
                    return None;
                }
            };
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(bytes.len(), |at| at + 1);
            let was_skipping = self.is_skipping;
            if !was_skipping {
                self.line.extend_from_slice(bytes.get(..end.unwrap_or(taken)).unwrap_or_default());
            }
            self.from.consume(taken);
            let is_too_long = self.line.len() > LINE_BYTES_MAX;
            if is_too_long {
                self.line = Vec::new();
            }
            self.is_skipping = end.is_none() && (was_skipping || is_too_long);
            match (end, was_skipping, is_too_long) {
                (_, false, true) => return Some(Line::TooLong),
                (Some(_), false, false) => return Some(Line::Whole(self.take())),
                _ => {}
            }
        }
    }

    fn take(&mut self) -> Vec<u8> {
        let kept = Vec::with_capacity(self.line.len().min(KEPT_BYTES));
        let mut line = std::mem::replace(&mut self.line, kept);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(bytes: &[u8]) -> Vec<Option<Vec<u8>>> {
        let mut lines = Lines::new(bytes);
        let mut read = Vec::new();
        while let Some(line) = lines.next().await {
            read.push(match line {
                Line::Whole(line) => Some(line),
                Line::TooLong => None,
            });
        }
        read
    }

    #[tokio::test]
    async fn lines_end_with_lf_or_crlf_and_what_has_no_end_is_no_line() {
        assert_eq!(read(b"a\nb\r\n\nrest").await, [Some(b"a".to_vec()), Some(b"b".to_vec()), Some(vec![])]);
    }

    #[tokio::test]
    async fn a_line_of_the_bound_is_taken_and_one_byte_more_is_named_and_skipped() {
        let fits = vec![b'x'; LINE_BYTES_MAX];
        let bytes = [&fits[..], b"\n", &fits[..], b"y\nnext\n"].concat();
        assert_eq!(read(&bytes).await, [Some(fits), None, Some(b"next".to_vec())]);
    }
}
