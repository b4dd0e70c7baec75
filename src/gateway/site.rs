//! Which site a request is for: host first, then the longest path prefix on a segment border.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;

use super::access::{Ambiguous, Rule, rule_for};
use super::admit::Admitted;
use super::demand::Asking;
use super::looks::Looks;
use super::oidc::{self, OidcLogin};
use super::path::NormalPath;
use super::refusal::Refusal;
use super::service::{self, Service};
use super::visit::SessionMode;
use crate::base::clock::Time;
use crate::cookie::policy::CookiePolicy;
use crate::cookie::rivals::{Rival, share_a_domain};
use crate::headers::identity::Stamp;
use crate::headers::path_params::PathParams;
use crate::login::form::FormLogin;
use crate::login::named::Namer;
use crate::login::page::LoginPage;
use crate::login::watch::Watch;
use crate::upstream::{ScreenTrailers, Upstreams};

/// A host + path prefix that we serve, and the policy for it.
pub struct Site {
    /// Its name, in logs and in what session IDs are derived from.
    pub name: Arc<str>,
    /// Its hosts, lower case: exact ones, and `*.suffix`.
    pub hosts: Vec<String>,
    /// Its path prefix, without a slash at the end; empty for `/`.
    pub prefix: String,
    /// The apps behind it.
    pub upstreams: Arc<Upstreams>,
    /// How long a WebSocket may carry nothing; zero: no limit.
    pub stream_timeout: Duration,
    /// The Host that the app is sent.
    pub host: AppHost,
    /// Whether visitors get a session.
    pub session: SessionMode,
    /// Whether a path that can be read in two ways goes through.
    pub pass_ambiguous_paths: bool,
    /// Whether a Location that names the app's own address is mapped to ours.
    pub rewrite_location: bool,
    /// Path parameters that are taken out of what the app is sent, and out of its redirects.
    pub strip_path_params: PathParams,
    /// Whether the app's `X-Session-*` response headers are obeyed.
    pub trust_directives: bool,
    /// How the app's own login and logout are known, if they are watched.
    pub watch: Option<Watch>,
    /// How our pages look here.
    pub looks: Arc<Looks>,
    /// The largest form that is kept over a login, in bytes; zero: none is.
    pub preserve_post: usize,
    /// The login page of ours, if there is one.
    pub form: Option<FormLogin>,
    /// The provider whose users log in here, if there is one.
    pub oidc: Option<OidcLogin>,
    /// Who names the users, if somebody else does with each request.
    pub namer: Option<Namer>,
    /// The service that tells who visitors are, if there is one.
    pub service: Option<Service>,
    /// Other sites whose users this one sees. For a site without a login of its own, none means all.
    pub accepts_users_from: Vec<Box<str>>,
    /// Whether what an anonymous visitor had goes along when a user is named.
    pub carries_named: bool,
    /// Where visitors log in, if that is known.
    pub login_page: Option<LoginPage>,
    /// What becomes of cookies.
    pub cookies: CookiePolicy,
    /// The headers that tell the app about the session.
    pub stamp: Stamp,
    /// Who assertions say that they are from.
    pub assertion_issuer: Box<str>,
    /// Takes out of trailers what may not pass.
    pub trailers: ScreenTrailers,
    /// What differs by path.
    pub rules: Vec<Rule>,
}

/// The Host that an app is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppHost {
    /// The one that the visitor asked for.
    Keep,
    /// The upstream's own, or a literal.
    Fixed {
        /// The field.
        field: HeaderValue,
        /// Its host, lower case and without port, as the jar sees it.
        host: String,
    },
}

impl Site {
    /// Whether the site has a login of its own: it binds users, and sees those alone that it bound.
    pub const fn binds_users(&self) -> bool {
        let has_page = self.form.is_some() || self.oidc.is_some();
        self.trust_directives || has_page || self.watch.is_some() || self.is_told_users()
    }

    /// Whether somebody else tells with each request who the user is.
    pub const fn is_told_users(&self) -> bool {
        self.namer.is_some() || self.service.is_some()
    }

    /// Whether this site sees a user whom the site called `binder` bound.
    pub fn sees_users_of(&self, binder: &str) -> bool {
        let accepted = &self.accepts_users_from;
        let sees_all = accepted.is_empty() && !self.binds_users();
        *self.name == *binder || sees_all || accepted.iter().any(|site| **site == *binder)
    }

    /// The rule for such a request, if there is one.
    ///
    /// # Errors
    /// When it depends on how the path is read.
    pub fn rule(&self, path: &NormalPath, asking: &Asking<'_>) -> Result<Option<&Rule>, Ambiguous> {
        rule_for(&self.rules, path, asking, self.pass_ambiguous_paths)
    }

    /// Whether `origin`, as in an Origin header, is one of this site's.
    pub fn is_own_origin(&self, origin: &str) -> bool {
        origin
            .strip_prefix("https://")
            .is_some_and(|authority| self.is_own_authority(authority))
    }

    /// Whether `authority` names one of this site's hosts, at any port.
    pub fn is_own_authority(&self, authority: &str) -> bool {
        let host = without_port(authority).to_ascii_lowercase();
        self.hosts.iter().any(|pattern| is_host(&host, pattern))
    }
}

/// What is served at a host and path.
pub enum Found<'a> {
    /// This site.
    Site(&'a Site),
    /// The host is ours, but nothing is served at the path.
    NoPath,
    /// The host is not ours.
    NoHost,
    /// It depends on how the path is read.
    Ambiguous,
}

/// All sites.
#[derive(Default)]
pub struct SiteTable {
    sites: Vec<Site>,
    /// Host to sites, the longest prefix first.
    exact: HashMap<String, Vec<usize>>,
    /// What follows `*.` to sites, the longest prefix first.
    wildcard: HashMap<String, Vec<usize>>,
    /// What any of the sites takes out of paths.
    params: PathParams,
    /// Until when the last of them adopts cookies.
    adopt_until: Option<Time>,
}

impl SiteTable {
    /// Orders `sites`. That no two claim one host and path was checked with the configuration.
    pub fn new(mut sites: Vec<Site>) -> Self {
        let rules = sites.iter().flat_map(|site| &site.cookies.rules);
        let adopt_until = rules.filter_map(|rule| rule.adopt_until).max();
        for site in &mut sites {
            site.cookies.has_marks = adopt_until.is_some();
        }
        introduce(&mut sites);
        service::keep_cookies(&mut sites);
        oidc::keep_bindings(&mut sites);
        let mut table = Self {
            params: PathParams::union(sites.iter().map(|site| &site.strip_path_params)),
            adopt_until,
            sites,
            ..Self::default()
        };
        for (at, site) in table.sites.iter().enumerate() {
            for host in &site.hosts {
                match host.strip_prefix("*.") {
                    Some(suffix) => table
                        .wildcard
                        .entry(suffix.to_owned())
                        .or_default()
                        .push(at),
                    None => table.exact.entry(host.clone()).or_default().push(at),
                }
            }
        }
        for places in table.exact.values_mut().chain(table.wildcard.values_mut()) {
            places.sort_by_key(|at| std::cmp::Reverse(table.sites[*at].prefix.len()));
        }
        table
    }

    /// All sites, in the order of the configuration.
    pub fn iter(&self) -> impl Iterator<Item = &Site> {
        self.sites.iter()
    }

    /// Until when cookies that browsers hold may still move into a jar at some site.
    pub const fn adopt_until(&self) -> Option<Time> {
        self.adopt_until
    }

    /// The names of all sites, in the order of the configuration.
    pub fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.sites.iter().map(|site| &site.name)
    }

    /// The site that a request is for, and the rule for it.
    ///
    /// # Errors
    /// When it is for none, or nobody can tell for which.
    pub fn place(
        &self,
        admitted: &Admitted,
        asking: &Asking<'_>,
    ) -> Result<(&Site, Option<&Rule>), Refusal> {
        let Admitted { host, path, .. } = admitted;
        let site = match self.find(host, path) {
            Found::Site(site) => site,
            Found::NoPath => return Err(Refusal::NoSite),
            Found::NoHost => return Err(Refusal::UnknownHost),
            Found::Ambiguous => return Err(Refusal::AmbiguousPath),
        };
        if path.is_ambiguous() && (!site.pass_ambiguous_paths || path.is_hopeless()) {
            return Err(Refusal::AmbiguousPath);
        }
        if site.is_own_path(path) {
            return Err(Refusal::OwnPath);
        }
        let rule = site
            .rule(path, asking)
            .map_err(|Ambiguous| Refusal::AmbiguousPath)?;
        Ok((site, rule))
    }

    /// The site at a request's host and path, whatever is there.
    pub fn owner(&self, admitted: &Admitted) -> Option<&Site> {
        match self.find(&admitted.host, &admitted.path) {
            Found::Site(site) => Some(site),
            Found::NoPath | Found::NoHost | Found::Ambiguous => None,
        }
    }

    /// What is served at `host` (lower case, without port) and `path`.
    pub fn find(&self, host: &str, path: &NormalPath) -> Found<'_> {
        let plain = self.lookup(host, path.as_str());
        // Most paths read the same in both ways.
        let bare = if path.has_parameters() {
            self.lookup(host, path.bare())
        } else {
            plain
        };
        match (plain, bare) {
            (Lookup::Site(plain), Lookup::Site(bare)) if plain == bare => {
                Found::Site(&self.sites[bare])
            }
            (Lookup::NoHost, _) | (_, Lookup::NoHost) => Found::NoHost,
            (Lookup::NoPath, Lookup::NoPath) => Found::NoPath,
            _ => Found::Ambiguous,
        }
    }

    /// The site that takes path parameters out of `path`, by the reading that knows them.
    pub fn stripping(&self, host: &str, path: &NormalPath) -> Option<&Site> {
        if self.params == PathParams::default() || !path.has_parameters() {
            return None;
        }
        match self.lookup(host, path.bare()) {
            Lookup::Site(at) => self.sites.get(at),
            Lookup::NoPath | Lookup::NoHost => None,
        }
    }

    /// `path` as logs may show it, whichever site it is for, if for any.
    pub fn loggable(&self, path: &str) -> String {
        if self.params == PathParams::default() {
            return path.to_owned();
        }
        // What is only nearly a parameter is the same secret to whoever reads the log.
        let plain = path.replace("%3B", ";").replace("%3b", ";");
        let stripped = self.params.strip(plain.as_bytes());
        stripped.map_or_else(
            || path.to_owned(),
            |stripped| String::from_utf8_lossy(&stripped).into_owned(),
        )
    }

    fn lookup(&self, host: &str, path: &str) -> Lookup {
        let below = host.match_indices('.').map(|(dot, _)| &host[dot + 1..]);
        let candidates = std::iter::once(self.exact.get(host))
            .chain(below.map(|suffix| self.wildcard.get(suffix)));
        let mut found = Lookup::NoHost;
        for places in candidates.flatten() {
            let hit = places
                .iter()
                .find(|at| covers(&self.sites[**at].prefix, path));
            match hit {
                Some(at) => return Lookup::Site(*at),
                None => found = Lookup::NoPath,
            }
        }
        found
    }
}

/// Tells each site of those that the browser sends the same cookies.
fn introduce(sites: &mut [Site]) {
    let rivals = sites.iter().enumerate().map(|(at, site)| {
        if !site.cookies.minds_rivals() {
            return Vec::new();
        }
        let others = sites.iter().enumerate();
        let others = others.filter(|(other, rival)| *other != at && meet(site, rival));
        others
            .filter_map(|(_, rival)| Rival::of(&rival.name, &rival.cookies))
            .collect()
    });
    let rivals: Vec<_> = rivals.collect();
    let neighbours = sites.iter().map(|site| {
        let others = sites.iter().filter(|other| are_neighbours(site, other));
        others
            .filter_map(|other| Rival::of(&other.name, &other.cookies))
            .collect()
    });
    let neighbours: Vec<_> = neighbours.collect();
    for (site, (rivals, neighbours)) in sites.iter_mut().zip(rivals.into_iter().zip(neighbours)) {
        site.cookies.rivals = rivals;
        site.cookies.neighbours = neighbours;
    }
}

/// Whether a cookie for a domain can come to two hosts, one of each site. A site can be its own neighbour.
fn are_neighbours(one: &Site, other: &Site) -> bool {
    one.hosts.iter().any(|own| {
        let is_another = |host: &&String| *host != own || own.starts_with("*.");
        let mut theirs = other.hosts.iter().filter(is_another);
        theirs.any(|their| share_a_domain(own, their))
    })
}

/// Whether some host has both.
pub(super) fn meet(one: &Site, other: &Site) -> bool {
    one.hosts.iter().any(|own| {
        other.hosts.iter().any(|their| {
            own == their || takes_part_of(one, own, their) || takes_part_of(other, their, own)
        })
    })
}

/// Whether `site` has a part of the hosts `wide` under `host`, but does not take all that is asked of it.
fn takes_part_of(site: &Site, host: &str, wide: &str) -> bool {
    let Some(suffix) = wide.strip_prefix("*.") else {
        return false;
    };
    let name = host.strip_prefix("*.").unwrap_or(host);
    is_below(name, suffix) && !site.prefix.is_empty()
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Lookup {
    Site(usize),
    NoPath,
    NoHost,
}

/// Whether a site at `prefix` serves `path`: `/deep` serves `/deep` and `/deep/x`, not `/deepest`.
fn covers(prefix: &str, path: &str) -> bool {
    path.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether `host`, in lower case, is what `pattern` means: itself, or every name below `*.`.
pub fn is_host(host: &str, pattern: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(suffix) => is_below(host, suffix),
        None => pattern == host,
    }
}

fn is_below(host: &str, suffix: &str) -> bool {
    host.strip_suffix(suffix)
        .is_some_and(|label| label.len() > 1 && label.ends_with('.'))
}

/// An authority without its port.
pub(super) fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

#[cfg(test)]
mod tests;
