//! The gate that is broken, and what it is taken through meanwhile.

use std::sync::atomic::AtomicU64;

use latchgate_tests::{Chance, Gate, GateBuilder, Upstream, eventually, policy, tick};

use crate::load::{Answered, Load};

pub const CONFIG: &str = r#"
[egress]
dangerous_loopback = true
[limits]
calls_per_s = 100000
leases_per_s = 100000
"#;

/// A gate that permits everything that the load does.
pub fn builder() -> GateBuilder {
    Gate::builder()
        .policy(policy::ALLOW)
        .config(CONFIG)
        .manifest("tick.yaml", &tick::manifest())
        .root_file("fixed", "read by everybody")
}

/// What a gate is in the middle of when the disk strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Calls, as fast as they are answered.
    Load,
    /// Taking up a ledger that was left in the middle of calls.
    Start,
    /// Its ledger goes over to another key, among calls.
    Rotation,
    /// Payloads are made unreadable, among calls.
    Forgetting,
    Stop,
}

/// The service that counts effects, and the numbers that were never sent before.
pub struct World {
    pub upstream: Upstream,
    pub numbers: AtomicU64,
}

impl World {
    pub fn new() -> Self {
        Self { upstream: Upstream::start(), numbers: AtomicU64::new(0) }
    }

    /// Takes the gate through the stage; `plan` is called where it begins. What was promised until the gate was gone, which it
    /// is in the end, by the disk or by a kill.
    pub fn take_through(
        &self,
        stage: Stage,
        gate: &mut Gate,
        chance: &mut Chance,
        plan: impl Fn(),
    ) -> Vec<Answered> {
        let load = Load::new(&self.upstream, &self.numbers);
        let agent = gate.raw_agent();
        load.run(&agent, chance, |load| {
            let already = |calls| move || (load.answered() >= calls).then_some(());
            match stage {
                Stage::Load => {
                    plan();
                    eventually("the end of the gate", || (!gate.is_running()).then_some(()));
                    gate.wait();
                }
                Stage::Start => {
                    eventually("some answers", already(5));
                    gate.kill9();
                    plan();
                    if gate.start().is_ok() {
                        gate.kill9();
                    }
                }
                Stage::Rotation | Stage::Forgetting => {
                    eventually("some answers", already(5));
                    plan();
                    let rotation = ["ledger", "rotate-key"];
                    let forgetting = ["ledger", "forget", "--before", "0s"];
                    // Whoever asked may be answered or not.
                    let _ran = gate.cli(if stage == Stage::Rotation { &rotation } else { &forgetting });
                    end(gate);
                }
                Stage::Stop => {
                    eventually("some answers", already(5));
                    plan();
                    gate.terminate();
                }
            }
        });
        load.promises()
    }
}

fn end(gate: &mut Gate) {
    if gate.is_running() {
        gate.kill9();
    } else {
        gate.wait();
    }
}
