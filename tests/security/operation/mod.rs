//! What a hostile or unlucky surrounding does to the running gate: disks, connections, slow services, signals.

mod connections;
mod full_disk;
