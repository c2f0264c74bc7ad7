//! The address guard: which IP addresses a request may be sent to.
//!
//! Sources: the IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890) and the addresses cloud providers
//! give their metadata services. A range that the registry calls global but that no HTTPS service uses (relay
//! anycast, protocol assignments) is refused as well: refusing costs nothing there, a surprise would.
//!
//! Not covered, because it cannot be known from the address alone: the gate's own public address, and NAT64
//! prefixes that a network operator chose (RFC 6052 section 2.2).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

/// Settings that weaken the guard for development. The default weakens nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Development {
    /// Permits 127.0.0.0/8 and ::1, the names `localhost` and `*.localhost`, and plain `http` to those. Nothing else.
    pub dangerous_loopback: bool,
    /// Permits addresses of private networks and shared ones beside loopback, and plain `http` to such. Never a metadata service.
    pub dangerous_private: bool,
}

/// An address the guard refused, and what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forbidden {
    ip: IpAddr,
    what: &'static str,
    embedded: Option<Ipv4Addr>,
}

impl Forbidden {
    /// The refused address.
    pub fn ip(&self) -> IpAddr {
        self.ip
    }

    /// An address of this machine or of a private network, written as such.
    pub fn is_private(&self) -> bool {
        self.embedded.is_none() && PRIVATE.contains(&self.what)
    }
}

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.embedded {
            Some(inner) => write!(f, "{} carries {inner}, which is {}", self.ip, self.what)?,
            None => write!(f, "{} is {}", self.ip, self.what)?,
        }
        if is_loopback(self.ip) {
            f.write_str("; set egress.dangerous_loopback = true for development")?;
        }
        Ok(())
    }
}

impl std::error::Error for Forbidden {}

/// Says whether a connection to `ip` may be opened.
///
/// # Errors
/// [`Forbidden`] for every address that is not globally reachable unicast, for cloud metadata services, and for
/// transition addresses whose embedded IPv4 address is refused or whose mechanism is obsolete.
pub fn admissible(ip: IpAddr, dev: &Development) -> Result<(), Forbidden> {
    if dev.dangerous_loopback && is_loopback(ip) {
        return Ok(());
    }
    let judged = match ip {
        IpAddr::V4(v4) => refuse(ip, None, v4_range(v4)),
        IpAddr::V6(v6) => v6_admissible(v6),
    };
    judged.or_else(
        |forbidden| if dev.dangerous_private && forbidden.is_private() { Ok(()) } else { Err(forbidden) },
    )
}

fn v6_admissible(v6: Ipv6Addr) -> Result<(), Forbidden> {
    let ip = IpAddr::V6(v6);
    if let Some(what) = range(V6, |net| net.contains(&v6)) {
        return refuse(ip, None, Some(what));
    }
    // A connection to either of these ends at the embedded address, so that address decides. Loopback is not
    // excepted here: the development setting permits 127.0.0.0/8 and ::1 as such and no other road to them.
    if let Some(v4) = v6.to_ipv4_mapped().or_else(|| nat64(v6)) {
        return refuse(ip, Some(v4), v4_range(v4));
    }
    if GLOBAL_UNICAST.contains(&v6) {
        return Ok(());
    }
    // RFC 4291 2.5.5.1, obsolete; named by what it carries because that is what the author meant to reach.
    if let Some(v4) = compatible(v6) {
        return refuse(ip, Some(v4), v4_range(v4).or(Some("an IPv4-compatible address, an obsolete form")));
    }
    refuse(ip, None, Some("not a global unicast address"))
}

fn refuse(ip: IpAddr, embedded: Option<Ipv4Addr>, what: Option<&'static str>) -> Result<(), Forbidden> {
    what.map_or(Ok(()), |what| Err(Forbidden { ip, what, embedded }))
}

fn v4_range(v4: Ipv4Addr) -> Option<&'static str> {
    range(V4, |net| net.contains(&v4))
}

fn range<N>(table: &[(N, &'static str)], contains: impl Fn(&N) -> bool) -> Option<&'static str> {
    table.iter().find(|(net, _)| contains(net)).map(|(_, what)| *what)
}

/// 127.0.0.0/8 or ::1, written as such: an address that merely embeds one is not loopback here.
pub(crate) fn is_loopback(ip: IpAddr) -> bool {
    ip.is_loopback()
}

/// The IPv4 address in the last 32 bits of the well-known NAT64 prefix, RFC 6052 section 2.1.
fn nat64(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    NAT64.contains(&v6).then(|| last_32(v6))
}

fn compatible(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    COMPATIBLE.contains(&v6).then(|| last_32(v6))
}

fn last_32(v6: Ipv6Addr) -> Ipv4Addr {
    let [.., a, b, c, d] = v6.octets();
    Ipv4Addr::new(a, b, c, d)
}

const fn net4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn net6(s: [u16; 8], prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]), prefix)
}

const PRIVATE_V4: &str = "a private address";
const SHARED_V4: &str = "a carrier-grade NAT address";
const LOOPBACK: &str = "a loopback address";
const UNIQUE_LOCAL: &str = "a unique local address";
/// What [`Development::dangerous_private`] permits. A metadata service in one of these ranges is named before it.
const PRIVATE: [&str; 4] = [PRIVATE_V4, SHARED_V4, LOOPBACK, UNIQUE_LOCAL];
const METADATA: &str = "a cloud metadata service";

/// First match names the address, so single hosts come before the ranges that hold them.
const V4: &[(Ipv4Net, &str)] = &[
    (net4(169, 254, 169, 254, 32), METADATA), // AWS, Azure, Google, DigitalOcean, Oracle
    (net4(169, 254, 170, 2, 32), METADATA),   // AWS container credentials
    (net4(100, 100, 100, 200, 32), METADATA), // Alibaba
    (net4(192, 0, 0, 192, 32), METADATA),     // Oracle, older instances
    (net4(168, 63, 129, 16, 32), METADATA),   // Azure host agent, inside a public range
    (net4(0, 0, 0, 0, 8), "an address of this network (0.0.0.0/8)"), // RFC 791 3.2, RFC 1122 3.2.1.3
    (net4(10, 0, 0, 0, 8), PRIVATE_V4),       // RFC 1918
    (net4(100, 64, 0, 0, 10), SHARED_V4),     // RFC 6598
    (net4(127, 0, 0, 0, 8), LOOPBACK),        // RFC 1122 3.2.1.3
    (net4(169, 254, 0, 0, 16), "a link-local address"), // RFC 3927
    (net4(172, 16, 0, 0, 12), PRIVATE_V4),    // RFC 1918
    (net4(192, 0, 0, 0, 24), "an IETF protocol assignment"), // RFC 6890 2.1
    (net4(192, 0, 2, 0, 24), "a documentation address"), // RFC 5737
    (net4(192, 88, 99, 0, 24), "a 6to4 relay address"), // RFC 7526, deprecated
    (net4(192, 168, 0, 0, 16), PRIVATE_V4),   // RFC 1918
    (net4(198, 18, 0, 0, 15), "a benchmarking address"), // RFC 2544
    (net4(198, 51, 100, 0, 24), "a documentation address"), // RFC 5737
    (net4(203, 0, 113, 0, 24), "a documentation address"), // RFC 5737
    (net4(224, 0, 0, 0, 4), "a multicast address"), // RFC 5771
    (net4(255, 255, 255, 255, 32), "the broadcast address"), // RFC 8190, RFC 919 7
    (net4(240, 0, 0, 0, 4), "a reserved address"), // RFC 1112 4
];

/// Refused whatever they embed; the first match names the address.
const V6: &[(Ipv6Net, &str)] = &[
    (net6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254], 128), METADATA), // AWS
    (net6([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254], 128), METADATA),  // Google
    (net6([0; 8], 128), "the unspecified address"),               // RFC 4291 2.5.2
    (net6([0, 0, 0, 0, 0, 0, 0, 1], 128), LOOPBACK),              // RFC 4291 2.5.3
    (net6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48), "a local-use NAT64 address"), // RFC 8215
    (net6([0x100, 0, 0, 0, 0, 0, 0, 0], 64), "a discard-only address"), // RFC 6666
    (net6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32), "a Teredo address"), // RFC 4380
    (net6([0x2001, 2, 0, 0, 0, 0, 0, 0], 48), "a benchmarking address"), // RFC 5180
    (net6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), "an IETF protocol assignment"), // RFC 2928
    (net6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), "a documentation address"), // RFC 3849
    (net6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16), "a 6to4 address"),  // RFC 3056, relays deprecated by RFC 7526
    (net6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), "a documentation address"), // RFC 9637
    (net6([0x5f00, 0, 0, 0, 0, 0, 0, 0], 16), "a segment routing identifier"), // RFC 9602
    (net6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), UNIQUE_LOCAL),       // RFC 4193
    (net6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), "a link-local address"), // RFC 4291 2.5.6
    (net6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10), "a site-local address"), // RFC 3879, deprecated
    (net6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), "a multicast address"), // RFC 4291 2.7
];

/// The only part of the IPv6 space IANA hands out for global unicast.
const GLOBAL_UNICAST: Ipv6Net = net6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);
/// RFC 6052 section 2.1. Networks without IPv4 reach every IPv4-only service through it.
const NAT64: Ipv6Net = net6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96);
/// RFC 4291 section 2.5.5.1.
const COMPATIBLE: Ipv6Net = net6([0; 8], 96);

#[cfg(test)]
mod tests;
