//! What is said of a request, for machines; `told` makes it readable.
//!
//! The names of fields are those of the JSON. They stay as they are.

use serde::Serialize;

/// All that is said.
#[derive(Debug, Serialize)]
pub(super) struct Account {
    pub method: String,
    pub url: String,
    /// Why the request does not reach an app, if so.
    pub refused: Option<Refused>,
    pub site: Option<SiteFound>,
    /// What the rule's demands mean for the request; absent where everybody may.
    pub access: Option<Access>,
    pub provenance: Option<Whence>,
    /// The cookies that the browser brings, in order.
    pub cookies: Vec<Brought>,
    /// The cookies that the app sets, in order.
    pub set_cookies: Vec<Set>,
    pub headers: Option<Headers>,
}

#[derive(Debug, Serialize)]
pub(super) struct Refused {
    pub status: u16,
    /// The word of the access log.
    pub reason: &'static str,
    pub why: String,
    /// Where sites are that the request could have been meant for.
    pub sites: Vec<Near>,
}

#[derive(Debug, Serialize)]
pub(super) struct Near {
    pub name: String,
    pub hosts: Vec<String>,
    pub path: String,
    pub place: String,
}

/// One app of a site, as the configuration has it.
#[derive(Debug, Serialize)]
pub(super) struct UpstreamFound {
    pub url: String,
    pub weight: u32,
    pub drain: bool,
    pub backup: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct SiteFound {
    pub name: String,
    pub place: String,
    pub host: String,
    /// The prefix that matched.
    pub path: String,
    /// All of them, by their addresses.
    pub upstream: String,
    pub upstreams: Vec<UpstreamFound>,
    /// The Host that the app is sent.
    pub app_host: String,
    /// What the app is asked for, where path parameters were stripped.
    pub target: Option<String>,
    pub session: &'static str,
    /// What the session mode means for this request.
    pub session_why: &'static str,
    /// False: report only.
    pub enforce: bool,
    pub rule: Option<RuleFound>,
}

#[derive(Debug, Serialize)]
pub(super) struct RuleFound {
    pub path: String,
    pub place: String,
    /// The methods and networks that it is for; absent: all.
    pub methods: Option<Vec<String>>,
    pub networks: Option<Vec<String>>,
    pub require: Option<Demanded>,
    /// The session mode, if the rule changes it.
    pub session: Option<&'static str>,
    pub cross_site: &'static str,
}

/// What a rule demands.
#[derive(Debug, Serialize)]
pub(super) struct Demanded {
    pub user: bool,
    /// One of them; empty: none.
    pub groups: Vec<String>,
    pub max_auth_age: Option<String>,
    pub methods: Option<Vec<String>>,
    pub networks: Option<Vec<String>>,
}

/// What becomes of who lacks what is demanded.
#[derive(Debug, Serialize)]
pub(super) struct Access {
    /// What a visitor gets who is not logged in.
    pub without_login: TurnedAway,
    /// Whether a user may pass.
    pub login_helps: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct TurnedAway {
    pub status: u16,
    /// The word of the access log.
    pub reason: &'static str,
    pub why: String,
    /// Where to log in.
    pub login: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Whence {
    pub cross_site: bool,
    pub why: &'static str,
    /// Whether a browser would have sent the ticket along, so that the session may be changed.
    pub could_carry_ticket: bool,
    /// Whether it is refused with 403 if its session holds anything.
    pub refused_with_session: bool,
    /// Whether it is a form that a page of ours sends again, from the site's own origin.
    pub resent: bool,
    /// Which kept cookies go along: `all`, `all-but-strict`, or `same-site-none` alone.
    pub kept_cookies: &'static str,
}

/// A rule of `[site.cookies]`, or its default.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Ruling {
    pub name: String,
    pub mode: &'static str,
    /// Where it is written; absent for a default that is not.
    pub place: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Brought {
    pub name: String,
    pub verdict: &'static str,
    /// `yes`, `no`, or `depends` on session and keys.
    pub reaches_app: &'static str,
    pub reason: Option<&'static str>,
    pub why: String,
    pub rule: Option<Ruling>,
}

#[derive(Debug, Serialize)]
pub(super) struct Set {
    /// Absent where none can be read.
    pub name: Option<String>,
    pub verdict: &'static str,
    pub why: String,
    pub jar: Option<InJar>,
    /// The `Set-Cookie` that the browser gets.
    pub browser: Option<String>,
    pub rule: Option<Ruling>,
}

#[derive(Debug, Serialize)]
pub(super) struct InJar {
    pub domain: String,
    pub host_only: bool,
    pub path: String,
    /// Absent: with the session.
    pub expires: Option<String>,
    pub same_site: Option<&'static str>,
}

#[derive(Debug, Serialize)]
pub(super) struct Headers {
    /// Names that the visitor sent and the app does not get.
    pub removed: Vec<String>,
    /// What the gateway writes, for a made-up visitor; what it knows of a session as the template says it.
    pub set: Vec<Line>,
    /// The names in the one Cookie field, in order.
    pub cookie: Vec<InField>,
}

#[derive(Debug, Serialize)]
pub(super) struct Line {
    pub name: String,
    pub value: String,
}

#[derive(Debug, Serialize)]
pub(super) struct InField {
    /// Absent: all that the jar keeps for the request.
    pub name: Option<String>,
    /// `jar`, `placeholder`, or `browser`.
    pub from: &'static str,
    pub certain: bool,
}
