//! The rules by which an account's contents are made: the same in every run.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{File, Sizes};
use crate::zendesk::users;

/// What every rule needs.
#[derive(Clone, Debug)]
pub(in crate::zendesk) struct Seed {
    /// The origin in absolute URLs.
    pub(in crate::zendesk) origin: Arc<str>,
    sizes: Sizes,
}

impl Seed {
    pub(super) fn new(origin: Arc<str>, sizes: Sizes) -> Self {
        Self { origin, sizes }
    }

    /// When the record with that index was created: an hour after the one before.
    pub(in crate::zendesk) fn time(&self, index: u64) -> String {
        let hours = i64::try_from(index).unwrap_or(0);
        let time = EPOCH.checked_add(SignedDuration::from_hours(hours));
        time.unwrap_or(EPOCH).to_string()
    }

    pub(in crate::zendesk) fn organization(&self, index: u64) -> u64 {
        FIRST_ORGANIZATION + index % self.sizes.organizations.max(1)
    }

    /// The attachment that a seeded token belongs to.
    pub(super) fn attachment_of_token(&self, token: &str) -> Option<u64> {
        let decoded = URL_SAFE_NO_PAD.decode(token).ok()?;
        let id: u64 = std::str::from_utf8(&decoded)
            .ok()?
            .strip_prefix(TOKEN_PREFIX)?
            .parse()
            .ok()?;
        seeded_attachment(self, id).map(|_| id)
    }

    fn customer(&self, index: u64) -> u64 {
        users::END_USER + (index * 7) % self.sizes.users.saturating_sub(10).max(1)
    }
}

/// A ticket. Every tenth one's text is full of URLs of the account's own origin, which a client
/// must not change.
pub(super) fn ticket(seed: &Seed, id: u64) -> Value {
    let index = id - FIRST_TICKET;
    let origin = &seed.origin;
    let at = seed.time(index);
    let topic = TOPICS[usize::try_from(index).unwrap_or(0) % TOPICS.len()];
    let subject = format!("{topic} (#{id})");
    let statuses = ["new", "open", "pending", "hold", "solved", "closed"];
    let status = statuses[usize::try_from(index).unwrap_or(0) % statuses.len()];
    json!({
        "url": format!("{origin}/api/v2/tickets/{id}.json"),
        "id": id,
        "external_id": null,
        "via": {"channel": "web", "source": {"from": {}, "to": {}, "rel": null}},
        "created_at": at,
        "updated_at": at,
        "generated_timestamp": EPOCH.as_second() + 3600 * i64::try_from(index).unwrap_or(0),
        "type": if index.is_multiple_of(3) { "problem" } else { "question" },
        "subject": subject,
        "raw_subject": subject,
        "description": description(seed, id, topic),
        "priority": if index.is_multiple_of(4) { "high" } else { "normal" },
        "status": status,
        "recipient": null,
        "requester_id": seed.customer(index),
        "submitter_id": seed.customer(index),
        "assignee_id": users::AGENT,
        "organization_id": seed.organization(index),
        "group_id": null,
        "collaborator_ids": [],
        "follower_ids": [],
        "email_cc_ids": [],
        "forum_topic_id": null,
        "problem_id": null,
        "has_incidents": false,
        "is_public": true,
        "due_at": null,
        "tags": ["seeded", format!("topic_{}", index % 8)],
        "custom_fields": [{"id": 360_000_000_001_u64, "value": format!("value {index}")}],
        "satisfaction_rating": null,
        "sharing_agreement_ids": [],
        "custom_status_id": null,
        "encoded_id": format!("LD{id:04}-{:04X}", index % 0xffff),
        "fields": [{"id": 360_000_000_001_u64, "value": format!("value {index}")}],
        "followup_ids": [],
        "ticket_form_id": null,
        "brand_id": 360_000_000_100_u64,
        "allow_channelback": false,
        "allow_attachments": true,
        "from_messaging_channel": false,
        "support_type": "agent",
    })
}

fn description(seed: &Seed, id: u64, topic: &str) -> String {
    let origin = &seed.origin;
    if (id - FIRST_TICKET).is_multiple_of(10) {
        return format!(
            "{topic}.\nSee {origin}/api/v2/tickets/{id}.json, {origin}/agent/tickets/{id} and \
             {origin}/attachments/token/abc/?name=x.png.\n\"next_page\":\"{origin}/api/v2/x.json\""
        );
    }
    format!("{topic}.\nZażółć gęślą jaźń, 你好, \u{1F600} <b>&amp;</b> \\ \"quoted\"\ttab")
}

/// A ticket's initial comments.
pub(in crate::zendesk) fn comments(seed: &Seed, ticket: &Value) -> Vec<Value> {
    let id = ticket["id"].as_u64().unwrap_or(0);
    let origin = &seed.origin;
    let text = ticket["description"].as_str().unwrap_or("");
    let reply = format!("Thank you. Please read {origin}/hc/en-us/articles/{FIRST_ARTICLE}.");
    let comment = |number: u64, author: &Value, text: &str, html: String| {
        json!({
            "id": 29_000_000_000_u64 + id * 10 + number,
            "type": "Comment",
            "author_id": author,
            "body": text,
            "html_body": html,
            "plain_body": text,
            "public": true,
            "attachments": [],
            "audit_id": 30_000_000_000_u64 + id * 10 + number,
            "via": ticket["via"],
            "created_at": ticket["created_at"],
            "metadata": {"system": {}, "custom": {}},
        })
    };
    let mut all = vec![
        comment(1, &ticket["requester_id"], text, format!("<p>{text}</p>")),
        comment(
            2,
            &json!(users::AGENT),
            &reply,
            format!(
                "<div class=\"zd-comment\"><a href=\"{origin}/hc/en-us/articles/{FIRST_ARTICLE}\">\
                 article</a> <img src=\"{origin}/attachments/token/abc/?name=inline.png\"></div>"
            ),
        ),
    ];
    if let Some(call) = call_of_ticket(id) {
        let mut voice = comment(
            3,
            &json!(users::AGENT),
            "Call from a customer",
            String::new(),
        );
        voice["type"] = json!("VoiceComment");
        voice["data"] = json!({
            "from": "+14155550199",
            "to": "+14155550100",
            "recording_url":
                format!("{origin}/api/v2/channels/voice/calls/{call}/twilio/recording"),
            "recorded": true,
            "call_id": id,
            "call_duration": 73,
        });
        all.push(voice);
    }
    all
}

/// The call that every fifth ticket originates from, the fourth being the first of them.
pub(in crate::zendesk) fn call_of_ticket(ticket: u64) -> Option<String> {
    (ticket % 5 == 4).then(|| format!("CA13d7382d3624c770481166c987{ticket:06}"))
}

/// What was said in a call.
pub(in crate::zendesk) fn recording(seed: &Seed, call: &str) -> Option<Bytes> {
    let mut tickets = FIRST_TICKET..FIRST_TICKET + seed.sizes.tickets;
    tickets.find(|ticket| call_of_ticket(*ticket).as_deref() == Some(call))?;
    let mut content = b"ID3\x04".to_vec();
    content.extend(format!("{call} \u{fb}\n").bytes().cycle().take(30_000));
    Some(Bytes::from(content))
}

/// The file attached to the first comment of every fifth ticket; the next id is its thumbnail's.
pub(in crate::zendesk) fn attachment_of_ticket(ticket: u64) -> Option<u64> {
    let index = ticket.checked_sub(FIRST_TICKET)?;
    index
        .is_multiple_of(5)
        .then(|| FIRST_ATTACHMENT + 2 * ticket)
}

/// The file that an article displays.
pub(in crate::zendesk) fn article_attachment(article: u64) -> u64 {
    FIRST_ARTICLE_ATTACHMENT + article - FIRST_ARTICLE
}

/// The file of a seeded attachment.
pub(in crate::zendesk) fn seeded_attachment(seed: &Seed, id: u64) -> Option<File> {
    let of_tickets = FIRST_ATTACHMENT..=FIRST_ATTACHMENT + 2 * (FIRST_TICKET + seed.sizes.tickets);
    let of_articles = FIRST_ARTICLE_ATTACHMENT..FIRST_ARTICLE_ATTACHMENT + seed.sizes.articles;
    let (name, media_type) = if of_tickets.contains(&id) {
        ("screen shot.png", "image/png")
    } else if of_articles.contains(&id) {
        ("diagram.png", "image/png")
    } else {
        return None;
    };
    let mut content = b"\x89PNG\r\n\x1a\n".to_vec();
    let line = format!("file {id} of the simulated Zendesk\n");
    content.extend(line.bytes().cycle().take(20_000));
    Some(File {
        token: URL_SAFE_NO_PAD.encode(format!("{TOKEN_PREFIX}{id}")),
        name: name.to_owned(),
        media_type: media_type.to_owned(),
        content: Bytes::from(content),
    })
}

pub(super) fn organization(seed: &Seed, id: u64) -> Value {
    let index = id - FIRST_ORGANIZATION;
    let at = seed.time(index);
    json!({
        "url": format!("{}/api/v2/organizations/{id}.json", seed.origin),
        "id": id,
        "name": format!("Organization {}", index + 1),
        "shared_tickets": false,
        "shared_comments": false,
        "external_id": null,
        "created_at": at,
        "updated_at": at,
        "domain_names": [format!("org{}.example.com", index + 1)],
        "details": "",
        "notes": format!("wiki: {}/hc/en-us", seed.origin),
        "group_id": null,
        "tags": [],
        "organization_fields": {},
    })
}

/// An article, whose HTML is full of absolute URLs of the account's own origin.
pub(super) fn article(seed: &Seed, id: u64) -> Value {
    let index = id - FIRST_ARTICLE;
    let origin = &seed.origin;
    let at = seed.time(index);
    let title = format!(
        "How to: {}",
        TOPICS[usize::try_from(index).unwrap_or(0) % TOPICS.len()]
    );
    let next = FIRST_ARTICLE + (index + 1) % seed.sizes.articles.max(1);
    let image = article_attachment(id);
    let body = format!(
        "<p>Read <a href=\"{origin}/hc/en-us/articles/{next}\">the next one</a> and \
         <a href='{origin}/api/v2/help_center/articles/{next}.json'>its source</a>.</p>\n\
         <p><img src=\"{origin}/hc/article_attachments/{image}\" alt=\"diagram\"> \
         <a href=\"{origin}/attachments/token/abc/?name=manual.pdf\">manual</a></p>\n\
         <pre>curl {origin}/api/v2/tickets.json?page=2 | jq '.\"next_page\"'</pre>"
    );
    json!({
        "id": id,
        "url": format!("{origin}/api/v2/help_center/en-us/articles/{id}.json"),
        "html_url": format!("{origin}/hc/en-us/articles/{id}"),
        "author_id": users::ADMIN,
        "comments_disabled": false,
        "draft": false,
        "promoted": false,
        "position": 0,
        "vote_sum": 3,
        "vote_count": 3,
        "section_id": 28_500_000_001_u64,
        "created_at": at,
        "updated_at": at,
        "name": title,
        "title": title,
        "source_locale": "en-us",
        "locale": "en-us",
        "outdated": false,
        "outdated_locales": [],
        "edited_at": at,
        "user_segment_id": null,
        "permission_group_id": 28_600_000_001_u64,
        "content_tag_ids": [],
        "label_names": [],
        "body": body,
    })
}

pub(super) const FIRST_TICKET: u64 = 1;
pub(super) const FIRST_ORGANIZATION: u64 = 27_000_000_001;
pub(super) const FIRST_ARTICLE: u64 = 28_000_000_001;
const FIRST_ATTACHMENT: u64 = 31_000_000_000;
const FIRST_ARTICLE_ATTACHMENT: u64 = 32_000_000_001;
const TOKEN_PREFIX: &str = "seeded attachment ";
/// 2026-01-05T08:00:00Z
const EPOCH: Timestamp = Timestamp::constant(1_767_600_000, 0);
const TOPICS: [&str; 8] = [
    "Printer is on fire",
    "Can't log in since Tuesday",
    "Invoice shows the wrong address",
    "Où est ma commande ?",
    "Request: dark mode",
    "App crashes on start",
    "Passwort zurücksetzen",
    "Refund for order 4711",
];
