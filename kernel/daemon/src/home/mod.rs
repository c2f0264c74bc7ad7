//! What a gate keeps on disk: where it lies, who may read it, configuration and keys.

pub mod config;
pub mod files;
pub mod keys;
pub mod places;
pub mod settings;
