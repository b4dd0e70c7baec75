//! The file, mirrored plainly. The default of a key stands here, beside the field it fills, and nowhere else.

mod login;
mod words;

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;
use toml::de::DeTable;

pub(super) use self::login::{CertificateName, ContentType, LoginMethod, Normalise};
pub(super) use self::words::{AmbiguousPaths, Bind, Engine, HeaderPreset, Location, OverLimit};
use super::settings::{
    Attendance, CookieMode, CrossSite, Level, LogFormat, Method, OnOutage, TlsVersion,
};
use super::units::{Bytes, DayEnd, Span};
use crate::base::kept::SameSite;
use crate::base::secret::Secret;
use crate::login::form::SecondFactor;
use crate::login::forward::RecheckScope;

/// Reads the tree into the mirror. After the walk it fits.
pub(super) fn mirror(tree: Spanned<DeTable<'_>>) -> Result<File, toml::de::Error> {
    File::deserialize(toml::de::Deserializer::from(tree))
}

macro_rules! mirrored {
    ($(#[doc = $doc:literal] struct $name:ident { $($field:ident: $type:ty = $default:expr,)* })*) => {$(
        #[doc = $doc]
        #[derive(Debug, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub(super) struct $name { $(pub(super) $field: $type,)* }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }
    )*};
}

mirrored! {
    /// The whole file.
    struct File {
        include: Vec<String> = Vec::new(),
        server: Server = Server::default(),
        tls: Tls = Tls::default(),
        session: Session = Session::default(),
        site: Vec<Site> = Vec::new(),
        admin: Admin = Admin::default(),
        log: Log = Log::default(),
    }

    /// `[server]`.
    struct Server {
        https: Vec<String> = vec!["127.0.0.1:8443".to_owned()],
        http: Vec<String> = Vec::new(),
        admin: String = String::new(),
        trusted_proxies: Vec<String> = Vec::new(),
        proxy_protocol: bool = false,
        threads: u32 = 0,
        drain_timeout: Span = Span::secs(30),
        limits: Limits = Limits::default(),
    }

    /// `[server.limits]`.
    struct Limits {
        connections: u32 = 100_000,
        header_bytes: Bytes = Bytes(32 << 10),
        header_count: u32 = 100,
        cookie_bytes: Bytes = Bytes(16 << 10),
        body_bytes: Bytes = Bytes(0),
        header_timeout: Span = Span::secs(10),
        body_timeout: Span = Span::secs(30),
        body_min_rate: Bytes = Bytes(512),
        write_timeout: Span = Span::secs(30),
        keepalive_timeout: Span = Span::secs(75),
        handshake_timeout: Span = Span::secs(10),
        h2_streams: u32 = 100,
    }

    /// `[tls]`.
    struct Tls {
        min_version: TlsVersion = TlsVersion::V12,
        hsts: Span = Span::secs(365 * 86_400),
        client_ca_file: String = String::new(),
        certificate: Vec<Certificate> = Vec::new(),
    }

    /// `[[tls.certificate]]`.
    struct Certificate {
        cert_file: Option<String> = None,
        key_file: Option<String> = None,
    }

    /// `[session]`.
    struct Session {
        idle_timeout: Span = Span::secs(3_600),
        absolute_timeout: Span = Span::secs(86_400),
        expire_at_browser_close: bool = false,
        save_every_request: bool = false,
        streams_count_as_activity: bool = false,
        rotate_every: Span = Span::secs(0),
        rotation_grace: Span = Span::secs(10),
        max_bytes: Bytes = Bytes(64 << 10),
        max_per_user: u32 = 0,
        over_limit: OverLimit = OverLimit::Oldest,
        max_new_per_ip: u32 = 1500,
        clear_site_data: bool = false,
        keys: Keys = Keys::default(),
        cookie: Cookie = Cookie::default(),
        store: Store = Store::default(),
    }

    /// `[session.keys]`.
    struct Keys {
        file: String = "data/session.keys".to_owned(),
        activate_after: Span = Span::secs(600),
    }

    /// `[session.cookie]`.
    struct Cookie {
        name: String = "__Host-session".to_owned(),
        domain: String = String::new(),
        path: String = "/".to_owned(),
        secure: bool = true,
        http_only: bool = true,
        same_site: SameSite = SameSite::Lax,
        partitioned: bool = false,
    }

    /// `[session.store]`.
    struct Store {
        engine: Engine = Engine::Sqlite,
        path: String = "data/sessions.db".to_owned(),
        url: Secret<String> = Secret::new(String::new()),
        url_file: String = String::new(),
        listen_url: Secret<String> = Secret::new(String::new()),
        listen_url_file: String = String::new(),
        near_cache: Bytes = Bytes(0),
        revocations: Secret<String> = Secret::new(String::new()),
        revocations_file: String = String::new(),
        timeout: Span = Span::secs(2),
        on_outage: OnOutage = OnOutage::Refuse,
    }

    /// `[[site]]`.
    struct Site {
        name: Option<String> = None,
        hosts: Vec<String> = Vec::new(),
        path: String = "/".to_owned(),
        upstream: Vec<App> = Vec::new(),
        host: String = "keep".to_owned(),
        session: Attendance = Attendance::Attach,
        ambiguous_paths: AmbiguousPaths = AmbiguousPaths::Refuse,
        location: Location = Location::Rewrite,
        strip_path_params: Vec<String> = Vec::new(),
        trust_directives: bool = false,
        accept_users_from: Vec<String> = Vec::new(),
        upstream_options: UpstreamOptions = UpstreamOptions::default(),
        cookies: Cookies = Cookies::default(),
        header_preset: HeaderPreset = HeaderPreset::None,
        assertion_issuer: String = String::new(),
        sign_requests: bool = false,
        headers: BTreeMap<String, String> = default_headers(),
        rule: Vec<Rule> = Vec::new(),
        login: Login = Login::default(),
    }

    /// `[site.upstream_options]`.
    struct UpstreamOptions {
        connect_timeout: Span = Span::secs(5),
        response_timeout: Span = Span::secs(60),
        idle_timeout: Span = Span::secs(60),
        stream_timeout: Span = Span::secs(3_600),
        connections: u32 = 256,
        streams: u32 = 4096,
        body_timeout: Span = Span::secs(60),
        header_bytes: Bytes = Bytes(64 << 10),
        ca_file: String = String::new(),
        client_cert_file: String = String::new(),
        client_key_file: String = String::new(),
        tls_name: String = String::new(),
        sticky: bool = false,
        health: String = String::new(),
        health_interval: Span = Span::secs(5),
        health_timeout: Span = Span::secs(2),
        rise: u32 = 2,
        fall: u32 = 3,
        max_fails: u32 = 3,
        fail_timeout: Span = Span::secs(10),
        slow_start: Span = Span::secs(10),
    }

    /// One of `site.upstream` with something of its own.
    struct AppTable {
        url: Option<String> = None,
        weight: u32 = 1,
        drain: bool = false,
        backup: bool = false,
    }

    /// `[site.cookies]`.
    struct Cookies {
        default: CookieMode = CookieMode::Keep,
        enforce: bool = true,
        rules: Vec<CookieRule> = Vec::new(),
    }

    /// One of `site.cookies.rules`.
    struct CookieRule {
        name: Option<String> = None,
        mode: Option<CookieMode> = None,
        http_only: Option<bool> = None,
        same_site: Option<SameSite> = None,
        max_age: Option<Span> = None,
        domain: Option<String> = None,
        path: Option<String> = None,
        adopt_until: Option<DayEnd> = None,
        accept_unsealed_until: Option<DayEnd> = None,
        bind: Option<Bind> = None,
        placeholder: bool = false,
        non_ascii: bool = false,
    }

    /// `[[site.rule]]`.
    struct Rule {
        path: Option<String> = None,
        methods: Option<Vec<String>> = None,
        networks: Option<Vec<String>> = None,
        require: Option<Require> = None,
        session: Option<Attendance> = None,
        cross_site: CrossSite = CrossSite::Refuse,
    }

    /// `site.rule.require`.
    struct Require {
        user: Option<bool> = None,
        groups: Option<Vec<String>> = None,
        max_auth_age: Option<Span> = None,
        methods: Option<Vec<String>> = None,
        networks: Option<Vec<String>> = None,
    }

    /// `[site.login]`.
    struct Login {
        method: LoginMethod = LoginMethod::None,
        carry: Option<bool> = None,
        login_url: Option<String> = None,
        return_param: Option<String> = None,
        user_header: String = String::new(),
        groups_header: String = String::new(),
        name_header: String = String::new(),
        email_header: String = String::new(),
        user: CertificateName = CertificateName::CommonName,
        preset: Option<String> = None,
        base: Option<String> = None,
        attempts_per_account: u32 = 10,
        attempts_per_address: u32 = 100,
        attempt_window: Span = Span::secs(900),
        login: Option<LoginRule> = None,
        logout: Option<LogoutRule> = None,
        url: String = String::new(),
        ca_file: String = String::new(),
        cookies: Vec<String> = Vec::new(),
        timeout: Span = Span::secs(5),
        recheck: Span = Span::secs(10),
        recheck_scope: RecheckScope = RecheckScope::Address,
        issuer: String = String::new(),
        client_id: String = String::new(),
        client_secret: Secret<String> = Secret::new(String::new()),
        client_secret_file: String = String::new(),
        scopes: Vec<String> = ["openid", "profile", "email"].map(str::to_owned).to_vec(),
        groups_claim: String = "groups".to_owned(),
        login_timeout: Span = Span::secs(600),
        provider_timeout: Span = Span::secs(10),
        users_file: String = String::new(),
        totp: SecondFactor = SecondFactor::Off,
        hash_memory: Bytes = Bytes(19 << 20),
        hash_passes: u32 = 2,
        hash_lanes: u32 = 1,
        templates_dir: String = String::new(),
        languages: Vec<String> = Vec::new(),
        preserve_post: Bytes = Bytes(16 << 10),
    }

    /// `site.login.login`.
    struct LoginRule {
        method: Option<Method> = None,
        path: Option<String> = None,
        shared_path: Option<bool> = None,
        user_field: Option<String> = None,
        content_type: Option<ContentType> = None,
        normalise: Option<Normalise> = None,
        user: Option<String> = None,
        success: Option<Signs> = None,
        failure: Option<Signs> = None,
    }

    /// `site.login.logout`.
    struct LogoutRule {
        method: Option<Method> = None,
        path: Option<String> = None,
        query: Option<String> = None,
        success: Option<Signs> = None,
    }

    /// `success` or `failure` of a login or a logout.
    struct Signs {
        status: Option<Vec<u32>> = None,
        location: Option<String> = None,
        sets_cookie: Option<String> = None,
        deletes_cookie: Option<String> = None,
    }

    /// `[admin]`.
    struct Admin {
        token_file: String = "data/admin.token".to_owned(),
        open: Vec<String> = ["livez", "readyz", "metrics"].map(str::to_owned).to_vec(),
    }

    /// `[log]`.
    struct Log {
        format: LogFormat = LogFormat::Json,
        access: String = "stdout".to_owned(),
        level: Level = Level::Info,
    }
}

/// What the app gets when a site has no `[site.headers]`.
fn default_headers() -> BTreeMap<String, String> {
    [
        ("X-Session-Id", "{session.id}"),
        ("X-Session-User", "{user.id}"),
    ]
    .map(|(name, template)| (name.to_owned(), template.to_owned()))
    .into()
}

/// One of `site.upstream`.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum App {
    /// Where it listens.
    Address(String),
    /// The same, and more.
    Table(AppTable),
}
