//! The environment variables that the service gets.

use std::path::Path;

use loopdesk_protocol::proxy::{self, ProxyUrl};

use super::address::Address;
use crate::context::Environment;

/// Variables for the service.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ServiceEnvironment {
    /// Those without secrets.
    pub(crate) plain: Vec<(String, String)>,
    /// Those that hold a password, or may.
    pub(crate) secret: Vec<(String, String)>,
    /// Names of those that are set but not passed on, and why.
    pub(crate) left_out: Vec<(String, String)>,
    /// Names of those that will keep the daemon from reaching Zendesk, and why.
    pub(crate) unusable: Vec<(String, String)>,
}

impl ServiceEnvironment {
    /// The variables in `env`. `own` are the daemon's own addresses.
    pub(crate) fn of(env: &Environment, own: &[Address]) -> Self {
        let mut carried = Self::default();
        for name in PROXIES {
            // curl and most others read both spellings, and the lower-case one wins.
            for name in [name.to_owned(), name.to_lowercase()] {
                let Some(value) = env(&name).filter(|value| !value.is_empty()) else {
                    continue;
                };
                match value.into_string() {
                    Ok(value) => carried.proxy(name, value, own),
                    Err(_) => carried.unreadable(&name),
                }
            }
        }
        let home = env("HOME").unwrap_or_default();
        for (name, default) in FOLDERS {
            let Some(value) = env(name).filter(|value| !value.is_empty()) else {
                continue;
            };
            let is_default = default.is_some_and(|rest| Path::new(&home).join(rest) == value);
            match value.into_string() {
                Ok(value) if !Path::new(&value).is_absolute() => {
                    carried.leave_out(name, format!("`{value}` isn't an absolute path"));
                }
                Ok(value) if !is_default => carried.add(name, value),
                Ok(_) => {}
                Err(_) => carried.unreadable(name),
            }
        }
        carried
    }

    /// The names of the variables passed on.
    pub(crate) fn names(&self) -> Vec<String> {
        let all = self.plain.iter().chain(&self.secret);
        all.map(|(name, _)| name.clone()).collect()
    }

    fn proxy(&mut self, name: String, value: String, own: &[Address]) {
        if value.contains(char::is_control) {
            return self.unreadable(&name);
        }
        if name.to_lowercase() == "no_proxy" {
            return self.add(&name, value);
        }
        let proxy = ProxyUrl::parse(&value);
        if let (Err(why), true) = (&proxy, proxy::VARIABLES.contains(&name.as_str())) {
            self.unusable.push((name.clone(), why.to_string()));
        }
        let is_ours = |port| own.iter().any(|own| own.socket.port() == port);
        if proxy.is_ok_and(|proxy| proxy.is_own(is_ours)) {
            self.leave_out(
                &name,
                "it points at loopdesk itself, which isn't a proxy".to_owned(),
            );
        } else if value.contains('@') {
            // Anywhere in the value, since people forget to encode passwords.
            self.secret.push((name, value));
        } else {
            self.plain.push((name, value));
        }
    }

    fn add(&mut self, name: &str, value: String) {
        if value.contains(char::is_control) {
            return self.unreadable(name);
        }
        self.plain.push((name.to_owned(), value));
    }

    fn unreadable(&mut self, name: &str) {
        self.leave_out(name, "its value isn't plain text".to_owned());
    }

    fn leave_out(&mut self, name: &str, why: String) {
        self.left_out.push((name.to_owned(), why));
    }
}

/// The variables that select a proxy.
const PROXIES: [&str; 4] = ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"];

/// Files and folders, with their defaults in the home folder.
const FOLDERS: [(&str, Option<&str>); 4] = [
    ("SSL_CERT_FILE", None),
    ("SSL_CERT_DIR", None),
    ("XDG_CONFIG_HOME", Some(".config")),
    ("XDG_STATE_HOME", Some(".local/state")),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn carried(vars: &[(&'static str, &'static str)]) -> ServiceEnvironment {
        let vars = vars.to_vec();
        let own = Address {
            socket: "127.0.0.1:8484".parse().unwrap(),
            account: None,
        };
        let env: Environment = Box::new(move |name| {
            let (_, value) = vars.iter().find(|(known, _)| *known == name)?;
            Some((*value).into())
        });
        ServiceEnvironment::of(&env, &[own])
    }

    #[test]
    fn o1_passwords_are_kept_apart_and_a_proxy_that_is_loopdesk_is_left_out() {
        let carried = carried(&[
            ("HTTPS_PROXY", "http://ada:secret@proxy.corp:3128"),
            ("https_proxy", "http://ada:sec/ret@proxy.corp:3128"),
            ("HTTP_PROXY", "http://proxy.corp:3128/"),
            ("http_proxy", "http://localhost:8484/"),
            ("ALL_PROXY", "[::1]:8484"),
            ("NO_PROXY", "localhost,.corp"),
            ("no_proxy", ""),
        ]);
        let names = |all: &[(String, String)]| -> Vec<String> {
            all.iter().map(|(name, _)| name.clone()).collect()
        };
        assert_eq!(names(&carried.secret), ["HTTPS_PROXY", "https_proxy"]);
        assert_eq!(names(&carried.plain), ["HTTP_PROXY", "NO_PROXY"]);
        assert_eq!(names(&carried.left_out), ["http_proxy", "ALL_PROXY"]);
    }

    #[test]
    fn o1_a_proxy_that_is_loopdesk_is_left_out_in_every_spelling() {
        for value in [
            "http://LOCALHOST:8484",
            "http://127.0.0.9:8484",
            "http://0.0.0.0:8484",
            "http://[::]:8484",
            "http://[::ffff:127.0.0.1]:8484",
            "socks5h://ada:secret@localhost:8484",
        ] {
            let left_out = carried(&[("HTTPS_PROXY", value)]).left_out;
            assert_eq!(left_out.len(), 1, "{value}");
        }
        let kept = carried(&[("HTTPS_PROXY", "localhost:3128"), ("ALL_PROXY", "ftp://x")]);
        assert_eq!(kept.names(), ["HTTPS_PROXY", "ALL_PROXY"]);
        assert_eq!(kept.unusable.len(), 1);
        assert_eq!(kept.unusable[0].0, "ALL_PROXY");
    }

    #[test]
    fn folders_are_passed_on_unless_they_are_the_default() {
        let carried = carried(&[
            ("HOME", "/home/ada"),
            ("SSL_CERT_FILE", "/etc/ssl/corp.pem"),
            ("SSL_CERT_DIR", "certs"),
            ("XDG_CONFIG_HOME", "/home/ada/.config"),
            ("XDG_STATE_HOME", "/srv/state\n"),
        ]);
        let plain = [("SSL_CERT_FILE".to_owned(), "/etc/ssl/corp.pem".to_owned())];
        assert_eq!(carried.plain, plain);
        let left_out: Vec<_> = carried.left_out.iter().map(|(name, _)| name).collect();
        assert_eq!(left_out, ["SSL_CERT_DIR", "XDG_STATE_HOME"]);
        assert_eq!(carried.names(), ["SSL_CERT_FILE"]);
    }
}
