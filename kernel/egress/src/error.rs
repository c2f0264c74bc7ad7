//! Why a request was refused or came to nothing, and whether it may have taken effect all the same.

use std::fmt;

use http::StatusCode;
use thiserror::Error;

use crate::addr::Forbidden;
use crate::vault::VaultError;

/// What a request that gave no [`Reply`](crate::Reply) may have done at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Not one byte of the request left this process.
    None,
    /// Some or all of the request may have arrived. It must not be sent again without asking whether it did.
    Unknown,
}

/// Why [`Egress::send`](crate::Egress::send) gave no reply. Messages name hosts, addresses and header names, never
/// a header's value, a body, a path or a query.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SendError {
    /// The guard said no. Nothing was sent.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// A secret that the request needs could not be had. Nothing was sent.
    #[error(transparent)]
    Secret(#[from] VaultError),
    /// No connection: resolving, connecting or the TLS handshake failed. Nothing was sent.
    #[error("{0}")]
    Unreachable(String),
    /// The deadline passed.
    #[error("deadline passed while {during}{}", may_have(*sent))]
    Timeout {
        /// Whether the request may have been written. Always what `during` says.
        sent: bool,
        /// What was under way.
        during: Phase,
    },
    /// The response was larger than allowed. The request was sent.
    #[error("response {part} is over the limit of {bytes_max} bytes{}", may_have(true))]
    TooLarge {
        /// The part that was too large.
        part: Part,
        /// The limit in bytes.
        bytes_max: usize,
    },
    /// The request was, or may have been, sent and no usable response came back.
    #[error("{reason}{}", may_have(true))]
    Failed {
        /// The status, if the response got that far.
        status: Option<StatusCode>,
        /// What was wrong.
        reason: String,
    },
}

impl SendError {
    /// Whether the request may have taken effect.
    pub fn effect(&self) -> Effect {
        match self {
            Self::Refused(_) | Self::Secret(_) | Self::Unreachable(_) | Self::Timeout { sent: false, .. } => {
                Effect::None
            }
            Self::Timeout { sent: true, .. } | Self::TooLarge { .. } | Self::Failed { .. } => Effect::Unknown,
        }
    }

    pub(crate) fn timeout(during: Phase) -> Self {
        Self::Timeout { sent: during.is_after_sending(), during }
    }
}

/// The stages of one request, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Asking the resolver for the host's addresses.
    Resolve,
    /// Opening the TCP connection.
    Connect,
    /// Asking the proxy for a tunnel.
    Tunnel,
    /// The TLS handshake.
    Handshake,
    /// Fetching a secret that the request needs.
    Secret,
    /// Writing the request and waiting for the head of the response.
    Response,
    /// Reading the body of the response.
    Body,
}

impl Phase {
    fn is_after_sending(self) -> bool {
        match self {
            Self::Resolve | Self::Connect | Self::Tunnel | Self::Handshake | Self::Secret => false,
            Self::Response | Self::Body => true,
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolve => "resolving the host name",
            Self::Connect => "connecting",
            Self::Tunnel => "asking the proxy for a tunnel",
            Self::Handshake => "in the TLS handshake",
            Self::Secret => "fetching a secret",
            Self::Response => "waiting for the response",
            Self::Body => "reading the response body",
        })
    }
}

/// The part of a response a size limit applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Status line and headers; also refused for their number.
    Head,
    /// The body.
    Body,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Head => "head",
            Self::Body => "body",
        })
    }
}

/// A request that is not sent, and what would have to change.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refused {
    /// Not an absolute URL with an authority.
    #[error("not an absolute url: {0}; write https://host/path")]
    Unparsable(String),
    /// Over the length limit.
    #[error("url is {bytes} bytes, at most {bytes_max} are accepted")]
    TooLong {
        /// Its length in bytes.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// A character that parsers disagree on: white space, control characters, backslash.
    #[error("url contains {0:?}; percent-encode it")]
    Character(char),
    /// Neither `https` nor `http`.
    #[error("scheme {0:?} is not https")]
    Scheme(String),
    /// `http` to something that is not loopback, or without the development setting.
    #[error(
        "plain http to {0} can be read and changed on the way; use https (plain http is for loopback, with \
         egress.dangerous_loopback = true)"
    )]
    PlainHttp(String),
    /// `user@` or `user:password@`, even when empty.
    #[error("url has user information before the host; credentials travel as headers")]
    UserInfo,
    /// Nothing between `//` and the path.
    #[error("url has no host")]
    NoHost,
    /// An IPv6 literal with `%zone`.
    #[error("ipv6 zone ids name an interface of this machine; write the address without one")]
    ZoneId,
    /// A host name written as fully qualified.
    #[error("host {0:?} ends in a dot; write it without the dot")]
    TrailingDot(String),
    /// A host that means something else than it shows.
    #[error("host is written {written:?} and means {canonical:?}; write {canonical:?}")]
    HostSpelling {
        /// As it was written, escaped to ASCII.
        written: String,
        /// What would be connected to.
        canonical: String,
    },
    /// A host name over 253 bytes, or with a label that is empty, over 63 bytes or holds other characters.
    #[error(
        "host {0:?} is not a valid name: labels of 1 to 63 letters, digits, - and _, at most 253 bytes in all"
    )]
    HostName(String),
    /// Port 0.
    #[error("port 0 cannot be connected to")]
    PortZero,
    /// `.` or `..` in the path, percent-encoded or not.
    #[error("path contains a dot segment; write the path it leads to")]
    DotSegment,
    /// `localhost` or a name under it.
    #[error("{0} is a loopback name; set egress.dangerous_loopback = true for development")]
    LoopbackName(String),
    /// A name that only a private network answers, where a proxy would be the one to ask.
    #[error("{0} is a name of a private network; it is not asked of the proxy (egress.proxy)")]
    PrivateName(String),
    /// An address the guard refuses, given in the URL or found by resolving.
    #[error("{}{reason}", resolved(host, reason))]
    Address {
        /// The host as written.
        host: String,
        /// The address and what is wrong with it.
        reason: Forbidden,
    },
    /// A secret that is for another host.
    #[error("secret {name} is for {host} alone and is not sent to {found}")]
    ForeignHost {
        /// Its name.
        name: String,
        /// The host that it is for.
        host: String,
        /// The host of the request.
        found: String,
    },
    /// A secret that the operator bound to other hosts.
    #[error(
        "secret {name} is bound to other hosts than {host}: the operator sees which, latchgate secrets list"
    )]
    UnboundHost {
        /// Its name.
        name: String,
        /// The host of the request.
        host: String,
    },
    /// A secret whose value does not fit where it is to go.
    #[error("secret {name} cannot be sent: {why}")]
    CredentialPlace {
        /// Its name.
        name: String,
        /// What is in the way; no value.
        why: String,
    },
    /// A method that turns the connection into something else or reflects credentials.
    #[error("method {0} is not sent")]
    Method(String),
    /// A header only this crate may set.
    #[error("header {0} is set by the gate alone")]
    Header(String),
    /// More or larger request headers than allowed.
    #[error("request headers are {count} in {bytes} bytes, at most {count_max} in {bytes_max} are accepted")]
    HeadTooLarge {
        /// Number of headers.
        count: usize,
        /// Bytes of names and values.
        bytes: usize,
        /// Limit on the number.
        count_max: usize,
        /// Limit on the bytes.
        bytes_max: usize,
    },
}

/// An [`Egress`](crate::Egress) that cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// The extra CA file holds no `CERTIFICATE` block.
    #[error("extra ca holds no pem certificate")]
    NoCertificate,
    /// A block of the extra CA file is not a usable certificate.
    #[error("extra ca is not a usable certificate: {0}")]
    Certificate(String),
    /// The proxy's URL is not one that can be used.
    #[error("egress.proxy {0}")]
    Proxy(String),
    /// The TLS library refused its own defaults.
    #[error("tls cannot be configured: {0}")]
    Tls(String),
}

fn may_have(sent: bool) -> &'static str {
    if sent { "; the request was sent and may have taken effect" } else { "" }
}

fn resolved(host: &str, reason: &Forbidden) -> String {
    let literal = host.trim_start_matches('[').trim_end_matches(']') == reason.ip().to_string();
    if literal { String::new() } else { format!("{host} resolves to a refused address: ") }
}
