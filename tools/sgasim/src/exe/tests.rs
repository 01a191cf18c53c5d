//! Reads written executables back with a reader of its own.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::*;
use crate::names;

/// A scratch directory that goes away with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let dir = format!("sgasim-exe-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(dir);
        fs::create_dir_all(&path).expect("scratch directory");
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn column(name: &str, dty: u8, typ: u8, siz: u64, off: u16, cop: u64) -> ColSpec {
    ColSpec {
        name: name.to_owned(),
        dty,
        typ,
        siz,
        off,
        cop,
        ..ColSpec::default()
    }
}

fn lead_columns() -> Vec<ColSpec> {
    vec![
        column("ADDR", 23, 9, 8, 0, 0),
        column("INDX", 2, 11, 4, 0, 0),
        column("INST_ID", 2, 11, 4, 0, 0),
        column("CON_ID", 2, 11, 2, 0, 0),
    ]
}

fn table(name: &str, structure: &str, typ: u16, rsz: u64, more: Vec<ColSpec>) -> TableSpec {
    let mut columns = lead_columns();
    columns.extend(more);
    TableSpec {
        name: name.to_owned(),
        struct_name: structure.to_owned(),
        typ,
        rsz,
        obj: 0xffff_c0ed,
        ver: 3,
        columns,
        ..TableSpec::default()
    }
}

fn spec() -> ExeSpec {
    let ksuse = vec![
        column("KSSPAFLG", 2, 11, 1, 0, 0),
        column("KSUSESER", 2, 11, 2, 2172, 0),
        column("KSUSEPRO", 23, 20, 8, 0, 3),
        column("KSUSEAPP", 1, 7, 64, 0, 5),
    ];
    let mut cccp = vec![column("CPTNO", 2, 0, 4, 524, 0)];
    cccp[0].idx = 1;
    let mut generated = table("X$KCCCP", "kctcpx", 5, 556, cccp);
    generated.cb2 = true;
    ExeSpec {
        release: "19.3.0.0.0".to_owned(),
        kqftap_entry: 32,
        tables: vec![
            table(
                "X$KQFVT",
                "kqftp",
                1,
                32,
                vec![column("KQFTPSEL", 1, 6, 8, 0, 0)],
            ),
            table("X$KSUSE", "ksuse", 2, 10_216, ksuse),
            generated,
            table("X$KSUSECST", "ksuse", 2, 10_216, Vec::new()),
        ],
        symbols: vec![
            SymSpec {
                name: "ksusga_".to_owned(),
                address: 0x6000_7ac8,
                size: 1304,
                ctype: "struct ksusga".to_owned(),
            },
            SymSpec {
                name: "kspssidst_".to_owned(),
                address: 0x6000_9628,
                size: 16,
                ctype: "text[16]".to_owned(),
            },
        ],
        events: names::events(300),
        statistics: names::statistics(700),
        views: vec![(
            "GV$SESSION".to_owned(),
            "select s.inst_id from x$ksuse s".repeat(200),
        )],
        pad_bytes: 0,
    }
}

/// Just enough of an ELF reader to follow what a program would follow.
struct Elf {
    bytes: Vec<u8>,
    symbols: HashMap<String, (u64, u64, u16, u8)>,
    dynamic: usize,
}

impl Elf {
    fn read(path: &Path) -> Self {
        let bytes = fs::read(path).expect("executable");
        let mut elf = Self {
            bytes,
            symbols: HashMap::new(),
            dynamic: 0,
        };
        for section in elf.sections() {
            match section.1 {
                11 => elf.dynamic = (section.3 / 24) as usize - 1,
                2 => elf.load_symbols(section.2, section.3, section.4),
                _ => {}
            }
        }
        elf
    }

    fn num(&self, at: u64, len: usize) -> u64 {
        let mut word = [0u8; 8];
        word[..len].copy_from_slice(&self.bytes[at as usize..at as usize + len]);
        u64::from_le_bytes(word)
    }

    /// Name offset, type, offset, size, link.
    fn sections(&self) -> Vec<(u64, u64, u64, u64, u64)> {
        let (at, count) = (self.num(0x28, 8), self.num(0x3c, 2));
        (0..count)
            .map(|i| at + 64 * i)
            .map(|h| {
                let link = self.num(h + 40, 4);
                (
                    self.num(h, 4),
                    self.num(h + 4, 4),
                    self.num(h + 24, 8),
                    self.num(h + 32, 8),
                    link,
                )
            })
            .collect()
    }

    fn load_symbols(&mut self, at: u64, len: u64, link: u64) {
        let strings = self.sections()[link as usize].2;
        for s in (at..at + len).step_by(24).skip(1) {
            let name = self.raw_text(strings + self.num(s, 4));
            let value = (
                self.num(s + 8, 8),
                self.num(s + 16, 8),
                self.num(s + 6, 2) as u16,
                self.bytes[s as usize + 4],
            );
            let local = value.3 >> 4 == 0;
            let known = self.symbols.insert(name.clone(), value);
            assert!(known.is_none() || local, "{name} twice");
        }
    }

    fn raw_text(&self, at: u64) -> String {
        let tail = &self.bytes[at as usize..];
        let end = tail.iter().position(|b| *b == 0).expect("NUL");
        String::from_utf8(tail[..end].to_vec()).expect("UTF-8")
    }

    /// File offset of a virtual address, by the PT_LOADs.
    fn at(&self, address: u64) -> u64 {
        let (table, count) = (self.num(0x20, 8), self.num(0x38, 2));
        (0..count)
            .map(|i| table + 56 * i)
            .filter(|h| self.num(*h, 4) == 1)
            .find_map(|h| {
                let start = self.num(h + 16, 8);
                let inside = (start..start + self.num(h + 32, 8)).contains(&address);
                inside.then(|| address - start + self.num(h + 8, 8))
            })
            .expect("mapped address")
    }

    fn symbol(&self, name: &str) -> u64 {
        self.at(self.symbols[name].0)
    }

    fn text(&self, pointer_at: u64) -> String {
        self.raw_text(self.at(self.num(pointer_at, 8)))
    }
}

fn written(name: &str, spec: &ExeSpec) -> (Scratch, PathBuf, ExeMap) {
    let scratch = Scratch::new(name);
    let path = scratch.0.join("bin/oracle");
    let map = write_executable(spec, &path).expect("executable");
    (scratch, path, map)
}

#[test]
fn dictionary_leads_to_the_serial_number() {
    for entry in [32, 40] {
        let mut spec = spec();
        spec.kqftap_entry = entry;
        let (_scratch, path, _) = written(&format!("dict{entry}"), &spec);
        let elf = Elf::read(&path);
        let (kqftab, kqftap) = (elf.symbol("kqftab"), elf.symbol("kqftap"));
        let count = elf.symbols["kqftab"].1 / 80 - 1;
        assert_eq!(count, 4);
        assert_eq!(elf.symbols["kqftap"].1, (count + 1) * entry as u64);
        let i = (0..count)
            .find(|i| elf.text(kqftab + 80 * i + 8) == "X$KSUSE")
            .expect("X$KSUSE");
        assert_eq!(elf.text(kqftab + 80 * i + 24), "ksuse");
        assert_eq!(elf.num(kqftab + 80 * i + 40, 8), 10_216);
        assert_eq!(elf.num(kqftab + 80 * i + 56, 4), 8);
        let array = elf.num(kqftap + entry as u64 * i + 8, 8);
        assert_eq!(array, elf.symbols["ksuse_c"].0);
        let serial = elf.at(array) + 64 * 5;
        assert_eq!(elf.text(serial + 8), "KSUSESER");
        assert_eq!(
            (elf.num(serial + 40, 8), elf.num(serial + 48, 2)),
            (2, 2172)
        );
        assert_eq!(elf.num(serial + 56, 8), 0);
        let end = elf.at(array) as usize + 64 * 8;
        assert!(elf.bytes[end..end + 64].iter().all(|b| *b == 0));
        assert!(elf.symbols.contains_key("ksusecst_c"));
        let last = (kqftab + 80 * count) as usize;
        assert!(elf.bytes[last..last + 80].iter().all(|b| *b == 0));
    }
}

#[test]
fn callbacks_are_functions() {
    let (_scratch, path, _) = written("callbacks", &spec());
    let elf = Elf::read(&path);
    let kqfcop = elf.symbol("kqfcop");
    let named = |address: u64| {
        let mut all = elf.symbols.iter();
        let found = all.find(|(_, s)| s.0 == address && s.3 & 15 == 2);
        found.map(|(name, _)| name.as_str())
    };
    // Storage type 20 uses the third word of its triple, 7 the first.
    assert_eq!(
        named(elf.num(kqfcop + 8 * (3 * 3 + 2), 8)),
        Some("kqfc_ksusepro")
    );
    assert_eq!(
        named(elf.num(kqfcop + 8 * (3 * 5), 8)),
        Some("kqfc_ksuseapp")
    );
    assert_eq!(elf.num(kqfcop, 8), 0);
    let cccp = elf.symbol("kqftap") + 32 * 2;
    assert_eq!(elf.num(cccp + 16, 8), 0);
    assert_eq!(named(elf.num(cccp + 24, 8)), Some("kcccp_nxt"));
}

#[test]
fn entries_have_the_bytes_of_the_21c_dump() {
    let (_scratch, path, _) = written("bytes", &spec());
    let elf = Elf::read(&path);
    let words = |at: u64, count: u64| -> Vec<u32> {
        (0..count).map(|i| elf.num(at + 4 * i, 4) as u32).collect()
    };
    let without = |mut words: Vec<u32>, pointers: &[usize]| {
        for i in pointers {
            words[*i] = 0;
        }
        words
    };
    // X$KQFVT of 21.5, pointers zeroed: name 7, struct 5, typ 1, row 0x20, 5 columns.
    let kqfvt = without(words(elf.symbol("kqftab"), 20), &[2, 6]);
    let dump = [
        7,
        0,
        0,
        0,
        5,
        0,
        0,
        0,
        1,
        0,
        0x20,
        0,
        0,
        0,
        5,
        0,
        0xffff_c0ed,
        3,
        0,
        0,
    ];
    assert_eq!(kqfvt, dump);
    // ADDR and CPTNO of kctcpx_c in 21.5.
    let columns = elf.symbol("kctcpx_c");
    let addr = without(words(columns, 16), &[2]);
    assert_eq!(addr, [4, 0, 0, 0, 0x0917, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0]);
    let cptno = without(words(columns + 4 * 64, 16), &[2]);
    let dump = [5, 0, 0, 0, 0x0001_0002, 0, 0, 0, 0, 0, 4, 0, 0x20c, 0, 0, 0];
    assert_eq!(cptno, dump);
}

#[test]
fn fixed_variables_are_absolute_symbols() {
    let (_scratch, path, _) = written("absolute", &spec());
    let elf = Elf::read(&path);
    let (value, size, section, info) = elf.symbols["ksusga_"];
    assert_eq!((value, size, section), (0x6000_7ac8, 1304, 0xfff1));
    assert_eq!(info, 0x10);
    assert!(elf.symbols.len() > 300);
    assert!(elf.dynamic > 200);
}

#[test]
fn texts_are_where_the_tables_point() {
    let spec = spec();
    let (_scratch, path, map) = written("texts", &spec);
    let elf = Elf::read(&path);
    for (event, addresses) in spec.events.iter().zip(&map.event_addrs) {
        assert_eq!(elf.raw_text(elf.at(addresses[0])), event.name);
        assert_eq!(elf.raw_text(elf.at(addresses[3])), event.p[2]);
    }
    let count = elf.num(elf.symbol("ksusdn"), 4);
    assert_eq!(count, 700);
    assert_eq!(
        elf.text(elf.symbol("ksusdt") + 0x20 * 14),
        "session logical reads"
    );
    assert_eq!(
        elf.text(elf.symbol("kslldt") + 0x28 * 4),
        "session allocation"
    );
    assert_eq!(elf.num(elf.symbol("kqfvpsz"), 4), 2);
    assert_eq!(elf.text(elf.symbol("kqfviw") + 8), "GV$SESSION");
    assert_eq!(elf.text(elf.symbol("kqfvip")), spec.views[0].1);
    let all = String::from_utf8_lossy(&elf.bytes);
    assert!(all.contains("Oracle Database 19c Enterprise Edition Release 19.0.0.0.0 - Production"));
    assert!(all.contains("RDBMS_19.3.0.0.0DBRU_LINUX.X64_190417"));
}

#[test]
fn build_id_follows_the_content() {
    let (_scratch, path, map) = written("id", &spec());
    assert_eq!(map.build_id.len(), 20);
    let bytes = fs::read(&path).expect("executable");
    assert_eq!(bytes.len() as u64, map.image_bytes);
    assert!(bytes.windows(20).any(|w| w == map.build_id));
    let again = write_executable(&spec(), &path).expect("executable");
    assert_eq!(again, map);
    let mut other = spec();
    other.tables[1].columns[5].off = 2174;
    let other = write_executable(&other, &path).expect("executable");
    assert_ne!(other.build_id, map.build_id);
}

#[test]
fn banners_follow_the_release() {
    for (release, banner) in [
        ("12.1.0.2.0", "Release 12.1.0.2.0 - 64bit Production"),
        ("23.5.0.24.07", "Version 23.5.0.24.07"),
        ("23.5", "Version 23.5.0.24.07"),
    ] {
        let mut spec = spec();
        spec.release = release.to_owned();
        let (_scratch, path, _) = written(release, &spec);
        let bytes = fs::read(&path).expect("executable");
        assert!(
            String::from_utf8_lossy(&bytes).contains(banner),
            "{release}"
        );
    }
}

#[test]
fn impossible_specifications_are_refused() {
    let change: [fn(&mut ExeSpec); 3] = [
        |s| s.release = "7.3.4".to_owned(),
        |s| s.kqftap_entry = 24,
        |s| s.pad_bytes = 1 << 40,
    ];
    for change in change {
        let mut spec = spec();
        change(&mut spec);
        let error = Image::build(&spec).err().expect("must fail");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
}

/// Runs a tool when it is installed; its standard output. Any warning fails the test.
fn tool(program: &str, arguments: &[&str], path: &Path) -> Option<String> {
    let out = Command::new(program)
        .args(arguments)
        .arg(path)
        .output()
        .ok()?;
    let errors = String::from_utf8_lossy(&out.stderr);
    assert!(
        out.status.success() && errors.is_empty(),
        "{program}: {errors}"
    );
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(
        !text.to_lowercase().contains("warning"),
        "{program}: {text}"
    );
    Some(text)
}

/// Runs a program that was just written. A child forked by another test may hold the file open for
/// writing for a moment, which the kernel answers with ETXTBSY.
fn run(path: &Path) -> std::process::ExitStatus {
    for _ in 0..100 {
        match Command::new(path).status() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            other => return other.expect("it is an executable"),
        }
    }
    panic!("{} stays busy", path.display());
}

#[test]
fn common_tools_read_it_and_it_runs() {
    let (_scratch, path, map) = written("tools", &spec());
    if let Some(text) = tool("readelf", &["-aW"], &path) {
        let id: String = map.build_id.iter().map(|b| format!("{b:02x}")).collect();
        assert!(text.contains(&id) && text.contains("EXEC (Executable file)"));
    }
    for table in [&["-n"][..], &["-nD"][..]] {
        if let Some(text) = tool("nm", table, &path) {
            let line = |l: &&str| *l == "0000000060007ac8 A ksusga_";
            assert!(text.lines().any(|l| line(&l)), "{text}");
        }
    }
    if let Some(text) = tool("objdump", &["-s", "-j", ".rodata"], &path) {
        assert!(text.contains("X$KSUSE"));
    }
    assert!(run(&path).success());
}

#[test]
fn padding_is_sparse_and_full_of_symbols() {
    use std::os::unix::fs::MetadataExt;

    let mut spec = spec();
    spec.pad_bytes = 64 << 20;
    let (_scratch, path, map) = written("pad", &spec);
    let on_disk = fs::metadata(&path).expect("metadata").blocks() * 512;
    assert!(map.image_bytes > 64 << 20);
    assert!(on_disk < 16 << 20, "{on_disk}");
    let elf = Elf::read(&path);
    assert!(elf.symbols.len() > 65_536);
    assert_eq!(elf.text(elf.symbol("kqftab") + 80 + 8), "X$KSUSE");
    tool("readelf", &["-lhSW"], &path);
}
