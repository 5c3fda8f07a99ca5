//! `/api/v2/incremental`: everything that changed since a given time, by time or by cursor.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{Api, Outcome, errors};
use crate::zendesk::answer::Answer;
use crate::zendesk::paging::{self, Rules};
use crate::zendesk::shared::lock;

pub(super) fn serve(api: &Api, path: &[&str]) -> Outcome {
    if !matches!(api.call.method, Method::GET | Method::HEAD) {
        return Err(errors::invalid_endpoint());
    }
    let store = &api.store;
    if path == ["ticket_metric_events"] {
        // There are none, and a start time of this moment is accepted.
        let none =
            json!({"ticket_metric_events": [], "count": 0, "end_time": null, "next_page": null});
        return Ok(Answer::json(200, &none));
    }
    let (key, records) = match path {
        ["tickets", ..] => ("tickets", &store.tickets),
        ["users", ..] => ("users", &store.users),
        ["organizations"] => ("organizations", &store.organizations),
        _ => return Err(errors::invalid_endpoint()),
    };
    let mut all = changes(records.all(&store.seed));
    match path {
        [_] => by_time(api, key, &mut all),
        [_, "cursor"] => by_cursor(api, key, &mut all),
        _ => Err(errors::invalid_endpoint()),
    }
}

/// A record and the time of its last change, in seconds.
type Change = (i64, Value);

/// Oldest change first.
pub(super) fn changes(records: Vec<Value>) -> Vec<Change> {
    let mut all: Vec<_> = records
        .into_iter()
        .filter_map(|record| {
            let at: Timestamp = record["updated_at"].as_str()?.parse().ok()?;
            Some((at.as_second(), record))
        })
        .collect();
    all.sort_by_key(|(at, record)| (*at, record["id"].as_u64()));
    all
}

/// `start_time` … `end_time`; the record at the very end is repeated on the next page.
pub(super) fn by_time(api: &Api, key: &str, all: &mut Vec<Change>) -> Outcome {
    let start = start_time(api)?.ok_or_else(missing_start_time)?;
    all.retain(|(at, _)| *at >= start);
    let size = paging::number_within(&api.call.query, "per_page", pages(api))?;
    let end_of_stream = all.len() <= size;
    // All records of the last second belong to the page, or the next page would start with them
    // again forever.
    let last = all
        .get(size.min(all.len()).wrapping_sub(1))
        .map(|(at, _)| *at);
    let items: Vec<Value> = all
        .iter()
        .take_while(|(at, _)| last.is_some_and(|last| *at <= last))
        .map(|(_, record)| record.clone())
        .collect();
    let next = last.map(|last| {
        let query = api
            .call
            .query
            .with(&[("start_time", Some(&last.to_string()))]);
        format!("{}{}?{query}", api.origin, paging::json_path(api.call))
    });
    let mut body = Map::new();
    body.insert("count".to_owned(), json!(items.len()));
    body.insert("end_time".to_owned(), json!(last.unwrap_or(start)));
    body.insert("end_of_stream".to_owned(), json!(end_of_stream));
    body.insert(
        "next_page".to_owned(),
        json!(next.filter(|_| !end_of_stream)),
    );
    body.insert(key.to_owned(), Value::Array(items));
    Ok(Answer::json(200, &Value::Object(body)))
}

/// `after_url` always has a next page, even at the end of the stream.
fn by_cursor(api: &Api, key: &str, all: &mut Vec<Change>) -> Outcome {
    let query = &api.call.query;
    match query.get("cursor") {
        Some(cursor) => {
            let after = decode(cursor)?;
            all.retain(|(at, record)| (*at, record["id"].as_u64().unwrap_or(0)) > after);
        }
        None => {
            let start = start_time(api)?.ok_or_else(missing_start_time)?;
            all.retain(|(at, _)| *at >= start);
        }
    }
    let size = paging::number_within(query, "per_page", pages(api))?;
    let end_of_stream = all.len() <= size;
    all.truncate(size);
    let cursor = match all.last() {
        Some((at, record)) => encode(*at, record["id"].as_u64().unwrap_or(0)),
        None => query
            .get("cursor")
            .map_or_else(|| encode(0, 0), str::to_owned),
    };
    let next = query.with(&[("start_time", None), ("cursor", Some(&cursor))]);
    let items: Vec<_> = all.iter().map(|(_, record)| record.clone()).collect();
    let mut body = Map::new();
    body.insert(
        "after_url".to_owned(),
        json!(format!(
            "{}{}?{next}",
            api.origin,
            paging::json_path(api.call)
        )),
    );
    body.insert("after_cursor".to_owned(), json!(cursor));
    body.insert("before_url".to_owned(), Value::Null);
    body.insert("before_cursor".to_owned(), Value::Null);
    body.insert("end_of_stream".to_owned(), json!(end_of_stream));
    body.insert(key.to_owned(), Value::Array(items));
    Ok(Answer::json(200, &Value::Object(body)))
}

fn start_time(api: &Api) -> Result<Option<i64>, Answer> {
    let Some(text) = api.call.query.get("start_time") else {
        return Ok(None);
    };
    // tap-zendesk writes `1577836800.0`, and for organizations a date, without an error.
    let whole = text.strip_suffix(".0").unwrap_or(text);
    if let Ok(date) = text.parse::<Timestamp>() {
        return Ok(Some(date.as_second()));
    }
    let start: i64 = whole.parse().map_err(|_| missing_start_time())?;
    if start > api.call.now.as_second() - 60 {
        return Err(errors::unprocessable(
            "StartTimeTooRecent",
            "start_time must be more than 60 seconds ago",
        ));
    }
    Ok(Some(start))
}

fn missing_start_time() -> Answer {
    Answer::json(
        400,
        &json!({"error": "InvalidValue", "description": "Required parameter start_time is missing or invalid"}),
    )
}

fn encode(at: i64, id: u64) -> String {
    URL_SAFE_NO_PAD.encode(format!("{at}||{id}"))
}

fn decode(cursor: &str) -> Result<(i64, u64), Answer> {
    let parse = || {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
        let (at, id) = text.split_once("||")?;
        Some((at.parse().ok()?, id.parse().ok()?))
    };
    parse().ok_or_else(|| {
        Answer::json(
            400,
            &json!({"error": "InvalidCursor", "description": "The cursor is not valid"}),
        )
    })
}

/// Zendesk has 1,000 records per page.
fn pages(api: &Api) -> Rules {
    let size = lock(&api.shared.settings).export_page;
    Rules {
        default_size: size,
        max_size: size,
        ..Rules::LIST
    }
}
