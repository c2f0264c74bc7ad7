//! What a rule's annotations say: its name, whether it asks, how often it permits, and what the agent may be told.

use cedar_policy as cedar;
use latchgate_wire::digest::Digest;

use super::at_most::{AtMost, Rate, RateError, seconds};
use super::source::{Place, PolicyError};

/// Names that verdicts without a rule carry.
pub(super) const DEFAULT: &str = "default";

/// One rule of a policy set, beside its conditions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub id: String,
    /// Where it is written: the file's name, and the line it begins on.
    pub file: String,
    pub line: usize,
    pub effect: Effect,
    /// For the agent.
    pub reason: Option<String>,
    /// Of a permit.
    pub at_most: Option<AtMost>,
    pub asking: Asking,
    /// Of an allow: the asks that need not be answered where this rule is satisfied.
    pub instead_of: Vec<String>,
    /// A forbid that stands in front of the others while somebody looks at what they would answer.
    pub observes: bool,
    /// Of the rule as written: a rule is more than its name.
    pub digest: Digest,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Allow,
    /// Why a person is asked.
    Ask(String),
    Deny,
}

/// How a person is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asking {
    /// For how long, in seconds, 1 to 604,800; absent is as long as the gate's configuration says.
    pub expires_s: Option<u64>,
    /// How many operators must say yes, 1 to 16.
    pub approvers: u32,
}

impl Default for Asking {
    fn default() -> Self {
        Self { expires_s: None, approvers: 1 }
    }
}

impl Asking {
    /// Whether so many operators are too few.
    pub fn needs_more_than(self, approvals: usize) -> bool {
        usize::try_from(self.approvers).unwrap_or(usize::MAX) > approvals
    }

    /// By both: as many operators as either needs, within the time that both leave.
    pub(super) fn and(self, other: Self) -> Self {
        let expires_s = match (self.expires_s, other.expires_s) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (one, None) | (None, one) => one,
        };
        Self { expires_s, approvers: self.approvers.max(other.approvers) }
    }
}

impl Rule {
    /// # Errors
    /// Every annotation that is missing, unknown or malformed.
    pub fn read(rule: &cedar::Policy, place: &Place<'_>) -> Result<Self, Vec<PolicyError>> {
        let mut errors = Vec::new();
        let (mut id, mut ask, mut reason, mut rate) = (None, None, None, None);
        let mut instead_of = Vec::new();
        let mut asking = Asking::default();
        let mut observes = false;
        for (name, value) in rule.annotations() {
            let read = match name {
                "id" => read_id(value, place).map(|value| id = Some(value)),
                "ask" => read_text(name, value, place).map(|value| ask = Some(value)),
                "reason" => read_text(name, value, place).map(|value| reason = Some(value)),
                "at_most" => read_rate(value, place).map(|value| rate = Some(value)),
                "expires" => read_expiry(value, place).map(|value| asking.expires_s = Some(value)),
                "observe" => read_observe(value, rule, place).map(|()| observes = true),
                "approvers" => read_approvers(value, place).map(|value| asking.approvers = value),
                "instead_of" => read_names(value, place).map(|value| instead_of = value),
                _ => Err(unknown(name, place)),
            };
            errors.extend(read.err());
        }
        if rule.annotation("id").is_none() {
            errors.push(place.error("the rule has no @id", "add @id(\"...\") in front of it"));
        }
        if rate.is_some() && rule.effect() == cedar::Effect::Forbid {
            let remedy = "annotate a permit, or remove @at_most: what is forbidden has no limit to count";
            errors.push(place.error_at("at_most", "@at_most on a forbid", remedy));
        }
        if !instead_of.is_empty() && (ask.is_some() || rule.effect() == cedar::Effect::Forbid) {
            let remedy = "annotate a permit without @ask, or remove @instead_of";
            errors.push(place.error_at("instead_of", "@instead_of on a rule that does not allow", remedy));
        }
        if ask.is_none() {
            for name in ["expires", "approvers"].into_iter().filter(|name| rule.annotation(name).is_some()) {
                let problem = format!("@{name} on a rule that does not ask");
                errors.push(place.error_at(name, problem, "add @ask(\"...\"), or remove it"));
            }
        }
        let effect = match (rule.effect(), ask) {
            (cedar::Effect::Permit, None) => Effect::Allow,
            (cedar::Effect::Permit, Some(why)) => Effect::Ask(why),
            (cedar::Effect::Forbid, None) => Effect::Deny,
            (cedar::Effect::Forbid, Some(_)) => {
                let remedy = "annotate a permit, or remove @ask: what is forbidden is not asked about";
                errors.push(place.error_at("ask", "@ask on a forbid", remedy));
                Effect::Deny
            }
        };
        match id {
            Some(id) if errors.is_empty() => {
                let at_most = rate.map(|rate| rate.of(&id));
                let digest = Digest::of(rule.to_string().as_bytes());
                let (file, line) = (place.source.name.clone(), place.line());
                Ok(Self { digest, id, file, line, effect, reason, at_most, asking, instead_of, observes })
            }
            _ => Err(errors),
        }
    }
}

fn read_id(value: &str, place: &Place<'_>) -> Result<String, PolicyError> {
    if value == DEFAULT {
        let problem = "the @id `default` is what verdicts without a rule are called";
        return Err(place.error_at("id", problem, "choose another name"));
    }
    if latchgate_wire::principal::is_name(value) {
        return Ok(value.to_owned());
    }
    Err(place.error_at("id", "@id is no name", "use 1 to 64 of A-Z a-z 0-9 . _ -"))
}

fn read_names(value: &str, place: &Place<'_>) -> Result<Vec<String>, PolicyError> {
    let names: Vec<String> = value.split(' ').map(str::to_owned).collect();
    if names.iter().all(|name| latchgate_wire::principal::is_name(name)) {
        return Ok(names);
    }
    let remedy = "write the @id of each ask, with one space between two, as in @instead_of(\"ask-to-fetch\")";
    Err(place.error_at("instead_of", "@instead_of names no rules", remedy))
}

fn read_text(name: &str, value: &str, place: &Place<'_>) -> Result<String, PolicyError> {
    if !value.trim().is_empty() && value.chars().count() <= 300 && !value.contains(char::is_control) {
        return Ok(value.to_owned());
    }
    let remedy = format!("write @{name}(\"...\") with 1 to 300 characters and no control characters");
    Err(place.error_at(name, format!("@{name} says nothing that can be shown"), remedy))
}

fn read_rate(value: &str, place: &Place<'_>) -> Result<Rate, PolicyError> {
    value.parse().map_err(|error: RateError| {
        place.error_at(
            "at_most",
            format!("@at_most is no rate: {error}"),
            "write it as in @at_most(\"20/1h\")",
        )
    })
}

fn read_expiry(value: &str, place: &Place<'_>) -> Result<u64, PolicyError> {
    seconds(value).filter(|seconds| *seconds <= EXPIRES_S_MAX).ok_or_else(|| {
        place.error_at("expires", "@expires is no time of at most 7d", "write it as in @expires(\"15m\")")
    })
}

fn read_observe(value: &str, rule: &cedar::Policy, place: &Place<'_>) -> Result<(), PolicyError> {
    if rule.effect() == cedar::Effect::Forbid && value.is_empty() {
        return Ok(());
    }
    let remedy = "write it alone, as @observe, in front of a forbid: what is observed is not done";
    Err(place.error_at("observe", "@observe on a permit, or with a text", remedy))
}

fn read_approvers(value: &str, place: &Place<'_>) -> Result<u32, PolicyError> {
    let number = value.parse().ok().filter(|n| (1..=APPROVERS_MAX).contains(n) && n.to_string() == value);
    number.ok_or_else(|| {
        let problem = format!("@approvers is no number from 1 to {APPROVERS_MAX}");
        place.error_at("approvers", problem, "write it as in @approvers(\"2\")")
    })
}

const EXPIRES_S_MAX: u64 = 7 * 86_400;
const APPROVERS_MAX: u32 = 16;

fn unknown(name: &str, place: &Place<'_>) -> PolicyError {
    place.error_at(
        name,
        format!("unknown annotation @{name}"),
        "use @id, @reason, @ask, @expires, @approvers, @instead_of, @at_most or @observe",
    )
}
