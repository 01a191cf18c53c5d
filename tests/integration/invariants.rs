//! A blueprint that is wrong in one field is refused by the rows themselves, and a right one never is.

use serde_json::{Value, json};

use crate::support::{self, Sim, end, sgascope, shared};

fn extract(sim: &Sim) -> Value {
    let binary = sim.file("bin/oracle");
    support::json(&sgascope([
        "blueprint",
        "extract",
        "--binary",
        binary.to_str().unwrap(),
    ]))
}

fn row(blueprint: &mut Value) -> &mut Value {
    let structs = blueprint["structs"].as_array_mut().unwrap();
    structs.iter_mut().find(|s| s["name"] == "ksuse").unwrap()
}

fn offset(blueprint: &Value, name: &str) -> u64 {
    let mut copy = blueprint.clone();
    field(&mut copy, name)["offset"].as_u64().unwrap()
}

fn field<'a>(blueprint: &'a mut Value, name: &str) -> &'a mut Value {
    let mut fields = row(blueprint)["fields"].as_array_mut().unwrap().iter_mut();
    fields.find(|f| f["name"] == name).unwrap()
}

fn dump(sim: &Sim, blueprint: &Value) -> (i32, String) {
    let path = sim.file("tried.json");
    std::fs::write(&path, blueprint.to_string()).unwrap();
    end(&sgascope([
        "dump",
        "-I",
        &sim.sid,
        "-f",
        "csv",
        "-o",
        "/dev/null",
        "--blueprint",
        path.to_str().unwrap(),
    ]))
}

#[test]
fn each_kind_refuses_a_blueprint_damaged_in_its_field() {
    let _beside = shared();
    let sim = Sim::start("INVA", &["--sessions", "120", "--processes", "50"]);
    let good = extract(&sim);
    assert_eq!(dump(&sim, &good), (0, String::new()));
    let date = offset(&good, "KSUSELTM");
    // The upper half of a pointer below 4 GB, or of none.
    let zeros = offset(&good, "KSUSETRN") + 4;
    // Invariant, the field that is moved, where to.
    let damages = [
        ("any-bit of ksuse.KSUSEFLG", "KSUSEFLG", zeros),
        (
            "event-number of ksuse.KSUSEOPC",
            "KSUSEOPC",
            offset(&good, "KSUSESER"),
        ),
        ("needs-other of ksuse.KSUSEOPC", "KSUSESEQ", zeros),
        ("date of ksuse.KSUSELTM", "KSUSELTM", date + 1),
        // The first byte of a date of this century has bit 8.
        ("mostly-clear of ksuse.KSUSEIDL", "KSUSEIDL", date),
        ("process of ksuse.owner", "owner", date),
        ("text of ksuse.KSUUDLNA", "KSUUDLNA", date),
        ("text of ksuse.KSUSEMNM", "KSUSEMNM", date),
        ("text of ksuse.KSUSEPNM", "KSUSEPNM", date),
    ];
    for (invariant, name, at) in damages {
        let mut damaged = good.clone();
        field(&mut damaged, name)["offset"] = at.into();
        refused(&sim, &damaged, invariant);
        // Without the invariants nothing else would have noticed.
        row(&mut damaged)
            .as_object_mut()
            .unwrap()
            .remove("invariants");
        let (code, message) = dump(&sim, &damaged);
        assert!(
            code == 0 || name == "KSUSEFLG",
            "{invariant}: {code} {message}"
        );
    }
    // The array's own test stands before the slot number's: state it of another field.
    let mut damaged = good.clone();
    for invariant in row(&mut damaged)["invariants"].as_array_mut().unwrap() {
        if invariant["kind"] == "slot-number" {
            invariant["field"] = json!("KSUSESER");
        }
    }
    refused(&sim, &damaged, "slot-number of ksuse.KSUSESER");
    field(&mut damaged, "KSUSENUM")["offset"] = zeros.into();
    refused(&sim, &damaged, "row i holds i + 1");
}

fn refused(sim: &Sim, blueprint: &Value, words: &str) {
    let (code, message) = dump(sim, blueprint);
    assert_eq!(code, 5, "{words}: {message}");
    assert!(message.contains(words), "{words}: {message}");
    assert_eq!(message.trim_end().lines().count(), 1, "{message}");
    if words.contains(" of ksuse.") {
        // How many of how many rows, where, what should be there and what is.
        for part in [
            "rows in use violate",
            "as the one at 0x",
            "expected",
            "found",
        ] {
            assert!(message.contains(part), "{part}: {message}");
        }
    }
}

#[test]
fn the_database_name_must_be_one() {
    let _beside = shared();
    let sim = Sim::start("INVB", &["--small", "--start-paused", "--processes", "50"]);
    let good = extract(&sim);
    let anchors = good["anchors"].as_array().unwrap();
    let index = |name: &str| anchors.iter().position(|a| a["name"] == name).unwrap();
    let ksusga = anchors[index("ksusga_")]["address"].as_str().unwrap();
    let ksusga = u64::from_str_radix(ksusga.trim_start_matches("0x"), 16).unwrap();
    // The number of processes there reads as the text "2".
    let mut damaged = good.clone();
    damaged["anchors"][index("ksqgdn_")]["address"] = format!("{:#x}", ksusga + 0x10).into();
    refused(&sim, &damaged, "the database name at ksqgdn_");
    // A blueprint that holds for one database only holds for no other.
    let mut other = good.clone();
    other["x-db-name"] = "ORCL".into();
    refused(&sim, &other, "expected ORCL");
    other["x-db-name"] = "invb".into();
    assert_eq!(dump(&sim, &other).0, 0);
}

#[test]
fn idle_and_tiny_instances_of_every_release_are_accepted() {
    let _beside = shared();
    for (sid, release) in [("INVC", "12.1"), ("INVD", "19.3"), ("INVE", "23.5")] {
        let tiny = [
            "--sessions",
            "12",
            "--processes",
            "8",
            "--start-paused",
            "--small",
        ];
        let sim = Sim::start(sid, &[&["--release", release], &tiny[..]].concat());
        let good = extract(&sim);
        let stated = row(&mut good.clone())["invariants"]
            .as_array()
            .unwrap()
            .len();
        assert!(stated >= 8, "{release}: {stated} invariants");
        assert_eq!(dump(&sim, &good), (0, String::new()), "{release}");
    }
}
