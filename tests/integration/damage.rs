//! Files of a recording that were cut or changed at any byte: an error that says so, or a correct shorter
//! answer, never a wrong one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use arrow::row::{RowConverter, SortField};
use nix::sys::signal::Signal;
use sgascope::analyze::{AnalyzeError, ReportOptions, ReportTable, report_recording};
use sgascope::record::{Reader, RecordError, RecordErrorKind, ScanOptions};
use tempfile::TempDir;

use crate::service::{LIMIT, Recording, files};
use crate::support::{Sim, sgascope, shared};

/// Cases within this process, and through the program.
const CASES: u64 = 10_000;
const PROGRAM_CASES: u64 = 60;
const WORKERS: u64 = 2;
/// Parts of a file of which each must be hit.
const REGIONS: u64 = 8;
/// Tables whose rows a report shows.
const REPORTED: [&str; 5] = ["samples", "ticks", "sessions", "cursors", "event_names"];

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % end.max(1)
    }
}

/// A recording of every table as a kill leaves it, with closed and hot files of most.
fn recorded() -> &'static Path {
    static MADE: OnceLock<TempDir> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let temp = tempfile::tempdir().unwrap();
        let sim = Sim::start(
            "DAMAGE",
            &["--sessions", "30", "--processes", "40", "--rate", "200"],
        );
        let dir = sim.file("recording");
        let args = [
            "-r",
            "10",
            "--flush",
            "100ms",
            "--sql-text",
            "redacted",
            "--stats-every",
            "300ms",
            "--stats",
            "DB time",
            "--processes-every",
            "300ms",
            "--trigger",
            "active >= 0",
            "--burst",
            "20:500ms",
            "--burst-every",
            "1s",
        ];
        let mut recording = Recording::start("DAMAGE", &dir, &args);
        recording.wait_event("burst_ended");
        recording.wait_flushes(5);
        recording.signal(Signal::SIGHUP);
        recording.wait_event("rotated");
        let tables = fs::read_dir(&dir).unwrap().flatten();
        let tables = tables.filter(|entry| entry.path().is_dir()).count();
        let begun = std::time::Instant::now();
        for wait in 1.. {
            if files(&dir, ".parquet").len() >= tables {
                break;
            }
            assert!(begun.elapsed() < LIMIT, "{:?}", files(&dir, ""));
            std::thread::sleep(std::time::Duration::from_millis(10));
            // a table whose first rows came meanwhile is closed with the next
            if wait % 100 == 0 {
                recording.signal(Signal::SIGHUP);
            }
        }
        recording.wait_event("burst_ended");
        recording.wait_flushes(5);
        recording.kill();
        copy(&dir, temp.path());
        temp
    });
    made.path()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), &target).unwrap()),
        }
    }
}

/// All rows of a table, all columns, each as bytes that are equal only if the row is; and which files end
/// in what a flush didn't complete.
struct Rows {
    columns: Vec<String>,
    rows: Vec<Vec<u8>>,
    truncated: BTreeSet<PathBuf>,
}

fn read(dir: &Path, table: &str) -> Result<Rows, RecordError> {
    let mut scan = Reader::open(dir)?.scan(table, &ScanOptions::default())?;
    let schema = scan.schema();
    let fields = schema.fields().iter();
    let types = fields
        .clone()
        .map(|f| SortField::new(f.data_type().clone()));
    let converter = RowConverter::new(types.collect()).unwrap();
    let mut rows = Vec::new();
    for batch in &mut scan {
        let converted = converter.convert_columns(batch?.columns()).unwrap();
        rows.extend(converted.iter().map(|row| row.as_ref().to_vec()));
    }
    assert_eq!(scan.unproven(), [] as [PathBuf; 0]);
    Ok(Rows {
        columns: fields.map(|f| f.name().clone()).collect(),
        rows,
        truncated: scan.truncated().iter().cloned().collect(),
    })
}

fn report(dir: &Path) -> Result<ReportTable, RecordError> {
    let options = ReportOptions {
        groups: ["username", "event", "sql_id"].map(str::to_owned).to_vec(),
        intervals: true,
        ..ReportOptions::default()
    };
    report_recording(&Reader::open(dir)?, &options).map_err(|error| match error {
        AnalyzeError::Record(error) => error,
        other => panic!("{other}"),
    })
}

/// What a recording answers.
struct Answer {
    tables: BTreeMap<String, Rows>,
    report: ReportTable,
}

impl Answer {
    fn of(dir: &Path) -> Answer {
        let tables = Reader::open(dir).unwrap().tables().unwrap();
        let tables = tables.into_iter().map(|table| {
            let rows = read(dir, &table).unwrap();
            (table, rows)
        });
        Answer {
            tables: tables.collect(),
            report: report(dir).unwrap(),
        }
    }
}

/// Changes some bytes and says how; `None` if it changed nothing.
fn damage(bytes: &[u8], random: &mut Random) -> Option<(Vec<u8>, String, u64)> {
    let length = bytes.len() as u64;
    let mut hurt = bytes.to_vec();
    let at = random.below(length);
    let block = 4096.min(length / 4).max(1);
    let (from, to) = (
        random.below(length - block + 1),
        random.below(length - block + 1),
    );
    let range = |start: u64| start as usize..(start + block) as usize;
    let mut hit = at;
    let how = match random.below(10) {
        0..5 => {
            hurt[at as usize] ^= 1 << random.below(8);
            format!("a bit of byte {at}")
        }
        5 => {
            let count = 2 + random.below(30);
            for _ in 0..count {
                hurt[random.below(length) as usize] ^= 1 << random.below(8);
            }
            format!("{count} bits")
        }
        6 | 7 => {
            hurt.truncate(at as usize);
            format!("cut to {at} bytes")
        }
        8 => {
            hit = from;
            hurt[range(from)].fill(0);
            format!("zeros from {from} on")
        }
        _ if random.below(2) == 0 => {
            hit = to;
            hurt[range(to)].copy_from_slice(&bytes[range(from)]);
            format!("what is at {from} at {to} too")
        }
        _ => {
            hit = to;
            hurt[range(to)].copy_from_slice(&bytes[range(from)]);
            hurt[range(from)].copy_from_slice(&bytes[range(to)]);
            format!("what is at {from} and {to} swapped")
        }
    };
    (hurt != bytes).then_some((hurt, how, hit * REGIONS / length))
}

/// A kind of file, and the table that a file is of.
fn kind_of(dir: &Path, file: &Path) -> (&'static str, Option<String>) {
    let name = file.file_name().unwrap().to_str().unwrap();
    let inside = file.strip_prefix(dir).unwrap();
    let table = (inside.components().count() > 1)
        .then(|| inside.iter().next().unwrap().to_str().unwrap().to_owned());
    let kinds = [".arrows", ".sums", ".parquet", "recording.json"];
    let kind = kinds.into_iter().find(|kind| name.ends_with(kind));
    (kind.unwrap(), table)
}

/// All files that are read.
fn targets(dir: &Path) -> Vec<PathBuf> {
    let mut all = files(dir, "");
    all.retain(|file| !file.ends_with("recording.lock") && fs::metadata(file).unwrap().len() > 0);
    all.sort();
    all
}

/// What damage came to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Outcome {
    Refused,
    Shorter,
    Same,
}

/// Checks that rows are the original ones, or the original ones without some of the end of `file`.
fn check_rows(found: &Rows, original: &Rows, file: &Path, case: &str) -> Outcome {
    assert_eq!(found.columns, original.columns, "{case}");
    if found.rows == original.rows {
        return Outcome::Same;
    }
    let pairs = found.rows.iter().zip(&original.rows);
    let before = pairs.take_while(|(a, b)| a == b).count();
    let after = found.rows.len() - before;
    assert!(found.rows.len() < original.rows.len(), "{case}: more rows");
    assert!(
        found.rows[before..] == original.rows[original.rows.len() - after..],
        "{case}: rows that aren't the original's"
    );
    let hot = match file.extension().unwrap() == "sums" {
        true => file.with_extension(""),
        false => file.to_path_buf(),
    };
    assert!(found.truncated.contains(&hot), "{case}: nobody says so");
    Outcome::Shorter
}

/// A report is the original's, or says that files are cut and has less in every group.
fn check_report(found: &ReportTable, original: &ReportTable, case: &str) -> Outcome {
    if found == original {
        return Outcome::Same;
    }
    assert!(found.meta.truncated_files > 0, "{case}: nobody says so");
    assert_eq!((found.meta.unproven_files, found.meta.unjoined), (0, 0));
    for row in &found.rows {
        let of_all = original.rows.iter().find(|r| r.values == row.values);
        let whole = of_all.unwrap_or_else(|| panic!("{case}: {:?}", row.values));
        assert!(row.total_us <= whole.total_us, "{case}: {:?}", row.values);
    }
    Outcome::Shorter
}

fn refused(error: &RecordError, case: &str) -> Outcome {
    assert_eq!(error.kind(), RecordErrorKind::Damaged, "{case}: {error}");
    Outcome::Refused
}

/// Reads all that can depend on the file.
fn look(dir: &Path, file: &Path, original: &Answer, case: &str) -> Outcome {
    let (_, table) = kind_of(dir, file);
    let Some(table) = table else {
        let error = Reader::open(dir).err();
        return refused(&error.unwrap_or_else(|| panic!("{case}: read")), case);
    };
    let mut worst = Outcome::Same;
    let reported = REPORTED.contains(&table.as_str());
    let tables = [Some(table.as_str()), (reported).then_some("samples")];
    for table in tables.into_iter().flatten().collect::<BTreeSet<_>>() {
        let outcome = match read(dir, table) {
            Ok(rows) => check_rows(&rows, &original.tables[table], file, case),
            // all of its only file is what a flush didn't complete
            Err(RecordError::NoTable { .. }) if only_hot(dir, table) => Outcome::Shorter,
            Err(error) => refused(&error, case),
        };
        worst = worst.min(outcome);
    }
    if reported {
        let outcome = match report(dir) {
            Ok(report) => check_report(&report, &original.report, case),
            Err(error) => refused(&error, case),
        };
        worst = worst.min(outcome);
    }
    worst
}

fn only_hot(dir: &Path, table: &str) -> bool {
    files(&dir.join(table), ".parquet").is_empty()
}

#[test]
fn ten_thousand_damaged_files_give_no_wrong_answer() {
    let temp = tempfile::tempdir().unwrap();
    let source = {
        let _beside = shared();
        recorded()
    };
    type Counts = BTreeMap<(&'static str, Outcome), u64>;
    type Hit = BTreeSet<(&'static str, u64)>;
    let worker = |number: u64| {
        let dir = temp.path().join(number.to_string());
        move || -> (Counts, Hit) {
            copy(source, &dir);
            let original = Answer::of(&dir);
            let targets = targets(&dir);
            let mut random = Random(number + 1);
            let (mut counts, mut regions) = (Counts::new(), Hit::new());
            let mut cases = 0;
            while cases < CASES / WORKERS {
                let file = &targets[random.below(targets.len() as u64) as usize];
                let bytes = fs::read(file).unwrap();
                let Some((hurt, how, region)) = damage(&bytes, &mut random) else {
                    continue;
                };
                fs::write(file, hurt).unwrap();
                let case = format!("worker {number}, case {cases}: {}: {how}", file.display());
                let outcome = look(&dir, file, &original, &case);
                fs::write(file, bytes).unwrap();
                let (kind, _) = kind_of(&dir, file);
                *counts.entry((kind, outcome)).or_default() += 1;
                regions.insert((kind, region));
                cases += 1;
            }
            (counts, regions)
        }
    };
    let results: Vec<(Counts, Hit)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..WORKERS).map(|n| scope.spawn(worker(n))).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    let mut counts = Counts::new();
    for (key, count) in results.iter().flat_map(|r| &r.0) {
        *counts.entry(*key).or_default() += count;
    }
    eprintln!("{counts:?}");
    assert_eq!(counts.values().sum::<u64>(), CASES);
    let regions: Hit = results.into_iter().flat_map(|r| r.1).collect();
    for kind in [".arrows", ".sums", ".parquet", "recording.json"] {
        for region in 0..REGIONS {
            assert!(regions.contains(&(kind, region)), "{kind} part {region}");
        }
        assert!(counts[&(kind, Outcome::Refused)] > 0, "{kind}");
    }
    assert!(counts.contains_key(&(".sums", Outcome::Shorter)));
    // a changed file that is read whole can't answer as before, but for what stands behind a stream's end
    assert!(!counts.contains_key(&(".parquet", Outcome::Shorter)));
}

#[test]
fn the_program_says_which_file_is_damaged_and_where() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("recording");
    copy(
        {
            let _beside = shared();
            recorded()
        },
        &dir,
    );
    let mut targets = targets(&dir);
    targets.retain(|file| {
        let (_, table) = kind_of(&dir, file);
        table.is_none_or(|table| REPORTED.contains(&table.as_str()))
    });
    let run = || {
        let groups = "username,event,sql_id";
        let args = ["report".as_ref(), dir.as_os_str()];
        let more = ["-g", groups, "-f", "json", "--top", "1000"].map(AsRef::as_ref);
        sgascope(args.into_iter().chain(more))
    };
    let whole = run();
    assert_eq!(whole.status.code(), Some(0));
    let mut random = Random(60);
    let (mut cases, mut refused) = (0, 0);
    while cases < PROGRAM_CASES {
        let file = &targets[cases as usize % targets.len()];
        let bytes = fs::read(file).unwrap();
        let Some((hurt, how, _)) = damage(&bytes, &mut random) else {
            continue;
        };
        fs::write(file, hurt).unwrap();
        let output = run();
        fs::write(file, bytes).unwrap();
        cases += 1;
        let said = String::from_utf8_lossy(&output.stderr);
        let case = format!("{}: {how}: {said}", file.display());
        if output.status.code() == Some(0) {
            let cut = serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap();
            let cut = cut["meta"]["truncated_files"].as_u64().unwrap() > 0;
            assert!(cut || output.stdout == whole.stdout, "{case}");
            continue;
        }
        refused += 1;
        assert_eq!(output.status.code(), Some(6), "{case}");
        assert!(output.stdout.is_empty(), "{case}");
        let name = file.file_name().unwrap().to_str().unwrap();
        let stem = name.split(".arrows").next().unwrap();
        let told = said.contains(stem) && said.contains("damaged at byte ");
        assert!(told, "{case}");
    }
    assert!(refused > PROGRAM_CASES / 2, "{refused} of {cases}");
}

/// What a report on a copy of the recording says after `change`: its exit code, and all that it says.
fn said_after(change: impl FnOnce(&Path)) -> (i32, String) {
    let temp = tempfile::tempdir().unwrap();
    {
        let _beside = shared();
        copy(recorded(), temp.path());
    }
    change(temp.path());
    let args = ["report".as_ref(), temp.path().as_os_str()];
    let output = sgascope(
        args.into_iter()
            .chain(["-g", "username"].map(AsRef::as_ref)),
    );
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    (output.status.code().unwrap(), said)
}

#[test]
fn what_is_missing_or_has_no_sums_is_told() {
    let (code, said) = said_after(|_| {});
    assert_eq!(code, 0, "{said}");
    assert!(!said.contains("Unproven") && !said.contains("Missing"));
    // sessions that samples refer to
    let (code, said) = said_after(|dir| {
        for file in files(&dir.join("sessions"), ".parquet") {
            fs::remove_file(file).unwrap();
        }
    });
    assert_eq!(code, 0, "{said}");
    let missing = said.lines().find(|l| l.starts_with("Missing: ")).unwrap();
    assert!(!missing.contains(": 0 times"), "{missing}");
    // as a program that isn't ours names its files
    let (code, said) = said_after(|dir| {
        let file = files(&dir.join("samples"), ".parquet").remove(0);
        let name = file.file_name().unwrap().to_str().unwrap();
        let start = name.split('.').next().unwrap();
        fs::rename(&file, file.with_file_name(format!("{start}.parquet"))).unwrap();
    });
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("Unproven: 1 file(s)"), "{said}");
}

#[test]
fn samples_whose_sessions_were_cut_are_refused() {
    for left in [0, 1] {
        let (code, said) = said_after(|dir| {
            for file in files(&dir.join("sessions"), ".parquet") {
                fs::remove_file(file).unwrap();
            }
            for file in files(&dir.join("sessions"), ".sums") {
                let sums = fs::File::options().write(true).open(file).unwrap();
                sums.set_len(left).unwrap();
            }
        });
        assert_eq!(code, 6, "{said}");
        assert!(
            said.contains("/sessions/") && said.contains("damaged at byte 0"),
            "{said}"
        );
    }
}

#[test]
fn a_damaged_hot_file_is_kept_beside_and_told() {
    let _beside = shared();
    let sim = Sim::start("AGAIN", &["--sessions", "20", "--processes", "30"]);
    let dir = sim.file("recording");
    copy(recorded(), &dir);
    let held = |dir: &Path| read(dir, "ticks").unwrap().rows.len();
    let whole = held(&dir);
    let hot = files(&dir.join("ticks"), ".arrows").remove(0);
    let mut bytes = fs::read(&hot).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&hot, &bytes).unwrap();
    let mut recording = Recording::start("AGAIN", &dir, &["--flush", "100ms"]);
    let told = recording.wait_event("left_open");
    let detail = told["event"]["detail"].as_str().unwrap();
    let name = hot.file_name().unwrap().to_str().unwrap();
    assert!(
        detail.contains(name) && detail.contains("kept beside") && detail.contains("CRC-32"),
        "{detail}"
    );
    recording.wait_flushes(1);
    recording.end();
    // all but what the last flush wrote, and what came since
    assert!(held(&dir) > whole - whole / 2);
    let beside = hot.with_file_name(format!("{name}.damaged"));
    assert_eq!(fs::read(&beside).unwrap(), bytes);
    assert!(
        beside
            .with_file_name(format!("{name}.damaged.sums"))
            .exists()
    );
    let report = sgascope(["report".as_ref(), dir.as_os_str()]);
    assert_eq!(report.status.code(), Some(0));
}
