//! nginx as Zendesk's API, with TLS. What belongs to logins it passes on to simulated Zendesks.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use flate2::{Compression, write::GzEncoder};
use serde::Deserialize;

use crate::children::{Running, free_port, on_core};
use crate::{Lab, Outcome};

/// The running upstream.
#[derive(Debug)]
pub(crate) struct Upstream {
    /// Ordinary access tokens; HTTP/1.1.
    pub(crate) http1: u16,
    /// The same over HTTP/2, if the client wants that.
    pub(crate) http2: u16,
    /// Access tokens that live three seconds; HTTP/1.1.
    pub(crate) rotating: u16,
    /// Where a relay on port `wide` leads; HTTP/2 or 1.1.
    pub(crate) behind_relay: u16,
    /// The port of that relay.
    pub(crate) wide: u16,
    _nginx: Running,
    refreshes: PathBuf,
    _zendesks: [Running; 2],
}

impl Upstream {
    pub(crate) fn start(lab: &Lab) -> Outcome<Self> {
        let folder = lab.work.join("upstream");
        fs::create_dir(&folder)?;
        let (lasting, lasting_port) = zendesk(lab, None)?;
        let (rotating, rotating_port) = zendesk(lab, Some(TOKEN_SECONDS))?;
        let [http1, http2, rotates, behind_relay, wide] = [(); 5].map(|()| free_port());
        let (http1, http2, rotates) = (http1?, http2?, rotates?);
        let (behind_relay, wide) = (behind_relay?, wide?);
        let refreshes = folder.join("refreshes.log");
        let sites = [
            Site {
                port: http1,
                public: http1,
                speaks_http2: false,
                zendesk: lasting_port,
            },
            Site {
                port: http2,
                public: http2,
                speaks_http2: true,
                zendesk: lasting_port,
            },
            Site {
                port: rotates,
                public: rotates,
                speaks_http2: false,
                zendesk: rotating_port,
            },
            Site {
                port: behind_relay,
                public: wide,
                speaks_http2: true,
                zendesk: lasting_port,
            },
        ];
        let mut servers = String::new();
        for site in &sites {
            site.files(&folder)?;
            servers.push_str(&site.server(lab, &folder, &refreshes));
        }
        let config = folder.join("nginx.conf");
        fs::write(&config, nginx_config(&folder, &servers))?;
        let mut command = on_core(lab.cores.upstream, "nginx");
        command.arg("-p").arg(&folder).arg("-c").arg(&config);
        command.arg("-e").arg(folder.join("error.log"));
        Ok(Self {
            http1,
            http2,
            rotating: rotates,
            behind_relay,
            wide,
            _nginx: Running::start_listening(&mut command, http1)?,
            refreshes,
            _zendesks: [lasting, rotating],
        })
    }

    /// How long each request to the token endpoint has taken so far, in seconds.
    pub(crate) fn refreshes(&self) -> Vec<f64> {
        let text = fs::read_to_string(&self.refreshes).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }
}

/// A path of the upstream and what it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// A ticket of 1 KB.
    Small,
    /// 64 KB of JSON without an address.
    Medium,
    /// A page of 100 KB with addresses that loopdesk rewrites.
    Page,
    /// A file of 10 MiB.
    Large,
    /// An upload.
    Upload,
    /// A file of 10 GiB of zeros.
    Endless,
}

impl Body {
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Small => "/api/v2/tickets/1.json",
            Self::Medium => "/api/v2/users.json",
            Self::Page => "/api/v2/tickets.json",
            Self::Large => "/attachments/token/large/?name=large.bin",
            Self::Upload => "/api/v2/uploads.json?filename=large.bin",
            Self::Endless => "/attachments/token/endless/?name=endless.bin",
        }
    }
}

/// One server of nginx's configuration.
struct Site {
    port: u16,
    /// The port in the addresses of its answers.
    public: u16,
    speaks_http2: bool,
    /// The port of the simulated Zendesk behind it.
    zendesk: u16,
}

impl Site {
    fn files(&self, folder: &Path) -> Outcome<()> {
        let root = folder.join(self.port.to_string());
        let api = root.join("api/v2");
        fs::create_dir_all(api.join("tickets"))?;
        fs::create_dir_all(root.join("files"))?;
        let origin = format!("https://127.0.0.1:{}", self.public);
        fs::write(api.join("tickets/1.json"), small())?;
        fs::write(api.join("users.json"), medium())?;
        let page = page(&origin);
        fs::write(api.join("tickets.json"), &page)?;
        let mut packed = GzEncoder::new(Vec::new(), Compression::default());
        packed.write_all(page.as_bytes())?;
        fs::write(api.join("tickets.json.gz"), packed.finish()?)?;
        fs::write(root.join("files/large"), noise(LARGE))?;
        // Without contents on the disk.
        fs::File::create(root.join("files/endless"))?.set_len(ENDLESS)?;
        Ok(())
    }

    fn server(&self, lab: &Lab, folder: &Path, refreshes: &Path) -> String {
        let Self { port, zendesk, .. } = self;
        let http2 = if self.speaks_http2 { " http2" } else { "" };
        format!(
            "server {{
    listen 127.0.0.1:{port} ssl{http2} backlog=1024;
    ssl_certificate {certificate};
    ssl_certificate_key {key};
    root {root};
    location /api/v2/ {{
        if ($http_authorization !~ \"^Bearer .\") {{ return 401; }}
        default_type application/json;
        gzip_static on;
    }}
    location /attachments/token/large/ {{
        if ($http_authorization !~ \"^Bearer .\") {{ return 401; }}
        rewrite ^ /files/large break;
    }}
    location /attachments/token/endless/ {{
        if ($http_authorization !~ \"^Bearer .\") {{ return 401; }}
        rewrite ^ /files/endless break;
    }}
    # Read to its end, then answered.
    location = /api/v2/uploads.json {{
        if ($http_authorization !~ \"^Bearer .\") {{ return 401; }}
        proxy_pass_request_body off;
        proxy_set_header Content-Length \"\";
        proxy_pass http://unix:{folder}/uploads.sock;
    }}
    location = /oauth/tokens {{
        access_log {refreshes} took;
        proxy_pass https://127.0.0.1:{zendesk};
    }}
    location /oauth/ {{ proxy_pass https://127.0.0.1:{zendesk}; }}
    location /api/v2/oauth/ {{ proxy_pass https://127.0.0.1:{zendesk}; }}
    location /api/v2/users/ {{ proxy_pass https://127.0.0.1:{zendesk}; }}
}}
",
            certificate = lab.certificates.certificate.display(),
            key = lab.certificates.key.display(),
            root = folder.join(port.to_string()).display(),
            folder = folder.display(),
            refreshes = refreshes.display(),
        )
    }
}

fn nginx_config(folder: &Path, servers: &str) -> String {
    format!(
        "{user}worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    log_format took $request_time;
    types {{ application/json json; }}
    default_type application/octet-stream;
    tcp_nodelay on;
    keepalive_timeout 300s;
    keepalive_requests 1000000000;
    open_file_cache max=64 inactive=1h;
    ssl_protocols TLSv1.3;
    ssl_session_cache shared:tls:4m;
    client_max_body_size 32m;
    client_body_buffer_size 16m;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    proxy_ssl_protocols TLSv1.2 TLSv1.3;
    proxy_http_version 1.1;
    {servers}
    server {{
        listen unix:{folder}/uploads.sock;
        default_type application/json;
        return 201 '{{\"upload\":{{\"token\":\"t\"}}}}';
    }}
}}
",
        user = user(),
        folder = folder.display(),
    )
}

/// As root, nginx would read files as another user.
pub(crate) fn user() -> &'static str {
    if rustix::process::geteuid().is_root() {
        "user root;\n"
    } else {
        ""
    }
}

/// Starts a simulated Zendesk, whose tokens live this long.
fn zendesk(lab: &Lab, token_seconds: Option<u32>) -> Outcome<(Running, u16)> {
    #[derive(Deserialize)]
    struct Line {
        origin: String,
    }
    let mut command = on_core(lab.cores.upstream, lab.tools.join("zendesk-sim"));
    command.args(["--any-loopback-port", "--http", "1.1"]);
    if let Some(seconds) = token_seconds {
        command.args(["--access-ttl", &seconds.to_string()]);
    }
    let mut running = Running::start(command.stdout(Stdio::piped()))?;
    let out = running.child().stdout.take();
    let mut line = String::new();
    BufReader::new(out.ok_or("the simulated Zendesk has no output")?).read_line(&mut line)?;
    let line: Line = serde_json::from_str(&line)?;
    let port = line
        .origin
        .rsplit_once(':')
        .ok_or("the simulated Zendesk has no port")?
        .1;
    Ok((running, port.parse()?))
}

fn small() -> String {
    let head =
        r#"{"ticket":{"id":1,"subject":"My printer is on fire","status":"open","description":""#;
    format!("{head}{}\"}}}}", prose(1024 - head.len() - 3))
}

fn medium() -> String {
    let mut text = "{\"users\":[".to_owned();
    let mut id = 0;
    while text.len() < 64_000 {
        id += 1;
        text.push_str(&format!(
            "{{\"id\":{id},\"name\":\"Person {id}\",\"notes\":\"{}\"}},",
            prose(400)
        ));
    }
    text.pop();
    text.push_str("]}");
    text
}

/// As Zendesk pages by cursor.
fn page(origin: &str) -> String {
    let mut text = "{\"tickets\":[".to_owned();
    let mut id = 0;
    while text.len() < 100_000 {
        id += 1;
        text.push_str(&format!(
            "{{\"url\":\"{origin}/api/v2/tickets/{id}.json\",\"id\":{id},\"external_id\":null,\
             \"created_at\":\"2026-01-02T03:04:05Z\",\"subject\":\"Ticket {id}\",\
             \"description\":\"{}\",\"tags\":[\"one\",\"two\"],\"requester_id\":{id},\
             \"via\":{{\"channel\":\"email\",\"source\":{{\"from\":{{}},\"to\":{{}}}}}}}},",
            prose(650)
        ));
    }
    text.pop();
    text.push_str(&format!(
        "],\"meta\":{{\"has_more\":true,\"after_cursor\":\"abc\"}},\
         \"links\":{{\"next\":\"{origin}/api/v2/tickets.json?page%5Bafter%5D=abc\",\"prev\":null}},\
         \"next_page\":\"{origin}/api/v2/tickets.json?page=2\",\"previous_page\":null,\"count\":5000}}"
    ));
    text
}

fn prose(length: usize) -> String {
    SENTENCE.chars().cycle().take(length).collect()
}

/// Bytes that don't compress, the same in each run.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes
}

const SENTENCE: &str =
    "It began to smoke after the third page, and nobody at the office knows whom to call. ";
/// Of a file, and of an upload.
pub(crate) const LARGE: usize = 10 << 20;
const ENDLESS: u64 = 10 << 30;
const TOKEN_SECONDS: u32 = 3;
