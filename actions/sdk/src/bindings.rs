//! The bindings of world `action`, generated from `wit/action.wit`.

wit_bindgen::generate!({
    path: "../wit",
    world: "action",
    pub_export_macro: true,
    export_macro_name: "export_component",
    default_bindings_module: "latchgate_action::bindings",
});
