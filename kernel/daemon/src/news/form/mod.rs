//! A story in the form of the service that it is for.
//!
//! No form has markup in it: every service is handed text in the members that it shows as it is, so there is nothing that
//! an agent's words could end or begin. Where a service makes links or dates of plain text all the same, that is taken apart.

mod ntfy;
mod slack;
mod teams;
mod telegram;
mod webhook;

use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use latchgate_egress::Secret;
use latchgate_wire::time::Timestamp;
use serde_json::Value;

use super::story::Story;
use crate::config::{NotifySettings, Service};

/// Headers and body of a request.
pub struct Form {
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub body: String,
}

/// # Errors
/// What is wrong with the secret, without it.
pub fn of(
    settings: &NotifySettings,
    story: &Story,
    secret: Option<&Secret>,
    now: Timestamp,
) -> Result<Form, String> {
    match settings.kind {
        Service::Webhook => webhook::form(story, secret, now),
        Service::Slack => Ok(json(&slack::message(story))),
        Service::Teams => Ok(json(&teams::message(story))),
        Service::Telegram => {
            Ok(json(&telegram::message(story, settings.chat.as_deref().unwrap_or_default())))
        }
        Service::Ntfy => ntfy::form(story, secret),
    }
}

fn json(value: &Value) -> Form {
    Form { headers: vec![content_type("application/json")], body: value.to_string() }
}

fn content_type(value: &'static str) -> (HeaderName, HeaderValue) {
    (CONTENT_TYPE, HeaderValue::from_static(value))
}

/// What stands in front of an agent's words.
fn label(name: &str) -> String {
    match name {
        "agent" => "it calls itself (untrusted)".into(),
        "agent_reason" => "it says why (untrusted)".into(),
        "asked_for" => "it asked for (untrusted)".into(),
        other => format!("{} (untrusted)", plain(other)),
    }
}

/// A name of ours as a person reads it.
fn plain(name: &str) -> String {
    name.replace('_', " ")
}

#[cfg(test)]
mod tests;
