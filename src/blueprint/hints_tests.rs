//! Reading and merging of hints files.

use super::*;

const MINIMAL: &str = r#"{"hints":"1.0","family":"t","applies_to":["30."],"rules":{"a":{"value":1,"source":"s","confidence":"low"}}}"#;

fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    directory
}

#[test]
fn each_shipped_family_is_found_by_prefix() {
    let hints = Hints::shipped().unwrap();
    for (release, mask) in [
        ("12.1.0.2.0", 11),
        ("12.2.0.1.0", 11),
        ("18.3.0.0.0", 9),
        ("19.23.0.0.0", 9),
        ("21.5.0.0.0", 9),
        ("23.5.0.24.07", 9),
    ] {
        let file = hints.for_release(release).unwrap();
        assert_eq!(file.rules["status_mask"].value, mask, "{release}");
        assert_eq!(file.arrays.len(), 3, "{release}");
        assert!(file.sources.iter().all(|s| s.sha256.is_some()));
    }
    let message = hints.for_release("2.0").unwrap_err().to_string();
    assert!(message.contains("12, 18, 19, 21, 23"), "{message}");
}

#[test]
fn every_claim_names_a_listed_source() {
    let hints = Hints::shipped().unwrap();
    for release in ["12.1.0.2.0", "19.3.0.0.0", "23.5.0.24.07"] {
        let file = hints.for_release(release).unwrap();
        let fields = file.structs.iter().flat_map(|s| &s.fields);
        let used = fields
            .map(|f| &f.source)
            .chain(file.rules.values().map(|r| &r.source));
        for source in used {
            assert!(
                file.sources.iter().any(|s| s.id == *source),
                "{release}: {source}"
            );
        }
    }
}

#[test]
fn a_directory_takes_the_place_of_the_shipped_ones() {
    let directory = directory(&[("a.json", MINIMAL), ("note.txt", "not hints")]);
    let hints = Hints::from_directory(directory.path()).unwrap();
    assert_eq!(hints.for_release("30.1.0").unwrap().rules["a"].value, 1);
    assert!(matches!(
        hints.for_release("19.3.0.0.0"),
        Err(HintsError::NoFamily { .. })
    ));
}

#[test]
fn claims_made_twice_are_refused() {
    let directory = directory(&[("a.json", MINIMAL), ("b.json", MINIMAL)]);
    let hints = Hints::from_directory(directory.path()).unwrap();
    let message = hints.for_release("30.1.0").unwrap_err().to_string();
    assert!(
        message.contains("rule a") && message.contains("b.json"),
        "{message}"
    );
}

#[test]
fn wrong_forms_are_refused_by_name() {
    for text in [
        "{",
        r#"{"hints":"2.0","family":"t","applies_to":[]}"#,
        r#"{"colour":1}"#,
    ] {
        let directory = directory(&[("a.json", text)]);
        let message = Hints::from_directory(directory.path())
            .unwrap_err()
            .to_string();
        assert!(message.contains("a.json"), "{message}");
    }
    assert!(Hints::from_directory(std::path::Path::new("/nonexistent/hints")).is_err());
}
