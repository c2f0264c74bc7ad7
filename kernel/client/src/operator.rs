//! An operator's side, on the admin socket: every request is signed with the operator's own key, and there is no lease.

use std::fmt;
use std::time::Duration;

use http::HeaderValue;
use latchgate_wire::api::{
    ActionInfo, ActionList, AgentList, AgentRequest, AllowRequest, AllowanceList, AllowlistChanged,
    ApprovalDetail, ApprovalList, ApproveRequest, AuditPage, AuditQuery, BudgetList, ConsistencyProof,
    Decided, DenyRequest, ForgetRequest, Forgot, KeyRotation, OperatorList, OperatorRequest, ReloadRequest,
    Reloaded, ResolveRequest, RevokeRequest, RotateRequest, StandingList, StandingRevokeRequest, Status,
    TokenRequest, UnknownList,
};
use latchgate_wire::bundle::Bundle;
use latchgate_wire::es256::SigningKey;
use latchgate_wire::ids::{ApprovalId, ReceiptId};
use latchgate_wire::jail::{JailConnections, JailOpened, JailRequest};
use latchgate_wire::notify::{Ask, AskedFor, ReceiverList};
use latchgate_wire::operator_token::OperatorToken;
use latchgate_wire::principal::is_name;
use latchgate_wire::secret::{SecretList, SecretName, SecretsRequest};
use latchgate_wire::stats::{AuditStats, StatsQuery};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::form_urlencoded::{Serializer, byte_serialize};

use crate::endpoint::Endpoint;
use crate::error::ClientError;
use crate::exchange::{self, Credentials, Effect, Outgoing};
use crate::signer::Signer;
use crate::transport::{Answer, Transport};

/// A named operator with the key that the gate knows under that name.
pub struct OperatorClient {
    transport: Transport,
    signer: Signer,
    name: String,
    token: Option<OperatorToken>,
}

impl fmt::Debug for OperatorClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OperatorClient").field("name", &self.name).finish_non_exhaustive()
    }
}

impl OperatorClient {
    /// Connects at the first request.
    pub fn new(endpoint: &Endpoint, key: SigningKey, name: impl Into<String>) -> Self {
        let transport = Transport::new(endpoint.admin_socket());
        Self { transport, signer: Signer::new(key), name: name.into(), token: None }
    }

    /// Sends the operator's token with each request, beside the key's proof.
    #[must_use]
    pub fn with_token(self, token: OperatorToken) -> Self {
        Self { token: Some(token), ..self }
    }

    /// Signs for the gate's canonical URL instead of the name that every socket has: no other gate takes such a proof.
    #[must_use]
    pub fn signing_for(self, base_url: Option<String>) -> Self {
        Self { signer: self.signer.signing_for(base_url), ..self }
    }

    /// The operator's name here. The gate goes by the key.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// # Errors
    /// Whatever keeps the gate from answering.
    pub async fn status(&self) -> Result<Status, ClientError> {
        self.get("/v1/status").await
    }

    /// The gate's counters in OpenMetrics text.
    ///
    /// # Errors
    /// Whatever keeps the gate from answering.
    pub async fn metrics(&self) -> Result<String, ClientError> {
        let answer = self.send(Outgoing::get("/metrics")).await?;
        String::from_utf8(answer.body.to_vec())
            .map_err(|_| ClientError::Protocol("the metrics are no text".into()))
    }

    /// Every action of the gate.
    ///
    /// # Errors
    /// Whatever keeps the gate from answering.
    pub async fn actions(&self) -> Result<Vec<ActionInfo>, ClientError> {
        self.get("/v1/actions").await.map(|list: ActionList| list.actions)
    }

    /// Held calls, newest first: those with this status, or all.
    ///
    /// # Errors
    /// `bad_request` for a status that is none.
    pub async fn approvals(&self, status: Option<&str>) -> Result<ApprovalList, ClientError> {
        self.get(&with_query("/v1/approvals", &serde_json::json!({ "status": status }))).await
    }

    /// The whole held call: what will be done, and what it is.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn approval(&self, id: ApprovalId) -> Result<ApprovalDetail, ClientError> {
        self.get(&format!("/v1/approvals/{id}")).await
    }

    /// Approves what was shown, and waits for its execution.
    ///
    /// # Errors
    /// `approval_decided`, or `conflict` if the plan is not the one shown.
    pub async fn approve(&self, id: ApprovalId, request: &ApproveRequest) -> Result<Decided, ClientError> {
        let path = format!("/v1/approvals/{id}/approve");
        exchange::read(&self.send(Outgoing::post(path, request)?.executing()).await?)
    }

    /// # Errors
    /// `approval_decided`, or `conflict` if the plan is not the one shown.
    pub async fn deny(&self, id: ApprovalId, request: &DenyRequest) -> Result<Decided, ClientError> {
        self.post(&format!("/v1/approvals/{id}/deny"), request).await
    }

    /// Entries of the ledger, newest first, or with `from` oldest first.
    ///
    /// # Errors
    /// `bad_request` for a filter that is none.
    pub async fn audit(&self, query: &AuditQuery) -> Result<AuditPage, ClientError> {
        self.get(&with_members("/v1/audit", query)?).await
    }

    /// As [`Self::audit`] with `from`; the answer comes when there is an entry, or with none after `wait`.
    ///
    /// # Errors
    /// `bad_request` for a filter that is none.
    pub async fn audit_followed(&self, query: &AuditQuery, wait: Duration) -> Result<AuditPage, ClientError> {
        let path = with_members("/v1/audit", query)?;
        exchange::read(&self.send(Outgoing::get(path).waiting(Some(wait))).await?)
    }

    /// What was decided about calls, counted.
    ///
    /// # Errors
    /// `bad_request` for a filter that is none.
    pub async fn audit_stats(&self, query: &StatsQuery) -> Result<AuditStats, ClientError> {
        self.get(&with_members("/v1/audit/stats", query)?).await
    }

    /// Stops leases. The answer is the gate's account of it.
    ///
    /// # Errors
    /// Whatever keeps the gate from answering.
    pub async fn revoke(&self, request: &RevokeRequest) -> Result<Value, ClientError> {
        self.post("/v1/revoke", request).await
    }

    /// Has manifests and policies read anew; what is in force afterwards.
    ///
    /// # Errors
    /// `invalid_configuration` with every problem, or `conflict` if another policy is in force than expected: what was in
    /// force stays in force.
    pub async fn reload(&self, request: &ReloadRequest) -> Result<Reloaded, ClientError> {
        self.post_long("/v1/reload", request).await
    }

    /// Has the gate take no more calls, and waits for those that run. The answer is the gate's account of it.
    ///
    /// # Errors
    /// `forbidden` for an operator who may not.
    pub async fn drain(&self) -> Result<Value, ClientError> {
        self.post_long("/v1/drain", &serde_json::json!({})).await
    }

    /// Vouches for the clock of the gate's machine. The answer is the gate's account of it.
    ///
    /// # Errors
    /// `forbidden` for an operator who may not.
    pub async fn accept_clock(&self) -> Result<Value, ClientError> {
        self.post("/v1/clock/accept", &serde_json::json!({})).await
    }

    /// Who is told of what, how far, and what did not arrive.
    ///
    /// # Errors
    /// Whatever keeps the gate from answering.
    pub async fn receivers(&self) -> Result<ReceiverList, ClientError> {
        self.get("/v1/notify").await
    }

    /// A test message for a receiver, or its dead letters once more.
    ///
    /// # Errors
    /// `not_found`; `forbidden` for whoever is no admin.
    pub async fn ask_of_receiver(&self, name: &str, ask: Ask) -> Result<AskedFor, ClientError> {
        let name = byte_serialize(name.as_bytes()).collect::<String>();
        self.post(&format!("/v1/notify/{name}/{}", ask.as_str()), &serde_json::json!({})).await
    }

    /// Has the gate open a listener for a jail, which it closes when this process ends.
    ///
    /// # Errors
    /// `conflict` if there is a jail of that name.
    pub async fn open_jail(&self, request: &JailRequest) -> Result<JailOpened, ClientError> {
        self.post("/v1/jails", request).await
    }

    /// Puts on record what was reached from a jail.
    ///
    /// # Errors
    /// `not_found` if there is no such jail.
    pub async fn jail_connections(&self, jail: &str, made: &JailConnections) -> Result<Value, ClientError> {
        self.post(&format!("/v1/jails/{jail}/connections"), made).await
    }

    /// Who may decide.
    ///
    /// # Errors
    /// Whatever keeps the gate from answering.
    pub async fn operators(&self) -> Result<OperatorList, ClientError> {
        self.get("/v1/operators").await
    }

    /// # Errors
    /// `forbidden` for whoever is no admin; `already_exists` for a name or key that is taken.
    pub async fn add_operator(&self, request: &OperatorRequest) -> Result<OperatorList, ClientError> {
        self.change("/v1/operators", request).await
    }

    /// Another key for an operator: one's own, or by an admin anybody's.
    ///
    /// # Errors
    /// `not_found`, `forbidden`.
    pub async fn rotate_operator(
        &self,
        name: &str,
        request: &RotateRequest,
    ) -> Result<OperatorList, ClientError> {
        self.change(&format!("/v1/operators/{name}/rotate"), request).await
    }

    /// Another token for an operator, or none: one's own, or by an admin anybody's.
    ///
    /// # Errors
    /// `not_found`, `forbidden`.
    pub async fn set_token(&self, name: &str, request: &TokenRequest) -> Result<OperatorList, ClientError> {
        self.change(&format!("/v1/operators/{name}/token"), request).await
    }

    /// # Errors
    /// `not_found`; `forbidden` for the last admin.
    pub async fn remove_operator(&self, name: &str) -> Result<OperatorList, ClientError> {
        self.change(&format!("/v1/operators/{name}/remove"), &serde_json::json!({})).await
    }

    /// Enrolled agents with what they were last seen doing and spending.
    ///
    /// # Errors
    /// Whatever keeps the gate from answering.
    pub async fn agents(&self) -> Result<AgentList, ClientError> {
        self.get("/v1/agents").await
    }

    /// # Errors
    /// As [`OperatorClient::add_operator`].
    pub async fn add_agent(&self, request: &AgentRequest) -> Result<AgentList, ClientError> {
        self.change("/v1/agents", request).await
    }

    /// Another key for an agent. Ends the agent's leases.
    ///
    /// # Errors
    /// `not_found`; as [`OperatorClient::add_operator`] for the key.
    pub async fn rotate_agent(&self, name: &str, request: &RotateRequest) -> Result<AgentList, ClientError> {
        self.change(&format!("/v1/agents/{name}/rotate"), request).await
    }

    /// Ends the agent's leases, too.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn remove_agent(&self, name: &str) -> Result<AgentList, ClientError> {
        self.change(&format!("/v1/agents/{name}/remove"), &serde_json::json!({})).await
    }

    /// Secrets by name, and what actions still miss. No value.
    ///
    /// # Errors
    /// Whatever keeps the gate from answering.
    pub async fn secrets(&self) -> Result<SecretList, ClientError> {
        self.get("/v1/secrets").await
    }

    /// Sets secrets, all of them or none. The body is gone with the request; an answer repeats no value.
    ///
    /// # Errors
    /// `bad_request` for what is no name or value.
    pub async fn set_secrets(&self, request: &SecretsRequest) -> Result<SecretList, ClientError> {
        self.change("/v1/secrets", request).await
    }

    /// # Errors
    /// `not_found`.
    pub async fn remove_secret(&self, name: &SecretName) -> Result<SecretList, ClientError> {
        self.change(&format!("/v1/secrets/{name}/remove"), &serde_json::json!({})).await
    }

    /// What principals have used of their budgets.
    ///
    /// # Errors
    /// Whatever keeps the gate from answering.
    pub async fn budgets(&self) -> Result<BudgetList, ClientError> {
        self.get("/v1/budgets").await
    }

    /// Hosts that operators allowed beside the rules written by hand.
    ///
    /// # Errors
    /// Whatever keeps the gate from answering.
    pub async fn allowlist(&self) -> Result<AllowanceList, ClientError> {
        self.get("/v1/allowlist").await
    }

    /// Lets an action reach one more host without a question, for one principal.
    ///
    /// # Errors
    /// `forbidden` for whoever is no admin, and for what no allowance can allow; `already_exists`, `not_found`.
    pub async fn allow(&self, request: &AllowRequest) -> Result<AllowlistChanged, ClientError> {
        self.change("/v1/allowlist", request).await
    }

    /// Takes an allowance back, by its rule.
    ///
    /// # Errors
    /// `not_found`; `forbidden` for whoever is no admin.
    pub async fn disallow(&self, rule: &str) -> Result<AllowlistChanged, ClientError> {
        if !is_name(rule) {
            return Err(ClientError::Input("expected a rule as `latchgate policy allowed` names it".into()));
        }
        self.change(&format!("/v1/allowlist/{rule}/remove"), &serde_json::json!({})).await
    }

    /// Approvals that answer later calls, too.
    ///
    /// # Errors
    /// Whatever keeps the gate from answering.
    pub async fn standing(&self) -> Result<StandingList, ClientError> {
        self.get("/v1/standing").await
    }

    /// # Errors
    /// `not_found` if none of this approval is in force.
    pub async fn revoke_standing(
        &self,
        id: ApprovalId,
        request: &StandingRevokeRequest,
    ) -> Result<Value, ClientError> {
        self.post(&format!("/v1/standing/{id}/revoke"), request).await
    }

    /// A checkpoint of everything until now: a signed note.
    ///
    /// # Errors
    /// Whatever keeps the gate from answering.
    pub async fn ledger_checkpoint(&self) -> Result<String, ClientError> {
        let answer = self.send(Outgoing::get("/v1/ledger/checkpoint")).await?;
        String::from_utf8(answer.body.to_vec())
            .map_err(|_| ClientError::Protocol("the checkpoint is no text".into()))
    }

    /// Whole lines of the history of checkpoints from a byte on; none at its end.
    pub async fn ledger_checkpoints(&self, from: u64) -> Result<Vec<u8>, ClientError> {
        Ok(self.send(Outgoing::get(format!("/v1/ledger/checkpoints?from={from}"))).await?.body.to_vec())
    }

    /// A tile by its path below `tile/` (C2SP tlog-tiles).
    ///
    /// # Errors
    /// `not_found` for a tile that the newest checkpoint does not have.
    pub async fn ledger_tile(&self, path: &str) -> Result<Vec<u8>, ClientError> {
        Ok(self.send(Outgoing::get(format!("/v1/ledger/tile/{path}"))).await?.body.to_vec())
    }

    /// That the log of one size begins with that of another; the newest for `None`.
    ///
    /// # Errors
    /// `bad_request` for sizes that the log does not have.
    pub async fn ledger_consistency(
        &self,
        old: u64,
        new: Option<u64>,
    ) -> Result<ConsistencyProof, ClientError> {
        self.get(&with_query("/v1/ledger/consistency", &serde_json::json!({ "old": old, "new": new }))).await
    }

    /// The receipt and its intent with proofs, and if asked for what they name by digest.
    ///
    /// # Errors
    /// `not_found`; `forbidden` for a viewer who asks for payloads.
    pub async fn ledger_receipt(&self, id: ReceiptId, payloads: bool) -> Result<Bundle, ClientError> {
        self.get(&with_payloads(&format!("/v1/ledger/receipts/{id}"), payloads)).await
    }

    /// As [`Self::ledger_receipt`], for any entry.
    ///
    /// # Errors
    /// `not_found`; `forbidden` for a viewer who asks for payloads.
    pub async fn ledger_entry(&self, seq: u64, payloads: bool) -> Result<Bundle, ClientError> {
        self.get(&with_payloads(&format!("/v1/ledger/entries/{seq}"), payloads)).await
    }

    /// Calls that may have happened.
    ///
    /// # Errors
    /// Whatever keeps the gate from answering.
    pub async fn unknown_outcomes(&self) -> Result<UnknownList, ClientError> {
        self.get("/v1/ledger/unknown").await
    }

    /// Records what was found out about such a call.
    ///
    /// # Errors
    /// `conflict` if it is not unknown.
    pub async fn resolve_outcome(
        &self,
        id: ReceiptId,
        request: &ResolveRequest,
    ) -> Result<Value, ClientError> {
        self.change(&format!("/v1/ledger/unknown/{id}"), request).await
    }

    /// Destroys the keys of payloads.
    ///
    /// # Errors
    /// `forbidden` for whoever is no admin.
    pub async fn forget(&self, request: &ForgetRequest) -> Result<Forgot, ClientError> {
        let outgoing = Outgoing { effect: Effect::Possible, ..Outgoing::post("/v1/ledger/forget", request)? };
        exchange::read(&self.send(Outgoing { within: exchange::EXECUTION, ..outgoing }).await?)
    }

    /// Hands the ledger over to a new key.
    ///
    /// # Errors
    /// `forbidden` for whoever is no admin.
    pub async fn rotate_ledger_key(&self) -> Result<KeyRotation, ClientError> {
        self.change("/v1/ledger/rotate-key", &serde_json::json!({})).await
    }

    /// Asks the gate to end: it drains first. The answer comes before it does.
    ///
    /// # Errors
    /// `forbidden` for an operator who may not.
    pub async fn shutdown(&self) -> Result<(), ClientError> {
        self.send(Outgoing::post("/v1/shutdown", &serde_json::json!({}))?).await.map(drop)
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        exchange::read(&self.send(Outgoing::get(path)).await?)
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, ClientError> {
        exchange::read(&self.send(Outgoing::post(path, body)?).await?)
    }

    /// What may have been done if no answer comes.
    async fn change<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, ClientError> {
        let outgoing = Outgoing { effect: Effect::Possible, ..Outgoing::post(path, body)? };
        exchange::read(&self.send(outgoing).await?)
    }

    /// For what takes as long as modules take to compile, or calls to end.
    async fn post_long<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        let outgoing = Outgoing::post(path, body)?;
        exchange::read(&self.send(Outgoing { within: exchange::EXECUTION, ..outgoing }).await?)
    }

    /// A refusal for the proof's time has done nothing: it is sent once more, signed by the gate's clock.
    async fn send(&self, outgoing: Outgoing) -> Result<Answer, ClientError> {
        match self.send_once(outgoing.clone()).await {
            Err(refusal) if self.signer.learns(&refusal) => self.send_once(outgoing).await,
            result => result,
        }
    }

    async fn send_once(&self, outgoing: Outgoing) -> Result<Answer, ClientError> {
        let proof = self.signer.proof(outgoing.method.as_str(), &outgoing.path, None, &outgoing.body)?;
        let operator_token = self.token.as_ref().map(token_header).transpose()?;
        let credentials = Credentials { proof: Some(proof), operator_token, ..Credentials::default() };
        exchange::send(&self.transport, outgoing, credentials).await
    }
}

fn token_header(token: &OperatorToken) -> Result<HeaderValue, ClientError> {
    HeaderValue::from_str(token.expose()).map_err(|error| ClientError::Protocol(error.to_string()))
}

fn with_payloads(path: &str, payloads: bool) -> String {
    if payloads { format!("{path}?payloads=true") } else { path.to_owned() }
}

fn with_members(path: &str, query: &impl Serialize) -> Result<String, ClientError> {
    let query = serde_json::to_value(query).map_err(|error| ClientError::Input(error.to_string()))?;
    Ok(with_query(path, &query))
}

/// Appends the members of a flat object as a query; absent ones are left out.
fn with_query(path: &str, members: &Value) -> String {
    let mut query = Serializer::new(String::new());
    for (name, value) in members.as_object().into_iter().flatten() {
        match value {
            Value::Null => {}
            Value::String(text) => {
                query.append_pair(name, text);
            }
            other => {
                query.append_pair(name, &other.to_string());
            }
        }
    }
    let query = query.finish();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_gate::FakeGate;
    use crate::signer::now;
    use latchgate_wire::dpop;
    use latchgate_wire::jwk::Jwk;
    use latchgate_wire::operator_token::HEADER;

    fn key() -> SigningKey {
        SigningKey::from_entropy(&[7; 32]).unwrap()
    }

    #[test]
    fn a_query_holds_what_is_set_and_nothing_can_break_out_of_it() {
        let query =
            AuditQuery { action: Some("a&limit=9#x".into()), limit: Some(5), ..AuditQuery::default() };
        let query = serde_json::to_value(query).unwrap();
        assert_eq!(with_query("/v1/audit", &query), "/v1/audit?action=a%26limit%3D9%23x&limit=5");
        assert_eq!(with_query("/v1/audit", &serde_json::json!({})), "/v1/audit");
    }

    #[tokio::test]
    async fn each_request_is_signed_by_the_operator_over_method_path_and_body_without_a_lease() {
        let gate = FakeGate::answering(|seen| {
            let empty = r#"{"approvals":[]}"#;
            if seen.method == "GET" { (200, empty.into()) } else { (202, "{}".into()) }
        })
        .await;
        let client = OperatorClient::new(&gate.endpoint(), key(), "local");
        client.approvals(Some("pending")).await.unwrap();
        client.shutdown().await.unwrap();
        for (seen, url) in
            gate.seen().iter().zip(["http://localhost/v1/approvals", "http://localhost/v1/shutdown"])
        {
            assert_eq!(seen.header("authorization"), None);
            let expected = dpop::Expected {
                method: &seen.method,
                uris: &[url],
                ath: None,
                jkt: Some(Jwk::from(key().verifying_key()).thumbprint()),
                body: &seen.body,
                require_bh: true,
                now: now(),
            };
            assert!(dpop::verify(seen.header("dpop").unwrap(), &expected).is_ok());
        }
        assert_eq!(gate.seen()[0].query, "status=pending");
    }

    #[tokio::test]
    async fn a_token_goes_beside_each_proof_and_nowhere_else() {
        let gate = FakeGate::answering(|_| (200, r#"{"approvals":[]}"#.into())).await;
        let token = OperatorToken::from_entropy(&[9; 32]);
        let client = || OperatorClient::new(&gate.endpoint(), key(), "local");
        client().with_token(token.clone()).approvals(None).await.unwrap();
        client().approvals(None).await.unwrap();
        let sent: Vec<_> = gate.seen().iter().map(|seen| seen.header(HEADER).map(str::to_owned)).collect();
        assert_eq!(sent, [Some(token.expose().to_owned()), None]);
        assert!(gate.seen().iter().all(|seen| seen.header("dpop").is_some()));
    }

    #[test]
    fn neither_key_nor_token_is_in_the_debug_form() {
        let token = OperatorToken::from_entropy(&[9; 32]);
        let client = OperatorClient::new(&Endpoint::in_dir(std::path::Path::new("/r")), key(), "local");
        let client = client.with_token(token);
        assert_eq!(format!("{client:?}"), r#"OperatorClient { name: "local", .. }"#);
    }
}
