//! A weights file in memory, mapped: pages come in when they are read and can be given back at once.
//!
//! The file must stay as it is while it is mapped: a file cut short meanwhile ends the process (SIGBUS). Model files are
//! written once and replaced by rename, which leaves the mapping on the old file.

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use memmap2::{Mmap, UncheckedAdvice};

use crate::embeddings::folder::document;
use crate::error::{Context, Error, Result};

/// How a tensor's numbers are stored, little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stored {
    F16,
    Bf16,
    F32,
    F64,
    /// Anything else, by name and size in bytes; such tensors may lie in the file but cannot be read.
    Other(&'static str, usize),
}

impl Stored {
    /// Bytes of a number.
    pub(super) fn size(self) -> usize {
        match self {
            Self::F16 | Self::Bf16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
            Self::Other(_, size) => size,
        }
    }

    pub(super) fn is_float(self) -> bool {
        !matches!(self, Self::Other(..))
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::Other(name, _) => name,
        }
    }

    /// Calls `each` with every number of `bytes` and the element of `into` at its place.
    #[inline]
    pub(super) fn combine(self, bytes: &[u8], into: &mut [f32], each: impl Fn(&mut f32, f32)) {
        match self {
            Self::F32 => pairs(bytes, into, |number, at| each(at, f32::from_le_bytes(number))),
            Self::F16 => pairs(bytes, into, |number, at| each(at, f16::from_le_bytes(number).to_f32())),
            Self::Bf16 => pairs(bytes, into, |number, at| each(at, bf16::from_le_bytes(number).to_f32())),
            Self::F64 => pairs(bytes, into, |number, at| each(at, f64::from_le_bytes(number) as f32)),
            Self::Other(..) => unreachable!("tensors of other types are refused before they are read"),
        }
    }
}

#[inline]
fn pairs<const N: usize>(bytes: &[u8], into: &mut [f32], mut each: impl FnMut([u8; N], &mut f32)) {
    let (numbers, _) = bytes.as_chunks::<N>();
    for (number, at) in numbers.iter().zip(into) {
        each(*number, at);
    }
}

/// Where a tensor lies.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) stored: Stored,
    pub(super) shape: Vec<usize>,
    /// The bytes in the file.
    pub(super) bytes: Range<usize>,
}

/// A file in memory.
#[derive(Debug)]
pub(super) struct Mapped {
    path: PathBuf,
    map: Mmap,
}

impl Mapped {
    /// Maps a file.
    ///
    /// # Errors
    /// `NotFound` when there is none, `Failed` when it cannot be read or holds something else.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|cause| match cause.kind() {
            std::io::ErrorKind::NotFound => Error::not_found(format!("`{}` is not there", path.display())),
            _ => Error::failed(format!("cannot read `{}`", path.display())).caused_by(cause),
        })?;
        let size = file.metadata().context(|| format!("cannot read `{}`", path.display()))?.len();
        if size == 0 {
            return Err(Error::failed(format!("`{}` is empty", path.display())));
        }
        #[expect(unsafe_code, reason = "a memory map is what keeps the weights out of the process's own memory")]
        // SAFETY: read-only; that the file is not changed meanwhile is the condition stated at the top of this file.
        let map = unsafe { Mmap::map(&file) }.context(|| format!("cannot map `{}`", path.display()))?;
        document::refuse_pointer(path, &map)?;
        Ok(Self { path: path.to_owned(), map })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.map
    }

    /// Gives the memory of a range back to the system; what is read again comes from the file.
    pub(super) fn give_back(&self, range: &Range<usize>) {
        #[expect(unsafe_code, reason = "without it the resident memory holds every weight twice: packed and as read")]
        // SAFETY: a private, read-only map of a file; pages that are dropped come back with the same bytes.
        let advised = unsafe { self.map.unchecked_advise_range(UncheckedAdvice::DontNeed, range.start, range.len()) };
        // Advice only: where the system does not follow it, more memory stays in use.
        drop(advised);
    }
}
