//! Tickets: each lends the rights of one key to one run of `loopdesk exec`, and works on `proxy.sock`
//! alone. They live in memory, as long as whoever asked for them is there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use loopdesk_protocol::SecretText;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{Key, KeyId, Keys};
use crate::hex;
use crate::telemetry::redact::{self, Hidden};

/// The tickets that work now. Only their hashes are kept.
#[derive(Debug, Default)]
pub(super) struct Tickets(Mutex<HashMap<TicketDigest, KeyId>>);

type TicketDigest = [u8; 32];

/// A ticket, which works until this is dropped.
#[derive(Debug)]
pub struct IssuedTicket {
    /// What the run sends.
    pub text: SecretText,
    digest: TicketDigest,
    tickets: Arc<Tickets>,
    is_kept: bool,
    _hidden: Hidden,
}

impl IssuedTicket {
    /// Lets it work until the process ends.
    pub fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Keys {
    /// A ticket with the rights of the key `id`, as they are at each request.
    ///
    /// # Errors
    /// If the system provides no random bytes.
    pub fn issue_ticket(&self, id: KeyId) -> Result<IssuedTicket, getrandom::Error> {
        let mut random = Zeroizing::new([0; RANDOM_LENGTH]);
        getrandom::fill(&mut random[..])?;
        let text = SecretText::new(hex::lower(&random[..]));
        let digest = digest(text.expose().as_bytes());
        let tickets = Arc::clone(&self.0.tickets);
        tickets.all().insert(digest, id);
        Ok(IssuedTicket {
            _hidden: redact::hide(text.expose()),
            text,
            digest,
            tickets,
            is_kept: false,
        })
    }

    /// The key whose rights this ticket has. `None` if the ticket's run is over, or the key is gone.
    pub fn by_ticket(&self, ticket: &[u8]) -> Option<Arc<Key>> {
        let id = self.0.tickets.all().get(&digest(ticket)).copied()?;
        self.0.current(id)
    }
}

impl Tickets {
    fn all(&self) -> MutexGuard<'_, HashMap<TicketDigest, KeyId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for IssuedTicket {
    fn drop(&mut self) {
        if !self.is_kept {
            self.tickets.all().remove(&self.digest);
        }
    }
}

/// How long a look-up takes tells something about digests, and nothing about tickets.
fn digest(ticket: &[u8]) -> TicketDigest {
    Sha256::digest(ticket).into()
}

/// As long as a key's secret.
const RANDOM_LENGTH: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    #[test]
    fn s9_a_ticket_without_its_key_or_after_its_end_is_nothing() {
        let keys = samples::no_keys();
        let issued = keys.issue_ticket(KeyId::random().unwrap()).unwrap();
        let text = issued.text.clone();
        assert_eq!(text.expose().len(), 2 * RANDOM_LENGTH);
        assert!(
            keys.by_ticket(text.expose().as_bytes()).is_none(),
            "no such key"
        );
        let known = || keys.0.tickets.all().len();
        assert_eq!(known(), 1);
        drop(issued);
        assert_eq!(known(), 0);
        keys.issue_ticket(KeyId::random().unwrap()).unwrap().keep();
        assert_eq!(known(), 1, "the daemon's last requests still have theirs");
        let shown = format!("{:?}", keys.issue_ticket(KeyId::random().unwrap()));
        assert!(shown.contains("SecretText(..)"), "{shown}");
    }
}
