//! URLs out of which one parser reads a public host and another an inner one: refused as text, or read one way only.

use latchgate_tests::manifest::variant;
use latchgate_tests::world::{Everywhere, isolated};

use super::ground::{Case, GUARD, Ground, SCHEMA, SPELLING};

/// The public host is `www.twin.test`, the inner one 10.0.0.1; each would be reached by somebody's reading.
const REFUSED: [&str; 62] = [
    // User information.
    "https://www.twin.test@10.0.0.1/",
    "https://10.0.0.1@www.twin.test/",
    "https://user:password@www.twin.test/",
    "https://@10.0.0.1/",
    "https://:@10.0.0.1/",
    "https://www.twin.test:443@10.0.0.1/",
    "https://www.twin.test%40@10.0.0.1/",
    "https://www.twin.test&@10.0.0.1/",
    "https://www.twin.test@@10.0.0.1/",
    "https://10.0.0.1%23@www.twin.test/",
    "https://www.twin.test%2f@10.0.0.1/",
    "https://user%3apassword@10.0.0.1/",
    // Backslashes.
    "https://10.0.0.1\\@www.twin.test/",
    "https://www.twin.test\\@10.0.0.1/",
    "https://10.0.0.1\\.www.twin.test/",
    "https:\\\\10.0.0.1\\",
    "https://www.twin.test\\..\\..\\10.0.0.1",
    // White space and control characters, which some drop and some end at.
    " https://10.0.0.1/",
    "https://10.0.0.1 .www.twin.test/",
    "https://10.0.0.1\t.www.twin.test/",
    "https://10.0.0.1\n.www.twin.test/",
    "https://www.twin.test/\r\nHost: 10.0.0.1",
    "https://www.twin.test/ HTTP/1.1\r\nHost: 10.0.0.1\r\n\r\n",
    "ht\ntps://10.0.0.1/",
    "https://10.0.0.1\u{a0}/",
    "https://10.0.0.1\u{3000}/",
    "https://\u{feff}10.0.0.1/",
    "https://10.0.0.1\u{7f}/",
    // What is no host, or ends one.
    "https://10.0.0.1%00.www.twin.test/",
    "https://10.0.0.1%20.www.twin.test/",
    "https://10.0.0.1%2f.www.twin.test/",
    "https://10.0.0.1%5c.www.twin.test/",
    "https://10.0.0.1;.www.twin.test/",
    "https://10.0.0.1,www.twin.test/",
    "https://10.0.0.1|www.twin.test/",
    "https://10.0.0.1^.www.twin.test/",
    "https://[10.0.0.1]/",
    "https://[::ffff:10.0.0.1/",
    "https://[::1]10.0.0.1/",
    "https://[::1].www.twin.test/",
    "https://www.twin.test[::1]/",
    "https:///10.0.0.1/",
    "https:////10.0.0.1/",
    "https:10.0.0.1",
    "https:/10.0.0.1/",
    "https://?10.0.0.1",
    "https://#@10.0.0.1",
    "https://:443/",
    "https://10..0.0.1/",
    "https://.10.0.0.1/",
    "https://-x.twin.test/",
    // Names that are not what they look like.
    "https://www.twin.test./",
    "https://localhost./",
    "https://ｗｗｗ.twin.test/",
    "https://www。twin。test/",
    "https://www.tw\u{ad}in.test/",
    "https://www.tw\u{200b}in.test/",
    "https://ⓛocalhost/",
    "https://loc%61lhost/",
    "https://locaⅼhost/",
    "https://ⅼocalhost/",
    "https://metadata.google.internal./",
];

/// Schemes that are not spoken, and ports that the action may not use.
const NOT_SPOKEN: [&str; 37] = [
    "file:///etc/passwd",
    "file://10.0.0.1/share",
    "ftp://10.0.0.1/",
    "sftp://10.0.0.1/",
    "tftp://10.0.0.1/x",
    "gopher://10.0.0.1:6379/_FLUSHALL",
    "dict://10.0.0.1:6379/info",
    "ldap://10.0.0.1/",
    "smb://10.0.0.1/share",
    "ws://10.0.0.1/",
    "wss://10.0.0.1/",
    "data:text/plain,hello",
    "javascript:alert(1)",
    "blob:https://10.0.0.1/x",
    "about:blank",
    "view-source:https://10.0.0.1/",
    "jar:https://10.0.0.1!/x",
    "http+unix://%2frun%2fgate.sock/",
    "unix:/run/latchgate/gate.sock",
    "https+http://10.0.0.1/",
    "//10.0.0.1/",
    "10.0.0.1/path",
    "://10.0.0.1/",
    "httpſ://10.0.0.1/",
    "https：//10.0.0.1/",
    "https://10.0.0.1:22/",
    "https://10.0.0.1:6379/",
    "https://93.184.216.34:22/",
    "https://93.184.216.34:8443/",
    "https://www.twin.test:8080/",
    "https://www.twin.test:0/",
    "https://www.twin.test:65536/",
    "https://www.twin.test:65979/",
    "https://www.twin.test:-1/",
    "https://www.twin.test:0443/",
    "https://www.twin.test:４４３/",
    "https://www.twin.test:443:443/",
];

/// Paths out of which servers read another one.
const PATHS: [&str; 12] = [
    "/..",
    "/.",
    "/a/../b",
    "/a/./b",
    "/a/%2e%2e/b",
    "/a/%2E./b",
    "/a/.%2e?x",
    "/a/..#x",
    "/a\\..\\b",
    "/a b",
    "/a\tb",
    "/a\u{2028}b",
];

/// With one reading, whatever they look like: the inner host is path, query or fragment.
const ONE_READING: [(&str, &str); 8] = [
    ("https://www.twin.test/@10.0.0.1/", "/@10.0.0.1/"),
    ("https://www.twin.test?@10.0.0.1/", "/?@10.0.0.1/"),
    ("https://www.twin.test#@10.0.0.1/", "/"),
    ("https://WWW.twin.TEST:443//10.0.0.1/", "//10.0.0.1/"),
    ("https://www.twin.test/https://10.0.0.1/", "/https://10.0.0.1/"),
    ("https://www.twin.test/?url=https://10.0.0.1/", "/?url=https://10.0.0.1/"),
    ("https://www.twin.test/...", "/..."),
    ("https://www.twin.test/%0d%0aHost:%2010.0.0.1", "/%0d%0aHost:%2010.0.0.1"),
];

/// `http_fetch` without the pattern that keeps other schemes from the kernel.
fn any_fetch() -> String {
    variant("http_fetch", "any_fetch", &[("pattern: \"^https?://\"", "")])
}

fn cases(urls: &[&str]) -> Vec<Case> {
    urls.iter().map(|url| Case::new(*url, SPELLING)).collect()
}

#[test]
fn a_url_that_could_lead_inside_is_refused_as_text() {
    isolated(|| {
        let ground = Ground::with("", |gate| gate.manifest("any_fetch.yaml", &any_fetch()));
        ground.world.names.script("www.twin.test", &[&[Everywhere::PUBLIC_V4]]);
        ground.refuses("any_fetch", &cases(&REFUSED));
        ground.refuses("any_fetch", &cases(&NOT_SPOKEN));
        // An upper-case scheme is the scheme, and the guard judges the rest.
        let upper = ["HTTPS://10.0.0.1/", "hTTpS://10.0.0.1/", "HTTP://10.0.0.1/"];
        ground.refuses("any_fetch", &upper.map(|url| Case::new(url, GUARD)));
        ground.refuses("http_fetch", &upper.map(|url| Case::new(url, SCHEMA)));
        assert_eq!(ground.world.names.asked_at_all(), 0, "a name was looked up");

        for (url, path) in ONE_READING {
            let hit = ground.reaches("any_fetch", url, Everywhere::PUBLIC_V4);
            let seen = hit.request.unwrap();
            assert_eq!((seen.path.as_str(), seen.header("host")), (path, Some("www.twin.test")), "{url}");
        }
        ground.end();
    });
}

#[test]
fn a_path_with_two_readings_is_refused() {
    isolated(|| {
        let ground = Ground::create();
        ground.world.names.script("www.twin.test", &[&[Everywhere::PUBLIC_V4]]);
        let urls = PATHS.map(|path| Case::new(format!("https://www.twin.test{path}"), SPELLING));
        ground.refuses("http_fetch", &urls);
        ground.refuses("web_read", &urls);
        ground.reaches("http_fetch", "https://www.twin.test/a/b", Everywhere::PUBLIC_V4);
        ground.end();
    });
}

/// In the clear, everybody on the way could read and answer: not even to a public address.
#[test]
fn plain_http_is_refused_wherever_it_leads() {
    isolated(|| {
        let ground = Ground::create();
        ground.world.names.script("www.twin.test", &[&[Everywhere::PUBLIC_V4]]);
        let urls = [
            "http://93.184.216.34/",
            "http://www.twin.test/",
            "http://www.twin.test:443/",
            "http://10.0.0.1/",
        ];
        ground.refuses("http_fetch", &urls.map(|url| Case::new(url, GUARD)));
        ground.reaches("http_fetch", "https://www.twin.test/", Everywhere::PUBLIC_V4);
        ground.end();
    });
}
