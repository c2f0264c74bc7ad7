//! Guest `web`: performs step 0 of the plan, a request for a page, and returns the page as readable text.

mod charset;
mod entities;
mod link;
mod page;
mod paper;
mod tokens;

use latchgate_action::{Invocation, Step, http};
use serde_json::{Value, json};

use page::Page;

latchgate_action::export!(run);

/// `{"status", "content_type", "location", "title", "text", "truncated"}`. A status of 300 or more is a result, not an
/// error.
fn run(invocation: Invocation) -> Result<Value, String> {
    let Some(Step::Http { url, .. }) = invocation.steps.first() else {
        return Err("step 0 of the plan is not an http request".to_owned());
    };
    let chars_max = chars_max(&invocation.args)?;
    shape(url, chars_max, &http::perform(0)?)
}

fn chars_max(args: &Value) -> Result<usize, String> {
    let found = args.get("max_chars").and_then(Value::as_u64).and_then(|max| usize::try_from(max).ok());
    found.ok_or_else(|| "expected the argument max_chars, a number of characters".to_owned())
}

fn shape(url: &str, chars_max: usize, response: &http::Response) -> Result<Value, String> {
    let header = |name: &str| response.headers.iter().find(|h| h.name == name).map(|h| h.value.as_str());
    let content_type = header("content-type");
    let page = read(url, chars_max, content_type.unwrap_or_default(), &response.body)?;
    Ok(json!({
        "status": response.status,
        "content_type": content_type,
        "location": header("location").and_then(|target| link::resolve(url, target)),
        "title": page.title,
        "text": page.text,
        "truncated": page.is_cut,
    }))
}

fn read(url: &str, chars_max: usize, content_type: &str, body: &[u8]) -> Result<Page, String> {
    let kind = Kind::of(content_type, body).ok_or_else(|| {
        format!("expected a page of text, found {content_type}; http_fetch returns any content")
    })?;
    let text = charset::decode(body, content_type)
        .map_err(|label| format!("the page is encoded in {label}, expected UTF-8 or ISO-8859-1"))?;
    Ok(match kind {
        Kind::Html => page::read(&text, url, chars_max),
        Kind::Plain => {
            let mut paper = paper::Paper::new(chars_max);
            paper.verbatim(&text);
            Page { title: None, is_cut: paper.is_cut(), text: paper.finish() }
        }
    })
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Html,
    Plain,
}

impl Kind {
    /// By the media type (RFC 9110 section 8.3.1); without one, by the first sign.
    fn of(content_type: &str, body: &[u8]) -> Option<Self> {
        let media = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match media.as_str() {
            "text/html" | "application/xhtml+xml" => Some(Self::Html),
            "application/json" | "application/xml" => Some(Self::Plain),
            "" => {
                let is_markup = body.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'<');
                Some(if is_markup { Self::Html } else { Self::Plain })
            }
            other if other.starts_with("text/") || other.ends_with("+json") || other.ends_with("+xml") => {
                Some(Self::Plain)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(headers: &[(&str, &str)], body: &[u8]) -> http::Response {
        let header =
            |(name, value): &(&str, &str)| http::Header { name: (*name).into(), value: (*value).into() };
        http::Response { status: 200, headers: headers.iter().map(header).collect(), body: body.to_vec() }
    }

    fn shaped(headers: &[(&str, &str)], body: &[u8]) -> Result<Value, String> {
        shape("https://a.test/x", 100, &response(headers, body))
    }

    #[test]
    fn a_page_is_title_and_text() {
        let html = b"<title>T</title><p>Hello <a href=y>you</a>";
        let expected = json!({
            "status": 200, "content_type": "text/html", "location": null, "title": "T",
            "text": "Hello you (https://a.test/y)", "truncated": false,
        });
        assert_eq!(shaped(&[("content-type", "text/html")], html), Ok(expected));
    }

    #[test]
    fn a_redirect_says_where_to() {
        let found = shaped(&[("location", "/new?a")], b"").unwrap();
        assert_eq!((&found["location"], &found["text"]), (&json!("https://a.test/new?a"), &json!("")));
        assert_eq!(shaped(&[("location", "javascript:x")], b"").unwrap()["location"], Value::Null);
    }

    #[test]
    fn text_that_is_no_markup_stays_as_it_is() {
        for content_type in
            ["text/plain", "application/json; charset=utf-8", "application/problem+json", "TEXT/csv"]
        {
            let found = shaped(&[("content-type", content_type)], b"a <b>\n  &amp;").unwrap();
            assert_eq!(found["text"], "a <b>\n  &amp;", "{content_type}");
        }
        assert_eq!(shaped(&[], b" <p>a &amp;").unwrap()["text"], "a &");
        assert_eq!(shaped(&[], b"a <p>").unwrap()["text"], "a <p>");
    }

    #[test]
    fn what_is_no_text_is_an_error_that_says_so() {
        for content_type in ["image/png", "application/pdf", "application/octet-stream", "video/html"] {
            let error = shaped(&[("content-type", content_type)], b"x").unwrap_err();
            assert!(error.contains(content_type), "{error}");
        }
        let error = shaped(&[("content-type", "text/html; charset=gbk")], b"x").unwrap_err();
        assert!(error.contains("encoded in gbk"), "{error}");
    }

    #[test]
    fn text_is_cut_at_max_chars() {
        for (body, text, truncated) in [("x".repeat(100), 100, false), ("x".repeat(101), 100, true)] {
            for content_type in ["text/plain", "text/html"] {
                let found = shaped(&[("content-type", content_type)], body.as_bytes()).unwrap();
                let chars = found["text"].as_str().unwrap().chars().count();
                assert_eq!((chars, &found["truncated"]), (text, &json!(truncated)), "{content_type}");
            }
        }
    }

    #[test]
    fn max_chars_is_a_number() {
        assert_eq!(chars_max(&json!({"max_chars": 7})), Ok(7));
        assert!(chars_max(&json!({})).is_err());
        assert!(chars_max(&json!({"max_chars": "7"})).is_err());
    }

    #[test]
    fn a_plan_without_a_request_is_an_error() {
        let empty = Invocation { action_id: "a".to_owned(), args: json!({"max_chars": 1}), steps: vec![] };
        assert_eq!(run(empty), Err("step 0 of the plan is not an http request".to_owned()));
    }
}
