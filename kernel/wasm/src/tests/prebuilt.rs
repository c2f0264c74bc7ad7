//! The shipped components, from plan to observation.

use latchgate_monitor::manifest::Limits;
use latchgate_monitor::plan::{Before, FsOperation, Search, Step};
use latchgate_monitor::ports::Probe as _;
use latchgate_wire::digest::{Digest, Salt};
use latchgate_wire::receipt::{EffectStatus, FailureClass};
use serde_json::{Value, json};

use super::support::{fs, get, host, run, run_on, server, text};
use crate::{Host, Roots};

pub(super) const FS: &[u8] =
    include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../actions/prebuilt/fs.wasm"));
const HTTP_API: &[u8] =
    include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../actions/prebuilt/http_api.wasm"));

/// A directory, its root, and a host on it.
pub(super) fn rooted() -> (tempfile::TempDir, Roots, Host) {
    let dir = tempfile::tempdir().unwrap();
    let roots = Roots::open(dir.path(), &[]).unwrap();
    let host = host(roots.clone());
    (dir, roots, host)
}

fn json(output: Result<String, String>) -> Value {
    serde_json::from_str(&output.unwrap()).unwrap()
}

#[tokio::test]
async fn http_api_returns_status_type_and_body() {
    let url = server("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n\r\nhello").await;
    let ran = run(HTTP_API, Limits::default(), vec![get(&url)]).await;
    assert_eq!(json(ran.output), json!({"status": 200, "content_type": "text/plain", "text": "hello"}));
    assert_eq!((ran.observed[0].status, ran.observed[0].bytes), (EffectStatus::Done, 5));
}

#[tokio::test]
async fn fs_reads_and_lists() {
    let (dir, _, host) = rooted();
    std::fs::create_dir(dir.path().join("d")).unwrap();
    std::fs::write(dir.path().join("d/a"), "hi").unwrap();
    let ran = run_on(&host, FS, Limits::default(), vec![Step::Fs(fs(FsOperation::Read, "d/a"))]).await;
    assert_eq!(json(ran.output), json!({"path": "d/a", "size": 2, "text": "hi"}));
    assert_eq!(ran.observed[0].digest, Some(Digest::salted(&Salt([7; 32]), b"hi")));
    let ran = run_on(&host, FS, Limits::default(), vec![Step::Fs(fs(FsOperation::List, ""))]).await;
    assert_eq!(json(ran.output)["entries"], json!([{"name": "d", "kind": "directory", "size": 0}]));
}

#[tokio::test]
async fn fs_writes_and_deletes_what_the_probe_saw() {
    let (dir, roots, host) = rooted();
    for (content, created) in [("one", true), ("two", false)] {
        let mut step = fs(FsOperation::Write, "a");
        step.content = text(content);
        step.before = roots.look(FsOperation::Write, &step.path).await.unwrap();
        let ran = run_on(&host, FS, Limits::default(), vec![Step::Fs(step)]).await;
        assert_eq!(json(ran.output), json!({"path": "a", "size": 3, "created": created}));
        assert_eq!(std::fs::read_to_string(dir.path().join("a")).unwrap(), content);
        assert_eq!((ran.observed[0].status, ran.observed[0].bytes), (EffectStatus::Done, 3));
    }
    let mut step = fs(FsOperation::Delete, "a");
    step.before = roots.look(FsOperation::Delete, &step.path).await.unwrap();
    let ran = run_on(&host, FS, Limits::default(), vec![Step::Fs(step)]).await;
    assert_eq!(json(ran.output), json!({"path": "a", "removed": true}));
    assert!(!dir.path().join("a").exists());
}

#[tokio::test]
async fn fs_searches_below_a_directory() {
    let (dir, _, host) = rooted();
    std::fs::create_dir(dir.path().join("d")).unwrap();
    std::fs::write(dir.path().join("d/a"), "one\ntwo\n").unwrap();
    let mut step = fs(FsOperation::Search, "");
    step.search = Some(Box::new(Search {
        pattern: "^t".into(),
        is_regex: true,
        is_case_sensitive: true,
        glob: "*".into(),
        results_max: 1,
        allow: vec!["**".into()],
        deny: vec![],
    }));
    let ran = run_on(&host, FS, Limits::default(), vec![Step::Fs(step)]).await;
    let expected = json!({"matches": [{"path": "d/a", "line": 2, "text": "two"}], "truncated": false});
    assert_eq!(json(ran.output), expected);
    assert_eq!((ran.observed[0].status, ran.observed[0].bytes), (EffectStatus::Done, 10));
    assert_eq!(ran.observed[0].digest, Some(Digest::salted(&Salt([7; 32]), b"d/a\x002\0two\0")));
}

#[tokio::test]
async fn fs_does_nothing_where_the_file_changed() {
    let (dir, _, host) = rooted();
    std::fs::write(dir.path().join("a"), "new").unwrap();
    let mut step = fs(FsOperation::Delete, "a");
    step.before = Some(Before::File { digest: Digest::of(b"old"), size: 3 });
    let ran = run_on(&host, FS, Limits::default(), vec![Step::Fs(step)]).await;
    let failure = ran.observed[0].failure.as_ref().unwrap();
    assert_eq!((ran.observed[0].status, failure.class), (EffectStatus::None, FailureClass::Changed));
    assert!(dir.path().join("a").exists());
}

#[tokio::test]
async fn a_large_file_is_read_whole() {
    let (dir, _, host) = rooted();
    std::fs::write(dir.path().join("a"), "x".repeat(1 << 20)).unwrap();
    let mut step = fs(FsOperation::Read, "a");
    step.bytes_max = 1 << 20;
    let ran = run_on(&host, FS, Limits::default(), vec![Step::Fs(step)]).await;
    assert_eq!(json(ran.output)["size"], 1 << 20);
    assert_eq!(ran.observed[0].bytes, 1 << 20);
}
