//! `oradebug ipc` trace files, in the form of 12c and later (four areas, three address columns) and
//! in the form of 9i/10g (two address columns).
//!
//! Forms: Kyle Hailey's public 19.3 trace; Oracle Wait Interface, appendix D (9i). Nothing is
//! measured here beyond the host's name and kernel. Called by the instance builder.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use jiff::Zoned;

use crate::exe::{Release, release};

/// One shared-memory area as the instance sees it.
#[derive(Debug, Clone)]
pub struct AreaSpec {
    /// `Fixed Size`, `Variable Size`, `Redo Buffers` or `skgm overhead`.
    pub name: String,
    /// SysV id of its segment.
    pub shmid: i32,
    /// SysV key, 0 = IPC_PRIVATE.
    pub key: i32,
    /// Attach address.
    pub address: u64,
    /// Bytes in use.
    pub size: u64,
    /// Bytes of the segment.
    pub segment_size: u64,
    /// Permission bits, e.g. 0o640.
    pub mode: u32,
    /// Number of mappings.
    pub nattch: u32,
}

/// Granule in bytes: the variable area begins one granule behind the fixed one (19.3: 0x68000000
/// with 128 MB; Jonathan Lewis: 0x61000000 with 16 MB).
fn granule(areas: &[AreaSpec]) -> u64 {
    const SMALLEST: u64 = 4 << 20;
    let start = |name: &str| areas.iter().find(|a| a.name == name).map(|a| a.address);
    match (start("Fixed Size"), start("Variable Size")) {
        (Some(fixed), Some(variable)) if variable > fixed => variable - fixed,
        _ => SMALLEST,
    }
}

/// Sub-area number of each area: variable and redo areas come first, then the fixed one, the
/// overhead last (19.3).
fn subareas(areas: &[AreaSpec]) -> Vec<usize> {
    let rank = |area: &AreaSpec| match area.name.as_str() {
        "Variable Size" => 0,
        "Redo Buffers" => 1,
        "Fixed Size" => 2,
        _ => 3,
    };
    let mut order: Vec<usize> = (0..areas.len()).collect();
    order.sort_by_key(|i| rank(&areas[*i]));
    let mut numbers = vec![0; areas.len()];
    for (number, i) in order.into_iter().enumerate() {
        numbers[i] = number;
    }
    numbers
}

/// Areas of one name that follow each other are one area with several sub-areas.
fn groups(areas: &[AreaSpec]) -> Vec<std::ops::Range<usize>> {
    let mut out: Vec<std::ops::Range<usize>> = Vec::new();
    for i in 0..areas.len() {
        match out.last_mut() {
            Some(last) if areas[last.start].name == areas[i].name => last.end = i + 1,
            _ => out.push(i..i + 1),
        }
    }
    out
}

fn minimum_subarea(area: &AreaSpec, granule: u64) -> u64 {
    match area.name.as_str() {
        "Variable Size" => granule,
        "Redo Buffers" => 0x1000,
        _ => 0,
    }
}

/// The area block of 12c and later.
fn area_block(areas: &[AreaSpec]) -> String {
    let numbers = subareas(areas);
    let granule = granule(areas);
    let mut out = String::new();
    for (index, group) in groups(areas).into_iter().enumerate() {
        let (first, last) = (group.start, group.end - 1);
        let size: u64 = areas[group.clone()].iter().map(|a| a.size).sum();
        let _ = writeln!(
            out,
            " Area #{index} `{}' containing Subareas {}-{}\n  Total size {size:016x} Minimum Subarea size {:08x}",
            areas[first].name,
            numbers[first],
            numbers[last],
            minimum_subarea(&areas[first], granule),
        );
        for i in group {
            let area = &areas[i];
            let at = area.address;
            let _ = writeln!(
                out,
                "   Area  Subarea    Shmid    Segment Addr    Stable Addr    Actual Addr\n\
                 {index:7} {:8} {:8} 0x{at:014x} 0x{at:014x} 0x{at:014x}\n\
                 \x20              Subarea size     Segment size   Req_Protect  Cur_protect\n\
                 \x20                         {:016x} {:016x} default       readwrite",
                numbers[i], area.shmid, area.segment_size, area.segment_size,
            );
        }
    }
    out
}

/// The area block of 9i and 10g: no `0x`, stable and actual address only.
fn old_area_block(areas: &[AreaSpec]) -> String {
    let mut out = String::new();
    for (index, area) in areas.iter().enumerate() {
        let at = area.address;
        let _ = writeln!(
            out,
            " Area #{index} `{}' containing Subareas {index}-{index}\n  Total size {:016x} Minimum Subarea size 00000000\n\
             \x20  Area  Subarea    Shmid      Stable Addr      Actual Addr\n\
             {index:7} {index:8} {:8} {at:016x} {at:016x}\n\
             \x20                            Subarea size     Segment size\n\
             \x20                         {:016x} {:016x}",
            area.name, area.size, area.shmid, area.size, area.segment_size,
        );
    }
    out
}

/// Adjacent segments are listed as one mapping, lengths rounded up to 4 MB.
fn map_list(areas: &[AreaSpec]) -> String {
    const ROUND: u64 = 4 << 20;
    let mut spans: Vec<(u64, u64)> = Vec::new();
    let mut sorted: Vec<&AreaSpec> = areas.iter().collect();
    sorted.sort_by_key(|a| a.address);
    for area in sorted {
        let end = (area.address + area.segment_size).next_multiple_of(ROUND);
        match spans.last_mut() {
            Some(last) if area.address <= last.1 => last.1 = last.1.max(end),
            _ => spans.push((area.address, end)),
        }
    }
    spans
        .iter()
        .map(|(start, end)| format!("Start {start:#x}, length {} bytes\n", end - start))
        .collect()
}

const SEMAPHORES_PER_SET: u32 = 250;
const USER_SEMAPHORES: u32 = SEMAPHORES_PER_SET - 4;

fn semaphore_sets(processes: u32) -> u32 {
    processes.div_ceil(USER_SEMAPHORES).max(1)
}

/// Base of the made-up semaphore keys.
const SEMAPHORE_KEY: u32 = 0x5e3a_1000;

fn semaphores(processes: u32) -> String {
    let sets = semaphore_sets(processes);
    let list: String = (0..sets).map(|i| format!("{i}\n")).collect();
    format!(
        "Maximum processes:               = {processes}\n\
         Number of semaphores per set:    = {SEMAPHORES_PER_SET}\n\
         Semaphores key overhead per set: = {}\n\
         User Semaphores per set:         = {USER_SEMAPHORES}\n\
         Number of semaphore sets:        = {sets}\n\
         Semaphore identifiers:           = {sets}\n\
         Semaphore List=\n{list}",
        SEMAPHORES_PER_SET - USER_SEMAPHORES,
    )
}

/// The listing of `ipcs` at the end of the dump, trailing blanks included.
fn ipcs(areas: &[AreaSpec], processes: u32) -> String {
    let mut out = String::from(
        "-------------- system semaphore information -------------\n\
         ------ Message Queues --------\n\
         key        msqid      owner      perms      used-bytes   messages    \n\
         ------ Shared Memory Segments --------\n\
         key        shmid      owner      perms      bytes      nattch     status      \n",
    );
    let mut seen = Vec::new();
    for area in areas {
        if seen.contains(&area.shmid) {
            continue;
        }
        seen.push(area.shmid);
        let _ = writeln!(
            out,
            "0x{:08x} {:<10} oracle     {:<10o} {:<10} {:<10}              ",
            area.key, area.shmid, area.mode, area.segment_size, area.nattch
        );
    }
    out.push_str("------ Semaphore Arrays --------\nkey        semid      owner      perms      nsems     \n");
    for i in 0..semaphore_sets(processes) {
        let key = SEMAPHORE_KEY + i;
        let _ = writeln!(
            out,
            "0x{key:08x} {i:<10} oracle     600        {SEMAPHORES_PER_SET:<10}"
        );
    }
    out
}

fn proc_text(name: &str) -> String {
    let text = fs::read_to_string(format!("/proc/sys/kernel/{name}")).unwrap_or_default();
    text.trim().to_owned()
}

struct Header<'a> {
    path: &'a Path,
    sid: &'a str,
    home: String,
    node: String,
    pid: u32,
}

impl<'a> Header<'a> {
    fn new(path: &'a Path, sid: &'a str) -> Self {
        let home = path.parent().unwrap_or(Path::new("/"));
        Self {
            path,
            sid,
            home: home.display().to_string(),
            node: proc_text("hostname"),
            pid: std::process::id(),
        }
    }

    fn text(&self, release: &Release) -> String {
        let mut out = format!("Trace file {}\n{}\n", self.path.display(), release.banner);
        if release.version_line.is_empty() {
            let _ = writeln!(out, "ORACLE_HOME = {}", self.home);
        } else {
            let _ = writeln!(out, "{}", release.version_line);
            let _ = writeln!(out, "Build label:    {}", release.label);
            let _ = writeln!(out, "ORACLE_HOME:    {}", self.home);
        }
        out + &self.system()
    }

    fn system(&self) -> String {
        format!(
            "System name:\tLinux\n\
             Node name:\t{node}\n\
             Release:\t{}\n\
             Version:\t{}\n\
             Machine:\tx86_64\n\
             Instance name: {}\n\
             Redo thread mounted by this instance: 1\n\
             Oracle process number: 42\n\
             Unix process pid: {}, image: oracle@{node} (TNS V1-V3)\n\n\n",
            proc_text("osrelease"),
            proc_text("version"),
            self.sid,
            self.pid,
            node = self.node,
        )
    }
}

fn stamp() -> String {
    Zoned::now()
        .strftime("%Y-%m-%dT%H:%M:%S%.6f%:z")
        .to_string()
}

fn session_lines(node: &str) -> String {
    let now = stamp();
    let program = format!("sqlplus@{node} (TNS V1-V3)");
    format!(
        "*** {now} (CDB$ROOT(1))\n\
         *** SESSION ID:(77.20911) {now}\n\
         *** CLIENT ID:() {now}\n\
         *** SERVICE NAME:(SYS$USERS) {now}\n\
         *** MODULE NAME:({program}) {now}\n\
         *** ACTION NAME:() {now}\n\
         *** CLIENT DRIVER:(SQL*PLUS) {now}\n\
         *** CONTAINER ID:(1) {now}\n \n\
         Processing Oradebug command 'setmypid'\n\n\
         *** {now} (CDB$ROOT(1))\n\
         Oradebug command 'setmypid' console output: <none>\n\n\
         *** {now} (CDB$ROOT(1))\n\
         Processing Oradebug command 'ipc'\n"
    )
}

fn realm(header: &Header, areas: &[AreaSpec]) -> String {
    let total: u64 = areas.iter().map(|a| a.segment_size).sum();
    let key = areas.iter().map(|a| a.key).find(|k| *k != 0).unwrap_or(0);
    let primary = areas.iter().position(|a| a.key != 0).unwrap_or(0);
    let shmid = areas.get(primary).map_or(0, |a| a.shmid);
    let sanum = subareas(areas).get(primary).copied().unwrap_or(0);
    format!(
        "Dump of unix-generic skgm context\n\
         areaflags            00001fb7\n\
         realmflags           0001ffff\n\
         mapsize              00001000\n\
         protectsize          00001000\n\
         lcmsize              00001000\n\
         seglen               00001000\n\
         largestsize  0000040000000000\n\
         smallestsize {:016x}\n\
         stacklimit     0x7ffd10002000\n\
         stackdir                   -1\n\
         mode                      {:o}\n\
         magic                acc01ade\n\
         \x20Dump of unix-generic realm handle `{}{}', flags = 00002000\n\
         \x20 key {key} actual_key {key} num_areas {} num_subareas {}\n\
         \x20 primary shmid: {shmid} primary sanum {sanum} version 3\n\
         \x20 deferred alloc: FALSE (0) def_post_create: FALSE (0) exp_memlock: {}M\n",
        granule(areas),
        areas.first().map_or(0o600, |a| a.mode),
        header.home,
        header.sid,
        groups(areas).len(),
        areas.len(),
        total >> 20,
    )
}

/// Writes the trace of `oradebug setmypid` / `ipc` / `tracefile_name` on a `release` of 12.1 or later.
/// `maps` is the text of `/proc/<pid>/maps`, `processes` the parameter of that name. Errors: those of
/// the file system; `InvalidInput` for an unknown release.
pub fn write_ipc_trace(
    path: &Path,
    release_name: &str,
    sid: &str,
    areas: &[AreaSpec],
    maps: &str,
    processes: u32,
) -> io::Result<()> {
    let release = release(release_name).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("release {release_name:?} is not known, expected 12., 19. or 23."),
        )
    })?;
    let header = Header::new(path, sid);
    let mut out = header.text(&release);
    out += &session_lines(&header.node);
    out += &realm(&header, areas);
    out += &area_block(areas);
    out += "*********************** Dumping process map ********************\n";
    out += maps;
    if !maps.is_empty() && !maps.ends_with('\n') {
        out.push('\n');
    }
    out += "*********************** End of process map dump ****************\n\
            Maximum map count configured per process:  65530\n\
            Dump of Linux-specific skgm context\n\
            Process Map list mappings started:\n";
    out += &map_list(areas);
    out += "Process Map list mappings completed\n";
    out += &semaphores(processes);
    out += &ipcs(areas, processes);
    let now = stamp();
    let _ = write!(
        out,
        "\n*** {now} (CDB$ROOT(1))\n\
         Oradebug command 'ipc' console output: \n\
         IPC information written to the trace file\n\n\
         *** {now} (CDB$ROOT(1))\n\
         Processing Oradebug command 'tracefile_name'\n\n\
         *** {now} (CDB$ROOT(1))\n\
         Oradebug command 'tracefile_name' console output: \n{}\n",
        path.display()
    );
    fs::write(path, out)
}

/// Writes an `oradebug ipc` trace in the form of 9i and 10g, where areas may share one segment.
/// Errors: those of the file system.
pub fn write_old_ipc_trace(
    path: &Path,
    banner: &str,
    sid: &str,
    areas: &[AreaSpec],
    processes: u32,
) -> io::Result<()> {
    let header = Header::new(path, sid);
    let mut out = format!(
        "{}\n{banner}\nORACLE_HOME = {}\n{}",
        path.display(),
        header.home,
        header.system()
    );
    let _ = write!(
        out,
        "Dump of unix-generic skgm context\n\
         areaflags            000000f7\n\
         realmflags           0000000f\n\
         mapsize              00001000\n\
         protectsize          00001000\n\
         Handle:             0x9ac1c68 `{}{sid}'\n",
        header.home
    );
    out += &old_area_block(areas);
    out += &semaphores(processes);
    fs::write(path, out)
}

#[cfg(test)]
mod tests;
