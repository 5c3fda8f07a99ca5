//! `loopdesk env`: the base URL as shell code for `eval`.

mod account;
mod client;
mod curl_like;
mod library;
mod mcp;
mod network;
mod placeholder;

use loopdesk_protocol::key::KeyStatus;
use loopdesk_protocol::{Kind, Problem, status};
use serde::Serialize;

use crate::args::env::{EnvArgs, EnvClient};
use crate::base_url::{authority, host, is_unresolved, preferred};
use crate::config_report::valid_config;
use crate::context::Context;
use crate::error::CliError;
use crate::lookup::key_named;
use crate::ui::output::Output;
use crate::ui::shell;
use crate::ui::text::Text;
use account::{EnvAccount, choose, of_config, of_status};
use client::{Recipe, recipe};
use network::proxied_by;
use placeholder::Placeholder;

pub(crate) async fn run(
    args: &EnvArgs,
    context: &Context,
    output: &mut Output,
) -> Result<(), CliError> {
    let key = match &args.key {
        Some(name) => {
            let client = context.daemon(output).await?;
            Some(key_named(name, &client, output).await?)
        }
        None => None,
    };
    let accounts = match context.link.running().await? {
        Some(client) => of_status(client.get(status::CALL).await?),
        None => of_config(valid_config(&context.link.check_config(None).await?)?),
    };
    let name = match &key {
        Some(key) => Some(account_of(key, args.account.as_deref())?),
        None => args.account.as_deref(),
    };
    let account = choose(accounts, name)?;
    let Some(base) = preferred(&account.base_urls) else {
        let problem = Problem::new(
            Kind::Config,
            format!(
                "account `{}` has no address to serve scripts on",
                account.name
            ),
        );
        return Err(problem
            .hint(format!(
                "run `loopdesk account set {} port 8490`",
                account.name
            ))
            .into());
    };
    if args.client == Some(EnvClient::Mcp) {
        // The key stays with loopdesk, so its name is all that is needed.
        let named = key.as_ref().map(|key| key.name.as_str());
        let named = named.or((account.access == status::Access::Key).then_some("NAME"));
        let answer = EnvOutput::of(&account, base, mcp::recipe(&account.name, named));
        return output.result(&answer, || answer.script());
    }
    let placeholder = Placeholder::new(&account, key.as_ref());
    let answer = EnvOutput::new(&account, base, args.client, placeholder);
    output.result(&answer, || answer.script())?;
    if is_unresolved(base) {
        output.warn(format!(
            "many programs can't resolve `{}`. Run `loopdesk account set {} port 8490` to give \
             the account its own port.",
            authority(base),
            account.name
        ));
    }
    if let Some((name, no_proxy)) = proxied_by(base, &context.env) {
        let missing = host(base);
        let list = match no_proxy.as_str() {
            "" => format!("localhost,{missing}"),
            list => format!("{list},localhost,{missing}"),
        };
        output.warn(format!(
            "{name} is set, so many programs would send these requests to the proxy. First run \
             `export no_proxy={list} NO_PROXY={list}`.",
            list = shell::quote(&list)
        ));
    }
    Ok(())
}

/// The account of a key. An account that was named must be the same.
fn account_of<'a>(key: &'a KeyStatus, named: Option<&str>) -> Result<&'a str, Problem> {
    match named {
        Some(name) if name != key.account => {
            let message = format!(
                "key `{}` belongs to account `{}`, not to `{name}`",
                key.name, key.account
            );
            Err(Problem::new(Kind::Usage, message).hint(format!(
                "run `loopdesk env {} --key {}`",
                key.account, key.name
            )))
        }
        _ => Ok(&key.account),
    }
}

/// The output.
#[derive(Debug, Serialize)]
struct EnvOutput {
    account: String,
    base_url: String,
    base_urls: Vec<String>,
    /// The placeholder for a local key in the example.
    #[serde(skip_serializing_if = "Option::is_none")]
    placeholder: Option<String>,
    #[serde(flatten)]
    recipe: Recipe,
}

impl EnvOutput {
    fn new(
        account: &EnvAccount,
        base: &str,
        client: Option<EnvClient>,
        placeholder: Option<Placeholder>,
    ) -> Self {
        let key = placeholder.as_ref().map(|one| one.text.as_str());
        let mut recipe = recipe(client, base, &account.name, key);
        // A client that can't use loopdesk needs no key.
        let points = !recipe.variables.is_empty() || !recipe.example.is_empty();
        let placeholder = placeholder.filter(|_| points);
        if let Some(placeholder) = &placeholder {
            let note = placeholder.note(!recipe.example.is_empty());
            recipe.notes.insert(0, note);
        }
        Self {
            placeholder: placeholder.map(|one| one.text),
            ..Self::of(account, base, recipe)
        }
    }

    fn of(account: &EnvAccount, base: &str, recipe: Recipe) -> Self {
        Self {
            account: account.name.clone(),
            base_url: base.to_owned(),
            base_urls: account.base_urls.clone(),
            placeholder: None,
            recipe,
        }
    }

    /// Exports, with the notes and the example as comments, so that `eval` takes all of it.
    fn script(&self) -> Text {
        let mut text = Text::new();
        for (name, value) in &self.recipe.variables {
            text = text
                .plain(format!("export {name}={}", shell::quote(value)))
                .end();
        }
        for note in &self.recipe.notes {
            text = text.plain(format!("# {note}")).end();
        }
        for line in &self.recipe.example {
            text = text.plain(format!("#   {line}").trim_end()).end();
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;
    use crate::testing::{self, Daemon, Home, plain, report};
    use loopdesk_protocol::key::LIST;

    fn account(base_urls: &[&str]) -> EnvAccount {
        EnvAccount {
            name: "acme".to_owned(),
            default: true,
            base_urls: base_urls.iter().map(|&url| url.to_owned()).collect(),
            access: status::Access::User,
            key_over_tcp: false,
        }
    }

    #[test]
    fn a_shell_can_eval_all_of_it() {
        let mut account = account(&["http://127.0.0.1:8484"]);
        for (client, access) in EnvClient::value_variants().iter().flat_map(|client| {
            [
                (client, status::Access::User),
                (client, status::Access::Key),
            ]
        }) {
            account.access = access;
            let placeholder = Placeholder::new(&account, None);
            let answer = EnvOutput::new(
                &account,
                "http://127.0.0.1:8484",
                Some(*client),
                placeholder,
            );
            let script = plain(&answer.script());
            let output = std::process::Command::new("sh")
                .args(["-euc", &format!("{script}\nenv")])
                .env_clear()
                .output()
                .unwrap();
            assert!(output.status.success(), "{script}");
            let vars = String::from_utf8(output.stdout).unwrap();
            for (name, value) in &answer.recipe.variables {
                assert!(vars.contains(&format!("{name}={value}\n")), "{vars}");
            }
        }
    }

    #[test]
    fn code_is_printed_as_comments_below_the_exports() {
        let account = account(&["http://127.0.0.1:8484"]);
        let zdesk = Some(EnvClient::Zdesk);
        let answer = EnvOutput::new(&account, "http://127.0.0.1:8484", zdesk, None);
        insta::assert_snapshot!(plain(&answer.script()), @r#"
        export ZENDESK_BASE_URL=http://127.0.0.1:8484
        # The library requires a credential. loopdesk ignores it, so the script can keep its own:
        #   import os
        #   from zdesk import Zendesk
        #   zendesk = Zendesk(os.environ["ZENDESK_BASE_URL"], zdesk_email="any", zdesk_api="any")
        "#);
    }

    #[tokio::test]
    async fn d2_an_account_that_requires_a_key_gets_code_with_a_placeholder() {
        let mut report = report();
        report.config.as_mut().unwrap().accounts[0].access = status::Access::Key;
        let home = Home::new().with_report(&report);
        insta::assert_snapshot!(home.run("env").await.out, @"
        export ZENDESK_BASE_URL=http://127.0.0.1:8484
        # `acme` requires a local key. Put it where the script has its API token or OAuth token (`loopdesk env --for CLIENT` shows where). `loopdesk key create NAME --account acme --scope read` creates one.
        ");
        insta::assert_snapshot!(home.run("env --for requests").await.out, @r#"
        export ZENDESK_BASE_URL=http://127.0.0.1:8484
        # `acme` requires a local key, shown here as `ldk_...`. `loopdesk key create NAME --account acme --scope read` creates one.
        #   import os, requests
        #   BASE = os.environ["ZENDESK_BASE_URL"]
        #   AUTH = ("any/token", "ldk_...")
        #   me = requests.get(BASE + "/api/v2/users/me.json", auth=AUTH).json()
        "#);
        let json = home.run("env --for zdesk --json").await.json();
        assert_eq!(json["placeholder"], "ldk_...");
        let config = report.config.as_mut().unwrap();
        config.accounts[0].access = status::Access::User;
        config.allow_hosts = vec!["host.docker.internal:8484".to_owned()];
        let over_tcp = Home::new().with_report(&report);
        insta::assert_snapshot!(over_tcp.run("env --for curl").await.out, @r#"
        export ZENDESK_BASE_URL=http://127.0.0.1:8484
        # `allow-hosts` is set, so `acme` requires a local key, shown here as `ldk_...`. `loopdesk key create NAME --account acme --scope read` creates one.
        #   curl -sS -u "any/token:ldk_..." "$ZENDESK_BASE_URL/api/v2/users/me.json"
        "#);
        let said = home.run("env --for tap-zendesk").await.out;
        assert!(!said.contains("ldk_"), "it can't use loopdesk: {said}");
        let open = home.run("env sandbox --for zdesk --json").await.json();
        assert_eq!(open["placeholder"], serde_json::Value::Null);
    }

    #[tokio::test]
    async fn d2_a_key_brings_its_account_and_its_beginning() {
        let home = Home::new();
        let _daemon = Daemon::new(&home)
            .json(LIST, &testing::keys())
            .json(status::CALL, &testing::status())
            .serve();
        let ran = home.run("env --key sync --for zenpy").await;
        insta::assert_snapshot!(ran.out, @r#"
        export ZENPY_FORCE_NETLOC=127.0.0.1:8490
        export ZENPY_FORCE_SCHEME=http
        # This uses the key `sync`, shown here as `ldk_h5n8w4rd...`. If you no longer have it, `loopdesk key rotate sync` replaces it.
        # In scripts with Zenpy, put the key in place of the API token:
        #   from zenpy import Zenpy
        #   zendesk = Zenpy(subdomain="sandbox", email="any", token="ldk_h5n8w4rd...")
        "#);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
        assert_eq!(home.run("env sandbox --key sync").await.code, 0);
        let ran = home.run("env acme --key sync").await;
        assert_eq!(ran.code, 2);
        assert!(
            ran.err.contains("`loopdesk env sandbox --key sync`"),
            "{}",
            ran.err
        );
    }

    #[tokio::test]
    async fn the_warning_names_what_to_export() {
        let home = Home::new().with_report(&report());
        let home = home.with_var("http_proxy", "http://proxy:3128");
        let ran = home.with_var("no_proxy", "corp").run("env acme").await;
        assert_eq!(ran.out, "export ZENDESK_BASE_URL=http://127.0.0.1:8484\n");
        insta::assert_snapshot!(ran.err, @"Warning: http_proxy is set, so many programs would send these requests to the proxy. First run `export no_proxy='corp,localhost,127.0.0.1' NO_PROXY='corp,localhost,127.0.0.1'`.");
    }
}
