//! `bench` with a real SQL client on a real server: a table of 1,000 rows and 60 columns is polled,
//! which is less work than any V$SESSION, beside sampling an instance of as many sessions.

use serde_json::Value;

use super::server::Server;
use super::support::{Sim, json, sgascope};

/// How many times as many sweeps a CPU-second must give; a build for tests is ten times slower, so that
/// it shows only that the bench works (`tools/bench --check` has the bound).
const BOUND: f64 = if cfg!(debug_assertions) { 2.0 } else { 100.0 };

#[test]
fn a_cpu_second_gives_a_hundred_times_more_sweeps() {
    let server = Server::start();
    server.sql(include_str!("v_session.sql"));
    let words = [
        "--sessions",
        "1000",
        "--processes",
        "900",
        "--workload",
        "idle",
    ];
    let sim = Sim::start("BENCHPG", &words);
    let statement = sim.file("poll.sql");
    std::fs::write(&statement, "select * from v_session").unwrap();
    let document = json(&sgascope([
        "bench",
        "-I",
        "BENCHPG",
        "--rates",
        "50,200",
        "-d",
        "3s",
        "-f",
        "json",
        "--poll-cmd",
        &server.client_command(),
        "--poll-sql",
        statement.to_str().unwrap(),
    ]));
    let sql = &document["meta"]["sql"];
    assert_eq!(sql["dialect"], "psql");
    let pid = sql["server_pid"].as_u64().unwrap();
    assert!(pid > 0 && sql["no_server"].is_null(), "{sql}");
    assert!(document["meta"]["session_slots"].as_u64() >= Some(1000));
    for step in document["steps"].as_array().unwrap() {
        let (ours, theirs) = (&step["sampler"], &step["sql"]);
        println!(
            "{} Hz: {} and {} sweeps a CPU-second, {} times",
            step["rate_hz"],
            ours["sweeps_per_cpu_second"],
            theirs["sweeps_per_cpu_second"],
            step["sweeps_per_cpu_second_vs_sql"]
        );
        assert_eq!(theirs["seen"]["rows_per_sweep"], 1000.0);
        assert_eq!(theirs["seen"]["sessions"], 1000);
        assert_eq!(theirs["seen"]["recursive_sessions"], 0);
        // every 20th row is active, and waits, and never changes
        let [active, waits] = ["sessions_active", "waits"].map(|of| &theirs["seen"][of]);
        assert_eq!((active.as_u64(), waits.as_u64()), (Some(50), Some(50)));
        for part in ["client_cpu_s", "server_cpu_s"] {
            assert!(theirs[part].as_f64().unwrap() > 0.0, "{part}: {theirs}");
        }
        for side in [ours, theirs] {
            let number = |of: &str| side[of].as_u64().unwrap();
            assert_eq!(number("taken") + number("missed"), number("due"), "{side}");
            assert!(number("taken") > 0 && side["failed"].is_null(), "{side}");
        }
    }
    let ratio: &Value = &document["sweeps_per_cpu_second_vs_sql"];
    assert!(ratio.as_f64().unwrap() >= BOUND, "{ratio}");
}
