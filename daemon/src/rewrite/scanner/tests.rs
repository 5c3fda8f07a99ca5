use bytes::Bytes;

use super::*;

/// The classes that are on by default.
const USUAL: [RewriteClass; 3] = [
    RewriteClass::Pagination,
    RewriteClass::Jobs,
    RewriteClass::Attachments,
];

pub(super) fn scanner(classes: &[RewriteClass]) -> Scanner {
    Scanner::new(classes, super::super::tests::view("http://localhost:8484"))
}

/// Rewrites chunks, and checks that no output is empty or delayed without need.
pub(super) fn rewritten<'a>(
    classes: &[RewriteClass],
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> Vec<u8> {
    let mut scanner = scanner(classes);
    let mut text = Vec::new();
    for chunk in chunks {
        text.extend_from_slice(&scanner.push(&Bytes::copy_from_slice(chunk)));
        assert!(scanner.held.len() < scanner.view.prefixes().longest());
    }
    assert_eq!(scanner.holds_back(), !scanner.held.is_empty());
    text.extend_from_slice(&scanner.finish());
    text
}

/// Checks a text in one piece and in pieces of one to three bytes.
fn check(classes: &[RewriteClass], text: &str, expected: &str) {
    for size in [text.len().max(1), 1, 2, 3] {
        let result = rewritten(classes, text.as_bytes().chunks(size));
        assert_eq!(
            String::from_utf8_lossy(&result),
            expected,
            "{text} in chunks of {size}"
        );
    }
}

/// `@` stands for a URL of ours, and for the local one in the expected text.
#[track_caller]
fn changes(classes: &[RewriteClass], text: &str) {
    check(
        classes,
        &text.replace('@', "https://acme.zendesk.com/api/v2/a?b=%5B&c=["),
        &text.replace('@', "http://localhost:8484/api/v2/a?b=%5B&c=["),
    );
}

#[track_caller]
fn stays(classes: &[RewriteClass], text: &str) {
    let text = text.replace('@', "https://acme.zendesk.com/api/v2/a");
    check(classes, &text, &text);
}

#[test]
fn s2_paging_stays_local_at_the_top_level() {
    for key in ["next_page", "previous_page", "after_url", "before_url"] {
        changes(&USUAL, &format!(r#"{{"{key}":"@"}}"#));
        changes(
            &USUAL,
            &format!("{{ \"a\": [1, {{}}] ,\r\n\t\"{key}\" :\n \"@\" , \"z\": null }}"),
        );
        stays(&USUAL, &format!(r#"{{"ticket":{{"{key}":"@"}}}}"#));
        stays(&USUAL, &format!(r#"[{{"{key}":"@"}}]"#));
        stays(&USUAL, &format!(r#"{{"{key}":["@"]}}"#));
        stays(&USUAL, &format!(r#"{{"{key}":{{"a":"@"}}}}"#));
        stays(&USUAL, &format!(r#"{{"{key}":null,"a":"@"}}"#));
        stays(&USUAL, &format!(r#"{{"a":"{key}","b":"@"}}"#));
        stays(&USUAL, &format!(r#"{{"{key} ":"@","x{key}":"@"}}"#));
    }
}

#[test]
fn s2_links_stay_local_at_the_top_level() {
    changes(&USUAL, r#"{"links":{"next":"@","prev":"@","":"@"},"a":1}"#);
    stays(&USUAL, r#"{"ticket":{"links":{"next":"@"}}}"#);
    stays(&USUAL, r#"{"links":{"next":{"href":"@"}}}"#);
    stays(&USUAL, r#"{"links":{"next":["@"]}}"#);
    stays(&USUAL, r#"{"links":["@",{"next":"@"}]}"#);
    stays(&USUAL, r#"[{"links":{"next":"@"}}]"#);
    stays(&USUAL, r#"{"links":{},"other":{"next":"@"}}"#);
    stays(&USUAL, r#"{"links":1,"other":{"next":"@"}}"#);
}

#[test]
fn s2_urls_directly_in_a_job_status_stay_local() {
    changes(
        &USUAL,
        r#"{"job_status":{"id":"8b","url":"@","results":[{"id":1}]}}"#,
    );
    changes(
        &USUAL,
        r#"{"job_statuses":[{"url":"@"},{"a":{},"url":"@"}]}"#,
    );
    stays(&USUAL, r#"{"job_status":{"results":[{"url":"@"}]}}"#);
    stays(&USUAL, r#"{"job_status":[{"url":"@"}]}"#);
    stays(&USUAL, r#"{"job_statuses":{"url":"@","a":{"url":"@"}}}"#);
    stays(&USUAL, r#"{"job_statuses":[[{"url":"@"}]]}"#);
    stays(&USUAL, r#"{"job_statuses":[{"results":{"url":"@"}}]}"#);
    stays(&USUAL, r#"{"ticket":{"job_status":{"url":"@"}}}"#);
    stays(&USUAL, r#"{"url":"@","ticket":{"url":"@"}}"#);
    stays(&[RewriteClass::Pagination], r#"{"job_status":{"url":"@"}}"#);
}

#[test]
fn s2_attachments_stay_local_at_any_depth() {
    changes(
        &USUAL,
        r#"{"content_url":"@","a":[{"thumbnails":[{"mapped_content_url":"@"}]}]}"#,
    );
    changes(&USUAL, r#"[{"content_url":"@"}]"#);
    check(
        &USUAL,
        r#"{"content_url":"https://acme.zendesk.com/attachments/token/x/?name=a.png"}"#,
        r#"{"content_url":"http://localhost:8484/attachments/token/x/?name=a.png"}"#,
    );
    stays(&[RewriteClass::Pagination], r#"{"content_url":"@"}"#);
    stays(&USUAL, r#"{"content_url":["@"],"thumbnail_url":"@"}"#);
}

#[test]
fn s2_pages_within_a_page_stay_local() {
    let links = r#"{"work_items":{"links":{"next":"@","prev":"@"},"meta":{"has_more":true}}}"#;
    for (before, after) in [
        (r#"{"included":[1,{"id":"a","relationships":"#, "}]}"),
        (r#"{"data":[{"relationships":{},"relationships":"#, "}]}"),
        (r#"{"data":{"attributes":{"a":[]},"relationships":"#, "}}"),
        (r#"{"relationships":"#, "}"),
    ] {
        changes(&USUAL, &format!("{before}{links}{after}"));
    }
    for text in [
        r#"{"included":{"relationships":{"a":{"links":{"next":"@"}}}}}"#,
        r#"{"included":[[{"relationships":{"a":{"links":{"next":"@"}}}}]]}"#,
        r#"{"included":[{"relationships":[{"links":{"next":"@"}}]}]}"#,
        r#"{"included":[{"relationships":{"links":{"next":"@"}}}]}"#,
        r#"{"included":[{"relationships":{"a":{"links":{"next":{"href":"@"}}}}}]}"#,
        r#"{"included":[{"relationships":{"a":{"data":{"links":{"next":"@"}}}}}]}"#,
        r#"{"data":[{"links":{"self":"@"},"attributes":{"links":{"next":"@"}}}]}"#,
        r#"{"tickets":[{"relationships":{"a":{"links":{"next":"@"}}}}]}"#,
        r#"[{"relationships":{"a":{"links":{"next":"@"}}}}]"#,
    ] {
        stays(&USUAL, text);
    }
    let page = r#"{"data":[{"relationships":{"a":{"links":{"next":"@"}}}}]}"#;
    stays(&[RewriteClass::Attachments, RewriteClass::Records], page);
}

#[test]
fn s2_recordings_and_files_of_articles_stay_local() {
    let audio = r#"{"comments":[{"data":{"recording_url":"@","call_id":1}}]}"#;
    changes(&USUAL, audio);
    stays(&[RewriteClass::Pagination], audio);
    let file = r#"{"article_attachments":[{"content_url":"https://acme.zendesk.com#1/a.jpg"}]}"#;
    check(
        &USUAL,
        &file.replace('#', "/hc/article_attachments/"),
        &file
            .replace('#', "/hc/article_attachments/")
            .replace("https://acme.zendesk.com", "http://localhost:8484"),
    );
    let pages = [
        "/hc/en-us/articles/",
        "/hc/",
        "/hc/article_attachments",
        "/agent/",
    ];
    for page in pages {
        stays(&USUAL, &file.replace('#', page));
    }
}

#[test]
fn s2_links_to_other_accounts_stay_local_where_they_have_a_port() {
    let page = r#"{"next_page":"https://beta.zendesk.com/api/v2/a","content_url":"#;
    let file = r#""https://gamma.zendesk.com/attachments/1"}"#;
    let ours = page.replace("https://beta.zendesk.com", "http://localhost:8490");
    check(&USUAL, &format!("{page}{file}"), &format!("{ours}{file}"));
}

#[test]
fn s2_urls_of_records_stay_local_if_the_class_is_on() {
    let text = r#"{"url":"@","tickets":[{"url":"@","via":{"url":"@"}}]}"#;
    changes(&[RewriteClass::Records], text);
    stays(&USUAL, text);
    stays(&[RewriteClass::Records], r#"{"next_page":"@"}"#);
    stays(&[], r#"{"next_page":"@","content_url":"@","url":"@"}"#);
}

#[test]
fn s2_keys_match_as_raw_bytes() {
    stays(&USUAL, r#"{"next\u005fpage":"@"}"#);
    stays(&USUAL, r#"{"next_page\"":"@","\\next_page":"@"}"#);
    changes(&USUAL, r#"{"links":{"\u006eext\"":"@"}}"#);
}

#[test]
fn s2_values_match_by_their_prefix() {
    for value in [
        "https://acme.zendesk.com",
        "https://acme.zendesk.com/",
        "https://acme.zendesk.com/api",
        "https://acme.zendesk.com/apix/",
        "https://acme.zendesk.com/agent/tickets/1",
        "https://acme.zendesk.com:443/api/",
        "https://acme.zendesk.com.evil.example/api/",
        "https://other.zendesk.com/api/",
        "https://help.acme.example/api/",
        "http://acme.zendesk.com/api/",
        "HTTPS://acme.zendesk.com/api/",
        " https://acme.zendesk.com/api/",
        "see https://acme.zendesk.com/api/",
        r"https:\/\/acme.zendesk.com/api/",
        r"https:\/\/acme.zendesk.com\/api/",
        r"https://acme.zendesk.com\/api\/",
        r"\u0068ttps://acme.zendesk.com/api/",
        r"https:\u002f\u002facme.zendesk.com\u002fapi\u002f",
        "",
        "h",
    ] {
        stays(&USUAL, &format!(r#"{{"next_page":"{value}","a":1}}"#));
    }
}

#[test]
fn s2_every_origin_and_both_spellings_of_a_slash() {
    check(
        &USUAL,
        r#"{"next_page":"https:\/\/acme.zendesk.com\/api\/v2\/a.json?page=2"}"#,
        r#"{"next_page":"http:\/\/localhost:8484\/api\/v2\/a.json?page=2"}"#,
    );
    check(
        &USUAL,
        r#"{"content_url":"https:\/\/help.acme.example:8443\/attachments\/1"}"#,
        r#"{"content_url":"http:\/\/localhost:8484\/attachments\/1"}"#,
    );
    check(
        &USUAL,
        r#"{"next_page":"https://help.acme.example:8443/api/v2"}"#,
        r#"{"next_page":"http://localhost:8484/api/v2"}"#,
    );
}

#[test]
fn s2_several_values_and_a_byte_order_mark() {
    changes(
        &USUAL,
        "{\"next_page\":\"@\"}\n{\"next_page\":\"@\"}{\"links\":{\"next\":\"@\"}}",
    );
    changes(&USUAL, "\u{feff} {\"next_page\":\"@\"}");
    changes(&USUAL, "1 true null\"a\"[]-0.5e+7{\"next_page\":\"@\"}");
    stays(&USUAL, "\u{feff}\u{feff}{\"next_page\":\"@\"}");
    stays(&USUAL, "\u{fefe}{\"next_page\":\"@\"}");
    stays(&USUAL, r#"{"next_page":1}"@""#);
    stays(&USUAL, r#"{"links":1}[{"next":"@"}]"#);
    stays(&USUAL, r#"{"links":1}{"a":{"next":"@"}}"#);
}

#[test]
fn s2_after_a_syntax_error_everything_passes() {
    for wrong in [
        "<html>",
        "{a:1}",
        "{'a':1}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\" 1}",
        "{,}",
        "{\"a\":1,}",
        "[1,]",
        "[1 2]",
        "[,]",
        "]",
        "}",
        "[}",
        "{]",
        "{\"a\":1]",
        "[1}",
        "tru ",
        "nul1",
        "True",
        "truefalse",
        "NaN",
        "01",
        "-",
        "- 1",
        "1.",
        "1.e5",
        ".5",
        "1e",
        "1e+",
        "+1",
        "1,",
        ":",
        "\"a\":",
        "\\",
        "\0",
        "{\"a\":tru}",
        "{\"a\":1x}",
        "{1:1}",
        "{{}:1}",
        "while(1);",
        ")]}',",
        "null\0",
    ] {
        let text = format!(r#"{{"next_page":"@"}} {wrong} {{"next_page":"#);
        let url = "https://acme.zendesk.com/api/";
        check(
            &USUAL,
            &format!(r#"{}"{url}"}}"#, text.replace('@', url)),
            &format!(
                r#"{}"{url}"}}"#,
                text.replace('@', "http://localhost:8484/api/")
            ),
        );
    }
}

#[test]
fn s2_texts_are_untouched() {
    stays(
        &USUAL,
        r#"{"article":{"body":"<a href=\"@\">\\</a> \"next_page\":\"@\"","a\\":"\\"}}"#,
    );
    stays(&USUAL, r#"{"comment":"@","html_body":"@"}"#);
    changes(
        &USUAL,
        r#"{"content_url":"https:\"\/acme","links":{"a":"https:\/\\","b":"@"}}"#,
    );
    changes(
        &USUAL,
        r#"{"a":"\"}{\\","b\"":"\\\\","next_page":"@","c":"\\\""}"#,
    );
}

#[test]
fn s2_text_that_ends_early_passes() {
    let whole = r#"{"next_page":"https://acme.zendesk.com/api/v2"#;
    for end in 0..=whole.len() {
        let text = &whole[..end];
        let expected = text.replace(
            "https://acme.zendesk.com/api/",
            "http://localhost:8484/api/",
        );
        check(&USUAL, text, &expected);
    }
}

#[test]
fn s2_nesting_is_followed_to_the_limit_and_then_left_alone() {
    for (depth, local) in [
        (nesting::LIMIT - 1, true),
        (nesting::LIMIT, false),
        (100 * nesting::LIMIT, false),
    ] {
        let text = |url: &str| {
            let (open, close) = ("[".repeat(depth), "]".repeat(depth));
            format!(r#"{{"a":{open}{close},"next_page":"{url}"}}"#)
        };
        let theirs = text("https://acme.zendesk.com/api/");
        let expected = if local {
            text("http://localhost:8484/api/")
        } else {
            theirs.clone()
        };
        assert_eq!(
            rewritten(&USUAL, [theirs.as_bytes()]),
            expected.as_bytes(),
            "{depth} deep"
        );
    }
}

#[test]
fn s3_chunks_without_a_hit_are_not_copied() {
    let mut scanner = scanner(&USUAL);
    let first = Bytes::from_static(br#"{"tickets":[{"id":1,"subject":"a\"b"#);
    let second = Bytes::from_static(br#"c"}],"next_page":"https://other.example/"}"#);
    for chunk in [first, second] {
        let passed = scanner.push(&chunk);
        assert_eq!(passed.as_ptr(), chunk.as_ptr());
        assert_eq!(passed.len(), chunk.len());
    }
}

#[test]
fn s3_only_what_may_be_a_prefix_is_held_back() {
    let mut scanner = scanner(&USUAL);
    let mut push = |text: &'static str| {
        let passed = scanner.push(&Bytes::from_static(text.as_bytes()));
        String::from_utf8(passed.to_vec()).unwrap()
    };
    assert_eq!(push(r#"{"next_page":"https://ac"#), r#"{"next_page":""#);
    assert_eq!(push("me.zen"), "");
    assert_eq!(push("eca.example/"), "https://acme.zeneca.example/");
    assert_eq!(push(r#"","content_url":""#), r#"","content_url":""#);
    assert_eq!(push("https://acme.zendesk.com/ap"), "");
    assert_eq!(push("i/v2"), "http://localhost:8484/api/v2");
}
