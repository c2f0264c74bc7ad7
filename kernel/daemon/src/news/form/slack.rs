//! Slack, by an incoming webhook: Block Kit `rich_text`, whose text elements are shown as they are. `mrkdwn` stands nowhere, and the
//! line for notifications and screen readers (`text`), which Slack does read as markup, holds our words alone.

use serde_json::{Value, json};

use super::{label, plain};
use crate::news::story::Story;

pub fn message(story: &Story) -> Value {
    let mut lines = vec![bold(&story.title), text("\n")];
    for fact in &story.facts {
        lines.extend([text(&format!("{}: ", plain(fact.name))), code(&fact.text), text("\n")]);
    }
    let mut elements = vec![json!({ "type": "rich_text_section", "elements": lines })];
    for words in &story.words {
        elements.push(json!({ "type": "rich_text_section", "elements": [text(&label(words.name))] }));
        elements.push(json!({ "type": "rich_text_preformatted", "elements": [text(filled(&words.text))] }));
    }
    let command = [text("next: "), code(&story.command)];
    elements.push(json!({ "type": "rich_text_section", "elements": command }));
    json!({
        "text": format!("latchgate: {}", story.title),
        "unfurl_links": false,
        "unfurl_media": false,
        "blocks": [{ "type": "rich_text", "elements": elements }],
    })
}

fn text(text: &str) -> Value {
    json!({ "type": "text", "text": text })
}

fn bold(text: &str) -> Value {
    json!({ "type": "text", "text": text, "style": { "bold": true } })
}

fn code(text: &str) -> Value {
    json!({ "type": "text", "text": filled(text), "style": { "code": true } })
}

/// Slack refuses an element without text.
fn filled(text: &str) -> &str {
    if text.is_empty() { "(empty)" } else { text }
}
