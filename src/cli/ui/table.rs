//! Tables that fit the terminal.

use std::io::IsTerminal;

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};

use super::style;

/// How a column stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// A plain table with a header; without a terminal no line is wrapped.
pub fn table(columns: &[(&str, Align)], rows: &[Vec<String>]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let terminal = std::io::stdout().is_terminal();
    table.set_content_arrangement(if terminal { ContentArrangement::Dynamic } else { ContentArrangement::Disabled });
    let alignment = |align: Align| if align == Align::Left { CellAlignment::Left } else { CellAlignment::Right };
    table.set_header(columns.iter().map(|(name, align)| Cell::new(style::dim(name)).set_alignment(alignment(*align))));
    for row in rows {
        let cells = row.iter().zip(columns);
        table.add_row(cells.map(|(cell, (_, align))| Cell::new(cell).set_alignment(alignment(*align))));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.to_string().lines().map(|line| format!("{}\n", line.trim_end())).collect()
}
