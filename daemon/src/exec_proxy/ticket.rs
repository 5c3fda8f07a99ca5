//! The rights of a local key for this run: a ticket, which ends with the connection that it came by.
//! After the daemon has restarted, the next one is asked for another.

use std::future::ready;

use loopdesk_protocol::client::{ClientError, Lines};
use loopdesk_protocol::exec::{TICKET, Ticket, TicketRequest};
use loopdesk_protocol::{Client, SecretText};
use tokio::sync::Mutex;

use crate::telemetry::redact::{self, Hidden};

/// Asks for tickets of one key.
#[derive(Debug)]
pub(super) struct Tickets {
    client: Client,
    key: String,
    /// Locked while a new one is asked for.
    current: Mutex<Option<CurrentTicket>>,
}

#[derive(Debug)]
struct CurrentTicket {
    text: SecretText,
    /// The daemon's answer, which ends when the ticket does.
    answer: Lines<Ticket>,
    _hidden: Hidden,
}

impl Tickets {
    pub(super) fn new(client: Client, key: String) -> Self {
        Self {
            client,
            key,
            current: Mutex::new(None),
        }
    }

    /// A ticket that works.
    ///
    /// # Errors
    /// No daemon is there, or it refuses.
    pub(super) async fn current(&self) -> Result<SecretText, ClientError> {
        let mut current = self.current.lock().await;
        if let Some(ticket) = &mut *current
            && ticket.is_open().await
        {
            return Ok(ticket.text.clone());
        }
        *current = None;
        let asked = TicketRequest {
            key: self.key.clone(),
        };
        let mut answer = self.client.stream(TICKET, &asked).await?;
        let Some(Ticket { ticket: text }) = answer.next().await? else {
            return Err(ClientError::Broken("there is no ticket in it".to_owned()));
        };
        *current = Some(CurrentTicket {
            _hidden: redact::hide(text.expose()),
            text: text.clone(),
            answer,
        });
        Ok(text)
    }
}

impl CurrentTicket {
    async fn is_open(&mut self) -> bool {
        tokio::select! {
            biased;
            _ended = self.answer.next() => false,
            () = ready(()) => true,
        }
    }
}
