//! The file format of speedscope (<https://www.speedscope.app>): one sampled profile.
//!
//! Not for: the order of events in time; equal stacks are one sample with their whole time, which
//! is what speedscope's "left heavy" and "sandwich" views show. Callers: `cli`.

use std::collections::HashMap;

use serde_json::{Value as Json, json};

use super::stacks::Stacks;

/// The published schema that files say they follow.
pub const SCHEMA: &str = "https://www.speedscope.app/file-format-schema.json";

/// The profile as a JSON document; weights in seconds.
pub fn document(stacks: &Stacks, name: &str) -> Json {
    let mut known: HashMap<(usize, &str), usize> = HashMap::new();
    let mut frames: Vec<Json> = Vec::new();
    let mut samples: Vec<Vec<usize>> = Vec::new();
    let mut weights: Vec<f64> = Vec::new();
    for stack in &stacks.stacks {
        let numbers = stack.frames.iter().enumerate().map(|(depth, frame)| {
            // The same text in another column is another frame.
            *known.entry((depth, frame)).or_insert_with(|| {
                let column = stacks.columns.get(depth).map_or("", String::as_str);
                frames.push(json!({ "name": frame, "file": column }));
                frames.len() - 1
            })
        });
        samples.push(numbers.collect());
        weights.push(stack.active_us as f64 / 1e6);
    }
    json!({
        "$schema": SCHEMA,
        "exporter": concat!("sgascope ", env!("CARGO_PKG_VERSION")),
        "name": name,
        "activeProfileIndex": 0,
        "shared": { "frames": frames },
        "profiles": [{
            "type": "sampled",
            "name": name,
            "unit": "seconds",
            "startValue": 0,
            "endValue": stacks.total_us() as f64 / 1e6,
            "samples": samples,
            "weights": weights,
        }],
    })
}
