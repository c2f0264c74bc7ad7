//! Validate: the body is one JSON object, within bounds, that fits the action's schema; defaults are filled in.

use latchgate_wire::json;
use latchgate_wire::problem::Code;
use serde_json::{Map, Value};

use super::Resolved;
use crate::denial::Denial;

pub struct Validated {
    pub(super) resolved: Resolved,
    pub(super) args: Value,
}

/// Deep enough for any documented service, shallow enough for every recursive reader behind us.
const DEPTH_MAX: usize = 32;

impl Resolved {
    /// An empty body means `{}`.
    ///
    /// # Errors
    /// 400 for what is no JSON, 413 for too much of it, 422 `schema_violation` with a pointer.
    pub fn validate(self) -> Result<Validated, Denial> {
        let limit = usize::try_from(self.action.manifest.limits.request_bytes).unwrap_or(usize::MAX);
        let body = &self.request.body;
        if body.len() > limit {
            let detail = format!("the arguments have {} bytes, {limit} at most for this action", body.len());
            return Err(Denial::new(Code::BodyTooLarge, detail));
        }
        let mut args = if body.is_empty() { Value::Object(Map::new()) } else { parse(body, limit)? };
        self.action.schema.validate(&mut args).map_err(|violation| {
            let mut denial = Denial::new(Code::SchemaViolation, violation.message);
            denial.pointer = Some(violation.pointer);
            denial.remedy(format!("GET /v1/actions/{} has the schema", self.action.manifest.action_id))
        })?;
        Ok(Validated { resolved: self, args })
    }
}

fn parse(body: &[u8], bytes_max: usize) -> Result<Value, Denial> {
    let limits = json::Limits { bytes_max, depth_max: DEPTH_MAX };
    let value =
        json::parse(body, limits).map_err(|error| Denial::new(Code::BadRequest, error.to_string()))?;
    if value.is_object() { Ok(value) } else { Err(Denial::new(Code::BadRequest, "expected a JSON object")) }
}
