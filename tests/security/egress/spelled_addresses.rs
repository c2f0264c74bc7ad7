//! Addresses that are not public, in every spelling: refused as text or by the guard, and dialled by nobody.
//!
//! Each IPv4 address goes through each way of writing one, each IPv6 address through each of its own. The twin of a
//! spelling that the guard judges is a public address spelled alike, which is reached.

use std::collections::HashSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use latchgate_tests::world::{Everywhere, isolated};

use super::ground::{Case, GUARD, Ground, SPELLING};
use super::not_public::{V4, V6};
use crate::scene::Refusal;

/// How an address is written, and who refuses it then.
type Spelling<A> = (&'static str, Refusal, fn(A) -> String);

const V4_SPELLINGS: [Spelling<Ipv4Addr>; 38] = [
    ("plain", GUARD, |ip| format!("https://{ip}/")),
    ("no path", GUARD, |ip| format!("https://{ip}")),
    ("its default port", GUARD, |ip| format!("https://{ip}:443/latest/meta-data/")),
    ("another port that is allowed", GUARD, |ip| format!("https://{ip}:80/")),
    ("a name in front, in the query", GUARD, |ip| format!("https://{ip}?@www.twin.test")),
    ("a name in front, in the fragment", GUARD, |ip| format!("https://{ip}#@www.twin.test")),
    ("decimal", SPELLING, |ip| format!("https://{}/", u32::from(ip))),
    ("hexadecimal", SPELLING, |ip| format!("https://0x{:x}/", u32::from(ip))),
    ("upper-case hexadecimal", SPELLING, |ip| format!("https://0X{:08X}/", u32::from(ip))),
    ("octal", SPELLING, |ip| format!("https://0{:o}/", u32::from(ip))),
    ("octal parts", SPELLING, |ip| host(&ip.octets().map(|part| format!("0{part:o}")), ".")),
    ("octal parts with many zeros", SPELLING, |ip| {
        host(&ip.octets().map(|part| format!("000{part:o}")), ".")
    }),
    ("hexadecimal parts", SPELLING, |ip| host(&ip.octets().map(|part| format!("0x{part:x}")), ".")),
    ("mixed parts", SPELLING, |ip| {
        let [a, b, c, d] = ip.octets();
        format!("https://0x{a:x}.{b}.0{c:o}.{d}/")
    }),
    ("three parts", SPELLING, |ip| {
        let [a, b, c, d] = ip.octets();
        format!("https://{a}.{b}.{}/", u16::from_be_bytes([c, d]))
    }),
    ("two parts", SPELLING, |ip| {
        let [a, b, c, d] = ip.octets();
        format!("https://{a}.{}/", u32::from_be_bytes([0, b, c, d]))
    }),
    ("dot at the end", SPELLING, |ip| format!("https://{ip}./")),
    ("full-width digits", SPELLING, |ip| format!("https://{}/", shifted(ip, '０'))),
    ("circled digits", SPELLING, |ip| {
        let text = ip.to_string();
        format!("https://{}/", text.replace('0', "⓪").replace('1', "①").replace('2', "②"))
    }),
    ("mathematical digits", SPELLING, |ip| format!("https://{}/", shifted(ip, '𝟎'))),
    ("ideographic dots", SPELLING, |ip| host(&parts(ip), "。")),
    ("half-width ideographic dots", SPELLING, |ip| host(&parts(ip), "｡")),
    ("full-width dots", SPELLING, |ip| host(&parts(ip), "．")),
    ("percent-encoded", SPELLING, |ip| {
        let encoded: String = ip.to_string().bytes().map(|byte| format!("%{byte:02x}")).collect();
        format!("https://{encoded}/")
    }),
    ("percent-encoded dots", SPELLING, |ip| host(&parts(ip), "%2E")),
    ("mapped, with dots", SPELLING, |ip| format!("https://[::ffff:{ip}]/")),
    ("mapped, in full", SPELLING, |ip| {
        let [high, low] = halves(ip);
        format!("https://[0:0:0:0:0:ffff:{high:x}:{low:x}]/")
    }),
    ("mapped", GUARD, mapped),
    ("mapped, in upper case", GUARD, |ip| mapped(ip).replace("ffff", "FFFF")),
    ("compatible", GUARD, |ip| inside(ip, |[high, low]| [0, 0, 0, 0, 0, 0, high, low])),
    ("translated by NAT64", GUARD, nat64),
    ("translated by a NAT64 of the network's own", GUARD, |ip| {
        inside(ip, |[high, low]| [0x64, 0xff9b, 1, 0, 0, 0, high, low])
    }),
    ("tunnelled by 6to4", GUARD, |ip| inside(ip, |[high, low]| [0x2002, high, low, 0, 0, 0, 0, 1])),
    ("tunnelled by Teredo", GUARD, |ip| {
        inside(ip, |[high, low]| [0x2001, 0, 0x5db8, 0xd822, 0x8000, 0x63bf, !high, !low])
    }),
    ("behind another as user", SPELLING, |ip| format!("https://93.184.216.34@{ip}/")),
    ("behind another as user and password", SPELLING, |ip| format!("https://www.twin.test:443@{ip}/")),
    ("before another with a backslash", SPELLING, |ip| format!("https://{ip}\\@93.184.216.34/")),
    ("with a tab in it", SPELLING, |ip| format!("https://{}/", ip.to_string().replacen('.', "\t.", 1))),
];

const V6_SPELLINGS: [Spelling<Ipv6Addr>; 7] = [
    ("plain", GUARD, |ip| format!("https://[{ip}]/")),
    ("in upper case", GUARD, |ip| format!("https://[{}]:443/", ip.to_string().to_uppercase())),
    ("in full", SPELLING, |ip| {
        let parts: Vec<String> = ip.segments().iter().map(|part| format!("{part:04x}")).collect();
        format!("https://[{}]/", parts.join(":"))
    }),
    ("with a zone", SPELLING, |ip| format!("https://[{ip}%25lo]/")),
    ("with a bare zone", SPELLING, |ip| format!("https://[{ip}%1]/")),
    ("with a user", SPELLING, |ip| format!("https://www.twin.test@[{ip}]/")),
    ("without brackets", SPELLING, |ip| format!("https://{ip}/")),
];

fn every_case() -> Vec<Case> {
    let mut cases = Vec::new();
    for address in V4 {
        let ip: Ipv4Addr = address.parse().unwrap();
        cases.extend(V4_SPELLINGS.iter().map(|(_, refusal, spell)| Case::new(spell(ip), *refusal)));
    }
    for address in V6 {
        let ip: Ipv6Addr = address.parse().unwrap();
        cases.extend(V6_SPELLINGS.iter().map(|(_, refusal, spell)| Case::new(spell(ip), *refusal)));
    }
    cases
}

#[test]
fn an_address_that_is_not_public_is_dialled_in_no_spelling() {
    isolated(|| {
        let ground = Ground::create();
        let cases = every_case();
        let spellings: HashSet<&str> = cases.iter().map(|case| case.url.as_str()).collect();
        assert!(spellings.len() > 1000, "{} spellings", spellings.len());
        ground.refuses("http_fetch", &cases);
        assert_eq!(ground.world.names.asked_at_all(), 0, "an address was looked up");
        ground.end();
    });
}

/// The same guard behind another guest; a sample, since nothing of it is the action's own.
#[test]
fn no_action_has_a_guard_of_its_own() {
    isolated(|| {
        let ground = Ground::create();
        let sample: Vec<Case> = every_case().into_iter().step_by(7).collect();
        ground.refuses("web_read", &sample);
        ground.reaches("web_read", "https://93.184.216.34/", Everywhere::PUBLIC_V4);
        ground.end();
    });
}

/// The twins: what the guard let through to be judged above, spelled alike around an address that is public.
#[test]
fn a_public_address_is_reached_in_the_spellings_that_have_one_meaning() {
    isolated(|| {
        let ground = Ground::create();
        let public: Ipv4Addr = Everywhere::PUBLIC_V4.parse().unwrap();
        let mut twins = vec![
            "https://93.184.216.34/".to_owned(),
            "https://93.184.216.34".to_owned(),
            "https://93.184.216.34:443/latest/meta-data/".to_owned(),
            "https://93.184.216.34?@10.0.0.1".to_owned(),
            "https://93.184.216.34#@10.0.0.1".to_owned(),
        ];
        if ground.world.has_ipv6 {
            twins.extend([mapped(public), mapped(public).replace("ffff", "FFFF")]);
        } else {
            println!("LEFT OUT: mapped addresses and IPv6: this kernel has none");
        }
        for url in twins {
            ground.reaches("http_fetch", &url, Everywhere::PUBLIC_V4);
        }
        if ground.world.has_ipv6 {
            ground.reaches("http_fetch", &nat64(public), "64:ff9b::5db8:d822");
            ground.reaches("http_fetch", "https://[2606:2800:220:1::1]/", Everywhere::PUBLIC_V6);
            ground.reaches("http_fetch", "https://[2606:2800:220:1::1]:443/", Everywhere::PUBLIC_V6);
        }
        ground.end();
    });
}

fn mapped(ip: Ipv4Addr) -> String {
    // Not as Rust displays it, which is with dots: as URLs have it.
    let [high, low] = halves(ip);
    format!("https://[::ffff:{high:x}:{low:x}]/")
}

fn nat64(ip: Ipv4Addr) -> String {
    inside(ip, |[high, low]| [0x64, 0xff9b, 0, 0, 0, 0, high, low])
}

/// An IPv6 address that carries this one, in its normal form.
fn inside(ip: Ipv4Addr, place: fn([u16; 2]) -> [u16; 8]) -> String {
    format!("https://[{}]/", Ipv6Addr::from(place(halves(ip))))
}

fn halves(ip: Ipv4Addr) -> [u16; 2] {
    let [a, b, c, d] = ip.octets();
    [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])]
}

fn parts(ip: Ipv4Addr) -> [String; 4] {
    ip.octets().map(|part| part.to_string())
}

fn host(parts: &[String], dot: &str) -> String {
    format!("https://{}/", parts.join(dot))
}

/// With the digits of another script, told by its zero.
fn shifted(ip: Ipv4Addr, zero: char) -> String {
    let digit = |c: char| match c.to_digit(10) {
        Some(digit) => char::from_u32(u32::from(zero) + digit).unwrap(),
        None => c,
    };
    ip.to_string().chars().map(digit).collect()
}
