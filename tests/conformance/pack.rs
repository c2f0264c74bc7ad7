//! The actions that the suite asks for by name, as far as a gate's actions can be what it asks for.

use latchgate_tests::{Gate, Upstream, guest, tick};

/// Done at once.
const DONE: [&str; 2] = ["test_simple_text", "greet"];
/// Held for a person: with them the suite sees questions.
const HELD: [&str; 2] =
    ["test_input_required_result_request_state", "test_input_required_result_tampered_state"];
/// Held too, for the scenarios that are run on their own.
const APART: [&str; 2] = ["test_input_required_result_elicitation", "slow_compute"];
const CONFIG: &str = "[egress]\ndangerous_loopback = true\n";
const FAILS: &str = "test_error_handling";
/// Arguments that the suite gives to some of them, beside the one that every guest of a test takes.
const ARGUMENTS: &str = "
    name: { type: string, maxLength: 100 }
    label: { type: string, maxLength: 100 }
    seconds: { type: integer, minimum: 0, maximum: 1000 }
response_schema:";

/// Runs so long that there are three signs of life.
const SLOW: &str = "test_tool_with_progress";
const SLOW_MS: u32 = 6_000;

/// A gate for whole revisions, and the service that keeps `SLOW` waiting.
pub fn gate(upstream: &Upstream) -> Gate {
    with(&HELD, Some(upstream))
}

/// A gate for the scenarios that are run on their own: what they ask for differs from what others want by the same name.
pub fn apart() -> Gate {
    with(&APART, None)
}

fn with(held: &[&str], upstream: Option<&Upstream>) -> Gate {
    let builder = Gate::builder().config(CONFIG).policy(&policy(held)).root_file("files/a", "a");
    let builder = upstream.iter().fold(builder, |builder, upstream| {
        builder.manifest(&format!("{SLOW}.yaml"), &slow(&upstream.url("/")))
    });
    let (innocent, failing) = (guest::innocent(), failing());
    let actions = DONE.iter().chain(held).map(|name| (*name, &innocent)).chain([(FAILS, &failing)]);
    let laid = actions.fold(builder, |builder, (name, module)| {
        let manifest = guest::manifest(name, module, &[]).replacen("\nresponse_schema:", ARGUMENTS, 1);
        builder.manifest(&format!("{name}.yaml"), &manifest).beside_manifests(&format!("{name}.wasm"), module)
    });
    laid.start()
}

/// One request to a service that does not answer, given up by the gate.
fn slow(url: &str) -> String {
    let manifest = tick::manifest()
        .replace("action_id: tick", &format!("action_id: {SLOW}"))
        .replace("  required: [url, number]\n", "")
        .replace("url: \"{url}\"", &format!("url: \"{url}\""))
        // A read: after a change that may have happened, the same call is not made again.
        .replace("class: send", "class: read")
        .replace("method: POST", "method: GET")
        .replace("methods: [POST]", "methods: [GET]")
        .replace("\n  body: { number: \"{number}\" }", "")
        .replace("\n      body: { text: '{\"number\":1}' }", "")
        .replace("domains: [\"*\"]", "domains: [127.0.0.1]")
        .replace("https://example.com/effect", url);
    format!("{manifest}limits:\n  time_ms: {SLOW_MS}\n")
}

/// Ends in a trap, which is the action's failure.
fn failing() -> Vec<u8> {
    guest::component("", "(call $list) (unreachable)")
}

fn policy(held: &[&str]) -> String {
    let held: Vec<String> = held.iter().map(|name| format!("Action::\"{name}\"")).collect();
    let held = held.join(", ");
    format!(
        "@id(\"held\")\n@ask(\"a person decides\")\npermit (principal, action in [{held}], resource);\n\
         @id(\"done\")\npermit (principal, action, resource) unless {{ action in [{held}] }};\n"
    )
}
