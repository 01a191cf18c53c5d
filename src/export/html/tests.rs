//! Tests of pages as text; what a browser makes of them is tested in `tests/browser.rs`.

use super::*;
use crate::record::Recorder;
use crate::record::testing::*;

fn recorded(dir: &std::path::Path, rows: &[Vec<Sample>], forced: bool) -> Reader {
    let about = crate::record::RecordingMeta { forced, ..meta() };
    let mut recorder = Recorder::create(dir, about).unwrap();
    for (number, rows) in rows.iter().enumerate() {
        if !rows.is_empty() {
            recorder.write("samples", &samples(rows)).unwrap();
        }
        let tick = Tick {
            tick: number as u64,
            time_us: START_US + number as i64 * 1_000_000,
            weight_us: 1_000_000,
            rows_seen: 50,
            torn: 0,
        };
        recorder.write("ticks", &ticks(&[tick])).unwrap();
    }
    recorder.close().unwrap();
    Reader::open(dir).unwrap()
}

fn sample(tick: u64, sid: u32, event: Option<&str>, username: &str) -> Sample {
    Sample {
        tick,
        time_us: START_US + tick as i64 * 1_000_000,
        weight_us: 1_000_000,
        sid,
        kind: "USER",
        event: event.map(str::to_owned),
        sql_id: Some(format!("sql{sid}")),
        exec: None,
        username: Some(username.to_owned()),
        p1: None,
        active: true,
    }
}

fn page_of(rows: &[Vec<Sample>], forced: bool) -> String {
    let dir = tempfile::tempdir().unwrap();
    let reader = recorded(dir.path(), rows, forced);
    let page = read(
        &reader,
        &ReportOptions::default(),
        Some(TextForm::Redacted),
        Vec::new(),
    )
    .unwrap();
    assert_eq!(page.is_empty(), rows.iter().all(Vec::is_empty));
    page.render()
}

/// The script and what it is made of can be had from the page alone.
#[test]
fn a_page_needs_nothing_else() {
    let page = page_of(&[vec![sample(0, 1, None, "SCOTT")], vec![]], false);
    for outside in [
        "http:", "https:", "//cdn", "@import", "src=", "url(\"", "href=\"h",
    ] {
        let found = page
            .replace("http://www.w3.org/2000/svg", "")
            .contains(outside);
        assert!(!found, "{outside}");
    }
    assert!(page.contains("default-src 'none'; script-src 'sha256-"));
    assert_eq!(page.matches("<script").count(), 2);
    assert!(page.contains("Whole window: <time data-us=\"1785060000000000\""));
    // one of two seconds
    assert!(page.contains("AAS <b>0.50</b>"), "{page}");
    assert!(page.contains("4 CPUs"));
}

#[test]
fn texts_are_harmless() {
    let evil = "</script><script>alert(1)</script>\u{202e}\u{1b}\"'<!--";
    let page = page_of(&[vec![sample(0, 1, Some(evil), evil)]], false);
    assert_eq!(page.matches("<script").count(), 2);
    assert_eq!(page.matches("</script>").count(), 2);
    assert!(!page.contains("<!--"));
    assert!(!page.contains(['\u{202e}', '\u{1b}']));
    assert!(page.contains(
        "&lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt;‹202E›‹001B›&quot;'&lt;!--"
    ));
}

#[test]
fn a_forced_blueprint_is_stamped() {
    let rows = [vec![sample(0, 1, None, "SCOTT")]];
    assert!(page_of(&rows, true).contains("<strong class=\"forced\">FORCED</strong>"));
    assert!(!page_of(&rows, false).contains("<strong class=\"forced\">"));
}

#[test]
fn few_and_no_samples_say_so() {
    let one = page_of(&[vec![sample(0, 1, None, "SCOTT")]], false);
    assert!(
        one.contains("only 1 tick: averages of so few say little"),
        "{one}"
    );
    let none = page_of(&[vec![], vec![]], false);
    assert!(none.contains("No active session was sampled in this window."));
}

/// Thousands of values of everything, in every step.
#[test]
fn size_is_bounded() {
    let rows: Vec<Vec<Sample>> = (0..600u64)
        .map(|tick| {
            let of = |n: u32| {
                let k = u64::from(n) * 7919 + tick * 104_729;
                let event = format!(
                    "{}{}",
                    "a long event name that goes on and on ".repeat(20),
                    k % 900
                );
                let mut row = sample(
                    tick,
                    (k % 3_000) as u32,
                    Some(&event),
                    &format!("USER{}", k % 700),
                );
                row.weight_us = 999_983;
                row.sql_id = Some(format!("{:013}", k % 5_000));
                row
            };
            (0..60).map(of).collect()
        })
        .collect();
    let page = page_of(&rows, false);
    assert!(page.len() < 3_000_000, "{} bytes", page.len());
    assert!(page.contains("more characters)"));
}
