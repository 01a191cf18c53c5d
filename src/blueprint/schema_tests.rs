//! The JSON Schemas against what is shipped and assembled, and against documents that are wrong.

use serde_json::{Value, json};

use super::assemble::from_executable;
use super::hints::Hints;
use super::model::{Accept, Blueprint, Guard, SCHEMA_VERSION, SourceKind, Stored};
use super::test_elf::TestExe;
use super::testing;

const BLUEPRINT_1_0: &str = include_str!("../../blueprints/schema/blueprint-1.0.schema.json");
const BLUEPRINT: &str = include_str!("../../blueprints/schema/blueprint-1.1.schema.json");
const HINTS_1_0: &str = include_str!("../../blueprints/schema/hints-1.0.schema.json");
const HINTS: &str = include_str!("../../blueprints/schema/hints-1.1.schema.json");
const INDEX: &str = include_str!("../../blueprints/schema/index-1.0.schema.json");

fn valid(schema: &str, document: &Value) -> Result<(), String> {
    let schema: Value = serde_json::from_str(schema).unwrap();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    validator
        .validate(document)
        .map_err(|e| format!("{}: {e}", e.instance_path()))
}

/// The schema of the version that a document says, by the key that says it.
fn of_version<'a>(document: &Value, key: &str, [old, new]: [&'a str; 2]) -> &'a str {
    if document[key] == "1.0" { old } else { new }
}

fn files(folder: &str) -> Vec<(String, Value)> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("blueprints")
        .join(folder);
    let mut out = Vec::new();
    for entry in std::fs::read_dir(root).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "json") {
            let value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            out.push((path.display().to_string(), value));
        }
    }
    out
}

#[test]
fn assembled_and_shipped_documents_are_valid() {
    let directory = tempfile::tempdir().unwrap();
    let exe = TestExe::default().write(directory.path());
    let blueprint = from_executable(&exe, &Hints::shipped().unwrap()).unwrap();
    for blueprint in [blueprint, testing::blueprint()] {
        valid(BLUEPRINT, &serde_json::to_value(&blueprint).unwrap()).unwrap();
        let text = blueprint.to_json_pretty().unwrap();
        assert_eq!(
            Blueprint::from_json(text.as_bytes(), "t").unwrap(),
            blueprint
        );
    }
    for (name, document) in [files("synthetic"), files("drafts")].concat() {
        let schema = of_version(&document, "schema", [BLUEPRINT_1_0, BLUEPRINT]);
        valid(schema, &document).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
    let hints = files("hints");
    assert!(hints.len() >= 4);
    for (name, document) in hints {
        let schema = of_version(&document, "hints", [HINTS_1_0, HINTS]);
        valid(schema, &document).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
    let index: Value = serde_json::from_str(include_str!("../../blueprints/index.json")).unwrap();
    valid(INDEX, &index).unwrap();
}

/// Whether what `old` allows `new` allows too, as far as this form of schema goes: nothing is taken
/// away, nothing more is required, words are only added to a choice.
fn widens(old: &Value, new: &Value, at: &str) -> Result<(), String> {
    match (old, new) {
        (Value::Object(o), Value::Object(n)) => o.iter().try_for_each(|(key, value)| {
            let here = format!("{at}/{key}");
            match (key.as_str(), n.get(key)) {
                ("$id" | "title" | "description", _) => Ok(()),
                (_, None) => Err(format!("{here} is gone")),
                ("required", Some(now)) if now == value => Ok(()),
                ("required", Some(_)) => Err(format!("{here} changed")),
                (_, Some(now)) => widens(value, now, &here),
            }
        }),
        (Value::Array(o), Value::Array(n)) => match o.iter().find(|v| !n.contains(v)) {
            Some(gone) => Err(format!("{at} lost {gone}")),
            None => Ok(()),
        },
        (o, n) if o == n || at.ends_with("/const") => Ok(()),
        (o, n) => Err(format!("{at} was {o} and is {n}")),
    }
}

/// A version once published stays as it is, and what it allowed the next minor version allows.
#[test]
fn version_1_1_adds_and_changes_nothing() {
    for (old, new) in [(BLUEPRINT_1_0, BLUEPRINT), (HINTS_1_0, HINTS)] {
        let [old, new] = [old, new].map(|t| serde_json::from_str::<Value>(t).unwrap());
        widens(&old, &new, "").unwrap();
        assert!(widens(&new, &old, "").is_err(), "1.1 has additions");
    }
    // a document of 1.0 with a table of 1.1 is neither
    let mut document = serde_json::to_value(testing::blueprint()).unwrap();
    document["dictionaries"]["statistic_parts"] = json!({"a": ["b"]});
    valid(BLUEPRINT, &document).unwrap();
    document["schema"] = "1.0".into();
    assert!(valid(BLUEPRINT_1_0, &document).is_err());
}

/// What the schema refuses, reading refuses too, and the other way round for these.
#[test]
fn schema_and_reader_refuse_the_same() {
    let good = serde_json::to_value(testing::blueprint()).unwrap();
    let read = |v: &Value| Blueprint::from_json(&serde_json::to_vec(v).unwrap(), "t").is_ok();
    let changes: [(&str, &str, Value); 9] = [
        ("", "colour", json!(1)),
        ("", "status", json!("good")),
        ("", "schema", json!("2.0")),
        ("/identity", "colour", json!(1)),
        ("/structs/0/fields/1", "size", json!(-1)),
        ("/structs/0/fields/1", "stored", json!("float")),
        ("/structs/0/fields/1", "colour", json!(1)),
        ("/anchors/0", "address", json!(1610652688)),
        ("/arrays/0/layout", "kind", json!("list")),
    ];
    for (at, key, value) in changes {
        let mut changed = good.clone();
        changed.pointer_mut(at).unwrap()[key] = value;
        assert!(
            valid(BLUEPRINT, &changed).is_err(),
            "schema allows {at}/{key}"
        );
        assert!(!read(&changed), "reader allows {at}/{key}");
    }
    let mut own = good;
    own["x-note"] = json!({"any": ["thing"]});
    assert!(valid(BLUEPRINT, &own).is_ok() && read(&own));
}

#[test]
fn schema_and_model_know_the_same_words() {
    let schema: Value = serde_json::from_str(BLUEPRINT).unwrap();
    assert_eq!(schema["properties"]["schema"]["const"], SCHEMA_VERSION);
    for (name, words) in [
        ("accept", count::<Accept>(&schema, "accept")),
        ("stored", count::<Stored>(&schema, "stored")),
        ("guard", count::<Guard>(&schema, "guard")),
    ] {
        assert!(words > 3, "{name}");
    }
    let kinds = &schema["$defs"]["source"]["properties"]["kind"]["enum"];
    assert_eq!(kinds.as_array().unwrap().len(), 7);
    for kind in kinds.as_array().unwrap() {
        assert!(serde_json::from_value::<SourceKind>(kind.clone()).is_ok());
    }
    let hints: Value = serde_json::from_str(HINTS).unwrap();
    for name in [
        "accept",
        "stored",
        "guard",
        "confidence",
        "array",
        "rule",
        "invariant",
        "dictionaries",
    ] {
        assert_eq!(hints["$defs"][name], schema["$defs"][name], "{name}");
    }
}

/// Number of words of an enumeration, every one of which the model reads; a word that only the
/// model knows is named in the error that it gives for an unknown one.
fn count<T: serde::de::DeserializeOwned>(schema: &Value, name: &str) -> usize {
    let words = schema["$defs"][name]["enum"].as_array().unwrap();
    for word in words {
        assert!(serde_json::from_value::<T>(word.clone()).is_ok(), "{word}");
    }
    let error = serde_json::from_value::<T>(json!("?"))
        .err()
        .unwrap()
        .to_string();
    let known = error
        .split("expected one of")
        .nth(1)
        .unwrap()
        .split(',')
        .count();
    assert_eq!(known, words.len(), "{error}");
    words.len()
}
