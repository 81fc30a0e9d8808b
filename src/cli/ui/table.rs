//! Tables that fit the terminal.

use std::io::IsTerminal;

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};

use super::style;
use crate::report::document::Align;

/// Spaces between columns.
const GAP: usize = 2;
/// A column that may be cut keeps so many characters.
const CUT_LEAST: usize = 16;

/// A plain table with a header (none when no column has a name). On a terminal, columns that may be cut are cut, and the
/// last columns are left out, until it fits: ids and numbers are never broken. Elsewhere nothing is cut.
pub fn table(columns: &[(&str, Align)], rows: &[Vec<String>]) -> String {
    let width = std::io::stdout().is_terminal().then(|| Table::new().width()).flatten();
    fitted(columns, rows, width.map_or(usize::MAX, usize::from))
}

fn fitted(columns: &[(&str, Align)], rows: &[Vec<String>], width: usize) -> String {
    let length = |text: &str| console::measure_text_width(text);
    let mut widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(at, (name, _))| rows.iter().map(|row| length(&row[at])).chain([length(name)]).max().unwrap_or(0))
        .collect();
    let total = |widths: &[usize]| widths.iter().map(|width| width + GAP).sum::<usize>().saturating_sub(GAP);
    for (at, (_, align)) in columns.iter().enumerate().rev() {
        let over = total(&widths).saturating_sub(width);
        if *align == Align::Cut && over > 0 {
            widths[at] = widths[at].saturating_sub(over).max(CUT_LEAST.min(widths[at]));
        }
    }
    let mut kept = columns.len();
    while kept > 2 && total(&widths[..kept]) > width {
        kept -= 1;
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Disabled);
    let alignment = |align: Align| if align == Align::Right { CellAlignment::Right } else { CellAlignment::Left };
    let columns = &columns[..kept];
    if columns.iter().any(|(name, _)| !name.is_empty()) {
        let heads = columns.iter().map(|(name, align)| Cell::new(style::dim(name)).set_alignment(alignment(*align)));
        table.set_header(heads);
    }
    for row in rows {
        let cells = row.iter().zip(columns).zip(&widths);
        table.add_row(cells.map(|((cell, (_, align)), width)| {
            let cell = if *align == Align::Cut { cut(cell, *width) } else { cell.clone() };
            Cell::new(cell).set_alignment(alignment(*align))
        }));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, GAP as u16));
    }
    let mut text: String = table.to_string().lines().map(|line| format!("{}\n", line.trim_end())).collect();
    let left_out = widths.len() - kept;
    if left_out > 0 {
        let noun = if left_out == 1 { "column does" } else { "columns do" };
        text += &format!("{}\n", style::dim(&format!("({left_out} more {noun} not fit: `--json` has all)")));
    }
    text
}

/// The first characters of a text, with a sign when there were more.
fn cut(text: &str, width: usize) -> String {
    console::truncate_str(text, width, "…").into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narrow_terminal_cuts_text_and_leaves_columns_out_but_breaks_no_number() {
        let columns = [("id", Align::Left), ("about", Align::Cut), ("f1", Align::Right), ("auc", Align::Right)];
        let row = vec![
            "8c51d68d".to_owned(),
            "a long description of it".to_owned(),
            "0.8158".to_owned(),
            "0.8892".to_owned(),
        ];
        let wide = fitted(&columns, std::slice::from_ref(&row), usize::MAX);
        assert_eq!(wide.lines().nth(1), Some("8c51d68d  a long description of it  0.8158  0.8892"));
        let narrow = fitted(&columns, std::slice::from_ref(&row), 44);
        assert_eq!(narrow.lines().nth(1), Some("8c51d68d  a long descriptio…  0.8158  0.8892"));
        let small = fitted(&columns, &[row], 36);
        assert_eq!(small.lines().nth(1), Some("8c51d68d  a long descript…  0.8158"));
        assert!(small.ends_with("(1 more column does not fit: `--json` has all)\n"));
    }
}
