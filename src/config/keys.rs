//! Every key there is: those that this version has, with what they want, and those that come later.
//!
//! A key that is in neither list is unknown. One that comes later is refused as well, never ignored: an operator who
//! writes `sticky = true` must not believe that it holds.

use crate::login::form::password::Cost;

/// What a key wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A table, `[name]`.
    Table,
    /// Several tables, `[[name]]`, or a list of inline tables.
    Tables,
    /// A table of names that the operator chooses, each with a text.
    Names,
    /// A text.
    Text,
    /// A text that is shown nowhere.
    Secret,
    /// A list of texts.
    Texts,
    /// A list of texts, or of tables that have the text and more.
    TextsOrTables,
    /// `true` or `false`.
    Flag,
    /// A whole number, not negative.
    Count,
    /// A whole number from 1 to this.
    UpTo(u32),
    /// A list of whole numbers.
    Counts,
    /// A duration such as `"30m"`.
    Duration,
    /// A size such as `"16KiB"`.
    Size,
    /// A day such as `2027-01-31`.
    Date,
    /// One of a few words.
    Choice {
        /// The words of this version.
        now: &'static [&'static str],
        /// Words that come later.
        later: &'static [&'static str],
    },
}

/// More would make the share of the other upstreams too small to be told from none.
pub(super) const WEIGHT_MAX: u32 = 1000;

impl Kind {
    /// What to write where a whole number is out of range.
    pub(super) fn range(self) -> String {
        match self {
            Self::UpTo(most) => format!("write a whole number from 1 to {most}"),
            _ => format!("write a whole number from 0 to {}", u32::MAX),
        }
    }
}

/// A key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its path, as in `session.cookie.name`.
    pub path: &'static str,
    /// What it wants; `None`: it comes in a later version.
    pub kind: Option<Kind>,
}

impl Key {
    /// The key without its path.
    pub(super) fn name(&self) -> &'static str {
        self.path.rsplit('.').next().unwrap_or(self.path)
    }

    /// The path of the table that it stands in; empty for the top.
    pub(super) fn table(&self) -> &'static str {
        self.path.rsplit_once('.').map_or("", |(table, _)| table)
    }
}

const fn now(path: &'static str, kind: Kind) -> Key {
    let kind = Some(kind);
    Key { path, kind }
}

const fn later(path: &'static str) -> Key {
    Key { path, kind: None }
}

const fn one_of(now: &'static [&'static str]) -> Kind {
    Kind::Choice { now, later: &[] }
}

const SAME_SITE: Kind = one_of(&["Strict", "Lax", "None"]);
const ATTENDANCE: Kind = one_of(&["attach", "lazy", "observe", "off"]);
const FORM_METHOD: Kind = one_of(&["POST", "PUT", "PATCH"]);
const METHOD: Kind = one_of(&["GET", "POST", "PUT", "PATCH", "DELETE"]);
const PRESETS: &[&str] = &[
    "django",
    "wordpress",
    "tomcat",
    "jupyter",
    "phpmyadmin",
    "mediawiki",
    "dokuwiki",
];
const NORMALISE: &[&str] = &[
    "none",
    "trim",
    "lowercase",
    "trim-lowercase",
    "mediawiki",
    "dokuwiki",
];
const COOKIE_MODE: Kind = one_of(&["keep", "mirror", "seal", "sign", "pass", "strip"]);

use Kind::{
    Count, Counts, Date, Duration, Flag, Names, Secret, Size, Table, Tables, Text, Texts,
    TextsOrTables, UpTo,
};

pub(super) use super::slip::{advice, nearest};

/// The table.
pub const KEYS: &[Key] = &[
    now("include", Texts),
    //
    now("server", Table),
    now("server.https", Texts),
    now("server.http", Texts),
    now("server.admin", Text),
    now("server.trusted_proxies", Texts),
    now("server.proxy_protocol", Flag),
    now("server.threads", Count),
    now("server.drain_timeout", Duration),
    now("server.limits", Table),
    now("server.limits.connections", Count),
    now("server.limits.header_bytes", Size),
    now("server.limits.header_count", Count),
    now("server.limits.cookie_bytes", Size),
    now("server.limits.body_bytes", Size),
    now("server.limits.header_timeout", Duration),
    now("server.limits.body_timeout", Duration),
    now("server.limits.body_min_rate", Size),
    now("server.limits.write_timeout", Duration),
    now("server.limits.keepalive_timeout", Duration),
    now("server.limits.handshake_timeout", Duration),
    now("server.limits.h2_streams", Count),
    //
    now("tls", Table),
    now("tls.min_version", one_of(&["1.2", "1.3"])),
    now("tls.hsts", Duration),
    now("tls.client_ca_file", Text),
    now("tls.certificate", Tables),
    now("tls.certificate.cert_file", Text),
    now("tls.certificate.key_file", Text),
    //
    now("session", Table),
    now("session.idle_timeout", Duration),
    now("session.absolute_timeout", Duration),
    now("session.expire_at_browser_close", Flag),
    now("session.save_every_request", Flag),
    now("session.streams_count_as_activity", Flag),
    now("session.rotate_every", Duration),
    now("session.rotation_grace", Duration),
    now("session.max_bytes", Size),
    now("session.max_per_user", Count),
    now("session.over_limit", one_of(&["oldest", "ask"])),
    now("session.max_new_per_ip", Count),
    now("session.clear_site_data", Flag),
    now("session.keys", Table),
    now("session.keys.file", Text),
    now("session.keys.activate_after", Duration),
    now("session.cookie", Table),
    now("session.cookie.name", Text),
    now("session.cookie.domain", Text),
    now("session.cookie.path", Text),
    now("session.cookie.secure", Flag),
    now("session.cookie.http_only", Flag),
    now("session.cookie.same_site", SAME_SITE),
    now("session.cookie.partitioned", Flag),
    now("session.store", Table),
    now(
        "session.store.engine",
        one_of(&["sqlite", "memory", "redis", "postgres", "cookie"]),
    ),
    now("session.store.path", Text),
    now("session.store.url", Secret),
    now("session.store.url_file", Text),
    now("session.store.listen_url", Secret),
    now("session.store.listen_url_file", Text),
    now("session.store.near_cache", Size),
    now("session.store.timeout", Duration),
    now("session.store.on_outage", one_of(&["refuse", "anonymous"])),
    now("session.store.revocations", Secret),
    now("session.store.revocations_file", Text),
    later("session.device"),
    //
    now("site", Tables),
    now("site.name", Text),
    now("site.hosts", Texts),
    now("site.path", Text),
    now("site.upstream", TextsOrTables),
    now("site.upstream.url", Text),
    now("site.upstream.weight", UpTo(WEIGHT_MAX)),
    now("site.upstream.drain", Flag),
    now("site.upstream.backup", Flag),
    now("site.host", Text),
    now("site.session", ATTENDANCE),
    now("site.ambiguous_paths", one_of(&["refuse", "pass"])),
    now("site.location", one_of(&["rewrite", "keep"])),
    now("site.strip_path_params", Texts),
    now("site.trust_directives", Flag),
    now("site.accept_users_from", Texts),
    now(
        "site.header_preset",
        one_of(&["", "remote-user", "x-forwarded", "x-auth-request"]),
    ),
    now("site.assertion_issuer", Text),
    now("site.sign_requests", Flag),
    later("site.device"),
    now("site.upstream_options", Table),
    now("site.upstream_options.connect_timeout", Duration),
    now("site.upstream_options.response_timeout", Duration),
    now("site.upstream_options.idle_timeout", Duration),
    now("site.upstream_options.stream_timeout", Duration),
    now("site.upstream_options.connections", Count),
    now("site.upstream_options.streams", Count),
    now("site.upstream_options.body_timeout", Duration),
    now("site.upstream_options.header_bytes", Size),
    now("site.upstream_options.ca_file", Text),
    now("site.upstream_options.client_cert_file", Text),
    now("site.upstream_options.client_key_file", Text),
    now("site.upstream_options.tls_name", Text),
    now("site.upstream_options.sticky", Flag),
    now("site.upstream_options.health", Text),
    now("site.upstream_options.health_interval", Duration),
    now("site.upstream_options.health_timeout", Duration),
    now("site.upstream_options.rise", UpTo(u32::MAX)),
    now("site.upstream_options.fall", UpTo(u32::MAX)),
    now("site.upstream_options.max_fails", UpTo(u32::MAX)),
    now("site.upstream_options.fail_timeout", Duration),
    now("site.upstream_options.slow_start", Duration),
    now("site.cookies", Table),
    now("site.cookies.default", COOKIE_MODE),
    now("site.cookies.enforce", Flag),
    now("site.cookies.rules", Tables),
    now("site.cookies.rules.name", Text),
    now("site.cookies.rules.mode", COOKIE_MODE),
    now("site.cookies.rules.http_only", Flag),
    now("site.cookies.rules.same_site", SAME_SITE),
    now("site.cookies.rules.max_age", Duration),
    now("site.cookies.rules.domain", Text),
    now("site.cookies.rules.path", Text),
    now("site.cookies.rules.adopt_until", Date),
    now("site.cookies.rules.accept_unsealed_until", Date),
    now("site.cookies.rules.bind", one_of(&["session", "site"])),
    now("site.cookies.rules.placeholder", Flag),
    now("site.cookies.rules.non_ascii", Flag),
    now("site.headers", Names),
    now("site.rule", Tables),
    now("site.rule.path", Text),
    now("site.rule.session", ATTENDANCE),
    now(
        "site.rule.cross_site",
        one_of(&["refuse", "allow", "resend"]),
    ),
    now("site.rule.methods", Texts),
    now("site.rule.networks", Texts),
    now("site.rule.require", Table),
    now("site.rule.require.user", Flag),
    now("site.rule.require.groups", Texts),
    now("site.rule.require.max_auth_age", Duration),
    now("site.rule.require.methods", Texts),
    now("site.rule.require.networks", Texts),
    later("site.rule.device"),
    now("site.login", Table),
    now(
        "site.login.method",
        one_of(&[
            "watch",
            "form",
            "oidc",
            "forward",
            "header",
            "certificate",
            "none",
        ]),
    ),
    now("site.login.carry", Flag),
    now("site.login.preset", one_of(PRESETS)),
    now("site.login.base", Text),
    now("site.login.attempts_per_account", Count),
    now("site.login.attempts_per_address", Count),
    now("site.login.attempt_window", Duration),
    now("site.login.login_url", Text),
    now("site.login.return_param", Text),
    now("site.login.login", Table),
    now("site.login.login.method", FORM_METHOD),
    now("site.login.login.path", Text),
    now("site.login.login.shared_path", Flag),
    now("site.login.login.user_field", Text),
    now("site.login.login.content_type", one_of(&["form", "json"])),
    now("site.login.login.normalise", one_of(NORMALISE)),
    now("site.login.login.user", Text),
    now("site.login.login.success", Table),
    now("site.login.login.success.status", Counts),
    now("site.login.login.success.location", Text),
    now("site.login.login.success.sets_cookie", Text),
    now("site.login.login.success.deletes_cookie", Text),
    now("site.login.login.failure", Table),
    now("site.login.login.failure.status", Counts),
    now("site.login.login.failure.location", Text),
    now("site.login.login.failure.sets_cookie", Text),
    now("site.login.login.failure.deletes_cookie", Text),
    now("site.login.logout", Table),
    now("site.login.logout.method", METHOD),
    now("site.login.logout.path", Text),
    now("site.login.logout.query", Text),
    now("site.login.logout.success", Table),
    now("site.login.logout.success.status", Counts),
    now("site.login.logout.success.location", Text),
    now("site.login.logout.success.sets_cookie", Text),
    now("site.login.logout.success.deletes_cookie", Text),
    now("site.login.users_file", Text),
    now("site.login.totp", one_of(&["off", "optional", "required"])),
    now("site.login.hash_memory", Size),
    now("site.login.hash_passes", UpTo(Cost::PASSES_MAX)),
    now("site.login.hash_lanes", UpTo(Cost::LANES_MAX)),
    now("site.login.templates_dir", Text),
    now("site.login.languages", Texts),
    now("site.login.preserve_post", Size),
    now("site.login.ca_file", Text),
    now("site.login.url", Text),
    now("site.login.timeout", Duration),
    now("site.login.recheck", Duration),
    now("site.login.recheck_scope", one_of(&["address", "session"])),
    now("site.login.issuer", Text),
    now("site.login.client_id", Text),
    now("site.login.client_secret", Secret),
    now("site.login.client_secret_file", Text),
    now("site.login.scopes", Texts),
    now("site.login.groups_claim", Text),
    now("site.login.login_timeout", Duration),
    now("site.login.provider_timeout", Duration),
    now("site.login.user_header", Text),
    now("site.login.groups_header", Text),
    now("site.login.name_header", Text),
    now("site.login.email_header", Text),
    now("site.login.cookies", Texts),
    now("site.login.user", one_of(&["subject.cn", "san.email"])),
    //
    now("admin", Table),
    now("admin.token_file", Text),
    now("admin.open", Texts),
    //
    now("log", Table),
    now("log.format", one_of(&["json", "text"])),
    now("log.access", Text),
    later("log.audit"),
    now(
        "log.level",
        one_of(&["error", "warn", "info", "debug", "trace"]),
    ),
];

/// The key at `path` (without indices), if there is one.
pub(super) fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path == path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_is_listed_twice_and_each_has_its_table() {
        for (i, key) in KEYS.iter().enumerate() {
            assert!(
                !KEYS[..i].iter().any(|k| k.path == key.path),
                "{}",
                key.path
            );
            let table = key.table();
            let holds = find(table).and_then(|key| key.kind);
            assert!(
                table.is_empty() || matches!(holds, Some(Table | Tables | TextsOrTables)),
                "{}",
                key.path
            );
        }
    }

    #[test]
    fn every_preset_is_offered() {
        let presets = crate::login::presets::PRESETS.iter();
        let names: Vec<&str> = presets.map(|preset| preset.name).collect();
        assert_eq!(names, PRESETS);
    }
}
