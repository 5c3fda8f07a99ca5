//! A Zendesk whose API is a third-party mock (`tests/prism`) that follows Zendesk's own
//! description.
//!
//! Its OAuth endpoints are the simulation's: a front with TLS sends requests to one or the other
//! and returns the response, with the headers of Zendesk's own front.

mod front;
mod prism;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use http::{HeaderMap, Method, Response};
use serde::Deserialize;

use crate::needs::needs;
use crate::ports;
use crate::zendesk::{self, Caller, Zendesk};
use front::Front;
use prism::Prism;

/// The mock, the simulation behind it, and the front before both. They end when dropped.
#[derive(Debug)]
pub struct Described {
    operations: Vec<Operation>,
    zendesk: Zendesk,
    front: Front,
    _prism: Prism,
}

/// One operation of the description, with a request that fits it.
#[derive(Clone, Debug, Deserialize)]
pub struct Operation {
    /// Its method.
    #[serde(with = "method")]
    pub method: Method,
    /// Its path and query.
    pub path: String,
    /// The headers that it requires.
    pub headers: BTreeMap<String, String>,
    /// Its body; empty for none.
    pub body: String,
}

impl Described {
    /// The description that `LOOPDESK_OPENAPI` names. It isn't part of this project: without the
    /// variable, tests that need it are left out, and say so.
    ///
    /// # Panics
    /// If the variable names a file, and either the file or Prism is missing.
    pub fn description() -> Option<PathBuf> {
        let Some(path) = std::env::var_os("LOOPDESK_OPENAPI").filter(|path| !path.is_empty())
        else {
            crate::demo::say("left out: LOOPDESK_OPENAPI names no description of Zendesk's API");
            return None;
        };
        let path = PathBuf::from(path);
        assert!(
            path.is_file(),
            "LOOPDESK_OPENAPI: no file {}",
            path.display()
        );
        let prism = prism::program();
        assert!(
            needs(&["node", &prism.display().to_string()]),
            "`npm ci --ignore-scripts --prefix tests/prism` brings Prism"
        );
        Some(path)
    }

    /// Starts everything. `builder` sets up the simulation, which serves all requests until
    /// [`mock`](Self::mock).
    ///
    /// # Errors
    /// If the system refuses, or Prism doesn't start.
    pub async fn start(description: &Path, builder: zendesk::Builder) -> io::Result<Self> {
        let zendesk = builder.start().await?;
        let port = ports::free();
        let front = Front::start(&zendesk, port).await?;
        let (prism, operations) = Prism::start(description, front.origin()).await?;
        front.set_mock(prism.address());
        Ok(Self {
            operations: serde_json::from_slice(&operations).map_err(io::Error::other)?,
            zendesk,
            front,
            _prism: prism,
        })
    }

    /// From now on, the mock serves everything except OAuth.
    pub fn mock(&self) {
        self.front.mock();
    }

    /// Every operation of the description.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// The simulation.
    pub fn zendesk(&self) -> &Zendesk {
        &self.zendesk
    }

    /// The origin of the front.
    pub fn origin(&self) -> &str {
        self.front.origin()
    }

    /// The certificate of the CA to trust.
    pub fn ca_file(&self) -> PathBuf {
        self.front.ca_file()
    }

    /// The response to an operation, requested without loopdesk.
    ///
    /// # Errors
    /// If there is no response.
    pub async fn direct(&self, operation: &Operation) -> io::Result<Response<Bytes>> {
        let token = self.zendesk.issue_tokens(&["read", "write"]).access;
        let caller = Caller::new(self.origin(), &self.ca_file())?.bearer(&token);
        let (method, headers) = (operation.method.clone(), operation.header_map());
        let body = Bytes::from(operation.body.clone());
        let reply = caller.send(method, &operation.path, headers, body).await?;
        Ok(reply)
    }
}

impl Operation {
    /// The headers, in the form of a request's.
    ///
    /// # Panics
    /// If the description contains invalid ones.
    pub fn header_map(&self) -> HeaderMap {
        (&self
            .headers
            .clone()
            .into_iter()
            .collect::<std::collections::HashMap<_, _>>())
            .try_into()
            .expect("headers of the description")
    }
}

mod method {
    use http::Method;
    use serde::{Deserialize, Deserializer, de::Error};

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Method, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}
