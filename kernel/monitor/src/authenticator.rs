//! Who speaks: lease and proof of possession, checked and burned.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use latchgate_wire::digest::Digest;
use latchgate_wire::dpop;
use latchgate_wire::ids::LeaseId;
use latchgate_wire::jwk::Thumbprint;
use latchgate_wire::lease::{self, Lease, LeaseKeys, Scopes};
use latchgate_wire::principal::Principal;
use latchgate_wire::problem::Code;
use latchgate_wire::receipt::{Boundary, ProofId, Who};
use latchgate_wire::time::Timestamp;

use crate::denial::Denial;
use crate::ports::{Clock, Log};
use crate::proofs::ProofWindow;

/// The header of a request, as it came.
#[derive(Clone, Copy, Debug)]
pub struct Presented<'a> {
    pub method: &'a str,
    /// Path without query, as on the request line.
    pub path: &'a str,
    /// Every value of the header; exactly one is taken.
    pub authorization: &'a [&'a [u8]],
    pub dpop: &'a [&'a [u8]],
    pub body: &'a [u8],
}

/// Where the request came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// What the listener knows of its peer.
    pub peer: Principal,
    pub boundary: Boundary,
}

/// What a proof is presented for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A call or a renewal: the proof's id goes into the ledger, so it works once across restarts.
    Entry,
    /// A read: the proof is burned in memory, and must be younger than the gate. Whoever answers must not do so before the
    /// second that the proof names.
    Read,
}

/// A caller whose lease and proof hold. Made only by [`Authenticator::authenticate`].
#[derive(Clone, Debug)]
pub struct Caller {
    who: Who,
    lease: Arc<Lease>,
    proof: ProofId,
    boundary: Boundary,
}

impl Caller {
    pub fn who(&self) -> &Who {
        &self.who
    }

    pub fn scopes(&self) -> &Scopes {
        &self.lease.claims().scope
    }

    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    pub fn proof(&self) -> &ProofId {
        &self.proof
    }

    pub fn boundary(&self) -> Boundary {
        self.boundary
    }
}

/// What this gate accepts as proof.
pub struct Authenticator {
    pub keys: LeaseKeys,
    pub issuer: String,
    pub audience: String,
    /// Accepted spellings of the gate's own URL, without trailing slash; the first is named in errors.
    pub base_urls: Vec<String>,
    pub require_body_hash: bool,
    /// Reads refuse proofs from before: what was burned in memory then is forgotten now.
    pub started_at: Timestamp,
    pub proofs: ProofWindow,
    pub leases: LeaseCache,
}

impl Authenticator {
    /// Checks in the order: lease, proof, replay, revocation.
    ///
    /// # Errors
    /// 401 with the code that old clients branch on.
    pub fn authenticate(
        &self,
        presented: Presented<'_>,
        listener: &Listener,
        purpose: Purpose,
        log: &impl Log,
        clock: &impl Clock,
    ) -> Result<Caller, Denial> {
        let now = clock.now();
        let token = lease_token(presented.authorization)?;
        let lease = self.lease(token, now)?;
        let claims = lease.claims();
        check_peer(&claims.sub, &listener.peer)?;

        let proof = self.proof(&presented, token, &lease, now)?;
        if purpose == Purpose::Read && self.may_be_from_before(&proof, claims.jti) {
            return Err(Denial::new(Code::InvalidDpop, "dpop proof may be older than the gate's last start")
                .remedy("sign a new proof in a second, or take a new lease"));
        }
        let who = Who {
            principal: claims.sub.clone(),
            session_id: claims.session_id,
            lease_jti: claims.jti,
            agent: claims.agent.clone(),
        };
        if log.is_revoked(&who) {
            return Err(Denial::new(Code::LeaseRevoked, "the lease was revoked")
                .remedy("ask the operator, then take a new lease"));
        }
        if !self.proofs.burn(&proof, now) {
            return Err(Denial::new(Code::ReplayDetected, "the dpop proof was used before")
                .remedy("sign a new proof, with a new jti, for each request"));
        }
        Ok(Caller { who, lease, proof, boundary: listener.boundary })
    }

    /// Whether a proof that is burned in memory only may have been burned before this gate started. One made for a lease of this
    /// gate's own time cannot: it names the lease by hash. Another is told by its time, since no read is answered before the
    /// second that its proof names.
    fn may_be_from_before(&self, proof: &ProofId, lease: LeaseId) -> bool {
        let lease_is_older = lease.time_ms() < self.started_at.as_ms().unsigned_abs();
        lease_is_older && proof.iat <= self.started_at.as_secs()
    }

    /// The key that asks for a lease of its own: the proof is by it, over method, URL and body, and used up.
    ///
    /// # Errors
    /// 401 with the code that old clients branch on.
    pub fn holder(
        &self,
        presented: Presented<'_>,
        jkt: Thumbprint,
        clock: &impl Clock,
    ) -> Result<ProofId, Denial> {
        let now = clock.now();
        let text = one_header(presented.dpop, Code::MissingDpopHeader, "DPoP")?;
        let uris = self.uris(presented.path);
        let uris: Vec<&str> = uris.iter().map(String::as_str).collect();
        let expected = dpop::Expected {
            method: presented.method,
            uris: &uris,
            ath: None,
            jkt: Some(jkt),
            body: presented.body,
            require_bh: true,
            now,
        };
        let proof = dpop::verify(text, &expected).map_err(|e| Denial::new(e.code(), e.to_string()))?;
        let proof = ProofId { jkt: jkt.to_string(), jti: proof.jti().to_owned(), iat: proof.iat() };
        if !self.proofs.burn(&proof, now) {
            return Err(Denial::new(Code::ReplayDetected, "the dpop proof was used before")
                .remedy("sign a new proof, with a new jti, for each request"));
        }
        Ok(proof)
    }

    fn uris(&self, path: &str) -> Vec<String> {
        self.base_urls.iter().map(|base| format!("{base}{path}")).collect()
    }

    fn lease(&self, token: &str, now: Timestamp) -> Result<Arc<Lease>, Denial> {
        if let Some(lease) = self.leases.find(token) {
            lease.check_time(now).map_err(lease_denial)?;
            return Ok(lease);
        }
        let expected = lease::Expected { issuer: &self.issuer, audience: &self.audience, now };
        let lease = Arc::new(lease::verify(token, &self.keys, &expected).map_err(lease_denial)?);
        self.leases.keep(token, Arc::clone(&lease), now);
        Ok(lease)
    }

    fn proof(
        &self,
        presented: &Presented<'_>,
        token: &str,
        lease: &Lease,
        now: Timestamp,
    ) -> Result<ProofId, Denial> {
        let text = one_header(presented.dpop, Code::MissingDpopHeader, "DPoP")?;
        let uris = self.uris(presented.path);
        let uris: Vec<&str> = uris.iter().map(String::as_str).collect();
        let claims = lease.claims();
        let expected = dpop::Expected {
            method: presented.method,
            uris: &uris,
            ath: Some(token),
            jkt: Some(claims.cnf.jkt),
            body: presented.body,
            require_bh: claims.bh || self.require_body_hash,
            now,
        };
        let proof = dpop::verify(text, &expected).map_err(|error| Denial::proof(&error, now))?;
        Ok(ProofId { jkt: proof.jkt().to_string(), jti: proof.jti().to_owned(), iat: proof.iat() })
    }
}

fn lease_denial(error: lease::LeaseError) -> Denial {
    Denial::new(error.code(), error.to_string()).remedy("take a new lease: POST /v1/leases")
}

fn lease_token<'a>(authorization: &[&'a [u8]]) -> Result<&'a str, Denial> {
    let value = one_header(authorization, Code::MissingAuthHeader, "Authorization")?;
    // RFC 9110 section 11.1: the scheme is case-insensitive.
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("DPoP") && !token.is_empty() => Ok(token),
        _ => Err(Denial::new(Code::InvalidLease, "expected `Authorization: DPoP <lease>`")),
    }
}

/// RFC 9449 section 4.3, check 1: there is not more than one.
fn one_header<'a>(values: &[&'a [u8]], missing: Code, name: &str) -> Result<&'a str, Denial> {
    match values {
        [] => Err(Denial::new(missing, format!("the {name} header is missing"))
            .remedy("send `Authorization: DPoP <lease>` and `DPoP: <proof>`")),
        [value] => std::str::from_utf8(value)
            .map_err(|_| Denial::new(Code::BadRequest, format!("the {name} header is not ASCII"))),
        _ => {
            let code = if name == "DPoP" { Code::InvalidDpop } else { Code::InvalidLease };
            Err(Denial::new(code, format!("more than one {name} header")))
        }
    }
}

/// A lease issued to a socket peer is good for that peer only. Enrolled agents prove themselves by key alone.
fn check_peer(subject: &Principal, peer: &Principal) -> Result<(), Denial> {
    let holds = match subject {
        Principal::Uid(_) | Principal::Jail(_) => subject == peer,
        Principal::Agent(_) => true,
    };
    if holds {
        return Ok(());
    }
    Err(Denial::new(Code::InvalidLease, format!("lease: issued to {subject}, presented by {peer}")))
}

/// Leases whose signature was checked, by the digest of the token: one ECDSA verification per lease, not per call.
#[derive(Default)]
pub struct LeaseCache(Mutex<HashMap<Digest, Arc<Lease>>>);

/// More than this many live leases are verified anew each time.
const CACHED_LEASES_MAX: usize = 10_000;

impl LeaseCache {
    fn find(&self, token: &str) -> Option<Arc<Lease>> {
        let leases = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        leases.get(&Digest::of(token.as_bytes())).cloned()
    }

    fn keep(&self, token: &str, lease: Arc<Lease>, now: Timestamp) {
        let mut leases = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if leases.len() >= CACHED_LEASES_MAX {
            leases.retain(|_, lease| lease.check_time(now).is_ok());
        }
        if leases.len() < CACHED_LEASES_MAX {
            leases.insert(Digest::of(token.as_bytes()), lease);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_headers_are_refused_and_one_is_taken() {
        let one: &[&[u8]] = &[b"DPoP abc"];
        assert_eq!(lease_token(one).unwrap(), "abc");
        let two: &[&[u8]] = &[b"DPoP abc", b"DPoP abc"];
        assert_eq!(lease_token(two).unwrap_err().code, Code::InvalidLease);
        assert_eq!(lease_token(&[]).unwrap_err().code, Code::MissingAuthHeader);
        let bearer: &[&[u8]] = &[b"Bearer abc"];
        assert_eq!(lease_token(bearer).unwrap_err().code, Code::InvalidLease);
    }

    #[test]
    fn a_lease_is_good_for_its_peer_only() {
        assert!(check_peer(&Principal::Uid(7), &Principal::Uid(7)).is_ok());
        assert!(check_peer(&Principal::Uid(7), &Principal::Uid(8)).is_err());
        assert!(check_peer(&Principal::Agent("a".into()), &Principal::Uid(8)).is_ok());
    }
}
