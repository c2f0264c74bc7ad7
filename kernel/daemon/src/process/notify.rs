//! Tells the service manager how far we are, over the datagram socket that `NOTIFY_SOCKET` names (sd_notify(3)).

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

pub const READY: &str = "READY=1";
pub const STOPPING: &str = "STOPPING=1";

/// Says so, if there is anybody to tell. Whoever cannot be told is no reason to stop.
pub fn tell(state: &str) {
    let Some(socket) = std::env::var_os("NOTIFY_SOCKET").filter(|socket| !socket.is_empty()) else { return };
    if let Err(error) = send(&socket, state) {
        tracing::warn!(%error, state, "the service manager was not told");
    }
}

/// A leading `@` stands for the abstract name space (unix(7)).
fn send(socket: &OsStr, state: &str) -> io::Result<()> {
    let address = match socket.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(socket)?,
    };
    UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_and_an_abstract_name_are_both_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let name = format!("@{}", dir.path().display());
        let abstract_address = SocketAddr::from_abstract_name(&name[1..]).unwrap();
        for (socket, listener) in [
            (path.as_os_str().to_owned(), UnixDatagram::bind(&path).unwrap()),
            (name.clone().into(), UnixDatagram::bind_addr(&abstract_address).unwrap()),
        ] {
            send(&socket, READY).unwrap();
            let mut bytes = [0; 32];
            let length = listener.recv(&mut bytes).unwrap();
            assert_eq!(&bytes[..length], READY.as_bytes());
        }
    }
}
