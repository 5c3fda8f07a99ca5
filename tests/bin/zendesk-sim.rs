//! A simulated Zendesk as a program of its own.
//!
//! Prints one line of JSON with its addresses, then serves until SIGTERM or Ctrl-C.

use std::io::{self, Read as _, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use http::StatusCode;
use loopdesk_tests::zendesk::{Builder, Client, Protocols, Zendesk};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

/// A simulated Zendesk on 127.0.0.1, for trying loopdesk without an account.
///
/// Prints one line of JSON: "origin", "second_origin" (the host that serves files), "ca_file" (its
/// CA, for extra-ca-file or curl --cacert), "client_id", "redirect_uris".
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// The account's port [default: a free one]
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    port: u16,
    /// The port of the second host, which serves files [default: a free one]
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    second_port: u16,
    /// Where the CA's certificate is written, as ca.pem [default: a temporary folder]
    #[arg(long)]
    dir: Option<PathBuf>,
    /// The origin that stands in absolute URLs [default: the simulation's own]
    #[arg(long, value_name = "ORIGIN")]
    public_origin: Option<String>,
    /// Grant access tokens this many seconds, whatever is asked for
    #[arg(long, value_name = "SECONDS")]
    access_ttl: Option<f64>,
    /// Grant refresh tokens this many seconds, whatever is asked for
    #[arg(long, value_name = "SECONDS")]
    refresh_ttl: Option<f64>,
    /// How long an authorization code is valid, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 120.0)]
    code_ttl: f64,
    /// The status with which tokens are handed out
    #[arg(long, default_value_t = 201, value_parser = clap::value_parser!(u16).range(200..=201))]
    token_status: u16,
    /// Register a redirect URI, besides http://127.0.0.1:18484/callback and the next two ports'
    #[arg(long, value_name = "URI")]
    redirect_uri: Vec<String>,
    /// Accept any port in loopback redirect URIs
    #[arg(long)]
    any_loopback_port: bool,
    /// Register a confidential client too
    #[arg(long, value_name = "ID=SECRET", value_parser = confidential)]
    confidential_client: Vec<Client>,
    /// Allow this many API requests a minute [default: any number]
    #[arg(long, value_name = "COUNT")]
    rate_limit: Option<u32>,
    /// How many tickets there are
    #[arg(long, value_name = "COUNT", default_value_t = 250)]
    tickets: u64,
    /// How many users there are
    #[arg(long, value_name = "COUNT", default_value_t = 120)]
    users: u64,
    /// Never compress
    #[arg(long)]
    no_gzip: bool,
    /// Which protocols are offered
    #[arg(long, value_enum, default_value_t = Offer::Both)]
    http: Offer,
    /// Stop when standard input is closed: when the program that started this one ends
    #[arg(long)]
    stop_with_stdin: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Offer {
    /// HTTP/2 and HTTP/1.1
    Both,
    /// HTTP/1.1 alone
    #[value(name = "1.1")]
    Http1,
    /// HTTP/2 alone
    #[value(name = "2")]
    Http2,
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let options = Options::parse();
    // Set up before printing: the reader of that line may stop the program at once.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let zendesk = builder(&options)?.start().await?;
    zendesk.set_token_status(StatusCode::from_u16(options.token_status).map_err(io::Error::other)?);
    zendesk.accept_any_loopback_port(options.any_loopback_port);
    announce(&zendesk)?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = end_of_stdin(options.stop_with_stdin) => {}
    }
    Ok(())
}

fn builder(options: &Options) -> io::Result<Builder> {
    let mut builder = Zendesk::builder()
        .port(options.port)
        .second_port(options.second_port)
        .granted_access_ttl(options.access_ttl.map(seconds).transpose()?)
        .granted_refresh_ttl(options.refresh_ttl.map(seconds).transpose()?)
        .code_ttl(seconds(options.code_ttl)?)
        .tickets(options.tickets)
        .users(options.users)
        .gzip(!options.no_gzip)
        .protocols(match options.http {
            Offer::Both => Protocols::Both,
            Offer::Http1 => Protocols::Http1,
            Offer::Http2 => Protocols::Http2,
        });
    if let Some(directory) = &options.dir {
        builder = builder.directory(directory);
    }
    if let Some(origin) = &options.public_origin {
        builder = builder.public_origin(origin);
    }
    if let Some(limit) = options.rate_limit {
        builder = builder.rate_limit(limit);
    }
    for uri in &options.redirect_uri {
        builder = builder.redirect_uri(uri);
    }
    for client in &options.confidential_client {
        builder = builder.client(client.clone());
    }
    Ok(builder)
}

fn announce(zendesk: &Zendesk) -> io::Result<()> {
    let line = serde_json::json!({
        "origin": zendesk.origin(),
        "public_origin": zendesk.public_origin(),
        "second_origin": zendesk.second_origin(),
        "ca_file": zendesk.ca_file(),
        "client_id": zendesk.client_id(),
        "redirect_uris": zendesk.redirect_uris(),
    });
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// Resolves when standard input ends; never, if that isn't asked for.
async fn end_of_stdin(wanted: bool) {
    if !wanted {
        return std::future::pending().await;
    }
    let (tell, told) = oneshot::channel::<()>();
    // A thread of its own, since it may still be reading when the program ends for another reason.
    std::thread::spawn(move || {
        drop(io::copy(&mut io::stdin().lock().by_ref(), &mut io::sink()));
        drop(tell);
    });
    drop(told.await);
}

fn seconds(number: f64) -> io::Result<Duration> {
    Duration::try_from_secs_f64(number)
        .map_err(|error| io::Error::other(format!("{number} s is no lifetime: {error}")))
}

fn confidential(text: &str) -> Result<Client, String> {
    match text.split_once('=') {
        Some((id, secret)) if !id.is_empty() && !secret.is_empty() => {
            Ok(Client::confidential(id, secret))
        }
        _ => Err("expected ID=SECRET".to_owned()),
    }
}
