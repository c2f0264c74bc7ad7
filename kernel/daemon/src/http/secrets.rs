//! Routes about secrets, on the operators' socket alone: names, kinds and needs come out, values only go in.
//!
//! The body of a change is a secret: it is in no entry, payload, log or error.

use std::sync::Arc;

use hyper::Response;
use latchgate_monitor::denial::Denial;
use latchgate_wire::entry::Role;
use latchgate_wire::ids::TraceId;
use latchgate_wire::problem::Code;
use latchgate_wire::secret::{NAMES_PER_CHANGE_MAX, SecretsRequest};

use super::admin::operator;
use super::incoming::Received;
use super::respond::{self, Whole};
use crate::gate::Gate;
use crate::people::operators::Operated;
use crate::secrets::Change;

/// `None` for a route that is none of these.
pub async fn routed(
    gate: &Arc<Gate>,
    received: &Received,
    segments: &[&str],
    trace_id: TraceId,
) -> Result<Option<Response<Whole>>, Denial> {
    match (received.method.as_str(), segments) {
        ("GET", ["v1", "secrets"]) => {
            operator(gate, received, Role::Viewer)?;
        }
        ("POST", ["v1", "secrets"]) => {
            let by = operator(gate, received, Role::Admin)?;
            let request = request(&received.body)?;
            change(gate, Change::Set(request.set), &by, trace_id).await?;
        }
        ("POST", ["v1", "secrets", name, "remove"]) => {
            let by = operator(gate, received, Role::Admin)?;
            let name = name.parse().map_err(|error: latchgate_wire::secret::SecretNameError| {
                Denial::new(Code::BadRequest, error.to_string())
            })?;
            change(gate, Change::Remove(name), &by, trace_id).await?;
        }
        _ => return Ok(None),
    }
    Ok(Some(respond::json(200, &gate.secrets.list(&gate.catalog.load()))))
}

async fn change(gate: &Gate, change: Change, by: &Operated, trace_id: TraceId) -> Result<(), Denial> {
    gate.secrets.change(&gate.world.ledger, change, by, trace_id).await
}

/// Read straight into values that are wiped. What is wrong with it is told by its place: the parser's own words would repeat
/// what it found there.
fn request(body: &[u8]) -> Result<SecretsRequest, Denial> {
    let bad = |detail: String| Denial::new(Code::BadRequest, detail);
    let request: SecretsRequest = serde_json::from_slice(body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        bad(format!("the body is not what this route takes, at line {line}, column {column}"))
    })?;
    match request.set.len() {
        0 => Err(bad("the body names no secret".into())),
        names if names > NAMES_PER_CHANGE_MAX => {
            Err(bad(format!("the body names {names} secrets, expected {NAMES_PER_CHANGE_MAX} or fewer")))
        }
        _ => Ok(request),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(body: &str) -> String {
        match request(body.as_bytes()) {
            Ok(_) => panic!("taken: {body}"),
            Err(denial) => denial.detail,
        }
    }

    #[test]
    fn what_is_wrong_with_a_body_is_told_without_its_content() {
        for body in [
            r#"{"set":"hunter2"}"#,
            r#"{"set":[{"name":"a","secret":{"kind":"hunter2","value":"hunter2"}}]}"#,
            r#"{"set":[{"name":"hunter2 hunter2","secret":{"kind":"plain","value":"x"}}]}"#,
            r#"{"set":[{"name":"a","hunter2":1}]}"#,
            r#"{"set":[{"name":"a","secret":{"kind":"plain","value":"hunter2","value":"hunter2"}}]}"#,
            r#"{"set":[]} hunter2"#,
            r#"{"set":[]}"#,
        ] {
            let detail = refusal(body);
            assert!(!detail.contains("hunter2"), "{body}: {detail}");
        }
    }

    #[test]
    fn as_many_names_as_an_entry_holds_are_taken_and_one_more_is_not() {
        let body = |count: usize| {
            let secret = r#"{"kind":"plain","value":"the value 123"}"#;
            let one = |name: usize| format!(r#"{{"name":"n{name}","secret":{secret}}}"#);
            format!(r#"{{"set":[{}]}}"#, (0..count).map(one).collect::<Vec<_>>().join(","))
        };
        assert!(request(body(NAMES_PER_CHANGE_MAX).as_bytes()).is_ok());
        assert!(refusal(&body(NAMES_PER_CHANGE_MAX + 1)).contains("expected 200 or fewer"));
    }
}
