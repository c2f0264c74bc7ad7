//! Raises the loopback device of the new network namespace, the only device there.
//!
//! One netlink message (rtnetlink(7)): `RTM_NEWLINK` for interface 1, flag `IFF_UP`, and the kernel's answer to it.

use std::io;

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

const MESSAGE_BYTES: u32 = 32;
const LOOPBACK_INDEX: i32 = 1;
const IFF_UP: u32 = 1;
const RTM_NEWLINK: u16 = 16;
const NLMSG_ERROR: u16 = 2;
const REQUEST_WITH_ANSWER: u16 = 1 | 4;

/// # Errors
/// What the kernel says.
pub(super) fn raise() -> io::Result<()> {
    // Protocol 0 is NETLINK_ROUTE.
    let socket =
        rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    let kernel = SocketAddrNetlink::new(0, 0);
    rustix::net::sendto(&socket, &message(), SendFlags::empty(), &kernel)?;
    let mut answer = [0_u8; 256];
    let (bytes, _) = rustix::net::recv(&socket, &mut answer, RecvFlags::empty())?;
    let word =
        |at: usize| answer.get(at..at + 4).and_then(|word| word.try_into().ok()).map(i32::from_ne_bytes);
    let is_answer = bytes >= 20 && answer.get(4..6) == Some(&NLMSG_ERROR.to_ne_bytes());
    match word(16) {
        Some(0) if is_answer => Ok(()),
        Some(error) if is_answer => Err(io::Error::from_raw_os_error(-error)),
        _ => Err(io::Error::other("netlink gave no answer")),
    }
}

/// `nlmsghdr` and `ifinfomsg`, in the machine's byte order.
fn message() -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(MESSAGE_BYTES.to_ne_bytes());
    bytes.extend(RTM_NEWLINK.to_ne_bytes());
    bytes.extend(REQUEST_WITH_ANSWER.to_ne_bytes());
    // Sequence number, and the port, which the kernel fills in.
    bytes.extend([0; 8]);
    // Family, padding and device type: any.
    bytes.extend([0; 4]);
    bytes.extend(LOOPBACK_INDEX.to_ne_bytes());
    bytes.extend(IFF_UP.to_ne_bytes());
    // Which flags are meant.
    bytes.extend(IFF_UP.to_ne_bytes());
    bytes
}
