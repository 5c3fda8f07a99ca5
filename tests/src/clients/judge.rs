//! What Zendesk may see of a client.

use std::collections::BTreeSet;

use crate::stage::Stage;
use crate::zendesk::{self, Host, Standing};

/// Asserts that only loopdesk's own requests arrived, each with a token that was valid, while the
/// tokens rotated at least twice.
///
/// # Panics
/// If Zendesk saw anything else, or the client's own `token`.
pub fn saw_only_loopdesk(stage: &Stage, token: &str) {
    let requests = stage.zendesk.requests();
    let mut generations = BTreeSet::new();
    for record in &requests {
        let headers = format!("{:?}", record.headers);
        assert!(!headers.contains(token), "{record}");
        if record.host == Host::Files {
            assert!(!record.headers.contains_key("authorization"), "{record}");
            continue;
        }
        if record.path.starts_with("/oauth/") {
            continue;
        }
        let zendesk::Credential::Bearer {
            standing,
            generation,
        } = record.credential
        else {
            panic!("bypassed loopdesk: {record}");
        };
        assert_eq!(standing, Standing::Live, "{record}");
        generations.insert(generation.expect("a token of the session's"));
        let status = record.status().map(|status| status.as_u16());
        assert_ne!(status, Some(401), "{record}");
    }
    let rotations = generations.last().zip(generations.first());
    let rotations = rotations.map(|(last, first)| last - first);
    assert!(rotations >= Some(2), "{generations:?}: {}", seen(stage));
}

/// The requests that Zendesk saw, one a line.
pub(super) fn seen(stage: &Stage) -> String {
    let requests = stage.zendesk.requests();
    let lines: Vec<_> = requests.iter().map(ToString::to_string).collect();
    lines.join("\n")
}
