//! The refresher's work: whatever waits for Zendesk, the disk or the vault.
//!
//! Each job runs to its end on a task of its own, whoever stops waiting for it.

use std::sync::Arc;

use loopdesk_protocol::session::LoggedOut;
use loopdesk_protocol::{Kind, Problem};

use super::Setup;
use super::gate::{Closed, Gate};
use super::identity::{Check, Revocation};
use super::oauth::Answer;
use super::pair::{AccessToken, Generation, Held, Pair, Renewal};
use super::record::{self, Sealed, Stored};
use super::state::health::News;
use super::state::{Load, Urgency};
use super::store::{Slot, Store};
use super::vault::{self, DataKey, Vault};

/// What a job brings back.
#[derive(Debug)]
pub(super) enum Done {
    Loaded(Load),
    Refreshed(Attempt),
    Stored(Result<(), String>),
    Checked {
        generation: Generation,
        purpose: Purpose,
        check: Check,
    },
    Adopted(Result<Held, Problem>),
    LoggedOut(Result<LoggedOut, Problem>),
    /// The daily probe's.
    Health(Option<News>),
    /// An old pair was revoked, or not.
    Revoked,
}

/// Why `tokens/current` was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The token answer has left something out.
    Learn,
    /// A request was answered 401.
    Judge,
}

/// A refresh that has ended, and what it holds.
#[derive(Debug)]
pub(super) struct Attempt {
    /// `Err` where it could not be sent.
    pub(super) answer: Result<Answer, String>,
    pub(super) hold: Hold,
}

/// What a refresh holds while it is under way.
#[derive(Debug, Default)]
pub(super) struct Hold {
    pub(super) closed: Option<Closed>,
    pub(super) slot: Option<Slot>,
}

/// Reads the record of `setup`'s account.
pub(super) async fn load(setup: Arc<Setup>, store: Store, vault: Arc<Vault>) -> Load {
    let account = setup.account.name.clone();
    let path = store.path(&account);
    let reading = (store.clone(), account.clone());
    let read = blocking(move || {
        let (store, account) = reading;
        store.sweep(&account);
        let bytes = store.read(&account).map_err(|e| e.problem())?;
        Ok::<_, Problem>((bytes, store.noted(&account)))
    });
    let (bytes, noted) = match read.await {
        Ok(Ok((Some(bytes), noted))) => (bytes, noted),
        Ok(Ok((None, _))) => return Load::Nothing,
        Ok(Err(problem)) => return Load::NoKey(problem),
        Err(why) => return Load::NoKey(Problem::new(Kind::Internal, why)),
    };
    let unusable = |problem, generation| Load::Unusable {
        problem,
        generation,
    };
    let record = match Sealed::parse(&path, &bytes) {
        Ok(record) => record,
        Err(problem) => return unusable(problem, None),
    };
    let generation = Generation::new(record.header.generation);
    if let Some(problem) = stranger(&setup, &record.header.binding) {
        return unusable(problem, Some(generation));
    }
    let key = match vault.key().await {
        Ok(key) => key,
        Err(problem) => {
            return Load::NoKey(vault::lost_key(problem, &path, account.as_str()));
        }
    };
    if key.id() != record.header.key_id {
        let problem = Problem::new(
            Kind::Vault,
            format!(
                "the {} holds another data key than the one it needs",
                vault.name()
            ),
        )
        .hint("set `vault` back to what it was, or put the old key back");
        return Load::NoKey(vault::lost_key(problem, &path, account.as_str()));
    }
    match record.open(&key) {
        Ok(Stored::Live(held)) => Load::Found {
            doubt: noted
                .filter(|noted| *noted > generation && held.pair.renewal.is_consumed())
                .map(|_| "loopdesk was stopped while it waited for the answer".to_owned()),
            held,
        },
        Ok(Stored::Over {
            end,
            person,
            generation,
        }) => Load::Over {
            end,
            person,
            generation,
        },
        Err(problem) => unusable(problem, Some(generation)),
    }
}

/// Why a record that was made for `theirs` must not be used here, if it must not (S5, R3).
fn stranger(setup: &Setup, theirs: &record::Binding) -> Option<Problem> {
    let ours = &setup.binding;
    if ours == theirs {
        return None;
    }
    let name = &ours.account;
    let why = if ours.machine != theirs.machine {
        format!(
            "the stored session of account `{name}` was made on another machine, and two machines \
             that share one session end it for each other"
        )
    } else if ours.account != theirs.account {
        format!(
            "the stored session of account `{name}` is that of account `{}` under another name",
            theirs.account
        )
    } else if ours.grant != theirs.grant {
        format!(
            "the stored session of account `{name}` was obtained by the grant `{}`, the \
             configuration now says `{}`",
            theirs.grant, ours.grant
        )
    } else {
        format!(
            "the stored session of account `{name}` belongs to {} and client `{}`, the \
             configuration now says {} and client `{}`",
            theirs.api_origin, theirs.client_id, ours.api_origin, ours.client_id
        )
    };
    let problem = Problem::new(Kind::Login, why).hint(setup.how_to_log_in());
    Some(if ours.machine == theirs.machine {
        problem.hint("or change the configuration back: the stored session is kept")
    } else {
        problem
    })
}

/// What a refresh needs.
#[derive(Debug)]
pub(super) struct Refresh {
    pub(super) setup: Arc<Setup>,
    pub(super) store: Store,
    pub(super) gate: Gate,
    pub(super) held: Arc<Held>,
    pub(super) next: Generation,
    pub(super) urgency: Urgency,
    /// What the attempt before this one still holds.
    pub(super) hold: Hold,
}

impl Refresh {
    /// Proves that the new pair could be stored, waits at the gate, and asks Zendesk.
    pub(super) async fn run(self) -> Attempt {
        let Self {
            setup,
            store,
            gate,
            held,
            next,
            urgency,
            hold,
        } = self;
        let account = setup.account.name.clone();
        let slot = match hold.slot {
            Some(slot) => slot,
            None => {
                let (store, account) = (store.clone(), account.clone());
                match flat(blocking(move || store.prepare(&account)).await) {
                    Ok(slot) => slot,
                    Err(why) => return unsent(why, hold.closed, None),
                }
            }
        };
        let closed = match hold.closed {
            Some(closed) => closed,
            None => gate.close(urgency).await,
        };
        let renewal = &held.pair.renewal;
        let noting = (store.clone(), account.clone(), held.pair.generation);
        // What replaces nothing leaves no doubt, and nothing to note.
        let is_noted = renewal.is_consumed();
        let noted = blocking(move || {
            let (store, account, current) = noting;
            let was_noted = store.noted(&account).is_some_and(|noted| noted > current);
            if is_noted {
                store.note_refresh(&account, next)?;
            }
            Ok(was_noted)
        });
        let was_noted = match flat(noted.await) {
            Ok(was_noted) => was_noted,
            Err(why) => return unsent(why, Some(closed), Some(slot)),
        };
        let answer = setup.zendesk.refresh(renewal).await;
        let settled = match &answer {
            // An answer that was lost earlier stays lost.
            Answer::Transient { may_have_acted, .. } => !may_have_acted && !was_noted,
            Answer::Refused(_) => !was_noted,
            Answer::InvalidGrant(_) => true,
            // The note goes when the new pair is stored; until then it is the truth.
            Answer::Granted(_) | Answer::Lost(_) => false,
        };
        if settled {
            drop(blocking(move || store.clear_note(&account)).await);
        }
        Attempt {
            answer: Ok(answer),
            hold: Hold {
                closed: Some(closed),
                slot: Some(slot),
            },
        }
    }
}

fn unsent(why: String, closed: Option<Closed>, slot: Option<Slot>) -> Attempt {
    Attempt {
        answer: Err(why),
        hold: Hold { closed, slot },
    }
}

/// Makes what is to be stored durable, in `slot` or in a new place.
pub(super) async fn store(
    setup: Arc<Setup>,
    store: Store,
    key: Option<Arc<DataKey>>,
    stored: Stored,
    slot: Option<Slot>,
) -> Result<(), String> {
    // A session is live only if its record was opened, or written, with this key.
    let key = key.ok_or("the data key is not at hand")?;
    let work = move || {
        let account = &setup.account.name;
        let bytes = record::seal(&stored, &setup.binding, &key)?;
        let slot = match slot {
            Some(slot) => slot,
            None => store.prepare(account).map_err(|e| e.to_string())?,
        };
        slot.commit(&bytes).map_err(|e| e.to_string())?;
        store.clear_note(account);
        Ok(())
    };
    blocking(work).await?
}

/// Makes a login's pair durable; `aside`: there is a record in the way that nobody can use.
pub(super) async fn adopt(
    setup: Arc<Setup>,
    store: Store,
    key: Arc<DataKey>,
    held: Held,
    aside: bool,
) -> Result<Held, Problem> {
    let work = move || {
        let account = &setup.account.name;
        if aside {
            store.set_aside(account).map_err(|e| e.problem())?;
        }
        let slot = store.prepare(account).map_err(|e| e.problem())?;
        let stored = Stored::Live(held.clone());
        let bytes = record::seal(&stored, &setup.binding, &key)
            .map_err(|why| Problem::new(Kind::Internal, why))?;
        slot.commit(&bytes).map_err(|e| e.problem())?;
        store.clear_note(account);
        Ok(held)
    };
    blocking(work)
        .await
        .unwrap_or_else(|why| Err(Problem::new(Kind::Internal, why)))
}

/// A session that a logout finds.
#[derive(Debug)]
pub(super) enum Leaving {
    /// Nobody is logged in, and there is no record.
    Nobody,
    /// A pair that lives.
    Live(Arc<Held>),
    /// A session that Zendesk has ended; perhaps an access token is left.
    Ended(
        Option<Arc<Held>>,
        Option<loopdesk_protocol::account::Person>,
    ),
    /// A record that can't be used, and why.
    Sealed(Problem),
}

/// Revokes and erases a session (R8).
pub(super) async fn logout(
    setup: Arc<Setup>,
    store: Store,
    leaving: Leaving,
    forget: bool,
) -> Result<LoggedOut, Problem> {
    let name = setup.account.name.clone();
    let (person, revoked) = match leaving {
        Leaving::Nobody => (None, Ok(false)),
        Leaving::Live(held) => {
            let person = Some(held.person.as_ref().clone());
            (person, end_pair(&setup, &held.pair).await.map(|()| true))
        }
        Leaving::Ended(left, person) => {
            if let Some(held) = left {
                setup.zendesk.revoke(&held.pair.access).await;
            }
            // Its refresh token is dead by Zendesk's own word.
            (person, Ok(true))
        }
        Leaving::Sealed(problem) => (None, Err(problem.message)),
    };
    let revoked = match revoked {
        Ok(revoked) => revoked,
        Err(_) if forget => false,
        Err(why) => {
            return Err(Problem::new(
                Kind::Zendesk,
                format!("account `{name}` is still logged in, its tokens can't be revoked: {why}"),
            )
            .hint("try again when Zendesk can be reached")
            .hint(format!(
                "or remove them from this machine only: `loopdesk logout {name} --forget`"
            )));
        }
    };
    let erasing = name.clone();
    match blocking(move || store.erase(&erasing)).await {
        Ok(Ok(())) => Ok(LoggedOut {
            account: name.to_string(),
            person,
            revoked,
        }),
        Ok(Err(error)) => Err(error.problem()),
        Err(why) => Err(Problem::new(Kind::Internal, why)),
    }
}

/// Makes sure that neither of the pair's tokens is good for anything any more.
async fn end_pair(setup: &Setup, pair: &Pair) -> Result<(), String> {
    match setup.zendesk.revoke(&pair.access).await {
        Revocation::Done => return Ok(()),
        Revocation::Failed(why) => return Err(why),
        // A refresh token outlives its access token, and only a living one can kill it.
        Revocation::WasDead => {}
    }
    if let Renewal::ClientSecret(_) = pair.renewal {
        return Ok(());
    }
    match setup.zendesk.refresh(&pair.renewal).await {
        Answer::InvalidGrant(_) => Ok(()),
        Answer::Granted(grant) => revoke_fresh(setup, &grant.access).await,
        Answer::Refused(block) => Err(block.why),
        Answer::Transient { why, .. } | Answer::Lost(why) => Err(why),
    }
}

/// Ends an access token after which the client has got another one.
pub(super) async fn end_outdated(setup: &Setup, access: &AccessToken) {
    if let Err(why) = revoke_fresh(setup, access).await {
        let account = &setup.account.name;
        tracing::info!(%account, why, "the access token before is not revoked; it will expire");
    }
}

/// Ends a pair that a login has replaced; `over`: Zendesk has killed its refresh token already.
pub(super) async fn end_replaced(setup: &Setup, pair: &Pair, over: bool) {
    let ended = if over {
        revoke_fresh(setup, &pair.access).await
    } else {
        end_pair(setup, pair).await
    };
    if let Err(why) = ended {
        let account = &setup.account.name;
        tracing::warn!(%account, why, "the tokens of the login before are not revoked");
    }
}

async fn revoke_fresh(setup: &Setup, access: &AccessToken) -> Result<(), String> {
    match setup.zendesk.revoke(access).await {
        Revocation::Done | Revocation::WasDead => Ok(()),
        Revocation::Failed(why) => Err(why),
    }
}

/// Work that waits for a disk, on a thread that may.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, String> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| "the work was cut short (a bug in loopdesk)".to_owned())
}

fn flat<T>(result: Result<Result<T, super::store::Error>, String>) -> Result<T, String> {
    result?.map_err(|error| error.to_string())
}
