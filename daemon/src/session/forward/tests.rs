//! The whole stage over real TLS, between scripts' requests and a small Zendesk.

mod zendesk;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{Method, Request};
use http_body::Frame;
use http_body_util::BodyExt;
use jiff::SignedDuration;
use tokio_util::task::TaskTracker;

use self::zendesk::{INVALID_TOKEN, Zendesk, gzip};
use super::*;
use crate::clock::{Clock, Mover};
use crate::config::{Account, Origin, VaultKind};
use crate::network::Network;
use crate::session::model::binding::Binding;
use crate::session::store::Store;
use crate::session::store::host_id;
use crate::session::store::record::{self, RecordBody};
use crate::session::vault::Vault;
use crate::session::{Dependencies, Sessions, testing};
use crate::upstream::Credential as Whose;
use crate::upstream::egress::Variables;

#[tokio::test]
async fn s1_a_request_carries_the_sessions_token() {
    let bench = Bench::new(3600).await;
    let (status, body) = bench.get("/api/v2/tickets.json").await;
    assert_eq!((status, &body[..]), (200, &b"/api/v2/tickets.json"[..]));
    assert_eq!(bench.zendesk.seen(), ["GET /api/v2/tickets.json 1"]);
}

#[tokio::test]
async fn r2_one_refresh_for_32_requests_that_meet_a_dead_token() {
    let bench = Bench::new(3600).await;
    bench.zendesk.expire();
    let requests = (0..32).map(|n| bench.request(Method::GET, &format!("/api/v2/{n}")));
    let mut running = tokio::task::JoinSet::new();
    for request in requests {
        let session = bench.session.clone();
        running.spawn(async move { session.forward(request).await.unwrap().status() });
    }
    while let Some(status) = running.join_next().await {
        assert_eq!(status.unwrap(), 200);
    }
    assert_eq!(bench.zendesk.refreshes(), 1);
}

#[tokio::test]
async fn r1_a_request_that_rotations_overtake_is_served_and_one_that_is_always_late_is_told_so() {
    for (overtaken, status) in [(REPLAYS, 200), (REPLAYS + 1, 503)] {
        let bench = Bench::new(3600).await;
        let script = bench.send_slow();
        for generation in 1..=overtaken {
            bench.until_slow(generation).await;
            bench.session.refresh().await.unwrap();
            bench.zendesk.slow.add_permits(1);
        }
        bench.zendesk.slow.add_permits(1);
        assert_eq!(script.await.unwrap(), status, "{overtaken}");
        assert_eq!(bench.zendesk.count("GET /slow"), REPLAYS + 1);
    }
}

#[tokio::test]
async fn r1_a_machine_that_stands_still_longer_than_tokens_live_fails_no_request() {
    let bench = Bench::new(1800).await;
    let script = bench.send_slow();
    // Every token, even that of a replay, has expired by the time Zendesk sees it.
    for generation in 1..=3 {
        bench.until_slow(generation).await;
        bench.mover.jump(SignedDuration::from_secs(1801));
        bench.zendesk.expire();
        bench.zendesk.slow.add_permits(1);
    }
    bench.until_slow(4).await;
    bench.zendesk.slow.add_permits(1);
    assert_eq!(script.await.unwrap(), 200);
    assert_eq!(bench.zendesk.refreshes(), 3);
    assert_eq!(bench.zendesk.count("CHECK"), 0, "our own clock knows");
}

#[tokio::test]
async fn r2_a_script_that_hangs_up_cancels_no_refresh() {
    let bench = Bench::new(3600).await;
    bench.zendesk.expire();
    let turn = bench.zendesk.turn.acquire().await.unwrap();
    let (session, request) = (bench.session.clone(), bench.request(Method::GET, "/a"));
    let script = tokio::spawn(async move { session.forward(request).await.map(|_| ()) });
    bench.zendesk.until_refreshes(1).await;
    script.abort();
    drop(turn);
    assert_eq!(bench.get("/b").await.0, 200);
    assert_eq!(bench.zendesk.refreshes(), 1);
}

#[tokio::test]
async fn r2_a_401_for_the_scripts_own_reasons_comes_back_as_it_is() {
    let bench = Bench::new(3600).await;
    for _ in 0..3 {
        let (status, body) = bench.get("/on-behalf-of-nobody").await;
        assert_eq!(status, 401);
        assert_eq!(body, gzip(INVALID_TOKEN));
    }
    assert_eq!(bench.zendesk.refreshes(), 0);
    assert_eq!(bench.zendesk.count("CHECK"), 1);
}

#[tokio::test]
async fn r2_what_can_t_be_sent_again_gets_its_401_and_the_next_request_is_served() {
    let bench = Bench::new(3600).await;
    bench.zendesk.expire();
    let endless = Body::adapted(Endless(40));
    let request = Request::post("/api/v2/uploads").body(endless).unwrap();
    let upload = Outgoing::new(request, bench.origin.clone(), Whose::Injected);
    assert!(!upload.is_replayable());
    let response = bench.session.forward(upload).await.unwrap();
    assert_eq!(response.status(), 401);
    assert_eq!(bench.get("/next").await.0, 200);
    assert_eq!(bench.zendesk.refreshes(), 1);
    let posts = bench.zendesk.count("POST /api/v2/uploads");
    assert_eq!(posts, 1, "sent once (S7)");
}

#[tokio::test]
async fn r6_an_expired_token_is_not_sent_and_the_request_waits_for_the_next() {
    let bench = Bench::new(1800).await;
    bench.mover.jump(SignedDuration::from_hours(9));
    assert_eq!(bench.get("/after-the-night").await.0, 200);
    assert_eq!(
        bench.zendesk.seen(),
        ["REFRESH 1", "GET /after-the-night 2"]
    );
}

#[tokio::test]
async fn b_3_10_expired_and_zendesk_down_is_503_and_nothing_is_sent() {
    let bench = Bench::new(1800).await;
    bench.zendesk.broken.store(true, Ordering::SeqCst);
    bench.mover.jump(SignedDuration::from_hours(9));
    let request = bench.request(Method::GET, "/api/v2/tickets.json");
    let refusal = bench.session.forward(request).await.unwrap_err();
    assert_eq!(refusal.status(), 503);
    assert!(
        refusal.description().contains("503"),
        "{}",
        refusal.description()
    );
    assert_eq!(bench.zendesk.count("GET"), 0);
    // The outage has ended, and the session recovers.
    bench.zendesk.broken.store(false, Ordering::SeqCst);
    bench.mover.jump(SignedDuration::from_secs(2));
    assert_eq!(bench.get("/again").await.0, 200);
}

#[tokio::test]
async fn s4_signed_out_and_ended_are_401s_of_our_own() {
    let bench = Bench::new(3600).await;
    bench.zendesk.revoke();
    let request = bench.request(Method::GET, "/a");
    let refusal = bench.session.forward(request).await.unwrap_err();
    assert_eq!(
        (refusal.status(), refusal.code()),
        (StatusCode::UNAUTHORIZED, "session-ended")
    );
    assert!(refusal.description().contains("loopdesk login acme"));
    bench.session.logout(false).await.unwrap();
    let request = bench.request(Method::GET, "/a");
    let refusal = bench.session.forward(request).await.unwrap_err();
    assert_eq!(refusal.code(), "signed-out");
    assert_eq!(bench.zendesk.refreshes(), 1);
}

#[tokio::test]
async fn s5_a_token_is_not_sent_to_another_host() {
    let bench = Bench::new(3600).await;
    let other: Origin = "https://other.example.com".parse().unwrap();
    let request = Request::get("/a").body(Body::empty()).unwrap();
    let outgoing = Outgoing::new(request, other, Whose::Injected);
    let refusal = bench.session.forward(outgoing).await.unwrap_err();
    assert_eq!(refusal.status(), 503);
    assert!(bench.zendesk.seen().is_empty());
}

#[tokio::test]
async fn s6_a_credential_of_the_scripts_own_is_left_alone() {
    let bench = Bench::new(3600).await;
    bench.zendesk.expire();
    let request = Request::get("/api/v2/chat/agents")
        .header(AUTHORIZATION, "Bearer access-own")
        .body(Body::empty())
        .unwrap();
    let outgoing = Outgoing::new(request, bench.origin.clone(), Whose::Own);
    let response = bench.session.forward(outgoing).await.unwrap();
    assert_eq!(response.status(), 401);
    assert_eq!(bench.zendesk.seen()[0], "GET /api/v2/chat/agents own");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r1_no_request_fails_across_rotations_and_hardly_one_meets_a_dead_token() {
    let bench = Bench::new(1).await;
    let (served, start) = (Arc::new(AtomicUsize::new(0)), Instant::now());
    let mut scripts = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (session, served) = (bench.session.clone(), Arc::clone(&served));
        let origin = bench.origin.clone();
        scripts.spawn(async move {
            // Five rotations of half a second each.
            while session.view().generation < Some(6) {
                let request = Request::get("/api/v2/tickets.json").body(Body::empty());
                let outgoing = Outgoing::new(request.unwrap(), origin.clone(), Whose::Injected);
                let response = session.forward(outgoing).await.unwrap();
                assert_eq!(response.status(), 200);
                response.into_body().collect().await.unwrap();
                served.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    while let Some(script) = scripts.join_next().await {
        script.unwrap();
    }
    let (served, dead) = (served.load(Ordering::Relaxed), bench.zendesk.count("DEAD"));
    assert!(
        dead * 100 <= served,
        "{dead} dead tokens in {served} requests"
    );
    let most = start.elapsed().as_millis() / 500 + 1;
    assert!(
        bench.zendesk.refreshes() as u128 <= most,
        "no more than are due"
    );
}

#[tokio::test]
async fn a_changed_configuration_starts_stops_and_moves_sessions() {
    let bench = Bench::new(3600).await;
    let mut account = Account::clone(&bench.session.account());
    account.scopes.truncate(1);
    let config = crate::samples::config(vec![account]);
    bench.sessions.apply(&Arc::new(config)).await;
    assert_eq!(bench.get("/same-session").await.0, 200);
    bench
        .sessions
        .apply(&Arc::new(crate::samples::config(Vec::new())))
        .await;
    assert!(bench.sessions.all().is_empty());
    let request = bench.request(Method::GET, "/last");
    // Requests in flight when the account is removed are still served.
    assert_eq!(bench.session.forward(request).await.unwrap().status(), 200);
    let again = crate::samples::config(vec![Account::clone(&bench.session.account())]);
    bench.sessions.apply(&Arc::new(again)).await;
    let session = bench.sessions.all().remove(0);
    let request = bench.request(Method::GET, "/again");
    assert_eq!(session.forward(request).await.unwrap().status(), 200);
    bench.sessions.shutdown().await;
    assert_eq!(bench.sessions.vault_status().kind, "keyfile");
}

/// A logged-in session against a Zendesk over TLS.
struct Bench {
    zendesk: Arc<Zendesk>,
    origin: Origin,
    sessions: Sessions,
    session: Session,
    mover: Mover,
    _home: tempfile::TempDir,
}

impl Bench {
    async fn new(lifetime: i64) -> Self {
        Self::with(lifetime, &[(Role::Primary, 1)]).await
    }

    /// An account with these pairs, by their numbers. Zendesk knows number 1.
    async fn with(lifetime: i64, pairs: &[(Role, u64)]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let (clock, mover) = Clock::movable();
        let (zendesk, origin, ca) = Zendesk::start(lifetime, home.path()).await;
        let account = Account {
            extra_ca_file: Some(ca),
            read_only_grant: true,
            ..testing::account("acme", &origin.to_string())
        };
        let paths = testing::paths(home.path());
        let vault = Vault::new(VaultKind::Keyfile, &paths);
        let key = vault.key_or_new(false).await.unwrap();
        let machine = host_id::hash(paths.state_dir()).unwrap();
        for (role, number) in pairs.iter().copied() {
            let tokens = RecordBody::Live(testing::session_tokens(number, clock.now(), lifetime));
            let binding = Binding {
                role: role.into(),
                ..Binding::new(&account, &machine)
            };
            let record = record::seal(&tokens, &binding, &key).unwrap();
            let store = Store::new(paths.sessions_dir()).of(role);
            let slot = store.prepare(&account.name).unwrap();
            slot.commit(&record).unwrap();
        }

        let sessions = Sessions::new(Dependencies {
            proxies: Variables::none(clock.clone()),
            conditions: crate::conditions::Conditions::new(clock.clone()),
            network: Network::still(),
            clock,
            paths,
            tracker: TaskTracker::new(),
        });
        let name = account.name.clone();
        let config = crate::samples::config(vec![account]);
        sessions.apply(&Arc::new(config)).await;
        let session = sessions.get(&name).unwrap();
        Self {
            zendesk,
            origin,
            session,
            sessions,
            mover,
            _home: home,
        }
    }

    fn request(&self, method: Method, path: &str) -> Outgoing {
        let request = Request::builder().method(method).uri(path);
        let request = request
            .header(AUTHORIZATION, "Basic ZHVtbXk6ZHVtbXk=")
            .body(Body::empty())
            .unwrap();
        Outgoing::new(request, self.origin.clone(), Whose::Injected)
    }

    /// Sends a request whose token Zendesk checks when the test says so. Returns the status.
    fn send_slow(&self) -> tokio::task::JoinHandle<u16> {
        let (session, request) = (self.session.clone(), self.request(Method::GET, "/slow"));
        tokio::spawn(async move {
            let answer = session.forward(request).await;
            answer
                .map_or_else(|refusal| refusal.status(), |answer| answer.status())
                .as_u16()
        })
    }

    async fn until_slow(&self, generation: usize) {
        let arrived = format!("GET /slow {generation}");
        self.zendesk.until_seen(&arrived).await;
    }

    async fn get(&self, path: &str) -> (u16, Bytes) {
        let request = self.request(Method::GET, path);
        let response = self.session.forward(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, body)
    }
}

#[tokio::test]
async fn d3_whoever_may_only_read_carries_the_read_only_pair_and_never_another() {
    let bench = Bench::with(3600, &[(Role::Primary, 7), (Role::ReadOnly, 1)]).await;
    let request = bench.request(Method::GET, "/read");
    let response = bench.session.forward_by(READER, request).await;
    assert_eq!(response.unwrap().status(), 200);
    assert_eq!(bench.zendesk.seen(), ["GET /read 1"]);

    // The configuration asks for a read-only pair, and there is none. The account's own token could
    // do more, so it isn't used.
    let bench = Bench::with(3600, &[(Role::Primary, 1)]).await;
    let request = bench.request(Method::GET, "/read");
    let refusal = bench.session.forward_by(READER, request).await.unwrap_err();
    assert_eq!(refusal.code(), "session-unavailable");
    let said = refusal.description();
    assert!(said.contains("`loopdesk login acme`"), "{said}");
    assert!(
        said.contains("`loopdesk account set acme read-only-grant false`"),
        "{said}"
    );
    assert_eq!(bench.zendesk.count("GET /read 1"), 0);
    assert_eq!(
        bench.get("/all").await.0,
        200,
        "a caller that may write is served"
    );

    // Its token is dead and can't be refreshed: no other pair's token is used.
    let bench = Bench::with(3600, &[(Role::Primary, 1), (Role::ReadOnly, 8)]).await;
    let request = bench.request(Method::GET, "/read");
    let response = bench.session.forward_by(READER, request).await;
    assert!(response.is_err(), "{response:?}");
    assert_eq!(bench.zendesk.count("GET /read 1"), 0);
    assert_eq!(
        bench.get("/all").await.0,
        200,
        "the account's own pair is alive"
    );
}

#[tokio::test]
async fn d2_r8_a_request_for_one_person_never_carries_anothers_token() {
    let bench = Bench::with(3600, &[(Role::Primary, 1)]).await;
    let of = |id| TokenPolicy {
        person: Some(id),
        ..TokenPolicy::default()
    };
    let request = bench.request(Method::GET, "/mine");
    let answer = bench.session.forward_by(of(42), request).await;
    assert_eq!(answer.unwrap().status(), 200);
    let request = bench.request(Method::GET, "/anothers");
    let answer = bench.session.forward_by(of(43), request).await;
    let refusal = answer.unwrap_err();
    assert_eq!(
        (refusal.status().as_u16(), refusal.code()),
        (403, "key-suspended")
    );
    assert_eq!(bench.zendesk.seen(), ["GET /mine 1"]);
}

/// A caller that may only read.
const READER: TokenPolicy = TokenPolicy {
    person: None,
    read_only: true,
};

/// A body of unknown length, `0` times 64 KiB long.
struct Endless(usize);

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0 = self.0.saturating_sub(1);
        let frame = Frame::data(Bytes::from(vec![b'x'; 64 * 1024]));
        std::task::Poll::Ready((self.0 > 0).then_some(Ok(frame)))
    }
}
