//! A document on the terminal: tones are colours, tables fit the width, headings and remarks are single lines. The title is
//! left out: the user has just typed the question.

use super::style;
use super::table::table;
use crate::report::document::{Align, Block, Document, Line, Span, Table, Tone};
use crate::text::plain;

/// The least width of the names of facts with the space behind them, so that the facts of one answer stand below each other.
const NAMES: usize = 10;
/// The space behind a long name.
const GAP: usize = 2;

/// Writes a document for a terminal.
pub fn terminal(document: &Document) -> String {
    let mut text = String::new();
    for block in &document.blocks {
        let written = match block {
            Block::Gap => {
                separate(&mut text);
                continue;
            }
            Block::Heading(level, line) => {
                separate(&mut text);
                format!("{}\n", painted(line, if *level == 2 { Tone::Emphasis } else { Tone::Dim }))
            }
            Block::Verdict(tone, line) => {
                format!("{}\n", painted(line, if *tone == Tone::Neutral { Tone::Emphasis } else { *tone }))
            }
            Block::Text(line) => format!("{}\n", painted(line, Tone::Neutral)),
            Block::Note(line) => format!("{}\n", painted(line, Tone::Dim)),
            Block::List(lines) => lines.iter().map(|line| format!("  {}\n", painted(line, Tone::Neutral))).collect(),
            Block::Facts(facts) => written_facts(facts),
            Block::Table(given) => drawn(given),
            Block::Figure(figure) => format!("{}\n", style::dim(&plain(&format!("figure: {}", figure.caption)))),
            Block::Code(_, code) => format!("{}\n", code.strip_suffix('\n').unwrap_or(code)),
        };
        text += &written;
    }
    text
}

/// An empty line, unless there is one already or nothing stands above it.
fn separate(text: &mut String) {
    if !text.is_empty() && !text.ends_with("\n\n") {
        text.push('\n');
    }
}

/// A line in colour; pieces without a tone of their own have the tone of the block. Characters that a terminal would obey
/// are shown instead.
fn painted(line: &Line, block: Tone) -> String {
    let paint = |span: &Span| {
        let text = plain(&span.text);
        match if span.tone == Tone::Neutral { block } else { span.tone } {
            _ if text.is_empty() => text,
            Tone::Neutral => text,
            Tone::Good => style::good(&text),
            Tone::Bad => style::bad(&text),
            Tone::Warning => style::warning(&text),
            Tone::Dim => style::dim(&text),
            Tone::Emphasis => style::bold(&text),
        }
    };
    line.0.iter().map(paint).collect()
}

/// Names on the left, all of one width, and what is known on the right.
fn written_facts(facts: &[(String, Line)]) -> String {
    let longest = facts.iter().map(|(name, _)| console::measure_text_width(name)).max().unwrap_or(0);
    let width = if longest < NAMES { NAMES } else { longest + GAP };
    let line = |(name, fact): &(String, Line)| {
        let name = plain(name);
        let space = " ".repeat(width.saturating_sub(console::measure_text_width(&name)));
        format!("{}\n", format!("{name}{space}{}", painted(fact, Tone::Neutral)).trim_end())
    };
    facts.iter().map(line).collect()
}

fn drawn(given: &Table) -> String {
    let names: Vec<String> = given.columns.iter().map(|(name, _)| plain(name)).collect();
    let columns: Vec<_> = names.iter().zip(&given.columns).map(|(name, (_, align))| (name.as_str(), *align)).collect();
    let cells = |row: &Vec<Line>| row.iter().map(|cell| painted(cell, Tone::Neutral)).collect();
    let text = table(&columns, &given.rows.iter().map(cells).collect::<Vec<_>>());
    if given.below.is_empty() {
        return text;
    }
    // The heads, then a line a row; what a narrow terminal leaves out is counted in a line behind them.
    let heads = usize::from(given.has_heads());
    let mut all = String::new();
    for (at, line) in text.lines().enumerate() {
        all += &format!("{line}\n");
        if let Some(facts) = at.checked_sub(heads).and_then(|row| given.below.get(&row)) {
            all += &below(facts);
        }
    }
    all
}

/// Facts below a row of a table, indented; long ones are cut when the terminal is narrow.
fn below(facts: &[(String, Line)]) -> String {
    let rows: Vec<Vec<String>> =
        facts.iter().map(|(name, fact)| vec![style::dim(&plain(name)), painted(fact, Tone::Neutral)]).collect();
    let text = table(&[("", Align::Left), ("", Align::Cut)], &rows);
    text.lines().map(|line| format!("    {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::document::{bad, cells, dim, emphasis, good};

    #[test]
    fn a_document_is_lines() {
        let mut document = Document::new("reviews v3");
        document.text(emphasis("reviews v3") + "  " + dim("of lr"));
        document.fact("rows", "200");
        document.fact("", "of which 40 test");
        document.gap();
        document.gap();
        document.section("Gate");
        let columns = [("metric", Align::Left), ("value", Align::Right), ("detail", Align::Cut)];
        document.table(Table::of(&columns).with([cells!["f1", "0.8", good("yes")], cells!["ece", "10", bad("no")]]));
        if let Some(Block::Table(table)) = document.blocks.last_mut() {
            table.below.insert(0, vec![("rows".into(), "40".into()), ("test".into(), "exact".into())]);
        }
        document.note("a remark");
        document.push(Block::List(vec!["one".into()]));
        document.fact("a long name", "1");
        document.fact("b", "2");
        document.push(Block::Verdict(Tone::Good, "it holds".into()));
        document.push(Block::Code("sh", "a\nb\n".into()));
        insta::assert_snapshot!(terminal(&document), @"
        reviews v3  of lr
        rows      200
                  of which 40 test

        Gate
        metric  value  detail
        f1        0.8  yes
            rows  40
            test  exact
        ece        10  no
        a remark
          one
        a long name  1
        b            2
        it holds
        a
        b
        ");
    }

    #[test]
    fn what_others_wrote_is_shown_and_not_obeyed() {
        let hostile = "\u{1b}[2J\u{7}a\nb\u{202e}";
        let mut document = Document::new(hostile);
        document.section(hostile);
        document.text(emphasis(hostile) + hostile);
        document.note(hostile);
        document.fact(hostile, hostile);
        document.push(Block::List(vec![hostile.into()]));
        document.table(Table::of(&[(hostile, Align::Left)]).with([cells![hostile]]));
        let text = terminal(&document);
        assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{text:?}");
        assert_eq!(text.lines().count(), 7, "{text}");
    }
}
