//! Tables that fit the width they are given.

use comfy_table::{ContentArrangement, Table, presets};

use super::style::{Characters, Style};

/// A table without frames, its cells broken to fit the style's width.
pub(super) fn table(heads: &[&str], rows: impl Iterator<Item = Vec<String>>, style: Style) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(u16::try_from(style.width).unwrap_or(u16::MAX).saturating_sub(4));
    if style.characters == Characters::Unicode {
        table.set_truncation_indicator("…");
    }
    table.set_header(heads);
    for row in rows {
        table.add_row(row.iter().map(|cell| style.written(cell)));
    }
    table.to_string()
}
