//! ELF64 core files of the synthetic instance's memory.
//!
//! Form as the Linux kernel writes it (core(5), `fs/binfmt_elf.c`): one PT_NOTE with NT_PRSTATUS,
//! NT_PRPSINFO and NT_FILE, then PT_LOADs. Runs of zero pages take no file space: a PT_LOAD's
//! memory beyond its file bytes reads as zero. Writes what it is given and decides nothing about
//! layouts. Called by the `core` command.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// A piece of memory to save.
pub struct CoreRange<'a> {
    /// Virtual address of the first byte; a multiple of 4,096.
    pub address: u64,
    /// Length in bytes.
    pub len: u64,
    /// Fills the buffer with the bytes from the given offset on.
    pub read: &'a dyn Fn(u64, &mut [u8]),
}

const PAGE: u64 = 4096;
const CHUNK: u64 = 1 << 20;
const EHDR: u64 = 64;
const PHDR: u64 = 56;
/// Zero gaps up to this length don't end a PT_LOAD.
const FIRST_GAP: u64 = 16 * PAGE;
/// e_phnum is 16 bits wide and 0xffff has a special meaning.
const MAX_SEGMENTS: usize = 60_000;
const LOAD: u32 = 1;
const NOTE: u32 = 4;
const READ_WRITE: u32 = 6;
const READ_EXEC: u32 = 5;
const NT_PRSTATUS: u32 = 1;
const NT_PRPSINFO: u32 = 3;
const NT_FILE: u32 = 0x4649_4c45;
/// Where non-PIE executables are mapped.
const EXE_ADDRESS: u64 = 0x0040_0000;

/// One PT_LOAD: `file` bytes from the range's offset `start` on, then zeros up to `memory` bytes.
#[derive(Debug, PartialEq, Eq)]
struct Segment {
    range: usize,
    start: u64,
    file: u64,
    memory: u64,
}

/// Writes a core file of `ranges` to `path`, with `threads_pid` as its only thread and `exe_path` as
/// the mapped executable (its first page is saved too if it can be read, as kernels do; the build-id
/// is in there). Memory is read twice and has to be quiet meanwhile. Errors: those of the file
/// system; `InvalidInput` for a range that isn't page-aligned.
pub fn write_core(
    path: &Path,
    ranges: &[CoreRange],
    threads_pid: i32,
    exe_path: &str,
) -> io::Result<()> {
    if let Some(range) = ranges.iter().find(|r| r.address % PAGE != 0) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("range {:#x}: expected a multiple of {PAGE}", range.address),
        ));
    }
    let segments = plan(ranges);
    let exe_page = first_page(exe_path);
    let notes = notes(threads_pid, exe_path);
    let count = 1 + usize::from(exe_page.is_some()) + segments.len();
    let note_offset = EHDR + PHDR * count as u64;
    let mut cursor = (note_offset + notes.len() as u64).next_multiple_of(PAGE);
    let mut head = elf_header(count as u16);
    head.extend(program_header(
        NOTE,
        4,
        note_offset,
        0,
        notes.len() as u64,
        0,
        4,
    ));
    let mut file = File::create(path)?;
    if let Some(page) = &exe_page {
        head.extend(program_header(
            LOAD,
            READ_EXEC,
            cursor,
            EXE_ADDRESS,
            PAGE,
            PAGE,
            PAGE,
        ));
        file.seek(SeekFrom::Start(cursor))?;
        file.write_all(page)?;
        cursor += PAGE;
    }
    for segment in &segments {
        let range = &ranges[segment.range];
        let address = range.address + segment.start;
        head.extend(program_header(
            LOAD,
            READ_WRITE,
            cursor,
            address,
            segment.file,
            segment.memory,
            PAGE,
        ));
        copy(&mut file, cursor, range, segment)?;
        cursor += segment.file.next_multiple_of(PAGE);
    }
    file.set_len(cursor)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&head)?;
    file.write_all(&notes)
}

fn copy(file: &mut File, at: u64, range: &CoreRange, segment: &Segment) -> io::Result<()> {
    let mut buffer = vec![0u8; CHUNK as usize];
    let mut done = 0;
    while done < segment.file {
        let part = &mut buffer[..CHUNK.min(segment.file - done) as usize];
        (range.read)(segment.start + done, part);
        if part.iter().any(|b| *b != 0) {
            file.seek(SeekFrom::Start(at + done))?;
            file.write_all(part)?;
        }
        done += part.len() as u64;
    }
    Ok(())
}

/// Splits the ranges at long zero runs, with a coarser measure if there were too many pieces.
fn plan(ranges: &[CoreRange]) -> Vec<Segment> {
    let runs: Vec<Vec<(u64, u64)>> = ranges.iter().map(used_runs).collect();
    let mut gap = FIRST_GAP;
    loop {
        let segments: Vec<Segment> = ranges
            .iter()
            .zip(&runs)
            .enumerate()
            .flat_map(|(i, (range, runs))| split(i, range.len, runs, gap))
            .collect();
        if segments.len() <= MAX_SEGMENTS.max(2 * ranges.len()) {
            return segments;
        }
        gap *= 2;
    }
}

/// Start and end of each run of pages that aren't all zero.
fn used_runs(range: &CoreRange) -> Vec<(u64, u64)> {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    let mut buffer = vec![0u8; CHUNK as usize];
    let mut offset = 0;
    while offset < range.len {
        let part = &mut buffer[..CHUNK.min(range.len - offset) as usize];
        (range.read)(offset, part);
        for (i, page) in part.chunks(PAGE as usize).enumerate() {
            if page.iter().all(|b| *b == 0) {
                continue;
            }
            let start = offset + i as u64 * PAGE;
            let end = start + page.len() as u64;
            match runs.last_mut() {
                Some(last) if last.1 == start => last.1 = end,
                _ => runs.push((start, end)),
            }
        }
        offset += part.len() as u64;
    }
    runs
}

/// PT_LOADs that cover `0..len` without gaps.
fn split(range: usize, len: u64, runs: &[(u64, u64)], gap: u64) -> Vec<Segment> {
    let mut joined: Vec<(u64, u64)> = Vec::new();
    for run in runs {
        match joined.last_mut() {
            Some(last) if run.0 - last.1 <= gap => last.1 = run.1,
            _ => joined.push(*run),
        }
    }
    if len > 0 && joined.first().is_none_or(|first| first.0 > 0) {
        // a part of which nothing is in the file would read as not dumped
        joined.insert(0, (0, PAGE));
    }
    let ends = joined.iter().skip(1).map(|run| run.0).chain([len]);
    joined
        .iter()
        .zip(ends)
        .map(|(run, next)| Segment {
            range,
            start: run.0,
            file: run.1 - run.0,
            memory: next - run.0,
        })
        .collect()
}

fn first_page(exe_path: &str) -> Option<Vec<u8>> {
    let mut page = vec![0u8; PAGE as usize];
    let mut file = File::open(exe_path).ok()?;
    file.read_exact(&mut page).ok()?;
    Some(page)
}

fn elf_header(count: u16) -> Vec<u8> {
    let mut bytes = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0];
    bytes.resize(16, 0);
    bytes.extend_from_slice(&4u16.to_le_bytes());
    bytes.extend_from_slice(&62u16.to_le_bytes());
    bytes.extend_from_slice(&1u32.to_le_bytes());
    for word in [0, EHDR, 0] {
        bytes.extend_from_slice(&u64::to_le_bytes(word));
    }
    bytes.extend_from_slice(&0u32.to_le_bytes());
    for half in [EHDR as u16, PHDR as u16, count, 0, 0, 0] {
        bytes.extend_from_slice(&half.to_le_bytes());
    }
    bytes
}

fn program_header(
    kind: u32,
    flags: u32,
    offset: u64,
    address: u64,
    file: u64,
    memory: u64,
    align: u64,
) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(PHDR as usize);
    bytes.extend_from_slice(&kind.to_le_bytes());
    bytes.extend_from_slice(&flags.to_le_bytes());
    for word in [offset, address, 0, file, memory, align] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes
}

fn note(kind: u32, content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in [5, content.len() as u32, kind] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes.extend_from_slice(b"CORE\0\0\0\0");
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn notes(pid: i32, exe_path: &str) -> Vec<u8> {
    let mut bytes = note(NT_PRSTATUS, &prstatus(pid));
    bytes.extend(note(NT_PRPSINFO, &prpsinfo(pid, exe_path)));
    bytes.extend(note(NT_FILE, &mapped_file(exe_path)));
    bytes
}

/// `struct elf_prstatus` of x86-64 (336 bytes): pid at 32, registers at 112.
fn prstatus(pid: i32) -> Vec<u8> {
    let mut bytes = vec![0u8; 336];
    bytes[32..36].copy_from_slice(&pid.to_le_bytes());
    bytes
}

/// `struct elf_prpsinfo` of x86-64 (136 bytes): pid at 24, command name at 40, arguments at 56. Name
/// and arguments are those of the living process, else the executable's.
fn prpsinfo(pid: i32, exe_path: &str) -> Vec<u8> {
    let of_exe = || exe_path.rsplit('/').next().unwrap_or_default().to_owned();
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_else(|_| of_exe());
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let mut line = String::from_utf8_lossy(&line).replace('\0', " ");
    if line.trim().is_empty() {
        line = of_exe();
    }
    let mut bytes = vec![0u8; 136];
    bytes[1] = b'S';
    bytes[24..28].copy_from_slice(&pid.to_le_bytes());
    put_text(&mut bytes[40..56], name.trim_end());
    put_text(&mut bytes[56..136], line.trim_end());
    bytes
}

/// Copies as much of `text` as leaves room for a NUL.
fn put_text(field: &mut [u8], text: &str) {
    let len = text.len().min(field.len() - 1);
    field[..len].copy_from_slice(&text.as_bytes()[..len]);
}

/// NT_FILE with one entry: count, page size, (start, end, offset in pages), name.
fn mapped_file(exe_path: &str) -> Vec<u8> {
    let len = fs::metadata(exe_path).map_or(PAGE, |m| m.len().next_multiple_of(PAGE));
    let mut bytes = Vec::new();
    for word in [1, PAGE, EXE_ADDRESS, EXE_ADDRESS + len, 0] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes.extend_from_slice(exe_path.as_bytes());
    bytes.push(0);
    bytes
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;
    use std::process::Command;

    use super::*;

    struct Memory {
        address: u64,
        bytes: Vec<u8>,
    }

    fn sample() -> Vec<Memory> {
        let mut sparse = vec![0u8; 16 << 20];
        sparse[5 << 20] = 7;
        sparse[(5 << 20) + 3 * 4096] = 8;
        sparse[(12 << 20) + 100] = 9;
        vec![
            Memory {
                address: 0x6000_0000,
                bytes: (0..0x3000u32).map(|i| (i % 251) as u8).collect(),
            },
            Memory {
                address: 0x6800_0000,
                bytes: sparse,
            },
            Memory {
                address: 0x7000_0000,
                bytes: vec![0; 0x5000],
            },
        ]
    }

    fn write(path: &Path, memory: &[Memory]) {
        let reads: Vec<_> = memory
            .iter()
            .map(|m| {
                move |at: u64, out: &mut [u8]| {
                    out.copy_from_slice(&m.bytes[at as usize..at as usize + out.len()]);
                }
            })
            .collect();
        let ranges: Vec<CoreRange> = memory
            .iter()
            .zip(&reads)
            .map(|(m, read)| CoreRange {
                address: m.address,
                len: m.bytes.len() as u64,
                read,
            })
            .collect();
        let pid = std::process::id() as i32;
        write_core(path, &ranges, pid, "/nowhere/bin/oracle").expect("core");
    }

    fn word(bytes: &[u8], at: usize) -> u64 {
        u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"))
    }

    /// Address, file bytes and memory length of each PT_LOAD.
    fn loads(core: &[u8]) -> Vec<(u64, Vec<u8>, u64)> {
        let count = u16::from_le_bytes([core[56], core[57]]);
        (0..usize::from(count))
            .map(|i| 64 + 56 * i)
            .filter(|at| core[*at] == LOAD as u8)
            .map(|at| {
                let (offset, len) = (word(core, at + 8) as usize, word(core, at + 32) as usize);
                let bytes = core[offset..offset + len].to_vec();
                (word(core, at + 16), bytes, word(core, at + 40))
            })
            .collect()
    }

    #[test]
    fn memory_reads_back_and_zero_runs_are_free() {
        let dir = std::env::temp_dir().join(format!("sgasim-core-{}", std::process::id()));
        fs::create_dir_all(&dir).expect("directory");
        let path = dir.join("core");
        let memory = sample();
        write(&path, &memory);
        let core = fs::read(&path).expect("core");
        let loads = loads(&core);
        for part in &memory {
            let mut back = Vec::new();
            for (address, bytes, len) in &loads {
                let end = part.address + part.bytes.len() as u64;
                if (part.address..end).contains(address) {
                    assert_eq!(*address, part.address + back.len() as u64, "no gaps");
                    back.extend_from_slice(bytes);
                    back.resize(back.len() + *len as usize - bytes.len(), 0);
                }
            }
            assert!(back == part.bytes, "{:#x}", part.address);
        }
        assert!(core.len() < 64 * 1024, "{} bytes", core.len());
        assert!(fs::metadata(&path).expect("metadata").blocks() * 512 < 128 * 1024);
        let text = String::from_utf8_lossy(&core);
        assert!(text.contains("/nowhere/bin/oracle"));
        readelf_accepts(&path, memory.len());
        fs::remove_dir_all(&dir).expect("clean up");
    }

    fn readelf_accepts(path: &Path, ranges: usize) {
        let Ok(out) = Command::new("readelf").arg("-lnW").arg(path).output() else {
            return;
        };
        let text = String::from_utf8_lossy(&out.stdout);
        assert!(out.status.success() && out.stderr.is_empty(), "{text}");
        assert!(text.matches(" LOAD ").count() >= ranges, "{text}");
        for kind in ["NT_PRSTATUS", "NT_PRPSINFO", "NT_FILE"] {
            assert!(text.contains(kind), "{text}");
        }
    }

    #[test]
    fn split_covers_the_whole_range() {
        let runs = [(0x4000, 0x5000), (0x6000, 0x7000), (0x90_0000, 0x90_1000)];
        let segments = split(0, 0x100_0000, &runs, FIRST_GAP);
        let total: u64 = segments.iter().map(|s| s.memory).sum();
        assert_eq!(total, 0x100_0000);
        assert_eq!(segments.len(), 3);
        assert_eq!(segments[1].file, 0x3000);
        assert!(split(0, 0, &[], FIRST_GAP).is_empty());
    }

    #[test]
    fn unaligned_range_is_refused() {
        let read = |_: u64, _: &mut [u8]| {};
        let range = CoreRange {
            address: 0x6000_0001,
            len: 1,
            read: &read,
        };
        let path = std::env::temp_dir().join("sgasim-core-unaligned");
        let result = write_core(&path, &[range], 1, "");
        assert_eq!(
            result.expect_err("unaligned").kind(),
            io::ErrorKind::InvalidInput
        );
    }
}
