//! Recordings: typed tables on disk, written always-on and read back by time.
//!
//! For: storing record batches of any schema that has a `sample_time` column. A table's rows go to
//! Arrow IPC streams while hot (append-only, so that after a crash all complete batches read back)
//! and to Parquet when the hour or the size limit closes the file. Both carry sums of all their bytes,
//! without which nothing is read (`hot_sums`, `proof`). [`Recorder`] writes, [`Reader`] reads both kinds,
//! [`recover`] closes what a crash left open.
//!
//! `samples` is narrow: what hardly changes while a session lives, or follows from a statement or an
//! event, stands in side tables ([`crate::decode::columns::SIDES`]) under a key, once in every hour
//! in which it is sampled. [`Reader::scan`] puts both together again.
//!
//! Not for: making samples, deciding when to sample, or knowing what a column means. The only
//! columns known here are `sample_time` and the keys.
//!
//! Callers: `cli` (record), `analyze` (reading), and whatever exports recordings.
//!
//! Layout of a recording directory:
//!
//! ```text
//! DIR/recording.json                                     who was recorded, by what, since when
//! DIR/recording.lock                                     flock: one recorder at a time
//! DIR/import.staged/                                     rows from elsewhere, while they are added
//! DIR/<table>/host=<h>/instance=<i>/date=YYYY-MM-DD/hour=HH/part-<UTC start>-<n>.arrows    hot
//!                                                                             ….arrows.sums
//!                                                                             ….<sum>.parquet   closed
//! ```
//!
//! Partition values are percent-encoded as Hive does; date and hour are of `sample_time`, in UTC.

mod adopt;
mod close;
mod closer;
mod coded;
mod cuts;
#[cfg(test)]
mod damage_tests;
mod encodings;
mod error;
mod hot;
mod hot_read;
mod hot_sums;
mod hybrid;
mod join;
#[cfg(test)]
mod join_tests;
mod layout;
mod meta;
mod proof;
mod reader;
mod recorder;
mod retain;
#[cfg(test)]
mod service_tests;
mod shape;
mod source;
mod table;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use adopt::adopt;
pub use close::{Compression, RecoverReport, recover};
pub use closer::Note;
pub use error::{RecordError, RecordErrorKind};
pub use layout::Part;
pub use meta::{Recording, RecordingMeta, Run};
pub use reader::{Reader, Scan, ScanOptions};
pub use recorder::{Recorder, RecorderOptions, Summary};
pub use retain::{Removed, Retention};

/// The column every recorded table has: `Timestamp(µs, "+00:00")`, never null. It decides the
/// partition of a row and is what `from`/`to` prune by.
pub const TIME_COLUMN: &str = "sample_time";
