//! The one way out: guard, pool, connect, exchange, in that order and within one deadline.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use crate::addr::Development;
use crate::connect::{Connection, connector};
use crate::credentials::Credentials;
use crate::error::{ConfigError, Phase, Refused, SendError};
use crate::exchange::{Broken, exchange};
use crate::message::{Outbound, Reply};
use crate::origin::{Origin, Target};
use crate::pool::{Pool, PoolKey};
use crate::proxy::{self, Proxy};
use crate::resolve::{Pinned, Resolve, SystemResolver};
use crate::scrub::Scrubber;
use crate::tls;

/// What an [`Egress`] is built from. The default is safe: public addresses, `https`, public roots.
#[derive(Clone)]
pub struct Config {
    /// Permits loopback, and plain `http` to it. For development; see [`Development`].
    pub dangerous_loopback: bool,
    /// Permits private networks as well; see [`Development`]. For a service that the operator named and no caller can choose.
    pub dangerous_private: bool,
    /// Certificates in PEM to trust beside the public roots.
    pub extra_ca_pem: Option<Vec<u8>>,
    /// What every request but those to loopback goes through. Names are then looked up by the proxy, and no address of theirs is
    /// seen here; see [`Proxy`]. Never from the environment.
    pub proxy: Option<Proxy>,
    /// Where names are looked up: the proxy's own, where there is one.
    pub resolver: Arc<dyn Resolve>,
    /// Sizes and times.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            dangerous_loopback: false,
            dangerous_private: false,
            extra_ca_pem: None,
            proxy: None,
            resolver: Arc::new(SystemResolver::default()),
            limits: Limits::default(),
        }
    }
}

/// Bounds that hold for every request. The response body's bound and the deadline come with each request.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// For each address tried, within the request's deadline. Default 5 s.
    pub connect_timeout: Duration,
    /// An idle connection is closed after this. Default 20 s, below what common servers keep, so that a request
    /// seldom meets a connection that is about to close.
    pub idle_timeout: Duration,
    /// Idle connections per partition and origin. Default 4.
    pub idle_per_key_max: usize,
    /// Idle connections altogether. Default 256.
    pub idle_total_max: usize,
    /// Bytes of status line and headers. Default 64 KiB.
    pub response_head_bytes_max: usize,
    /// Number of response headers. Default 100.
    pub response_headers_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(20),
            idle_per_key_max: 4,
            idle_total_max: 256,
            response_head_bytes_max: 64 * 1024,
            response_headers_max: 100,
        }
    }
}

/// Opens every outbound connection of the gate. Built once and shared; belongs to one tokio runtime.
pub struct Egress {
    dev: Development,
    proxy: Option<Proxy>,
    resolver: Arc<dyn Resolve>,
    tls: TlsConnector,
    pool: Arc<Pool>,
    limits: Limits,
}

impl Egress {
    /// Prepares TLS and the pool. Opens nothing.
    ///
    /// # Errors
    /// [`ConfigError`] if `extra_ca_pem` is unusable.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        Ok(Self {
            dev: Development {
                dangerous_loopback: config.dangerous_loopback,
                dangerous_private: config.dangerous_private,
            },
            proxy: config.proxy,
            resolver: config.resolver,
            tls: connector(tls::client_config(config.extra_ca_pem.as_deref())?),
            pool: Pool::new(config.limits),
            limits: config.limits,
        })
    }

    /// Reads a URL under this gate's settings, as [`Target::parse`] does.
    ///
    /// # Errors
    /// [`Refused`], with what would have to change.
    pub fn target(&self, url: &str) -> Result<Target, Refused> {
        Target::parse(url, &self.dev)
    }

    /// Sends one request, at most once, and reads the whole response.
    ///
    /// `partition` names everything that must not share a connection with other traffic to the same origin; it is
    /// compared, never interpreted; the names of the request's secrets are part of it. `deadline` covers resolving, connecting, TLS, writing and reading. Redirects are
    /// returned as they are. Dropping the future closes the connection; the request may have been sent by then.
    ///
    /// # Errors
    /// [`SendError`]; its [`effect`](SendError::effect) says whether the request may have been sent.
    pub async fn send(
        &self,
        request: Outbound,
        partition: &str,
        deadline: Instant,
    ) -> Result<Reply, SendError> {
        let mut request = request;
        request.target.permitted(&self.dev)?;
        let origin = request.target.origin().clone();
        if self.proxy_to(&origin).is_some() {
            proxy::judge(&origin)?;
        }
        let credentials = request.credentials.take();
        let names = credentials.as_ref().map(Credentials::names).unwrap_or_default();
        let credentials = credentials.map(|held| held.admit(&origin, &self.dev)).transpose()?;
        let key = PoolKey { partition: partition.to_owned(), origin, names };
        let bytes_max = request.response_bytes_max;
        let complete = request.complete()?;
        if Instant::now() >= deadline {
            return Err(SendError::timeout(Phase::Resolve));
        }

        let pooled = self.pool.take(&key).await;
        let mut may_be_stale = pooled.is_some();
        let mut connection = match pooled {
            Some(connection) => connection,
            None => self.connect(&key.origin, deadline).await?,
        };
        // From here on the values are in this process's memory, and there is a verified peer to take them.
        let (mut message, scrubber) = match credentials {
            None => (complete.into_message(), Scrubber::default()),
            Some(admitted) => admitted.put_into(complete, deadline).await?,
        };
        loop {
            match exchange(&mut connection, message, bytes_max, &self.limits, deadline).await {
                Ok(reply) => {
                    self.pool.put(key, connection);
                    return Ok(scrubber.reply(reply));
                }
                Err(Broken::Sent(error)) => return Err(scrubber.error(error)),
                // The peer had closed it and the message is untouched: once more, on a connection of its own.
                Err(Broken::Unsent(unsent, _)) if may_be_stale => {
                    may_be_stale = false;
                    connection = self.connect(&key.origin, deadline).await?;
                    message = *unsent;
                }
                Err(Broken::Unsent(_, reason)) => {
                    let reason = format!("{} closed the connection: {reason}", key.origin);
                    return Err(scrubber.error(SendError::Unreachable(reason)));
                }
            }
        }
    }

    async fn connect(&self, origin: &Origin, deadline: Instant) -> Result<Connection, SendError> {
        let proxy = self.proxy_to(origin);
        let resolving = async {
            match proxy {
                Some(proxy) => proxy.resolve(self.resolver.as_ref()).await,
                None => Pinned::resolve(origin, self.resolver.as_ref(), &self.dev).await,
            }
        };
        let pinned =
            timeout_at(deadline, resolving).await.map_err(|_| SendError::timeout(Phase::Resolve))??;
        Connection::open(origin, &pinned, proxy, &self.tls, &self.limits, deadline).await
    }

    pub(crate) fn resolver(&self) -> &dyn Resolve {
        self.resolver.as_ref()
    }

    pub(crate) fn development(&self) -> &Development {
        &self.dev
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The proxy, but for loopback: what development permits is this machine, not the proxy's.
    pub(crate) fn proxy_to(&self, origin: &Origin) -> Option<&Proxy> {
        self.proxy.as_ref().filter(|_| !origin.is_loopback())
    }
}

impl fmt::Debug for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Egress").field("dev", &self.dev).field("limits", &self.limits).finish_non_exhaustive()
    }
}
