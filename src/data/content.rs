//! What a source reads: a file, or bytes that lie in memory.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::error::{Context, Error, Result};

/// A file, or bytes in memory with the name that messages give them.
#[derive(Debug, Clone, Copy)]
pub enum Content<'a> {
    /// A file.
    File(&'a Path),
    /// Bytes in memory.
    Bytes {
        /// What a person knows them by, such as `stdin`.
        name: &'a str,
        /// The content.
        bytes: &'a [u8],
    },
}

impl<'a> From<&'a Path> for Content<'a> {
    fn from(path: &'a Path) -> Self {
        Self::File(path)
    }
}

impl<'a> From<&'a PathBuf> for Content<'a> {
    fn from(path: &'a PathBuf) -> Self {
        Self::File(path)
    }
}

impl fmt::Display for Content<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(formatter),
            Self::Bytes { name, .. } => formatter.write_str(name),
        }
    }
}

impl<'a> Content<'a> {
    /// Opens the content for one pass.
    ///
    /// # Errors
    /// `Failed` when the file cannot be read.
    pub fn open(self) -> Result<Box<dyn Read + Send + 'a>> {
        Ok(match self {
            Self::File(path) => Box::new(File::open(path).context(|| format!("cannot read `{self}`"))?),
            Self::Bytes { bytes, .. } => Box::new(bytes),
        })
    }

    /// The size in bytes; 0 where it is not known, as for a pipe.
    #[must_use]
    pub fn size(self) -> u64 {
        match self {
            Self::File(path) => std::fs::metadata(path).map_or(0, |facts| facts.len()),
            Self::Bytes { bytes, .. } => bytes.len() as u64,
        }
    }

    /// The whole content as text.
    ///
    /// # Errors
    /// `Invalid` when it is not UTF-8, `NotFound` or `Failed` when the file cannot be read.
    pub fn text(self) -> Result<String> {
        match self {
            Self::File(path) => crate::fs::read_text(path),
            Self::Bytes { bytes, .. } => std::str::from_utf8(bytes)
                .map(str::to_owned)
                .map_err(|cause| Error::invalid(format!("`{self}` is not UTF-8 text: byte {}", cause.valid_up_to()))),
        }
    }

    /// The file, for formats that are read from files only.
    ///
    /// # Errors
    /// `Invalid` for bytes in memory.
    pub fn file(self) -> Result<&'a Path> {
        match self {
            Self::File(path) => Ok(path),
            Self::Bytes { .. } => Err(Error::invalid(format!("`{self}` is of a format that is read from files only"))),
        }
    }
}
