//! Wait chains equal the simulator's truth about its lock graphs.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sgascope::analyze::chains::{ChainTable, Chains, ChainsOptions, blockers};
use sgascope::decode::Decoder;
use sgascope::decode::columns::{needs_of, sample_columns};
use sgascope::discover::Via;
use sgascope::sample::{Attachment, SampleRows, Snapshot, Source};
use sgascope::walk::{Frame, Select, Walker};

use crate::support::{Sim, end, json, sgascope, shared};

/// Random lock graphs that are looked at.
const GRAPHS: u64 = 1000;
/// Of these through the program itself.
const BY_PROGRAM: u64 = 10;

/// The truth about one lock graph, by SID.
struct Truth {
    /// Waiter to holder, where that is a session.
    holders: BTreeMap<u64, Option<u64>>,
    /// Waiters whose wait names a transaction.
    by_transaction: BTreeSet<u64>,
    /// Waiters whose chain ends with a session: that, and whether it is idle.
    finals: BTreeMap<u64, (u64, bool)>,
    /// Rings, each from its smallest member.
    cycles: BTreeSet<Vec<u64>>,
    document: Value,
}

/// Sets the graph of a seed in a running instance.
fn set(sim: &Sim, seed: u64) -> Truth {
    let mut stream = UnixStream::connect(sim.file("control.sock")).unwrap();
    writeln!(stream, "{}", json!({"graph": seed})).unwrap();
    let mut reply = String::new();
    BufReader::new(stream).read_line(&mut reply).unwrap();
    let reply: Value = serde_json::from_str(&reply).unwrap();
    assert_eq!(reply["ok"], true, "{reply}");
    let document = sim.json_file("graph.json");
    assert_eq!(document["seed"], seed);
    let list = |name: &str| document[name].as_array().unwrap().iter();
    let number = |v: &Value| v.as_u64().unwrap();
    Truth {
        holders: list("edges")
            .map(|e| (number(&e["waiter"]), e["holder"].as_u64()))
            .collect(),
        by_transaction: list("edges")
            .filter(|e| e["xid"].is_string())
            .map(|e| number(&e["waiter"]))
            .collect(),
        finals: list("chains")
            .filter_map(|c| {
                let last = (c["final"].as_u64()?, c["idle"].as_bool().unwrap());
                Some((number(&c["waiter"]), last))
            })
            .collect(),
        cycles: list("cycles")
            .map(|c| c.as_array().unwrap().iter().map(number).collect())
            .collect(),
        document,
    }
}

impl Truth {
    /// The sessions from a waiter on, as far as `known` edges lead, and how it ends.
    fn path(&self, waiter: u64, known: &dyn Fn(u64) -> bool) -> (Vec<u64>, &'static str) {
        let mut path = vec![waiter];
        loop {
            let last = path[path.len() - 1];
            match self.holders.get(&last) {
                None => return (path, "session"),
                Some(Some(next)) if known(last) && path.contains(next) => return (path, "cycle"),
                Some(Some(next)) if known(last) => path.push(*next),
                _ => return (path, "unknown"),
            }
        }
    }

    fn is_foreign(&self) -> bool {
        self.holders.values().any(Option::is_none)
    }
}

/// Looks at all sessions as `chains --once` does, without starting a program each time.
struct Looker {
    walker: Walker,
    frame: Frame,
    decoder: Decoder,
    rows: SampleRows,
}

impl Looker {
    fn new(attachment: &Attachment) -> Looker {
        let columns = sample_columns();
        let bound = attachment.bind_sessions(&needs_of(&columns)).unwrap();
        let decoder = Decoder::new(&attachment.blueprint, &bound, &columns);
        let walker = Walker::new(bound, Select::Used).unwrap();
        Looker {
            frame: walker.frame(),
            rows: SampleRows::new(&decoder, "CHAIN", "test"),
            walker,
            decoder,
        }
    }

    /// Chains of which each node is a SID.
    fn look(&mut self) -> ChainTable {
        self.walker.sweep(&mut self.frame, || 0);
        self.frame.weight_ns = 1_000_000_000;
        self.rows.append(&self.frame, &mut self.decoder);
        let (samples, _) = self.rows.take().unwrap();
        let mut chains = Chains::new(ChainsOptions {
            groups: vec!["session_id".into()],
            ..ChainsOptions::default()
        });
        chains.add(&samples).unwrap();
        chains.finish(Some(1.0))
    }
}

/// What the chains of one look say of each waiter.
struct Found {
    paths: BTreeMap<u64, (Vec<u64>, String)>,
    finals: BTreeMap<u64, (u64, bool)>,
    cycles: BTreeSet<Vec<u64>>,
    routes: BTreeSet<String>,
}

fn found(table: &Value) -> Found {
    let mut found = Found {
        paths: BTreeMap::new(),
        finals: BTreeMap::new(),
        cycles: BTreeSet::new(),
        routes: BTreeSet::new(),
    };
    for row in table["chains"].as_array().unwrap() {
        let last = &row["final_blocker"];
        if last.is_null() {
            continue;
        }
        let nodes = row["nodes"].as_array().unwrap();
        let path: Vec<u64> = nodes.iter().map(|n| n["sid"].as_u64().unwrap()).collect();
        let kind = last["kind"].as_str().unwrap().to_owned();
        assert_eq!(row["cycle"], kind == "cycle", "{row}");
        let names = row["routes"].as_array().unwrap().iter();
        found
            .routes
            .extend(names.map(|r| r.as_str().unwrap().to_owned()));
        // a ring is one chain, counted once for each of its members
        let is_ring = kind == "cycle" && row["samples"].as_u64() == Some(path.len() as u64);
        if is_ring {
            let mut ring = path.clone();
            let least = (0..ring.len()).min_by_key(|k| ring[*k]).unwrap();
            ring.rotate_left(least);
            for k in 0..ring.len() {
                let mut from = ring.clone();
                from.rotate_left(k);
                found.paths.insert(from[0], (from, kind.clone()));
            }
            found.cycles.insert(ring);
            continue;
        }
        assert_eq!(row["samples"], 1, "one look, one waiter at the head: {row}");
        if kind == "session" {
            let idle = last["idle"].as_bool().unwrap();
            assert_eq!(last["sid"], path[path.len() - 1]);
            found.finals.insert(path[0], (path[path.len() - 1], idle));
        }
        found.paths.insert(path[0], (path, kind));
    }
    found
}

/// Everything about each waiter, where the edges that `known` names can be known.
fn compare(found: &Found, truth: &Truth, known: &dyn Fn(u64) -> bool, seed: u64) {
    let waiters: Vec<u64> = truth.holders.keys().copied().collect();
    let shown: Vec<u64> = found.paths.keys().copied().collect();
    assert_eq!(shown, waiters, "seed {seed}: who waits");
    for waiter in waiters {
        let (path, kind) = &found.paths[&waiter];
        let (wanted, ending) = truth.path(waiter, known);
        assert_eq!((path, kind.as_str()), (&wanted, ending), "seed {seed}");
        match truth.finals.get(&waiter).filter(|_| ending == "session") {
            Some(last) => assert_eq!(found.finals.get(&waiter), Some(last), "seed {seed}"),
            None => assert_eq!(found.finals.get(&waiter), None, "seed {seed}"),
        }
    }
    // rings of edges that can't be known aren't found; the generator makes none
    assert_eq!(found.cycles, truth.cycles, "seed {seed}");
}

/// The blueprint of the instance's executable, changed.
fn blueprint(sim: &Sim, name: &str, change: impl Fn(&mut Value)) -> PathBuf {
    let path = sim.file(name);
    let binary = sim.file("bin/oracle");
    let made = sgascope([
        Path::new("blueprint"),
        Path::new("extract"),
        Path::new("--binary"),
        &binary,
        Path::new("-I"),
        Path::new(&sim.sid),
        Path::new("-o"),
        &path,
    ]);
    assert!(made.status.success(), "{:?}", end(&made));
    let mut document: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    change(&mut document);
    std::fs::write(&path, document.to_string()).unwrap();
    path
}

fn structure<'a>(blueprint: &'a mut Value, name: &str) -> &'a mut Value {
    let structs = blueprint["structs"].as_array_mut().unwrap();
    structs.iter_mut().find(|s| s["name"] == name).unwrap()
}

/// As a blueprint from X$KSUSE alone: no transaction can be read.
fn without_transactions(blueprint: &mut Value) {
    let structs = blueprint["structs"].as_array_mut().unwrap();
    structs.retain(|s| s["name"] != "ktcxb");
    let fields = structure(blueprint, "ksuse")["fields"]
        .as_array_mut()
        .unwrap();
    let taddr = fields.iter_mut().find(|f| f["name"] == "KSUSETRN").unwrap();
    taddr.as_object_mut().unwrap().remove("to");
}

/// As a calibrated blueprint that knows where the blocker's word lies.
fn with_blocker(blueprint: &mut Value, place: &Value) {
    without_transactions(blueprint);
    let bits = &blueprint["rules"]["blocker_bits"]["value"];
    assert_eq!(*bits, place["bits"], "packing of this release");
    let source = blueprint["sources"][0]["id"].clone();
    let row = structure(blueprint, "ksuse");
    let absent = row["absent"].as_array_mut().unwrap();
    absent.retain(|c| c["name"] != "KSUSEBLOCKER");
    row["fields"].as_array_mut().unwrap().push(json!({
        "name": "KSUSEBLOCKER", "offset": place["offset"], "size": 4, "stored": "uint",
        "source": source, "confidence": "low",
    }));
}

fn attach(sim: &Sim, blueprint: &Path) -> Attachment {
    let source = Source::Live {
        sid: Some(sim.sid.clone()),
        via: Via::Shm,
    };
    Attachment::open(&source, Some(blueprint)).unwrap()
}

const SMALL: [&str; 4] = ["--sessions", "160", "--processes", "140"];

#[test]
fn chains_equal_truth_in_1000_random_lock_graphs() {
    let _beside = shared();
    let sim = Sim::start("CHAIN", &SMALL);
    let place = set(&sim, 0).document["blocker"].clone();
    let plain = blueprint(&sim, "plain.json", |_| ());
    let blind = blueprint(&sim, "blind.json", without_transactions);
    let told = blueprint(&sim, "told.json", |b| with_blocker(b, &place));
    let attachments = [&plain, &blind, &told].map(|path| attach(&sim, path));
    let [mut by_tx, mut by_exclusion, mut by_blocker] = attachments.each_ref().map(Looker::new);
    let (mut waits, mut cycles, mut idle, mut longest) = (0, 0, 0, 0);
    let (mut inferred, mut doubtful, mut left) = (0, 0, 0);
    for seed in 0..GRAPHS {
        let truth = set(&sim, seed);
        let document = serde_json::to_value(by_tx.look()).unwrap();
        let tx = found(&document);
        let in_tx = |waiter: u64| truth.by_transaction.contains(&waiter);
        compare(&tx, &truth, &in_tx, seed);
        assert!(tx.routes.iter().all(|r| r == "tx"), "{:?}", tx.routes);
        waits += truth.holders.len();
        cycles += truth.cycles.len();
        idle += truth.finals.values().filter(|(_, idle)| *idle).count();
        longest = tx
            .paths
            .values()
            .map(|(p, _)| p.len())
            .fold(longest, usize::max);

        let told = found(&serde_json::to_value(by_blocker.look()).unwrap());
        compare(&told, &truth, &|_| true, seed);
        assert!(told.routes.iter().all(|r| r == "blocker"));

        // whatever is claimed without XIDs must be right, if all holders are sessions
        let blind = found(&serde_json::to_value(by_exclusion.look()).unwrap());
        assert!(blind.routes.iter().all(|r| r == "inferred"));
        assert!(blind.paths.keys().eq(truth.holders.keys()), "seed {seed}");
        for (path, kind) in blind.paths.values() {
            for pair in path.windows(2) {
                let right = truth.holders[&pair[0]] == Some(pair[1]);
                assert!(right || truth.is_foreign(), "seed {seed}: {pair:?}");
                doubtful += usize::from(!right);
            }
            inferred += usize::from(path.len() > 1);
            left += usize::from(kind == "unknown");
        }
        if seed < BY_PROGRAM {
            by_program(&sim, &plain, &truth, &document);
        }
        if seed % 100 == 0 {
            blockers_of_a_snapshot(&attachments[0], &truth);
        }
    }
    println!(
        "{GRAPHS} graphs, {waits} waits, {cycles} cycles, {idle} behind idle blockers, longest {longest}; \
         without transactions {inferred} inferred, {doubtful} of them wrong, {left} unknown"
    );
    assert!(waits > 20_000 && cycles > 100 && idle > 2_000 && longest >= 30);
    assert!(inferred > 20, "nothing is ever inferred: {inferred}");
}

/// The program says what the library says.
fn by_program(sim: &Sim, blueprint: &Path, truth: &Truth, library: &Value) {
    let path = blueprint.to_str().unwrap();
    let sid = sim.sid.as_str();
    let all = [
        "chains",
        "-I",
        sid,
        "--blueprint",
        path,
        "--once",
        "-g",
        "sid",
        "--top",
        "100000",
        "-f",
        "json",
    ];
    let shown = json(&sgascope(all));
    let plain = |table: &Value| -> BTreeSet<String> {
        let rows = table["chains"].as_array().unwrap().iter();
        rows.map(|r| format!("{} {}", r["chain"], r["samples"]))
            .collect()
    };
    assert_eq!(plain(&shown), plain(library));
    let by_end = |last: &(u64, bool)| {
        let waiters = truth.finals.values().filter(|l| *l == last).count() as u64;
        (last.0, waiters)
    };
    let in_tx = |waiter: u64| truth.by_transaction.contains(&waiter);
    let whole = |waiter: &&u64| truth.path(**waiter, &in_tx).1 == "session";
    if truth.finals.keys().all(|w| whole(&w)) {
        let wanted: BTreeMap<u64, u64> = truth.finals.values().map(by_end).collect();
        let finals = shown["finals"].as_array().unwrap().iter();
        let shown: BTreeMap<u64, u64> = finals
            .filter(|f| f["final_blocker"]["kind"] == "session")
            .map(|f| {
                let sid = f["final_blocker"]["sid"].as_u64().unwrap();
                (sid, f["samples"].as_u64().unwrap())
            })
            .collect();
        assert_eq!(shown, wanted);
    }
}

fn blockers_of_a_snapshot(attachment: &Attachment, truth: &Truth) {
    let snapshot =
        Snapshot::take(attachment, sgascope::sample::snapshot::Extras::default()).unwrap();
    let found = blockers(&snapshot.sessions);
    let mut wanted: BTreeMap<u32, usize> = BTreeMap::new();
    for (waiter, holder) in &truth.holders {
        if let (Some(holder), true) = (holder, truth.by_transaction.contains(waiter)) {
            *wanted.entry(*holder as u32).or_default() += 1;
        }
    }
    let direct: BTreeMap<u32, usize> = found.iter().map(|(sid, b)| (*sid, b.direct)).collect();
    assert_eq!(direct, wanted);
}

#[test]
fn chains_of_a_workload_live_recorded_and_of_an_image() {
    let _beside = shared();
    let sim = Sim::start("CHLIVE", &[]);
    std::thread::sleep(std::time::Duration::from_millis(700));
    let path = blueprint(&sim, "plain.json", |_| ());
    let path = path.to_str().unwrap();
    let live = json(&sgascope([
        "chains",
        "-I",
        "CHLIVE",
        "--blueprint",
        path,
        "-r",
        "50",
        "-d",
        "2s",
        "--top",
        "10000",
        "-f",
        "json",
    ]));
    let chains = |table: &Value| table["chains"].as_array().unwrap().clone();
    let sum: f64 = chains(&live)
        .iter()
        .map(|c| c["aas"].as_f64().unwrap())
        .sum();
    let whole = live["meta"]["total_us"].as_f64().unwrap() / 1e6;
    let watched = live["meta"]["elapsed_seconds"].as_f64().unwrap();
    assert!((sum - whole / watched).abs() < 1e-6, "AAS of all chains");
    assert!((1.5..2.5).contains(&watched), "{watched} s watched");
    let row_lock = |c: &Value| {
        c["chain"]
            .as_str()
            .unwrap()
            .contains("row lock contention [mode=6]")
    };
    let locked: Vec<Value> = chains(&live).into_iter().filter(row_lock).collect();
    let known = locked.iter().filter(|c| c["routes"][0] == "tx").count();
    // a holder may commit between the reading of the waiter's row and of its own
    assert!(
        known * 10 >= locked.len() * 9 && known >= 5,
        "{known} of {}",
        locked.len()
    );
    let idle = locked
        .iter()
        .find(|c| c["final_blocker"]["idle"] == true)
        .expect("some holder goes idle in its transaction");
    assert!(
        idle["chain"].as_str().unwrap().contains("[idle blocker "),
        "{idle}"
    );
    assert!(idle["final_blocker"]["username"].is_string());
    assert_eq!(idle["final_blocker"]["status"], "INACTIVE");

    // a recording with the idle ones shows them too, one without names no wrong holder
    let out = sim.file("recording");
    let dir = out.to_str().unwrap();
    let record = sgascope([
        "record",
        "-I",
        "CHLIVE",
        "--blueprint",
        path,
        "-r",
        "50",
        "-d",
        "2s",
        "-o",
        dir,
        "--idle",
    ]);
    assert!(record.status.success(), "{:?}", end(&record));
    let recorded = json(&sgascope(["chains", dir, "--top", "10000", "-f", "json"]));
    let blocked = chains(&recorded).into_iter().filter(row_lock);
    let behind_idle = blocked
        .filter(|c| c["final_blocker"]["idle"] == true)
        .count();
    assert!(behind_idle > 0);
    let table = sgascope(["chains", dir, "event=enq: TX%", "--final", "--top", "1000"]);
    let text = String::from_utf8(table.stdout).unwrap();
    assert!(text.contains(" idle "), "{text}");

    sim.pause();
    let core = sim.file("image.core");
    sim.core(&core);
    let image = sgascope([
        "chains",
        "--image",
        core.to_str().unwrap(),
        "--blueprint",
        path,
        "--top",
        "10000",
        "-f",
        "jsonl",
        "-g",
        "sid",
    ]);
    let once = sgascope([
        "chains",
        "-I",
        "CHLIVE",
        "--once",
        "--blueprint",
        path,
        "--top",
        "10000",
        "-f",
        "jsonl",
        "-g",
        "sid",
    ]);
    let lines = |output: &std::process::Output| -> BTreeSet<String> {
        let text = String::from_utf8(output.stdout.clone()).unwrap();
        text.lines()
            .map(|l| serde_json::from_str::<Value>(l).unwrap()["chain"].to_string())
            .collect()
    };
    assert!(!lines(&image).is_empty());
    assert_eq!(lines(&image), lines(&once));
    assert_eq!(
        end(&sgascope(["chains", "-I", "CHLIVE", "-g", "nosuch"])).0,
        2
    );
    assert_eq!(
        end(&sgascope([
            "chains",
            "-I",
            "CHLIVE",
            "--once",
            "username=NOBODY"
        ]))
        .0,
        1
    );
}
