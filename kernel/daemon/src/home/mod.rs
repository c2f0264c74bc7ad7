//! What a gate keeps on disk: where it lies, who may read it, and keys.

pub mod files;
pub mod group;
pub mod keys;
pub mod places;
