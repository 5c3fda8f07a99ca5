//! Every route and every scope, against a second derivation: by method and first name.

use std::collections::{BTreeMap, BTreeSet};

use super::{head, rights};
use crate::rights::Rights;
use crate::route_table::published::{self, PublishedRoute, shape};
use crate::route_table::{RouteEntry, TABLE};

#[test]
fn d2_every_published_route_needs_what_its_method_and_first_name_say_or_a_listed_exception() {
    let routes = published::routes();
    assert_eq!(routes.len(), 516);
    check(&routes);
}

#[test]
fn d2_so_does_every_route_of_the_table() {
    let of_table = |entry: &RouteEntry| PublishedRoute {
        method: entry.verb.name().to_owned(),
        path: shape(&entry.path),
    };
    let routes: BTreeSet<PublishedRoute> = TABLE.entries().into_iter().map(of_table).collect();
    assert!(routes.len() > 700, "{}", routes.len());
    check(&routes);
    let used = |exception: &&Exception| routes.iter().any(|route| exception.fits(route));
    let unused: Vec<_> = EXCEPTIONS
        .iter()
        .filter(|e| !used(e))
        .map(|e| e.paths)
        .collect();
    assert_eq!(unused, ["/organizations/** /tickets/** /users/**"]);
}

/// See [`published::listed`].
#[test]
fn d2_so_does_every_row_of_a_list_of_routes() {
    let Some(routes) = published::listed() else {
        return;
    };
    check(&routes);
    let known = published::routes();
    let (unlisted, gone) = (routes.difference(&known), known.difference(&routes));
    let differences: Vec<&PublishedRoute> = unlisted.chain(gone).collect();
    assert!(differences.is_empty(), "in one list alone: {differences:?}");
}

fn check(routes: &BTreeSet<PublishedRoute>) {
    let scopes: BTreeMap<String, Rights> = Rights::scopes()
        .into_iter()
        // `impersonate` alone would be a key that allows nothing.
        .map(|scope| (scope.clone(), rights(&[&scope], &["GET /nothing"], &[])))
        .collect();
    let mut wrong = Vec::new();
    for route in routes {
        let expected = expected(route);
        for path in route.samples() {
            let head = head(&route.method, &path, &[]);
            let found: BTreeSet<String> = scopes
                .iter()
                .filter(|(_, rights)| rights.judge(&head).is_ok())
                .map(|(scope, _)| scope.clone())
                .collect();
            if found != expected {
                wrong.push(format!(
                    "{} {path}: {found:?}, not {expected:?}",
                    route.method
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The scopes that are each enough.
fn expected(route: &PublishedRoute) -> BTreeSet<String> {
    let exception = EXCEPTIONS.iter().find(|exception| exception.fits(route));
    let by_method = match route.method.as_str() {
        "GET" => "read",
        _ => "write",
    };
    let (of, effect) = match exception {
        None => (family(&route.path), by_method),
        Some(exception) if exception.effect == BY_METHOD => (exception.of, by_method),
        Some(exception) => (exception.of, exception.effect),
    };
    let of = of.split_ascii_whitespace();
    let expected: Vec<String> = match effect {
        "follow" => {
            let of = of.map(|of| format!("{of}:write"));
            of.chain(["read".to_owned(), "write".to_owned()]).collect()
        }
        effect => {
            let of = of.map(|of| format!("{of}:{effect}"));
            of.chain([effect.to_owned()]).collect()
        }
    };
    let known = Rights::scopes();
    expected
        .into_iter()
        .filter(|scope| known.contains(scope))
        .collect()
}

/// The resources by the first name of a path, or by the second if the first only tells how things
/// are sent.
fn family(path: &str) -> &'static str {
    let Some(path) = path.strip_prefix("/api/v2/") else {
        return "";
    };
    let mut names = path.split('/');
    let name = match names.next() {
        Some("incremental") => names.next(),
        name => name,
    };
    let is_of = |names: &str| {
        names
            .split_ascii_whitespace()
            .any(|known| Some(known) == name)
    };
    let found = FAMILIES.iter().find(|(_, names)| is_of(names));
    found.map_or("", |(resource, _)| resource)
}

static FAMILIES: [(&str, &str); 23] = [
    (
        "tickets",
        "chat_file_redactions chat_redactions comment_redactions custom_statuses deleted_tickets \
         imports problems skips suspended_tickets task_lists ticket_audits ticket_content_pins \
         ticket_events ticket_fields ticket_form_statuses ticket_forms ticket_metric_events \
         ticket_metrics tickets",
    ),
    (
        "users",
        "deleted_users end_users sessions user_fields user_profiles users",
    ),
    (
        "organizations",
        "organization_fields organization_memberships organization_merges \
         organization_subscriptions organizations",
    ),
    ("auditlogs", "audit_logs"),
    ("hc", "community gather guide help_center"),
    ("apps", "apps"),
    ("triggers", "trigger_categories triggers"),
    ("automations", "automations"),
    ("targets", "target_failures targets"),
    ("webhooks", "webhooks"),
    ("macros", "macros"),
    ("requests", "requests"),
    (
        "satisfaction_ratings",
        "satisfaction_ratings satisfaction_reasons",
    ),
    ("dynamic_content", "dynamic_content"),
    ("any_channel", "any_channel"),
    ("account_settings", "account"),
    ("brands", "brand_agents brands"),
    ("custom_objects", "custom_objects"),
    ("deletion_schedules", "deletion_schedules"),
    ("groups", "group_memberships groups"),
    ("sla_policies", "group_slas slas"),
    ("ticket_views", "views"),
    ("security", "security_settings"),
];

/// A route that needs something other than its method and first name suggest.
struct Exception {
    methods: &'static str,
    paths: &'static str,
    /// The resources, and `read`, `write`, `follow` or [`BY_METHOD`].
    of: &'static str,
    effect: &'static str,
}

impl Exception {
    fn fits(&self, route: &PublishedRoute) -> bool {
        let mut paths = self.paths.split_ascii_whitespace();
        let is_path = paths.any(|path| {
            let path = match path.starts_with('/') {
                true => path.to_owned(),
                false => format!("/api/v2/{path}"),
            };
            match path.strip_suffix("/**") {
                Some(start) => {
                    let rest = route.path.strip_prefix(start);
                    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                }
                None => path == route.path,
            }
        });
        let mut methods = self.methods.split_ascii_whitespace();
        is_path && methods.any(|method| method == route.method)
    }
}

const fn exception(
    methods: &'static str,
    paths: &'static str,
    of: &'static str,
    effect: &'static str,
) -> Exception {
    Exception {
        methods,
        paths,
        of,
        effect,
    }
}

/// The effect of a route that reads with GET and writes with anything else.
const BY_METHOD: &str = "";

/// The first match applies.
static EXCEPTIONS: [Exception; 43] = [
    // POSTs that only search for or compute something.
    exception("POST", "problems/autocomplete", "tickets", "read"),
    exception("POST", "users/autocomplete", "users", "read"),
    exception("POST", "triggers/validate", "triggers", "read"),
    exception(
        "POST",
        "custom_objects/#/records/search",
        "custom_objects",
        "read",
    ),
    exception(
        "POST",
        "views/preview views/preview/count",
        "tickets ticket_views",
        "read",
    ),
    exception(
        "POST",
        "autocomplete/tags approval_workflow_instances/#/approval_requests/search \
         it_asset_management/assets/search",
        "",
        "read",
    ),
    // GETs with effects: renew a session, start a job and mail its result.
    exception("GET", "users/me/session/renew", "users", "write"),
    exception("GET", "views/#/export", "ticket_views", "write"),
    // GETs that return a credential, and routes that change one.
    exception("GET", "webhooks/#/signing_secret", "", "write"),
    exception("POST", "webhooks/#/signing_secret", "", "write"),
    exception(
        "GET",
        "oauth/** api_tokens/** remote_authentications",
        "",
        "write",
    ),
    exception("GET", "users/me/oauth/clients", "", "write"),
    exception(
        "GET POST PUT DELETE",
        "help_center/integration/keys help_center/integration/account_custom_claims/**",
        "hc",
        BY_METHOD,
    ),
    exception(
        "GET POST PUT PATCH DELETE",
        "help_center/integration/** channels/voice/call_console/** \
         /api/services/zis/registry/integrations /api/services/zis/registry/# \
         /api/services/zis/inbound_webhooks/**",
        "",
        "write",
    ),
    exception(
        "GET POST PUT PATCH DELETE",
        "/api/services/zis/**",
        "zis",
        BY_METHOD,
    ),
    exception(
        "GET POST PUT PATCH DELETE",
        "guide/theming/**",
        "themes",
        BY_METHOD,
    ),
    exception("GET POST DELETE", "/api/services/jira/**", "", BY_METHOD),
    exception("POST PUT", "users/#/password", "", "write"),
    // The answers to bulk changes are for callers who may make them.
    exception(
        "GET",
        "job_statuses/# job_statuses/show_many",
        "tickets users organizations groups custom_objects",
        "follow",
    ),
    // Files belong to tickets and requests alike.
    exception(
        "POST DELETE",
        "uploads uploads/#",
        "tickets requests ticket_attachments",
        "write",
    ),
    exception(
        "GET",
        "attachments/#",
        "tickets requests ticket_attachments",
        "read",
    ),
    exception(
        "GET",
        "/attachments/token/#",
        "tickets requests ticket_attachments",
        "read",
    ),
    exception(
        "DELETE",
        "attachments/#",
        "tickets ticket_attachments",
        "write",
    ),
    exception(
        "PUT",
        "tickets/#/comments/#/attachments/#/redact",
        "tickets ticket_attachments",
        "write",
    ),
    // Lets malware through.
    exception("PUT", "attachments/#", "", "write"),
    // A view shows tickets.
    exception(
        "GET",
        "views/#/tickets views/#/execute views/#/count views/count_many",
        "tickets ticket_views",
        "read",
    ),
    // Below one name, but about another.
    exception(
        "GET",
        "tickets/#/collaborators tickets/#/email_ccs tickets/#/followers",
        "users",
        "read",
    ),
    exception(
        "POST",
        "tickets/#/satisfaction_rating",
        "satisfaction_ratings",
        "write",
    ),
    exception(
        "GET",
        "users/#/tickets/** organizations/#/tickets/** users/#/skips",
        "tickets",
        "read",
    ),
    exception(
        "GET",
        "users/#/requests organizations/#/requests",
        "requests",
        "read",
    ),
    exception(
        "GET",
        "groups/#/users/** organizations/#/users/**",
        "users",
        "read",
    ),
    exception(
        "GET",
        "users/#/groups/** users/#/group_memberships/**",
        "groups",
        "read",
    ),
    exception(
        "POST PUT DELETE",
        "users/#/group_memberships/**",
        "groups",
        "write",
    ),
    exception(
        "GET",
        "users/#/organizations/** users/#/organization_memberships/** \
         users/#/organization_subscriptions",
        "organizations",
        "read",
    ),
    exception(
        "POST PUT DELETE",
        "users/#/organizations/** users/#/organization_memberships/**",
        "organizations",
        "write",
    ),
    exception("GET", "users/#/brand_agents/**", "brands", "read"),
    exception("GET", "groups/available_agents", "", "read"),
    exception(
        "GET",
        "custom_objects/#/triggers/**",
        "custom_objects triggers",
        "read",
    ),
    exception(
        "POST PUT DELETE",
        "custom_objects/#/triggers/**",
        "triggers",
        "write",
    ),
    // The parts of records are read with them, and changed by administrators.
    exception(
        "POST PUT DELETE",
        "custom_statuses/** organization_fields/** ticket_fields/** ticket_forms/** user_fields/**",
        "",
        "write",
    ),
    // Places other than `/api/v2`.
    exception(
        "GET",
        "/hc/article_attachments/# /hc/#/article_attachments/# /hc/article_attachments/#/# \
         /hc/#/article_attachments/#/#",
        "hc",
        "read",
    ),
    exception("POST PUT", "/embeddable/**", "web_widget", "write"),
    // How one copy of the description spells what is below `/api/v2`. There is nothing here.
    exception(
        "GET POST PUT DELETE",
        "/organizations/** /tickets/** /users/**",
        "",
        "write",
    ),
];
