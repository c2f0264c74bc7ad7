//! Against a token endpoint on loopback: who asks, what is kept, and what is never given.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use latchgate_egress::{Config, Egress, Vault as _, VaultError};
use latchgate_monitor::ports::Clock as _;
use latchgate_wire::secret::{NamedSecret, SecretKind, SecretSpec, SecretText, TokenSource};

use super::super::document::Change;
use super::super::keeper::Keeper;
use super::super::store::Store;
use crate::clock::GateClock;
use crate::home::places::Places;
use crate::world::OsEntropy;

/// A token endpoint on loopback: each request's form is kept, each answer is asked of the test's function by its number.
struct Endpoint {
    port: u16,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Endpoint {
    fn answering(answer: impl Fn(usize) -> (u16, String) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let form = form(&stream);
                let number = {
                    let mut told = told.lock().unwrap();
                    told.push(form);
                    told.len()
                };
                let (status, body) = answer(number);
                let length = body.len();
                let head =
                    format!("HTTP/1.1 {status} X\r\nLocation: /elsewhere\r\nContent-Length: {length}\r\n");
                // Whoever asked may be gone.
                let _gone = stream.write_all(format!("{head}Connection: close\r\n\r\n{body}").as_bytes());
            }
        });
        Self { port, seen }
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/token", self.port)
    }
}

fn form(stream: &TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) <= 2 {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    String::from_utf8(body).unwrap()
}

struct Home {
    _dir: tempfile::TempDir,
    places: Places,
    clock: Arc<GateClock>,
    keeper: Keeper,
}

impl Home {
    fn with(kind: SecretKind, url: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let places = Places::at_home(dir.path());
        write(&places, kind, url, "first-refresh-1");
        let egress = Config { dangerous_loopback: true, ..Config::default() };
        let clock = Arc::new(GateClock::start());
        let egress = Egress::new(egress).unwrap();
        let keeper = Keeper::open(&places, None, egress, Arc::clone(&clock)).unwrap();
        Self { _dir: dir, places, clock, keeper }
    }

    async fn token(&self) -> Result<String, String> {
        match self.keeper.secret("crm").await {
            Ok(secret) => Ok(String::from_utf8(secret.expose().to_vec()).unwrap()),
            Err(VaultError::Unavailable { name, reason }) => {
                assert_eq!(name, "crm");
                Err(reason)
            }
            Err(other) => panic!("{other}"),
        }
    }

    /// Gate time moves on.
    fn pass(&self, seconds: i64) {
        self.clock.not_before(self.clock.now().plus_ms(seconds * 1000));
    }

    fn on_disk(&self) -> String {
        let store = Store::open(&self.places, None, &OsEntropy).unwrap();
        store.document.kept("crm").unwrap().secret.value.expose().to_owned()
    }
}

fn write(places: &Places, kind: SecretKind, url: &str, value: &str) {
    let source = TokenSource {
        token_url: url.into(),
        client_id: "app".into(),
        client_secret: None,
        scope: None,
        credentials_in_body: false,
    };
    let hosts = BTreeSet::from(["api.example".to_owned()]);
    let secret =
        SecretSpec { kind, source: Some(source), hosts, ..SecretSpec::plain(SecretText::new(value.into())) };
    let store = Store::open(places, None, &OsEntropy).unwrap();
    let mut document = store.document.clone();
    let change = Change::Set(vec![NamedSecret { name: "crm".parse().unwrap(), secret }]);
    document.change(change, GateClock::start().now()).unwrap();
    store.replaced(document).unwrap();
}

fn granted(number: usize, refresh: Option<&str>) -> (u16, String) {
    let refresh = refresh.map_or_else(String::new, |token| format!(r#","refresh_token":"{token}""#));
    (
        200,
        format!(
            r#"{{"access_token":"access-token-{number}","token_type":"bearer","expires_in":100{refresh}}}"#
        ),
    )
}

#[tokio::test]
async fn many_askers_cause_one_request_and_a_token_is_renewed_before_its_end() {
    let endpoint = Endpoint::answering(|number| granted(number, None));
    let home = Home::with(SecretKind::Oauth2ClientCredentials, &endpoint.url());
    let (a, b, c, d) = tokio::join!(home.token(), home.token(), home.token(), home.token());
    assert!([a, b, c, d].iter().all(|token| token.as_deref() == Ok("access-token-1")));
    assert_eq!(endpoint.seen(), ["grant_type=client_credentials"]);
    home.pass(89);
    assert_eq!(home.token().await.unwrap(), "access-token-1");
    home.pass(2);
    assert_eq!(home.token().await.unwrap(), "access-token-2");
    assert_eq!(endpoint.seen().len(), 2);
    let secret = home.keeper.secret("crm").await.unwrap();
    assert!(secret.is_for("api.example") && !secret.is_for("evil.test"));
}

#[tokio::test]
async fn a_refresh_token_that_replaced_another_is_on_the_disk_before_anything_is_given() {
    let endpoint = Endpoint::answering(|number| granted(number, Some(&format!("refresh-token-{number}"))));
    let home = Home::with(SecretKind::Oauth2Refresh, &endpoint.url());
    for number in 1..=3 {
        assert_eq!(home.token().await.unwrap(), format!("access-token-{number}"));
        assert_eq!(home.on_disk(), format!("refresh-token-{number}"));
        home.pass(100);
    }
    let form = |token: &str| format!("grant_type=refresh_token&refresh_token={token}&client_id=app");
    assert_eq!(endpoint.seen(), ["first-refresh-1", "refresh-token-1", "refresh-token-2"].map(form));
}

#[tokio::test]
async fn what_the_disk_does_not_take_is_kept_and_nothing_is_given_until_it_does() {
    let endpoint = Endpoint::answering(|number| granted(number, Some("newer-refresh-1")));
    let home = Home::with(SecretKind::Oauth2Refresh, &endpoint.url());
    let in_the_way = home.places.state_dir.join("secrets.age.new");
    fs::create_dir(&in_the_way).unwrap();
    assert!(home.token().await.unwrap_err().contains("was not kept"));
    assert_eq!(home.on_disk(), "first-refresh-1");
    fs::remove_dir(&in_the_way).unwrap();
    assert_eq!(home.token().await.unwrap(), "access-token-1");
    assert_eq!((home.on_disk(), endpoint.seen().len()), ("newer-refresh-1".to_owned(), 1));
}

#[tokio::test]
async fn a_refusal_is_told_with_its_code_and_an_ended_token_is_never_given() {
    let refused = (400, r#"{"error":"invalid_grant","error_description":"first-refresh-1"}"#.to_owned());
    let endpoint = Endpoint::answering(move |number| match number {
        2 | 3 => refused.clone(),
        number => granted(number, None),
    });
    let home = Home::with(SecretKind::Oauth2Refresh, &endpoint.url());
    assert_eq!(home.token().await.unwrap(), "access-token-1");
    home.pass(95);
    // Due, refused, and still alive.
    assert_eq!(home.token().await.unwrap(), "access-token-1");
    home.pass(5);
    assert_eq!(home.token().await.unwrap_err(), "the token endpoint answered 400 invalid_grant");
    home.pass(1);
    assert_eq!(home.token().await.unwrap(), "access-token-4");
}

#[tokio::test]
async fn neither_a_redirect_nor_another_answer_is_a_token() {
    for (status, body) in [(302, ""), (200, "access-token-1"), (200, "{}"), (500, "first-refresh-1")] {
        let endpoint = Endpoint::answering(move |_| (status, body.to_owned()));
        let home = Home::with(SecretKind::Oauth2Refresh, &endpoint.url());
        let reason = home.token().await.unwrap_err();
        assert!(!reason.contains("refresh-1") && !reason.contains("access-token"), "{reason}");
        assert_eq!(endpoint.seen().len(), 1, "{status}: credentials went nowhere else");
    }
}

#[tokio::test]
async fn credentials_go_to_no_address_that_the_guard_refuses() {
    for url in ["http://id.example/token", "https://10.0.0.1/token", "https://169.254.169.254/token"] {
        let home = Home::with(SecretKind::Oauth2ClientCredentials, url);
        assert!(home.token().await.is_err(), "{url}");
    }
}

#[tokio::test]
async fn a_call_that_is_given_up_loses_no_refresh_token() {
    let (asked, was_asked): (Sender<()>, Receiver<()>) = channel();
    let (release, released): (Sender<()>, Receiver<()>) = channel();
    let endpoint = Endpoint::answering(move |number| {
        asked.send(()).unwrap();
        released.recv().unwrap();
        granted(number, Some("newer-refresh-1"))
    });
    let home = Home::with(SecretKind::Oauth2Refresh, &endpoint.url());
    {
        let given_up = home.token();
        tokio::pin!(given_up);
        let was_asked = tokio::task::spawn_blocking(move || was_asked.recv().unwrap());
        tokio::select! {
            _ = &mut given_up => panic!("answered before it was released"),
            asked = was_asked => asked.unwrap(),
        }
    }
    release.send(()).unwrap();
    // Waits for the slot of the one that was given up, and finds what it brought.
    assert_eq!(home.token().await.unwrap(), "access-token-1");
    assert_eq!((home.on_disk(), endpoint.seen().len()), ("newer-refresh-1".to_owned(), 1));
}

#[tokio::test]
async fn another_secret_under_the_name_ends_the_token_of_the_first() {
    let endpoint = Endpoint::answering(|number| granted(number, None));
    let home = Home::with(SecretKind::Oauth2Refresh, &endpoint.url());
    assert_eq!(home.token().await.unwrap(), "access-token-1");
    write(&home.places, SecretKind::Oauth2Refresh, &endpoint.url(), "second-refresh");
    home.keeper.take_up(Store::open(&home.places, None, &OsEntropy).unwrap());
    assert_eq!(home.token().await.unwrap(), "access-token-2");
    assert!(endpoint.seen()[1].contains("second-refresh"));
}
