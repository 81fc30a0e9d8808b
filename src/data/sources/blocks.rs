//! Reading large text files in bounded memory: blocks that end at a record, parsed in parallel, joined in order.

use std::io::Read;
use std::ops::Range;

use rayon::prelude::*;

use super::piece::{Builder, Piece};
use crate::data::content::Content;
use crate::error::{Context, Error, Result};

/// Bytes that are read at a time: large enough to keep the cores busy, small beside any matrix that matters.
const BLOCK_BYTES: usize = 16 << 20;
/// A record longer than this is a missing quote, not a record.
const RECORD_LIMIT: usize = 1 << 30;

/// How records end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Records {
    /// At each line break.
    Lines,
    /// At each line break outside a quoted field; fields are separated by this byte.
    Quoted(u8),
}

/// Rows with a quoted field that spans lines: how many, and which record is the first.
type Spanning = Option<(u64, u64)>;

/// The byte ranges of the whole records in `block` (line breaks excluded, blank ones left out), where the rest begins, and
/// which records have a field that spans lines.
///
/// A quote opens a field only at the field's first byte, as the parser of the fields has it; elsewhere it is a character.
fn records(block: &[u8], kind: Records, last: bool) -> (Vec<Range<usize>>, usize, Spanning) {
    let mut found = Vec::new();
    let push = |found: &mut Vec<Range<usize>>, range: Range<usize>| {
        let end = if block[range.clone()].ends_with(b"\r") { range.end - 1 } else { range.end };
        if end > range.start {
            found.push(range.start..end);
        }
    };
    let (mut start, mut spanning) = (0, Spanning::None);
    match kind {
        Records::Lines => {
            for at in memchr::memchr_iter(b'\n', block) {
                push(&mut found, start..at);
                start = at + 1;
            }
        }
        Records::Quoted(delimiter) => {
            let (mut quoted, mut closed, mut spans) = (false, None, false);
            for at in memchr::memchr2_iter(b'\n', b'"', block) {
                match (block[at], quoted) {
                    (b'"', true) => (quoted, closed) = (false, Some(at)),
                    // The second of a doubled quote, or the first byte of a field.
                    (b'"', false) => quoted = at == start || closed == Some(at - 1) || block[at - 1] == delimiter,
                    (_, true) => spans = true,
                    (_, false) => {
                        push(&mut found, start..at);
                        (start, closed) = (at + 1, None);
                        if std::mem::take(&mut spans) {
                            let first = found.len().saturating_sub(1) as u64;
                            spanning = Some(spanning.map_or((1, first), |(count, first)| (count + 1, first)));
                        }
                    }
                }
            }
        }
    }
    if last && start < block.len() {
        push(&mut found, start..block.len());
        start = block.len();
    }
    (found, start, spanning)
}

/// A text, read block by block.
pub struct Blocks<'a> {
    reader: Box<dyn Read + Send + 'a>,
    name: String,
    kind: Records,
    buffer: Vec<u8>,
    finished: bool,
    /// Records that were given.
    records: u64,
    spanning: Spanning,
}

impl<'a> Blocks<'a> {
    /// Opens a text; a byte-order mark is skipped, UTF-16 is refused.
    ///
    /// # Errors
    /// `Failed` when it cannot be read, `Invalid` for UTF-16.
    pub fn open(content: Content<'a>, kind: Records) -> Result<Self> {
        let (name, reader) = (content.to_string(), content.open()?);
        let mut blocks = Self { reader, name, kind, buffer: Vec::new(), finished: false, records: 0, spanning: None };
        blocks.fill(3)?;
        if blocks.buffer.starts_with(&[0xEF, 0xBB, 0xBF]) {
            blocks.buffer.drain(..3);
        } else if blocks.buffer.starts_with(&[0xFF, 0xFE]) || blocks.buffer.starts_with(&[0xFE, 0xFF]) {
            return Err(Error::invalid(format!("`{}` is UTF-16", blocks.name))
                .hint("save it as UTF-8, or write `encoding: utf-16le` (or `utf-16be`)"));
        }
        Ok(blocks)
    }

    fn fill(&mut self, bytes: usize) -> Result<()> {
        let wanted = (bytes - self.buffer.len().min(bytes)) as u64;
        let read = self.reader.by_ref().take(wanted).read_to_end(&mut self.buffer);
        let read = read.context(|| format!("cannot read `{}`", self.name))?;
        self.finished = (read as u64) < wanted;
        Ok(())
    }

    /// How many records so far had a quoted field that spans lines, and the first of them, from 0 (the header).
    pub fn spanning(&self) -> Option<(u64, u64)> {
        self.spanning
    }

    /// Calls `use_block` with the next block and its whole records; false when the file has ended.
    ///
    /// # Errors
    /// What `use_block` says, or `Failed` when the file cannot be read.
    pub fn next(&mut self, use_block: impl FnOnce(&[u8], &[Range<usize>]) -> Result<()>) -> Result<bool> {
        if self.finished && self.buffer.is_empty() {
            return Ok(false);
        }
        let mut wanted = BLOCK_BYTES;
        loop {
            if !self.finished {
                self.fill(wanted)?;
            }
            let (found, rest, spanning) = records(&self.buffer, self.kind, self.finished);
            if rest == 0 && !self.finished {
                // One record is longer than the block.
                wanted = wanted.saturating_mul(2);
                if wanted > RECORD_LIMIT {
                    return Err(Error::invalid(format!("`{}`: a record is longer than 1 GiB", self.name))
                        .hint("is a closing quote missing?"));
                }
                continue;
            }
            if let Some((count, first)) = spanning {
                let (before, first) = self.spanning.unwrap_or((0, self.records + first));
                self.spanning = Some((before + count, first));
            }
            self.records += found.len() as u64;
            use_block(&self.buffer, &found)?;
            self.buffer.drain(..rest);
            return Ok(true);
        }
    }
}

/// Parses the records in parallel and joins the pieces in order; the first error in row order is the one told.
///
/// # Errors
/// What `parse` says.
pub fn parse_records(
    builder: &mut Builder<'_>,
    records: &[Range<usize>],
    parse: impl Fn(&[Range<usize>], usize, Option<usize>) -> Result<Piece> + Sync,
) -> Result<()> {
    const CHUNK: usize = 256;
    let first = builder.next_row();
    let chunks: Vec<_> = records.chunks(CHUNK).enumerate().collect();
    // The first chunk goes alone: the others are held against the width of its vectors, row by row. Then a few chunks per
    // core at a time, so that parsed pieces do not pile up beside the matrix.
    let (alone, others) = chunks.split_at(usize::from(builder.width().is_none()).min(chunks.len()));
    for run in std::iter::once(alone).chain(others.chunks(4 * rayon::current_num_threads())) {
        let width = builder.width();
        let pieces: Vec<Result<Piece>> =
            run.par_iter().map(|(index, records)| parse(records, first + index * CHUNK, width)).collect();
        for piece in pieces {
            builder.append(piece?)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_end_outside_quotes() {
        let block = b"a,b\r\n\"x\ny\",1\n\nlast";
        let (found, rest, spanning) = records(block, Records::Quoted(b','), false);
        assert_eq!(spanning, Some((1, 1)));
        assert_eq!(found, [0..3, 5..12]);
        assert_eq!(&block[rest..], b"last");
        let (found, rest, _) = records(block, Records::Quoted(b','), true);
        assert_eq!(found.len(), 3);
        assert_eq!(rest, block.len());
        assert_eq!(records(block, Records::Lines, true).0.len(), 4);
        let inches = b"five\" disk\nsix\" disk\n\"a \"\"b\"\"\n\",\"\"\n";
        let (found, _, spanning) = records(inches, Records::Quoted(b','), true);
        // The third record has a line break inside of its quotes.
        assert_eq!((found, spanning), (vec![0..10, 11..20, 21..34], Some((1, 2))));
    }
}
