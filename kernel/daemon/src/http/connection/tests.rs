//! Time limits of a connection, with time moved on by hand.

use http_body_util::Full;
use hyper::Response;
use tokio::io::{AsyncReadExt as _, DuplexStream};
use tokio::time::{Instant, sleep};

use super::super::incoming::Received;
use super::*;

/// The other end of a connection of ours; every request that is read is answered with its code or `ok`.
fn connected() -> DuplexStream {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let service = service_fn(|request| async {
        let answer = Received::read(request).await.map_or_else(|denial| denial.code.as_str(), |_| "ok");
        Ok::<_, std::convert::Infallible>(Response::new(Full::new(bytes::Bytes::from(answer))))
    });
    tokio::spawn(protocol().serve_connection(TokioIo::new(near), service));
    far
}

/// What is said until the connection ends, and how long after now that is.
async fn rest(mut far: DuplexStream) -> (String, Duration) {
    let begun = Instant::now();
    let mut said = String::new();
    far.read_to_string(&mut said).await.unwrap();
    (said, begun.elapsed())
}

fn about(limit: Duration) -> std::ops::Range<Duration> {
    limit..limit + Duration::from_secs(1)
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_says_nothing_ends() {
    let (said, after) = rest(connected()).await;
    assert!(said.is_empty() && about(HEAD_TIMEOUT).contains(&after), "{after:?}: {said}");
}

#[tokio::test(start_paused = true)]
async fn half_a_head_ends_and_a_whole_one_is_answered() {
    let mut far = connected();
    far.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n").await.unwrap();
    let (said, after) = rest(far).await;
    assert!(!said.contains("ok") && about(HEAD_TIMEOUT).contains(&after), "{after:?}: {said}");

    let mut far = connected();
    far.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n").await.unwrap();
    sleep(HEAD_TIMEOUT - Duration::from_secs(1)).await;
    far.write_all(b"\r\n").await.unwrap();
    let (said, after) = rest(far).await;
    assert!(said.ends_with("ok"), "{said}");
    assert!(about(HEAD_TIMEOUT).contains(&after), "idle after its answer: {after:?}");
}

#[tokio::test(start_paused = true)]
async fn a_head_that_trickles_in_gets_no_more_time() {
    let mut far = connected();
    let begun = Instant::now();
    let head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    for byte in head {
        if far.write_all(&[*byte]).await.is_err() {
            break;
        }
        sleep(Duration::from_secs(5)).await;
    }
    let (said, _) = rest(far).await;
    assert!(!said.contains("ok"), "{said}");
    assert!(begun.elapsed() < HEAD_TIMEOUT + Duration::from_secs(6), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn half_a_body_is_told_the_time_is_up() {
    for trickle in [false, true] {
        let far = connected();
        let (reading, mut writing) = tokio::io::split(far);
        writing.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nx").await.unwrap();
        let trickling = tokio::spawn(async move {
            while trickle && writing.write_all(b"x").await.is_ok() {
                sleep(Duration::from_secs(1)).await;
            }
            writing
        });
        let begun = Instant::now();
        let mut said = String::new();
        let mut reading = reading;
        reading.read_to_string(&mut said).await.unwrap();
        assert!(said.ends_with("request_timeout"), "{said}");
        assert!(about(Duration::from_secs(30)).contains(&begun.elapsed()), "{:?}", begun.elapsed());
        trickling.abort();
    }
}
