//! `/api/v2/users`

use http::Method;
use serde_json::{Value, json};

use super::tickets::{merge, number};
use super::{Api, Outcome, errors};
use crate::zendesk::answer::Answer;
use crate::zendesk::paging::{self, Page, Rules};
use crate::zendesk::users::anonymous;

pub(super) fn serve(api: &mut Api, path: &[&str]) -> Outcome {
    match (&api.call.method, path) {
        (&Method::GET | &Method::HEAD, ["me"]) => Ok(me(api)),
        (&Method::GET | &Method::HEAD, []) => {
            let role = api.call.query.get("role").map(str::to_owned);
            list(api, |user| {
                role.as_deref().is_none_or(|role| user["role"] == role)
            })
        }
        (&Method::GET | &Method::HEAD, ["search"]) => {
            let wanted = api.call.query.get("query").unwrap_or("").to_lowercase();
            let wanted = wanted.strip_prefix("email:").unwrap_or(&wanted).to_owned();
            list(api, |user| {
                let has = |key: &str| {
                    user[key]
                        .as_str()
                        .is_some_and(|text| text.to_lowercase().contains(&wanted))
                };
                has("name") || has("email")
            })
        }
        (&Method::GET | &Method::HEAD, ["count"]) => Ok(Answer::json(
            200,
            &json!({"count": {"value": api.store.users.ids().len(), "refreshed_at": null}}),
        )),
        (&Method::GET | &Method::HEAD, ["show_many"]) => {
            let ids = api.call.query.numbers("ids");
            let found: Vec<_> = ids.iter().filter_map(|id| api.store.user(*id)).collect();
            let count = found.len();
            Ok(Answer::json(200, &json!({"users": found, "count": count})))
        }
        (&Method::POST, []) => create(api),
        (_, [id]) => one(api, number(id)?),
        _ => Err(errors::invalid_endpoint()),
    }
}

/// Always responds with 200: without credentials, as "Anonymous user".
fn me(api: &Api) -> Answer {
    let user = api.visitor.user.and_then(|id| api.store.user(id));
    let mut user = user.unwrap_or_else(anonymous);
    user["authenticity_token"] = json!("simulated");
    Answer::json(200, &json!({"user": user}))
}

fn list(api: &Api, fits: impl Fn(&Value) -> bool) -> Outcome {
    let mut all = api.store.users.all(&api.store.seed);
    all.retain(fits);
    let page: Page<Value> = paging::page(api.call, api.origin, &all, Rules::LIST)?;
    Ok(api.list("users", page))
}

fn create(api: &mut Api) -> Outcome {
    let wanted = api
        .call
        .object("user")
        .ok_or_else(|| errors::invalid_attribute("user"))?;
    let name = wanted.get("name").and_then(Value::as_str).unwrap_or("");
    if name.is_empty() {
        return Err(errors::record_invalid(
            "name",
            "Name: cannot be blank",
            "BlankValue",
        ));
    }
    if let Some(email) = wanted.get("email").filter(|email| !email.is_null()) {
        let all = api.store.users.all(&api.store.seed);
        if all.iter().any(|user| user["email"] == *email) {
            return Err(errors::record_invalid(
                "email",
                &format!(
                    "Email: {} is already being used by another user",
                    email.as_str().unwrap_or("")
                ),
                "DuplicateValue",
            ));
        }
    }
    let id = api.store.users.next_id();
    let now = api.call.now.to_string();
    let mut user = json!({
        "id": id,
        "url": format!("{}/api/v2/users/{id}.json", api.origin),
        "created_at": now,
        "updated_at": now,
        "role": "end-user",
        "active": true,
        "suspended": false,
        "is_billing_admin": false,
        "verified": false,
        "tags": [],
        "user_fields": {},
    });
    merge(&mut user, wanted);
    api.store.users.put(id, user.clone());
    // Relative, as documented for users.
    Ok(Answer::json(201, &json!({"user": user}))
        .header("location", &format!("/api/v2/users/{id}.json")))
}

fn one(api: &mut Api, id: u64) -> Outcome {
    let mut user = api.store.user(id).ok_or_else(errors::not_found)?;
    match api.call.method {
        Method::GET | Method::HEAD => {}
        Method::PUT => {
            let changes = api
                .call
                .object("user")
                .ok_or_else(|| errors::invalid_attribute("user"))?;
            merge(&mut user, changes);
            user["updated_at"] = json!(api.call.now.to_string());
            api.store.users.put(id, user.clone());
        }
        Method::DELETE => {
            api.store.users.remove(id);
            user["active"] = json!(false);
        }
        _ => return Err(errors::invalid_endpoint()),
    }
    Ok(Answer::json(200, &json!({"user": user})))
}
