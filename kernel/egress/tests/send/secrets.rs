//! Secrets arrive in their place at their host, and nowhere else; what comes back holds none.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::Method;
use latchgate_egress::{Config, Credentials, Effect, Egress, Refused, Secret, SendError, Vault, VaultError};
use latchgate_wire::placement::{Placement, SecretUse};

use crate::support::{Ca, OK, Scripted, Step, Upstream, development, named, request, soon};

const TOKEN: &str = "s3cr/t+val ue=42";
const HOST: &str = "127.0.0.1";

/// Values by name, which can be changed, and how often one was asked for.
#[derive(Default)]
pub struct Map {
    values: Mutex<BTreeMap<String, String>>,
    asked: AtomicUsize,
}

impl Map {
    fn of(pairs: &[(&str, &str)]) -> Arc<Self> {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Arc::new(Self { values: Mutex::new(pairs.collect()), ..Self::default() })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Vault for Map {
    fn secret<'a>(
        &'a self,
        name: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<Secret, VaultError>> + Send + 'a>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let found = self.values.lock().unwrap().get(name).map(|value| Secret::new(value.clone().into()));
        Box::pin(async move { found.ok_or_else(|| VaultError::Missing(name.to_owned())) })
    }
}

fn credentials(vault: &Arc<Map>, host: &str, placements: &[Placement]) -> Option<Credentials> {
    let uses = placements.iter().map(|placement| SecretUse {
        name: "TOKEN".into(),
        host: host.into(),
        placement: placement.clone(),
    });
    let vault = Arc::clone(vault) as Arc<dyn Vault>;
    let now = Arc::new(|| "2026-11-20T09:30:00.000Z".parse().unwrap());
    Some(Credentials { uses: uses.collect(), vault, now })
}

fn vault() -> Arc<Map> {
    Map::of(&[("TOKEN", TOKEN), ("USER", "al ice"), ("SECRET_KEY", "wJalrXUtnFEMI")])
}

fn text(value: &str) -> String {
    value.to_owned()
}

/// The raw request that a service got under these placements.
async fn sent(
    vault: &Arc<Map>,
    path: &str,
    body: &'static str,
    placements: &[Placement],
) -> Result<String, SendError> {
    let upstream = Upstream::plain(&[Step::Answer(OK)]).await;
    let egress = development();
    let mut request = request(&egress, Method::POST, &upstream.url(path));
    request.body = Bytes::from_static(body.as_bytes());
    request.credentials = credentials(vault, HOST, placements);
    egress.send(request, "test", soon()).await?;
    let [seen] = upstream.requests().try_into().unwrap();
    Ok(seen)
}

#[tokio::test]
async fn each_placement_puts_the_value_there_and_only_there() {
    let encoded = "s3cr%2Ft%2Bval%20ue%3D42";
    for (path, body, placement, line) in [
        ("/x", "", Placement::Bearer {}, format!("\r\nauthorization: Bearer {TOKEN}\r\n")),
        (
            "/x",
            "",
            Placement::Header { name: text("x-api-key"), prefix: text("") },
            format!("\r\nx-api-key: {TOKEN}\r\n"),
        ),
        (
            "/x",
            "",
            Placement::Header { name: text("authorization"), prefix: text("Token ") },
            format!("\r\nauthorization: Token {TOKEN}\r\n"),
        ),
        // printf '%s' 'bob:s3cr/t+val ue=42' | base64
        (
            "/x",
            "",
            Placement::Basic { user: Some(text("bob")), user_secret: None },
            text("\r\nauthorization: Basic Ym9iOnMzY3IvdCt2YWwgdWU9NDI=\r\n"),
        ),
        (
            "/x",
            "",
            Placement::Basic { user: None, user_secret: Some(text("USER")) },
            text("\r\nauthorization: Basic YWwgaWNlOnMzY3IvdCt2YWwgdWU9NDI=\r\n"),
        ),
        ("/x", "", Placement::BasicUser {}, text("\r\nauthorization: Basic czNjci90K3ZhbCB1ZT00Mjo=\r\n")),
        (
            "/x?a=b",
            "",
            Placement::Query { name: text("key") },
            format!("POST /x?a=b&key={encoded} HTTP/1.1\r\n"),
        ),
        ("/x", "", Placement::Query { name: text("key") }, format!("POST /x?key={encoded} HTTP/1.1\r\n")),
        (
            "/x",
            r#"{"a":{},"b":1}"#,
            Placement::Body { pointer: text("/a/key") },
            format!("\r\n\r\n{{\"a\":{{\"key\":\"{TOKEN}\"}},\"b\":1}}"),
        ),
        ("/x", "a=b", Placement::Form { name: text("key") }, format!("\r\n\r\na=b&key={encoded}")),
        ("/x", "", Placement::Form { name: text("key") }, format!("\r\n\r\nkey={encoded}")),
        (
            "/botTOKEN/send?a=b",
            "",
            Placement::Path { segment: 1 },
            format!("POST /bot{encoded}/send?a=b HTTP/1.1\r\n"),
        ),
    ] {
        let seen = sent(&vault(), path, body, std::slice::from_ref(&placement)).await.unwrap();
        assert_eq!(seen.matches(&line).count(), 1, "{placement:?}: {seen}");
        let rest = seen.replacen(&line, "", 1);
        for form in [TOKEN, encoded, "s3cr", "M2Nyc", "czNjci"] {
            assert!(!rest.contains(form), "{placement:?}: {rest}");
        }
    }
}

#[tokio::test]
async fn an_aws_signature_is_over_the_request_and_holds_no_key() {
    let place = Placement::AwsSigv4 {
        service: text("s3"),
        region: text("us-east-1"),
        secret_key: text("SECRET_KEY"),
        session_token: Some(text("USER")),
    };
    let keys = Map::of(&[("TOKEN", "AKIDEXAMPLE"), ("SECRET_KEY", "wJalrXUtnFEMI"), ("USER", "session")]);
    let seen = sent(&keys, "/bucket/key?b=2&a=1", "body", &[place]).await.unwrap();
    let body_hash = "230d8358dc8e8890b4c58deeb62912ee2f20357ae92a5cc861b98e68fe31acb5";
    for line in [
        "\r\nx-amz-date: 20261120T093000Z\r\n",
        "\r\nx-amz-security-token: session\r\n",
        &format!("\r\nx-amz-content-sha256: {body_hash}\r\n"),
        "\r\nauthorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261120/us-east-1/s3/aws4_request,\
         SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token,Signature=",
    ] {
        assert_eq!(seen.matches(line).count(), 1, "{line}: {seen}");
    }
    assert!(!seen.contains("wJalrXUtnFEMI"), "{seen}");
}

#[tokio::test]
async fn a_secret_that_is_for_another_host_stays_here() {
    let (upstream, vault) = (Upstream::plain(&[Step::Answer(OK); 2]).await, vault());
    let egress = development();
    for host in ["api.test", "localhost", "127.0.0.2"] {
        let mut request = request(&egress, Method::GET, &upstream.url("/x"));
        request.credentials = credentials(&vault, host, &[Placement::Bearer {}]);
        let error = egress.send(request, "test", soon()).await.unwrap_err();
        assert!(matches!(error, SendError::Refused(Refused::ForeignHost { .. })), "{error:?}");
        assert_eq!(error.effect(), Effect::None);
    }
    assert_eq!((upstream.connections(), vault.asked()), (0, 0));
    // The twin.
    let mut request = request(&egress, Method::GET, &upstream.url("/x"));
    request.credentials = credentials(&vault, HOST, &[Placement::Bearer {}]);
    egress.send(request, "test", soon()).await.unwrap();
    assert_eq!((upstream.connections(), vault.asked()), (1, 1));
}

#[tokio::test]
async fn a_secret_goes_into_a_verified_connection_and_no_other() {
    let (ca, other) = (Ca::new(), Ca::new());
    let vault = vault();
    for (trusted, certified, arrives) in
        [(&ca, "api.test", true), (&other, "api.test", false), (&ca, "www.test", false)]
    {
        let upstream =
            Upstream::start("127.0.0.1:0", &[Step::Answer(OK)], Some(ca.acceptor(certified))).await;
        let egress = named(&Scripted::new(&[&["127.0.0.1"]]), trusted);
        let asked = vault.asked();
        let url = format!("https://api.test:{}/x", upstream.address.port());
        let mut request = request(&egress, Method::GET, &url);
        request.credentials = credentials(&vault, "api.test", &[Placement::Bearer {}]);
        let result = egress.send(request, "test", soon()).await;
        assert_eq!(result.is_ok(), arrives, "{certified}: {result:?}");
        // Without a verified peer it was not so much as fetched.
        assert_eq!(vault.asked() - asked, usize::from(arrives), "{certified}");
        let carried = upstream.requests().iter().filter(|seen| seen.contains(TOKEN)).count();
        assert_eq!(carried, usize::from(arrives), "{certified}");
    }
}

#[tokio::test]
async fn plain_http_carries_no_secret() {
    // Outside development not even loopback is reached without TLS.
    let egress = Egress::new(Config::default()).unwrap();
    let upstream = Upstream::plain(&[Step::Answer(OK)]).await;
    let vault = vault();
    let mut request = request(&development(), Method::GET, &upstream.url("/x"));
    request.credentials = credentials(&vault, HOST, &[Placement::Bearer {}]);
    let error = egress.send(request, "test", soon()).await.unwrap_err();
    assert!(matches!(error, SendError::Refused(_)), "{error:?}");
    assert_eq!((upstream.connections(), vault.asked()), (0, 0));
}

#[tokio::test]
async fn a_redirect_is_a_result_and_takes_no_secret_along() {
    let elsewhere = Upstream::plain(&[Step::Answer(OK)]).await;
    let moved: &'static str = Box::leak(
        format!("HTTP/1.1 307 Moved\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", elsewhere.url("/"))
            .into_boxed_str(),
    );
    let upstream = Upstream::plain(&[Step::Answer(moved)]).await;
    let egress = development();
    let mut request = request(&egress, Method::GET, &upstream.url("/x"));
    request.credentials = credentials(&vault(), HOST, &[Placement::Bearer {}]);
    let reply = egress.send(request, "test", soon()).await.unwrap();
    assert_eq!((reply.status.as_u16(), elsewhere.connections()), (307, 0));
    assert!(upstream.requests()[0].contains(TOKEN));
}

#[tokio::test]
async fn a_value_that_does_not_fit_its_place_is_not_sent() {
    for (value, path, body, placement) in [
        ("line\nbreak-in-it", "/x", "", Placement::Bearer {}),
        ("ends-in-a-break\r\n", "/x", "", Placement::Bearer {}),
        ("not-ascii-\u{e4}", "/x", "", Placement::Header { name: text("x-key"), prefix: text("") }),
        ("a:b", "/x", "", Placement::BasicUser {}),
        ("..", "/TOKEN/x", "", Placement::Path { segment: 1 }),
        ("value", "/x", "", Placement::Path { segment: 1 }),
        ("value", "/x", "", Placement::Path { segment: 9 }),
        ("value", "/x", "not json", Placement::Body { pointer: text("/a") }),
        ("value", "/x", r#"{"a":1}"#, Placement::Body { pointer: text("/a") }),
        ("value", "/x", r#"{"a":1}"#, Placement::Body { pointer: text("/a/b") }),
        ("value", "/x", "", Placement::Header { name: text("host"), prefix: text("") }),
        ("value", "/x", "", Placement::Header { name: text("user-agent"), prefix: text("") }),
    ] {
        let error = sent(&Map::of(&[("TOKEN", value)]), path, body, std::slice::from_ref(&placement))
            .await
            .unwrap_err();
        assert!(
            matches!(error, SendError::Refused(Refused::CredentialPlace { .. })),
            "{placement:?}: {error:?}"
        );
        let told = error.to_string();
        assert!(told.contains("TOKEN") && !told.contains(value), "{told}");
    }
}

#[tokio::test]
async fn a_secret_that_is_not_set_ends_the_request_unsent() {
    let error = sent(&Map::of(&[]), "/x", "", &[Placement::Bearer {}]).await.unwrap_err();
    assert_eq!(error, SendError::Secret(VaultError::Missing("TOKEN".into())));
    assert_eq!(error.effect(), Effect::None);
    assert!(error.to_string().contains("latchgate secrets set TOKEN"), "{error}");
}

#[tokio::test]
async fn a_new_value_is_sent_with_the_next_request() {
    let upstream = Upstream::plain(&[Step::Answer(OK); 2]).await;
    let (egress, vault) = (development(), vault());
    for value in ["the-value-of-yesterday", "the-value-of-today"] {
        vault.values.lock().unwrap().insert("TOKEN".into(), value.into());
        let mut request = request(&egress, Method::GET, &upstream.url("/x"));
        request.credentials = credentials(&vault, HOST, &[Placement::Bearer {}]);
        egress.send(request, "test", soon()).await.unwrap();
        assert!(upstream.requests().last().unwrap().contains(value));
    }
}

#[tokio::test]
async fn requests_with_other_secrets_share_no_connection() {
    let upstream = Upstream::plain(&[Step::Answer(OK); 4]).await;
    let (egress, vault) = (development(), vault());
    for placements in [&[][..], &[Placement::Bearer {}], &[], &[Placement::Bearer {}]] {
        let mut request = request(&egress, Method::GET, &upstream.url("/x"));
        request.credentials = credentials(&vault, HOST, placements).filter(|held| !held.uses.is_empty());
        egress.send(request, "test", soon()).await.unwrap();
    }
    assert_eq!((upstream.requests().len(), upstream.connections()), (4, 2));
}

#[tokio::test]
async fn what_comes_back_holds_no_secret_in_header_or_body() {
    let answer: &'static str = Box::leak(
        format!(
            "HTTP/1.1 200 OK\r\nx-echo: Bearer {TOKEN}\r\nlocation: https://a.test/?t=s3cr%2ft%2Bval+ue%3d42\r\n\
             x-other: nothing\r\ncontent-length: {}\r\n\r\n<{TOKEN}>",
            TOKEN.len() + 2
        )
        .into_boxed_str(),
    );
    let upstream = Upstream::plain(&[Step::Answer(answer)]).await;
    let egress = development();
    let mut request = request(&egress, Method::GET, &upstream.url("/x"));
    request.credentials = credentials(&vault(), HOST, &[Placement::Bearer {}]);
    let reply = egress.send(request, "test", soon()).await.unwrap();
    assert_eq!(reply.body, "<[secret TOKEN]>");
    assert_eq!(reply.headers["x-echo"], "Bearer [secret TOKEN]");
    assert_eq!(reply.headers["location"], "https://a.test/?t=[secret TOKEN]");
    assert_eq!(reply.headers["x-other"], "nothing");
}

/// Whatever form the value comes back in, and wherever a chunk ends within it.
#[tokio::test]
async fn no_form_passes_however_it_is_cut_into_chunks() {
    use base64::Engine as _;
    let base64 = base64::engine::general_purpose::STANDARD.encode(TOKEN);
    let hex: String = TOKEN.bytes().map(|b| format!("{b:02x}")).collect();
    for form in [TOKEN, &base64, &hex, "s3cr%2Ft%2Bval%20ue%3D42", "s3cr\\/t\\u002bval ue=42"] {
        let answers: Vec<Step> = (0..=form.len()).map(|at| Step::Answer(chunked(form, at))).collect();
        let upstream = Upstream::plain(&answers).await;
        let egress = development();
        for at in 0..=form.len() {
            let mut request = request(&egress, Method::GET, &upstream.url("/x"));
            request.credentials = credentials(&vault(), HOST, &[Placement::Bearer {}]);
            let reply = egress.send(request, "test", soon()).await.unwrap();
            let body = std::str::from_utf8(&reply.body).unwrap();
            assert!(body.starts_with("<[secret TOKEN]") && body.ends_with('>'), "{form} at {at}: {body}");
        }
        // The twin: another text, cut in the same way, comes as it was sent.
        let upstream = Upstream::plain(&[Step::Answer(chunked("another text", 3))]).await;
        let mut request = request(&egress, Method::GET, &upstream.url("/x"));
        request.credentials = credentials(&vault(), HOST, &[Placement::Bearer {}]);
        assert_eq!(egress.send(request, "test", soon()).await.unwrap().body, "<another text>");
    }
}

/// `<text>` in two chunks, the second beginning at `at`.
fn chunked(text: &str, at: usize) -> &'static str {
    let (first, second) = text.split_at(at);
    let chunk = |text: String| format!("{:x}\r\n{text}\r\n", text.len());
    let chunks = chunk(format!("<{first}")) + &chunk(format!("{second}>")) + "0\r\n\r\n";
    Box::leak(format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunks}").into_boxed_str())
}
