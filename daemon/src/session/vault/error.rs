//! Why the data key isn't available: as an error, a message and a status.

use std::path::Path;

use loopdesk_protocol::status::VaultState;
use loopdesk_protocol::{Kind, Problem};

use super::{keyring, wrapped};
use crate::config::VaultKind;

/// Why the data key isn't available.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::session) enum VaultError {
    /// The vault works but has no key.
    Missing,
    /// The vault has to be unlocked.
    Locked,
    /// The passphrase hasn't been entered yet.
    Closed,
    /// The passphrase or credential isn't the one that the key is sealed with.
    Wrong,
    /// The vault doesn't exist here, and how that shows.
    Absent(String),
    /// The keyring has no collection to store an entry in.
    #[cfg_attr(
        target_os = "macos",
        expect(dead_code, reason = "every keychain can take an entry")
    )]
    NoCollection,
    /// The vault didn't answer in time.
    Slow,
    /// The vault has a different key from the one in use.
    Another,
    /// Anything else.
    Failed(String),
}

/// What the message depends on, besides the error itself.
#[derive(Clone, Copy, Debug)]
pub(in crate::session) struct VaultContext<'a> {
    pub(in crate::session) kind: VaultKind,
    /// The vault's file; empty for the keyring.
    pub(in crate::session) file: &'a Path,
    /// Whether a stored session needs the unavailable key. If so, another vault doesn't help.
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

    /// The message for users: what is wrong, and the commands that help.
    pub(in crate::session) fn problem(&self, of: VaultContext<'_>) -> Problem {
        let file = of.file.display();
        let problem = match of.kind {
            VaultKind::Keyring => self.of_keyring(),
            VaultKind::Keyfile => self.of_file(of.file).hint(format!(
                "if the file was moved or copied, put it back and make it private: `chmod 600 {file}`"
            )),
            VaultKind::Passphrase => match self {
                Self::Missing if of.needed => self.of_file(of.file),
                Self::Missing => problem("no passphrase has been set yet")
                    .hint("set one: `loopdesk unlock --passphrase-stdin`"),
                Self::Closed => problem(
                    "the data key's passphrase hasn't been entered since loopdesk started",
                )
                .hint("enter it: `loopdesk unlock --passphrase-stdin`"),
                Self::Wrong => problem("that's not the passphrase of the data key")
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
                "or store the key in a file that only you can read: \
                 `loopdesk config set vault keyfile`",
            ),
            VaultKind::Passphrase => problem.hint(format!(
                "or seal it with a passphrase, to be entered after each start: \
                 `loopdesk config set vault {name}`, then `loopdesk unlock --passphrase-stdin`"
            )),
            // A server that lacks one of these usually lacks the other.
            VaultKind::Keyring | VaultKind::Credential => problem,
        })
    }

    fn of_keyring(&self) -> Problem {
        match self {
            Self::Missing => problem("the keyring has no data key of loopdesk's")
                .hint("if another keyring has it, start that one; loopdesk notices"),
            Self::Locked => problem("the keyring is locked")
                .hint("unlock it: `loopdesk unlock`")
                .hint("or log in to your desktop, which unlocks it too; loopdesk notices"),
            Self::Absent(how) => problem(&format!("there is no keyring on this machine: {how}"))
                .hint("start one (GNOME Keyring, KWallet, KeePassXC); loopdesk notices"),
            Self::NoCollection => problem("the keyring has no collection to store a key in")
                .hint("create one; the keyring asks for a password: `loopdesk unlock`"),
            Self::Slow => problem(&format!(
                "the keyring hasn't answered within {} s",
                keyring::PATIENCE.as_secs()
            ))
            .hint("answer its prompt, if one is open; loopdesk keeps waiting")
            .hint("or restart the keyring; loopdesk notices"),
            Self::Another => problem(
                "the keyring has another data key, not the one that the stored sessions need",
            )
            .hint(format!(
                "if nothing needs that key: `secret-tool clear service {} username {}`",
                keyring::SERVICE,
                keyring::USER
            )),
            Self::Closed | Self::Wrong => problem("the keyring can't be opened"),
            Self::Failed(why) => problem(&format!("the keyring can't be used: {why}"))
                .hint("once that is fixed: `loopdesk unlock`"),
        }
    }

    fn of_credential(&self, file: &Path, needed: bool) -> Problem {
        let how_to_pass = || {
            format!(
                "to pass it, add `LoadCredential={}:/path/to/secret` to the service with \
                 `systemctl --user edit loopdesk`, then `systemctl --user restart loopdesk`",
                wrapped::CREDENTIAL
            )
        };
        match self {
            Self::Missing if needed => self.of_file(file),
            Self::Missing => problem("no data key has been sealed with the credential yet")
                .hint("run `loopdesk login`"),
            Self::Absent(how) => problem(how).hint(how_to_pass()),
            Self::Wrong => problem(&format!(
                "the credential `{}` isn't the one that the data key was sealed with",
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
                "the key file `{file}` has another data key, not the one that the stored \
                 sessions need"
            ))
            .hint(format!("if nothing needs that key: `mv {file} {file}.old`")),
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

/// The problem of a record whose key isn't available: `problem`, and what to do if the key is lost.
pub(in crate::session) fn lost_key(problem: Problem, record: &Path, account: &str) -> Problem {
    let message = format!(
        "the stored session `{}` can't be opened: {}",
        record.display(),
        problem.message
    );
    let mut lost = Problem::new(Kind::Vault, message);
    lost.hints = problem.hints;
    lost.hint(format!(
        "if the key is lost for good: `loopdesk logout {account} --forget`, then `loopdesk login {account}`"
    ))
}

fn problem(message: &str) -> Problem {
    Problem::new(Kind::Vault, message)
}
