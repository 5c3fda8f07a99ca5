//! The proxies that are compared.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use crate::children::{Running, free_port, on_core};
use crate::loopdesk::Loopdesk;
use crate::upstream::{Upstream, user};
use crate::{Lab, Outcome, machine, say};

/// All proxies in front of one upstream.
#[derive(Debug)]
pub(crate) struct Peers {
    pub(crate) all: Vec<Peer>,
    _running: Vec<Running>,
    _loopdesk: Loopdesk,
}

/// One way to reach the upstream.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) port: u16,
    /// Without a proxy, the load generator speaks TLS itself.
    pub(crate) is_direct: bool,
    pub(crate) headers: Vec<String>,
    pub(crate) pids: Vec<u32>,
}

/// The protocol between proxies and upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

impl Peers {
    pub(crate) fn start(lab: &Lab, upstream: &Upstream, protocol: Protocol) -> Outcome<Self> {
        let (to, name) = match protocol {
            Protocol::Http1 => (upstream.http1, "http1"),
            Protocol::Http2 => (upstream.http2, "http2"),
        };
        let folder = lab.work.join(format!("peers-{name}"));
        fs::create_dir(&folder)?;
        let mut all = Vec::new();
        let mut running = Vec::new();
        if protocol == Protocol::Http1 {
            all.push(Peer {
                name: DIRECT,
                port: to,
                is_direct: true,
                headers: Vec::new(),
                pids: Vec::new(),
            });
            // nginx speaks only HTTP/1 to upstreams.
            add(&mut all, &mut running, NGINX, nginx(lab, &folder, to)?);
        }
        if machine::version("haproxy").is_some() {
            add(
                &mut all,
                &mut running,
                HAPROXY,
                haproxy(lab, &folder, to, protocol)?,
            );
        } else {
            say("left out: HAProxy, which isn't installed (Debian package haproxy)");
        }
        add(
            &mut all,
            &mut running,
            MIN_PROXY,
            min_proxy(lab, to, protocol)?,
        );
        let loopdesk = Loopdesk::start(lab, name, to)?;
        let key = format!("X-Loopdesk-Key: {}", loopdesk.key(lab)?);
        let off = "X-Loopdesk-Rewrite: off".to_owned();
        for (name, headers) in [
            (DOOR, vec![off.clone()]),
            (WITH_KEY, vec![off, key.clone()]),
            (REWRITING, Vec::new()),
            (ALL, vec![key]),
        ] {
            all.push(Peer {
                name,
                port: loopdesk.port,
                is_direct: false,
                headers,
                pids: loopdesk.pids(),
            });
        }
        Ok(Self {
            all,
            _running: running,
            _loopdesk: loopdesk,
        })
    }
}

fn add(all: &mut Vec<Peer>, running: &mut Vec<Running>, name: &'static str, new: (Running, u16)) {
    let (process, port) = new;
    all.push(Peer {
        name,
        port,
        is_direct: false,
        headers: Vec::new(),
        pids: process.pids(),
    });
    running.push(process);
}

fn nginx(lab: &Lab, folder: &Path, to: u16) -> Outcome<(Running, u16)> {
    let port = free_port()?;
    let config = folder.join("nginx.conf");
    let text = format!(
        "{user}worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_max_body_size 0;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    keepalive_requests 1000000000;
    upstream zendesk {{
        server 127.0.0.1:{to};
        keepalive 256;
        keepalive_requests 1000000000;
    }}
    server {{
        listen 127.0.0.1:{port} backlog=1024;
        location / {{
            proxy_pass https://zendesk;
            proxy_http_version 1.1;
            proxy_buffering off;
            proxy_request_buffering off;
            proxy_set_header Host 127.0.0.1:{to};
            proxy_set_header Connection \"\";
            proxy_set_header Authorization \"Bearer bench\";
            proxy_ssl_protocols TLSv1.3;
            proxy_ssl_verify on;
            proxy_ssl_name localhost;
            proxy_ssl_trusted_certificate {ca};
        }}
    }}
}}
",
        user = user(),
        folder = folder.display(),
        ca = lab.certificates.ca.display(),
    );
    fs::write(&config, text)?;
    let mut command = on_core(lab.cores.proxy, "nginx");
    command.arg("-p").arg(folder).arg("-c").arg(&config);
    command.arg("-e").arg(folder.join("nginx.log"));
    Ok((Running::start_listening(&mut command, port)?, port))
}

fn haproxy(lab: &Lab, folder: &Path, to: u16, protocol: Protocol) -> Outcome<(Running, u16)> {
    let port = free_port()?;
    let config = folder.join("haproxy.cfg");
    let alpn = match protocol {
        Protocol::Http1 => "http/1.1",
        Protocol::Http2 => "h2",
    };
    let text = format!(
        "global
    nbthread 1
    maxconn 600
defaults
    mode http
    timeout connect 10s
    timeout client 300s
    timeout server 300s
    timeout http-keep-alive 300s
frontend scripts
    bind 127.0.0.1:{port}
    http-request set-header Authorization \"Bearer bench\"
    default_backend zendesk
backend zendesk
    http-reuse always
    server one 127.0.0.1:{to} ssl verify required ca-file {ca} verifyhost localhost sni str(localhost) alpn {alpn}
",
        ca = lab.certificates.ca.display(),
    );
    fs::write(&config, text)?;
    let mut command = on_core(lab.cores.proxy, "haproxy");
    command.args(["-db", "-f"]).arg(&config);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    Ok((Running::start_listening(&mut command, port)?, port))
}

fn min_proxy(lab: &Lab, to: u16, protocol: Protocol) -> Outcome<(Running, u16)> {
    let port = free_port()?;
    let mut command = on_core(lab.cores.proxy, lab.programs.join("min-proxy"));
    command
        .arg(port.to_string())
        .arg(format!("https://127.0.0.1:{to}"))
        .arg(&lab.certificates.ca);
    if protocol == Protocol::Http2 {
        command.arg("h2");
    }
    Ok((Running::start_listening(&mut command, port)?, port))
}

pub(crate) const DIRECT: &str = "direct";
pub(crate) const NGINX: &str = "nginx";
pub(crate) const HAPROXY: &str = "HAProxy";
/// What ratios are relative to.
pub(crate) const MIN_PROXY: &str = "hyper + rustls";
/// Bodies stay as they are, and no key is checked.
pub(crate) const DOOR: &str = "loopdesk, door only";
pub(crate) const WITH_KEY: &str = "loopdesk, door and key";
/// As it is without any setting.
pub(crate) const REWRITING: &str = "loopdesk";
pub(crate) const ALL: &str = "loopdesk, with a key";
