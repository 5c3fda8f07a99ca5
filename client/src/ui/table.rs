//! Tables.

use anstyle::Style;

use crate::ui::text::{DIM, Text};

/// Rows below the names of their columns, if they have any. Columns without content are left out.
#[derive(Debug)]
pub(crate) struct Table<const N: usize> {
    names: [&'static str; N],
    rows: Vec<[Cell; N]>,
}

/// The cell of a row and a column.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cell {
    text: String,
    style: Style,
}

impl<const N: usize> Table<N> {
    /// An empty table.
    pub(crate) fn new(names: [&'static str; N]) -> Self {
        Self {
            names,
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    #[must_use]
    pub(crate) fn row(mut self, cells: [Cell; N]) -> Self {
        self.rows.push(cells);
        self
    }

    /// The table as lines.
    pub(crate) fn text(&self) -> Text {
        let names = self.names.map(|name| Cell::new(name).styled(DIM));
        let named = names.iter().any(|name| name.width() > 0);
        let head = named.then_some(&names);
        let width = |column: usize| {
            let cells = self.rows.iter().map(|row| row[column].width());
            let widest = cells.max().filter(|width| *width > 0)?;
            Some(widest.max(names[column].width()))
        };
        let widths: Vec<_> = (0..N).filter_map(|c| Some((c, width(c)?))).collect();
        let mut text = Text::new();
        for row in head.into_iter().chain(&self.rows) {
            let filled = widths.iter().filter(|(column, _)| row[*column].width() > 0);
            // No trailing spaces.
            let last = filled.map(|(column, _)| *column).next_back();
            for (column, width) in &widths {
                let cell = &row[*column];
                text = text.styled(cell.style, &cell.text);
                if Some(*column) >= last {
                    break;
                }
                text = text.plain(" ".repeat(width - cell.width() + GAP));
            }
            text = text.end();
        }
        text
    }
}

impl Cell {
    /// Plain text, on one line.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into().replace('\n', " "),
            style: Style::new(),
        }
    }

    /// The same in a style.
    #[must_use]
    pub(crate) fn styled(mut self, style: Style) -> Self {
        self.style = style;
        self
    }

    fn width(&self) -> usize {
        self.text.chars().count()
    }
}

/// Spaces between columns.
const GAP: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::plain;

    #[test]
    fn columns_align_and_empty_ones_are_left_out() {
        let cells = |texts: [&str; 4]| texts.map(Cell::new);
        let table = Table::new(["NAME", "NOTE", "LAST USED", "BY"])
            .row(cells(["nightly", "", "3 h ago", "curl\n(1)"]))
            .row(cells(["é", "", "", ""]));
        assert_eq!(
            plain(&table.text()),
            "NAME     LAST USED  BY\nnightly  3 h ago    curl (1)\né\n"
        );
        let nameless = Table::new(["", ""]).row(["a", "b"].map(Cell::new));
        assert_eq!(plain(&nameless.text()), "a  b\n");
    }
}
