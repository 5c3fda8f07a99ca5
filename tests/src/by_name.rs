//! A stage on which the account has Zendesk's own name, as the programs that `loopdesk exec` is for have
//! it in their code. Only a company's proxy on the stage can resolve it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Stdio;

use tokio::io::AsyncWriteExt;

use crate::daemon::Daemon;
use crate::home::Output;
use crate::proxy::Proxy;
use crate::stage::Stage;
use crate::zendesk::{Builder, Client};

/// A stage whose account is `acme.zendesk.com`.
#[derive(Debug)]
pub struct ByName {
    /// The stage.
    pub stage: Stage,
    /// The way out, which knows where `acme.zendesk.com` is.
    pub proxy: Proxy,
}

impl ByName {
    /// Sets it up; nothing runs yet. `top` and `account` are further lines of the configuration.
    ///
    /// # Panics
    /// If the machine doesn't support it.
    pub async fn set(binary: &Path, builder: Builder, top: &str, account: &str) -> Self {
        let proxy = Proxy::start().await.expect("a proxy starts");
        let client = Client::confidential("loopdesk", SECRET);
        let builder = builder.client(client).public_origin(ORIGIN);
        let mut stage = Stage::with_config(binary, builder, top, account).await;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, stage.zendesk.port()));
        proxy.knows("acme.zendesk.com:443", address);
        let file = stage.home.paths().config_file();
        let text = std::fs::read_to_string(&file).expect("the configuration is there");
        let url = format!("url = \"{}\"", stage.zendesk.origin());
        assert!(text.contains(&url), "{text}");
        let named = "subdomain = \"acme\"\ngrant = \"client-credentials\"";
        std::fs::write(&file, text.replace(&url, named)).expect("it can be written");
        stage.home.set("HTTPS_PROXY", proxy.url());
        Self { stage, proxy }
    }

    /// Starts the daemon and logs in.
    ///
    /// # Panics
    /// If either fails.
    pub async fn logged_in(&self) -> Daemon {
        let daemon = self.stage.daemon().await;
        let mut login = self.stage.home.command("loopdesk");
        let mut login = login
            .args(["login", "--client-secret-stdin"])
            .stdin(Stdio::piped())
            .spawn()
            .expect("the command starts");
        let mut stdin = login.stdin.take().expect("it reads");
        let written = stdin.write_all(SECRET.as_bytes()).await;
        written.expect("it reads the secret");
        drop(stdin);
        let output = login.wait_with_output().await.expect("it ends");
        assert!(output.status.success(), "{output:?}");
        daemon
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

const SECRET: &str = "5ecret-of-a-client-that-has-zendesks-name";
