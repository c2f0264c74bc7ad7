//! Leases: issued to a socket's peer or renewed under a proof, each an entry before it is handed out.

use latchgate_monitor::authenticator::{Caller, Listener};
use latchgate_monitor::denial::Denial;
use latchgate_monitor::ports::{Clock as _, Commit, Durability, Entropy as _, Log as _};
use latchgate_wire::api::{LeaseRequest, LeaseResponse, RenewRequest};
use latchgate_wire::entry::{Body, Budgets, LeaseIssued};
use latchgate_wire::es256::SigningKey;
use latchgate_wire::ids::{LeaseId, SessionId, TraceId};
use latchgate_wire::jwk::{Jwk, Thumbprint};
use latchgate_wire::lease::{self, Confirmation, LeaseClaims, Scopes};
use latchgate_wire::principal::Principal;
use latchgate_wire::problem::Code;
use latchgate_wire::receipt::{ProofId, Who};
use latchgate_wire::time::Timestamp;
use serde_json::Value;

use crate::gate::Gate;
use crate::http::incoming::Received;
use crate::world::GateWorld;

const AGENT_LABEL_BYTES_MAX: usize = 128;

/// Signs leases.
pub struct Leases {
    pub key: SigningKey,
    pub kid: String,
    pub issuer: String,
    pub audience: String,
    pub ttl_s: i64,
}

/// Who asks for a lease, and with which key.
pub struct Applicant {
    pub principal: Principal,
    pub jkt: Thumbprint,
    /// Of an enrolled key: used up.
    pub proof: Option<ProofId>,
}

impl Applicant {
    /// An enrolled key proves itself and is its agent, wherever it comes from; another key is the peer's of the listener.
    ///
    /// # Errors
    /// 400 for what is no key; 401 for an enrolled key without proof; 403 for an operator's key.
    pub fn of(gate: &Gate, listener: &Listener, received: &Received, key: &Value) -> Result<Self, Denial> {
        let jwk = Jwk::from_value(key)
            .map_err(|error| Denial::new(Code::BadRequest, format!("dpop_jwk: {error}")))?;
        let jkt = jwk.thumbprint();
        if gate.operators.holds(&jkt) {
            return Err(Denial::new(Code::Forbidden, "this is an operator's key, which gets no lease")
                .remedy("use a key of the agent's own"));
        }
        let Some(name) = gate.agents.name(&jkt) else {
            return Ok(Self { principal: listener.peer.clone(), jkt, proof: None });
        };
        let proof = received.presented(|p| gate.authenticator.holder(p, jkt, &*gate.world.clock));
        let proof = proof.map_err(|denial| {
            denial.remedy("the key is enrolled as an agent's: sign the lease request with it (DPoP, with bh)")
        })?;
        Ok(Self { principal: Principal::Agent(name), jkt, proof: Some(proof) })
    }
}

struct Grant {
    who: Who,
    jkt: Thumbprint,
    scopes: Scopes,
    budgets: Budgets,
    bind_body: bool,
    session_expires_at: Timestamp,
    renews: Option<LeaseId>,
    proof: Option<ProofId>,
}

impl Leases {
    /// A new session.
    ///
    /// # Errors
    /// 400 for a request that makes no lease.
    pub async fn issue(
        &self,
        world: &GateWorld,
        for_whom: Applicant,
        request: LeaseRequest,
        trace_id: TraceId,
    ) -> Result<LeaseResponse, Denial> {
        let bad = |detail: String| Denial::new(Code::BadRequest, detail);
        let Applicant { principal, jkt, proof } = for_whom;
        let scopes = match request.scopes {
            None => Scopes::all_calls(),
            Some(scopes) => scopes_of(&scopes)?,
        };
        if request.agent_id.as_ref().is_some_and(|label| !is_label(label)) {
            return Err(bad(format!(
                "agent_id: expected 1 to {AGENT_LABEL_BYTES_MAX} printable ASCII characters"
            )));
        }
        let now = world.clock.now();
        let ms = now.as_ms().unsigned_abs();
        let who = Who {
            principal,
            session_id: SessionId::new(ms, world.entropy.u128()),
            lease_jti: LeaseId::new(ms, world.entropy.u128()),
            agent: request.agent_id,
        };
        let session_expires_at = lease::session_end(who.session_id);
        let grant = Grant {
            who,
            jkt,
            scopes,
            budgets: request.budgets.unwrap_or_default(),
            bind_body: request.bind_body.unwrap_or(false),
            session_expires_at,
            renews: None,
            proof,
        };
        self.grant(world, grant, now, trace_id).await
    }

    /// The same session under a new lease: the same scopes and budgets or fewer.
    ///
    /// # Errors
    /// 403 for what would widen; 401 once the session has ended.
    pub async fn renew(
        &self,
        world: &GateWorld,
        caller: &Caller,
        request: RenewRequest,
        trace_id: TraceId,
    ) -> Result<LeaseResponse, Denial> {
        let claims = caller.lease().claims();
        let scopes = match request.scopes {
            None => claims.scope.clone(),
            Some(scopes) => scopes_of(&scopes)?,
        };
        if !scopes.within(&claims.scope) {
            return Err(Denial::new(Code::ScopeInsufficient, "a renewal cannot widen the scopes")
                .remedy("take a new lease for other scopes"));
        }
        let now = world.clock.now();
        let session_expires_at = lease::session_end(claims.session_id);
        if now >= session_expires_at {
            return Err(Denial::new(Code::LeaseExpired, "the session has ended after 24 h")
                .remedy("take a new lease"));
        }
        let mut who = caller.who().clone();
        who.lease_jti = LeaseId::new(now.as_ms().unsigned_abs(), world.entropy.u128());
        let grant = Grant {
            who,
            jkt: claims.cnf.jkt,
            scopes,
            budgets: tighter(claims.budgets.unwrap_or_default(), request.budgets.unwrap_or_default()),
            bind_body: claims.bh,
            session_expires_at,
            renews: Some(claims.jti),
            proof: Some(caller.proof().clone()),
        };
        self.grant(world, grant, now, trace_id).await
    }

    async fn grant(
        &self,
        world: &GateWorld,
        grant: Grant,
        now: Timestamp,
        trace_id: TraceId,
    ) -> Result<LeaseResponse, Denial> {
        let exp = (now.as_secs() + self.ttl_s).min(grant.session_expires_at.as_secs());
        let expires_at = Timestamp::from_secs(exp);
        let claims = LeaseClaims {
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            sub: grant.who.principal.clone(),
            exp,
            nbf: now.as_secs(),
            iat: now.as_secs(),
            jti: grant.who.lease_jti,
            session_id: grant.who.session_id,
            scope: grant.scopes.clone(),
            cnf: Confirmation { jkt: grant.jkt },
            budgets: (grant.budgets != Budgets::default()).then_some(grant.budgets),
            agent: grant.who.agent.clone(),
            bh: grant.bind_body,
        };
        let lease_jwt =
            lease::sign(&claims, &self.key, &self.kid).map_err(|error| Denial::fault(error.to_string()))?;
        let response = LeaseResponse {
            lease_jwt,
            session_id: grant.who.session_id,
            lease_jti: grant.who.lease_jti,
            expires_at,
            principal: grant.who.principal.clone(),
        };
        let body = Body::LeaseIssued(LeaseIssued {
            who: grant.who,
            jkt: grant.jkt.to_string(),
            scopes: grant.scopes.iter().map(ToString::to_string).collect(),
            budgets: grant.budgets,
            expires_at,
            session_expires_at: grant.session_expires_at,
            renews: grant.renews,
            proof: grant.proof,
        });
        world.ledger.commit(Commit { trace_id: Some(trace_id), body, payload: Durability::Buffered }).await?;
        Ok(response)
    }
}

fn scopes_of(texts: &[String]) -> Result<Scopes, Denial> {
    let bad = |text: &str| {
        Denial::new(Code::BadRequest, format!("`{}` is no scope", text.chars().take(64).collect::<String>()))
            .remedy("scopes are tools:call, action:<id> and class:<class>")
    };
    let scopes: Result<Vec<_>, Denial> =
        texts.iter().map(|text| text.parse().map_err(|_| bad(text))).collect();
    Scopes::new(scopes?).map_err(|_| bad("[]"))
}

fn is_label(text: &str) -> bool {
    (1..=AGENT_LABEL_BYTES_MAX).contains(&text.len()) && text.bytes().all(|c| (b' '..=b'~').contains(&c))
}

fn tighter(held: Budgets, asked: Budgets) -> Budgets {
    let min = |a: Option<u64>, b: Option<u64>| match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    };
    Budgets {
        max_calls: min(held.max_calls, asked.max_calls),
        max_cost_usd_cents: min(held.max_cost_usd_cents, asked.max_cost_usd_cents),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renewal_takes_the_tighter_budget() {
        let of = |calls| Budgets { max_calls: calls, max_cost_usd_cents: None };
        assert_eq!(tighter(of(Some(5)), of(Some(9))), of(Some(5)));
        assert_eq!(tighter(of(Some(5)), of(None)), of(Some(5)));
        assert_eq!(tighter(of(None), of(Some(9))), of(Some(9)));
    }

    #[test]
    fn labels_are_printable_ascii() {
        assert!(is_label("claude-code"));
        assert!(!is_label("a\x1b[2J"));
        assert!(!is_label("a\u{202e}b"));
        assert!(!is_label(""));
        assert!(!is_label(&"x".repeat(129)));
    }
}
