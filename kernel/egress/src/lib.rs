//! The only code that opens outbound connections: each request goes once, to an address that was checked.
//!
//! A request passes, in this order: the grammar of its URL ([`Target`]), the address guard ([`admissible`]) over
//! *every* address its name resolves to, a connection to one of exactly those addresses, TLS verified for the name,
//! one exchange. Nothing is asked of DNS twice, so a name cannot change between check and connect. Where the operator named a
//! proxy, that resolves names in its own network, and the guard judges what it can without their addresses ([`Proxy`]).
//!
//! Secrets are put into a request when its connection stands, and taken out of what comes back ([`Credentials`]).
//!
//! Invariant: once a byte of a request may have been written it is never written again; [`SendError::effect`] says
//! whether that point was passed.
//!
//! Deliberately absent: redirects, proxies from the environment (it is never read), cookies, decompression, HTTP/2,
//! client certificates, caches of DNS answers.
#![forbid(unsafe_code)]

mod addr;
mod client;
mod connect;
mod credentials;
mod error;
mod exchange;
mod message;
mod origin;
mod pool;
mod proxy;
mod resolve;
mod scrub;
mod tls;
mod tunnel;
mod vault;

pub use addr::{Development, Forbidden, admissible};
pub use client::{Config, Egress, Limits};
pub use credentials::{Credentials, Now};
pub use error::{ConfigError, Effect, Part, Phase, Refused, SendError};
pub use message::{Outbound, Reply};
pub use origin::{Origin, Scheme, Target};
pub use proxy::Proxy;
pub use resolve::{Answer, Resolve, SystemResolver};
pub use vault::{Secret, Vault, VaultError};
