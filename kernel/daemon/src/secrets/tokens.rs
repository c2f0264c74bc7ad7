//! Access tokens (RFC 6749): asked for through the gate's own guard, by one asker at a time, and renewed before they end.
//!
//! Invariant: no token is given after its end, and none before the refresh token that came with it is on the disk. Redirects
//! are not followed, so that credentials reach the token endpoint that the operator named and no other place.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, StatusCode};
use latchgate_egress::{Egress, Outbound};
use latchgate_wire::secret::{SecretKind, SecretText, TokenSource, VALUE_BYTES_MIN};
use latchgate_wire::time::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use url::form_urlencoded::{Serializer, byte_serialize};
use zeroize::Zeroizing;

use super::document::Kept;

/// From resolving to the last byte.
const DEADLINE: Duration = Duration::from_secs(15);
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Where the endpoint does not say how long a token lives (RFC 6749 section 5.1 leaves it open).
const LIFE_MS: i64 = 300_000;
const LIFE_MS_MAX: i64 = 24 * 60 * 60 * 1000;
/// Renewed a tenth of its life before its end, and a minute at most.
const MARGIN_MS_MAX: i64 = 60_000;

/// The error codes of RFC 6749 section 5.2 and what endpoints add to them. No other text of theirs is repeated: it may hold
/// what they were sent.
const KNOWN_ERRORS: [&str; 8] = [
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
    "temporarily_unavailable",
    "server_error",
];

/// What is held for each secret. A slot is locked while its token is asked for, so that others wait for the same answer.
pub struct Tokens {
    egress: Egress,
    slots: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Slot>>>>,
}

/// Of one secret.
#[derive(Default)]
pub struct Slot {
    /// Of the secret that this was fetched with.
    pub revision: u64,
    pub token: Option<Token>,
    /// A refresh token that is not on the disk yet.
    pub unsaved: Option<SecretText>,
    pub failed: Option<Failed>,
}

pub struct Token {
    pub value: SecretText,
    renew_at: Timestamp,
    ends_at: Timestamp,
}

/// The newest attempt that came to nothing.
pub struct Failed {
    pub at: Timestamp,
    pub reason: String,
}

/// What an endpoint gave.
pub struct Granted {
    pub token: Token,
    pub refresh_token: Option<SecretText>,
}

impl Token {
    pub fn is_due(&self, now: Timestamp) -> bool {
        now >= self.renew_at
    }

    pub fn has_ended(&self, now: Timestamp) -> bool {
        now >= self.ends_at
    }
}

/// RFC 6749 section 5.1.
#[derive(Deserialize)]
struct Answer {
    access_token: SecretText,
    token_type: String,
    #[serde(default)]
    expires_in: Option<Value>,
    #[serde(default)]
    refresh_token: Option<SecretText>,
}

/// RFC 6749 section 5.2.
#[derive(Deserialize)]
struct Problem {
    error: String,
}

impl Tokens {
    pub fn new(egress: Egress) -> Self {
        Self { egress, slots: Mutex::default() }
    }

    pub fn slot(&self, name: &str) -> Arc<tokio::sync::Mutex<Slot>> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(slots.entry(name.to_owned()).or_default())
    }

    /// Asks the endpoint once.
    ///
    /// # Errors
    /// What went wrong, without anything that was sent or came back but a known code.
    pub async fn fetch(&self, kept: &Kept, now: Timestamp) -> Result<Granted, String> {
        let source = kept.secret.source.as_ref().ok_or("it names no token endpoint")?;
        let target = self.egress.target(&source.token_url).map_err(|error| error.to_string())?;
        let (headers, body) = asked(kept, source)?;
        let request = Outbound {
            method: Method::POST,
            target,
            headers,
            body: body.into(),
            response_bytes_max: ANSWER_BYTES_MAX,
            credentials: None,
        };
        let deadline = tokio::time::Instant::now() + DEADLINE;
        let reply = self.egress.send(request, "secrets", deadline).await;
        let reply = reply.map_err(|error| format!("the token endpoint was not reached: {error}"))?;
        if reply.status != StatusCode::OK {
            return Err(refusal(reply.status, &reply.body));
        }
        let answer: Answer = serde_json::from_slice(&reply.body)
            .map_err(|_| "the token endpoint's answer is no token response (RFC 6749 section 5.1)")?;
        granted(answer, kept.secret.dangerous_short, now)
    }
}

type Headers = Vec<(http::HeaderName, HeaderValue)>;

fn asked(kept: &Kept, source: &TokenSource) -> Result<(Headers, Vec<u8>), String> {
    let value = &kept.secret.value;
    let (grant, client_secret) = match kept.secret.kind {
        SecretKind::Plain => return Err("it is a plain secret".into()),
        SecretKind::Oauth2ClientCredentials => ("client_credentials", Some(value)),
        SecretKind::Oauth2Refresh => ("refresh_token", source.client_secret.as_ref()),
    };
    let mut form = Serializer::new(String::new());
    form.append_pair("grant_type", grant);
    if kept.secret.kind == SecretKind::Oauth2Refresh {
        form.append_pair("refresh_token", value.expose());
    }
    if let Some(scope) = &source.scope {
        form.append_pair("scope", scope);
    }
    let mut headers = vec![
        (CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded")),
        (ACCEPT, HeaderValue::from_static("application/json")),
    ];
    match client_secret {
        Some(secret) if !source.credentials_in_body => {
            headers.push((AUTHORIZATION, basic(&source.client_id, secret)?));
        }
        Some(secret) => {
            form.append_pair("client_id", &source.client_id);
            form.append_pair("client_secret", secret.expose());
        }
        // A public client only says who it is (RFC 6749 section 3.2.1).
        None => {
            form.append_pair("client_id", &source.client_id);
        }
    }
    Ok((headers, form.finish().into_bytes()))
}

/// Both halves are form-encoded before they are joined (RFC 6749 section 2.3.1).
fn basic(client_id: &str, secret: &SecretText) -> Result<HeaderValue, String> {
    let encoded = |text: &str| Zeroizing::new(byte_serialize(text.as_bytes()).collect::<String>());
    let pair = Zeroizing::new(format!("{}:{}", *encoded(client_id), *encoded(secret.expose())));
    let text = Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
    let mut value = HeaderValue::from_str(&text).map_err(|_| "the client's id cannot stand in a header")?;
    value.set_sensitive(true);
    Ok(value)
}

fn refusal(status: StatusCode, body: &[u8]) -> String {
    let problem: Option<Problem> = serde_json::from_slice(body).ok();
    let known = problem.and_then(|problem| KNOWN_ERRORS.into_iter().find(|known| *known == problem.error));
    match known {
        Some(error) => format!("the token endpoint answered {} {error}", status.as_u16()),
        None => format!("the token endpoint answered {}", status.as_u16()),
    }
}

fn granted(answer: Answer, is_short_taken: bool, now: Timestamp) -> Result<Granted, String> {
    if !answer.token_type.eq_ignore_ascii_case("bearer") {
        return Err("the token endpoint gave a token of another type than bearer".into());
    }
    let token = answer.access_token.expose();
    if token.len() < VALUE_BYTES_MIN && !is_short_taken {
        return Err(format!("the token endpoint gave a token of less than {VALUE_BYTES_MIN} bytes"));
    }
    // RFC 6750 section 2.1.
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("the token endpoint gave a token that cannot stand in a header".into());
    }
    let life_ms = match answer.expires_in {
        None | Some(Value::Null) => LIFE_MS,
        // Some endpoints write it as text.
        Some(value) => {
            seconds(&value).ok_or("the token endpoint gave an expires_in that is no number")? * 1000
        }
    };
    let life_ms = life_ms.clamp(0, LIFE_MS_MAX);
    let margin_ms = (life_ms / 10).min(MARGIN_MS_MAX);
    let token = Token {
        value: answer.access_token,
        renew_at: now.plus_ms(life_ms - margin_ms),
        ends_at: now.plus_ms(life_ms),
    };
    let refresh_token = answer.refresh_token.filter(|token| !token.expose().is_empty());
    Ok(Granted { token, refresh_token })
}

fn seconds(value: &Value) -> Option<i64> {
    let seconds = match value {
        Value::String(text) => text.parse().ok()?,
        value => value.as_i64()?,
    };
    (0..=i64::from(u32::MAX)).contains(&seconds).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use latchgate_wire::secret::SecretSpec;

    use super::*;

    fn answer(json: &str) -> Result<Granted, String> {
        granted(serde_json::from_str(json).unwrap(), false, Timestamp::from_ms(0))
    }

    #[test]
    fn a_token_is_renewed_before_its_end_and_not_given_after_it() {
        for (expires_in, renewed_s, ended_s) in [("100", 90, 100), ("\"3600\"", 3540, 3600), ("0", 0, 0)] {
            let json = format!(
                r#"{{"access_token":"long-enough-1","token_type":"Bearer","expires_in":{expires_in}}}"#
            );
            let token = answer(&json).unwrap().token;
            let at = |s: i64| Timestamp::from_ms(s * 1000);
            assert!(token.is_due(at(renewed_s)) && !token.is_due(at(renewed_s - 1)), "{expires_in}");
            assert!(token.has_ended(at(ended_s)) && !token.has_ended(at(ended_s - 1)), "{expires_in}");
        }
    }

    #[test]
    fn what_is_no_bearer_token_is_refused_without_being_repeated() {
        for json in [
            r#"{"access_token":"hunter2-hunter2","token_type":"mac"}"#,
            r#"{"access_token":"hunter2","token_type":"bearer"}"#,
            r#"{"access_token":"hunter2 hunter2","token_type":"bearer"}"#,
            r#"{"access_token":"hunter2-hunter2","token_type":"bearer","expires_in":"soon"}"#,
            r#"{"access_token":"hunter2-hunter2","token_type":"bearer","expires_in":-1}"#,
        ] {
            let Err(reason) = answer(json) else { panic!("taken: {json}") };
            assert!(!reason.contains("hunter2"), "{reason}");
        }
    }

    #[test]
    fn of_a_refusal_only_codes_of_the_standard_are_repeated() {
        let status = StatusCode::BAD_REQUEST;
        let said = refusal(status, br#"{"error":"invalid_grant","error_description":"hunter2"}"#);
        assert_eq!(said, "the token endpoint answered 400 invalid_grant");
        for body in [br#"{"error":"hunter2"}"#.as_slice(), b"hunter2", b""] {
            assert_eq!(refusal(status, body), "the token endpoint answered 400");
        }
    }

    #[test]
    fn credentials_are_encoded_before_they_are_joined_and_stand_in_one_place() {
        let source = |credentials_in_body| TokenSource {
            token_url: "https://id.example/token".into(),
            client_id: "a:b".into(),
            client_secret: None,
            scope: Some("read write".into()),
            credentials_in_body,
        };
        let kept = Kept {
            revision: 1,
            set_at: Timestamp::from_ms(0),
            secret: SecretSpec {
                kind: SecretKind::Oauth2ClientCredentials,
                ..SecretSpec::plain(SecretText::new("s%cret/value".into()))
            },
        };
        let (headers, body) = asked(&kept, &source(false)).unwrap();
        assert_eq!(body, b"grant_type=client_credentials&scope=read+write");
        let sent = headers.iter().find(|(name, _)| name == AUTHORIZATION).unwrap().1.to_str().unwrap();
        assert_eq!(STANDARD.decode(sent.strip_prefix("Basic ").unwrap()).unwrap(), b"a%3Ab:s%25cret%2Fvalue");
        let (headers, body) = asked(&kept, &source(true)).unwrap();
        assert!(headers.iter().all(|(name, _)| name != AUTHORIZATION));
        let body = String::from_utf8(body).unwrap();
        assert!(body.ends_with("&client_id=a%3Ab&client_secret=s%25cret%2Fvalue"), "{body}");
    }
}
