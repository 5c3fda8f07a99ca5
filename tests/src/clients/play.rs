//! A run of one client: every step while tokens rotate, and what Zendesk saw of it.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::driver::{Driver, Script, Way};
use super::exec::Program;
use super::judge::{saw_only_loopdesk, seen};
use super::matrix::{Credential, Failure, Row, Step};
use crate::stage::Stage;
use crate::zendesk::{Fault, Gate, Record, users};

/// Lets the client of `row` do all steps in an environment where [`users::AGENT`] is logged in.
///
/// # Panics
/// If the client meets anything that it wouldn't meet at Zendesk with a token that never expires,
/// or Zendesk sees any client other than loopdesk.
pub async fn play(stage: &Stage, row: &Row, credential: Credential) {
    play_with(stage, row, credential, DUMMY).await;
}

/// Lets the client of `row` create a ticket with a local key that doesn't allow it.
///
/// # Panics
/// If Zendesk sees any of it, or the client's message doesn't give the reason.
pub async fn refused(stage: &Stage, row: &Row, credential: Credential, key: &str) {
    let file = stage.home.path().join("image.png");
    stage.zendesk.clear();
    let script = Script {
        way: Way::Port,
        credential,
        token: key,
        subject: "never",
        file: &file,
    };
    let mut driver = Driver::start(stage, row, &script).await;
    driver.tell(Step::Create).await;
    let became = driver.answer().await;
    let said = became["failed"].as_str().unwrap_or_default();
    let tells = |word: &&str| said.contains(*word) || driver.said().contains(*word);
    let telling = ["missing the following required scopes", "403", "Forbidden"];
    assert!(telling.iter().any(tells), "{became}: {}", driver.said());
    let posts = stage.zendesk.count(|record| record.method == "POST");
    assert_eq!(posts, 0, "{} with {credential:?}", row.name);
}

/// Like [`play`], with this token in the client's credential slot.
///
/// # Panics
/// Like [`play`], and if Zendesk sees the token.
pub async fn play_with(stage: &Stage, row: &Row, credential: Credential, token: &str) {
    run(stage, row, credential, token, Way::Port).await;
}

/// Like [`play`], for the client under `loopdesk exec`, with Zendesk's own address in its code. What
/// fails at loopdesk's port works, unless the program's own entry says otherwise.
///
/// # Panics
/// Like [`play`].
pub async fn play_under_exec(stage: &Stage, program: &Program, row: &Row) {
    let failure = |error: &String| Failure {
        error: error.clone(),
        remark: program.remark.clone(),
    };
    let fails = program.fails.iter();
    let fails = fails.map(|(step, error)| (*step, failure(error)));
    let row = Row {
        fails: fails.collect(),
        ..row.clone()
    };
    let way = Way::Exec(program);
    run(stage, &row, row.credentials[0], DUMMY, way).await;
}

async fn run(stage: &Stage, row: &Row, credential: Credential, token: &str, way: Way<'_>) {
    let mut play = Play {
        stage,
        row,
        subject: format!("By {} with {}", row.name, credential.name()),
        file: stage.home.path().join("image.png"),
        found: stage.zendesk_found().await,
        users: stage.zendesk_users().await,
        made: BTreeSet::new(),
    };
    // Every byte value, and a length that isn't a multiple of any buffer's size.
    let content: Vec<u8> = (0..=255).cycle().take(100_003).collect();
    std::fs::write(&play.file, &content).expect("the disk has room");
    stage.zendesk.clear();
    let listed = stage.zendesk_tickets().await;
    let script = Script {
        way,
        credential,
        token,
        subject: &play.subject,
        file: &play.file,
    };
    let mut driver = Driver::start(stage, row, &script).await;
    let pinned = match way {
        Way::Port => row.pinned.then_some(&row.version),
        Way::Exec(program) => program.pinned.then_some(&program.version),
    };
    if let Some(version) = pinned {
        assert_eq!(driver.version, *version, "the table has another version");
    }
    let is_asked = |step: &Step| *step != Step::Search || row.raw;
    for step in Step::ALL.into_iter().filter(is_asked) {
        // Agents can't use incremental exports.
        if step == Step::Export {
            stage.zendesk.set_role(users::AGENT, "admin");
        }
        let became = play.act(&mut driver, step).await;
        stage.zendesk.set_role(users::AGENT, "agent");
        let expected = if row.lacks.contains_key(&step) {
            "cannot"
        } else if row.fails.contains_key(&step) {
            "failed"
        } else {
            "done"
        };
        assert!(
            became.get(expected).is_some(),
            "{step:?} of {} with {credential:?}: {became} instead of `{expected}`\n{}\n{}",
            row.name,
            driver.said(),
            play.seen(),
        );
        if let Some(failure) = row.fails.get(&step) {
            let said = became["failed"].as_str().unwrap_or_default();
            assert!(said.contains(&failure.error), "{said}");
        }
        if let Some(done) = became.get("done") {
            play.judge(step, done, &listed, &content);
        }
    }
    saw_only_loopdesk(stage, token);
}

impl Stage {
    /// The ids of all tickets, requested without loopdesk.
    async fn zendesk_tickets(&self) -> BTreeSet<u64> {
        let mut ids = BTreeSet::new();
        for page in 1.. {
            let path = format!("/api/v2/tickets.json?page={page}");
            let page: Value = serde_json::from_str(&self.direct(&path).await).expect("JSON");
            let before = ids.len();
            ids.extend(ids_of(&page["tickets"]));
            if ids.len() == before {
                break;
            }
        }
        self.zendesk.clear();
        ids
    }

    /// How many users there are, requested without loopdesk.
    async fn zendesk_users(&self) -> u64 {
        let count = self.direct("/api/v2/users/count.json").await;
        let count: Value = serde_json::from_str(&count).expect("JSON");
        count["count"]["value"].as_u64().expect("a number")
    }

    /// The ids that [`SEARCH`] finds, requested without loopdesk.
    async fn zendesk_found(&self) -> Value {
        let page: Value = serde_json::from_str(&self.direct(SEARCH).await).expect("JSON");
        let found = page["results"].as_array().expect("results");
        assert!(!found.is_empty(), "{page}");
        self.zendesk.clear();
        found.iter().map(|one| one["id"].clone()).collect()
    }
}

/// What stands where a script's credential was.
pub const DUMMY: &str = "dummy-of-the-script";

/// How a URL that scripts write as `created>2025-01-01` must arrive.
const SEARCH: &str = "/api/v2/search.json?query=created%3E2025-01-01";

struct Play<'a> {
    stage: &'a Stage,
    row: &'a Row,
    /// Marks every ticket that is created here, to tell them from others.
    subject: String,
    file: PathBuf,
    /// What a search finds before the run.
    found: Value,
    /// How many users there are.
    users: u64,
    made: BTreeSet<u64>,
}

impl Play<'_> {
    /// One step. If it takes several requests, the response to the first is held until the tokens
    /// have rotated: the next request uses a token that didn't exist when the step began.
    async fn act(&self, driver: &mut Driver, step: Step) -> Value {
        let path = match step {
            Step::Offset | Step::Cursor | Step::Export | Step::Query | Step::Link => "/api/v2/*",
            Step::Job => "/api/v2/job_statuses/*",
            Step::Me
            | Step::Search
            | Step::Create
            | Step::Upload
            | Step::Download
            | Step::Article
            | Step::Recording => {
                self.rotate().await;
                driver.tell(step).await;
                return driver.answer().await;
            }
        };
        let gate = Gate::closed();
        let held = Fault::on("GET", path).once().hold_answer(&gate);
        let held = self.stage.zendesk.fault(held);
        driver.tell(step).await;
        let became = tokio::select! {
            () = gate.reached(1) => {
                self.rotate().await;
                gate.open();
                driver.answer().await
            }
            became = driver.answer() => {
                assert!(became.get("done").is_none(), "{step:?} without a request: {became}");
                became
            }
        };
        held.remove();
        became
    }

    async fn rotate(&self) {
        self.stage.home.loopdesk(["refresh"]).await.ok();
    }

    fn judge(&mut self, step: Step, done: &Value, listed: &BTreeSet<u64>, content: &[u8]) {
        match step {
            Step::Me => assert!(done["id"].as_u64().is_some(), "{done}"),
            Step::Link => {
                let ids = done["ids"].as_array().expect("ids");
                let distinct: BTreeSet<_> = ids.iter().filter_map(Value::as_u64).collect();
                let articles = self.stage.zendesk.articles();
                assert_eq!((ids.len(), distinct), (articles.len(), articles), "{done}");
            }
            Step::Article => {
                let file = self.stage.zendesk.file_of_an_article();
                assert_eq!(done["sha256"], hexadecimal(&file));
            }
            Step::Recording => {
                let recording = self.stage.zendesk.recording_of_ticket(4);
                assert_eq!(done["sha256"], hexadecimal(&recording));
            }
            // libzapi has no list of all tickets.
            Step::Offset if done.get("users").is_some() => {
                let ids = done["users"].as_array().expect("ids");
                let distinct: BTreeSet<_> = ids.iter().filter_map(Value::as_u64).collect();
                let counts = [ids.len(), distinct.len()].map(|count| count as u64);
                assert_eq!(counts, [self.users; 2], "{done}");
            }
            Step::Offset | Step::Cursor | Step::Export | Step::Query => {
                let ids = done["ids"].as_array().expect("ids");
                let distinct: BTreeSet<_> = ids.iter().filter_map(Value::as_u64).collect();
                assert_eq!(&distinct, listed, "{step:?} of {}", self.row.name);
                // An export by time repeats the records of a page's last second.
                if step != Step::Export {
                    assert_eq!(ids.len(), distinct.len(), "{step:?} gave some twice");
                }
            }
            Step::Search => {
                assert_eq!(done["ids"], self.found);
                let is_it = |record: &Record| record.target() == SEARCH;
                assert_eq!(self.stage.zendesk.count(is_it), 1, "{}", self.seen());
            }
            Step::Create => {
                self.made.extend(done["id"].as_u64());
                assert_eq!(self.made.len(), 1, "{done}");
                assert_eq!(self.posts("/api/v2/tickets"), 1, "{}", self.seen());
            }
            Step::Upload => {
                let digest = hexadecimal(content);
                let is_it = |r: &Record| r.body_sha256.as_deref() == Some(&digest);
                let uploads = self.stage.zendesk.requests();
                let uploads: Vec<_> = uploads
                    .iter()
                    .filter(|r| r.is("POST", "/api/v2/uploads"))
                    .collect();
                assert!(uploads.len() == 1 && is_it(uploads[0]), "{}", self.seen());
            }
            Step::Download => assert_eq!(done["sha256"], hexadecimal(content)),
            Step::Job => {
                assert_eq!(done["results"], 2, "{done}");
                assert_eq!(self.posts("/api/v2/tickets/create_many"), 1);
            }
        }
    }

    /// How many requests created this run's tickets, whatever their outcome.
    fn posts(&self, path: &str) -> usize {
        self.stage.zendesk.count(|record| {
            let body = String::from_utf8_lossy(&record.body);
            record.is("POST", path) && body.contains(&self.subject)
        })
    }

    fn seen(&self) -> String {
        seen(self.stage)
    }
}

fn ids_of(tickets: &Value) -> impl Iterator<Item = u64> {
    let tickets = tickets.as_array().into_iter().flatten();
    tickets.filter_map(|ticket| ticket["id"].as_u64())
}

fn hexadecimal(content: &[u8]) -> String {
    let digest = Sha256::digest(content);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
