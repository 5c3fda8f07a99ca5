//! `/api/v2/job_statuses`

use http::Method;
use serde_json::{Value, json};

use super::{Api, Outcome, errors};
use crate::zendesk::answer::Answer;
use crate::zendesk::oauth::random_text;
use crate::zendesk::paging::{self, Rules};
use crate::zendesk::store::Job;

pub(super) fn serve(api: &mut Api, path: &[&str]) -> Outcome {
    if !matches!(api.call.method, Method::GET | Method::HEAD) {
        return Err(errors::invalid_endpoint());
    }
    let origin = api.origin.to_owned();
    match path {
        [] => {
            let all: Vec<_> = api
                .store
                .jobs
                .iter()
                .map(|job| show(job, &origin))
                .collect();
            let page = paging::page(api.call, &origin, &all, Rules::LIST)?;
            Ok(api.list("job_statuses", page))
        }
        ["show_many"] => {
            let wanted = api.call.query.get("ids").unwrap_or("");
            let wanted: Vec<_> = wanted.split(',').collect();
            let found = api.store.jobs.iter_mut();
            let found = found.filter(|job| wanted.contains(&job.id.as_str()));
            let found: Vec<_> = found.map(|job| poll(job, &origin)).collect();
            Ok(Answer::json(200, &json!({"job_statuses": found})))
        }
        [id] => {
            let job = api.store.jobs.iter_mut().find(|job| job.id == *id);
            let job = job.ok_or_else(errors::not_found)?;
            Ok(Answer::json(
                200,
                &json!({"job_status": poll(job, &origin)}),
            ))
        }
        _ => Err(errors::invalid_endpoint()),
    }
}

/// 32 digits, like Zendesk's job ids.
fn hexadecimal(text: &str) -> String {
    text.bytes()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Starts a job, whose work is already done.
pub(super) fn start(api: &mut Api, kind: &str, results: Vec<Value>) -> Answer {
    let job = Job {
        id: hexadecimal(&random_text()),
        kind: kind.to_owned(),
        results,
        polls: 0,
    };
    let shown = show(&job, api.origin);
    api.store.jobs.push(job);
    Answer::json(200, &json!({"job_status": shown}))
}

fn poll(job: &mut Job, origin: &str) -> Value {
    job.polls += 1;
    show(job, origin)
}

/// Queued when it starts, working at the first poll, completed at the second.
fn show(job: &Job, origin: &str) -> Value {
    let total = job.results.len();
    let (status, progress, message) = match job.polls {
        0 => ("queued", json!(null), json!(null)),
        1 => ("working", json!(total / 2), json!(null)),
        _ => ("completed", json!(total), json!("Completed")),
    };
    json!({
        "id": job.id,
        "job_type": job.kind,
        "url": format!("{origin}/api/v2/job_statuses/{}.json", job.id),
        "total": total,
        "progress": progress,
        "status": status,
        "message": message,
        "results": (job.polls > 1).then_some(&job.results),
    })
}
