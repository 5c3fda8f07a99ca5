//! A session at one moment, as the refresher publishes it: for requests, and for people.

use std::sync::Arc;

use http::HeaderValue;
use jiff::Timestamp;
use loopdesk_protocol::account::Person;
use loopdesk_protocol::status::{self, LastError, Role, State as Shown};
use loopdesk_protocol::{Problem, conditions};
use secrecy::ExposeSecret;

use super::alerts;
use super::alerts::{Alert, ExpiryWarning};
use super::merge::PairStates;
use crate::config::{AccountName, Origin};
use crate::error_response::ErrorResponse;
use crate::rewrite::leak_filter::TokenPatterns;
use crate::session::model::token_pair::{Generation, Renewal};
use crate::session::state::{Condition, Live, Readiness, State, StateMachine, Step};
use crate::session::zendesk::account_context::AccountContext;

/// A session at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// What `status` shows.
    pub view: View,
    /// The pairs that it was merged from.
    pub(in crate::session) pairs: PairStates,
    /// The tokens of all pairs, which no answer may repeat.
    pub(in crate::session) secrets: TokenPatterns,
}

/// One of a session's pairs at one moment.
#[derive(Clone, Debug)]
pub(in crate::session) struct PairState {
    pub(in crate::session) role: Role,
    /// How the session would look if this were its only pair.
    pub(in crate::session) view: View,
    pub(in crate::session) readiness: Ready,
    /// This pair's tokens, which no answer may repeat.
    pub(in crate::session) secrets: TokenPatterns,
    /// Whether the configuration asks for this pair.
    pub(in crate::session) is_wanted: bool,
    /// Whether the pair is known not to exist.
    pub(in crate::session) is_absent: bool,
    /// The highest generation so far.
    pub(in crate::session) newest: Generation,
}

/// Whether requests can be sent.
#[derive(Clone, Debug)]
pub(in crate::session) enum Ready {
    /// Yes, with this token.
    Yes(RequestToken),
    /// Not yet: a token is on its way.
    Soon,
    /// No, and none is on its way: requests get this answer.
    No(ErrorResponse),
}

/// The token that a request carries. `Debug` doesn't show it.
#[derive(Clone, Debug)]
pub(in crate::session) struct RequestToken {
    /// The value of `Authorization`, marked sensitive.
    pub(in crate::session) header: HeaderValue,
    pub(in crate::session) generation: Generation,
    /// Which of the account's pairs it belongs to.
    pub(in crate::session) role: Role,
    pub(in crate::session) expires_at: Timestamp,
    /// The Zendesk user it belongs to.
    pub(in crate::session) person: Arc<Person>,
    /// The only origins that it may be sent to (S5).
    pub(in crate::session) origins: [Origin; 2],
}

/// The part of `protocol::status::AccountStatus` that the session knows.
#[derive(Clone, Debug)]
pub struct View {
    /// The account.
    pub name: AccountName,
    /// Where requests go.
    pub origin: Origin,
    /// The OAuth client's identifier.
    pub client_id: String,
    /// The state.
    pub state: Shown,
    /// The user who is logged in, or was when the session ended.
    pub person: Option<Person>,
    /// The scopes that Zendesk granted.
    pub scopes: Vec<String>,
    /// The pair's generation.
    pub generation: Option<u64>,
    /// When the pair in use was obtained.
    pub refreshed_at: Option<Timestamp>,
    /// When the access token expires.
    pub access_expires_at: Option<Timestamp>,
    /// When the next refresh, or the next attempt, is due.
    pub next_refresh_at: Option<Timestamp>,
    /// When the refresh token expires: this machine may stay off until then.
    pub refresh_expires_at: Option<Timestamp>,
    /// The last failure.
    pub last_error: Option<LastError>,
    /// What needs a person's attention.
    pub problem: Option<Problem>,
    /// When Zendesk last confirmed the session other than by a refresh.
    pub good_at: Option<Timestamp>,
    /// What a notification should tell the user.
    pub alert: Option<Alert>,
    /// When the session will end, if that is near.
    pub expiry_warning: Option<ExpiryWarning>,
    /// Whether a request would be sent, now or after a short wait.
    pub serves: bool,
    /// The account's pairs that are worth showing.
    pub pairs: Vec<status::PairStatus>,
}

impl PairState {
    /// The state of the pair that `machine` keeps in this role, at `now`.
    pub(in crate::session) fn of(
        role: Role,
        machine: &StateMachine,
        context: &AccountContext,
        now: Timestamp,
    ) -> Self {
        let readiness = machine.readiness(now);
        let mut view = view(machine, context, &readiness);
        alerts::complete(&mut view, machine, now);
        let readiness = match readiness {
            Readiness::Ready(tokens) => Ready::Yes(RequestToken {
                header: tokens.pair.access.header().clone(),
                generation: tokens.pair.generation,
                role,
                expires_at: tokens.pair.expires_at,
                person: Arc::clone(&tokens.person),
                origins: [
                    context.account.api_origin.clone(),
                    context.account.oauth_origin.clone(),
                ],
            }),
            Readiness::Pending => Ready::Soon,
            Readiness::Unready => Ready::No(match (role, machine.state()) {
                (Role::ReadOnly, State::SignedOut(_)) => no_read_only_pair(&view),
                (_, state) => refusal(&view, state),
            }),
        };
        Self {
            role,
            view,
            readiness,
            secrets: secrets(machine),
            is_wanted: context.wants(role),
            is_absent: matches!(machine.state(), State::SignedOut(None)),
            newest: machine.generation(),
        }
    }
}

/// The secrets of the pair, whether its tokens are known to be alive or may be.
fn secrets(machine: &StateMachine) -> TokenPatterns {
    let values = machine.tokens().into_iter().flat_map(|tokens| {
        let renewal = match &tokens.pair.renewal {
            Renewal::RefreshToken(secret) | Renewal::ClientSecret(secret) => secret.expose_secret(),
        };
        [tokens.pair.access.expose_secret(), renewal]
    });
    TokenPatterns::new(values)
}

fn view(machine: &StateMachine, context: &AccountContext, readiness: &Readiness) -> View {
    let account = &context.account;
    let name = account.name.as_str();
    let whose = context.whose();
    let mut view = View {
        name: account.name.clone(),
        origin: account.api_origin.clone(),
        client_id: account.client_id.clone(),
        state: machine.shown(),
        person: None,
        scopes: Vec::new(),
        generation: None,
        refreshed_at: None,
        access_expires_at: None,
        next_refresh_at: None,
        refresh_expires_at: None,
        last_error: machine.last_error().cloned(),
        problem: context.upstream.as_ref().err().cloned(),
        good_at: None,
        alert: None,
        expiry_warning: None,
        serves: !matches!(readiness, Readiness::Unready),
        pairs: Vec::new(),
    };
    if let Some(tokens) = machine.tokens() {
        let pair = &tokens.pair;
        view.person = Some(Person::clone(&tokens.person));
        view.scopes.clone_from(&pair.scopes);
        view.generation = Some(pair.generation.get());
        view.refreshed_at = Some(pair.obtained_at);
        view.access_expires_at = Some(pair.expires_at);
        view.refresh_expires_at = pair.refresh_expires_at;
    }
    let problem = match machine.state() {
        State::Loading => None,
        State::SignedOut(None) => Some(conditions::signed_out(name, context.how_to_log_in())),
        State::SignedOut(Some(problem)) | State::KeyMissing { problem, .. } => {
            Some(problem.clone())
        }
        State::Live(live) => {
            view.next_refresh_at = matches!(live.step, Step::Idle).then_some(live.due);
            live_problem(live, name, &whose, machine.last_error(), readiness)
        }
        State::Ended(ended) => {
            view.person = ended.person.as_deref().cloned();
            view.refresh_expires_at = None;
            let why = &ended.end.why;
            let over = conditions::session_ended(context.subject(), why, name);
            Some(match &ended.unsaved {
                Some(unsaved) => unsaved.hints.iter().fold(
                    over.hint(format!("besides, this can't be stored: {unsaved}")),
                    |over, hint| over.hint(hint),
                ),
                None => over,
            })
        }
    };
    view.problem = view.problem.or(problem);
    view
}

fn live_problem(
    live: &Live,
    name: &str,
    whose: &str,
    last_error: Option<&LastError>,
    readiness: &Readiness,
) -> Option<Problem> {
    let why = || last_error.map_or("no reason is known", |error| error.message.as_str());
    match &live.condition {
        Condition::Good if let Some(unsent) = &live.unsent => {
            let mut problem = conditions::session_not_storable(whose, unsent);
            problem.kind = unsent.kind;
            problem.hints.clone_from(&unsent.hints);
            Some(problem)
        }
        Condition::Good if !matches!(readiness, Readiness::Unready) => None,
        Condition::Good => Some(conditions::token_expired(whose, why())),
        Condition::Doubtful => Some(conditions::session_doubtful(whose, why(), name)),
        Condition::Blocked(block) => {
            let problem = conditions::session_blocked(whose, &block.why, &block.fix);
            // A login contacts Zendesk by itself, so it needs no refresh afterwards.
            Some(if block.fix.contains("`loopdesk login") {
                problem
            } else {
                problem.hint(format!("then run `loopdesk refresh {name}`"))
            })
        }
        Condition::Unsaved(why) => {
            let mut problem = conditions::session_unsaved(whose, why);
            problem.hints.clone_from(&why.hints);
            Some(if live.tokens.pair.renewal.is_consumed() {
                problem.hint("do that before loopdesk stops, or a login will be needed")
            } else {
                problem
            })
        }
    }
}

/// The answer to a read-only key if no login has brought a read-only pair. The account's own token
/// would do, but it could also write.
fn no_read_only_pair(view: &View) -> ErrorResponse {
    let account = view.name.to_string();
    ErrorResponse::Unavailable {
        why: "`read-only-grant` asks for a read-only token pair for keys that can only read, but \
              the last login didn't bring one"
            .to_owned(),
        fix: format!(
            "run `loopdesk login {account}` to get one, or `loopdesk account set {account} \
             read-only-grant false` to let these keys use the account's own"
        ),
        account,
    }
}

fn refusal(view: &View, state: &State) -> ErrorResponse {
    let account = view.name.to_string();
    match state {
        State::SignedOut(None) => ErrorResponse::SignedOut(account),
        State::SignedOut(Some(problem)) => ErrorResponse::Ended {
            account,
            why: problem.message.clone(),
        },
        State::Ended(ended) => ErrorResponse::Ended {
            account,
            why: ended.end.why.clone(),
        },
        State::Loading | State::KeyMissing { .. } | State::Live(_) => {
            let (why, fix) = match &view.problem {
                Some(problem) => (problem.message.clone(), problem.hints.first().cloned()),
                None => ("it is being loaded".to_owned(), None),
            };
            let fix = fix.unwrap_or_else(|| "run `loopdesk status`".to_owned());
            ErrorResponse::Unavailable { account, why, fix }
        }
    }
}
