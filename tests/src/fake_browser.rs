//! A `$BROWSER` that opens nothing: it records the URL that it was asked to open.
//!
//! `FAKE_BROWSER` names the socket to which it sends its arguments.

use std::io;
use std::os::unix::net::UnixDatagram as Sender;
use std::process::ExitCode;

use tokio::net::UnixDatagram;

use crate::home::Home;
use crate::programs::FAKE_BROWSER;

/// Receives the calls of one home.
#[derive(Debug)]
pub struct FakeBrowser(UnixDatagram);

impl FakeBrowser {
    /// Makes this the browser of `home`.
    ///
    /// # Panics
    /// If its socket can't be created.
    pub fn of(home: &mut Home) -> Self {
        let socket = home.path().join("run/fake-browser.sock");
        let notes = UnixDatagram::bind(&socket).expect("a socket can be made");
        home.set("FAKE_BROWSER", socket.display().to_string());
        home.set(
            "BROWSER",
            home.bin().join(FAKE_BROWSER).display().to_string(),
        );
        Self(notes)
    }

    /// Waits for the next call, and returns its arguments.
    ///
    /// # Panics
    /// If the message can't be read.
    pub async fn next(&self) -> Vec<String> {
        let mut note = vec![0; MESSAGE_MAX];
        let length = self.0.recv(&mut note).await.expect("a message arrives");
        serde_json::from_slice(&note[..length]).expect("the message is JSON")
    }
}

pub(crate) fn main() -> ExitCode {
    match note() {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn note() -> io::Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let socket = std::env::var_os("FAKE_BROWSER").ok_or(io::ErrorKind::NotFound)?;
    Sender::unbound()?.send_to(&serde_json::to_vec(&arguments)?, socket)?;
    Ok(())
}

/// Authorize URLs are well below this.
const MESSAGE_MAX: usize = 16 * 1024;
