//! Three messages to the kernel's routing tables (rtnetlink(7)): loopback up, and every address local to it.

use std::io;

use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with};

/// A new network namespace has one interface, and this is its number.
const LOOPBACK: u32 = 1;

/// Brings loopback up and routes 0.0.0.0/0 and ::/0 to this machine itself. Whether there is IPv6.
///
/// # Errors
/// If the kernel refuses, which it does outside a namespace of our own.
pub(super) fn make_everything_local() -> io::Result<bool> {
    ask(NEW_LINK, ACK, &up(LOOPBACK))?;
    ask(NEW_ROUTE, ACK | CREATE, &everything_local(AddressFamily::INET))?;
    match ask(NEW_ROUTE, ACK | CREATE, &everything_local(AddressFamily::INET6)) {
        Ok(()) => Ok(true),
        Err(Errno::AFNOSUPPORT | Errno::OPNOTSUPP | Errno::ACCESS | Errno::NODEV) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

const NEW_LINK: u16 = 16;
const NEW_ROUTE: u16 = 24;
/// `NLM_F_REQUEST | NLM_F_ACK`.
const ACK: u16 = 0x5;
/// `NLM_F_CREATE`.
const CREATE: u16 = 0x400;
/// `NLMSG_ERROR`: the answer to everything that asked for one, with error 0 where all went well.
const ANSWER: u16 = 2;

/// `struct ifinfomsg` that sets `IFF_UP` and nothing else.
fn up(interface: u32) -> Vec<u8> {
    const UP: u32 = 1;
    [[0; 4], interface.to_ne_bytes(), UP.to_ne_bytes(), UP.to_ne_bytes()].concat()
}

/// `struct rtmsg` for the prefix of length 0 in table `local`, and its interface.
fn everything_local(family: AddressFamily) -> Vec<u8> {
    const TABLE_LOCAL: u8 = 255;
    const STATIC: u8 = 4;
    const SCOPE_HOST: u8 = 254;
    const LOCAL: u8 = 2;
    const INTERFACE: u16 = 4;
    let family = u8::try_from(family.as_raw()).unwrap_or(0);
    let route = [family, 0, 0, 0, TABLE_LOCAL, STATIC, SCOPE_HOST, LOCAL, 0, 0, 0, 0];
    let [length, kind] = [8_u16.to_ne_bytes(), INTERFACE.to_ne_bytes()];
    [&route[..], &length, &kind, &LOOPBACK.to_ne_bytes()].concat()
}

/// Sends one message and reads the answer.
fn ask(kind: u16, flags: u16, body: &[u8]) -> Result<(), Errno> {
    // Protocol 0 of the family is NETLINK_ROUTE.
    let kernel = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    let length = u32::try_from(HEADER + body.len()).map_err(|_| Errno::MSGSIZE)?;
    let header = [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), &flags.to_ne_bytes(), &[0; 8]].concat();
    send(&kernel, &[&header[..], body].concat(), SendFlags::empty())?;
    let mut answer = [0; 1024];
    let (_, length) = recv(&kernel, &mut answer, RecvFlags::empty())?;
    let error = answer.get(..length).and_then(|answer| answer.get(HEADER..HEADER + 4));
    let error = error.and_then(|bytes| bytes.try_into().ok()).map(i32::from_ne_bytes);
    match (u16::from_ne_bytes([answer[4], answer[5]]), error) {
        (ANSWER, Some(0)) => Ok(()),
        (ANSWER, Some(error)) => Err(Errno::from_raw_os_error(-error)),
        _ => Err(Errno::PROTO),
    }
}

/// Bytes of `struct nlmsghdr`.
const HEADER: usize = 16;
