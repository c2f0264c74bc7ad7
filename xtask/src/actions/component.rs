//! From a core module to a component, and what a component says of itself.

use anyhow::{Context, Result, bail, ensure};
use wit_component::{ComponentEncoder, DecodedWasm, WitPrinter};
use wit_parser::{Resolve, WorldId, WorldItem};

/// Every import of a shipped guest is an interface of this package.
const PACKAGE: &str = "latchgate:action/";
const EXPORT: &str = "run";

/// The validated component around a core module that carries its component type (wit-bindgen puts it there).
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
