//! The thinnest client that a gate answers: one connection, one lease, proofs that can be signed beforehand.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use latchgate_wire::api::{LeaseRequest, LeaseResponse};
use latchgate_wire::dpop;
use latchgate_wire::es256::SigningKey;
use latchgate_wire::jwk::Jwk;
use latchgate_wire::time::Timestamp;
use tokio::net::UnixStream;

use crate::floor::BODY;

const LEASES: &str = "/v1/leases";

/// A kept connection.
pub struct Connection(SendRequest<Full<Bytes>>);

impl Connection {
    pub async fn open(socket: &Path) -> Result<Self> {
        let stream = UnixStream::connect(socket)
            .await
            .with_context(|| format!("no connection to {}", socket.display()))?;
        let (sender, driver) = handshake(TokioIo::new(stream)).await?;
        // Its error reaches whoever waits for an answer.
        tokio::spawn(async move { drop(driver.await) });
        Ok(Self(sender))
    }

    /// Sends one request and reads the whole answer.
    pub async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes)> {
        self.0.ready().await?;
        let response = self.0.send_request(request).await?;
        let status = response.status();
        Ok((status, response.into_body().collect().await?.to_bytes()))
    }
}

/// A key with a lease.
pub struct Agent {
    key: SigningKey,
    lease: String,
    authorization: HeaderValue,
}

impl Agent {
    /// Takes a lease over this connection.
    pub async fn new(connection: &mut Connection) -> Result<Self> {
        Self::with_key(connection, new_key()?).await
    }

    /// The same for this key, which may be that of an enrolled agent.
    pub async fn with_key(connection: &mut Connection, key: SigningKey) -> Result<Self> {
        let request = LeaseRequest {
            scopes: None,
            dpop_jwk: serde_json::to_value(Jwk::from(key.verifying_key()))?,
            agent_id: Some("latchgate-bench".into()),
            budgets: None,
            bind_body: Some(true),
        };
        let body = Bytes::from(serde_json::to_vec(&request)?);
        let request = Request::post(LEASES)
            .header("host", "localhost")
            .header("dpop", proof(&key, "POST", LEASES, None, &body)?)
            .body(Full::new(body))?;
        let (status, answer) = connection.send(request).await?;
        ensure!(status.is_success(), "a lease was refused: {status} {}", String::from_utf8_lossy(&answer));
        let lease = serde_json::from_slice::<LeaseResponse>(&answer)?.lease_jwt;
        let authorization = HeaderValue::try_from(format!("DPoP {lease}"))?;
        Ok(Self { key, lease, authorization })
    }

    /// The proof of one call of `fs_read`.
    pub fn sign(&self) -> Result<HeaderValue> {
        self.sign_call("fs_read", BODY)
    }

    /// That call.
    pub fn request(&self, proof: HeaderValue) -> Result<Request<Full<Bytes>>> {
        self.call("fs_read", BODY.to_owned(), proof)
    }

    /// The proof of one call of `action`.
    pub fn sign_call(&self, action: &str, body: &str) -> Result<HeaderValue> {
        proof(&self.key, "POST", &execute(action), Some(&self.lease), body.as_bytes())
    }

    /// That call.
    pub fn call(&self, action: &str, body: String, proof: HeaderValue) -> Result<Request<Full<Bytes>>> {
        let request = Request::post(execute(action))
            .header("host", "localhost")
            .header("authorization", self.authorization.clone())
            .header("dpop", proof)
            .header("content-type", "application/json");
        Ok(request.body(Full::from(body))?)
    }
}

fn execute(action: &str) -> String {
    format!("/v1/actions/{action}/execute")
}

/// One call, again and again.
#[derive(Clone)]
pub struct Errand {
    pub action: String,
    pub body: String,
    /// Its answer; anything else is no measurement.
    pub status: StatusCode,
}

impl Errand {
    pub fn executed(action: &str, body: String) -> Self {
        Self { action: action.into(), body, status: StatusCode::OK }
    }

    /// Reads the small file.
    pub fn read() -> Self {
        Self::executed("fs_read", BODY.into())
    }

    /// Wants what policy forbids.
    pub fn denied() -> Self {
        let body = r#"{"path":".env"}"#.into();
        Self { action: "fs_read".into(), body, status: StatusCode::FORBIDDEN }
    }

    pub fn check(&self, status: StatusCode, answer: &[u8]) -> Result<()> {
        let text = String::from_utf8_lossy(answer);
        ensure!(status == self.status, "{}: expected {}, not {status} {text}", self.action, self.status);
        Ok(())
    }
}

/// Anything but an executed call is no measurement.
pub fn check_executed(status: StatusCode, answer: &[u8]) -> Result<()> {
    ensure!(status == StatusCode::OK, "a call was refused: {status} {}", String::from_utf8_lossy(answer));
    Ok(())
}

pub fn new_key() -> Result<SigningKey> {
    let mut entropy = [0; 32];
    getrandom::fill(&mut entropy)?;
    Ok(SigningKey::from_entropy(&entropy)?)
}

pub fn proof(
    key: &SigningKey,
    method: &str,
    path: &str,
    token: Option<&str>,
    body: &[u8],
) -> Result<HeaderValue> {
    let mut unique = [0; 16];
    getrandom::fill(&mut unique)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
    let request = dpop::Request {
        method,
        url: &format!("http://localhost{path}"),
        token,
        body: Some(body),
        jti: &URL_SAFE_NO_PAD.encode(unique),
        now: Timestamp::from_ms(i64::try_from(now)?),
    };
    Ok(HeaderValue::try_from(dpop::sign(&request, key)?)?)
}
