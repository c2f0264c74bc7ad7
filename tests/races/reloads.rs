//! Reloads of different files at once: afterwards calls are judged by what the log has in force.

use std::sync::Barrier;
use std::thread;

use serde_json::json;

use crate::ground::{Ground, Rules, replace};

const TIMES: u64 = 3;
const AT_ONCE: usize = 6;

#[test]
fn of_reloads_at_once_the_last_one_in_the_log_is_in_force() {
    let mut ground = Ground::new();
    let path = ground.gate.home().join("policies/rules.yaml");
    for number in 1..=TIMES {
        let barrier = Barrier::new(AT_ONCE);
        thread::scope(|scope| {
            for n in 0..AT_ONCE {
                let rules = if n % 2 == 0 { Rules::Asked } else { Rules::Reworded };
                let request = ground.local.post("/v1/reload", &json!({}));
                let (barrier, path) = (&barrier, &path);
                let (socket, bytes) = request.prepared();
                scope.spawn(move || {
                    barrier.wait();
                    replace(path, &rules.text());
                    latchgate_tests::exchange(&socket, &bytes).expect(200);
                });
            }
        });
        ground.assert_whole(number);
    }
    assert!(ground.gate.terminate().success());
    ground.gate.assert_sound();
}
