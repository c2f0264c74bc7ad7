//! The systemd unit (systemd.exec(5), systemd.service(5)).

use std::path::Path;

use super::layout::AccountName;

/// The whole file. Every directive that is off on purpose says why.
pub fn text(executable: &Path, user: &AccountName, group: &AccountName) -> String {
    UNIT.replace("@EXECUTABLE@", &escaped(executable))
        .replace("@USER@", user.as_str())
        .replace("@GROUP@", group.as_str())
}

/// `%` begins a specifier, `$` a variable, and white space ends a word (systemd.syntax(7)).
fn escaped(path: &Path) -> String {
    let text = path.display().to_string().replace('\\', "\\\\").replace('"', "\\\"");
    let text = text.replace('%', "%%").replace('$', "$$");
    if text.contains(char::is_whitespace) { format!("\"{text}\"") } else { text }
}

const UNIT: &str = "\
# Written by `latchgate service install`. Local changes: systemctl edit latchgate

[Unit]
Description=latchgate, a gate between AI agents and the world
After=network-online.target
Wants=network-online.target

[Service]
Type=notify
ExecStart=@EXECUTABLE@ serve --config /etc/latchgate/latchgate.toml
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
RestartSec=2
# Longer than `gate.drain_s`: running calls end first.
TimeoutStopSec=90

User=@USER@
# To give the agents' socket to the group that may call.
SupplementaryGroups=@GROUP@
UMask=0077
RuntimeDirectory=latchgate
RuntimeDirectoryMode=0755
StateDirectory=latchgate
StateDirectoryMode=0700
ConfigurationDirectory=latchgate
ConfigurationDirectoryMode=0700

# File actions work below `fs.root` of latchgate.toml, which the service must be let see and write:
#   systemctl edit latchgate, then
#   [Service]
#   BindPaths=/srv/project
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectProc=invisible
ProtectClock=yes
ProtectHostname=yes
ProtectControlGroups=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes

NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
RemoveIPC=yes
KeyringMode=private
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
LimitCORE=0
LimitNOFILE=65536

# Off on purpose:
# MemoryDenyWriteExecute: actions are WebAssembly, which is compiled to machine code while the gate runs.
# PrivateUsers: callers are known by their uid, which a user namespace of our own would hide.
# PrivateNetwork: actions call services.

[Install]
WantedBy=multi-user.target
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_one_word_and_expands_to_nothing() {
        for (path, expected) in [
            ("/usr/bin/latchgate", "/usr/bin/latchgate"),
            ("/opt/my gate/x", "\"/opt/my gate/x\""),
            ("/a%n/$b", "/a%%n/$$b"),
        ] {
            assert_eq!(escaped(Path::new(path)), expected);
        }
    }

    #[test]
    fn every_placeholder_is_filled() {
        let (user, group) = ("gate".parse().unwrap(), "agents".parse().unwrap());
        let unit = text(Path::new("/usr/bin/latchgate"), &user, &group);
        assert!(unit.contains("User=gate\n") && unit.contains("SupplementaryGroups=agents\n"), "{unit}");
        for line in unit.lines().filter(|line| !line.starts_with("SystemCallFilter")) {
            assert!(!line.contains('@'), "{line}");
        }
    }
}
