//! The page of a report in a real Chromium, whose network is off: that it asks for nothing, says what
//! `report` says for the whole window and for what is narrowed, and that recorded texts are harmless.
//!
//! The browser is driven by `tests/browser/check.py`; screenshots go to `target/browser`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type, Schema};
use sgascope::record::{Reader, Recorder, ScanOptions};

#[path = "integration/support.rs"]
#[allow(dead_code)]
mod support;

use support::{Sim, end, sgascope};

/// Names that would run, close the block that they stand in, or turn the text around them.
const HOSTILE: [&str; 6] = [
    "</script><script>window.hacked=1</script>",
    "\"><img src=x onerror=\"window.hacked=1\">",
    "' onmouseover='window.hacked=1' <!-- ]]> \\u003cscript>",
    "safe\u{202e}gnp.exe\u{2066} \u{200b}",
    "bell\u{7}\u{1b}[31m \u{0} null",
    "javascript:window.hacked=1 {{7*7}} ${hacked} &lt;b&gt; Ünï 日本語 שלום",
];

fn run(words: &[&str]) {
    let output = sgascope(words);
    assert!(output.status.success(), "{words:?}: {:?}", end(&output));
}

/// All rows of a recording again, with hostile names in place of the recorded ones.
fn poisoned(from: &Path, to: &Path) {
    let reader = Reader::open(from).unwrap();
    let meta = reader.recording().latest().unwrap().clone();
    let mut recorder = Recorder::create(to, meta).unwrap();
    let mut known: HashMap<String, usize> = HashMap::new();
    for table in ["samples", "ticks", "sql_text"] {
        for batch in reader.scan(table, &ScanOptions::default()).unwrap() {
            let batch = batch.unwrap();
            let columns = batch.columns().iter().zip(batch.schema_ref().fields());
            let columns = columns.map(|(column, field)| match field.name().as_str() {
                "program" | "module" | "username" | "sql_text" => renamed(column, &mut known),
                _ => Arc::clone(column),
            });
            let schema = Schema::new(batch.schema_ref().fields().clone());
            let batch = RecordBatch::try_new(Arc::new(schema), columns.collect()).unwrap();
            recorder.write(table, &batch).unwrap();
        }
    }
    recorder.close().unwrap();
}

/// Other texts in a column, the same for the same.
fn renamed(column: &ArrayRef, known: &mut HashMap<String, usize>) -> ArrayRef {
    let mut rename = |text: Option<&str>| {
        text.map(|text| {
            let next = known.len();
            let number = *known.entry(text.to_owned()).or_insert(next);
            format!(
                "{} {}",
                HOSTILE[number % HOSTILE.len()],
                number / HOSTILE.len()
            )
        })
    };
    match column.as_dictionary_opt::<Int32Type>() {
        Some(coded) => {
            let texts = coded.values().as_string::<i32>();
            let texts: StringArray = texts.iter().map(&mut rename).collect();
            Arc::new(coded.with_values(Arc::new(texts)))
        }
        None => {
            let texts = cast(column, &DataType::Utf8).unwrap();
            let texts: StringArray = texts.as_string::<i32>().iter().map(&mut rename).collect();
            Arc::new(texts)
        }
    }
}

#[test]
fn the_page_says_what_report_says_and_runs_nothing_but_itself() {
    let temp = tempfile::tempdir().unwrap();
    let at = |name: &str| temp.path().join(name).to_str().unwrap().to_owned();
    let (recording, bad, idle) = (at("recording"), at("bad"), at("idle"));
    let mut sim = Sim::start("PAGE", &["--seed", "3", "--rate", "4000"]);
    run(&[
        "record",
        "-I",
        "PAGE",
        "-r",
        "20",
        "-d",
        "12s",
        "--sql-text",
        "redacted",
        "-o",
        &recording,
    ]);
    poisoned(Path::new(&recording), Path::new(&bad));
    // straight from the running instance, and nothing that would be counted
    let none = sgascope([
        "report",
        "-I",
        "PAGE",
        "--for",
        "1s",
        "-f",
        "html",
        "-o",
        &idle,
        "username=nobody",
    ]);
    assert_eq!(end(&none).0, 1, "{:?}", end(&none));
    sim.stop();
    let page = |of: &str, to: &str| run(&["report", of, "-f", "html", "-o", to]);
    page(&recording, &at("page.html"));
    page(&bad, &at("bad.html"));
    let size = std::fs::metadata(at("page.html")).unwrap().len();
    assert!(size < 3_000_000, "{size} bytes");

    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let shots = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("browser");
    let checked = Command::new("python3")
        .arg(here.join("tests/browser/check.py"))
        .arg(support::program())
        .args([&recording, &at("page.html"), &at("bad.html"), &idle])
        .arg(&shots)
        .output()
        .expect("python3 runs; tools/check installs it and chromium");
    let said = String::from_utf8_lossy(&checked.stdout);
    let complaint = String::from_utf8_lossy(&checked.stderr);
    println!("{said}");
    assert!(checked.status.success(), "{said}{complaint}");
}

#[test]
fn the_page_of_a_bench_says_what_its_document_says() {
    let temp = tempfile::tempdir().unwrap();
    let at = |name: &str| temp.path().join(name).to_str().unwrap().to_owned();
    // a client whose name and rows would run, and that answers three sessions a poll
    let client = at("<img src=x onerror=window.hacked=1>");
    let script = "while read -r word rest; do case $word in \\\\echo) echo \"$rest\";; \
        row) echo sid,serial#; echo 1,1; echo 2,1; echo '\"</pre><script>window.hacked=1</script>\",3';; esac; done";
    // the name has slashes only where folders end
    std::fs::write(&client, script).unwrap();
    let statement = at("poll.sql");
    std::fs::write(&statement, "row </pre><script>window.hacked=1</script>").unwrap();
    let _sim = Sim::start("BPAGE", &["--sessions", "200", "--processes", "160"]);
    let (document, page) = (at("bench.json"), at("bench.html"));
    run(&[
        "bench",
        "-I",
        "BPAGE",
        "--poll-cmd",
        &format!("sh '{client}'"),
        "--poll-dialect",
        "psql",
        "--poll-sql",
        &statement,
        "--rates",
        "10,100",
        "-d",
        "1s",
        "--saturate",
        "-f",
        "json",
        "-o",
        &document,
        "--html",
        &page,
    ]);
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let shots = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("browser");
    let checked = Command::new("python3")
        .arg(here.join("tests/browser/bench_page.py"))
        .args([&document, &page])
        .arg(&shots)
        .output()
        .expect("python3 runs; tools/check installs it and chromium");
    let said = String::from_utf8_lossy(&checked.stdout);
    let complaint = String::from_utf8_lossy(&checked.stderr);
    println!("{said}");
    assert!(checked.status.success(), "{said}{complaint}");
}
