//! `Link` (RFC 8288): the pages that Zendesk's Help Center and agent availability link to.

use super::address;
use super::origins::OriginsView;
use super::prefix::FOLLOWED;

/// One line of it with local targets, if any of its targets is served here. Parameters and other
/// targets stay byte for byte. Text that isn't a link is skipped up to its comma, as by clients
/// that are laxer than RFC 8288.
pub(super) fn localised(line: &[u8], view: &OriginsView) -> Option<Vec<u8>> {
    let mut changed: Option<Vec<u8>> = None;
    let mut done = 0;
    let mut rest = Rest { line, at: 0 };
    while let Some(target) = rest.target() {
        let (start, end) = target.unwrap_or((rest.at, rest.at));
        if let Some(local) = local(&line[start..end], view) {
            let changed = changed.get_or_insert_default();
            changed.extend_from_slice(&line[done..start]);
            changed.extend_from_slice(&local);
            done = end;
        }
        rest.skip_parameters();
    }
    let mut changed = changed?;
    changed.extend_from_slice(&line[done..]);
    Some(changed)
}

/// A target outside the API is a page for people (such as `rel="canonical"`).
fn local(url: &[u8], view: &OriginsView) -> Option<Vec<u8>> {
    let (authority, rest) = address::split(url)?;
    if !FOLLOWED
        .iter()
        .any(|path| rest.starts_with(path.as_bytes()))
    {
        return None;
    }
    let base = view.base_at(authority)?;
    Some([base.as_bytes(), rest].concat())
}

/// The rest of a line that is still to be read.
struct Rest<'a> {
    line: &'a [u8],
    at: usize,
}

impl Rest<'_> {
    /// Reads to the end of the next link's target. Returns its position between the angle brackets;
    /// nothing if this isn't a link.
    fn target(&mut self) -> Option<Option<(usize, usize)>> {
        self.at = self.find(|b| !matches!(b, b' ' | b'\t' | b','))?;
        if self.line[self.at] != b'<' {
            return Some(None);
        }
        let start = self.at + 1;
        let end = self.find(|b| b == b'>')?;
        self.at = end + 1;
        Some(Some((start, end)))
    }

    /// Reads to the comma that ends a link's parameters; a comma in a quoted value doesn't.
    fn skip_parameters(&mut self) {
        let mut is_quoted = false;
        let mut is_escaped = false;
        let end = self.find(|b| {
            match (b, is_quoted) {
                _ if is_escaped => is_escaped = false,
                (b'"', _) => is_quoted = !is_quoted,
                (b'\\', true) => is_escaped = true,
                (b',', false) => return true,
                _ => {}
            }
            false
        });
        self.at = end.unwrap_or(self.line.len());
    }

    fn find(&self, mut is_it: impl FnMut(u8) -> bool) -> Option<usize> {
        let rest = self.line.get(self.at..)?;
        let found = rest.iter().position(|b| is_it(*b))?;
        Some(self.at + found)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::view;
    use super::*;

    /// `@` stands for an origin of ours, and for the local one in the expected text.
    #[track_caller]
    fn becomes(theirs: &str, ours: &str) {
        let view = view("http://LocalHost:8484");
        let theirs = theirs.replace('@', "https://acme.zendesk.com");
        let ours = ours.replace('@', "http://LocalHost:8484");
        let found = localised(theirs.as_bytes(), &view);
        let found = found.unwrap_or_else(|| theirs.clone().into_bytes());
        assert_eq!(String::from_utf8(found).unwrap(), ours, "{theirs}");
    }

    #[test]
    fn s2_every_link_of_a_line_stays_local() {
        for line in [
            "<@/api/v2/help_center/en-us/articles?page%5Bafter%5D=x&a=[>; rel=\"next\"",
            "<@/api/v2/a>; rel=next, <@/api/v2/b>; rel=\"prev\"; title=\"a, <b>\"",
            " ,, <@/api/>,<@/attachments/1>;a;b=c ,\t<@/hc/article_attachments/1>",
            "<@/api/v2/a,b;c>; title*=UTF-8''%e2%82%ac; rel=\"next last\"",
            "<@/api/v2/a>; title=\"\\\"<\", <@/api/v2/b>",
            "<@/api/v2/a> ; rel=\"next\" trailing words, <@/api/v2/b>",
            "<@/api/v2/a>; title=one, two, <@/api/v2/b>; rel=next",
        ] {
            becomes(line, line);
        }
    }

    #[test]
    fn s2_parameters_and_foreign_links_stay_byte_for_byte() {
        let theirs = "https://acme.zendesk.com";
        for line in [
            "<HTTPS://evil.example/api/v2/a>; anchor=\"@/api/v2/\"; rel=next",
            "</api/v2/a>; rel=next, <?page=2>; rel=\"prev\", <>",
            "<@/agent/tickets/1>; rel=alternate, <@/hc/en-us/articles/1>; rel=canonical",
            "<@/apis/>; a=\"<@/api/>, <@/api/>\"",
            "<@.evil.example/api/v2/a>, <https://x@acme.zendesk.com/api/v2/a>",
            "@/api/v2/a; rel=next",
            "<@/api/v2/a",
            "\"<@/api/v2/a>\"",
            "",
        ] {
            becomes(line, &line.replace('@', theirs));
        }
        becomes(
            "<@/api/v2/a>; rel=next; anchor=\"@/api/\", <https://b.example/>, <@/agent/>, <@/api/v2/b>",
            &"<#/api/v2/a>; rel=next; anchor=\"@/api/\", <https://b.example/>, <@/agent/>, <#/api/v2/b>"
                .replace('@', theirs)
                .replace('#', "@"),
        );
    }
}
