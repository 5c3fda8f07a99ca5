//! Links in responses lead back to the address that the script used.

use super::stage;

#[tokio::test]
async fn s2_a_script_pages_to_the_end_without_leaving_localhost() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    for (first, next) in [
        ("/api/v2/tickets.json?per_page=100", "/next_page"),
        ("/api/v2/tickets.json?page[size]=100", "/links/next"),
        (
            "/api/v2/incremental/tickets/cursor.json?start_time=0&per_page=100",
            "/after_url",
        ),
    ] {
        let mut url = format!("{}{}", stage.base(), first);
        let mut tickets = 0;
        loop {
            let output = stage
                .home
                .run("curl", ["-sS", "-g", "--compressed", &url])
                .await
                .ok();
            let page = output.json();
            tickets += page["tickets"].as_array().expect("tickets").len();
            let is_last = page["end_of_stream"] == true || page["meta"]["has_more"] == false;
            match page.pointer(next).and_then(|v| v.as_str()) {
                Some(link) if !is_last => {
                    assert!(link.starts_with(&stage.base()), "{link}");
                    link.clone_into(&mut url);
                }
                _ => break,
            }
        }
        assert!(tickets > 200, "{first}: {tickets}");
    }
}

#[tokio::test]
async fn s2_the_local_base_is_spelled_as_the_script_spells_it() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    for host in ["localhost", "127.0.0.1", "LOCALHOST", "acme.localhost"] {
        let base = format!("http://{host}:{}", stage.port);
        let address = format!("{host}:{}:127.0.0.1", stage.port);
        let url = format!("{base}/api/v2/tickets.json");
        let output = stage
            .home
            .run("curl", ["-sS", "--resolve", &address, &url])
            .await
            .ok();
        let next = output.json()["next_page"].as_str().unwrap().to_owned();
        let expected = format!("{}/api/v2/", base.to_ascii_lowercase());
        assert!(next.to_ascii_lowercase().starts_with(&expected), "{next}");
    }
}

#[tokio::test]
async fn s2_texts_are_untouched_and_off_means_off() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let path = "/api/v2/help_center/articles.json";
    let direct = stage.direct(path).await;
    let through = stage.curl(path, &[]).await.ok().stdout;
    let origin = stage.zendesk.origin().to_owned();
    let article = |text: &str| {
        let page: serde_json::Value = serde_json::from_str(text).unwrap();
        page["articles"][0]["body"].as_str().unwrap().to_owned()
    };
    assert!(
        article(&direct).contains(&origin),
        "the text is full of absolute URLs"
    );
    assert_eq!(article(&direct), article(&through));
    assert_ne!(direct, through, "the paging links differ");
    let off = stage
        .curl(path, &["-H", "X-Loopdesk-Rewrite: off"])
        .await
        .ok()
        .stdout;
    assert_eq!(off, direct);
}

#[tokio::test]
async fn s2_location_and_job_urls_stay_local() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let ticket = "{\"ticket\":{\"subject\":\"s\",\"comment\":{\"body\":\"b\"}}}";
    let json = ["-H", "Content-Type: application/json"];
    let created = stage
        .curl(
            "/api/v2/tickets.json",
            &[&["-i", "-d", ticket], &json[..]].concat(),
        )
        .await
        .ok();
    let location = created.stdout.lines().find_map(|l| {
        let (name, value) = l.split_once(": ")?;
        name.eq_ignore_ascii_case("location")
            .then(|| value.trim().to_owned())
    });
    let location = location.expect("a Location");
    let absolute = if location.starts_with('/') {
        format!("{}{location}", stage.base())
    } else {
        location
    };
    assert!(absolute.starts_with(&stage.base()), "{absolute}");
    stage.home.run("curl", ["-sSf", &absolute]).await.ok();

    let many = "{\"tickets\":[{\"subject\":\"s\",\"comment\":{\"body\":\"b\"}}]}";
    let job = stage
        .curl(
            "/api/v2/tickets/create_many.json",
            &[&["-d", many], &json[..]].concat(),
        )
        .await
        .ok()
        .json();
    let mut url = job["job_status"]["url"].as_str().expect("a job").to_owned();
    loop {
        assert!(url.starts_with(&stage.base()), "{url}");
        let job = stage.home.run("curl", ["-sSf", &url]).await.ok().json();
        if job["job_status"]["status"] == "completed" {
            break;
        }
        job["job_status"]["url"]
            .as_str()
            .unwrap()
            .clone_into(&mut url);
    }
}

#[tokio::test]
async fn s4_zendesks_errors_pass_as_they_are() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let missing = stage
        .curl("/api/v2/tickets/999999.json", &["-i"])
        .await
        .ok()
        .stdout;
    assert!(missing.starts_with("HTTP/1.1 404"), "{missing}");
    assert!(missing.contains("RecordNotFound"), "{missing}");
    assert!(
        !missing.to_ascii_lowercase().contains("x-loopdesk-error"),
        "{missing}"
    );

    stage.zendesk.set_rate_limit(0);
    let limited = stage
        .curl("/api/v2/tickets.json", &["-i"])
        .await
        .ok()
        .stdout
        .to_ascii_lowercase();
    assert!(limited.starts_with("http/1.1 429"), "{limited}");
    assert!(limited.contains("retry-after:"), "{limited}");
    assert!(limited.contains("content-type: text/plain"), "{limited}");
}
