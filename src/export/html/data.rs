//! The sums that a page carries for its script.
//!
//! One JSON object in a data block. Long rows of numbers are base64 of bytes as
//! [`crate::analyze::cube::Cells::encode`] writes them. No `<` is left in it, so that no text can
//! end the block or begin a comment. Callers: [`super::Page::render`].

use serde_json::{Value as Json, json};

use super::tables::{self, about, blocker, chain_text, class_key, name_of};
use super::{Page, classes};
use crate::analyze::cube::{Sparse, encode_sums};

/// The data block's content.
pub(super) fn json(page: &Page) -> String {
    let cube = &page.cube;
    let meta = &cube.meta;
    let sources = cube
        .watch
        .sources
        .iter()
        .map(|source| packed([&source.sums]));
    let dimensions = cube
        .dimensions
        .iter()
        .zip(&cube.cells.told_apart)
        .map(|(dimension, told)| {
            let values: Vec<Json> = (0..dimension.kept.len())
                .map(|place| {
                    let row = &dimension.kept[place];
                    let mut value = json!({
                        "text": name_of(dimension, place),
                        "first": row.first_seen_us,
                        "last": row.last_seen_us,
                    });
                    let about = about(page, dimension, place);
                    if !about.is_empty() {
                        value["about"] = about.into();
                    }
                    if dimension.name == "wait_class" {
                        value["key"] = class_key(dimension, place).into();
                        let rank = row
                            .values
                            .first()
                            .map_or(classes::CLASSES.len() - 1, classes::rank);
                        value["rank"] = rank.into();
                    }
                    value
                })
                .collect();
            json!({
                "name": dimension.name,
                "values": values,
                "others": dimension.others,
                "told": told,
                "sums": packed(&dimension.sums),
            })
        });
    let mut cells = Vec::new();
    cube.cells.encode(&mut cells);
    let finals = page.chains.finals.iter().map(|row| {
        json!({"text": blocker(&row.final_blocker), "first": row.first_seen_us, "last": row.last_seen_us})
    });
    let chains = page.chains.chains.iter().map(|row| {
        json!({"text": chain_text(&row.chain), "first": row.first_seen_us, "last": row.last_seen_us})
    });
    let data = json!({
        "from": meta.from_us,
        "to": meta.to_us,
        "steps": cube.steps,
        "total": packed([&cube.total]),
        "sources": sources.collect::<Vec<_>>(),
        "lost": packed([&cube.watch.lost]),
        "taken": packed([&cube.watch.taken]),
        "cpus": page.cpu_count(),
        "rows": tables::ROWS,
        "dimensions": dimensions.collect::<Vec<_>>(),
        "slot": cube.cells.slot_steps,
        "cells": base64(&cells),
        "finals": finals.collect::<Vec<_>>(),
        "finals_sums": packed(page.chains.finals.iter().map(|row| &row.sums)),
        "chains": chains.collect::<Vec<_>>(),
        "chains_sums": packed(page.chains.chains.iter().map(|row| &row.sums)),
        "blocked": packed([&page.blocked]),
    });
    harmless(&data.to_string())
}

/// JSON that can stand in HTML: the characters that HTML would act on only occur in JSON's strings.
fn harmless(json: &str) -> String {
    json.replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
}

/// All sums, one after the other.
fn packed<'a>(all: impl IntoIterator<Item = &'a Sparse>) -> String {
    let mut bytes = Vec::new();
    for sums in all {
        encode_sums(sums, &mut bytes);
    }
    base64(&bytes)
}

/// RFC 4648, section 4.
pub(super) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let number =
            three.iter().fold(0u32, |n, b| (n << 8) | u32::from(*b)) << (8 * (3 - three.len()));
        for digit in 0..4 {
            match digit <= three.len() {
                true => out.push(char::from(
                    DIGITS[(number >> (18 - 6 * digit)) as usize & 63],
                )),
                false => out.push('='),
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_as_the_rfc_says() {
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    #[test]
    fn nothing_that_html_acts_on_is_left() {
        let text = json!({"t": "</script><!-- & \"'"}).to_string();
        let safe = harmless(&text);
        assert!(!safe.contains(['<', '>', '&']), "{safe}");
        let back: Json = serde_json::from_str(&safe).unwrap();
        assert_eq!(back["t"], "</script><!-- & \"'");
    }
}
