//! How often a rule permits: `@at_most("20/1h")`, read here and counted by the ledger when a call is committed.

use std::str::FromStr;

use serde::Serialize;

/// The limit of the rule that decided a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AtMost {
    /// The rule's `@id`: what calls are counted by.
    pub rule: String,
    /// Calls within the window, 1 to 999,999,999.
    pub n: u64,
    /// Seconds, 1 to 31,622,400 (366 days).
    pub window_s: u64,
}

/// `n/TU`: n calls in T units of s, m, h or d.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rate {
    n: u64,
    window_s: u64,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RateError {
    #[error("expected `CALLS/TIME` with a unit of s, m, h or d, both numbers from 1 to 999999999")]
    Form,
    #[error("expected a time of at most 366d")]
    Long,
}

impl Rate {
    pub fn of(self, rule: &str) -> AtMost {
        AtMost { rule: rule.to_owned(), n: self.n, window_s: self.window_s }
    }
}

impl Rate {
    fn read(calls: &str, time: &str) -> Result<Self, RateError> {
        let n = number(calls).ok_or(RateError::Form)?;
        let window_s = seconds(time).ok_or(RateError::Form)?;
        if window_s > 366 * DAY_S { Err(RateError::Long) } else { Ok(Self { n, window_s }) }
    }
}

/// `TU`: T units of s, m, h or d, in seconds.
pub(super) fn seconds(time: &str) -> Option<u64> {
    let (unit_at, unit) = time.char_indices().next_back()?;
    let unit_s = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => DAY_S,
        _ => return None,
    };
    Some(number(&time[..unit_at])? * unit_s)
}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let (calls, time) = text.split_once('/').ok_or(RateError::Form)?;
        Self::read(calls, time)
    }
}

const DAY_S: u64 = 86_400;

/// At least 1, at most nine digits, in the one way to write it.
fn number(text: &str) -> Option<u64> {
    let digits = (1..=9).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if digits && !text.starts_with('0') { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use latchgate_wire::receipt::PlanKind;
    use serde_json::json;

    use super::*;
    use crate::plan::Plan;
    use crate::policy::testing::{fs_action, load, plan, question};

    /// The rule that decides on a plan of one step for each path, with its limit.
    fn limit(policy: &str, paths: &[&str]) -> String {
        let policy = load(policy).unwrap();
        let (manifest, args) = (fs_action("file_read", "read", "low", "read"), json!({"path": "a"}));
        let steps = paths.iter().flat_map(|path| plan(&manifest, &json!({"path": path})).steps).collect();
        let plan = Plan { kind: PlanKind::Exact, steps };
        let judged = policy.judge(&question(&manifest, &args, &plan)).unwrap();
        assert!(judged.at_most.iter().all(|limit| limit.rule == judged.rule));
        let limit = judged.at_most.map(|limit| format!(" {}/{}s", limit.n, limit.window_s));
        format!("{}{}", judged.rule, limit.unwrap_or_default())
    }

    const LIMITED: &str = r#"@id("few") @at_most("3/1h") permit (principal, action, resource) when { context.op.path like "*few*" };"#;
    const FREE: &str = r#"@id("free") permit (principal, action, resource);"#;

    #[test]
    fn the_rule_that_decides_brings_its_limit() {
        let ask = r#"@id("ask") @ask("why") @at_most("1/1d") permit (principal, action, resource);"#;
        let forbid = r#"@id("never") forbid (principal, action, resource);"#;
        for (rules, expected) in [
            (vec![LIMITED], "few 3/3600s"),
            (vec![LIMITED, FREE], "few 3/3600s"),
            (vec![FREE, LIMITED], "free"),
            (vec![LIMITED, ask], "ask 1/86400s"),
            (vec![LIMITED, ask, forbid], "never"),
        ] {
            assert_eq!(limit(&rules.join("\n"), &["few"]), expected, "{rules:?}");
        }
    }

    #[test]
    fn a_limited_step_is_not_hidden_behind_a_free_one() {
        let policy = format!("{LIMITED}\n{FREE}");
        assert_eq!(limit(&policy, &["a", "few", "b"]), "few 3/3600s");
        assert_eq!(limit(&policy, &["a", "b"]), "free");
    }

    #[test]
    fn a_rate_is_calls_in_seconds() {
        for (text, n, window_s) in [
            ("1/1s", 1, 1),
            ("20/1h", 20, 3_600),
            ("3/15m", 3, 900),
            ("999999999/366d", 999_999_999, 31_622_400),
        ] {
            assert_eq!(text.parse(), Ok(Rate { n, window_s }), "{text}");
        }
    }

    #[test]
    fn what_is_no_rate_is_refused() {
        for text in [
            "",
            "/",
            "1",
            "1/",
            "1/h",
            "/1h",
            "0/1h",
            "1/0h",
            "01/1h",
            "1/01h",
            "+1/1h",
            "-1/1h",
            "1.5/1h",
            "1/1w",
            "1/1H",
            "1/1hh",
            "1 /1h",
            "1/1h ",
            "1/1h/1h",
            "1000000000/1h",
            "1/1é",
            "é/1h",
            "1/é",
        ] {
            assert_eq!(text.parse::<Rate>(), Err(RateError::Form), "{text}");
        }
        for text in ["1/367d", "1/31622401s", "1/999999999d"] {
            assert_eq!(text.parse::<Rate>(), Err(RateError::Long), "{text}");
        }
    }
}
