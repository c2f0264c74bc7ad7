//! Settings: one row each, from which come `latchgate.toml`, the environment's variables, and their description.
//!
//! To add a setting, add its row to `settings!` below: meaning, member, type, default and kind. The file's reader, the
//! variable `LATCHGATE_<TABLE>_<MEMBER>`, `config show`, the file of a new home and the reference follow from the row; then
//! print the reference into its file: `latchgate config reference > docs/configuration.md`. What there may be several of is a list
//! of tables with rows of its own (`receivers`). Read in this order: the rows,
//! `table` (what a row is), `kind` (what a value may be), `file` and `environment` (where values are written), `resolve` (which
//! of them holds), `template` and `reference` (how they are described).

mod environment;
mod file;
mod kind;
mod nearest;
mod receivers;
mod reference;
mod resolve;
mod table;
mod template;

use std::net::SocketAddr;
use std::path::PathBuf;

use latchgate_wire::entry::HELD_MAX;

pub use environment::Environment;
pub use kind::Service;
use kind::{AbsolutePath, BaseUrl, Flag, Group, Kind as _, Loopback, Optional, Proxy, Whole};
pub use receivers::NotifySettings;
pub use reference::reference;
pub use resolve::{ConfigError, Given, Origin, Resolved, Setting};
use table::{Row, Table, settings};
pub use template::{template, template_with};

settings! {
    /// The gate as a whole.
    gate: GateSettings {
        /// The gate's canonical URL: what the `htu` of a proof must begin with.
        public_base_url: String = "http://localhost:3000".into(), BaseUrl;
        /// How long running calls may take to end at shutdown, in seconds.
        drain_s: u32 = 30, Whole(1, 600);
        /// Let `latchgate serve` run as root, whom nothing on this machine is kept from.
        dangerous_root: bool = false, Flag;
    }
    /// The agents' Unix socket.
    socket: SocketSettings {
        /// The group whose members may connect: a name in /etc/group, or a number.
        group: Option<String> = None, Optional(Group, "the gate's own user alone");
    }
    /// What agents must prove.
    auth: AuthSettings {
        /// Refuse proofs without a body hash; those that have one are checked either way.
        require_body_hash: bool = false, Flag;
        /// Life of a lease, in seconds.
        lease_ttl_s: u32 = 300, Whole(1, 3600);
    }
    /// Calls that wait for a person.
    approvals: ApprovalSettings {
        /// How long a held call waits for a decision, in seconds.
        ttl_s: u32 = 900, Whole(1, 86_400);
        /// How many calls of one principal may wait for a decision at once; more are refused.
        held_max: u32 = HELD_MAX, Whole(1, 1_000);
    }
    /// Actions on files.
    fs: FsSettings {
        /// The directory below which file actions work.
        root: Option<PathBuf> = None, Optional(AbsolutePath("/srv/project"), "where `up` is started, none for `serve`");
    }
    /// Actions on the network.
    egress: EgressSettings {
        /// Let actions connect to this machine, and by plain http. For development.
        dangerous_loopback: bool = false, Flag;
        /// Certificates (PEM) to trust beside the public roots.
        extra_ca_file: Option<PathBuf> = None, Optional(AbsolutePath("/etc/ssl/private-ca.pem"), "public roots only");
        /// The HTTP proxy through which actions connect, loopback aside; never one from the environment. Where names lead is the proxy's to judge.
        proxy: Option<String> = None, Optional(Proxy, "connect directly");
    }
    /// The agent API on a TCP port.
    http: HttpSettings {
        /// Loopback address and port of the agent API, beside the socket.
        expose: Option<SocketAddr> = None, Optional(Loopback, "on the socket only");
    }
    /// What services want of whoever calls them: `secrets.age`.
    secrets: SecretSettings {
        /// The file, of mode 0600, that holds the passphrase of the store's identity, if that has one.
        passphrase_file: Option<PathBuf> = None, Optional(AbsolutePath("/etc/latchgate/secrets-passphrase"), "asked for on a terminal");
    }
    /// How long arguments, plans and results are kept, by the class of their action; 0 is until somebody forgets them. Entries are kept.
    retention: RetentionSettings {
        /// Of actions that read, in seconds.
        read_s: u32 = 0, Whole(0, 3_153_600_000);
        /// Of actions that write, in seconds.
        write_s: u32 = 0, Whole(0, 3_153_600_000);
        /// Of actions that send, in seconds.
        send_s: u32 = 0, Whole(0, 3_153_600_000);
        /// Of actions that execute, in seconds.
        execute_s: u32 = 0, Whole(0, 3_153_600_000);
        /// Of actions that submit, in seconds.
        submit_s: u32 = 0, Whole(0, 3_153_600_000);
        /// Of actions that transfer value, in seconds.
        transfer_value_s: u32 = 0, Whole(0, 3_153_600_000);
    }
    /// How much one principal may ask.
    limits: LimitSettings {
        /// Calls a second for each principal; twice as many at once.
        calls_per_s: u32 = 5_000, Whole(1, 1_000_000);
        /// Leases a second for each principal; twenty times as many at once.
        leases_per_s: u32 = 50, Whole(1, 1_000_000);
    }
}
