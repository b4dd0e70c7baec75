//! Finished settings: what the text says, checked, with paths resolved and no question left open.

mod admin;
mod balance;
mod domains;
mod form;
mod login;
mod looks;
mod oidc;
mod rule;
mod store;
mod upstream;

pub use admin::{Admin, AdminAddress};
pub use balance::{App, Balance};
pub use domains::shared_domains;
pub use form::Form;
pub use login::{Forward, LoginPage, Method, Namer, NamingHeaders};
pub use looks::Looks;
pub use oidc::Oidc;
pub use rule::{CrossSite, Require, RequireUser, Rule};
pub use store::{Engine, OnOutage, Revocations, Store, Text};

use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use serde::Deserialize;

use super::fault::Origins;
use crate::base::clock::Time;
use crate::base::kept::SameSite;
use crate::cookie::attributes::TicketCookieSettings;
use crate::headers::identity::Preset;
use crate::login::watch::Watch;
use crate::server::listener;
use crate::session::Terms;
use crate::upstream::TlsSettings;

/// The whole configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `[server]`.
    pub server: Server,
    /// `[tls]`.
    pub tls: Tls,
    /// `[session]`.
    pub session: Sessions,
    /// `[session.cookie]`.
    pub cookie: TicketCookieSettings,
    /// `[session.store]`.
    pub store: Store,
    /// `[[site]]`, in the order in which they are written. Never empty.
    pub sites: Vec<Site>,
    /// `[admin]`.
    pub admin: Admin,
    /// `[log]`.
    pub log: Log,
    /// Where each key is written, for faults that show only when the configuration is put to work.
    pub origins: Origins,
}

/// `[server]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// TLS listeners; at least one.
    pub https: Vec<listener::Address>,
    /// Plain listeners, which redirect.
    pub http: Vec<listener::Address>,
    /// Where the administration listens; `None`: nowhere.
    pub admin: Option<AdminAddress>,
    /// Peers whose forwarding headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether every TLS connection begins with a PROXY header.
    pub proxy_protocol: bool,
    /// How many cores serve; `None`: all.
    pub threads: Option<usize>,
    /// How long a stop waits for requests under way.
    pub drain_timeout: Duration,
    /// `[server.limits]`.
    pub limits: Limits,
}

/// `[server.limits]`. Every duration is above zero.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Connections open at once, over all cores.
    pub connections: usize,
    /// All request headers of one request. At least 8 KiB.
    pub header_bytes: usize,
    /// Header fields of one request.
    pub header_count: usize,
    /// All Cookie fields of one request.
    pub cookie_bytes: usize,
    /// The largest request body; `None`: no limit.
    pub body_bytes: Option<u64>,
    /// For a whole request head, and for a connection's first request.
    pub header_timeout: Duration,
    /// Between two reads of a body.
    pub body_timeout: Duration,
    /// Bytes a second, averaged, below which a body is cut off; `None`: off.
    pub body_min_rate: Option<u64>,
    /// How long a reader may take nothing.
    pub write_timeout: Duration,
    /// How long an idle connection is kept.
    pub keepalive_timeout: Duration,
    /// For a TLS handshake.
    pub handshake_timeout: Duration,
    /// Streams at once on one HTTP/2 connection.
    pub h2_streams: u32,
}

/// `[tls]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Tls {
    /// The lowest version that is spoken.
    pub min_version: TlsVersion,
    /// How long browsers shall insist on TLS; `None`: no Strict-Transport-Security.
    pub hsts: Option<Duration>,
    /// `[[tls.certificate]]`; the first is the default. Never empty.
    pub certificates: Vec<Certificate>,
    /// The roots of client certificates; `None`: nobody is asked for one.
    pub client_ca_file: Option<PathBuf>,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum TlsVersion {
    /// TLS 1.2.
    #[serde(rename = "1.2")]
    V12,
    /// TLS 1.3.
    #[serde(rename = "1.3")]
    V13,
}

/// `[[tls.certificate]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The chain, in PEM.
    pub cert_file: PathBuf,
    /// Its private key, in PEM.
    pub key_file: PathBuf,
}

/// `[session]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Sessions {
    /// How long sessions and tickets live, and how large they get.
    pub terms: Terms,
    /// Whether the cookie has no Max-Age.
    pub expire_at_browser_close: bool,
    /// The most sessions that a user has at a time; past it the oldest ends. `None`: no limit.
    pub max_per_user: Option<u32>,
    /// Whether the user is asked which one ends, where they log in on a page of ours.
    pub asks_over_limit: bool,
    /// The most sessions without a user that an address begins in an hour. `None`: no limit.
    pub max_new_per_ip: Option<u32>,
    /// Whether a logout has the browser forget what the site keeps in it.
    pub clear_site_data: bool,
    /// Whether what an open stream carries keeps its session alive.
    pub streams_count_as_activity: bool,
    /// `[session.keys]`.
    pub keys: Keys,
}

/// `[session.keys]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Keys {
    /// The key ring.
    pub file: PathBuf,
    /// How long a new key verifies before it signs.
    pub activate_after: Duration,
}

/// `[[site]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Site {
    /// Its name; the jar is kept under it.
    pub name: String,
    /// Its hosts in lower case: names, addresses (IPv6 in brackets), or `*.suffix`. Never empty.
    pub hosts: Vec<String>,
    /// Its path prefix; starts with a slash and ends with one only if it is the root.
    pub path: String,
    /// The app.
    pub upstream: Upstream,
    /// The Host that the app is sent.
    pub host: UpstreamHost,
    /// How requests without a rule use sessions.
    pub session: Attendance,
    /// Whether a path that can be read in two ways is passed on.
    pub ambiguous_paths_pass: bool,
    /// Whether a Location that names the app is mapped to the site.
    pub location_rewrite: bool,
    /// Path parameters that are taken out of URLs, such as `jsessionid`.
    pub strip_path_params: Vec<String>,
    /// Whether the app's directives are obeyed.
    pub trust_directives: bool,
    /// `[site.cookies]`.
    pub cookies: Cookies,
    /// `[site.headers]`: names and templates.
    pub headers: Vec<(String, String)>,
    /// `site.header_preset`.
    pub header_preset: Option<Preset>,
    /// Who assertions say that they are from. Empty where none is told.
    pub assertion_issuer: String,
    /// Whether requests that tell an assertion are signed.
    pub sign_requests: bool,
    /// `[[site.rule]]`; the first match wins.
    pub rules: Vec<Rule>,
    /// `[site.login]`, if the app's own login is watched.
    pub watch: Option<Watch>,
    /// `[site.login]`, if somebody else names the user.
    pub namer: Option<Namer>,
    /// Other sites whose users this one sees.
    pub accept_users_from: Vec<String>,
    /// Whether what an anonymous visitor had goes along when a user is named.
    pub carries_named: bool,
    /// The login page of ours, if the site has one.
    pub form: Option<Form>,
    /// The provider whose users log in, if there is one.
    pub oidc: Option<Oidc>,
    /// Where visitors log in, if that is known.
    pub login_page: Option<LoginPage>,
    /// How our pages look.
    pub looks: Looks,
    /// The largest form that is kept over a login, in bytes; zero: none is.
    pub preserve_post: usize,
}

impl Site {
    /// Whether it has a login of its own.
    pub const fn binds_users(&self) -> bool {
        self.trust_directives || self.has_login() || self.namer.is_some()
    }
}

/// The apps behind a site, with `[site.upstream_options]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Upstream {
    /// The apps.
    pub apps: Vec<App>,
    /// How requests are shared out among them.
    pub balance: Balance,
    /// For a connection.
    pub connect_timeout: Duration,
    /// To the response head.
    pub response_timeout: Duration,
    /// How long a pooled connection may be idle.
    pub idle_timeout: Duration,
    /// How long a WebSocket may carry nothing; zero: no limit.
    pub stream_timeout: Duration,
    /// Connections per core.
    pub connections: usize,
    /// Open WebSockets and event streams per core.
    pub streams: usize,
    /// Between two parts of a response's body; zero: no limit.
    pub body_timeout: Duration,
    /// The largest head of a response.
    pub header_bytes: usize,
    /// How it is spoken to over TLS; none: there is no TLS.
    pub tls: Option<TlsSettings>,
}

/// The Host that an app is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpstreamHost {
    /// What the visitor sent.
    Keep,
    /// The upstream's own.
    Upstream,
    /// This one.
    Literal(String),
}

/// How requests use sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Attendance {
    /// Every visitor gets a ticket.
    Attach,
    /// Only who has something to remember.
    Lazy,
    /// A session that is there is used; no new one, no renewal.
    Observe,
    /// None.
    Off,
}

/// `[site.cookies]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Cookies {
    /// For cookies without a rule.
    pub default: CookieMode,
    /// False: verdicts are reported only.
    pub enforce: bool,
    /// The first match wins.
    pub rules: Vec<CookieRule>,
}

/// What becomes of a cookie that the app sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CookieMode {
    /// It stays on our side.
    Keep,
    /// The same, with a readable copy for the browser.
    Mirror,
    /// It goes to the browser encrypted.
    Seal,
    /// It goes to the browser with an authentication tag.
    Sign,
    /// It goes to the browser, hardened.
    Pass,
    /// It is dropped.
    Strip,
}

/// A rule for cookies.
#[derive(Clone, Debug, PartialEq)]
pub struct CookieRule {
    /// A name; `*` stands for anything.
    pub name: String,
    /// What becomes of it.
    pub mode: CookieMode,
    /// Whether what the browser gets is HttpOnly; `None`: as the mode has it.
    pub http_only: Option<bool>,
    /// The loosest SameSite; `None`: Lax for the browser, the app's own in the jar.
    pub same_site: Option<SameSite>,
    /// How long it lives; `None`: as the app says.
    pub max_age: Option<Duration>,
    /// Its Domain, empty for none; `None`: as the app says.
    pub domain: Option<String>,
    /// Its Path; `None`: as the app says.
    pub path: Option<String>,
    /// The end of the last day on which the jar takes over what browsers still hold.
    pub adopt_until: Option<Time>,
    /// The end of the last day on which a value is believed that was never sealed or signed.
    pub accept_unsealed_until: Option<Time>,
    /// Whether sealed and signed values are good for every visitor of the site.
    pub bound_to_site: bool,
    /// Whether the app is sent a random value while the jar has none.
    pub placeholder: bool,
    /// Whether a passed value may hold bytes past ASCII.
    pub non_ascii: bool,
}

/// `[log]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// How lines look.
    pub format: LogFormat,
    /// Where the access log goes.
    pub access: AccessLog,
    /// What is logged besides.
    pub level: Level,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// Where the access log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessLog {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// Nowhere.
    Off,
    /// A file.
    File(PathBuf),
}

/// The least severe event that is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// What failed.
    Error,
    /// And what is odd.
    Warn,
    /// And what happened.
    Info,
    /// And how.
    Debug,
    /// And everything else.
    Trace,
}
