//! Keys from earlier releases that have no effect any more.
//!
//! They aren't errors: a valid file must stay valid when the program is upgraded.

use loopdesk_protocol::config::Layer;

/// A key that has no effect any more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Retired {
    pub(super) name: &'static str,
    /// Why, as a text that follows a colon.
    why: &'static str,
}

/// Made earlier releases keep a second token pair, in case the first one was lost.
pub(super) const SPARE: Retired = Retired {
    name: "spare",
    why: "loopdesk no longer keeps a spare token pair",
};

impl Retired {
    /// The message about `key`, its full name.
    pub(super) fn message(self, key: &str) -> String {
        format!("`{key}` has no effect any more: {}", self.why)
    }

    /// How to remove it from the file of `layer`.
    pub(super) fn fix(self, key: &str, layer: Layer) -> String {
        match layer {
            Layer::User => format!("run `loopdesk config set {key} --unset`"),
            Layer::System => "ask the administrator of this machine to remove it".to_owned(),
        }
    }
}
