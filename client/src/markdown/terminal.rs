//! A [`Document`] as text for a terminal.

mod columns;
mod wrap;

use anstyle::Style;

use super::{Document, ListBlock, MarkdownBlock, Span, Spans, TableBlock};
use crate::ui::text::{STRONG, Text};
use wrap::StyledWords;

/// The page in lines of at most `width` columns; only a word that is longer, and code, exceed them.
pub(crate) fn render(document: &Document, width: usize) -> Text {
    let mut page = TerminalWriter {
        text: Text::new(),
        width,
        indent: String::new(),
        mark: None,
    };
    page.blocks(&document.blocks);
    page.text
}

struct TerminalWriter {
    text: Text,
    width: usize,
    /// What stands before each line.
    indent: String,
    /// What stands before the next line instead.
    mark: Option<String>,
}

impl TerminalWriter {
    fn blocks(&mut self, blocks: &[MarkdownBlock]) {
        for (index, block) in blocks.iter().enumerate() {
            if index > 0 {
                self.text = std::mem::take(&mut self.text).end();
            }
            self.block(block);
        }
    }

    fn block(&mut self, block: &MarkdownBlock) {
        match block {
            MarkdownBlock::Heading(_, line) => self.lines(&StyledWords::styled(line, STRONG)),
            MarkdownBlock::Paragraph(line) => self.lines(&StyledWords::of(line)),
            MarkdownBlock::Code(code) => {
                for line in code.lines() {
                    let indent = if line.is_empty() { 0 } else { CODE_INDENT };
                    self.put(&Text::from(format!("{:indent$}{line}", "")));
                }
            }
            MarkdownBlock::List(list) => self.list(list),
            MarkdownBlock::Table(table) => self.table(table),
        }
    }

    fn list(&mut self, list: &ListBlock) {
        for (index, item) in list.items.iter().enumerate() {
            let mark = match list.numbered {
                true => format!("{}. ", index + 1),
                false => "- ".to_owned(),
            };
            let outer = self.indent.clone();
            self.mark = Some(format!("{outer}{mark}"));
            self.indent.push_str(&" ".repeat(mark.len()));
            // Lists in this guide have short items: no empty lines between their blocks.
            item.iter().for_each(|block| self.block(block));
            self.indent = outer;
        }
    }

    fn table(&mut self, table: &TableBlock) {
        let room = self.room();
        match columns::widths(table, room) {
            Some(widths) => {
                let has_head = table.head.iter().any(|cell| !cell.is_empty());
                let head = has_head.then_some((&table.head, STRONG));
                let rows = table.rows.iter().map(|row| (row, Style::new()));
                for (row, style) in head.into_iter().chain(rows) {
                    for line in columns::row(row, &widths, style) {
                        self.put(&line);
                    }
                }
            }
            None => self.stacked(table),
        }
    }

    /// Each row as a paragraph below its first cell, where there is no room for columns.
    fn stacked(&mut self, table: &TableBlock) {
        for row in &table.rows {
            let mut cells = row.iter().zip(&table.head);
            if let Some((first, _)) = cells.next() {
                self.lines(&StyledWords::styled(first, STRONG));
            }
            let outer = self.indent.clone();
            self.indent.push_str(&" ".repeat(CODE_INDENT));
            for (cell, head) in cells.filter(|(cell, _)| !cell.is_empty()) {
                let mut line: Spans = Vec::new();
                if !head.is_empty() {
                    line.extend(head.iter().cloned());
                    line.push(Span::Plain(": ".to_owned()));
                }
                line.extend(cell.iter().cloned());
                self.lines(&StyledWords::of(&line));
            }
            self.indent = outer;
        }
    }

    fn lines(&mut self, words: &StyledWords) {
        for line in words.wrapped(self.room()) {
            self.put(&line.text);
        }
    }

    fn put(&mut self, line: &Text) {
        let before = self.mark.take().unwrap_or_else(|| self.indent.clone());
        self.text = std::mem::take(&mut self.text)
            .plain(before)
            .then(line)
            .end();
    }

    fn room(&self) -> usize {
        self.width.saturating_sub(self.indent.len())
    }
}

const CODE_INDENT: usize = 4;
