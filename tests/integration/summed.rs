//! Parquet files with the sums that docs/recording.md describes, written without the program's own code: a
//! second opinion on the format, and large recordings whose reading costs what reading them does.

use std::fs::{self, File};
use std::io::{Result, Write};
use std::path::{Path, PathBuf};

use parquet::arrow::ArrowWriter;
use parquet::file::metadata::KeyValue;

const BLOCK: usize = 65_536;

/// A file of which all that was written is known.
pub struct Summed {
    file: File,
    path: PathBuf,
    /// Of the block or the footer being written.
    kept: Vec<u8>,
    sums: Vec<u32>,
    bytes: usize,
    in_footer: bool,
}

impl Summed {
    /// The file `STEM.parquet`, until it is finished.
    pub fn create(stem: &Path) -> Summed {
        let path = stem.with_extension("parquet");
        Summed {
            file: File::create(&path).unwrap(),
            path,
            kept: Vec::new(),
            sums: Vec::new(),
            bytes: 0,
            in_footer: false,
        }
    }
}

impl Write for Summed {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.file.write_all(bytes)?;
        self.kept.extend_from_slice(bytes);
        if !self.in_footer {
            self.bytes += bytes.len();
            let whole = self.kept.len() / BLOCK * BLOCK;
            let blocks = self.kept[..whole].chunks(BLOCK).map(crc32fast::hash);
            self.sums.extend(blocks);
            self.kept.drain(..whole);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<()> {
        self.file.flush()
    }
}

/// Writes the footer, and gives the file the name that proves it.
pub fn finish(mut writer: ArrowWriter<Summed>) {
    writer.flush().unwrap();
    writer.sync().unwrap();
    let file = writer.inner_mut();
    if !file.kept.is_empty() {
        file.sums.push(crc32fast::hash(&file.kept));
        file.kept.clear();
    }
    file.in_footer = true;
    let sums: String = file.sums.iter().map(|sum| format!("{sum:08x}")).collect();
    let value = format!("{BLOCK} {} {sums}", file.bytes);
    let key = "sgascope.block_sums".to_owned();
    writer.append_key_value_metadata(KeyValue::new(key, value));
    writer.finish().unwrap();
    let file = writer.inner();
    let sum = crc32fast::hash(&file.kept);
    let proven = file.path.with_extension(format!("{sum:08x}.parquet"));
    fs::rename(&file.path, proven).unwrap();
}
