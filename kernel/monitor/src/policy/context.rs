//! The `context` of a question, as values: one per step of the plan.

use cedar_policy::{Context, RestrictedExpression};
use latchgate_wire::receipt::PlanKind;
use latchgate_wire::time::Timestamp;
use url::Url;

use super::args::Seen;
use super::judge::{Agent, Question};
use crate::plan::{Content, FsStep, HttpStep, SecretUse, Step};

type Pairs = Vec<(String, RestrictedExpression)>;

/// What is the same for every step of a plan.
pub(super) struct Frame {
    pairs: Pairs,
    plan: PlanKind,
}

impl Frame {
    pub fn new(question: &Question<'_>, seen: Seen) -> Option<Self> {
        let pairs = vec![
            ("args".into(), seen.args),
            ("args_untyped".into(), texts(seen.untyped)),
            ("session".into(), record([("id", text(question.session.to_string()))])?),
            ("agent".into(), agent(question.agent)?),
            ("boundary".into(), text(question.boundary.as_str())),
            ("time".into(), time(question.now)?),
            ("budget".into(), budget(question.calls_left)?),
        ];
        Some(Self { pairs, plan: question.plan.kind })
    }

    /// `None` if the step is not what the schema says of any step: then nothing can be said about it.
    pub fn context(&self, step: &Step) -> Option<Context> {
        let op = match step {
            Step::Http(step) => http(step, self.plan)?,
            Step::Fs(step) => fs(step, self.plan)?,
        };
        let pairs = self.pairs.iter().cloned().chain([("op".to_owned(), op)]);
        Context::from_pairs(pairs).ok()
    }
}

fn http(step: &HttpStep, plan: PlanKind) -> Option<RestrictedExpression> {
    let url = Url::parse(&step.url).ok()?;
    // `example.com.` is the same host, and must not pass a rule about `example.com`.
    let host = url.host_str()?.trim_end_matches('.');
    let names = url.query_pairs().map(|(name, _)| name.into_owned());
    record([
        ("kind", text("http")),
        ("plan", text(plan_text(plan))),
        ("method", text(step.method.as_str())),
        ("scheme", text(url.scheme())),
        ("host", text(host)),
        ("port", RestrictedExpression::new_long(url.port_or_known_default()?.into())),
        ("path", text(decode_unreserved(url.path()))),
        ("query_names", texts(names)),
        ("secrets", texts(step.secrets.iter().flat_map(SecretUse::names).map(str::to_owned))),
        ("body_bytes", long(step.body.as_ref().map_or(0, body_bytes))),
    ])
}

fn fs(step: &FsStep, plan: PlanKind) -> Option<RestrictedExpression> {
    record([
        ("kind", text("fs")),
        ("plan", text(plan_text(plan))),
        ("operation", text(step.operation.as_str())),
        ("path", text(step.path.as_str())),
    ])
}

fn plan_text(plan: PlanKind) -> &'static str {
    match plan {
        PlanKind::Exact => "exact",
        PlanKind::Envelope => "envelope",
    }
}

fn agent(agent: Agent<'_>) -> Option<RestrictedExpression> {
    let verified = |verified| ("verified", RestrictedExpression::new_bool(verified));
    match agent {
        Agent::Unnamed => record([verified(false)]),
        Agent::Claimed(name) => record([("claimed", text(name)), verified(false)]),
        Agent::Verified(name) => record([("claimed", text(name)), verified(true)]),
    }
}

fn time(now: Timestamp) -> Option<RestrictedExpression> {
    const MINUTE_MS: i64 = 60_000;
    let minutes = now.as_ms().div_euclid(MINUTE_MS);
    let hours = minutes.div_euclid(60);
    // 1970-01-01 was a Thursday, day 4 of ISO 8601.
    let weekday = (hours.div_euclid(24) + 3).rem_euclid(7) + 1;
    record([
        ("hour", RestrictedExpression::new_long(hours.rem_euclid(24))),
        ("minute", RestrictedExpression::new_long(minutes.rem_euclid(60))),
        ("weekday", RestrictedExpression::new_long(weekday)),
        ("unix_ms", RestrictedExpression::new_long(now.as_ms())),
    ])
}

fn budget(calls_left: Option<u64>) -> Option<RestrictedExpression> {
    RestrictedExpression::new_record(calls_left.map(|calls| ("calls_left".to_owned(), long(calls)))).ok()
}

/// Length of the body without decoding it: four base64 digits stand for three bytes (RFC 4648 section 4).
fn body_bytes(body: &Content) -> u64 {
    let bytes = match body {
        Content::Text(text) => text.len(),
        Content::Base64(text) => {
            let padding = text.bytes().rev().take_while(|byte| *byte == b'=').count();
            (text.len() / 4 * 3).saturating_sub(padding)
        }
    };
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// `%61` is `a` to every server, so it is `a` to rules (RFC 3986 section 6.2.2.2); other escapes stay, with upper-case
/// digits (section 6.2.2.1).
fn decode_unreserved(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let Some(digits) = after.get(..2).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit())) else {
            out.push('%');
            rest = after;
            continue;
        };
        match u8::from_str_radix(digits, 16).map(char::from) {
            Ok(c) if c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~') => out.push(c),
            _ => out.extend(['%'].into_iter().chain(digits.chars().map(|c| c.to_ascii_uppercase()))),
        }
        rest = &after[2..];
    }
    out.push_str(rest);
    out
}

fn record<const N: usize>(fields: [(&str, RestrictedExpression); N]) -> Option<RestrictedExpression> {
    RestrictedExpression::new_record(fields.map(|(name, value)| (name.to_owned(), value))).ok()
}

fn text(value: impl Into<String>) -> RestrictedExpression {
    RestrictedExpression::new_string(value.into())
}

fn texts(values: impl IntoIterator<Item = String>) -> RestrictedExpression {
    RestrictedExpression::new_set(values.into_iter().map(RestrictedExpression::new_string))
}

fn long(value: u64) -> RestrictedExpression {
    RestrictedExpression::new_long(i64::try_from(value).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_of_unreserved_characters_are_no_disguise() {
        for (path, seen) in [
            ("/adm%69n", "/admin"),
            ("/a%2fb%2Fc", "/a%2Fb%2Fc"),
            ("/%7euser", "/~user"),
            ("/100%", "/100%"),
            ("/%zz%4", "/%zz%4"),
            ("/%c3%a9", "/%C3%A9"),
        ] {
            assert_eq!(decode_unreserved(path), seen, "{path}");
        }
    }

    #[test]
    fn weekday_hour_and_minute_follow_the_calendar() {
        // A Friday; the last millisecond of 1969, a Wednesday.
        for (time, hour, minute, weekday) in
            [("2026-11-20T09:30:00.000Z", 9, 30, 5), ("1969-12-31T23:59:59.999Z", 23, 59, 3)]
        {
            let time = super::time(time.parse().unwrap()).unwrap();
            let shown = Context::from_pairs([("time".to_owned(), time)]).unwrap().to_string();
            assert!(shown.contains(&format!("hour: {hour}")), "{shown}");
            assert!(shown.contains(&format!("minute: {minute}")), "{shown}");
            assert!(shown.contains(&format!("weekday: {weekday}")), "{shown}");
        }
    }

    #[test]
    fn body_length_is_that_of_the_bytes() {
        for (body, bytes) in [
            (Content::Text("é".into()), 2),
            (Content::Base64("AAA=".into()), 2),
            (Content::Base64("AAAA".into()), 3),
            (Content::Base64(String::new()), 0),
        ] {
            assert_eq!(body_bytes(&body), bytes);
            assert_eq!(u64::try_from(body.bytes().unwrap().len()), Ok(bytes));
        }
    }
}
