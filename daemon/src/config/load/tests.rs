//! A user's file layered over a machine's.

use std::fs::write;
use std::path::Path;

use loopdesk_protocol::config::Source;

use super::*;

struct LayersScene {
    dir: tempfile::TempDir,
    paths: ConfigPaths,
}

impl LayersScene {
    fn new(user: &str, system: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["home", "etc"] {
            std::fs::create_dir(dir.path().join(folder)).unwrap();
        }
        let paths = ConfigPaths {
            user: Some(dir.path().join("home/config.toml")),
            system: dir.path().join("etc/config.toml"),
        };
        let scene = Self { dir, paths };
        scene.user(user);
        write(&scene.paths.system, system).unwrap();
        scene
    }

    fn user(&self, text: &str) {
        write(self.paths.user.as_ref().unwrap(), text).unwrap();
    }

    fn config(&self) -> Config {
        load(&self.paths).unwrap().1
    }

    /// Each mistake as `home:LINE:COLUMN MESSAGE`.
    fn errors(&self) -> Vec<String> {
        let found = load(&self.paths).unwrap_err().errors;
        let line = |d: &Diagnostic| {
            let folder = Path::new(&d.path).parent().unwrap().file_name().unwrap();
            let folder = folder.display();
            let message = d
                .message
                .replace(&self.dir.path().display().to_string(), "");
            format!("{folder}:{}:{} {message}", d.line, d.column)
        };
        found.iter().map(line).collect()
    }

    /// `home:LINE` or `etc:LINE` for each key.
    fn sources(&self) -> Vec<String> {
        let config = report(&self.paths).config.unwrap();
        let layer = |source: &Source| match source.layer {
            Layer::User => "home",
            Layer::System => "etc",
        };
        let sources = config.sources.iter();
        sources
            .map(|(key, source)| format!("{key} {}:{}", layer(source), source.line))
            .collect()
    }
}

const ACME: &str = "[accounts.acme]\nsubdomain = \"acme\"\nclient-id = \"firm\"\nport = 8490\n";

#[test]
fn a_users_values_count_more_key_by_key_and_lists_replace_lists() {
    let system =
        format!("open-routes = [\"/a\", \"/b\"]\nvault = \"keyfile\"\n{ACME}scopes = [\"read\"]\n");
    let scene = LayersScene::new("", &system);
    let config = scene.config();
    let acme = config.accounts.values().next().unwrap();
    assert_eq!(config.default_account.as_ref(), Some(&acme.name));
    assert_eq!((acme.client_id.as_str(), acme.port), ("firm", Some(8490)));

    scene.user(
        "open-routes = [\"/c\"]\n[accounts.acme]\nport = 8491\n\
         [accounts.own]\nsubdomain = \"own\"\nclient-id = \"c\"\n",
    );
    let config = scene.config();
    let acme = config.accounts.values().next().unwrap();
    assert_eq!((acme.client_id.as_str(), acme.port), ("firm", Some(8491)));
    assert_eq!(acme.scopes.len(), 1);
    let routes: Vec<_> = config.open_routes.iter().map(|r| r.as_str()).collect();
    assert_eq!(routes, ["/c"]);
    assert_eq!((config.vault.name(), config.accounts.len()), ("keyfile", 2));
    insta_sources(&scene.sources());
}

fn insta_sources(found: &[String]) {
    let expected = [
        "accounts.acme.client-id etc:5",
        "accounts.acme.port home:3",
        "accounts.acme.scopes etc:7",
        "accounts.acme.subdomain etc:4",
        "accounts.own.client-id home:6",
        "accounts.own.subdomain home:5",
        "open-routes home:1",
        "vault etc:2",
    ];
    assert_eq!(found, expected);
}

#[test]
fn the_mistakes_of_both_files_are_named_at_once_and_those_that_are_covered_too() {
    let scene = LayersScene::new(
        "vault = \"keyfile\"\nvolt = 1\n[accounts.acme]\nport = 0\n",
        "x = 1\nvault = \"safe\"\n[accounts.acme]\nsubdomain = \"acme\"\nclient-id = \"a b\"\n",
    );
    let found = scene.errors();
    let expected = [
        "home:2:1 unknown key `volt`",
        "home:4:8 `port` must be a port",
        "etc:2:9 `safe` isn't one of",
        "etc:5:13 `a b` isn't a client identifier",
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found} for {expected}");
    }
    let text = load(&scene.paths).unwrap_err().to_string();
    let user = scene.paths.user.as_ref().unwrap().display();
    let (first, _) = text.split_once('\n').unwrap();
    let system = scene.paths.system.display();
    assert_eq!(first, format!("`{user}` and `{system}` can't be used:"));
    assert!(text.contains(&format!("{system}:2:9: `safe`")), "{text}");
    assert!(
        text.contains("2 | vault = \"safe\"\n  |         ^^^^^^"),
        "{text}"
    );
}

#[test]
fn a_locked_key_is_refused_in_the_users_file_with_the_line_that_locks_it() {
    let system = format!(
        "vault = \"keyfile\"\nlocked = [\n  \"vault\",\n  \"accounts.acme.client-id\",\n  \
         \"hooks\",\n  \"accounts.acme.url\",\n]\n{ACME}"
    );
    let scene = LayersScene::new("[accounts.acme]\nport = 8491\n", &system);
    assert_eq!(scene.config().vault.name(), "keyfile");
    let config = report(&scene.paths).config.unwrap();
    let locked: Vec<_> = config
        .locked
        .iter()
        .map(|(key, at)| (key.as_str(), at.line))
        .collect();
    let expected = [
        ("accounts.acme.client-id", 4),
        ("accounts.acme.url", 6),
        ("hooks", 5),
        ("vault", 3),
    ];
    assert_eq!(locked, expected);

    scene.user(
        "  vault = \"keyfile\"\nhooks.session-event = [\"x\"]\n\
         [accounts]\nacme = { port = 8491, client-id = \"mine\" }\n",
    );
    let lock = |key: &str, line| {
        format!("`{key}` is locked by line {line} of `/etc/config.toml`: remove it here")
    };
    let expected = [
        format!("home:1:3 {}", lock("vault", 3)),
        format!("home:2:1 {}", lock("hooks", 5)),
        format!("home:4:23 {}", lock("accounts.acme.client-id", 4)),
    ];
    assert_eq!(scene.errors(), expected);
    let text = load(&scene.paths).unwrap_err().to_string();
    assert!(
        text.contains("1 |   vault = \"keyfile\"\n  |   ^^^^^"),
        "{text}"
    );

    let whole = system.replace("\"accounts.acme.url\"", "\"accounts\"");
    write(&scene.paths.system, whole).unwrap();
    scene.user("[accounts.mine]\nsubdomain = \"m\"\nclient-id = \"c\"\n");
    assert_eq!(
        scene.errors(),
        [format!("home:1:2 {}", lock("accounts", 6))]
    );
}

#[test]
fn only_the_machines_file_locks_and_only_what_is_there() {
    let scene = LayersScene::new("locked = [\"vault\"]\n", "");
    let found = scene.errors();
    let whose = "home:1:1 `locked` can only be set in the machine's file";
    assert!(found.len() == 1 && found[0].starts_with(whose), "{found:?}");
    scene.user("");
    let system = "locked = [\"volt\", \"accounts.acne.port\", \"accounts.acme.prot\", \"locked\", \
                  7, \"accounts.acme\", \"accounts.acme.port\"]\n";
    write(&scene.paths.system, format!("{system}{ACME}")).unwrap();
    let found = scene.errors();
    let expected = [
        "etc:1:19 `accounts.acne.port` can't be locked: this file has no account `acne`",
        "etc:1:63 `locked` can't be locked: the keys that can are accounts, accounts.NAME.",
        "etc:1:73 `locked` must be a list of strings",
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found} for {expected}");
    }
    for key in [
        "hooks.session-event",
        "default-account",
        "accounts.NAME.extra-ca-file",
    ] {
        assert!(found[1].contains(key), "{key} in {}", found[1]);
    }
}

#[test]
fn o3_what_the_machines_file_says_that_nobody_here_knows_is_no_error() {
    let system = "locked = [\"volt\", \"vault\", \"accounts.acme.prot\"]\nvolt = 1\n";
    let scene = LayersScene::new("", &format!("{system}{ACME}prot = 2\n"));
    let unknown = scene.config().unknown;
    let told: Vec<_> = unknown
        .iter()
        .map(|d| (d.line, d.message.as_str()))
        .collect();
    let expected = [
        (1, "`volt` can't be locked"),
        (1, "`accounts.acme.prot` can't be locked"),
        (2, "unknown key `volt`"),
        (7, "unknown key `prot`"),
    ];
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    for ((line, message), (at, words)) in told.into_iter().zip(expected) {
        assert!(
            line == at && message.starts_with(words),
            "{line}: {message}"
        );
    }
    let report = report(&scene.paths);
    assert_eq!((report.errors.len(), report.warnings), (0, unknown));
    assert!(report.config.unwrap().locked.contains_key("vault"));
    // In a user's own file it is a mistake.
    scene.user("volt = 1\n");
    assert_eq!(scene.errors().len(), 1);
}

#[test]
fn o2_a_key_that_has_no_effect_any_more_is_a_note_wherever_it_stands() {
    for value in ["true", "false", "\"yes\""] {
        let own = format!("[accounts.acme]\nspare = {value}\n");
        let system = format!("locked = [\"accounts.acme.spare\"]\n{ACME}spare = true\n");
        let scene = LayersScene::new(&own, &system);
        let retired = scene.config().retired;
        let told: Vec<_> = retired
            .iter()
            .map(|key| (key.found.line, key.fix.as_str()))
            .collect();
        let ask = "ask the administrator of this machine to remove it";
        let unset = "run `loopdesk config set accounts.acme.spare --unset`";
        assert_eq!(told, [(2, unset), (6, ask), (1, ask)], "{retired:#?}");
        for key in &retired {
            let said = "`accounts.acme.spare` has no effect any more";
            assert!(key.found.message.starts_with(said), "{key:?}");
        }
        let report = report(&scene.paths);
        assert_eq!((report.errors.len(), report.warnings.len()), (0, 3));
        assert!(report.warnings[0].message.contains(unset), "{report:?}");
        assert!(report.config.is_some());
    }
}

#[test]
fn a_relative_path_begins_at_the_file_that_names_it() {
    let ca = |config: &Config| {
        let acme = config.accounts.values().next().unwrap();
        acme.extra_ca_file.clone().unwrap()
    };
    let scene = LayersScene::new("", &format!("{ACME}extra-ca-file = \"corp.pem\"\n"));
    assert_eq!(ca(&scene.config()), scene.dir.path().join("etc/corp.pem"));
    scene.user("[accounts.acme]\nextra-ca-file = \"ca/mine.pem\"\n");
    assert_eq!(
        ca(&scene.config()),
        scene.dir.path().join("home/ca/mine.pem")
    );
    scene.user("[accounts.acme]\nextra-ca-file = \"/x.pem\"\n");
    assert_eq!(ca(&scene.config()), Path::new("/x.pem"));
    scene.user("[accounts.acme]\nextra-ca-file = \"~/x.pem\"\n");
    assert!(scene.errors()[0].contains("`~` isn't expanded"));
}

#[test]
fn a_missing_file_is_fine_and_an_unreadable_one_says_so_without_guesses() {
    let scene = LayersScene::new("", "");
    std::fs::remove_file(&scene.paths.system).unwrap();
    std::fs::remove_file(scene.paths.user.as_ref().unwrap()).unwrap();
    assert_eq!(scene.config(), Config::default());
    let found = report(&scene.paths);
    assert!(!found.exists && found.system().is_none(), "{found:?}");

    // A key that the user's file lacks may be in the one that can't be read.
    scene.user("default-account = \"firm\"\nvolt = 1\n[accounts.acme]\nport = 8491\n");
    std::fs::create_dir(&scene.paths.system).unwrap();
    let found = scene.errors();
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found[0].starts_with("home:2:1 unknown key"), "{found:?}");
    let unreadable = "etc:1:1 `/etc/config.toml` is a folder, not a file";
    assert!(found[1].starts_with(unreadable), "{found:?}");
}

#[test]
fn the_machines_file_can_be_judged_for_itself() {
    let scene = LayersScene::new("volt = 1\n", &format!("locked = [\"vault\"]\n{ACME}"));
    let system = scene.paths.system.clone();
    let found = report(&scene.paths.clone().with_user(system.clone()));
    assert_eq!(
        (found.path.as_str(), found.exists),
        (system.to_str().unwrap(), true)
    );
    assert!(
        found.errors.is_empty() && found.files.len() == 1,
        "{found:?}"
    );
    assert_eq!(found.config.unwrap().accounts.len(), 1);
}

#[test]
fn s9_the_machines_file_can_switch_exec_off_for_good() {
    let scene = LayersScene::new("", "exec = false\nlocked = [\"exec\"]\n");
    assert!(!scene.config().exec);
    scene.user("exec = true\n");
    let found = scene.errors();
    assert!(found[0].contains("`exec` is locked by line 2"), "{found:?}");
    write(&scene.paths.system, "").unwrap();
    assert!(scene.config().exec);
    scene.user("");
    assert!(scene.config().exec, "by default");
}

#[test]
fn d2_only_the_machines_file_limits_local_keys() {
    let limits = "max-key-scope = [\"read\", \"tickets:write\"]\nmax-key-age = \"365d\"\n";
    let scene = LayersScene::new("", limits);
    let config = scene.config();
    let most = config.max_key_scope.unwrap();
    let mut most = most.text().scopes;
    most.sort();
    assert_eq!(most, ["read", "tickets:write"]);
    assert_eq!(config.max_key_age.unwrap().as_secs(), 31_536_000);

    scene.user("max-key-scope = [\"write\"]\nmax-key-age = \"1d\"\n");
    let found = scene.errors();
    assert_eq!(found.len(), 2, "{found:?}");
    for (found, key) in found.iter().zip(["max-key-scope", "max-key-age"]) {
        let whose = format!("`{key}` can only be set in the machine's file");
        assert!(found.contains(&whose), "{found}");
    }

    scene.user("");
    write(
        &scene.paths.system,
        "max-key-scope = []\nmax-key-age = \"1s\"\n",
    )
    .unwrap();
    let found = scene.errors();
    assert!(found[0].contains("`max-key-scope` is empty"), "{found:?}");
    assert!(
        found[1].contains("a key's age can be 1m to 3650d"),
        "{found:?}"
    );
}
