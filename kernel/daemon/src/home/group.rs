//! Groups of this machine, by name or number (group(5)).
//!
//! Only `/etc/group` is asked: what a directory service says of a group could change while the gate runs.

use std::fmt;

use rustix::fs::Gid as RawGid;

const GROUP_FILE: &str = "/etc/group";

/// A group's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gid(RawGid);

#[derive(Debug, thiserror::Error)]
pub enum GroupError {
    #[error("{GROUP_FILE}: {0}")]
    Unreadable(std::io::Error),
    #[error("socket.group: there is no group {0} in {GROUP_FILE}; run: groupadd --system {0}")]
    Unknown(String),
    #[error("socket.group: group 0 is root's, whom nothing is kept from; name a group for the agents")]
    Root,
}

impl Gid {
    /// # Errors
    /// No such group, or root's.
    pub fn of(group: &str) -> Result<Self, GroupError> {
        let raw = match group.parse() {
            Ok(number) => number,
            Err(_) => {
                let text = std::fs::read_to_string(GROUP_FILE).map_err(GroupError::Unreadable)?;
                find(&text, group).ok_or_else(|| GroupError::Unknown(group.to_owned()))?
            }
        };
        // The largest number stands for "no group" (chown(2)).
        match raw {
            0 => Err(GroupError::Root),
            u32::MAX => Err(GroupError::Unknown(group.to_owned())),
            raw => Ok(Self(RawGid::from_raw(raw))),
        }
    }

    /// The group of this process.
    #[cfg(test)]
    pub fn own() -> Self {
        Self(rustix::process::getegid())
    }

    pub fn raw(self) -> RawGid {
        self.0
    }
}

impl fmt::Display for Gid {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.0.as_raw())
    }
}

fn find(text: &str, group: &str) -> Option<u32> {
    let mut fields = text.lines().map(|line| line.split(':'));
    fields.find_map(|mut fields| (fields.next() == Some(group)).then(|| fields.nth(1)?.parse().ok())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_found_by_its_whole_name_and_not_by_a_part() {
        let text = "root:x:0:\nagents2:x:1002:a,b\nagents:x:1001:a\nbroken:x\n";
        assert_eq!(find(text, "agents"), Some(1001));
        assert_eq!(find(text, "agent"), None);
        assert_eq!(find(text, "broken"), None);
    }

    #[test]
    fn a_number_needs_no_name_and_root_is_no_group_for_agents() {
        assert_eq!(Gid::of("1234").unwrap().to_string(), "1234");
        for group in ["0", "root", "4294967295"] {
            assert!(Gid::of(group).is_err(), "{group}");
        }
    }
}
