//! Both sides of every range, spelled out.

use super::*;

const DEV: Development = Development { dangerous_loopback: true, dangerous_private: false };
const SAFE: Development = Development { dangerous_loopback: false, dangerous_private: false };

const PUBLIC: &[&str] = &[
    "1.0.0.0",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "168.63.129.15",
    "168.63.129.17",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.0",
    "192.0.3.0",
    "192.88.98.255",
    "192.88.100.0",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "198.51.99.255",
    "198.51.101.0",
    "203.0.112.255",
    "203.0.114.0",
    "223.255.255.255",
    "2000::",
    "2001:200::",
    "2001:db7:ffff::",
    "2001:db9::",
    "2003::",
    "2606:4700::1111",
    "3ffe::1",
    "3fff:1000::",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
];

/// Address, and a word its refusal must contain.
const REFUSED: &[(&str, &str)] = &[
    ("0.0.0.0", "this network"),
    ("0.255.255.255", "this network"),
    ("10.0.0.0", "private"),
    ("10.255.255.255", "private"),
    ("100.64.0.0", "carrier"),
    ("100.127.255.255", "carrier"),
    ("100.100.100.200", "metadata"),
    ("127.0.0.0", "loopback"),
    ("127.0.0.1", "egress.dangerous_loopback = true"),
    ("127.255.255.255", "loopback"),
    ("168.63.129.16", "metadata"),
    ("169.254.0.0", "link-local"),
    ("169.254.169.254", "metadata"),
    ("169.254.170.2", "metadata"),
    ("169.254.255.255", "link-local"),
    ("172.16.0.0", "private"),
    ("172.31.255.255", "private"),
    ("192.0.0.0", "assignment"),
    ("192.0.0.192", "metadata"),
    ("192.0.0.255", "assignment"),
    ("192.0.2.0", "documentation"),
    ("192.0.2.255", "documentation"),
    ("192.88.99.1", "6to4"),
    ("192.168.0.0", "private"),
    ("192.168.255.255", "private"),
    ("198.18.0.0", "benchmarking"),
    ("198.19.255.255", "benchmarking"),
    ("198.51.100.7", "documentation"),
    ("203.0.113.7", "documentation"),
    ("224.0.0.0", "multicast"),
    ("239.255.255.255", "multicast"),
    ("240.0.0.0", "reserved"),
    ("255.255.255.254", "reserved"),
    ("255.255.255.255", "broadcast"),
    ("::", "unspecified"),
    ("::1", "loopback"),
    ("::2", "this network"),
    ("::7f00:1", "carries 127.0.0.1"),
    ("::8.8.8.8", "IPv4-compatible"),
    ("::ffff:127.0.0.1", "carries 127.0.0.1"),
    ("::ffff:169.254.169.254", "metadata"),
    ("::ffff:10.0.0.1", "private"),
    ("::ffff:0:8.8.8.8", "not a global unicast"),
    ("64:ff9b::127.0.0.1", "carries 127.0.0.1"),
    ("64:ff9b::169.254.169.254", "metadata"),
    ("64:ff9b::1:808:808", "not a global unicast"),
    ("64:ff9b:1::8.8.8.8", "local-use NAT64"),
    ("64:ff9b:1:ffff:ffff:ffff:ffff:ffff", "local-use NAT64"),
    ("100::", "discard"),
    ("100::ffff:ffff:ffff:ffff", "discard"),
    ("100:0:0:1::", "not a global unicast"),
    ("1fff:ffff::", "not a global unicast"),
    ("2001::1", "Teredo"),
    ("2001:0:ffff::", "Teredo"),
    ("2001:2::1", "benchmarking"),
    ("2001:20::1", "assignment"),
    ("2001:1ff:ffff::", "assignment"),
    ("2001:db8::1", "documentation"),
    ("2002:7f00:1::", "6to4"),
    ("2002:808:808::1", "6to4"),
    ("3fff::1", "documentation"),
    ("3fff:fff::1", "documentation"),
    ("4000::", "not a global unicast"),
    ("5f00::1", "segment routing"),
    ("fc00::1", "unique local"),
    ("fd00:ec2::254", "metadata"),
    ("fd20:ce::254", "metadata"),
    ("fdff:ffff::1", "unique local"),
    ("fe80::1", "link-local"),
    ("febf:ffff::1", "link-local"),
    ("fec0::1", "site-local"),
    ("feff::1", "site-local"),
    ("ff02::1", "multicast"),
    ("fe00::1", "not a global unicast"),
];

#[test]
fn public_addresses_are_admitted() {
    for text in PUBLIC {
        assert_eq!(admissible(text.parse().unwrap(), &SAFE), Ok(()), "{text}");
    }
}

#[test]
fn special_addresses_are_refused_by_name() {
    for (text, word) in REFUSED {
        let why = admissible(text.parse().unwrap(), &SAFE).expect_err(text).to_string();
        assert!(why.contains(word), "{text}: {why}");
    }
}

#[test]
fn development_permits_exactly_loopback() {
    let permitted: Vec<_> = REFUSED
        .iter()
        .map(|(text, _)| *text)
        .filter(|t| admissible(t.parse().unwrap(), &DEV).is_ok())
        .collect();
    assert_eq!(permitted, ["127.0.0.0", "127.0.0.1", "127.255.255.255", "::1"]);
}

#[test]
fn a_private_service_permits_private_networks_and_no_metadata_service() {
    let dev = Development { dangerous_private: true, ..SAFE };
    for (text, word) in REFUSED {
        let is_private =
            ["private", "carrier", "unique local", "loopback"].iter().any(|what| word.contains(what));
        let judged = admissible(text.parse().unwrap(), &dev);
        let carries = judged.is_err_and(|why| why.to_string().contains("carries"));
        assert_eq!(judged.is_ok(), is_private && !carries, "{text} {word}");
    }
}

#[test]
fn the_remedy_is_offered_only_where_it_helps() {
    let refusal = |text: &str| admissible(text.parse().unwrap(), &SAFE).unwrap_err().to_string();
    assert_eq!(
        refusal("127.0.0.1"),
        "127.0.0.1 is a loopback address; set egress.dangerous_loopback = true for development"
    );
    assert_eq!(
        refusal("::ffff:127.0.0.1"),
        "::ffff:127.0.0.1 carries 127.0.0.1, which is a loopback address"
    );
}
