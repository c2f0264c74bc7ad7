//! Who is at the other end of a loopback connection: the uid that owns the peer's socket, from the kernel's socket tables
//! (proc(5), /proc/net/tcp).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The uid that owns the socket at `peer` connected to `local`, both on this machine.
///
/// # Errors
/// If the tables cannot be read, or do not have the connection: then nobody is taken for anybody.
pub fn uid(local: SocketAddr, peer: SocketAddr) -> io::Result<u32> {
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        if let Some(uid) = find(&std::fs::read_to_string(table)?, local, peer) {
            return Ok(uid);
        }
    }
    Err(io::Error::new(io::ErrorKind::NotFound, "the kernel's socket tables do not have this connection"))
}

/// `sl local_address rem_address st tx:rx tr:when retrnsmt uid ...`; the peer's own row has its address as the local one.
fn find(table: &str, local: SocketAddr, peer: SocketAddr) -> Option<u32> {
    let (local, peer) = (plain(local), plain(peer));
    table.lines().skip(1).find_map(|line| {
        let columns: Vec<&str> = line.split_ascii_whitespace().take(10).collect();
        let [_, own, remote, state, _, _, _, uid, _, inode] = columns.as_slice() else { return None };
        let is_peer = address(own)? == peer && address(remote)? == local;
        // A socket that nobody holds any more shows as root's.
        let is_held = *state == ESTABLISHED && *inode != "0";
        (is_peer && is_held).then(|| uid.parse().ok()).flatten()
    })
}

/// `TCP_ESTABLISHED` of the kernel's tcp_states.h.
const ESTABLISHED: &str = "01";

fn plain(address: SocketAddr) -> (IpAddr, u16) {
    (address.ip().to_canonical(), address.port())
}

/// `0100007F:1F90`: groups of four bytes in host order, then the port.
fn address(text: &str) -> Option<(IpAddr, u16)> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let groups: Option<Vec<[u8; 4]>> = ip
        .as_bytes()
        .chunks(8)
        .map(|group| u32::from_str_radix(std::str::from_utf8(group).ok()?, 16).ok().map(u32::to_ne_bytes))
        .collect();
    let bytes: Vec<u8> = groups?.concat();
    let ip = match bytes.len() {
        4 => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        16 => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?)).to_canonical(),
        _ => return None,
    };
    Some((ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peers_row_is_found_and_the_gates_own_is_not_taken_for_it() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n\
             0: 0100007F:0BB8 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 11\n\
             1: 0100007F:D431 0100007F:0BB8 01 00000000:00000000 00:00000000 00000000  1000        0 12\n\
             2: 0100007F:D433 0100007F:0BB8 01 00000000:00000000 00:00000000 00000000     0        0 0\n\
             3: 0100007F:D434 0100007F:0BB8 06 00000000:00000000 00:00000000 00000000     0        0 14\n";
        let (local, peer) = ("127.0.0.1:3000".parse().unwrap(), "127.0.0.1:54321".parse().unwrap());
        assert_eq!(find(table, local, peer), Some(1000));
        assert_eq!(find(table, local, "127.0.0.1:54322".parse().unwrap()), None);
        for orphaned in ["127.0.0.1:54323", "127.0.0.1:54324"] {
            assert_eq!(find(table, local, orphaned.parse().unwrap()), None, "{orphaned}");
        }
    }

    #[test]
    fn the_kernel_knows_our_own_connection() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, peer) = listener.accept().unwrap();
        let own = rustix::process::geteuid().as_raw();
        assert_eq!(uid(server.local_addr().unwrap(), peer).unwrap(), own);
        std::mem::drop(client);
    }
}
