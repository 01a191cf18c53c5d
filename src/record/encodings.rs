//! How closed files are encoded: by what each column is.
//!
//! Only encodings that Spark's vectorised reader has, too: no BYTE_STREAM_SPLIT, which would save
//! another byte a row. What each is worth is measured by `tools/bench-size`. Callers: `close`.

use arrow::datatypes::Schema;
use parquet::basic::{BrotliLevel, Compression as Codec, Encoding};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use super::close::Compression;

/// Rows of one row group: what a time window can skip, and what a reader holds at a time.
pub(super) const ROW_GROUP_ROWS: usize = 131_072;
/// Above this level files hardly become smaller and closing takes twice as long.
const BROTLI_LEVEL: u32 = 5;

/// Numbers that grow by little from row to row: of a session in `samples`, of time in `ticks`.
const GROWING: [&str; 4] = ["sample_id", "seq_no", "sql_exec_id", "mono_ns"];
/// Numbers of which nearly every one is new: a dictionary would hold them all.
const RANDOM: [&str; 1] = ["p2"];
/// Numbers that are mostly new but that several rows in a row, or rows of several sessions, share:
/// left to the codec, if it is one that codes entropy.
const REPEATED: [&str; 3] = ["sample_time", "wait_time", "wait_observed_us"];

/// Keys of side tables: 8 bytes each of which nothing repeats there.
const KEYS: [&str; 2] = ["session_key", "cursor_key"];

/// What a closed file is written with. Columns not named above are dictionary-coded, texts and
/// numbers alike; where a dictionary grows too large, numbers by differences.
pub(super) fn properties(schema: &Schema, compression: Compression) -> WriterProperties {
    let codec = match compression {
        Compression::Snappy => Codec::SNAPPY,
        Compression::Brotli => {
            Codec::BROTLI(BrotliLevel::try_new(BROTLI_LEVEL).unwrap_or_default())
        }
        Compression::Lz4 => Codec::LZ4_RAW,
    };
    let mut pairs: Vec<KeyValue> = schema
        .metadata()
        .iter()
        .map(|(key, value)| KeyValue::new(key.clone(), value.clone()))
        .collect();
    pairs.sort_by(|a, b| a.key.cmp(&b.key));
    // narrow samples end their row groups themselves
    let has = |name: &str| schema.column_with_name(name).is_some();
    let narrow = has("session_key") && has("sample_id");
    let mut builder = WriterProperties::builder()
        .set_compression(codec)
        .set_max_row_group_row_count((!narrow).then_some(ROW_GROUP_ROWS))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        // useless without statistics of pages, and nothing may stand between what is summed and the footer
        .set_offset_index_disabled(true)
        .set_key_value_metadata(Some(pairs));
    let entropy = compression == Compression::Brotli;
    for field in schema.fields() {
        let name = field.name().as_str();
        let path = ColumnPath::new(vec![name.to_owned()]);
        let repeated = REPEATED.contains(&name) && narrow && entropy;
        let key = KEYS.contains(&name) && !has("sample_id");
        let random = RANDOM.contains(&name);
        // in a table that isn't sorted by session, time only grows
        let growing = GROWING.contains(&name) || (name == "sample_time" && !narrow);
        if growing || random || repeated || key {
            builder = builder.set_column_dictionary_enabled(path.clone(), false);
        }
        if repeated || key || (random && entropy) {
            builder = builder.set_column_encoding(path, Encoding::PLAIN);
        } else if growing || field.data_type().is_integer() {
            builder = builder.set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
        }
    }
    builder.build()
}
