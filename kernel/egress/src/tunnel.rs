//! A connection for somebody else's TLS: the guard of every request, and nothing of ours is said on it.

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use crate::client::Egress;
use crate::connect::dial;
use crate::error::{Phase, SendError};
use crate::proxy;
use crate::resolve::Pinned;

impl Egress {
    /// Connects to port 443 of `host`, a name without port. Every address that the name has is checked, and the connection
    /// goes to one of exactly those; where the operator named a proxy, through that.
    ///
    /// # Errors
    /// [`SendError`]; nothing was sent.
    pub async fn tunnel(&self, host: &str, deadline: Instant) -> Result<TcpStream, SendError> {
        let target = self.target(&format!("https://{host}/"))?;
        let origin = target.origin();
        let proxy = self.proxy_to(origin);
        if proxy.is_some() {
            proxy::judge(origin)?;
        }
        let resolving = async {
            match proxy {
                Some(proxy) => proxy.resolve(self.resolver()).await,
                None => Pinned::resolve(origin, self.resolver(), self.development()).await,
            }
        };
        let pinned =
            timeout_at(deadline, resolving).await.map_err(|_| SendError::timeout(Phase::Resolve))??;
        let dialled = dial(pinned.addresses(), self.limits(), deadline).await;
        let Some(proxy) = proxy else { return dialled.map(|(tcp, _)| tcp) };
        let (tcp, remote) = dialled.map_err(|error| proxy.blame(error))?;
        let tunnel = proxy.tunnel(tcp, origin, remote);
        timeout_at(deadline, tunnel).await.map_err(|_| SendError::timeout(Phase::Tunnel))?
    }
}
