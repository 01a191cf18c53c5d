//! The reading side: a table's rows by time, from closed and hot files alike.
//!
//! For: [`Reader`] and [`Scan`], which skip what a time window excludes by path and by row-group
//! statistics, read only the columns asked for, and take those that stand in a side table from
//! there (`join`). Not for: what columns mean. Callers: `analyze`, `cli`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{FieldRef, Schema, SchemaRef};

use super::TIME_COLUMN;
use super::cuts::overlaps;
use super::error::RecordError;
use super::join::{Joins, SideFields, cut_short, is_cut, sides_of};
use super::layout::{self, HOUR_US, Part};
use super::meta::{META_FILE, Recording};
use super::shape::{shape, window};
use super::source::{Batches, Form, Source};

/// A recording, opened for reading. It may be written at the same time.
#[derive(Clone, Debug)]
pub struct Reader {
    dir: PathBuf,
    recording: Recording,
}

/// What to read of a table.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ScanOptions {
    /// First `sample_time` wanted, microseconds since 1970-01-01 UTC.
    pub from_us: Option<i64>,
    /// First `sample_time` no longer wanted, microseconds since 1970-01-01 UTC.
    pub to_us: Option<i64>,
    /// Columns wanted, in this order; all if `None`.
    pub columns: Option<Vec<String>>,
    /// Only rows of this host; of all if `None`.
    pub host: Option<String>,
    /// Only rows of this instance; of all if `None`.
    pub instance: Option<String>,
}

impl ScanOptions {
    pub(super) fn window(&self) -> (i64, i64) {
        let (from_us, to_us) = (self.from_us, self.to_us);
        (from_us.unwrap_or(i64::MIN), to_us.unwrap_or(i64::MAX))
    }

    /// Whether a part can have such rows.
    pub(super) fn takes(&self, part: &Part) -> bool {
        let (from_us, to_us) = self.window();
        part.overlaps(from_us, to_us)
            && self.host.as_ref().is_none_or(|h| *h == part.host)
            && self.instance.as_ref().is_none_or(|i| *i == part.instance)
    }
}

impl Reader {
    /// Opens the recording in `dir`.
    ///
    /// # Errors
    /// [`RecordError::NoRecording`] if there is none, [`RecordError::Damaged`] if its
    /// `recording.json` can't be read.
    pub fn open(dir: &Path) -> Result<Reader, RecordError> {
        let missing = |detail: String| RecordError::NoRecording {
            path: dir.to_path_buf(),
            detail,
        };
        if !dir.is_dir() {
            return Err(missing("it isn't a directory".to_owned()));
        }
        let recording =
            Recording::load(dir)?.ok_or_else(|| missing(format!("it has no {META_FILE}")))?;
        Ok(Reader {
            dir: dir.to_path_buf(),
            recording,
        })
    }

    /// Who was recorded, by what, since when.
    pub fn recording(&self) -> &Recording {
        &self.recording
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The tables there are, sorted.
    ///
    /// # Errors
    /// The file system's.
    pub fn tables(&self) -> Result<Vec<String>, RecordError> {
        layout::tables(&self.dir)
    }

    /// The files of `table` in the order of their time; none if there is no such table.
    ///
    /// # Errors
    /// The file system's.
    pub fn parts(&self, table: &str) -> Result<Vec<Part>, RecordError> {
        layout::parts(&self.dir, table)
    }

    /// The (host, instance) pairs that `table` has rows of, sorted.
    ///
    /// # Errors
    /// The file system's.
    pub fn instances(&self, table: &str) -> Result<Vec<(String, String)>, RecordError> {
        let mut all: Vec<_> = self
            .parts(table)?
            .into_iter()
            .map(|part| (part.host, part.instance))
            .collect();
        all.sort();
        all.dedup();
        Ok(all)
    }

    /// The columns of `table`: those of its newest file, then those that only older ones have, then
    /// those that its side tables hold for it.
    ///
    /// # Errors
    /// [`RecordError::NoTable`], [`RecordError::Damaged`], or the file system's.
    pub fn schema(&self, table: &str) -> Result<SchemaRef, RecordError> {
        let schema = self.schema_of(table, &self.parts(table)?)?;
        let sides = self.side_fields(table, &schema, |_| true)?;
        Ok(with_sides(&schema, &sides))
    }

    /// The columns that the side tables of `table` have, by their files in the window.
    fn side_fields(
        &self,
        table: &str,
        schema: &Schema,
        in_window: impl Fn(&Part) -> bool,
    ) -> Result<Vec<SideFields>, RecordError> {
        let mut found = Vec::new();
        for side in sides_of(table) {
            if schema.column_with_name(side.key).is_none() {
                continue;
            }
            let all = self.parts(side.table)?;
            let within: Vec<&Part> = all.iter().filter(|p| in_window(p)).collect();
            // what lies between was written by the same programs
            let mut some = vec![within.first().copied(), within.last().copied(), all.last()];
            some.dedup();
            let some: Vec<Part> = some.into_iter().flatten().cloned().collect();
            match self.schema_of(side.table, &some) {
                Ok(columns) => found.push(SideFields::of(side, &columns)),
                Err(RecordError::NoTable { .. }) => {
                    for part in within.iter().filter(|part| part.hot) {
                        if is_cut(&part.path)? {
                            found.push(SideFields::unknown(side, &part.path));
                            break;
                        }
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    fn schema_of(&self, table: &str, parts: &[Part]) -> Result<SchemaRef, RecordError> {
        let mut fields: Vec<FieldRef> = Vec::new();
        for part in parts.iter().rev() {
            let Some(schema) = Source::open(part)?.and_then(|source| source.schema()) else {
                continue;
            };
            for field in schema.fields() {
                if !fields.iter().any(|known| known.name() == field.name()) {
                    // A file may lack the column, so it may be null whatever this file says.
                    let nullable = field.as_ref().clone().with_nullable(true);
                    fields.push(Arc::new(nullable));
                }
            }
        }
        if fields.is_empty() {
            return Err(RecordError::NoTable {
                path: self.dir.clone(),
                table: table.to_owned(),
                available: self.tables()?.join(", "),
            });
        }
        Ok(Arc::new(Schema::new(fields)))
    }

    /// Reads `table` file by file in the order of time. The columns are those of the files of the
    /// window.
    ///
    /// # Errors
    /// [`RecordError::NoTable`], [`RecordError::NoColumn`], [`RecordError::Damaged`], or the file
    /// system's.
    pub fn scan(&self, table: &str, options: &ScanOptions) -> Result<Scan, RecordError> {
        let (from_us, to_us) = options.window();
        let in_window = |part: &Part| options.takes(part);
        let mut parts = self.parts(table)?;
        let newest = parts.last().cloned();
        parts.retain(in_window);
        // Only files of the window are opened; with none there, the newest says the columns.
        let schema = match (parts.is_empty(), newest) {
            (true, Some(newest)) => self.schema_of(table, &[newest])?,
            _ => self.schema_of(table, &parts)?,
        };
        let sides = self.side_fields(table, &schema, in_window)?;
        let all = with_sides(&schema, &sides);
        let schema = match &options.columns {
            None => all,
            Some(columns) => project(table, &all, columns).map_err(|error| {
                let unknown = sides.iter().find_map(|side| side.unknown.as_ref());
                match unknown {
                    // the column may be one of those
                    Some(path) => cut_short(path, 0),
                    None => error,
                }
            })?,
        };
        parts.reverse();
        Ok(Scan {
            joins: Joins::new(&self.dir, &schema, sides),
            form: Form::default(),
            schema,
            all: parts.clone().into(),
            parts,
            current: None,
            opened: None,
            from_us,
            to_us,
            truncated: Vec::new(),
            unproven: Vec::new(),
            row_groups_skipped: 0,
        })
    }
}

/// The columns of a table, and behind them those that only its side tables have.
fn with_sides(schema: &SchemaRef, sides: &[SideFields]) -> SchemaRef {
    let mut fields: Vec<FieldRef> = schema.fields().to_vec();
    for field in sides.iter().flat_map(|side| &side.fields) {
        if !fields.iter().any(|known| known.name() == field.name()) {
            fields.push(Arc::clone(field));
        }
    }
    Arc::new(Schema::new(fields))
}

fn project(table: &str, schema: &Schema, columns: &[String]) -> Result<SchemaRef, RecordError> {
    let mut fields = Vec::with_capacity(columns.len());
    for column in columns {
        let found = schema.fields().iter().find(|f| f.name() == column);
        fields.push(Arc::clone(found.ok_or_else(|| {
            let names: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
            RecordError::NoColumn {
                table: table.to_owned(),
                column: column.clone(),
                available: names.join(", "),
            }
        })?));
    }
    Ok(Arc::new(Schema::new(fields)))
}

/// The file being read.
struct Current {
    part: Part,
    path: PathBuf,
    batches: Batches,
}

/// The rows of a [`Reader::scan`], batch by batch. Ends after the first error.
pub struct Scan {
    schema: SchemaRef,
    /// All parts there were, the last first.
    all: Arc<[Part]>,
    /// Those still to be read.
    parts: Vec<Part>,
    current: Option<Current>,
    /// The closed file opened last: the next window may lie in it too.
    opened: Option<(Part, Source)>,
    joins: Joins,
    form: Form,
    from_us: i64,
    to_us: i64,
    truncated: Vec<PathBuf>,
    unproven: Vec<PathBuf>,
    row_groups_skipped: usize,
}

impl Scan {
    /// The columns of every batch. All may be null: a file may lack a column.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Hot files read so far that have more than what is proven to be whole, which is no error: a
    /// recorder is writing it or was killed. What is left out is what its last flush didn't complete.
    pub fn truncated(&self) -> &[PathBuf] {
        &self.truncated
    }

    /// Files read so far that carry no sums: somebody else wrote them, or copied them without. If they
    /// are damaged, that may not be seen.
    pub fn unproven(&self) -> &[PathBuf] {
        &self.unproven
    }

    /// Row groups of opened files that the time window made needless to read.
    pub fn row_groups_skipped(&self) -> usize {
        self.row_groups_skipped
    }

    /// The same rows in the order of their time. Without it those of a closed file's row group may
    /// come session by session. Costs memory for a row group's columns.
    #[must_use]
    pub fn in_order(mut self) -> Scan {
        self.form = Form::InOrder;
        self
    }

    /// The same rows by row groups of closed files, and any column of a batch may be a dictionary
    /// of what [`Scan::schema`] says, or a dictionary of that again: each distinct value need be
    /// looked at only once. Texts of side tables come as codes of the keys.
    #[must_use]
    pub fn coded(mut self) -> Scan {
        self.form = Form::Coded;
        self
    }

    /// The same scan from its beginning, for another thread.
    #[must_use]
    pub fn fork(&self) -> Scan {
        Scan {
            schema: Arc::clone(&self.schema),
            all: Arc::clone(&self.all),
            parts: self.all.to_vec(),
            current: None,
            opened: None,
            joins: self.joins.fork(),
            form: self.form,
            from_us: self.from_us,
            to_us: self.to_us,
            truncated: Vec::new(),
            unproven: Vec::new(),
            row_groups_skipped: 0,
        }
    }

    /// Begins again with another window, from the first `sample_time` wanted to the first no longer
    /// wanted, microseconds since 1970-01-01 UTC. What was read of side tables and of the file
    /// opened last is kept; what is told of files and rows is that of the window.
    pub fn restart(&mut self, from_us: i64, to_us: i64) {
        (self.from_us, self.to_us) = (from_us, to_us);
        self.current = None;
        self.truncated.clear();
        self.unproven.clear();
        self.row_groups_skipped = 0;
        self.joins.count_again();
        let wanted = |part: &&Part| part.overlaps(from_us, to_us);
        self.parts = self.all.iter().filter(wanted).cloned().collect();
    }

    /// How often a row of those read so far referred to a row of a side table (a session, a cursor)
    /// that isn't in the recording: what should come from there is null. 0 in a whole recording.
    pub fn unjoined(&self) -> u64 {
        self.joins.unjoined()
    }

    fn advance(&mut self) -> Result<Option<RecordBatch>, RecordError> {
        loop {
            if self.current.is_none() && !self.open_next()? {
                return Ok(None);
            }
            let Some(current) = &mut self.current else {
                return Ok(None);
            };
            let path = &current.path;
            let Some(batch) = current.batches.next_batch(path)? else {
                if let Batches::Hot(hot) = &current.batches
                    && hot.truncated()
                {
                    self.truncated.push(path.clone());
                }
                self.current = None;
                continue;
            };
            let batch = window(&batch, self.from_us, self.to_us)
                .map_err(|detail| RecordError::damaged(path, 0, detail))?;
            if batch.num_rows() == 0 {
                continue;
            }
            let joined = self.joins.columns(&current.part, path, &batch)?;
            return shape(&batch, &joined, &self.schema, self.form == Form::Coded)
                .map(Some)
                .map_err(|detail| RecordError::damaged(path, 0, detail));
        }
    }

    fn source(&mut self, part: &Part) -> Result<Option<Source>, RecordError> {
        if let Some((opened, source)) = &self.opened
            && opened == part
            && let Some(source) = source.again()
        {
            return Ok(Some(source));
        }
        let source = Source::open(part)?;
        let again = source.as_ref().and_then(Source::again);
        self.opened = again.map(|again| (part.clone(), again));
        Ok(source)
    }

    fn open_next(&mut self) -> Result<bool, RecordError> {
        while let Some(part) = self.parts.pop() {
            let Some(source) = self.source(&part)? else {
                continue;
            };
            let path = source.path.clone();
            if !source.proven() {
                self.unproven.push(path.clone());
            }
            let (from_us, to_us) = (self.from_us, self.to_us);
            let names = self.schema.fields().iter().map(|f| f.name().as_str());
            let needs: Vec<&str> = self.joins.needs().collect();
            let names = names.chain([TIME_COLUMN]).chain(needs);
            let (batches, skipped) =
                source.batches(names, |g| overlaps(g, from_us, to_us), self.form)?;
            self.row_groups_skipped += skipped;
            self.joins.enter(&part);
            self.current = Some(Current {
                part,
                path,
                batches,
            });
            return Ok(true);
        }
        Ok(false)
    }
}

impl Iterator for Scan {
    type Item = Result<RecordBatch, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.advance();
        if next.is_err() {
            self.parts.clear();
            self.current = None;
        }
        next.transpose()
    }
}

impl Part {
    /// Whether its hour has times of the window.
    pub(super) fn overlaps(&self, from_us: i64, to_us: i64) -> bool {
        self.hour_us < to_us && self.hour_us.saturating_add(HOUR_US) > from_us
    }
}
