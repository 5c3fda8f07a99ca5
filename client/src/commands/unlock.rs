//! `loopdesk unlock`: unlocks the vault of the data key, through the keyring's prompt or with a
//! passphrase.

use loopdesk_protocol::status::{self, Status, VaultState};
use loopdesk_protocol::unlock::{CALL, UnlockRequest, Unlocked};
use loopdesk_protocol::{Client, Kind, Problem, SecretText};

use crate::args::session::UnlockArgs;
use crate::context::Context;
use crate::error::CliError;
use crate::labels::state;
use crate::ui::output::Output;
use crate::ui::secret;
use crate::ui::text::{GOOD, Text};

pub(crate) async fn run(
    args: &UnlockArgs,
    context: &mut Context,
    output: &mut Output,
) -> Result<(), CliError> {
    let client = context.daemon(output).await?;
    let passphrase = if args.passphrase_stdin {
        Some(secret::read("passphrase", &mut context.keyboard, output).await?)
    } else {
        asked_for(&client, context, output).await?
    };
    let unlocked: Unlocked = client.post(CALL, &UnlockRequest { passphrase }).await?;
    match &unlocked.vault.problem {
        None => output.result(&unlocked, || text(&unlocked)),
        Some(problem) if output.is_json() => {
            output.json_line(&unlocked)?;
            Err(CliError::Reported(problem.kind))
        }
        Some(problem) => Err(problem.clone().into()),
    }
}

/// Asks on the terminal for the passphrase, if the vault needs one.
async fn asked_for(
    client: &Client,
    context: &mut Context,
    output: &mut Output,
) -> Result<Option<SecretText>, CliError> {
    let status: Status = client.get(status::CALL).await?;
    let vault = status.vault;
    if vault.state == VaultState::Available {
        return Ok(None);
    }
    if vault.kind != "passphrase" {
        if vault.kind == "keyring" {
            output.note(&Text::from(
                "Your keyring may now ask for its password. loopdesk doesn't see what you type there.",
            ));
        }
        return Ok(None);
    }
    if !context.keyboard.is_terminal() {
        return Err(Problem::new(Kind::Usage, "the vault needs its passphrase")
            .hint("run `loopdesk unlock` in a terminal")
            .hint(
                "or run `loopdesk unlock --passphrase-stdin` with the passphrase on standard input",
            )
            .into());
    }
    let passphrase = secret::read("passphrase", &mut context.keyboard, output).await?;
    if vault.state == VaultState::NoEntry {
        // A typo in the first passphrase couldn't be noticed later.
        let again = secret::read("same passphrase again", &mut context.keyboard, output).await?;
        if again.expose() != passphrase.expose() {
            return Err(
                Problem::new(Kind::Usage, "the two passphrases are different")
                    .hint("run `loopdesk unlock` again; nothing was changed")
                    .into(),
            );
        }
    }
    Ok(Some(passphrase))
}

fn text(unlocked: &Unlocked) -> Text {
    let vault = &unlocked.vault;
    let (style, words) = match vault.state {
        VaultState::Available => (GOOD, "unlocked"),
        VaultState::Untested
        | VaultState::Locked
        | VaultState::Absent
        | VaultState::Slow
        | VaultState::NoEntry
        | VaultState::NeedsPassphrase
        | VaultState::Failed => state::vault(vault.state),
    };
    Text::new()
        .plain("Vault (")
        .strong(&vault.kind)
        .plain("): ")
        .styled(style, words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Daemon, Home, Serving};
    use loopdesk_protocol::status::VaultStatus;

    fn vault(kind: &str, state: VaultState) -> VaultStatus {
        VaultStatus {
            kind: kind.to_owned(),
            state,
            problem: None,
        }
    }

    /// A daemon with this vault, which `unlock` opens.
    fn serve(home: &Home, kind: &str, state: VaultState) -> Serving {
        let mut status = testing::status();
        status.vault = vault(kind, state);
        let unlocked = Unlocked {
            vault: vault(kind, VaultState::Available),
        };
        Daemon::new(home)
            .json(status::CALL, &status)
            .json(CALL, &unlocked)
            .serve()
    }

    #[tokio::test]
    async fn r9_the_keyring_is_asked_for_its_own_prompt() {
        let home = Home::new();
        let daemon = serve(&home, "keyring", VaultState::Locked);
        let ran = home.run_typing("unlock", "").await;
        assert_eq!(ran.code, 0, "{}", ran.err);
        insta::assert_snapshot!(ran.out, @"Vault (keyring): unlocked");
        insta::assert_snapshot!(ran.err, @"Your keyring may now ask for its password. loopdesk doesn't see what you type there.");
        assert_eq!(daemon.asked(CALL).remove(0).1, "{}");
        let json = home.run("unlock --json").await.json();
        assert_eq!(json["vault"]["state"], "available");
    }

    #[tokio::test]
    async fn a_passphrase_comes_from_a_pipe_or_a_silent_terminal() {
        let home = Home::new();
        let daemon = serve(&home, "passphrase", VaultState::NeedsPassphrase);
        let body = r#"{"passphrase":"correct horse"}"#;
        let pipe = home
            .run_reading("unlock --passphrase-stdin", "correct horse\n")
            .await;
        assert_eq!((pipe.code, pipe.err.as_str()), (0, ""));
        let typed = home.run_typing("unlock", "correct horse\r").await;
        assert_eq!(typed.code, 0, "{}", typed.err);
        insta::assert_snapshot!(typed.err, @"Passphrase (hidden while you type):");
        for (_, asked) in daemon.asked(CALL) {
            assert_eq!(asked, body);
        }
        assert_eq!(daemon.asked(CALL).len(), 2);

        let ran = home.run("unlock").await;
        assert_eq!(ran.code, 2);
        insta::assert_snapshot!(ran.err, @"
        error: the vault needs its passphrase
        Hint: run `loopdesk unlock` in a terminal
        Hint: or run `loopdesk unlock --passphrase-stdin` with the passphrase on standard input
        ");
        assert_eq!(daemon.asked(CALL).len(), 2);
    }

    #[tokio::test]
    async fn the_first_passphrase_is_typed_twice() {
        let home = Home::new();
        let daemon = serve(&home, "passphrase", VaultState::NoEntry);
        let ran = home.run_typing("unlock", "one\rtwo\r").await;
        assert_eq!(ran.code, 2);
        assert!(ran.err.contains("different"), "{}", ran.err);
        assert!(daemon.asked(CALL).is_empty());
        assert_eq!(home.run_typing("unlock", "one\rone\r").await.code, 0);
        assert_eq!(daemon.asked(CALL).remove(0).1, r#"{"passphrase":"one"}"#);
    }

    #[tokio::test]
    async fn a_vault_that_stays_closed_ends_with_its_fix() {
        let home = Home::new();
        let problem = Problem::new(Kind::Vault, "the prompt of the keyring was dismissed")
            .hint("run `loopdesk unlock` again");
        let mut closed = vault("keyring", VaultState::Locked);
        closed.problem = Some(problem.clone());
        let daemon = Daemon::new(&home).json(status::CALL, &testing::status());
        let _daemon = daemon.json(CALL, &Unlocked { vault: closed }).serve();
        let ran = home.run("unlock").await;
        assert_eq!(ran.code, 7);
        assert_eq!(ran.out, "");
        insta::assert_snapshot!(ran.err, @"
        error: the prompt of the keyring was dismissed
        Hint: run `loopdesk unlock` again
        ");
        let home = Home::new();
        let daemon = Daemon::new(&home).json(status::CALL, &testing::status());
        let _daemon = daemon.problem(CALL, &problem).serve();
        assert_eq!(home.run("unlock").await.code, 7);
    }
}
