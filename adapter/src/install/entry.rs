//! The entry: how `latchgate-mcp serve` is started, in the members that each client reads.

use serde_json::{Map, Value, json};

/// The name of the entry in every client.
pub const NAME: &str = "latchgate";

/// The agent's label in the gate's audit trail; the only variable that an entry sets.
const AGENT_ID: &str = "LATCHGATE_AGENT_ID";

/// What a gate may be found by, for clients that pass on only what is named.
const FOUND_BY: [&str; 3] = ["XDG_RUNTIME_DIR", "LATCHGATE_HOME", "LATCHGATE_SOCKET"];

/// Longer than `serve` waits for an approval.
const TOOL_TIMEOUT_S: u64 = 120;

/// What is started. No secret is ever part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    pub command: String,
    pub args: Vec<String>,
    pub agent_id: String,
}

/// Which members an entry has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `command`, `args`, `env`.
    Bare,
    /// The same with `type = "stdio"`.
    Stdio,
    OpenCode,
    Codex,
    CopilotCli,
}

/// A value in the order in which it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    Text(String),
    Number(u64),
    List(Vec<String>),
    Table(Vec<(&'static str, Item)>),
}

impl Shape {
    pub fn entry(self, launch: &Launch) -> Item {
        let command = ("command", Item::text(&launch.command));
        let args = ("args", Item::List(launch.args.clone()));
        let env = ("env", launch.env());
        Item::Table(match self {
            Self::Bare => vec![command, args, env],
            Self::Stdio => vec![("type", Item::text("stdio")), command, args, env],
            Self::OpenCode => {
                let words = [&launch.command].into_iter().chain(&launch.args).cloned().collect();
                vec![
                    ("type", Item::text("local")),
                    ("command", Item::List(words)),
                    ("environment", launch.env()),
                ]
            }
            Self::Codex => vec![
                command,
                args,
                env,
                ("env_vars", Item::List(FOUND_BY.map(str::to_owned).to_vec())),
                ("tool_timeout_sec", Item::Number(TOOL_TIMEOUT_S)),
            ],
            Self::CopilotCli => vec![
                ("type", Item::text("local")),
                command,
                args,
                env,
                ("tools", Item::List(vec!["*".into()])),
            ],
        })
    }

    /// The launch of which `found` is the entry: `None` if it is anything else, such as one that a person changed.
    pub fn launch(self, found: &Value) -> Option<Launch> {
        let strings = |value: &Value| -> Option<Vec<String>> {
            value.as_array()?.iter().map(|item| item.as_str().map(str::to_owned)).collect()
        };
        let (command, args) = match self {
            Self::OpenCode => {
                let mut words = strings(&found["command"])?;
                (!words.is_empty()).then(|| (words.remove(0), words))?
            }
            _ => (found["command"].as_str()?.to_owned(), strings(&found["args"])?),
        };
        let env = if self == Self::OpenCode { &found["environment"] } else { &found["env"] };
        let launch = Launch { command, args, agent_id: env[AGENT_ID].as_str()?.to_owned() };
        (self.entry(&launch).value() == *found).then_some(launch)
    }
}

impl Launch {
    fn env(&self) -> Item {
        Item::Table(vec![(AGENT_ID, Item::text(&self.agent_id))])
    }

    /// The variables as `NAME=value`.
    pub fn variables(&self) -> Vec<String> {
        vec![format!("{AGENT_ID}={}", self.agent_id)]
    }
}

impl Item {
    fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    /// The same without its order.
    pub fn value(&self) -> Value {
        match self {
            Self::Text(text) => json!(text),
            Self::Number(number) => json!(number),
            Self::List(list) => json!(list),
            Self::Table(members) => {
                let members = members.iter().map(|(name, item)| ((*name).to_owned(), item.value()));
                Value::Object(members.collect::<Map<_, _>>())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_recognised_and_a_changed_one_is_not() {
        let launch =
            Launch { command: "/b/latchgate-mcp".into(), args: vec!["serve".into()], agent_id: "x".into() };
        for shape in [Shape::Bare, Shape::Stdio, Shape::OpenCode, Shape::Codex, Shape::CopilotCli] {
            let mut value = shape.entry(&launch).value();
            assert_eq!(shape.launch(&value).as_ref(), Some(&launch), "{shape:?}");
            value["disabled"] = json!(true);
            assert_eq!(shape.launch(&value), None, "{shape:?}");
        }
    }
}
