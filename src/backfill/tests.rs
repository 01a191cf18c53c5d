//! Files in, rows and ticks out.

use std::fs;
use std::path::Path;

use arrow::array::{Array, AsArray};
use arrow::datatypes::TimestampMicrosecondType;

use super::*;
use crate::backfill::times::parse;
use crate::record::ScanOptions;

const HEAD: &str = "SAMPLE_ID,SAMPLE_TIME,SESSION_ID,EVENT";

fn wanted(dir: &Path, text: &str, zone: &str) -> Backfill {
    let csv = dir.join("ash.csv");
    fs::write(&csv, text).unwrap();
    Backfill {
        csv,
        dir: dir.join("rec"),
        host: Some("h".into()),
        instance: Some("I".into()),
        zone: (!zone.is_empty()).then(|| TimeZone::get(zone).unwrap()),
        view: None,
        instance_number: None,
    }
}

/// Imports a file of rows below [`HEAD`]; times of its samples in UTC.
fn times(rows: &str, zone: &str) -> Result<Vec<String>, String> {
    let dir = tempfile::tempdir().unwrap();
    let wanted = wanted(dir.path(), &format!("{HEAD}\n{rows}"), zone);
    backfill(&wanted).map_err(|e| e.to_string())?;
    Ok(times_of(&wanted.dir, "samples"))
}

fn times_of(recording: &Path, table: &str) -> Vec<String> {
    let reader = Reader::open(recording).unwrap();
    let mut found = Vec::new();
    for batch in reader.scan(table, &ScanOptions::default()).unwrap() {
        let batch = batch.unwrap();
        let times = batch.column_by_name("sample_time").unwrap();
        let times = times.as_primitive::<TimestampMicrosecondType>();
        found.extend(
            times
                .values()
                .iter()
                .map(|us| Timestamp::from_microsecond(*us).unwrap().to_string()),
        );
    }
    found
}

#[test]
fn times_in_the_formats_of_oracles_tools() {
    let utc = TimeZone::UTC;
    for (text, expected) in [
        ("2026-11-21 14:30:05.123", "2026-11-21T14:30:05.123Z"),
        ("2026-11-21T14:30:05Z", "2026-11-21T14:30:05Z"),
        ("2026-11-21T14:30:05.5+01:00", "2026-11-21T13:30:05.5Z"),
        ("2026-11-21 14:30:05 -0530", "2026-11-21T20:00:05Z"),
        ("2026-07-21 14:30:05 Europe/Berlin", "2026-07-21T12:30:05Z"),
        ("21-NOV-26 02.30.05.123 PM", "2026-11-21T14:30:05.123Z"),
        (
            "21-NOV-26 12.30.05.123456 AM +01:00",
            "2026-11-20T23:30:05.123456Z",
        ),
        ("21-Nov-2026 14:30:05", "2026-11-21T14:30:05Z"),
        ("01-OCT-99 14:30:05", "1999-10-01T14:30:05Z"),
        ("21.11.26 14:30:05,123", "2026-11-21T14:30:05.123Z"),
        ("21-11-2026 14:30:05", "2026-11-21T14:30:05Z"),
        ("2026/11/21 14:30:05", "2026-11-21T14:30:05Z"),
    ] {
        let moment = parse(text).and_then(|spoken| spoken.moment(&utc));
        let expected: Timestamp = expected.parse().unwrap();
        assert_eq!(
            moment,
            Some(times::Moment::At(expected.as_microsecond())),
            "{text}"
        );
    }
    for text in [
        "",
        "yesterday",
        "21-NOV-26",
        "03/04/2026 10:00:00",
        "2026-11-31 10:00:00",
        "2026-11-21 25:00:00",
        "21-NOV-26 13.00.00 PM",
        "21-NOV-26 00.00.00 AM",
        "2026-11-21 10:00",
        "2026-11-21 10:00:00 Mars/Olympus",
        "2026-11-21 10:00:00 +1",
        "21-XYZ-26 10:00:00",
        "2026-11-21 10:00:00.1234567890",
        "ü-NOV-26 10:00:00 ü",
    ] {
        assert_eq!(parse(text), None, "{text}");
    }
}

#[test]
fn the_hour_that_clocks_show_twice() {
    // newest first, as people select it; clocks go back from 03:00 to 02:00 at 01:00 UTC
    let rows = "103,25-OCT-26 02.00.01 AM,1,x\n102,25-OCT-26 02.00.00 AM,1,x\n101,25-OCT-26 02.59.59 AM,1,x\n";
    let both = [
        "2026-10-25T00:59:59Z",
        "2026-10-25T01:00:00Z",
        "2026-10-25T01:00:01Z",
    ];
    assert_eq!(times(rows, "Europe/Berlin").unwrap(), both);
    // only one of the two hours is there: rows around say which
    let second = "5000,2026-10-25 02:30:00,1,x\n6801,2026-10-25 03:00:01,1,x\n";
    assert_eq!(
        times(second, "Europe/Berlin").unwrap()[0],
        "2026-10-25T01:30:00Z"
    );
    let first = "5000,2026-10-25 02:30:00,1,x\n3199,2026-10-25 01:59:59,1,x\n";
    assert_eq!(
        times(first, "Europe/Berlin").unwrap()[1],
        "2026-10-25T00:30:00Z"
    );
    // nothing says which
    let error = times("5000,2026-10-25 02:30:00,1,x\n", "Europe/Berlin").unwrap_err();
    assert!(
        error.contains("line 2, column SAMPLE_TIME") && error.contains("twice"),
        "{error}"
    );
    // clocks never showed it
    let error = times("5000,2026-03-29 02:30:00,1,x\n", "Europe/Berlin").unwrap_err();
    assert!(error.contains("forward"), "{error}");
    // another zone has no such hours
    assert_eq!(times(rows, "UTC").unwrap().len(), 3);
    assert!(times(rows, "").unwrap_err().contains("--time-zone"));
}

#[test]
fn seconds_without_rows_are_watched_as_sample_ids_say() {
    let ticks = |rows: &str| {
        let dir = tempfile::tempdir().unwrap();
        let wanted = wanted(dir.path(), &format!("{HEAD}\n{rows}"), "UTC");
        let imported = backfill(&wanted).unwrap();
        let times = times_of(&wanted.dir, "ticks");
        assert_eq!(times.len() as u64, imported.ticks);
        times
    };
    let row = |id: u64, second: u64| format!("{id},2026-11-21 10:00:{second:02},1,x\n");
    assert_eq!(ticks(&(row(1, 0) + &row(4, 3))).len(), 4, "idle in between");
    assert_eq!(
        ticks(&(row(1, 0) + &row(1, 0) + &row(2, 1))).len(),
        2,
        "two rows of a sample"
    );
    assert_eq!(
        ticks(&(row(900, 0) + &row(3, 40))).len(),
        2,
        "a restart in between"
    );
    assert_eq!(
        ticks(&(row(1, 0) + &row(3, 40))).len(),
        2,
        "it stood still in between"
    );
    assert_eq!(
        ticks("1,2026-11-21 10:00:00,1,x\n900000,2026-12-01 19:59:59,1,x\n").len(),
        2,
        "ten days"
    );
}

#[test]
fn values_and_the_state_that_a_file_lacks() {
    let dir = tempfile::tempdir().unwrap();
    let text = "\"SNAP_ID\",\"SAMPLE_TIME\",\"SAMPLE_TIME_UTC\",\"INSTANCE_NUMBER\",SESSION_ID,\"SESSION_SERIAL#\",EVENT,CURRENT_OBJ#,SQL_CHILD_NUMBER,IN_PARSE,P1,SQL_EXEC_START,MODULE,EVENT_ID,SESSION_TYPE\n\
        7,2026-11-21 11:00:00,2026-11-21 10:00:00,1,12,34,,-1,-1,Y,18446744073709551615,21-NOV-26,\"a,\"\"b\"\"\",5,FOREGROUND\n\
        7,2026-11-21 11:00:00,2026-11-21 10:00:00,2,13,34,x,-1,-1,Y,1,,m,5,BACKGROUND\n";
    let mut wanted = wanted(dir.path(), text, "");
    assert!(
        backfill(&wanted)
            .unwrap_err()
            .to_string()
            .contains("--instance-number")
    );
    wanted.instance_number = Some(1);
    let imported = backfill(&wanted).unwrap();
    assert_eq!(
        (imported.rows, imported.other_instances, imported.source),
        (1, 1, "dba_hist")
    );
    assert_eq!(imported.not_taken, ["SNAP_ID", "EVENT_ID"]);
    let reader = Reader::open(&wanted.dir).unwrap();
    let batch = reader
        .scan("samples", &ScanOptions::default())
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    let shown = |name: &str| {
        let column = batch.column_by_name(name).unwrap();
        let text = arrow::compute::cast(column, &arrow::datatypes::DataType::Utf8).unwrap();
        text.as_string::<i32>()
            .is_valid(0)
            .then(|| text.as_string::<i32>().value(0).to_owned())
    };
    for (name, expected) in [
        ("session_id", Some("12")),
        ("session_serial_no", Some("34")),
        ("session_state", Some("ON CPU")),
        ("is_active", Some("true")),
        ("event", None),
        ("current_obj_no", Some("-1")),
        ("sql_child_number", None),
        ("in_parse", Some("true")),
        ("p1", Some("18446744073709551615")),
        ("sql_exec_start", None),
        ("session_kind", Some("USER")),
        ("module", Some("a,\"b\"")),
        ("weight_us", Some("10000000")),
        ("source", Some("dba_hist")),
        ("instance_name", Some("I")),
        ("username", None),
    ] {
        assert_eq!(shown(name).as_deref(), expected, "{name}");
    }
}
