//! Shipped and own blueprints, and which of them is chosen.

use super::super::testing;
use super::*;

fn write(directory: &Path, name: &str, blueprint: &Blueprint) {
    std::fs::write(directory.join(name), blueprint.to_json_pretty().unwrap()).unwrap();
}

#[test]
fn the_shipped_ones_are_all_usable_and_unique() {
    let mut registry = Registry::default();
    registry.add_shipped(INDEX, SHIPPED);
    assert_eq!(registry.problems(), []);
    assert_eq!(registry.entries().len(), SHIPPED.len());
    let all: Vec<&Blueprint> = registry.entries().iter().map(|e| &e.blueprint).collect();
    assert_eq!(checks::check_registry(&all), []);
}

#[test]
fn every_file_of_blueprints_is_shipped() {
    for folder in ["drafts", "synthetic"] {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("blueprints")
            .join(folder);
        for entry in std::fs::read_dir(root).into_iter().flatten() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.ends_with(".json") {
                let file = format!("{folder}/{name}");
                assert!(
                    SHIPPED.iter().any(|(shipped, _)| *shipped == file),
                    "{file}"
                );
            }
        }
    }
}

/// Public facts give no build-id and no way to the sessions: these describe, and nothing is read
/// with them unasked.
#[test]
fn shipped_drafts_say_what_they_lack_and_are_never_chosen() {
    let registry = Registry::load(&[]);
    let drafts = registry.entries().iter().map(|e| &e.blueprint);
    for draft in drafts.filter(|b| b.status == Status::Draft) {
        assert!(draft.is_partial(), "{}", draft.id);
        assert!(draft.identity.build_id.is_none(), "{}", draft.id);
        let (release, port) = (&draft.identity.release, &draft.identity.port);
        assert!(registry.candidates(None, release, port).unwrap().is_empty());
        let fields = draft.structs.iter().flat_map(|s| &s.fields);
        for field in fields {
            let source = draft.sources.iter().find(|s| s.id == field.source);
            assert!(
                source.is_some_and(|s| !s.detail.is_empty()),
                "{}",
                field.name
            );
        }
    }
}

#[test]
fn a_wrong_hash_or_missing_file_is_a_problem() {
    let blueprint = testing::blueprint();
    let text = blueprint.to_json_pretty().unwrap();
    let mut index = Index {
        index: "1.0".into(),
        blueprints: vec![IndexEntry::of(&blueprint, "a.json", text.as_bytes())],
    };
    let add = |index: &Index, files: &[(&str, &str)]| {
        let mut registry = Registry::default();
        registry.add_shipped(&serde_json::to_string(index).unwrap(), files);
        (registry.entries.len(), registry.problems.len())
    };
    assert_eq!(add(&index, &[("a.json", &text)]), (1, 0));
    assert_eq!(add(&index, &[("b.json", &text)]), (0, 1));
    index.blueprints[0].sha256 = sha256(b"other");
    assert_eq!(add(&index, &[("a.json", &text)]), (0, 1));
}

#[test]
fn selection_is_by_exact_build_id() {
    let directory = tempfile::tempdir().unwrap();
    let mut blueprint = testing::blueprint();
    write(directory.path(), "a.json", &blueprint);
    write(directory.path(), "copy.json", &blueprint);
    std::fs::write(directory.path().join("broken.json"), "{").unwrap();
    let directories = [directory.path().to_owned(), directory.path().join("none")];
    let registry = Registry::load(&directories);
    assert_eq!(registry.problems().len(), 1);
    let found = registry.by_build_id("0123456789ABCDEF").unwrap().unwrap();
    assert_eq!(found.blueprint, blueprint);
    assert!(registry.by_build_id("0123456789abcdee").unwrap().is_none());
    assert!(registry.by_build_id("0123456789abcd").unwrap().is_none());
    blueprint.id = "another".into();
    write(directory.path(), "z.json", &blueprint);
    let error = Registry::load(&directories)
        .by_build_id("0123456789abcdef")
        .unwrap_err();
    assert!(error.to_string().contains("z.json"), "{error}");
}

#[test]
fn release_and_platform_choose_what_names_no_other_build() {
    let directory = tempfile::tempdir().unwrap();
    let store = |id: &str, change: fn(&mut Blueprint)| {
        let mut blueprint = testing::blueprint();
        blueprint.id = id.into();
        blueprint.identity.build_id = None;
        blueprint.status = Status::Draft;
        change(&mut blueprint);
        write(directory.path(), &format!("{id}.json"), &blueprint);
    };
    store("draft", |_| ());
    store("proven", |b| {
        b.status = Status::Accepted;
    });
    store("synthetic", |b| b.status = Status::Synthetic);
    store("other-port", |b| b.identity.port = "Linux aarch64".into());
    store("other-release", |b| {
        b.identity.release = "19.30.0.0.0".into()
    });
    store("other-build", |b| {
        b.identity.build_id = Some("ffffffffffffffff".into())
    });
    store("partial", |b| {
        b.arrays.remove(0);
        let why = serde_json::json!(["array sessions"]);
        b.extra.insert("x-partial".into(), why);
    });
    let registry = Registry::load(&[directory.path().to_owned()]);
    assert_eq!(registry.problems(), []);
    let ids = |build: Option<&str>| -> Vec<String> {
        let found = registry
            .candidates(build, "19.3.0.0.0", "Linux x86-64")
            .unwrap();
        assert!(found.iter().all(|c| c.needs_acceptance || c.same_build));
        found.iter().map(|c| c.entry.blueprint.id.clone()).collect()
    };
    assert_eq!(ids(Some("0123456789abcdef")), ["proven", "draft"]);
    assert_eq!(ids(None), ["proven", "draft", "other-build"]);
    assert_eq!(ids(Some("ffffffffffffffff")), ["other-build"]);
    assert!(
        registry
            .candidates(None, "19.3", "Linux x86-64")
            .unwrap()
            .is_empty()
    );
}

#[test]
fn an_incoherent_blueprint_is_a_problem() {
    let directory = tempfile::tempdir().unwrap();
    let mut blueprint = testing::blueprint();
    blueprint.structs[0].size = 50;
    write(directory.path(), "a.json", &blueprint);
    let registry = Registry::load(&[directory.path().to_owned()]);
    assert!(registry.by_build_id("0123456789abcdef").unwrap().is_none());
    assert!(
        registry.problems()[0]
            .reason
            .contains("size-contains-fields")
    );
}

#[test]
fn directories_come_from_the_environment() {
    let env = |name: &str| match name {
        "SGASCOPE_BLUEPRINTS" => Some("/a:/b".into()),
        "HOME" => Some("/home/o".into()),
        _ => None,
    };
    let expected: Vec<PathBuf> = ["/a", "/b", "/home/o/.config/sgascope/blueprints"]
        .map(PathBuf::from)
        .to_vec();
    assert_eq!(directories(env), expected);
    assert_eq!(directories(|_| None), Vec::<PathBuf>::new());
}
