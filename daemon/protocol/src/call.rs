//! A call of the control API: its method, its path, and the types of both sides.
//!
//! Each module of this crate defines the calls that its types belong to. The daemon's table of
//! routes and the command line share these constants, so the two can't disagree about a call.

use std::marker::PhantomData;

use http::Method;
use serde::{Deserialize, Serialize};

use crate::problem::Problem;

/// What the command line asks for with an `Asked`, and is told in an `Answer`.
#[derive(Debug)]
pub struct Call<Asked, Answer> {
    /// `GET` if it changes nothing.
    pub method: Method,
    /// The path on the control socket.
    pub path: &'static str,
    types: PhantomData<fn(Asked) -> Answer>,
}

impl<Asked, Answer> Call<Asked, Answer> {
    /// Changes nothing. What is asked is nothing, or the [`Query`] of the path.
    pub(crate) const fn get(path: &'static str) -> Self {
        Self::new(Method::GET, path)
    }

    /// Has the daemon act. What is asked is the body.
    pub(crate) const fn post(path: &'static str) -> Self {
        Self::new(Method::POST, path)
    }

    const fn new(method: Method, path: &'static str) -> Self {
        Self {
            method,
            path,
            types: PhantomData,
        }
    }
}

/// What a `GET` asks for in its query.
pub trait Query: Sized {
    /// The query, without the question mark.
    fn query(&self) -> String;

    /// Reads a query.
    ///
    /// # Errors
    /// A problem of kind `usage` that quotes the parameter which can't be read.
    fn from_query(query: &str) -> Result<Self, Problem>;
}

/// An empty object, where there is nothing to ask for or to answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Empty {}
