use super::*;

#[test]
fn w9_a_name_that_means_something_to_a_shell_is_no_subdomain() {
    for text in [
        "a\" & calc",
        "a&calc",
        "$(calc)",
        "`calc`",
        "a;calc",
        "a|calc",
        "-h",
        "--help",
        "x/../..",
        "x.example",
        "exämple",
        "xn--\u{430}",
        "ACME",
        "a b",
        "a\nb",
        "a%20b",
        "",
        "[a]",
        "a..b",
        ".a",
    ] {
        assert!(text.parse::<Subdomain>().is_err(), "{text}");
        let origin = format!("https://{text}");
        let is_name = matches!(text, "x.example" | "ACME");
        assert_eq!(origin.parse::<Origin>().is_ok(), is_name, "{origin}");
    }
    for origin in [
        "https://127.0.0.1:1",
        "https://[::1]:1",
        "https://help.a-1.example/",
    ] {
        origin.parse::<Origin>().unwrap();
    }
}
