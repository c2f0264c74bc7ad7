//! `traceparent` (W3C Trace Context, level 1): the caller's trace, which a call is a part of.
//!
//! It is the caller's word and decides nothing: the trace id goes into the log beside the gate's own, and back in the answer. A
//! header that is not as the recommendation has it is ignored, as section 4.2 demands.

use std::fmt;

use hyper::header::{HeaderMap, HeaderName, HeaderValue};

pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// A caller's trace: 16 bytes, not all zero, in lower-case hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceParent {
    trace_id: String,
    is_sampled: bool,
}

impl TraceParent {
    /// What the headers say, if they say it once and rightly.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(TRACEPARENT).iter();
        let (value, None) = (values.next()?, values.next()) else { return None };
        Self::parse(value.to_str().ok()?)
    }

    /// `version "-" trace-id "-" parent-id "-" trace-flags` (section 3.2.2). Of a later version, what stands there in this one
    /// (section 4.3).
    fn parse(text: &str) -> Option<Self> {
        let (version, rest) = text.split_once('-')?;
        let (trace_id, rest) = rest.split_once('-')?;
        let (parent_id, rest) = rest.split_once('-')?;
        let (flags, more) = rest.split_once('-').map_or((rest, None), |(flags, more)| (flags, Some(more)));
        let is_known = is_hex(version, 2) && version != "ff" && (version != "00" || more.is_none());
        let is_whole = is_id(trace_id, 32) && is_id(parent_id, 16) && is_hex(flags, 2);
        let flags = u8::from_str_radix(flags, 16).ok()?;
        (is_known && is_whole).then(|| Self { trace_id: trace_id.to_owned(), is_sampled: flags & 1 == 1 })
    }

    pub fn trace_id(&self) -> &str {
        &self.trace_id
    }

    /// The same trace with the gate's part in it, for the answer.
    pub fn answer(&self, span: Span) -> Option<HeaderValue> {
        let flags = u8::from(self.is_sampled);
        HeaderValue::try_from(format!("00-{}-{span}-{flags:02x}", self.trace_id)).ok()
    }
}

/// The gate's part in a trace; never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(u64);

impl Span {
    pub fn new(random: u128) -> Self {
        // The low bits; one of 2^64 would be no id.
        Self((random as u64).max(1))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:016x}", self.0)
    }
}

fn is_id(text: &str, digits: usize) -> bool {
    is_hex(text, digits) && text.bytes().any(|digit| digit != b'0')
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|digit| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[test]
    fn the_recommendations_example_is_read_and_answered_in_the_same_trace() {
        let parent = TraceParent::parse(&format!("00-{TRACE}-00f067aa0ba902b7-01")).unwrap();
        assert_eq!(parent.trace_id(), TRACE);
        let answer = parent.answer(Span::new(0xabc)).unwrap();
        assert_eq!(answer, format!("00-{TRACE}-0000000000000abc-01").as_str());
        assert_eq!(Span::new(0).to_string(), "0000000000000001");
    }

    #[test]
    fn a_later_version_is_read_as_far_as_it_is_known() {
        for text in ["cc-T-00f067aa0ba902b7-00", "cc-T-00f067aa0ba902b7-09-what-the-future-holds"] {
            let parent = TraceParent::parse(&text.replace('T', TRACE)).unwrap();
            assert_eq!(parent.trace_id(), TRACE);
        }
    }

    #[test]
    fn what_is_not_as_it_must_be_is_ignored() {
        for text in [
            "",
            "00-T-00f067aa0ba902b7",
            "00-T-00f067aa0ba902b7-01-",
            "00-T-00f067aa0ba902b7-01-more",
            "00-T-00f067aa0ba902b7-1",
            "00-T-0000000000000000-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-T0-00f067aa0ba902b7-01",
            "ff-T-00f067aa0ba902b7-01",
            "0-T-00f067aa0ba902b7-01",
            "00-T-00f067aa0ba902b7-+1",
            " 00-T-00f067aa0ba902b7-01",
            "00-T-00f067aa0ba902b7-01\u{e9}",
        ] {
            assert_eq!(TraceParent::parse(&text.replace('T', TRACE)), None, "{text}");
        }
    }

    #[test]
    fn two_headers_are_none() {
        let value = HeaderValue::try_from(format!("00-{TRACE}-00f067aa0ba902b7-01")).unwrap();
        let mut headers = HeaderMap::new();
        headers.append(TRACEPARENT, value.clone());
        assert!(TraceParent::of(&headers).is_some());
        headers.append(TRACEPARENT, value);
        assert_eq!(TraceParent::of(&headers), None);
    }
}
