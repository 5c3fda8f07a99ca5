//! Properties that hold for every document, however it is split.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::strategy::ValueTree;

use super::tests::rewritten;
use super::*;

proptest! {
    #![proptest_config(config())]

    #[test]
    fn s2_equals_the_slow_reference(
        classes in classes(),
        text in documents(),
        cuts in vec(any::<Index>(), 0..6),
    ) {
        let expected = expected(&classes, &text);
        let result = rewritten(&classes, [text.as_bytes()]);
        prop_assert_eq!(String::from_utf8(result).unwrap(), expected.clone());
        prop_assert_eq!(rewritten(&classes, cut(text.as_bytes(), &cuts)), expected.as_bytes());
        prop_assert_eq!(rewritten(&classes, text.as_bytes().chunks(1)), expected.as_bytes());
    }

    #[test]
    fn s2_is_idempotent(classes in classes(), text in documents()) {
        let once = rewritten(&classes, [text.as_bytes()]);
        prop_assert_eq!(&rewritten(&classes, [once.as_slice()]), &once);
    }

    #[test]
    fn s2_broken_text_is_cut_independent_and_keeps_all_but_origins(
        classes in classes(),
        text in documents(),
        at in any::<Index>(),
        damage in vec(select(DAMAGE.to_vec()), 0..3),
        cuts in vec(any::<Index>(), 0..6),
    ) {
        let mut text = text.into_bytes();
        let at = at.index(text.len());
        text.splice(at..(at + damage.len()).min(text.len()), damage.clone());
        let result = rewritten(&classes, [text.as_slice()]);
        prop_assert_eq!(&rewritten(&classes, cut(&text, &cuts)), &result);
        prop_assert_eq!(&rewritten(&classes, text.chunks(1)), &result);
        prop_assert_eq!(without_origins(&result), without_origins(&text));
    }

    #[test]
    fn s2_what_is_no_json_passes(bytes in vec(any::<u8>(), 0..64), size in 1_usize..8) {
        prop_assert_eq!(&rewritten(&RewriteClass::ALL.map(|(_, class)| class), bytes.chunks(size)), &bytes);
    }
}

/// A generator that hardly ever makes anything to rewrite would prove nothing.
#[test]
fn s2_the_generator_makes_every_class() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let documents = documents();
    let mut changed = [0; 4];
    let mut passed = 0;
    for _ in 0..1000 {
        let text = documents.new_tree(&mut runner).unwrap().current();
        for (count, (_, class)) in changed.iter_mut().zip(RewriteClass::ALL) {
            *count += usize::from(expected(&[class], &text) != text);
        }
        let all = RewriteClass::ALL.map(|(_, class)| class);
        passed += usize::from(expected(&all, &text) == text);
    }
    assert!(changed.iter().all(|count| *count > 30), "{changed:?}");
    assert!(passed > 30, "{passed}");
}

fn expected(classes: &[RewriteClass], text: &str) -> String {
    let client = super::super::tests::client("http://localhost:8484");
    reference::rewritten(classes, &client, text)
}

/// More cases than usual: they are cheap, and bugs at the edge of a chunk are rare.
fn config() -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig {
        cases: usual.cases.max(2000),
        failure_persistence: None,
        ..usual
    }
}

fn classes() -> impl Strategy<Value = Vec<RewriteClass>> {
    proptest::sample::subsequence(RewriteClass::ALL.map(|(_, class)| class).to_vec(), 0..=4)
}

/// One value or several, with or without a byte order mark.
fn documents() -> impl Strategy<Value = String> {
    let value = prop_oneof![1 => value(), 1 => shape()];
    (any::<bool>(), vec((space(), value), 1..4), space()).prop_map(|(mark, values, end)| {
        let mut text = String::from(if mark { "\u{feff}" } else { "" });
        for (space, value) in values {
            // Two numbers or literals need a separator.
            text.push_str(&format!("{space}{value}\n"));
        }
        text + end
    })
}

fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        4 => select(STRINGS.to_vec()).prop_map(|text| format!("\"{text}\"")),
        1 => any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
        1 => select(SCALARS.to_vec()).prop_map(str::to_owned),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            3 => vec((key(), space(), space(), inner.clone(), space()), 0..6).prop_map(|members| {
                let member = |(key, a, b, value, c)| format!("{a}\"{key}\"{b}:{c}{value}{a}");
                format!("{{{}}}", members.into_iter().map(member).collect::<Vec<_>>().join(","))
            }),
            1 => vec((space(), inner), 0..4).prop_map(|values| {
                let value = |(space, value)| format!("{space}{value}{space}");
                format!("[{}]", values.into_iter().map(value).collect::<Vec<_>>().join(","))
            }),
        ]
    })
}

/// What Zendesk sends: every shape that S2 lists, and the same where they don't match, between
/// members of any kind.
fn shape() -> impl Strategy<Value = String> {
    let url = || select(STRINGS.to_vec());
    let member = || (key(), value()).prop_map(|(key, value)| format!("\"{key}\":{value}"));
    let eligible = (select(SHAPES.to_vec()), vec(url(), 3)).prop_map(|(shape, urls)| {
        let mut parts = shape.split('@');
        let mut text = parts.next().unwrap_or_default().to_owned();
        for (part, url) in parts.zip(urls.iter().cycle()) {
            text.push_str(url);
            text.push_str(part);
        }
        text
    });
    let members = vec(prop_oneof![3 => eligible, 1 => member()], 1..5);
    (members, select(vec![0, 0, 0, 1, 2])).prop_map(|(members, depth)| {
        let object = format!("{{{}}}", members.join(","));
        // Further down, only attachments and records still match.
        (0..depth).fold(object, |inner, _| format!("{{\"results\":[{inner}]}}"))
    })
}

fn key() -> impl Strategy<Value = &'static str> {
    select(KEYS.to_vec())
}

fn space() -> impl Strategy<Value = &'static str> {
    prop_oneof![9 => Just(""), 1 => select(vec![" ", "\n    ", "\r\n\t"])]
}

fn cut<'a>(text: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
    ends.push(text.len());
    ends.sort_unstable();
    let mut start = 0;
    let part = |end| {
        let part = &text[start..end];
        start = end;
        part
    };
    ends.into_iter().map(part).collect()
}

fn without_origins(text: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(text).into_owned();
    for origin in [
        "https://acme.zendesk.com",
        r"https:\/\/acme.zendesk.com",
        "https://help.acme.example:8443",
        r"https:\/\/help.acme.example:8443",
        "https://beta.zendesk.com",
        r"https:\/\/beta.zendesk.com",
        "http://localhost:8484",
        r"http:\/\/localhost:8484",
        "http://localhost:8490",
        r"http:\/\/localhost:8490",
    ] {
        text = text.replace(origin, "@");
    }
    text
}

/// Members of an object, with a URL in place of each `@`.
const SHAPES: [&str; 20] = [
    r#""next_page":"@","previous_page" : "@""#,
    r#""after_url":"@","before_url":null"#,
    r#""links":{"first":"@","next":"@","prev":null,"deep":{"next":"@"}}"#,
    r#""links":["@",{"next":"@"}]"#,
    r#""links":"@""#,
    r#""job_status":{"id":"8b","url":"@","results":[{"id":1,"url":"@"}]}"#,
    r#""job_statuses":[{"url":"@"},{"results":[{"url":"@"}],"url":"@"},"@"]"#,
    r#""job_statuses":{"url":"@","a":{"url":"@"}}"#,
    r#""job_status":[{"url":"@"}]"#,
    r#""attachments":[{"url":"@","content_url":"@","mapped_content_url":"@"}]"#,
    r#""content_url":["@"],"mapped_content_url":{"content_url":"@"}"#,
    r#""url":"@","url":"@","id":1.50e+3"#,
    r#""next\u005fpage":"@","next_page\"":"@""#,
    r#""recording_url":"@","data":{"recording_url":"@"}"#,
    r#""data":{"links":{"self":"@"},"relationships":{"a":{"links":{"next":"@","b":"@"}}}}"#,
    r#""data":[{"relationships":{"a":{"links":{"next":"@"},"data":[{"links":{"c":"@"}}]}}},"@"]"#,
    r#""included":[{"relationships":{"":{"links":{"a":"@","b":{"c":"@"}},"meta":{"d":"@"}}}}]"#,
    r#""relationships":{"a":{"links":{"next":"@"}},"links":{"next":"@"}}"#,
    r#""included":{"relationships":{"a":{"links":{"next":"@"}}}},"data":[[{"links":{"a":"@"}}]]"#,
    r#""body":"{\"next_page\":\"@\"}""#,
];

const KEYS: [&str; 21] = [
    "next_page",
    "previous_page",
    "after_url",
    "before_url",
    "links",
    "next",
    "job_status",
    "job_statuses",
    "url",
    "content_url",
    "mapped_content_url",
    "recording_url",
    "relationships",
    "data",
    "included",
    "thumbnails",
    "results",
    r"next\u005fpage",
    r#"\""#,
    "",
    "a key that is longer than any that matters",
];

const STRINGS: [&str; 19] = [
    "https://acme.zendesk.com/api/v2/tickets.json?page[size]=2&page%5Bafter%5D=x",
    r"https:\/\/acme.zendesk.com\/api\/v2\/tickets.json",
    "https://acme.zendesk.com/attachments/token/x/?name=a.png",
    r"https:\/\/help.acme.example:8443\/attachments\/1",
    "https://help.acme.example:8443/api/",
    "https://acme.zendesk.com/hc/article_attachments/1/logo.jpg",
    r"https:\/\/beta.zendesk.com\/hc\/article_attachments\/1",
    "https://beta.zendesk.com/api/v2/tickets.json",
    "https://gamma.zendesk.com/api/v2/tickets.json",
    "https://acme.zendesk.com/hc/en-us/articles/1",
    "https://acme.zendesk.com/agent/tickets/1",
    r"https:\/\/acme.zendesk.com/api/",
    r"https:\u002f\u002facme.zendesk.com\u002fapi\u002f",
    "https://acme.zendesk.com.evil.example/api/",
    "http://localhost:8484/api/v2",
    "see https://acme.zendesk.com/api/v2",
    r#"{\"next_page\":\"https://acme.zendesk.com/api/v2\"}"#,
    r"\\",
    "",
];

const SCALARS: [&str; 9] = [
    "0",
    "-0",
    "1.50",
    "1E+05",
    "-12e-3",
    "123456789012345678901",
    "true",
    "false",
    "null",
];

/// Bytes that mean something to a parser.
const DAMAGE: &[u8] = b"{}[]:,\"\\ 0-.etn\xef\x00";
