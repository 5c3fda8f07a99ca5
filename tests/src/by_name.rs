//! A stage on which the account has Zendesk's own name, as the programs that `loopdesk exec` is for have
//! it in their code. Only a company's proxy on the stage can resolve it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use crate::daemon::Daemon;
use crate::home::Output;
use crate::proxy::Proxy;
use crate::stage::Stage;
use crate::zendesk::Builder;

/// A stage whose account is `acme.zendesk.com`.
#[derive(Debug)]
pub struct ByName {
    /// The stage.
    pub stage: Stage,
    /// The way out, which knows where `acme.zendesk.com` and its files are.
    pub proxy: Proxy,
}

impl ByName {
    /// Sets it up; nothing runs yet. `top` and `account` are further lines of the configuration.
    ///
    /// # Panics
    /// If the machine doesn't support it.
    pub async fn set(binary: &Path, builder: Builder, top: &str, account: &str) -> Self {
        let proxy = Proxy::start().await.expect("a proxy starts");
        let builder = builder
            .public_origin(ORIGIN)
            .public_second_origin(FILES_ORIGIN);
        let mut stage = Stage::with_config(binary, builder, top, account).await;
        for (origin, port) in [
            (ORIGIN, stage.zendesk.port()),
            (FILES_ORIGIN, stage.zendesk.second_port()),
        ] {
            let authority = format!("{}:443", origin.trim_start_matches("https://"));
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            proxy.knows(&authority, address);
        }
        let file = stage.home.paths().config_file();
        let text = std::fs::read_to_string(&file).expect("the configuration is there");
        let url = format!("url = \"{}\"", stage.zendesk.origin());
        assert!(text.contains(&url), "{text}");
        let text = text.replace(&url, "subdomain = \"acme\"");
        std::fs::write(&file, text).expect("it can be written");
        // The person's browser finds the consent page by other means.
        let address = format!("127.0.0.1:{}", stage.zendesk.port());
        stage.home.set("CONSENT_AT", address);
        stage.home.set("HTTPS_PROXY", proxy.url());
        Self { stage, proxy }
    }

    /// Starts the daemon and logs in.
    ///
    /// # Panics
    /// If either fails.
    pub async fn logged_in(&self) -> Daemon {
        self.stage.logged_in().await
    }

    /// Runs `loopdesk exec` with these arguments.
    ///
    /// # Panics
    /// If it can't be started.
    pub async fn exec(&self, arguments: &[&str]) -> Output {
        let all = ["exec"].iter().chain(arguments);
        self.stage.home.loopdesk(all).await
    }
}

/// What programs have in their code.
pub const ORIGIN: &str = "https://acme.zendesk.com";

/// Where files are: on a host that isn't the account's.
const FILES_ORIGIN: &str = "https://files.zdusercontent.com";
