//! The learner on the memory of a real database: PostgreSQL 15 with its backend array in a SysV segment, attached
//! read-only from another process while 20 clients work. Truth is pg_stat_activity; what was learned from these clients
//! must read others right.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bench;
mod like_for_like;
mod server;
#[path = "../integration/support.rs"]
#[allow(dead_code)]
mod support;

use std::collections::BTreeMap;

use server::{Client, Server};
use sgascope::blueprint::calibrate::ask::{Form, Verdict};
use sgascope::blueprint::calibrate::shot::uint;
use sgascope::blueprint::calibrate::{Learned, Learner, Shape, Spec, compose, scan};
use sgascope::memory::{AddressSpace, TargetAddr, fence_acquire};

/// Bytes of a row in front of the pid: the array repeats, so that a row may begin at any multiple of 8.
fn in_front(pid: TargetAddr) -> u64 {
    56 + pid.0 % 8
}

const STATES: [&str; 3] = ["active", "idle", "idle in transaction"];

fn specs() -> Vec<(&'static str, Spec)> {
    let spec = |field: &'static str, shape: Shape| {
        let spec = Spec {
            column: field.to_uppercase(),
            via: None,
            field: field.into(),
            shape,
        };
        (field, spec)
    };
    let number = || Shape::Uint {
        widest: 4,
        null: None,
    };
    vec![
        spec("pid", number()),
        spec("datid", number()),
        spec("usesysid", number()),
        spec("application_name", Shape::Text),
        spec("state", Shape::Word(STATES.map(str::to_owned).to_vec())),
        spec("query", Shape::Text),
        spec(
            "query_start",
            Shape::Uint {
                widest: 8,
                null: None,
            },
        ),
    ]
}

/// Fields learned, row size, first pid, and what was learned with the change counters.
type Best = (usize, u64, TargetAddr, Vec<Learned>, Vec<u32>);
type Activity = BTreeMap<u32, BTreeMap<String, String>>;

/// Learns from rounds of pg_stat_activity over one candidate array.
fn learn(
    space: &dyn AddressSpace,
    server: &Server,
    rows: Vec<TargetAddr>,
    front: u64,
) -> (Vec<Learned>, Vec<u32>) {
    let mut learner = Learner::new(space, rows.clone()).unwrap();
    for _ in 0..5 {
        let (round, truth) = learner
            .round(|| Ok::<Activity, String>(server.activity()))
            .unwrap();
        for (slot, row) in rows.iter().enumerate() {
            let pid = space.read_u32(TargetAddr(row.0 + front)).unwrap_or(0);
            let Some(told) = truth.get(&pid) else {
                continue;
            };
            for (field, spec) in specs() {
                if let Some(want) = spec.shape.want(Some(told[field].as_str())).unwrap() {
                    learner.tell_one(&spec, round, slot, want);
                }
            }
        }
        std::thread::sleep(std::time::Duration::from_millis(300));
    }
    let counters = learner.change_counters();
    println!("change counters (offset, changes, broken): {counters:?}");
    (
        learner.answers(),
        counters.into_iter().map(|c| c.0).collect(),
    )
}

/// A row read under its guard: the change counter is even, and the same before and after.
fn guarded(
    space: &dyn AddressSpace,
    row: TargetAddr,
    len: usize,
    learned: &[Learned],
    counter: u32,
) -> BTreeMap<String, String> {
    let at = TargetAddr(row.0 + u64::from(counter));
    for _ in 0..1000 {
        let before = space.read_u32(at).unwrap();
        fence_acquire();
        let shown = read(space, row, len, learned);
        fence_acquire();
        if before.is_multiple_of(2) && space.read_u32(at) == Ok(before) {
            return shown;
        }
    }
    panic!("the row at 0x{row} never rests");
}

/// The learned members of a row, as SQL would show them.
fn read(
    space: &dyn AddressSpace,
    row: TargetAddr,
    len: usize,
    learned: &[Learned],
) -> BTreeMap<String, String> {
    let mut bytes = vec![0u8; len];
    space.read(row, &mut bytes).unwrap();
    let text = |at: u64| {
        if at == 0 {
            return String::new();
        }
        let mut text = vec![0u8; 512];
        space.read(TargetAddr(at), &mut text).unwrap();
        let end = text.iter().position(|b| *b == 0).unwrap_or(512);
        String::from_utf8_lossy(&text[..end]).into_owned()
    };
    let mut shown = BTreeMap::new();
    for l in learned {
        let Some((offset, form)) = l.place else {
            continue;
        };
        let value = match form {
            Form::Text if l.pointed => text(uint(&bytes, offset as usize, 8).unwrap()),
            Form::Text => text(row.0 + u64::from(offset)),
            Form::Class(n) => {
                let value = uint(&bytes, offset as usize, n.into()).unwrap();
                let words = &l.place_words();
                words
                    .get(&value)
                    .map_or("?".into(), |w| STATES[*w as usize].to_owned())
            }
            form => uint(&bytes, offset as usize, form.width().into())
                .unwrap()
                .to_string(),
        };
        shown.insert(l.field.clone(), value);
    }
    shown
}

/// The array of backends, and what was learned of its rows.
struct Array {
    stride: u64,
    /// Place of a pid in it.
    first: TargetAddr,
    learned: Vec<Learned>,
    /// Place in a row of the word that counts its changes.
    counter: u32,
}

/// Learns the array from 20 clients that come and go for it.
fn learned_array(server: &Server, space: &dyn AddressSpace) -> Array {
    let clients: Vec<Client> = (0..20).map(|i| server.client(i)).collect();
    std::thread::sleep(std::time::Duration::from_millis(800));
    let pids: Vec<u32> = server.activity().into_keys().collect();
    assert!(pids.len() >= 20, "{pids:?}");
    let (arrays, bytes) = scan::even_places(space, &pids);
    println!(
        "{} arrays hold the pids, {bytes} bytes read: {arrays:x?}",
        arrays.len()
    );
    let mut best: Option<Best> = None;
    for (first, stride, _) in arrays.iter().take(12).filter(|a| a.1 >= 128) {
        let rows: Vec<TargetAddr> = (0..40)
            .map(|k| TargetAddr(first.0 - in_front(*first) + k * stride))
            .filter(|a| space.locate(*a, *stride).is_ok())
            .collect();
        let (learned, counters) = learn(space, server, rows, in_front(*first));
        let count = learned.iter().filter(|l| l.place.is_some()).count();
        if best.as_ref().is_none_or(|b| count > b.0) {
            best = Some((count, *stride, *first, learned, counters));
        }
        if count == specs().len() {
            break;
        }
    }
    let (count, stride, first, learned, counters) = best.expect("an array that holds the pids");
    for l in &learned {
        println!(
            "{}: {:?} {:?} pointed {}",
            l.field, l.answer.verdict, l.place, l.pointed
        );
        assert_eq!(
            l.answer.verdict,
            Verdict::Unique,
            "{}: {:?}",
            l.field,
            l.answer.candidates
        );
    }
    assert_eq!(count, specs().len());
    drop(clients);
    assert_eq!(
        counters.len(),
        1,
        "one word counts the changes: {counters:?}"
    );
    Array {
        stride,
        first,
        learned,
        counter: counters[0],
    }
}

#[test]
fn backend_array_of_a_working_server() {
    let server = Server::start();
    let space = server.attach();
    let array = learned_array(&server, &space);
    for field in array.learned.iter().filter_map(compose::field) {
        assert!(field.evidence.unwrap().starts_with("calibrated"));
    }
    others_are_read_right(
        &server,
        &space,
        (array.first, array.stride),
        &array.learned,
        array.counter,
    );
}

/// Clients that were not there when the layout was learned.
fn others_are_read_right(
    server: &Server,
    space: &dyn AddressSpace,
    (first, stride): (TargetAddr, u64),
    learned: &[Learned],
    counter: u32,
) {
    let _others: Vec<Client> = (100..115).map(|i| server.client(i)).collect();
    std::thread::sleep(std::time::Duration::from_millis(1500));
    let truth = server.activity();
    let mut right = 0;
    for k in -40i64..80 {
        let Some(row) = first
            .0
            .checked_add_signed(k * stride as i64 - in_front(first) as i64)
        else {
            continue;
        };
        if space.locate(TargetAddr(row), stride).is_err() {
            continue;
        }
        let shown = guarded(space, TargetAddr(row), stride as usize, learned, counter);
        let told = shown["pid"]
            .parse()
            .ok()
            .and_then(|pid: u32| truth.get(&pid));
        let Some(told) = told.filter(|t| t["application_name"].starts_with("steady")) else {
            continue;
        };
        assert_eq!(shown, *told);
        right += 1;
    }
    assert!(right >= 10, "only {right} of the other clients were found");
}
