//! The ways out besides the gate: a proxy for HTTPS to named hosts, served outside on a listener that lives inside.
//!
//! A connection passes, in this order: the list of hosts, the address guard, the name in the TLS greeting. What is
//! said within TLS stays between the two ends, and is not seen here.

mod hosts;
mod proxy;
mod record;

pub use hosts::{HostError, Hosts};
pub use proxy::serve;
pub use record::{Recorder, Records, records};

use latchgate_egress::{Config, ConfigError, Egress, Proxy};

/// The gate's own settings for connections (`egress.*` of its configuration).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    pub dangerous_loopback: bool,
    /// What the machine's connections go through.
    pub proxy: Option<String>,
}

/// Opens connections behind the address guard.
#[derive(Debug)]
pub struct WayOut(Egress);

impl WayOut {
    /// # Errors
    /// For a proxy that is none.
    pub fn new(settings: &Settings) -> Result<Self, ConfigError> {
        let proxy = settings.proxy.as_deref().map(Proxy::parse).transpose()?;
        let config = Config { dangerous_loopback: settings.dangerous_loopback, proxy, ..Config::default() };
        Egress::new(config).map(Self)
    }
}
