//! The world `action` from the host's side, generated from `actions/wit/action.wit`.

wasmtime::component::bindgen!({
    path: "../../actions/wit",
    world: "action",
    imports: {
        "latchgate:action/log.write": trappable,
        default: async | trappable,
    },
    exports: { default: async },
});

pub(crate) use latchgate::action::{fs, http, log};
