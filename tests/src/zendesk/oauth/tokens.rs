//! The tokens that were issued, and the current state of each.

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{random, random_text};
use crate::secrets::CANARY;

/// The state of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is valid.
    Live,
    /// It has expired.
    Expired,
    /// A refresh has deleted it.
    Consumed,
    /// It was revoked, itself or with its partner, by an admin, or with its client.
    Revoked,
    /// Zendesk never issued it.
    Unknown,
}

/// The format of access tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenFormat {
    /// A JWT of some 400 bytes (`typ: at+jwt`), as since expiry is enforced.
    #[default]
    Jwt,
    /// 64 hexadecimal digits, as before.
    Opaque,
}

/// A pair as its owner has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenPair {
    /// The access token.
    pub access: String,
    /// The refresh token; a client that acts by itself gets none.
    pub refresh: Option<String>,
    /// Its number within its chain: 1 for a login's.
    pub generation: u64,
    /// Its chain: each login starts one.
    pub chain: u64,
    /// The user it belongs to.
    pub user: u64,
    /// The scopes it was given.
    pub scopes: Vec<String>,
    /// When the access token expires.
    pub access_expires_at: Timestamp,
    /// When the refresh token expires.
    pub refresh_expires_at: Option<Timestamp>,
    /// The current state of the access token.
    pub access_standing: Standing,
    /// The current state of the refresh token; `Unknown` if there is none.
    pub refresh_standing: Standing,
}

/// A pair as Zendesk remembers it, forever.
#[derive(Clone, Debug)]
pub(in crate::zendesk) struct Pair {
    pub(in crate::zendesk) id: u64,
    pub(in crate::zendesk) access: String,
    pub(in crate::zendesk) refresh: Option<String>,
    pub(in crate::zendesk) client: String,
    pub(in crate::zendesk) user: u64,
    pub(in crate::zendesk) scopes: Vec<String>,
    pub(in crate::zendesk) created_at: Timestamp,
    pub(in crate::zendesk) used_at: Option<Timestamp>,
    pub(in crate::zendesk) access_expires_at: Timestamp,
    pub(in crate::zendesk) refresh_expires_at: Timestamp,
    pub(in crate::zendesk) generation: u64,
    pub(in crate::zendesk) chain: u64,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Live,
    Consumed,
    Revoked,
}

impl Pair {
    pub(in crate::zendesk) fn access_standing(&self, now: Timestamp) -> Standing {
        self.standing(self.access_expires_at, now)
    }

    pub(in crate::zendesk) fn refresh_standing(&self, now: Timestamp) -> Standing {
        match self.refresh {
            Some(_) => self.standing(self.refresh_expires_at, now),
            None => Standing::Unknown,
        }
    }

    pub(in crate::zendesk) fn view(&self, now: Timestamp) -> TokenPair {
        TokenPair {
            access: self.access.clone(),
            refresh: self.refresh.clone(),
            generation: self.generation,
            chain: self.chain,
            user: self.user,
            scopes: self.scopes.clone(),
            access_expires_at: self.access_expires_at,
            refresh_expires_at: self.refresh.as_ref().map(|_| self.refresh_expires_at),
            access_standing: self.access_standing(now),
            refresh_standing: self.refresh_standing(now),
        }
    }

    fn standing(&self, expires_at: Timestamp, now: Timestamp) -> Standing {
        match self.state {
            State::Consumed => Standing::Consumed,
            State::Revoked => Standing::Revoked,
            State::Live if now >= expires_at => Standing::Expired,
            State::Live => Standing::Live,
        }
    }
}

/// The parameters of a new pair.
#[derive(Clone, Debug)]
pub(in crate::zendesk) struct Grant {
    pub(in crate::zendesk) client: String,
    pub(in crate::zendesk) user: u64,
    pub(in crate::zendesk) scopes: Vec<String>,
    pub(in crate::zendesk) access_ttl: Duration,
    /// Without it, there is no refresh token.
    pub(in crate::zendesk) refresh_ttl: Option<Duration>,
    /// The pair that it replaces, by its id.
    pub(in crate::zendesk) replaces: Option<u64>,
}

/// All pairs ever issued.
#[derive(Debug)]
pub(in crate::zendesk) struct Tokens {
    format: TokenFormat,
    pairs: Vec<Pair>,
    by_access: HashMap<String, usize>,
    by_refresh: HashMap<String, usize>,
}

impl Tokens {
    pub(super) fn new(format: TokenFormat) -> Self {
        Self {
            format,
            pairs: Vec::new(),
            by_access: HashMap::new(),
            by_refresh: HashMap::new(),
        }
    }

    /// Creates a pair. Both tokens of the pair that it replaces are dead from now on.
    pub(in crate::zendesk) fn grant(&mut self, grant: &Grant, now: Timestamp) -> &Pair {
        let at = self.pairs.len();
        let id = FIRST_ID + at as u64;
        let replaced = grant.replaces.and_then(|id| self.by_id_mut(id));
        let (generation, chain) = match replaced {
            Some(replaced) => {
                replaced.state = State::Consumed;
                (replaced.generation + 1, replaced.chain)
            }
            None => (1, id),
        };
        let access_expires_at = later(now, grant.access_ttl);
        let access = match self.format {
            TokenFormat::Jwt => jwt(grant, id, now, access_expires_at),
            TokenFormat::Opaque => hexadecimal(),
        };
        let refresh = grant.refresh_ttl.map(|_| hexadecimal());
        self.by_access.insert(access.clone(), at);
        if let Some(refresh) = &refresh {
            self.by_refresh.insert(refresh.clone(), at);
        }
        self.pairs.push(Pair {
            id,
            access,
            refresh,
            client: grant.client.clone(),
            user: grant.user,
            scopes: grant.scopes.clone(),
            created_at: now,
            used_at: None,
            access_expires_at,
            refresh_expires_at: later(now, grant.refresh_ttl.unwrap_or_default()),
            generation,
            chain,
            state: State::Live,
        });
        &self.pairs[at]
    }

    pub(in crate::zendesk) fn by_access(&self, token: &str) -> Option<&Pair> {
        Some(&self.pairs[*self.by_access.get(token)?])
    }

    pub(in crate::zendesk) fn by_refresh(&self, token: &str) -> Option<&Pair> {
        Some(&self.pairs[*self.by_refresh.get(token)?])
    }

    pub(in crate::zendesk) fn iter(&self) -> impl Iterator<Item = &Pair> {
        self.pairs.iter()
    }

    pub(in crate::zendesk) fn mark_used(&mut self, id: u64, now: Timestamp) {
        if let Some(pair) = self.by_id_mut(id) {
            pair.used_at = Some(now);
        }
    }

    /// Kills both tokens of every live pair that matches. Returns how many pairs that were.
    pub(in crate::zendesk) fn revoke(&mut self, fits: impl Fn(&Pair) -> bool) -> usize {
        let live = |pair: &&mut Pair| pair.state == State::Live && fits(pair);
        let mut count = 0;
        for pair in self.pairs.iter_mut().filter(live) {
            pair.state = State::Revoked;
            count += 1;
        }
        count
    }

    /// Expires the access tokens of all live pairs now; their refresh tokens remain valid.
    pub(in crate::zendesk) fn expire_access(&mut self, now: Timestamp) {
        for pair in &mut self.pairs {
            pair.access_expires_at = pair.access_expires_at.min(now);
        }
    }

    /// Expires the refresh tokens of all live pairs now, and with them the access tokens.
    pub(in crate::zendesk) fn expire_refresh(&mut self, now: Timestamp) {
        self.expire_access(now);
        for pair in &mut self.pairs {
            pair.refresh_expires_at = pair.refresh_expires_at.min(now);
        }
    }

    /// Gives the newest pair the refresh token of the one that it replaced.
    pub(super) fn keep_refresh(&mut self, replaced: u64, new: &str) {
        let kept = self
            .by_id_mut(replaced)
            .and_then(|pair| pair.refresh.clone());
        if let (Some(kept), Some(at)) = (kept, self.by_refresh.remove(new)) {
            self.by_refresh.insert(kept.clone(), at);
            self.pairs[at].refresh = Some(kept);
        }
    }

    fn by_id_mut(&mut self, id: u64) -> Option<&mut Pair> {
        let at = usize::try_from(id.checked_sub(FIRST_ID)?).ok()?;
        self.pairs.get_mut(at)
    }
}

fn later(now: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by)
        .ok()
        .and_then(|by| now.checked_add(by).ok())
        .unwrap_or(Timestamp::MAX)
}

fn hexadecimal() -> String {
    let bytes = random::<24>();
    let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
    std::iter::once(CANARY.to_owned()).chain(digits).collect()
}

/// Looks like a JWT; only Zendesk may look inside, so its signature is random, apart from a
/// beginning that reads as [`CANARY`].
fn jwt(grant: &Grant, id: u64, now: Timestamp, expires_at: Timestamp) -> String {
    let head = json!({"typ": "at+jwt", "alg": "RS256", "kid": "2026-02"});
    let claims = json!({
        "iss": "https://simulated.zendesk.com",
        "sub": grant.user.to_string(),
        "client_id": grant.client,
        "scope": grant.scopes.join(" "),
        "iat": now.as_second(),
        "exp": expires_at.as_second(),
        "jti": format!("{id}-{}", random_text()),
    });
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    format!(
        "{}.{}.{CANARY}{}",
        encode(head.to_string().as_bytes()),
        encode(claims.to_string().as_bytes()),
        encode(&random::<116>())
    )
}

const FIRST_ID: u64 = 41_000_000_001;
