//! AWS Signature Version 4 in headers, over the whole request and its body's hash; never `UNSIGNED-PAYLOAD`.
//!
//! Source: "Signature Version 4 signing process", AWS Identity and Access Management User Guide, and for S3's one
//! difference (paths are encoded once) "Authenticating Requests: Using the Authorization Header", Amazon S3 API Reference.

use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};
use latchgate_wire::placement::{Placement, SecretUse};
use latchgate_wire::time::Timestamp;
use ring::{digest, hmac};
use zeroize::Zeroizing;

use super::{Values, does_not_fit};
use crate::error::Refused;
use crate::message::Complete;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

pub(super) fn sign(
    used: &SecretUse,
    values: &mut Values,
    request: &mut Complete,
    now: Timestamp,
) -> Result<(), Refused> {
    let name = used.name.as_str();
    let Placement::AwsSigv4 { service, region, secret_key, session_token } = &used.placement else {
        return Err(does_not_fit(name, "its place is no signature"));
    };
    let access_key = values.of(name)?;
    let access_key = std::str::from_utf8(access_key.expose())
        .ok()
        .filter(|id| !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric()))
        .ok_or_else(|| does_not_fit(name, "its value is no access key id"))?
        .to_owned();
    let secret_key = values.of(secret_key)?;
    let scope = Scope { time: basic_format(now), region, service };
    let mut set = |header: &'static str, value: &[u8]| {
        let value =
            HeaderValue::from_bytes(value).map_err(|_| does_not_fit(name, "no header can hold its value"))?;
        request.set_header(HeaderName::from_static(header), value).map_err(|why| does_not_fit(name, why))
    };
    set("x-amz-date", scope.time.as_bytes())?;
    if let Some(token) = session_token {
        set("x-amz-security-token", values.of(token)?.expose())?;
    }
    let payload = hex(digest::digest(&digest::SHA256, request.body()).as_ref());
    let header = HeaderName::from_static("x-amz-content-sha256");
    request.set_header(header, ascii(name, &payload)?).map_err(|why| does_not_fit(name, why))?;

    let headers = signed_headers(request);
    let canonical =
        canonical_request(request.method().as_str(), request.target(), &headers, &payload, service);
    let signature = scope.signature(secret_key.expose(), &canonical);
    let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
    let authorization = format!(
        "{ALGORITHM} Credential={access_key}/{},SignedHeaders={},Signature={signature}",
        scope.text(),
        names.join(";"),
    );
    values.derive(name, signature.into_bytes());
    request.set_header(AUTHORIZATION, ascii(name, &authorization)?).map_err(|why| does_not_fit(name, why))
}

fn ascii(name: &str, text: &str) -> Result<HeaderValue, Refused> {
    HeaderValue::from_str(text).map_err(|_| does_not_fit(name, "no header can hold its value"))
}

/// Day, region and service that a signature is for.
struct Scope<'a> {
    /// `20150830T123600Z`
    time: String,
    region: &'a str,
    service: &'a str,
}

impl Scope<'_> {
    fn day(&self) -> &str {
        self.time.get(..8).unwrap_or_default()
    }

    fn text(&self) -> String {
        format!("{}/{}/{}/aws4_request", self.day(), self.region, self.service)
    }

    fn signature(&self, secret_key: &[u8], canonical_request: &str) -> String {
        let hashed = hex(digest::digest(&digest::SHA256, canonical_request.as_bytes()).as_ref());
        let to_sign = format!("{ALGORITHM}\n{}\n{}\n{hashed}", self.time, self.text());
        let first = Zeroizing::new([b"AWS4", secret_key].concat());
        let parts = [self.day(), self.region, self.service, "aws4_request"];
        let key = parts.iter().fold(first, |key, part| Zeroizing::new(mac(&key, part)));
        hex(&mac(&key, &to_sign))
    }
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

/// Every header but those that change on the way or are not ours to fix, sorted, values trimmed and their runs of spaces one.
fn signed_headers(request: &Complete) -> Vec<(String, String)> {
    const UNSIGNED: &[&str] = &["accept-encoding", "authorization", "content-length", "user-agent"];
    let mut headers: Vec<(String, String)> = Vec::new();
    for (name, value) in request.headers() {
        if UNSIGNED.contains(&name.as_str()) {
            continue;
        }
        let text = String::from_utf8_lossy(value.as_bytes());
        let text = text.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        match headers.iter_mut().find(|(kept, _)| kept == name.as_str()) {
            Some((_, values)) => *values = format!("{values},{text}"),
            None => headers.push((name.as_str().to_owned(), text)),
        }
    }
    headers.sort();
    headers
}

fn canonical_request(
    method: &str,
    target: &str,
    headers: &[(String, String)],
    payload: &str,
    service: &str,
) -> String {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let lines: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
    let (path, query) = (canonical_path(path, service), canonical_query(query));
    format!("{method}\n{path}\n{query}\n{lines}\n{}\n{payload}", names.join(";"))
}

/// Encoded once for S3 and twice for everybody else.
fn canonical_path(path: &str, service: &str) -> String {
    let once = |segment: &str| uri_encode(&decode(segment));
    let encode = |segment: &str| match service {
        "s3" => once(segment),
        _ => uri_encode(once(segment).as_bytes()),
    };
    path.split('/').map(encode).collect::<Vec<_>>().join("/")
}

fn canonical_query(query: &str) -> String {
    let pair = |text: &str| {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        (uri_encode(&decode(name)), uri_encode(&decode(value)))
    };
    let mut pairs: Vec<_> = query.split('&').filter(|text| !text.is_empty()).map(pair).collect();
    pairs.sort();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

fn uri_encode(bytes: &[u8]) -> String {
    super::place::encoded(bytes).replace(':', "%3A")
}

fn decode(text: &str) -> Vec<u8> {
    crate::scrub::percent_decoded(text.as_bytes())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `20150830T123600Z`: ISO 8601 without its marks and fractions.
fn basic_format(time: Timestamp) -> String {
    let text = time.to_string();
    let seconds = text.split('.').next().unwrap_or_default();
    format!("{}Z", seconds.replace(['-', ':'], ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn signature(
        (service, time, key): (&str, &str, &str),
        (method, target): (&str, &str),
        headers: &[(&str, &str)],
        payload: &str,
    ) -> String {
        let headers: Vec<_> = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let canonical = canonical_request(method, target, &headers, payload, service);
        Scope { time: time.into(), region: "us-east-1", service }.signature(key.as_bytes(), &canonical)
    }

    /// The four examples of "Authenticating Requests: Using the Authorization Header", Amazon S3 API Reference.
    #[test]
    fn the_examples_of_s3_come_out_as_published() {
        let s3 = ("s3", "20130524T000000Z", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
        let host = ("host", "examplebucket.s3.amazonaws.com");
        let date = ("x-amz-date", "20130524T000000Z");
        let empty = ("x-amz-content-sha256", EMPTY);
        let text = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";
        for (request, headers, payload, expected) in [
            (
                ("GET", "/test.txt"),
                vec![host, ("range", "bytes=0-9"), empty, date],
                EMPTY,
                "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
            ),
            (
                ("PUT", "/test$file.text"),
                vec![
                    ("date", "Fri, 24 May 2013 00:00:00 GMT"),
                    host,
                    ("x-amz-content-sha256", text),
                    date,
                    ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
                ],
                text,
                "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
            ),
            (
                ("GET", "/?lifecycle"),
                vec![host, empty, date],
                EMPTY,
                "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
            ),
            (
                ("GET", "/?prefix=J&max-keys=2"),
                vec![host, empty, date],
                EMPTY,
                "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
            ),
        ] {
            assert_eq!(signature(s3, request, &headers, payload), expected, "{request:?}");
        }
    }

    /// `get-vanilla` of the AWS Signature Version 4 test suite.
    #[test]
    fn the_plainest_request_of_the_test_suite_comes_out_as_published() {
        let suite = ("service", "20150830T123600Z", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
        let headers = [("host", "example.amazonaws.com"), ("x-amz-date", "20150830T123600Z")];
        let expected = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
        assert_eq!(signature(suite, ("GET", "/"), &headers, EMPTY), expected);
    }

    #[test]
    fn paths_are_encoded_once_for_s3_and_twice_for_others() {
        assert_eq!(canonical_path("/a%20b/c$", "s3"), "/a%20b/c%24");
        assert_eq!(canonical_path("/a%20b/c$", "ec2"), "/a%2520b/c%2524");
    }

    #[test]
    fn times_lose_their_marks_and_fractions() {
        assert_eq!(basic_format("2015-08-30T12:36:00.123Z".parse().unwrap()), "20150830T123600Z");
    }
}
