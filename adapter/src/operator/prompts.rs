//! What an operator's client can be asked to think about: a denial, and what waits.

use latchgate_client::OperatorClient;
use latchgate_wire::api::{ApprovalInfo, AuditQuery};
use latchgate_wire::ids::TraceId;
use rmcp::ErrorData;
use rmcp::model::{GetPromptResult, JsonObject, Prompt, PromptArgument, PromptMessage, Role};
use serde_json::{Value, json};

use super::{explained, tools, untrusted};

const EXPLAIN: &str = "explain_denial";
const REVIEW: &str = "review_pending";

/// Whose plans are told whole; the rest by their facts.
const WHOLE_MAX: usize = 20;

pub fn all() -> Vec<Prompt> {
    let trace_id = PromptArgument::new("trace_id")
        .with_description("the trace id that the agent was given, such as trc_01J...")
        .with_required(true);
    vec![
        Prompt::new(
            EXPLAIN,
            Some("Why a call was denied, from its entries in the ledger"),
            Some(vec![trace_id]),
        ),
        Prompt::new(REVIEW, Some("Calls that wait for a decision, the riskiest first"), None),
    ]
}

/// # Errors
/// There is no such prompt or trace, or the gate does not answer.
pub async fn get(
    client: &OperatorClient,
    name: &str,
    arguments: Option<&JsonObject>,
) -> Result<GetPromptResult, ErrorData> {
    let text = match name {
        EXPLAIN => explain(client, arguments).await?,
        REVIEW => review(client).await?,
        _ => return Err(ErrorData::invalid_params(format!("there is no prompt {name:?}"), None)),
    };
    Ok(GetPromptResult::new(vec![PromptMessage::new_text(Role::User, text)]))
}

async fn explain(client: &OperatorClient, arguments: Option<&JsonObject>) -> Result<String, ErrorData> {
    let given =
        arguments.and_then(|arguments| arguments.get("trace_id")).and_then(Value::as_str).unwrap_or_default();
    let trace_id: TraceId =
        given.parse().map_err(|error| ErrorData::invalid_params(format!("trace_id: {error}"), None))?;
    let query = AuditQuery { id: Some(trace_id.to_string()), ..AuditQuery::default() };
    let page =
        client.audit(&query).await.map_err(|error| ErrorData::internal_error(explained(&error), None))?;
    if page.entries.is_empty() {
        return Err(ErrorData::invalid_params(format!("the ledger has no entry of {trace_id}"), None));
    }
    Ok(format!(
        "Explain to the operator why the call with trace id {trace_id} was denied. Below are its entries in the gate's ledger. \
         `error` is the code that the agent was given, `policy.rule` the rule that decided. Say which rule or limit it was, what \
         the agent had asked for, and what would have to change for such a call to be allowed or asked about; say also if \
         nothing should change.\n\n{}",
        untrusted::fenced(&json!(page.entries))?
    ))
}

async fn review(client: &OperatorClient) -> Result<String, ErrorData> {
    let failed = |error| ErrorData::internal_error(explained(&error), None);
    let now = client.status().await.map_err(failed)?.time;
    let mut waiting = client.approvals(Some("pending")).await.map_err(failed)?.approvals;
    if waiting.is_empty() {
        return Ok("No call waits for a decision. Tell the operator so.".into());
    }
    waiting.sort_by_key(|info| (std::cmp::Reverse(rank(&info.risk_level)), info.expires_at));
    let mut text = format!(
        "{} calls wait for a decision, the riskiest first. For each one tell the operator what it would do, what could go wrong, \
         how long there is, and what you would look at before saying yes. Decide nothing: the operator does. Whoever approves \
         reads the whole plan first (latchgate_get_approval).\n",
        waiting.len()
    );
    for (n, info) in waiting.iter().enumerate() {
        let mut facts = tools::facts(info);
        facts["seconds_left"] = json!(now.map(|now| info.expires_at.since(now).max(0) / 1000));
        text.push_str(&format!("\n{}. {}\n", n + 1, untrusted::shown(&facts)));
        if n < WHOLE_MAX {
            text.push_str(&whole(client, info).await?);
        }
    }
    Ok(text)
}

/// What was decided since the list was made is left at its facts.
async fn whole(client: &OperatorClient, info: &ApprovalInfo) -> Result<String, ErrorData> {
    match client.approval(info.approval_id).await {
        Ok(detail) => Ok(format!("{}\n", untrusted::fenced(&tools::words(&detail))?)),
        Err(_) => Ok(String::new()),
    }
}

fn rank(risk_level: &str) -> u8 {
    match risk_level {
        "low" => 0,
        "medium" => 1,
        "high" => 2,
        // `critical`, and whatever a newer gate may have above it.
        _ => 3,
    }
}
