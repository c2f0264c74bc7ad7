//! Edits of texts: what is set, what is kept, what is refused.

use super::*;
use crate::install::entry::{Launch, Shape};

const JSON: Servers = Servers { format: Format::Json, path: &["mcpServers"] };
const JSON5: Servers = Servers { format: Format::Json5, path: &["mcp", "servers"] };
const TOML: Servers = Servers { format: Format::Toml, path: &["mcp_servers"] };
const YAML: Servers = Servers { format: Format::Yaml, path: &["mcp_servers"] };

fn entry() -> Item {
    Shape::Bare.entry(&Launch { command: "/b/mcp".into(), args: vec!["serve".into()], agent_id: "x".into() })
}

/// Sets the entry twice and takes it out again: the text with it.
#[track_caller]
fn check(servers: Servers, before: &str) -> String {
    let set = servers.set(before, &entry()).unwrap();
    assert_eq!(servers.entry(&set).unwrap(), Some(entry().value()), "{set}");
    assert_eq!(servers.set(&set, &entry()).unwrap(), set, "not the same a second time");
    let removed = servers.remove(&set).unwrap().unwrap();
    assert_eq!(servers.entry(&removed).unwrap(), None);
    assert_eq!(servers.remove(&removed).unwrap(), None);
    set
}

#[track_caller]
fn refused(servers: Servers, text: &str, why: &str) {
    for result in [servers.set(text, &entry()).map(Some), servers.remove(text)] {
        let Err(Refusal(said)) = result else { panic!("{text:?} was edited: {result:?}") };
        assert!(said.contains(why), "{said}");
    }
}

#[test]
fn a_new_json_file_is_laid_out_as_people_do() {
    let expected = r#"{
  "mcpServers": {
    "latchgate": {
      "command": "/b/mcp",
      "args": ["serve"],
      "env": {
        "LATCHGATE_AGENT_ID": "x"
      }
    }
  }
}
"#;
    assert_eq!(check(JSON, ""), expected);
    assert_eq!(check(JSON, " \n").trim(), expected.trim());
}

#[test]
fn comments_order_indentation_and_line_breaks_of_json_are_kept() {
    let before = "// mine\r\n{\r\n\t\"z\": 1, // last\r\n\t\"mcpServers\": {\r\n\t\t/* other */ \"o\": { \"command\": \"o\" },\r\n\t},\r\n\t\"a\": [1,2]\r\n}\r\n";
    let set = check(JSON, before);
    for kept in [
        "// mine\r\n",
        "\t\"z\": 1, // last\r\n",
        "/* other */ \"o\": { \"command\": \"o\" },\r\n",
        "\"a\": [1,2]\r\n}\r\n",
    ] {
        assert!(set.contains(kept), "{kept:?} in {set}");
    }
    assert!(!set.replace("\r\n", "").contains('\n'), "{set:?}");
    assert!(set.contains("\r\n\t\t\"latchgate\": {\r\n\t\t\t\"command\""), "{set}");
}

#[test]
fn a_byte_order_mark_stays_in_front() {
    let set = check(JSON, "\u{FEFF}{ \"a\": 1 }");
    assert!(set.starts_with("\u{FEFF}{"), "{set:?}");
}

#[test]
fn json5_keeps_its_ways() {
    let before = "{\n  // gateway\n  gateway: { port: 0x10, bind: 'loopback', },\n  mcp: { servers: { 'docs': { command: 'd' } } },\n}\n";
    let set = check(JSON5, before);
    assert!(
        set.contains("gateway: { port: 0x10, bind: 'loopback', }")
            && set.contains("'docs': { command: 'd' }"),
        "{set}"
    );
    refused(JSON, before, "not valid JSON");
}

#[test]
fn an_entry_that_is_there_is_replaced_in_its_place() {
    let before = "{\"mcpServers\": {\"latchgate\": {\"url\": \"http://x\"}, \"b\": {}}}";
    let set = check(JSON, before);
    assert!(!set.contains("url") && set.contains("\"b\": {}"), "{set}");
    assert!(set.find("latchgate") < set.find("\"b\""), "{set}");
}

#[test]
fn json_that_cannot_be_edited_safely_is_refused() {
    for (text, why) in [
        ("{", "not valid JSON"),
        ("{\"a\": 1} {\"b\": 2}", "not valid JSON"),
        ("[]", "top level is an array"),
        ("\"x\"", "top level is a string"),
        ("{\"mcpServers\": []}", "`mcpServers` is an array"),
        ("{\"mcpServers\": \"x\"}", "`mcpServers` is a string"),
        (
            "{\"mcpServers\": {\"latchgate\": {}}, \"mcpServers\": {\"latchgate\": {}}}",
            "more than one member `mcpServers`",
        ),
        (
            "{\"mcpServers\": {\"latchgate\": {}, \"latch\\u0067ate\": {}}}",
            "more than one member `latchgate`",
        ),
    ] {
        refused(JSON, text, why);
    }
}

#[test]
fn nesting_without_end_does_not_end_the_process() {
    refused(JSON, &"[".repeat(100_000), "not valid JSON");
    refused(JSON, &"{\"a\":".repeat(100_000), "not valid JSON");
    refused(YAML, &"[".repeat(100_000), "not valid YAML");
    refused(TOML, &format!("a = {}", "[".repeat(100_000)), "not valid TOML");
}

#[test]
fn comments_and_order_of_toml_are_kept() {
    let before =
        "# mine\nmodel = \"m\" # why\n\n[mcp_servers.other] # another\ncommand = 'o'\n\n[z]\nb = 1\n";
    let set = check(TOML, before);
    for line in
        ["# mine", "model = \"m\" # why", "[mcp_servers.other] # another", "command = 'o'", "[z]", "b = 1"]
    {
        assert!(set.lines().any(|found| found == line), "{line} in {set}");
    }
    assert!(set.contains("[mcp_servers.latchgate]\ncommand = \"/b/mcp\"\nargs = [\"serve\"]\n"), "{set}");
    assert!(!set.contains("[mcp_servers]\n"), "{set}");
    assert_eq!(TOML.remove(&set).unwrap().unwrap(), before);
}

#[test]
fn toml_tables_in_every_notation_are_understood() {
    for before in [
        "",
        "mcp_servers = {}\n",
        "mcp_servers.other.command = \"o\"\n",
        "[mcp_servers]\n",
        "[mcp_servers.latchgate]\nurl = \"u\"\n",
    ] {
        let set = check(TOML, before);
        assert!(!set.contains("url"), "{set}");
    }
}

#[test]
fn toml_that_cannot_be_edited_safely_is_refused() {
    for (text, why) in [
        ("a = ", "not valid TOML"),
        ("a = 1\na = 2\n", "not valid TOML"),
        ("mcp_servers = 1\n", "`mcp_servers` is a number"),
        ("[[mcp_servers]]\nname = \"x\"\n", "`mcp_servers` is an array"),
    ] {
        refused(TOML, text, why);
    }
}

#[test]
fn yaml_lines_are_kept_and_a_block_is_added() {
    let before = "# mine\nmodel: m   # why\nmcp_servers:\n    # the other one\n    other:\n        command: \"o\"\n\n# about the rest\nrest: [1, 2]\n";
    let set = check(YAML, before);
    let expected = "# mine\nmodel: m   # why\nmcp_servers:\n    # the other one\n    other:\n        command: \"o\"\n    latchgate:\n      command: \"/b/mcp\"\n      args: [\"serve\"]\n      env:\n        LATCHGATE_AGENT_ID: \"x\"\n\n# about the rest\nrest: [1, 2]\n";
    assert_eq!(set, expected);
    assert_eq!(YAML.remove(&set).unwrap().unwrap(), before);
}

#[test]
fn yaml_without_servers_or_with_none_takes_the_block() {
    for before in [
        "",
        "a: 1",
        "a: 1\n",
        "mcp_servers: {} # none yet\na: 1\n",
        "mcp_servers:\na: 1\n",
        "mcp_servers: null\n",
        "---\na: 1\r\n",
    ] {
        let set = check(YAML, before);
        assert!(!before.contains("none yet") || set.contains("mcp_servers: # none yet\n"), "{set}");
    }
}

#[test]
fn yaml_that_cannot_be_edited_safely_is_refused() {
    for (text, why) in [
        ("a: [", "not valid YAML"),
        ("- 1\n", "top level is an array"),
        ("mcp_servers: [1]\n", "`mcp_servers` is an array"),
        ("a: 1\n---\nb: 2\n", ""),
    ] {
        refused(YAML, text, why);
    }
    for text in [
        "mcp_servers: { other: { command: o } }\n",
        "{ mcp_servers: { other: { command: o } } }\n",
        "a: |\n  x\nmcp_servers: &s\n  other: { command: o }\nb: *s\n",
    ] {
        assert!(YAML.set(text, &entry()).is_err(), "{text}");
    }
}

#[test]
fn a_block_scalar_that_looks_like_the_servers_is_left_alone() {
    let before = "note: |\n  mcp_servers:\n    other: 1\nmcp_servers:\n  other:\n    command: o\n";
    let set = check(YAML, before);
    assert!(set.starts_with("note: |\n  mcp_servers:\n    other: 1\n"), "{set}");
}
