//! One try: secrets looked up, the message made, sent once, and the answer judged as that service answers.

use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue, RETRY_AFTER};
use http::{Method, StatusCode};
use latchgate_egress::{Egress, Outbound, Refused, Reply, Secret, SendError, Target};
use latchgate_wire::time::Timestamp;
use tokio::time::Instant;

use super::News;
use super::form::{self, Form};
use super::receiver::Receiver;
use super::story::Story;
use crate::config::{NotifySettings, Service};

/// No service says more that matters.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
const TELEGRAM: &str = "https://api.telegram.org";

/// Why a try came to nothing. Never says what the receiver answered, nor where it is beyond its host.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    pub reason: String,
    pub retry_after: Option<Duration>,
    /// It is not to be tried again.
    pub is_final: bool,
}

impl Failure {
    fn of(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), retry_after: None, is_final: false }
    }
}

/// Sends a story once.
pub async fn once(news: &News, receiver: &Receiver, story: &Story, now: Timestamp) -> Result<(), Failure> {
    let settings = &receiver.settings;
    let egress = if settings.dangerous_private { &news.ways.private } else { &news.ways.public };
    let secret = match &settings.secret {
        Some(name) => Some(value(news, name).await?),
        None => None,
    };
    let target = target(news, settings, egress, secret.as_ref()).await?;
    let form = form::of(settings, story, secret.as_ref(), now).map_err(Failure::of)?;
    let Form { headers, body } = form;
    let request = outbound(target, headers, body);
    let deadline = Instant::now() + Duration::from_secs(u64::from(settings.timeout_s));
    let partition = format!("notify {}", settings.name);
    match egress.send(request, &partition, deadline).await {
        Ok(reply) => judge(settings.kind, &reply),
        Err(SendError::Refused(refused)) => Err(Failure::of(not_permitted(&refused))),
        Err(error) => Err(Failure::of(error.to_string())),
    }
}

async fn value(news: &News, name: &str) -> Result<Secret, Failure> {
    news.vault.secret(name).await.map_err(|error| Failure::of(error.to_string()))
}

fn outbound(target: Target, headers: Vec<(HeaderName, HeaderValue)>, body: String) -> Outbound {
    Outbound {
        method: Method::POST,
        target,
        headers,
        body: Bytes::from(body),
        response_bytes_max: ANSWER_BYTES_MAX,
        // A message carries its own: what it is signed with never goes out.
        credentials: None,
    }
}

/// Where it goes. What is wrong with a URL that is a secret is told without it.
async fn target(
    news: &News,
    settings: &NotifySettings,
    egress: &Egress,
    secret: Option<&Secret>,
) -> Result<Target, Failure> {
    let url = match (&settings.url_secret, settings.kind) {
        (Some(name), _) => {
            let value = value(news, name).await?;
            let url = std::str::from_utf8(value.expose()).unwrap_or_default().trim();
            return egress.target(url).map_err(|refused| match refused {
                Refused::Address { .. } | Refused::LoopbackName(_) | Refused::PlainHttp(_) => {
                    Failure::of(not_permitted(&refused))
                }
                _ => Failure::of(format!("the secret {name} holds no https url that can be used")),
            });
        }
        (None, Service::Telegram) => {
            let token = secret.map(Secret::expose).and_then(|token| std::str::from_utf8(token).ok());
            let token = token.map(str::trim).filter(|token| is_token(token));
            let token =
                token.ok_or_else(|| Failure::of("the secret holds no bot token, such as 123456:ABC-def"))?;
            let base = settings.url.as_deref().unwrap_or(TELEGRAM).trim_end_matches('/');
            return egress.target(&format!("{base}/bot{token}/sendMessage")).map_err(
                |refused| match refused {
                    Refused::Address { .. } | Refused::LoopbackName(_) | Refused::PlainHttp(_) => {
                        Failure::of(not_permitted(&refused))
                    }
                    _ => Failure::of("the url of the bot cannot be used: see notify.url"),
                },
            );
        }
        (None, _) => settings.url.as_deref().unwrap_or_default(),
    };
    egress.target(url).map_err(|refused| Failure::of(not_permitted(&refused)))
}

/// The bot's id, a colon, and letters: nothing that could lead a path elsewhere.
fn is_token(token: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"_-:".contains(&byte);
    token.contains(':') && token.len() <= 128 && token.bytes().all(is_letter)
}

/// The guard's words are about actions; a receiver has a setting of its own.
fn not_permitted(refused: &Refused) -> String {
    match refused {
        Refused::Address { host, .. } | Refused::LoopbackName(host) | Refused::PlainHttp(host) => format!(
            "{host} is not a public https service; a receiver in a private network needs dangerous_private = true"
        ),
        other => other.to_string(),
    }
}

/// Accepted, in the way in which that service accepts. Anything else was not: a proxy's page and a half answer are no receipt.
fn judge(kind: Service, reply: &Reply) -> Result<(), Failure> {
    let status = reply.status;
    if !status.is_success() {
        let what = if status.is_redirection() { ", and redirects are not followed" } else { "" };
        return Err(Failure {
            reason: format!("answered {}{what}", status.as_u16()),
            retry_after: retry_after(reply),
            // Standard Webhooks: a receiver that is gone says so.
            is_final: status == StatusCode::GONE,
        });
    }
    let body = std::str::from_utf8(&reply.body).unwrap_or_default().trim();
    let member = |name: &str| serde_json::from_str::<serde_json::Value>(body).ok()?.get(name).cloned();
    let is_accepted = match kind {
        Service::Webhook => true,
        Service::Slack => body == "ok",
        // A workflow answers 202; a connector of old 200 and `1`, and its errors 200 and a sentence.
        Service::Teams => status == StatusCode::ACCEPTED || body.is_empty() || body == "1",
        Service::Telegram => member("ok") == Some(true.into()),
        Service::Ntfy => member("id").is_some(),
    };
    let strange = || Failure::of(format!("answered {}, and not as {} does", status.as_u16(), kind.as_str()));
    if is_accepted { Ok(()) } else { Err(strange()) }
}

/// In seconds (RFC 9110 section 10.2.3); a date is not looked at.
fn retry_after(reply: &Reply) -> Option<Duration> {
    reply.headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, body: &'static str) -> Reply {
        Reply {
            status: StatusCode::from_u16(status).unwrap(),
            headers: http::HeaderMap::new(),
            body: Bytes::from_static(body.as_bytes()),
            remote: "127.0.0.1:1".parse().unwrap(),
        }
    }

    #[test]
    fn each_service_accepts_in_its_own_way() {
        for (kind, status, body, accepts) in [
            (Service::Webhook, 200, "<html>", true),
            (Service::Webhook, 204, "", true),
            (Service::Webhook, 302, "", false),
            (Service::Webhook, 500, "", false),
            (Service::Slack, 200, "ok", true),
            (Service::Slack, 200, "<html>log in</html>", false),
            (Service::Teams, 202, "", true),
            (Service::Teams, 200, "1", true),
            (Service::Teams, 200, "delivery failed", false),
            (Service::Telegram, 200, r#"{"ok":true}"#, true),
            (Service::Telegram, 200, r#"{"ok":false}"#, false),
            (Service::Telegram, 200, "ok", false),
            (Service::Ntfy, 200, r#"{"id":"x"}"#, true),
            (Service::Ntfy, 200, "{}", false),
        ] {
            assert_eq!(judge(kind, &reply(status, body)).is_ok(), accepts, "{kind:?} {status} {body}");
        }
    }

    #[test]
    fn a_receiver_that_is_gone_is_not_tried_again_and_one_that_is_busy_says_when() {
        assert!(judge(Service::Webhook, &reply(410, "")).unwrap_err().is_final);
        let mut busy = reply(429, "");
        busy.headers.insert(RETRY_AFTER, HeaderValue::from_static("7"));
        let failure = judge(Service::Webhook, &busy).unwrap_err();
        assert_eq!((failure.retry_after, failure.is_final), (Some(Duration::from_secs(7)), false));
    }

    #[test]
    fn a_token_leads_no_path_elsewhere() {
        assert!(is_token("123456:ABC-def_1"));
        for token in ["", "123456", "1:a/../b", "1:a?x", "1:a b", "1:%2e", "1:ä"] {
            assert!(!is_token(token), "{token}");
        }
    }
}
