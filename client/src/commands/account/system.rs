//! Accounts of the machine's file, which are everybody's.

use loopdesk_protocol::Problem;
use loopdesk_protocol::config::Source;

use crate::context::Context;

/// Where the machine's file has the account of that name, if it does.
pub(super) async fn in_system(context: &Context, name: &str) -> Result<Option<Source>, Problem> {
    let report = context.link.check_config(None).await?;
    // Errors are told by whoever judges the change.
    let config = report.config.as_ref();
    Ok(config.and_then(|config| config.account_of_system(name).cloned()))
}
