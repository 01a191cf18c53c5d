//! Tests of files that end anywhere or hold anything.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::hot_sums::sums_path;
use super::testing::*;
use super::tests::{abandon, files, record, sample};
use super::*;

/// A hot file as a kill leaves it, in `TEMP/cut`: its four ticks, and after each flush the lengths of
/// the file and of its sums.
fn four_flushes(temp: &Path) -> (Vec<Vec<Sample>>, Vec<(u64, u64)>) {
    let (dir, cut) = (temp.join("a"), temp.join("cut"));
    let ticks: Vec<Vec<Sample>> = (0..4)
        .map(|t| {
            (0..3)
                .map(|s| sample(START_US + t * 100_000, s + t as u32))
                .collect()
        })
        .collect();
    let mut recorder = Recorder::create(&dir, meta()).unwrap();
    let mut ends = vec![(0, 0)];
    let length = |path: &Path| fs::metadata(path).unwrap().len();
    for tick in &ticks {
        recorder.write("samples", &samples(tick)).unwrap();
        recorder.flush().unwrap();
        let hot = files(&dir, ".arrows").remove(0);
        ends.push((length(&hot), length(&sums_path(&hot))));
    }
    abandon(recorder, &dir, &cut);
    (ticks, ends)
}

/// All rows up to the end or the first error, and what that was.
fn rows_and_error(dir: &Path) -> (Vec<Sample>, Option<RecordError>, bool) {
    let reader = Reader::open(dir).unwrap();
    let mut scan = match reader.scan("samples", &ScanOptions::default()) {
        Ok(scan) => scan,
        Err(error) => return (Vec::new(), Some(error), false),
    };
    let mut rows = Vec::new();
    for batch in &mut scan {
        match batch {
            Ok(batch) => rows.extend(rows_of(&batch)),
            Err(error) => return (rows, Some(error), false),
        }
    }
    let truncated = !scan.truncated().is_empty();
    (rows, None, truncated)
}

/// What one stretch of the data and its sum are for, at any byte: the stretches before are answered.
#[test]
fn cut_at_every_byte() {
    let temp = tempfile::tempdir().unwrap();
    let (ticks, ends) = four_flushes(temp.path());
    let cut = temp.path().join("cut");
    let hot = files(&cut, ".arrows").remove(0);
    let whole = fs::read(&hot).unwrap();
    assert_eq!(whole.len() as u64, ends[4].0);
    for length in (0..whole.len() as u64).rev() {
        let file = fs::File::options().write(true).open(&hot).unwrap();
        file.set_len(length).unwrap();
        let complete = ends.iter().filter(|end| end.0 <= length).count() - 1;
        let (rows, error, _) = rows_and_error(&cut);
        let error = error.unwrap();
        if complete > 0 {
            assert_eq!(rows, ticks[..complete].concat(), "cut at {length}");
        }
        assert_eq!(error.kind(), RecordErrorKind::Damaged, "cut at {length}");
        let there = format!("damaged at byte {length}: ");
        assert!(error.to_string().contains(&there), "{error}");
    }
    // a kill while the third tick was written: without its sum
    for (length, sums) in [(ends[2].0 + 9, ends[2].1), (ends[3].0, ends[2].1 + 7)] {
        fs::write(&hot, &whole[..length as usize]).unwrap();
        let file = fs::File::options().write(true).open(sums_path(&hot));
        let file = file.unwrap();
        file.set_len(sums).unwrap();
        let (rows, error, truncated) = rows_and_error(&cut);
        assert!(error.is_none() && truncated, "{error:?}");
        assert_eq!(rows, ticks[..2].concat());
    }
}

#[test]
fn sums_cut_at_every_byte() {
    let temp = tempfile::tempdir().unwrap();
    let (ticks, ends) = four_flushes(temp.path());
    let cut = temp.path().join("cut");
    let hot = files(&cut, ".arrows").remove(0);
    for length in (0..ends[4].1).rev() {
        let file = fs::File::options().write(true).open(sums_path(&hot));
        let file = file.unwrap();
        file.set_len(length).unwrap();
        let complete = ends.iter().filter(|end| end.1 <= length).count() - 1;
        let (rows, error, truncated) = rows_and_error(&cut);
        if complete > 0 {
            assert_eq!(rows, ticks[..complete].concat(), "cut at {length}");
        }
        // one flush may have been under way, more can't
        let said = error.map(|e| e.kind());
        match complete {
            3 => assert_eq!((said, truncated), (None, true)),
            _ => assert_eq!(said, Some(RecordErrorKind::Damaged), "cut at {length}"),
        }
    }
}

/// What is closed after a kill or damage: what is proven; the rest is kept beside unless it is only
/// what a flush didn't complete.
#[test]
fn closing_takes_what_is_proven_and_loses_nothing() {
    // each: bytes of the file, bytes of its sums, ticks that are proven, kept beside
    let temp = tempfile::tempdir().unwrap();
    let (ticks, ends) = four_flushes(temp.path());
    let whole = ends[4];
    let cases = [
        (ends[2].0 + 9, ends[2].1, 2, false),
        (ends[3].0, ends[3].1, 3, false),
        (ends[3].0, ends[2].1 + 5, 2, false),
        (whole.0, ends[1].1, 1, true),
        (ends[3].0 + 9, whole.1, 3, true),
        (ends[1].0 - 1, whole.1, 0, true),
        (whole.0, 0, 0, true),
        (0, 0, 0, false),
    ];
    let hot = files(&temp.path().join("cut"), ".arrows").remove(0);
    let (data, sums) = (fs::read(&hot).unwrap(), fs::read(sums_path(&hot)).unwrap());
    for (data_length, sums_length, proven, kept) in cases {
        let case = format!("{data_length} {sums_length}");
        let _ = fs::remove_dir_all(hot.parent().unwrap());
        fs::create_dir_all(hot.parent().unwrap()).unwrap();
        fs::write(&hot, &data[..data_length as usize]).unwrap();
        fs::write(sums_path(&hot), &sums[..sums_length as usize]).unwrap();
        let report = recover(&temp.path().join("cut")).unwrap();
        assert_eq!(report.rows, 3 * proven as u64, "{case}");
        let rows = read_samples(&temp.path().join("cut"), &ScanOptions::default());
        assert_eq!(rows, ticks[..proven].concat(), "{case}");
        assert!(!hot.exists() && !sums_path(&hot).exists());
        let beside = hot.with_extension("arrows.damaged");
        assert_eq!(report.damaged, Vec::from_iter(kept.then(|| beside.clone())));
        if kept {
            assert_eq!(fs::read(&beside).unwrap(), data[..data_length as usize]);
            let sums_beside = fs::read(sums_path(&beside)).unwrap();
            assert_eq!(sums_beside, sums[..sums_length as usize], "{case}");
        }
    }
    // without its sums nothing of it is proven
    fs::write(&hot, &data).unwrap();
    assert_eq!(recover(&temp.path().join("cut")).unwrap().damaged.len(), 1);
}

#[test]
fn files_without_sums_are_read_and_told() {
    let temp = tempfile::tempdir().unwrap();
    let (ticks, _) = four_flushes(temp.path());
    let dir = temp.path().join("cut");
    let unproven = || {
        let reader = Reader::open(&dir).unwrap();
        let mut scan = reader.scan("samples", &ScanOptions::default()).unwrap();
        let rows: Vec<Sample> = (&mut scan).flat_map(|b| rows_of(&b.unwrap())).collect();
        assert_eq!(rows, ticks.concat());
        scan.unproven().to_vec()
    };
    assert!(unproven().is_empty());
    let hot = files(&dir, ".arrows").remove(0);
    let sums = fs::read(sums_path(&hot)).unwrap();
    fs::remove_file(sums_path(&hot)).unwrap();
    assert_eq!(unproven(), std::slice::from_ref(&hot));
    fs::write(sums_path(&hot), sums).unwrap();
    recover(&dir).unwrap();
    let closed = files(&dir, ".parquet").remove(0);
    assert!(unproven().is_empty());
    let renamed = hot.with_extension("parquet");
    fs::rename(closed, &renamed).unwrap();
    assert_eq!(unproven(), [renamed]);
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
