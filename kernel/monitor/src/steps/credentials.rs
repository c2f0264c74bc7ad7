//! Which of an action's secrets a call uses: names that are set. What is required and missing ends the call before `commit`.

use latchgate_wire::problem::Code;

use super::{Authorized, Planned};
use crate::denial::Denial;
use crate::manifest::SecretRule;
use crate::plan::{HttpStep, Placement, SecretUse, Step};
use crate::ports::Secrets;

/// Leaves out what is optional and not set, so that the plan says what will be sent.
///
/// # Errors
/// 503 for a required secret that is not set.
pub(super) fn settle(
    step: &mut HttpStep,
    rules: &[SecretRule],
    secrets: &impl Secrets,
) -> Result<(), Denial> {
    for used in &mut step.secrets {
        if let Placement::AwsSigv4 { session_token, .. } = &mut used.placement {
            // Long-lived keys have none.
            *session_token = session_token.take().filter(|name| secrets.is_set(name));
        }
    }
    let is_required = |used: &SecretUse| {
        let places = |rule: &&SecretRule| rule.name == used.name && rule.host == used.host;
        rules.iter().filter(places).any(|rule| rule.required)
    };
    step.secrets.retain(|used| is_required(used) || missing(used, secrets).is_none());
    step.secrets.iter().try_for_each(|used| match missing(used, secrets) {
        Some(name) => Err(not_set(name)),
        None => Ok(()),
    })
}

fn missing<'a>(used: &'a SecretUse, secrets: &impl Secrets) -> Option<&'a str> {
    used.names().find(|name| !secrets.is_set(name))
}

fn not_set(name: &str) -> Denial {
    let detail = format!("the secret {name}, which this action needs, is not set; nothing was sent");
    Denial::new(Code::SecretMissing, detail).remedy(format!("ask the operator: latchgate secrets set {name}"))
}

impl Authorized {
    /// An approved call may find that a secret was removed while it was held.
    ///
    /// # Errors
    /// As in the plan: 503.
    pub fn check_secrets(&self, secrets: &impl Secrets) -> Result<(), Denial> {
        self.planned.uses().try_for_each(|used| match missing(used, secrets) {
            Some(name) => Err(not_set(name)),
            None => Ok(()),
        })
    }
}

impl Planned {
    fn uses(&self) -> impl Iterator<Item = &SecretUse> {
        self.plan.steps.iter().flat_map(|step| match step {
            Step::Http(step) => step.secrets.as_slice(),
            Step::Fs(_) => &[],
        })
    }
}
