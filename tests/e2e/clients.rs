//! Real clients, unmodified except for what `loopdesk env` prints, while tokens rotate under them.

use loopdesk_tests::Stage;
use loopdesk_tests::clients::{Matrix, Verdict, play, play_with, python, refused};
use loopdesk_tests::zendesk::{Builder, Zendesk, users};

use super::binary;

async fn every_step_works(id: &str) {
    let matrix = Matrix::read();
    let row = matrix.row(id);
    if !row.is_here() {
        return;
    }
    let stage = Stage::set(binary(), of_an_agent()).await;
    let _daemon = stage.logged_in().await;
    for credential in &row.credentials {
        play(&stage, row, *credential).await;
    }
    // A verdict of "works" means that nothing has to be pasted into the script.
    let printed = stage.home.loopdesk(["env", "--for", id, "--json"]).await;
    let variables = printed.ok().json()["variables"].clone();
    let has_own_variables = variables.get("ZENDESK_BASE_URL").is_none();
    assert_eq!(row.verdict == Verdict::Works, has_own_variables);
    assert_eq!(row.verdict == Verdict::Not, !row.fails.is_empty());
}

/// Three pages of each list, and of the exports as well, for a person who isn't an admin.
fn of_an_agent() -> Builder {
    let zendesk = Zendesk::builder().tickets(230).export_page(100);
    zendesk.consenting_user(users::AGENT)
}

/// With a key where the token used to be, on an account that requires one; and with a key that
/// lacks the scope.
async fn a_key_works(id: &str) {
    let matrix = Matrix::read();
    let row = matrix.row(id);
    if !row.is_here() {
        return;
    }
    let stage = Stage::with_config(binary(), of_an_agent(), "", "access = \"key\"").await;
    let _daemon = stage.logged_in().await;
    let key = async |name: &str, arguments: &[&str]| {
        let create = ["key", "create", name, "--json"].into_iter();
        let made = stage.home.loopdesk(create.chain(arguments.iter().copied()));
        let made = made.await.ok().json();
        let secret = made["secret"].as_str().unwrap().to_owned();
        stage.home.is_secret("a local key", &secret);
        secret
    };
    let uploads = "POST /api/v2/uploads";
    let rights = ["--scope", "read,tickets:write", "--allow", uploads];
    let key_that_does = key("enough", &rights).await;
    let key_that_does_not = key("too-little", &["--scope", "users:read"]).await;
    let credential = row.credentials[0];
    refused(&stage, row, credential, &key_that_does_not).await;
    play_with(&stage, row, credential, &key_that_does).await;
}

#[tokio::test]
async fn a_notebook_runs_what_is_printed_for_it() {
    let matrix = Matrix::read();
    if !matrix.row("requests").is_here() {
        return;
    }
    let stage = Stage::set(binary(), Zendesk::builder()).await;
    let _daemon = stage.logged_in().await;
    let printed = stage.home.loopdesk(["env", "--for", "jupyter", "--json"]);
    let printed = printed.await.ok().json();
    let cell: Vec<_> = printed["example"].as_array().unwrap().iter().collect();
    let cell: Vec<_> = cell.iter().filter_map(|line| line.as_str()).collect();
    let cell = format!("{}\nprint(me[\"user\"][\"id\"])", cell.join("\n"));
    let python = python().display().to_string();
    let ran = stage.home.run(&python, ["-c", &cell]).await.ok();
    assert!(ran.stdout.trim().parse::<u64>().is_ok(), "{ran:?}");
}

/// One test for each client, and one that checks that none is missing.
macro_rules! clients {
    ($($test:ident, $with_key:ident = $id:literal,)+) => {
        $(
            #[tokio::test]
            async fn $test() {
                every_step_works($id).await;
            }

            #[tokio::test]
            async fn $with_key() {
                a_key_works($id).await;
            }
        )+

        #[test]
        fn every_client_of_the_matrix_is_driven() {
            let ids: Vec<_> = Matrix::read().clients.into_iter().map(|row| row.id).collect();
            assert_eq!(ids, [$($id),+]);
        }
    };
}

clients! {
    s1_zenpy, d2_zenpy = "zenpy",
    s1_zdesk, d2_zdesk = "zdesk",
    s1_libzapi, d2_libzapi = "libzapi",
    s1_dlt, d2_dlt = "dlt",
    s1_python_zendesk, d2_python_zendesk = "python-zendesk",
    s1_node_zendesk, d2_node_zendesk = "node-zendesk",
    s1_requests, d2_requests = "requests",
    s1_httpx, d2_httpx = "httpx",
    s1_aiohttp, d2_aiohttp = "aiohttp",
    s1_urllib, d2_urllib = "python",
    s1_node_fetch, d2_node_fetch = "node",
    s1_axios, d2_axios = "axios",
    s1_curl, d2_curl = "curl",
    s1_wget, d2_wget = "wget",
    s1_perl_lwp, d2_perl_lwp = "perl",
    s1_ruby_net_http, d2_ruby_net_http = "ruby",
    s1_s8_php_curl, d2_php_curl = "php",
    s1_s8_go_net_http, d2_go_net_http = "go",
    s1_s8_java_http_url_connection, d2_java_http_url_connection = "java",
}
