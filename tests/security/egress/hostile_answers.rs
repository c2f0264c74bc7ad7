//! Answers that are bombs, lies or never end: refused with the truth about the effect, which is that nobody knows.

use std::fs;

use latchgate_tests::manifest::typed_post;
use latchgate_tests::{Attempt, Gate, RawAgent, Response, Upstream, of_kind, policy};
use serde_json::{Value, json};

use crate::scene::{LOOPBACK, shown};

/// Bytes of an answer that the action takes, and more than any honest one here has.
pub(super) const RESPONSE_BYTES: usize = 64 * 1024;

/// An answer to every request, and what the call must come to.
struct Mischief {
    what: &'static str,
    answer: Response,
    expected: (u16, &'static str),
}

const FAILED: (u16, &str) = (502, "provider_failed");
const TIMED_OUT: (u16, &str) = (504, "provider_timeout");

fn cut(what: &'static str, bytes: impl Into<Vec<u8>>) -> Mischief {
    Mischief { what, answer: Response::Cut(bytes.into()), expected: FAILED }
}

fn endless(what: &'static str, first: &str, again: &str) -> Mischief {
    Mischief { what, answer: Response::Endless(first.into(), again.into()), expected: FAILED }
}

fn slow(what: &'static str, answer: Response) -> Mischief {
    Mischief { what, answer, expected: TIMED_OUT }
}

/// A manifest with little patience and little room.
pub(super) fn hasty(time_ms: u32) -> String {
    let (time, room) = (format!("time_ms: {time_ms}"), format!("response_bytes: {RESPONSE_BYTES}"));
    typed_post("hasty", &[("time_ms: 30000", &time), ("response_bytes: 4194304", &room)])
}

/// Every one of these comes to what it must, on record, and the effect is unknown; then an honest answer is taken.
#[track_caller]
fn check(time_ms: u32, mischiefs: Vec<Mischief>) {
    let answers: Vec<Response> = mischiefs.iter().map(|mischief| mischief.answer.clone()).collect();
    let upstream = Upstream::answering(move |seen| {
        let number = seen.path.trim_start_matches('/').parse::<usize>().unwrap();
        answers.get(number).cloned().unwrap_or_else(|| Response::ok("ok"))
    });
    let gate = Gate::builder()
        .policy(policy::ALLOW)
        .config(LOOPBACK)
        .manifest("hasty.yaml", &hasty(time_ms))
        .start();
    let agent = gate.raw_agent();
    let peak = peak_kib(&gate);

    let pending: Vec<_> =
        (0..mischiefs.len()).map(|number| call(&agent, &upstream, number).begin()).collect();
    let mut wrong = Vec::new();
    for (mischief, mut connection) in mischiefs.iter().zip(pending) {
        let reply = connection.reply();
        let (status, code) = mischief.expected;
        let body = reply.json();
        if reply.outcome() != (status, code.to_owned()) || body["effect"] != "unknown" {
            wrong.push(format!(
                "{}: expected {status} {code}, unknown; found {}",
                mischief.what,
                shown(&reply)
            ));
            continue;
        }
        let entries = gate.entries();
        let mut outcomes = of_kind(&entries, "call.outcome");
        outcomes.retain(|entry| entry["trace_id"] == body["trace_id"]);
        let statuses: Vec<&Value> = outcomes.iter().map(|entry| &entry["effects"][0]["status"]).collect();
        if statuses != [&json!("unknown")] || outcomes[0]["failure_class"] != code {
            wrong.push(format!("{}: {outcomes:#?}", mischief.what));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), mischiefs.len(), wrong.join("\n"));
    // Nothing was sent twice to find out.
    assert_eq!(upstream.count(), mischiefs.len());
    let grown = peak_kib(&gate) - peak;
    assert!(grown < GROWTH_KIB_MAX, "the gate grew by {grown} KiB");

    let twin = call(&agent, &upstream, mischiefs.len()).send();
    assert_eq!((twin.status, &twin.json()["output"]["text"]), (200, &json!("ok")), "{}", shown(&twin));
    assert_eq!(gate.raw_operator().status()["panics_caught"], 0, "{}", gate.log());
    upstream.release();
    gate.assert_sound();
}

pub(super) fn call(agent: &RawAgent, upstream: &Upstream, number: usize) -> Attempt {
    agent
        .call("hasty", &json!({ "url": upstream.url(&format!("/{number}")), "body": { "attempts": number } }))
}

/// What a decompressed bomb would pass by far.
const GROWTH_KIB_MAX: u64 = 256 * 1024;

/// The most memory that the gate ever held.
fn peak_kib(gate: &Gate) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", gate.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Answers that end, one way or the other, before the call's time is up.
pub(super) const PATIENT_MS: u32 = 60_000;
/// Answers that do not.
const HASTY_MS: u32 = 2_000;

#[test]
fn an_encoded_answer_is_refused_undecoded() {
    // Ten kilobytes of this are ten megabytes of zeros, but nobody gets to know.
    let bomb = |header: &str| {
        let gzip = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3][..], &[0xaa; 10_000]].concat();
        let head = format!("HTTP/1.1 200 OK\r\n{header}\r\nContent-Length: {}\r\n\r\n", gzip.len());
        [head.into_bytes(), gzip].concat()
    };
    let transferred =
        |how: &str| format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: {how}\r\n\r\n2\r\nok\r\n0\r\n\r\n");
    check(
        PATIENT_MS,
        vec![
            cut("gzip", bomb("Content-Encoding: gzip")),
            cut("x-gzip", bomb("Content-Encoding: x-gzip")),
            cut("deflate", bomb("content-encoding: deflate")),
            cut("brotli", bomb("Content-Encoding: br")),
            cut("zstd", bomb("Content-Encoding: zstd")),
            cut("upper case", bomb("CONTENT-ENCODING: GZIP")),
            cut("twice", bomb("Content-Encoding: gzip, gzip")),
            cut("behind identity", bomb("Content-Encoding: identity, gzip")),
            cut("in a second header", bomb("Content-Encoding: identity\r\nContent-Encoding: gzip")),
            cut("unheard of", bomb("Content-Encoding: aes128gcm")),
            cut("as transfer", transferred("gzip, chunked")),
            cut("as transfer, twice chunked", transferred("chunked, chunked")),
            cut("as transfer, in two headers", transferred("gzip\r\nTransfer-Encoding: chunked")),
        ],
    );
}

#[test]
fn a_head_without_end_or_measure_is_refused() {
    let many: String = (0..101).map(|i| format!("X-{i}: y\r\n")).collect();
    let head = |lines: &str| format!("HTTP/1.1 200 OK\r\n{lines}Content-Length: 2\r\n\r\nok");
    check(
        PATIENT_MS,
        vec![
            cut("101 headers and one", head(&many)),
            cut("a header of 128 KiB", head(&format!("X: {}\r\n", "y".repeat(128 << 10)))),
            cut("a name of 128 KiB", head(&format!("{}: y\r\n", "x".repeat(128 << 10)))),
            endless("headers without end", "HTTP/1.1 200 OK\r\n", "X-A: b\r\n"),
            endless("a header without end", "HTTP/1.1 200 OK\r\nX-A: ", "bbbbbbbb"),
            endless("a reason without end", "HTTP/1.1 200 ", "OK OK OK "),
            cut("NUL in a header", head("X: a\0b\r\n")),
            cut("a folded header", head("X: a\r\n b\r\n")),
            cut("a space before the colon", head("X : a\r\n")),
            cut("no colon", head("X\r\n")),
            cut(
                "an unasked switch of protocols",
                "HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
            ),
            cut("no head", "ok"),
            cut("HTTP/0.9", "<html>ok</html>"),
            cut("HTTP/2", "HTTP/2 200\r\ncontent-length: 2\r\n\r\nok"),
            cut("a preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
            cut("a status of two digits", "HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nok"),
            cut("another protocol", "SSH-2.0-OpenSSH_9.9\r\n"),
            cut("nothing", ""),
        ],
    );
}

#[test]
fn a_body_beyond_its_bound_or_at_odds_with_its_length_is_refused() {
    let zeros = "0".repeat(RESPONSE_BYTES);
    let sized =
        |length: &str, body: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
    let chunked = |chunks: &str| format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
    check(
        PATIENT_MS,
        vec![
            cut("a byte too many", sized(&(RESPONSE_BYTES + 1).to_string(), &format!("{zeros}0"))),
            Mischief {
                what: "announced, never sent",
                answer: Response::Stuck(sized("9223372036854775807", "").into()),
                expected: FAILED,
            },
            endless("chunks without end", &chunked(""), "5\r\nabcde\r\n"),
            endless("a body until the end, without end", "HTTP/1.1 200 OK\r\n\r\n", &zeros),
            endless("one chunk without end", &chunked("7fffffffffffffff\r\n"), &zeros),
            endless("extensions of a chunk without end", &chunked("2;x="), "yyyyyyyy"),
            endless("small chunks with extensions", &chunked(""), &format!("1;{}\r\n0\r\n", "x".repeat(100))),
            endless("trailers without end", &chunked("2\r\nok\r\n0\r\n"), "X-A: b\r\n"),
            cut("less than announced", sized("100", "half")),
            cut("chunks that break off", chunked("64\r\nhalf")),
            cut("no last chunk", chunked("2\r\nok\r\n")),
            cut("no line end behind a chunk", chunked("2\r\nok0\r\n\r\n")),
            cut("a size that is no number", chunked("zz\r\nok\r\n0\r\n\r\n")),
            cut("a size beyond 2^64", chunked("10000000000000002\r\nok\r\n0\r\n\r\n")),
            cut("two lengths", sized("2\r\nContent-Length: 4", "okok")),
            cut("a list of lengths", sized("2, 4", "okok")),
            cut("a signed length", sized("+2", "ok")),
            cut("a length that is no number", sized("two", "ok")),
            cut(
                "length and chunks",
                "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            ),
        ],
    );
}

#[test]
fn an_answer_that_takes_its_time_meets_the_deadline() {
    let ok = "HTTP/1.1 200 OK\r\n";
    let drip = |first: &str, again: &str| Response::Dripping(first.into(), again.into());
    check(
        HASTY_MS,
        vec![
            slow("silence", Response::Stuck(Vec::new())),
            slow("half a head", Response::Stuck(ok.into())),
            slow("a head that drips", drip(ok, "x")),
            slow("headers that drip", drip(ok, "A: b\r\n")),
            slow("a head, and no body", Response::Stuck(format!("{ok}Content-Length: 2\r\n\r\n").into())),
            slow("half a body", Response::Stuck(format!("{ok}Content-Length: 4\r\n\r\nha").into())),
            slow("a body that drips", drip(&format!("{ok}Content-Length: 60000\r\n\r\n"), "x")),
            slow("chunks that drip", drip(&format!("{ok}Transfer-Encoding: chunked\r\n\r\n"), "1\r\nx\r\n")),
            slow(
                "no last chunk",
                Response::Stuck(format!("{ok}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n").into()),
            ),
            slow("a body until the end that has none", drip(&format!("{ok}\r\n"), "x")),
            slow("interim answers that drip", drip("", "HTTP/1.1 102 Processing\r\n\r\n")),
            slow(
                "interim answers in a flood",
                Response::Endless(Vec::new(), "HTTP/1.1 100 Continue\r\n\r\n".repeat(100).into()),
            ),
        ],
    );
}
