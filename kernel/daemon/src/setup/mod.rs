//! From the files of a home to a gate that listens.

pub mod init;
pub mod service_home;
pub mod start;

pub mod leftovers;
pub mod prepare;

pub mod allowlist;
pub mod loading;
pub mod policies;
pub mod reload;

pub mod builtin;
pub mod presets;
