//! Samples: attaching to a source, pacing, the sampling thread, rows as Arrow batches, SQL texts.
//!
//! For: everything between a walk and whoever consumes samples. The sampling thread fills frames
//! from a pool and hands them over by a bounded queue; it neither allocates, formats nor waits for
//! a consumer; what it can't hand over is counted as dropped.
//!
//! Not for: knowing where samples go (`record`, `cli`).
//!
//! Callers: `cli`.

pub mod attach;
pub mod choose;
pub mod clock;
pub mod gather;
mod image;
mod lives;
pub mod owners;
pub mod pacer;
pub mod parallel;
pub mod processes;
pub mod recorder_events;
pub mod recursives;
pub mod rows;
pub mod sampler;
pub mod shown;
pub mod slots;
pub mod slow;
pub mod snapshot;
pub mod sql_texts;
pub mod statistics;
mod thread;
mod timeline;

pub use attach::{AttachError, Attachment, Source, is_oracle};
pub use choose::Selected;
pub use clock::ClockWatch;
pub use gather::Newcomers;
pub use image::captured;
pub use owners::Owners;
pub use pacer::{Jitter, Pacer};
pub use processes::ProcessSnapshot;
pub use recorder_events::{EventKind, RecorderEvent};
pub use rows::{BATCH_ROWS, SampleRows, tick_schema};
pub use sampler::{Ended, RunStats, Sampler, SamplerOptions};
pub use shown::{Named, Names, RowValues};
pub use slots::Slots;
pub use snapshot::{Snapshot, TEXT_COLUMNS};
pub use sql_texts::{SqlTexts, TextForm, TextStats};
pub use statistics::StatisticTable;
pub use thread::ThreadOptions;
pub use timeline::BurstControl;
