//! Which recipe belongs to which client.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{library, network::authority, tool};
use crate::cli::EnvClient;

/// What a program or library needs to be pointed here.
#[derive(Debug, Default, Serialize)]
pub(super) struct Recipe {
    /// For the environment of the program.
    pub(super) variables: BTreeMap<&'static str, String>,
    /// What a person has to know.
    pub(super) notes: Vec<&'static str>,
    /// Code that runs as it is once the variables are set.
    pub(super) example: Vec<String>,
}

impl Recipe {
    /// The base URL in a variable, and code that reads it.
    pub(super) fn reading(base: &str, notes: &[&'static str], code: &str) -> Self {
        Self {
            variables: BTreeMap::from([(BASE_URL, base.to_owned())]),
            notes: notes.to_vec(),
            example: lines(code),
        }
    }

    /// Code with the base URL in it, for programs that don't see a shell's variables.
    pub(super) fn literal(base: &str, notes: &[&'static str], code: &str) -> Self {
        Self {
            variables: BTreeMap::new(),
            notes: notes.to_vec(),
            example: lines(&code.replace("@BASE@", base)),
        }
    }
}

/// The recipe for `client`; without one, the variable alone.
pub(super) fn recipe(client: Option<EnvClient>, base: &str, account: &str) -> Recipe {
    let Some(client) = client else {
        return Recipe::reading(base, &[], "");
    };
    let read = |notes: &[&'static str], code: &str| Recipe::reading(base, notes, code);
    match client {
        EnvClient::Curl => read(&[], tool::CURL),
        EnvClient::Wget => read(&[], tool::WGET),
        EnvClient::Python => read(&[], tool::URLLIB),
        EnvClient::Requests => read(&[], tool::REQUESTS),
        EnvClient::Httpx => read(tool::HTTPX_NOTES, tool::HTTPX),
        EnvClient::Aiohttp => read(&[], tool::AIOHTTP),
        EnvClient::Node => read(&[], tool::FETCH),
        EnvClient::Axios => read(&[], tool::AXIOS),
        EnvClient::Perl => read(&[], tool::PERL),
        EnvClient::Ruby => read(&[], tool::RUBY),
        EnvClient::R => read(tool::R_NOTES, tool::R),
        EnvClient::Jupyter => Recipe::literal(base, tool::JUPYTER_NOTES, tool::JUPYTER),
        EnvClient::Postman => Recipe::literal(base, tool::POSTMAN_NOTES, tool::POSTMAN),
        EnvClient::Zenpy => Recipe {
            variables: BTreeMap::from([
                ("ZENPY_FORCE_NETLOC", authority(base).to_owned()),
                ("ZENPY_FORCE_SCHEME", "http".to_owned()),
            ]),
            notes: library::ZENPY_NOTES.to_vec(),
            example: lines(&library::ZENPY.replace("@ACCOUNT@", account)),
        },
        EnvClient::NodeZendesk => read(library::ANY_NOTES, library::NODE_ZENDESK),
        EnvClient::Zdesk => read(library::ANY_NOTES, library::ZDESK),
        EnvClient::ZendeskApi => read(library::ANY_NOTES, library::ZENDESK_API),
        EnvClient::PythonZendesk => read(library::ANY_NOTES, library::PYTHON_ZENDESK),
        EnvClient::Dlt => read(&[], library::DLT),
        EnvClient::Libzapi => read(library::LIBZAPI_NOTES, library::LIBZAPI),
        EnvClient::TapZendesk => Recipe {
            notes: library::TAP_ZENDESK_NOTES.to_vec(),
            ..Recipe::default()
        },
    }
}

fn lines(code: &str) -> Vec<String> {
    code.trim().lines().map(str::to_owned).collect()
}

/// The variable that most recipes read.
const BASE_URL: &str = "ZENDESK_BASE_URL";

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn every_client_gets_what_it_reads() {
        for client in EnvClient::value_variants() {
            let recipe = recipe(Some(*client), "http://127.0.0.1:8484", "acme");
            let said = format!("{recipe:?}");
            assert!(!said.contains('@'), "{client:?}: {said}");
            let points = said.contains("127.0.0.1:8484");
            assert_eq!(points, *client != EnvClient::TapZendesk, "{said}");
            let reads = recipe.example.iter().any(|line| line.contains(BASE_URL));
            let sets = recipe.variables.contains_key(BASE_URL);
            assert_eq!(reads, sets, "{client:?}: {said}");
        }
    }

    #[test]
    fn zenpy_is_pointed_here_by_its_own_variables() {
        let recipe = recipe(Some(EnvClient::Zenpy), "http://localhost:8484", "acme");
        let variables: Vec<_> = recipe.variables.into_iter().collect();
        let netloc = ("ZENPY_FORCE_NETLOC", "localhost:8484".to_owned());
        let scheme = ("ZENPY_FORCE_SCHEME", "http".to_owned());
        assert_eq!(variables, [netloc, scheme]);
    }
}
