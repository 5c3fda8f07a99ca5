//! State folders as the releases with a spare pair wrote them.

use std::fs;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use loopdesk_protocol::status::State;
use loopdesk_tests::Stage;
use loopdesk_tests::zendesk::{Fault, Standing};

/// A spare pair whose record isn't on disk yet.
pub(super) struct Spare {
    pub(super) chain: u64,
    record: String,
}

impl Spare {
    /// Gets a pair by a login, and leaves nothing of it on disk.
    pub(super) async fn obtain(stage: &Stage) -> Self {
        let daemon = stage.logged_in().await;
        daemon.stop().await;
        let record = fs::read_to_string(file(stage, "acme.session")).unwrap();
        fs::remove_file(file(stage, "acme.session")).unwrap();
        Self {
            chain: newest_chain(stage),
            record: as_spare(stage, &record),
        }
    }

    pub(super) fn write(&self, stage: &Stage) {
        fs::write(file(stage, "acme.spare.session"), &self.record).unwrap();
    }
}

/// Two pairs that live, the account's own and the spare. Their chains, in this order.
pub(super) async fn own_and_spare(stage: &Stage) -> [u64; 2] {
    let spare = Spare::obtain(stage).await;
    own_beside(stage, &spare).await
}

/// The same, and the spare's access token has expired.
pub(super) async fn own_and_expired_spare(stage: &Stage) -> [u64; 2] {
    let spare = Spare::obtain(stage).await;
    stage.zendesk.expire_access_tokens();
    own_beside(stage, &spare).await
}

async fn own_beside(stage: &Stage, spare: &Spare) -> [u64; 2] {
    let daemon = stage.logged_in().await;
    daemon.stop().await;
    spare.write(stage);
    [newest_chain(stage), spare.chain]
}

/// The account's own pair is lost, and the spare has served since. The spare's chain.
pub(super) async fn spare_serves(stage: &Stage) -> u64 {
    let spare = Spare::obtain(stage).await;
    let daemon = stage.logged_in().await;
    let lost = Fault::on("POST", "/oauth/tokens").reset_after_commit();
    stage.zendesk.fault(lost.once());
    stage.home.loopdesk(["refresh"]).await.failed(4);
    assert_eq!(stage.acme().await.state, State::Ended);
    daemon.stop().await;
    spare.write(stage);
    spare.chain
}

/// The files of the account's pairs.
pub(super) fn files(stage: &Stage) -> Vec<String> {
    let folder = stage.home.paths().sessions_dir();
    let entries = fs::read_dir(folder).unwrap().flatten();
    let names = entries.map(|entry| entry.file_name().into_string().unwrap());
    names.filter(|name| !name.ends_with(".health")).collect()
}

/// Whether every release can read the account's own record, and there is nothing beside it.
pub(super) fn is_as_ever(stage: &Stage) -> bool {
    let record = fs::read_to_string(file(stage, "acme.session")).unwrap_or_default();
    let header = record.lines().next().unwrap_or_default();
    let is_first_format = header.starts_with("{\"loopdesk-session\":1,");
    files(stage) == ["acme.session"] && is_first_format && !header.contains("\"role\"")
}

/// Whether Zendesk would refresh this chain.
pub(super) fn lives(stage: &Stage, chain: u64) -> bool {
    let tokens = stage.zendesk.tokens();
    let mut pairs = tokens.iter().filter(|pair| pair.chain == chain);
    pairs.any(|pair| pair.refresh_standing == Standing::Live)
}

/// The account's own record as the spare's: bound to that role, of format 3, and encrypted again, since
/// the header is the cipher's associated data.
fn as_spare(stage: &Stage, record: &str) -> String {
    let key = fs::read_to_string(stage.home.paths().key_file()).unwrap();
    let key = STANDARD.decode(key.trim()).unwrap();
    let cipher = XChaCha20Poly1305::new_from_slice(&key).unwrap();
    let (own, text) = record.split_once('\n').unwrap();
    let text = STANDARD.decode(text.trim()).unwrap();
    let (nonce, msg) = text.split_at(NONCE);
    let nonce = XNonce::try_from(nonce).unwrap();
    let aad = own.as_bytes();
    let contents = cipher.decrypt(&nonce, Payload { msg, aad }).unwrap();

    let spare = own
        .replace("\"loopdesk-session\":1,", "\"loopdesk-session\":3,")
        .replace("\"machine\":", "\"role\":\"spare\",\"machine\":");
    assert!(spare.starts_with("{\"loopdesk-session\":3,"), "{spare}");
    assert!(spare.contains("\"role\":\"spare\""), "{spare}");
    let mut nonce = [0; NONCE];
    getrandom::fill(&mut nonce).unwrap();
    let (msg, aad) = (&contents[..], spare.as_bytes());
    let sealed = cipher.encrypt(&XNonce::from(nonce), Payload { msg, aad });
    let text = STANDARD.encode([&nonce[..], &sealed.unwrap()].concat());
    format!("{spare}\n{text}\n")
}

fn newest_chain(stage: &Stage) -> u64 {
    stage.zendesk.tokens().last().unwrap().chain
}

fn file(stage: &Stage, name: &str) -> PathBuf {
    stage.home.paths().sessions_dir().join(name)
}

const NONCE: usize = 24;
