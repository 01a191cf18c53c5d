//! The shape of the project, checked by reading it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Modules from the bottom up: each may use only those before it.
const ORDER: [&str; 16] = [
    "memory",
    "discover",
    "blueprint",
    "plan",
    "walk",
    "filter",
    "decode",
    "sample",
    "record",
    "backfill",
    "image",
    "analyze",
    "bench",
    "finops",
    "export",
    "cli",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The modules of this crate that a source text names after `crate::` or `sgascope::`.
fn used_modules(text: &str) -> BTreeSet<&'static str> {
    let code: String = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n");
    ORDER
        .into_iter()
        .filter(|module| {
            let grouped = code.split("use crate::{").skip(1).any(|rest| {
                let group = rest.split(';').next().unwrap_or("");
                group.split([',', '{', '}', '\n']).any(|item| {
                    item.trim() == *module || item.trim().starts_with(&format!("{module}::"))
                })
            });
            grouped || code.contains(&format!("crate::{module}::"))
        })
        .collect()
}

#[test]
fn arrows_go_down_only() {
    let src = root().join("src");
    let mut wrong = Vec::new();
    for (level, module) in ORDER.iter().enumerate() {
        for file in rust_files(&src.join(module)) {
            let text = fs::read_to_string(&file).unwrap();
            for used in used_modules(&text) {
                if ORDER.iter().position(|m| *m == used).unwrap() > level {
                    wrong.push(format!("{} uses crate::{used}", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_arrow_check_sees_every_form() {
    let seen = used_modules(
        "use crate::{memory::Fault, sample::{self, Pacer}};\nlet x = crate::cli::main();\n// crate::walk::no\n",
    );
    assert_eq!(seen, BTreeSet::from(["memory", "sample", "cli"]));
}

#[test]
fn every_module_is_in_the_order() {
    let lib = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let declared: BTreeSet<&str> = lib
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .collect();
    assert_eq!(declared, BTreeSet::from(ORDER));
}

#[test]
fn unsafe_is_in_one_file() {
    for file in rust_files(&root().join("src")) {
        if file.ends_with("memory/raw.rs") || file.ends_with("memory/testing.rs") {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        for line in text.lines().filter(|l| !l.trim_start().starts_with("//")) {
            let word = line
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .any(|w| w == "unsafe" || w == "unsafe_code");
            assert!(!word, "{}: {line}", file.display());
        }
    }
}

#[test]
fn nothing_in_src_can_remove_a_segment_or_attach_for_writing() {
    for file in rust_files(&root().join("src")) {
        let text = fs::read_to_string(&file).unwrap();
        assert!(!text.contains("IPC_RMID"), "{}", file.display());
        if file.ends_with("memory/testing.rs") {
            continue; // the unit tests' own segments are made by another process
        }
        for word in [
            "PROT_WRITE",
            "process_vm_writev",
            "ptrace::",
            "map_mut",
            "shmget",
        ] {
            assert!(!text.contains(word), "{} has {word}", file.display());
        }
        for (at, _) in text.match_indices("shmat(") {
            let call = &text[at..(at + 120).min(text.len())];
            let is_call = text[..at].ends_with("libc::");
            assert!(
                !is_call || call.contains("SHM_RDONLY"),
                "{}: {call}",
                file.display()
            );
        }
    }
}

#[test]
fn folders_are_as_the_architecture_says() {
    let expected = BTreeSet::from([
        "src",
        "blueprints",
        "docs",
        "examples",
        "tools",
        "benches",
        "tests",
        "fixtures",
    ]);
    let found: BTreeSet<String> = fs::read_dir(root())
        .unwrap()
        .map(|e| e.unwrap())
        .filter(|e| e.path().is_dir())
        .map(|e| e.file_name().into_string().unwrap())
        .filter(|name| !name.starts_with('.') && name != "target")
        .collect();
    assert_eq!(found, expected.into_iter().map(str::to_owned).collect());
}

#[test]
fn modules_say_what_they_are_for() {
    for folder in ["src", "tools", "tests", "benches"] {
        for file in rust_files(&root().join(folder)) {
            let text = fs::read_to_string(&file).unwrap();
            assert!(text.starts_with("//!"), "{} has no header", file.display());
        }
    }
}

#[test]
fn reader_and_simulator_share_nothing() {
    let manifest = fs::read_to_string(root().join("tools/sgasim/Cargo.toml")).unwrap();
    assert!(!manifest.contains("sgascope"), "sgasim depends on sgascope");
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let after_workspace = manifest.split("[lib]").nth(1).unwrap();
    assert!(
        !after_workspace.contains("sgasim"),
        "sgascope depends on sgasim"
    );
    for file in rust_files(&root().join("tools/sgasim")) {
        let text = fs::read_to_string(&file).unwrap();
        for line in text.lines() {
            let code = line.trim_start();
            assert!(
                !(code.starts_with("use sgascope")
                    || code.contains("#[path")
                    || code.contains("include!(")),
                "{}: {line}",
                file.display()
            );
        }
    }
}

/// The product compiles no C: nothing in its own dependency tree (dev-dependencies apart) links a
/// native library or has a build script that calls a C compiler.
#[test]
fn the_product_is_free_of_c() {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let tree = Command::new(&cargo)
        .args([
            "tree",
            "--package",
            "sgascope",
            "--edges",
            "normal,build",
            "--prefix",
            "none",
        ])
        .args(["--format", "{p}", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        tree.status.success(),
        "{}",
        String::from_utf8_lossy(&tree.stderr)
    );
    let tree = String::from_utf8(tree.stdout).unwrap();
    let names: BTreeSet<&str> = tree.lines().filter_map(|l| l.split(' ').next()).collect();
    assert!(names.len() > 50, "the tree was not read: {tree}");
    for compiler in [
        "cc",
        "cmake",
        "bindgen",
        "pkg-config",
        "vcpkg",
        "nasm-rs",
        "autotools",
    ] {
        assert!(
            !names.contains(compiler),
            "{compiler} is in the product's tree"
        );
    }
    for name in &names {
        let native = name.ends_with("-sys") && !["linux-raw-sys", "windows-sys"].contains(name);
        assert!(!native, "{name} is in the product's tree");
    }
}
