//! `bench`: what it writes, and SQL clients that hang, die or complain.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::support::{Sim, end, json, sgascope, shared};

/// A client that answers what a line asks for: `row TEXT` prints it, `psql`'s \echo too; the
/// statement that asks for the server is refused.
const ANSWERS: &str = r#"
while read -r word rest; do
  case $word in
    \\echo) echo "$rest" ;;
    row) polls=$((polls + 1)); poll ;;
    SELECT) echo "ERROR:  syntax error at or near SELECT" >&2 ;;
  esac
done
"#;

/// A client of which a poll does `poll`.
fn client(dir: &Path, name: &str, poll: &str) -> String {
    let path = dir.join(name);
    std::fs::write(&path, format!("polls=0; poll() {{ {poll} ; }}\n{ANSWERS}")).unwrap();
    format!("sh {}", path.display())
}

fn schema() -> jsonschema::Validator {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/bench.schema.json");
    let schema: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    jsonschema::draft202012::new(&schema).unwrap()
}

fn is_valid(document: &Value) {
    let wrong: Vec<String> = schema()
        .iter_errors(document)
        .map(|e| format!("{}: {e}", e.instance_path()))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn start() -> Sim {
    Sim::start(
        "BENCH",
        &["--sessions", "200", "--processes", "160", "--rate", "2000"],
    )
}

#[test]
fn bench_compares_and_fails_as_clients_do() {
    let _beside = shared();
    let sim = start();
    let dir = sim.dir.path();
    let row = dir.join("row.sql");
    std::fs::write(&row, "row sid,serial#").unwrap();
    let bench = |command: &str, more: &[&str]| {
        let row = row.to_str().unwrap();
        let mut words = vec![
            "bench",
            "-I",
            "BENCH",
            "--poll-cmd",
            command,
            "--poll-dialect",
            "psql",
        ];
        words.extend(["--poll-sql", row, "-f", "json", "--rates", "50", "-d", "1s"]);
        words.extend(more);
        sgascope(words)
    };
    // one that answers: two sessions in each poll
    let good = client(dir, "good", "echo sid,serial#; echo 7,1; echo 9,$polls");
    let page = dir.join("bench.html");
    let document = json(&bench(
        &good,
        &["--html", page.to_str().unwrap(), "--saturate"],
    ));
    is_valid(&document);
    let steps = document["steps"].as_array().unwrap();
    let loads: Vec<_> = steps.iter().map(|s| s["saturated"].as_bool()).collect();
    assert_eq!(loads, [Some(false), Some(true)]);
    for step in steps {
        let (seen, taken) = (&step["sql"]["seen"], step["sql"]["taken"].as_u64().unwrap());
        assert!(taken > 0, "{step}");
        assert_eq!(seen["rows_per_sweep"], 2.0);
        assert_eq!(seen["sessions"].as_u64(), Some(taken + 1));
        assert!(seen["sessions_active"].is_null() && seen["waits"].is_null());
        let ours = &step["sampler"]["seen"];
        assert!(ours["sessions_active"].as_u64() > Some(0) && ours["waits"].as_u64() > Some(0));
    }
    // nobody knows its server
    assert!(
        document["meta"]["sql"]["no_server"]
            .as_str()
            .unwrap()
            .contains("ERROR")
    );
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("Claims, not measurements") && !page.contains("<script"));

    // one that dies on the way: what was until then is told
    let dying = client(
        dir,
        "dying",
        "[ $polls -le 20 ] || { echo last words; exit 9; }; echo a; echo 1",
    );
    let output = bench(&dying, &[]);
    let (code, message) = end(&output);
    assert_eq!(code, 1, "{message}");
    assert!(
        message.contains("ended") && message.contains("last words"),
        "{message}"
    );
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    is_valid(&document);
    assert_eq!(
        document["steps"][0]["sql"]["taken"], 19,
        "20 with the first, before the step"
    );

    let hanging = client(dir, "hanging", "[ $polls -le 5 ] || sleep 60; echo a");
    let (code, message) = end(&bench(&hanging, &["--poll-timeout", "1s"]));
    assert_eq!(code, 1);
    assert!(
        message.contains("has not answered for 1 s (--poll-timeout)"),
        "{message}"
    );

    let wrong = client(dir, "wrong", "echo ERROR:  relation x does not exist >&2");
    let (code, message) = end(&bench(&wrong, &[]));
    assert_eq!(code, 1);
    assert!(
        message.contains("refused the statement: ERROR: relation x"),
        "{message}"
    );

    let (code, message) = end(&bench("sh -c 'echo cannot connect >&2; exit 2'", &[]));
    assert_eq!(code, 1);
    assert!(message.contains("cannot connect"), "{message}");
    let (code, message) = end(&bench("no-such-client", &[]));
    assert_eq!(code, 1);
    assert!(message.contains("no-such-client"), "{message}");
    usage(&sim);
}

/// What can be said wrong.
fn usage(sim: &Sim) {
    let codes = [
        (vec!["--poll-cmd", "mysql"], 2),
        (vec!["--poll-cmd", "psql 'open"], 2),
        (vec!["--poll-sql", "x.sql"], 2),
        (vec!["--poll-cmd", "psql", "--poll-sql", "/no/such/file"], 1),
        (vec!["--rates", "0"], 2),
        (vec!["--image", "x.img"], 2),
    ];
    for (words, expected) in codes {
        let mut all = vec!["bench", "-d", "1s"];
        if words[0] != "--image" {
            all.extend(["-I", "BENCH"]);
        }
        all.extend(&words);
        let (code, message) = end(&sgascope(all));
        assert_eq!(code, expected, "{words:?}: {message}");
    }
    // the sampler alone; a table for people into a file
    let table = sim.file("table.txt");
    let path = table.to_str().unwrap();
    let output = sgascope([
        "bench", "-I", "BENCH", "--rates", "100", "-d", "1s", "--idle", "-o", path,
    ]);
    assert_eq!(end(&output).0, 0, "{:?}", end(&output));
    let table = std::fs::read_to_string(table).unwrap();
    assert!(
        table.contains("SWEEPS/CPU S") && table.contains("sgascope"),
        "{table}"
    );
    assert_eq!(end(&sgascope(["bench", "-I", "NOSUCH"])).0, 4);
}
