//! One question to a small prepared policy set.

use anyhow::{Result, ensure};
use cedar_policy::{
    Authorizer, Context, Decision, Entities, EntityUid, PolicySet, Request, RestrictedExpression,
};

use crate::measure::{Cost, cost};

const POLICIES: &str = r#"
permit (principal, action == Action::"fs_read", resource)
when { context.op.operation == "read" };
forbid (principal, action, resource)
when { context.op.path == ".env" || context.op.path like "*/.env" };
forbid (principal, action, resource)
when { context.op.path like "*.pem" || context.op.path like "id_rsa*" };
"#;

/// With the context, which no call shares with another.
pub fn evaluate(iterations: usize) -> Result<Cost> {
    let policies: PolicySet = POLICIES.parse()?;
    let principal: EntityUid = r#"Principal::"uid:1000""#.parse()?;
    let action: EntityUid = r#"Action::"fs_read""#.parse()?;
    let gate: EntityUid = r#"Gate::"latchgate""#.parse()?;
    let (authorizer, entities) = (Authorizer::new(), Entities::empty());
    cost(iterations, || {
        let op = record([("kind", "fs"), ("operation", "read"), ("path", "README.md")])?;
        let context = Context::from_pairs([("op".to_owned(), op)])?;
        let request = Request::new(principal.clone(), action.clone(), gate.clone(), context, None)?;
        let response = authorizer.is_authorized(&request, &policies, &entities);
        ensure!(response.decision() == Decision::Allow, "the policy denied");
        Ok(())
    })
}

fn record<const N: usize>(fields: [(&str, &str); N]) -> Result<RestrictedExpression> {
    let fields =
        fields.map(|(name, value)| (name.to_owned(), RestrictedExpression::new_string(value.to_owned())));
    Ok(RestrictedExpression::new_record(fields)?)
}
