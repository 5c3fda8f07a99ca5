//! A [`Document`] as a manual page, in the macros of man(7).

use roff::{Inline, Roff, bold, italic, roman};

use super::{Document, ListBlock, MarkdownBlock, Reference, Span, TableBlock, plain};

/// What a manual page says of itself.
#[derive(Debug)]
pub(crate) struct ManHeader<'a> {
    pub(crate) name: &'a str,
    pub(crate) section: &'a str,
    /// One sentence.
    pub(crate) summary: &'a str,
    /// The program and its version.
    pub(crate) source: &'a str,
}

/// The page. Its title and its summary are those of `head`.
pub(crate) fn render(document: &Document, head: &ManHeader<'_>) -> String {
    let mut page = RoffWriter(Roff::new());
    let title = head.name.to_uppercase();
    // An argument that is left out has to be written, or the next one takes its place.
    page.0.control(
        "TH",
        [&title, head.section, "\"\"", head.source, "loopdesk"],
    );
    // Commands are copied from here: no hyphens of `man` in them, and no wide gaps.
    page.0.control("nh", []).control("ad", ["l"]);
    page.section("NAME");
    page.0
        .text([roman(format!("{} - {}", head.name, short(head.summary)))]);
    page.section("DESCRIPTION");
    let mut blocks = document.blocks.iter().skip(2).peekable();
    if matches!(blocks.peek(), Some(MarkdownBlock::Heading(..)) | None) {
        page.0.text([roman(head.summary)]);
    }
    blocks.for_each(|block| page.block(block));
    page.section("SEE ALSO");
    page.0.text([
        bold("loopdesk"),
        roman("(1), "),
        bold("loopdesk-guide"),
        roman("(1)"),
    ]);
    page.0.render()
}

struct RoffWriter(Roff);

impl RoffWriter {
    fn block(&mut self, block: &MarkdownBlock) {
        match block {
            MarkdownBlock::Heading(..=2, line) => self.section(&plain(line).to_uppercase()),
            MarkdownBlock::Heading(_, line) => {
                let name = plain(line);
                self.0.control("SS", [name.as_str()]);
            }
            MarkdownBlock::Paragraph(line) => {
                self.0.control("PP", []);
                self.line(line);
            }
            MarkdownBlock::Code(code) => self.code(code),
            MarkdownBlock::List(list) => self.list(list),
            MarkdownBlock::Table(table) => self.table(table),
        }
    }

    fn section(&mut self, name: &str) {
        self.0.control("SH", [name]);
    }

    fn line(&mut self, line: &[Span]) {
        self.0.text(inlines(line));
    }

    fn code(&mut self, code: &str) {
        self.0.control("PP", []).control("RS", ["4"]);
        self.0.control("nf", []);
        for line in code.lines() {
            self.0.text([roman(line)]);
        }
        self.0.control("fi", []).control("RE", []);
    }

    fn list(&mut self, list: &ListBlock) {
        for (index, item) in list.items.iter().enumerate() {
            let mark = match list.numbered {
                true => format!("{}.", index + 1),
                false => r"\(bu".to_owned(),
            };
            self.0.control("IP", [mark.as_str(), "3"]);
            let mut blocks = item.iter();
            if let Some(MarkdownBlock::Paragraph(line)) = item.first() {
                self.line(line);
                blocks.next();
            }
            let rest = blocks.as_slice();
            if !rest.is_empty() {
                self.0.control("RS", ["3"]);
                rest.iter().for_each(|block| self.block(block));
                self.0.control("RE", []);
            }
        }
    }

    /// Each row is an entry, named by its first cell: `tbl` would draw columns wider than the page.
    fn table(&mut self, table: &TableBlock) {
        for row in &table.rows {
            let mut cells = row.iter().zip(&table.head);
            self.0.control("TP", []);
            if let Some((name, _)) = cells.next() {
                self.line(name);
            }
            let names = table.head.len() > 2;
            for (index, (cell, head)) in cells.filter(|(cell, _)| !cell.is_empty()).enumerate() {
                if index > 0 {
                    self.0.control("br", []);
                }
                let mut text = Vec::new();
                if names && !head.is_empty() {
                    text.push(italic(format!("{}:", plain(head))));
                    text.push(roman(" "));
                }
                text.extend(inlines(cell));
                self.0.text(text);
            }
        }
    }
}

fn inlines(line: &[Span]) -> Vec<Inline> {
    let mut inlines = Vec::new();
    for span in line {
        match span {
            Span::Plain(text) => inlines.push(roman(text)),
            Span::Strong(text) | Span::Code(text) => inlines.push(bold(text)),
            Span::Emphasis(text) => inlines.push(italic(text)),
            Span::Reference(Reference::Topic(name)) => {
                inlines.push(roman(" ("));
                inlines.push(bold(format!("loopdesk-{name}")));
                inlines.push(roman("(7))"));
            }
            Span::Reference(Reference::Web(address)) => {
                inlines.push(roman(format!(" <{address}>")));
            }
        }
    }
    inlines
}

/// A sentence as the section NAME has it.
fn short(summary: &str) -> String {
    let summary = summary.trim_end_matches('.');
    let mut letters = summary.chars();
    let first = letters.next().map(|first| first.to_lowercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_what_man_reads() {
        let page = "# Keys\n\nGive keys.\n\n## Rules\n\nSee [`deny`](network.md), **all** *of* it:\n\n\
                    - one\n- .two\n  - three\n\n1. four\n\n```sh\n.a \\b\n```\n\n\
                    | a | b |\n| --- | --- |\n| `c` | d |\n\n| a | b | c |\n| - | - | - |\n| d | e | f |\n";
        let head = ManHeader {
            name: "loopdesk-keys",
            section: "7",
            summary: "Give keys.",
            source: "loopdesk 1.0",
        };
        let page = render(&Document::parse(page), &head);
        let (_, page) = page.split_once(".TH").unwrap();
        insta::assert_snapshot!(page, @r#"
     LOOPDESK-KEYS 7 "" "loopdesk 1.0" loopdesk
    .nh
    .ad l
    .SH NAME
    loopdesk\-keys \- give keys
    .SH DESCRIPTION
    Give keys.
    .SH RULES
    .PP
    See \fBdeny\fR (\fBloopdesk\-network\fR(7)), \fBall\fR \fIof\fR it:
    .IP \(bu 3
    one
    .IP \(bu 3
    \&.two
    .RS 3
    .IP \(bu 3
    three
    .RE
    .IP 1. 3
    four
    .PP
    .RS 4
    .nf
    \&.a \\b
    .fi
    .RE
    .TP
    \fBc\fR
    d
    .TP
    d
    \fIb:\fR e
    .br
    \fIc:\fR f
    .SH "SEE ALSO"
    \fBloopdesk\fR(1), \fBloopdesk\-guide\fR(1)
    "#);
    }
}
