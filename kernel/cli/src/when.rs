//! Times as people write and read them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use latchgate_wire::time::Timestamp;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// The clock of this machine.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// A point in time: RFC 3339, or how long ago it was (`90s`, `15m`, `2h`, `7d`).
///
/// # Errors
/// Words for the command line.
pub fn parse_point(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    if let Some(ago) = parse_span(text) {
        return Ok(now.plus_ms(-ago.saturating_mul(1000)));
    }
    let time: Result<jiff::Timestamp, _> = text.parse();
    time.map(|time| Timestamp::from_ms(time.as_millisecond()))
        .map_err(|_| "expected a time like 2026-11-20T09:30:00Z, or an age like 90s, 15m, 2h or 7d".into())
}

/// A duration: a number and `s`, `m`, `h` or `d`; without a unit, seconds.
///
/// # Errors
/// Words for the command line.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let seconds =
        parse_span(text).or_else(|| text.parse().ok()).and_then(|seconds| u64::try_from(seconds).ok());
    seconds.map(Duration::from_secs).ok_or_else(|| "expected a duration like 90s, 15m, 2h or 7d".into())
}

fn parse_span(text: &str) -> Option<i64> {
    let unit = match text.chars().last()? {
        's' => 1,
        'm' => MINUTE,
        'h' => HOUR,
        'd' => DAY,
        _ => return None,
    };
    let digits = &text[..text.len() - 1];
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse::<i64>().ok()?.checked_mul(unit)
}

/// A span in its largest unit: `45 s`, `12 min`, `3 h`, `2 d`.
pub fn span(ms: i64) -> String {
    let seconds = ms.max(0) / 1000;
    match seconds {
        s if s < 2 * MINUTE => format!("{s} s"),
        s if s < 2 * HOUR => format!("{} min", s / MINUTE),
        s if s < 2 * DAY => format!("{} h", s / HOUR),
        s => format!("{} d", s / DAY),
    }
}

/// `2026-11-20 09:30:00`, in UTC.
pub fn short(time: Timestamp) -> String {
    let text = time.to_string();
    text.get(..19).unwrap_or(&text).replace('T', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn points_are_times_or_ages() {
        let now = at("2026-11-20T09:30:00.000Z");
        assert_eq!(parse_point("15m", now), Ok(at("2026-11-20T09:15:00.000Z")));
        assert_eq!(parse_point("2026-11-19T00:00:00+01:00", now), Ok(at("2026-11-18T23:00:00.000Z")));
        for text in ["", "m", "-5m", "5 m", "yesterday", "2026-11-19", "99999999999999999999d"] {
            assert!(parse_point(text, now).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_have_a_unit_or_are_seconds() {
        assert_eq!(parse_duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("2m"), Ok(Duration::from_secs(120)));
        assert!(parse_duration("-1").is_err());
    }

    #[test]
    fn spans_are_read_at_a_glance() {
        assert_eq!(span(119_999), "119 s");
        assert_eq!(span(120_000), "2 min");
        assert_eq!(span(7_200_000), "2 h");
        assert_eq!(span(-5), "0 s");
        assert_eq!(span(3 * 86_400_000), "3 d");
    }

    #[test]
    fn short_times_end_at_the_second() {
        assert_eq!(short(at("2026-11-20T09:30:00.123Z")), "2026-11-20 09:30:00");
    }
}
