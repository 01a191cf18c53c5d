//! A wall clock that is stepped back and forward, over ends of hours, under a real recorder.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use jiff::Timestamp;
use sgascope::record::{Reader, ScanOptions};

use super::{Held, Recording, events, scanned};
use crate::support::{Sim, shared};

/// Adds to CLOCK_REALTIME what a file says, ns.
const SHIM: &str = r#"
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
static volatile long long *offset;
__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("TEST_CLOCK");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) return;
    void *map = mmap(0, sizeof(long long), PROT_READ, MAP_SHARED, fd, 0);
    if (map != MAP_FAILED) offset = map;
    close(fd);
}
int clock_gettime(clockid_t id, struct timespec *time) {
    int result = syscall(SYS_clock_gettime, id, time);
    if (result == 0 && id == CLOCK_REALTIME && offset) {
        long long ns = time->tv_nsec + time->tv_sec * 1000000000LL + *offset;
        time->tv_sec = ns / 1000000000LL;
        time->tv_nsec = ns % 1000000000LL;
    }
    return result;
}
"#;

/// A clock that the test sets.
struct Clock {
    file: File,
    path: PathBuf,
    shim: PathBuf,
    offset_ns: i64,
}

impl Clock {
    fn new(dir: &Path) -> Clock {
        let (source, shim) = (dir.join("clock.c"), dir.join("clock.so"));
        fs::write(&source, SHIM).unwrap();
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(&shim)
            .arg(&source)
            .status()
            .expect("cc is needed");
        assert!(built.success());
        let path = dir.join("offset");
        fs::write(&path, 0i64.to_ne_bytes()).unwrap();
        Clock {
            file: File::options().write(true).open(&path).unwrap(),
            path,
            shim,
            offset_ns: 0,
        }
    }

    /// Steps it by so much.
    fn step(&mut self, seconds: f64) {
        self.offset_ns += (seconds * 1e9) as i64;
        self.file
            .write_all_at(&self.offset_ns.to_ne_bytes(), 0)
            .unwrap();
    }
}

fn told_time(line: &serde_json::Value) -> Option<Timestamp> {
    line["flushed"]["sample_time"].as_str()?.parse().ok()
}

#[test]
fn steps_over_ends_of_hours_lose_nothing_and_are_told() {
    let _beside = shared();
    let sim = Sim::start("CLOCK", &["--sessions", "80", "--processes", "60"]);
    let mut clock = Clock::new(sim.dir.path());
    let end: Timestamp = "2031-03-30T01:00:00Z".parse().unwrap();
    // three seconds before the end of an hour
    let ahead = end.as_microsecond() as f64 / 1e6 - Timestamp::now().as_microsecond() as f64 / 1e6;
    clock.step(ahead - 3.0);
    let dir = sim.file("recording");
    let args = ["-r", "100", "--flush", "100ms"];
    let mut recording = Recording::with("CLOCK", &dir, &args, |command| {
        command
            .env("LD_PRELOAD", &clock.shim)
            .env("TEST_CLOCK", &clock.path);
    });
    let seconds = |n: f64| jiff::SignedDuration::from_millis((n * 1000.0) as i64);
    recording.wait("a flush in the hour", |l| {
        told_time(l).is_some_and(|t| t < end)
    });
    recording.wait("the next hour", |l| {
        told_time(l).is_some_and(|t| t > end + seconds(0.3))
    });
    // back over the end of the hour, and forward over it again as time goes
    clock.step(-3.0);
    recording.wait_event("clock_stepped");
    recording.wait("the hour before", |l| told_time(l).is_some_and(|t| t < end));
    recording.wait("the hour again", |l| {
        told_time(l).is_some_and(|t| t > end + seconds(0.3))
    });
    clock.step(2.0 * 3600.0);
    recording.wait_event("clock_stepped");
    let later = end + seconds(7200.0);
    recording.wait("two hours later", |l| {
        told_time(l).is_some_and(|t| t > later)
    });
    clock.step(-26.0 * 3600.0);
    recording.wait_event("clock_stepped");
    recording.wait("a day earlier", |l| {
        told_time(l).is_some_and(|t| t < end - seconds(3600.0))
    });
    // a step below the threshold is no step
    clock.step(-0.05);
    recording.wait_flushes(5);
    let (summary, _) = recording.end();
    let held = Held::read(&dir, &ScanOptions::default());
    assert_eq!(
        held.ticks.len() as u64,
        summary["run"]["frames"],
        "no tick is lost"
    );
    let steps: Vec<f64> = events(&dir)
        .iter()
        .filter(|e| e.0 == "clock_stepped")
        .map(|e| {
            e.1["by ".len()..]
                .split(' ')
                .next()
                .unwrap()
                .parse()
                .unwrap()
        })
        .collect();
    let wanted = [-3.0, 7200.0, -93_600.0];
    assert_eq!(steps.len(), 3, "{steps:?}");
    assert!(
        steps.iter().zip(wanted).all(|(s, w)| (s - w).abs() < 0.2),
        "{steps:?}"
    );
    // weights are of the monotonic clock: they cover the run whatever the other one shows
    let span = held.ticks.last_key_value().unwrap().0 - held.ticks.first_key_value().unwrap().0;
    let weights: u64 = held.ticks.values().map(|t| t.1 * 1000).sum();
    // but for the last tick's lateness, and not by hours
    assert!(
        weights.abs_diff(span) < 1_000_000_000,
        "{weights} against {span}"
    );
    // every file holds rows of its own hour only, so that a window finds all rows of it
    let reader = Reader::open(&dir).unwrap();
    let mut found = 0;
    let mut hours: Vec<i64> = reader
        .parts("ticks")
        .unwrap()
        .iter()
        .map(|p| p.hour_us)
        .collect();
    hours.dedup();
    assert_eq!(hours.len(), 4, "a day before, and 00, 01 and 03 o'clock");
    for hour in hours {
        let window = ScanOptions {
            from_us: Some(hour),
            to_us: Some(hour + 3_600_000_000),
            ..ScanOptions::default()
        };
        let batches = scanned(&dir, "ticks", &window);
        found += batches.iter().map(|b| b.num_rows()).sum::<usize>();
    }
    assert_eq!(found, held.ticks.len());
}
