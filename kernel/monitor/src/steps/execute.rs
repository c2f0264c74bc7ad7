//! Execute: the sandbox swallows the permit and says what the host observed. A panic in it is caught and recorded.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use latchgate_wire::digest::Digest;
use latchgate_wire::receipt::{EffectStatus, FailureClass, Runtime};
use serde_json::{Value, json};

use super::{Permit, Spent};
use crate::plan::{Plan, Step};
use crate::ports::Sandbox;

/// What the guest is given: JSON text.
#[derive(Clone, Debug)]
pub struct Invocation(pub String);

/// What came of running a guest.
#[derive(Clone, Debug)]
pub struct Ran {
    /// The output as JSON text, or the guest's own sentence about why there is none.
    pub output: Result<String, String>,
    /// Why the host stopped the guest, if it did.
    pub stopped: Option<StepFailure>,
    /// Every planned step that was begun, in the order of performing.
    pub observed: Vec<Observed>,
    pub runtime: Runtime,
}

/// One performed step, by the host's own eyes.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// Index into the plan's steps.
    pub step: usize,
    pub status: EffectStatus,
    pub http_status: Option<u16>,
    /// Whether the answer says that it was not done, by the manifest's `verify.json`.
    pub is_refusal: bool,
    /// Bytes received or written.
    pub bytes: u64,
    /// Salted digest of those bytes.
    pub digest: Option<Digest>,
    pub failure: Option<StepFailure>,
}

/// Why a step, or the guest as a whole, did not do what it should; safe to tell the agent.
#[derive(Clone, Debug, PartialEq)]
pub struct StepFailure {
    pub class: FailureClass,
    pub message: String,
    pub remediation: Option<String>,
}

/// A call that ran, one way or another.
pub struct Executed {
    pub(super) spent: Spent,
    pub(super) ran: Ran,
    /// The sandbox panicked: counted, and held at zero by tests.
    pub(super) panicked: bool,
}

impl Spent {
    /// Runs the plan. Never fails: what goes wrong is part of what is observed.
    pub async fn execute(self, permit: Permit, sandbox: &impl Sandbox) -> Executed {
        let invocation = Invocation(invocation(&self));
        match caught(sandbox.run(permit, invocation)).await {
            Ok(ran) => Executed { spent: self, ran, panicked: false },
            Err(()) => {
                let ran = interrupted(&self.plan);
                Executed { spent: self, ran, panicked: true }
            }
        }
    }
}

impl Executed {
    /// Length of the output's text.
    pub fn output_bytes(&self) -> usize {
        self.ran.output.as_ref().map_or(0, String::len)
    }

    /// Whether the sandbox panicked.
    pub fn panicked(&self) -> bool {
        self.panicked
    }
}

fn invocation(spent: &Spent) -> String {
    let steps: Vec<Value> = spent.plan.steps.iter().map(described).collect();
    json!({ "action_id": spent.call.action.id, "args": spent.args, "steps": steps }).to_string()
}

fn described(step: &Step) -> Value {
    match step {
        Step::Http(step) => json!({ "kind": "http", "method": step.method, "url": step.url }),
        Step::Fs(step) => {
            json!({ "kind": "fs", "operation": step.operation.as_str(), "path": step.path.as_str() })
        }
    }
}

/// After a panic nobody knows how far it came: every step may have happened.
fn interrupted(plan: &Plan) -> Ran {
    let failure = StepFailure {
        class: FailureClass::Fault,
        message: "the gate is at fault; its log has the cause under the trace id".into(),
        remediation: None,
    };
    let observed = (0..plan.steps.len()).map(|step| Observed {
        step,
        status: EffectStatus::Unknown,
        http_status: None,
        is_refusal: false,
        bytes: 0,
        digest: None,
        failure: Some(failure.clone()),
    });
    Ran {
        output: Err(failure.message.clone()),
        observed: observed.collect(),
        stopped: Some(failure),
        runtime: Runtime { duration_ms: 0, exit_code: 2, fuel_consumed: 0 },
    }
}

/// The future's value, or `Err` if a poll of it panicked.
async fn caught<T>(future: impl Future<Output = T>) -> Result<T, ()> {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
        Err(_) => Poll::Ready(Err(())),
    })
    .await
}
