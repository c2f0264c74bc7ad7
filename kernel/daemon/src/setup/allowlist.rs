//! The allow-list: hosts that an operator lets an action reach without being asked, each a rule in a file of its own.
//!
//! A change is one entry, signed by an admin: the policy before, the policy from here on, the one rule between them. What
//! somebody changed by hand and did not put in force is never put in force along the way. An addition is in the log before it
//! is on the disk, a removal the other way round: what a crash leaves undone is the narrower of the two.

use std::path::PathBuf;
use std::sync::Arc;

use latchgate_monitor::catalog::{Action, Catalog};
use latchgate_monitor::denial::Denial;
use latchgate_monitor::manifest::Risk;
use latchgate_monitor::policy::{Allowance, Asker, HostName, HostNameError, Trial};
use latchgate_monitor::ports::{Clock as _, Commit, Durability, Log as _};
use latchgate_wire::api::{AllowRequest, AllowanceInfo, AllowanceList, AllowlistChanged};
use latchgate_wire::entry::{AllowanceChange, Body, Change, ConfigChanged};
use latchgate_wire::ids::TraceId;
use latchgate_wire::principal::Principal;
use latchgate_wire::problem::Code;

use crate::gate::Gate;
use crate::home::files::{remove_private, replace_private};
use crate::people::operators::Operated;
use crate::setup::loading;
use crate::setup::start::StartError;

/// Each is a rule that every judgement of its action looks at.
const ALLOWANCES_MAX: usize = 256;

/// Those in force.
pub fn list(gate: &Gate) -> AllowanceList {
    AllowanceList { allowances: gate.catalog.load().policy.allowances().iter().map(info).collect() }
}

/// # Errors
/// 400 for what is no host name; 404 for an action or agent that there is not; 403 for what no allowance can allow; 409 if it
/// is allowed already, or if files differ from what is in force.
pub async fn add(
    gate: &Arc<Gate>,
    request: AllowRequest,
    by: Operated,
    trace_id: TraceId,
) -> Result<AllowlistChanged, Denial> {
    let _whole = gate.reloading.lock().await;
    let before = gate.catalog.load_full();
    let allowance = allowance(gate, &before, request)?;
    let catalog = read(gate, {
        let source = allowance.source(DIRECTORY);
        move |gate| Ok((loading::catalog(&gate.places)?, loading::catalog_with(&gate.places, source)?))
    });
    let catalog = unchanged_but_for(catalog.await?, &before)?;
    match tried(gate, &catalog, &allowance)? {
        Trial::Allowed(rule) if rule == allowance.rule_id() => {}
        other => return Err(Denial::fault(format!("with the allowance in force the policy says {other:?}"))),
    }
    let rule = allowance.rule_id();
    let log_index =
        commit(gate, &before, &catalog, change(&before, Change::Added, &rule, by), trace_id).await?;
    let path = file(gate, &rule);
    if let Err(error) = replace_private(&path, allowance.source(DIRECTORY).text.as_bytes()) {
        // The log must not say that something is in force which the next start would not find.
        put_back(gate, &before).await?;
        return Err(Denial::fault(error.to_string()));
    }
    Ok(changed(gate, &allowance, &before, catalog, log_index))
}

/// # Errors
/// 404 if no allowance of that name is in force; 409 if files differ from what is in force.
pub async fn remove(
    gate: &Arc<Gate>,
    rule: &str,
    by: Operated,
    trace_id: TraceId,
) -> Result<AllowlistChanged, Denial> {
    let _whole = gate.reloading.lock().await;
    let before = gate.catalog.load_full();
    let found = before.policy.allowances().into_iter().find(|allowance| allowance.rule_id() == rule);
    let allowance = found.ok_or_else(|| {
        Denial::new(Code::NotFound, "no host was allowed under that rule")
            .remedy("`latchgate policy allowed` lists what was")
    })?;
    let rule = allowance.rule_id();
    let source = allowance.source(DIRECTORY);
    let catalog = read(gate, {
        let name = source.name.clone();
        move |gate| Ok((loading::catalog(&gate.places)?, loading::catalog_without(&gate.places, &name)?))
    });
    let catalog = unchanged_but_for(catalog.await?, &before)?;
    let path = file(gate, &rule);
    remove_private(&path).map_err(|error| Denial::fault(error.to_string()))?;
    let change = change(&before, Change::Removed, &rule, by);
    match commit(gate, &before, &catalog, change, trace_id).await {
        Ok(log_index) => Ok(changed(gate, &allowance, &before, catalog, log_index)),
        Err(denial) => {
            replace_private(&path, source.text.as_bytes())
                .map_err(|error| Denial::fault(error.to_string()))?;
            Err(denial)
        }
    }
}

/// Of the sources' names: where they lie in the home.
const DIRECTORY: &str = "policies";

fn file(gate: &Gate, rule: &str) -> PathBuf {
    gate.places.policies_dir().join(format!("{rule}.yaml"))
}

/// What the request asks for, if it can be had: it names one principal, action and host, and the questions asked there now.
fn allowance(gate: &Gate, catalog: &Catalog, request: AllowRequest) -> Result<Allowance, Denial> {
    let AllowRequest { principal, action_id, host } = request;
    let host: HostName = host
        .parse()
        .map_err(|error: HostNameError| Denial::new(Code::BadRequest, format!("host: {error}")))?;
    let action = action(catalog, &action_id)?;
    is_known(gate, &principal)?;
    can_reach(action, &host)?;
    if catalog.policy.allowances().len() >= ALLOWANCES_MAX {
        return Err(Denial::new(Code::Forbidden, format!("{ALLOWANCES_MAX} hosts are allowed already"))
            .remedy("take one back, or write a rule for several: latchgate policy allowed"));
    }
    let mut allowance = Allowance { principal, action_id, host, instead_of: Vec::new() };
    match tried(gate, catalog, &allowance)? {
        Trial::Allowed(rule) => {
            Err(Denial::new(Code::AlreadyExists, format!("the rule {rule} allows this already")))
        }
        Trial::Denied(rule) if rule != NO_RULE => {
            Err(Denial::new(Code::Forbidden, format!("the rule {rule} denies this, and deny beats allow"))
                .remedy("who means to allow it changes that rule by hand: latchgate policy show"))
        }
        Trial::Asked { of_several: Some(rule), .. } => {
            Err(Denial::new(Code::Forbidden, format!("the rule {rule} asks more than one operator here"))
                .remedy("one operator cannot take that away; change that rule by hand"))
        }
        Trial::Denied(_) => Ok(allowance),
        Trial::Asked { rules, of_several: None } => {
            allowance.instead_of = rules;
            Ok(allowance)
        }
    }
}

/// What verdicts without a rule are called.
const NO_RULE: &str = "default";

fn action<'c>(catalog: &'c Catalog, action_id: &str) -> Result<&'c Action, Denial> {
    let action = catalog.actions.get(action_id).ok_or_else(|| {
        Denial::new(Code::NotFound, "there is no action of that name")
            .remedy("`latchgate actions list` names them")
    })?;
    if action.manifest.risk_level == Risk::Critical {
        return Err(Denial::new(
            Code::Forbidden,
            format!("{action_id} is of critical risk: a person decides each call"),
        ));
    }
    Ok(action)
}

/// A rule about an agent that nobody enrolled would wait for whoever takes the name.
fn is_known(gate: &Gate, principal: &Principal) -> Result<(), Denial> {
    match principal {
        Principal::Agent(name) if !gate.agents.keys().contains_key(name) => {
            Err(Denial::new(Code::NotFound, format!("no agent is enrolled as {name}"))
                .remedy("a name that a client gives itself is no authority: `latchgate agents add` enrols one, or name uid:N"))
        }
        Principal::Agent(_) | Principal::Uid(_) | Principal::Jail(_) => Ok(()),
    }
}

/// What an action may reach at all is its manifest's.
fn can_reach(action: &Action, host: &HostName) -> Result<(), Denial> {
    if action.template.may_reach(host.as_str()) {
        return Ok(());
    }
    let id = &action.manifest.action_id;
    let detail = match &action.manifest.egress {
        None => format!("{id} reaches no host"),
        Some(rules) => format!("the manifest of {id} lets it reach {} only", rules.domains.join(", ")),
    };
    Err(Denial::new(Code::Forbidden, detail)
        .remedy("what an action can reach is part of its manifest: change `egress.domains` there, and `latchgate reload`"))
}

fn tried(gate: &Gate, catalog: &Catalog, allowance: &Allowance) -> Result<Trial, Denial> {
    let action = action(catalog, &allowance.action_id)?;
    let asker = Asker {
        principal: &allowance.principal,
        boundary: gate.boundary_for(&allowance.principal),
        now: gate.world.clock.now(),
    };
    Ok(catalog.policy.try_host(&action.manifest, &allowance.host, &asker))
}

/// The catalog of the files as they are, and as they would be. CPU-bound.
async fn read(
    gate: &Arc<Gate>,
    load: impl FnOnce(&Gate) -> Result<(Catalog, Catalog), StartError> + Send + 'static,
) -> Result<(Catalog, Catalog), Denial> {
    let gate = Arc::clone(gate);
    let loaded = tokio::task::spawn_blocking(move || load(&gate)).await;
    loaded.map_err(|error| Denial::fault(error.to_string()))?.map_err(|error| {
        Denial::new(Code::InvalidConfiguration, error.to_string())
            .remedy("mend the files; what was in force stays in force")
    })
}

fn unchanged_but_for((files, would_be): (Catalog, Catalog), in_force: &Catalog) -> Result<Catalog, Denial> {
    if files.entry() == in_force.entry() {
        return Ok(would_be);
    }
    Err(Denial::new(Code::Conflict, "manifests or policies were changed by hand and are not in force yet")
        .remedy("look at them (`latchgate policy show`), run `latchgate reload`, then ask again"))
}

fn change(before: &Catalog, change: Change, rule: &str, by: Operated) -> AllowanceChange {
    AllowanceChange {
        policy_before: before.policy.digest(),
        change,
        rule: rule.to_owned(),
        proof: by.proof(),
        signed: by.signed(),
    }
}

async fn commit(
    gate: &Gate,
    before: &Catalog,
    catalog: &Catalog,
    change: AllowanceChange,
    trace_id: TraceId,
) -> Result<u64, Denial> {
    debug_assert_eq!(before.entry().actions, catalog.entry().actions);
    loading::keep(&gate.world.ledger, catalog).map_err(|error| Denial::fault(error.to_string()))?;
    let body = Body::ConfigChanged(ConfigChanged { allowance: Some(change), ..catalog.entry() });
    let commit = Commit { trace_id: Some(trace_id), body, payload: Durability::Buffered };
    Ok(gate.world.ledger.commit(commit).await?.seq)
}

async fn put_back(gate: &Gate, before: &Catalog) -> Result<(), Denial> {
    let put = loading::put_in_force(&gate.world.ledger, before).await;
    put.map_err(|error| Denial::fault(error.to_string()))
}

fn changed(
    gate: &Gate,
    allowance: &Allowance,
    before: &Catalog,
    catalog: Catalog,
    log_index: u64,
) -> AllowlistChanged {
    let policy_digest = catalog.policy.digest();
    gate.put_in_force(catalog);
    AllowlistChanged {
        allowance: info(allowance),
        policy_before: before.policy.digest(),
        policy_digest,
        log_index,
    }
}

fn info(allowance: &Allowance) -> AllowanceInfo {
    let Allowance { principal, action_id, host, instead_of } = allowance.clone();
    AllowanceInfo {
        rule: allowance.rule_id(),
        principal,
        action_id,
        host: host.as_str().to_owned(),
        instead_of,
    }
}
