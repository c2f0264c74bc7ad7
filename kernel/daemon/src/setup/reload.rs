//! Reload: manifests, policies, operators and agents are read anew and put in force together, or not at all.

use std::sync::Arc;

use latchgate_monitor::catalog::Catalog;
use latchgate_monitor::denial::Denial;
use latchgate_wire::api::{ReloadRequest, Reloaded};
use latchgate_wire::problem::Code;

use crate::gate::Gate;
use crate::people::changes;
use crate::setup::loading;
use crate::setup::start::StartError;

/// Judges nothing by a mixture: the entry is durable before the new catalog is used, and calls judged by the old one are
/// refused at their commit.
///
/// # Errors
/// Every problem of the files, and the old configuration stays in force.
pub async fn reload(gate: &Arc<Gate>, request: &ReloadRequest) -> Result<Reloaded, Denial> {
    let _whole = gate.reloading.lock().await;
    // Nobody else changes it before this is over.
    expected(gate, request)?;
    let loaded = tokio::task::spawn_blocking({
        let gate = Arc::clone(gate);
        move || loading::load(&gate.places, &gate.world.host)
    });
    let loaded = loaded.await.map_err(|error| Denial::fault(error.to_string()))?;
    let catalog = loaded.map_err(|error| refused(&error))?;
    changes::reload(gate).await.map_err(|error| refused(&error))?;
    loading::put_in_force(&gate.world.ledger, &catalog).await.map_err(|error| refused(&error))?;
    let reloaded = Reloaded {
        actions_registered: catalog.actions.len(),
        policy_digest: catalog.policy.digest(),
        observes: catalog.policy.observes(),
    };
    warn_if_observing(&catalog);
    gate.put_in_force(catalog);
    Ok(reloaded)
}

fn expected(gate: &Gate, request: &ReloadRequest) -> Result<(), Denial> {
    let in_force = gate.catalog.load().policy.digest();
    match request.expect {
        Some(expected) if expected != in_force => {
            let detail =
                format!("expected the policy {expected} in force, found {in_force}; nothing was changed");
            Err(Denial::new(Code::Conflict, detail).remedy(
                "somebody else reloaded: look at `latchgate policy show`, and expect what is in force",
            ))
        }
        Some(_) | None => Ok(()),
    }
}

/// Whoever reads the log of a gate that observes shall not wonder why nothing is done.
pub fn warn_if_observing(catalog: &Catalog) {
    if catalog.policy.observes() {
        tracing::warn!(
            "this gate observes: a rule with @observe denies, and what the others would answer is recorded"
        );
    }
}

fn refused(error: &StartError) -> Denial {
    Denial::new(Code::InvalidConfiguration, error.to_string())
        .remedy("mend the files and reload again; what was in force stays in force")
}
