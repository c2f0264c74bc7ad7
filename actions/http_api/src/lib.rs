//! Guest `http_api`: performs every HTTP step of the plan in order and returns the last response.

use latchgate_action::{Invocation, Step, http, text_or_base64};
use serde_json::{Value, json};

latchgate_action::export!(run);

/// `{"status", "content_type", "text"}`, or `"base64"` in place of `"text"` if the body is not UTF-8. A
/// status of 400 or more is a result, not an error.
fn run(invocation: Invocation) -> Result<Value, String> {
    let mut last = None;
    for (index, step) in (0u32..).zip(&invocation.steps) {
        if let Step::Http { .. } = step {
            last = Some(http::perform(index)?);
        }
    }
    last.map(shape).ok_or_else(|| "the plan has no http step".to_owned())
}

fn shape(response: http::Response) -> Value {
    let content_type = response.headers.into_iter().find(|h| h.name == "content-type").map(|h| h.value);
    let (body, content) = text_or_base64(response.body);
    json!({ "status": response.status, "content_type": content_type, body: content })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(headers: &[(&str, &str)], body: &[u8]) -> http::Response {
        let header =
            |(name, value): &(&str, &str)| http::Header { name: (*name).into(), value: (*value).into() };
        http::Response { status: 404, headers: headers.iter().map(header).collect(), body: body.to_vec() }
    }

    #[test]
    fn text_comes_with_its_content_type() {
        let shaped = shape(response(&[("etag", "x"), ("content-type", "text/plain")], b"hi"));
        assert_eq!(shaped, json!({"status": 404, "content_type": "text/plain", "text": "hi"}));
    }

    #[test]
    fn other_bytes_come_as_base64_and_a_missing_type_as_null() {
        assert_eq!(
            shape(response(&[], b"\xff")),
            json!({"status": 404, "content_type": null, "base64": "/w=="})
        );
    }

    #[test]
    fn a_plan_without_http_step_is_an_error() {
        let empty = Invocation { action_id: "a".to_owned(), args: Value::Null, steps: vec![] };
        assert_eq!(run(empty), Err("the plan has no http step".to_owned()));
    }
}
