//! Many scripts at once, for longer. `tests/run --long` runs these at their full size.

use std::time::Duration;

use loopdesk_tests::zendesk::Standing;

use super::stage_with_ttl;

const ACCESS_TTL: u64 = 3;

/// Four shells call curl one after the other, for a minute, while access tokens live 3 s.
#[tokio::test]
async fn r1_a_minute_of_scripts_across_rotations_without_a_failure() {
    let stage = stage_with_ttl(ACCESS_TTL).await;
    let _daemon = stage.logged_in().await;
    let seconds = if std::env::var("LOOPDESK_LONG").is_ok_and(|v| !v.is_empty()) {
        600
    } else {
        60
    };
    stage.zendesk.clear();
    let started = tokio::time::Instant::now();
    let script = format!(
        "end=$(( $(date +%s) + {seconds} )); n=0; while [ $(date +%s) -lt $end ]; do \
         n=$((n + 1)); \
         code=$(curl -sS --max-time 30 -u a@b.c/token:x -o /dev/null -w '%{{http_code}}' \
         '{base}/api/v2/tickets.json?page=1&per_page=10') || code=none; \
         [ \"$code\" = 200 ] || echo \"request $n: $code\" >&2; done; echo $n",
        base = stage.base(),
    );
    let one = || stage.home.run("sh", ["-c", &script]);
    let (a, b, c, d) = tokio::join!(one(), one(), one(), one());
    let elapsed = started.elapsed();
    let mut requests = 0;
    for shell in [a, b, c, d] {
        let shell = shell.ok();
        assert_eq!(shell.stderr, "", "no request fails");
        requests += shell.stdout.trim().parse::<usize>().expect("a count");
    }

    let records = stage.zendesk.requests();
    let refreshes: Vec<_> = records
        .iter()
        .filter_map(|r| r.token_post.as_ref())
        .filter(|post| post.grant == "refresh_token")
        .collect();
    assert!(
        refreshes
            .iter()
            .all(|r| r.refresh_token == Some(Standing::Live)),
        "{refreshes:?}"
    );
    // Refreshed a quarter of the lifetime early, with up to a tenth of jitter on top.
    let lifetime = Duration::from_secs(ACCESS_TTL).as_secs_f64();
    let least = lifetime * 0.65;
    let most = elapsed.as_secs_f64() / least + 1.0;
    let made = refreshes.len() as f64;
    assert!(made <= most, "{made} refreshes in {elapsed:?}");
    assert!(refreshes.len() >= 10, "tokens have rotated");
    let refused = records
        .iter()
        .filter(|r| r.status().is_some_and(|s| s == 401))
        .count();
    assert!(
        refused * 100 <= requests,
        "{refused} of {requests} requests met a 401"
    );
    println!(
        "{requests} requests in {elapsed:?}, {} refreshes, {refused} upstream 401s",
        refreshes.len()
    );
}
