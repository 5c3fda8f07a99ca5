//! Where Zendesk lets a person have one pair only: found out once, and remembered.

use std::io;
use std::sync::Arc;

use jiff::Timestamp;
use loopdesk_protocol::status::Role;

use super::Family;
use crate::config::AccountName;
use crate::session::jobs;
use crate::session::snapshot::Snapshot;
use crate::session::store::{self, Store};

impl Family {
    /// Remembers since when it is known that there can be one pair only, or forgets it, here and on
    /// disk.
    pub(in crate::session) async fn set_lone(
        &self,
        store: &Store,
        account: &AccountName,
        since: Option<Timestamp>,
    ) {
        if self.published.borrow().lone_since == since {
            return;
        }
        self.show_lone(since);
        let (store, account) = (store.clone(), account.clone());
        let noted = jobs::blocking(move || note(&store, &account, since)).await;
        if let Ok(Err(why)) = noted {
            tracing::warn!(%why, "can't note that Zendesk allows one pair only");
        }
    }

    /// Reads what was remembered.
    pub(super) async fn recall_lone(&self, store: &Store, account: &AccountName) {
        let (store, account) = (store.clone(), account.clone());
        let further = [Role::Spare, Role::ReadOnly];
        let wants_more = further.into_iter().any(|role| self.part(role).is_wanted);
        let recalled = jobs::blocking(move || {
            let since = noted(&store, &account);
            if since.is_some() && !wants_more {
                // Switched off meanwhile: switched on again, it is tried again.
                drop(note(&store, &account, None));
            }
            since
        });
        if let (Ok(Some(since)), true) = (recalled.await, wants_more) {
            self.show_lone(Some(since));
        }
    }

    fn show_lone(&self, since: Option<Timestamp>) {
        self.published.send_modify(|snapshot| {
            *snapshot = Arc::new(Snapshot::merge(snapshot.parts.clone(), since));
        });
    }
}

fn note(store: &Store, account: &AccountName, since: Option<Timestamp>) -> io::Result<()> {
    let path = store.file(account, EXTENSION);
    match since {
        Some(since) => {
            store::write_through(&path, format!("{NOTE}{since}\n").as_bytes(), store.dir())
        }
        None => match std::fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        },
    }
}

fn noted(store: &Store, account: &AccountName) -> Option<Timestamp> {
    let text = std::fs::read_to_string(store.file(account, EXTENSION)).ok()?;
    text.strip_prefix(NOTE)?.trim_end().parse().ok()
}

const EXTENSION: &str = "lone";
const NOTE: &str = "loopdesk-lone 1 since ";
