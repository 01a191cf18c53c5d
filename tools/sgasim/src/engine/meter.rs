//! Metered sessions: counters that begin at 0 and move as a working session's would, and a line for each session that
//! tells what it consumed in all.
//!
//! DB time, a call's whole time, and CPU, which is no more, are counted when a call ends; reads as its steps end, each of them as if it had taken a
//! second at most. Temporary space and PGA only rise while a session lives. Part of the engine; only `pmon` starts it.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde_json::json;

use super::Engine;
use super::fields::{Num, Text};
use super::random::Random;
use super::stage::monotonic_ns;

/// How much longer calls are than those of a workload: seconds.
const STRETCH: f64 = 2_000.0;
const SELDOM: f64 = 200.0;
/// Most of a second that is counted for one second of a session's time.
const CPU_SHARE: u64 = 90;
const LOGICAL_READS: u64 = 5_000;
const PHYSICAL_READS: u64 = 400;
/// Bytes.
const TEMP_GROWTH: u64 = 16 << 20;
/// Where temporary space doesn't grow further, bytes.
const TEMP_MOST: u64 = 2 << 30;

/// Names of the statistics that a line tells, and the names that it tells them by.
const TOLD: [(&str, &str); 9] = [
    ("CPU used by this session", "cpu_cs"),
    ("DB time", "db_time_cs"),
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
    stepped_ns: u64,
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
        self.pace.fix(STRETCH);
        for i in 0..self.stage.sessions.len() {
            if self.stage.sessions[i].is_in_use() {
                self.stage.begin_statistics(i);
                self.meter_begins(i);
            }
        }
        Ok(())
    }

    /// How much more seldom the instance's own work is than that of a workload: it isn't what is metered.
    pub(super) fn seldom(&self) -> f64 {
        if self.meter.is_some() { SELDOM } else { 1.0 }
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

    /// A call begins.
    pub(super) fn meter_call(&mut self, i: usize) {
        if let Some(meter) = &mut self.meter {
            let now = monotonic_ns();
            (meter.lives[i].called_ns, meter.lives[i].stepped_ns) = (now, now);
        }
    }

    /// A call has ended.
    pub(super) fn meter_called(&mut self, i: usize) {
        self.meter_step(i);
        let Some(meter) = &mut self.meter else {
            return;
        };
        let elapsed_us = monotonic_ns().saturating_sub(meter.lives[i].called_ns) / 1000;
        let most = elapsed_us * CPU_SHARE / 100 / 10_000;
        let cpu = meter.random.below(most + 1);
        self.stage.count(i, self.numbers.cpu, cpu);
        self.stage
            .count(i, self.numbers.db_time, (elapsed_us + 5_000) / 10_000);
    }

    /// A step of a call has ended.
    pub(super) fn meter_step(&mut self, i: usize) {
        let Some(meter) = &mut self.meter else {
            return;
        };
        let now = monotonic_ns();
        let life = &mut meter.lives[i];
        let elapsed_us = (now.saturating_sub(life.stepped_ns) / 1000).min(1_000_000);
        life.stepped_ns = now;
        let mut up_to = |most: u64| meter.random.below(most + 1);
        let logical = up_to(elapsed_us * LOGICAL_READS / 1_000_000);
        let physical = up_to(elapsed_us * PHYSICAL_READS / 1_000_000);
        let grown = up_to(elapsed_us * TEMP_GROWTH / 1_000_000);
        let temp = match life.temp < TEMP_MOST {
            true => life.temp + grown,
            false => life.temp,
        };
        let pga = (2 << 20) + temp / 16;
        life.temp_over_time +=
            u128::from(life.temp) * u128::from(now.saturating_sub(life.temp_since_ns) / 1000);
        (life.temp, life.temp_since_ns) = (temp, now);
        let gauges = [(meter.temp, temp), (meter.pga, pga)];
        for (number, to) in gauges {
            self.stage.level(i, number, to);
        }
        let counts = [
            (self.numbers.logical_reads, logical),
            (self.numbers.physical_reads, physical),
        ];
        for (number, by) in counts {
            self.stage.count(i, number, by);
        }
    }

    /// A session ends, or the instance does: its line. Recursive sessions count nothing and have none.
    pub(super) fn meter_ends(&mut self, i: usize, how: &str) {
        let Some(meter) = &mut self.meter else {
            return;
        };
        let session = &self.stage.sessions[i];
        if session.kind() == "RECURSIVE" {
            return;
        }
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
