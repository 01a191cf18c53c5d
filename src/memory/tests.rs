//! Tests of the address spaces, but for core files.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use super::testing::{Numbers, Owner, as_other_user, nattch, other_user_value};
use super::*;

/// Byte i of a test segment.
pub(super) fn byte(index: u64) -> u8 {
    (index % 251) as u8
}

fn spot(offset: u64) -> Spot {
    Spot { region: 0, offset }
}

fn word(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().unwrap())
}

/// Words and bytes at every alignment up to the very end must be those of `expected`.
pub(super) fn assert_reads(space: &dyn AddressSpace, region: u32, expected: &[u8]) {
    let len = expected.len() as u64;
    let starts = (0..24).chain(len.saturating_sub(40)..len);
    for start in starts {
        for count in 0..5u64 {
            let from = Spot { region, offset: 0 };
            let mut bytes = vec![0xEE; count as usize * 7];
            let end = start + bytes.len() as u64;
            let read = space.read_bytes(from, start, &mut bytes);
            if end <= len {
                read.unwrap();
                assert_eq!(bytes, expected[start as usize..end as usize]);
            } else {
                assert_eq!(read.unwrap_err().kind, FaultKind::PastEnd);
            }
            let mut words = vec![0; count as usize];
            let end = start + 8 * count;
            let read = space.read_words(from, start, &mut words);
            if end <= len {
                read.unwrap();
                for (nth, got) in words.iter().enumerate() {
                    let at = start as usize + 8 * nth;
                    assert_eq!(*got, word(&expected[at..at + 8]));
                }
            } else {
                assert_eq!(read.unwrap_err().kind, FaultKind::PastEnd);
            }
        }
    }
}

/// No place, however wrong, does more than fail.
pub(super) fn assert_hostile(space: &dyn AddressSpace) {
    for region in [0, 1, 7, u32::MAX] {
        for offset in [0, 1, u64::MAX - 7, u64::MAX / 2, u64::MAX] {
            for more in [0, 5, u64::MAX] {
                let place = Spot { region, offset };
                let _ = space.read_words(place, more, &mut [0; 3]);
                let _ = space.read_bytes(place, more, &mut [0; 3]);
                let _ = space.read_bytes(place, more, &mut []);
            }
        }
    }
    let mut numbers = Numbers(7);
    for _ in 0..2_000 {
        let addr = TargetAddr(numbers.below(u64::MAX));
        let _ = space.read_u64(addr);
        let _ = space.read(addr, &mut [0; 100]);
    }
    assert_eq!(
        space.read_u64(TargetAddr::NULL).unwrap_err().kind,
        FaultKind::Null
    );
    assert_eq!(
        space.read_u64(TargetAddr(u64::MAX)).unwrap_err().kind,
        FaultKind::Overflow
    );
}

#[test]
fn bytes_space_reads_all_alignments() {
    let expected: Vec<u8> = (0..101).map(byte).collect();
    let space = BytesSpace::new(vec![
        (TargetAddr(0x9000), vec![1; 8]),
        (TargetAddr(0x1000), expected.clone()),
        (TargetAddr(0x2000), vec![]),
    ])
    .unwrap();
    assert_eq!(space.regions().len(), 2);
    assert_reads(&space, 0, &expected);
    assert_hostile(&space);
    let fault = |addr| space.read_u64(TargetAddr(addr)).unwrap_err().kind;
    assert_eq!(fault(0xfff), FaultKind::Unmapped);
    assert_eq!(fault(0x1000 + 94), FaultKind::PastEnd);
    assert_eq!(fault(0x1000 + 101), FaultKind::Unmapped);
    assert_eq!(space.read_u32(TargetAddr(0x1001)).unwrap(), 0x0403_0201);
}

#[test]
fn bytes_space_refuses_overlaps_and_ends_of_the_world() {
    let clash = |pieces| BytesSpace::new(pieces).err().unwrap().at;
    let two = vec![
        (TargetAddr(0x1000), vec![0; 16]),
        (TargetAddr(0x100f), vec![0; 16]),
    ];
    assert_eq!(clash(two), TargetAddr(0x100f));
    let last = TargetAddr(u64::MAX - 3);
    assert_eq!(clash(vec![(last, vec![0; 16])]), last);
}

#[test]
fn sysv_reads_what_the_owner_wrote() {
    let mut owner = Owner::start(
        "mm_reads",
        "600",
        &[(0x6000_0000, 12_299), (0x6800_0000, 4_096)],
    );
    let fixed = owner.segments[0].shmid;
    // The first page is a mapping of its own.
    assert_eq!(nattch(fixed), 2);
    let space = SysvSpace::attach(&owner.segments).unwrap();
    assert_eq!(nattch(fixed), 3);
    assert_eq!(space.kind(), "sysv");
    let starts: Vec<u64> = space.regions().iter().map(|r| r.start.0).collect();
    assert_eq!(starts, [0x6000_0000, 0x6800_0000]);
    let expected: Vec<u8> = (0..12_299).map(byte).collect();
    assert_reads(&space, 0, &expected);
    assert_reads(&space, 1, &expected[..4_096]);
    assert_hostile(&space);
    owner.poke(8_192, 0xdead_beef_0bad_f00d);
    assert_eq!(
        space.read_u64(TargetAddr(0x6000_2000)).unwrap(),
        0xdead_beef_0bad_f00d
    );
    drop(space);
    assert_eq!(nattch(fixed), 2);
}

#[test]
fn sysv_attaches_for_reading_only() {
    let owner = Owner::start("mm_rdonly", "600", &[(0x6000_0000, 8_192)]);
    let space = SysvSpace::attach(&owner.segments).unwrap();
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let inode = owner.segments[0].shmid.to_string();
    let ours: Vec<&str> = maps
        .lines()
        .filter(|l| l.contains("/SYSV") && l.split_whitespace().nth(4) == Some(&inode))
        .collect();
    assert_eq!(ours.len(), 1);
    assert!(ours[0].contains(" r--s "), "{}", ours[0]);
    drop(space);
}

#[test]
fn sysv_refuses_wrong_segments_and_detaches() {
    let owner = Owner::start(
        "mm_wrong",
        "600",
        &[(0x6000_0000, 8_192), (0x6800_0000, 4_096)],
    );
    let second = owner.segments[1].shmid;
    let before = nattch(second);
    let attach = |change: &dyn Fn(&mut Vec<SegmentAt>)| {
        let mut segments = owner.segments.clone();
        segments.reverse();
        change(&mut segments);
        let error = SysvSpace::attach(&segments).err().unwrap();
        assert_eq!(nattch(second), before, "{error}");
        error
    };
    let gone = attach(&|s| s[1].shmid = i32::MAX);
    assert!(matches!(
        gone,
        AttachError::Gone {
            shmid: i32::MAX,
            ..
        }
    ));
    let short = attach(&|s| s[1].len = 8_193);
    assert!(
        matches!(
            short,
            AttachError::TooShort {
                expected: 8_193,
                actual: 8_192,
                ..
            }
        ),
        "{short}"
    );
    let overlap = attach(&|s| s[0].address = TargetAddr(0x6000_1000));
    assert!(matches!(overlap, AttachError::Overlap(_)));
    let beyond = attach(&|s| s[0].address = TargetAddr(u64::MAX - 5));
    assert!(matches!(beyond, AttachError::TooShort { .. }));
}

#[test]
fn sysv_refused_to_another_user() {
    if let Some(value) = other_user_value() {
        let segment = SegmentAt {
            shmid: value.parse().unwrap(),
            address: TargetAddr(0x6000_0000),
            len: 4_096,
            name: "fixed".into(),
        };
        let error = SysvSpace::attach(&[segment]).err().unwrap();
        assert!(matches!(error, AttachError::Denied { .. }), "{error}");
        let text = error.to_string();
        // Who owns it can be told all the same, from the table for everyone.
        assert!(text.contains("owner uid 0, mode 600"), "{text}");
        assert!(text.contains("CAP_IPC_OWNER"), "{text}");
        return;
    }
    let owner = Owner::start("mm_denied", "600", &[(0x6000_0000, 4_096)]);
    let shmid = owner.segments[0].shmid.to_string();
    as_other_user("memory::tests::sysv_refused_to_another_user", &shmid);
}

#[test]
fn sysv_sees_removal_and_lets_go() {
    let owner = Owner::start("mm_dest", "640", &[(0x6000_0000, 4_096)]);
    let shmid = owner.segments[0].shmid;
    let state = sysv::segment_state(shmid).unwrap();
    assert_eq!((state.mode, state.size), (0o640, 4_096));
    assert_eq!(state.cpid, owner.pid());
    assert!(!state.marked_for_removal);
    let space = SysvSpace::attach(&owner.segments).unwrap();
    owner.mark();
    assert!(sysv::segment_state(shmid).unwrap().marked_for_removal);
    assert!(
        sysv::all_segments()
            .unwrap()
            .iter()
            .any(|s| s.shmid == shmid)
    );
    drop(owner);
    // We keep it alive until we let go: that is why readers must watch.
    assert!(sysv::segment_record(shmid).is_ok());
    drop(space);
    let gone = sysv::segment_state(shmid).unwrap_err().raw_os_error();
    assert!(matches!(gone, Some(libc::EINVAL | libc::EIDRM)));
}

fn granule(folder: &Path, number: u32, address: u64, bytes: &[u8]) -> GranuleAt {
    let path = folder.join(format!("ora_MMG_7_{number}"));
    fs::write(&path, bytes).unwrap();
    GranuleAt {
        path,
        address: TargetAddr(address),
        len: 8_192,
        file_offset: 0,
    }
}

#[test]
fn granules_merge_and_empty_ones_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let expected: Vec<u8> = (0..16_384).map(byte).collect();
    let granules = [
        granule(folder.path(), 1, 0x6000_2000, &expected[8_192..]),
        granule(folder.path(), 0, 0x6000_0000, &expected[..8_192]),
        granule(folder.path(), 2, 0x6000_4000, &[]),
    ];
    let space = GranuleSpace::open(&granules).unwrap();
    assert_eq!(space.regions().len(), 1);
    assert_eq!(space.regions()[0].len, 16_384);
    assert_reads(&space, 0, &expected);
    assert_hostile(&space);
    let mut across = [0; 4];
    space.read_words(spot(8_178), 0, &mut across).unwrap();
    assert_eq!(across[1], word(&expected[8_186..8_194]));
}

#[test]
fn granules_that_shrink_read_as_holes() {
    let folder = tempfile::tempdir().unwrap();
    let at = granule(folder.path(), 0, 0x6000_0000, &[7; 8_192]);
    let space = GranuleSpace::open(std::slice::from_ref(&at)).unwrap();
    let file = File::options().write(true).open(&at.path).unwrap();
    file.set_len(4_096).unwrap();
    space.refresh();
    let read = |addr| space.read_u64(TargetAddr(addr));
    assert_eq!(read(0x6000_1000).unwrap_err().kind, FaultKind::Hole);
    assert_eq!(read(0x6000_0ff8).unwrap(), 0x0707_0707_0707_0707);
    file.set_len(0).unwrap();
    space.refresh();
    assert_eq!(read(0x6000_0000).unwrap_err().kind, FaultKind::Hole);
    file.set_len(1 << 20).unwrap();
    space.refresh();
    assert_eq!(read(0x6000_1ff8).unwrap(), 0);
    assert_eq!(read(0x6000_2000).unwrap_err().kind, FaultKind::Unmapped);
}

#[test]
fn granules_that_are_missing_or_impossible_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let mut at = granule(folder.path(), 0, 0x6000_0000, &[7; 8_192]);
    at.address = TargetAddr(u64::MAX - 100);
    let open = |at: &GranuleAt| GranuleSpace::open(std::slice::from_ref(at)).err().unwrap();
    assert!(matches!(open(&at), GranuleError::Range { .. }));
    fs::remove_file(&at.path).unwrap();
    at.address = TargetAddr(0x6000_0000);
    assert!(open(&at).to_string().contains("ora_MMG_7_0"));
}

#[test]
fn process_vm_reads_another_process() {
    let mut owner = Owner::start("mm_vm", "600", &[(0x6000_0000, 12_288)]);
    let region = |start, len| Region {
        start: TargetAddr(start),
        len,
        name: "fixed".into(),
    };
    let before = nattch(owner.segments[0].shmid);
    let space = ProcessSpace::open(owner.pid(), vec![region(0x6000_0000, 12_288)]).unwrap();
    let expected: Vec<u8> = (0..12_288).map(byte).collect();
    assert_reads(&space, 0, &expected);
    assert_hostile(&space);
    owner.poke(16, 42);
    assert_eq!(space.read_u64(TargetAddr(0x6000_0010)).unwrap(), 42);
    assert_eq!(nattch(owner.segments[0].shmid), before);
    // What the process has not mapped after all is a fault of the system.
    let wrong = ProcessSpace::open(owner.pid(), vec![region(0x6000_0000, 1 << 20)]).unwrap();
    let fault = wrong.read_u64(TargetAddr(0x6000_8000)).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Os(libc::EFAULT));
    let fault = wrong
        .read(TargetAddr(0x6000_2ff0), &mut [0; 32])
        .unwrap_err();
    assert_eq!(fault.kind, FaultKind::Os(libc::EFAULT));
    let twice = vec![region(0x1000, 32), region(0x1010, 32)];
    assert!(matches!(
        ProcessSpace::open(owner.pid(), twice),
        Err(ProcessError::Overlap { .. })
    ));
    let pid = owner.pid();
    drop(owner);
    assert!(space.read_u64(TargetAddr(0x6000_0010)).is_err());
    assert!(matches!(
        ProcessSpace::open(pid, vec![region(0x6000_0000, 8)]),
        Err(ProcessError::Gone { .. })
    ));
}

#[test]
fn process_vm_refused_to_another_user() {
    if let Some(pid) = other_user_value() {
        let region = Region {
            start: TargetAddr(0x40_0000),
            len: 8,
            name: "image".into(),
        };
        let refused = ProcessSpace::open(pid.parse().unwrap(), vec![region]);
        assert!(matches!(refused, Err(ProcessError::Denied { .. })));
        return;
    }
    let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    let pid = child.id().to_string();
    as_other_user("memory::tests::process_vm_refused_to_another_user", &pid);
    drop(child.stdin.take());
    child.wait().unwrap();
}

#[test]
fn joined_spaces_keep_their_places() {
    let piece = |addr, value| {
        let pieces = vec![(TargetAddr(addr), vec![value; 16])];
        Box::new(BytesSpace::new(pieces).unwrap()) as Box<dyn AddressSpace>
    };
    let space = JoinedSpace::new(vec![piece(0x3000, 3), piece(0x1000, 1)]).unwrap();
    assert_eq!(space.read_u32(TargetAddr(0x1004)).unwrap(), 0x0101_0101);
    assert_eq!(space.read_u32(TargetAddr(0x3004)).unwrap(), 0x0303_0303);
    assert_hostile(&space);
    assert!(JoinedSpace::new(vec![piece(0x1000, 1), piece(0x100f, 1)]).is_err());
}
