//! ntfy: a text to a topic's URL, without `Markdown`. ntfy's pages make links of URLs in any text, so none is left whole in what an
//! agent says.

use std::fmt::Write as _;

use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use latchgate_egress::Secret;
use latchgate_wire::notify::Event;

use super::{Form, content_type, label, plain};
use crate::news::story::{Story, Topic};

pub fn form(story: &Story, secret: Option<&Secret>) -> Result<Form, String> {
    let mut headers = vec![
        content_type("text/plain; charset=utf-8"),
        (HeaderName::from_static("title"), title(story)),
        (HeaderName::from_static("priority"), HeaderValue::from_static(priority(story.topic))),
    ];
    if let Some(secret) = secret {
        let bearer = [b"Bearer ".as_slice(), secret.expose().trim_ascii()].concat();
        let bearer =
            HeaderValue::try_from(bearer).map_err(|_| "the secret is no access token: expected one line")?;
        headers.push((AUTHORIZATION, bearer));
    }
    Ok(Form { headers, body: body(story) })
}

/// Our own words, in ASCII.
fn title(story: &Story) -> HeaderValue {
    HeaderValue::try_from(format!("latchgate: {}", story.title))
        .unwrap_or_else(|_| HeaderValue::from_static("latchgate"))
}

fn priority(topic: Topic) -> &'static str {
    match topic {
        Topic::Event(Event::Held | Event::Unknown) => "high",
        Topic::Event(Event::Revoked | Event::Decided) | Topic::Test => "default",
        Topic::Event(Event::Denied) => "low",
    }
}

fn body(story: &Story) -> String {
    let mut text = String::new();
    for fact in &story.facts {
        // Writing to a String cannot fail.
        let _infallible = writeln!(text, "{}: {}", plain(fact.name), inert(&fact.text));
    }
    for words in &story.words {
        let _infallible = writeln!(text, "{}:\n  | {}", label(words.name), inert(&words.text));
    }
    let _infallible = write!(text, "next: {}", story.command);
    text
}

fn inert(text: &str) -> String {
    text.replace("://", "\\u{3A}//")
}
