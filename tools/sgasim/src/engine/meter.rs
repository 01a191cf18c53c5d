//! Metered sessions: counters that begin at 0 and move as a working session's would, and a line for each session that
//! tells what it consumed in all.
//!
//! A call counts what its session can have done since the call before: no more CPU than time has gone by. Temporary
//! space and PGA only rise while a session lives. Part of the engine; only `pmon` starts it.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde_json::json;

use super::Engine;
use super::fields::{Num, Text};
use super::random::Random;
use super::stage::monotonic_ns;

/// Most of a second that is counted for one second of a session's time.
const CPU_SHARE: u64 = 90;
const LOGICAL_READS: u64 = 5_000;
const PHYSICAL_READS: u64 = 400;
/// Largest growth of temporary space by one call, and where it ends, bytes.
const TEMP_STEP: u64 = 64 << 20;
const TEMP_MOST: u64 = 2 << 30;

/// Names of the statistics that a line tells, and the names that it tells them by.
const TOLD: [(&str, &str); 8] = [
    ("CPU used by this session", "cpu_cs"),
    ("session logical reads", "logical_reads"),
    ("physical reads", "physical_reads"),
    ("temp space allocated (bytes)", "temp_bytes"),
    ("session pga memory", "pga_bytes"),
    ("user calls", "user_calls"),
    ("redo size", "redo_bytes"),
    ("user commits", "user_commits"),
];

/// A session's gauges over time.
#[derive(Clone, Copy, Debug, Default)]
struct Life {
    began_ns: u64,
    called_ns: u64,
    temp: u64,
    temp_since_ns: u64,
    /// Bytes × microseconds.
    temp_over_time: u128,
}

/// The account of all sessions.
#[derive(Debug)]
pub struct Meter {
    file: BufWriter<File>,
    lives: Vec<Life>,
    random: Random,
    temp: Option<usize>,
    pga: Option<usize>,
}

impl Engine {
    /// From now on sessions are metered; those that there are begin anew.
    pub fn meter(&mut self, path: &Path, seed: u64) -> io::Result<()> {
        let statistics = &self.stage.instance.exe.statistics;
        let statistic = |name: &str| statistics.iter().position(|s| s.name == name);
        self.meter = Some(Meter {
            temp: statistic("temp space allocated (bytes)"),
            pga: statistic("session pga memory"),
            file: BufWriter::new(File::options().append(true).create(true).open(path)?),
            lives: vec![Life::default(); self.stage.sessions.len()],
            random: Random::new(seed),
        });
        self.stage.counters.only_counted();
        for i in 0..self.stage.sessions.len() {
            if self.stage.sessions[i].is_in_use() {
                self.stage.begin_statistics(i);
                self.meter_begins(i);
            }
        }
        Ok(())
    }

    /// A session begins.
    pub(super) fn meter_begins(&mut self, i: usize) {
        if let Some(meter) = &mut self.meter {
            let now = monotonic_ns();
            meter.lives[i] = Life {
                began_ns: now,
                called_ns: now,
                temp_since_ns: now,
                ..Life::default()
            };
        }
    }

    /// A call of a session has ended.
    pub(super) fn meter_call(&mut self, i: usize) {
        let Some(meter) = &mut self.meter else {
            return;
        };
        let now = monotonic_ns();
        let life = &mut meter.lives[i];
        let elapsed_us = now.saturating_sub(life.called_ns) / 1000;
        life.called_ns = now;
        let mut up_to = |most: u64| meter.random.below(most + 1);
        let cpu = up_to(elapsed_us * CPU_SHARE / 100 / 10_000);
        let logical = up_to(elapsed_us * LOGICAL_READS / 1_000_000);
        let physical = up_to(elapsed_us * PHYSICAL_READS / 1_000_000);
        let grows = meter.random.once_in(4) && life.temp < TEMP_MOST;
        let temp = life.temp + if grows { meter.random.below(TEMP_STEP) } else { 0 };
        let pga = (2 << 20) + temp / 16;
        life.temp_over_time +=
            u128::from(life.temp) * u128::from(now.saturating_sub(life.temp_since_ns) / 1000);
        (life.temp, life.temp_since_ns) = (temp, now);
        let gauges = [(meter.temp, temp), (meter.pga, pga)];
        for (number, to) in gauges {
            self.stage.level(i, number, to);
        }
        let counts = [
            (self.numbers.cpu, cpu),
            (self.numbers.logical_reads, logical),
            (self.numbers.physical_reads, physical),
        ];
        for (number, by) in counts {
            self.stage.count(i, number, by);
        }
    }

    /// A session ends, or the instance does: its line.
    pub(super) fn meter_ends(&mut self, i: usize, how: &str) {
        let Some(meter) = &mut self.meter else {
            return;
        };
        let session = &self.stage.sessions[i];
        let life = &meter.lives[i];
        let now = monotonic_ns();
        let held_us = now.saturating_sub(life.temp_since_ns) / 1000;
        let temp_over_time = life.temp_over_time + u128::from(life.temp) * u128::from(held_us);
        let mut line = json!({
            "sid": i + 1,
            "serial": session.num(Num::Serial),
            "logon": session.num(Num::Logon),
            "how": how,
            "kind": session.kind(),
            "username": &**session.text(Text::LoginName),
            "alive_us": now.saturating_sub(life.began_ns) / 1000,
            "temp_byte_us": temp_over_time.to_string(),
        });
        for (name, told) in TOLD {
            line[told] = json!(self.stage.counters.shown(i, name));
        }
        let written = writeln!(meter.file, "{line}").and_then(|()| meter.file.flush());
        if let Err(error) = written {
            eprintln!("sgasim: the meter's file can't be written any more: {error}");
            self.meter = None;
        }
    }

    /// The instance ends: the lines of all sessions that are still there.
    pub fn meter_all(&mut self) {
        for i in 0..self.stage.sessions.len() {
            if self.stage.sessions[i].is_in_use() {
                self.meter_ends(i, "instance");
            }
        }
    }
}
