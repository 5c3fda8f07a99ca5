//! What is sent through each proxy.

use crate::Size;
use crate::peers::Protocol;
use crate::upstream::Body;

/// One kind of load.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scenario {
    /// Between proxy and upstream; scripts speak HTTP/1.1.
    pub(crate) protocol: Protocol,
    pub(crate) body: Body,
    pub(crate) connections: usize,
    /// Whether each request has a connection of its own.
    pub(crate) closes: bool,
    pub(crate) gzip: bool,
}

impl Scenario {
    const fn new(protocol: Protocol, body: Body, connections: usize) -> Self {
        Self {
            protocol,
            body,
            connections,
            closes: false,
            gzip: false,
        }
    }

    const fn closing(mut self) -> Self {
        self.closes = true;
        self
    }

    const fn gzip(mut self) -> Self {
        self.gzip = true;
        self
    }

    pub(crate) fn title(&self) -> String {
        let body = match self.body {
            Body::Small => "1 KB of JSON",
            Body::Medium => "64 KB of JSON",
            Body::Page => "a page of 100 KB whose links are rewritten",
            Body::Large => "10 MiB down",
            Body::Upload => "10 MiB up",
            Body::Endless => "a long stream",
        };
        let gzip = if self.gzip { ", gzip" } else { "" };
        let protocol = match self.protocol {
            Protocol::Http1 => "HTTP/1.1",
            Protocol::Http2 => "HTTP/2",
        };
        let connections = match (self.closes, self.connections) {
            (false, 1) => "1 connection".to_owned(),
            (false, n) => format!("{n} connections"),
            (true, 1) => "1 at a time, a connection per request".to_owned(),
            (true, n) => format!("{n} at a time, a connection per request"),
        };
        format!("{body}{gzip}, {protocol} upstream, {connections}")
    }
}

/// All of them.
pub(crate) fn all(size: &Size) -> &'static [Scenario] {
    if size.is_short { &SHORT } else { &FULL }
}

pub(crate) const CONNECTIONS: [usize; 4] = [1, 16, 64, 256];

const SHORT: [Scenario; 7] = [
    Scenario::new(Protocol::Http1, Body::Small, 1),
    Scenario::new(Protocol::Http1, Body::Small, 16),
    Scenario::new(Protocol::Http2, Body::Small, 16),
    Scenario::new(Protocol::Http1, Body::Small, 16).closing(),
    Scenario::new(Protocol::Http1, Body::Page, 1),
    Scenario::new(Protocol::Http1, Body::Large, 1),
    Scenario::new(Protocol::Http1, Body::Upload, 1),
];

const FULL: [Scenario; 20] = [
    Scenario::new(Protocol::Http1, Body::Small, 1),
    Scenario::new(Protocol::Http1, Body::Small, 16),
    Scenario::new(Protocol::Http1, Body::Small, 64),
    Scenario::new(Protocol::Http1, Body::Small, 256),
    Scenario::new(Protocol::Http2, Body::Small, 1),
    Scenario::new(Protocol::Http2, Body::Small, 16),
    Scenario::new(Protocol::Http2, Body::Small, 64),
    Scenario::new(Protocol::Http2, Body::Small, 256),
    Scenario::new(Protocol::Http1, Body::Small, 1).closing(),
    Scenario::new(Protocol::Http1, Body::Small, 16).closing(),
    Scenario::new(Protocol::Http1, Body::Medium, 1),
    Scenario::new(Protocol::Http1, Body::Medium, 16),
    Scenario::new(Protocol::Http1, Body::Page, 1),
    Scenario::new(Protocol::Http1, Body::Page, 16),
    Scenario::new(Protocol::Http1, Body::Page, 1).gzip(),
    Scenario::new(Protocol::Http1, Body::Page, 16).gzip(),
    Scenario::new(Protocol::Http1, Body::Large, 1),
    Scenario::new(Protocol::Http1, Body::Large, 4),
    Scenario::new(Protocol::Http1, Body::Upload, 1),
    Scenario::new(Protocol::Http1, Body::Upload, 4),
];
