//! Exports that Zendesk only gives to admins: `status` names programs whose exports are refused.
//!
//! Zendesk's 403 doesn't mention the alternative, and there is one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;
use loopdesk_protocol::conditions;
use tokio::time::{Instant, sleep};

use crate::conditions::{ConditionSlot, Conditions};
use crate::config::AccountName;
use crate::keys::Caller;

/// What is known about the exports of each account.
#[derive(Debug)]
pub(super) struct Exports {
    conditions: Conditions,
    slots: Mutex<BTreeMap<AccountName, Arc<ConditionSlot>>>,
}

/// A request for an export.
pub(super) struct Export {
    /// Its path, safe to show.
    path: String,
    is_incremental: bool,
}

impl Export {
    /// The export that a request with this path is for, if any.
    pub(super) fn of(path: &str) -> Option<Self> {
        let mut segments = path.split('/').filter(|segment| !segment.is_empty());
        if segments.next() != Some("api") || segments.next() != Some("v2") {
            return None;
        }
        let is_incremental = match (segments.next()?, segments.next()?) {
            ("incremental", _) => true,
            ("search", "export" | "export.json") => false,
            _ => return None,
        };
        let shown = path.chars().take(SHOWN).flat_map(char::escape_default);
        Some(Self {
            path: shown.collect(),
            is_incremental,
        })
    }
}

impl Exports {
    pub(super) fn new(conditions: Conditions) -> Self {
        Self {
            conditions,
            slots: Mutex::default(),
        }
    }

    /// Notes how an export by `caller` went. One that succeeds shows that the user knows the
    /// alternative.
    pub(super) fn note(
        &self,
        account: &AccountName,
        export: Export,
        status: StatusCode,
        is_admin: bool,
        caller: &Caller,
    ) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if status.is_success() {
            slots.remove(account);
        } else if status == StatusCode::FORBIDDEN && export.is_incremental && !is_admin {
            let slot = slots
                .entry(account.clone())
                .or_insert_with(|| Arc::new(self.conditions.slot_of(account)));
            tokio::spawn(raise(Arc::clone(slot), export.path, caller.clone()));
        }
    }
}

/// Raises the condition once the program is known; finding that out runs in the background.
async fn raise(slot: Arc<ConditionSlot>, path: String, caller: Caller) {
    let deadline = Instant::now() + PATIENCE;
    let program = loop {
        match caller.program() {
            Some(found) => break found,
            None if Instant::now() >= deadline => break None,
            None => sleep(PAUSE).await,
        }
    };
    let program = program.map_or_else(|| "a program".to_owned(), |name| format!("`{name}`"));
    slot.raise(conditions::export_needs_admin(program, path));
}

/// How long looking up the program may take.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(20);

/// Enough to recognise any route.
const SHOWN: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn o3_exports_are_known_by_their_path() {
        for (path, incremental) in [
            ("/api/v2/incremental/tickets/cursor.json", Some(true)),
            ("/api/v2//incremental/users", Some(true)),
            ("/api/v2/search/export.json", Some(false)),
            ("/api/v2/search/export", Some(false)),
            ("/api/v2/search.json", None),
            ("/api/v2/incremental", None),
            ("/api/v2/help_center/incremental/articles", None),
            ("/incremental/tickets", None),
            ("/", None),
        ] {
            let found = Export::of(path).map(|export| export.is_incremental);
            assert_eq!(found, incremental, "{path}");
        }
    }
}
