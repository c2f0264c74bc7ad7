//! An agent's lease: taken when first needed, renewed before it ends, taken anew when the gate no longer knows it.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderValue, Method};
use latchgate_wire::api::{LeaseRequest, LeaseResponse, RenewRequest};
use latchgate_wire::ids::SessionId;
use latchgate_wire::principal::Principal;
use latchgate_wire::problem::Code;
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use crate::agent::{AgentOptions, Delivery};
use crate::error::ClientError;
use crate::exchange::{self, Credentials, Effect, Outgoing};
use crate::signer::{Signer, now};
use crate::transport::{Answer, Transport};

const LEASES: &str = "/v1/leases";
const RENEW: &str = "/v1/leases/renew";

/// A lease is renewed when this part of its life is left: `1 / RENEW_PART`.
const RENEW_PART: u32 = 4;

/// One lease. The token is a credential (useless without the key) and is not shown.
pub(crate) struct Lease {
    token: Zeroizing<String>,
    pub session_id: SessionId,
    pub principal: Principal,
    renew_at: Instant,
    ends_at: Instant,
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("session_id", &self.session_id).finish_non_exhaustive()
    }
}

/// The leases of one agent, one at a time, all bound to one key.
pub(crate) struct Session {
    transport: Transport,
    signer: Signer,
    options: AgentOptions,
    /// Held while a lease is fetched: those who come meanwhile wait for that one.
    current: Mutex<Option<Arc<Lease>>>,
}

impl Session {
    pub fn new(transport: Transport, signer: Signer, options: AgentOptions) -> Self {
        Self { transport, signer, options, current: Mutex::new(None) }
    }

    /// What the caller calls this session.
    pub fn delivery(&self) -> Delivery {
        self.options.delivery
    }

    pub fn label(&self) -> Option<&str> {
        self.options.session_label.as_deref()
    }

    /// A lease that is valid for a while.
    pub async fn lease(&self) -> Result<Arc<Lease>, ClientError> {
        let mut current = self.current.lock().await;
        let lease = match current.take() {
            None => self.issue().await?,
            Some(lease) if Instant::now() < lease.renew_at => lease,
            Some(lease) => self.continued(lease).await?,
        };
        Ok(current.insert(lease).clone())
    }

    /// Sends a request under the lease. If the gate no longer takes the lease, nothing was done: it is sent once more
    /// under a new one.
    pub async fn send(
        &self,
        make: impl Fn() -> Result<Outgoing, ClientError>,
    ) -> Result<Answer, ClientError> {
        let lease = self.lease().await?;
        let outgoing = make()?;
        let is_read = outgoing.effect == Effect::Never;
        match self.send_under(&lease, outgoing).await {
            // A gate that has just started takes no proof for a read under a lease older than itself. Renewed, it is younger.
            Err(error) if is_read && is_refused_for_now(&error) => {
                let lease = self.renewed(&lease).await?;
                self.send_under(&lease, make()?).await
            }
            Err(error) if is_lease_gone(&error) => {
                let lease = self.replaced(&lease).await?;
                self.send_under(&lease, make()?).await
            }
            result => result,
        }
    }

    /// A refusal for the proof's time has done nothing: it is sent once more, signed by the gate's clock.
    async fn send_under(&self, lease: &Lease, outgoing: Outgoing) -> Result<Answer, ClientError> {
        match self.send_once(lease, outgoing.clone()).await {
            Err(refusal) if self.signer.learns(&refusal) => self.send_once(lease, outgoing).await,
            result => result,
        }
    }

    async fn send_once(&self, lease: &Lease, outgoing: Outgoing) -> Result<Answer, ClientError> {
        let proof = self.signer.proof(
            outgoing.method.as_str(),
            &outgoing.path,
            Some(&lease.token),
            &outgoing.body,
        )?;
        let authorization = Zeroizing::new(format!("DPoP {}", *lease.token));
        let authorization = HeaderValue::from_str(&authorization)
            .map_err(|_| ClientError::Protocol("the lease is no token".into()))?;
        let credentials =
            Credentials { authorization: Some(authorization), proof: Some(proof), ..Credentials::default() };
        exchange::send(&self.transport, outgoing, credentials).await
    }

    /// Renewed; a new session where this one has ended; as it is where the gate is busy and the lease still valid.
    async fn continued(&self, lease: Arc<Lease>) -> Result<Arc<Lease>, ClientError> {
        let outgoing = Outgoing::post(RENEW, &RenewRequest::default())?;
        match self.send_under(&lease, outgoing).await {
            Ok(answer) => accepted(&answer),
            Err(error) if is_lease_gone(&error) => self.issue().await,
            Err(error) if is_passing(&error) && Instant::now() < lease.ends_at => Ok(lease),
            Err(error) => Err(error),
        }
    }

    /// This lease's successor in the same session, unless somebody else has replaced it already.
    async fn renewed(&self, old: &Arc<Lease>) -> Result<Arc<Lease>, ClientError> {
        let mut current = self.current.lock().await;
        let lease = match current.take() {
            Some(lease) if !Arc::ptr_eq(&lease, old) => lease,
            _ => self.continued(Arc::clone(old)).await?,
        };
        Ok(current.insert(lease).clone())
    }

    /// A new lease in place of this one, unless somebody else has replaced it already.
    async fn replaced(&self, gone: &Arc<Lease>) -> Result<Arc<Lease>, ClientError> {
        let mut current = self.current.lock().await;
        let lease = match current.take() {
            Some(lease) if !Arc::ptr_eq(&lease, gone) => lease,
            _ => self.issue().await?,
        };
        Ok(current.insert(lease).clone())
    }

    async fn issue(&self) -> Result<Arc<Lease>, ClientError> {
        let jwk =
            serde_json::to_value(self.signer.jwk()).map_err(|e| ClientError::Protocol(e.to_string()))?;
        let request = LeaseRequest {
            scopes: self.options.scopes.clone(),
            dpop_jwk: jwk,
            agent_id: self.options.agent_id.clone(),
            budgets: self.options.budgets,
            bind_body: Some(self.options.bind_body),
        };
        let outgoing = Outgoing::post(LEASES, &request)?;
        let proof = self.signer.proof(Method::POST.as_str(), LEASES, None, &outgoing.body)?;
        let credentials = Credentials { proof: Some(proof), ..Credentials::default() };
        accepted(&exchange::send(&self.transport, outgoing, credentials).await?)
    }
}

fn accepted(answer: &Answer) -> Result<Arc<Lease>, ClientError> {
    let response: LeaseResponse = exchange::read(answer)?;
    let life_ms = u64::try_from(response.expires_at.since(now())).unwrap_or(0);
    let life = Duration::from_millis(life_ms);
    let ends_at = Instant::now() + life;
    Ok(Arc::new(Lease {
        token: Zeroizing::new(response.lease_jwt),
        session_id: response.session_id,
        principal: response.principal,
        renew_at: ends_at - life / RENEW_PART,
        ends_at,
    }))
}

/// The lease ended or was issued under keys that are gone. A revoked one is another matter: somebody meant it.
fn is_lease_gone(error: &ClientError) -> bool {
    matches!(error.code(), Some(Code::LeaseExpired | Code::InvalidLease))
}

/// The proof was sound but for its age, which the gate does not put down to a clock.
fn is_refused_for_now(error: &ClientError) -> bool {
    matches!(error, ClientError::Problem(problem)
        if problem.code() == Some(Code::InvalidDpop) && problem.gate_time.is_none())
}

fn is_passing(error: &ClientError) -> bool {
    matches!(error, ClientError::Unreachable { .. })
        || matches!(error.code(), Some(Code::Unavailable | Code::RateLimited | Code::Draining))
}
