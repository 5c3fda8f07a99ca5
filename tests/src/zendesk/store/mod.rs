//! The contents of the simulated account: seeded by rule, changed by requests.

mod collection;
mod seed;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};

pub(super) use collection::Collection;
use seed::seeded_attachment;
pub(super) use seed::{
    Seed, article_attachment, attachment_of_ticket, call_of_ticket, comments, recording,
};

use super::answer::Answer;
use super::users;

/// How much an account contains at first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub(super) tickets: u64,
    pub(super) users: u64,
    pub(super) organizations: u64,
    pub(super) articles: u64,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            tickets: 250,
            users: 120,
            organizations: 30,
            articles: 40,
        }
    }
}

/// The contents of the account.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) seed: Seed,
    pub(super) tickets: Collection,
    pub(super) users: Collection,
    pub(super) organizations: Collection,
    pub(super) articles: Collection,
    /// Comments added to a ticket after its initial ones.
    pub(super) comments: BTreeMap<u64, Vec<Value>>,
    pub(super) jobs: Vec<Job>,
    pub(super) uploads: HashMap<String, Vec<u64>>,
    /// Uploaded files, by the attachment's id.
    pub(super) files: BTreeMap<u64, File>,
    /// Temporary addresses on the files' host: their token, and the attachment's id.
    pub(super) downloads: HashMap<String, u64>,
    pub(super) idempotent: HashMap<String, Idempotent>,
    next: u64,
}

/// A file and the names by which it is found.
#[derive(Clone, Debug)]
pub(super) struct File {
    pub(super) token: String,
    pub(super) name: String,
    pub(super) media_type: String,
    pub(super) content: Bytes,
}

/// Work that Zendesk does in the background. It is done at once; only its report is delayed.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) results: Vec<Value>,
    pub(super) polls: u32,
}

/// The first response to an idempotency key.
#[derive(Clone, Debug)]
pub(super) struct Idempotent {
    pub(super) body: Bytes,
    pub(super) answer: Answer,
    pub(super) at: Timestamp,
}

impl Store {
    pub(super) fn new(origin: Arc<str>, sizes: Sizes) -> Self {
        let seed = Seed::new(origin, sizes);
        Self {
            tickets: Collection::new(seed::FIRST_TICKET, sizes.tickets, seed::ticket),
            users: Collection::new(users::ADMIN, sizes.users, users::seed),
            organizations: Collection::new(
                seed::FIRST_ORGANIZATION,
                sizes.organizations,
                seed::organization,
            ),
            articles: Collection::new(seed::FIRST_ARTICLE, sizes.articles, seed::article),
            comments: BTreeMap::new(),
            jobs: Vec::new(),
            uploads: HashMap::new(),
            files: BTreeMap::new(),
            downloads: HashMap::new(),
            idempotent: HashMap::new(),
            next: FIRST_MADE,
            seed,
        }
    }

    /// A number that isn't in use.
    pub(super) fn next_id(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub(super) fn user(&self, id: u64) -> Option<Value> {
        self.users.get(&self.seed, id)
    }

    /// `admin`, `agent` or `end-user`.
    pub(super) fn role(&self, id: u64) -> String {
        let user = self.user(id).unwrap_or_default();
        user["role"].as_str().unwrap_or("").to_owned()
    }

    /// Whether a user may not act: suspended, or nonexistent.
    pub(super) fn is_suspended(&self, id: u64) -> bool {
        self.user(id).is_none_or(|user| user["suspended"] == true)
    }

    /// Changes a field of a user, as an admin does in Admin Center.
    pub(super) fn set_user(&mut self, id: u64, field: &str, value: Value) {
        if let Some(mut user) = self.user(id) {
            user[field] = value;
            self.users.put(id, user);
        }
    }

    /// The people who may appear on the consent page: id, name, role.
    pub(super) fn people(&self) -> Vec<(u64, String, String)> {
        let text = |user: &Value, key: &str| user[key].as_str().unwrap_or("").to_owned();
        let ids = users::ADMIN..users::ADMIN + users::PEOPLE;
        ids.filter_map(|id| Some((id, self.user(id)?)))
            .map(|(id, user)| (id, text(&user, "name"), text(&user, "role")))
            .collect()
    }

    /// The file of an attachment.
    pub(super) fn file(&self, id: u64) -> Option<File> {
        let file = self.files.get(&id).cloned();
        file.or_else(|| seeded_attachment(&self.seed, id))
    }

    /// The attachment whose address has this token.
    pub(super) fn attachment_by_token(&self, token: &str) -> Option<u64> {
        let uploaded = self.files.iter().find(|(_, file)| file.token == token);
        match uploaded {
            Some((id, _)) => Some(*id),
            None => self.seed.attachment_of_token(token),
        }
    }

    /// An attachment as the API shows it.
    pub(super) fn attachment(&self, id: u64) -> Option<Value> {
        let file = self.file(id)?;
        let origin = &self.seed.origin;
        let content_url = |name: &str| {
            let name: String =
                url::form_urlencoded::byte_serialize(name.as_bytes()).collect::<String>();
            format!("{origin}/attachments/token/{}/?name={name}", file.token)
        };
        let is_image = file.media_type.starts_with("image/");
        let thumbnails = if is_image {
            let name = format!("{}_thumb.png", file.name);
            vec![json!({
                "url": format!("{origin}/api/v2/attachments/{}.json", id + 1),
                "id": id + 1,
                "file_name": name,
                "content_url": content_url(&name),
                "mapped_content_url": content_url(&name),
                "content_type": "image/png",
                "size": 512,
            })]
        } else {
            Vec::new()
        };
        Some(json!({
            "url": format!("{origin}/api/v2/attachments/{id}.json"),
            "id": id,
            "file_name": file.name,
            "content_url": content_url(&file.name),
            "mapped_content_url": content_url(&file.name),
            "content_type": file.media_type,
            "size": file.content.len(),
            "width": is_image.then_some(64),
            "height": is_image.then_some(64),
            "inline": false,
            "deleted": false,
            "malware_access_override": false,
            "malware_scan_result": "malware_not_found",
            "thumbnails": thumbnails,
        }))
    }
}

/// Records created by requests are numbered from here, far from the seeded ones.
const FIRST_MADE: u64 = 55_000_000_000;
