//! A scripted Zendesk for tests.

use std::collections::{BTreeSet, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex};

use loopdesk_protocol::account::Person;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{Semaphore, watch};

use super::{grant, person, transient};
use crate::clock::Clock;
use crate::session::model::checks::{ProbeResult, Revocation, TokenCheck};
use crate::session::model::oauth_error::ErrorBody;
use crate::session::model::outcome::{Grant, TokenOutcome};
use crate::session::model::token_pair::{AccessToken, Renewal};
use crate::session::store::journal::AnswerJournal;
use crate::session::zendesk::api::{Pending, ZendeskApi};
use crate::session::zendesk::oauth::Authorization;

/// A Zendesk that does what a test tells it to. A refresh deletes the old pair, as at the real one.
#[derive(Debug)]
pub(in crate::session) struct Scripted {
    clock: Clock,
    state: Mutex<Script>,
    /// A refresh waits while this is held.
    pub(in crate::session) turn: Semaphore,
    /// Every call, in order.
    calls: watch::Sender<Vec<String>>,
}

#[derive(Debug)]
struct Script {
    issued: u64,
    /// The pairs that are neither replaced nor revoked, by number.
    live: BTreeSet<u64>,
    lifetime: u64,
    answers: VecDeque<Step>,
    person: Person,
    offline: bool,
    dead: Vec<String>,
    found: Option<ProbeResult>,
}

/// The scripted result of one refresh.
#[derive(Debug)]
pub(in crate::session) enum Step {
    /// Gives this answer and replaces nothing.
    Answer(TokenOutcome),
    /// Replaces the pair and loses the answer.
    Swallowed,
    /// Replaces the pair, calls the function with the path, then answers.
    Then(fn(&Path), std::path::PathBuf),
}

impl Scripted {
    /// Tokens live for `lifetime` seconds; the newest pair is number `issued`.
    pub(in crate::session) fn new(clock: &Clock, issued: u64, lifetime: u64) -> Arc<Self> {
        Arc::new(Self {
            clock: clock.clone(),
            state: Mutex::new(Script {
                issued,
                live: BTreeSet::from([issued]),
                lifetime,
                answers: VecDeque::new(),
                person: person(42),
                offline: false,
                dead: Vec::new(),
                found: None,
            }),
            turn: Semaphore::new(1),
            calls: watch::Sender::default(),
        })
    }

    /// Sets the results of the next refreshes. Those after them succeed.
    pub(in crate::session) fn script(&self, steps: impl IntoIterator<Item = Step>) {
        self.state.lock().unwrap().answers.extend(steps);
    }

    pub(in crate::session) fn set_offline(&self, offline: bool) {
        self.state.lock().unwrap().offline = offline;
    }

    pub(in crate::session) fn set_issued(&self, number: u64) {
        let mut state = self.state.lock().unwrap();
        state.issued = number;
        state.live = (1..=number).collect();
    }

    pub(in crate::session) fn set_person(&self, person: Person) {
        self.state.lock().unwrap().person = person;
    }

    /// Sets the result of every probe from now on; `None` for the true one.
    pub(in crate::session) fn set_probe_result(&self, found: Option<ProbeResult>) {
        self.state.lock().unwrap().found = found;
    }

    /// Deletes the newest pair, as an admin would.
    pub(in crate::session) fn revoke_newest(&self) {
        let mut state = self.state.lock().unwrap();
        let newest = state.issued;
        state.live.remove(&newest);
    }

    /// Deletes this pair, as an admin would.
    pub(in crate::session) fn revoke_pair(&self, number: u64) {
        self.state.lock().unwrap().live.remove(&number);
    }

    /// The numbers of the pairs that are alive.
    pub(in crate::session) fn live_pairs(&self) -> Vec<u64> {
        let state = self.state.lock().unwrap();
        state.live.iter().copied().collect()
    }

    /// Expires the access token of the newest pair, but not its refresh token.
    pub(in crate::session) fn expire_newest(&self) {
        let mut state = self.state.lock().unwrap();
        let newest = format!("access-{}", state.issued);
        state.dead.push(newest);
    }

    pub(in crate::session) fn calls(&self) -> Vec<String> {
        self.calls.borrow().clone()
    }

    pub(in crate::session) fn count(&self, prefix: &str) -> usize {
        let calls = self.calls.borrow();
        calls.iter().filter(|call| call.starts_with(prefix)).count()
    }

    /// Waits until there have been `count` calls that start with `prefix`.
    pub(in crate::session) async fn until(&self, prefix: &str, count: usize) {
        let mut calls = self.calls.subscribe();
        let enough = |calls: &Vec<String>| {
            calls.iter().filter(|call| call.starts_with(prefix)).count() >= count
        };
        calls.wait_for(enough).await.unwrap();
    }

    fn note(&self, call: String) {
        self.calls.send_modify(|calls| calls.push(call));
    }

    fn is_alive(&self, access: &str) -> bool {
        let state = self.state.lock().unwrap();
        let number = access.strip_prefix("access-").and_then(|n| n.parse().ok());
        number.is_some_and(|number: u64| state.live.contains(&number))
            && !state.dead.iter().any(|dead| dead == access)
    }

    /// Issues a token for the client's secret.
    async fn obtain(&self, secret: &str) -> TokenOutcome {
        self.note(format!("obtain {secret}"));
        drop(self.turn.acquire().await.unwrap());
        let (step, offline) = {
            let mut state = self.state.lock().unwrap();
            (state.answers.pop_front(), state.offline)
        };
        if offline {
            return transient("no network");
        }
        if let Some(Step::Answer(answer)) = step {
            return answer;
        }
        self.state.lock().unwrap().live.clear();
        let grant = self.issue();
        TokenOutcome::Granted(Grant {
            refresh: None,
            refresh_expires_in: None,
            ..grant
        })
    }

    fn issue(&self) -> Grant {
        let mut state = self.state.lock().unwrap();
        state.issued += 1;
        let issued = state.issued;
        state.live.insert(issued);
        grant(state.issued, self.clock.now(), state.lifetime)
    }
}

impl ZendeskApi for Scripted {
    fn refresh<'a>(
        &'a self,
        renewal: &'a Renewal,
        _: Option<&'a AnswerJournal>,
    ) -> Pending<'a, TokenOutcome> {
        Box::pin(async move {
            let refresh = match renewal {
                Renewal::RefreshToken(token) => token.expose_secret(),
                Renewal::ClientSecret(secret) => {
                    return self.obtain(secret.expose_secret()).await;
                }
            };
            self.note(format!("refresh {refresh}"));
            drop(self.turn.acquire().await.unwrap());
            let (step, offline) = {
                let mut state = self.state.lock().unwrap();
                (state.answers.pop_front(), state.offline)
            };
            if offline {
                return transient("no network");
            }
            if let Some(Step::Answer(answer)) = step {
                return answer;
            }
            let number = refresh
                .strip_prefix("refresh-")
                .and_then(|n| n.parse().ok());
            let mut state = self.state.lock().unwrap();
            if !number.is_some_and(|number: u64| state.live.remove(&number)) {
                return TokenOutcome::InvalidGrant(ErrorBody::default());
            }
            drop(state);
            let grant = self.issue();
            match step {
                Some(Step::Swallowed) => TokenOutcome::Lost("the connection broke".to_owned()),
                Some(Step::Then(act, path)) => {
                    act(&path);
                    TokenOutcome::Granted(grant)
                }
                Some(Step::Answer(_)) | None => TokenOutcome::Granted(grant),
            }
        })
    }

    fn exchange<'a>(
        &'a self,
        _: Authorization,
        code: &'a SecretString,
        _: &'a AnswerJournal,
    ) -> Pending<'a, TokenOutcome> {
        Box::pin(async move {
            self.note(format!("exchange {}", code.expose_secret()));
            match code.expose_secret() {
                "good" => TokenOutcome::Granted(self.issue()),
                _ => TokenOutcome::InvalidGrant(ErrorBody::default()),
            }
        })
    }

    fn check<'a>(&'a self, access: &'a AccessToken) -> Pending<'a, TokenCheck> {
        Box::pin(async move {
            self.note(format!("check {}", access.expose_secret()));
            if self.state.lock().unwrap().offline {
                return TokenCheck::Unclear("no network".to_owned());
            }
            match self.is_alive(access.expose_secret()) {
                true => TokenCheck::Alive {
                    expires_at: None,
                    refresh_expires_at: None,
                },
                false => TokenCheck::Dead,
            }
        })
    }

    fn revoke<'a>(&'a self, access: &'a AccessToken) -> Pending<'a, Revocation> {
        Box::pin(async move {
            self.note(format!("revoke {}", access.expose_secret()));
            if self.state.lock().unwrap().offline {
                return Revocation::Failed("no network".to_owned());
            }
            if !self.is_alive(access.expose_secret()) {
                return Revocation::WasDead;
            }
            let access = access.expose_secret();
            let number = access.strip_prefix("access-").and_then(|n| n.parse().ok());
            if let Some(number) = number {
                self.revoke_pair(number);
            }
            Revocation::Done
        })
    }

    fn person<'a>(&'a self, access: &'a AccessToken) -> Pending<'a, Result<Person, String>> {
        Box::pin(async move {
            self.note(format!("person {}", access.expose_secret()));
            Ok(self.state.lock().unwrap().person.clone())
        })
    }

    fn probe<'a>(&'a self, access: &'a AccessToken) -> Pending<'a, ProbeResult> {
        Box::pin(async move {
            let access = access.expose_secret();
            self.note(format!("probe {access}"));
            let (offline, found) = {
                let state = self.state.lock().unwrap();
                (state.offline, state.found.clone())
            };
            match found {
                _ if offline => ProbeResult::Unclear("no network".to_owned()),
                Some(found) => found,
                None if !self.is_alive(access) => ProbeResult::Dead,
                None => ProbeResult::Alive {
                    person: self.state.lock().unwrap().person.clone(),
                    expires_at: None,
                    refresh_expires_at: None,
                },
            }
        })
    }
}
