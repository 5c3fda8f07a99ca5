//! HTTP libraries and client libraries of all runtimes: each does what it does at loopdesk's port.

use std::time::Duration;

use loopdesk_tests::by_name::ByName;
use loopdesk_tests::clients::exec::{Program, Programs, Verdict};
use loopdesk_tests::clients::{folder, play_under_exec};
use loopdesk_tests::needs::needs;
use loopdesk_tests::zendesk::{Zendesk, users};

use super::{exec, named, without_a_network};

/// One after the other with one daemon: what they have in common is more than half of the time.
async fn every_step_works(names: &[(&str, &str)]) {
    let programs = Programs::read();
    let here: Vec<_> = names
        .iter()
        .map(|(name, version)| programs.program(name, version))
        .filter_map(|program| Some((program, program.row()?)))
        .collect();
    let zendesk = Zendesk::builder().tickets(230).export_page(100);
    let (named, _daemon) = named(zendesk.consenting_user(users::AGENT)).await;
    for (program, row) in here {
        play_under_exec(&named.stage, program, &row).await;
    }
}

/// One test for each program that has a driver, and one that checks that none is missing.
macro_rules! programs {
    ($($test:ident = [$(($name:literal, $version:literal)),+],)+) => {
        $(
            #[tokio::test]
            async fn $test() {
                every_step_works(&[$(($name, $version)),+]).await;
            }
        )+

        #[test]
        fn every_program_with_a_driver_is_run() {
            let mut run = vec![$($(($name, $version)),+),+];
            let programs = Programs::read();
            let driven = programs.all.iter().filter(|program| program.client.is_some());
            let mut driven: Vec<_> = driven
                .map(|program| (program.name.as_str(), program.version.as_str()))
                .collect();
            run.sort_unstable();
            driven.sort_unstable();
            assert_eq!(run, driven);
        }
    };
}

programs! {
    s9_curl = [("curl", "7.88")],
    s9_wget_with_one_setting = [("GNU Wget", "1.21")],
    s9_pythons_http_libraries = [
        ("Python's urllib", "3.12"),
        ("requests", "2.34.2"),
        ("httpx", "0.28.1"),
        ("aiohttp", "3.14.5")
    ],
    s9_nodes_fetch = [("Node's fetch and https", "24.21.0")],
    s9_axios_by_connect_and_by_absolute_form = [("axios", "1.21.1"), ("axios", "0.27.2")],
    s9_perl_and_ruby = [("Perl's LWP", "6.68"), ("Ruby's net/http", "3.1")],
    s9_php_curl = [("PHP's curl", "8.2")],
    s9_go_net_http = [("Go's net/http", "1.19")],
    // python-zendesk comes first: it doesn't read tickets that the others have created.
    s9_client_libraries_in_python = [
        ("python-zendesk", "0.3.1"),
        ("Zenpy", "2.0.57"),
        ("zdesk", "2.8.1"),
        ("libzapi", "0.9.1")
    ],
    s9_dlt_with_its_base_url_fixed = [("dlt's REST client", "1.31.0")],
    s9_node_zendesk = [("node-zendesk", "6.0.1")],
}

#[tokio::test]
async fn s9_those_that_go_past_a_proxy_fail_and_reach_nobody() {
    let test = "programs::runtimes::s9_those_that_go_past_a_proxy_fail_and_reach_nobody";
    if without_a_network(test).await {
        return;
    }
    let (named, _daemon) = named(Zendesk::builder()).await;
    named.stage.zendesk.clear();
    let programs = Programs::read();
    let probed = programs
        .all
        .iter()
        .filter(|program| !program.probe.is_empty());
    let mut count = 0;
    for program in probed {
        assert_eq!(program.exec, Verdict::Not, "{}", program.name);
        if is_that_version(program) {
            let failed = probe(&named, program).await;
            assert!(
                failed,
                "{} {} works after all",
                program.name, program.version
            );
            count += 1;
        }
    }
    let verdicts = programs
        .all
        .iter()
        .filter(|program| program.exec == Verdict::Not);
    assert_eq!(verdicts.count(), 3, "each of them has a probe");
    assert!(named.stage.zendesk.requests().is_empty());
    println!("{count} probes");
}

/// Whether the command fails.
async fn probe(named: &ByName, program: &Program) -> bool {
    let folder = folder().display().to_string();
    let argv: Vec<_> = program
        .probe
        .iter()
        .map(|word| word.replace("FOLDER", &folder))
        .collect();
    let argv: Vec<_> = argv.iter().map(String::as_str).collect();
    let ended = exec(&named.stage, &argv).output();
    let ended = tokio::time::timeout(PATIENCE, ended).await;
    let ended = ended.unwrap().unwrap();
    !ended.status.success()
}

/// The system's own may have become newer than the row of the table.
fn is_that_version(program: &Program) -> bool {
    let interpreter = program.probe[0].as_str();
    if !needs(&[interpreter]) {
        return false;
    }
    let asked = std::process::Command::new(interpreter)
        .arg("--version")
        .output();
    let asked = asked.unwrap();
    let said = String::from_utf8_lossy(&asked.stdout).into_owned();
    let is_it = said.contains(&format!("v{}.", program.version))
        || said.contains(&format!(" {}.", program.version));
    if !is_it {
        needs(&[&format!("{} {}: {said}", program.name, program.version)]);
    }
    is_it
}

/// Name lookups without a resolver fail at once or after a few seconds.
const PATIENCE: Duration = Duration::from_secs(60);
