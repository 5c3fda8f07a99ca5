//! An account and its session in a few lines.

use loopdesk_protocol::account::CLIENT_CREDENTIALS;
use loopdesk_protocol::status::AccountStatus;

use super::{key, pairs, person, state};
use crate::ui::text::Text;
use crate::ui::time::Clock;

/// The account, as `status` and `account show` print it.
pub(crate) fn summary(account: &AccountStatus, clock: &Clock) -> Text {
    let (style, words) = state::session(account.state);
    let mut text = Text::new().strong(&account.name);
    if account.default {
        text = text.plain(" (default)");
    }
    text = text
        .plain(": ")
        .styled(style, words)
        .end()
        .row("Zendesk", &account.origin);
    if let Some(person) = &account.person {
        text = text.row("user", person::label(person));
    }
    if account.grant == CLIENT_CREDENTIALS {
        text = text.row("login", "with the OAuth client's secret, without a browser");
    }
    if !account.scopes.is_empty() {
        text = text.row("scopes", account.scopes.join(" "));
    }
    if let Some(then) = account.access_expires_at {
        let verb = if then > clock.now() {
            "expires"
        } else {
            "expired"
        };
        text = text.row("access token", format!("{verb} {}", clock.both(then)));
    }
    if let Some(then) = account.next_refresh_at {
        text = text.row("next refresh", clock.both(then));
    }
    if let Some(then) = account.refresh_expires_at {
        text = text.row(
            "login lasts",
            format!(
                "until {} ({}) if this computer stays off",
                clock.day(then),
                clock.relative(then)
            ),
        );
    }
    text = text
        .row("base URL", account.base_urls.join("\n"))
        .row("serves", key::access_summary(account));
    if let Some(lines) = pairs::lines(account, clock) {
        text = text.row("pairs", lines);
    }
    if let Some(error) = &account.last_error {
        let when = clock.relative(error.at);
        text = text.row("last error", format!("{when}: {}", error.message));
    }
    text
}
