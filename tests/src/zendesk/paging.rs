//! Offset and cursor paging.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use super::answer::Answer;
use super::call::{Call, Query};

/// One page of a list: its items, and the fields next to them.
#[derive(Debug)]
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    pub(super) envelope: Map<String, Value>,
}

/// How a list is paged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) default_size: usize,
    pub(super) max_size: usize,
    /// The page after which offset paging ends.
    pub(super) max_offset: usize,
}

impl Rules {
    /// The paging of most lists.
    pub(super) const LIST: Self = Self {
        default_size: 100,
        max_size: 100,
        max_offset: 10_000,
    };
    /// The paging of the help center's lists.
    pub(super) const HELP_CENTER: Self = Self {
        default_size: 30,
        ..Self::LIST
    };
}

/// The page that a request asks for: by cursor if it has `page[…]`, otherwise by offset.
pub(super) fn page<T: Clone>(
    call: &Call,
    origin: &str,
    all: &[T],
    rules: Rules,
) -> Result<Page<T>, Answer> {
    let query = &call.query;
    if ["page[size]", "page[after]", "page[before]"]
        .iter()
        .any(|name| query.get(name).is_some())
    {
        return by_cursor(call, origin, all, rules);
    }
    by_offset(call, origin, all, rules)
}

/// The page that a request asks for by `page` and `per_page`.
pub(super) fn by_offset<T: Clone>(
    call: &Call,
    origin: &str,
    all: &[T],
    rules: Rules,
) -> Result<Page<T>, Answer> {
    let number = number(&call.query, "page", 1)?;
    let size = number_within(&call.query, "per_page", rules)?;
    let start = (number - 1).saturating_mul(size);
    if start.saturating_add(size) > rules.max_offset && number > 1 {
        return Err(too_deep());
    }
    let at = |page: usize| {
        let query = call.query.with(&[("page", Some(&page.to_string()))]);
        format!("{origin}{}?{query}", json_path(call))
    };
    let end = start.saturating_add(size).min(all.len());
    let mut envelope = Map::new();
    envelope.insert("count".to_owned(), json!(all.len()));
    envelope.insert(
        "next_page".to_owned(),
        json!((end < all.len() && start < all.len()).then(|| at(number + 1))),
    );
    envelope.insert(
        "previous_page".to_owned(),
        json!((number > 1).then(|| at(number - 1))),
    );
    Ok(Page {
        items: all.get(start.min(end)..end).unwrap_or_default().to_vec(),
        envelope,
    })
}

/// The page that a request asks for by `page[size]` and `page[after]` or `page[before]`.
pub(super) fn by_cursor<T: Clone>(
    call: &Call,
    origin: &str,
    all: &[T],
    rules: Rules,
) -> Result<Page<T>, Answer> {
    let query = &call.query;
    let size = number_within(query, "page[size]", rules)?;
    let (start, end) = match (query.get("page[after]"), query.get("page[before]")) {
        (Some(cursor), _) => {
            let start = decode(cursor)?.min(all.len());
            (start, (start + size).min(all.len()))
        }
        (None, Some(cursor)) => {
            let end = decode(cursor)?.min(all.len());
            (end.saturating_sub(size), end)
        }
        (None, None) => (0, size.min(all.len())),
    };
    let size = size.to_string();
    let (after, before) = (encode(end), encode(start));
    let path = json_path(call);
    // The live service encodes the brackets; the documentation prints them unencoded. One link of
    // each kind, so that a client that changes either is noticed.
    let next = query.with(&[
        ("page[size]", Some(&size)),
        ("page[after]", Some(&after)),
        ("page[before]", None),
    ]);
    let previous = query
        .with(&[
            ("page[size]", Some(&size)),
            ("page[before]", Some(&before)),
            ("page[after]", None),
        ])
        .replace("%5B", "[")
        .replace("%5D", "]");
    let has_more = end < all.len();
    let mut envelope = Map::new();
    envelope.insert(
        "meta".to_owned(),
        json!({"has_more": has_more, "after_cursor": after, "before_cursor": before}),
    );
    envelope.insert(
        "links".to_owned(),
        json!({
            "next": has_more.then(|| format!("{origin}{path}?{next}")),
            "prev": (start > 0).then(|| format!("{origin}{path}?{previous}")),
        }),
    );
    Ok(Page {
        items: all[start..end].to_vec(),
        envelope,
    })
}

/// The links to other pages as they appear in `Link`, one each.
pub(super) fn link(envelope: &Map<String, Value>) -> Vec<String> {
    let links = |name: &str| envelope.get("links").and_then(|links| links[name].as_str());
    let page = |name: &str| envelope.get(name).and_then(Value::as_str);
    [
        ("next", links("next").or(page("next_page"))),
        ("prev", links("prev").or(page("previous_page"))),
    ]
    .into_iter()
    .filter_map(|(rel, url)| Some(format!("<{}>; rel=\"{rel}\"", url?)))
    .collect()
}

/// The path as Zendesk writes it in links: always with `.json`.
pub(super) fn json_path(call: &Call) -> String {
    let path = call.path.strip_suffix(".json").unwrap_or(&call.path);
    format!("{path}.json")
}

/// An opaque text for a number.
pub(super) fn encode(number: usize) -> String {
    URL_SAFE_NO_PAD.encode(format!("cursor:{number}"))
}

/// The number encoded in such a text.
pub(super) fn decode(cursor: &str) -> Result<usize, Answer> {
    let invalid = || {
        Answer::json(
            400,
            &json!({"errors": [{
                "code": "InvalidPaginationParameter",
                "title": "Invalid pagination parameter",
                "detail": "page[after] is not valid",
            }]}),
        )
    };
    let decoded = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| invalid())?;
    let text = String::from_utf8(decoded).map_err(|_| invalid())?;
    text.strip_prefix("cursor:")
        .and_then(|number| number.parse().ok())
        .ok_or_else(invalid)
}

/// A page size, limited to what the list allows.
pub(super) fn number_within(query: &Query, name: &str, rules: Rules) -> Result<usize, Answer> {
    Ok(number(query, name, rules.default_size)?.min(rules.max_size))
}

fn number(query: &Query, name: &str, default: usize) -> Result<usize, Answer> {
    match query.get(name).map(str::parse) {
        None => Ok(default),
        Some(Ok(number)) if number > 0 => Ok(number),
        Some(_) => Err(Answer::json(
            400,
            &json!({"error": {
                "title": "Invalid attribute",
                "message": format!("You passed an invalid value for the {name} attribute."),
            }}),
        )),
    }
}

fn too_deep() -> Answer {
    Answer::json(
        400,
        &json!({"errors": [{
            "code": "InvalidPaginationDepth",
            "title": "Invalid pagination depth",
            "detail": "Offset pagination is limited to 10,000 records",
        }]}),
    )
}
