//! Guests of a test's own: components written as text, and manifests of actions that they execute.

use latchgate_wire::digest::Digest;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{Resolve, UnresolvedPackageGroup};

use crate::binary::workspace;
use crate::builder::GateBuilder;

/// The imports that a guest of an fs action may have.
pub const FS: &str = r#"(import "latchgate:action/fs@1.0.0" "perform" (func $fs (param i32 i32)))"#;
/// One that its manifest does not declare.
pub const HTTP: &str = r#"(import "latchgate:action/http@1.0.0" "perform" (func $http (param i32 i32)))"#;

/// A component whose `run` is `body`, over four pages of memory with the text `{"n":1}` at 16 and
///
/// - `$list`: performs the planned listing
/// - `$ok`: returns `{"n":1}`
/// - `$say ptr len`: returns that text as the output
/// - `$i`: a local, an i32
/// - `fields`: whatever else stands in the module; imports first
///
/// # Panics
/// If it is no text of a module.
pub fn component(fields: &str, body: &str) -> Vec<u8> {
    encode(&format!(
        r#"(module
            {FS}
            {fields}
            (memory (export "memory") 4)
            (data (i32.const 16) "{{\22n\22:1}}")
            (global $free (mut i32) (i32.const 65536))
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (global.get $free)
                (global.set $free (i32.and (i32.add (global.get $free) (i32.add (local.get 3) (i32.const 7))) (i32.const -8))))
            (func $list (call $fs (i32.const 0) (i32.const 1024)))
            (func $say (param i32 i32) (result i32)
                (i32.store (i32.const 0) (i32.const 0))
                (i32.store (i32.const 4) (local.get 0))
                (i32.store (i32.const 8) (local.get 1))
                (i32.const 0))
            (func $ok (result i32) (call $say (i32.const 16) (i32.const 7)))
            (func (export "run") (param i32 i32) (result i32) (local $i i32) {body}))"#
    ))
}

/// Lists as planned, and returns this text.
pub fn saying(output: &str) -> Vec<u8> {
    let bytes: String = output.bytes().map(|byte| format!("\\{byte:02x}")).collect();
    let data = format!("(data (i32.const 2048) \"{bytes}\")");
    component(&data, &format!("(call $list) (call $say (i32.const 2048) (i32.const {}))", output.len()))
}

/// Does what is planned and nothing else.
pub fn innocent() -> Vec<u8> {
    component("", "(call $list) (call $ok)")
}

fn encode(core: &str) -> Vec<u8> {
    let mut module = wat::parse_str(core).unwrap_or_else(|error| panic!("{error}"));
    let path = workspace().join("actions/wit/action.wit");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut resolve = Resolve::default();
    let package = resolve.push_group(UnresolvedPackageGroup::parse("action.wit", &text).unwrap()).unwrap();
    let world = resolve.select_world(&[package], None).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().module(&module).unwrap().encode().unwrap()
}

/// An action that lists the directory `files`, executed by the module `{action_id}.wasm`. Its argument `n` tells one call from another; its
/// output is an object with a number `n` and no more. `limits` are lines of YAML; without one for
/// fuel there is as much as there can be.
pub fn manifest(action_id: &str, module: &[u8], limits: &[&str]) -> String {
    let enough = (!limits.iter().any(|line| line.starts_with("fuel:"))).then_some("fuel: 10000000000");
    let limits: String = limits.iter().copied().chain(enough).map(|line| format!("  {line}\n")).collect();
    include_str!("guest.yaml")
        .replace("ACTION", action_id)
        .replace("DIGEST", &Digest::of(module).to_string())
        .replace("LIMITS\n", &limits)
}

/// The action and its module, put in a gate's home.
#[must_use]
pub fn install(gate: GateBuilder, action_id: &str, module: &[u8], limits: &[&str]) -> GateBuilder {
    gate.manifest(&format!("{action_id}.yaml"), &manifest(action_id, module, limits))
        .beside_manifests(&format!("{action_id}.wasm"), module)
}
