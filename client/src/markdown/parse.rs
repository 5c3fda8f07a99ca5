//! From Markdown to a [`Document`].

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::{Document, ListBlock, MarkdownBlock, Reference, Span, Spans, TableBlock};

impl Document {
    /// Reads a page. Comments are left out.
    pub(crate) fn parse(source: &str) -> Self {
        let mut reader = BlockReader {
            open: vec![Vec::new()],
            ..BlockReader::default()
        };
        for event in Parser::new_ext(source, Options::ENABLE_TABLES) {
            reader.take(event);
        }
        let blocks = reader.open.pop().unwrap_or_default();
        Self { blocks }
    }
}

/// What has been read so far.
#[derive(Default)]
struct BlockReader {
    /// The blocks of the page, of the list item in it, and so on.
    open: Vec<Vec<MarkdownBlock>>,
    lists: Vec<ListBlock>,
    table: TableBlock,
    row: Vec<Spans>,
    line: Spans,
    code: Option<String>,
    strong: bool,
    emphasis: bool,
    /// The targets of the links that are open.
    links: Vec<String>,
}

impl BlockReader {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) => match &mut self.code {
                Some(code) => code.push_str(&text),
                None => self.text(&text),
            },
            Event::Code(text) => self.line.push(Span::Code(text.into_string())),
            Event::SoftBreak | Event::HardBreak => self.text(" "),
            Event::Html(_)
            | Event::InlineHtml(_)
            | Event::InlineMath(_)
            | Event::DisplayMath(_)
            | Event::FootnoteReference(_)
            | Event::TaskListMarker(_)
            | Event::Rule => {}
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "what the guide doesn't use needs no reading"
    )]
    fn start(&mut self, tag: Tag<'_>) {
        // What precedes the first block of an item, in a list without empty lines, is its text.
        match tag {
            Tag::CodeBlock(_) | Tag::List(_) => self.paragraph(),
            _ => {}
        }
        match tag {
            Tag::CodeBlock(_) => self.code = Some(String::new()),
            Tag::List(first) => self.lists.push(ListBlock {
                numbered: first.is_some(),
                items: Vec::new(),
            }),
            Tag::Item => self.open.push(Vec::new()),
            Tag::Table(_) => self.table = TableBlock::default(),
            Tag::Strong => self.strong = true,
            Tag::Emphasis => self.emphasis = true,
            Tag::Link { dest_url, .. } => self.links.push(dest_url.into_string()),
            _ => {}
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "what the guide doesn't use needs no reading"
    )]
    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Paragraph => self.paragraph(),
            TagEnd::Heading(level) => {
                let line = std::mem::take(&mut self.line);
                self.push(MarkdownBlock::Heading(level as u8, line));
            }
            TagEnd::CodeBlock => {
                let code = self.code.take().unwrap_or_default();
                self.push(MarkdownBlock::Code(code));
            }
            TagEnd::Item => {
                self.paragraph();
                let item = self.open.pop().unwrap_or_default();
                if let Some(list) = self.lists.last_mut() {
                    list.items.push(item);
                }
            }
            TagEnd::List(_) => {
                if let Some(list) = self.lists.pop() {
                    self.push(MarkdownBlock::List(list));
                }
            }
            TagEnd::TableCell => self.row.push(std::mem::take(&mut self.line)),
            TagEnd::TableHead => self.table.head = std::mem::take(&mut self.row),
            TagEnd::TableRow => self.table.rows.push(std::mem::take(&mut self.row)),
            TagEnd::Table => {
                let table = std::mem::take(&mut self.table);
                self.push(MarkdownBlock::Table(table));
            }
            TagEnd::Strong => self.strong = false,
            TagEnd::Emphasis => self.emphasis = false,
            TagEnd::Link => {
                let target = self.links.pop().and_then(|target| reference(&target));
                self.line.extend(target.map(Span::Reference));
            }
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        match (self.strong, self.emphasis, self.line.last_mut()) {
            (true, _, Some(Span::Strong(last)))
            | (false, true, Some(Span::Emphasis(last)))
            | (false, false, Some(Span::Plain(last))) => last.push_str(text),
            (true, ..) => self.line.push(Span::Strong(text.to_owned())),
            (false, true, _) => self.line.push(Span::Emphasis(text.to_owned())),
            (false, false, _) => self.line.push(Span::Plain(text.to_owned())),
        }
    }

    /// Ends a paragraph, if one is open.
    fn paragraph(&mut self) {
        let line = std::mem::take(&mut self.line);
        if !line.is_empty() {
            self.push(MarkdownBlock::Paragraph(line));
        }
    }

    fn push(&mut self, block: MarkdownBlock) {
        if let Some(blocks) = self.open.last_mut() {
            blocks.push(block);
        }
    }
}

/// Where a link leads that can be followed without a browser on the project's site. Other files of
/// the project aren't at hand where the guide is read, and the page itself is.
fn reference(target: &str) -> Option<Reference> {
    if target.starts_with("https://") {
        return Some(Reference::Web(target.to_owned()));
    }
    let page = target.split('#').next()?.strip_suffix(".md")?;
    let is_topic = !page.contains('/') && page != "README";
    is_topic.then(|| Reference::Topic(page.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use MarkdownBlock::{Code, Heading, Paragraph};

    fn blocks(source: &str) -> Vec<MarkdownBlock> {
        Document::parse(source).blocks
    }

    fn text(text: &str) -> Spans {
        vec![Span::Plain(text.to_owned())]
    }

    #[test]
    fn lines_are_joined_and_styles_told_apart() {
        let page =
            "# Keys\n\nOne **two**\n`three` *four*.\n\n<!-- not here -->\n\n```sh\na\nb\n```\n";
        let line = vec![
            Span::Plain("One ".to_owned()),
            Span::Strong("two".to_owned()),
            Span::Plain(" ".to_owned()),
            Span::Code("three".to_owned()),
            Span::Plain(" ".to_owned()),
            Span::Emphasis("four".to_owned()),
            Span::Plain(".".to_owned()),
        ];
        assert_eq!(
            blocks(page),
            [
                Heading(1, text("Keys")),
                Paragraph(line),
                Code("a\nb\n".to_owned())
            ]
        );
    }

    #[test]
    fn lists_hold_blocks_and_further_lists() {
        let list = |numbered, items| MarkdownBlock::List(ListBlock { numbered, items });
        let inner = list(true, vec![vec![Paragraph(text("b"))]]);
        let item = vec![Paragraph(text("a")), inner];
        assert_eq!(
            blocks("- a\n  1. b\n- c"),
            [list(false, vec![item, vec![Paragraph(text("c"))]])]
        );
    }

    #[test]
    fn tables_have_a_head_and_rows() {
        let table = TableBlock {
            head: vec![text("a"), text("b")],
            rows: vec![vec![text("c"), vec![Span::Code("d".to_owned())]]],
        };
        assert_eq!(
            blocks("| a | b |\n| --- | --- |\n| c | `d` |"),
            [MarkdownBlock::Table(table)]
        );
    }

    #[test]
    fn a_link_leads_to_another_topic_or_to_the_web() {
        for (target, leads) in [
            ("keys.md", Some(Reference::Topic("keys".to_owned()))),
            ("keys.md#scopes", Some(Reference::Topic("keys".to_owned()))),
            (
                "https://a.b",
                Some(Reference::Web("https://a.b".to_owned())),
            ),
            ("#scopes", None),
            ("README.md", None),
            ("../../packaging/README.md", None),
        ] {
            let mut line = text("x");
            line.extend(leads.map(Span::Reference));
            assert_eq!(blocks(&format!("[x]({target})")), [Paragraph(line)]);
        }
    }
}
