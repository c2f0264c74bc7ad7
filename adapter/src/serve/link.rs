//! The way to the gate: found when it is needed, and found again when it moved.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use latchgate_client::{
    AgentClient, AgentOptions, ClientError, Delivery, Endpoint, GateUrl, PublicClient, Search,
};
use latchgate_wire::es256::SigningKey;
use latchgate_wire::sealed_key;
use tokio::sync::Mutex;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::args::Args;

/// One agent's way to one gate. No gate need run when it is made.
pub struct Link {
    place: Place,
    key: Option<SigningKey>,
    options: AgentOptions,
    /// Held while a lease is fetched: those who come meanwhile wait for that one.
    current: Mutex<Option<(Endpoint, AgentClient)>>,
}

enum Place {
    Url(GateUrl),
    Search(Option<PathBuf>),
}

impl Link {
    /// # Errors
    /// A key that cannot be read, or a URL that leads off this machine.
    pub fn new(args: &Args) -> anyhow::Result<Arc<Self>> {
        let place = match args.gate_url() {
            Some(url) => Place::Url(
                GateUrl::parse(&url)
                    .map_err(|error| anyhow::anyhow!("--gate-url: {error}; {}", error.remedy()))?,
            ),
            None => Place::Search(args.gate_socket.clone().filter(|path| !path.as_os_str().is_empty())),
        };
        let key =
            args.agent_key.as_ref().filter(|path| !path.as_os_str().is_empty()).map(read_key).transpose()?;
        let session = args.session_id.and_then(|label| label.0).unwrap_or_else(Uuid::now_v7);
        let options = AgentOptions {
            agent_id: Some(args.agent_id.clone()),
            public_base_url: args.public_base_url.clone().filter(|url| !url.is_empty()),
            session_label: Some(session.to_string()),
            delivery: Delivery::Confirmed,
            ..AgentOptions::default()
        };
        Ok(Arc::new(Self { place, key, options, current: Mutex::new(None) }))
    }

    /// The agent under its lease.
    ///
    /// # Errors
    /// If there is no gate, or it gives no lease.
    pub async fn agent(&self) -> Result<AgentClient, ClientError> {
        let endpoint = self.endpoint()?;
        let mut current = self.current.lock().await;
        if let Some((known, agent)) = &*current
            && *known == endpoint
        {
            return Ok(agent.clone());
        }
        let agent = match &self.key {
            Some(key) => AgentClient::connect_with_key(&endpoint, key.clone(), self.options.clone()).await?,
            None => AgentClient::connect(&endpoint, self.options.clone()).await?,
        };
        *current = Some((endpoint, agent.clone()));
        Ok(agent)
    }

    /// What anyone may ask.
    ///
    /// # Errors
    /// If there is no place to look at.
    pub fn public(&self) -> Result<PublicClient, ClientError> {
        Ok(PublicClient::new(&self.endpoint()?))
    }

    pub fn agent_id(&self) -> &str {
        self.options.agent_id.as_deref().unwrap_or_default()
    }

    pub fn session_label(&self) -> &str {
        self.options.session_label.as_deref().unwrap_or_default()
    }

    /// Looked for each time: a gate may have come up at another of the usual places.
    fn endpoint(&self) -> Result<Endpoint, ClientError> {
        match &self.place {
            Place::Url(url) => Ok(Endpoint::at_url(url.clone())),
            Place::Search(flag) => Ok(Endpoint::discover(&Search::from_env(flag.clone()))?),
        }
    }
}

fn read_key(path: &PathBuf) -> anyhow::Result<SigningKey> {
    let pem = std::fs::read_to_string(path).map(Zeroizing::new);
    let pem = pem.with_context(|| format!("--agent-key: {} cannot be read", path.display()))?;
    if sealed_key::is_sealed(&pem) {
        anyhow::bail!(
            "--agent-key: {} is locked by a passphrase, and nobody is here to be asked for it",
            path.display()
        );
    }
    SigningKey::from_pkcs8_pem(&pem)
        .with_context(|| format!("--agent-key: {} is no P-256 private key in PEM", path.display()))
}
