//! The component `web`: pages of a server, kind and hostile, as text within the limits of its manifests.

use latchgate_monitor::manifest::Limits;
use latchgate_wire::digest::Digest;
use latchgate_wire::receipt::EffectStatus;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::support::{ALL, get, host, job};
use crate::Roots;
use latchgate_monitor::plan::Step;
use latchgate_monitor::steps::Ran;

const WEB: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../actions/prebuilt/web.wasm"));

/// Those of `web_read.yaml`.
fn limits() -> Limits {
    Limits { fuel: 4_000_000_000, ..Limits::default() }
}

async fn read(head: &str, body: Vec<u8>, max_chars: u64) -> Ran {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/dir/page", listener.local_addr().unwrap());
    let head = format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n", body.len());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _request = stream.read(&mut [0; 4096]).await;
        let _sent = stream.write_all(&[head.as_bytes(), &body].concat()).await;
    });
    let Step::Http(mut step) = get(&url) else { panic!() };
    step.response_bytes_max = limits().response_bytes;
    let invocation = json!({
        "action_id": "web_read", "args": {"url": url, "max_chars": max_chars},
        "steps": [{"kind": "http", "method": "GET", "url": url}],
    });
    let host = host(Roots::none());
    host.register("web", WEB, Digest::of(WEB), ALL).unwrap();
    host.run_job(job(WEB, limits(), vec![Step::Http(step)]), &invocation.to_string()).await
}

fn json(ran: &Ran) -> Value {
    serde_json::from_str(ran.output.as_ref().unwrap_or_else(|why| panic!("{why}: {ran:?}"))).unwrap()
}

#[tokio::test]
async fn a_page_is_read_as_text() {
    let html = "<title>T</title><nav>x</nav><h1>Hello</h1><p>you <a href='/a'>there</a><script>x</script>";
    let ran = read("200 OK\r\ncontent-type: text/html; charset=utf-8", html.into(), 1000).await;
    let page = json(&ran);
    assert_eq!((&page["status"], &page["title"]), (&json!(200), &json!("T")));
    let text = page["text"].as_str().unwrap();
    assert!(text.starts_with("# Hello\n\nyou there (http://127.0.0.1:") && text.ends_with("/a)"), "{text}");
    assert_eq!((ran.observed[0].status, ran.observed[0].bytes), (EffectStatus::Done, html.len() as u64));
}

#[tokio::test]
async fn a_redirect_is_a_result_that_says_where_to() {
    let ran = read("301 Moved\r\nlocation: /new", vec![], 1000).await;
    let page = json(&ran);
    assert_eq!(page["status"], 301);
    assert!(page["location"].as_str().unwrap().ends_with("/new"), "{page}");
}

#[tokio::test]
async fn what_is_no_text_is_an_error() {
    let ran = read("200 OK\r\ncontent-type: image/png", b"\x89PNG".to_vec(), 1000).await;
    assert!(ran.output.is_err_and(|why| why.contains("image/png")));
    assert_eq!(ran.observed[0].status, EffectStatus::Done);
}

/// As large as a page may be, and made to be hard to read: none uses up fuel, memory or time.
#[tokio::test]
async fn the_largest_hostile_pages_are_read_within_the_limits() {
    let bytes_max = usize::try_from(limits().response_bytes).unwrap();
    for piece in [
        "<div>",
        "<ul><li>x",
        "<nav>",
        "</nav",
        "<a href='x'>y</a> ",
        "<!--",
        "<",
        "&amp;",
        "x ",
        "\u{ff}",
        "</",
    ] {
        let html = piece.repeat(bytes_max / piece.len());
        let ran = read("200 OK\r\ncontent-type: text/html", html.into_bytes(), 200_000).await;
        let page = json(&ran);
        assert!(page["text"].as_str().unwrap().chars().count() <= 200_000, "{piece}");
        assert!(ran.runtime.fuel_consumed < limits().fuel / 2, "{piece}: {:?}", ran.runtime);
    }
    // No text at all: every byte becomes a character of three.
    let ran = read("200 OK\r\ncontent-type: text/html", vec![0xff; bytes_max], 200_000).await;
    assert_eq!(json(&ran)["truncated"], true);
}
