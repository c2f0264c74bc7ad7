//! Policies that tests put in force.

/// Every action, at once.
pub const ALLOW: &str = r#"
@id("allow")
permit (principal, action, resource);
"#;

/// Every action, after a person said yes.
pub const ASK: &str = r#"
@id("ask")
@ask("a test asks")
permit (principal, action, resource);
"#;

/// No action.
pub const DENY: &str = r#"
@id("never")
@reason("a test forbids it")
forbid (principal, action, resource);
"#;

/// What a new home gets.
pub const STANDARD: &str = include_str!("../../policies/standard/policy.cedar");
