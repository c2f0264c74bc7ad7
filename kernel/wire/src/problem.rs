//! Problem documents (RFC 9457) and the codes that clients branch on.

use serde::{Deserialize, Serialize};

use crate::ids::TraceId;
use crate::receipt::EffectStatus;
use crate::time::Timestamp;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $status:literal $code:literal $retryable:literal $title:literal;)+) => {
        /// Why a request was not answered with success. Stable names; each has one HTTP status.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $($(#[$doc])* $name,)+ }

        impl Code {
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            /// The HTTP status code.
            pub fn status(self) -> u16 {
                match self { $(Self::$name => $status,)+ }
            }

            /// Whether the same request may succeed later.
            pub fn retryable(self) -> bool {
                match self { $(Self::$name => $retryable,)+ }
            }

            /// A short title in words.
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)+ }
            }
        }
    };
}

codes! {
    BadRequest = 400 "bad_request" false "The request is malformed";
    MissingAuthHeader = 401 "missing_auth_header" false "The Authorization header is missing";
    MissingDpopHeader = 401 "missing_dpop_header" false "The DPoP header is missing";
    InvalidLease = 401 "invalid_lease" false "The lease is not valid here";
    LeaseExpired = 401 "lease_expired" false "The lease has expired";
    LeaseRevoked = 401 "lease_revoked" false "The lease was revoked";
    InvalidDpop = 401 "invalid_dpop" false "The DPoP proof is not valid for this request";
    InvalidOperatorToken = 401 "invalid_operator_token" false "The operator token is not this operator's";
    ReplayDetected = 401 "replay_detected" false "The DPoP proof was used before";
    PolicyDenied = 403 "policy_denied" false "Policy does not permit this call";
    BudgetExhausted = 403 "budget_exhausted" false "The budget is used up";
    EgressDenied = 403 "egress_denied" false "The gate does not connect there";
    ScopeInsufficient = 403 "scope_insufficient" false "The lease does not cover this action";
    Forbidden = 403 "forbidden" false "This caller may not do that";
    NotFound = 404 "not_found" false "There is no such thing here";
    ActionNotFound = 404 "action_not_found" false "There is no such action";
    MethodNotAllowed = 405 "method_not_allowed" false "This route has other methods";
    RequestTimeout = 408 "request_timeout" true "The request came too slowly";
    Conflict = 409 "conflict" true "Something changed between judgement and execution";
    GrantConsumed = 409 "grant_consumed" false "This was executed already";
    IdempotencyMismatch = 409 "idempotency_mismatch" false "The idempotency key belongs to another request";
    ApprovalDecided = 409 "approval_decided" false "The approval is decided already";
    AlreadyExists = 409 "already_exists" false "There is one of that name or key already";
    LengthRequired = 411 "length_required" false "The body needs a Content-Length";
    BodyTooLarge = 413 "body_too_large" false "The request body is too large";
    SchemaViolation = 422 "schema_violation" false "The arguments do not fit the action's schema";
    InvalidTarget = 422 "invalid_target" false "The target cannot be used for this";
    InvalidConfiguration = 422 "invalid_configuration" false "The configuration cannot be used";
    RateLimited = 429 "rate_limited" true "Too many requests";
    HeadersTooLarge = 431 "headers_too_large" false "The request headers are too large";
    Internal = 500 "internal" false "The gate is at fault";
    ProviderFailed = 502 "provider_failed" false "The provider could not be reached or did not answer usefully";
    ActionFailed = 502 "action_failed" false "The action's component failed";
    OutcomeUnknown = 502 "outcome_unknown" false "The call may have happened";
    Unavailable = 503 "unavailable" true "The gate cannot take calls now";
    SecretMissing = 503 "secret_missing" false "A secret that the action needs is not set";
    Draining = 503 "draining" true "The gate is shutting down";
    ProviderTimeout = 504 "provider_timeout" false "The provider did not answer in time";
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The body of every error answer (`application/problem+json`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Problem {
    /// `urn:latchgate:problem:<code>`.
    #[serde(rename = "type")]
    pub kind: String,
    pub title: String,
    pub status: u16,
    /// This occurrence, in words.
    pub detail: String,
    /// The code as text; stable.
    pub error: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<TraceId>,
    pub retryable: bool,
    /// What is known about the effect of the call.
    pub effect: EffectStatus,
    /// What the policy's author wants the agent to be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deny_reason: Option<String>,
    /// What would make it work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remediation: Option<String>,
    /// JSON pointer to the argument at fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// Detail again, where clients of version 0.2 read it (422).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The receipt, if the call was executed or may have been.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt_id: Option<String>,
    /// The gate's clock, where it refused a proof for its time: what a new proof's `iat` is to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate_time: Option<Timestamp>,
}

impl Problem {
    /// A problem without effect.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:latchgate:problem:{code}"),
            title: code.title().to_owned(),
            status: code.status(),
            detail: detail.into(),
            error: code.as_str().to_owned(),
            trace_id: None,
            retryable: code.retryable(),
            effect: EffectStatus::None,
            deny_reason: None,
            remediation: None,
            pointer: None,
            reason: None,
            receipt_id: None,
            gate_time: None,
        }
    }

    /// The code, if it is one that this version knows.
    pub fn code(&self) -> Option<Code> {
        Code::ALL.iter().copied().find(|code| code.as_str() == self.error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_and_found_again() {
        for code in Code::ALL {
            assert_eq!(Problem::new(*code, "x").code(), Some(*code));
            assert!((400..600).contains(&code.status()));
        }
    }

    /// Each with its status and whether a retry can help.
    #[test]
    fn every_code_is_explained_in_the_docs() {
        let docs = include_str!("../../../docs/errors.md");
        for code in Code::ALL {
            let retry = if code.retryable() { "yes" } else { "no" };
            let row = format!("| `{}` | {} | {retry} | ", code.as_str(), code.status());
            assert!(docs.contains(&row), "docs/errors.md lacks {row}");
        }
        assert_eq!(docs.lines().filter(|line| line.starts_with("| `")).count(), Code::ALL.len());
    }

    #[test]
    fn names_that_old_clients_branch_on_are_kept() {
        let of = |name: &str| Code::ALL.iter().find(|code| code.as_str() == name).map(|code| code.status());
        for name in "lease_expired invalid_lease invalid_dpop replay_detected missing_auth_header missing_dpop_header lease_revoked"
            .split(' ')
        {
            assert_eq!(of(name), Some(401), "{name}");
        }
        assert_eq!((of("policy_denied"), of("budget_exhausted")), (Some(403), Some(403)));
        assert_eq!(
            (of("action_not_found"), of("grant_consumed"), of("conflict")),
            (Some(404), Some(409), Some(409))
        );
        assert_eq!((of("schema_violation"), of("rate_limited")), (Some(422), Some(429)));
        assert_eq!((of("provider_failed"), of("provider_timeout")), (Some(502), Some(504)));
        assert_eq!((of("unavailable"), of("draining")), (Some(503), Some(503)));
    }
}
