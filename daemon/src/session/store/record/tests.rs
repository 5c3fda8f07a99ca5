//! Records that are written, read and damaged.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::config::GrantType;
use crate::session::model::binding::RecordRole;
use crate::session::testing;

fn path() -> &'static Path {
    Path::new("/s/acme.session")
}

fn binding() -> Binding {
    Binding::new(
        &testing::account("acme", "https://acme.zendesk.com"),
        "m4ch1ne",
    )
}

fn sealed() -> Vec<u8> {
    let tokens = testing::session_tokens(7, Timestamp::UNIX_EPOCH, 60);
    seal(
        &RecordBody::Live(tokens),
        &binding(),
        &DataKey::for_tests(1),
    )
    .unwrap()
}

fn open(bytes: &[u8], key: &DataKey) -> Result<RecordBody, Problem> {
    Sealed::parse(path(), bytes)?.open(key)
}

#[test]
fn a_record_survives_a_round_trip() {
    let key = DataKey::for_tests(1);
    let bytes = sealed();
    let record = Sealed::parse(path(), &bytes).unwrap();
    assert_eq!(record.header.binding, binding());
    assert_eq!(
        (record.header.generation, record.header.user_id),
        (7, Some(42))
    );
    assert_eq!(record.header.key_id, key.id());
    let RecordBody::Live(tokens) = record.open(&key).unwrap() else {
        panic!("it was alive");
    };
    let before = testing::session_tokens(7, Timestamp::UNIX_EPOCH, 60);
    assert_eq!(
        tokens.pair.access.expose_secret(),
        before.pair.access.expose_secret()
    );
    assert_eq!(
        testing::renewal(&tokens.pair),
        testing::renewal(&before.pair)
    );
    assert_eq!(tokens.pair.expires_at, before.pair.expires_at);
    assert_eq!(tokens.person, before.person);
}

#[test]
fn d4_r3_the_file_shows_no_token() {
    let text = String::from_utf8(sealed()).unwrap();
    let tokens = testing::session_tokens(7, Timestamp::UNIX_EPOCH, 60);
    for secret in [
        tokens.pair.access.expose_secret(),
        testing::renewal(&tokens.pair),
    ] {
        assert!(!text.contains(secret) && !text.contains(&STANDARD.encode(secret)));
    }
    assert_ne!(sealed(), sealed(), "each record has its own nonce");
}

#[test]
fn d4_a_clients_secret_comes_back_and_is_not_in_the_file() {
    let mut account = testing::account("acme", "https://acme.zendesk.com");
    account.grant = GrantType::ClientCredentials;
    let binding = Binding::new(&account, "m4ch1ne");
    let mut tokens = testing::session_tokens(7, Timestamp::UNIX_EPOCH, 60);
    tokens.pair.renewal = Renewal::ClientSecret("the-client-s-secret".to_owned().into());
    let key = DataKey::for_tests(1);
    let bytes = seal(&RecordBody::Live(tokens), &binding, &key).unwrap();
    let text = String::from_utf8(bytes.clone()).unwrap();
    assert!(text.starts_with("{\"loopdesk-session\":2,"), "{text}");
    assert!(!text.contains("the-client-s-secret"), "{text}");
    let RecordBody::Live(tokens) = open(&bytes, &key).unwrap() else {
        panic!("it was alive");
    };
    assert!(matches!(tokens.pair.renewal, Renewal::ClientSecret(_)));
    assert_eq!(testing::renewal(&tokens.pair), "the-client-s-secret");
}

#[test]
fn an_ended_session_is_stored_without_tokens() {
    let end = End {
        at: Timestamp::UNIX_EPOCH,
        why: "revoked".to_owned(),
        answer_lost: true,
    };
    let over = RecordBody::Over {
        end: end.clone(),
        person: Some(testing::person(42)),
        generation: Generation::new(9),
    };
    let key = DataKey::for_tests(1);
    let bytes = seal(&over, &binding(), &key).unwrap();
    match open(&bytes, &key).unwrap() {
        RecordBody::Over {
            end: found,
            generation,
            ..
        } => assert_eq!((found, generation.get()), (end, 9)),
        RecordBody::Live(_) => panic!("it was over"),
    }
}

#[test]
fn r3_any_change_is_noticed_and_the_file_is_named() {
    let key = DataKey::for_tests(1);
    let good = sealed();
    let text = String::from_utf8(good.clone()).unwrap();
    let mut bad: Vec<Vec<u8>> = vec![
        Vec::new(),
        b"\n".to_vec(),
        b"{}\n".to_vec(),
        b"{\"loopdesk-session\":1}\nAAAA\n".to_vec(),
        text.replace("acme.zendesk.com", "evil.example.co")
            .into_bytes(),
        text.replace("\"generation\":7", "\"generation\":8")
            .into_bytes(),
        text.replace("m4ch1ne", "0th3r11").into_bytes(),
        good[..good.len() / 2].to_vec(),
        good[..good.len() - 8].to_vec(),
        text.lines().next().unwrap().as_bytes().to_vec(),
    ];
    bad.push(
        [text.lines().next().unwrap(), "\n!!!\n"]
            .concat()
            .into_bytes(),
    );
    for bytes in bad {
        let problem = open(&bytes, &key).unwrap_err();
        assert!(problem.message.contains("/s/acme.session"), "{problem}");
        assert!(!problem.hints.is_empty(), "{problem}");
    }
    assert!(
        open(&good, &DataKey::for_tests(2)).is_err(),
        "another key opens nothing"
    );
}

#[test]
fn a_newer_format_is_rejected_with_a_reason() {
    let newer = b"{\"loopdesk-session\":4,\"what\":[]}\nAAAA\n";
    let problem = Sealed::parse(path(), newer).unwrap_err();
    assert!(
        problem.message.contains("newer loopdesk (format 4"),
        "{problem}"
    );
}

#[test]
fn format_1_still_loads() {
    let bytes = include_bytes!("../testdata/format-1.session");
    let RecordBody::Live(tokens) = open(bytes, &DataKey::for_tests(1)).unwrap() else {
        panic!("it was alive");
    };
    assert_eq!(tokens.pair.generation.get(), 7);
    assert_eq!(tokens.pair.access.expose_secret(), "access-7");
    assert_eq!(testing::renewal(&tokens.pair), "refresh-7");
    assert_eq!(tokens.person.id, 42);
}

#[test]
fn format_2_still_loads() {
    let bytes = include_bytes!("../testdata/format-2.session");
    let RecordBody::Live(tokens) = open(bytes, &DataKey::for_tests(1)).unwrap() else {
        panic!("it was alive");
    };
    assert_eq!(tokens.pair.generation.get(), 7);
    assert_eq!(tokens.pair.access.expose_secret(), "access-7");
    assert!(matches!(tokens.pair.renewal, Renewal::ClientSecret(_)));
    assert_eq!(testing::renewal(&tokens.pair), "the-client-s-secret");
    assert_eq!(tokens.person.id, 42);
}

#[test]
fn an_ended_session_of_format_1_still_loads() {
    let bytes = include_bytes!("../testdata/format-1-ended.session");
    match open(bytes, &DataKey::for_tests(1)).unwrap() {
        RecordBody::Over {
            end,
            person,
            generation,
        } => {
            assert_eq!((end.why.as_str(), generation.get()), ("revoked", 9));
            assert_eq!(person.unwrap().id, 42);
        }
        RecordBody::Live(_) => panic!("it was over"),
    }
}

#[test]
fn format_3_and_ends_by_lost_answers_still_load() {
    let bytes = include_bytes!("../testdata/format-3.session");
    let record = Sealed::parse(path(), bytes).unwrap();
    assert_eq!(record.header.binding.role, RecordRole::Spare);
    let RecordBody::Live(tokens) = record.open(&DataKey::for_tests(1)).unwrap() else {
        panic!("it was alive");
    };
    assert_eq!(tokens.pair.generation.get(), 8);
    assert_eq!(testing::renewal(&tokens.pair), "refresh-8");

    let bytes = include_bytes!("../testdata/format-1-lost.session");
    match open(bytes, &DataKey::for_tests(1)).unwrap() {
        RecordBody::Over { end, .. } => assert!(end.answer_lost),
        RecordBody::Live(_) => panic!("it was over"),
    }
}

#[test]
fn only_records_of_other_roles_use_the_new_format() {
    let primary = String::from_utf8(sealed()).unwrap();
    assert!(primary.starts_with("{\"loopdesk-session\":1,"), "{primary}");
    assert!(!primary.contains("\"role\""), "{primary}");
    for role in [RecordRole::Spare, RecordRole::ReadOnly] {
        let tokens = testing::session_tokens(7, Timestamp::UNIX_EPOCH, 60);
        let binding = Binding { role, ..binding() };
        let bytes = seal(&RecordBody::Live(tokens), &binding, &DataKey::for_tests(1)).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.starts_with("{\"loopdesk-session\":3,"), "{text}");
        // The role is bound to the tokens, so it can't be changed.
        let other = text.replace(role.name(), "primary");
        assert!(open(other.as_bytes(), &DataKey::for_tests(1)).is_err());
    }
}
