//! A notification service of our own on a session bus: it shows nothing and records everything.

use std::collections::HashMap;

use tokio::sync::watch;
use zbus::Connection;
use zbus::zvariant::OwnedValue;

use crate::secret_service::Bus;

/// One notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The application's name.
    pub application: String,
    /// The id of the notification that it replaces, or 0.
    pub replaces: u32,
    /// Its summary.
    pub title: String,
    /// Its body.
    pub body: String,
    /// Its urgency: 0 low, 1 normal, 2 critical.
    pub urgency: Option<u8>,
}

/// Owns `org.freedesktop.Notifications` until it is dropped.
#[derive(Debug)]
pub struct Notifications {
    _connection: Connection,
    shown: watch::Receiver<Vec<Notice>>,
}

impl Notifications {
    /// Takes the name on `bus`.
    ///
    /// # Panics
    /// If the bus refuses.
    pub async fn start(bus: &Bus) -> Self {
        let (told, shown) = watch::channel(Vec::new());
        let builder = zbus::connection::Builder::address(bus.address()).expect("an address");
        let builder = builder
            .serve_at("/org/freedesktop/Notifications", Service { told })
            .and_then(|builder| builder.name("org.freedesktop.Notifications"));
        let connection = builder.expect("good names").build().await;
        Self {
            _connection: connection.expect("the bus gives the name"),
            shown,
        }
    }

    /// Waits for `count` notifications and returns all of them.
    ///
    /// # Panics
    /// If the service has ended.
    pub async fn until(&self, count: usize) -> Vec<Notice> {
        let mut shown = self.shown.clone();
        let all = shown.wait_for(|shown| shown.len() >= count).await;
        all.expect("the service lives").clone()
    }
}

struct Service {
    told: watch::Sender<Vec<Notice>>,
}

#[zbus::interface(name = "org.freedesktop.Notifications")]
impl Service {
    fn get_capabilities(&self) -> Vec<&str> {
        vec!["body", "body-markup"]
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the specification demands that many"
    )]
    fn notify(
        &self,
        application: String,
        replaces: u32,
        _icon: String,
        title: String,
        body: String,
        _actions: Vec<String>,
        mut hints: HashMap<String, OwnedValue>,
        _expires: i32,
    ) -> u32 {
        let urgency = hints
            .remove("urgency")
            .and_then(|value| u8::try_from(value).ok());
        let notice = Notice {
            application,
            replaces,
            title,
            body,
            urgency,
        };
        self.told.send_modify(|told| told.push(notice));
        u32::try_from(self.told.borrow().len()).unwrap_or(u32::MAX)
    }
}
