//! What principals have used of their budgets, for whoever asks.

use latchgate_wire::api::{AgentInfo, AuditQuery, BudgetLine, BudgetList, PrincipalBudgets};
use latchgate_wire::principal::Principal;
use latchgate_wire::receipt::Window;

use crate::gate::Gate;

/// Everybody of the last day.
pub fn all(gate: &Gate) -> BudgetList {
    let principals = gate.world.ledger.spent(Window::Day).into_keys();
    let principals = principals.map(|principal| {
        let budgets = principal.parse().map(|principal| of(gate, &principal)).unwrap_or_default();
        PrincipalBudgets { principal, budgets }
    });
    BudgetList { principals: principals.collect() }
}

/// Hour and day of one principal.
pub fn of(gate: &Gate, principal: &Principal) -> Vec<BudgetLine> {
    let limits = gate.catalog.load().policy.limits(principal);
    let line = |window| BudgetLine {
        window,
        used: gate.world.ledger.spent(window).get(&principal.to_string()).copied().unwrap_or_default(),
        limit: limits.iter().find(|limit| limit.window == window).copied(),
    };
    [Window::Hour, Window::Day].map(line).into()
}

/// Every enrolled agent. Reads the index: to be called where blocking is allowed.
pub fn agents(gate: &Gate) -> Vec<AgentInfo> {
    let agents = gate.agents.keys().into_iter().map(|(name, jkt)| {
        let principal = Principal::Agent(name.clone());
        let query =
            AuditQuery { principal: Some(principal.to_string()), limit: Some(1), ..AuditQuery::default() };
        let newest = gate.world.ledger.query(&query).ok().and_then(|page| page.entries.into_iter().next());
        let last_seen =
            newest.and_then(|entry| entry.get("time")?.as_str().and_then(|time| time.parse().ok()));
        AgentInfo { budgets: of(gate, &principal), name, jkt, last_seen }
    });
    agents.collect()
}
