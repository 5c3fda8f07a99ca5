//! `/api/v2/agent_availabilities`: JSON:API, with pages within a page.

use http::Method;
use serde_json::{Map, Value, json};

use super::tickets::number;
use super::{Api, Outcome, errors};
use crate::zendesk::answer::Answer;
use crate::zendesk::paging::{self, Page, Rules};

pub(super) fn serve(api: &Api, path: &[&str]) -> Outcome {
    if !matches!(api.call.method, Method::GET | Method::HEAD) {
        return Err(errors::invalid_endpoint());
    }
    match path {
        [] => {
            let users = api.store.users.all(&api.store.seed);
            let agents = users.iter().filter(|user| user["role"] == "agent");
            let agents: Vec<_> = agents.filter_map(|agent| agent["id"].as_u64()).collect();
            let page = paging::by_cursor(api.call, api.origin, &agents, RULES)?;
            let data = page.items.iter().map(|id| agent(api, *id)).collect();
            let included = page.items.iter().map(|id| channel(api, *id)).collect();
            let mut envelope = page.envelope;
            envelope.insert("included".to_owned(), Value::Array(included));
            Ok(document(data, envelope))
        }
        [id] => {
            let id = number(id)?;
            let mut body = Map::new();
            body.insert("data".to_owned(), agent(api, id));
            body.insert("included".to_owned(), json!([channel(api, id)]));
            Ok(Answer::json(200, &Value::Object(body)))
        }
        [id, "channels", CHANNEL, "relationships", "work_items"] => {
            let Page { items, envelope } =
                paging::by_cursor(api.call, api.origin, &work_items(number(id)?), WORK)?;
            Ok(document(items, envelope))
        }
        _ => Err(errors::invalid_endpoint()),
    }
}

/// Each page linked in a document is also a line of `Link`.
fn document(data: Vec<Value>, mut envelope: Map<String, Value>) -> Answer {
    let lines = paging::link(&envelope);
    envelope.insert("data".to_owned(), Value::Array(data));
    let answer = Answer::json(200, &Value::Object(envelope));
    lines
        .iter()
        .fold(answer, |answer, line| answer.header("link", line))
}

fn agent(api: &Api, id: u64) -> Value {
    let origin = api.origin;
    json!({
        "type": "agent_availabilities",
        "id": format!("agent_availabilities|{id}"),
        "attributes": {"agent_id": id, "group_ids": [1], "version": 236},
        "links": {"self": format!("{origin}/api/v2/agent_availabilities/{id}")},
        "relationships": {"channels": {"data": [{"type": "channels", "id": name(id)}]}},
    })
}

/// A channel with the first of the agent's work items.
fn channel(api: &Api, id: u64) -> Value {
    let first = WORK.default_size;
    let next = format!(
        "{}/api/v2/agent_availabilities/{id}/channels/{CHANNEL}/relationships/work_items?page%5Bafter%5D={}",
        api.origin,
        paging::encode(first),
    );
    json!({
        "type": "channels",
        "id": name(id),
        "attributes": {"name": CHANNEL, "status": "online", "work_item_count": ITEMS},
        "relationships": {"work_items": {
            "data": &work_items(id)[..first],
            "links": {"next": next},
            "meta": {"has_more": true},
        }},
    })
}

fn work_items(id: u64) -> Vec<Value> {
    let item = |n| json!({"type": "work_items", "id": format!("{}|work_items|{n}", name(id))});
    (1..=ITEMS).map(item).collect()
}

fn name(id: u64) -> String {
    format!("agent_availabilities|{id}|channels|{CHANNEL}")
}

const CHANNEL: &str = "messaging";
const ITEMS: usize = 5;

const RULES: Rules = Rules {
    default_size: 3,
    ..Rules::LIST
};
const WORK: Rules = Rules {
    default_size: 2,
    ..Rules::LIST
};
