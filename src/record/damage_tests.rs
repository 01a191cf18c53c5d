//! Tests of files that end anywhere or hold anything.

use std::fs;
use std::os::unix::fs::FileExt;

use super::testing::*;
use super::tests::{abandon, files, record, sample};
use super::*;

#[test]
fn cut_at_every_byte_all_complete_batches_read_back() {
    let temp = tempfile::tempdir().unwrap();
    let (dir, cut) = (temp.path().join("a"), temp.path().join("cut"));
    let ticks: Vec<Vec<Sample>> = (0..4)
        .map(|t| {
            (0..3)
                .map(|s| sample(START_US + t * 100_000, s + t as u32))
                .collect()
        })
        .collect();
    let mut recorder = Recorder::create(&dir, meta()).unwrap();
    let mut ends = vec![0u64];
    for tick in &ticks {
        recorder.write("samples", &samples(tick)).unwrap();
        recorder.flush().unwrap();
        ends.push(fs::metadata(&files(&dir, ".arrows")[0]).unwrap().len());
    }
    abandon(recorder, &dir, &cut);
    let hot = files(&cut, ".arrows").remove(0);
    let whole = fs::read(&hot).unwrap();
    assert_eq!(whole.len() as u64, *ends.last().unwrap());
    for length in (0..=whole.len()).rev() {
        let file = fs::File::options().write(true).open(&hot).unwrap();
        file.set_len(length as u64).unwrap();
        let complete = ends.iter().filter(|end| **end <= length as u64).count() - 1;
        let expected = ticks[..complete].concat();
        let reader = Reader::open(&cut).unwrap();
        match reader.scan("samples", &ScanOptions::default()) {
            Ok(mut scan) => {
                let rows: Vec<Sample> = scan
                    .by_ref()
                    .flat_map(|batch| rows_of(&batch.unwrap()))
                    .collect();
                assert_eq!(rows, expected, "cut at {length}");
                let at_batch = ends.contains(&(length as u64));
                assert!(at_batch <= scan.truncated().is_empty(), "cut at {length}");
            }
            Err(error) => {
                assert_eq!(complete, 0, "cut at {length}: {error}");
                assert_eq!(error.kind(), RecordErrorKind::NotFound, "cut at {length}");
            }
        }
    }
    // Closing what is left gives the same rows.
    for length in [
        1,
        ends[1] as usize - 1,
        ends[2] as usize + 9,
        ends[3] as usize + 900,
    ] {
        fs::write(&hot, &whole[..length]).unwrap();
        let complete = ends.iter().filter(|end| **end <= length as u64).count() - 1;
        let report = recover(&cut).unwrap();
        assert_eq!(report.truncated, vec![hot.clone()], "cut at {length}");
        assert_eq!(report.rows, 3 * complete as u64);
        assert!(!hot.exists());
        if complete > 0 {
            let rows = read_samples(&cut, &ScanOptions::default());
            assert_eq!(rows, ticks[..complete].concat());
            fs::remove_file(hot.with_extension("parquet")).unwrap();
        }
    }
}

/// Flips bits and cuts: never a panic, and never more rows than were written.
fn bit_flips(extension: &str) {
    let temp = tempfile::tempdir().unwrap();
    let (dir, hurt) = (temp.path().join("a"), temp.path().join("hurt"));
    let ticks: Vec<Vec<Sample>> = (0..3)
        .map(|t| {
            (0..5)
                .map(|s| sample(START_US + t * 100_000, s + t as u32))
                .collect()
        })
        .collect();
    let recorder = record(&dir, &ticks, 1);
    abandon(recorder, &dir, &hurt);
    if extension == ".parquet" {
        recover(&hurt).unwrap();
    }
    let path = files(&hurt, extension).remove(0);
    let whole = fs::read(&path).unwrap();
    let mut damaged = 0;
    let file = fs::File::options().write(true).open(&path).unwrap();
    for at in 0..whole.len() {
        let flipped = match at % 3 {
            0 => 0xFF,
            _ => whole[at] ^ (1 << (at % 8)),
        };
        if at > 0 {
            file.write_all_at(&whole[at - 1..at], at as u64 - 1)
                .unwrap();
        }
        file.write_all_at(&[flipped], at as u64).unwrap();
        let reader = Reader::open(&hurt).unwrap();
        let scan = match reader.scan("samples", &ScanOptions::default()) {
            Ok(scan) => scan,
            Err(error) => {
                assert!(
                    matches!(
                        error.kind(),
                        RecordErrorKind::Damaged | RecordErrorKind::NotFound
                    ),
                    "byte {at}: {error}"
                );
                damaged += 1;
                continue;
            }
        };
        let mut rows = 0;
        for batch in scan {
            match batch {
                Ok(batch) => rows += batch.num_rows(),
                Err(error) => {
                    assert_eq!(error.kind(), RecordErrorKind::Damaged, "byte {at}: {error}");
                    damaged += 1;
                }
            }
        }
        assert!(rows <= 15, "byte {at}: {rows} rows");
    }
    assert!(damaged > 0);
}

#[test]
fn bit_flips_in_hot_files_never_panic() {
    bit_flips(".arrows");
}

#[test]
fn bit_flips_in_closed_files_never_panic() {
    bit_flips(".parquet");
}

#[test]
fn recovery_keeps_a_damaged_file_and_what_came_before() {
    let temp = tempfile::tempdir().unwrap();
    let (dir, hurt) = (temp.path().join("a"), temp.path().join("hurt"));
    let mut recorder = Recorder::create(&dir, meta()).unwrap();
    recorder
        .write("samples", &samples(&[sample(START_US, 1)]))
        .unwrap();
    recorder.flush().unwrap();
    let good = fs::metadata(&files(&dir, ".arrows")[0]).unwrap().len() as usize;
    recorder
        .write("samples", &samples(&[sample(START_US, 2)]))
        .unwrap();
    abandon(recorder, &dir, &hurt);
    let hot = files(&hurt, ".arrows").remove(0);
    let mut bytes = fs::read(&hot).unwrap();
    bytes[good] = 0;
    fs::write(&hot, &bytes).unwrap();
    let error = Reader::open(&hurt).unwrap();
    let error = error.scan("samples", &ScanOptions::default()).unwrap();
    let error = error.filter_map(Result::err).next().unwrap();
    assert_eq!(error.kind(), RecordErrorKind::Damaged);
    assert!(
        error
            .to_string()
            .contains(&format!("damaged at byte {good}")),
        "{error}"
    );

    let report = recover(&hurt).unwrap();
    assert_eq!(report.damaged.len(), 1);
    assert_eq!(fs::read(&report.damaged[0]).unwrap(), bytes);
    assert_eq!(
        read_samples(&hurt, &ScanOptions::default()),
        vec![sample(START_US, 1)]
    );
}
