//! `loopdesk key create`: creates a key for a script.

use loopdesk_protocol::key::{CREATE, Create, Created, KeyStatus, RightsText};
use loopdesk_protocol::{Kind, Problem};

use super::print_secret;
use crate::args::key::KeyCreateArgs;
use crate::context::Context;
use crate::error::CliError;
use crate::labels;
use crate::ui::output::Output;
use crate::ui::secret;
use crate::ui::text::Text;
use crate::ui::time::Clock;

pub(super) async fn run(
    args: &KeyCreateArgs,
    context: &Context,
    output: &mut Output,
) -> Result<(), CliError> {
    let scopes = args.scopes.iter().map(|scope| scope.trim().to_owned());
    let scopes: Vec<_> = scopes.filter(|scope| !scope.is_empty()).collect();
    if scopes.is_empty() && args.allow.is_empty() {
        return Err(allows_nothing(&args.name).into());
    }
    let request = Create {
        name: args.name.clone(),
        account: args.account.clone(),
        rights: RightsText {
            scopes,
            allow: args.allow.clone(),
            deny: args.deny.clone(),
        },
        expires_in: args.expires,
        note: args.note.clone(),
    };
    let client = context.daemon(output).await?;
    secret::protect_memory("new key")?;
    let created: Created = client.post(CREATE, &request).await?;
    let intro = intro(&created.key, &context.clock);
    print_secret::print(&created, &intro, args.quiet, output)
}

fn allows_nothing(name: &str) -> Problem {
    Problem::new(
        Kind::Usage,
        format!("key `{name}` would allow nothing: it has neither a scope nor an `--allow` rule"),
    )
    .hint(format!(
        "run `loopdesk key create {name} --scope read` to allow reading everything"
    ))
    .hint(format!(
        "run `loopdesk key create {name} --scope tickets:read,users:read` to allow reading only \
         some resources; `loopdesk key create --help` lists all scopes"
    ))
    .hint(format!(
        "run `loopdesk key create {name} --allow 'GET /api/v2/tickets/**'` to allow single routes"
    ))
}

fn intro(key: &KeyStatus, clock: &Clock) -> Text {
    let expires = match key.expires_at {
        Some(then) => format!("expires {}", clock.both(then)),
        None => "never expires".to_owned(),
    };
    Text::new()
        .plain("Created key ")
        .strong(&key.name)
        .plain(format!(
            " for `{}`. It acts as {}, allows {} and {expires}:",
            key.account,
            key.person.name,
            labels::key::rights(&key.rights)
        ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Daemon, Home, Serving};

    const SECRET: &str = "ldk_7k3m9q2xSECRETSECRETSECRET";

    fn serve(home: &Home, keyless: bool) -> Serving {
        let created = Created {
            keyless,
            ..testing::created(SECRET)
        };
        Daemon::new(home).json(CREATE, &created).serve()
    }

    #[tokio::test]
    async fn d2_the_key_is_shown_once_and_alone_with_the_places_where_it_goes() {
        let home = Home::new();
        let daemon = serve(&home, true);
        let ran = home
            .run_words(&[
                "key",
                "create",
                "nightly-report",
                "--scope",
                "tickets:read, users:read",
                "--scope",
                "hc:read",
                "--allow",
                "GET /api/v2/tickets/**",
                "--deny",
                "DELETE /**",
                "--account",
                "acme",
                "--expires",
                "90d",
                "--note",
                "Ada's cron, {daily}",
            ])
            .await;
        assert_eq!(ran.code, 0, "{}", ran.err);
        assert_eq!(ran.out, format!("{SECRET}\n"));
        assert!(!ran.err.contains("SECRET"), "{}", ran.err);
        insta::assert_snapshot!(ran.err, @r#"
        Created key nightly-report for `acme`. It acts as Ada Lovelace, allows tickets:read and expires in 87 days (2027-02-18 18:00):
        loopdesk keeps only a hash, so this is the only time you see it.
        Put it where the script had its API token or OAuth token; any user name will do:
          API token       curl -u "ada@example.com/token:ldk_7k3m9q2x..." "http://127.0.0.1:8484/api/v2/tickets.json"
          OAuth token     curl -H "Authorization: Bearer ldk_7k3m9q2x..." "http://127.0.0.1:8484/api/v2/tickets.json"
          header          curl -H "X-Loopdesk-Key: ldk_7k3m9q2x..." "http://127.0.0.1:8484/api/v2/tickets.json"
          Python          requests.get("http://127.0.0.1:8484/api/v2/tickets.json", auth=("ada@example.com/token", "ldk_7k3m9q2x..."))
          other clients   loopdesk env --key nightly-report --for zenpy
        Warning: `acme` still serves your programs without a key, with all of your rights. Once every script has a key, run `loopdesk account set acme access key`.
        "#);
        insta::assert_snapshot!(daemon.asked(CREATE).remove(0).1, @r#"{"name":"nightly-report","account":"acme","scopes":["tickets:read","users:read","hc:read"],"allow":["GET /api/v2/tickets/**"],"deny":["DELETE /**"],"expires_in":7776000,"note":"Ada's cron, {daily}"}"#);
    }

    #[tokio::test]
    async fn d2_what_a_key_deletes_and_what_its_rules_leave_open_is_said() {
        let home = Home::new();
        let mut created = testing::created(SECRET);
        created.key.rights.scopes = vec!["tickets:write".to_owned()];
        created.key.rights.deny = vec!["GET /api/v2/users/**".to_owned()];
        created.also_shown = (0..14)
            .map(|n| format!("GET /api/v2/groups/{n}/users"))
            .collect();
        let _daemon = Daemon::new(&home).json(CREATE, &created).serve();
        let ran = home.run("key create a --scope tickets:write").await;
        for said in [
            "`tickets:write` also allows deleting",
            "--deny 'DELETE /api/v2/**'",
            "  GET /api/v2/groups/11/users\n  and 2 more, which `--json` lists",
        ] {
            assert!(ran.err.contains(said), "{said}: {}", ran.err);
        }
        let ran = home.run("key create a --scope tickets:write --json").await;
        assert_eq!(ran.json()["also_shown"].as_array().unwrap().len(), 14);

        let home = Home::new();
        created.key.rights.deny = vec!["DELETE /api/v2/**".to_owned()];
        created.also_shown.clear();
        let _daemon = Daemon::new(&home).json(CREATE, &created).serve();
        let ran = home.run("key create a --scope tickets:write").await;
        assert!(!ran.err.contains("also allows deleting"), "{}", ran.err);
        assert!(!ran.err.contains("Rules match paths only"), "{}", ran.err);
    }

    #[tokio::test]
    async fn d2_quiet_leaves_the_key_and_json_says_all() {
        let home = Home::new();
        let _daemon = serve(&home, true);
        let ran = home.run("key create a --scope read -q").await;
        let all = (ran.code, ran.out.as_str(), ran.err.as_str());
        assert_eq!(all, (0, format!("{SECRET}\n").as_str(), ""));
        let ran = home.run("key create a --scope read --json").await;
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
        assert_eq!(ran.json()["secret"], SECRET);
        assert_eq!(ran.json()["keyless"], true);
    }

    #[tokio::test]
    async fn d2_an_account_that_requires_a_key_needs_no_warning() {
        let home = Home::new();
        let _daemon = serve(&home, false);
        let ran = home.run("key create a --scope read").await;
        assert!(!ran.err.contains("Warning"), "{}", ran.err);
    }

    #[tokio::test]
    async fn d2_limits_set_by_the_administrator_are_shown() {
        let home = Home::new();
        let mut created = testing::created(SECRET);
        created.key.state = loopdesk_protocol::key::KeyState::Limited;
        let _daemon = Daemon::new(&home).json(CREATE, &created).serve();
        let ran = home.run("key create a --scope read").await;
        assert!(ran.err.contains("`max-key-scope`"), "{}", ran.err);
    }

    #[tokio::test]
    async fn d2_a_key_for_nothing_is_not_asked_for() {
        let home = Home::new();
        let daemon = serve(&home, true);
        for line in ["key create a", "key create a --deny x --scope ,"] {
            let ran = home.run(line).await;
            assert_eq!((ran.code, ran.out.as_str()), (2, ""));
            insta::allow_duplicates! {
                insta::assert_snapshot!(ran.err, @"
                error: key `a` would allow nothing: it has neither a scope nor an `--allow` rule
                Hint: run `loopdesk key create a --scope read` to allow reading everything
                Hint: run `loopdesk key create a --scope tickets:read,users:read` to allow reading only some resources; `loopdesk key create --help` lists all scopes
                Hint: run `loopdesk key create a --allow 'GET /api/v2/tickets/**'` to allow single routes
                ");
            }
        }
        assert!(daemon.asked(CREATE).is_empty());
    }

    #[tokio::test]
    async fn d2_what_the_daemon_refuses_keeps_its_kind_and_its_fix() {
        let home = Home::new();
        let problem = Problem::new(Kind::Login, "nobody is logged in to `acme`")
            .hint("run `loopdesk login acme`");
        let _daemon = Daemon::new(&home).problem(CREATE, &problem).serve();
        let ran = home.run("key create a --scope read").await;
        assert_eq!((ran.code, ran.out.as_str()), (4, ""));
        assert!(ran.err.contains("Hint: run `loopdesk login acme`"));
    }
}
