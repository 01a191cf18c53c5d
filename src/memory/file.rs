//! Memory in files: which kind a path is.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::dumped::{DumpedError, DumpedSpace, segment_name};
use super::image::{ImageError, ImageSpace, MAGIC};
use super::{AddressSpace, CoreError, CoreSpace};

/// Why a file can't be read as memory.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It is, or should be, an ELF core.
    #[error(transparent)]
    Core(#[from] CoreError),
    /// It is a captured image.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// It is a directory or file of raw segments.
    #[error(transparent)]
    Dumped(#[from] DumpedError),
}

/// Memory in a file.
#[derive(Clone)]
pub enum FileSpace {
    /// A captured image.
    Image(Arc<ImageSpace>),
    /// An ELF core, or raw segment files.
    Plain(Arc<dyn AddressSpace>),
}

impl FileSpace {
    /// Opens a captured image, a directory of raw segment files or one such file, else an ELF core.
    ///
    /// # Errors
    /// It can't be read, or is none of these.
    pub fn open(path: &Path) -> Result<FileSpace, FileError> {
        if path.is_dir() || segment_name(path).is_some() {
            return Ok(FileSpace::Plain(Arc::new(DumpedSpace::open(path)?)));
        }
        let mut magic = [0u8; MAGIC.len()];
        let begun = File::open(path).and_then(|mut f| f.read_exact(&mut magic));
        if begun.is_ok() && magic == *MAGIC {
            return Ok(FileSpace::Image(Arc::new(ImageSpace::open(path)?)));
        }
        Ok(FileSpace::Plain(Arc::new(CoreSpace::open(path)?)))
    }

    /// The memory.
    pub fn space(&self) -> Arc<dyn AddressSpace> {
        match self {
            FileSpace::Image(image) => image.clone(),
            FileSpace::Plain(space) => space.clone(),
        }
    }
}

impl FileError {
    /// Whether the file isn't there, or may not be read.
    pub fn io_kind(&self) -> Option<std::io::ErrorKind> {
        match self {
            FileError::Core(CoreError::Io { source, .. })
            | FileError::Dumped(DumpedError::Io { source, .. }) => Some(source.kind()),
            FileError::Image(ImageError::Io { kind, .. }) => Some(*kind),
            _ => None,
        }
    }

    /// The file.
    pub fn path(&self) -> Option<&PathBuf> {
        match self {
            FileError::Core(CoreError::Io { path, .. })
            | FileError::Dumped(DumpedError::Io { path, .. }) => Some(path),
            _ => None,
        }
    }
}
