//! A gate with secrets in a world of its own, and actions that send them.

use std::fs::{self, File};

use latchgate_tests::world::{Everywhere, Hit};
use latchgate_tests::{Gate, Ran, Reply, tick};
use serde_json::{Value, json};

use crate::egress::ground::Ground;

/// Has every kind of character that an encoding changes.
pub const VALUE: &str = "s3cr/t+val ue=\"42\"&more";
/// The service that it is for.
pub const HOST: &str = "api.twin.test";
/// An address that is not this machine's, where that service is.
pub const PUBLIC: &str = Everywhere::PUBLIC_V4;

/// One action, in JSON, which is YAML as well: POST to `path` of [`HOST`] with an argument `n` that tells calls apart.
pub struct Sample {
    id: &'static str,
    manifest: Value,
}

impl Sample {
    pub fn new(id: &'static str, placement: &Value) -> Self {
        let url = format!("https://{HOST}/{id}");
        let manifest = json!({
            "format": 1, "action_id": id, "version": "0.1.0", "title": "Of a test",
            "description": "Sends one request to the service of this test, with a credential that the gate adds to it.",
            "class": "send", "risk_level": "medium", "risk_rationale": "nobody reads what it sends",
            "module": "builtin:http_api", "module_digest": digest(), "imports": ["http"],
            "request_schema": {
                "type": "object", "additionalProperties": false, "required": ["n"],
                "properties": {"n": {"type": "integer"}},
            },
            "response_schema": {"type": "object"},
            "template": {"method": "POST", "url": url, "query": {"n": "{n}"}},
            "secrets": [{"name": "TOKEN", "host": HOST, "placement": placement}],
            "egress": {"domains": [HOST], "methods": ["POST"]},
            "examples": [{"title": "one", "arguments": {"n": 1}, "expect": {"method": "POST", "url": format!("{url}?n=1")}}],
        });
        Self { id, manifest }
    }

    pub fn id(&self) -> &'static str {
        self.id
    }

    /// The whole URL is an argument, and two hosts may be reached.
    pub fn anywhere(id: &'static str) -> Self {
        let mut sample = Self::new(id, &json!({"in": "bearer"}));
        sample.manifest["request_schema"] = json!({
            "type": "object", "additionalProperties": false, "required": ["url"],
            "properties": {"url": {"type": "string"}},
        });
        sample.manifest["template"] = json!({"method": "GET", "url": "{url}"});
        sample.manifest["egress"] =
            json!({"domains": [HOST, "www.evil.test"], "methods": ["GET"], "ports": [80, 443]});
        let url = format!("https://{HOST}/x");
        sample.manifest["examples"] =
            json!([{"title": "one", "arguments": {"url": url}, "expect": {"method": "GET", "url": url}}]);
        sample
    }

    /// With the member at `pointer` set.
    pub fn with(mut self, pointer: &str, value: Value) -> Self {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        self.manifest.pointer_mut(parent).unwrap()[name] = value;
        self
    }
}

fn digest() -> String {
    let bundled = tick::bundled("http_post", &[]);
    bundled.lines().find_map(|line| line.strip_prefix("module_digest: ")).unwrap().to_owned()
}

/// With these actions, and names that lead to the public address.
pub fn ground(samples: &[Sample]) -> Ground {
    let ground = Ground::with("", |builder| {
        samples.iter().fold(builder, |builder, sample| {
            builder.manifest(&format!("{}.yaml", sample.id), &sample.manifest.to_string())
        })
    });
    for name in
        [HOST, "www.evil.test", "api.other.test", "api.github.com", "slack.com", "s3.us-east-1.amazonaws.com"]
    {
        ground.world.names.script(name, &[&[PUBLIC]]);
    }
    ground
}

/// As an operator does: the value on standard input, the gate running.
pub fn set(gate: &Gate, name: &str, value: &str) {
    let file = gate.base().join("value");
    fs::write(&file, value).unwrap();
    let mut command = gate.command(&["secrets", "set", name]);
    Ran::of(command.stdin(File::open(&file).unwrap())).exited(0);
    fs::remove_file(file).unwrap();
}

/// The reply to a call, and the requests that came of it.
pub fn call(ground: &Ground, action: &str, args: &Value) -> (Reply, Vec<Hit>) {
    let before = ground.world.everywhere.hits().len();
    let reply = ground.agent.call(action, args).send();
    (reply, ground.world.everywhere.hits().split_off(before))
}

/// The raw bytes of the only request among these, which came over TLS at the service's address.
#[track_caller]
pub fn only(hits: &[Hit]) -> String {
    let [hit] = hits else { panic!("expected one connection, found {hits:#?}") };
    assert_eq!(hit.at.to_string(), format!("{PUBLIC}:443"));
    String::from_utf8(hit.request.as_ref().expect("a request").raw.clone()).unwrap()
}

/// The value as services and programs write it down, by name.
pub fn forms(value: &str) -> Vec<(&'static str, String)> {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
    let at = |offset: usize| [&b"ab"[..offset], value.as_bytes(), b"xyz"].concat();
    // What the neighbours have no part in.
    let core = |text: String, offset: usize| {
        let (begin, end) = ((offset * 8).div_ceil(6), (offset + value.len()) * 8 / 6);
        text[begin..end].to_owned()
    };
    let percent = |keep: fn(u8) -> bool| -> String {
        value.bytes().map(|b| if keep(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
    };
    let hex: String = value.bytes().map(|b| format!("{b:02x}")).collect();
    let quoted = serde_json::to_string(value).unwrap();
    let mut forms = vec![
        ("exact", value.to_owned()),
        ("hexadecimal", hex.clone()),
        ("hexadecimal, upper case", hex.to_uppercase()),
        ("percent-encoded", percent(|b| b.is_ascii_alphanumeric())),
        ("percent-encoded as a form", percent(|b| b.is_ascii_alphanumeric()).replace("%20", "+")),
        ("percent-encoded, lower case", percent(|b| b.is_ascii_alphanumeric()).to_lowercase()),
        ("json", quoted[1..quoted.len() - 1].to_owned()),
        ("json, slashes escaped", quoted[1..quoted.len() - 1].replace('/', "\\/")),
        ("json, all of it escaped", value.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect()),
    ];
    for offset in 0..3 {
        forms.push(("base64", core(STANDARD_NO_PAD.encode(at(offset)), offset)));
        forms.push(("base64url", core(URL_SAFE_NO_PAD.encode(at(offset)), offset)));
    }
    forms
}

/// None of it is in these bytes.
#[track_caller]
pub fn assert_absent(value: &str, place: &str, bytes: &[u8]) {
    for (name, form) in forms(value) {
        let is_there = bytes.windows(form.len()).any(|window| window == form.as_bytes());
        assert!(!is_there, "{name} of the secret is in {place}");
    }
}
