//! As much of Markdown as the guide uses, for terminals and for `man`.
//!
//! ```text
//! pulldown-cmark's events ─► Document ─┬► terminal
//!                                      └► roff
//! ```

pub(crate) mod roff;
pub(crate) mod terminal;

mod parse;

/// A page.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Document {
    pub(crate) blocks: Vec<MarkdownBlock>,
}

/// A part of a page that stands below the one before it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum MarkdownBlock {
    /// A heading and its level; 1 is the page's title.
    Heading(u8, Spans),
    Paragraph(Spans),
    /// Lines that stay as they are.
    Code(String),
    List(ListBlock),
    Table(TableBlock),
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ListBlock {
    /// Whether the items are numbered from 1.
    pub(crate) numbered: bool,
    pub(crate) items: Vec<Vec<MarkdownBlock>>,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct TableBlock {
    pub(crate) head: Vec<Spans>,
    pub(crate) rows: Vec<Vec<Spans>>,
}

/// Text that is wrapped where it is shown.
pub(crate) type Spans = Vec<Span>;

/// A piece of text in one style.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    Plain(String),
    Strong(String),
    Emphasis(String),
    Code(String),
    /// Where the text before it leads.
    Reference(Reference),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reference {
    /// Another page of the guide, by its name.
    Topic(String),
    /// An address on the web.
    Web(String),
}

/// The texts of a line without their styles.
fn plain(line: &[Span]) -> String {
    let texts = line.iter().map(|span| match span {
        Span::Plain(text) | Span::Strong(text) | Span::Emphasis(text) | Span::Code(text) => text,
        Span::Reference(_) => "",
    });
    texts.collect()
}
