//! Verify: what the host observed against what was planned, and against what the guest claims.

use latchgate_wire::json;
use latchgate_wire::receipt::{
    Effect, EffectStatus, FailureClass, ResultKind, Verification, VerificationStatus,
};
use serde_json::{Value, json};

use super::{Executed, Spent, StepFailure};
use crate::manifest::VerifyRules;
use crate::plan::Plan;
use crate::schema::RequestSchema;

/// A call whose effects were compared with its plan.
pub struct Verified {
    pub(super) spent: Spent,
    pub(super) runtime: latchgate_wire::receipt::Runtime,
    pub(super) effects: Vec<Effect>,
    pub(super) verification: Verification,
    pub(super) kind: ResultKind,
    pub(super) output: Value,
    pub(super) failure: Option<StepFailure>,
}

impl Executed {
    pub fn verify(self) -> Verified {
        let Self { spent, ran, panicked: _ } = self;
        let output = read_output(ran.output, ran.stopped, &spent.action.response_schema);
        // What the host saw explains more than what the guest says about it.
        let host = ran.observed.iter().find_map(|o| o.failure.clone());
        let effects = spent.plan.steps.iter().enumerate().map(|(i, step)| {
            let seen = ran.observed.iter().find(|observed| observed.step == i);
            Effect {
                kind: step.effect_kind(),
                target: step.target(),
                status: seen.map_or(EffectStatus::None, |o| o.status),
                http_status: seen.and_then(|o| o.http_status),
                bytes: seen.map_or(0, |o| o.bytes),
                digest: seen.and_then(|o| o.digest),
            }
        });
        let effects: Vec<Effect> = effects.collect();
        let rules = &spent.action.manifest.verify;
        let is_done = answered(&effects, rules) && !ran.observed.iter().any(|observed| observed.is_refusal);
        let as_planned = performed(&spent.plan, &effects) && is_done;
        let (kind, output, failure) = match output {
            Ok(output) if is_done => (ResultKind::Success, output, None),
            Ok(output) => (ResultKind::ProviderFailure, output, None),
            Err(own) => {
                let failure = host.unwrap_or(own);
                let kind = match failure.class {
                    FailureClass::ProviderTimeout => ResultKind::Timeout,
                    _ => ResultKind::ProviderFailure,
                };
                (kind, json!({ "error": failure.message }), Some(failure))
            }
        };
        let status = match (as_planned && failure.is_none(), rules.unverifiable) {
            (false, _) => VerificationStatus::VerificationFailed,
            (true, true) => VerificationStatus::UnverifiableDeclared,
            (true, false) => VerificationStatus::Verified,
        };
        Verified {
            spent,
            runtime: ran.runtime,
            effects,
            verification: Verification { status },
            kind,
            output,
            failure,
        }
    }
}

/// Every step of the plan was done.
fn performed(plan: &Plan, effects: &[Effect]) -> bool {
    effects.len() == plan.steps.len() && effects.iter().all(|effect| effect.status == EffectStatus::Done)
}

/// Every answer of a service is one that the manifest takes for success.
fn answered(effects: &[Effect], rules: &VerifyRules) -> bool {
    effects.iter().filter_map(|effect| effect.http_status).all(|status| {
        if rules.http_status.is_empty() {
            (200..300).contains(&status)
        } else {
            rules.http_status.contains(&status)
        }
    })
}

/// The guest's output as a value of the promised shape, or why there is none.
fn read_output(
    output: Result<String, String>,
    stopped: Option<StepFailure>,
    promised: &RequestSchema,
) -> Result<Value, StepFailure> {
    if let Some(stopped) = stopped {
        return Err(stopped);
    }
    let guest =
        |message: String| StepFailure { class: FailureClass::GuestFailed, message, remediation: None };
    let text = output.map_err(guest)?;
    let limits = json::Limits { bytes_max: text.len().max(1), ..json::Limits::default() };
    let output = json::parse(text.as_bytes(), limits)
        .map_err(|error| guest(format!("the component's output: {error}")))?;
    promised.check(&output).map_err(|violation| {
        guest(format!("the component's output is not what the action promises: {violation}"))
    })?;
    Ok(output)
}
