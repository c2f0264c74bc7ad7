//! Operators and agents change: a file, an entry, and then what the gate goes by.

use std::path::{Path, PathBuf};

use latchgate_ledger::Ledger;
use latchgate_monitor::denial::Denial;
use latchgate_monitor::ports::{Commit, Durability, Log as _};
use latchgate_wire::api::{AgentRequest, OperatorRequest};
use latchgate_wire::entry::{
    AgentsChanged, Body, LeaseRevoked, OperatorKey, OperatorsChanged, RevocationTarget, Role,
};
use latchgate_wire::jwk::Jwk;
use latchgate_wire::operator_token::TokenDigest;
use latchgate_wire::principal::{Principal, is_name};
use latchgate_wire::problem::Code;
use serde_json::Value;

use crate::gate::Gate;
use crate::home::files::{read_private, remove_private, replace_private};
use crate::people::agents::{self, Agents};
use crate::people::operators::{self, Operated, Operators};
use crate::people::revocation;
use crate::setup::start::StartError;

/// Who changed them where no operator did.
const FILES: &str = "(files)";

/// Who they are, as entries, unless the log says so already. `by`: by whose word they changed. An agent whose key is another
/// or gone keeps no lease.
///
/// # Errors
/// If the ledger takes no entries.
pub async fn put_in_force(
    ledger: &Ledger,
    operators: &Operators,
    agents: &Agents,
    by: Option<Operated>,
) -> Result<(), StartError> {
    let (operators, agents, before) = (operators.keys(), agents.keys(), ledger.agents());
    let ended = before.iter().filter(|(name, jkt)| agents.get(*name) != Some(*jkt)).map(|(name, _)| name);
    // First: if the gate dies behind it, the next start finds the change still to be made and revokes once more.
    let mut bodies: Vec<Body> = ended.enumerate().map(|(i, name)| revocation(name, i, by.as_ref())).collect();
    let signed = by.map(Operated::signed);
    if ledger.operators() != operators {
        bodies.push(Body::OperatorsChanged(OperatorsChanged { operators, signed: signed.clone() }));
    }
    if before != agents {
        bodies.push(Body::AgentsChanged(AgentsChanged { agents, signed }));
    }
    for body in bodies {
        ledger.commit(Commit { trace_id: None, body, payload: Durability::Buffered }).await?;
    }
    Ok(())
}

/// A proof stands in one entry.
fn revocation(agent: &str, index: usize, by: Option<&Operated>) -> Body {
    Body::LeaseRevoked(LeaseRevoked {
        target: RevocationTarget::Principal(Principal::Agent(agent.to_owned())),
        operator: by.map_or(FILES, Operated::name).to_owned(),
        reason: Some("the agent's key was changed or removed".into()),
        proof: by.filter(|_| index == 0).map(Operated::proof),
    })
}

/// Files that somebody changed by hand.
///
/// # Errors
/// What cannot be read; everybody stays who they were.
pub async fn reload(gate: &Gate) -> Result<(), StartError> {
    let _whole = gate.people.lock().await;
    agents::Agents::load(&gate.places)?;
    gate.operators.reload(&gate.places)?;
    gate.agents.reload(&gate.places)?;
    put_in_force(&gate.world.ledger, &gate.operators, &gate.agents, None).await?;
    revocation::take_effect(gate).await;
    Ok(())
}

/// # Errors
/// 400 for what is no name or key; 409 for a name that is taken or a key that somebody has.
pub async fn add_operator(gate: &Gate, by: Operated, request: OperatorRequest) -> Result<(), Denial> {
    let _whole = gate.people.lock().await;
    let OperatorRequest { name, role, jwk, token } = request;
    let jwk = key(gate, &name, &jwk)?;
    let text = operators::file(role, token, jwk).map_err(|error| Denial::fault(error.to_string()))?;
    let path = operator_file(gate, &name);
    is_free(&path, &name)?;
    changed(gate, by, &path, Some(&text)).await
}

/// # Errors
/// 404 for nobody; 403 for another's key by one who is no admin; as [`add_operator`] for the key.
pub async fn rotate_operator(gate: &Gate, by: Operated, name: &str, jwk: &Value) -> Result<(), Denial> {
    let _whole = gate.people.lock().await;
    let operator = own_or_admins(gate, &by, name)?;
    let jwk = key(gate, name, jwk)?;
    let text = operators::file(operator.role, operator.token, jwk);
    let text = text.map_err(|error| Denial::fault(error.to_string()))?;
    changed(gate, by, &operator_file(gate, name), Some(&text)).await
}

/// Another token beside the key, or none.
///
/// # Errors
/// 404 for nobody; 403 for another's token by one who is no admin.
pub async fn set_token(
    gate: &Gate,
    by: Operated,
    name: &str,
    token: Option<TokenDigest>,
) -> Result<(), Denial> {
    let _whole = gate.people.lock().await;
    own_or_admins(gate, &by, name)?;
    let path = operator_file(gate, name);
    let text = operators::with_token(&path, token).map_err(fault)?;
    changed(gate, by, &path, Some(&text)).await
}

fn own_or_admins(gate: &Gate, by: &Operated, name: &str) -> Result<OperatorKey, Denial> {
    let known = gate.operators.keys();
    let operator = known.get(name).ok_or_else(|| nobody("operator", name))?;
    let is_admin = known.get(by.name()).is_some_and(|by| by.role == Role::Admin);
    if by.name() != name && !is_admin {
        return Err(Denial::new(Code::Forbidden, "only an admin changes another operator's key or token"));
    }
    Ok(operator.clone())
}

/// # Errors
/// 404 for nobody; 403 for the last admin.
pub async fn remove_operator(gate: &Gate, by: Operated, name: &str) -> Result<(), Denial> {
    let _whole = gate.people.lock().await;
    let known = gate.operators.keys();
    let operator = known.get(name).ok_or_else(|| nobody("operator", name))?;
    let admins = known.values().filter(|operator| operator.role == Role::Admin).count();
    if operator.role == Role::Admin && admins == 1 {
        return Err(Denial::new(Code::Forbidden, format!("{name} is the last admin"))
            .remedy("add another admin first: latchgate operator add NAME --role admin"));
    }
    changed(gate, by, &operator_file(gate, name), None).await
}

/// # Errors
/// As [`add_operator`].
pub async fn add_agent(gate: &Gate, by: Operated, request: AgentRequest) -> Result<(), Denial> {
    let _whole = gate.people.lock().await;
    let jwk = key(gate, &request.name, &request.jwk)?;
    let text = agents::file(jwk).map_err(|error| Denial::fault(error.to_string()))?;
    let path = agent_file(gate, &request.name);
    is_free(&path, &request.name)?;
    changed(gate, by, &path, Some(&text)).await
}

/// Leases of the old key end with it.
///
/// # Errors
/// 404 for nobody; as [`add_operator`] for the key.
pub async fn rotate_agent(gate: &Gate, by: Operated, name: &str, jwk: &Value) -> Result<(), Denial> {
    let _whole = gate.people.lock().await;
    is_enrolled(gate, name)?;
    let jwk = key(gate, name, jwk)?;
    let text = agents::file(jwk).map_err(|error| Denial::fault(error.to_string()))?;
    changed(gate, by, &agent_file(gate, name), Some(&text)).await
}

/// # Errors
/// 404 for nobody.
pub async fn remove_agent(gate: &Gate, by: Operated, name: &str) -> Result<(), Denial> {
    let _whole = gate.people.lock().await;
    is_enrolled(gate, name)?;
    changed(gate, by, &agent_file(gate, name), None).await
}

/// The file as it shall be (`None`: gone), then everybody, then the entry. If one of them fails, the file is as it was.
async fn changed(gate: &Gate, by: Operated, path: &Path, text: Option<&str>) -> Result<(), Denial> {
    let before = if path.exists() { Some(read_private(path).map_err(fault)?) } else { None };
    write(path, text.map(str::as_bytes))?;
    let result = in_force(gate, by).await;
    if result.is_err() {
        write(path, before.as_deref())?;
        gate.operators.reload(&gate.places).map_err(fault)?;
        gate.agents.reload(&gate.places).map_err(fault)?;
    }
    result
}

async fn in_force(gate: &Gate, by: Operated) -> Result<(), Denial> {
    // First: from here on no lease can come under a key that is going.
    gate.operators.reload(&gate.places).map_err(fault)?;
    gate.agents.reload(&gate.places).map_err(fault)?;
    put_in_force(&gate.world.ledger, &gate.operators, &gate.agents, Some(by)).await.map_err(fault)?;
    revocation::take_effect(gate).await;
    Ok(())
}

fn operator_file(gate: &Gate, name: &str) -> PathBuf {
    gate.places.operators_dir().join(format!("{name}.toml"))
}

fn agent_file(gate: &Gate, name: &str) -> PathBuf {
    gate.places.agents_dir().join(format!("{name}.toml"))
}

/// A public key that nobody has yet.
fn key(gate: &Gate, name: &str, jwk: &Value) -> Result<Jwk, Denial> {
    if !is_name(name) {
        return Err(Denial::new(Code::BadRequest, "name: expected 1 to 64 of A-Z a-z 0-9 . _ -"));
    }
    let jwk = Jwk::from_value(jwk).map_err(|error| Denial::new(Code::BadRequest, format!("jwk: {error}")))?;
    let jkt = jwk.thumbprint();
    if gate.operators.holds(&jkt) || gate.agents.name(&jkt).is_some() {
        return Err(Denial::new(Code::AlreadyExists, "this key belongs to somebody already")
            .remedy("make a new key for each name"));
    }
    Ok(jwk)
}

fn is_enrolled(gate: &Gate, name: &str) -> Result<(), Denial> {
    if gate.agents.keys().contains_key(name) { Ok(()) } else { Err(nobody("agent", name)) }
}

fn nobody(kind: &str, name: &str) -> Denial {
    let name: String = name.chars().take(64).collect();
    Denial::new(Code::NotFound, format!("there is no {kind} {name}"))
}

fn is_free(path: &Path, name: &str) -> Result<(), Denial> {
    if path.exists() {
        return Err(Denial::new(Code::AlreadyExists, format!("there is a {name} already"))
            .remedy("choose another name, or rotate its key"));
    }
    Ok(())
}

fn write(path: &Path, bytes: Option<&[u8]>) -> Result<(), Denial> {
    match bytes {
        Some(bytes) => replace_private(path, bytes).map_err(fault),
        None => remove_private(path).map_err(fault),
    }
}

fn fault(error: impl std::fmt::Display) -> Denial {
    Denial::fault(error.to_string())
}
