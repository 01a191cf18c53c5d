//! Tests with a live stand-in of PMON.

use std::process::{Command, Stdio};

use super::doctor::{Outcome, Verdict, diagnose};
use super::*;
use crate::memory::TargetAddr;
use crate::memory::testing::{Owner, as_other_user, nattch, other_user_value};

fn live(sid: &str) -> Instance {
    let mut found = scan(&ProcRoot::default());
    found.retain(|i| i.sid == sid);
    assert_eq!(found.len(), 1);
    found.remove(0)
}

#[test]
fn a_live_instance_is_found_opened_and_watched() {
    let at = [(0x6000_0000, 65_536), (0x6800_0000, 8_192)];
    let mut owner = Owner::start("ora_pmon_MMLIVE1", "600", &at);
    let instance = live("MMLIVE1");
    assert_eq!(instance.pid, owner.pid());
    assert_eq!(instance.oracle_sid.as_deref(), Some("MMLIVE1"));
    assert_eq!(instance.segments_at(), owner.segments);
    assert_eq!(instance.segments[0].mappings, 2);
    assert_eq!(instance.segments[0].huge_pages, Some(false));
    assert_eq!(instance.readable, Readable::Yes);
    assert!(instance.executables[0].readable);
    owner.poke(4_096, 77);
    let fixed = owner.segments[0].shmid;
    let before = nattch(fixed);
    for via in [Via::Shm, Via::ProcessVm] {
        let space = open_memory(&instance, via).unwrap();
        assert_eq!(space.read_u64(TargetAddr(0x6000_1000)).unwrap(), 77);
        let attached = u64::from(via == Via::Shm);
        assert_eq!(nattch(fixed), before + attached);
        drop(space);
        assert_eq!(nattch(fixed), before);
    }
    let mut watch = Watch::new(&instance);
    assert_eq!(watch.check(), Ok(()));
    owner.mark();
    assert_eq!(watch.check(), Err(Gone::SegmentMarked { shmid: fixed }));
    let refused = open_memory(&instance, Via::Shm).err().unwrap();
    assert!(matches!(refused, OpenError::Gone { .. }), "{refused}");
    let diagnosis = diagnose(Some("MMLIVE1"));
    assert_eq!(diagnosis.verdict, Verdict::NoInstance, "{diagnosis:#?}");
}

#[test]
fn a_live_instance_of_granule_files_is_read() {
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    let owner = Owner::start("ora_pmon_MMGRA", "600", &[(0x6800_0000, 8_192)]);
    let mut instance = live("MMGRA");
    // The owner maps no files: what is mapped where is put in here.
    for (number, address) in [(0, 0x7000_0000), (1, 0x7000_2000), (2, 0x7000_4000)] {
        let path = folder.path().join(format!("ora_MMGRA_1_{number}"));
        let size = if number == 2 { 0 } else { 8_192 };
        std::fs::write(&path, vec![number + 1; size]).unwrap();
        instance.granules.push(Granule {
            path,
            address: TargetAddr(address),
            mapped: 8_192,
            file_offset: 0,
            size: Some(size as u64),
        });
    }
    let space = open_memory(&instance, Via::Shm).unwrap();
    assert_eq!(space.kind(), "dev-shm");
    let starts: Vec<u64> = space.regions().iter().map(|r| r.start.0).collect();
    assert_eq!(starts, [0x6800_0000, 0x7000_0000]);
    let across = space.read_u64(TargetAddr(0x7000_1ffc)).unwrap();
    assert_eq!(across, 0x0202_0202_0101_0101);
    assert_eq!(
        space.read_u32(TargetAddr(0x6800_0001)).unwrap(),
        0x0403_0201
    );
    drop(space);
    assert_eq!(nattch(owner.segments[0].shmid), 2);
    let space = open_memory(&instance, Via::ProcessVm).unwrap();
    let lengths: Vec<u64> = space.regions().iter().map(|r| r.len).collect();
    assert_eq!(lengths, [8_192, 16_384]);
    instance.granules.clear();
    instance.segments.clear();
    let nothing = open_memory(&instance, Via::Shm).err().unwrap();
    assert!(matches!(nothing, OpenError::Other { .. }), "{nothing}");
}

#[test]
fn the_death_of_pmon_is_noticed_and_leaves_orphans() {
    let mut owner = Owner::start("ora_pmon_MMDIE", "600", &[(0x6000_0000, 8_192)]);
    let instance = live("MMDIE");
    let pid = owner.pid();
    let mut watch = Watch::new(&instance);
    let mut other = instance.clone();
    other.start_ticks += 1;
    assert_eq!(Watch::new(&other).check(), Err(Gone::PidReused { pid }));
    owner.kill();
    assert_eq!(watch.check(), Err(Gone::PmonGone { pid }));
    owner.collect();
    assert_eq!(watch.check(), Err(Gone::PmonGone { pid }));
    let found = survey(&ProcRoot::default());
    assert!(found.instances.iter().all(|i| i.sid != "MMDIE"));
    let shmid = owner.segments[0].shmid;
    let orphan = found.orphans.iter().find(|o| o.shmid == shmid).unwrap();
    assert_eq!((orphan.nattch, orphan.cpid), (0, pid));
    let error = open_memory(&instance, Via::Shm).err().unwrap();
    assert!(matches!(error, OpenError::Gone { .. }));
}

#[test]
fn a_removed_segment_is_noticed() {
    // A live process, and a segment that is not there.
    let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    let owner = Owner::start("ora_pmon_MMREM", "600", &[(0x6000_0000, 8_192)]);
    let mut instance = live("MMREM");
    let shmid = instance.segments[0].shmid;
    instance.segments[0].size = Some(1);
    let reused = Watch::new(&instance).check();
    assert_eq!(reused, Err(Gone::SegmentRemoved { shmid }));
    drop(owner);
    instance.pid = child.id() as i32;
    let stat = ProcRoot::default().stat(instance.pid).unwrap();
    instance.start_ticks = stat.start_ticks;
    let removed = Watch::new(&instance).check();
    assert_eq!(removed, Err(Gone::SegmentRemoved { shmid }));
    drop(child.stdin.take());
    child.wait().unwrap();
}

#[test]
fn doctor_attaches_and_says_what_stands_in_the_way() {
    if let Some(sid) = other_user_value() {
        let diagnosis = diagnose(Some(&sid));
        assert_eq!(diagnosis.verdict, Verdict::NoPermission);
        let failed: Vec<_> = diagnosis
            .findings
            .iter()
            .filter(|f| f.outcome == Outcome::Fail)
            .collect();
        assert!(failed.iter().any(|f| f.check == "maps"), "{failed:#?}");
        // Segments of other tests are candidates too, of other modes.
        let advised = failed
            .iter()
            .any(|f| f.check == "segment" && f.advice.contains("ALLOW_GROUP_ACCESS_TO_SGA"));
        assert!(advised, "{failed:#?}");
        let instance = live(&sid);
        assert!(!instance.maps_readable && !instance.segments.is_empty());
        let error = open_memory(&instance, Via::Shm).err().unwrap();
        assert!(matches!(error, OpenError::NoPermission { .. }), "{error}");
        let error = open_memory(&instance, Via::ProcessVm).err().unwrap();
        assert!(matches!(error, OpenError::NoPermission { .. }), "{error}");
        return;
    }
    let owner = Owner::start("ora_pmon_MMDOC", "600", &[(0x6000_0000, 8_192)]);
    let before = nattch(owner.segments[0].shmid);
    let diagnosis = diagnose(Some("MMDOC"));
    assert_eq!(diagnosis.verdict, Verdict::Ok, "{diagnosis:#?}");
    let checks: Vec<_> = diagnosis.findings.iter().map(|f| f.check).collect();
    for check in [
        "instances",
        "namespace",
        "maps",
        "segment",
        "pages",
        "executable",
    ] {
        assert!(checks.contains(&check), "{check} missing in {checks:?}");
    }
    assert_eq!(nattch(owner.segments[0].shmid), before);
    assert_eq!(diagnose(Some("MMNONE")).verdict, Verdict::NoInstance);
    as_other_user(
        "discover::live_tests::doctor_attaches_and_says_what_stands_in_the_way",
        "MMDOC",
    );
}
