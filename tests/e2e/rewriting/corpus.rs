//! Bodies as Zendesk sends them, made the same in every run.
//!
//! [`FOLLOWED`] marks the beginning of a URL that scripts follow, [`THEIRS`] that of a URL that
//! must not change: what is sent and what should arrive differ only in what these are replaced by.

use serde_json::{Value, json};

/// The origin of a URL that becomes local.
pub(super) const FOLLOWED: &str = "@followed@";
/// The origin of a URL that is passed on unchanged.
pub(super) const THEIRS: &str = "@theirs@";

/// One body.
pub(super) struct Document {
    pub(super) name: &'static str,
    pub(super) media_type: &'static str,
    text: String,
}

impl Document {
    fn json(name: &'static str, text: impl Into<String>) -> Self {
        Self {
            name,
            media_type: "application/json; charset=utf-8",
            text: text.into(),
        }
    }

    /// The body with these origins.
    pub(super) fn with(&self, followed: &str, theirs: &str) -> String {
        self.text
            .replace(FOLLOWED, followed)
            .replace(THEIRS, theirs)
    }

    /// How many URLs of each kind it contains.
    pub(super) fn counts(&self) -> (usize, usize) {
        let count = |mark| self.text.matches(mark).count();
        (count(FOLLOWED), count(THEIRS))
    }

    /// The same with every slash escaped, as some JSON writers do.
    pub(super) fn with_escaped_slashes(&self) -> Self {
        Self {
            text: self.text.replace('/', r"\/"),
            ..*self
        }
    }
}

/// All of them.
pub(super) fn documents() -> Vec<Document> {
    vec![
        Document::json("articles", articles().to_string()),
        Document::json("export", export().to_string()),
        Document::json("export, for people", pretty(&export_of(20))),
        Document::json("search", search().to_string()),
        Document::json("cursor page", cursor_page().to_string()),
        Document::json("job status", job(FOLLOWED, 3).to_string()),
        Document::json("job statuses", job_statuses().to_string()),
        Document::json("upload", upload().to_string()),
        Document::json("users with photos", users().to_string()),
        Document::json("agent availability", availability().to_string()),
        Document::json("calls and files of articles", calls().to_string()),
        Document::json("spellings", SPELLINGS),
        Document::json("several values", SEVERAL),
        Document::json("byte order mark", format!("\u{feff}{}", cursor_page())),
        Document::json("broken off", BROKEN),
        Document {
            name: "vendor type",
            media_type: "application/vnd.api+json",
            text: cursor_page().to_string(),
        },
        Document {
            name: "plain text",
            media_type: "text/plain; charset=utf-8",
            text: cursor_page().to_string().replace(FOLLOWED, THEIRS),
        },
        Document {
            name: "web page",
            media_type: "text/html; charset=utf-8",
            text: html(&mut Dice(9), 200),
        },
    ]
}

/// A page of the help center: the HTML of each article is full of absolute links.
fn articles() -> Value {
    let mut dice = Dice(1);
    let articles: Vec<_> = (0..30)
        .map(|n| {
            json!({
                "id": 360_000_000_000_u64 + n,
                "url": format!("{THEIRS}/api/v2/help_center/en-us/articles/{n}.json"),
                "html_url": format!("{THEIRS}/hc/en-us/articles/{n}"),
                "title": format!("Article {n}: \"next_page\":\"{THEIRS}/api/v2/x\""),
                "body": html(&mut dice, 25),
                "label_names": ["next_page", "links", "content_url"],
                "user_segment_id": null,
                "links": {"next": format!("{THEIRS}/api/v2/not/at/the/top")},
            })
        })
        .collect();
    json!({
        "count": 90,
        "next_page": format!("{FOLLOWED}/api/v2/help_center/en-us/articles.json?page=2&per_page=30"),
        "page": 1,
        "page_count": 3,
        "per_page": 30,
        "previous_page": null,
        "articles": articles,
        "sort_by": "position",
    })
}

/// HTML with that many links, of every kind that people write.
fn html(dice: &mut Dice, links: usize) -> String {
    let mut html = String::from("<h2 id=\"h_01\">Überblick \u{1f4a1}</h2>\n");
    for n in 0..links {
        let path = match dice.roll(6) {
            0 => format!("/hc/en-us/articles/{n}-A-title"),
            1 => format!("/api/v2/help_center/articles/{n}.json?a=b&amp;c=d"),
            2 => format!(
                "/attachments/token/{:x}/?name=a%20picture.png",
                dice.roll(1 << 30)
            ),
            3 => format!("/hc/article_attachments/{n}"),
            4 => format!("/agent/tickets/{n}"),
            _ => String::new(),
        };
        html.push_str(&format!(
            "<p>See <a href=\"{THEIRS}{path}\" target='_blank'>this</a>, or \
             <img src=\"{THEIRS}{path}\" alt=\"\\\" /> {{\"content_url\":\"{THEIRS}{path}\"}}\t</p>\r\n"
        ));
    }
    html
}

fn export() -> Value {
    export_of(1000)
}

/// A page of the incremental export by cursor.
fn export_of(count: u64) -> Value {
    let mut dice = Dice(2);
    let tickets: Vec<_> = (0..count)
        .map(|n| {
            let mut ticket = json!({
                "url": format!("{THEIRS}/api/v2/tickets/{n}.json"),
                "id": n,
                "external_id": format!("{THEIRS}/api/v2/tickets/{n}"),
                "via": {"channel": "web", "source": {"from": {"url": format!("{THEIRS}/api/v2/via")}}},
                "subject": format!("Ticket {n} \\ / \u{2028}"),
                "description": html(&mut dice, 2),
                "custom_fields": [
                    {"id": 1, "value": format!("{THEIRS}/api/v2/custom")},
                    {"id": 2, "value": {"next_page": format!("{THEIRS}/api/v2/custom")}},
                ],
                "after_url": format!("{THEIRS}/api/v2/not/at/the/top"),
                "score": dice.roll(1000) as f64 / 8.0,
            });
            if n % 5 == 0 {
                ticket["attachments"] = json!([attachment(n)]);
            }
            ticket
        })
        .collect();
    json!({
        "tickets": tickets,
        "after_url": format!("{FOLLOWED}/api/v2/incremental/tickets/cursor.json?cursor=MTU3NjYx%3D%3D"),
        "before_url": null,
        "after_cursor": "MTU3NjYx==",
        "end_of_stream": false,
    })
}

fn search() -> Value {
    let results: Vec<_> = (0..100)
        .map(|n| {
            json!({
                "result_type": if n % 2 == 0 { "ticket" } else { "user" },
                "url": format!("{THEIRS}/api/v2/tickets/{n}.json"),
                "job_status": {"url": format!("{THEIRS}/api/v2/not/at/the/top")},
                "description": format!("next_page: {THEIRS}/api/v2/search.json?query=type:ticket"),
            })
        })
        .collect();
    json!({
        "results": results,
        "facets": null,
        "next_page": format!("{FOLLOWED}/api/v2/search.json?page=3&query=type%3Aticket+status:open"),
        "previous_page": format!("{FOLLOWED}/api/v2/search.json?page=1&query=type%3Aticket"),
        "count": 1000,
    })
}

fn cursor_page() -> Value {
    json!({
        "meta": {"has_more": true, "after_cursor": "x", "before_cursor": "y"},
        "links": {
            "first": format!("{FOLLOWED}/api/v2/tickets.json?page[size]=2"),
            "next": format!("{FOLLOWED}/api/v2/tickets.json?page%5Bafter%5D=x&page[size]=2"),
            "prev": format!("{FOLLOWED}/api/v2/tickets.json?page%5Bbefore%5D=y&page[size]=2"),
            "self": null,
            "page": format!("{THEIRS}/agent/filters/1"),
            "elsewhere": "https://example.com/api/v2/tickets.json",
        },
        "tickets": [{"id": 1, "url": format!("{THEIRS}/api/v2/tickets/1.json")}],
    })
}

fn job(origin: &str, results: u64) -> Value {
    let results: Vec<_> = (0..results)
        .map(|n| json!({"id": n, "index": n, "url": format!("{THEIRS}/api/v2/tickets/{n}.json")}))
        .collect();
    json!({"job_status": {
        "id": "8b726e606741012ffc2d782bcb7848fe",
        "message": format!("Completed, see {THEIRS}/api/v2/job_statuses/8b"),
        "url": format!("{origin}/api/v2/job_statuses/8b726e606741012ffc2d782bcb7848fe.json"),
        "status": "completed",
        "results": results,
    }})
}

fn job_statuses() -> Value {
    let jobs: Vec<_> = (0..100)
        .map(|n| job(FOLLOWED, n % 4)["job_status"].take())
        .collect();
    json!({"job_statuses": jobs, "url": format!("{THEIRS}/api/v2/job_statuses.json")})
}

fn attachment(n: u64) -> Value {
    json!({
        "id": 498_483 + n,
        "url": format!("{THEIRS}/api/v2/attachments/{n}.json"),
        "file_name": "cråsh.png",
        "content_url": format!("{FOLLOWED}/attachments/token/sFmdB5xnGjMEiWjq{n}/?name=cr%C3%A5sh.png"),
        "mapped_content_url": format!("{FOLLOWED}/attachments/token/sFmdB5xnGjMEiWjq{n}/?name=cr%C3%A5sh.png"),
        "size": 166_144,
        "thumbnails": [{
            "content_url": format!("{FOLLOWED}/attachments/token/sFmdB5xnGjMEiWjq{n}/?name=thumb.png"),
            "url": format!("{THEIRS}/api/v2/attachments/{}.json", n + 1),
        }],
    })
}

fn upload() -> Value {
    json!({"upload": {
        "token": "6bk3gql82em5nmf",
        "attachment": attachment(1),
        "attachments": [attachment(1), attachment(2)],
    }})
}

fn users() -> Value {
    let users: Vec<_> = (0..100)
        .map(|n| {
            let mut photo = attachment(n);
            // Pictures in help center articles are for people.
            photo["content_url"] = json!(format!("{THEIRS}/system/photos/{n}/profile.png"));
            json!({
                "id": n,
                "url": format!("{THEIRS}/api/v2/users/{n}.json"),
                "photo": photo,
                "notes": format!("\"content_url\": \"{THEIRS}/attachments/token/x\""),
            })
        })
        .collect();
    json!({"users": users, "next_page": null, "previous_page": null, "count": 100})
}

/// JSON:API, with a page of work items within each agent.
fn availability() -> Value {
    let agents = (0..20).map(|n| {
        json!({
            "type": "agent_availabilities",
            "id": format!("agent_availabilities|{n}"),
            "links": {"self": format!("{THEIRS}/api/v2/agent_availabilities/{n}")},
            "relationships": {
                "channels": {"data": [], "links": {"related": format!("{FOLLOWED}/api/v2/x/{n}")}},
            },
            "attributes": {"links": {"next": format!("{THEIRS}/api/v2/x")}},
        })
    });
    let channels = (0..20).map(|n| {
        let page = "relationships/work_items?page%5Bafter%5D=203";
        let next = format!("{FOLLOWED}/api/v2/agent_availabilities/{n}/channels/talk/{page}");
        json!({
            "type": "channels",
            "relationships": {"work_items": {
                "data": [{"links": {"next": format!("{THEIRS}/api/v2/x")}}],
                "links": {"next": next, "prev": null},
            }},
        })
    });
    json!({
        "data": agents.collect::<Vec<_>>(),
        "included": channels.collect::<Vec<_>>(),
        "links": {"next": format!("{FOLLOWED}/api/v2/agent_availabilities?page%5Bafter%5D=2")},
        "meta": {"has_more": true},
    })
}

fn calls() -> Value {
    let call = format!("{FOLLOWED}/api/v2/channels/voice/calls/CA13d7/twilio/recording");
    let elsewhere = "https://api.twilio.com/2010-04-01/Accounts/AC1/Recordings/RE1";
    json!({
        "comments": [
            {"type": "VoiceComment", "data": {"recording_url": call, "call_id": 7}},
            {"type": "VoiceComment", "data": {"recording_url": elsewhere}},
            {"type": "Comment", "body": format!("recording_url: {THEIRS}/api/v2/x")},
        ],
        "audits": [{"events": [{"type": "VoiceComment", "data": {"recording_url": call}}]}],
        "article_attachments": [{
            "content_url": format!("{FOLLOWED}/hc/article_attachments/200109629/logo.jpg"),
            "relative_path": "/hc/article_attachments/200109629/logo.jpg",
            "html_url": format!("{THEIRS}/hc/article_attachments/200109629"),
        }],
    })
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap()
}

/// The same for everyone.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        // The constants are Knuth's (MMIX).
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// Duplicates, numbers, escapes and spaces that a parser would not preserve.
const SPELLINGS: &str = "{ \"next_page\" :\t\"@followed@/api/v2/a\",\r\n\
    \"next_page\":\"@followed@/api/v2/b\" , \"a\":[1.0,1E+05,-0,0.10,1e400,12345678901234567890],\
    \"next\\u005fpage\":\"@theirs@/api/v2/c\", \"after_url\":\"\\u0068ttps://x\",\
    \"b\":\"\\u00e9\\ud83d\\ude00\\/\\b\", \"links\":{},\"links\":{\"next\":\"@followed@/api/v2/d\"}}";

const SEVERAL: &str = "{\"next_page\":\"@followed@/api/v2/1\"}\n\
    {\"links\":{\"next\":\"@followed@/api/v2/2\"}}null\n\
    [{\"content_url\":\"@followed@/attachments/3\",\"next_page\":\"@theirs@/api/v2/3\"}]\n";

const BROKEN: &str = "{\"previous_page\":\"@followed@/api/v2/1\",\"a\":[1,,2],\
    \"next_page\":\"@theirs@/api/v2/2\",\"content_url\":\"@theirs@/attachments/3\"}";
