use super::*;

#[test]
fn an_older_daemons_answer_is_understood() {
    let vault: VaultStatus = serde_json::from_str(r#"{"kind":"keyring"}"#).unwrap();
    assert_eq!(vault.state, VaultState::Untested);
    let account = r#"{"name":"acme","default":true,"origin":"https://acme.zendesk.com",
        "client_id":"loopdesk","base_urls":[],"state":"active","pairs":[
        {"role":"primary","state":"active"},{"role":"spare","state":"active"}]}"#;
    let account: AccountStatus = serde_json::from_str(account).unwrap();
    assert_eq!(account.grant, crate::account::AUTHORIZATION_CODE);
    let roles: Vec<_> = account.pairs.iter().map(|pair| pair.role).collect();
    assert_eq!(roles, [Role::Primary], "without those of other releases");
    let status = r#"{"daemon":{"version":"0.1.0","pid":1,"supervised":true,
        "started_at":"2026-11-23T14:00:00Z"},"vault":{"kind":"keyring"},"listeners":[],
        "config":{"path":"c","loaded_at":"2026-11-23T14:00:00Z"},"accounts":[]}"#;
    let status: Status = serde_json::from_str(status).unwrap();
    assert!(status.egress.proxy.is_none() && status.problems().next().is_none());
}
