//! Reload: manifests, policies, operators and agents are read anew and put in force together, or not at all.

use std::sync::Arc;

use latchgate_monitor::denial::Denial;
use latchgate_wire::api::Reloaded;
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
pub async fn reload(gate: &Arc<Gate>) -> Result<Reloaded, Denial> {
    let _whole = gate.reloading.lock().await;
    let loaded = tokio::task::spawn_blocking({
        let gate = Arc::clone(gate);
        move || loading::load(&gate.places, &gate.world.host)
    });
    let loaded = loaded.await.map_err(|error| Denial::fault(error.to_string()))?;
    let catalog = loaded.map_err(|error| refused(&error))?;
    changes::reload(gate).await.map_err(|error| refused(&error))?;
    loading::put_in_force(&gate.world.ledger, &catalog).await.map_err(|error| refused(&error))?;
    let reloaded =
        Reloaded { actions_registered: catalog.actions.len(), policy_digest: catalog.policy.digest() };
    gate.put_in_force(catalog);
    Ok(reloaded)
}

fn refused(error: &StartError) -> Denial {
    Denial::new(Code::InvalidConfiguration, error.to_string())
        .remedy("mend the files and reload again; what was in force stays in force")
}
