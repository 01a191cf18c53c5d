//! A tiny ELF executable with Oracle's fixed-table dictionary, written byte by byte for tests.

use std::path::{Path, PathBuf};

use super::columns::tests::Spec;

/// Link address of the first file byte.
pub const BASE: u64 = 0x40_0000;
const HEADERS: usize = 64 + 3 * 56;

/// What the executable says.
pub struct TestExe {
    pub table_entry: usize,
    pub pointer_entry: usize,
    pub column_entry: usize,
    pub machine: u16,
    pub texts: Vec<&'static str>,
    /// Table name, row size, columns.
    pub tables: Vec<(&'static str, u64, Vec<Spec>)>,
    /// Absolute symbols: name, value, size.
    pub fixed: Vec<(&'static str, u64, u64)>,
    pub statistics: Vec<&'static str>,
    pub dynamic_only: bool,
    pub symbol_sizes: bool,
    /// Fixed views: name and text; without any there are no such tables.
    pub views: Vec<(&'static str, String)>,
    /// Bytes of an entry of `kqfviw` and of `kqfvip`.
    pub view_entries: (usize, usize),
}

impl Default for TestExe {
    fn default() -> Self {
        TestExe {
            table_entry: 80,
            pointer_entry: 32,
            column_entry: 64,
            machine: 62,
            texts: vec![
                "Oracle Database 19c Enterprise Edition Release 19.0.0.0.0 - Production",
                "RDBMS_19.3.0.0.0DBRU_LINUX.X64_190417",
            ],
            tables: oracle_tables(),
            fixed: vec![
                ("ksusga_", 0x6000_a410, 2480),
                ("ksledt_", 0x6000_69f0, 8),
                ("kspssidst_", 0x6000_9628, 17),
                ("ksqgdn_", 0x6000_6d30, 9),
            ],
            statistics: vec!["OS CPU Qt wait time", "logons cumulative"],
            dynamic_only: false,
            symbol_sizes: false,
            views: Vec::new(),
            view_entries: (0x50, 0x20),
        }
    }
}

/// The columns that every table begins with.
fn generic() -> Vec<Spec> {
    vec![
        ("ADDR", 23, 9, 8, 0, 0),
        ("INDX", 2, 11, 4, 0, 0),
        ("CON_ID", 2, 11, 2, 0, 0),
    ]
}

/// X$KSUSE (offsets of Hailey's 19.3 listing, in part), X$KSUPR, X$KSLED and one more.
pub fn oracle_tables() -> Vec<(&'static str, u64, Vec<Spec>)> {
    let with = |more: &[Spec]| generic().into_iter().chain(more.iter().copied()).collect();
    vec![
        ("X$KQFTA", 80, with(&[("KQFTAOBJ", 2, 11, 4, 64, 0)])),
        (
            "X$KSUSE",
            10216,
            with(&[
                ("KSSPAFLG", 2, 11, 1, 0, 0),
                ("KSUSEPRO", 23, 11, 8, 0, 2),
                ("KSUUDLNA", 1, 5, 128, 197, 0),
                ("KSUSEBRN", 23, 9, 8, 2032, 0),
                ("KSUSESEQ", 2, 11, 2, 2064, 0),
                ("KSUSEOPC", 2, 11, 2, 2066, 0),
                ("KSUSEP1", 2, 11, 8, 2072, 0),
                ("KSUSEP1R", 23, 9, 8, 2072, 0),
                ("KSUSETIM", 2, 11, 4, 2096, 0),
                ("KSUSENUM", 2, 11, 4, 2168, 0),
                ("KSUSESER", 2, 11, 2, 2172, 0),
                ("KSUSEFLG", 2, 11, 4, 2184, 0),
                ("KSUSESQL", 23, 9, 8, 2424, 0),
                ("KSUSESQH", 2, 11, 4, 2436, 0),
                ("KSUSESESTA", 12, 12, 7, 2456, 0),
                ("KSUSESEID", 2, 11, 4, 2460, 0),
                ("KSUSEPHA", 2, 11, 4, 2508, 0),
                ("KSUSEOBJ", 2, 0, 4, 3264, 0),
                ("KSUSEFIX", 2, 11, 8, 3280, 0),
                ("KSUSELTM", 12, 12, 7, 3608, 0),
                ("KSUSECLID", 1, 5, 64, 4688, 0),
                ("KSUSEPGAMAN", 2, 11, 8, 4696, 0),
            ]),
        ),
        (
            "X$KSUPR",
            5488,
            with(&[
                ("KSSPAFLG", 2, 11, 1, 0, 0),
                ("KSUPRPUM", 2, 11, 8, 3728, 0),
            ]),
        ),
        (
            "X$KSLED",
            56,
            with(&[("KSLEDNAM", 1, 6, 64, 0, 0), ("KSLEDCLASS", 1, 7, 64, 0, 4)]),
        ),
    ]
}

struct Image {
    bytes: Vec<u8>,
    symbols: Vec<(String, u64, u64, u16)>,
}

impl Image {
    fn here(&mut self) -> u64 {
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
        BASE + self.bytes.len() as u64
    }

    fn text(&mut self, text: &str) -> u64 {
        let at = BASE + self.bytes.len() as u64;
        self.bytes.extend_from_slice(text.as_bytes());
        self.bytes.push(0);
        at
    }

    fn object(&mut self, name: &str, bytes: &[u8]) -> u64 {
        let at = self.here();
        self.bytes.extend_from_slice(bytes);
        self.symbols
            .push((name.to_owned(), at, bytes.len() as u64, 2));
        at
    }

    fn append(&mut self, bytes: &[u8]) -> (u64, u64) {
        let at = self.here() - BASE;
        self.bytes.extend_from_slice(bytes);
        (at, bytes.len() as u64)
    }
}

fn put(entry: &mut [u8], at: usize, bytes: &[u8]) {
    entry[at..at + bytes.len()].copy_from_slice(bytes);
}

fn put64(entry: &mut [u8], at: usize, value: u64) {
    put(entry, at, &value.to_le_bytes());
}

impl TestExe {
    fn column(&self, image: &mut Image, spec: &Spec) -> Vec<u8> {
        let (name, dty, typ, siz, off, cop) = *spec;
        let mut entry = vec![0; self.column_entry];
        put64(&mut entry, 0, name.len() as u64);
        let text = image.text(name);
        put64(&mut entry, 8, text);
        put(&mut entry, 16, &[dty, typ]);
        put64(&mut entry, 40, siz);
        put(&mut entry, 48, &off.to_le_bytes());
        put64(&mut entry, 56, cop);
        entry
    }

    fn dictionary(&self, image: &mut Image) {
        let (mut kqftab, mut kqftap) = (Vec::new(), Vec::new());
        for (name, rsz, columns) in &self.tables {
            let mut array = Vec::new();
            for spec in columns {
                array.extend(self.column(image, spec));
            }
            array.extend(vec![0; self.column_entry]);
            let struct_name = name.trim_start_matches("X$").to_ascii_lowercase();
            let at = image.object(&format!("{struct_name}_c"), &array);
            let mut pointers = vec![0; self.pointer_entry];
            put64(&mut pointers, 8, at);
            kqftap.extend(pointers);
            let mut entry = vec![0; self.table_entry];
            let texts = [image.text(name), image.text(&struct_name)];
            put64(&mut entry, 0, name.len() as u64);
            put64(&mut entry, 8, texts[0]);
            put64(&mut entry, 16, struct_name.len() as u64);
            put64(&mut entry, 24, texts[1]);
            put(&mut entry, 32, &2u16.to_le_bytes());
            put64(&mut entry, 40, *rsz);
            put(&mut entry, 64, &4_294_950_912u32.to_le_bytes());
            put(&mut entry, 56, &(columns.len() as u32).to_le_bytes());
            kqftab.extend(entry);
        }
        kqftab.extend(vec![0; self.table_entry]);
        kqftap.extend(vec![0; self.pointer_entry]);
        image.object("kqftab", &kqftab);
        image.object("kqftap", &kqftap);
    }

    fn statistics(&self, image: &mut Image) {
        let mut table = Vec::new();
        for name in &self.statistics {
            let mut entry = [0; 32];
            let text = image.text(name);
            put64(&mut entry, 0, text);
            table.extend(entry);
        }
        image.object("ksusdt", &table);
        image.object("ksusdn", &(self.statistics.len() as u32).to_le_bytes());
    }

    fn fixed_views(&self, image: &mut Image) {
        if self.views.is_empty() {
            return;
        }
        let (mut names, mut texts) = (Vec::new(), Vec::new());
        for (name, text) in &self.views {
            let mut entry = vec![0; self.view_entries.0];
            let at = image.text(name);
            put64(&mut entry, 8, at);
            names.extend(entry);
            let mut entry = vec![0; self.view_entries.1];
            let at = image.text(text);
            put64(&mut entry, 0, at);
            texts.extend(entry);
        }
        names.extend(vec![0; self.view_entries.0]);
        texts.extend(vec![0; self.view_entries.1]);
        image.object("kqfviw", &names);
        image.object("kqfvip", &texts);
        let count = self.views.len() as u32 + 1;
        image.object("kqfvpsz", &count.to_le_bytes());
    }

    /// `.symtab` and `.strtab` bytes: the objects, the fixed variables and a file name.
    fn symbols(&self, image: &Image) -> (Vec<u8>, Vec<u8>) {
        let fixed = self
            .fixed
            .iter()
            .map(|(n, v, s)| ((*n).to_owned(), *v, *s, 0xfff1));
        let file = ("ksms.s".to_owned(), 0, 0, 0xfff1);
        let (mut table, mut names) = (vec![0; 24], vec![0]);
        for (name, value, size, section) in image.symbols.iter().cloned().chain(fixed).chain([file])
        {
            let kind = if name == "ksms.s" { 4 } else { 0x11 };
            table.extend((names.len() as u32).to_le_bytes());
            table.extend([kind, 0]);
            table.extend(u16::to_le_bytes(section));
            table.extend(value.to_le_bytes());
            let keep = self.symbol_sizes || section == 0xfff1;
            table.extend((if keep { size } else { 0 }).to_le_bytes());
            names.extend(name.as_bytes());
            names.push(0);
        }
        (table, names)
    }

    /// The file's bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut image = Image {
            bytes: vec![0; HEADERS],
            symbols: Vec::new(),
        };
        image.text("synthetic");
        for text in &self.texts {
            image.text(text);
        }
        self.dictionary(&mut image);
        self.statistics(&mut image);
        self.fixed_views(&mut image);
        let mut note = Vec::new();
        for word in [4u32, 20, 3] {
            note.extend(word.to_le_bytes());
        }
        note.extend(b"GNU\0");
        note.extend((1..=20).collect::<Vec<u8>>());
        let note = image.append(&note);
        let loaded = image.bytes.len() as u64;
        let (table, names) = self.symbols(&image);
        let (table, names) = (image.append(&table), image.append(&names));
        let kind = if self.dynamic_only { 11 } else { 2 };
        let sections = [
            (0, 0, (0, 0), 0),
            (1, 2, (HEADERS as u64, loaded - HEADERS as u64), 0),
            (kind, 0, table, 3),
            (3, 0, names, 0),
        ];
        let mut headers = Vec::new();
        for (kind, flags, (offset, size), link) in sections {
            headers.extend([0u32, kind].iter().flat_map(|w| w.to_le_bytes()));
            headers.extend(
                [flags, 0, offset, size]
                    .iter()
                    .flat_map(|w: &u64| w.to_le_bytes()),
            );
            headers.extend([link, 0u32].iter().flat_map(|w| w.to_le_bytes()));
            headers.extend([0u64, 24].iter().flat_map(|w| w.to_le_bytes()));
        }
        let (at, _) = image.append(&headers);
        let head = self.head(at, loaded, note);
        put(&mut image.bytes, 0, &head);
        image.bytes
    }

    fn head(&self, sections: u64, loaded: u64, note: (u64, u64)) -> Vec<u8> {
        let mut head = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        head.extend(2u16.to_le_bytes());
        head.extend(self.machine.to_le_bytes());
        head.extend(1u32.to_le_bytes());
        head.extend([BASE, 64, sections].iter().flat_map(|w| w.to_le_bytes()));
        head.extend(0u32.to_le_bytes());
        head.extend(
            [64u16, 56, 3, 64, 4, 0]
                .iter()
                .flat_map(|w| w.to_le_bytes()),
        );
        // The second loaded part is writable memory without file bytes.
        let programs = [
            (1u32, 4u32, 0, loaded, loaded),
            (1, 6, loaded, 0, 4096),
            (4, 4, note.0, note.1, note.1),
        ];
        for (kind, flags, offset, size, memory) in programs {
            head.extend([kind, flags].iter().flat_map(|w| w.to_le_bytes()));
            let address = BASE + offset;
            let words = [offset, address, address, size, memory, 8];
            head.extend(words.iter().flat_map(|w| w.to_le_bytes()));
        }
        head
    }

    /// Writes the file into `directory`.
    pub fn write(&self, directory: &Path) -> PathBuf {
        let path = directory.join("oracle");
        std::fs::write(&path, self.bytes()).unwrap();
        path
    }
}
