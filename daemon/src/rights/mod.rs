//! What a local key allows: scopes, and rules for methods and paths.
//!
//! ```text
//!            head                                    body
//! overrides → path → rules that deny → rules that allow → scopes by the table → body_policy
//! ```
//!
//! A key allows what one of its scopes or `allow` rules covers, unless a `deny` rule forbids it.
//! Scopes are Zendesk's, and the [route table](crate::route_table) tells which of them a route
//! needs, depending on whether it reads or changes things. A route that isn't in the table is
//! treated as a write to everything: it takes `write`, or an `allow` rule.
//!
//! Rules only see methods and paths. Other routes may show what a `deny` rule names (`denied`): a
//! key with such a rule is denied any route that isn't in the table, and, if the rule is about
//! reading, searches, exports and side loads, unless an `allow` rule names that exact path.
//!
//! A key that allows less than everything is *limited*. Its requests must be ones that every server
//! reads in the same way: their paths have a single reading (`path`), and they name no second
//! method in a header, the query (`overrides`) or the body (`body_policy`).
//!
//! Pure functions over heads; only the body is asynchronous.

mod body_policy;
mod denied;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod glob;
mod overrides;
mod param_names;
mod path;
mod rule;
mod side_loads;
#[cfg(test)]
mod tests;
mod verdict;

use http::request::Parts;
use http::{Method, Uri};
use loopdesk_protocol::key;

use self::denied::Denied;
use self::path::{ApiPath, Segments};
use self::rule::Rule;
use self::side_loads::SideLoads;
use self::verdict::GrantedBy;
use crate::body::{Body, BudgetShare};
use crate::route_table::scope::{Scopes, names};
use crate::route_table::{RouteEntry, TABLE};

pub(crate) use overrides::names_another_method;
pub use verdict::{Explanation, PolicyDenied};

/// What a key allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rights {
    scopes: Scopes,
    allow: Vec<Rule>,
    deny: Denied,
}

impl Rights {
    /// Parses what is requested for a key.
    ///
    /// # Errors
    /// All mistakes, as sentences that name the wrong word and its correction.
    pub fn parse(asked: &key::RightsText) -> Result<Self, String> {
        let mut mistakes = Vec::new();
        let mut scopes = Scopes::NONE;
        for text in &asked.scopes {
            match Scopes::parse(text) {
                Ok(scope) => scopes |= scope,
                Err(mistake) => mistakes.push(mistake),
            }
        }
        let mut rules = |texts: &[String]| {
            let mut rules = Vec::new();
            for text in texts {
                match Rule::parse(text) {
                    Ok(rule) => rules.push(rule),
                    Err(mistake) => mistakes.push(mistake),
                }
            }
            rules
        };
        let (allow, deny) = (rules(&asked.allow), rules(&asked.deny));
        for redundant in names(scopes.redundant()) {
            mistakes.push(format!(
                "{redundant} is within `read` or `write`: leave one of them out."
            ));
        }
        for (rules, name) in [(&allow, "allow"), (&deny, "deny")] {
            if rules.len() > RULES_MAX {
                mistakes.push(format!(
                    "A key has at most {RULES_MAX} `{name}` rules, not {}.",
                    rules.len()
                ));
            }
        }
        let allows_nothing =
            (scopes.is_empty() || scopes == Scopes::IMPERSONATE) && allow.is_empty();
        if mistakes.is_empty() && allows_nothing {
            mistakes.push(
                "The key would allow nothing: it needs a scope such as `read`, \
                 or an `allow` rule such as `GET /api/v2/tickets/**`."
                    .to_owned(),
            );
        }
        match mistakes.is_empty() {
            true => Ok(Self {
                scopes,
                allow,
                deny: Denied::new(deny),
            }),
            false => Err(mistakes.join(" ")),
        }
    }

    /// The same as text, in the only spelling that [`parse`](Self::parse) gives it.
    pub fn text(&self) -> key::RightsText {
        let texts = |rules: &[Rule]| rules.iter().map(ToString::to_string).collect();
        key::RightsText {
            scopes: self.scopes.names(),
            allow: texts(&self.allow),
            deny: texts(self.deny.rules()),
        }
    }

    /// The names of all scopes that a key can have.
    pub fn scopes() -> Vec<String> {
        Scopes::KNOWN.names()
    }

    /// Whether nothing that it allows can change anything in Zendesk.
    ///
    /// A `GET` rule counts as reading, whichever routes it covers: Zendesk's own `read` allows no
    /// more.
    pub fn is_read_only(&self) -> bool {
        self.scopes.only_read() && self.allow.iter().all(Rule::only_reads)
    }

    /// Whether it allows everything that a caller without a key may do, so that nothing needs to be
    /// judged.
    pub fn is_full(&self) -> bool {
        let both = self.scopes.has(Scopes::READ) && self.scopes.has(Scopes::WRITE);
        both && self.deny.rules().is_empty()
    }

    /// Whether it lets a script act for another person (`X-On-Behalf-Of`), for which Zendesk
    /// requires a token with the scope `impersonate`.
    pub fn may_impersonate(&self) -> bool {
        self.is_full() || self.scopes.has(Scopes::IMPERSONATE)
    }

    /// The scopes and rules that `limit` doesn't cover. A rule for many paths is covered if a broad
    /// scope covers all that its method may do, or if `limit` has the same rule.
    pub fn beyond(&self, limit: &Self) -> Vec<String> {
        if limit.is_full() {
            return Vec::new();
        }
        let mut beyond = self.scopes.beyond(limit.scopes).names();
        let rules = self.allow.iter().filter(|rule| !limit.covers(rule));
        beyond.extend(rules.map(ToString::to_string));
        beyond
    }

    /// Decides about a request by its head.
    ///
    /// # Errors
    /// If the rights don't cover the request, or its head could be read in two ways.
    pub fn judge(&self, head: &Parts) -> Result<(), PolicyDenied> {
        if self.is_full() {
            return Ok(());
        }
        if let Some(name) = overrides::method_header(&head.headers) {
            return Err(verdict::of_method_header(name));
        }
        if overrides::acts_for_another(&head.headers) && !self.may_impersonate() {
            return Err(verdict::of_another_person());
        }
        body_policy::check_head(head)?;
        self.decide(&head.method, &head.uri).map(|_| ())
    }

    /// The decision on a request with this method and target, and the reason.
    pub fn explain(&self, method: &Method, target: &Uri) -> Explanation {
        match self.decide(method, target) {
            Ok(grant) => grant.explanation(),
            Err(denial) => denial.into(),
        }
    }

    /// Checks the body of a request that [`judge`](Self::judge) has let through, and returns a body
    /// that can be passed on: read completely, or checked as it streams if `memory` has no room.
    ///
    /// A body that is checked as it streams ends with the [`PolicyDenied`] as its error.
    ///
    /// # Errors
    /// If the body names another method than the one that was judged, or a side load that the key
    /// doesn't cover.
    pub async fn guard(
        &self,
        head: &Parts,
        body: Body,
        memory: &mut BudgetShare,
    ) -> Result<Body, PolicyDenied> {
        if self.is_full() {
            return Ok(body);
        }
        let grant = self.decide(&head.method, &head.uri);
        let side_loads = grant.map_or(SideLoads::Nothing, |grant| self.side_loads(&grant));
        body_policy::enforce(head, body, side_loads, memory).await
    }

    /// The known routes that this key can read and that may show what its `deny` rules deny, as
    /// `GET /api/v2/groups/{id}/users`.
    pub fn also_shown(&self) -> Vec<String> {
        let allows = |method: &Method, target: &Uri| self.decide(method, target).is_ok();
        self.deny.also_shown(allows)
    }

    /// Whether a `deny` rule denies more than it names.
    pub fn denies_more(&self) -> bool {
        !self.is_full() && !self.deny.rules().is_empty()
    }

    fn decide(&self, method: &Method, target: &Uri) -> Result<GrantedBy<'_>, PolicyDenied> {
        if self.is_full() {
            return Ok(GrantedBy::Everything);
        }
        let path = ApiPath::of(target.path()).map_err(verdict::of_ambiguous_path)?;
        if target.query().is_some_and(overrides::query_names_method) {
            return Err(verdict::of_method_in_query());
        }
        let segments = path.segments();
        if let Some(rule) = self.deny.by_name(method, &segments) {
            return Err(verdict::of_rule(rule, method, &path));
        }
        let entry = TABLE.find(method, &segments);
        let grant = self.grant(method, &segments, entry);
        let is_named = matches!(grant, Some(GrantedBy::Rule(rule)) if rule.names_one_path());
        if !is_named && let Some(why) = self.deny.by_what_it_shows(entry) {
            return Err(verdict::of_what_it_shows(&why, method, &path));
        }
        let grant = grant.ok_or_else(|| verdict::of_scope(entry, method, &path))?;
        let query = target.query().unwrap_or_default();
        let judged = self.side_loads(&grant).judge_query(query);
        judged.map_err(|refused| verdict::of_side_load(&refused, "the query"))?;
        Ok(grant)
    }

    /// What allows a route, apart from deny rules: a rule for that exact path comes first.
    fn grant(
        &self,
        method: &Method,
        path: &Segments<'_>,
        entry: Option<&'static RouteEntry>,
    ) -> Option<GrantedBy<'_>> {
        let allows = |rule: &&Rule| rule.allows(method, path);
        let rules = || self.allow.iter().filter(allows);
        let named = rules().find(|rule| rule.names_one_path());
        if let Some(rule) = named.or_else(|| rules().next()) {
            return Some(GrantedBy::Rule(rule));
        }
        let scopes = self.scopes & entry.map_or(Scopes::WRITE, |entry| entry.needs);
        (!scopes.is_empty()).then_some(GrantedBy::Scope { scopes, entry })
    }

    fn side_loads(&self, grant: &GrantedBy<'_>) -> SideLoads {
        match grant {
            GrantedBy::Everything => SideLoads::Anything,
            _ if self.deny.is_about_reading() => SideLoads::Nothing,
            GrantedBy::Rule(_) => SideLoads::Anything,
            GrantedBy::Scope { .. } if self.scopes.has(Scopes::READ) => SideLoads::Anything,
            GrantedBy::Scope { .. } => SideLoads::Of(self.scopes),
        }
    }

    /// Whether everything that a rule allows is allowed here as well.
    fn covers(&self, rule: &Rule) -> bool {
        if self.is_full() || self.allow.contains(rule) {
            return true;
        }
        if let Some((methods, path)) = rule.only_path() {
            let target = path.parse().unwrap_or_default();
            return methods.iter().all(|m| self.decide(m, &target).is_ok());
        }
        // A pattern for many routes may match unknown ones.
        self.scopes.has(Scopes::WRITE)
            && self.deny.rules().is_empty()
            && (self.scopes.has(Scopes::READ) || !rule.only_reads())
    }
}

/// More than a person writes by hand; it bounds the cost of a request.
const RULES_MAX: usize = 64;
