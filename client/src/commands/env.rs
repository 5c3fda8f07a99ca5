//! `loopdesk env`: the base URL as shell code that can be given to `eval` unread.

use std::collections::BTreeMap;

use loopdesk_protocol::config::Effective;
use loopdesk_protocol::status::{self, Status};
use serde::Serialize;

use crate::cli::{Env, EnvClient};
use crate::context::{Context, Environment};
use crate::error::CliError;
use crate::output::Output;
use crate::shell;
use crate::text::Text;

pub(crate) async fn run(
    args: &Env,
    context: &Context,
    output: &mut Output,
) -> Result<(), CliError> {
    let accounts = match context.link.running().await? {
        Some(client) => of_status(client.get(status::PATH).await?),
        None => of_config(super::config::usable(&context.link.judge(None).await?)?),
    };
    let account = choose(accounts, args.account.as_deref())?;
    let Some(base) = best(&account.base_urls) else {
        let problem = loopdesk_protocol::Problem::new(
            loopdesk_protocol::Kind::Config,
            format!("account `{}` is served at no address", account.name),
        );
        return Err(problem
            .hint(format!(
                "run `loopdesk account set {} port 8490`",
                account.name
            ))
            .into());
    };
    let answer = Answer::new(&account, base, args.client);
    output.result(&answer, || answer.script())?;
    if is_unresolved(base) {
        output.warn(format!(
            "many programs can't resolve `{}`. Run `loopdesk account set {} port 8490` to give \
             the account a port of its own.",
            authority(base),
            account.name
        ));
    }
    if let Some((name, no_proxy)) = diverted(base, &context.env) {
        let missing = host(base);
        let list = match no_proxy.as_str() {
            "" => format!("localhost,{missing}"),
            list => format!("{list},localhost,{missing}"),
        };
        output.warn(format!(
            "{name} is set, and programs that obey it would send these requests to the proxy. Run \
             `export no_proxy={list} NO_PROXY={list}` first.",
            list = shell::quote(&list)
        ));
    }
    Ok(())
}

/// The base URL that most programs can use: numbers need no resolver, and a client that tries
/// `::1` first for `localhost` is no slower.
pub(crate) fn best(base_urls: &[String]) -> Option<&str> {
    let with = |host: &str| {
        base_urls
            .iter()
            .find(|url| authority(url).starts_with(host))
    };
    with("127.")
        .or_else(|| with("localhost"))
        .or_else(|| with("[::1]"))
        .or_else(|| base_urls.first())
        .map(String::as_str)
}

/// What is printed.
#[derive(Debug, Serialize)]
struct Answer {
    account: String,
    base_url: String,
    base_urls: Vec<String>,
    variables: BTreeMap<&'static str, String>,
    /// Lines that show how a program uses the variables.
    example: Vec<String>,
}

impl Answer {
    fn new(account: &Account, base: &str, client: Option<EnvClient>) -> Self {
        let mut variables = BTreeMap::new();
        let example: Vec<String> = match client {
            None => Vec::new(),
            Some(EnvClient::Curl) => {
                vec![r#"curl "$ZENDESK_BASE_URL/api/v2/users/me.json""#.to_owned()]
            }
            Some(EnvClient::Python) => vec![
                "import os, urllib.request".to_owned(),
                r#"urllib.request.urlopen(os.environ["ZENDESK_BASE_URL"] + "/api/v2/users/me.json").read()"#
                    .to_owned(),
            ],
            Some(EnvClient::Node) => vec![
                r#"await fetch(process.env.ZENDESK_BASE_URL + "/api/v2/users/me.json")"#.to_owned(),
            ],
            // Both want a credential and neither looks at it.
            Some(EnvClient::Zenpy) => {
                variables.insert("ZENPY_FORCE_NETLOC", authority(base).to_owned());
                variables.insert("ZENPY_FORCE_SCHEME", "http".to_owned());
                vec![
                    "the script stays as it is; without a credential of its own:".to_owned(),
                    format!(
                        r#"Zenpy(subdomain="{}", email="any", token="any")"#,
                        account.name
                    ),
                ]
            }
            Some(EnvClient::Zdesk) => vec![
                r#"Zendesk(os.environ["ZENDESK_BASE_URL"], "any", "any", True)"#.to_owned(),
            ],
            Some(EnvClient::ZendeskApi) => vec![
                "ZendeskAPI::Client.new do |config|".to_owned(),
                r#"  config.url = ENV["ZENDESK_BASE_URL"] + "/api/v2""#.to_owned(),
                "  config.allow_http = true".to_owned(),
                r#"  config.username = config.token = "any""#.to_owned(),
                "end".to_owned(),
            ],
            Some(EnvClient::NodeZendesk) => vec![
                r#"createClient({ endpointUri: process.env.ZENDESK_BASE_URL + "/api/v2", username: "any", token: "any" })"#
                    .to_owned(),
            ],
        };
        if client != Some(EnvClient::Zenpy) {
            variables.insert("ZENDESK_BASE_URL", base.to_owned());
        }
        Self {
            account: account.name.clone(),
            base_url: base.to_owned(),
            base_urls: account.base_urls.clone(),
            variables,
            example,
        }
    }

    fn script(&self) -> Text {
        let mut text = Text::new();
        for (name, value) in &self.variables {
            text = text
                .plain(format!("export {name}={}", shell::quote(value)))
                .end();
        }
        for line in &self.example {
            text = text.plain(format!("# {line}")).end();
        }
        text
    }
}

/// As much of an account as is needed here.
#[derive(Debug)]
struct Account {
    name: String,
    default: bool,
    base_urls: Vec<String>,
}

fn of_status(status: Status) -> Vec<Account> {
    let accounts = status.accounts.into_iter().map(|account| Account {
        name: account.name,
        default: account.default,
        base_urls: account.base_urls,
    });
    accounts.collect()
}

fn of_config(config: &Effective) -> Vec<Account> {
    let accounts = config.accounts.iter().map(|account| Account {
        name: account.name.clone(),
        default: config.default_account.as_ref() == Some(&account.name)
            || config.accounts.len() == 1,
        base_urls: account.base_urls.clone(),
    });
    accounts.collect()
}

fn choose(mut accounts: Vec<Account>, name: Option<&str>) -> Result<Account, CliError> {
    let found = accounts.iter().position(|account| match name {
        Some(name) => account.name == name,
        None => account.default,
    });
    if let Some(found) = found {
        return Ok(accounts.swap_remove(found));
    }
    let known = accounts.iter().map(|account| account.name.as_str());
    Err(match name {
        Some(name) => super::unknown_account(name, known).into(),
        None => super::no_default(known).into(),
    })
}

fn authority(url: &str) -> &str {
    url.trim_start_matches("http://").trim_end_matches('/')
}

/// The proxy's variable that takes requests away from `base`, and what is exempt from it now.
fn diverted(base: &str, env: &Environment) -> Option<(&'static str, String)> {
    let text = |name: &str| {
        let value = env(name).and_then(|value| value.into_string().ok());
        value.filter(|value| !value.trim().is_empty())
    };
    // curl takes the lower-case one only, others prefer it.
    let name = ["http_proxy", "HTTP_PROXY"]
        .into_iter()
        .find(|name| text(name).is_some())?;
    let no_proxy = text("no_proxy")
        .or_else(|| text("NO_PROXY"))
        .unwrap_or_default();
    let host = host(base);
    let is_exempt = no_proxy.split([',', ' ']).any(|entry| {
        let entry = entry.trim_start_matches('.');
        let entry = entry.trim_start_matches('[').trim_end_matches(']');
        entry == "*"
            || entry.eq_ignore_ascii_case(host)
            || (!entry.is_empty() && host.ends_with(&format!(".{entry}")))
    });
    (!is_exempt).then_some((name, no_proxy))
}

/// Without port and brackets.
fn host(url: &str) -> &str {
    let authority = authority(url);
    match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => authority.split(':').next().unwrap_or(authority),
    }
}

/// `acme.localhost` is known to browsers and curl, not to glibc or Python.
fn is_unresolved(url: &str) -> bool {
    host(url).ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Home, plain, report, status};

    fn account(base_urls: &[&str]) -> Account {
        Account {
            name: "acme".to_owned(),
            default: true,
            base_urls: base_urls.iter().map(|&url| url.to_owned()).collect(),
        }
    }

    #[test]
    fn the_address_that_most_programs_can_use_wins() {
        let best_of = |urls: &[&str]| {
            let account = account(urls);
            best(&account.base_urls).map(ToOwned::to_owned)
        };
        let named = "http://acme.localhost:8484";
        assert_eq!(
            best_of(&["http://localhost:8484", named, "http://127.0.0.1:8484"]).as_deref(),
            Some("http://127.0.0.1:8484")
        );
        assert_eq!(best_of(&[named]).as_deref(), Some(named));
        assert_eq!(best_of(&[]), None);
        assert!(is_unresolved(named) && !is_unresolved("http://localhost:8484"));
    }

    #[test]
    fn every_client_gets_what_it_reads_and_a_shell_can_eval_it() {
        let account = account(&["http://127.0.0.1:8484"]);
        for client in [
            None,
            Some(EnvClient::Curl),
            Some(EnvClient::Python),
            Some(EnvClient::Node),
            Some(EnvClient::Zenpy),
            Some(EnvClient::NodeZendesk),
            Some(EnvClient::Zdesk),
            Some(EnvClient::ZendeskApi),
        ] {
            let answer = Answer::new(&account, "http://127.0.0.1:8484", client);
            let script = plain(&answer.script());
            let output = std::process::Command::new("sh")
                .args(["-euc", &format!("{script}\nenv")])
                .env_clear()
                .output()
                .unwrap();
            assert!(output.status.success(), "{script}");
            let vars = String::from_utf8(output.stdout).unwrap();
            for (name, value) in &answer.variables {
                assert!(vars.contains(&format!("{name}={value}\n")), "{vars}");
            }
        }
    }

    #[test]
    fn zenpy_is_pointed_here_by_its_own_variables() {
        let account = account(&["http://127.0.0.1:8484"]);
        let answer = Answer::new(&account, "http://127.0.0.1:8484", Some(EnvClient::Zenpy));
        insta::assert_snapshot!(plain(&answer.script()), @r#"
        export ZENPY_FORCE_NETLOC=127.0.0.1:8484
        export ZENPY_FORCE_SCHEME=http
        # the script stays as it is; without a credential of its own:
        # Zenpy(subdomain="acme", email="any", token="any")
        "#);
    }

    #[test]
    fn python_and_ruby_libraries_get_their_constructors() {
        let account = account(&["http://127.0.0.1:8484"]);
        let script = |client| {
            let answer = Answer::new(&account, "http://127.0.0.1:8484", Some(client));
            plain(&answer.script())
        };
        insta::assert_snapshot!(script(EnvClient::Zdesk), @r#"
        export ZENDESK_BASE_URL=http://127.0.0.1:8484
        # Zendesk(os.environ["ZENDESK_BASE_URL"], "any", "any", True)
        "#);
        insta::assert_snapshot!(script(EnvClient::ZendeskApi), @r#"
        export ZENDESK_BASE_URL=http://127.0.0.1:8484
        # ZendeskAPI::Client.new do |config|
        #   config.url = ENV["ZENDESK_BASE_URL"] + "/api/v2"
        #   config.allow_http = true
        #   config.username = config.token = "any"
        # end
        "#);
    }

    #[test]
    fn a_proxy_that_would_take_the_requests_away_is_noticed() {
        let diverted = |vars: &'static [(&str, &str)], base: &str| {
            let env: Environment = Box::new(|name| {
                let found = vars.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).into())
            });
            diverted(base, &env)
        };
        let (v4, v6) = ("http://127.0.0.1:8484", "http://[::1]:8484");
        assert_eq!(diverted(&[], v4), None);
        assert_eq!(diverted(&[("http_proxy", "")], v4), None);
        let found = diverted(&[("HTTP_PROXY", "http://p:3128"), ("NO_PROXY", "corp")], v4);
        assert_eq!(found, Some(("HTTP_PROXY", "corp".to_owned())));
        for (list, base) in [
            ("localhost, 127.0.0.1", v4),
            ("*", v4),
            ("::1", v6),
            ("[::1]", v6),
            ("LOCALHOST", "http://localhost:8484"),
            (".localhost", "http://acme.localhost:8484"),
        ] {
            let list: &'static str = list;
            let env: Environment = Box::new(move |name| match name {
                "http_proxy" => Some("http://p:3128".into()),
                "no_proxy" => Some(list.into()),
                _ => None,
            });
            assert_eq!(super::diverted(base, &env), None, "{list}");
        }
    }

    #[tokio::test]
    async fn the_warning_names_what_to_export() {
        let home = Home::new().with_report(&report());
        let home = home.with_var("http_proxy", "http://proxy:3128");
        let ran = home.with_var("no_proxy", "corp").run("env acme").await;
        assert_eq!(ran.out, "export ZENDESK_BASE_URL=http://127.0.0.1:8484\n");
        insta::assert_snapshot!(ran.err, @"Warning: http_proxy is set, and programs that obey it would send these requests to the proxy. Run `export no_proxy='corp,localhost,127.0.0.1' NO_PROXY='corp,localhost,127.0.0.1'` first.");
    }

    #[test]
    fn no_default_and_unknown_names_list_the_accounts() {
        let accounts = || of_status(status());
        assert_eq!(choose(accounts(), None).unwrap().name, "acme");
        assert_eq!(choose(accounts(), Some("sandbox")).unwrap().name, "sandbox");
        let CliError::Problem(problem) = choose(accounts(), Some("acne")).unwrap_err() else {
            panic!("a name that doesn't exist is a problem");
        };
        assert!(problem.hints[0].contains("acme, sandbox"), "{problem:?}");
        let CliError::Problem(problem) = choose(Vec::new(), None).unwrap_err() else {
            panic!("no account is a problem");
        };
        assert!(problem.hints[0].contains("account add"), "{problem:?}");
    }
}
