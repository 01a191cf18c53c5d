//! The sampling thread is scheduled as asked, and costs the instance nothing that it could notice.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::support::{Sim, end, program, sgascope, shared, simulator, wait_for};

/// Nice value, policy and processors of a process's sampling thread, from its `stat` and `status` (proc(5)).
fn sampling_thread(pid: u32) -> Option<(String, String, String)> {
    for task in fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten() {
        let text = |name: &str| fs::read_to_string(task.path().join(name)).ok();
        if text("comm")?.trim() != "sampler" {
            continue;
        }
        let stat = text("stat")?;
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let status = text("status")?;
        let cpus = status
            .lines()
            .find_map(|l| l.strip_prefix("Cpus_allowed_list:"))?;
        // fields 19 and 41 of the line, of which the first two are before the parenthesis' end
        return Some((fields[16].into(), fields[38].into(), cpus.trim().into()));
    }
    None
}

/// A recording with these options, until its sampling thread is as `wanted`.
fn record_until(sim: &Sim, sid: &str, options: &[&str], wanted: (&str, &str, &str)) {
    let out = sim.file(&options.join("_"));
    let mut child = Command::new(program())
        .args(["record", "-I", sid, "-r", "50", "-o", out.to_str().unwrap()])
        .args(options)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut seen = None;
    wait_for(
        "the sampling thread as asked",
        Duration::from_secs(120),
        || {
            seen = sampling_thread(child.id());
            let now = seen
                .as_ref()
                .map(|(n, p, c)| (n.as_str(), p.as_str(), c.as_str()));
            assert!(
                child.try_wait().unwrap().is_none(),
                "it ended: {options:?}, {seen:?}"
            );
            now == Some(wanted)
        },
    );
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn the_sampling_thread_is_scheduled_as_asked() {
    let _beside = shared();
    let sim = Sim::start("SCHED", &["--sessions", "60", "--processes", "50"]);
    record_until(
        &sim,
        "SCHED",
        &["--nice", "5", "--affinity", "0"],
        ("5", "0", "0"),
    );
    let all = fs::read_to_string("/sys/devices/system/cpu/online").unwrap();
    // policy 1 is SCHED_FIFO
    record_until(&sim, "SCHED", &["--fifo", "7"], ("0", "1", all.trim()));
    let out = sim.file("never");
    let never = [
        "record",
        "-I",
        "SCHED",
        "-d",
        "1s",
        "-o",
        out.to_str().unwrap(),
    ];
    for wrong in [
        ["--affinity", "900"],
        ["--affinity", "99999"],
        ["--nice", "20"],
        ["--fifo", "0"],
    ] {
        let (code, message) = end(&sgascope([&never[..], &wrong].concat()));
        assert_eq!(code, 2, "{wrong:?}: {message}");
    }
}

#[test]
fn the_simulator_tells_what_its_steps_cost() {
    let _beside = shared();
    let sim = Sim::start("COST", &["--sessions", "60", "--processes", "50"]);
    let cost = || -> [u64; 3] {
        let told = Command::new(simulator())
            .args(["cost", "--dir"])
            .arg(sim.file(""))
            .output();
        let told: Value = serde_json::from_slice(&told.unwrap().stdout).unwrap();
        ["changes", "steps", "busy_ns"].map(|name| told[name].as_u64().unwrap())
    };
    let [changes, steps, busy_ns] = cost();
    let mut later = cost();
    wait_for("more changes", Duration::from_secs(120), || {
        later = cost();
        later[0] > changes + 100
    });
    assert!(later[1] > steps && later[2] > busy_ns, "{later:?}");
    // a step is far from a second of CPU time
    assert!(later[2] / later[1] < 1_000_000_000, "{later:?}");
}

/// What `blueprint explain` says of a file, and of an instance.
#[test]
fn explain_says_what_a_row_costs() {
    let _beside = shared();
    let sim = Sim::start("EXPLAIN", &["--sessions", "60", "--processes", "50"]);
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/blueprints/synthetic/sgasim-19.3.json"
    );
    let of = |args: &[&str]| -> Value {
        let run = sgascope([&["blueprint", "explain", "-f", "json"], args].concat());
        assert!(
            run.status.success(),
            "{}",
            String::from_utf8_lossy(&run.stderr)
        );
        serde_json::from_slice(&run.stdout).unwrap()
    };
    let alone = of(&[file]);
    assert!(alone["measured"].is_null());
    let live = of(&["-I", "EXPLAIN"]);
    assert_eq!(live["measured"]["slots"], 60);
    for cost in [&alone["cost"], &live["cost"]] {
        let (gate, spans) = (&cost["gate"], &cost["spans"]);
        assert_eq!(gate["fields"], 6);
        assert!(gate["lines_most"].as_u64().unwrap() <= 6, "{gate}");
        assert!(spans["lines_least"].as_u64().unwrap() > 0, "{spans}");
        let words = |part: &Value| part["words"].as_u64().unwrap();
        let behind: u64 = cost["chases"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| c["bytes"].as_u64().unwrap().div_ceil(8))
            .sum();
        let own = words(gate) + words(spans) + words(&cost["tails"]);
        assert_eq!(words(&cost["guard"]), own + behind);
        // names have room for 128 bytes
        assert!(words(&cost["tails"]) >= 12, "{}", cost["tails"]);
    }
    drop(sim);
}
