//! The recipe for each client.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{curl_like, library, mcp};
use crate::args::env::EnvClient;
use crate::base_url::authority;

/// How to point a program or library at loopdesk.
#[derive(Debug, Default, Serialize)]
pub(super) struct Recipe {
    /// Environment variables to set.
    pub(super) variables: BTreeMap<&'static str, String>,
    /// Notes for the user.
    pub(super) notes: Vec<String>,
    /// Code that works once the variables are set.
    pub(super) example: Vec<String>,
}

/// The recipe for `client`, or just the variable. `key` is the placeholder for a local key.
pub(super) fn recipe(
    client: Option<EnvClient>,
    base: &str,
    account: &str,
    key: Option<&str>,
) -> Recipe {
    // The variant without or with a key.
    let either = |plain: &'static str, with_key: &'static str| match key {
        None => plain,
        Some(_) => with_key,
    };
    let notes = |plain: &'static [&str], with_key: &'static [&str]| match key {
        None => plain,
        Some(_) => with_key,
    };
    // Code that reads the base URL from the variable, and code that contains it, for programs that
    // don't see the shell's variables.
    let filled = |code: &str| {
        let code = code.replace("@TOKEN@", key.unwrap_or("any"));
        lines(&code.replace("@KEY@", key.unwrap_or_default()))
    };
    let read = |notes: &[&str], code: &str| Recipe {
        variables: BTreeMap::from([(BASE_URL, base.to_owned())]),
        notes: owned(notes),
        example: filled(code),
    };
    let literal = |notes: &[&str], code: &str| Recipe {
        variables: BTreeMap::new(),
        notes: owned(notes),
        example: filled(&code.replace("@BASE@", base)),
    };
    let library = |code: &str| read(notes(library::ANY_NOTES, library::KEY_NOTES), code);
    let Some(client) = client else {
        return read(&[], "");
    };
    match client {
        EnvClient::Curl => read(&[], either(curl_like::CURL, curl_like::CURL_KEY)),
        EnvClient::Wget => read(&[], either(curl_like::WGET, curl_like::WGET_KEY)),
        EnvClient::Python => read(&[], either(curl_like::URLLIB, curl_like::URLLIB_KEY)),
        EnvClient::Requests => read(&[], either(curl_like::REQUESTS, curl_like::REQUESTS_KEY)),
        EnvClient::Httpx => read(
            curl_like::HTTPX_NOTES,
            either(curl_like::HTTPX, curl_like::HTTPX_KEY),
        ),
        EnvClient::Aiohttp => read(&[], either(curl_like::AIOHTTP, curl_like::AIOHTTP_KEY)),
        EnvClient::Node => read(&[], either(curl_like::FETCH, curl_like::FETCH_KEY)),
        EnvClient::Axios => read(&[], either(curl_like::AXIOS, curl_like::AXIOS_KEY)),
        EnvClient::Perl => read(&[], either(curl_like::PERL, curl_like::PERL_KEY)),
        EnvClient::Ruby => read(&[], either(curl_like::RUBY, curl_like::RUBY_KEY)),
        EnvClient::Php => read(&[], either(curl_like::PHP, curl_like::PHP_KEY)),
        EnvClient::Go => read(&[], either(curl_like::GO, curl_like::GO_KEY)),
        EnvClient::Java => read(&[], either(curl_like::JAVA, curl_like::JAVA_KEY)),
        EnvClient::R => read(curl_like::R_NOTES, either(curl_like::R, curl_like::R_KEY)),
        EnvClient::Jupyter => literal(
            curl_like::JUPYTER_NOTES,
            either(curl_like::JUPYTER, curl_like::JUPYTER_KEY),
        ),
        EnvClient::Postman => literal(
            notes(curl_like::POSTMAN_NOTES, curl_like::POSTMAN_KEY_NOTES),
            either(curl_like::POSTMAN, curl_like::POSTMAN_KEY),
        ),
        EnvClient::Zenpy => Recipe {
            variables: BTreeMap::from([
                ("ZENPY_FORCE_NETLOC", authority(base).to_owned()),
                ("ZENPY_FORCE_SCHEME", "http".to_owned()),
            ]),
            notes: owned(notes(library::ZENPY_NOTES, library::ZENPY_KEY_NOTES)),
            example: filled(&library::ZENPY.replace("@ACCOUNT@", account)),
        },
        EnvClient::NodeZendesk => library(library::NODE_ZENDESK),
        EnvClient::Zdesk => library(library::ZDESK),
        EnvClient::ZendeskApi => library(either(library::ZENDESK_API, library::ZENDESK_API_KEY)),
        EnvClient::PythonZendesk => library(library::PYTHON_ZENDESK),
        EnvClient::Dlt => read(&[], either(library::DLT, library::DLT_KEY)),
        EnvClient::Libzapi => read(
            notes(library::LIBZAPI_NOTES, library::LIBZAPI_KEY_NOTES),
            library::LIBZAPI,
        ),
        EnvClient::Mcp => mcp::recipe(account, None),
        EnvClient::TapZendesk => Recipe {
            notes: owned(library::TAP_ZENDESK_NOTES),
            ..Recipe::default()
        },
    }
}

fn lines(code: &str) -> Vec<String> {
    code.trim().lines().map(str::to_owned).collect()
}

fn owned(notes: &[&str]) -> Vec<String> {
    notes.iter().map(|&note| note.to_owned()).collect()
}

/// The variable that most recipes read.
const BASE_URL: &str = "ZENDESK_BASE_URL";

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    const BASE: &str = "http://127.0.0.1:8484";

    /// Those that have Zendesk's address in their code.
    const UNPOINTED: [EnvClient; 2] = [EnvClient::Mcp, EnvClient::TapZendesk];

    #[test]
    fn every_client_gets_what_it_reads() {
        for client in EnvClient::value_variants() {
            for key in [None, Some("ldk_7k3m9q2x...")] {
                let recipe = recipe(Some(*client), BASE, "acme", key);
                let said = format!("{recipe:?}");
                for open in ["@BASE@", "@KEY@", "@TOKEN@", "@ACCOUNT@"] {
                    assert!(!said.contains(open), "{client:?}: {said}");
                }
                let points = said.contains("127.0.0.1:8484");
                assert_eq!(points, !UNPOINTED.contains(client), "{said}");
                let reads = recipe.example.iter().any(|line| line.contains(BASE_URL));
                let sets = recipe.variables.contains_key(BASE_URL);
                assert_eq!(reads, sets, "{client:?}: {said}");
            }
        }
    }

    #[test]
    fn d2_every_client_has_one_place_for_a_key_and_none_without_one() {
        for client in EnvClient::value_variants() {
            let example = |key| recipe(Some(*client), BASE, "acme", key).example.join("\n");
            let places = example(Some("ldk_x...")).matches("ldk_x...").count();
            assert_eq!(
                places,
                usize::from(!UNPOINTED.contains(client)),
                "{client:?}"
            );
            assert!(!example(None).contains("ldk_"), "{client:?}");
        }
    }

    #[test]
    fn zenpy_is_pointed_here_by_its_own_variables() {
        let recipe = recipe(
            Some(EnvClient::Zenpy),
            "http://localhost:8484",
            "acme",
            None,
        );
        let variables: Vec<_> = recipe.variables.into_iter().collect();
        let netloc = ("ZENPY_FORCE_NETLOC", "localhost:8484".to_owned());
        let scheme = ("ZENPY_FORCE_SCHEME", "http".to_owned());
        assert_eq!(variables, [netloc, scheme]);
    }
}
