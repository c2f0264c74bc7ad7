//! WASI for components of other languages, with nothing in it: no arguments, environment, files or sockets; standard streams
//! that are empty. Clocks and randomness are there, because such components do not start without.

use wasmtime::component::Linker;
use wasmtime_wasi::cli::{WasiCli, WasiCliView as _};
use wasmtime_wasi::p2::bindings::{cli, random};
use wasmtime_wasi::random::WasiRandom;
use wasmtime_wasi::{ResourceTable, WasiCtx, WasiCtxView, WasiView};

use crate::call::Call;

/// Bytes of randomness for one request of a guest.
const RANDOM_BYTES_MAX: u64 = 64 * 1024;

/// What an import is to WASI.
pub(crate) enum Judged {
    NotWasi,
    /// Linked, and empty.
    Empty,
    Refused(&'static str),
}

pub(crate) fn judge(import: &str) -> Judged {
    let Some(interface) = import.strip_prefix("wasi:") else { return Judged::NotWasi };
    let package = interface.split('/').next().unwrap_or_default();
    match package {
        "cli" | "clocks" | "io" | "random" => Judged::Empty,
        "filesystem" => {
            Judged::Refused("components have no files of their own; plan fs steps in the manifest")
        }
        "sockets" => Judged::Refused("components have no sockets; plan http steps in the manifest"),
        _ => Judged::Refused("of WASI, only cli, clocks, io and random exist here"),
    }
}

/// A guest's WASI state; made when it first asks for something.
pub(crate) struct Wasi {
    ctx: WasiCtx,
    table: ResourceTable,
}

impl Wasi {
    fn empty() -> Self {
        let mut ctx = WasiCtx::builder();
        ctx.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false).max_random_size(RANDOM_BYTES_MAX);
        Self { ctx: ctx.build(), table: ResourceTable::new() }
    }
}

impl WasiView for Call {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let wasi = self.wasi.get_or_insert_with(|| Box::new(Wasi::empty()));
        WasiCtxView { ctx: &mut wasi.ctx, table: &mut wasi.table }
    }
}

/// Files and sockets are left out, not merely empty.
pub(crate) fn link(linker: &mut Linker<Call>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_proxy_interfaces_async(linker)?;
    cli::environment::add_to_linker::<Call, WasiCli>(linker, Call::cli)?;
    cli::exit::add_to_linker::<Call, WasiCli>(linker, Call::cli)?;
    cli::terminal_input::add_to_linker::<Call, WasiCli>(linker, Call::cli)?;
    cli::terminal_output::add_to_linker::<Call, WasiCli>(linker, Call::cli)?;
    cli::terminal_stdin::add_to_linker::<Call, WasiCli>(linker, Call::cli)?;
    cli::terminal_stdout::add_to_linker::<Call, WasiCli>(linker, Call::cli)?;
    cli::terminal_stderr::add_to_linker::<Call, WasiCli>(linker, Call::cli)?;
    random::insecure::add_to_linker::<Call, WasiRandom>(linker, |call| call.ctx().ctx.random())?;
    random::insecure_seed::add_to_linker::<Call, WasiRandom>(linker, |call| call.ctx().ctx.random())
}
