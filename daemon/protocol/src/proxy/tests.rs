use proptest::prelude::*;

use super::*;

fn read(value: &str) -> String {
    match ProxyUrl::parse(value) {
        Ok(proxy) => proxy.to_string(),
        Err(why) => format!("{why:?}"),
    }
}

#[test]
fn common_spellings_are_parsed() {
    let table = [
        ("http://proxy.corp:3128", "http://proxy.corp:3128"),
        ("HTTP://Proxy.Corp:3128/", "http://proxy.corp:3128"),
        ("proxy.corp:3128", "http://proxy.corp:3128"),
        (" proxy.corp:3128\n", "http://proxy.corp:3128"),
        ("proxy", "http://proxy:80"),
        ("http://proxy:", "http://proxy:80"),
        ("http://proxy/proxy.pac", "http://proxy:80"),
        ("https://proxy", "https://proxy:443"),
        ("https://proxy:80", "https://proxy:80"),
        ("socks5://proxy", "socks5h://proxy:1080"),
        ("SOCKS5H://10.0.0.1:99", "socks5h://10.0.0.1:99"),
        ("http://[2001:DB8::1]:3128", "http://[2001:db8::1]:3128"),
        ("[::1]", "http://[::1]:80"),
        ("http://127.1:3128", "http://127.0.0.1:3128"),
        ("http://bücher.example:1", "http://xn--bcher-kva.example:1"),
        ("http://my_proxy:1", "http://my_proxy:1"),
        ("ada:pw@proxy:3128", "http://proxy:3128"),
        ("http://CORP\\ada:p@w@proxy:3128", "http://proxy:3128"),
        ("http://@proxy:3128", "http://proxy:3128"),
    ];
    for (value, expected) in table {
        assert_eq!(read(value), expected, "{value}");
    }
}

#[test]
fn d6_an_invalid_proxy_is_an_error_and_never_no_proxy() {
    let table = [
        ("ftp://proxy:21", ProxyUrlError::Scheme("ftp".to_owned())),
        (
            "socks4a://proxy",
            ProxyUrlError::Scheme("socks4a".to_owned()),
        ),
        ("://proxy", ProxyUrlError::Unencoded),
        ("http://", ProxyUrlError::Host),
        ("http:///proxy", ProxyUrlError::Host),
        ("http://:3128", ProxyUrlError::Host),
        ("http://a b:3128", ProxyUrlError::Host),
        ("http://[::1:3128", ProxyUrlError::Port),
        ("http://[::1]x:3128", ProxyUrlError::Host),
        ("http://[fe80::1%eth0]:3128", ProxyUrlError::Host),
        ("http://::1:3128", ProxyUrlError::Port),
        ("http://proxy:0", ProxyUrlError::Port),
        ("http://proxy:65536", ProxyUrlError::Port),
        ("http://proxy:+80", ProxyUrlError::Port),
        ("http:proxy:3128", ProxyUrlError::Port),
        ("pro\u{1b}xy:3128", ProxyUrlError::NoText),
        ("http://ada:p#w@proxy:3128", ProxyUrlError::Unencoded),
        ("http://ada:12#4@proxy:3128", ProxyUrlError::Unencoded),
        ("http://ada:p/w@proxy:3128", ProxyUrlError::Unencoded),
        ("http://ada:12?x@proxy:3128", ProxyUrlError::Unencoded),
        ("http://proxy:3128/?q", ProxyUrlError::Unencoded),
        ("ada:x://y@proxy:3128", ProxyUrlError::Unencoded),
    ];
    for (value, expected) in table {
        assert_eq!(ProxyUrl::parse(value).unwrap_err(), expected, "{value}");
    }
    let long = format!("socks5://{}:b@proxy", "a".repeat(256));
    assert_eq!(ProxyUrl::parse(&long).unwrap_err(), ProxyUrlError::TooLong);
    ProxyUrl::parse(&long.replace("socks5", "http")).unwrap();
}

#[test]
fn user_and_password_are_decoded_as_bytes() {
    let login = |value: &str| {
        let proxy = ProxyUrl::parse(value).unwrap();
        proxy.login().map(|login| login.joined().to_vec())
    };
    let table: [(&str, &[u8]); 8] = [
        ("http://ada:secret@p:1", b"ada:secret"),
        ("http://ada@p:1", b"ada:"),
        ("http://:secret@p:1", b":secret"),
        ("http://a%40b:c%3a%2F%e4@p:1", b"a@b:c:/\xe4"),
        ("http://ada:hunter2%$@p:1", b"ada:hunter2%$"),
        ("http://ada:100%@p:1", b"ada:100%"),
        ("http://ada:%+1%zz@p:1", b"ada:%+1%zz"),
        ("http://CORP\\ada:p:w@p:1", b"CORP\\ada:p:w"),
    ];
    for (value, expected) in table {
        assert_eq!(login(value).unwrap(), expected, "{value}");
    }
    assert_eq!(login("http://p:1"), None);
    assert_eq!(login("http://@p:1"), None);
}

#[test]
fn o1_the_daemon_itself_is_noticed_in_every_spelling() {
    let own = |value: &str| {
        let proxy = ProxyUrl::parse(value).unwrap();
        proxy.is_own(|port| port == 8484 || port == 80)
    };
    for value in [
        "http://localhost:8484",
        "LOCALHOST:8484",
        "localhost.:8484",
        "acme.localhost:8484",
        "https://127.0.0.1:8484/",
        "http://127.9.9.9:8484",
        "http://127.1:8484",
        "http://0x7f.1:8484",
        "http://2130706433:8484",
        "http://0.0.0.0:8484",
        "http://0:8484",
        "socks5h://[::1]:8484",
        "http://[0:0::1]:8484",
        "http://[::]:8484",
        "http://[::ffff:127.0.0.1]:8484",
        "http://[::ffff:7f00:1]:8484",
        "http://ada:pw@localhost:8484",
        "http://localhost",
    ] {
        assert!(own(value), "{value}");
    }
    for value in [
        "http://localhost:3128",
        "http://proxy.corp:8484",
        "http://localhost.corp:8484",
        "http://10.0.0.1:8484",
        "http://128.0.0.1:8484",
        "http://[2001:db8::1]:8484",
        "https://localhost",
    ] {
        assert!(!own(value), "{value}");
    }
}

proptest! {
    #[test]
    fn d4_no_value_is_shown_beyond_host_and_port(
        user in "[a-z]{1,8}", password in "\\PC{1,30}", port in 1..u16::MAX
    ) {
        let secret = "hunter2-0123456789";
        let value = format!("http://{user}:{secret}{password}@proxy.corp:{port}");
        let shown = match ProxyUrl::parse(&value) {
            Ok(proxy) => format!("{proxy} {proxy:?} {:?}", proxy.login()),
            Err(why) => format!("{why} {why:?}"),
        };
        prop_assert!(!shown.contains("hunter2"), "{}", shown);
    }

    #[test]
    fn what_is_encoded_comes_out_again(
        user in proptest::collection::vec(any::<u8>(), 1..40),
        password in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let encoded = |bytes: &[u8]| bytes.iter().map(|b| format!("%{b:02X}")).collect::<String>();
        let value = format!("http://{}:{}@proxy:1", encoded(&user), encoded(&password));
        let proxy = ProxyUrl::parse(&value).unwrap();
        let login = proxy.login().unwrap();
        prop_assert_eq!((login.user(), login.password()), (&user[..], &password[..]));
    }

    #[test]
    fn any_text_is_a_proxy_or_an_error(value in "\\PC{0,60}") {
        if let Ok(proxy) = ProxyUrl::parse(&value) {
            let again = ProxyUrl::parse(&proxy.to_string()).unwrap();
            prop_assert_eq!(again.to_string(), proxy.to_string());
            prop_assert_eq!(again.is_own(|_| true), proxy.is_own(|_| true));
        }
    }
}
