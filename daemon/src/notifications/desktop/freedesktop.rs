//! Desktop notifications by freedesktop.org's specification, over D-Bus.

use std::collections::HashMap;

use zbus::zvariant::{DynamicType, Type, Value};

use super::Notice;

/// Shows `notice`, replacing the one with the number `before` if it is still there; returns its own
/// number.
pub(super) async fn show(notice: &Notice, before: Option<u32>) -> Result<u32, String> {
    // Never through X11, which would start a bus of its own.
    let bus = zbus::Connection::session()
        .await
        .map_err(|e| format!("there is no session bus ({e})"))?;
    let capabilities: Vec<String> = call(&bus, "GetCapabilities", &()).await?;
    let body = if capabilities.iter().any(|name| name == "body-markup") {
        escaped(&notice.body)
    } else {
        notice.body.clone()
    };
    let hints = HashMap::from([
        ("urgency", Value::U8(notice.urgency as u8)),
        ("category", Value::from("network")),
    ]);
    let arguments = (
        "loopdesk",
        before.unwrap_or(0),
        "dialog-password",
        notice.title.as_str(),
        body.as_str(),
        Vec::<&str>::new(),
        hints,
        SERVERS_CHOICE,
    );
    call(&bus, "Notify", &arguments).await
}

async fn call<T>(
    bus: &zbus::Connection,
    method: &str,
    arguments: &(impl serde::Serialize + DynamicType),
) -> Result<T, String>
where
    T: serde::de::DeserializeOwned + Type,
{
    let reply = bus.call_method(Some(NAME), PATH, Some(NAME), method, arguments);
    let reply = reply.await.map_err(|e| format!("`{method}`: {e}"))?;
    let body = reply.body();
    body.deserialize().map_err(|e| format!("`{method}`: {e}"))
}

/// Some of the text comes from Zendesk, and a notice needs no links or images.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

const NAME: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";
/// The server decides how long a notice is shown.
const SERVERS_CHOICE: i32 = -1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_words_are_no_markup() {
        let text = "<a href=\"https://evil.example\">x</a> & <img src=y>";
        let found = escaped(text);
        assert!(!found.contains(['<', '>']), "{found}");
        assert!(found.contains(" &amp; "), "{found}");
    }
}
