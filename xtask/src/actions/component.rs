//! From a core module to a component, and what a component says of itself.

use anyhow::{Context, Result, bail, ensure};
use wit_component::{ComponentEncoder, DecodedWasm, WitPrinter};
use wit_parser::{Resolve, WorldId, WorldItem};

/// Every import of a shipped guest is an interface of this package.
const PACKAGE: &str = "latchgate:action/";
const EXPORT: &str = "run";

/// The validated component around a core module that carries its component type (wit-bindgen puts it
/// there).
pub fn encode(module: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = ComponentEncoder::default().validate(true).module(module)?;
    encoder.encode()
}

/// The component's world as WIT text: its imports and exports with all their types.
pub fn interface(component: &[u8]) -> Result<String> {
    let (resolve, world) = decode(component)?;
    let package = resolve.worlds[world].package.context("the world has a package")?;
    let nested: Vec<_> = resolve.packages.iter().map(|(id, _)| id).filter(|id| *id != package).collect();
    let mut printer = WitPrinter::default();
    printer.emit_docs(false);
    printer.print(&resolve, package, &nested)?;
    Ok(printer.output.to_string())
}

/// A shipped guest imports nothing but our own interfaces and exports `run` alone.
pub fn ensure_world(component: &[u8]) -> Result<()> {
    let (resolve, world) = decode(component)?;
    let world = &resolve.worlds[world];
    for (key, _) in &world.imports {
        let import = resolve.name_world_key(key);
        ensure!(import.starts_with(PACKAGE), "imports {import}, expected only {PACKAGE}*");
    }
    let exports: Vec<_> =
        world.exports.iter().map(|(key, item)| (resolve.name_world_key(key), item)).collect();
    match exports.as_slice() {
        [(name, WorldItem::Function(_))] if name == EXPORT => Ok(()),
        _ => bail!(
            "exports {:?}, expected only {EXPORT}",
            exports.iter().map(|(name, _)| name).collect::<Vec<_>>()
        ),
    }
}

fn decode(component: &[u8]) -> Result<(Resolve, WorldId)> {
    match wit_component::decode(component)? {
        DecodedWasm::Component(resolve, world) => Ok((resolve, world)),
        DecodedWasm::WitPackage(..) => bail!("a WIT package, expected a component"),
    }
}

#[cfg(test)]
mod tests {
    use wit_component::StringEncoding;

    use super::*;

    /// A core module `(import "bad:pkg/i" "f" (func))`, and one without imports.
    const IMPORTING: &[u8] = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x02\x0f\x01\x09bad:pkg/i\x01f\0\0";
    const EMPTY: &[u8] = b"\0asm\x01\0\0\0";

    fn component(module: &[u8]) -> Vec<u8> {
        let wit = "package bad:pkg; interface i { f: func(); } world w { import i; }";
        let mut resolve = Resolve::default();
        let package = resolve.push_str("bad.wit", wit).unwrap();
        let world = resolve.select_world(&[package], Some("w")).unwrap();
        let mut module = module.to_vec();
        wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
        encode(&module).unwrap()
    }

    #[test]
    fn an_import_or_export_outside_the_world_is_refused() {
        for (module, expected) in [(IMPORTING, "imports bad:pkg/i"), (EMPTY, "exports []")] {
            let error = ensure_world(&component(module)).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn a_shipped_guest_imports_only_what_it_calls() {
        for (name, import) in
            [("http_api", "latchgate:action/http@1.0.0"), ("fs", "latchgate:action/fs@1.0.0")]
        {
            let path = format!("{}/../actions/prebuilt/{name}.wasm", env!("CARGO_MANIFEST_DIR"));
            let (resolve, world) = decode(&std::fs::read(path).unwrap()).unwrap();
            let imports = resolve.worlds[world].imports.keys();
            assert_eq!(imports.map(|key| resolve.name_world_key(key)).collect::<Vec<_>>(), [import]);
        }
    }
}
