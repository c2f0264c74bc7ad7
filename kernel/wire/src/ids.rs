//! Identifiers: a prefix that says what is named, then a ULID. Each kind is a type of its own.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use ulid::Ulid;

/// The text is not the identifier expected.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected `{prefix}` and a 26-character ULID")]
pub struct IdError {
    pub prefix: &'static str,
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Ulid);

        impl $name {
            pub const PREFIX: &'static str = $prefix;

            /// `time_ms` is Unix time in milliseconds (48 bits used), `entropy` 80 random bits (the rest is ignored).
            pub fn new(time_ms: u64, entropy: u128) -> Self {
                Self(Ulid::from_parts(time_ms, entropy))
            }

            /// When the identifier was made, in Unix milliseconds.
            pub fn time_ms(&self) -> u64 {
                self.0.timestamp_ms()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut buffer = [0; ulid::ULID_LEN];
                f.write_str($prefix)?;
                f.write_str(self.0.array_to_str(&mut buffer))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let error = IdError { prefix: $prefix };
                let Some(rest) = text.strip_prefix($prefix) else { return Err(error) };
                // One spelling each: ULIDs are upper case here, and the decoder would also take lower case.
                if rest.len() != ulid::ULID_LEN || rest.bytes().any(|c| c.is_ascii_lowercase()) {
                    return Err(error);
                }
                Ulid::from_string(rest).map(Self).map_err(|_| error)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )+};
}

ids! {
    /// A receipt: one executed (or interrupted) call.
    ReceiptId = "rcpt_";
    /// A held call that waits for a decision.
    ApprovalId = "appr_";
    /// The right to perform one plan once.
    GrantId = "grnt_";
    /// One request to the gate, in entries, logs and errors.
    TraceId = "trc_";
    /// An agent's session: the leases that follow each other by renewal.
    SessionId = "sess_";
    /// One lease (its `jti`).
    LeaseId = "lse_";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_round_trips_and_keeps_the_time() {
        let id = ReceiptId::new(1_700_000_000_000, 42);
        let text = id.to_string();
        assert!(text.starts_with("rcpt_01"), "{text}");
        assert_eq!(text.parse(), Ok(id));
        assert_eq!(id.time_ms(), 1_700_000_000_000);
    }

    #[test]
    fn another_prefix_case_or_length_is_refused() {
        let text = ReceiptId::new(1_700_000_000_000, 1).to_string();
        assert!(text.parse::<GrantId>().is_err());
        assert!(text.to_lowercase().parse::<ReceiptId>().is_err());
        assert!(text[..text.len() - 1].parse::<ReceiptId>().is_err());
        assert!("rcpt_../../../../etc/passwd00".parse::<ReceiptId>().is_err());
    }
}
