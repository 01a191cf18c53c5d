//! Tests of core files.

use std::io::Write;

use super::testing::Numbers;
use super::tests::{assert_hostile, assert_reads, byte};
use super::*;

/// A program header of a test core; read-only in the upper half of the address space.
struct Load {
    vaddr: u64,
    offset: u64,
    filesz: u64,
    memsz: u64,
}

fn core_file(loads: &[Load], phnum: u16, xnum: Option<u32>, data: &[u8]) -> Vec<u8> {
    let mut out = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    out.extend(4u16.to_le_bytes());
    out.extend(62u16.to_le_bytes());
    out.extend(1u32.to_le_bytes());
    let shoff = 64 + 56 * loads.len() as u64;
    for value in [0, 64, if xnum.is_some() { shoff } else { 0 }] {
        out.extend(value.to_le_bytes());
    }
    out.extend(0u32.to_le_bytes());
    for value in [64, 56, phnum, 64, u16::from(xnum.is_some()), 0] {
        out.extend(value.to_le_bytes());
    }
    for load in loads {
        out.extend(1u32.to_le_bytes());
        let writable = load.vaddr & (1 << 63) == 0;
        out.extend(if writable { 6u32 } else { 4 }.to_le_bytes());
        for value in [load.offset, load.vaddr, 0, load.filesz, load.memsz, 0x1000] {
            out.extend(u64::to_le_bytes(value));
        }
    }
    if let Some(count) = xnum {
        let mut section = [0u8; 64];
        section[44..48].copy_from_slice(&count.to_le_bytes());
        out.extend(section);
    }
    out.extend(data);
    out
}

fn open_core(bytes: &[u8]) -> Result<CoreSpace, CoreError> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    CoreSpace::open(file.path())
}

/// Two segments that touch (the second with a tail of zeros), one that was not dumped, and a
/// read-only one of which only the beginning was; the offsets in the file aren't aligned.
fn sample_core() -> (Vec<u8>, Vec<u8>) {
    let data: Vec<u8> = (0..128).map(byte).collect();
    let loads = [
        (0x6000_0000, 0, 64, 64),
        (0x6000_0040, 64, 32, 64),
        (0x7000_0000, 0, 0, 4_096),
        (1 << 63, 96, 32, 4_096),
    ];
    let base = 64 + 56 * loads.len() as u64 + 3;
    let loads = loads.map(|(vaddr, offset, filesz, memsz)| Load {
        vaddr,
        offset: base + offset,
        filesz,
        memsz,
    });
    let mut bytes = core_file(&loads, 4, None, &[0xEE; 3]);
    bytes.extend(&data);
    (bytes, data)
}

#[test]
fn core_reads_pieces_holes_and_zeros() {
    let (bytes, data) = sample_core();
    let space = open_core(&bytes).unwrap();
    assert_eq!(space.kind(), "core");
    let regions: Vec<(u64, u64)> = space.regions().iter().map(|r| (r.start.0, r.len)).collect();
    assert_eq!(
        regions,
        [(0x6000_0000, 128), (0x7000_0000, 4_096), (1 << 63, 4_096)]
    );
    assert_eq!(space.regions()[0].name, "core PT_LOAD 0 to core PT_LOAD 1");
    let mut expected = data[..96].to_vec();
    expected.resize(128, 0);
    assert_reads(&space, 0, &expected);
    let mut head = [0; 32];
    space.read(TargetAddr(1 << 63), &mut head).unwrap();
    assert_eq!(head, data[96..]);
    for missing in [0x7000_0000, (1 << 63) + 32, (1 << 63) + 28] {
        let hole = space.read_u64(TargetAddr(missing)).unwrap_err();
        assert_eq!(hole.kind, FaultKind::Hole);
    }
    assert_hostile(&space);
}

#[test]
fn core_cut_short_anywhere_is_an_error_or_a_hole() {
    let (bytes, _) = sample_core();
    for len in 0..bytes.len() {
        match open_core(&bytes[..len]) {
            Err(_) => assert!(len < 64 + 56 * 4, "refused at {len}"),
            Ok(space) => {
                assert_hostile(&space);
                let end = space.read_u64(TargetAddr((1 << 63) + 24));
                assert_eq!(end.unwrap_err().kind, FaultKind::Hole);
                let mut all = [0; 128];
                let whole = space.read(TargetAddr(0x6000_0000), &mut all);
                assert_eq!(whole.is_ok(), len >= bytes.len() - 32);
            }
        }
    }
}

#[test]
fn core_with_flipped_bits_never_crashes() {
    let (bytes, _) = sample_core();
    let mut numbers = Numbers(99);
    for _ in 0..2_000 {
        let mut damaged = bytes.clone();
        for _ in 0..=numbers.below(4) {
            let at = numbers.below(64 + 56 * 4) as usize;
            damaged[at] ^= 1 << numbers.below(8);
        }
        if let Ok(space) = open_core(&damaged) {
            for (index, region) in space.regions().iter().enumerate() {
                let mut out = [0; 16];
                let region_spot = Spot {
                    region: index as u32,
                    offset: region.len - 1,
                };
                let _ = space.read_bytes(region_spot, 0, &mut out[..1]);
                let _ = space.read(region.start, &mut out);
            }
        }
    }
}

#[test]
fn core_header_counts_are_bounded() {
    let load = |vaddr| Load {
        vaddr,
        offset: 64,
        filesz: 8,
        memsz: 8,
    };
    let extended = core_file(&[load(0x1000)], 0xffff, Some(1), &[]);
    assert_eq!(open_core(&extended).unwrap().regions().len(), 1);
    let huge = core_file(&[load(0x1000)], 0xffff, Some(u32::MAX), &[]);
    assert!(matches!(
        open_core(&huge),
        Err(CoreError::Damaged { offset: 56, .. })
    ));
    let none = core_file(&[load(0x1000)], 0xffff, None, &[]);
    assert!(matches!(
        open_core(&none),
        Err(CoreError::Damaged { offset: 40, .. })
    ));
    let twice = core_file(&[load(0x1000), load(0x1004)], 2, None, &[]);
    assert!(matches!(open_core(&twice), Err(CoreError::Overlap { .. })));
    let last = core_file(&[load(u64::MAX - 3)], 1, None, &[]);
    assert!(matches!(open_core(&last), Err(CoreError::Damaged { .. })));
    let mut program = core_file(&[load(0x1000)], 1, None, &[]);
    program[16] = 2;
    let error = open_core(&program).err().unwrap();
    assert!(
        error.to_string().contains("ET_EXEC") || error.to_string().contains("EXEC"),
        "{error}"
    );
}
