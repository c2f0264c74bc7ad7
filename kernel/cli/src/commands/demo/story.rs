//! The demo's three calls, each held against what must come of it.

use std::fs;
use std::time::{Duration, Instant};

use latchgate_client::{
    AgentClient, AgentOptions, CallOptions, CallOutcome, ClientError, Endpoint, OperatorClient,
};
use latchgate_wire::api::{ApproveRequest, AuditQuery, Executed};
use latchgate_wire::es256::SigningKey;
use latchgate_wire::ids::ReceiptId;
use latchgate_wire::problem::Code;
use latchgate_wire::receipt::{ApprovalScope, EffectStatus, VerificationStatus};
use owo_colors::OwoColorize as _;
use serde::Serialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::deviation;
use super::home::{DemoHome, NOTE};
use crate::connect::LOCAL_OPERATOR;
use crate::console::Console;
use crate::exit::Failure;
use crate::render::facts::Facts;
use crate::visible;

const WRITTEN: (&str, &str) = ("notes.md", "# Notes\n\nWritten once, after a person agreed.\n");

/// How long an entry may take until a query finds it.
const INDEXED_WITHIN: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(20);

/// One call, from request to record.
#[derive(Debug, Serialize)]
pub struct Scene {
    title: &'static str,
    request: String,
    policy: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<String>,
    effect: String,
    record: Record,
}

/// Where it is written down.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Record {
    Receipt(ReceiptId),
    /// `seq` of the entry, for what was not executed.
    Entry(u64),
}

/// The gate, as the demo talks to it.
struct Stage<'a> {
    agent: AgentClient,
    operator: OperatorClient,
    home: &'a DemoHome,
}

/// Makes the calls, shows each when it is done.
///
/// # Errors
/// The first thing that is not as it must be.
pub async fn tell(console: &Console, endpoint: &Endpoint, home: &DemoHome) -> Result<Vec<Scene>, Failure> {
    let options = AgentOptions { agent_id: Some("demo-agent".into()), ..AgentOptions::default() };
    let stage = Stage {
        agent: AgentClient::connect(endpoint, options).await.map_err(instead_of("a lease for the agent"))?,
        operator: OperatorClient::new(endpoint, operator_key(home)?, LOCAL_OPERATOR),
        home,
    };
    let mut scenes = Vec::new();
    for number in 1..=3 {
        let scene = match number {
            1 => stage.allowed().await?,
            2 => stage.denied().await?,
            _ => stage.approved().await?,
        };
        if !console.is_json() {
            console.result(&scene.render(number))?;
            console.result("")?;
        }
        scenes.push(scene);
    }
    Ok(scenes)
}

impl Stage<'_> {
    async fn allowed(&self) -> Result<Scene, Failure> {
        let arguments = json!({ "path": NOTE.0 });
        let executed = match self.call("fs_read", &arguments).await {
            Ok(CallOutcome::Executed(executed)) => executed,
            other => return Err(deviation("an ordinary read to be executed", &outcome(other))),
        };
        if executed.output.get("text").and_then(Value::as_str) != Some(NOTE.1) {
            return Err(deviation("the read to give the file's text", &executed.output.to_string()));
        }
        verified(&executed)?;
        let intent = self.entry("call.intent", &executed.grant_id.to_string()).await?;
        Ok(Scene {
            title: "an ordinary read is allowed",
            request: format!("fs_read {arguments}"),
            policy: format!("rule {} says allow", member(&intent, "/call/policy/rule")),
            decision: None,
            effect: self.effects(&executed).await?,
            record: Record::Receipt(executed.receipt_id),
        })
    }

    async fn denied(&self) -> Result<Scene, Failure> {
        let arguments = json!({ "path": ".env" });
        let problem = match self.call("fs_read", &arguments).await {
            Err(ClientError::Problem(problem)) => problem,
            other => return Err(deviation("a file of secrets to be denied", &outcome(other))),
        };
        if problem.code() != Some(Code::PolicyDenied) || problem.effect != EffectStatus::None {
            return Err(deviation("policy_denied without effect", &problem.detail));
        }
        let trace = problem.trace_id.map(|id| id.to_string()).unwrap_or_default();
        let entry = self.entry("call.denied", &trace).await?;
        let told = problem.deny_reason.unwrap_or(problem.detail);
        Ok(Scene {
            title: "a file of secrets is out of reach",
            request: format!("fs_read {arguments}"),
            policy: format!("rule {} says deny: {told}", member(&entry, "/policy/rule")),
            decision: None,
            effect: "none".into(),
            record: Record::Entry(entry.get("seq").and_then(Value::as_u64).unwrap_or_default()),
        })
    }

    async fn approved(&self) -> Result<Scene, Failure> {
        let (path, text) = WRITTEN;
        let arguments = json!({ "path": path, "content": text });
        let pending = match self.call("fs_write", &arguments).await {
            Ok(CallOutcome::Pending(pending)) => pending,
            other => return Err(deviation("a write to be held", &outcome(other))),
        };
        self.expect_file(None)?;
        let shown = self.operator.approval(pending.approval_id).await;
        let shown = shown.map_err(instead_of("the held call to be shown to the operator"))?;
        if shown.plan.pointer("/steps/0/content/text").and_then(Value::as_str) != Some(text) {
            return Err(deviation("the plan to hold the content to be written", &shown.plan.to_string()));
        }
        let request = ApproveRequest {
            plan_digest: shown.info.plan_digest,
            scope: ApprovalScope::Once,
            note: Some("demo".into()),
            reach: None,
        };
        let decided = self.operator.approve(pending.approval_id, &request).await;
        let decided = decided.map_err(instead_of("the operator's approval to be taken"))?;
        let (Some(receipt), None) = (decided.receipt_id, &decided.problem) else {
            let why = decided.problem.map_or_else(|| "no receipt".to_owned(), |problem| problem.detail);
            return Err(deviation("the approved write to be executed", &why));
        };
        self.expect_file(Some(text))?;
        // The agent that repeats its call gets the result of the one execution.
        let executed = match self.call("fs_write", &arguments).await {
            Ok(CallOutcome::Executed(executed)) if executed.receipt_id == receipt => executed,
            other => {
                return Err(deviation(
                    "the repeated call to be answered with the same receipt",
                    &outcome(other),
                ));
            }
        };
        verified(&executed)?;
        Ok(Scene {
            title: "a write waits for a person",
            request: format!("fs_write {arguments}"),
            policy: format!("rule {} says ask", shown.rule),
            decision: Some(format!("approved by {} for the plan that was shown, once", self.operator.name())),
            effect: self.effects(&executed).await?,
            record: Record::Receipt(receipt),
        })
    }

    async fn call(&self, action: &str, arguments: &Value) -> Result<CallOutcome, ClientError> {
        self.agent.call(action, arguments, &CallOptions::default()).await
    }

    fn expect_file(&self, expected: Option<&str>) -> Result<(), Failure> {
        let found = fs::read_to_string(self.home.files().join(WRITTEN.0)).ok();
        if found.as_deref() == expected {
            return Ok(());
        }
        let words = |text: Option<&str>| text.map_or("no file".to_owned(), |text| format!("{text:?}"));
        Err(deviation(&format!("{} in {}", words(expected), WRITTEN.0), &words(found.as_deref())))
    }

    /// What the host observed, from the receipt.
    async fn effects(&self, executed: &Executed) -> Result<String, Failure> {
        let receipt = self.agent.receipt(executed.receipt_id).await;
        let receipt = receipt.map_err(instead_of("the receipt for its owner"))?;
        let effects = receipt.get("effects").and_then(Value::as_array).cloned().unwrap_or_default();
        if effects.is_empty() || effects.iter().any(|effect| member(effect, "/status") != "done") {
            return Err(deviation("the receipt to name the effect as done", &receipt.to_string()));
        }
        let words = effects.iter().map(|effect| {
            let bytes = effect.get("bytes").and_then(Value::as_u64).unwrap_or_default();
            format!("{}, {}", member(effect, "/kind"), crate::render::content::bytes(bytes))
        });
        Ok(format!("{}; observed by the host, as planned", words.collect::<Vec<_>>().join("; ")))
    }

    /// The entry of that kind that names `id`. Queries may lag behind answers by a moment.
    async fn entry(&self, kind: &str, id: &str) -> Result<Value, Failure> {
        let query = AuditQuery { kind: Some(kind.into()), id: Some(id.into()), ..AuditQuery::default() };
        let until = Instant::now() + INDEXED_WITHIN;
        loop {
            let mut page =
                self.operator.audit(&query).await.map_err(instead_of("an answer from the ledger"))?;
            if let Some(entry) = page.entries.pop() {
                return Ok(entry);
            }
            if Instant::now() >= until {
                return Err(deviation(&format!("one entry {kind} about {id}"), "none"));
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

impl Scene {
    fn render(&self, number: usize) -> String {
        let mut facts = Facts::default();
        facts
            .line(format!("{number}. {}", self.title).bold().to_string())
            .add("request", visible::styled(&self.request))
            .add("policy", visible::styled(&self.policy));
        if let Some(decision) = &self.decision {
            facts.add("decision", visible::styled(decision));
        }
        facts.add("effect", visible::styled(&self.effect));
        match &self.record {
            Record::Receipt(receipt) => facts.add("receipt", receipt.to_string()),
            Record::Entry(seq) => {
                facts.add("record", format!("entry {seq} of the ledger; no receipt, nothing was done"))
            }
        };
        facts.render()
    }
}

fn verified(executed: &Executed) -> Result<(), Failure> {
    let verification = executed.verification;
    if verification.outcome == VerificationStatus::Verified && verification.is_fully_successful {
        return Ok(());
    }
    Err(deviation("what happened to be what was planned", &format!("{:?}", verification.outcome)))
}

fn instead_of(expected: &'static str) -> impl Fn(ClientError) -> Failure {
    move |error| deviation(expected, &Failure::from(error).what)
}

fn outcome(result: Result<CallOutcome, ClientError>) -> String {
    match result {
        Ok(CallOutcome::Executed(executed)) => format!("executed, receipt {}", executed.receipt_id),
        Ok(CallOutcome::Pending(pending)) => format!("held as {}", pending.approval_id),
        Err(error) => Failure::from(error).what,
    }
}

fn member<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or("unknown")
}

fn operator_key(home: &DemoHome) -> Result<SigningKey, Failure> {
    let pem = Zeroizing::new(fs::read_to_string(home.places().operator_key(LOCAL_OPERATOR))?);
    SigningKey::from_pkcs8_pem(&pem)
        .map_err(|error| deviation("the local operator's key", &error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::stripped;

    #[test]
    fn a_scene_is_told_from_request_to_receipt() {
        let scene = Scene {
            title: "a write waits for a person",
            request: "fs_write {}".into(),
            policy: "rule ask-to-write says ask".into(),
            decision: Some("approved by local".into()),
            effect: "fs.write, 3 bytes".into(),
            record: Record::Entry(7),
        };
        let expected = "\
3. a write waits for a person
request   fs_write {}
policy    rule ask-to-write says ask
decision  approved by local
effect    fs.write, 3 bytes
record    entry 7 of the ledger; no receipt, nothing was done";
        assert_eq!(stripped(&scene.render(3)), expected);
    }
}
