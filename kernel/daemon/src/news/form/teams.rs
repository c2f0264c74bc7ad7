//! Microsoft Teams, by a workflow's webhook: an Adaptive Card of `RichTextBlock`s, which read no Markdown (a `TextBlock` does).

use serde_json::{Value, json};

use super::{label, plain};
use crate::news::story::Story;

pub fn message(story: &Story) -> Value {
    let title = json!({ "type": "TextRun", "text": story.title, "weight": "Bolder" });
    let mut body = vec![block(vec![title])];
    for fact in &story.facts {
        body.push(block(vec![run(&format!("{}: ", plain(fact.name))), fixed(&fact.text)]));
    }
    for words in &story.words {
        let block = block(vec![run(&label(words.name)), run(": "), fixed(&words.text)]);
        // A frame of its own around what the agent says.
        body.push(json!({ "type": "Container", "style": "attention", "items": [block] }));
    }
    body.push(block(vec![run("next: "), fixed(&story.command)]));
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "body": body,
            },
        }],
    })
}

fn block(inlines: Vec<Value>) -> Value {
    json!({ "type": "RichTextBlock", "inlines": inlines })
}

fn run(text: &str) -> Value {
    json!({ "type": "TextRun", "text": text })
}

fn fixed(text: &str) -> Value {
    json!({ "type": "TextRun", "text": inert(text), "fontType": "Monospace" })
}

/// `{{DATE(..)}}` and `{{TIME(..)}}` are replaced by what the reader's clock makes of them, and `${..}` is a template's: neither
/// is left whole.
fn inert(text: &str) -> String {
    text.replace("{{", "{\\u{7B}").replace("${", "$\\u{7B}")
}
