//! Every route of the operators, read from the routers themselves: a list written beside them would fall behind.

use std::fs;

use latchgate_tests::workspace;
use serde_json::{Value, json};

/// The routers, and what their patterns leave out.
const ROUTERS: [(&str, &str); 4] = [
    ("kernel/daemon/src/http/admin.rs", ""),
    ("kernel/daemon/src/http/people.rs", ""),
    ("kernel/daemon/src/http/secrets.rs", ""),
    ("kernel/daemon/src/http/ledger.rs", "/v1/ledger"),
];
/// Fewer are found where a router is written in another way than this reads it.
const ROUTES_MIN: usize = 45;

pub struct Route {
    pub method: String,
    pub path: String,
    /// Null for a `GET`.
    pub body: Value,
}

/// With the id of a held call, and the decision on its plan for a body.
pub fn all(approval_id: &str, plan_digest: &Value) -> Vec<Route> {
    let mut routes = Vec::new();
    for (file, prefix) in ROUTERS {
        let text = fs::read_to_string(workspace().join(file)).unwrap();
        routes.extend(text.lines().filter_map(|line| {
            let (method, path) = pattern(line.trim(), approval_id)?;
            let body = if method == "GET" { Value::Null } else { json!({ "plan_digest": plan_digest }) };
            Some(Route { method, path: format!("{prefix}{path}"), body })
        }));
    }
    assert!(routes.len() >= ROUTES_MIN, "{} routes found", routes.len());
    for known in
        ["/metrics", "/v1/ledger/rotate-key", "/v1/operators/local/token", "/v1/allowlist", "/v1/secrets"]
    {
        assert!(routes.iter().any(|route| route.path == known), "{known}");
    }
    routes
}

/// Of a match arm such as `("POST", ["v1", "standing", id, "revoke"]) => {`.
fn pattern(line: &str, approval_id: &str) -> Option<(String, String)> {
    let (method, rest) = line.strip_prefix("(\"")?.split_once("\", [")?;
    let (segments, _) = rest.split_once("]) ")?;
    let mut path = String::new();
    for segment in segments.split(", ") {
        let segment = match segment.strip_prefix('"').and_then(|quoted| quoted.strip_suffix('"')) {
            Some(literal) => literal,
            None => filled(segment, &path, approval_id),
        };
        path.push('/');
        path.push_str(segment);
    }
    Some((method.to_owned(), path))
}

fn filled<'a>(name: &str, before: &str, approval_id: &'a str) -> &'a str {
    match name {
        "id" if before.ends_with("approvals") || before.ends_with("standing") => approval_id,
        "id" => "rcpt_01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "name" => "local",
        "rule" => "allowed.0000000000000000",
        "seq" | "level" => "0",
        "place @ .." => "000",
        "word @ (\"test\" | \"retry\")" => "test",
        other => panic!("what stands for `{other}` in {before}?"),
    }
}
