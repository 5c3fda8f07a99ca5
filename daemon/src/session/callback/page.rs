//! The page that ends a login in the browser: says what happened and what to do next.
//!
//! Self-contained, and escaped throughout: what Zendesk or an attacker puts into the address never
//! becomes markup. The address that brought it carries a code, so nothing may learn of it.

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

/// A page among those of one login.
#[derive(Clone, Copy, Debug)]
pub(in crate::session) struct Pages {
    pub(in crate::session) role: Role,
    pub(in crate::session) page: u32,
    pub(in crate::session) pages: u32,
}

/// One page. In its texts, what stands in backticks is shown as code.
#[derive(Debug)]
pub(in crate::session) struct Page {
    status: StatusCode,
    tone: Tone,
    title: String,
    /// What happened, a paragraph each.
    said: Vec<String>,
    /// Names and values, of a login that has succeeded.
    facts: Vec<(&'static str, String)>,
    /// What should not be overlooked, a sentence or two each.
    warnings: Vec<String>,
    next: Next,
    /// Whether the person is done here.
    is_over: bool,
}

#[derive(Clone, Copy, Debug)]
enum Tone {
    Good,
    /// Nothing is wrong, and nothing has come of it.
    Plain,
    Bad,
}

#[derive(Debug)]
enum Next {
    Nothing,
    /// Another page, to which the browser goes by itself.
    Page(String),
    /// A command to try.
    Try(String),
    /// What the person can do, each a sentence.
    Steps(Vec<String>),
}

impl Page {
    /// The login has succeeded.
    pub(in crate::session) fn done(done: &Done) -> Self {
        let mut facts = vec![("Person", display_name(&done.person))];
        facts.extend(done.person.role.clone().map(|role| ("Role", role)));
        facts.push(("Scopes", coded(&done.scopes)));
        let mut warnings = Vec::new();
        if !done.missing_scopes.is_empty() {
            warnings.push(format!(
                "Zendesk has not granted {}. An admin can allow it in Admin Center, at the OAuth \
                 client's scopes; then run `loopdesk login {}` again.",
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
                "Your scripts can use Zendesk through loopdesk now. It keeps this login alive by \
                 itself.",
            )
        }
    }

    /// One pair is there, the next page is Zendesk's at `url`.
    pub(in crate::session) fn next(account: &str, pages: Pages, url: &str) -> Self {
        let Pages { role, page, pages } = pages;
        let for_what = match role {
            Role::Primary => "once more for the account's full rights",
            Role::ReadOnly => "once more, for a pair of tokens that can only read",
        };
        Self {
            next: Next::Page(url.to_owned()),
            is_over: false,
            ..Self::new(
                StatusCode::OK,
                Tone::Good,
                format!("Step {} of {pages} is done", page - 1),
                &format!(
                    "Account `{account}` is logged in. Zendesk now asks {for_what}: choose Allow \
                     again. To do without, close this tab."
                ),
            )
        }
    }

    /// The person has not allowed it.
    pub(in crate::session) fn denied(problem: &Problem) -> Self {
        let title = "Not allowed".to_owned();
        Self::of(problem, Tone::Plain, title)
    }

    /// The login has failed.
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
            "loopdesk stopped this login before it was finished.",
        )
        .then(["Run `loopdesk login` in your terminal again."])
    }

    /// The address was used before.
    pub(in crate::session) fn used() -> Self {
        Self::new(
            StatusCode::GONE,
            Tone::Plain,
            "Already used",
            "This address ends one login, once, and that has happened. Going back or reloading \
             changes nothing.",
        )
        .then([
            "Your terminal shows how the login went; `loopdesk status` shows where it stands.",
            "To log in once more, run `loopdesk login`.",
        ])
    }

    /// The address is of no login that waits.
    pub(in crate::session) fn not_ours() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            Tone::Plain,
            "No login waits here",
            "This address belongs to no login that is under way: another one has taken its place, \
             or the address is not complete.",
        )
        .then([
            "If a login is open in another tab, go on there.",
            "Otherwise run `loopdesk login` in your terminal.",
        ])
    }

    /// The browser was led to Zendesk before.
    pub(in crate::session) fn entered() -> Self {
        Self::new(
            StatusCode::GONE,
            Tone::Plain,
            "Already opened",
            "This address leads to Zendesk's page once, and it has done so.",
        )
        .then([
            "Go on in the tab that it has opened.",
            "If there is none, run `loopdesk login` in your terminal again.",
        ])
    }

    /// Another user of this machine asks.
    pub(in crate::session) fn others() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            Tone::Bad,
            "Not your login",
            "Another user of this computer is logging in here.",
        )
        .then(["Log in as yourself: run `loopdesk login` in your terminal."])
    }

    /// The address makes no sense.
    pub(in crate::session) fn malformed() -> Self {
        Self {
            is_over: false,
            ..Self::new(
                StatusCode::BAD_REQUEST,
                Tone::Bad,
                "Incomplete answer",
                "Zendesk sent the browser back without what a login needs. The login still waits.",
            )
            .then([
                "Go back to Zendesk's page and try once more.",
                "If that does not help, run `loopdesk login` again.",
            ])
        }
    }

    /// Browsers come back with GET.
    pub(in crate::session) fn method() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            Tone::Plain,
            "Not like this",
            "This address is for a browser that comes back from Zendesk.",
        )
    }

    /// The page as it is sent.
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
        page.said.push("Nothing has changed.".to_owned());
        page.next = Next::Steps(steps);
        page
    }

    fn new(status: StatusCode, tone: Tone, title: impl Into<String>, said: &str) -> Self {
        Self {
            status,
            tone,
            title: title.into(),
            said: vec![said.to_owned()],
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

/// Sends the browser on to `url`, which nobody else may learn.
pub(in crate::session) fn redirect(url: &str) -> Response<Full<Bytes>> {
    let Ok(location) = HeaderValue::from_str(url) else {
        // An authorize URL has only what a header may have.
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

/// A fragment of ours as a sentence.
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
