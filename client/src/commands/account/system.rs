//! Accounts in the machine-wide configuration, which all users share.

use loopdesk_protocol::Problem;
use loopdesk_protocol::config::Source;

use crate::context::Context;

/// Where the machine-wide configuration defines the account, if it does.
pub(super) async fn in_system(context: &Context, name: &str) -> Result<Option<Source>, Problem> {
    let report = context.link.check_config(None).await?;
    // Errors are reported when the change itself is checked.
    let config = report.config.as_ref();
    Ok(config.and_then(|config| config.account_of_system(name).cloned()))
}
