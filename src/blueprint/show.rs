//! A blueprint as text for people: identity, sources, anchors, fields, absent columns, rules.
//!
//! It judges nothing. Callers: `cli` (`blueprint show`).

use std::fmt::Write;

use comfy_table::Table;
use comfy_table::presets;

use super::model::{ArrayLayout, Blueprint, Confidence, Field, MemberRef, Status, Stored, Struct};

/// The whole blueprint as text, tables without borders, one final newline.
pub fn summary(blueprint: &Blueprint) -> String {
    let mut out = head(blueprint);
    out.push_str("\nsources\n");
    let mut table = plain(&["id", "kind", "sha256", "what"]);
    for s in &blueprint.sources {
        let sha = s
            .sha256
            .as_deref()
            .map_or("-", |hex| hex.get(..12).unwrap_or(hex));
        table.add_row([s.id.as_str(), &word(&s.kind), sha, &s.detail]);
    }
    section(&mut out, &table);
    out.push_str("\nanchors\n");
    let mut table = plain(&["name", "address", "size", "type", "source"]);
    for a in &blueprint.anchors {
        let ctype = a.ctype.as_deref().unwrap_or("-");
        let (address, size) = (format!("{:016X}", a.address), a.size.to_string());
        table.add_row([a.name.as_str(), &address, &size, ctype, &a.source]);
    }
    section(&mut out, &table);
    for strukt in &blueprint.structs {
        structure(&mut out, strukt);
    }
    arrays(&mut out, blueprint);
    rules(&mut out, blueprint);
    views(&mut out, blueprint);
    out
}

fn head(blueprint: &Blueprint) -> String {
    let identity = &blueprint.identity;
    let names = &blueprint.dictionaries;
    let status = match blueprint.status {
        Status::Draft => "draft: collected from sources, not yet tried on live memory",
        Status::Accepted => "accepted on live memory",
        Status::Calibrated => "calibrated on live memory",
        Status::Synthetic => "synthetic: describes the synthetic instance",
    };
    format!(
        "{}\n  release   {}\n  port      {}\n  build-id  {}\n  banner    {}\n  status    {status}\n  \
         charset   {}\n  names     {} events, {} wait classes, {} statistics, {} commands\n",
        blueprint.id,
        identity.release,
        identity.port,
        identity.build_id.as_deref().unwrap_or("not known"),
        identity.banner.as_deref().unwrap_or("not known"),
        blueprint.charset.as_deref().unwrap_or("not known"),
        names.events.len(),
        names.wait_classes.len(),
        names.statistics.len(),
        names.commands.len(),
    )
}

fn structure(out: &mut String, strukt: &Struct) {
    let table = strukt
        .table
        .as_deref()
        .map(|t| format!(" ({t})"))
        .unwrap_or_default();
    let size = match strukt.size {
        0 => "size not known".to_owned(),
        bytes => format!("{bytes} bytes"),
    };
    let guard = strukt
        .guard
        .as_ref()
        .map(|g| format!(", guard {}", word(g)))
        .unwrap_or_default();
    let _ = writeln!(out, "\nstruct {}{table}: {size}{guard}", strukt.name);
    let mut fields: Vec<&Field> = strukt.fields.iter().collect();
    fields.sort_by_key(|f| f.offset);
    let head = [
        "offset",
        "size",
        "field",
        "stored",
        "source",
        "confidence",
        "test",
        "evidence",
    ];
    let mut table = plain(&head);
    for field in fields {
        table.add_row([
            field.offset.to_string(),
            field.size.to_string(),
            field.name.clone(),
            stored(field),
            field.source.clone(),
            confidence(field.confidence).to_owned(),
            field.accept.as_ref().map_or("-".into(), word),
            field.evidence.clone().unwrap_or_default(),
        ]);
    }
    section(out, &table);
    invariants(out, strukt);
    if !strukt.absent.is_empty() {
        out.push_str("  not stored\n");
        let mut table = plain(&["column", "why"]);
        for column in &strukt.absent {
            table.add_row([&column.name, &column.reason]);
        }
        section(out, &table);
    }
}

fn stored(field: &Field) -> String {
    let mut text = word(&field.stored);
    if field.stored == Stored::Addr
        && let Some(to) = &field.to
    {
        let _ = write!(text, " of {to}");
    }
    if let Some(max) = field.max {
        let _ = write!(text, " (max {max})");
    }
    for other in &field.alternatives {
        let _ = write!(text, " or {other}");
    }
    if field.scan {
        text.push_str(" or anywhere");
    }
    text
}

fn confidence(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::Low => "low",
        Confidence::Medium => "medium",
        Confidence::High => "high",
    }
}

fn arrays(out: &mut String, blueprint: &Blueprint) {
    out.push_str("\narrays\n");
    let mut table = plain(&["name", "rows", "way", "test"]);
    for array in &blueprint.arrays {
        let way = match &array.layout {
            ArrayLayout::Pointers { base, count } => {
                format!("pointers at {}, count at {}", place(base), place(count))
            }
            ArrayLayout::Flat {
                base,
                stride,
                count,
            } => {
                let rows = count.map_or("until the test fails".into(), |n| format!("{n} rows"));
                format!("flat from {}, stride {stride}, {rows}", place(base))
            }
            ArrayLayout::Runs { runs } => format!("{} runs", runs.len()),
        };
        let test = array.accept.as_ref().map_or("-".into(), word);
        table.add_row([array.name.as_str(), &array.row, &way, &test]);
    }
    section(out, &table);
}

fn place(member: &MemberRef) -> String {
    format!("{}.{}", member.anchor, member.field)
}

fn rules(out: &mut String, blueprint: &Blueprint) {
    out.push_str("\nrules\n");
    let mut table = plain(&["name", "value", "source", "confidence", "evidence"]);
    for (name, rule) in &blueprint.rules {
        let value = rule.value.to_string();
        let evidence = rule.evidence.as_deref().unwrap_or_default();
        table.add_row([
            name.as_str(),
            &value,
            &rule.source,
            confidence(rule.confidence),
            evidence,
        ]);
    }
    section(out, &table);
}

fn views(out: &mut String, blueprint: &Blueprint) {
    if blueprint.views.is_empty() {
        return;
    }
    out.push_str("\nviews\n");
    let mut table = plain(&["name", "bytes", "complete", "source"]);
    for (name, view) in &blueprint.views {
        let complete = if view.complete { "yes" } else { "no, cut" };
        let bytes = view.text.len().to_string();
        table.add_row([name.as_str(), &bytes, complete, &view.source]);
    }
    section(out, &table);
}

fn invariants(out: &mut String, strukt: &Struct) {
    if strukt.invariants.is_empty() {
        return;
    }
    out.push_str("  true of rows in use\n");
    let mut table = plain(&["field", "what", "source", "evidence"]);
    for invariant in &strukt.invariants {
        let mask = invariant.mask.map(|mask| format!(" {mask}"));
        let other = invariant.other.as_ref().map(|other| format!(" {other}"));
        let what = format!(
            "{}{}",
            invariant.kind.word(),
            mask.or(other).unwrap_or_default()
        );
        table.add_row([
            &invariant.field,
            &what,
            &invariant.source,
            &invariant.evidence,
        ]);
    }
    section(out, &table);
}

/// The word by which a value stands in JSON.
fn word<T: serde::Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text,
        _ => String::new(),
    }
}

fn plain(head: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(head.to_vec());
    table
}

fn section(out: &mut String, table: &Table) {
    for line in table.to_string().lines() {
        out.push_str("  ");
        out.push_str(line.trim_end());
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::AbsentColumn;
    use super::super::testing;
    use super::*;

    #[test]
    fn fields_and_reasons_are_shown() {
        let mut blueprint = testing::blueprint();
        let column = AbsentColumn {
            name: "KSUSEPRO".into(),
            reason: "computed".into(),
        };
        blueprint.structs[0].absent.push(column);
        let text = summary(&blueprint);
        let row = text.lines().find(|l| l.contains("KSUUDLNA")).unwrap();
        let words: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(
            words,
            ["197", "128", "KSUUDLNA", "text", "executable", "high", "-"]
        );
        let row = text.lines().find(|l| l.contains("KSUSEPRO")).unwrap();
        assert_eq!(
            row.split_whitespace().collect::<Vec<_>>(),
            ["KSUSEPRO", "computed"]
        );
        assert!(text.contains("000000006000A410"), "{text}");
        assert!(text.contains("pointers at ksusga_.sessions"), "{text}");
    }
}
