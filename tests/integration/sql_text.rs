//! SQL texts: every session's current and previous statement, whole; never a wrong one, whatever
//! happens to the handles; redacted unless whole texts were asked for.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use serde_json::Value;

use crate::mutation::{batches, texts};
use crate::support::{Sim, alone, json, sgascope, shared};

/// Statements of the instance under churn.
const STATEMENTS: &str = "12000";
/// Of which so many texts must be read.
const WANTED: usize = 10_000;
/// And so many copies refused, since their handles had been reused.
const REFUSED: u64 = 100;
/// Rounds of recording and dumping at most until then.
const ROUNDS: usize = 30;

/// What the simulator says: SQL_ID to text.
fn truth(sim: &Sim) -> HashMap<String, String> {
    let lines = std::fs::read_to_string(sim.file("sql.jsonl")).unwrap();
    let statements = lines
        .lines()
        .map(|l| serde_json::from_str::<Value>(l).unwrap());
    let text = |s: &Value, name: &str| s[name].as_str().unwrap().to_owned();
    statements
        .map(|s| (text(&s, "sql_id"), text(&s, "text")))
        .collect()
}

/// SQL_ID and text of all statements of a recording.
fn recorded(dir: &Path) -> Vec<(String, String)> {
    let pairs = batches(dir, "sql_text").into_iter().flat_map(|batch| {
        let ids = texts(&batch, "sql_id");
        ids.into_iter().zip(texts(&batch, "sql_text"))
    });
    pairs
        .map(|(id, text)| (id.unwrap(), text.unwrap()))
        .collect()
}

/// SQL_ID and text of the current and the previous statements of a dump, where there is a text.
fn dumped(dump: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for session in dump["sessions"].as_array().unwrap() {
        for (id, text) in [("sql_id", "sql_text"), ("prev_sql_id", "prev_sql_text")] {
            if let Some(text) = session[text].as_str() {
                let id = session[id]
                    .as_str()
                    .expect("a text has its SQL_ID beside it");
                found.push((id.to_owned(), text.to_owned()));
            }
        }
    }
    found
}

/// What was read so far, and what of it was wrong.
#[derive(Default)]
struct Tally {
    shown: usize,
    seen: BTreeSet<String>,
    wrong: Vec<String>,
    proven: u64,
    refused: u64,
    unproven: u64,
}

impl Tally {
    fn add(&mut self, truth: &HashMap<String, String>, pairs: Vec<(String, String)>) {
        for (id, text) in pairs {
            self.shown += 1;
            if truth.get(&id) != Some(&text) {
                self.wrong.push(format!("{id}: {text:.100}"));
            }
            self.seen.insert(id);
        }
    }

    fn count(&mut self, stats: &Value) {
        let of = |name: &str| stats[name].as_u64().unwrap();
        self.proven += of("proven");
        self.refused += of("mismatched_copies");
        self.unproven += of("unproven");
        assert_eq!(of("forgotten"), 0, "{stats}");
    }
}

/// Handles are freed and reused all the time, also while they are copied; half of the texts find room
/// at a time.
#[test]
fn ten_thousand_cursors_under_churn_and_no_wrong_text() {
    let _quiet = alone();
    let dir = tempfile::tempdir().unwrap();
    let mut sim = Sim::start(
        "CHURN",
        &[
            "--cursors",
            STATEMENTS,
            "--cursor-churn",
            "4000",
            "--store-pause",
            "1us",
            "--seed",
            "11",
        ],
    );
    let truth = truth(&sim);
    let mut tally = Tally::default();
    let mut rounds = 0;
    let longest = |tally: &Tally| tally.seen.iter().any(|id| truth[id].len() >= 1_000_000);
    while tally.seen.len() < WANTED || tally.refused < REFUSED || !longest(&tally) {
        rounds += 1;
        let so_far = (tally.seen.len(), tally.refused);
        assert!(rounds <= ROUNDS, "texts and refused copies: {so_far:?}");
        let recording = dir.path().join(rounds.to_string());
        let out = recording.to_str().unwrap();
        let run = "record -I CHURN --idle -r 200 -d 5s --sql-text full -f json -o";
        let words = run.split(' ').chain([out]);
        tally.count(&json(&sgascope(words))["sql_text"]);
        tally.add(&truth, recorded(&recording));
        let dump = json(&sgascope(
            "dump -I CHURN -f json --sql-text full".split(' '),
        ));
        tally.count(&dump["meta"]["sql_text"]);
        tally.add(&truth, dumped(&dump));
    }
    eprintln!(
        "{rounds} rounds: {} statements, {} texts shown, {} wrong; {} proven, {} copies refused, {} statements not proven",
        tally.seen.len(),
        tally.shown,
        tally.wrong.len(),
        tally.proven,
        tally.refused,
        tally.unproven,
    );
    assert!(tally.wrong.is_empty(), "{:#?}", tally.wrong);
    let read = |what: &str, is: &dyn Fn(&str) -> bool| {
        let any = tally.seen.iter().any(|id| is(&truth[id]));
        assert!(any, "no text {what}");
    };
    read("over 64 kB", &|t| t.len() > 65_536);
    read("with letters of several bytes", &|t| !t.is_ascii());
    read("of the families of equal length", &|t| {
        t.contains("t.mark = ")
    });
    sim.stop();
}

/// While nothing moves, no text is missing.
#[test]
fn every_current_and_previous_statement_has_its_text() {
    let _beside = shared();
    for release in ["12.1", "19.3", "23.5"] {
        let sid = format!("TEXT{}", release.replace('.', ""));
        let sim = Sim::start(&sid, &["--release", release, "--seed", "5"]);
        std::thread::sleep(std::time::Duration::from_millis(1500));
        sim.pause();
        let truth = truth(&sim);
        let words = ["dump", "-I", &sid, "-f", "json", "--sql-text", "full"];
        let dump = json(&sgascope(words));
        let mut counts = [0, 0];
        for session in sim.json_file("expected.json")["sessions"]
            .as_array()
            .unwrap()
        {
            let sid = &session["sid"];
            let rows = dump["sessions"].as_array().unwrap();
            let row = rows.iter().find(|r| &r["sid"] == sid).unwrap();
            for (i, (id, text)) in [("sql_id", "sql_text"), ("prev_sql_id", "prev_sql_text")]
                .into_iter()
                .enumerate()
            {
                let wanted = session[id].as_str().map(|id| truth[id].as_str());
                assert_eq!(row[text].as_str(), wanted, "{release} {sid} {text}");
                counts[i] += usize::from(wanted.is_some());
            }
        }
        assert!(counts[0] > 5 && counts[1] > 50, "{release}: {counts:?}");
        let stats = &dump["meta"]["sql_text"];
        assert_eq!(stats["form"], "full");
        assert_eq!(stats["unproven"], 0, "{stats}");
    }
}

/// Whoever asks for texts without saying full gets none of the literals, under the same SQL_IDs; the
/// recording says which form it holds.
#[test]
fn texts_that_leave_are_redacted() {
    let _beside = shared();
    let dir = tempfile::tempdir().unwrap();
    let sim = Sim::start("HIDE", &["--seed", "8"]);
    let truth = truth(&sim);
    let literals = ["Köln-Süd", "日本語", "Österreich", "1000", "q1"];
    let check = |pairs: Vec<(String, String)>| {
        assert!(pairs.len() > 20, "only {} texts", pairs.len());
        for (id, text) in &pairs {
            let whole = &truth[id];
            assert_ne!(text, "", "{id}");
            let known = literals.iter().find(|l| text.contains(**l));
            assert_eq!(known, None, "{whole} → {text}");
        }
        let placeholders = pairs.iter().filter(|(_, t)| t.contains("'?'")).count();
        assert!(placeholders > 0, "no literal was replaced");
        let hidden = pairs
            .iter()
            .filter(|(id, _)| literals.iter().any(|l| truth[id].contains(l)));
        assert!(hidden.count() > 0, "no text had anything to hide");
    };
    for (form, name) in [
        (Some("redacted"), "redacted"),
        (Some("full"), "full"),
        (None, "none"),
    ] {
        let recording = dir.path().join(name);
        let run = "record -I HIDE --idle -r 100 -d 2s -f json -o";
        let asked = form.map(|form| ["--sql-text", form]);
        let words = run.split(' ').chain([recording.to_str().unwrap()]);
        let summary = json(&sgascope(words.chain(asked.into_iter().flatten())));
        let meta = std::fs::read(recording.join("recording.json")).unwrap();
        let meta: Value = serde_json::from_slice(&meta).unwrap();
        assert_eq!(meta["runs"][0]["sql_text"], name);
        match form {
            Some("redacted") => check(recorded(&recording)),
            Some(_) => assert!(recorded(&recording).iter().all(|(id, t)| truth[id] == *t)),
            None => assert!(!recording.join("sql_text").exists() && summary["sql_text"].is_null()),
        }
    }
    let columns = "sql_id,sql_text,prev_sql_id,prev_sql_text";
    let named = sgascope(["dump", "-I", "HIDE", "-f", "json", "--columns", columns]);
    check(dumped(&json(&named)));
    let unasked = json(&sgascope(["dump", "-I", "HIDE", "-f", "json"]));
    assert!(unasked["sessions"][0].get("sql_text").is_none());
    assert!(unasked["meta"].get("sql_text").is_none());
}
