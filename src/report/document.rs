//! An answer before it has a form: headings, facts, text, tables, figures. The terminal, `markdown` and `html` write it.
//!
//! Everything in it is plain text with a tone; each form escapes it, so that a name may contain any character.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Add;

/// A whole answer or report.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Document {
    /// The title. Papers begin with it; the terminal leaves it out, because the user has just typed the question.
    pub title: String,
    /// The content, in order.
    pub blocks: Vec<Block>,
}

/// What a piece of text means to the reader. Each form has its own way to show it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tone {
    /// Ordinary text.
    #[default]
    Neutral,
    /// Good news.
    Good,
    /// Bad news.
    Bad,
    /// The reader should look at this.
    Warning,
    /// An explanation, less important than the text beside it.
    Dim,
    /// More important than the text beside it.
    Emphasis,
}

/// A piece of text in one tone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Span {
    /// The tone.
    pub tone: Tone,
    /// The text.
    pub text: String,
}

/// One line of text: pieces, each in its tone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line(pub Vec<Span>);

/// Text in this tone.
fn toned(tone: Tone, text: impl Into<String>) -> Line {
    Line(vec![Span { tone, text: text.into() }])
}

/// Text that is good news.
#[must_use]
pub fn good(text: impl Into<String>) -> Line {
    toned(Tone::Good, text)
}

/// Text that is bad news.
#[must_use]
pub fn bad(text: impl Into<String>) -> Line {
    toned(Tone::Bad, text)
}

/// Text that the reader should look at.
#[must_use]
pub fn warning(text: impl Into<String>) -> Line {
    toned(Tone::Warning, text)
}

/// Text that explains.
#[must_use]
pub fn dim(text: impl Into<String>) -> Line {
    toned(Tone::Dim, text)
}

/// Text that matters most.
#[must_use]
pub fn emphasis(text: impl Into<String>) -> Line {
    toned(Tone::Emphasis, text)
}

impl Line {
    /// Whether it has no text.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|span| span.text.is_empty())
    }

    /// The lines with this text between them.
    #[must_use]
    pub fn joined(lines: impl IntoIterator<Item = Self>, separator: &str) -> Self {
        let mut all = Self::default();
        for (at, line) in lines.into_iter().enumerate() {
            if at > 0 {
                all = all + separator;
            }
            all = all + line;
        }
        all
    }
}

impl fmt::Display for Line {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|span| formatter.write_str(&span.text))
    }
}

impl From<String> for Line {
    fn from(text: String) -> Self {
        toned(Tone::Neutral, text)
    }
}

impl From<&String> for Line {
    fn from(text: &String) -> Self {
        toned(Tone::Neutral, text.as_str())
    }
}

impl From<&str> for Line {
    fn from(text: &str) -> Self {
        toned(Tone::Neutral, text)
    }
}

impl<T: Into<Self>> Add<T> for Line {
    type Output = Self;

    fn add(mut self, more: T) -> Self {
        self.0.extend(more.into().0.into_iter().filter(|span| !span.text.is_empty()));
        self
    }
}

/// A part of a document.
#[derive(Debug, Clone, PartialEq)]
pub enum Block {
    /// A heading of a section (level 2) or of a part of it (level 3).
    Heading(u8, Line),
    /// The answer in one sentence.
    Verdict(Tone, Line),
    /// A paragraph.
    Text(Line),
    /// A remark: what is missing, what the reader must know.
    Note(Line),
    /// A list of short lines.
    List(Vec<Line>),
    /// Names and what is known of them: a table without heads. A fact without a name continues the one above it.
    Facts(Vec<(String, Line)>),
    /// A table.
    Table(Table),
    /// A plot.
    Figure(Figure),
    /// Code in this language, or text that must stay as it is.
    Code(&'static str, String),
    /// An empty line on the terminal. Papers put space between all blocks.
    Gap,
}

/// How the cells of a column are aligned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
    /// Text that may be cut when the terminal is narrow.
    Cut,
}

/// A table.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table {
    /// The columns: name, and alignment. A table whose columns have no names has no heads.
    pub columns: Vec<(String, Align)>,
    /// The cells, row by row.
    pub rows: Vec<Vec<Line>>,
    /// Facts that explain a row, by its number; they stand below it.
    pub below: BTreeMap<usize, Vec<(String, Line)>>,
}

/// A plot in a report.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// The name of its file, without extension; a word.
    pub name: String,
    /// What it shows, in words, with rows and interval.
    pub caption: String,
    /// The SVG.
    pub svg: String,
}

/// Cells of a row, of anything that is a line.
macro_rules! cells {
    ($($cell:expr),* $(,)?) => { vec![$($crate::report::document::Line::from($cell)),*] };
}
pub(crate) use cells;

impl Table {
    /// A table of these columns, without rows.
    #[must_use]
    pub fn of(columns: &[(&str, Align)]) -> Self {
        let columns = columns.iter().map(|(name, align)| ((*name).to_owned(), *align)).collect();
        Self { columns, ..Self::default() }
    }

    /// A table without heads, without rows.
    #[must_use]
    pub fn without_heads(aligns: &[Align]) -> Self {
        Self { columns: aligns.iter().map(|align| (String::new(), *align)).collect(), ..Self::default() }
    }

    /// The table with these rows added.
    #[must_use]
    pub fn with(mut self, rows: impl IntoIterator<Item = Vec<Line>>) -> Self {
        self.rows.extend(rows);
        self
    }

    /// Whether it has heads.
    #[must_use]
    pub fn has_heads(&self) -> bool {
        self.columns.iter().any(|(name, _)| !name.is_empty())
    }
}

/// Facts as the table that papers make of them.
#[must_use]
pub fn facts_table(facts: &[(String, Line)]) -> Table {
    let rows = facts.iter().map(|(name, fact)| vec![Line::from(name), fact.clone()]);
    Table::without_heads(&[Align::Left, Align::Left]).with(rows)
}

impl Document {
    /// An empty document.
    #[must_use]
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), blocks: Vec::new() }
    }

    /// A document of one line.
    #[must_use]
    pub fn of_line(title: impl Into<String>, line: impl Into<Line>) -> Self {
        Self { title: title.into(), blocks: vec![Block::Text(line.into())] }
    }

    /// A document of one table.
    #[must_use]
    pub fn of_table(title: impl Into<String>, table: Table) -> Self {
        Self { title: title.into(), blocks: vec![Block::Table(table)] }
    }

    /// Adds a section's heading.
    pub fn section(&mut self, heading: impl Into<Line>) {
        self.push(Block::Heading(2, heading.into()));
    }

    /// Adds the heading of a part of a section.
    pub fn part(&mut self, heading: impl Into<Line>) {
        self.push(Block::Heading(3, heading.into()));
    }

    /// Adds a block.
    pub fn push(&mut self, block: Block) {
        self.blocks.push(block);
    }

    /// Adds the blocks of another document, without its title.
    pub fn append(&mut self, other: Self) {
        self.blocks.extend(other.blocks);
    }

    /// Adds a paragraph.
    pub fn text(&mut self, text: impl Into<Line>) {
        self.push(Block::Text(text.into()));
    }

    /// Adds a remark.
    pub fn note(&mut self, text: impl Into<Line>) {
        self.push(Block::Note(text.into()));
    }

    /// Adds a table.
    pub fn table(&mut self, table: Table) {
        self.push(Block::Table(table));
    }

    /// Adds a fact to the facts at the end, or begins new ones.
    pub fn fact(&mut self, name: &str, fact: impl Into<Line>) {
        let fact = (name.to_owned(), fact.into());
        match self.blocks.last_mut() {
            Some(Block::Facts(facts)) => facts.push(fact),
            _ => self.push(Block::Facts(vec![fact])),
        }
    }

    /// Adds an empty line on the terminal.
    pub fn gap(&mut self) {
        self.push(Block::Gap);
    }

    /// The figures, in order.
    pub fn figures(&self) -> impl Iterator<Item = &Figure> {
        self.blocks.iter().filter_map(|block| if let Block::Figure(figure) = block { Some(figure) } else { None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_put_together_and_read_as_text() {
        let line = emphasis("reviews v3") + "  " + dim("of lr") + "";
        assert_eq!(line.to_string(), "reviews v3  of lr");
        assert_eq!(line.0.iter().map(|span| span.tone).collect::<Vec<_>>(), [Tone::Emphasis, Tone::Neutral, Tone::Dim]);
        assert!(Line::from("").is_empty() && !line.is_empty());
        assert_eq!(Line::joined([good("a"), Line::from("b")], ", ").to_string(), "a, b");
    }

    #[test]
    fn facts_that_follow_each_other_are_one_block() {
        let mut document = Document::new("x");
        document.fact("a", "1");
        document.fact("b", "2");
        document.gap();
        document.fact("c", "3");
        assert_eq!(document.blocks.len(), 3);
    }
}
