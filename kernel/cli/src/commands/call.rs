//! `call`: asks for an action as an agent would, and waits for a decision where somebody watches.

use std::io::Read as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use latchgate_client::{AgentClient, CallOptions, CallOutcome};
use latchgate_wire::api::{Executed, Pending, Poll};
use latchgate_wire::json;
use latchgate_wire::receipt::EffectStatus;
use owo_colors::OwoColorize as _;
use serde_json::Value;

use super::Global;
use crate::connect;
use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::{visible, wait, when};

const EXAMPLES: &str = "\
Examples:
  latchgate call fs_read '{\"path\":\"README.md\"}'
  latchgate call fs_write - --wait < arguments.json
  latchgate call fs_read '{\"path\":\"README.md\"}' --agent-key ci.pem

The output goes to stdout, the receipt to stderr. A call that is held is waited
for on a terminal; elsewhere its approval id is printed and the exit code is 4.
The same call again joins the held one.";

/// How long one question about a held call stays open.
const POLL: Duration = Duration::from_secs(25);
/// How long to pause where the gate did not wait and names no time.
const PAUSE_S: u64 = 2;

/// Call an action
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Call {
    /// The action's id
    action: String,
    /// The arguments, a JSON object; `-` reads them from stdin
    #[arg(value_name = "JSON", default_value = "{}", hide_default_value = true)]
    arguments: String,
    /// The private key of an enrolled agent: the call is made as that agent
    #[arg(long, value_name = "FILE", env = "LATCHGATE_AGENT_KEY")]
    agent_key: Option<PathBuf>,
    /// Wait for the decision if the call is held, on a terminal or not
    #[arg(long)]
    wait: bool,
    /// Wait for the decision at most this long, such as 90s or 10m
    #[arg(long, value_name = "TIME", value_parser = when::parse_duration)]
    timeout: Option<Duration>,
}

/// What a held call came to.
enum Decision {
    Executed(Box<Executed>),
    /// Executed, told by the poll alone.
    Told(Box<Poll>),
    Refused(Failure),
    Undecided,
}

impl Call {
    pub async fn run(self, global: &Global, console: &Console) -> Result<Exit, Failure> {
        let arguments = arguments(&self.arguments)?;
        let client = connect::agent(global.socket(), self.agent_key.as_deref()).await?;
        let options = CallOptions::default();
        let call = client.call(&self.action, &arguments, &options);
        match wait::show(console, &format!("calling {}", self.action), call).await? {
            CallOutcome::Executed(executed) => show_executed(console, &executed),
            CallOutcome::Pending(pending) => self.held(console, &client, &arguments, &pending).await,
        }
    }

    async fn held(
        &self,
        console: &Console,
        client: &AgentClient,
        arguments: &Value,
        pending: &Pending,
    ) -> Result<Exit, Failure> {
        let is_waited_for = self.wait || self.timeout.is_some() || console.is_watched();
        let left = when::span(pending.expires_at.since(when::now()));
        console.note(&format!("{} an operator has to decide, within {left}", "held:".yellow().bold()));
        console.note(&format!("  see:     latchgate approvals show {}", pending.approval_id));
        console.note(&format!("  approve: latchgate approvals approve {}", pending.approval_id));
        if !is_waited_for {
            return show_pending(console, pending);
        }
        let decision = self.decision(client, arguments, pending);
        match wait::show(console, "waiting for the decision", decision).await? {
            Decision::Executed(executed) => show_executed(console, &executed),
            Decision::Told(poll) => show_poll(console, &poll),
            Decision::Refused(failure) => Err(failure),
            Decision::Undecided => show_pending(console, pending),
        }
    }

    /// Asks until there is a decision or the time is over.
    async fn decision(
        &self,
        client: &AgentClient,
        arguments: &Value,
        pending: &Pending,
    ) -> Result<Decision, Failure> {
        let until = self.timeout.map(|timeout| Instant::now() + timeout);
        loop {
            let left = until.map_or(POLL, |until| until.saturating_duration_since(Instant::now()).min(POLL));
            let asked = Instant::now();
            // Whole seconds, and never none: that would ask without waiting, again and again.
            let poll = client.poll(pending.approval_id, Some(left.max(Duration::from_secs(1)))).await?;
            match poll.status.as_str() {
                "approved" => return self.collect(client, arguments, poll).await,
                "pending" => {}
                _ => return Ok(Decision::Refused(refused(&poll))),
            }
            if until.is_some_and(|until| Instant::now() >= until) {
                return Ok(Decision::Undecided);
            }
            if asked.elapsed() < Duration::from_secs(1) {
                tokio::time::sleep(Duration::from_secs(poll.retry_after_seconds.unwrap_or(PAUSE_S))).await;
            }
        }
    }

    /// An approved call was executed. Polling is no delivery: until its answer is collected, the same call again would
    /// get that answer instead of being a new call. A read is never joined, so its poll is all there is.
    async fn collect(
        &self,
        client: &AgentClient,
        arguments: &Value,
        poll: Poll,
    ) -> Result<Decision, Failure> {
        if client.action(&self.action).await?.class == "read" {
            return Ok(Decision::Told(Box::new(poll)));
        }
        match client.call(&self.action, arguments, &CallOptions::default()).await {
            Ok(CallOutcome::Executed(executed)) if Some(executed.receipt_id) == poll.receipt_id => {
                Ok(Decision::Executed(executed))
            }
            // Somebody else collected it first, or the gate goes down: what the poll said stands.
            Ok(CallOutcome::Executed(_) | CallOutcome::Pending(_)) | Err(_) => {
                Ok(Decision::Told(Box::new(poll)))
            }
        }
    }
}

/// Read as the gate will read them: whatever could mean two things is refused here already.
fn arguments(text: &str) -> Result<Value, Failure> {
    let mut stdin = Vec::new();
    let bytes = if text == "-" {
        // One byte more than fits, so that too much is noticed.
        let limit = json::Limits::DEFAULT.bytes_max as u64 + 1;
        std::io::stdin().lock().take(limit).read_to_end(&mut stdin)?;
        stdin.as_slice()
    } else {
        text.as_bytes()
    };
    let value = json::parse(bytes, json::Limits::DEFAULT).map_err(|error| {
        Failure::usage(format!("arguments: {error}")).remedy("quote them: '{\"path\":\"README.md\"}'")
    })?;
    if !value.is_object() {
        return Err(
            Failure::usage("arguments: expected a json object").remedy("such as '{\"path\":\"README.md\"}'")
        );
    }
    Ok(value)
}

fn show_executed(console: &Console, executed: &Executed) -> Result<Exit, Failure> {
    if console.is_json() {
        console.json(executed)?;
    } else {
        show_output(console, &executed.output)?;
        console.note(
            &format!("receipt {}  trace {}", executed.receipt_id, executed.trace_id).dimmed().to_string(),
        );
    }
    if !executed.verification.is_fully_successful {
        console.note(&format!("{} what happened is not what was planned", "warning:".yellow().bold()));
        console.note(&format!("next: latchgate audit --id {}", executed.receipt_id));
        return Ok(Exit::Failed);
    }
    Ok(Exit::Done)
}

fn show_poll(console: &Console, poll: &Poll) -> Result<Exit, Failure> {
    if console.is_json() {
        console.json(poll)?;
        return Ok(Exit::Done);
    }
    show_output(console, poll.result.as_ref().unwrap_or(&Value::Null))?;
    if let Some(receipt) = poll.receipt_id {
        console.note(&format!("receipt {receipt}").dimmed().to_string());
    }
    Ok(Exit::Done)
}

fn show_pending(console: &Console, pending: &Pending) -> Result<Exit, Failure> {
    if console.is_json() { console.json(pending) } else { console.result(&pending.approval_id.to_string()) }?;
    Ok(Exit::ApprovalPending)
}

/// The text that an action answers with, as it is; anything else as JSON. A terminal obeys escape sequences, a file does
/// not: only there the text is made visible.
fn show_output(console: &Console, output: &Value) -> Result<(), Failure> {
    match output.get("text").and_then(Value::as_str) {
        Some(text) if console.is_stdout_terminal() => console.result(&visible::multiline(text)),
        Some(text) => console.bytes(text.as_bytes()),
        None => {
            let text = serde_json::to_string_pretty(output).map_err(std::io::Error::from)?;
            console.result(&visible::json(&text))
        }
    }
}

fn refused(poll: &Poll) -> Failure {
    let reason = poll.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let exit = match (poll.status.as_str(), poll.effect) {
        (_, Some(EffectStatus::Unknown)) => Exit::EffectUnknown,
        ("denied" | "expired", _) => Exit::Denied,
        _ => Exit::Failed,
    };
    let what = format!("the held call {}{reason}", word(&poll.status));
    let id = poll.receipt_id.map_or_else(|| poll.approval_id.to_string(), |receipt| receipt.to_string());
    Failure::new(exit, what).remedy(format!("`latchgate audit --id {id}` shows what was recorded"))
}

fn word(status: &str) -> &str {
    match status {
        "denied" => "was denied",
        "expired" => "expired",
        "failed" => "failed",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read_strictly() {
        assert_eq!(arguments(r#"{"a":1}"#).unwrap(), serde_json::json!({"a": 1}));
        for text in [r#"{"a":1,"a":2}"#, "[]", "1", "", "{", "{} {}", r#"{"a":9007199254740993}"#] {
            assert_eq!(arguments(text).unwrap_err().exit, Exit::Usage, "{text}");
        }
    }

    fn poll(status: &str, effect: Option<&str>) -> Poll {
        let poll = serde_json::json!({
            "approval_id": "appr_01JD3G0000000000000000000F", "action_id": "fs_write",
            "status": status, "effect": effect, "reason": "too late",
        });
        serde_json::from_value(poll).unwrap()
    }

    #[test]
    fn a_decision_against_the_call_has_its_exit_code() {
        assert_eq!(refused(&poll("denied", None)).exit, Exit::Denied);
        assert_eq!(refused(&poll("expired", None)).exit, Exit::Denied);
        assert_eq!(refused(&poll("failed", Some("none"))).exit, Exit::Failed);
        assert_eq!(refused(&poll("failed", Some("unknown"))).exit, Exit::EffectUnknown);
        assert_eq!(refused(&poll("denied", None)).what, "the held call was denied: too late");
    }
}
