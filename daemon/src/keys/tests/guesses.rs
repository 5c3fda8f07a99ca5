//! Guessed keys.

use super::*;

#[tokio::test(start_paused = true)]
async fn d2_w6_guesses_get_slow_and_the_right_key_never_waits() {
    let bench = bench();
    let secret = bench.create("nightly");
    let right = sent(secret.expose());
    let wrong = |last: &str| sent(&format!("{}{last}", &secret.expose()[..61]));
    let failures = Failures::default();
    let start = Instant::now();
    for _ in 0..1_000 {
        for guess in ["a", "b"].map(wrong) {
            let before = Instant::now();
            let checked = bench.keys.check(&guess, &failures).await;
            // One of the two may be the right one.
            assert!(checked.is_err() || before.elapsed().is_zero());
        }
        let before = Instant::now();
        // On the same connection, and on another.
        assert!(bench.keys.check(&right, &failures).await.is_ok());
        assert!(bench.keys.check(&right, &Failures::default()).await.is_ok());
        assert_eq!(before.elapsed(), Duration::ZERO);
    }
    assert!(start.elapsed() > Duration::from_secs(3600));
}

#[tokio::test(start_paused = true)]
async fn d2_w10_no_waiting_tells_which_ids_there_are() {
    let bench = bench();
    let secret = bench.create("nightly");
    let stranger = bench.create("revoked");
    bench.keys.revoke("revoked").unwrap();
    let times = async |secret: &SecretText| {
        let mut times = Vec::new();
        let text = secret.expose();
        // Both letters differ from the right one, or one does: the checksum is bad either way.
        let guess = format!(
            "{}{}",
            &text[..61],
            if text.ends_with('a') { 'b' } else { 'a' }
        );
        for _ in 0..20 {
            let start = Instant::now();
            let checked = bench.keys.check(&sent(&guess), &Failures::default()).await;
            assert_eq!(checked.unwrap_err(), KeyError::Unknown);
            times.push(start.elapsed());
        }
        times
    };
    let (known, unknown) = (times(&secret).await, times(&stranger).await);
    assert_eq!(known, unknown);
    assert!(known.iter().any(|time| !time.is_zero()));
}
