//! A report before it has a form: headings, text, tables, figures. `markdown` and `html` write it.
//!
//! Everything in it is plain text: both forms escape it, so a name may hold whatever it likes.

/// A whole report.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Document {
    /// The title.
    pub title: String,
    /// What stands below it, in order.
    pub blocks: Vec<Block>,
}

/// How good the news is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// It holds.
    Good,
    /// It does not.
    Bad,
    /// Neither.
    Neutral,
}

/// A part of a report.
#[derive(Debug, Clone, PartialEq)]
pub enum Block {
    /// A heading of a section (level 2) or below it (level 3).
    Heading(u8, String),
    /// The answer in one sentence.
    Verdict(Tone, String),
    /// A paragraph.
    Text(String),
    /// A remark: what is missing, what to mind.
    Note(String),
    /// A list of short lines.
    List(Vec<String>),
    /// A table.
    Table(Table),
    /// A plot.
    Figure(Figure),
    /// Code to copy, in this language.
    Code(&'static str, String),
}

/// Where the cells of a column stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// A table.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table {
    /// The columns: name, and where the cells stand.
    pub columns: Vec<(String, Align)>,
    /// The cells, row by row.
    pub rows: Vec<Vec<String>>,
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

impl Table {
    /// A table of these columns, without rows.
    #[must_use]
    pub fn of(columns: &[(&str, Align)]) -> Self {
        Self { columns: columns.iter().map(|(name, align)| ((*name).to_owned(), *align)).collect(), rows: Vec::new() }
    }

    /// A table of names and what is known of them.
    #[must_use]
    pub fn facts(facts: Vec<(&str, String)>) -> Self {
        let rows = facts.into_iter().map(|(name, fact)| vec![name.to_owned(), fact]).collect();
        Self { rows, ..Self::of(&[("", Align::Left), ("", Align::Left)]) }
    }
}

impl Document {
    /// An empty document.
    #[must_use]
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), blocks: Vec::new() }
    }

    /// Adds a section's heading.
    pub fn section(&mut self, heading: impl Into<String>) {
        self.blocks.push(Block::Heading(2, heading.into()));
    }

    /// Adds a block.
    pub fn push(&mut self, block: Block) {
        self.blocks.push(block);
    }

    /// Adds a paragraph.
    pub fn text(&mut self, text: impl Into<String>) {
        self.push(Block::Text(text.into()));
    }

    /// Adds a remark.
    pub fn note(&mut self, text: impl Into<String>) {
        self.push(Block::Note(text.into()));
    }

    /// The figures, in order.
    pub fn figures(&self) -> impl Iterator<Item = &Figure> {
        self.blocks.iter().filter_map(|block| if let Block::Figure(figure) = block { Some(figure) } else { None })
    }
}
