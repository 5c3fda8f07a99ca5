//! D3: whatever a key may do according to the judge, every server does exactly that.

use proptest::prelude::*;

use super::rails::{RAILS, Rails, Route, decoded, in_front};
use super::{judge, rights};
use crate::rights::Rights;
use crate::rights::path::ApiPath;

/// Ways to spell one path so that some server may read another one.
fn tricks(one: &str, other: &str) -> Vec<String> {
    let beneath = other.trim_start_matches('/');
    let encoded = |text: &str| {
        text.bytes()
            .map(|b| format!("%{b:02x}"))
            .collect::<String>()
    };
    let ups = |up: &str| up.repeat(one.matches('/').count());
    let mut tricks = vec![
        one.to_owned(),
        format!("{one}/"),
        format!("{one}.json"),
        format!("{one}.xml"),
        format!("{one}.json/"),
        format!("{one}.json.json"),
        one.replacen('/', "//", 3),
        one.to_ascii_uppercase(),
        one.replace("/v2/", "/v2/./"),
        format!("{one}?_method=DELETE"),
        format!("{one}?%5fmethod=PUT"),
        format!("{one}?a=b;_method=PUT"),
        format!("{one}?x=/../{beneath}"),
        encoded(one).replace("%2f", "/"),
        encoded(&encoded(one)).replace("%25%32%66", "/"),
        format!("{other}#/..{one}"),
        format!("{other}%20"),
        format!("{other}."),
    ];
    for up in [
        "/..",
        "/%2e%2e",
        "/.%2E",
        "%2f..",
        "%5c..",
        "\\..",
        "/..;x",
        "/..;/",
        "/%252e%252e",
    ] {
        tricks.push(format!("{one}{}/{beneath}", ups(up)));
        tricks.push(format!(
            "{other}{}/{}",
            ups(up),
            one.trim_start_matches('/')
        ));
    }
    let (start, last) = one.rsplit_once('/').unwrap();
    for slash in [
        "//", "%2f", "%2F", "%5c", "\\", "%252f", ";/", "/./", "/x/../", "%00/", "%c0%af",
    ] {
        tricks.push(format!("{start}{slash}{last}"));
        tricks.push(format!("{start}/{last}{slash}x"));
    }
    for cut in [
        ";", ";/", "%3b", "%00", "%23", "%3f", "%0a", "/%00/", "%2f", "%5c", "%252f",
    ] {
        tricks.push(format!("{one}{cut}{other}"));
        tricks.push(format!("{other}{cut}"));
        tricks.push(format!("{other}{cut}x"));
    }
    tricks
}

/// A key that is compared with the routes: one with scopes, since rules could allow any path.
fn keys() -> Vec<(Rights, Vec<&'static str>)> {
    let sets: [&[&str]; 4] = [
        &["read"],
        &["tickets:read"],
        &["tickets:read", "users:write"],
        &["custom_objects:read", "ticket_views:read", "requests:write"],
    ];
    sets.into_iter()
        .map(|set| (rights(set, &[], &[]), set.to_vec()))
        .collect()
}

/// Compares the judge's decision with what every server would do.
fn check(rails: &Rails, rights: &Rights, scopes: &[&str], method: &str, target: &str) -> bool {
    if judge(rights, method, target).is_err() {
        return false;
    }
    // What is sent: without a fragment.
    let target: http::Uri = target.parse().unwrap();
    let readings = rails.readings(method, target.path_and_query().unwrap().as_str());
    let [Some(route)] = readings.as_slice() else {
        panic!("{scopes:?} may {method} {target}, which is read as {readings:?}");
    };
    assert!(
        allows(scopes, route),
        "{scopes:?} may {method} {target}: {route:?}"
    );
    true
}

/// Whether scopes cover a route.
fn allows(scopes: &[&str], route: &Route) -> bool {
    let is_needed = |scope: &&str| route.needs.iter().any(|need| need == scope);
    scopes.iter().any(is_needed)
}

#[test]
fn d3_no_server_reads_a_write_where_the_judge_reads_a_read() {
    let rails = &*RAILS;
    // POSTs that read beside POSTs that write, GETs beside GETs with effects.
    let of = |method: &str| {
        let routes = rails
            .routes()
            .iter()
            .filter(move |route| route.method == method);
        routes.collect::<Vec<_>>()
    };
    let (mut tried, mut allowed, mut caught) = (0, 0, 0);
    for method in ["POST", "GET", "PUT"] {
        let routes = of(method);
        let step = routes.len() / 18;
        for (rights, scopes) in keys() {
            let may: Vec<&&Route> = routes
                .iter()
                .filter(|route| allows(&scopes, route))
                .collect();
            let may_not = routes
                .iter()
                .filter(|route| !allows(&scopes, route))
                .step_by(step);
            let may_not: Vec<&&Route> = may_not.collect();
            for one in may.iter().step_by(may.len() / 8 + 1) {
                for other in &may_not {
                    for target in tricks(&one.sample, &other.sample) {
                        if target.parse::<http::Uri>().is_err() {
                            continue;
                        }
                        tried += 1;
                        allowed += u32::from(check(rails, &rights, &scopes, method, &target));
                        caught += u32::from(naive(rails, &scopes, method, &target));
                    }
                }
            }
        }
    }
    assert!(
        tried > 50_000 && allowed > 3_000,
        "{tried} tried, {allowed} allowed"
    );
    // The same requests do get past a judge that doesn't check how paths are read.
    assert!(caught > 1_000, "{caught}");
}

/// Whether a judge that only splits a path at its slashes would have let a write through.
fn naive(rails: &Rails, scopes: &[&str], method: &str, target: &str) -> bool {
    let path = target.split(['?', '#']).next().unwrap();
    let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
    let plain = format!("/{}", names.join("/"));
    let fits = |route: &&Route| route.method == method && plain.starts_with(&route.sample);
    let judged = rails
        .routes()
        .iter()
        .filter(fits)
        .any(|route| allows(scopes, route));
    let writes = |route: &Route| !allows(scopes, route);
    judged
        && rails
            .readings(method, target)
            .into_iter()
            .flatten()
            .any(writes)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn d3_a_path_that_is_let_through_is_read_alike_by_all(
        routes in prop::collection::vec(any::<prop::sample::Index>(), 2),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), spice()), 0..4),
        method in prop::sample::select(vec!["GET", "POST", "PUT", "DELETE", "HEAD"]),
        key in 0..4_usize,
    ) {
        let rails = &*RAILS;
        let routes: Vec<&Route> = routes.iter().map(|i| i.get(rails.routes())).collect();
        let mut target = routes[0].sample.clone();
        for (at, spice) in cuts {
            let spice = match spice.as_str() {
                "other" => format!("/../../../../..{}", routes[1].sample),
                spice => spice.to_owned(),
            };
            target.insert_str(at.index(target.len()) + 1, &spice);
        }
        prop_assume!(target.parse::<http::Uri>().is_ok());
        let (rights, scopes) = keys().swap_remove(key);
        check(rails, &rights, &scopes, method, &target);
    }

    #[test]
    fn d3_a_path_with_one_reading_has_one_for_every_server(path in "[a-c/.;%2eEfF5cC0\\\\ ?#]{0,12}") {
        let path = format!("/{path}");
        if let Ok(read) = ApiPath::of(&path) {
            for other in in_front(&path) {
                let names = other.split('/').filter(|name| !name.is_empty());
                let names: Vec<String> = names.map(decoded).collect();
                let same = read.segments().iter().zip(&names).all(|(a, b)| a.eq_ignore_ascii_case(b));
                prop_assert!(same && read.segments().len() == names.len(), "{} {}", path, other);
            }
        }
    }
}

fn spice() -> impl Strategy<Value = String> {
    let fixed = vec![
        "other",
        "/",
        "//",
        ".",
        "..",
        "/..",
        "/./",
        ";",
        ";x",
        "%2e",
        "%2f",
        "%5c",
        "\\",
        "%00",
        "%",
        "%25",
        "%20",
        "%C3%A9",
        "@",
        "%40",
        ".json",
        ".xml",
        "?",
        "?_method=PUT",
        "&_method=PUT",
        "#",
        "A",
        "x",
        "0",
        "*",
    ];
    let fixed: Vec<String> = fixed.into_iter().map(str::to_owned).collect();
    prop_oneof![prop::sample::select(fixed), "[ -~]{1,3}"]
}
