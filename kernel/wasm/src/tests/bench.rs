//! How long a call takes, printed; nothing is asserted of it.

use std::time::Instant;

use latchgate_monitor::manifest::Limits;
use latchgate_monitor::plan::{FsOperation, Step};
use latchgate_wire::digest::Digest;

use super::prebuilt::{FS, rooted};
use super::support::{ALL, fs, job};

#[tokio::test]
async fn a_pooled_call_is_timed() {
    let (dir, _, host) = rooted();
    std::fs::write(dir.path().join("a"), "hi").unwrap();
    let compiling = Instant::now();
    host.register("fs", FS, Digest::of(FS), ALL).unwrap();
    println!("fs guest: compiled in {:?}", compiling.elapsed());
    let invocation = r#"{"action_id":"a","args":{},"steps":[{"kind":"fs","operation":"read","path":"a"}]}"#;
    const CALLS: u32 = 300;
    for round in ["cold", "warm"] {
        let one = || job(FS, Limits::default(), vec![Step::Fs(fs(FsOperation::Read, "a"))]);
        let jobs: Vec<_> = (0..CALLS).map(|_| one()).collect();
        let started = Instant::now();
        for job in jobs {
            assert!(host.run_job(job, invocation).await.output.is_ok());
        }
        println!("fs guest, {round}: {:?} for each instantiate and call", started.elapsed() / CALLS);
    }
}
