//! `/api/v2/search`

use http::Method;
use serde_json::{Value, json};

use super::{Api, Outcome, errors};
use crate::zendesk::answer::Answer;
use crate::zendesk::paging::{self, Rules};

pub(super) fn serve(api: &Api, path: &[&str]) -> Outcome {
    if !matches!(api.call.method, Method::GET | Method::HEAD) {
        return Err(errors::invalid_endpoint());
    }
    let query = api.call.query.get("query").unwrap_or("");
    if query.is_empty() {
        return Err(errors::unprocessable(
            "invalid",
            "Invalid search: query is missing",
        ));
    }
    match path {
        [] => {
            let found = find(api, query);
            check_depth(api)?;
            let page = paging::by_offset(api.call, api.origin, &found, Rules::LIST)?;
            let mut answer = page;
            answer.envelope.insert("facets".to_owned(), Value::Null);
            Ok(api.list("results", answer))
        }
        ["count"] => Ok(Answer::json(200, &json!({"count": find(api, query).len()}))),
        ["export"] => {
            let kind = api.call.query.get("filter[type]");
            let kind = kind.ok_or_else(|| {
                errors::unprocessable("invalid", "Invalid search: filter[type] is missing")
            })?;
            let found = find(api, &format!("type:{kind} {query}"));
            let rules = Rules {
                max_size: 1000,
                ..Rules::LIST
            };
            let page = paging::by_cursor(api.call, api.origin, &found, rules)?;
            Ok(api.list("results", page))
        }
        _ => Err(errors::invalid_endpoint()),
    }
}

/// Search returns at most a thousand results.
fn check_depth(api: &Api) -> Result<(), Answer> {
    let page = api.call.query.number("page").unwrap_or(1);
    let size = api.call.query.number("per_page").unwrap_or(100).min(100);
    if page.saturating_mul(size) > MAX_RESULTS {
        return Err(errors::unprocessable(
            "invalid",
            "Invalid search: Requested response size was greater than Search Response Limits",
        ));
    }
    Ok(())
}

/// Everything that matches all words of the query: `type:…`, `field:value`, `created>…`, or a word
/// in the texts.
fn find(api: &Api, query: &str) -> Vec<Value> {
    let store = &api.store;
    let kinds = [
        ("ticket", &store.tickets),
        ("user", &store.users),
        ("organization", &store.organizations),
    ];
    let mut found = Vec::new();
    for (kind, records) in kinds {
        for mut record in records.all(&store.seed) {
            if query
                .split_whitespace()
                .all(|word| fits(&record, kind, word))
            {
                record["result_type"] = json!(kind);
                found.push(record);
            }
        }
    }
    found
}

fn fits(record: &Value, kind: &str, word: &str) -> bool {
    if word == "*" {
        return true;
    }
    if let Some((field, value)) = word.split_once(':') {
        return match field {
            "type" => value == kind,
            "tags" => {
                let tags = record["tags"].as_array();
                tags.is_some_and(|tags| tags.iter().any(|tag| tag == value))
            }
            _ => match &record[field] {
                Value::String(text) => text == value,
                Value::Number(number) => number.to_string() == value,
                Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => false,
            },
        };
    }
    if let Some((field, value)) = word.split_once(['<', '>']) {
        let time = record[format!("{field}_at")].as_str().unwrap_or_default();
        return match word.contains('<') {
            true => time < value,
            false => time > value,
        };
    }
    let word = word.to_lowercase();
    ["subject", "description", "name", "email"]
        .iter()
        .any(|key| {
            let text = record[*key].as_str();
            text.is_some_and(|text| text.to_lowercase().contains(&word))
        })
}

const MAX_RESULTS: u64 = 1000;
