//! Settings: from flag, environment, file or default, in this order, and every mistake told at once with its place.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use latchgate_tests::{Gate, workspace};
use serde_json::{Value, json};

fn shown(gate: &Gate, name: &str) -> Value {
    let settings = gate.cli(&["config", "show", "--json"]).exited(0).json()["settings"].clone();
    settings.as_array().unwrap().iter().find(|setting| setting["name"] == name).unwrap().clone()
}

#[test]
fn a_variable_goes_before_the_file_and_both_are_said() {
    let gate = Gate::builder()
        .config("[auth]\nlease_ttl_s = 60\n[approvals]\nttl_s = 61\n")
        .env("LATCHGATE_AUTH_LEASE_TTL_S", "120")
        .start();
    assert_eq!(
        shown(&gate, "auth.lease_ttl_s"),
        json!({ "name": "auth.lease_ttl_s", "value": 120, "origin": "environment" })
    );
    assert_eq!(shown(&gate, "approvals.ttl_s")["origin"], "file");
    assert_eq!(shown(&gate, "gate.drain_s")["origin"], "default");
    // The gate goes by it, not only the command that shows it.
    let lease = gate.raw_agent().lease;
    let claims = lease.split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&base64_url(claims)).unwrap();
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 120);
}

fn base64_url(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).unwrap()
}

#[test]
fn every_mistake_is_told_at_once_with_its_place() {
    let refused = Gate::builder()
        .config("[auth]\nlease_ttl_s = 0\nlease_tl_s = 1\n[fs]\nroot = 7\n")
        .env("LATCHGATE_GATE_DRAINS", "1")
        .env("LATCHGATE_LIMITS_CALLS_PER_S", "many")
        .try_start()
        .err()
        .unwrap();
    assert_eq!(refused.code, 2);
    for part in [
        "latchgate.toml:2: auth.lease_ttl_s is 0, expected a whole number from 1 to 3600",
        "latchgate.toml:3: there is no setting `auth.lease_tl_s`; the nearest is auth.lease_ttl_s",
        "latchgate.toml:5: fs.root is 7, expected an absolute path",
        "LATCHGATE_GATE_DRAINS in the environment is no setting; the nearest is LATCHGATE_GATE_DRAIN_S",
        "LATCHGATE_LIMITS_CALLS_PER_S is `many`, expected a whole number from 1 to 1000000",
    ] {
        assert!(refused.stderr.contains(part), "`{part}` in {}", refused.stderr);
    }
}

#[test]
fn the_reference_is_printed_as_it_stands_in_the_documentation() {
    let gate = Gate::builder().prepare();
    let kept = fs::read_to_string(workspace().join("docs/configuration.md")).unwrap();
    assert_eq!(gate.cli(&["config", "reference"]).exited(0).stdout, kept);
}

#[test]
fn an_extra_ca_is_read_at_the_start_and_a_bad_one_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ca.pem");
    fs::write(&path, "no certificate").unwrap();
    let start = |path: &std::path::Path| {
        let config = format!("[egress]\nextra_ca_file = \"{}\"\n", path.display());
        Gate::builder().config(&config).try_start()
    };
    let told = start(&path).err().unwrap().stderr;
    assert!(told.contains(path.to_str().unwrap()) && told.contains("no pem certificate"), "{told}");
    let told = start(&dir.path().join("none.pem")).err().unwrap().stderr;
    assert!(told.contains("none.pem"), "{told}");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    let told = start(&path).err().unwrap().stderr;
    assert!(told.contains(&format!("chmod 0664 {}", path.display())), "{told}");
    fs::write(&path, CERTIFICATE).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(start(&path).is_ok());
}

/// A self-signed certificate of nobody's.
const CERTIFICATE: &str = "\
-----BEGIN CERTIFICATE-----
MIIBdTCCARugAwIBAgIUaKGYfFV4nMxLKJwitz5TOkwONwIwCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMjAxMjUzMTFaGA8yMTI2MTAyNzEyNTMx
MVowDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABFZX
r40BxYPU+xc5Tg1d78Nd3h5cTSftBFccpJMxt2FezoB4fsldzWqjI+4h9QJhMeAY
y6b+NpTHHS39UCHY9FyjUzBRMB0GA1UdDgQWBBTx5CutgwE/EEpFLkoY5/lx1tkl
QDAfBgNVHSMEGDAWgBTx5CutgwE/EEpFLkoY5/lx1tklQDAPBgNVHRMBAf8EBTAD
AQH/MAoGCCqGSM49BAMCA0gAMEUCIQCj6AIZL4zNlOzWpatpsyqiK804uvJdp7e3
Au4sGU6sXAIgUonFRCz+qsS8xRrs+Jf9clcVerM1GAzbna4aoGW0Gug=
-----END CERTIFICATE-----
";
