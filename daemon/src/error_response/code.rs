//! The codes in `X-Loopdesk-Error`, which scripts may match on, and the status of each.

use http::StatusCode;

macro_rules! error_codes {
    ($($code:ident = $name:literal, $status:ident;)*) => {
        /// The stable name of a kind of error.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum ErrorCode {
            $(#[doc = $name] $code,)*
        }

        impl ErrorCode {
            pub(super) fn name(self) -> &'static str {
                match self {
                    $(Self::$code => $name,)*
                }
            }

            pub(super) fn status(self) -> StatusCode {
                match self {
                    $(Self::$code => StatusCode::$status,)*
                }
            }
        }

        /// Every code and its status. It names no variant, so that the compiler still warns of a
        /// code that no answer has.
        pub const ERROR_CODES: &[(&str, StatusCode)] = &[$(($name, StatusCode::$status),)*];
    };
}

error_codes! {
    SignedOut = "signed-out", UNAUTHORIZED;
    SessionEnded = "session-ended", UNAUTHORIZED;
    SessionUnavailable = "session-unavailable", SERVICE_UNAVAILABLE;
    KeyNeeded = "key-needed", UNAUTHORIZED;
    KeyWrong = "key-wrong", UNAUTHORIZED;
    KeyExpired = "key-expired", UNAUTHORIZED;
    KeyUnreadable = "key-unreadable", UNAUTHORIZED;
    KeyMisplaced = "key-misplaced", UNAUTHORIZED;
    KeyDenied = "key-denied", FORBIDDEN;
    KeyOfAnotherAccount = "key-of-another-account", FORBIDDEN;
    KeySuspended = "key-suspended", FORBIDDEN;
    TicketOver = "ticket-over", UNAUTHORIZED;
    KeysUnusable = "keys-unusable", SERVICE_UNAVAILABLE;
    UnknownPeer = "unknown-peer", FORBIDDEN;
    OtherUser = "other-user", FORBIDDEN;
    WebPageRefused = "web-page-refused", FORBIDDEN;
    RouteRefused = "route-refused", FORBIDDEN;
    ExecOff = "exec-off", FORBIDDEN;
    UnknownHost = "unknown-host", MISDIRECTED_REQUEST;
    ForeignOrigin = "foreign-origin", MISDIRECTED_REQUEST;
    UnknownAccount = "unknown-account", NOT_FOUND;
    NoAccountNamed = "no-account-named", NOT_FOUND;
    TwoAccountsNamed = "two-accounts-named", NOT_FOUND;
    NoAccounts = "no-accounts", NOT_FOUND;
    UnconfiguredPort = "unconfigured-port", NOT_FOUND;
    NoUpstream = "no-upstream", BAD_GATEWAY;
    NoDaemon = "no-daemon", BAD_GATEWAY;
    BrokenAnswer = "broken-answer", BAD_GATEWAY;
    TooSlow = "too-slow", GATEWAY_TIMEOUT;
    GaveWay = "gave-way", SERVICE_UNAVAILABLE;
    Stopping = "stopping", SERVICE_UNAVAILABLE;
    BadRequest = "bad-request", BAD_REQUEST;
    TlsRefused = "tls-refused", BAD_REQUEST;
    AbsoluteForm = "absolute-form", BAD_REQUEST;
    MethodRefused = "method-refused", METHOD_NOT_ALLOWED;
    UpgradeRefused = "upgrade-refused", FORBIDDEN;
    VersionRefused = "version-refused", HTTP_VERSION_NOT_SUPPORTED;
    AddressTooLong = "address-too-long", URI_TOO_LONG;
    HeadTooLarge = "head-too-large", REQUEST_HEADER_FIELDS_TOO_LARGE;
    HeadTooSlow = "head-too-slow", REQUEST_TIMEOUT;
}
