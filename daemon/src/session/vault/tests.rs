use super::*;

#[tokio::test]
async fn r9_no_new_key_while_records_exist() {
    let home = tempfile::tempdir().unwrap();
    let paths = crate::session::testing::paths(home.path());
    let vault = Vault::new(VaultKind::Keyfile, &paths);
    assert!(vault.key_or_new(true).await.is_err());
    assert!(!paths.key_file().exists());
    let key = vault.key_or_new(false).await.unwrap();
    let again = Vault::new(VaultKind::Keyfile, &paths);
    assert_eq!(again.key().await.unwrap().id(), key.id());
    // If the file is deleted at runtime, memory still has the key, and a login writes it back.
    std::fs::remove_file(paths.key_file()).unwrap();
    assert_eq!(vault.key().await.unwrap().id(), key.id());
    assert_eq!(vault.key_or_new(true).await.unwrap().id(), key.id());
    assert!(paths.key_file().exists());
}

#[tokio::test]
async fn r9_another_vault_adopts_the_key_or_reports_why_not() {
    let home = tempfile::tempdir().unwrap();
    let paths = crate::session::testing::paths(home.path());
    let vault = Vault::new(VaultKind::Keyfile, &paths);
    let key = Arc::new(DataKey::for_tests(3));
    vault.adopt(&key).await.unwrap();
    vault.adopt(&key).await.unwrap();
    let other = Arc::new(DataKey::for_tests(4));
    let problem = vault.adopt(&other).await.unwrap_err();
    assert!(problem.message.contains("another data key"), "{problem}");
    // A login doesn't accept a different key that was put there later, either.
    std::fs::write(paths.key_file(), &*other.to_text()).unwrap();
    let problem = vault.key_or_new(false).await.unwrap_err();
    assert!(problem.message.contains("another data key"), "{problem}");
    assert_eq!(vault.key().await.unwrap().id(), key.id());
}

#[tokio::test]
async fn r9_a_passphrase_is_set_once_and_opens_the_vault_after_a_restart() {
    let home = tempfile::tempdir().unwrap();
    let paths = crate::session::testing::paths(home.path());
    let phrase = |text: &str| SecretText::new(text.to_owned());
    let vault = Vault::new(VaultKind::Passphrase, &paths);
    let problem = vault.key_or_new(false).await.unwrap_err();
    assert!(problem.hints[0].contains("loopdesk unlock --passphrase-stdin"));
    assert_eq!(vault.status(false).state, status::VaultState::NoEntry);
    assert!(vault.open(&phrase("x"), None, true).await.is_err());
    vault.open(&phrase("one two"), None, false).await.unwrap();
    let key = vault.key_or_new(false).await.unwrap();

    let vault = Vault::new(VaultKind::Passphrase, &paths);
    assert!(vault.key().await.is_err());
    let shown = vault.status(true);
    assert_eq!(shown.state, status::VaultState::NeedsPassphrase);
    let wrong = vault.open(&phrase("two one"), None, true).await;
    assert!(wrong.unwrap_err().message.contains("not the passphrase"));
    assert_eq!(vault.status(true).state, shown.state);
    vault.open(&phrase("one two"), None, true).await.unwrap();
    assert_eq!(vault.key().await.unwrap().id(), key.id());
}
