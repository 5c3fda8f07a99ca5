//! Notifications on the desktop. Without a notification service, nothing happens.

#[cfg(target_os = "linux")]
mod freedesktop;
#[cfg(target_os = "macos")]
mod osascript;

use std::collections::HashMap;
use std::time::Duration;

use loopdesk_protocol::event::{SessionEvent, SessionEventKind};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

#[cfg(target_os = "linux")]
use self::freedesktop as shower;
#[cfg(target_os = "macos")]
use self::osascript as shower;

/// Shows events until `stop`.
pub(super) async fn work(mut events: mpsc::Receiver<SessionEvent>, stop: CancellationToken) {
    // A new notice replaces the previous one about the same account.
    let mut shown = HashMap::new();
    let work = async {
        while let Some(event) = events.recv().await {
            let notice = Notice::from(&event);
            let before = shown.get(&event.account).copied();
            let showing = shower::show(&notice, before);
            match tokio::time::timeout(PATIENCE, showing).await {
                Ok(Ok(number)) => {
                    shown.insert(event.account, number);
                }
                Ok(Err(why)) => tracing::debug!(why, "no desktop notification"),
                Err(_) => tracing::debug!("no desktop notification: the service doesn't answer"),
            }
        }
    };
    tokio::select! {
        () = work => {}
        () = stop.cancelled() => {}
    }
}

/// The text that the user sees.
#[derive(Debug)]
struct Notice {
    title: String,
    body: String,
    #[cfg_attr(
        target_os = "macos",
        expect(dead_code, reason = "osascript's notices know no urgency")
    )]
    urgency: NoticeUrgency,
}

/// As in the Desktop Notifications Specification 1.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NoticeUrgency {
    Low = 0,
    Normal = 1,
    Critical = 2,
}

impl From<&SessionEvent> for Notice {
    fn from(event: &SessionEvent) -> Self {
        let account = &event.account;
        let (title, urgency) = match event.event {
            SessionEventKind::Ended => (
                format!("Zendesk login needed ({account})"),
                NoticeUrgency::Critical,
            ),
            SessionEventKind::Blocked => (
                format!("Zendesk refuses ({account})"),
                NoticeUrgency::Critical,
            ),
            SessionEventKind::Demoted => (
                format!("Fewer rights in Zendesk ({account})"),
                NoticeUrgency::Normal,
            ),
            SessionEventKind::ExpiresSoon => {
                let left = event.until.map(|until| until.duration_since(event.at));
                let days = left.map_or(0, |left| left.as_hours() / 24);
                let when = match days {
                    ..=0 => "today".to_owned(),
                    1 => "tomorrow".to_owned(),
                    days => format!("in {days} days"),
                };
                (
                    format!("Zendesk session ends {when} ({account})"),
                    NoticeUrgency::Normal,
                )
            }
            SessionEventKind::Restored => (
                format!("Zendesk works again ({account})"),
                NoticeUrgency::Low,
            ),
        };
        let lines = std::iter::once(&event.message).chain(&event.fix);
        let body = lines.map(|line| capitalised(line)).collect::<Vec<_>>();
        Self {
            title,
            body: body.join("\n"),
            urgency,
        }
    }
}

fn capitalised(line: &str) -> String {
    let mut chars = line.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars).collect()
    })
}

/// Nothing waits for a notice to be shown; a service that takes longer than this isn't working.
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use loopdesk_protocol::event::VERSION;
    use loopdesk_protocol::status::State;

    use super::*;

    #[test]
    fn r7_a_notice_names_the_account_the_day_and_the_fix() {
        let event = SessionEvent {
            version: VERSION,
            event: SessionEventKind::ExpiresSoon,
            account: "acme".to_owned(),
            at: "2026-11-20T00:00:00Z".parse().unwrap(),
            state: State::Active,
            message: "account `acme` has not been refreshed".to_owned(),
            fix: vec!["check the network".to_owned()],
            until: Some("2026-12-01T01:00:00Z".parse().unwrap()),
        };
        let notice = Notice::from(&event);
        assert_eq!(notice.title, "Zendesk session ends in 11 days (acme)");
        let body = "Account `acme` has not been refreshed\nCheck the network";
        assert_eq!(notice.body, body);
        assert_eq!(notice.urgency, NoticeUrgency::Normal);
    }
}
