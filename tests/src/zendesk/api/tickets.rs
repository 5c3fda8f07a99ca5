//! `/api/v2/tickets`

use bytes::Bytes;
use http::Method;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{Api, Object, Outcome, errors, jobs};
use crate::zendesk::answer::Answer;
use crate::zendesk::paging::{self, Rules};
use crate::zendesk::store::{Idempotent, attachment_of_ticket, comments};

pub(super) fn serve(api: &mut Api, path: &[&str]) -> Outcome {
    let method = &api.call.method;
    match (method, path) {
        (&Method::GET | &Method::HEAD, []) => list(api),
        (&Method::GET | &Method::HEAD, ["count"]) => Ok(Answer::json(
            200,
            &json!({"count": {"value": api.store.tickets.ids().len(), "refreshed_at": null}}),
        )),
        (&Method::GET | &Method::HEAD, ["show_many"]) => {
            let ids = api.call.query.numbers("ids");
            let found: Vec<_> = ids.iter().filter_map(|id| get(api, *id)).collect();
            let count = found.len();
            Ok(Answer::json(
                200,
                &json!({"tickets": found, "count": count}),
            ))
        }
        (&Method::POST, []) => create(api),
        (&Method::POST, ["create_many"]) => create_many(api),
        (&Method::PUT, ["update_many"]) => update_many(api),
        (&Method::DELETE, ["destroy_many"]) => destroy_many(api),
        (_, [id, rest @ ..]) => one(api, number(id)?, rest),
        _ => Err(errors::invalid_endpoint()),
    }
}

fn one(api: &mut Api, id: u64, path: &[&str]) -> Outcome {
    let ticket = get(api, id).ok_or_else(errors::not_found)?;
    match (&api.call.method, path) {
        (&Method::GET | &Method::HEAD, []) => Ok(Answer::json(200, &json!({"ticket": ticket}))),
        (&Method::PUT, []) => {
            let changes = api
                .call
                .object("ticket")
                .ok_or_else(|| errors::invalid_attribute("ticket"))?;
            let ticket = update(api, id, ticket, changes);
            let audit = json!({"id": 30_000_000_000_u64 + id, "ticket_id": id, "events": []});
            Ok(Answer::json(
                200,
                &json!({"ticket": ticket, "audit": audit}),
            ))
        }
        (&Method::DELETE, []) => {
            api.store.tickets.remove(id);
            Ok(Answer::new(204))
        }
        (&Method::GET | &Method::HEAD, ["comments"]) => {
            let mut all = comments(&api.store.seed, &ticket);
            if let Some(file) = attachment_of_ticket(id)
                && let Some(attachment) = api.store.attachment(file)
            {
                all[0]["attachments"] = json!([attachment]);
            }
            all.extend(api.store.comments.get(&id).into_iter().flatten().cloned());
            let page = paging::page(api.call, api.origin, &all, Rules::LIST)?;
            Ok(api.list("comments", page))
        }
        (&Method::GET | &Method::HEAD, ["audits"]) => {
            let page = paging::page(api.call, api.origin, &audits(api, &ticket), Rules::LIST)?;
            Ok(api.list("audits", page))
        }
        _ => Err(errors::invalid_endpoint()),
    }
}

/// An audit for each comment, with the comment as its only event.
fn audits(api: &Api, ticket: &Value) -> Vec<Value> {
    let id = ticket["id"].as_u64().unwrap_or(0);
    let later = api.store.comments.get(&id).into_iter().flatten().cloned();
    let all = comments(&api.store.seed, ticket).into_iter().chain(later);
    let audit = |comment: Value| {
        json!({
            "id": comment["audit_id"],
            "ticket_id": id,
            "author_id": comment["author_id"],
            "created_at": comment["created_at"],
            "via": comment["via"],
            "metadata": comment["metadata"],
            "events": [comment],
        })
    };
    all.map(audit).collect()
}

fn list(api: &Api) -> Outcome {
    let ids = api.store.tickets.ids();
    let page = paging::page(api.call, api.origin, &ids, Rules::LIST)?;
    let tickets = page.items.iter().filter_map(|id| get(api, *id)).collect();
    Ok(api.list(
        "tickets",
        paging::Page {
            items: tickets,
            envelope: page.envelope,
        },
    ))
}

/// Creates a ticket, once for each idempotency key.
fn create(api: &mut Api) -> Outcome {
    let Some(key) = api.call.header("idempotency-key").map(str::to_owned) else {
        return create_once(api);
    };
    if key.is_empty() || key.len() > MAX_KEY {
        return Err(idempotent_error(
            "Idempotency key must have 1 to 255 characters",
        ));
    }
    let now = api.call.now;
    let known = api.store.idempotent.get(&key);
    if let Some(known) = known.filter(|known| now.duration_since(known.at) < KEY_TTL) {
        if known.body != api.call.body {
            return Err(idempotent_error(
                "Request parameters don't match the given idempotency key",
            ));
        }
        return Ok(known.answer.clone().header("x-idempotency-lookup", "hit"));
    }
    let answer = create_once(api)?;
    let body: Bytes = api.call.body.clone();
    let remembered = Idempotent {
        body,
        answer: answer.clone(),
        at: now,
    };
    api.store.idempotent.insert(key, remembered);
    Ok(answer.header("x-idempotency-lookup", "miss"))
}

fn idempotent_error(description: &str) -> Answer {
    let body = json!({"error": "IdempotentRequestError", "description": description});
    Answer::json(400, &body)
}

fn create_once(api: &mut Api) -> Outcome {
    let wanted = api
        .call
        .object("ticket")
        .ok_or_else(|| errors::invalid_attribute("ticket"))?;
    let ticket = insert(api, wanted)?;
    let location = ticket["url"].as_str().unwrap_or("").to_owned();
    let audit = json!({"id": 30_000_000_000_u64, "ticket_id": ticket["id"], "events": []});
    let body = json!({"ticket": ticket, "audit": audit});
    Ok(Answer::json(201, &body).header("location", &location))
}

fn insert(api: &mut Api, mut wanted: Object) -> Result<Value, Answer> {
    let comment = wanted.remove("comment");
    let text = comment
        .as_ref()
        .and_then(|comment| comment.get("body").or_else(|| comment.get("html_body")))
        .or_else(|| wanted.get("description"))
        .and_then(Value::as_str)
        .map(str::to_owned);
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Err(errors::record_invalid(
            "base",
            "Description: cannot be blank",
            "BlankValue",
        ));
    };
    let id = api.store.tickets.next_id();
    let now = api.call.now.to_string();
    let author = api.visitor.user;
    let mut ticket = json!({
        "url": format!("{}/api/v2/tickets/{id}.json", api.origin),
        "id": id,
        "external_id": null,
        "via": {"channel": "api", "source": {"from": {}, "to": {}, "rel": null}},
        "created_at": now,
        "updated_at": now,
        "type": null,
        "subject": text,
        "raw_subject": text,
        "priority": null,
        "status": "open",
        "requester_id": author,
        "submitter_id": author,
        "assignee_id": author,
        "generated_timestamp": api.call.now.as_second(),
        "recipient": null,
        "organization_id": null,
        "group_id": null,
        "collaborator_ids": [],
        "follower_ids": [],
        "email_cc_ids": [],
        "forum_topic_id": null,
        "problem_id": null,
        "has_incidents": false,
        "due_at": null,
        "tags": [],
        "custom_fields": [],
        "satisfaction_rating": null,
        "sharing_agreement_ids": [],
        "custom_status_id": null,
        "encoded_id": format!("LD{id:04}-NEW"),
        "fields": [],
        "followup_ids": [],
        "ticket_form_id": null,
        "brand_id": 360_000_000_100_u64,
        "allow_channelback": false,
        "allow_attachments": true,
        "from_messaging_channel": false,
        "support_type": "agent",
        "is_public": true,
    });
    merge(&mut ticket, wanted);
    // A user who creates a ticket without a requester is its requester.
    for person in ["requester_id", "submitter_id"] {
        if ticket[person].is_null() {
            ticket[person] = json!(author);
        }
    }
    ticket["description"] = json!(text);
    ticket["raw_subject"] = ticket["subject"].clone();
    api.store.tickets.put(id, ticket.clone());
    if let Some(comment) = comment {
        add_comment(api, id, &comment);
    }
    Ok(ticket)
}

fn update(api: &mut Api, id: u64, mut ticket: Value, mut changes: Object) -> Value {
    let comment = changes.remove("comment");
    merge(&mut ticket, changes);
    ticket["updated_at"] = json!(api.call.now.to_string());
    api.store.tickets.put(id, ticket.clone());
    if let Some(comment) = comment {
        add_comment(api, id, &comment);
    }
    ticket
}

fn add_comment(api: &mut Api, ticket: u64, comment: &Value) {
    let id = api.store.next_id();
    let uploads = comment["uploads"].as_array().cloned().unwrap_or_default();
    let attachments: Vec<_> = uploads
        .iter()
        .filter_map(Value::as_str)
        .filter_map(|token| api.store.uploads.get(token))
        .flatten()
        .filter_map(|file| api.store.attachment(*file))
        .collect();
    let text = comment["body"].as_str().or(comment["html_body"].as_str());
    let comment = json!({
        "id": id,
        "type": "Comment",
        "author_id": api.visitor.user,
        "body": text,
        "html_body": comment["html_body"].as_str().map_or_else(
            || format!("<div class=\"zd-comment\"><p>{}</p></div>", text.unwrap_or("")),
            str::to_owned,
        ),
        "plain_body": text,
        "public": comment["public"].as_bool().unwrap_or(true),
        "attachments": attachments,
        "audit_id": id,
        "via": {"channel": "api", "source": {"from": {}, "to": {}, "rel": null}},
        "created_at": api.call.now.to_string(),
        "metadata": {"system": {}, "custom": {}},
    });
    api.store.comments.entry(ticket).or_default().push(comment);
}

fn create_many(api: &mut Api) -> Outcome {
    let wanted = api
        .call
        .objects("tickets")
        .ok_or_else(|| errors::invalid_attribute("tickets"))?;
    let mut results = Vec::new();
    for (index, wanted) in wanted.into_iter().enumerate() {
        results.push(match insert(api, wanted) {
            Ok(ticket) => json!({
                "action": "create", "status": "Created", "success": true,
                "id": ticket["id"], "index": index,
            }),
            Err(_) => json!({
                "action": "create", "status": "Failed", "success": false, "index": index,
                "error": "TicketCreateFailed", "details": "Description: cannot be blank",
            }),
        });
    }
    Ok(jobs::start(api, "Bulk Create Ticket", results))
}

/// Changes many tickets: the same change for all `ids`, or one change for each.
fn update_many(api: &mut Api) -> Outcome {
    let ids = api.call.query.numbers("ids");
    let changes: Vec<(u64, Object)> = if ids.is_empty() {
        let all = api.call.objects("tickets");
        let all = all.ok_or_else(|| errors::invalid_attribute("tickets"))?;
        let id = |object: &Object| object.get("id").and_then(Value::as_u64);
        all.into_iter()
            .filter_map(|object| Some((id(&object)?, object)))
            .collect()
    } else {
        let one = api.call.object("ticket");
        let one = one.ok_or_else(|| errors::invalid_attribute("ticket"))?;
        ids.into_iter().map(|id| (id, one.clone())).collect()
    };
    let mut results = Vec::new();
    for (id, change) in changes {
        let found = get(api, id);
        let success = found.is_some();
        if let Some(ticket) = found {
            update(api, id, ticket, change);
        }
        let status = if success { "Updated" } else { "Failed" };
        results.push(json!({"action": "update", "id": id, "status": status, "success": success}));
    }
    Ok(jobs::start(api, "Bulk Update Ticket", results))
}

fn destroy_many(api: &mut Api) -> Outcome {
    let results = api.call.query.numbers("ids").into_iter().map(|id| {
        let success = api.store.tickets.remove(id);
        let status = if success { "Deleted" } else { "Failed" };
        json!({"action": "delete", "id": id, "status": status, "success": success})
    });
    let results = results.collect();
    Ok(jobs::start(api, "Bulk Delete Ticket", results))
}

fn get(api: &Api, id: u64) -> Option<Value> {
    api.store.tickets.get(&api.store.seed, id)
}

pub(super) fn number(id: &str) -> Result<u64, Answer> {
    id.parse().map_err(|_| errors::not_found())
}

/// Applies the fields that a client may change.
pub(super) fn merge(record: &mut Value, changes: Object) {
    for (key, value) in changes {
        if !matches!(key.as_str(), "id" | "url" | "created_at" | "updated_at") {
            record[key] = value;
        }
    }
}

/// Longer keys are refused.
const MAX_KEY: usize = 255;
/// How long a key is remembered.
const KEY_TTL: SignedDuration = SignedDuration::from_hours(2);
