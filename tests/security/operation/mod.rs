//! What a hostile or unlucky surrounding does to the running gate: disks, connections, slow services, signals.

mod clock_steps;
mod connections;
mod ending;
mod full_disk;
mod other_users;
mod project_files;
mod slow_service;
mod two_gates;
