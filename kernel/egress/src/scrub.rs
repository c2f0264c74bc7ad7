//! Takes secrets out of what comes back, in every form in which a service gives back what it was sent.
//!
//! Looked for are the value itself, its base64 at all three alignments (standard and url-safe), its hexadecimal in both cases,
//! and the value written with `+` for spaces: in the bytes as they came, and in what remains of them once percent-encoding
//! and JSON escapes are undone, twice over and in any order. What is found there is replaced where it came from, so that no
//! mixture of escapes passes. The whole body is at hand when it is searched: borders of chunks mean nothing.
//!
//! Invariant: bytes that hold none of it come out as they went in, and where a form was found nothing of it is left.

mod forms;
mod view;

use std::ops::Range;

use aho_corasick::AhoCorasick;
use bytes::Bytes;
use http::header::{HeaderMap, HeaderValue};

use crate::error::SendError;
use crate::message::Reply;
use crate::vault::Secret;
use forms::Form;
use view::View;

pub(crate) use view::percent_decoded;

/// Built for one request, of the values that were put into it; without any it changes nothing.
#[derive(Default)]
pub(crate) struct Scrubber(Option<Engine>);

struct Engine {
    automaton: AhoCorasick,
    /// By pattern.
    forms: Vec<Form>,
    /// What stands in a value's place, by secret.
    marks: Vec<String>,
}

impl Scrubber {
    /// # Errors
    /// If no search can be built for them: then nothing may be sent.
    pub(crate) fn of(values: Vec<(String, Secret)>) -> Result<Self, String> {
        let mut forms = Vec::new();
        let mut marks: Vec<String> = Vec::new();
        for (name, secret) in &values {
            let mark = format!("[secret {name}]");
            let at = marks.iter().position(|known| *known == mark).unwrap_or_else(|| {
                marks.push(mark);
                marks.len() - 1
            });
            forms::of(secret.expose(), at, &mut forms);
        }
        if forms.is_empty() {
            return Ok(Self(None));
        }
        let automaton = AhoCorasick::new(forms.iter().map(|form| form.bytes.as_slice()))
            .map_err(|_| "its value is too large to be searched for in what comes back".to_owned())?;
        Ok(Self(Some(Engine { automaton, forms, marks })))
    }

    /// Headers and body.
    pub(crate) fn reply(&self, mut reply: Reply) -> Reply {
        if let Some(engine) = &self.0 {
            reply.headers = engine.headers(&reply.headers);
            if let Some(clean) = engine.clean(&reply.body) {
                reply.body = Bytes::from(clean);
            }
        }
        reply
    }

    /// The words of an error, which may hold words of the service.
    pub(crate) fn error(&self, error: SendError) -> SendError {
        match error {
            SendError::Unreachable(text) => SendError::Unreachable(self.text(text)),
            SendError::Failed { status, reason } => SendError::Failed { status, reason: self.text(reason) },
            SendError::Refused(_)
            | SendError::Secret(_)
            | SendError::Timeout { .. }
            | SendError::TooLarge { .. } => error,
        }
    }

    fn text(&self, text: String) -> String {
        match self.0.as_ref().and_then(|engine| engine.clean(text.as_bytes())) {
            Some(clean) => String::from_utf8_lossy(&clean).into_owned(),
            None => text,
        }
    }
}

impl Engine {
    /// A name that holds a secret goes with its value: it has no name that could be left.
    fn headers(&self, headers: &HeaderMap) -> HeaderMap {
        let mut clean = HeaderMap::with_capacity(headers.len());
        for (name, value) in headers {
            if self.is_named(name.as_str()) {
                continue;
            }
            let value = match self.clean(value.as_bytes()) {
                None => Some(value.clone()),
                Some(bytes) => HeaderValue::from_bytes(&bytes).ok(),
            };
            if let Some(value) = value {
                clean.append(name.clone(), value);
            }
        }
        clean
    }

    /// Names of headers come in lower case, whatever case they were sent in.
    fn is_named(&self, name: &str) -> bool {
        self.forms.iter().any(|form| {
            let lower = form.bytes.to_ascii_lowercase();
            !lower.is_empty() && name.as_bytes().windows(lower.len()).any(|window| window == lower)
        })
    }

    /// `None` if there is nothing to be replaced.
    fn clean(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut found = Vec::new();
        for view in View::all(bytes) {
            self.search(&view, &mut found);
        }
        if found.is_empty() {
            return None;
        }
        found.sort_by_key(|(range, _)| (range.start, range.end));
        Some(self.replace(bytes, found))
    }

    /// Every occurrence, overlapping ones as well, as ranges of the bytes that came.
    fn search(&self, view: &View<'_>, found: &mut Vec<(Range<usize>, usize)>) {
        for hit in self.automaton.find_overlapping_iter(view.bytes()) {
            let Some(form) = self.forms.get(hit.pattern().as_usize()) else { continue };
            found.push((view.origin(form.widened(hit.range(), view.bytes())), form.secret));
        }
    }

    /// Ranges that meet become one, so that nothing is left between them.
    fn replace(&self, bytes: &[u8], found: Vec<(Range<usize>, usize)>) -> Vec<u8> {
        let mut clean = Vec::with_capacity(bytes.len());
        let mut done = 0;
        for (range, secret) in found {
            // Overlapping the one before: that one's mark stands for both.
            if range.start >= done {
                clean.extend_from_slice(bytes.get(done..range.start).unwrap_or_default());
                clean.extend_from_slice(self.marks.get(secret).map_or(b"[secret]", |mark| mark.as_bytes()));
            }
            done = done.max(range.end);
        }
        clean.extend_from_slice(bytes.get(done..).unwrap_or_default());
        clean
    }
}

#[cfg(test)]
mod tests;
