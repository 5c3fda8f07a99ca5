//! `/api/v2/help_center`, with or without a locale.

use http::Method;
use serde_json::{Value, json};

use super::tickets::number;
use super::{Api, Outcome, errors, incremental};
use crate::zendesk::answer::Answer;
use crate::zendesk::paging::{self, Rules};
use crate::zendesk::store::article_attachment;

pub(super) fn serve(api: &Api, path: &[&str]) -> Outcome {
    if !matches!(api.call.method, Method::GET | Method::HEAD) {
        return Err(errors::invalid_endpoint());
    }
    let all = || api.store.articles.all(&api.store.seed);
    match path {
        ["incremental", "articles"] => {
            incremental::by_time(api, "articles", &mut incremental::changes(all()))
        }
        ["articles"] | [_, "articles"] => list(api, "articles", &all()),
        ["articles", "search"] => {
            let wanted = api.call.query.get("query").unwrap_or("").to_lowercase();
            let mut found = all();
            found.retain(|article| {
                let title = article["title"].as_str().unwrap_or("");
                title.to_lowercase().contains(&wanted)
            });
            list(api, "results", &found)
        }
        ["articles", id] | [_, "articles", id] => {
            let article = get(api, id)?;
            Ok(Answer::json(200, &json!({"article": article})))
        }
        ["articles", id, "attachments"] | [_, "articles", id, "attachments"] => {
            let article = get(api, id)?;
            let shown = article["id"].as_u64().map(article_attachment);
            let shown = shown.and_then(|id| show_attachment(api, id));
            list(api, "article_attachments", &Vec::from_iter(shown))
        }
        _ => Err(errors::invalid_endpoint()),
    }
}

fn list(api: &Api, key: &str, all: &[Value]) -> Outcome {
    let page = paging::page(api.call, api.origin, all, Rules::HELP_CENTER)?;
    let link = paging::link(&page.envelope).join(", ");
    let answer = api.list(key, page);
    Ok(if link.is_empty() {
        answer
    } else {
        answer.header("link", &link)
    })
}

fn get(api: &Api, id: &str) -> Result<Value, Answer> {
    let article = api.store.articles.get(&api.store.seed, number(id)?);
    article.ok_or_else(errors::not_found)
}

fn show_attachment(api: &Api, id: u64) -> Option<Value> {
    let file = api.store.file(id)?;
    let origin = api.origin;
    Some(json!({
        "id": id,
        "url": format!("{origin}/api/v2/help_center/articles/attachments/{id}.json"),
        "article_id": null,
        "display_file_name": file.name,
        "file_name": file.name,
        "locale": "en-us",
        "content_url": format!("{origin}/hc/article_attachments/{id}"),
        "relative_path": format!("/hc/article_attachments/{id}"),
        "content_type": file.media_type,
        "size": file.content.len(),
        "inline": true,
    }))
}
