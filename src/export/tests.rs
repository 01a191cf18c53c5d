//! What the exported files hold, whatever texts they are made of.

use proptest::prelude::*;

use super::stacks::Stack;
use super::*;

fn stacks(all: &[(&[&str], &str, u64)]) -> Stacks {
    let columns = all.first().map_or(0, |(frames, ..)| frames.len());
    Stacks {
        columns: (0..columns).map(|n| format!("column{n}")).collect(),
        stacks: all
            .iter()
            .map(|(frames, class, active_us)| Stack {
                frames: frames.iter().map(|f| (*f).to_owned()).collect(),
                class: (*class).to_owned(),
                active_us: *active_us,
            })
            .collect(),
    }
}

/// Reads XML as far as our files go: every tag closed in order, every `&` an entity; the names of
/// the elements, and the text in titles.
fn read_xml(text: &str) -> Result<(Vec<String>, Vec<String>), String> {
    let (mut open, mut names, mut titles) = (Vec::new(), Vec::new(), Vec::new());
    let mut rest = text.split_once("?>").ok_or("no declaration")?.1;
    while let Some(at) = rest.find('<') {
        let content = &rest[..at];
        if open.last().is_some_and(|name| name == "title") {
            titles.push(content.to_owned());
        }
        for part in content.split('&').skip(1) {
            let entity = part.split(';').next().unwrap();
            if !["lt", "gt", "amp", "quot", "#39"].contains(&entity) {
                return Err(format!("&{entity}"));
            }
        }
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("<![CDATA[") {
            rest = after.split_once("]]>").ok_or("CDATA not closed")?.1;
            continue;
        }
        let (tag, after) = rest[1..].split_once('>').ok_or("tag not closed")?;
        rest = after;
        if tag.contains('<') {
            return Err(format!("< in a tag: {tag}"));
        }
        if let Some(name) = tag.strip_prefix('/') {
            if open.pop().as_deref() != Some(name) {
                return Err(format!("</{name}> closes another"));
            }
            continue;
        }
        let name: String = tag.chars().take_while(|c| c.is_alphanumeric()).collect();
        if tag.matches('"').count() % 2 != 0 {
            return Err(format!("quotes in {tag}"));
        }
        names.push(name.clone());
        if !tag.ends_with('/') {
            open.push(name);
        }
    }
    match open.is_empty() {
        true => Ok((names, titles)),
        false => Err(format!("not closed: {open:?}")),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_breaks_out_of_the_svg(
        texts in prop::collection::vec((any::<String>(), "[<>&\"'\\[\\]!/ a-z]{0,20}", 1u64..1_000_000_000), 1..8),
    ) {
        let all = Stacks {
            columns: vec!["program".to_owned(), "module".to_owned()],
            stacks: texts
                .iter()
                .map(|(a, b, us)| Stack { frames: vec![a.clone(), b.clone()], class: b.clone(), active_us: *us })
                .collect(),
        };
        let svg = flame::svg(&all, &texts[0].0, &texts[0].1);
        let (names, titles) = read_xml(&svg).unwrap();
        prop_assert_eq!(names.iter().filter(|n| *n == "script").count(), 1);
        let known = ["svg", "style", "rect", "text", "g", "title", "script"];
        prop_assert!(names.iter().all(|n| known.contains(&n.as_str())), "{:?}", names);
        let distinct: std::collections::BTreeSet<_> = texts.iter().map(|t| &t.0).collect();
        let both: std::collections::BTreeSet<_> = texts.iter().map(|t| (&t.0, &t.1)).collect();
        prop_assert_eq!(titles.len(), 1 + distinct.len() + both.len());
    }

    #[test]
    fn folded_lines_keep_the_time(
        texts in prop::collection::vec(("[ -~\n]{0,12}", "[a-c]{0,2}", 1u64..1_000_000), 1..10),
    ) {
        let all: Vec<(Vec<&str>, u64)> = texts.iter().map(|(a, b, us)| (vec![a.as_str(), b.as_str()], *us)).collect();
        let all: Vec<(&[&str], &str, u64)> = all.iter().map(|(f, us)| (f.as_slice(), "", *us)).collect();
        let folded = stacks(&all).folded();
        let sum: u64 = folded.lines().map(|l| l.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()).sum();
        prop_assert_eq!(sum, texts.iter().map(|t| t.2).sum::<u64>());
        prop_assert!(folded.lines().all(|line| line.matches(';').count() == 1), "{}", folded);
    }
}

#[test]
fn a_program_named_script_is_harmless() {
    let svg = flame::svg(
        &stacks(&[(
            &["<script>alert(1)</script>", "]]><script>"],
            "User I/O",
            2_500_000,
        )]),
        "x",
        "y",
    );
    assert_eq!(svg.matches("<script").count(), 1);
    assert!(
        svg.contains("&lt;script&gt;alert(1)&lt;/script&gt;: 2.50 s, 100.00 %"),
        "{svg}"
    );
    let inline = ["onclick=", "onload=", "href=", "http://"].map(|word| svg.matches(word).count());
    // The name space is no address that is fetched.
    assert_eq!(inline, [0, 0, 0, 1]);
}

#[test]
fn waits_have_their_classes_color_and_the_widest_is_left() {
    let svg = flame::svg(
        &stacks(&[
            (&["web", "db file sequential read"], "User I/O", 1_000_000),
            (&["web", "ON CPU"], "ON CPU", 3_000_000),
        ]),
        "x",
        "y",
    );
    let cpu = svg.find("ON CPU: 3.00 s, 75.00 %").unwrap();
    let read = svg
        .find("db file sequential read: 1.00 s, 25.00 %")
        .unwrap();
    assert!(cpu < read);
    let fill = |at: usize| svg[at..].split("fill=\"").nth(1).unwrap()[..7].to_owned();
    assert_eq!(fill(cpu), colors::hex(colors::of_class("ON CPU")));
    assert_eq!(fill(read), colors::hex(colors::of_class("User I/O")));
}

#[test]
fn speedscope_follows_its_published_format() {
    // The fields of <https://github.com/jlfwong/speedscope/blob/main/src/lib/file-format-spec.ts> that a
    // sampled profile has.
    let schema = serde_json::json!({
        "type": "object",
        "required": ["$schema", "shared", "profiles"],
        "additionalProperties": false,
        "properties": {
            "$schema": { "const": "https://www.speedscope.app/file-format-schema.json" },
            "exporter": { "type": "string" },
            "name": { "type": "string" },
            "activeProfileIndex": { "type": "integer" },
            "shared": {
                "type": "object",
                "required": ["frames"],
                "properties": { "frames": { "type": "array", "items": {
                    "type": "object",
                    "required": ["name"],
                    "additionalProperties": false,
                    "properties": {
                        "name": { "type": "string" }, "file": { "type": "string" },
                        "line": { "type": "number" }, "col": { "type": "number" },
                    },
                } } },
            },
            "profiles": { "type": "array", "minItems": 1, "items": {
                "type": "object",
                "required": ["type", "name", "unit", "startValue", "endValue", "samples", "weights"],
                "additionalProperties": false,
                "properties": {
                    "type": { "const": "sampled" },
                    "name": { "type": "string" },
                    "unit": { "enum": ["none", "nanoseconds", "microseconds", "milliseconds", "seconds", "bytes"] },
                    "startValue": { "type": "number" },
                    "endValue": { "type": "number" },
                    "samples": { "type": "array", "items": { "type": "array", "items": { "type": "integer", "minimum": 0 } } },
                    "weights": { "type": "array", "items": { "type": "number" } },
                },
            } },
        },
    });
    let all = stacks(&[
        (&["a", "x"], "", 1_500_000),
        (&["a", "y"], "", 250_000),
        (&["x", "a"], "", 250_000),
    ]);
    let document = speedscope::document(&all, "recording");
    let validator = jsonschema::validator_for(&schema).unwrap();
    assert!(validator.is_valid(&document), "{document}");
    let profile = &document["profiles"][0];
    assert_eq!(profile["endValue"], 2.0);
    assert_eq!(
        profile["samples"].as_array().unwrap().len(),
        profile["weights"].as_array().unwrap().len()
    );
    let frames = document["shared"]["frames"].as_array().unwrap();
    // a and x are in both columns, so they are two frames each.
    assert_eq!(frames.len(), 5);
    for sample in profile["samples"].as_array().unwrap() {
        for number in sample.as_array().unwrap() {
            assert!((number.as_u64().unwrap() as usize) < frames.len());
        }
    }
}
