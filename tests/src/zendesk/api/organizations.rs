//! `/api/v2/organizations`

use http::Method;
use serde_json::{Value, json};

use super::tickets::{merge, number};
use super::{Api, Outcome, errors};
use crate::zendesk::answer::Answer;
use crate::zendesk::paging::{self, Rules};

pub(super) fn serve(api: &mut Api, path: &[&str]) -> Outcome {
    match (&api.call.method, path) {
        (&Method::GET | &Method::HEAD, []) => {
            let all = api.store.organizations.all(&api.store.seed);
            let page = paging::page(api.call, api.origin, &all, Rules::LIST)?;
            Ok(api.list("organizations", page))
        }
        (&Method::POST, []) => create(api),
        (_, [id]) => one(api, number(id)?),
        _ => Err(errors::invalid_endpoint()),
    }
}

fn create(api: &mut Api) -> Outcome {
    let wanted = api
        .call
        .object("organization")
        .ok_or_else(|| errors::invalid_attribute("organization"))?;
    let name = wanted.get("name").and_then(Value::as_str).unwrap_or("");
    if name.is_empty() {
        return Err(errors::record_invalid(
            "name",
            "Name: cannot be blank",
            "BlankValue",
        ));
    }
    let all = api.store.organizations.all(&api.store.seed);
    if all.iter().any(|known| known["name"] == name) {
        return Err(errors::record_invalid(
            "name",
            "Name: has already been taken",
            "DuplicateValue",
        ));
    }
    let id = api.store.organizations.next_id();
    let now = api.call.now.to_string();
    let url = format!("{}/api/v2/organizations/{id}.json", api.origin);
    let mut organization = json!({
        "id": id,
        "url": url,
        "created_at": now,
        "updated_at": now,
        "domain_names": [],
        "tags": [],
        "organization_fields": {},
    });
    merge(&mut organization, wanted);
    api.store.organizations.put(id, organization.clone());
    Ok(Answer::json(201, &json!({"organization": organization})).header("location", &url))
}

fn one(api: &mut Api, id: u64) -> Outcome {
    let found = api.store.organizations.get(&api.store.seed, id);
    let mut organization = found.ok_or_else(errors::not_found)?;
    match api.call.method {
        Method::GET | Method::HEAD => {}
        Method::PUT => {
            let changes = api
                .call
                .object("organization")
                .ok_or_else(|| errors::invalid_attribute("organization"))?;
            merge(&mut organization, changes);
            organization["updated_at"] = json!(api.call.now.to_string());
            api.store.organizations.put(id, organization.clone());
        }
        Method::DELETE => {
            api.store.organizations.remove(id);
            return Ok(Answer::new(204));
        }
        _ => return Err(errors::invalid_endpoint()),
    }
    Ok(Answer::json(200, &json!({"organization": organization})))
}
