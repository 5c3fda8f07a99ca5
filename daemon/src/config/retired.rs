//! Keys that earlier releases knew, and that have no effect any more.
//!
//! They are no errors: a file that was right must stay right when the program is replaced.

use loopdesk_protocol::config::Layer;

/// A key without an effect.
#[derive(Clone, Copy, Debug)]
pub(super) struct Retired {
    pub(super) name: &'static str,
    /// Why it has none, after a colon.
    why: &'static str,
}

/// Whether a second token pair is kept for the day on which the first one is lost.
pub(super) const SPARE: Retired = Retired {
    name: "spare",
    why: "loopdesk keeps no spare token pair now",
};

impl Retired {
    /// What to say of `key`, its full name.
    pub(super) fn message(self, key: &str) -> String {
        format!("`{key}` has no effect any more: {}", self.why)
    }

    /// How to be rid of it in the file of `layer`.
    pub(super) fn fix(self, key: &str, layer: Layer) -> String {
        match layer {
            Layer::User => format!("run `loopdesk config set {key} --unset`"),
            Layer::System => "ask the administrator of this machine to remove it".to_owned(),
        }
    }
}
