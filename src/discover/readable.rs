//! Can this process read an instance's memory, and if not, the least that would do.
//!
//! Decided by permission bits and our own rights, without attaching.

use std::fs::File;
use std::io;

use super::account::{Credentials, group_text, owner_or_root, user_text};
use super::instance::{Instance, Readable, Segment};

/// The verdict. `table_known` says whether the kernel's table of segments could be read.
pub(super) fn verdict(
    instance: &Instance,
    credentials: &Credentials,
    table_known: bool,
) -> Readable {
    let blocked = other_namespace(instance)
        .or_else(|| unreadable_maps(instance))
        .or_else(|| no_memory(instance))
        .or_else(|| {
            let mut segments = instance.segments.iter();
            segments.find_map(|s| blocked_segment(s, credentials, table_known))
        })
        .or_else(|| blocked_granule(instance));
    blocked.unwrap_or(Readable::Yes)
}

fn no(permission: bool, cause: String, least_privilege: String) -> Option<Readable> {
    Some(Readable::No {
        cause,
        least_privilege,
        permission,
    })
}

fn other_namespace(instance: &Instance) -> Option<Readable> {
    if instance.same_ipc_namespace() {
        return None;
    }
    let pid = instance.pid;
    let theirs = instance.ipc_namespace.instance.as_deref().unwrap_or("?");
    let own = instance.ipc_namespace.own.as_deref().unwrap_or("?");
    no(
        true,
        format!("it runs in another IPC namespace ({theirs}, ours is {own}), in a container"),
        format!(
            "share the namespace: nsenter --ipc --target {pid} sgascope ..., or run the reader's \
             container with the instance's IPC namespace; or read with --via process-vm as root"
        ),
    )
}

fn unreadable_maps(instance: &Instance) -> Option<Readable> {
    if instance.maps_readable {
        return None;
    }
    let owner = user_text(instance.uid, instance.user.as_deref());
    no(
        true,
        format!(
            "the maps of PMON (pid {}) belong to {owner} and can't be read, so the addresses of \
             its segments are unknown",
            instance.pid
        ),
        format!(
            "run as {}, or give the reader CAP_SYS_PTRACE and CAP_IPC_OWNER",
            owner_or_root(instance.uid, instance.user.as_deref())
        ),
    )
}

fn no_memory(instance: &Instance) -> Option<Readable> {
    let has_granules = instance.granules.iter().any(|g| g.size != Some(0));
    if !instance.segments.is_empty() || has_granules {
        return None;
    }
    no(
        false,
        format!(
            "PMON (pid {}) has no shared memory mapped: the instance is starting or ending",
            instance.pid
        ),
        "try again in a moment".into(),
    )
}

fn blocked_segment(
    segment: &Segment,
    credentials: &Credentials,
    table_known: bool,
) -> Option<Readable> {
    let shmid = segment.shmid;
    if segment.marked_for_removal {
        return no(
            false,
            format!("segment {shmid} is marked for removal: the instance is ending"),
            "start the instance again, then run discover".into(),
        );
    }
    let (Some(mode), Some(uid), Some(gid)) = (segment.mode, segment.uid, segment.gid) else {
        return table_known.then(|| Readable::No {
            cause: format!("segment {shmid} is mapped by PMON, but is not in the kernel's table"),
            least_privilege: "share the instance's IPC namespace: run the reader on the host or \
                              in the container where the instance was started"
                .into(),
            permission: true,
        });
    };
    let uids = [uid, segment.cuid.unwrap_or(uid)];
    let gids = [gid, segment.cgid.unwrap_or(gid)];
    if credentials.may_read_ipc(mode, uids, gids) {
        return None;
    }
    let owner = user_text(uid, segment.user.as_deref());
    let group = group_text(gid, segment.group.as_deref());
    no(
        true,
        format!(
            "segment {shmid} has mode {mode:03o}, owner {owner}, group {group}; we are uid {}",
            credentials.uid
        ),
        rights_advice(mode, &owner_or_root(uid, segment.user.as_deref()), &group),
    )
}

/// The least that lets a stranger attach a segment of this mode. `runner` as by
/// [`owner_or_root`].
pub(super) fn rights_advice(mode: u32, runner: &str, group: &str) -> String {
    if mode & 0o040 != 0 {
        format!("make the reader's user a member of group {group}")
    } else {
        format!(
            "run as {runner}, or give the reader CAP_IPC_OWNER; or set \
             ALLOW_GROUP_ACCESS_TO_SGA=TRUE (12.2 and later, needs a restart) and run as a member \
             of group {group}"
        )
    }
}

fn blocked_granule(instance: &Instance) -> Option<Readable> {
    let mut granules = instance.granules.iter().filter(|g| g.size != Some(0));
    granules.find_map(|granule| {
        let error = File::open(&granule.path).err()?;
        let shown = granule.path.display();
        match error.kind() {
            io::ErrorKind::PermissionDenied => no(
                true,
                format!("{shown} can't be opened: {error}"),
                "run as the file's owner or root, or as a member of its group if its mode lets \
                 the group read"
                    .into(),
            ),
            _ => no(
                false,
                format!("{shown} can't be opened: {error}"),
                "the instance is ending, or has another /dev/shm; run the reader as root on the \
                 host, or in the instance's container"
                    .into(),
            ),
        }
    })
}
