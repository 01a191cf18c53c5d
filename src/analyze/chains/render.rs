//! Chains as text: table, CSV, JSON lines.
//!
//! Callers: `cli`.

use serde::Serialize;

use super::table::{ChainTable, FinalBlocker};
use crate::analyze::render::{csv_line, printable};
use crate::analyze::value::time_text;

/// The columns of ash_wait_chains, the chain last since it is long.
pub fn table(chains: &ChainTable) -> String {
    let mut out = head(chains);
    if chains.chains.is_empty() {
        return out + "\nNo active samples.\n";
    }
    out.push_str(&format!(
        "\n{:>5} {:>10} {:>7}  {:<24} {:<10} WAIT_CHAIN\n",
        "%This", "SECONDS", "AAS", "FINAL_BLOCKER", "ROUTES"
    ));
    out.push_str("----- ---------- -------  ------------------------ ---------- ----------\n");
    for row in &chains.chains {
        let last = match (&row.final_blocker, row.final_blockers) {
            (Some(_), n) if n > 1 => format!("{n} different"),
            (Some(one), _) => name(one),
            (None, _) => String::new(),
        };
        let routes: Vec<&str> = row.routes.iter().map(|r| r.name()).collect();
        out.push_str(&format!(
            "{:>4.0}% {:>10.2} {:>7}  {:<24} {:<10}{}\n",
            row.pct,
            row.seconds,
            aas(row.aas),
            last,
            routes.join(","),
            row.chain,
        ));
    }
    out
}

/// One line for each end of chains.
pub fn final_table(chains: &ChainTable) -> String {
    let mut out = head(chains);
    if chains.finals.is_empty() {
        return out + "\nNobody waits for another session.\n";
    }
    out.push_str(&format!(
        "\n{:>5} {:>10} {:>7}  {:<24} {:<8} {:>12}  WHO\n",
        "%This", "SECONDS", "AAS", "FINAL_BLOCKER", "STATUS", "LAST_CALL_ET"
    ));
    out.push_str("----- ---------- -------  ------------------------ -------- ------------  ---\n");
    for row in &chains.finals {
        let (status, since, who) = match &row.final_blocker {
            FinalBlocker::Session {
                status,
                idle,
                username,
                program,
                machine,
                last_call_et,
                ..
            } => {
                let plain = if *idle { "idle" } else { "active" };
                let parts = [username, program, machine].map(|p| p.as_deref().unwrap_or("-"));
                let since = last_call_et.map(|s| s.to_string());
                (
                    status.as_deref().unwrap_or(plain),
                    since.unwrap_or_default(),
                    printable(&parts.join(" ")),
                )
            }
            _ => ("", String::new(), String::new()),
        };
        let line = format!(
            "{:>4.0}% {:>10.2} {:>7}  {:<24} {:<8} {:>12}  {}",
            row.pct,
            row.seconds,
            aas(row.aas),
            name(&row.final_blocker),
            status,
            since,
            who,
        );
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// RFC 4180 with a line of names; null is an empty field.
pub fn csv(chains: &ChainTable) -> String {
    let names = [
        "pct",
        "seconds",
        "aas",
        "wait_chain",
        "final_blocker",
        "final_blockers",
        "idle",
        "cycle",
        "depth",
        "routes",
        "confidence",
        "first_seen",
        "last_seen",
        "samples",
    ];
    let mut text = csv_line(names.into_iter());
    for row in &chains.chains {
        let idle = match &row.final_blocker {
            Some(FinalBlocker::Session { idle, .. }) => idle.to_string(),
            _ => String::new(),
        };
        let routes: Vec<&str> = row.routes.iter().map(|r| r.name()).collect();
        let fields = [
            format!("{:.3}", row.pct),
            format!("{:.6}", row.seconds),
            row.aas.map_or(String::new(), |aas| format!("{aas:.6}")),
            row.chain.trim().to_owned(),
            row.final_blocker.as_ref().map_or(String::new(), name),
            row.final_blockers.to_string(),
            idle,
            row.cycle.to_string(),
            row.depth.to_string(),
            routes.join(" "),
            row.confidence().unwrap_or("").to_owned(),
            time_text(row.first_seen_us),
            time_text(row.last_seen_us),
            row.samples.to_string(),
        ];
        text.push_str(&csv_line(fields.iter().map(String::as_str)));
    }
    text
}

/// One object a line.
///
/// # Errors
/// None in practice: all names are texts.
pub fn jsonl<T: Serialize>(rows: &[T]) -> Result<String, serde_json::Error> {
    let mut text = String::new();
    for row in rows {
        text.push_str(&serde_json::to_string(row)?);
        text.push('\n');
    }
    Ok(text)
}

fn head(chains: &ChainTable) -> String {
    let meta = &chains.meta;
    let mut out = String::new();
    if meta.forced {
        out.push_str("WARNING: read with a forced blueprint; values may be wrong.\n");
    }
    let time = |time: Option<i64>| time.map_or("?".to_owned(), time_text);
    out.push_str(&format!(
        "{} to {}",
        time(meta.first_us),
        time(meta.last_us)
    ));
    if let Some(elapsed) = meta.elapsed_seconds {
        out.push_str(&format!(", {elapsed:.1} s watched"));
    }
    out.push_str(&format!(
        ", {} ticks, {:.2} s active, {:.2} s of it waiting for another session, {} of {} chains\n",
        meta.ticks,
        meta.total_us as f64 / 1e6,
        meta.blocked_us as f64 / 1e6,
        chains.chains.len(),
        meta.chains_total,
    ));
    if let Some(why) = meta.absent.get("xid") {
        out.push_str(&format!(
            "Transactions can't be read ({why}): holders are inferred where only one is possible.\n"
        ));
    }
    out
}

fn aas(aas: Option<f64>) -> String {
    aas.map_or(String::new(), |aas| format!("{aas:.2}"))
}

fn name(end: &FinalBlocker) -> String {
    match end {
        FinalBlocker::Session {
            sid,
            serial_no,
            idle,
            ..
        } => format!("{sid},{serial_no}{}", if *idle { " idle" } else { "" }),
        FinalBlocker::Elsewhere {
            instance: Some(instance),
            sid,
        } => format!("{sid} of instance {instance}"),
        FinalBlocker::Elsewhere {
            instance: None,
            sid,
        } => format!("{sid}, not sampled"),
        FinalBlocker::Cycle => "cycle".to_owned(),
        FinalBlocker::Unknown => "unknown".to_owned(),
    }
}
