//! Tables whose cells are wrapped to fit.

use anstyle::Style;

use super::wrap::{StyledWords, WrappedLine};
use crate::markdown::{Spans, TableBlock};
use crate::ui::text::Text;

/// How wide each column is where all of them have `room` columns. None if some word doesn't fit.
pub(super) fn widths(table: &TableBlock, room: usize) -> Option<Vec<usize>> {
    let room = room.checked_sub(GAP * table.head.len().saturating_sub(1))?;
    let columns: Vec<_> = (0..table.head.len())
        .map(|column| {
            let rows = table.rows.iter().filter_map(|row| row.get(column));
            let cells = rows
                .chain(&table.head[column..=column])
                .map(|l| StyledWords::of(l));
            cells.fold((0, 0), |(least, most), cell| {
                (cell.longest().max(least), cell.total().max(most))
            })
        })
        .collect();
    let least: usize = columns.iter().map(|(least, _)| least).sum();
    let wanted: Vec<_> = columns.iter().map(|(least, most)| most - least).collect();
    let shares = fair(&wanted, room.checked_sub(least)?);
    let widths = columns.iter().zip(shares);
    Some(widths.map(|((least, _), share)| least + share).collect())
}

/// Shares `spare` out: nobody gets more than is wanted, and what one doesn't want goes to the
/// others.
fn fair(wanted: &[usize], mut spare: usize) -> Vec<usize> {
    let mut modest: Vec<_> = (0..wanted.len()).collect();
    modest.sort_by_key(|column| wanted[*column]);
    let mut shares = vec![0; wanted.len()];
    for (done, column) in modest.iter().enumerate() {
        let share = spare / (wanted.len() - done);
        shares[*column] = wanted[*column].min(share);
        spare -= shares[*column];
    }
    shares
}

/// The lines of one row.
pub(super) fn row(cells: &[Spans], widths: &[usize], style: Style) -> Vec<Text> {
    let cells = cells.iter().zip(widths);
    let cells: Vec<_> = cells
        .map(|(cell, width)| (StyledWords::styled(cell, style).wrapped(*width), *width))
        .collect();
    let height = cells.iter().map(|(lines, _)| lines.len()).max();
    let line = |index: usize| {
        let mut text = Text::new();
        let mut gap = 0;
        for (lines, width) in &cells {
            // No spaces where nothing follows.
            if let Some(WrappedLine {
                text: part,
                width: used,
            }) = lines.get(index)
            {
                text = text.plain(" ".repeat(gap)).then(part);
                gap = width.saturating_sub(*used) + GAP;
            } else {
                gap += width + GAP;
            }
        }
        text
    };
    (0..height.unwrap_or(0)).map(line).collect()
}

/// Spaces between columns.
const GAP: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::markdown::{Document, terminal};
    use crate::testing::plain;

    #[test]
    fn what_one_column_does_not_want_goes_to_the_others() {
        assert_eq!(fair(&[0, 4, 100], 20), [0, 4, 16]);
        assert_eq!(fair(&[9, 9, 9], 20), [6, 7, 7]);
        assert_eq!(fair(&[1, 2], 20), [1, 2]);
    }

    fn shown(width: usize) -> String {
        let page = "| state | what it means | who |\n| --- | --- | --- |\n\
                    | `ended` | It was revoked or has expired. | you |\n| `a` | | nobody at all |\n";
        plain(&terminal::render(&Document::parse(page), width))
    }

    #[test]
    fn cells_are_wrapped_where_the_columns_need_it() {
        insta::assert_snapshot!(shown(80), @"
        state    what it means                   who
        `ended`  It was revoked or has expired.  you
        `a`                                      nobody at all
        ");
        insta::assert_snapshot!(shown(32), @"
        state    what it       who
                 means
        `ended`  It was        you
                 revoked or
                 has expired.
        `a`                    nobody at
                               all
        ");
        // No room for columns.
        insta::assert_snapshot!(shown(20), @"
        `ended`
            what it means:
            It was revoked
            or has expired.
            who: you
        `a`
            who: nobody at
            all
        ");
    }
}
