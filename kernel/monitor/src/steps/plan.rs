//! Plan: what will be done, from manifest and arguments alone. The file system is asked through the probe.

use latchgate_wire::digest::{Digest, Salt};
use latchgate_wire::problem::Code;
use latchgate_wire::receipt::{PlanKind, Who};
use latchgate_wire::time::Timestamp;
use serde_json::Value;

use super::{Canonical, credentials};
use crate::denial::Denial;
use crate::plan::{Content, FsOperation, FsStep, Plan, Step};
use crate::ports::{CallIdentity, Entropy, Probe, ProbeError, Secrets};
use crate::template::{Expanded, TemplateError};
use std::sync::Arc;

use crate::catalog::{Action, Catalog};
use latchgate_wire::ids::TraceId;
use latchgate_wire::receipt::{Boundary, ProofId};

/// A call whose every operation is known. The same value is judged, shown, held and executed.
#[derive(Clone)]
pub struct Planned {
    pub(super) subject: Subject,
    pub(super) action: Arc<Action>,
    pub(super) catalog: Arc<Catalog>,
    pub(super) identity: CallIdentity,
    pub(super) args: Value,
    pub(super) plan: Plan,
    pub(super) salt: Salt,
    pub(super) plan_digest: Digest,
    pub(super) args_digest: Digest,
    /// Why the target does not fit. Told only to callers whom policy does not deny: others learn nothing of what is there.
    pub(super) obstacle: Option<Denial>,
}

/// For whom a call is made: of the request, or of the held entry.
#[derive(Clone)]
pub(super) struct Subject {
    pub who: Who,
    pub trace_id: TraceId,
    pub boundary: Boundary,
    pub proof: Option<ProofId>,
    pub lease_expires_at: Timestamp,
    pub reason: Option<String>,
}

impl Canonical {
    /// A target that does not fit is told after policy was asked: what may not be touched may not be felt for either.
    ///
    /// # Errors
    /// 422 for arguments that make no operation; 503 for a root that cannot be used. A secret that is not set is an obstacle, too.
    pub async fn plan(
        self,
        probe: &impl Probe,
        secrets: &impl Secrets,
        entropy: &impl Entropy,
    ) -> Result<Planned, Denial> {
        let identity = self.identity();
        let resolved = self.validated.resolved;
        let expanded = resolved.action.template.expand(&self.validated.args)?;
        let (mut step, mut obstacle) = step(expanded, probe).await?;
        if let Step::Http(step) = &mut step {
            obstacle = credentials::settle(step, &resolved.action.manifest.secrets, secrets).err();
        }
        let plan = Plan { kind: PlanKind::Exact, steps: vec![step] };
        let salt = entropy.salt();
        let caller = &resolved.request.caller;
        let subject = Subject {
            who: caller.who().clone(),
            trace_id: resolved.request.trace_id,
            boundary: caller.boundary(),
            proof: Some(caller.proof().clone()),
            lease_expires_at: caller.lease().expires_at(),
            reason: resolved.request.agent_reason.clone(),
        };
        Ok(Planned {
            plan_digest: plan.digest(&salt).map_err(|error| Denial::fault(error.to_string()))?,
            args_digest: Digest::salted(&salt, &self.args_bytes),
            subject,
            action: resolved.action,
            catalog: resolved.catalog,
            identity,
            args: self.validated.args,
            plan,
            salt,
            obstacle,
        })
    }
}

async fn step(expanded: Expanded, probe: &impl Probe) -> Result<(Step, Option<Denial>), Denial> {
    match expanded {
        Expanded::Http(step) => Ok((Step::Http(step), None)),
        Expanded::Fs { operation, path, content, search, bytes_max } => {
            let (before, obstacle) = match probe.look(operation, &path).await {
                Ok(before) => (before, None),
                Err(error @ ProbeError::Target { .. }) => (None, Some(error.into())),
                Err(error @ ProbeError::Root { .. }) => return Err(error.into()),
            };
            Ok((Step::Fs(FsStep { operation, path, content, before, search, bytes_max }), obstacle))
        }
        Expanded::FsPatch { path, edit, bytes_max } => {
            let found = match probe.content(&path, bytes_max).await {
                Ok((old, before)) => {
                    edit.apply(&old, bytes_max).map(|new| (new, before)).map_err(Denial::from)
                }
                Err(error @ ProbeError::Target { .. }) => Err(error.into()),
                Err(error @ ProbeError::Root { .. }) => return Err(error.into()),
            };
            // Without a content it is still a write of that path, and judged as one.
            let (content, before, obstacle) = match found {
                Ok((new, before)) => (Some(Content::Text(new)), Some(before), None),
                Err(obstacle) => (None, None, Some(obstacle)),
            };
            let operation = FsOperation::Write;
            Ok((Step::Fs(FsStep { operation, path, content, before, search: None, bytes_max }), obstacle))
        }
    }
}

impl From<TemplateError> for Denial {
    fn from(error: TemplateError) -> Self {
        let mut denial = Denial::new(Code::InvalidTarget, error.message);
        denial.pointer = error.pointer;
        denial.remediation = error.remediation;
        denial
    }
}

impl Planned {
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    pub fn args(&self) -> &Value {
        &self.args
    }

    pub fn plan_digest(&self) -> Digest {
        self.plan_digest
    }

    pub fn action(&self) -> &Action {
        &self.action
    }
}
