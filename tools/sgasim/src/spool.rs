//! CSV spool of the dictionary queries that SQL*Plus would give with `SET MARKUP CSV ON`: a header
//! line with the column names, text and RAW in double quotes, numbers bare.
//!
//! One file per fixed table or view. Writes what the specification says and reads no memory. Called
//! by the instance builder.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use crate::exe::{ExeSpec, Image, Release, release};
use crate::names::{SQL_COMMANDS, WAIT_CLASSES};
use crate::trace::AreaSpec;

/// What the spool is about.
pub struct SpoolSpec<'a> {
    /// Dictionary contents; the same that the executable was written from.
    pub exe: &'a ExeSpec,
    /// ORACLE_SID.
    pub sid: &'a str,
    /// INST_ID.
    pub instance_number: u32,
    /// HOST_NAME.
    pub host: &'a str,
    /// X$KSUSE.ADDR in the order of INDX.
    pub session_addrs: &'a [u64],
    /// X$KSUPR.ADDR in the order of INDX.
    pub process_addrs: &'a [u64],
    /// Shared-memory areas.
    pub areas: &'a [AreaSpec],
    /// Name and value of the parameters.
    pub parameters: &'a [(String, String)],
}

/// One CSV field.
enum Field {
    /// VARCHAR2; the empty string is NULL and has no quotes.
    Text(String),
    /// RAW(8) as 16 hex digits.
    Raw(u64),
    Number(u64),
    Null,
}

impl Field {
    fn text(text: &str) -> Self {
        Field::Text(text.to_owned())
    }

    fn render(&self) -> String {
        match self {
            Field::Text(text) if !text.is_empty() => format!("\"{}\"", text.replace('"', "\"\"")),
            Field::Raw(value) => format!("\"{value:016X}\""),
            Field::Number(value) => value.to_string(),
            Field::Text(_) | Field::Null => String::new(),
        }
    }
}

fn number(value: impl Into<u64>) -> Field {
    Field::Number(value.into())
}

fn table(
    dir: &Path,
    name: &str,
    columns: &str,
    rows: impl Iterator<Item = Vec<Field>>,
) -> io::Result<()> {
    let mut out = BufWriter::new(fs::File::create(dir.join(name))?);
    let quoted = |name: &str| format!("\"{name}\"");
    let header: Vec<String> = columns.split(',').map(quoted).collect();
    writeln!(out, "{}", header.join(","))?;
    for row in rows {
        let fields: Vec<String> = row.iter().map(Field::render).collect();
        writeln!(out, "{}", fields.join(","))?;
    }
    out.flush()
}

/// Writes all spool files into `dir` (created when missing). Errors: those of the file system;
/// `InvalidInput` when the executable specification is impossible.
pub fn write_spool(dir: &Path, spec: &SpoolSpec) -> io::Result<()> {
    let unknown = || {
        let message = format!("release {:?} is not known", spec.exe.release);
        io::Error::new(io::ErrorKind::InvalidInput, message)
    };
    let release = release(&spec.exe.release).ok_or_else(unknown)?;
    fs::create_dir_all(dir)?;
    fixed_variables(dir, spec)?;
    fixed_tables(dir, spec)?;
    fixed_columns(dir, spec)?;
    derived_tables(dir, spec)?;
    addresses(dir, "x_ksuse_addr.csv", spec.session_addrs)?;
    addresses(dir, "x_ksupr_addr.csv", spec.process_addrs)?;
    events(dir, spec)?;
    lists(dir, spec)?;
    instance(dir, spec, &release)?;
    areas(dir, spec)?;
    views(dir, spec)
}

/// ADDR of rows that a callback builds in private memory: the same for every row.
const GENERATED_ROW: u64 = 0x7f5a_1b2c_3d40;

/// ADDR, INDX, INST_ID, CON_ID.
fn lead(address: u64, index: usize, spec: &SpoolSpec) -> Vec<Field> {
    vec![
        Field::Raw(address),
        number(index as u64),
        number(spec.instance_number),
        number(0u32),
    ]
}

fn fixed_variables(dir: &Path, spec: &SpoolSpec) -> io::Result<()> {
    let rows = spec.exe.symbols.iter().enumerate().map(|(i, variable)| {
        let mut row = lead(GENERATED_ROW, i, spec);
        row.extend([
            Field::text(&variable.name),
            Field::text(&variable.ctype),
            Field::Raw(variable.address),
            number(variable.size),
        ]);
        row
    });
    let columns = "ADDR,INDX,INST_ID,CON_ID,KSMFSNAM,KSMFSTYP,KSMFSADR,KSMFSSIZ";
    table(dir, "x_ksmfsv.csv", columns, rows)
}

fn fixed_tables(dir: &Path, spec: &SpoolSpec) -> io::Result<()> {
    const ENTRY: u64 = 80;
    let start = Image::build(spec.exe)?.kqftab_address;
    let rows = spec.exe.tables.iter().enumerate().map(|(i, t)| {
        let mut row = lead(start + i as u64 * ENTRY, i, spec);
        row.extend([
            number(t.obj),
            number(t.ver),
            Field::text(&t.name),
            number(t.typ),
            number(t.flg),
            number(t.rsz),
            number(t.columns.len() as u64),
        ]);
        row
    });
    let columns =
        "ADDR,INDX,INST_ID,CON_ID,KQFTAOBJ,KQFTAVER,KQFTANAM,KQFTATYP,KQFTAFLG,KQFTARSZ,KQFTACOC";
    table(dir, "x_kqfta.csv", columns, rows)
}

/// X$KQFCO does not show the callback index (mvelikikh/xinfo), so it is left out here too.
fn fixed_columns(dir: &Path, spec: &SpoolSpec) -> io::Result<()> {
    let all = spec.exe.tables.iter().enumerate().flat_map(|(t, table)| {
        let columns = table.columns.iter().enumerate();
        columns.map(move |(c, column)| (t, table.obj, c + 1, column))
    });
    let rows = all.enumerate().map(|(i, (tab, tob, cno, c))| {
        let mut row = lead(GENERATED_ROW, i, spec);
        row.extend([
            number(tab as u64),
            number(tob),
            number(cno as u64),
            Field::text(&c.name),
            number(c.dty),
            number(c.typ),
            number(c.max),
            number(c.lsz),
            number(c.lof),
            number(c.siz),
            number(c.off),
            number(c.idx),
            number(c.ipo),
        ]);
        row
    });
    let columns = "ADDR,INDX,INST_ID,CON_ID,KQFCOTAB,KQFCOTOB,KQFCOCNO,KQFCONAM,KQFCODTY,KQFCOTYP,\
                   KQFCOMAX,KQFCOLSZ,KQFCOLOF,KQFCOSIZ,KQFCOOFF,KQFCOIDX,KQFCOIPO";
    table(dir, "x_kqfco.csv", columns, rows)
}

/// Names that are aliases of a base table, with KQFDTOBJ left to the simulator.
const DERIVED: [(&str, &str); 6] = [
    ("X$KGLTABLE", "X$KGLOB"),
    ("X$KGLBODY", "X$KGLOB"),
    ("X$KGLTRIGGER", "X$KGLOB"),
    ("X$KGLINDEX", "X$KGLOB"),
    ("X$KGLCLUSTER", "X$KGLOB"),
    ("X$KGLCURSOR", "X$KGLOB"),
];

fn derived_tables(dir: &Path, spec: &SpoolSpec) -> io::Result<()> {
    const FIRST_OBJECT: u32 = 4_294_951_500;
    let rows = DERIVED.iter().enumerate().map(|(i, (name, base))| {
        let mut row = lead(GENERATED_ROW, i, spec);
        row.extend([
            number(FIRST_OBJECT + i as u32),
            Field::text(name),
            Field::text(base),
        ]);
        row
    });
    let columns = "ADDR,INDX,INST_ID,CON_ID,KQFDTOBJ,KQFDTNAM,KQFDTEQU";
    table(dir, "x_kqfdt.csv", columns, rows)
}

fn addresses(dir: &Path, name: &str, list: &[u64]) -> io::Result<()> {
    let rows = list
        .iter()
        .enumerate()
        .map(|(i, address)| vec![number(i as u64), Field::Raw(*address)]);
    table(dir, name, "INDX,ADDR", rows)
}

/// EVENT_ID is a hash of the name whose rule is not public; any stable 32-bit hash serves (FNV-1a).
fn event_id(name: &str) -> u32 {
    name.bytes().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

fn events(dir: &Path, spec: &SpoolSpec) -> io::Result<()> {
    let rows = spec.exe.events.iter().enumerate().map(|(i, event)| {
        let class = WAIT_CLASSES.get(event.class_no as usize);
        let mut row = vec![
            number(i as u64),
            number(event_id(&event.name)),
            Field::text(&event.name),
        ];
        row.extend(event.p.iter().map(|text| Field::text(text)));
        row.extend([
            number(event.class_id),
            number(event.class_no),
            class.map_or(Field::Null, |(name, _)| Field::text(name)),
        ]);
        row
    });
    let columns = "EVENT#,EVENT_ID,NAME,PARAMETER1,PARAMETER2,PARAMETER3,WAIT_CLASS_ID,WAIT_CLASS#,WAIT_CLASS";
    table(dir, "v_event_name.csv", columns, rows)
}

fn lists(dir: &Path, spec: &SpoolSpec) -> io::Result<()> {
    let statistics = spec
        .exe
        .statistics
        .iter()
        .enumerate()
        .map(|(i, s)| vec![number(i as u64), Field::text(&s.name), number(s.class)]);
    table(dir, "v_statname.csv", "STATISTIC#,NAME,CLASS", statistics)?;
    let commands = SQL_COMMANDS
        .iter()
        .map(|(code, name)| vec![number(*code), Field::text(name)]);
    table(
        dir,
        "v_sqlcommand.csv",
        "COMMAND_TYPE,COMMAND_NAME",
        commands,
    )?;
    let parameters = spec
        .parameters
        .iter()
        .map(|(name, value)| vec![Field::text(name), Field::text(value)]);
    table(dir, "v_parameter.csv", "NAME,VALUE", parameters)
}

/// V$INSTANCE and V$VERSION; VERSION_FULL and the long banners exist from 18c on.
fn instance(dir: &Path, spec: &SpoolSpec, release: &Release) -> io::Result<()> {
    let from_18c = !release.version_line.is_empty();
    let mut row = vec![
        number(spec.instance_number),
        Field::text(spec.sid),
        Field::text(spec.host),
        Field::text(release.base),
        Field::text("OPEN"),
        Field::text("NO"),
        number(1u32),
        Field::text(release.edition),
    ];
    let mut columns =
        "INSTANCE_NUMBER,INSTANCE_NAME,HOST_NAME,VERSION,STATUS,PARALLEL,THREAD#,EDITION"
            .to_owned();
    let mut banners = vec![Field::text(release.banner), number(0u32)];
    let mut banner_columns = "BANNER,CON_ID".to_owned();
    if from_18c {
        row.push(Field::text(&release.full));
        columns += ",VERSION_FULL";
        let full = format!("{}\n{}", release.banner, release.version_line);
        banners.extend([Field::Text(full), Field::text(release.banner)]);
        banner_columns += ",BANNER_FULL,BANNER_LEGACY";
    }
    table(dir, "v_instance.csv", &columns, std::iter::once(row))?;
    table(
        dir,
        "v_version.csv",
        &banner_columns,
        std::iter::once(banners),
    )
}

/// X$KSMSSINFO (12c and later), columns as tanelpoder/tpt-oracle's `ksminfo.sql` names them.
fn areas(dir: &Path, spec: &SpoolSpec) -> io::Result<()> {
    const PAGE: u64 = 4096;
    let rows = spec.areas.iter().enumerate().map(|(i, area)| {
        let mut row = lead(GENERATED_ROW, i, spec);
        row.extend([
            Field::text(&area.name),
            number(area.segment_size.div_ceil(PAGE)),
            number(PAGE),
            number(area.segment_size),
            number(area.size),
            number(area.segment_size.saturating_sub(area.size)),
            number(area.shmid.unsigned_abs()),
            Field::text("FALSE"),
            number(0u32),
            Field::text("FALSE"),
            Field::Raw(area.address),
            Field::Raw(area.address),
        ]);
        row
    });
    let columns = "ADDR,INDX,INST_ID,CON_ID,AREA NAME,NUMAPG,PAGESIZE,SEGMENT SIZE,SIZE,\
                   REMAINING ALLOC SIZE,SHMID,SEGMENT DISTRIBUTED,AREA FLAGS,SEGMENT DEFERRED,\
                   SEG_START ADDR,START ADDR";
    table(dir, "x_ksmssinfo.csv", columns, rows)
}

/// V$FIXED_VIEW_DEFINITION.VIEW_DEFINITION is a VARCHAR2(4000) (Jonathan Lewis, 2022).
const SHOWN: usize = 4000;

fn views(dir: &Path, spec: &SpoolSpec) -> io::Result<()> {
    let rows = spec.exe.views.iter().map(|(name, text)| {
        let shown: String = text.chars().take(SHOWN).collect();
        let complete = if text.len() < SHOWN { "Y" } else { "N" };
        vec![Field::text(name), Field::text(complete), Field::Text(shown)]
    });
    let columns = "VIEW_NAME,COMPLETE,VIEW_DEFINITION";
    table(dir, "gv_view_text.csv", columns, rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exe::{ColSpec, SymSpec, TableSpec, write_executable};
    use crate::names;

    fn spec() -> ExeSpec {
        let column = |name: &str, off: u16, siz: u64| ColSpec {
            name: name.to_owned(),
            dty: 2,
            typ: 11,
            off,
            siz,
            ..ColSpec::default()
        };
        ExeSpec {
            release: "19.3.0.0.0".to_owned(),
            kqftap_entry: 32,
            tables: vec![TableSpec {
                name: "X$KSUSE".to_owned(),
                struct_name: "ksuse".to_owned(),
                typ: 2,
                flg: 1,
                rsz: 10_216,
                obj: 4_294_951_004,
                ver: 1,
                columns: vec![column("INDX", 0, 4), column("KSUSESER", 2172, 2)],
                ..TableSpec::default()
            }],
            symbols: vec![SymSpec {
                name: "ksusga_".to_owned(),
                address: 0x6000_9000,
                size: 600,
                ctype: "struct \"x\"".to_owned(),
            }],
            events: names::events(50),
            statistics: names::statistics(100),
            views: vec![("GV$X".to_owned(), "select 1,\n2 from x".to_owned())],
            ..ExeSpec::default()
        }
    }

    #[test]
    fn spool_names_columns_and_quotes_text() {
        let dir = std::env::temp_dir().join(format!("sgasim-spool-{}", std::process::id()));
        let exe = spec();
        let parameters = [("processes".to_owned(), "320".to_owned())];
        let spool = SpoolSpec {
            exe: &exe,
            sid: "SIM1",
            instance_number: 1,
            host: "h",
            session_addrs: &[0x6900_0000, 0x6900_27e8],
            process_addrs: &[0x6a00_0000],
            areas: &[],
            parameters: &parameters,
        };
        write_spool(&dir, &spool).expect("spool");
        let read = |name: &str| fs::read_to_string(dir.join(name)).expect(name);
        assert_eq!(
            read("x_ksuse_addr.csv"),
            "\"INDX\",\"ADDR\"\n0,\"0000000069000000\"\n1,\"00000000690027E8\"\n"
        );
        let variables = read("x_ksmfsv.csv");
        assert!(
            variables
                .contains(",0,1,0,\"ksusga_\",\"struct \"\"x\"\"\",\"0000000060009000\",600\n")
        );
        let columns = read("x_kqfco.csv");
        let serial = ",1,1,0,0,4294951004,2,\"KSUSESER\",2,11,0,0,0,2,2172,0,0\n";
        assert!(columns.contains(serial), "{columns}");
        assert!(!columns.contains("KQFCOP"));
        assert!(read("gv_view_text.csv").contains("\"select 1,\n2 from x\""));
        assert!(read("v_event_name.csv").contains(",\"null event\",,,,1893977003,0,\"Other\"\n"));
        assert_eq!(
            read("v_parameter.csv"),
            "\"NAME\",\"VALUE\"\n\"processes\",\"320\"\n"
        );
        assert_eq!(fs::read_dir(&dir).expect("dir").count(), 14);
        let map = write_executable(&exe, &dir.join("oracle")).expect("executable");
        assert!(map.image_bytes > 0);
        fs::remove_dir_all(&dir).expect("clean up");
    }
}
