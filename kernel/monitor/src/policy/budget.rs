//! Budgets that operators set, in the plain rules' file: how much a principal may use up within an hour, a day, a session.

use std::fmt;

use latchgate_wire::principal::Principal;
use latchgate_wire::receipt::{Limit, Window};
use serde::{Deserialize, Serialize};

use super::load::Policy;

/// One entry of `budgets`. What is absent is not bounded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    #[serde(rename = "for")]
    whom: Whom,
    per: Window,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    calls: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cost_usd_cents: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bytes_out: Option<u64>,
}

/// `each`, every principal by itself, or one principal.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Whom {
    Each,
    Principal(Principal),
}

impl Policy {
    /// The budgets that bound this principal: one limit for each window at most, the tightest of all that apply.
    pub fn limits(&self, principal: &Principal) -> Vec<Limit> {
        let mut limits: Vec<Limit> = Vec::new();
        for budget in self.budgets.iter().filter(|budget| budget.whom.is(principal)) {
            match limits.iter_mut().find(|limit| limit.window == budget.per) {
                Some(limit) => *limit = tightest(*limit, budget.limit()),
                None => limits.push(budget.limit()),
            }
        }
        limits
    }

    /// Every budget as it was written.
    pub fn budgets(&self) -> &[Budget] {
        &self.budgets
    }
}

impl Budget {
    fn limit(&self) -> Limit {
        Limit {
            window: self.per,
            calls: self.calls,
            usd_cents: self.cost_usd_cents,
            bytes_out: self.bytes_out,
        }
    }
}

/// `each per day: at most 100 calls, 500 US cents`.
impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per = match self.per {
            Window::Hour => "hour",
            Window::Day => "day",
            Window::Session => "session",
        };
        let bounds =
            [(self.calls, "calls"), (self.cost_usd_cents, "US cents"), (self.bytes_out, "bytes out")];
        let bounds = bounds.iter().filter_map(|(bound, unit)| bound.map(|bound| format!("{bound} {unit}")));
        write!(f, "{} per {per}: at most {}", self.whom, bounds.collect::<Vec<_>>().join(", "))
    }
}

impl fmt::Display for Whom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Each => f.write_str("each"),
            Self::Principal(principal) => principal.fmt(f),
        }
    }
}

impl Serialize for Whom {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Whom {
    fn is(&self, principal: &Principal) -> bool {
        match self {
            Self::Each => true,
            Self::Principal(one) => one == principal,
        }
    }
}

impl<'de> Deserialize<'de> for Whom {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_str() {
            "each" => Ok(Self::Each),
            name => name.parse().map(Self::Principal).map_err(|_| {
                serde::de::Error::custom(format!("`{name}`: expected each, uid:N, jail:NAME or agent:NAME"))
            }),
        }
    }
}

fn tightest(a: Limit, b: Limit) -> Limit {
    let min = |a: Option<u64>, b: Option<u64>| match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (bound, None) | (None, bound) => bound,
    };
    Limit {
        window: a.window,
        calls: min(a.calls, b.calls),
        usd_cents: min(a.usd_cents, b.usd_cents),
        bytes_out: min(a.bytes_out, b.bytes_out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::testing::load_yaml;

    fn limits(budgets: &str, principal: &str) -> Vec<Limit> {
        let policy = load_yaml(&format!("format: 1\nrules: []\nbudgets:\n{budgets}")).unwrap();
        policy.limits(&principal.parse().unwrap())
    }

    const ALL: &str = "  - { for: each, per: day, calls: 100, cost_usd_cents: 50 }
  - { for: \"agent:ci\", per: day, calls: 10, bytes_out: 7 }
  - { for: \"agent:ci\", per: session, calls: 5 }
";

    #[test]
    fn the_tightest_of_all_that_apply_bounds_each_window() {
        let day = |calls, bytes_out| Limit {
            window: Window::Day,
            calls: Some(calls),
            usd_cents: Some(50),
            bytes_out,
        };
        assert_eq!(limits(ALL, "uid:1"), [day(100, None)]);
        let ci = limits(ALL, "agent:ci");
        assert_eq!(ci[0], day(10, Some(7)));
        assert_eq!((ci[1].window, ci[1].calls), (Window::Session, Some(5)));
    }

    #[test]
    fn a_budget_is_told_as_it_was_written() {
        let policy = load_yaml(&format!("format: 1\nrules: []\nbudgets:\n{ALL}")).unwrap();
        let told: Vec<String> = policy.budgets().iter().map(ToString::to_string).collect();
        assert_eq!(told[0], "each per day: at most 100 calls, 50 US cents");
        assert_eq!(told[1], "agent:ci per day: at most 10 calls, 7 bytes out");
        let json = serde_json::to_value(&policy.budgets()[2]).unwrap();
        assert_eq!(json, serde_json::json!({ "for": "agent:ci", "per": "session", "calls": 5 }));
    }

    #[test]
    fn what_is_no_budget_is_refused_with_its_line() {
        for (budget, told) in [
            ("  - { for: everyone, per: day, calls: 1 }\n", "rules.yaml:4"),
            ("  - { for: each, per: week, calls: 1 }\n", "rules.yaml:4"),
            ("  - { for: each, per: day }\n", "rules.yaml:4"),
            ("  - { for: each, per: day, calls: -1 }\n", "rules.yaml:4"),
            ("  - { for: each, per: day, calls: 1, money: 1 }\n", "rules.yaml:4"),
        ] {
            let errors = load_yaml(&format!("format: 1\nrules: []\nbudgets:\n{budget}")).unwrap_err();
            assert!(errors.iter().any(|e| e.to_string().starts_with(told)), "{budget}: {errors:?}");
        }
    }
}
