//! How long the other end of a connection has left bytes unacknowledged.

use std::time::Duration;

use tokio::time::Instant;

/// What was observed of one connection's acknowledgements.
#[derive(Debug, Default)]
pub(super) struct Silence {
    /// The latest time since which the next byte has been waiting for its acknowledgement, and how
    /// many bytes had been acknowledged before it.
    since: Option<(Instant, u64)>,
}

impl Silence {
    /// How long the next byte has been waiting, as far as that was observed. `acknowledged` and
    /// `left` are bytes of the connection.
    pub(super) fn look(&mut self, now: Instant, acknowledged: u64, left: u64) -> Duration {
        match self.since {
            _ if left == 0 => self.since = None,
            Some((since, at)) if at == acknowledged => return now.duration_since(since),
            _ => self.since = Some((now, acknowledged)),
        }
        Duration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The results of three checks, a second apart.
    fn looks(seen: [(u64, u64); 3]) -> Vec<u64> {
        let (mut silence, began) = (Silence::default(), Instant::now());
        let looks = seen.into_iter().zip(0..);
        looks
            .map(|((acknowledged, left), second)| {
                let now = began + Duration::from_secs(second);
                silence.look(now, acknowledged, left).as_secs()
            })
            .collect()
    }

    #[test]
    fn r10_silence_is_bytes_of_which_not_one_is_acknowledged() {
        let table = [
            (
                "all is acknowledged, the answer is slow",
                [(9, 0); 3],
                [0, 0, 0],
            ),
            ("nothing is", [(9, 5); 3], [0, 1, 2]),
            (
                "more is written to a dead connection",
                [(9, 5), (9, 7), (9, 8)],
                [0, 1, 2],
            ),
            (
                "a long upload gets on",
                [(9, 5), (10, 5), (11, 5)],
                [0, 0, 0],
            ),
            ("it came late", [(9, 5), (9, 5), (14, 0)], [0, 1, 0]),
            (
                "late, and then the next bytes",
                [(9, 5), (14, 5), (14, 5)],
                [0, 0, 1],
            ),
        ];
        for (what, seen, expected) in table {
            assert_eq!(looks(seen), expected, "{what}");
        }
    }
}
