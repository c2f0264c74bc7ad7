//! Spellings of URLs, each with the form it is dialled in or a word of its refusal.

use super::*;

const SAFE: Development = Development { dangerous_loopback: false, dangerous_private: false };
const DEV: Development = Development { dangerous_loopback: true, dangerous_private: false };

/// Written, and the canonical form shown back.
const ACCEPTED: &[(&str, &str)] = &[
    ("https://api.github.com", "https://api.github.com/"),
    ("https://api.github.com/", "https://api.github.com/"),
    ("HTTPS://API.GitHub.com/Path", "https://api.github.com/Path"),
    ("https://api.github.com:443/", "https://api.github.com/"),
    ("https://api.github.com:8443/", "https://api.github.com:8443/"),
    ("https://api.github.com:65535/", "https://api.github.com:65535/"),
    ("https://api.github.com?q=1", "https://api.github.com/?q=1"),
    ("https://api.github.com/a?b#c", "https://api.github.com/a?b"),
    ("https://api.github.com/#@evil.test/", "https://api.github.com/"),
    ("https://api.github.com/a//b", "https://api.github.com/a//b"),
    ("https://api.github.com/a/...", "https://api.github.com/a/..."),
    ("https://api.github.com/a..b/.c", "https://api.github.com/a..b/.c"),
    ("https://api.github.com/a?x=../..", "https://api.github.com/a?x=../.."),
    ("https://api.github.com/a%2Fb%20c", "https://api.github.com/a%2Fb%20c"),
    ("https://api.github.com/@user", "https://api.github.com/@user"),
    ("https://api.github.com/?u=a@b", "https://api.github.com/?u=a@b"),
    ("https://api.github.com/é", "https://api.github.com/%C3%A9"),
    ("https://api.github.com/a{b}|c`d", "https://api.github.com/a%7Bb%7D|c%60d"),
    ("https://api.github.com/?a={b}|c`d'e", "https://api.github.com/?a={b}|c`d%27e"),
    ("https://xn--bcher-kva.test/", "https://xn--bcher-kva.test/"),
    ("https://a_b.test/", "https://a_b.test/"),
    ("https://1.1.1.1/", "https://1.1.1.1/"),
    ("https://[2606:4700::1111]/", "https://[2606:4700::1111]/"),
    ("https://[2606:4700::AbCd]:8443/", "https://[2606:4700::abcd]:8443/"),
    ("https://1.1.1.1.test/", "https://1.1.1.1.test/"),
    ("https://localhost.test/", "https://localhost.test/"),
    ("https://notlocalhost/", "https://notlocalhost/"),
];

/// Written, and a word of the refusal.
const REFUSED: &[(&str, &str)] = &[
    // Not what a request can be sent to.
    ("", "not an absolute url"),
    ("/path", "not an absolute url"),
    ("api.github.com", "not an absolute url"),
    ("//api.github.com/", "not an absolute url"),
    ("https:", "not an absolute url"),
    ("https:api.github.com", "not an absolute url"),
    ("https:/api.github.com", "not an absolute url"),
    ("://api.github.com/", "scheme"),
    ("ftp://api.github.com/", "scheme \"ftp\""),
    ("file:///etc/passwd", "scheme"),
    ("gopher://api.github.com/", "scheme"),
    ("ws://api.github.com/", "scheme"),
    ("javascript://api.github.com/", "scheme"),
    ("httpſ://api.github.com/", "scheme"),
    ("https+unix://api.github.com/", "scheme"),
    ("data:text/plain,x", "not an absolute url"),
    ("blob:https://api.github.com/", "scheme"),
    ("https://", "no host"),
    ("https:///", "no host"),
    ("https:///api.github.com/", "no host"),
    ("https://:443/", "no host"),
    ("https://?x", "no host"),
    ("https://#x", "no host"),
    // Characters that parsers strip, trim or turn.
    (" https://api.github.com/", "percent-encode"),
    ("https://api.github.com/ ", "percent-encode"),
    ("https://api.github.com/a b", "percent-encode"),
    ("https://api.github.com/\t", "percent-encode"),
    ("ht\ntps://api.github.com/", "percent-encode"),
    ("https://api.git\nhub.com/", "percent-encode"),
    ("https://api.github.com/\r\nX: y", "percent-encode"),
    ("https://api.github.com/\0", "percent-encode"),
    ("https://api.github.com/\u{7f}", "percent-encode"),
    ("https://api.github.com/\u{85}", "percent-encode"),
    ("https:\\\\api.github.com\\", "percent-encode"),
    ("https://evil.test\\@api.github.com/", "percent-encode"),
    ("https://api.github.com\\.evil.test/", "percent-encode"),
    ("https://api.github.com/..\\x", "percent-encode"),
    // User information.
    ("https://evil.test@api.github.com/", "user information"),
    ("https://user:pass@api.github.com/", "user information"),
    ("https://@api.github.com/", "user information"),
    ("https://:@api.github.com/", "user information"),
    ("https://api.github.com:443@evil.test/", "user information"),
    ("https://api.github.com@@evil.test/", "user information"),
    ("https://api.github.com%40evil.test/", "not an absolute url"),
    // Names.
    ("https://api.github.com./", "ends in a dot"),
    ("https://api.github.com.:443/", "ends in a dot"),
    ("https://localhost./", "ends in a dot"),
    ("https://127.0.0.1./", "ends in a dot"),
    ("https://./", "ends in a dot"),
    ("https://../", "ends in a dot"),
    ("https://a..test/", "not a valid name"),
    ("https://.test/", "not a valid name"),
    ("https://$(id).test/", "not a valid name"),
    ("https://a,b.test/", "not a valid name"),
    ("https://a=b;c&d.test/", "not a valid name"),
    ("https://a%2etest/", "write \"a.test\""),
    ("https://%61pi.github.com/", "write \"api.github.com\""),
    ("https://api%00.github.com/", "not an absolute url"),
    ("https://api.github.com%2f.evil.test/", "not an absolute url"),
    ("https://api<b>.test/", "not an absolute url"),
    ("https://a*[b].test/", "not an absolute url"),
    // IDNA: what looks alike is shown as what it is.
    ("https://bücher.test/", "write \"xn--bcher-kva.test\""),
    ("https://аpi.github.com/", "write \"xn--pi-6kc.github.com\""),
    ("https://api。github。com/", "write \"api.github.com\""),
    ("https://api．github．com/", "write \"api.github.com\""),
    ("https://ａｐｉ.github.com/", "write \"api.github.com\""),
    ("https://api.gith\u{00ad}ub.com/", "write \"api.github.com\""),
    ("https://api.gith\u{200b}ub.com/", "write \"api.github.com\""),
    ("https://faß.test/", "write \"xn--fa-hia.test\""),
    ("https://\u{202e}moc.test/", "not an absolute url"),
    ("https://xn--/", "not an absolute url"),
    ("https://xn--a.test/", "not an absolute url"),
    ("https://①②⑦.0.0.1/", "write \"127.0.0.1\""),
    ("https://１２７.0.0.1/", "write \"127.0.0.1\""),
    ("https://ⓛocalhost/", "write \"localhost\""),
    // IPv4 in other spellings.
    ("https://2130706433/", "write \"127.0.0.1\""),
    ("https://0x7f000001/", "write \"127.0.0.1\""),
    ("https://0X7F000001/", "write \"127.0.0.1\""),
    ("https://017700000001/", "write \"127.0.0.1\""),
    ("https://127.1/", "write \"127.0.0.1\""),
    ("https://127.0.1/", "write \"127.0.0.1\""),
    ("https://0177.0.0.1/", "write \"127.0.0.1\""),
    ("https://0x7f.0.0.1/", "write \"127.0.0.1\""),
    ("https://0x7f.0.0.0x1/", "write \"127.0.0.1\""),
    ("https://127.0.0.01/", "write \"127.0.0.1\""),
    ("https://127.0.0.0x01/", "write \"127.0.0.1\""),
    ("https://127.00.0.1/", "write \"127.0.0.1\""),
    ("https://0/", "write \"0.0.0.0\""),
    ("https://0x/", "write \"0.0.0.0\""),
    ("https://2852039166/", "write \"169.254.169.254\""),
    ("https://0xa9fea9fe/", "write \"169.254.169.254\""),
    ("https://0251.0376.0251.0376/", "write \"169.254.169.254\""),
    ("https://1.1.257/", "write \"1.1.1.1\""),
    ("https://16843009/", "write \"1.1.1.1\""),
    ("https://4294967296/", "not an absolute url"),
    ("https://256.1.1.1/", "not an absolute url"),
    ("https://1.1.1.1.1/", "not an absolute url"),
    ("https://1.1.1.1%20/", "not an absolute url"),
    ("https://127%2e0.0.1/", "write \"127.0.0.1\""),
    // IPv4 that is what it says.
    ("https://127.0.0.1/", "loopback"),
    ("https://127.0.0.1:8443/", "loopback"),
    ("https://127.255.255.254/", "loopback"),
    ("https://0.0.0.0/", "this network"),
    ("https://10.0.0.1/", "private"),
    ("https://100.64.0.1/", "carrier"),
    ("https://100.100.100.200/", "metadata"),
    ("https://169.254.169.254/latest/meta-data/", "metadata"),
    ("https://172.16.0.1/", "private"),
    ("https://192.168.0.1/", "private"),
    ("https://198.18.0.1/", "benchmarking"),
    ("https://224.0.0.1/", "multicast"),
    ("https://255.255.255.255/", "broadcast"),
    // IPv6.
    ("https://[::]/", "unspecified"),
    ("https://[::1]/", "loopback"),
    ("https://[0:0:0:0:0:0:0:1]/", "write \"[::1]\""),
    ("https://[0::1]/", "write \"[::1]\""),
    ("https://[::0001]/", "write \"[::1]\""),
    ("https://[::127.0.0.1]/", "write \"[::7f00:1]\""),
    ("https://[::7f00:1]/", "carries 127.0.0.1"),
    ("https://[::ffff:127.0.0.1]/", "write \"[::ffff:7f00:1]\""),
    ("https://[::ffff:7f00:1]/", "carries 127.0.0.1"),
    ("https://[::FFFF:A9FE:A9FE]/", "metadata"),
    ("https://[64:ff9b::7f00:1]/", "carries 127.0.0.1"),
    ("https://[64:ff9b:1::808:808]/", "local-use NAT64"),
    ("https://[2002:7f00:1::]/", "6to4"),
    ("https://[2001::1]/", "Teredo"),
    ("https://[2001:db8::1]/", "documentation"),
    ("https://[fd00:ec2::254]/", "metadata"),
    ("https://[fc00::1]/", "unique local"),
    ("https://[fe80::1]/", "link-local"),
    ("https://[fec0::1]/", "site-local"),
    ("https://[ff02::1]/", "multicast"),
    ("https://[fe80::1%25eth0]/", "zone ids"),
    ("https://[fe80::1%eth0]/", "zone ids"),
    ("https://[::1%25lo]/", "zone ids"),
    ("https://fe80::1%25eth0/", "not an absolute url"),
    ("https://::1/", "no host"),
    ("https://[::1/", "not an absolute url"),
    ("https://[::1]evil.test/", "not an absolute url"),
    ("https://[1.1.1.1]/", "not an absolute url"),
    ("https://[v1.x]/", "not an absolute url"),
    // Loopback names.
    ("https://localhost/", "egress.dangerous_loopback = true"),
    ("https://LocalHost:8443/", "egress.dangerous_loopback = true"),
    ("https://api.localhost/", "egress.dangerous_loopback = true"),
    // Ports.
    ("https://api.github.com:0/", "port 0"),
    ("https://api.github.com:65536/", "not an absolute url"),
    ("https://api.github.com:-1/", "not an absolute url"),
    ("https://api.github.com:443:443/", "not an absolute url"),
    ("https://api.github.com:4a/", "not an absolute url"),
    // Paths that lead elsewhere than they show.
    ("https://api.github.com/a/../b", "dot segment"),
    ("https://api.github.com/..", "dot segment"),
    ("https://api.github.com/.", "dot segment"),
    ("https://api.github.com/a/./b", "dot segment"),
    ("https://api.github.com/a/%2e%2e/b", "dot segment"),
    ("https://api.github.com/a/%2E./b", "dot segment"),
    ("https://api.github.com/a/.%2e?x", "dot segment"),
    ("https://api.github.com/a/..#x", "dot segment"),
    // Plain http.
    ("http://api.github.com/", "use https"),
    ("http://1.1.1.1/", "use https"),
    ("http://127.0.0.1/", "loopback"),
    ("http://localhost/", "egress.dangerous_loopback = true"),
];

#[test]
fn unambiguous_urls_are_accepted_in_canonical_form() {
    for (written, canonical) in ACCEPTED {
        let target = Target::parse(written, &SAFE).unwrap_or_else(|e| panic!("{written}: {e}"));
        assert_eq!(target.as_str(), *canonical, "{written}");
        assert_eq!(Target::parse(canonical, &SAFE).as_ref(), Ok(&target), "{canonical} is a fixed point");
    }
}

#[test]
fn everything_else_is_refused_with_its_reason() {
    for (written, word) in REFUSED {
        let why = Target::parse(written, &SAFE).expect_err(written).to_string();
        assert!(why.contains(word), "{written:?}: {why}");
        assert!(why.is_ascii(), "{written:?}: {why}");
    }
}

#[test]
fn development_accepts_loopback_and_nothing_more() {
    let mut accepted: Vec<_> =
        REFUSED.iter().map(|(written, _)| *written).filter(|w| Target::parse(w, &DEV).is_ok()).collect();
    accepted.sort_unstable();
    let expected = [
        "http://127.0.0.1/",
        "http://localhost/",
        "https://127.0.0.1/",
        "https://127.0.0.1:8443/",
        "https://127.255.255.254/",
        "https://LocalHost:8443/",
        "https://[::1]/",
        "https://api.localhost/",
        "https://localhost/",
    ];
    assert_eq!(accepted, expected);
}

#[test]
fn a_url_of_the_limit_passes_and_one_byte_more_does_not() {
    let url = |bytes: usize| format!("https://api.test/{}", "a".repeat(bytes - "https://api.test/".len()));
    assert!(Target::parse(&url(URL_BYTES_MAX), &SAFE).is_ok());
    assert!(matches!(Target::parse(&url(URL_BYTES_MAX + 1), &SAFE), Err(Refused::TooLong { .. })));
}

#[test]
fn names_are_bounded() {
    let label = "a".repeat(63);
    let name = |last: usize| format!("https://{label}.{label}.{label}.{}/", "b".repeat(last));
    assert!(Target::parse(&name(61), &SAFE).is_ok());
    assert!(Target::parse(&name(62), &SAFE).is_err());
    assert!(Target::parse(&format!("https://a{label}.test/"), &SAFE).is_err());
}

#[test]
fn an_origin_shows_its_port_only_where_it_is_not_the_default() {
    let origin = |url: &str| Target::parse(url, &DEV).unwrap().origin().clone();
    assert_eq!(origin("https://api.test:443/a").to_string(), "https://api.test");
    assert_eq!(origin("http://[::1]:443/a").to_string(), "http://[::1]:443");
    assert_eq!(origin("http://localhost/").port(), 80);
    assert_eq!(origin("https://API.test:8443/").authority(), "api.test:8443");
}
