//! Tests with stand-ins of `/proc`.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::doctor::{Verdict, diagnose_under};
use super::*;
use crate::memory::TargetAddr;

/// The shared memory part of the maps of a 19.3 PMON, among other lines.
const MAPS_19: &str = "\
00400000-16ee3000 r-xp 00000000 fc:00 69027890                           /opt/oracle/product/19c/dbhome_1/bin/oracle
17a6e000-17abb000 rw-p 00000000 00:00 0                                  [heap]
60000000-60001000 r--s 00000000 00:01 2                                  /SYSV00000000 (deleted)
60001000-608b9000 rw-s 00001000 00:01 2                                  /SYSV00000000 (deleted)
68000000-9c8000000 rw-s 00000000 00:01 3                                 /SYSV00000000 (deleted)
9c8000000-9cf747000 rw-s 00000000 00:01 4                                /SYSV00000000 (deleted)
9d0000000-9d0007000 rw-s 00000000 00:01 5                                /SYSV43b375cc (deleted)
7f8431f5b000-7f8431fbb000 rw-p 00000000 00:00 0 
ffffffffff600000-ffffffffff601000 r-xp 00000000 00:00 0                  [vsyscall]
";

const SHM_HEADER: &str = "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime      ctime                   rss                  swap\n";

const BOOT: i64 = 1_700_000_000;

/// A stand-in of `/proc` and `/dev/shm`.
struct Fake {
    folder: tempfile::TempDir,
    shm: String,
}

impl Fake {
    fn new() -> Fake {
        let fake = Fake {
            folder: tempfile::tempdir().unwrap(),
            shm: SHM_HEADER.into(),
        };
        fs::create_dir_all(fake.path("proc/sysvipc")).unwrap();
        fs::create_dir_all(fake.path("proc/self/ns")).unwrap();
        fs::create_dir(fake.path("shm")).unwrap();
        fake.write("proc/stat", &format!("cpu 1 2 3\nbtime {BOOT}\n"));
        fake.write("proc/sysvipc/shm", SHM_HEADER);
        symlink("ipc:[1]", fake.path("proc/self/ns/ipc")).unwrap();
        fake.rights(0, "0", "000001fffeffffff");
        fake
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        fs::write(self.path(path), text).unwrap();
    }

    fn root(&self) -> ProcRoot {
        ProcRoot {
            proc: self.path("proc"),
            dev_shm: self.path("shm"),
        }
    }

    /// Our own rights.
    fn rights(&self, uid: u32, groups: &str, capabilities: &str) {
        let text = format!(
            "Uid:\t{uid} {uid} {uid} {uid}\nGid:\t{uid} {uid} {uid} {uid}\nGroups:\t{groups} \nCapEff:\t{capabilities}\n"
        );
        self.write("proc/self/status", &text);
    }

    /// A process of uid 54321; without maps.
    fn process(&self, pid: i32, comm: &str, argv: &str) {
        let of = |name: &str| format!("proc/{pid}/{name}");
        fs::create_dir_all(self.path(&of("ns"))).unwrap();
        self.write(&of("comm"), &format!("{comm}\n"));
        self.write(&of("cmdline"), &format!("{argv}\0"));
        self.stat(pid, 'S', 1, 1_000);
        self.write(
            &of("status"),
            "Uid:\t54321\t54321\t54321\t54321\nGid:\t54321\t54321\t54321\t54321\n",
        );
        symlink("ipc:[1]", self.path(&of("ns/ipc"))).unwrap();
    }

    fn stat(&self, pid: i32, state: char, ppid: i32, start: u64) {
        // A command name may hold spaces and brackets.
        let line = format!(
            "{pid} (ora) x ( {state}) {state} {ppid} 1 1 0 -1 4194560 1 0 0 0 1 2 0 0 20 0 1 0 {start} 9 9"
        );
        self.write(&format!("proc/{pid}/stat"), &line);
    }

    fn maps(&self, pid: i32, text: &str) {
        self.write(&format!("proc/{pid}/maps"), text);
    }

    fn segment(&mut self, shmid: i32, key: u32, perms: &str, size: u64, nattch: u32, cpid: i32) {
        self.segment_of(54_321, shmid, key, perms, size, nattch, cpid, size);
    }

    #[allow(clippy::too_many_arguments)]
    fn segment_of(
        &mut self,
        uid: u32,
        shmid: i32,
        key: u32,
        perms: &str,
        size: u64,
        nattch: u32,
        cpid: i32,
        rss: u64,
    ) {
        let key = key as i32;
        let ctime = BOOT + 100;
        self.shm += &format!(
            "{key:10} {shmid:10}  {perms} {size:21} {cpid:5} 7 {nattch:6} {uid} {uid} {uid} {uid} {ctime} {ctime} {ctime} {rss:21} 0\n"
        );
        self.write("proc/sysvipc/shm", &self.shm);
    }

    /// The instance of `MAPS_19` with its segments.
    fn instance_19(&mut self, perms: &str) {
        self.process(4_711, "ora_pmon_ORCLCD", "ora_pmon_ORCLCDB");
        self.maps(4_711, MAPS_19);
        self.write(
            "proc/4711/environ",
            "A=1\0ORACLE_SID=ORCLCDB\0ORACLE_HOME=/opt/oracle/home\0",
        );
        self.segment(2, 0, perms, 9_146_368, 118, 4_000);
        self.segment(3, 0, perms, 40_265_318_400, 59, 4_000);
        self.segment(4, 0, perms, 125_071_360, 59, 4_000);
        self.segment(5, 0x43b3_75cc, perms, 28_672, 59, 4_000);
    }

    fn only(&self) -> Instance {
        let mut found = scan(&self.root());
        assert_eq!(found.len(), 1, "{found:#?}");
        found.remove(0)
    }
}

fn refusal(instance: &Instance) -> (String, String, bool) {
    match &instance.readable {
        Readable::Yes => panic!("readable"),
        Readable::No {
            cause,
            least_privilege,
            permission,
        } => (cause.clone(), least_privilege.clone(), *permission),
    }
}

#[test]
fn maps_lines_of_19_3() {
    let lines: Vec<_> = MAPS_19.lines().map(|l| parse_line(l).unwrap()).collect();
    assert_eq!(lines.len(), 9);
    let fixed = &lines[3];
    assert_eq!((fixed.start, fixed.end), (0x6000_1000, 0x608b_9000));
    assert_eq!((fixed.offset, fixed.inode), (0x1000, 2));
    assert_eq!((fixed.permissions, fixed.device), ("rw-s", "00:01"));
    assert_eq!(fixed.path, "/SYSV00000000 (deleted)");
    assert_eq!(lines[1].path, "[heap]");
    assert_eq!(lines[7].path, "");
    for damaged in [
        "",
        "x",
        "1-2",
        "2-1 r--s 0 00:01 2 /SYSV00000000",
        "1-2 rw 0 0:1 5 /a",
    ] {
        assert_eq!(parse_line(damaged), None, "{damaged}");
    }
}

#[test]
fn an_instance_is_described() {
    let mut fake = Fake::new();
    fake.instance_19("640");
    let found = fake.only();
    assert_eq!((found.sid.as_str(), found.pid), ("ORCLCDB", 4_711));
    assert_eq!(found.kind, InstanceKind::Database);
    assert_eq!(found.started_at, Some(BOOT + 10));
    assert_eq!((found.uid, found.gid), (54_321, 54_321));
    assert_eq!(found.oracle_home, Some("/opt/oracle/home".into()));
    assert_eq!(found.memory_kind(), MemoryKind::Sysv);
    assert_eq!(found.readable, Readable::Yes);
    assert_eq!(found.ipc_namespace.same, Some(true));
    let at: Vec<_> = found
        .segments_at()
        .iter()
        .map(|s| (s.shmid, s.address.0, s.len))
        .collect();
    let expected = [
        (2, 0x6000_0000, 9_146_368),
        (3, 0x6800_0000, 40_265_318_400),
        (4, 0x9_c800_0000, 125_071_360),
        (5, 0x9_d000_0000, 28_672),
    ];
    assert_eq!(at, expected);
    let fixed = &found.segments[0];
    assert_eq!((fixed.mappings, fixed.nattch), (2, Some(118)));
    assert_eq!(fixed.huge_pages, Some(false));
    let homes: Vec<_> = found.executables.iter().map(|e| e.shown.clone()).collect();
    assert_eq!(homes[1], PathBuf::from("/opt/oracle/home/bin/oracle"));
    assert!(!found.executables[1].readable);
    let json = serde_json::to_value(&found).unwrap();
    assert_eq!(json["segments"][3]["key"], "0x43b375cc");
    assert_eq!(json["segments"][3]["address"], "00000009D0000000");
    assert_eq!(json["segments"][3]["mode"], "640");
    assert_eq!(json["readable"]["verdict"], "yes");
}

#[test]
fn all_names_of_pmon_are_known() {
    let fake = Fake::new();
    let names = [
        ("asm_pmon_+ASM1", InstanceKind::Asm, "+ASM1"),
        ("mdb_pmon_-MGMTDB", InstanceKind::Management, "-MGMTDB"),
        ("xe_pmon_XE", InstanceKind::Express, "XE"),
        ("db_pmon_FREE", InstanceKind::Free, "FREE"),
        ("ora_pmon_X_1", InstanceKind::Database, "X_1"),
    ];
    for (pid, (name, _, _)) in (10..).zip(names) {
        fake.process(pid, &name[..name.len().min(15)], name);
    }
    // Not PMON: another process of the instance, one that mentions it, one that has ended, and a
    // child that PMON has just forked.
    fake.process(20, "ora_smon_X_1", "ora_smon_X_1");
    fake.process(21, "grep", "grep\0ora_pmon_X_1");
    fake.process(22, "ora_pmon_DEAD", "");
    fake.stat(22, 'Z', 1, 5);
    fake.process(23, "ora_pmon_X_1", "ora_pmon_X_1");
    fake.stat(23, 'S', 14, 2_000);
    let found = scan(&fake.root());
    let mut got: Vec<_> = found.iter().map(|i| (i.sid.as_str(), i.kind)).collect();
    let mut expected: Vec<_> = names.iter().map(|(_, kind, sid)| (*sid, *kind)).collect();
    got.sort_by_key(|(sid, _)| *sid);
    expected.sort_by_key(|(sid, _)| *sid);
    assert_eq!(got, expected);
}

#[test]
fn a_cut_command_name_is_completed_or_noted() {
    let fake = Fake::new();
    // argv changed by its owner: only the command name tells, and it is cut at 15 bytes.
    fake.process(10, "ora_pmon_ORCLCD", "/usr/bin/something");
    assert_eq!(fake.only().sid, "ORCLCD");
    assert!(
        fake.only()
            .notes
            .iter()
            .any(|n| n.contains("may be longer"))
    );
    fake.write("proc/10/environ", "ORACLE_SID=ORCLCDB\0");
    assert_eq!(fake.only().sid, "ORCLCDB");
}

#[test]
fn huge_pages_are_seen_and_lengths_are_the_segments_own() {
    let mut fake = Fake::new();
    fake.process(10, "ora_pmon_H", "ora_pmon_H");
    fake.maps(
        10,
        "60000000-60c00000 rw-s 00000000 00:0f 7 /SYSV00000000 (deleted)\n\
         70000000-90000000 rw-s 00000000 00:0f 8 /SYSV00000000 (deleted)\n\
         90000000-b0000000 rw-s 00000000 00:11 9 /SYSV0000abcd (deleted)\n\
         b0000000-d0000000 rw-s 00000000 00:05 11 /SYSV00000000 (deleted)\n",
    );
    // Rounded up to 2 MiB; resident bytes counted wrongly; by its device; can't be told.
    fake.segment(7, 0, "600", 9_146_368, 2, 10);
    fake.segment_of(54_321, 8, 0, "600", 512 << 20, 2, 10, 256 << 30);
    fake.segment(9, 0xabcd, "600", 512 << 20, 2, 10);
    fake.segment(11, 0, "600", 512 << 20, 2, 10);
    let found = fake.only();
    let huge: Vec<_> = found.segments.iter().map(|s| s.huge_pages).collect();
    assert_eq!(huge, [Some(true), Some(true), Some(true), None]);
    assert_eq!(found.segments_at()[0].len, 9_146_368);
    assert_eq!(found.segments[0].mapped, 0xc0_0000);
}

#[test]
fn rights_decide_whether_a_segment_is_readable() {
    let mut fake = Fake::new();
    fake.instance_19("640");
    let stranger = "0000000000000000";
    fake.rights(1_000, "10 54321", stranger);
    assert_eq!(fake.only().readable, Readable::Yes);
    fake.rights(54_321, "", stranger);
    assert_eq!(fake.only().readable, Readable::Yes);
    fake.rights(1_000, "10", "0000000000008000");
    assert_eq!(fake.only().readable, Readable::Yes);
    fake.rights(1_000, "10", stranger);
    let (cause, advice, permission) = refusal(&fake.only());
    assert!(permission);
    assert!(cause.contains("segment 2 has mode 640"), "{cause}");
    assert!(cause.contains("uid 54321"), "{cause}");
    assert!(advice.contains("member of group"), "{advice}");
    assert!(!advice.contains("ALLOW_GROUP_ACCESS_TO_SGA"), "{advice}");
}

#[test]
fn mode_600_names_the_parameter() {
    let mut fake = Fake::new();
    fake.instance_19("600");
    fake.rights(1_000, "54321", "0");
    let (_, advice, permission) = refusal(&fake.only());
    assert!(permission);
    assert!(
        advice.contains("ALLOW_GROUP_ACCESS_TO_SGA=TRUE"),
        "{advice}"
    );
}

#[test]
fn without_maps_candidates_are_shown() {
    let mut fake = Fake::new();
    fake.instance_19("600");
    fs::remove_file(fake.path("proc/4711/maps")).unwrap();
    // Of another user; made by a live program of the same user; with nobody attached.
    fake.segment_of(1, 30, 0, "600", 4_096, 2, 9_000, 4_096);
    fake.process(9_001, "java", "java");
    fake.segment(31, 0, "600", 4_096, 2, 9_001);
    fake.segment(32, 0, "600", 4_096, 0, 9_999);
    fake.rights(1_000, "", "0");
    let found = fake.only();
    let shmids: Vec<_> = found.segments.iter().map(|s| s.shmid).collect();
    assert_eq!(shmids, [2, 3, 4, 5]);
    assert!(found.segments.iter().all(|s| s.evidence == Evidence::Owner));
    assert_eq!(found.segments[1].size, Some(40_265_318_400));
    assert!(found.segments_at().is_empty());
    let (cause, advice, permission) = refusal(&found);
    assert!(
        permission && cause.contains("maps of PMON (pid 4711)"),
        "{cause}"
    );
    assert!(advice.contains("CAP_SYS_PTRACE"), "{advice}");
    let error = open_memory_of_the_dead(found);
    assert!(matches!(
        error,
        OpenError::Gone { .. } | OpenError::NoPermission { .. }
    ));
}

/// The pids of stand-ins are nobody's, or another's, on the real host.
fn open_memory_of_the_dead(instance: Instance) -> OpenError {
    open_memory(&instance, Via::Shm).err().unwrap()
}

#[test]
fn another_ipc_namespace_is_not_mixed_with_ours() {
    let mut fake = Fake::new();
    fake.instance_19("640");
    fs::remove_file(fake.path("proc/4711/ns/ipc")).unwrap();
    symlink("ipc:[2]", fake.path("proc/4711/ns/ipc")).unwrap();
    let found = fake.only();
    // The numbers are the other namespace's: what our table says of them is of other segments.
    assert_eq!(found.segments.len(), 4);
    assert!(
        found
            .segments
            .iter()
            .all(|s| s.size.is_none() && s.mode.is_none())
    );
    let (cause, advice, permission) = refusal(&found);
    assert!(permission && cause.contains("ipc:[2]"), "{cause}");
    assert!(advice.contains("nsenter --ipc --target 4711"), "{advice}");
}

#[test]
fn memory_that_goes_away_is_said() {
    let mut fake = Fake::new();
    fake.instance_19("1640");
    let (cause, _, permission) = refusal(&fake.only());
    assert!(
        !permission && cause.contains("marked for removal"),
        "{cause}"
    );
    fake.maps(
        4_711,
        "00400000-16ee3000 r-xp 00000000 fc:00 69027890 /oracle\n",
    );
    let (cause, _, permission) = refusal(&fake.only());
    assert!(!permission && cause.contains("no shared memory"), "{cause}");
}

#[test]
fn orphans_are_told_from_what_lives() {
    let mut fake = Fake::new();
    fake.instance_19("640");
    // Nobody attached, creator gone.
    fake.segment(20, 0, "600", 1_000, 0, 9_000);
    // PostgreSQL: its creator lives.
    fake.process(50, "postgres", "postgres");
    fake.segment_of(26, 21, 0x0052_e2c1, "600", 56, 7, 50, 56);
    // Another program's, whose creator has ended, but that still works with it.
    fake.process(51, "httpd", "httpd");
    fake.maps(
        51,
        "10000-11000 rw-s 00000000 00:01 22 /SYSV00000000 (deleted)\n",
    );
    fake.segment(22, 0, "600", 4_096, 1, 9_001);
    // A server process that outlived its instance, and a reader.
    fake.process(52, "oracle_52_old", "oracleOLD (LOCAL=NO)");
    fake.maps(
        52,
        "60000000-60001000 rw-s 00000000 00:01 23 /SYSV00000000 (deleted)\n",
    );
    fake.process(53, "sgascope", "sgascope");
    fake.maps(
        53,
        "90000-91000 r--s 00000000 00:01 23 /SYSV00000000 (deleted)\n",
    );
    fake.segment(23, 0, "600", 4_096, 2, 9_002);
    // Attached by processes that can't be seen.
    fake.segment(24, 0, "600", 4_096, 2, 9_003);
    // The creator's number was given again, to a process that started after the segment was made.
    fake.process(54, "bash", "bash");
    fake.stat(54, 'S', 1, 1_000_000);
    fake.segment(25, 0, "600", 4_096, 0, 54);
    // Its creator has ended, but wasn't collected yet.
    fake.process(55, "ora_pmon_GONE", "");
    fake.stat(55, 'Z', 1, 10);
    fake.segment(26, 0, "600", 4_096, 0, 55);
    let found = survey(&fake.root());
    let shmids: Vec<_> = found.orphans.iter().map(|o| o.shmid).collect();
    assert_eq!(shmids, [20, 23, 25, 26]);
    assert!(found.orphans[0].why.contains("pid 9000"));
    let why = &found.orphans[1].why;
    assert!(
        why.contains("oracleOLD") && why.contains("sgascope (pid 53)"),
        "{why}"
    );
    assert_eq!(found.instances.len(), 1);
}

#[test]
fn granule_files_are_found_and_orphans_listed() {
    let mut fake = Fake::new();
    fake.process(10, "ora_pmon_A_1", "ora_pmon_A_1");
    fake.maps(
        10,
        "60000000-61000000 rw-s 00000000 00:12 91 /dev/shm/ora_A_1_32770_0\n\
         61000000-61400000 rw-s 00000000 00:12 92 /dev/shm/ora_A_1_32770_1\n\
         61400000-61800000 rw-s 00000000 00:12 93 /dev/shm/ora_A_1_32770_2\n\
         61800000-61801000 rw-s 00000000 00:01 6 /SYSV00001234 (deleted)\n",
    );
    fake.segment(6, 0x1234, "640", 4_096, 1, 10);
    fake.segment(60, 0, "640", 4_096, 0, 9_000);
    fake.segment(61, 0, "640", 8_192, 0, 9_000);
    fake.write("shm/ora_A_1_32770_0", &"x".repeat(4_096));
    fake.write("shm/ora_A_1_32770_1", "");
    fake.write("shm/ora_A_1_32770_2", "yy");
    fake.write("shm/ora_A_1_99_0", "old");
    fake.write("shm/ora_B_7_1", "bb");
    fake.write("shm/ora_B_7_0", "bb");
    fake.write("shm/PostgreSQL.123", "no");
    fake.write("shm/ora_x", "no");
    let found = survey(&fake.root());
    let instance = &found.instances[0];
    assert_eq!(instance.memory_kind(), MemoryKind::DevShm);
    assert_eq!(instance.granules.len(), 3);
    let at = instance.granules_at();
    assert_eq!(at.len(), 2);
    assert_eq!(at[0].path, fake.path("shm/ora_A_1_32770_0"));
    assert_eq!(
        (at[0].address, at[0].len),
        (TargetAddr(0x6000_0000), 0x100_0000)
    );
    assert_eq!(instance.readable, Readable::Yes);
    // Stubs of an instance with granule files are small and nobody is attached to them.
    let shmids: Vec<_> = found.orphans.iter().map(|o| o.shmid).collect();
    assert_eq!(shmids, [61]);
    let files: Vec<_> = found
        .orphan_files
        .iter()
        .map(|f| (f.sid.as_str(), f.id.as_str(), f.files, f.bytes))
        .collect();
    assert_eq!(files, [("A_1", "99", 1, 3), ("B", "7", 2, 4)]);
    assert!(found.orphan_files[1].example.ends_with("ora_B_7_0"));
    fs::remove_file(fake.path("shm/ora_A_1_32770_2")).unwrap();
    let (cause, _, permission) = refusal(&scan(&fake.root())[0]);
    assert!(!permission && cause.contains("ora_A_1_32770_2"), "{cause}");
    fs::remove_file(fake.path("proc/10/maps")).unwrap();
    let notes = scan(&fake.root()).remove(0).notes;
    let seen = "2 granule files with 4096 bytes bear its SID";
    assert!(notes.iter().any(|n| n.contains(seen)), "{notes:?}");
}

#[test]
fn an_empty_or_broken_proc_is_no_instance() {
    let fake = Fake::new();
    let diagnosis = diagnose_under(&fake.root(), None);
    assert_eq!(diagnosis.verdict, Verdict::NoInstance);
    fs::remove_dir_all(fake.path("proc")).unwrap();
    let found = survey(&fake.root());
    assert!(found.instances.is_empty());
    assert_eq!(found.problems.len(), 2, "{:?}", found.problems);
}
