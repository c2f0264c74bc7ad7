//! Against files made by other implementations: the data key by rage, the values as the documentation of SOPS says.
//!
//! A `sops` binary was not to be had when they were made; `sops-age`, which is neither ours nor SOPS's, reads the same values.

use super::*;

const YAML: &str = include_str!("fixtures/sops.yaml");
const JSON: &str = include_str!("fixtures/sops.json");
const WHOLE: &[u8] = include_bytes!("fixtures/whole.yaml.age");

fn identity() -> Identities {
    identities(Path::new("identity.txt"), include_str!("fixtures/identity.txt")).unwrap()
}

fn shown(values: &Values) -> Vec<(&str, &str)> {
    values.iter().map(|(name, value)| (name.as_str(), value.expose())).collect()
}

fn refusal(text: &str) -> String {
    match sops(text, &identity()) {
        Ok(_) => panic!("taken: {text}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_sops_file_is_read_in_both_forms_and_what_it_left_open_is_not_imported() {
    for text in [YAML, JSON] {
        let values = sops(text, &identity()).unwrap();
        let expected = [
            ("github.token", "ghp_from-sops-0123456789"),
            ("github.app_id", "123456789012345"),
            ("keys.0", "first-of-the-list"),
            ("keys.1", "second-of-the-list"),
            ("enabled", "True"),
        ];
        assert_eq!(shown(&values), expected);
    }
}

#[test]
fn a_sops_file_that_was_changed_in_any_place_is_refused() {
    let line = |begins: &str| YAML.lines().find(|line| line.trim_start().starts_with(begins)).unwrap();
    let (token, app_id) = (line("token: "), line("app_id: "));
    let moved = YAML
        .replace(token, "    token: MOVED")
        .replace(app_id, &token.replace("token", "app_id"))
        .replace("    token: MOVED", &app_id.replace("app_id", "token"));
    let list: Vec<&str> = YAML.lines().filter(|line| line.starts_with("    - ENC")).collect();
    let swapped = YAML.replace(&list.join("\n"), &[list[1], list[0]].join("\n"));
    for (what, text) in [
        ("a value under another name", moved),
        ("values of a list exchanged", swapped),
        ("a value in the open", YAML.replace(token, "    token: chosen-by-somebody")),
        ("an open value altered", YAML.replace("note_unencrypted: as it is", "note_unencrypted: altered")),
        ("an open number altered", YAML.replace("port_unencrypted: 8080", "port_unencrypted: 8081")),
        ("a value left out", YAML.replace(&format!("{app_id}\n"), "")),
        ("a value added", YAML.replace("empty: \"\"", "empty: \"\"\nmore: chosen-by-somebody")),
        ("another time", YAML.replace("2026-11-20T12:00:00Z", "2026-11-21T12:00:00Z")),
        ("no MAC", YAML.replace(line("mac: "), "")),
        (
            "a MAC of part of it only",
            YAML.replace("    version", "    mac_only_encrypted: true\n    version"),
        ),
    ] {
        assert_ne!(text, YAML, "{what}");
        let told = refusal(&text);
        assert!(told.contains("altered") || told.contains("MAC"), "{what}: {told}");
        assert!(!told.contains("ghp_") && !told.contains("chosen"), "{what}: {told}");
    }
}

#[test]
fn what_is_not_for_this_identity_or_this_reader_is_refused_by_its_name() {
    let other = vec![Identity::generate()];
    assert!(matches!(sops(YAML, &other), Err(ImportError::NoIdentity)));
    assert!(matches!(sops("a: b\n", &identity()), Err(ImportError::NotSops)));
    let kms = "a: b\nsops:\n    kms:\n        - arn: x\n    age: []\n";
    assert!(matches!(sops(kms, &identity()), Err(ImportError::NotForAge)));
    let shared = "a: b\nsops:\n    key_groups:\n        - age: []\n";
    assert!(matches!(sops(shared, &identity()), Err(ImportError::Shared)));
    assert!(identities(Path::new("k"), "# nothing\n").is_err());
}

#[test]
fn a_whole_age_file_is_read_and_a_torn_one_is_not() {
    let expected = [("github.token", "ghp_from-age-0123456789"), ("slack", "xoxb-from-age 0123456789")];
    assert_eq!(shown(&age(WHOLE, &identity()).unwrap()), expected);
    assert!(matches!(age(WHOLE, &[Identity::generate()]), Err(ImportError::NoIdentity)));
    for torn in [&WHOLE[..WHOLE.len() / 2], b"", b"slack: value"] {
        assert!(age(torn, &identity()).is_err());
    }
}

#[test]
fn a_document_with_two_meanings_is_refused_without_its_content() {
    for text in [
        "a: hunter2\na: hunter2\n",
        "a: &x hunter2\nb: *x\n",
        "a: !!str hunter2\n",
        "- hunter2\n",
        "hunter2",
        "",
        "a: 'hunter2\n",
        "a: hunter2\n---\na: hunter2\n",
        r#"{"a":"hunter2","a":"hunter2"}"#,
        r#"{"a":"hunter2"} hunter2"#,
        r#"{"a":hunter2}"#,
    ] {
        let Err(error) = tree::read(text) else { panic!("taken: {text}") };
        assert!(!error.to_string().contains("hunter2"), "{text}: {error}");
    }
}

#[test]
fn variables_are_taken_where_every_reader_agrees_and_refused_by_line_elsewhere() {
    let text = "# a comment\n\nexport A=plain\nB='with # and $ and space'\nC=\"with space\"\n";
    let values = variables(text).unwrap();
    assert_eq!(shown(&values), [("A", "plain"), ("B", "with # and $ and space"), ("C", "with space")]);
    for line in [
        "A=hunter2 b",
        "A=$hunter2",
        "A=\"hunter2\\n\"",
        "A=hunter2 # no",
        "hunter2",
        "1A=hunter2",
        "A='hunter2",
    ] {
        let Err(error) = variables(&format!("\n{line}\n")) else { panic!("taken: {line}") };
        assert!(
            error.to_string().starts_with("line 2:") && !error.to_string().contains("hunter2"),
            "{error}"
        );
    }
}
