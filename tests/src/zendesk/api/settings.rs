//! What an account is set up with: groups, fields, forms, macros, brands, themes. They are short,
//! never change, and are here because exports and Zendesk's command line read all of them.

use http::Method;
use serde_json::{Value, json};

use super::{Api, Outcome, errors};
use crate::zendesk::paging::{self, Rules};
use crate::zendesk::users;

/// The list at `path`, if it is one of these.
pub(super) fn serve(api: &Api, path: &[&str]) -> Outcome {
    let found = LISTS.iter().find(|(known, _, _)| *known == path);
    let (_, key, records) = found.ok_or_else(errors::invalid_endpoint)?;
    if !matches!(api.call.method, Method::GET | Method::HEAD) {
        return Err(errors::invalid_endpoint());
    }
    let at = api.store.seed.time(0);
    let records: Vec<_> = records()
        .into_iter()
        .map(|mut record| {
            record["created_at"] = json!(at);
            record["updated_at"] = json!(at);
            record
        })
        .collect();
    Ok(api.list(
        key,
        paging::page(api.call, api.origin, &records, Rules::LIST)?,
    ))
}

/// A path, its key in the answer, and its records.
type List = (&'static [&'static str], &'static str, fn() -> Vec<Value>);

const LISTS: &[List] = &[
    (&["groups"], "groups", || {
        vec![json!({"id": GROUP, "name": "Support", "default": true, "deleted": false})]
    }),
    (&["group_memberships"], "group_memberships", || {
        vec![json!({"id": 1, "user_id": users::AGENT, "group_id": GROUP, "default": true})]
    }),
    (&["macros"], "macros", || {
        let action = json!({"field": "status", "value": "solved"});
        vec![json!({"id": 2, "title": "Solve", "active": true, "actions": [action]})]
    }),
    (&["tags"], "tags", || {
        vec![json!({"name": "seeded", "count": 250})]
    }),
    (&["ticket_fields"], "ticket_fields", || {
        vec![json!({"id": FIELD, "type": "text", "title": "Value", "active": true})]
    }),
    (&["ticket_forms"], "ticket_forms", || {
        let form = json!({"id": 3, "name": "Default", "active": true, "ticket_field_ids": [FIELD]});
        vec![form]
    }),
    (&["user_fields"], "user_fields", || {
        vec![json!({"id": 4, "type": "text", "key": "nickname", "title": "Nickname"})]
    }),
    (&["organization_fields"], "organization_fields", || {
        vec![json!({"id": 5, "type": "text", "key": "segment", "title": "Segment"})]
    }),
    (&["satisfaction_ratings"], "satisfaction_ratings", || {
        vec![json!({"id": 6, "ticket_id": 1, "score": "good", "comment": null})]
    }),
    (&["slas", "policies"], "sla_policies", || {
        vec![json!({"id": 7, "title": "Default", "position": 1, "policy_metrics": []})]
    }),
    (&["brands"], "brands", || {
        vec![json!({"id": BRAND, "name": "Acme", "subdomain": "acme", "default": true})]
    }),
    (&["guide", "theming", "themes"], "themes", || {
        vec![json!({"id": "8f3c", "name": "Copenhagen", "brand_id": "1", "live": true})]
    }),
    (
        &["channels", "voice", "phone_numbers"],
        "phone_numbers",
        || vec![json!({"id": 9, "number": "+15550100", "nickname": "Main"})],
    ),
];

const GROUP: u64 = 360_000_000_200;
/// The field of every seeded ticket.
const FIELD: u64 = 360_000_000_001;
/// The brand of every seeded ticket.
const BRAND: u64 = 360_000_000_100;
