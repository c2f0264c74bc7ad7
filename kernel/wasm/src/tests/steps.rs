//! Planned steps, and attempts at others.

use std::sync::Arc;

use latchgate_egress::{Config, Egress};
use latchgate_monitor::manifest::Limits;
use latchgate_monitor::plan::{FsOperation, Placement, SecretUse, Step};
use latchgate_monitor::steps::Observed;
use latchgate_wire::digest::{Digest, Salt};
use latchgate_wire::receipt::{EffectStatus, FailureClass, PlanKind};

use super::support::{
    FS, FS_RESULT, HTTP, HTTP_RESULT, Values, config, echo, fs, get, guest, host, job, run, run_on, server,
};
use crate::journal::{Journal, NotBegun};
use crate::{Host, HostConfig, Roots};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

fn http_guest(step: u32) -> Vec<u8> {
    guest(HTTP, &format!("(call $http (i32.const {step}) (i32.const 1024)) {HTTP_RESULT}"))
}

fn seen(body: &[u8]) -> Observed {
    Observed {
        step: 0,
        status: EffectStatus::Done,
        http_status: Some(200),
        is_refusal: false,
        bytes: body.len() as u64,
        digest: Some(Digest::salted(&Salt([7; 32]), body)),
        failure: None,
    }
}

#[tokio::test]
async fn a_planned_request_is_sent_and_observed() {
    let ran = run(&http_guest(0), Limits::default(), vec![get(&server(OK).await)]).await;
    assert_eq!(ran.output, Ok("null".into()));
    assert_eq!(ran.observed, [seen(b"hello")]);
}

#[tokio::test]
async fn a_step_is_performed_once() {
    let twice = "(call $http (i32.const 0) (i32.const 1024)) (call $http (i32.const 0) (i32.const 1024))";
    let component = guest(HTTP, &format!("{twice} {HTTP_RESULT}"));
    let ran = run(&component, Limits::default(), vec![get(&server(OK).await)]).await;
    assert_eq!(ran.output, Err("step 0 was performed before".into()));
    assert_eq!(ran.observed, [seen(b"hello")]);
}

#[tokio::test]
async fn a_step_that_the_plan_does_not_have_is_refused() {
    for step in [1, u32::MAX] {
        let ran = run(&http_guest(step), Limits::default(), vec![get(&server(OK).await)]).await;
        assert_eq!(ran.output, Err(format!("the plan has no step {step}")));
        assert_eq!(ran.observed, []);
    }
}

#[tokio::test]
async fn a_step_of_another_kind_is_refused() {
    let ran = run(&http_guest(0), Limits::default(), vec![Step::Fs(fs(FsOperation::Read, "a"))]).await;
    assert_eq!((ran.output, ran.observed), (Err("step 0 of the plan is not of this kind".into()), vec![]));
    let component = guest(FS, &format!("(call $fs (i32.const 0) (i32.const 1024)) {FS_RESULT}"));
    let ran = run(&component, Limits::default(), vec![get("https://example.com/")]).await;
    assert_eq!((ran.output, ran.observed), (Err("step 0 of the plan is not of this kind".into()), vec![]));
}

#[tokio::test]
async fn an_envelope_plan_is_not_performed() {
    let (host, component) = (host(Roots::none()), http_guest(0));
    host.register("test", &component, Digest::of(&component), super::support::ALL).unwrap();
    let mut job = job(&component, Limits::default(), vec![get(&server(OK).await)]);
    job.plan.kind = PlanKind::Envelope;
    let ran = host.run_job(job, "{}").await;
    assert!(ran.output.is_err_and(|why| why.contains("envelope")));
    assert_eq!(ran.observed, []);
}

#[tokio::test]
async fn a_request_without_an_answer_is_unknown_when_its_time_is_up() {
    let limits = Limits { time_ms: 300, ..Limits::default() };
    let ran = run(&http_guest(0), limits, vec![get(&server("").await)]).await;
    // The request ended before the guest's time did, and the guest could say so.
    assert!(ran.output.is_err_and(|why| why.contains("waiting for the response")), "{:?}", ran.stopped);
    assert_eq!(ran.stopped, None);
    let failure = ran.observed[0].failure.as_ref().unwrap();
    assert_eq!(
        (ran.observed[0].status, failure.class),
        (EffectStatus::Unknown, FailureClass::ProviderTimeout)
    );
}

#[tokio::test]
async fn a_response_over_its_limit_is_unknown() {
    let url = server("HTTP/1.1 200 OK\r\ncontent-length: 1001\r\n\r\n").await;
    let ran = run(&http_guest(0), Limits::default(), vec![get(&url)]).await;
    let failure = ran.observed[0].failure.as_ref().unwrap();
    assert_eq!(
        (ran.observed[0].status, failure.class),
        (EffectStatus::Unknown, FailureClass::ProviderFailed)
    );
    assert!(failure.remediation.as_ref().unwrap().contains("limits.response_bytes"), "{failure:?}");
}

#[tokio::test]
async fn a_request_that_the_egress_refuses_has_no_effect() {
    let egress = Egress::new(Config::default()).unwrap();
    let host = Host::new(HostConfig { egress: egress.into(), ..config(Roots::none()) }).unwrap();
    let ran = run_on(&host, &http_guest(0), Limits::default(), vec![get(&server(OK).await)]).await;
    let failure = ran.observed[0].failure.as_ref().unwrap();
    assert_eq!((ran.observed[0].status, failure.class), (EffectStatus::None, FailureClass::Refused));
}

#[tokio::test]
async fn a_closed_port_has_no_effect() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let ran = run(&http_guest(0), Limits::default(), vec![get(&url)]).await;
    let failure = ran.observed[0].failure.as_ref().unwrap();
    assert_eq!((ran.observed[0].status, failure.class), (EffectStatus::None, FailureClass::ProviderFailed));
}

fn with_bearer(url: &str) -> Step {
    let mut step = get(url);
    if let Step::Http(step) = &mut step {
        let host = "127.0.0.1".into();
        step.secrets = vec![SecretUse { name: "TOKEN".into(), host, placement: Placement::Bearer {} }];
    }
    step
}

#[tokio::test]
async fn a_request_is_not_sent_without_its_secret() {
    let ran = run(&http_guest(0), Limits::default(), vec![with_bearer(&server(OK).await)]).await;
    assert!(ran.output.is_err_and(|why| why.contains("secret TOKEN is not set")));
    assert_eq!(ran.observed[0].status, EffectStatus::None);
}

/// A guest that gives back the first bytes of the answer's body, which the service made of what it was sent.
#[tokio::test]
async fn a_guest_sees_neither_the_secret_nor_what_a_service_gives_back_of_it() {
    const VALUE: &str = "correct-horse-battery";
    let vault = Arc::new(Values(&[("TOKEN", VALUE)]));
    let host = Host::new(HostConfig { vault, ..config(Roots::none()) }).unwrap();
    // Of the return area, where the pointer to the body and its length are.
    let body = "(call $http (i32.const 0) (i32.const 1024))
        (call $say (i32.const 1) (i32.load (i32.const 1040)) (i32.load (i32.const 1044)))";
    let (url, requests) = echo().await;
    let ran = run_on(&host, &guest(HTTP, body), Limits::default(), vec![with_bearer(&url)]).await;
    let told = ran.output.unwrap_err();
    assert!(told.contains("authorization: Bearer [secret TOKEN]"), "{told}");
    assert!(!told.contains(VALUE), "{told}");
    assert!(requests.await.unwrap().contains(&format!("authorization: Bearer {VALUE}")));
}

/// Its whole memory, as it stands once the answer is in it.
#[tokio::test]
async fn a_guests_memory_holds_no_secret() {
    const VALUE: &str = "correct-horse-battery";
    let vault = Arc::new(Values(&[("TOKEN", VALUE)]));
    let host = Host::new(HostConfig { vault, ..config(Roots::none()) }).unwrap();
    // The eighth bit goes, so that all of it is text.
    let body = "(call $http (i32.const 0) (i32.const 1024))
        (loop $next
            (i32.store8 (local.get $i) (i32.and (i32.load8_u (local.get $i)) (i32.const 127)))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $next (i32.lt_u (local.get $i) (i32.const 262144))))
        (call $say (i32.const 0) (i32.const 0) (i32.const 262144))";
    let (url, requests) = echo().await;
    let ran = run_on(&host, &guest(HTTP, body), Limits::default(), vec![with_bearer(&url)]).await;
    let memory = ran.output.unwrap();
    assert_eq!(memory.len(), 262_144);
    assert!(memory.contains("Bearer [secret TOKEN]"), "the answer is in it");
    for part in [VALUE, "correct-horse", "battery"] {
        assert!(!memory.contains(part), "{part}");
    }
    assert!(requests.await.unwrap().contains(VALUE));
}

#[tokio::test]
async fn without_a_root_file_steps_say_how_to_get_one() {
    let component = guest(FS, &format!("(call $fs (i32.const 0) (i32.const 1024)) {FS_RESULT}"));
    let ran = run(&component, Limits::default(), vec![Step::Fs(fs(FsOperation::Read, "a"))]).await;
    assert_eq!(ran.output, Err("no root for file actions is configured".into()));
    let failure = ran.observed[0].failure.as_ref().unwrap();
    assert_eq!(failure.class, FailureClass::Refused);
    assert!(failure.remediation.as_ref().unwrap().contains("--root DIR"));
}

#[test]
fn a_step_that_was_begun_and_never_ended_is_unknown_unless_it_reads() {
    let cases = [
        (get("https://example.com/"), EffectStatus::Unknown),
        (Step::Fs(fs(FsOperation::Write, "a")), EffectStatus::Unknown),
        (Step::Fs(fs(FsOperation::Delete, "a")), EffectStatus::Unknown),
        (Step::Fs(fs(FsOperation::Read, "a")), EffectStatus::None),
        (Step::Fs(fs(FsOperation::List, "a")), EffectStatus::None),
        (Step::Fs(fs(FsOperation::Search, "a")), EffectStatus::None),
    ];
    for (step, status) in cases {
        let journal = Journal::default();
        assert!(journal.begin(0, &step).is_ok());
        assert_eq!(journal.begin(0, &step), Err(NotBegun::Twice));
        assert_eq!(journal.close()[0].status, status, "{step:?}");
    }
}

/// A guest may take a moment to end after its call was answered.
#[test]
fn nothing_begins_after_the_end_of_a_call() {
    let (journal, step) = (Journal::default(), get("https://example.com/"));
    assert_eq!(journal.begin(0, &step), Ok(()));
    let told = journal.close();
    assert_eq!(journal.begin(1, &step), Err(NotBegun::Late));
    journal.end(seen(b"too late"));
    assert_eq!(told[0].status, EffectStatus::Unknown);
}
