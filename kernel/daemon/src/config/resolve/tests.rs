//! Precedence, and every problem told with its place.

use serde_json::json;

use super::*;

fn environment(pairs: &[(&str, &str)]) -> Environment {
    Environment::of(pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())))
}

fn resolve(text: &str, variables: &[(&str, &str)], given: &[Given]) -> Result<Resolved, Vec<String>> {
    Resolved::of("c", text, &environment(variables), given).map_err(|error| error.0)
}

fn find(resolved: &Resolved, name: &str) -> (Value, Origin) {
    let setting = resolved.settings().into_iter().find(|setting| setting.name == name).unwrap();
    (setting.value, setting.origin)
}

fn expose(value: &str) -> Given {
    Given { flag: "--expose-http", setting: "http.expose", value: value.into() }
}

#[test]
fn the_command_line_goes_before_the_environment_before_the_file_before_the_default() {
    let file = "[http]\nexpose = \"127.0.0.1:4000\"\n[auth]\nlease_ttl_s = 60\n";
    let variables = [("LATCHGATE_HTTP_EXPOSE", "127.0.0.1:5000"), ("LATCHGATE_APPROVALS_TTL_S", "7")];
    let port =
        |text, variables: &[_], given: &[_]| find(&resolve(text, variables, given).unwrap(), "http.expose");
    assert_eq!(port("", &[], &[]), (Value::Null, Origin::Default));
    assert_eq!(port(file, &[], &[]), (json!("127.0.0.1:4000"), Origin::File));
    assert_eq!(port(file, &variables, &[]), (json!("127.0.0.1:5000"), Origin::Environment));
    assert_eq!(port(file, &variables, &[expose("127.0.0.1:6000")]), (json!("127.0.0.1:6000"), Origin::Flag));
    let resolved = resolve(file, &variables, &[]).unwrap();
    assert_eq!(find(&resolved, "auth.lease_ttl_s"), (json!(60), Origin::File));
    assert_eq!(find(&resolved, "approvals.ttl_s"), (json!(7), Origin::Environment));
    assert_eq!(find(&resolved, "gate.drain_s"), (json!(30), Origin::Default));
}

#[test]
fn a_canonical_url_that_nobody_chose_is_that_of_the_port() {
    let mut resolved = resolve("", &[("LATCHGATE_HTTP_EXPOSE", "127.0.0.1:4000")], &[]).unwrap();
    let url = |resolved: &Resolved| find(resolved, "gate.public_base_url");
    assert_eq!(url(&resolved), (json!("http://localhost:4000"), Origin::Derived));
    resolved.derive("127.0.0.1:4001".parse().ok());
    assert_eq!(url(&resolved), (json!("http://localhost:4001"), Origin::Derived));

    // The default, once it is chosen, is a choice.
    let chosen = "[gate]\npublic_base_url = \"http://localhost:3000\"\n";
    let resolved = resolve(chosen, &[], &[expose("127.0.0.1:4000")]).unwrap();
    assert_eq!(url(&resolved), (json!("http://localhost:3000"), Origin::File));

    let resolved = resolve("", &[], &[expose("127.0.0.1:0")]).unwrap();
    assert_eq!(url(&resolved).1, Origin::Default, "what the system will choose is not known yet");
}

#[test]
fn every_problem_of_the_file_is_told_with_its_line() {
    let text = "\
[egress]
allow_all = true
[auth]
lease_ttl_s = 3601
lease_tl_s = 3
require_body_hash = \"yes\"
[approval]
ttl_s = 5
[fs]
root = 'relative'
";
    let problems = resolve(text, &[], &[]).unwrap_err();
    let expected = [
        "c:2: there is no setting `egress.allow_all`; the nearest is ",
        "c:4: auth.lease_ttl_s is 3601, expected a whole number from 1 to 3600",
        "c:5: there is no setting `auth.lease_tl_s`; the nearest is auth.lease_ttl_s",
        "c:6: auth.require_body_hash is `yes`, expected true or false",
        "c:7: there is no table `approval`; there are gate, socket, auth, approvals, ",
        "c:10: fs.root is `relative`, expected an absolute path, such as /srv/project",
    ];
    assert_eq!(problems.len(), expected.len(), "{problems:#?}");
    for (problem, expected) in problems.iter().zip(expected) {
        assert!(problem.starts_with(expected), "{problem}");
    }
}

#[test]
fn mistakes_of_grammar_do_not_hide_the_others() {
    let problems = resolve("[auth]\nlease_ttl_s = \n[gate]\ndrain_s = 0\nnone = 1\n", &[], &[]).unwrap_err();
    let lines: Vec<_> = problems.iter().map(|problem| problem.split(':').nth(1).unwrap()).collect();
    assert_eq!(lines, ["2", "4", "5"], "{problems:#?}");
    let problems = resolve("auth = 1\n", &[], &[]).unwrap_err();
    assert_eq!(problems, ["c:1: `auth` is a table, written [auth]"]);
    let problems = resolve("[auth]\nlease_ttl_s = 1\nlease_ttl_s = 2\n", &[], &[]).unwrap_err();
    assert!(problems[0].starts_with("c:3: "), "{problems:#?}");
    let problems = resolve("[auth]\nlease_ttl_s = 99999999999999999999\n", &[], &[]).unwrap_err();
    assert!(problems[0].starts_with("c:2: "), "{problems:#?}");
}

#[test]
fn problems_of_environment_and_command_line_are_told_beside_those_of_the_file() {
    let variables = [
        ("LATCHGATE_AUTH_LEASE_TTL_S", "1h"),
        ("LATCHGATE_AUTH_LEASE_TTL", "60"),
        ("LATCHGATE_HOME", "/h"),
        ("LATCHGATE_SOCKET", "/s"),
        ("LATCHGATE_LOG", "debug"),
        ("LATCHGATE_FS_ROOT", ""),
        ("AUTH_LEASE_TTL_S", "1h"),
    ];
    let problems = resolve("[gate]\ndrain_s = 0\n", &variables, &[expose("0.0.0.0:80")]).unwrap_err();
    let expected = [
        "c:2: gate.drain_s is 0, expected a whole number from 1 to 600",
        "LATCHGATE_AUTH_LEASE_TTL in the environment is no setting; the nearest is LATCHGATE_AUTH_LEASE_TTL_S",
        "LATCHGATE_AUTH_LEASE_TTL_S is `1h`, expected a whole number from 1 to 3600",
        "--expose-http is `0.0.0.0:80`, expected a loopback address and port (beyond this machine put TLS in front), such as 127.0.0.1:3000",
    ];
    assert_eq!(problems, expected);
}

#[test]
fn every_setting_can_be_given_by_its_variable() {
    for row in ROWS {
        let shown = (row.example)().unwrap_or_else(|| (row.shown)(&Config::default()));
        let spelled = shown.as_str().map_or_else(|| shown.to_string(), str::to_owned);
        let resolved = resolve("", &[(&row.variable(), &spelled)], &[]).unwrap();
        assert_eq!(find(&resolved, &row.name()), (shown, Origin::Environment));
    }
}
