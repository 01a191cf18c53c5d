//! One pass over a recording for several groupings at once, on all processors.
//!
//! For: tables and timelines of the same samples. The pass is cut by time into slices that
//! processors share, always the same slices for the same recording, so that the result is
//! the same on any machine. Memory: what one slice for each processor needs, and the groups.
//!
//! Not for: what columns mean, drawing. Callers: [`super::report`], `cli`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::columns::{STATE_COLUMN, WAIT_COLUMNS};
use super::condition::{Conditions, bind};
use super::error::AnalyzeError;
use super::filter::column_name;
use super::report::{ReportOptions, seconds};
use super::shares::{Shares, in_parallel, threads};
use super::sums::{GroupSums, Sums, Wanted};
use super::table::{ReportTable, Row};
use super::timeline::{Series, Steps, Timeline};
use super::value::Value;
use super::variance::Design;
use super::watched::{TICK_COLUMNS, Watched, add_to_steps, times_and_weights};
use crate::filter::Bound;
use crate::record::{Reader, RecordError, Scan, ScanOptions};

/// Rows of a slice, of some row groups: what is known of single ticks is held for a slice.
const SLICE_ROWS: u64 = 300_000;

/// One way of grouping.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Grouping {
    /// Columns to group by; none gives one row of all. Short names (`sid`) are resolved.
    pub columns: Vec<String>,
    /// Whether a timeline is wanted too, and of which steps.
    pub steps: Option<StepsWanted>,
}

/// Which steps a timeline shall have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StepsWanted {
    /// At most so many, of a round width.
    AtMost(usize),
    /// Exactly these.
    Exactly(Steps),
}

/// What one grouping gave.
#[derive(Clone, PartialEq, Debug)]
pub struct Surveyed {
    /// The table, the largest groups first.
    pub table: ReportTable,
    /// The same groups over time, if wanted; `None` if there are no ticks.
    pub timeline: Option<Timeline>,
}

/// Reads a recording once and gives each of `groupings` its table (and timeline). `options` says
/// which samples, and what else the tables shall show; its `groups` are not looked at.
///
/// # Errors
/// [`AnalyzeError::Record`] if the recording can't be read or has no such column,
/// [`AnalyzeError::ColumnType`] if a column isn't of its type.
pub fn survey_recording(
    reader: &Reader,
    options: &ReportOptions,
    groupings: &[Grouping],
) -> Result<Vec<Surveyed>, AnalyzeError> {
    let pass = Pass::of(reader, options)?;
    let (mut watched, of_ticks) = pass.watched()?;
    watched.meta.forced = reader.recording().forced();
    let steps = |wanted: StepsWanted| match (wanted, watched.first_us, watched.last_us) {
        (StepsWanted::Exactly(steps), _, _) => Some(steps),
        (StepsWanted::AtMost(most), Some(first), Some(last)) => {
            let from = options.from_us.map_or(first, |from| from.max(first));
            Some(Steps::round(from, last, most))
        }
        _ => None,
    };
    let wanted = Wanted {
        options: options.clone(),
        bound: pass.bound()?,
        groupings: groupings.iter().map(|g| resolved(&g.columns)).collect(),
        steps: groupings.iter().map(|g| g.steps.and_then(steps)).collect(),
    };
    let (sums, mut found) = pass.run(&wanted)?;
    found.files.absorb(of_ticks);
    watched.meta.truncated_files = found.files.truncated.len() as u64;
    watched.meta.unproven_files = found.files.unproven.len() as u64;
    watched.meta.unjoined = found.files.unjoined;
    let mut watched_in = BTreeMap::new();
    for steps in wanted.steps.iter().flatten() {
        let key = (steps.start_us, steps.width_us, steps.count);
        if let std::collections::btree_map::Entry::Vacant(entry) = watched_in.entry(key) {
            entry.insert(pass.watched_in(steps)?);
        }
    }
    let watched_in = |steps: &Steps| {
        let key = (steps.start_us, steps.width_us, steps.count);
        watched_in.get(&key).cloned().unwrap_or_default()
    };
    Ok(finish(sums, &watched, &found.design, &watched_in))
}

/// What the ticks of a recording say, without a look at samples.
pub(super) fn watched(reader: &Reader, options: &ReportOptions) -> Result<Watched, AnalyzeError> {
    let (mut watched, _) = Pass::of(reader, options)?.watched()?;
    watched.meta.forced = reader.recording().forced();
    Ok(watched)
}

/// When the recording's last tick was, microseconds since 1970-01-01 UTC; `None` without ticks.
///
/// # Errors
/// [`AnalyzeError::Record`] if the recording can't be read.
pub fn last_tick_us(reader: &Reader) -> Result<Option<i64>, AnalyzeError> {
    Ok(watched(reader, &ReportOptions::default())?.last_us)
}

/// Names resolved, each once.
fn resolved(names: &[String]) -> Vec<String> {
    let mut seen: Vec<String> = Vec::new();
    for name in names {
        let name = column_name(name);
        if !seen.contains(&name) {
            seen.push(name);
        }
    }
    seen
}

/// The columns of samples that a pass reads.
fn columns_of(wanted: &Wanted) -> Vec<String> {
    let always = [
        "sample_time",
        "weight_us",
        "is_active",
        "sql_id",
        "sql_exec_id",
    ];
    let mut names: Vec<String> = always.map(str::to_owned).to_vec();
    names.extend(wanted.groupings.iter().flatten().cloned());
    names.extend(Conditions::new(&wanted.options, wanted.bound.as_ref()).columns());
    if names
        .iter()
        .any(|name| WAIT_COLUMNS.contains(&name.as_str()))
    {
        names.push(STATE_COLUMN.to_owned());
    }
    let mut seen = BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}

/// What is read, and how it is cut.
struct Pass<'r> {
    reader: &'r Reader,
    options: &'r ReportOptions,
    /// Hosts and instances.
    sources: Vec<(String, String)>,
    has_ticks: bool,
    /// Starts and ends, microseconds since 1970-01-01 UTC.
    slices: Vec<(i64, i64)>,
}

/// What a pass found beside sums.
#[derive(Default)]
struct Found {
    design: Design,
    files: Files,
}

/// What is to be said of the files that were read.
#[derive(Default)]
struct Files {
    truncated: BTreeSet<PathBuf>,
    unproven: BTreeSet<PathBuf>,
    unjoined: u64,
}

impl Files {
    fn add(&mut self, scan: &Scan) {
        self.truncated.extend(scan.truncated().iter().cloned());
        self.unproven.extend(scan.unproven().iter().cloned());
        self.unjoined += scan.unjoined();
    }

    fn absorb(&mut self, other: Files) {
        self.truncated.extend(other.truncated);
        self.unproven.extend(other.unproven);
        self.unjoined += other.unjoined;
    }
}

impl<'r> Pass<'r> {
    fn of(reader: &'r Reader, options: &'r ReportOptions) -> Result<Pass<'r>, AnalyzeError> {
        let ticks = reader.instances("ticks")?;
        let has_ticks = !ticks.is_empty();
        let mut sources: BTreeSet<_> = ticks.into_iter().collect();
        sources.extend(reader.instances("samples")?);
        sources.retain(|(_, name)| options.instance.as_ref().is_none_or(|i| i == name));
        // Times that the condition excludes need not be read; they were watched all the same.
        let (from_us, to_us) = match &options.condition {
            Some(expr) => expr.window("sample_time"),
            None => (None, None),
        };
        let from = [from_us, options.from_us].into_iter().flatten().max();
        let to = [to_us, options.to_us].into_iter().flatten().min();
        let wanted = ScanOptions {
            from_us: from,
            to_us: to,
            instance: options.instance.clone(),
            ..ScanOptions::default()
        };
        let slices = reader.cuts("samples", &wanted, SLICE_ROWS)?;
        Ok(Pass {
            reader,
            options,
            sources: sources.into_iter().collect(),
            has_ticks,
            slices,
        })
    }

    fn scan(&self, source: &(String, String), columns: Vec<String>) -> ScanOptions {
        ScanOptions {
            from_us: self.options.from_us,
            to_us: self.options.to_us,
            columns: Some(columns),
            host: Some(source.0.clone()),
            instance: Some(source.1.clone()),
        }
    }

    /// The options' condition for the samples there are; `None` without one, and without samples.
    fn bound(&self) -> Result<Option<Bound>, AnalyzeError> {
        let Some(expr) = &self.options.condition else {
            return Ok(None);
        };
        let scan = ScanOptions {
            columns: Some(expr.columns()),
            from_us: self.options.from_us,
            to_us: self.options.to_us,
            ..ScanOptions::default()
        };
        match self.reader.scan("samples", &scan) {
            Ok(scan) => Ok(Some(bind(expr, &scan.schema())?)),
            Err(RecordError::NoTable { .. }) if self.has_ticks => Ok(None),
            Err(RecordError::NoColumn {
                column, available, ..
            }) => {
                let known: Vec<String> = available.split(", ").map(str::to_owned).collect();
                Err(expr.unknown_column(&column, &known).into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Calls `each` with all batches of ticks.
    fn ticks(
        &self,
        scan: &ScanOptions,
        mut each: impl FnMut(&arrow::array::RecordBatch) -> Result<(), AnalyzeError>,
    ) -> Result<Files, AnalyzeError> {
        let mut files = Files::default();
        match self.reader.scan("ticks", scan) {
            Ok(mut ticks) => {
                for batch in &mut ticks {
                    each(&batch?)?;
                }
                files.add(&ticks);
                Ok(files)
            }
            // There are none, or only a file that ends before its first batch.
            Err(RecordError::NoTable { .. }) => Ok(files),
            Err(error) => Err(error.into()),
        }
    }

    fn watched(&self) -> Result<(Watched, Files), AnalyzeError> {
        let mut watched = Watched::default();
        let mut files = Files::default();
        for source in &self.sources {
            watched.next_source();
            let scan = self.scan(source, TICK_COLUMNS.map(str::to_owned).to_vec());
            files.absorb(self.ticks(&scan, |batch| watched.add(self.options, batch))?);
        }
        Ok((watched, files))
    }

    fn watched_in(&self, steps: &Steps) -> Result<Vec<u64>, AnalyzeError> {
        let mut most = vec![0u64; steps.count];
        for source in &self.sources {
            let mut of_source = vec![0u64; steps.count];
            let scan = self.scan(
                source,
                TICK_COLUMNS[..2].iter().map(|c| (*c).into()).collect(),
            );
            self.ticks(&scan, |batch| add_to_steps(batch, steps, &mut of_source))?;
            for (most, us) in most.iter_mut().zip(of_source) {
                *most = (*most).max(us);
            }
        }
        Ok(most)
    }

    /// All slices, on all processors.
    fn run<'w>(&self, wanted: &'w Wanted) -> Result<(Sums<'w>, Found), AnalyzeError> {
        let columns = columns_of(wanted);
        if self.slices.is_empty() {
            self.refuse_unknown(&columns)?;
            return Ok((Sums::new(wanted), Found::default()));
        }
        let threads = threads().min(self.slices.len()).max(1);
        keep_large_blocks();
        let shares = Shares::new(self.slices.len(), threads);
        let scans = self.scans(&columns)?;
        let fork = |scan: &Option<Scan>| scan.as_ref().map(Scan::fork);
        let forks = (0..threads).map(|_| scans.iter().map(fork).collect());
        let forks: Vec<Vec<Option<Scan>>> = forks.collect();
        let parts = in_parallel(forks, |thread, mut scans| {
            let mut sums = Sums::new(wanted);
            let mut found = Found::default();
            while let Some(number) = shares.next(thread) {
                let slice = self.slices[number];
                if let Err(error) = self.slice(slice, &mut scans, &mut sums, &mut found) {
                    shares.fail(number);
                    return Err((number, error));
                }
            }
            Ok((sums, found))
        });
        let mut sum: Option<(Sums<'w>, Found)> = None;
        let mut first_error: Option<(usize, AnalyzeError)> = None;
        for part in parts {
            match (part, &mut sum) {
                (Ok(part), None) => sum = Some(part),
                (Ok((sums, found)), Some((all, all_found))) => {
                    all.absorb(sums);
                    all_found.design.absorb(&found.design);
                    all_found.files.absorb(found.files);
                }
                (Err(error), _) => {
                    if first_error.as_ref().is_none_or(|(n, _)| error.0 < *n) {
                        first_error = Some(error);
                    }
                }
            }
        }
        match (first_error, sum) {
            (Some((_, error)), _) => Err(error),
            (None, sum) => Ok(sum.unwrap_or_else(|| (Sums::new(wanted), Found::default()))),
        }
    }

    /// An idle instance has ticks, but no row of `samples` ever; then any column is right.
    fn refuse_unknown(&self, columns: &[String]) -> Result<(), AnalyzeError> {
        let scan = ScanOptions {
            columns: Some(columns.to_vec()),
            ..ScanOptions::default()
        };
        match self.reader.scan("samples", &scan) {
            Ok(_) => Ok(()),
            Err(RecordError::NoTable { .. }) if self.has_ticks => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Scans of samples of all sources, to begin anywhere; none where there are none.
    fn scans(&self, columns: &[String]) -> Result<Vec<Option<Scan>>, AnalyzeError> {
        let scans = self.sources.iter().map(|source| {
            match self
                .reader
                .scan("samples", &self.scan(source, columns.to_vec()))
            {
                Ok(samples) => Ok(Some(samples.coded())),
                Err(RecordError::NoTable { .. }) if self.has_ticks => Ok(None),
                Err(error) => Err(error.into()),
            }
        });
        scans.collect()
    }

    fn slice(
        &self,
        (from_us, to_us): (i64, i64),
        scans: &mut [Option<Scan>],
        sums: &mut Sums<'_>,
        found: &mut Found,
    ) -> Result<(), AnalyzeError> {
        for (source, scan) in self.sources.iter().zip(scans) {
            if let Some(samples) = scan {
                samples.restart(from_us, to_us);
                for batch in samples.by_ref() {
                    sums.add(&batch?)?;
                }
                found.files.add(samples);
            }
            if self.options.intervals {
                let columns = TICK_COLUMNS[..2].iter().map(|c| (*c).into()).collect();
                let scan = ScanOptions {
                    from_us: Some(from_us),
                    to_us: Some(to_us),
                    ..self.scan(source, columns)
                };
                let mut ticks = Vec::new();
                self.ticks(&scan, |batch| {
                    ticks.extend(times_and_weights(batch)?);
                    Ok(())
                })?;
                ticks.sort_unstable();
                found.design.add(&ticks);
                sums.end_source(&ticks);
            }
        }
        sums.end_slice();
        Ok(())
    }
}

/// glibc takes every large block from the system and gives it back at once, until a larger one was freed
/// (mallopt(3), M_MMAP_THRESHOLD); then it keeps them. Else each page of each row group's columns were
/// a page fault. The block itself is never touched.
fn keep_large_blocks() {
    /// Somewhat less than DEFAULT_MMAP_THRESHOLD_MAX.
    const BYTES: usize = (32 << 20) - (64 << 10);
    drop(std::hint::black_box(Vec::<u8>::with_capacity(BYTES)));
}

/// The results of all groupings.
pub(super) fn finish(
    sums: Sums<'_>,
    watched: &Watched,
    design: &Design,
    watched_in: &dyn Fn(&Steps) -> Vec<u64>,
) -> Vec<Surveyed> {
    let wanted = sums.wanted();
    let groupings = sums.into_groups().into_iter().enumerate();
    groupings
        .map(|(number, groups)| {
            let names = &wanted.groupings[number];
            let steps = wanted.steps[number];
            let (table, series) = table(&wanted.options, names, groups, watched, design, steps);
            let timeline = steps.map(|steps| Timeline {
                steps,
                watched_us: watched_in(&steps),
                series,
            });
            Surveyed { table, timeline }
        })
        .collect()
}

/// The largest groups first, equal ones by their values.
fn table(
    options: &ReportOptions,
    names: &[String],
    mut groups: Vec<(Vec<Value>, GroupSums)>,
    watched: &Watched,
    design: &Design,
    steps: Option<Steps>,
) -> (ReportTable, Vec<Series>) {
    let weights = groups.iter().map(|(_, g)| g.weight_us);
    let total_us = weights.fold(0, u64::saturating_add);
    let watched_us = watched.longest_us();
    let mut meta = watched.finished_meta(options);
    meta.samples = groups.iter().map(|(_, g)| g.samples).sum();
    meta.groups_total = groups.len() as u64;
    meta.total_seconds = seconds(total_us);
    meta.aas = watched_us.map(|watched| total_us as f64 / watched as f64);
    let first = groups.iter().map(|(_, g)| g.first_us).min();
    let last = groups.iter().map(|(_, g)| g.last_us).max();
    meta.from_us = meta.from_us.or(first);
    meta.to_us = meta.to_us.or(last);
    groups.sort_by(|(a_values, a), (b_values, b)| {
        (b.weight_us.cmp(&a.weight_us)).then_with(|| a_values.cmp(b_values))
    });
    groups.truncate(options.top.unwrap_or(usize::MAX));
    let design = options.intervals.then_some(design);
    let mut rows: Vec<Row> = Vec::with_capacity(groups.len());
    let mut series = Vec::new();
    for (values, mut group) in groups {
        if let Some(steps) = steps {
            let mut active_us = std::mem::take(&mut group.steps_us);
            active_us.resize(steps.count, 0);
            series.push(Series {
                values: values.clone(),
                active_us,
            });
        }
        rows.push(group.row(values, total_us, watched_us, design));
    }
    let groups = names.to_vec();
    (ReportTable { rows, meta, groups }, series)
}
