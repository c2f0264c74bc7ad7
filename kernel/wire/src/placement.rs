//! Where a secret goes in a request: what a manifest declares, a plan carries and egress carries out. Names, never values.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Secrets by name, the host that they are for, and their place in its requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretUse {
    /// The secret; for AWS the access key id.
    pub name: String,
    /// A host name in lower case, or an address: to no other is the value ever sent.
    pub host: String,
    pub placement: Placement,
}

/// The place of a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "in", rename_all = "snake_case", deny_unknown_fields)]
pub enum Placement {
    /// `Authorization: Bearer VALUE` (RFC 6750 section 2.1).
    Bearer {},
    /// A header of its own.
    Header {
        /// In lower case.
        name: String,
        /// Stands before the value, with the space that it may need: `Token `.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        prefix: String,
    },
    /// `Authorization: Basic` (RFC 7617); the secret is the password.
    Basic {
        /// The user, where that is no secret.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
        /// The secret that is the user.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user_secret: Option<String>,
    },
    /// `Authorization: Basic` with the secret as the user and an empty password.
    BasicUser {},
    /// A query parameter, put behind the others.
    Query { name: String },
    /// A member of a JSON body, which must not be there without it.
    Body {
        /// RFC 6901; through objects only.
        pointer: String,
    },
    /// A field of a form, put behind the others.
    Form { name: String },
    /// Within a path segment, where the secret's name stands. For services that know no other place: paths end up in logs.
    Path {
        /// Counted from 1.
        segment: u32,
    },
    /// AWS Signature Version 4 over the whole request, in headers.
    AwsSigv4 {
        service: String,
        region: String,
        /// The secret that is the secret access key.
        secret_key: String,
        /// The secret that is the session token of temporary credentials.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session_token: Option<String>,
    },
}

impl SecretUse {
    /// Every secret that is used, each once.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let (second, third) = match &self.placement {
            Placement::Basic { user_secret, .. } => (user_secret.as_deref(), None),
            Placement::AwsSigv4 { secret_key, session_token, .. } => {
                (Some(secret_key.as_str()), session_token.as_deref())
            }
            Placement::Bearer {}
            | Placement::Header { .. }
            | Placement::BasicUser {}
            | Placement::Query { .. }
            | Placement::Body { .. }
            | Placement::Form { .. }
            | Placement::Path { .. } => (None, None),
        };
        [Some(self.name.as_str()), second, third].into_iter().flatten()
    }
}

impl Placement {
    /// Whether the placement does without this secret where it is not set: long-lived AWS keys have no session token.
    pub fn may_lack(&self, name: &str) -> bool {
        matches!(self, Self::AwsSigv4 { session_token: Some(token), .. } if token == name)
    }

    /// The header that holds the value, if one does.
    pub fn header(&self) -> Option<&str> {
        match self {
            Self::Bearer {} | Self::Basic { .. } | Self::BasicUser {} | Self::AwsSigv4 { .. } => {
                Some("authorization")
            }
            Self::Header { name, .. } => Some(name),
            Self::Query { .. } | Self::Body { .. } | Self::Form { .. } | Self::Path { .. } => None,
        }
    }
}

/// In words for the operator who is to approve it.
impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bearer {} => f.write_str("header authorization, as a bearer token"),
            Self::Header { name, .. } => write!(f, "header {name}"),
            Self::Basic { .. } => f.write_str("header authorization, as a password"),
            Self::BasicUser {} => f.write_str("header authorization, as a user without password"),
            Self::Query { name } => write!(f, "query parameter {name}"),
            Self::Body { pointer } => write!(f, "body member {pointer}"),
            Self::Form { name } => write!(f, "form field {name}"),
            Self::Path { segment } => write!(f, "path segment {segment}"),
            Self::AwsSigv4 { service, region, .. } => write!(f, "an AWS signature for {service} in {region}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_use_is_read_back_as_it_was_written() {
        for placement in [
            r#"{"in":"bearer"}"#,
            r#"{"in":"header","name":"x-api-key"}"#,
            r#"{"in":"header","name":"authorization","prefix":"Token "}"#,
            r#"{"in":"basic","user":"api"}"#,
            r#"{"in":"basic_user"}"#,
            r#"{"in":"body","pointer":"/auth/token"}"#,
            r#"{"in":"aws_sigv4","service":"s3","region":"us-east-1","secret_key":"AWS_SECRET"}"#,
        ] {
            let text = format!(r#"{{"name":"TOKEN","host":"api.test","placement":{placement}}}"#);
            let read: SecretUse = serde_json::from_str(&text).unwrap();
            assert_eq!(serde_json::to_string(&read).unwrap(), text);
        }
        for broken in
            [r#"{"in":"bearer","name":"x"}"#, r#"{"in":"cookie"}"#, r#"{"in":"query","name":"a","x":1}"#]
        {
            assert!(serde_json::from_str::<Placement>(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn every_secret_of_a_use_is_named() {
        let read = |text: &str| -> SecretUse { serde_json::from_str(text).unwrap() };
        let aws = read(
            r#"{"name":"ID","host":"a","placement":{"in":"aws_sigv4","service":"s3","region":"r","secret_key":"KEY","session_token":"T"}}"#,
        );
        assert_eq!(aws.names().collect::<Vec<_>>(), ["ID", "KEY", "T"]);
        let basic =
            read(r#"{"name":"PASS","host":"a","placement":{"in":"basic","user_secret":"USER_NAME"}}"#);
        assert_eq!(basic.names().collect::<Vec<_>>(), ["PASS", "USER_NAME"]);
    }
}
