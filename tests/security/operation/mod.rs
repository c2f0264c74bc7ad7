//! What a hostile or unlucky surrounding does to the running gate: disks, connections, clocks, other users, signals.

mod full_disk;
