//! The load generator: HTTP/1.1 connections that each send one request after another.
//!
//! It runs as a process of its own, so that it can have a core and its own CPU time is known, and reads
//! the proxy's CPU time exactly at the limits of its window.

mod exchange;
pub(crate) mod response;

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use serde::{Deserialize, Serialize};
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep_until};

use self::exchange::{Client, Target};
use crate::children::on_core;
use crate::peers::Peer;
use crate::process::{self, Core, Cpu, number};
use crate::upstream::Body;
use crate::{Lab, Outcome, upstream};

/// What to send, and for how long.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Load {
    port: u16,
    /// Speaks TLS and trusts this authority.
    ca: Option<PathBuf>,
    path: String,
    headers: Vec<String>,
    /// Bytes of a body, which is posted.
    upload: usize,
    connections: usize,
    /// Whether each request has a connection of its own.
    closes: bool,
    warm_up: Duration,
    time: Duration,
    /// The proxy's processes.
    watched: Vec<u32>,
    /// The cores of the load generator and of the upstream.
    cores: [usize; 2],
}

/// What came of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Measured {
    pub(crate) requests: u64,
    pub(crate) seconds: f64,
    pub(crate) failures: u64,
    pub(crate) first_failure: Option<String>,
    /// Milliseconds; of those at most `requests`.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) slowest: f64,
    /// CPU time of the proxy in microseconds per request.
    pub(crate) cpu: f64,
    /// The proxy's peak of resident memory in MiB.
    pub(crate) peak: f64,
    /// The busy share of the busier one of the cores of load generator and upstream.
    pub(crate) busiest: f64,
}

impl Measured {
    pub(crate) fn per_second(&self) -> f64 {
        number(self.requests) / self.seconds
    }

    /// Whether the proxy could show what it can do.
    pub(crate) fn is_valid(&self) -> bool {
        self.failures == 0 && self.requests > 0 && self.busiest <= BUSIEST
    }
}

impl Load {
    /// Requests for `body` through `peer`.
    pub(crate) fn of(lab: &Lab, peer: &Peer, body: Body, connections: usize) -> Self {
        let mut headers = vec!["Authorization: Bearer bench".to_owned()];
        headers.extend(peer.headers.iter().cloned());
        let is_upload = body == Body::Upload;
        if is_upload {
            headers.push("Content-Type: application/binary".to_owned());
        }
        Self {
            port: peer.port,
            ca: peer.is_direct.then(|| lab.certificates.ca.clone()),
            path: body.path().to_owned(),
            headers,
            upload: if is_upload { upstream::LARGE } else { 0 },
            connections,
            closes: false,
            warm_up: lab.size.warm_up,
            time: lab.size.time,
            watched: peer.pids.clone(),
            cores: [lab.cores.load, lab.cores.upstream],
        }
    }

    /// Lets each request have a connection of its own.
    pub(crate) fn closing(mut self, closes: bool) -> Self {
        self.closes = closes;
        self
    }

    pub(crate) fn accepting_gzip(mut self, accepts: bool) -> Self {
        if accepts {
            self.headers.push("Accept-Encoding: gzip".to_owned());
        }
        self
    }

    pub(crate) fn lasting(mut self, time: Duration) -> Self {
        self.time = time;
        self
    }

    /// Runs it to its end, in a process on the load generator's core.
    pub(crate) fn run(&self, lab: &Lab) -> Outcome<Measured> {
        let mut command = on_core(lab.cores.load, std::env::current_exe()?);
        command.arg("load").arg(serde_json::to_string(self)?);
        let output = command.stderr(Stdio::inherit()).output()?;
        if !output.status.success() {
            return Err(format!("the load generator failed: {}", output.status).into());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// What the process does.
    pub(crate) fn generate(self) -> Outcome<Measured> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let load = Rc::new(self);
        LocalSet::new().block_on(&runtime, send(load))
    }

    fn request(&self) -> String {
        let method = if self.upload > 0 { "POST" } else { "GET" };
        let mut head = format!(
            "{method} {} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nUser-Agent: bench\r\nAccept: */*\r\n",
            self.path, self.port
        );
        for header in &self.headers {
            head.push_str(header);
            head.push_str("\r\n");
        }
        if self.closes {
            head.push_str("Connection: close\r\n");
        }
        if self.upload > 0 {
            head.push_str(&format!("Content-Length: {}\r\n", self.upload));
        }
        head.push_str("\r\n");
        head
    }

    fn tls(&self) -> Outcome<Option<Arc<ClientConfig>>> {
        let Some(ca) = &self.ca else { return Ok(None) };
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&fs::read(ca)?)?)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Some(Arc::new(config)))
    }
}

async fn send(load: Rc<Load>) -> Outcome<Measured> {
    let target = Rc::new(Target {
        port: load.port,
        tls: load.tls()?,
        request: load.request(),
        upload: load.upload,
        closes: load.closes,
    });
    let begin = Instant::now() + load.warm_up;
    let end = begin + load.time;
    let clients: Vec<_> = (0..load.connections)
        .map(|_| {
            let client = Client::new(Rc::clone(&target));
            tokio::task::spawn_local(client.send_until(begin, end))
        })
        .collect();

    let cores = || load.cores.map(Core::read);
    sleep_until(begin).await;
    process::forget_peak(&load.watched);
    let (began, cpu, busy) = (Instant::now(), Cpu::of(&load.watched), cores());
    sleep_until(end).await;
    let (cpu, seconds) = (Cpu::of(&load.watched).since(&cpu), began.elapsed());
    let busiest = busy
        .iter()
        .zip(cores())
        .map(|(then, now)| now.since(*then))
        .fold(0.0, f64::max);
    let peak = process::peak(&load.watched);

    let mut times = Vec::new();
    let mut measured = Measured {
        seconds: seconds.as_secs_f64(),
        peak: number(peak) / 1024.0,
        busiest,
        ..Measured::default()
    };
    for client in clients {
        let report = client.await?;
        times.extend(report.times);
        measured.failures += report.failures;
        measured.first_failure = measured.first_failure.or(report.first_failure);
    }
    times.sort_unstable();
    measured.requests = u64::try_from(times.len())?;
    let at = |per_mille: usize| {
        let last = times.len().checked_sub(1)?;
        times.get((times.len() * per_mille / 1000).min(last))
    };
    let millis = |time: Option<&Duration>| time.map_or(0.0, |t| t.as_secs_f64() * 1000.0);
    measured.p50 = millis(at(500));
    measured.p99 = millis(at(990));
    measured.p999 = millis(at(999));
    measured.slowest = millis(times.last());
    measured.cpu = cpu.as_secs_f64() * 1e6 / number(measured.requests.max(1));
    Ok(measured)
}

/// Above this, a core may be what limits a run.
pub(crate) const BUSIEST: f64 = 0.85;
