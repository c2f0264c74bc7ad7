//! Resolve: the action's manifest in the catalog now in force, within the lease's scopes.

use std::sync::Arc;

use latchgate_wire::problem::Code;

use super::Request;
use crate::catalog::{Action, Catalog};
use crate::denial::Denial;

pub struct Resolved {
    pub(super) request: Request,
    pub(super) action: Arc<Action>,
    pub(super) catalog: Arc<Catalog>,
}

impl Request {
    /// # Errors
    /// 404 `action_not_found`; 403 `scope_insufficient`.
    pub fn resolve(self, catalog: &Arc<Catalog>) -> Result<Resolved, Denial> {
        let Some(action) = catalog.actions.get(&self.action_id) else {
            return Err(Denial::new(Code::ActionNotFound, "there is no action of that name")
                .remedy("GET /v1/actions lists the actions"));
        };
        let manifest = &action.manifest;
        if !self.caller.scopes().cover(&manifest.action_id, manifest.class.as_str()) {
            return Err(Denial::new(Code::ScopeInsufficient, "the lease's scopes do not cover this action")
                .remedy(format!("take a lease with the scope `action:{}`", manifest.action_id)));
        }
        Ok(Resolved { action: Arc::clone(action), catalog: Arc::clone(catalog), request: self })
    }
}
