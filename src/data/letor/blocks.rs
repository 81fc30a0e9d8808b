//! A text file in blocks that end at a line break: bounded memory for files of any size.

use std::io::Read;

use crate::data::content::Content;
use crate::error::{Context, Error, Result};

/// Bytes that are read at a time.
const BLOCK_BYTES: usize = 16 << 20;
/// A line longer than this is no line of such a file.
const LINE_LIMIT: usize = 1 << 30;

/// An open text.
pub struct Blocks<'a> {
    reader: Box<dyn Read + Send + 'a>,
    name: String,
    size: u64,
    /// What follows the last line break of the block before.
    rest: Vec<u8>,
    is_start: bool,
}

impl<'a> Blocks<'a> {
    /// Opens a text.
    ///
    /// # Errors
    /// `Failed` when it cannot be opened.
    pub fn open(content: Content<'a>) -> Result<Self> {
        let (name, size) = (content.to_string(), content.size());
        Ok(Self { reader: content.open()?, name, size, rest: Vec::new(), is_start: true })
    }

    /// The size in bytes; 0 where it is not known.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Puts the next whole lines into `block`, whose memory is used again; false when the file has ended.
    ///
    /// A byte-order mark is skipped.
    ///
    /// # Errors
    /// `Failed` when the file cannot be read, `Invalid` for UTF-16, gzip, or a line above 1 GiB.
    pub fn next(&mut self, block: &mut Vec<u8>) -> Result<bool> {
        block.clear();
        block.append(&mut self.rest);
        let mut wanted = BLOCK_BYTES;
        loop {
            let read = self.reader.by_ref().take(wanted as u64).read_to_end(block);
            let read = read.context(|| format!("cannot read `{}`", self.name))?;
            if std::mem::take(&mut self.is_start) {
                self.look_at_start(block)?;
            }
            if read < wanted {
                return Ok(!block.is_empty());
            }
            if let Some(at) = memchr::memrchr(b'\n', block) {
                self.rest.extend_from_slice(&block[at + 1..]);
                block.truncate(at + 1);
                return Ok(true);
            }
            wanted = block.len();
            if wanted > LINE_LIMIT {
                return Err(Error::invalid(format!("`{}`: a line is longer than 1 GiB", self.name)));
            }
        }
    }

    fn look_at_start(&self, block: &mut Vec<u8>) -> Result<()> {
        let refused = |what: &str, hint: &str| Err(Error::invalid(format!("`{}` is {what}", self.name)).hint(hint));
        if block.starts_with(&[0xEF, 0xBB, 0xBF]) {
            block.drain(..3);
        } else if block.starts_with(&[0xFF, 0xFE]) || block.starts_with(&[0xFE, 0xFF]) {
            return refused("UTF-16", "save it as UTF-8");
        } else if block.starts_with(&[0x1F, 0x8B]) {
            return refused("packed with gzip", "unpack it first: `gunzip -k FILE`");
        }
        Ok(())
    }
}
