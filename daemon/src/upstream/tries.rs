//! Whether a failed request is sent once more.

use std::time::Duration;

use http::Method;
use tokio::time::{Instant, timeout};

use super::error::{UpstreamError, is_safe};
use crate::network::Network;

/// What has been tried for one request.
#[derive(Debug)]
pub(super) struct Tries<'a> {
    network: &'a Network,
    began: Instant,
    /// How often it may still be sent again after its connection was lost.
    lost: u8,
    /// The same if it was turned away unread, with the pause before each attempt but the first.
    unread: std::slice::Iter<'static, Duration>,
    /// The same if this machine's own network has changed.
    moved: u8,
}

impl<'a> Tries<'a> {
    /// For a script's request.
    pub(super) fn new(network: &'a Network) -> Self {
        Self {
            network,
            began: Instant::now(),
            lost: 1,
            unread: UNREAD_PAUSES.iter(),
            moved: MOVES_MAX,
        }
    }

    /// For a request of our own, whose sender knows better what a lost answer means.
    pub(super) fn once(network: &'a Network) -> Self {
        Self {
            lost: 0,
            unread: [].iter(),
            ..Self::new(network)
        }
    }

    /// Whether the request may be sent once more after this failure. Waits for the network if that
    /// is what is missing.
    pub(super) async fn allow(&mut self, failure: &UpstreamError, method: &Method) -> bool {
        if failure.has_no_network() {
            return self.wait_for_network().await;
        }
        if failure.is_unread() {
            return self.wait_for_admittance().await;
        }
        let left = if failure.has_moved() && is_safe(method) {
            &mut self.moved
        } else if failure.allows_another(method) {
            &mut self.lost
        } else {
            return false;
        };
        let allowed = *left > 0;
        *left = left.saturating_sub(1);
        allowed
    }

    /// A server that replaces its connections may do so several times in a row; the first new
    /// connection is tried at once, later ones after growing pauses.
    async fn wait_for_admittance(&mut self) -> bool {
        let Some(pause) = self.unread.next() else {
            return false;
        };
        if !pause.is_zero() {
            tokio::time::sleep(*pause).await;
        }
        true
    }

    /// Waits for a network while the machine changes from one to another, when no name resolves and no
    /// host has a route.
    async fn wait_for_network(&self) -> bool {
        let left = NETWORK_MAX.saturating_sub(self.began.elapsed());
        if left.is_zero() || !self.network.has_changed_within(RECENT) {
            return false;
        }
        let mut changes = self.network.changes();
        // A change that comes in between shows at the next attempt.
        let _early = timeout(left.min(PAUSE), changes.next()).await;
        true
    }
}

/// Each is a change of this machine's addresses; even travelling between cities takes no more.
const MOVES_MAX: u8 = 8;

/// As many attempts as Go's HTTP client makes for such requests, with shorter pauses.
const UNREAD_PAUSES: [Duration; 6] = [
    Duration::ZERO,
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(800),
];

/// How long a request waits for a network if there was one just now. Together with the time to
/// connect, this is what a change may cost.
const NETWORK_MAX: Duration = Duration::from_millis(2500);

/// How recent the change must be that left the machine without a network: a new address follows
/// within this time, or it isn't coming.
const RECENT: Duration = Duration::from_secs(5);

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use tokio::sync::watch;

    use super::*;
    use crate::upstream::connection::CutReason;

    fn no_route() -> UpstreamError {
        UpstreamError::Connect(std::io::Error::from(std::io::ErrorKind::NetworkUnreachable).into())
    }

    #[tokio::test(start_paused = true)]
    async fn r10_what_a_lost_network_has_taken_is_sent_again_if_it_can_do_no_harm() {
        let network = Network::still();
        for (method, times) in [(Method::GET, MOVES_MAX), (Method::POST, 0)] {
            let mut tries = Tries::new(&network);
            let moved = UpstreamError::Lost(CutReason::Moved.into());
            for n in 0..=times {
                assert_eq!(
                    tries.allow(&moved, &method).await,
                    n < times,
                    "{method} {n}"
                );
            }
        }
        let silent = UpstreamError::Lost(CutReason::Silent.into());
        assert!(!Tries::new(&network).allow(&silent, &Method::POST).await);
        assert!(!Tries::once(&network).allow(&silent, &Method::GET).await);
    }

    #[tokio::test(start_paused = true)]
    async fn s7_what_was_turned_away_unread_is_sent_again_until_it_is_clear_that_it_won_t_be_read()
    {
        let network = Network::still();
        let unread = UpstreamError::Unprocessed("GOAWAY".into());
        for method in [Method::GET, Method::POST] {
            let (mut tries, began) = (Tries::new(&network), Instant::now());
            assert!(tries.allow(&unread, &method).await);
            assert_eq!(
                began.elapsed(),
                Duration::ZERO,
                "a fresh connection, at once"
            );
            let mut times = 1;
            while tries.allow(&unread, &method).await {
                times += 1;
            }
            assert_eq!((times, began.elapsed()), (6, Duration::from_millis(1550)));
        }
        assert!(!Tries::once(&network).allow(&unread, &Method::GET).await);
    }

    #[tokio::test(start_paused = true)]
    async fn r10_between_two_networks_a_request_waits_and_without_one_it_doesn_t() {
        let (tell, hints) = watch::channel(None);
        let network = Network::told(hints);
        let mut tries = Tries::new(&network);
        assert!(
            !tries.allow(&no_route(), &Method::POST).await,
            "a machine at rest"
        );

        tell.send_replace(Some(Instant::now()));
        let (mut tries, began) = (Tries::new(&network), Instant::now());
        let mut times = 0;
        while tries.allow(&no_route(), &Method::POST).await {
            times += 1;
        }
        assert_eq!(began.elapsed(), NETWORK_MAX);
        assert_eq!(times, 10);

        let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        let refused = UpstreamError::Connect(refused.into());
        let mut tries = Tries::new(&network);
        assert!(
            !tries.allow(&refused, &Method::GET).await,
            "there is a network"
        );
    }
}
