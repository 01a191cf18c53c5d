//! Tables for people: plain columns, no boxes, as `ps` and ashtop print them.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

/// A table with these headers.
pub fn new(headers: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(headers.iter().map(|h| h.to_uppercase()));
    table
}

/// Prints numbers' columns to the right.
pub fn right(table: &mut Table, columns: &[usize]) {
    for i in columns {
        if let Some(column) = table.column_mut(*i) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

/// The table as text, without trailing blanks.
pub fn render(table: &Table) -> String {
    let mut text = String::new();
    for line in table.to_string().lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
