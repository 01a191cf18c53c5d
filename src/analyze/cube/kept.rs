//! The second pass of a cube: time of the kept values by step.
//!
//! Callers: [`super::cube_recording`].

use std::collections::HashMap;

use arrow::array::{Array, RecordBatch};

use super::super::columns::{self, Chosen, Lookup, Numbers, STATE_COLUMN};
use super::super::condition::{Conditions, bind};
use super::super::error::AnalyzeError;
use super::super::report::{ReportOptions, in_window};
use super::super::symbols::{Coder, Combinations, Symbols};
use super::super::timeline::Steps;
use super::super::value::Value;
use super::cells::{Cells, Joint};
use super::{ABOUT_SESSION, Dimension, SESSION, Sparse, add_to, step_of};
use crate::record::{Reader, ScanOptions};

/// Fills the sums of all dimensions, and gives those of all together, by combination and in all.
pub(super) fn sum(
    reader: &Reader,
    options: &ReportOptions,
    steps: &Steps,
    dimensions: &mut [Dimension],
) -> Result<(Cells, Sparse), AnalyzeError> {
    let mut joint = Joint::new(steps.count as u32, dimensions);
    // no dimension: no sample ever
    if dimensions.is_empty() {
        return Ok((joint.finish(), Sparse::new()));
    }
    let mut total = Sparse::new();
    let mut places = Places::of(dimensions);
    let mut columns = ["sample_time", "weight_us", "is_active", STATE_COLUMN]
        .map(str::to_owned)
        .to_vec();
    columns.extend(places.coders.iter().map(|c| c.name().to_owned()));
    let schema = reader.schema("samples")?;
    let bound = options.condition.as_ref();
    let bound = bound.map(|expr| bind(expr, &schema)).transpose()?;
    let conditions = Conditions::new(options, bound.as_ref());
    columns.extend(conditions.columns());
    let there = |name: &&str| schema.column_with_name(name).is_some();
    let about = ABOUT_SESSION.map(|name| there(&name).then_some(name));
    columns.extend(about.iter().flatten().map(|name| (*name).to_owned()));
    let mut unique: Vec<String> = Vec::new();
    for name in columns {
        if !unique.contains(&name) {
            unique.push(name);
        }
    }
    let scan = ScanOptions {
        from_us: options.from_us,
        to_us: options.to_us,
        columns: Some(unique),
        host: None,
        instance: options.instance.clone(),
    };
    for batch in reader.scan("samples", &scan)? {
        let batch = batch?;
        let rows = Rows::of(&batch, options, &conditions)?;
        let by_dimension = places.encode(&batch, &rows.rows)?;
        let mut place = vec![0u16; dimensions.len()];
        for (nth, row) in rows.rows.iter().enumerate() {
            let (time_us, us) = rows.at(*row);
            let step = step_of(steps, time_us);
            for (dimension, (place, of)) in place.iter_mut().zip(&by_dimension).enumerate() {
                *place = of[nth];
                if let Some(sums) = dimensions[dimension].sums.get_mut(usize::from(*place)) {
                    add_to(sums, step, us);
                }
            }
            add_to(&mut total, step, us);
            joint.add(&place, step, us);
        }
        tell_sessions(&batch, &rows, &by_dimension, dimensions, &about)?;
    }
    Ok((joint.finish(), total))
}

/// The samples of a batch that count.
struct Rows<'a> {
    rows: Vec<u32>,
    times: &'a arrow::array::TimestampMicrosecondArray,
    weights: Numbers<'a>,
}

impl<'a> Rows<'a> {
    fn of(
        batch: &'a RecordBatch,
        options: &ReportOptions,
        conditions: &Conditions<'_>,
    ) -> Result<Rows<'a>, AnalyzeError> {
        let times = columns::times(batch, "sample_time")?;
        let active = columns::flags(batch, "is_active")?;
        let taken = |row: &usize| {
            active.is_valid(*row) && active.value(*row) && in_window(options, times.value(*row))
        };
        let all = (0..batch.num_rows()).filter(taken);
        let mut rows: Vec<u32> = all.map(|row| row as u32).collect();
        conditions.keep(batch, &mut rows)?;
        Ok(Rows {
            rows,
            times,
            weights: Numbers::of(batch, "weight_us")?,
        })
    }

    /// Time and weight of a row.
    fn at(&self, row: u32) -> (i64, u64) {
        let row = row as usize;
        (self.times.value(row), self.weights.get(row))
    }
}

/// Where each value is among the kept ones of its dimension.
struct Places {
    symbols: Symbols,
    coders: Vec<Coder>,
    dimensions: Vec<PlacesOf>,
}

struct PlacesOf {
    /// Positions among the coders.
    columns: Vec<usize>,
    combinations: Combinations,
    kept: HashMap<Vec<Value>, u16>,
    /// By the number of the combination.
    known: Vec<u16>,
}

impl Places {
    fn of(dimensions: &[Dimension]) -> Places {
        let mut coders: Vec<Coder> = Vec::new();
        let of_each = dimensions.iter().map(|dimension| {
            let columns = dimension.columns.iter().map(|name| {
                let known = coders.iter().position(|c| c.name() == name);
                known.unwrap_or_else(|| {
                    coders.push(Coder::new(name));
                    coders.len() - 1
                })
            });
            let kept = dimension.kept.iter().enumerate();
            PlacesOf {
                columns: columns.collect(),
                combinations: Combinations::new(dimension.columns.len()),
                kept: kept
                    .map(|(at, row)| (row.values.clone(), at as u16))
                    .collect(),
                known: Vec::new(),
            }
        });
        Places {
            dimensions: of_each.collect(),
            symbols: Symbols::default(),
            coders,
        }
    }

    /// The places of rows, for each dimension; those of others have the number of the kept.
    fn encode(&mut self, batch: &RecordBatch, rows: &[u32]) -> Result<Vec<Vec<u16>>, AnalyzeError> {
        for coder in &mut self.coders {
            coder.encode(batch, Chosen::Some(rows), &mut self.symbols)?;
        }
        let (mut table, mut groups) = (Vec::new(), Vec::new());
        let mut all = Vec::with_capacity(self.dimensions.len());
        for of in &mut self.dimensions {
            let columns: Vec<&Coder> = of.columns.iter().map(|c| &self.coders[*c]).collect();
            let (table, groups) = (&mut table, &mut groups);
            table.clear();
            of.combinations
                .encode(&columns, rows.len(), rows.len(), table, groups);
            let last = groups.iter().max().map_or(0, |last| *last as usize + 1);
            for group in of.known.len()..last {
                let parts = of.combinations.made_of(group as u32).into_iter();
                let values: Vec<Value> = parts.map(|part| self.symbols.value(part)).collect();
                let others = of.kept.len() as u16;
                of.known
                    .push(of.kept.get(&values).copied().unwrap_or(others));
            }
            all.push(groups.iter().map(|g| of.known[*g as usize]).collect());
        }
        Ok(all)
    }
}

/// Notes who the kept sessions were in their last sample.
fn tell_sessions(
    batch: &RecordBatch,
    rows: &Rows<'_>,
    by_dimension: &[Vec<u16>],
    dimensions: &mut [Dimension],
    about: &[Option<&str>],
) -> Result<(), AnalyzeError> {
    let Some(at) = dimensions.iter().position(|d| d.name == SESSION) else {
        return Ok(());
    };
    let dimension = &mut dimensions[at];
    let mut last: HashMap<u16, usize> = HashMap::new();
    for (nth, row) in rows.rows.iter().enumerate() {
        let place = by_dimension[at][nth];
        let seen = dimension.kept.get(usize::from(place));
        if seen.is_some_and(|seen| seen.last_seen_us == rows.at(*row).0) {
            last.insert(place, *row as usize);
        }
    }
    for (nth, name) in about.iter().enumerate() {
        let Some(name) = name else { continue };
        for (place, row) in &last {
            let mut lookup = Lookup::<()>::of(batch, name)?;
            let told = &mut dimension.about[usize::from(*place)];
            lookup.get(*row, |value| told[nth] = value.clone());
        }
    }
    Ok(())
}
