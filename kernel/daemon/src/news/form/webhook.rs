//! JSON, signed as [Standard Webhooks](https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md)
//! has it: HMAC-SHA256 over id, time and body.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::header::{HeaderName, HeaderValue};
use latchgate_egress::Secret;
use latchgate_wire::time::Timestamp;
use ring::hmac;
use serde_json::{Map, Value, json};

use super::{Form, content_type};
use crate::news::story::{Part, Story};

const PREFIX: &[u8] = b"whsec_";
/// Bytes of a key (Standard Webhooks, "Signature scheme").
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

pub fn form(story: &Story, secret: Option<&Secret>, now: Timestamp) -> Result<Form, String> {
    let key = secret.and_then(|secret| key(secret.expose()));
    let key = key.ok_or("the secret is no signing key: expected whsec_ and 24 to 64 bytes in base64")?;
    let body = body(story).to_string();
    let (id, time) = (id(story), now.as_secs().to_string());
    let signature = BASE64.encode(hmac::sign(&key, format!("{id}.{time}.{body}").as_bytes()));
    let header = |name: &'static str, value: String| {
        let value = HeaderValue::try_from(value).map_err(|_| "the gate's name cannot be a header".to_owned());
        Ok::<_, String>((HeaderName::from_static(name), value?))
    };
    let headers = vec![
        content_type("application/json"),
        header("webhook-id", id)?,
        header("webhook-timestamp", time)?,
        header("webhook-signature", format!("v1,{signature}"))?,
    ];
    Ok(Form { headers, body })
}

fn key(secret: &[u8]) -> Option<hmac::Key> {
    let bytes = BASE64.decode(secret.trim_ascii().strip_prefix(PREFIX)?).ok()?;
    KEY_BYTES.contains(&bytes.len()).then(|| hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

/// The same whenever the same events are told: what comes twice is recognised by it.
fn id(story: &Story) -> String {
    let gate = story.facts.iter().find(|fact| fact.name == "gate").map_or("", |fact| fact.text.as_str());
    let gate: String = gate.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    match story.count {
        1 => format!("{gate}_{}", story.first),
        _ => format!("{gate}_{}_{}", story.first, story.last),
    }
}

fn body(story: &Story) -> Value {
    let mut data: Map<String, Value> = members(&story.facts).collect();
    data.insert("title".into(), story.title.clone().into());
    data.insert("command".into(), story.command.clone().into());
    data.insert("seq".into(), story.first.into());
    data.insert("last_seq".into(), story.last.into());
    data.insert("count".into(), story.count.into());
    if !story.words.is_empty() {
        data.insert("untrusted".into(), members(&story.words).collect::<Map<_, _>>().into());
    }
    json!({ "type": format!("latchgate.{}", story.topic.as_str()), "timestamp": story.at, "data": data })
}

fn members(parts: &[Part]) -> impl Iterator<Item = (String, Value)> {
    parts.iter().map(|part| (part.name.to_owned(), part.text.clone().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_its_prefix_and_its_length() {
        let of = |bytes: usize| format!("whsec_{}", BASE64.encode(vec![7; bytes]));
        for (text, is_key) in [
            (of(24), true),
            (of(64), true),
            (format!("{}\n", of(32)), true),
            (of(23), false),
            (of(65), false),
            (BASE64.encode([7; 32]), false),
            ("whsec_%%".into(), false),
        ] {
            assert_eq!(key(text.as_bytes()).is_some(), is_key, "{text}");
        }
    }
}
