//! Edges and chains of looks that are written down here.

use proptest::prelude::*;

use super::blockers::Blocking;
use super::follow::{End, Links, SHOWN_DEPTH, follow};
use super::graph::{Next, Route, Session, Wait, Xid, edges};

fn xid(n: u32) -> Xid {
    Xid {
        usn: 5,
        slot: 28,
        sqn: n,
    }
}

/// A session with a transaction, whose identifier can be read or not.
fn holder(sid: u32, xid: Option<Xid>) -> Session {
    Session {
        sid,
        in_transaction: true,
        xid,
        ..Session::default()
    }
}

fn waiter(sid: u32, awaited: Xid) -> Session {
    Session {
        sid,
        wait: Wait::Transaction(awaited),
        ..Session::default()
    }
}

#[test]
fn the_public_row_of_12_2() {
    // P1RAW 0000000054580006, P2 393223, with its event; V$TRANSACTION.XID is the same in RAW(8)
    let event = Some("enq: TX - row lock contention");
    let wait = Wait::of(
        event,
        Some("Application"),
        true,
        [0x5458_0006, 393_223, 1_027],
    );
    let Wait::Transaction(xid) = wait else {
        panic!("{wait:?}")
    };
    assert_eq!(xid.to_string(), "6.7.1027");
    assert_eq!(Xid::from_raw(0x0600_0700_0304_0000), xid);
    let tm = [0x544d_0006, 73_219, 0];
    assert_eq!(
        Wait::of(Some("enq: TM - contention"), None, true, tm),
        Wait::Somebody
    );
    assert_eq!(
        Wait::of(None, None, true, [0x5458_0006, 1, 1]),
        Wait::Transaction(Xid::from_wait(1, 1))
    );
    let latch = Wait::of(
        Some("latch: shared pool"),
        Some("Concurrency"),
        false,
        [1, 2, 3],
    );
    assert_eq!(latch, Wait::Somebody);
    // a file number that looks like an enqueue's P1 is none
    let read = Wait::of(
        Some("db file sequential read"),
        Some("User I/O"),
        false,
        [0x5458_0006, 1, 1],
    );
    assert_eq!(read, Wait::Nobody);
}

#[test]
fn routes_by_trust() {
    let mut told = waiter(3, xid(1));
    told.blocker = Some((1, 2));
    let mut remote = waiter(4, xid(1));
    (remote.blocker, remote.instance) = (Some((2, 1)), Some(1));
    let mut gone = waiter(5, xid(9));
    gone.blocker = Some((1, 99));
    let sessions = [
        holder(1, Some(xid(1))),
        holder(2, Some(xid(2))),
        told,
        remote,
        gone,
        waiter(6, xid(1)),
        waiter(7, xid(7)),
    ];
    assert_eq!(
        edges(&sessions),
        [
            Next::Nobody,
            Next::Nobody,
            Next::Session(1, Route::Blocker),
            Next::Elsewhere(Some(2), 1),
            Next::Elsewhere(None, 99),
            Next::Session(0, Route::Transaction),
            Next::Unknown(Some(xid(7))),
        ]
    );
    // two sessions with one transaction: neither is believed
    let twice = [
        holder(1, Some(xid(1))),
        holder(2, Some(xid(1))),
        waiter(3, xid(1)),
    ];
    assert_eq!(edges(&twice)[2], Next::Unknown(Some(xid(1))));
}

#[test]
fn inference_by_exclusion_only() {
    // 2 holds what 3 awaits; 1 waits for 3's transaction, so it can't hold that, nor can 3
    let mut middle = waiter(3, xid(7));
    middle.in_transaction = true;
    let two = [holder(1, None), holder(2, None), waiter(4, xid(7))];
    assert_eq!(edges(&two)[2], Next::Unknown(Some(xid(7))), "two can be it");
    let one = [holder(1, None), waiter(4, xid(7)), waiter(5, xid(7))];
    assert_eq!(edges(&one)[1..], [Next::Session(0, Route::Inferred); 2]);
    let chain = [
        holder(2, None),
        middle,
        waiter(4, xid(8)),
        waiter(5, xid(7)),
    ];
    // the group of 7 has 3 among its waiters, so 2 holds 7, and then 3 holds 8
    assert_eq!(
        edges(&chain),
        [
            Next::Nobody,
            Next::Session(0, Route::Inferred),
            Next::Session(1, Route::Inferred),
            Next::Session(0, Route::Inferred),
        ]
    );
    // where identifiers can be read, a holder that isn't there is unknown
    let read = [holder(1, Some(xid(1))), waiter(4, xid(7))];
    assert_eq!(edges(&read)[1], Next::Unknown(Some(xid(7))));
}

/// Follows edges of sessions that are labelled by their position.
fn ways(next: &[Next], links: &mut Links) -> Vec<(String, End)> {
    let labels: Vec<u32> = (0..next.len())
        .map(|i| links.label(&i.to_string()))
        .collect();
    let ways = follow(next, links, &|i| labels[i]);
    ways.into_iter()
        .map(|way| {
            let way = way.expect("every session has a chain");
            (links.text(way.chain), way.end)
        })
        .collect()
}

#[test]
fn a_ring_is_listed_once_from_its_least_member() {
    let to = |i| Next::Session(i, Route::Transaction);
    // 2 → 1 → 0 → 2, 3 → 1, 4 waits for itself
    let mut links = Links::default();
    let found = ways(&[to(2), to(0), to(1), to(1), to(4)], &mut links);
    let ring = " -> 0 -> 2 -> 1 (cycle)";
    for member in &found[..3] {
        assert_eq!(*member, (ring.to_owned(), End::Cycle(0)));
    }
    assert_eq!(found[3].0, format!(" -> 3{ring}"));
    assert_eq!(found[4].0, " -> 4 (cycle)");
}

#[test]
fn ends_that_arent_known_say_so() {
    let next = [
        Next::Unknown(Some(xid(7154))),
        Next::Unknown(None),
        Next::Elsewhere(Some(2), 9),
        Next::Session(0, Route::Inferred),
    ];
    let mut links = Links::default();
    let found = ways(&next, &mut links);
    assert_eq!(found[0].0, " -> 0 -> [unknown holder of TX 5.28.7154]");
    assert_eq!(found[1], (" -> 1 -> (unknown)".into(), End::Unknown));
    assert_eq!(found[2].0, " -> 2 -> [blocker 9 of instance 2]");
    assert_eq!(
        found[3].0,
        " -> 3 ->(inferred) 0 -> [unknown holder of TX 5.28.7154]"
    );
}

#[test]
fn ten_thousand_in_one_chain_are_not_cut_silently() {
    let n = 10_000;
    let next: Vec<Next> = (0..n)
        .map(|i| match i {
            0 => Next::Nobody,
            i => Next::Session(i - 1, Route::Transaction),
        })
        .collect();
    let mut links = Links::default();
    let labels: Vec<u32> = (0..n).map(|i| links.label(&i.to_string())).collect();
    let ways = follow(&next, &mut links, &|i| labels[i]);
    assert!(ways.iter().all(|w| w.unwrap().end == End::Session(0)));
    let last = ways[n - 1].unwrap().chain;
    assert_eq!(links.shape(last).depth, n);
    let text = links.text(last);
    assert!(text.ends_with(" -> …9871 more -> 0"), "{text}");
    assert_eq!(text.matches(" -> ").count(), SHOWN_DEPTH + 2);
}

proptest! {
    /// Against a walk that follows each session by itself.
    #[test]
    fn ways_equal_naive_walks(picks in prop::collection::vec(0usize..60, 1..40)) {
        let n = picks.len();
        let next: Vec<Next> = picks
            .iter()
            .map(|p| if *p < n { Next::Session(*p, Route::Transaction) } else { Next::Nobody })
            .collect();
        let mut links = Links::default();
        let found = ways(&next, &mut links);
        for (start, shown) in found.iter().enumerate() {
            let mut path = vec![start];
            let end = loop {
                match next[path[path.len() - 1]] {
                    Next::Session(i, _) => match path.iter().position(|p| *p == i) {
                        Some(at) => break Err(at),
                        None => path.push(i),
                    },
                    _ => break Ok(path[path.len() - 1]),
                }
            };
            let listed = |path: &[usize]| path.iter().map(|i| format!(" -> {i}")).collect::<String>();
            let text = match end {
                Ok(last) => {
                    prop_assert_eq!(shown.1, End::Session(last));
                    listed(&path)
                }
                Err(at) => {
                    let mut ring = path.split_off(at);
                    let key = |k: &usize| ring[*k].to_string();
                    let least = (0..ring.len()).min_by_key(key).unwrap();
                    ring.rotate_left(least);
                    listed(&path) + &listed(&ring) + " (cycle)"
                }
            };
            prop_assert_eq!(&shown.0, &text);
        }
    }
}

#[test]
fn blockers_of_snapshot_rows() {
    let row = |text: &str| match serde_json::from_str(text).unwrap() {
        serde_json::Value::Object(row) => row,
        other => panic!("{other}"),
    };
    let wait = r#""state": "WAITING", "event": "enq: TX - row lock contention", "p1": 1415053318, "p2": 393223"#;
    let rows = [
        row(
            r#"{"sid": 1, "state": "WAITED SHORT TIME", "taddr": "0000000068000000", "xid": "0600070003040000"}"#,
        ),
        row(&format!(
            r#"{{"sid": 2, {wait}, "p3": 1027, "taddr": "0000000068000100", "xid": "0600070004040000"}}"#
        )),
        row(&format!(r#"{{"sid": 3, {wait}, "p3": 1028}}"#)),
    ];
    let found = super::blockers(&rows);
    let shown: Vec<(u32, Blocking)> = found.into_iter().collect();
    let of = |direct, final_for| Blocking {
        direct,
        final_for,
        inferred: false,
    };
    assert_eq!(shown, [(1, of(1, 2)), (2, of(1, 0))]);
}
