//! Why there is no key, in words and as a state.

use std::path::Path;

use loopdesk_protocol::status::VaultState;
use loopdesk_protocol::{Kind, Problem};

use super::{keyring, wrapped};
use crate::config::VaultKind;

/// Why there is no key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::session) enum VaultError {
    /// The vault works and holds none.
    Missing,
    /// Somebody has to unlock the vault.
    Locked,
    /// The passphrase hasn't been given yet.
    Closed,
    /// The passphrase, or the credential, is another one than the key is sealed under.
    Wrong,
    /// There is no such vault here, and how that shows.
    Absent(String),
    /// The keyring has no place where an entry could be put.
    #[cfg_attr(
        target_os = "macos",
        expect(dead_code, reason = "every keychain can take an entry")
    )]
    NoCollection,
    /// The vault did not answer in time.
    Slow,
    /// It holds another key than the one that is in use.
    Another,
    /// Anything else.
    Failed(String),
}

/// What the words depend on, beside the trouble itself.
#[derive(Clone, Copy, Debug)]
pub(in crate::session) struct VaultContext<'a> {
    pub(in crate::session) kind: VaultKind,
    /// The file of a vault that has one.
    pub(in crate::session) file: &'a Path,
    /// Whether a stored session needs the very key that can't be had. Then no other vault helps.
    pub(in crate::session) needed: bool,
}

impl VaultError {
    /// The state that `status` shows.
    pub(in crate::session) fn state(&self, kind: VaultKind) -> VaultState {
        match (self, kind) {
            (Self::Missing, VaultKind::Keyfile) | (Self::Absent(_), _) => VaultState::Absent,
            (Self::Missing, _) => VaultState::NoEntry,
            (Self::Locked, _) => VaultState::Locked,
            (Self::Closed, _) => VaultState::NeedsPassphrase,
            (Self::Slow, _) => VaultState::Slow,
            (Self::Wrong | Self::NoCollection | Self::Another | Self::Failed(_), _) => {
                VaultState::Failed
            }
        }
    }

    /// As people are told: what is wrong, and the commands that help.
    pub(in crate::session) fn problem(&self, of: VaultContext<'_>) -> Problem {
        let file = of.file.display();
        let problem = match of.kind {
            VaultKind::Keyring => self.of_keyring(),
            VaultKind::Keyfile => self.of_file(of.file).hint(format!(
                "if the file was moved or copied, put it back, yours alone: `chmod 600 {file}`"
            )),
            VaultKind::Passphrase => match self {
                Self::Missing if of.needed => self.of_file(of.file),
                Self::Missing => problem("no passphrase has been chosen yet")
                    .hint("choose one: `loopdesk unlock --passphrase-stdin`"),
                Self::Closed => problem(
                    "the data key's passphrase has not been given since loopdesk was started",
                )
                .hint("give it: `loopdesk unlock --passphrase-stdin`"),
                Self::Wrong => problem("that is not the passphrase of the data key")
                    .hint("nothing has changed; try again: `loopdesk unlock --passphrase-stdin`"),
                Self::Locked
                | Self::Absent(_)
                | Self::NoCollection
                | Self::Slow
                | Self::Another
                | Self::Failed(_) => self.of_file(of.file),
            },
            VaultKind::Credential => self.of_credential(of.file, of.needed),
        };
        if of.needed {
            return problem;
        }
        let others = VaultKind::ALL.iter().filter(|(_, kind)| *kind != of.kind);
        others.fold(problem, |problem, (name, kind)| match kind {
            VaultKind::Keyfile => problem.hint(
                "or keep the key in a file that only you can read: \
                 `loopdesk config set vault keyfile`",
            ),
            VaultKind::Passphrase => problem.hint(format!(
                "or under a passphrase that is asked for after each start: \
                 `loopdesk config set vault {name}`, then `loopdesk unlock --passphrase-stdin`"
            )),
            // A server without the one seldom has the other.
            VaultKind::Keyring | VaultKind::Credential => problem,
        })
    }

    fn of_keyring(&self) -> Problem {
        match self {
            Self::Missing => problem("the keyring holds no data key of loopdesk's")
                .hint("if another keyring holds it, start that one: loopdesk notices"),
            Self::Locked => problem("the keyring is locked")
                .hint("unlock it: `loopdesk unlock`")
                .hint("or log in to your desktop, which unlocks it too: loopdesk notices"),
            Self::Absent(how) => problem(&format!("no keyring answers on this machine: {how}"))
                .hint("start one (GNOME Keyring, KWallet, KeePassXC): loopdesk notices"),
            Self::NoCollection => problem("the keyring has no collection to keep a key in")
                .hint("make one, it asks for a password: `loopdesk unlock`"),
            Self::Slow => problem(&format!(
                "the keyring has not answered within {} s",
                keyring::PATIENCE.as_secs()
            ))
            .hint("answer its prompt, if one is open; loopdesk goes on waiting")
            .hint("or restart the keyring: loopdesk notices"),
            Self::Another => problem(
                "the keyring holds another data key than the one that the stored sessions need",
            )
            .hint(format!(
                "if nothing needs that other key: `secret-tool clear service {} username {}`",
                keyring::SERVICE,
                keyring::USER
            )),
            Self::Closed | Self::Wrong => problem("the keyring can't be opened"),
            Self::Failed(why) => problem(&format!("the keyring can't be used: {why}"))
                .hint("once that is mended: `loopdesk unlock`"),
        }
    }

    fn of_credential(&self, file: &Path, needed: bool) -> Problem {
        let hand_over = || {
            format!(
                "hand it over: add `LoadCredential={}:/path/to/secret` to the service with \
                 `systemctl --user edit loopdesk`, then `systemctl --user restart loopdesk`",
                wrapped::CREDENTIAL
            )
        };
        match self {
            Self::Missing if needed => self.of_file(file),
            Self::Missing => problem("no data key has been sealed under the credential yet")
                .hint("run `loopdesk login`"),
            Self::Absent(how) => problem(how).hint(hand_over()),
            Self::Wrong => problem(&format!(
                "the credential `{}` is not the one that the data key was sealed under",
                wrapped::CREDENTIAL
            ))
            .hint("nothing has changed; put the old credential back and restart the service"),
            Self::Locked
            | Self::Closed
            | Self::NoCollection
            | Self::Slow
            | Self::Another
            | Self::Failed(_) => self.of_file(file),
        }
    }

    fn of_file(&self, file: &Path) -> Problem {
        let file = file.display();
        match self {
            Self::Missing => problem(&format!("there is no key file `{file}`")),
            Self::Another => problem(&format!(
                "the key file `{file}` holds another data key than the one that the stored \
                 sessions need"
            ))
            .hint(format!(
                "if nothing needs that other key: `mv {file} {file}.old`"
            )),
            Self::Failed(why) => problem(&format!("the key file `{file}` can't be used: {why}")),
            Self::Locked
            | Self::Closed
            | Self::Wrong
            | Self::Absent(_)
            | Self::NoCollection
            | Self::Slow => problem(&format!("the key file `{file}` can't be opened")),
        }
    }
}

fn problem(message: &str) -> Problem {
    Problem::new(Kind::Vault, message)
}
