//! Combining what several sources say: field by field, and a contradiction is an error.
//!
//! Where sources agree the first is quoted and the others are named in the evidence; where only one
//! speaks it is taken; where they contradict each other nothing is guessed: the error names what,
//! both sources, and what each says. An empty or unknown detail (a size of 0, a class, a C type, the
//! `kqfcop` index that X$KQFCO hides) is no contradiction: the source that knows it fills it.
//!
//! Callers: `assemble` through `cli`.

use std::collections::BTreeMap;
use std::fmt::Display;

use super::facts::{Facts, Said, Table, Variable, ViewText};
use super::kqf::KqfColumn;
use super::model::StatisticName;
use super::view_text;

/// Two sources say different things.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the sources contradict each other about {what}: {first} says {first_value}, {second} says \
     {second_value}: they are of different software or instances; give only those that belong together"
)]
pub struct Contradiction {
    /// What they speak of, e.g. "X$KSUSE.KSUSESER: offset".
    pub what: String,
    /// One source.
    pub first: String,
    /// What it says.
    pub first_value: String,
    /// The other source.
    pub second: String,
    /// What that says.
    pub second_value: String,
}

/// Characters of a text that an error shows from where two differ.
const SHOWN: usize = 40;

/// Both sources' facts. The first one's are quoted where they agree.
///
/// # Errors
/// They contradict each other.
pub fn merge(mut first: Facts, second: Facts) -> Result<Facts, Contradiction> {
    same(&mut first.build_id, second.build_id, "the build-id")?;
    same(&mut first.release, second.release, "the release")?;
    same(&mut first.port, second.port, "the platform")?;
    same(&mut first.charset, second.charset, "the character set")?;
    same(&mut first.db_name, second.db_name, "the database name")?;
    // The banner's wording differs between sources (edition, options): the first one's is kept.
    first.banner = first.banner.or(second.banner);
    for (name, variable) in second.variables {
        match first.variables.remove(&name) {
            None => first.variables.insert(name, variable),
            Some(known) => {
                let merged = merge_variable(&name, known, variable)?;
                first.variables.insert(name, merged)
            }
        };
    }
    for (name, table) in second.tables {
        let merged = match first.tables.remove(&name) {
            None => table,
            Some(known) => merge_table(known, table)?,
        };
        first.tables.insert(name, merged);
    }
    first.statistics = match (first.statistics, second.statistics) {
        (Some(a), Some(b)) => Some(merge_statistics(a, b)?),
        (a, b) => a.or(b),
    };
    same_list(&mut first.events, second.events, "wait event", |e| {
        format!("{:?}", e.name)
    })?;
    merge_commands(&mut first.commands, second.commands)?;
    for (name, view) in second.views {
        let merged = match first.views.remove(&name) {
            None => view,
            Some(known) => merge_view(&name, known, view)?,
        };
        first.views.insert(name, merged);
    }
    first.remarks.extend(second.remarks);
    for (name, rows) in second.rows {
        let mut known = first.rows.remove(&name);
        same_list(&mut known, Some(rows), &format!("{name}: row"), |a| {
            format!("{a:#x}")
        })?;
        first.rows.extend(known.map(|known| (name, known)));
    }
    same_list(&mut first.areas, second.areas, "area", |a| {
        format!(
            "{} in segment {} at {:#x}, {} bytes",
            a.name, a.shmid, a.address, a.bytes
        )
    })?;
    first.sources.extend(second.sources);
    Ok(first)
}

/// An error when two values differ.
fn agree<T: PartialEq + Display>(
    what: impl FnOnce() -> String,
    a: (&T, &[String]),
    b: (&T, &[String]),
) -> Result<(), Contradiction> {
    if a.0 == b.0 {
        return Ok(());
    }
    Err(Contradiction {
        what: what(),
        first: a.1.join(" and "),
        first_value: a.0.to_string(),
        second: b.1.join(" and "),
        second_value: b.0.to_string(),
    })
}

fn same(
    known: &mut Option<Said<String>>,
    other: Option<Said<String>>,
    what: &str,
) -> Result<(), Contradiction> {
    match (known.as_mut(), other) {
        (Some(a), Some(b)) => {
            agree(|| what.to_owned(), (&a.value, &a.by), (&b.value, &b.by))?;
            a.by.extend(b.by);
        }
        (None, other) => *known = other,
        (Some(_), None) => {}
    }
    Ok(())
}

fn same_list<T: PartialEq>(
    known: &mut Option<Said<Vec<T>>>,
    other: Option<Said<Vec<T>>>,
    what: &str,
    show: impl Fn(&T) -> String,
) -> Result<(), Contradiction> {
    let (Some(a), Some(b)) = (known.as_mut(), other.as_ref()) else {
        if known.is_none() {
            *known = other;
        }
        return Ok(());
    };
    for i in 0..a.value.len().max(b.value.len()) {
        let (x, y) = (a.value.get(i), b.value.get(i));
        if x != y {
            let text = |v: Option<&T>| v.map_or_else(|| "there is none".into(), &show);
            return agree(
                || format!("{what} {i}"),
                (&text(x), &a.by),
                (&text(y), &b.by),
            );
        }
    }
    a.by.extend(b.by.iter().cloned());
    Ok(())
}

fn merge_variable(
    name: &str,
    mut a: Said<Variable>,
    b: Said<Variable>,
) -> Result<Said<Variable>, Contradiction> {
    let hex = |v: u64| format!("{v:#x}");
    agree(
        || format!("{name}: address"),
        (&hex(a.value.address), &a.by),
        (&hex(b.value.address), &b.by),
    )?;
    if a.value.size != 0 && b.value.size != 0 {
        agree(
            || format!("{name}: size"),
            (&a.value.size, &a.by),
            (&b.value.size, &b.by),
        )?;
    }
    a.value.size = a.value.size.max(b.value.size);
    a.value.ctype = a.value.ctype.or(b.value.ctype);
    a.by.extend(b.by);
    Ok(a)
}

fn merge_table(mut a: Table, b: Table) -> Result<Table, Contradiction> {
    let name = a.table.name.clone();
    agree(
        || format!("{name}: row size"),
        (&a.table.rsz, &a.by),
        (&b.table.rsz, &b.by),
    )?;
    for column in b.table.columns {
        let by = b
            .columns_by
            .get(&column.name)
            .cloned()
            .unwrap_or_else(|| b.by.clone());
        let known = a.table.columns.iter_mut().find(|c| c.name == column.name);
        match known {
            None => {
                a.columns_by.insert(column.name.clone(), by);
                a.table.columns.push(column);
            }
            Some(known) => {
                let known_by = a.columns_by.entry(column.name.clone()).or_default();
                agree_column(&name, (known, known_by), (&column, &by))?;
                // X$KQFCO hides the index and gives 0.
                known.cop = known.cop.max(column.cop);
                known_by.extend(by);
            }
        }
    }
    a.table.functions_known |= b.table.functions_known;
    for (column, extra) in b.extra {
        a.extra.entry(column).or_default().extend(extra);
    }
    a.by.extend(b.by);
    Ok(a)
}

fn agree_column(
    table: &str,
    a: (&KqfColumn, &[String]),
    b: (&KqfColumn, &[String]),
) -> Result<(), Contradiction> {
    let parts = |c: &KqfColumn| {
        [
            ("offset", u64::from(c.off)),
            ("size", c.siz),
            ("KQFCODTY", u64::from(c.dty)),
            ("KQFCOTYP", u64::from(c.typ)),
            ("KQFCOLSZ", u64::from(c.lsz)),
            ("KQFCOLOF", c.lof),
        ]
    };
    for ((part, x), (_, y)) in parts(a.0).into_iter().zip(parts(b.0)) {
        agree(
            || format!("{table}.{}: {part}", a.0.name),
            (&x, a.1),
            (&y, b.1),
        )?;
    }
    Ok(())
}

/// A text that is cut agrees with one that begins so, and the longer one is kept.
fn merge_view(
    name: &str,
    a: Said<ViewText>,
    b: Said<ViewText>,
) -> Result<Said<ViewText>, Contradiction> {
    let (x, y) = (
        view_text::normal(&a.value.text),
        view_text::normal(&b.value.text),
    );
    let begins = |part: &Said<ViewText>, text: &str, whole: &str| {
        !part.value.complete && whole.starts_with(text)
    };
    let (mut kept, other) = if x == y || begins(&b, &y, &x) {
        (a, b)
    } else if begins(&a, &x, &y) {
        (b, a)
    } else {
        let same = x.chars().zip(y.chars()).take_while(|(x, y)| x == y).count();
        let from = |text: &str| {
            let piece: String = text.chars().skip(same).take(SHOWN).collect();
            format!("{piece:?}")
        };
        return Err(Contradiction {
            what: format!("the text of {name} from character {}", same + 1),
            first: a.by.join(" and "),
            first_value: from(&x),
            second: b.by.join(" and "),
            second_value: from(&y),
        });
    };
    // The same text whole in one source is whole.
    kept.value.complete |= other.value.complete;
    kept.by.extend(other.by);
    Ok(kept)
}

fn merge_statistics(
    mut a: Said<Vec<StatisticName>>,
    b: Said<Vec<StatisticName>>,
) -> Result<Said<Vec<StatisticName>>, Contradiction> {
    let names = |s: &Said<Vec<StatisticName>>| Said {
        value: s.value.iter().map(|n| n.name.clone()).collect::<Vec<_>>(),
        by: s.by.clone(),
    };
    same_list(&mut Some(names(&a)), Some(names(&b)), "statistic", |n| {
        format!("{n:?}")
    })?;
    for (i, (x, y)) in a.value.iter_mut().zip(&b.value).enumerate() {
        if let (Some(x), Some(y)) = (&x.class, &y.class) {
            agree(|| format!("statistic {i}: class"), (x, &a.by), (y, &b.by))?;
        }
        x.class = x.class.or(y.class);
    }
    a.by.extend(b.by);
    Ok(a)
}

fn merge_commands(
    known: &mut Option<Said<BTreeMap<u32, String>>>,
    other: Option<Said<BTreeMap<u32, String>>>,
) -> Result<(), Contradiction> {
    let (Some(a), Some(b)) = (known.as_mut(), other.as_ref()) else {
        if known.is_none() {
            *known = other;
        }
        return Ok(());
    };
    for (code, name) in &b.value {
        if let Some(own) = a.value.get(code) {
            agree(
                || format!("SQL command {code}"),
                (own, &a.by),
                (name, &b.by),
            )?;
        }
        a.value.insert(*code, name.clone());
    }
    a.by.extend(b.by.iter().cloned());
    Ok(())
}

#[cfg(test)]
#[path = "merge_tests.rs"]
mod tests;
