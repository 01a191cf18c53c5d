//! Names of users and groups, and what this process may do.

use std::path::Path;

use nix::unistd::{Gid, Group, Uid, User};

/// Bit of `CapEff` in `/proc/self/status`: overrides the permission bits of SysV IPC
/// (capabilities(7)).
const CAP_IPC_OWNER: u32 = 15;
/// Bit of `CapEff`: may inspect any process (capabilities(7)).
const CAP_SYS_PTRACE: u32 = 19;

/// The name of a user, if it has one.
pub(super) fn user_name(uid: u32) -> Option<String> {
    User::from_uid(Uid::from_raw(uid)).ok()?.map(|u| u.name)
}

/// The name of a group, if it has one.
pub(super) fn group_name(gid: u32) -> Option<String> {
    Group::from_gid(Gid::from_raw(gid)).ok()?.map(|g| g.name)
}

/// "oracle (uid 54321)", or "uid 54321".
pub(super) fn user_text(uid: u32, name: Option<&str>) -> String {
    match name {
        Some(name) => format!("{name} (uid {uid})"),
        None => format!("uid {uid}"),
    }
}

/// Who may read what `uid` owns: "oracle (uid 54321) or root", or "root".
pub(super) fn owner_or_root(uid: u32, name: Option<&str>) -> String {
    if uid == 0 {
        "root".into()
    } else {
        format!("{} or root", user_text(uid, name))
    }
}

/// "oinstall (gid 54321)", or "gid 54321".
pub(super) fn group_text(gid: u32, name: Option<&str>) -> String {
    match name {
        Some(name) => format!("{name} (gid {gid})"),
        None => format!("gid {gid}"),
    }
}

/// What a process may do, as `/proc/self/status` has it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Credentials {
    /// Effective user.
    pub uid: u32,
    /// Effective group.
    pub gid: u32,
    /// Further groups.
    pub groups: Vec<u32>,
    /// Effective capabilities, one bit each.
    pub capabilities: u64,
}

impl Credentials {
    /// Reads a `status` file; `None` if it isn't one.
    pub(super) fn read(status: &Path) -> Option<Credentials> {
        Credentials::parse(&std::fs::read_to_string(status).ok()?)
    }

    pub(super) fn parse(status: &str) -> Option<Credentials> {
        let field = |name: &str| {
            status
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        };
        // Real, effective, saved, file system.
        let effective = |name| field(name)?.split_whitespace().nth(1)?.parse().ok();
        Some(Credentials {
            uid: effective("Uid")?,
            gid: effective("Gid")?,
            groups: field("Groups")
                .unwrap_or_default()
                .split_whitespace()
                .filter_map(|g| g.parse().ok())
                .collect(),
            capabilities: field("CapEff")
                .and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
                .unwrap_or(0),
        })
    }

    /// Whether it belongs to group `gid`.
    pub fn in_group(&self, gid: u32) -> bool {
        self.gid == gid || self.groups.contains(&gid)
    }

    /// Whether the permission bits of SysV IPC don't bind it.
    pub fn overrides_ipc(&self) -> bool {
        self.has(CAP_IPC_OWNER)
    }

    /// Whether it may inspect any process.
    pub fn inspects_any(&self) -> bool {
        self.has(CAP_SYS_PTRACE)
    }

    fn has(&self, capability: u32) -> bool {
        self.capabilities >> capability & 1 == 1
    }

    /// The kernel's rule for reading a segment (`ipcperms` in Linux `ipc/util.c`): owner or
    /// creator by the first three bits, else group by the next, else others.
    pub fn may_read_ipc(&self, mode: u32, uids: [u32; 2], gids: [u32; 2]) -> bool {
        let granted = if uids.contains(&self.uid) {
            mode >> 6
        } else if gids.iter().any(|gid| self.in_group(*gid)) {
            mode >> 3
        } else {
            mode
        };
        granted & 0o4 != 0 || self.overrides_ipc()
    }
}
