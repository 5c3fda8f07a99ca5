//! The Secret Service of freedesktop.org: GNOME Keyring, KWallet, KeePassXC.

use std::collections::HashMap;
use std::pin::Pin;
use std::time::Duration;

use zbus::export::futures_core::Stream;
use zbus::zvariant::{OwnedObjectPath, OwnedValue, Value};
use zbus::{MatchRule, Message, MessageStream, message};

pub(super) use super::item::entry;
use super::{Keyring, Lookup, Opened, VaultError, item};
use crate::telemetry::Foreign;

/// Whether the entry exists and can be read.
pub(super) fn lookup() -> Result<Lookup, VaultError> {
    zbus::block_on(async {
        let bus = connect().await?;
        match survey(&bus).await? {
            Survey::Locked(_) => Err(VaultError::Locked),
            Survey::NoCollection => Err(VaultError::NoCollection),
            Survey::Found => Ok(Lookup::Present),
            Survey::Empty => Ok(Lookup::Absent),
        }
    })
}

/// Has the keyring show its prompt if it is locked or has no collection, and waits up to `limit`
/// for an answer.
pub(super) async fn unlock(_: &Keyring, limit: Duration) -> Result<Opened, VaultError> {
    let asked = async {
        let bus = connect().await?;
        let prompt: OwnedObjectPath = match survey(&bus).await? {
            Survey::Found | Survey::Empty => return Ok(None),
            Survey::Locked(what) => {
                let what = vec![what];
                let (_, prompt): (Vec<OwnedObjectPath>, _) =
                    call(&bus, SERVICE_PATH, SERVICE_INTERFACE, "Unlock", &(what,)).await?;
                prompt
            }
            Survey::NoCollection => {
                let name = "org.freedesktop.Secret.Collection.Label";
                let label = HashMap::from([(name, Value::from("Login"))]);
                let new = (label, "default");
                let (_, prompt): (OwnedObjectPath, _) = call(
                    &bus,
                    SERVICE_PATH,
                    SERVICE_INTERFACE,
                    "CreateCollection",
                    &new,
                )
                .await?;
                prompt
            }
        };
        Ok(Some((bus, prompt)))
    };
    let asked = tokio::time::timeout(super::PATIENCE, asked).await;
    match asked.unwrap_or(Err(VaultError::Slow))? {
        Some((bus, prompt)) if prompt.as_str() != "/" => show(bus, prompt, limit).await,
        Some(_) | None => Ok(Opened::Open),
    }
}

/// D-Bus signals after which the keyring may have been started or unlocked.
#[derive(Debug)]
pub(in crate::session) struct Signals {
    of_the_keyring: MessageStream,
    of_the_bus: MessageStream,
}

impl Signals {
    /// Subscribes, without starting a keyring. `None` if there is no bus.
    pub(in crate::session) async fn subscribe() -> Option<Self> {
        let subscribed = async {
            let bus = connect().await.ok()?;
            let of_the_keyring = MatchRule::builder()
                .msg_type(message::Type::Signal)
                .sender(NAME)
                .ok()?
                .build();
            Some(Self {
                of_the_keyring: subscribe(&bus, of_the_keyring).await.ok()?,
                of_the_bus: subscribe(&bus, owner_changes().ok()?).await.ok()?,
            })
        };
        tokio::time::timeout(super::PATIENCE, subscribed)
            .await
            .ok()?
    }

    /// Waits for the next signal; `None` when the bus has stopped.
    pub(in crate::session) async fn next(&mut self) -> Option<()> {
        tokio::select! {
            of_the_keyring = next(&mut self.of_the_keyring) => of_the_keyring,
            of_the_bus = next(&mut self.of_the_bus) => of_the_bus,
        }
        .map(|_message| ())
    }
}

enum Survey {
    NoCollection,
    Locked(OwnedObjectPath),
    Found,
    Empty,
}

/// Inspects the keyring without causing a prompt. By the specification, reading aliases and
/// properties never prompts. A search may, in KeePassXC, unless the collection is known to be open.
async fn survey(bus: &zbus::Connection) -> Result<Survey, VaultError> {
    let alias = &("default",);
    let default = call(bus, SERVICE_PATH, SERVICE_INTERFACE, "ReadAlias", alias).await;
    let default: OwnedObjectPath = default?;
    let path = default.as_str();
    if path == "/" {
        return Ok(Survey::NoCollection);
    }
    let property = &(COLLECTION_INTERFACE, "Locked");
    let is_locked = call(
        bus,
        path,
        "org.freedesktop.DBus.Properties",
        "Get",
        property,
    )
    .await;
    let is_locked: OwnedValue = is_locked?;
    if bool::try_from(is_locked).map_err(|e| unreadable(&e))? {
        return Ok(Survey::Locked(default));
    }
    let wanted = &(item::attributes(),);
    let found = call(bus, path, COLLECTION_INTERFACE, "SearchItems", wanted).await;
    let found: Vec<OwnedObjectPath> = found?;
    Ok(if found.is_empty() {
        Survey::Empty
    } else {
        Survey::Found
    })
}

/// Shows a prompt and waits for its end. Dropping the future dismisses the prompt.
async fn show(
    bus: zbus::Connection,
    path: OwnedObjectPath,
    limit: Duration,
) -> Result<Opened, VaultError> {
    let completed = MatchRule::builder()
        .msg_type(message::Type::Signal)
        .interface(PROMPT_INTERFACE)
        .and_then(|rule| rule.member("Completed"))
        .and_then(|rule| rule.path(path.clone()))
        .map_err(|e| convert_error(&e))?
        .build();
    let mut completed = subscribe(&bus, completed)
        .await
        .map_err(|e| convert_error(&e))?;
    let rule = owner_changes().map_err(|e| convert_error(&e))?;
    let mut owners = subscribe(&bus, rule).await.map_err(|e| convert_error(&e))?;
    let mut shown = Shown(Some((bus.clone(), path.clone())));
    let answered = async {
        // Some keyrings answer this call only when the prompt is over.
        let asking = call::<()>(&bus, path.as_str(), PROMPT_INTERFACE, "Prompt", &("",));
        tokio::pin!(asking);
        let mut is_asked = false;
        loop {
            tokio::select! {
                asked = &mut asking, if !is_asked => {
                    asked?;
                    is_asked = true;
                }
                completed = next(&mut completed) => {
                    let message = completed.ok_or_else(stopped)?;
                    let result: Result<(bool, OwnedValue), _> = message.body().deserialize();
                    let (dismissed, _) = result.map_err(|e| convert_error(&e))?;
                    return Ok(if dismissed { Opened::Dismissed } else { Opened::Open });
                }
                _ = next(&mut owners) => return Err(stopped()),
            }
        }
    };
    match tokio::time::timeout(limit, answered).await {
        Ok(answered) => {
            shown.0 = None;
            answered
        }
        Err(_) => Ok(Opened::Unanswered),
    }
}

/// A prompt on the screen. Dropping this dismisses it.
struct Shown(Option<(zbus::Connection, OwnedObjectPath)>);

impl Drop for Shown {
    fn drop(&mut self) {
        let Some((bus, path)) = self.0.take() else {
            return;
        };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            drop(runtime.spawn(async move {
                let dismissed = call::<()>(&bus, path.as_str(), PROMPT_INTERFACE, "Dismiss", &());
                drop(tokio::time::timeout(super::PATIENCE, dismissed).await);
            }));
        }
    }
}

async fn connect() -> Result<zbus::Connection, VaultError> {
    zbus::Connection::session().await.map_err(|e| {
        VaultError::Absent(format!(
            "there is no D-Bus session bus ({})",
            Foreign::new(&e.to_string())
        ))
    })
}

async fn call<T>(
    bus: &zbus::Connection,
    path: &str,
    interface: &str,
    method: &str,
    arguments: &(impl serde::Serialize + zbus::zvariant::DynamicType),
) -> Result<T, VaultError>
where
    T: serde::de::DeserializeOwned + zbus::zvariant::Type,
{
    let reply = bus
        .call_method(Some(NAME), path, Some(interface), method, arguments)
        .await
        .map_err(|e| convert_error(&e))?;
    reply.body().deserialize().map_err(|e| convert_error(&e))
}

async fn subscribe(bus: &zbus::Connection, rule: MatchRule<'_>) -> zbus::Result<MessageStream> {
    MessageStream::for_match_rule(rule.to_owned(), bus, None).await
}

fn owner_changes() -> zbus::Result<MatchRule<'static>> {
    Ok(MatchRule::builder()
        .msg_type(message::Type::Signal)
        .sender("org.freedesktop.DBus")?
        .interface("org.freedesktop.DBus")?
        .member("NameOwnerChanged")?
        .arg(0, NAME)?
        .build())
}

async fn next(stream: &mut MessageStream) -> Option<Message> {
    std::future::poll_fn(|cx| Pin::new(&mut *stream).poll_next(cx))
        .await?
        .ok()
}

/// Converts an error of the bus or of the keyring.
fn convert_error(error: &zbus::Error) -> VaultError {
    let zbus::Error::MethodError(name, ..) = error else {
        return VaultError::Failed(Foreign::new(&error.to_string()).into());
    };
    match name.as_str() {
        "org.freedesktop.DBus.Error.ServiceUnknown"
        | "org.freedesktop.DBus.Error.NameHasNoOwner" => {
            VaultError::Absent(format!("nothing on the session bus provides `{NAME}`"))
        }
        "org.freedesktop.DBus.Error.NoReply" | "org.freedesktop.DBus.Error.Disconnected" => {
            stopped()
        }
        "org.freedesktop.Secret.Error.IsLocked" => VaultError::Locked,
        name if name.starts_with("org.freedesktop.DBus.Error.Spawn.") => VaultError::Absent(
            format!("the keyring can't be started ({})", Foreign::new(name)),
        ),
        _ => VaultError::Failed(Foreign::new(&error.to_string()).into()),
    }
}

fn stopped() -> VaultError {
    VaultError::Failed("it stopped while it was being asked".to_owned())
}

fn unreadable(error: &zbus::zvariant::Error) -> VaultError {
    VaultError::Failed(format!(
        "its answer can't be read ({})",
        Foreign::new(&error.to_string())
    ))
}

const NAME: &str = "org.freedesktop.secrets";
const SERVICE_PATH: &str = "/org/freedesktop/secrets";
const SERVICE_INTERFACE: &str = "org.freedesktop.Secret.Service";
const COLLECTION_INTERFACE: &str = "org.freedesktop.Secret.Collection";
const PROMPT_INTERFACE: &str = "org.freedesktop.Secret.Prompt";

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use tokio::sync::mpsc;

    use super::*;

    struct Prompt(mpsc::UnboundedSender<&'static str>);

    #[zbus::interface(name = "org.freedesktop.Secret.Prompt")]
    impl Prompt {
        fn prompt(&self, _window: &str) {
            self.0.send("prompt").unwrap();
        }

        fn dismiss(&self) {
            self.0.send("dismiss").unwrap();
        }
    }

    #[tokio::test]
    async fn r9_an_unanswered_prompt_is_dismissed_after_the_time_limit() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (sender, mut calls) = mpsc::unbounded_channel();
        let path = "/org/freedesktop/secrets/prompt/1";
        let keyring = zbus::connection::Builder::async_io_unix_stream(theirs)
            .server("0123456789abcdef0123456789abcdef")
            .unwrap()
            .p2p()
            .serve_at(path, Prompt(sender))
            .unwrap();
        let bus = zbus::connection::Builder::async_io_unix_stream(ours).p2p();
        let (keyring, bus) = tokio::join!(keyring.build(), bus.build());
        let _keyring = keyring.unwrap();

        let path = OwnedObjectPath::try_from(path).unwrap();
        let limit = Duration::from_millis(50);
        let ended = show(bus.unwrap(), path, limit).await.unwrap();
        assert_eq!(ended, Opened::Unanswered);
        assert_eq!(calls.recv().await, Some("prompt"));
        assert_eq!(calls.recv().await, Some("dismiss"));
    }
}
