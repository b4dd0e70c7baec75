//! What is counted, in one list. Counting is one relaxed atomic addition.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counts {
    ($($variant:ident => $name:literal, $help:literal;)*) => {
        /// Something worth counting.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Count { $(#[doc = $help] $variant,)* }

        impl Count {
            /// Every count there is.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name in logs and metrics.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it counts, in a sentence.
            pub const fn help(self) -> &'static str {
                match self { $(Self::$variant => $help,)* }
            }
        }
    };
}

counts! {
    Requests => "requests", "Requests that reached the gateway.";
    Refusals => "refusals", "Requests that the gateway answered itself: with an error, the way to the login, or a form to be sent again.";
    MessagesMalformed => "messages_malformed", "HTTP/1.1 requests refused before they were parsed: ambiguous, malformed, too large or too slow.";
    AdminRefusals => "admin_refusals", "Requests of server.admin that did not bring its token.";
    Handshakes => "tls_handshakes", "TLS handshakes that succeeded.";
    HandshakeFailures => "tls_handshake_failures", "TLS handshakes that failed or timed out.";
    ConnectionsRefused => "connections_refused", "Connections closed at once because the limit was reached.";
    EarlyHints => "early_hints", "103 Early Hints of apps that were passed on to visitors.";
    ConnectionsAbused => "connections_abused", "HTTP/2 connections closed for abuse: too many streams broken off, too many empty frames, a head that did not end.";
    ProxyHeadersRefused => "proxy_headers_refused", "Connections closed because they did not begin with the PROXY header of a trusted proxy.";
    TicketsForged => "tickets_forged", "Tickets whose tag did not verify.";
    TicketsUnknownKey => "tickets_unknown_key", "Tickets signed with a key that is not in the ring (any more).";
    TicketsAmbiguous => "tickets_ambiguous", "Requests with two different tickets that both opened.";
    SpoofedHeaders => "spoofed_headers", "Requests that brought a header only the gateway may write.";
    PathParamsStripped => "path_params_stripped", "Requests that brought a path parameter of site.strip_path_params, which was taken out.";
    CookieLookalikes => "cookie_lookalikes", "Requests with cookies that some reader would take for the ticket.";
    CookiesDropped => "cookies_dropped", "Cookies of the browser that were not passed on to the app.";
    CookiesKept => "cookies_kept", "Cookies of the app that went into a jar.";
    CookiesGuarded => "cookies_guarded", "Cookies of the app that the browser got sealed or signed.";
    CookiesUnopened => "cookies_unopened", "Sealed or signed cookies of the browser that did not open and were not passed on.";
    CookiesAdopted => "cookies_adopted", "Cookies that browsers still held and that moved into a jar.";
    CookiesDrifted => "cookies_drifted", "Mirrored cookies that came back with another value than the jar's.";
    CookiesReported => "cookies_reported", "Cookies of the browser that reached the app only because the site's policy is not enforced.";
    CookiesEvicted => "cookies_evicted", "Kept cookies that went because the jar of their site was full.";
    CookiesRefused => "cookies_refused", "Cookies of the app, or of a login service, that were refused.";
    DirectivesMalformed => "directives_malformed", "X-Session-* directives that could not be read.";
    DirectivesDistrusted => "directives_distrusted", "X-Session-* directives of apps that are not trusted to give them.";
    LoginsRequired => "logins_required", "Requests that were sent or told to log in, because a rule of their path demands it.";
    PicksRequired => "picks_required", "Requests that were led to the page of sessions, because their user has to pick which of too many ends.";
    AccessDenied => "access_denied", "Requests of visitors who lack what a rule of their path demands: a group, a network, a method.";
    FormsResent => "forms_resent", "Forms of other sites that were sent again from the site's own origin (cross_site = \"resend\").";
    FormsKept => "forms_kept", "Forms that were kept until their visitor had logged in.";
    FormsResumed => "forms_resumed", "Forms that were kept and sent by their visitor after the login.";
    LoginsSeen => "logins_seen", "Logins of apps that the watch saw succeed.";
    LoginsFailed => "logins_failed", "Logins of apps that the watch saw fail.";
    LoginsUnread => "logins_unread", "Logins of apps that succeeded while the user could not be read; nobody was bound.";
    LoginsNamed => "logins_named", "Sessions begun for users whom a trusted proxy, a client certificate or a login service named.";
    NamesRefused => "names_refused", "Requests of nobody because who a trusted proxy, a client certificate or a login service named could not be told.";
    NamesDistrusted => "names_distrusted", "Requests with a header of site.login from a peer that is no trusted proxy.";
    ServiceAsked => "login_service_asked", "Questions to a login service: who a visitor is.";
    ServiceRefusals => "login_service_refusals", "Answers of a login service that did not let somebody pass: nobody was logged in.";
    ServiceFaults => "login_service_faults", "Requests answered with 503 because the login service gave no answer that could be used.";
    AuthAsked => "auth_questions", "Questions of other proxies to /.cloakroom/auth.";
    AuthDistrusted => "auth_questions_distrusted", "Questions to /.cloakroom/auth from peers that are no trusted proxies.";
    LoginsLimited => "logins_limited", "Logins of apps that were refused before the app was asked: the account or the address had failed too often.";
    LogoutsSeen => "logouts_seen", "Logouts of apps that the watch saw succeed.";
    AssertionsSigned => "assertions_signed", "Assertions that were signed; each is sent for some seconds.";
    AssertionsFailed => "assertions_failed", "Assertions and signatures of requests that were left out because they were too long or could not be made.";
    RequestsSigned => "requests_signed", "Requests that were signed on their way to the app (site.sign_requests).";
    FormLogins => "form_logins", "Logins on the gateway's own page that succeeded.";
    FormLoginsFailed => "form_logins_failed", "Logins on the gateway's own page that failed: user, password or code.";
    FormLoginsTurnedAway => "form_logins_turned_away", "Logins on the gateway's own page that were answered with 503 because too many passwords waited to be checked.";
    FormLogouts => "form_logouts", "Logouts on the gateway's own page.";
    OidcLoginsBegun => "oidc_logins_begun", "Visitors sent to an OpenID provider to log in.";
    OidcLogins => "oidc_logins", "Logins at an OpenID provider that succeeded.";
    OidcLoginsFailed => "oidc_logins_failed", "Logins at an OpenID provider that failed; the log says why.";
    OidcRefreshes => "oidc_refreshes", "Fresh tokens that an OpenID provider gave.";
    OidcRefreshesFailed => "oidc_refreshes_failed", "Fresh tokens that an OpenID provider was asked for in vain; the sessions went on.";
    OidcLogouts => "oidc_logouts", "Logout tokens of an OpenID provider that were believed.";
    OidcLogoutsRefused => "oidc_logouts_refused", "Logout tokens that were refused; the log says why.";
    OidcSessionsEnded => "oidc_sessions_ended", "Sessions that ended because an OpenID provider said so.";
    SessionsStored => "sessions_stored", "Sessions that got a record in the store.";
    SessionsTurnedAway => "sessions_turned_away", "Sessions that did not begin because their address had begun session.max_new_per_ip in its hour.";
    SessionsEndedByUser => "sessions_ended_by_user", "Other sessions that users ended on the page of their sessions.";
    SessionsCrowdedOut => "sessions_crowded_out", "Sessions ended because their user had more than session.max_per_user.";
    TicketsRotated => "tickets_rotated", "Sessions that got a new ticket, on schedule or because the app asked for it.";
    SessionsEnded => "sessions_ended", "Sessions that were ended by request.";
    SessionsTooLarge => "sessions_too_large", "Changes refused because the session would pass session.max_bytes.";
    WebSocketsOpened => "websockets_opened", "WebSockets that were opened.";
    EventStreamsOpened => "event_streams_opened", "Responses of text/event-stream that began.";
    StreamsEndedWithSession => "streams_ended_with_session", "WebSockets and event streams that were ended because their session was over.";
    StoreFaults => "store_faults", "Times that the store did not answer.";
    UpstreamFaults => "upstream_faults", "Times that an app could not be reached or did not answer properly.";
}

/// Counts. Shared by all cores.
#[derive(Debug)]
pub struct Meter([AtomicU64; Count::ALL.len()]);

impl Default for Meter {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; Count::ALL.len()])
    }
}

impl Meter {
    /// Counts one.
    pub fn count(&self, what: Count) {
        self.add(what, 1);
    }

    /// Counts several.
    pub fn add(&self, what: Count, times: u64) {
        self.0[what as usize].fetch_add(times, Ordering::Relaxed);
    }

    /// How often it was counted since the start.
    pub fn total(&self, what: Count) -> u64 {
        self.0[what as usize].load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_count_has_a_place_of_its_own() {
        let meter = Meter::default();
        meter.count(Count::TicketsForged);
        for what in Count::ALL {
            assert_eq!(
                meter.total(*what),
                u64::from(*what == Count::TicketsForged),
                "{}",
                what.name()
            );
        }
    }
}
