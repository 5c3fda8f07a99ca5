//! Secret text.

use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

/// A secret sent over the control socket: hidden by `Debug`, zeroed when dropped.
///
/// It implements neither `Display` nor equality, so that it can't get into messages or into
/// comparisons that leak timing. In JSON it is a string.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretText(String);

impl SecretText {
    /// Takes the secret without copying it.
    pub fn new(secret: String) -> Self {
        Self(secret)
    }

    /// The secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for SecretText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretText(..)")
    }
}

impl Drop for SecretText {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl From<String> for SecretText {
    fn from(secret: String) -> Self {
        Self::new(secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::login::{LoginRequest, Pasted};
    use crate::unlock;

    #[test]
    fn d4_no_request_shows_its_secret_and_the_socket_carries_it() {
        let secret = || SecretText::new("hunter2".to_owned());
        let login = LoginRequest {
            client_secret: Some(secret()),
            ..LoginRequest::default()
        };
        let pasted = Pasted { address: secret() };
        let unlock = unlock::UnlockRequest {
            passphrase: Some(secret()),
        };
        let shown = format!("{login:?} {pasted:#?} {unlock:?} {:?}", secret());
        assert!(!shown.contains("hunter2"), "{shown}");
        let json = serde_json::to_string(&login).unwrap();
        let read: LoginRequest = serde_json::from_str(&json).unwrap();
        assert_eq!(read.client_secret.unwrap().expose(), "hunter2");
    }
}
