//! Deltas: lifecycles, gauges, CPU by both clocks; and that nothing is lost or counted twice whatever comes.

use proptest::prelude::*;

use super::*;

const S: i64 = 1_000_000;
const CPU: usize = Counter::Cpu as usize;
const READS: usize = Counter::LogicalReads as usize;

fn key(serial: u32, logon_s: i64) -> LifeKey {
    LifeKey {
        sid: 7,
        serial,
        logon_us: logon_s * S,
    }
}

fn reading(key: LifeKey, seen_s: Option<i64>, at_s: i64, cpu_us: u64, reads: u64) -> Reading {
    let mut counters = [0; COUNTERS];
    counters[CPU] = cpu_us;
    counters[READS] = reads;
    Reading {
        key,
        time_us: at_s * S,
        seen_us: seen_s.map(|s| s * S),
        counters,
        temp_bytes: 0,
        pga_bytes: 0,
        os_cpu_us: None,
        active: false,
        tag: 0,
    }
}

fn cpu(step: Step) -> Option<u64> {
    step.delta.map(|d| d.counters[CPU])
}

#[test]
fn a_session_of_before_is_a_baseline_and_a_new_one_counts_from_zero() {
    let mut deltas = Deltas::new(None);
    let old = key(1, 10);
    assert_eq!(cpu(deltas.push(&reading(old, None, 100, 5_000, 9))), None);
    let step = deltas.push(&reading(old, Some(100), 115, 7_000, 19));
    let delta = step.delta.unwrap();
    assert_eq!((delta.counters[CPU], delta.counters[READS]), (2_000, 10));
    assert_eq!((delta.from_us, delta.to_us), (100 * S, 115 * S));
    // the slot is taken over: the old one's end was told by nobody
    let new = key(2, 118);
    let step = deltas.push(&reading(new, Some(115), 130, 300, 4));
    let lost = step.unobserved.unwrap();
    assert_eq!((lost.why, lost.key), (Why::Ended, old));
    assert_eq!((lost.from_us, lost.to_us), (115 * S, 130 * S));
    let delta = step.delta.unwrap();
    assert!(delta.first);
    assert_eq!(delta.counters[CPU], 300, "all that it has counted");
    assert_eq!(delta.from_us, 118 * S, "since its logon");
    // the end of the old one comes late and changes nothing
    assert_eq!(deltas.end(old, 115 * S, 130 * S), None);
}

#[test]
fn sid_and_serial_again_with_another_logon_time_is_another_session() {
    let mut deltas = Deltas::new(None);
    deltas.push(&reading(key(1, 10), None, 100, 5_000, 9));
    let step = deltas.push(&reading(key(1, 105), Some(100), 115, 6_000, 12));
    assert_eq!(cpu(step), Some(6_000), "not the difference of 1,000");
    assert!(step.unobserved.is_some());
}

#[test]
fn an_end_has_a_bound() {
    let mut deltas = Deltas::new(None);
    let k = key(1, 10);
    deltas.push(&reading(k, None, 100, 0, 0));
    let mut busy = reading(k, Some(100), 110, 4 * S as u64, 0);
    busy.active = true;
    busy.temp_bytes = 50;
    deltas.push(&busy);
    let lost = deltas.end(k, 120 * S, 125 * S).unwrap();
    assert_eq!(lost.span_us(), 5 * S as u64);
    // in a call, that began after 100: none of its CPU has been counted
    assert_eq!(lost.cpu_us_bound(), 25 * S as u64);
    assert_eq!(lost.cpu_us_estimate, S as u64, "40 % of half of 5 s");
    assert_eq!(lost.temp_byte_us_bound, 250 * S as u128);
    assert_eq!(deltas.alive(), 0);
    let mut idle = Deltas::new(None);
    idle.push(&reading(k, None, 100, 0, 0));
    let lost = idle.end(k, 120 * S, 125 * S).unwrap();
    assert_eq!(
        (lost.cpu_us_bound(), lost.cpu_us_estimate),
        (5 * S as u64, 0)
    );
}

#[test]
fn a_counter_that_falls_is_a_new_baseline() {
    let mut deltas = Deltas::new(None);
    let k = key(1, 10);
    deltas.push(&reading(k, None, 100, 5_000, 9));
    let delta = deltas
        .push(&reading(k, Some(100), 115, 2_000, 29))
        .delta
        .unwrap();
    assert!(delta.reset);
    assert_eq!((delta.counters[CPU], delta.counters[READS]), (0, 20));
    assert_eq!(
        cpu(deltas.push(&reading(k, Some(115), 130, 2_500, 29))),
        Some(500)
    );
}

#[test]
fn cpu_of_a_long_call_is_the_kernels_until_the_counter_comes_after_it() {
    let mut deltas = Deltas::new(None);
    let k = key(1, 10);
    let mut at = |seen: Option<i64>, t, counter, os| {
        let mut r = reading(k, seen, t, counter, 0);
        (r.active, r.os_cpu_us) = (true, Some(os));
        deltas
            .push(&r)
            .delta
            .map(|d| (d.counters[CPU], d.cpu_source))
    };
    let s = S as u64;
    assert_eq!(at(None, 100, 5 * s, 50 * s), None);
    assert_eq!(
        at(Some(100), 115, 5 * s, 64 * s),
        Some((14 * s, CpuSource::Os))
    );
    assert_eq!(
        at(Some(115), 130, 5 * s, 79 * s),
        Some((15 * s, CpuSource::Os))
    );
    // the call ended: 31 s of it are counted now, 29 of them were given out
    assert_eq!(
        at(Some(130), 145, 36 * s, 82 * s),
        Some((2 * s, CpuSource::Counter))
    );
    // the kernel had counted more than the session: nothing is taken back or given twice
    assert_eq!(
        at(Some(145), 160, 36 * s, 90 * s),
        Some((8 * s, CpuSource::Os))
    );
    assert_eq!(
        at(Some(160), 175, 40 * s, 90 * s),
        Some((0, CpuSource::Counter))
    );
    assert_eq!(
        at(Some(175), 190, 46 * s, 90 * s),
        Some((2 * s, CpuSource::Counter))
    );
}

#[test]
fn gauges_are_integrated() {
    let mut deltas = Deltas::new(None);
    let k = key(1, 10);
    let mut at = |seen, t, temp: u64| {
        let mut r = reading(k, seen, t, 0, 0);
        (r.temp_bytes, r.pga_bytes) = (temp, 2 * temp);
        deltas.push(&r).delta
    };
    at(None, 100, 100);
    // 100 bytes until 130, then 300 somewhen until 140
    let delta = at(Some(130), 140, 300).unwrap();
    assert_eq!(delta.temp_byte_us, (100 * 30 + 200 * 10) * S as u128);
    assert_eq!(delta.temp_byte_us_bound, (100 * 10) * S as u128 + 1);
    assert_eq!(delta.pga_byte_us, 2 * delta.temp_byte_us);
    assert_eq!(delta.temp_growth_bytes, 200);
    let delta = at(Some(140), 150, 50).unwrap();
    assert_eq!((delta.temp_growth_bytes, delta.temp_bytes), (0, 50));
}

#[test]
fn sessions_of_an_instance_that_was_away() {
    let mut deltas = Deltas::new(None);
    deltas.push(&reading(key(1, 10), None, 100, 5_000, 0));
    // the instance went at 101; it and a session of it came back while nobody read
    let new = LifeKey {
        sid: 8,
        serial: 1,
        logon_us: 200 * S,
    };
    assert_eq!(
        cpu(deltas.push(&reading(new, None, 300, 700, 0))),
        Some(700)
    );
    let lost = deltas.reader_began(300 * S, Some(101 * S));
    assert_eq!(lost.len(), 1);
    assert_eq!((lost[0].why, lost[0].to_us), (Why::Gap, 101 * S));
    assert_eq!(deltas.alive(), 1);
    // only the recorder was away: what has been there before goes on
    let mut deltas = Deltas::new(None);
    deltas.push(&reading(key(1, 10), None, 100, 5_000, 0));
    assert_eq!(
        cpu(deltas.push(&reading(key(1, 10), None, 900, 5_900, 0))),
        Some(900)
    );
    assert!(deltas.reader_began(900 * S, None).is_empty());
}

#[test]
fn a_window_takes_no_history() {
    let mut deltas = Deltas::new(Some(3_600 * S));
    let step = deltas.push(&reading(key(1, 10), Some(3_590), 3_605, 9_000, 0));
    assert_eq!(cpu(step), None, "it was there before the window");
    let late = LifeKey {
        sid: 9,
        serial: 1,
        logon_us: 3_610 * S,
    };
    assert_eq!(
        cpu(deltas.push(&reading(late, Some(3_605), 3_620, 40, 0))),
        Some(40)
    );
}

/// What happens to one SID.
#[derive(Clone, Debug)]
enum Happens {
    /// It counts so much CPU (µs), reads, and temporary space is that now.
    Works(u64, u64, u64),
    /// It is looked at.
    Read,
    /// It ends; another session begins.
    Ends,
}

fn happenings() -> impl Strategy<Value = Vec<Happens>> {
    let one = prop_oneof![
        (0..9_000u64, 0..500u64, 0..70u64).prop_map(|(c, r, t)| Happens::Works(c, r, t)),
        Just(Happens::Read),
        Just(Happens::Read),
        Just(Happens::Ends),
    ];
    proptest::collection::vec(one, 1..120)
}

proptest! {
    /// Whatever happens: nothing is counted twice, all that was read is counted, and what isn't
    /// lies within the times that are reported as unobserved.
    #[test]
    fn the_sum_of_deltas_is_what_was_read(story in happenings()) {
        let mut deltas = Deltas::new(None);
        let (mut now, mut seen) = (100i64, None);
        let mut life = (1u32, 50i64, [0u64; COUNTERS], 0u64);
        let (mut sum, mut truth, mut read) = ([0u64; COUNTERS], [0u64; COUNTERS], [0u64; COUNTERS]);
        let mut base = None;
        let mut gone: Vec<LifeKey> = Vec::new();
        let mut told = 0;
        for happens in story {
            now += 3;
            match happens {
                Happens::Works(c, r, temp) => {
                    for (at, by) in [(CPU, c), (READS, r)] {
                        life.2[at] += by;
                        if base.is_some() {
                            truth[at] += by;
                        }
                    }
                    life.3 = temp;
                }
                Happens::Ends => {
                    if base.is_some() {
                        gone.push(key(life.0, life.1));
                    }
                    life = (life.0 + 1, now, [0; COUNTERS], 0);
                }
                Happens::Read => {
                    for key in gone.drain(..) {
                        if let Some(lost) = deltas.end(key, seen.unwrap_or(now) * S, now * S) {
                            prop_assert!(lost.from_us <= lost.to_us);
                            told += 1;
                        }
                    }
                    let mut r = reading(key(life.0, life.1), seen, now, 0, 0);
                    (r.counters, r.temp_bytes) = (life.2, life.3);
                    let step = deltas.push(&r);
                    prop_assert!(step.unobserved.is_none(), "every end was told");
                    if let Some(delta) = step.delta {
                        for (sum, by) in sum.iter_mut().zip(delta.counters) {
                            *sum += by;
                        }
                        prop_assert!(delta.from_us <= delta.to_us);
                    }
                    if base.is_none() {
                        base = Some(now);
                        truth = [0; COUNTERS];
                    }
                    read = truth;
                    seen = Some(now);
                }
            }
        }
        // ends that were never told leave the session's last counts in place
        let lost = told > 0 || !gone.is_empty();
        for at in [CPU, READS] {
            prop_assert!(sum[at] <= truth[at], "{} of {}", sum[at], truth[at]);
            if !lost {
                prop_assert_eq!(sum[at], read[at]);
            }
        }
    }
}
