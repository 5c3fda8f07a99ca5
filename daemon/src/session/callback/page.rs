//! The pages that a login shows in the browser: what happened and what to do next.
//!
//! They are self-contained, and all text is escaped: nothing that Zendesk or an attacker puts into
//! the address becomes markup. A page's own address contains a code, so no other site may learn it.

mod html;

use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, LOCATION,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{Response, StatusCode};
use http_body_util::Full;
use loopdesk_protocol::Problem;
use loopdesk_protocol::login::Done;
use loopdesk_protocol::status::Role;

use crate::session::model::person::display_name;

/// One of the consent pages of a login.
#[derive(Clone, Copy, Debug)]
pub(in crate::session) struct Pages {
    pub(in crate::session) role: Role,
    pub(in crate::session) page: u32,
    pub(in crate::session) pages: u32,
}

/// One page. Text in backticks is shown as code.
#[derive(Debug)]
pub(in crate::session) struct Page {
    status: StatusCode,
    tone: Tone,
    title: String,
    /// What happened.
    paragraphs: Vec<String>,
    /// Names and values that describe a successful login.
    facts: Vec<(&'static str, String)>,
    /// What the person shouldn't overlook, a sentence or two each.
    warnings: Vec<String>,
    next: Next,
    /// Whether the person can close the page.
    is_over: bool,
}

#[derive(Clone, Copy, Debug)]
enum Tone {
    Good,
    /// Nothing is wrong, but nothing was done either.
    Plain,
    Bad,
}

#[derive(Debug)]
enum Next {
    Nothing,
    /// Another page, which the browser opens automatically.
    Page(String),
    /// A command to try.
    Try(String),
    /// What the person can do, a sentence each.
    Steps(Vec<String>),
}

impl Page {
    /// The login succeeded.
    pub(in crate::session) fn done(done: &Done) -> Self {
        let mut facts = vec![("Person", display_name(&done.person))];
        facts.extend(done.person.role.clone().map(|role| ("Role", role)));
        facts.push(("Scopes", coded(&done.scopes)));
        let mut warnings = Vec::new();
        if !done.missing_scopes.is_empty() {
            warnings.push(format!(
                "Zendesk has not granted {}. An admin can add it to the OAuth client's allowed \
                 scopes in Admin Center; then run `loopdesk login {}` again.",
                coded(&done.missing_scopes),
                done.account
            ));
        }
        if done.new_person {
            warnings.push(not_you(&done.account));
        }
        let others = done.warning.iter().flat_map(|text| text.lines());
        warnings.extend(others.map(sentence));
        let next = match done.base_urls.first() {
            Some(base) => {
                facts.push(("Base URL", format!("`{base}`")));
                Next::Try(format!("curl {base}/api/v2/users/me.json"))
            }
            None => Next::Nothing,
        };
        Self {
            facts,
            warnings,
            next,
            ..Self::new(
                StatusCode::OK,
                Tone::Good,
                format!("Logged in to {}", done.account),
                "Your scripts can now use Zendesk through loopdesk, which keeps this login alive by \
                 itself.",
            )
        }
    }

    /// The first token pair has been issued; the next consent page is at `url`.
    pub(in crate::session) fn next(account: &str, pages: Pages, url: &str) -> Self {
        let Pages { role, page, pages } = pages;
        let for_what = match role {
            Role::Primary => "again, for the account's full rights",
            Role::ReadOnly => "again, for a pair of tokens that can only read",
        };
        Self {
            next: Next::Page(url.to_owned()),
            is_over: false,
            ..Self::new(
                StatusCode::OK,
                Tone::Good,
                format!("Step {} of {pages} is done", page - 1),
                &format!(
                    "Account `{account}` is logged in. Zendesk now asks {for_what}. Choose Allow \
                     once more, or close this tab to do without."
                ),
            )
        }
    }

    /// The person chose Deny.
    pub(in crate::session) fn denied(problem: &Problem) -> Self {
        let title = "Not allowed".to_owned();
        Self::of(problem, Tone::Plain, title)
    }

    /// The login failed.
    pub(in crate::session) fn failed(problem: &Problem) -> Self {
        let title = "Not logged in".to_owned();
        Self::of(problem, Tone::Bad, title)
    }

    /// The login ended without a result.
    pub(in crate::session) fn lost() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            Tone::Bad,
            "Login interrupted",
            "loopdesk stopped before this login was complete.",
        )
        .then(["Run `loopdesk login` in your terminal again."])
    }

    /// The login has received its callback before.
    pub(in crate::session) fn used() -> Self {
        Self::new(
            StatusCode::GONE,
            Tone::Plain,
            "Already used",
            "This address completes one login, and it has already done so. Going back or \
             reloading doesn't change anything.",
        )
        .then([
            "Your terminal shows how the login went; `loopdesk status` shows where it stands.",
            "To log in again, run `loopdesk login`.",
        ])
    }

    /// The address doesn't belong to a login that waits.
    pub(in crate::session) fn not_ours() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            Tone::Plain,
            "No login waits here",
            "This address doesn't belong to a login in progress: another one has taken its place, \
             or the address is incomplete.",
        )
        .then([
            "If a login is open in another tab, continue there.",
            "Otherwise run `loopdesk login` in your terminal.",
        ])
    }

    /// The one-time link to Zendesk was used before.
    pub(in crate::session) fn link_used() -> Self {
        Self::new(
            StatusCode::GONE,
            Tone::Plain,
            "Already opened",
            "This address leads to Zendesk's page once, and it has already been used.",
        )
        .then([
            "Continue in the tab that it opened.",
            "If there is none, run `loopdesk login` in your terminal again.",
        ])
    }

    /// The request comes from another user of this machine.
    pub(in crate::session) fn other_user() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            Tone::Bad,
            "Not your login",
            "Another user of this computer is logging in here.",
        )
        .then(["Log in as yourself: run `loopdesk login` in your terminal."])
    }

    /// The address is malformed.
    pub(in crate::session) fn malformed() -> Self {
        Self {
            is_over: false,
            ..Self::new(
                StatusCode::BAD_REQUEST,
                Tone::Bad,
                "Incomplete answer",
                "Zendesk sent the browser back without the data that a login needs. The login is still \
                 waiting.",
            )
            .then([
                "Go back to Zendesk's page and try again.",
                "If that doesn't help, run `loopdesk login` again.",
            ])
        }
    }

    /// The method isn't GET, which browsers come back with.
    pub(in crate::session) fn method() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            Tone::Plain,
            "Wrong method",
            "This address is for browsers that come back from Zendesk.",
        )
    }

    /// The response that sends the page.
    pub(in crate::session) fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(Bytes::from(html::render(&self))));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        let fixed = HeaderValue::from_static;
        headers.insert(CONTENT_TYPE, fixed("text/html; charset=utf-8"));
        headers.insert(CACHE_CONTROL, fixed("no-store"));
        headers.insert(REFERRER_POLICY, fixed("no-referrer"));
        headers.insert(X_FRAME_OPTIONS, fixed("DENY"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, fixed("nosniff"));
        headers.insert(CONNECTION, fixed("close"));
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(ALLOW, fixed("GET"));
        }
        if let Ok(policy) = HeaderValue::from_str(&html::POLICY) {
            headers.insert(CONTENT_SECURITY_POLICY, policy);
        }
        response
    }

    fn of(problem: &Problem, tone: Tone, title: String) -> Self {
        let steps = problem.hints.iter().map(|hint| sentence(hint)).collect();
        let mut page = Self::new(
            StatusCode::BAD_REQUEST,
            tone,
            title,
            &sentence(&problem.message),
        );
        page.paragraphs.push("Nothing has changed.".to_owned());
        page.next = Next::Steps(steps);
        page
    }

    fn new(status: StatusCode, tone: Tone, title: impl Into<String>, text: &str) -> Self {
        Self {
            status,
            tone,
            title: title.into(),
            paragraphs: vec![text.to_owned()],
            facts: Vec::new(),
            warnings: Vec::new(),
            next: Next::Nothing,
            is_over: true,
        }
    }

    fn then<const N: usize>(mut self, steps: [&str; N]) -> Self {
        self.next = Next::Steps(steps.map(str::to_owned).into());
        self
    }
}

/// Redirects the browser to `url`, which must stay secret from all others.
pub(in crate::session) fn redirect(url: &str) -> Response<Full<Bytes>> {
    let Ok(location) = HeaderValue::from_str(url) else {
        // Unreachable: an authorize URL contains only characters that a header allows.
        return Page::lost().into_response();
    };
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::FOUND;
    let headers = response.headers_mut();
    headers.insert(LOCATION, location);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Turns a message, which is a fragment, into a sentence.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let mut sentence: String = letters
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .collect();
    sentence.push_str(letters.as_str());
    if !sentence.ends_with(['.', '!', '?']) {
        sentence.push('.');
    }
    sentence
}

fn not_you(account: &str) -> String {
    format!("If that isn't you, run `loopdesk logout {account}` in your terminal.")
}

fn coded(words: &[String]) -> String {
    format!("`{}`", words.join(" "))
}

#[cfg(test)]
mod tests;
