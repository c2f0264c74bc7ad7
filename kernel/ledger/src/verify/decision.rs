//! An operator's decision, checked from what the entry holds: the signed request names this approval and this plan.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use latchgate_monitor::policy::{Allowance, HostNameError};
use latchgate_wire::api::AllowRequest;
use latchgate_wire::dpop::{self, Expected};
use latchgate_wire::entry::{
    AllowanceChange, ApprovalDecided, Change, Decision, OutcomeResolved, Signed, StandingRevoked,
};
use latchgate_wire::json::{self, Limits};
use latchgate_wire::time::Timestamp;
use serde_json::{Value, json};

/// What is wrong with the decision's signature, if anything.
pub fn check(decided: &ApprovalDecided, at: Timestamp) -> Result<(), String> {
    let verb = match decided.decision {
        Decision::Approved => "approve",
        Decision::Denied => "deny",
        // The gate's own: nobody signs.
        Decision::Expired | Decision::Void => return Ok(()),
    };
    let signed = decided.signed.as_ref().ok_or("nobody signed it")?;
    check_signed(signed, &format!("/approvals/{}/{verb}", decided.approval_id), at)?;
    let body = json::parse(signed.body.as_bytes(), Limits::DEFAULT).map_err(|error| error.to_string())?;
    let names = body.get("plan_digest").and_then(Value::as_str);
    if names != Some(decided.plan_digest.to_string().as_str()) {
        return Err("the operator signed for another plan".into());
    }
    let scope = body.get("scope").and_then(Value::as_str).unwrap_or("once");
    if decided.scope.is_some_and(|said| said.as_str() != scope) {
        return Err(format!("the operator signed for the scope `{scope}`"));
    }
    let asked = body.get("reach");
    let is_as_signed = decided.reach.as_ref().is_none_or(|reach| {
        let member = |name| asked.and_then(|asked: &Value| asked.get(name));
        member("free").cloned().unwrap_or_else(|| json!([])) == json!(reach.free)
            && member("max_uses").and_then(Value::as_u64) == Some(reach.max_uses)
    });
    if is_as_signed { Ok(()) } else { Err("the operator signed for another reach".into()) }
}

/// What is wrong with the signature behind a standing approval's end, if anything.
pub fn check_revocation(revoked: &StandingRevoked, at: Timestamp) -> Result<(), String> {
    check_signed(&revoked.signed, &format!("/standing/{}/revoke", revoked.approval_id), at)
}

/// What is wrong with the word behind an outcome that was resolved, if anything.
pub fn check_resolution(resolved: &OutcomeResolved, at: Timestamp) -> Result<(), String> {
    let signed = &resolved.signed;
    check_signed(signed, &format!("/ledger/unknown/{}", resolved.receipt_id), at)?;
    let body = json::parse(signed.body.as_bytes(), Limits::DEFAULT).map_err(|error| error.to_string())?;
    let said = body.get("resolution").and_then(Value::as_str);
    if said == Some(resolved.resolution.as_str()) {
        Ok(())
    } else {
        Err("the operator signed another answer".into())
    }
}

/// What is wrong with the word behind a host that was allowed, or is no longer, if anything.
pub fn check_allowance(change: &AllowanceChange, at: Timestamp) -> Result<(), String> {
    let AllowanceChange { rule, signed, .. } = change;
    match change.change {
        Change::Removed => return check_signed(signed, &format!("/allowlist/{rule}/remove"), at),
        Change::Added => check_signed(signed, "/allowlist", at)?,
    }
    let asked: AllowRequest = serde_json::from_str(&signed.body).map_err(|error| error.to_string())?;
    let host = asked.host.parse().map_err(|error: HostNameError| error.to_string())?;
    let AllowRequest { principal, action_id, .. } = asked;
    let said = Allowance { principal, action_id, host, instead_of: Vec::new() };
    if said.rule_id() == *rule {
        Ok(())
    } else {
        Err("the operator signed for another principal, action or host".into())
    }
}

/// What is wrong with a request that an entry rests on, if anything.
pub fn check_request(signed: &Signed, route: &str, at: Timestamp) -> Result<(), String> {
    check_signed(signed, route, at)
}

/// A proof for that route, by the key that the entry names, over that body.
fn check_signed(signed: &Signed, route: &str, at: Timestamp) -> Result<(), String> {
    let htu = htu(&signed.proof).ok_or("the operator's proof is no JWT with `htu`")?;
    if !htu.ends_with(route) {
        return Err(format!("the operator's proof is for `{htu}`, not for {route}"));
    }
    let proof =
        dpop::verify(&signed.proof, &expected(signed, &[&htu], at)).map_err(|error| error.to_string())?;
    if proof.jkt().to_string() != signed.jkt {
        return Err("the operator's proof was made by another key than the entry names".into());
    }
    Ok(())
}

fn expected<'a>(signed: &'a Signed, uris: &'a [&'a str], at: Timestamp) -> Expected<'a> {
    Expected {
        method: "POST",
        uris,
        ath: None,
        jkt: None,
        body: signed.body.as_bytes(),
        require_bh: true,
        now: at,
    }
}

/// The URL that the proof says it is for; that it is truly signed is checked afterwards.
fn htu(proof: &str) -> Option<String> {
    let claims = BASE64URL.decode(proof.split('.').nth(1)?).ok()?;
    let claims = json::parse(&claims, Limits::DEFAULT).ok()?;
    Some(claims.get("htu")?.as_str()?.to_owned())
}
