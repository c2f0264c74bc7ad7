//! Telegram, by a bot's `sendMessage`: text without a parse mode, and entities that say where our code begins and ends. Within
//! `code` and `pre` Telegram makes no links, mentions or commands.

use serde_json::{Value, json};

use super::{label, plain};
use crate::news::story::Story;

pub fn message(story: &Story, chat: &str) -> Value {
    let mut message = Message::default();
    message.marked("bold", &story.title);
    message.plain("\n");
    for fact in &story.facts {
        message.plain(&format!("\n{}: ", plain(fact.name)));
        message.marked("code", &fact.text);
    }
    for words in &story.words {
        message.plain(&format!("\n{}:\n", label(words.name)));
        message.marked("pre", &words.text);
    }
    message.plain("\nnext: ");
    message.marked("code", &story.command);
    json!({
        "chat_id": chat,
        "text": message.text,
        "entities": message.entities,
        "link_preview_options": { "is_disabled": true },
    })
}

#[derive(Default)]
struct Message {
    text: String,
    /// So far, in the unit of entities.
    utf16: usize,
    entities: Vec<Value>,
}

impl Message {
    fn plain(&mut self, text: &str) {
        self.text.push_str(text);
        self.utf16 += text.encode_utf16().count();
    }

    fn marked(&mut self, kind: &str, text: &str) {
        // An entity of nothing is refused.
        let text = if text.is_empty() { "(empty)" } else { text };
        let offset = self.utf16;
        self.plain(text);
        self.entities.push(json!({ "type": kind, "offset": offset, "length": self.utf16 - offset }));
    }
}
