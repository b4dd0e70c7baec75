//! `[[site.rule]]`: what differs by path, method and network, and what is demanded of whom.

use std::borrow::Cow;

use http::Method;
use ipnet::IpNet;

use super::super::file;
use super::super::settings::{Attendance, CrossSite, Namer, Require, RequireUser, Rule, Site};
use super::login::share_a_ticket;
use super::{Check, value};
use crate::cookie::attributes::TicketCookieSettings;
use crate::gateway::access::PathPattern;
use crate::gateway::demand::Methods;

/// The rules of the site at `at`.
pub(super) fn rules(check: &mut Check<'_>, at: usize, mirrors: Vec<file::Rule>) -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::new();
    let demands: Vec<bool> = mirrors.iter().map(|one| one.require.is_some()).collect();
    for (nth, mirror) in mirrors.into_iter().enumerate() {
        let key = format!("site[{at}].rule[{nth}]");
        let path = format!("{key}.path");
        let Some(text) = mirror.path else {
            check.fault(&path, "missing", "write for example path = \"/admin/*\"");
            continue;
        };
        check.accept(&path, value::rule_path(&text));
        let says_more = mirror.session.is_some() || mirror.cross_site != CrossSite::Refuse;
        let rule = Rule {
            path: text,
            methods: methods(check, &format!("{key}.methods"), mirror.methods),
            networks: networks(check, &format!("{key}.networks"), mirror.networks),
            require: require(check, &format!("{key}.require"), mirror.require),
            session: mirror.session,
            cross_site: mirror.cross_site,
        };
        let leaves_nothing = |earlier: &&Rule| {
            is_whole_of(&earlier.path, &rule.path)
                && (earlier.methods.is_none() || earlier.methods == rule.methods)
                && (earlier.networks.is_none() || earlier.networks == rule.networks)
        };
        if let Some(earlier) = rules.iter().find(leaves_nothing) {
            let (why, way_out) = if earlier.path == rule.path {
                let why = "an earlier rule has the same path".to_owned();
                (why, "the first match wins: put both into one")
            } else {
                let why = format!("an earlier rule for {:?} is for all of it", earlier.path);
                (
                    why,
                    "the first match wins: put this one before that, or it says nothing",
                )
            };
            check.warn(&path, why, way_out);
        }
        let is_demanded_after = demands.iter().skip(nth).any(|demands| *demands);
        for (name, is_limited) in [
            ("methods", rule.methods.is_some()),
            ("networks", rule.networks.is_some()),
        ] {
            if is_limited && !says_more && !is_demanded_after {
                let why = "says for whom the rule is and keeps nobody out: no rule from here on demands anything";
                let way_out = format!("to refuse all others write require = {{ {name} = [...] }}");
                check.warn(&format!("{key}.{name}"), why, way_out);
            }
        }
        rules.push(rule);
    }
    rules
}

/// Whether all that is for the path pattern `part` is for `whole` too.
fn is_whole_of(whole: &str, part: &str) -> bool {
    let below = whole.strip_suffix("/*").and_then(|base| {
        let rest = part.strip_suffix("/*").unwrap_or(part).strip_prefix(base)?;
        Some(rest.is_empty() || rest.starts_with('/'))
    });
    whole == part || below == Some(true)
}

fn require(check: &mut Check<'_>, key: &str, mirror: Option<file::Require>) -> Require {
    let Some(mirror) = mirror else {
        return Require::default();
    };
    let needs_user = mirror.groups.is_some() || mirror.max_auth_age.is_some();
    if mirror.user == Some(false) && needs_user {
        let why = "groups and a login are a user's";
        check.fault(&format!("{key}.user"), why, "write user = true");
    }
    let asks = needs_user || mirror.user == Some(true);
    if !asks && mirror.methods.is_none() && mirror.networks.is_none() {
        let way_out = "write for example require = { user = true }, or take it out";
        check.fault(key, "demands nothing", way_out);
    }
    let groups = groups(check, &format!("{key}.groups"), mirror.groups);
    if mirror.max_auth_age.is_some_and(|age| age.0.is_zero()) {
        let way_out = "write for example \"15m\"";
        let why = "no login is so recent";
        check.fault(&format!("{key}.max_auth_age"), why, way_out);
    }
    Require {
        methods: methods(check, &format!("{key}.methods"), mirror.methods),
        networks: networks(check, &format!("{key}.networks"), mirror.networks),
        user: asks.then(|| RequireUser {
            groups,
            max_auth_age: mirror.max_auth_age.map(|age| age.0),
        }),
    }
}

fn groups(check: &mut Check<'_>, key: &str, texts: Option<Vec<String>>) -> Vec<String> {
    if texts.as_ref().is_some_and(Vec::is_empty) {
        let way_out = "write for example groups = [\"staff\"], or take it out";
        check.fault(key, "nobody is in one of no groups", way_out);
    }
    let texts = texts.unwrap_or_default();
    for (nth, text) in texts.iter().enumerate() {
        if text.trim().is_empty() {
            let way_out = "write a name or take it out";
            check.fault(&format!("{key}[{nth}]"), "names no group", way_out);
        }
    }
    texts
}

fn methods(check: &mut Check<'_>, key: &str, texts: Option<Vec<String>>) -> Option<Vec<Method>> {
    let texts = texts?;
    if texts.is_empty() {
        let way_out = "write for example [\"GET\"], or take it out";
        check.fault(key, "no request has one of no methods", way_out);
    }
    let read = texts.iter().enumerate();
    let read =
        read.filter_map(|(nth, text)| check.accept(&format!("{key}[{nth}]"), value::method(text)));
    Some(read.collect())
}

fn networks(check: &mut Check<'_>, key: &str, texts: Option<Vec<String>>) -> Option<Vec<IpNet>> {
    let texts = texts?;
    if texts.is_empty() {
        let way_out = "write for example [\"10.0.0.0/8\"], or take it out";
        check.fault(key, "nobody comes from one of no networks", way_out);
    }
    let read = texts.iter().enumerate();
    let read =
        read.filter_map(|(nth, text)| check.accept(&format!("{key}[{nth}]"), value::network(text)));
    Some(read.collect())
}

/// Whether what the rules demand can ever be there, and the way to it is open.
pub(super) fn can_be_met(check: &mut Check<'_>, sites: &[Site], cookie: &TicketCookieSettings) {
    for (at, site) in sites.iter().enumerate() {
        for (nth, rule) in site.rules.iter().enumerate() {
            let is_off = rule.session.unwrap_or(site.session) == Attendance::Off;
            if is_off && rule.cross_site == CrossSite::Resend {
                let key = format!("site[{at}].rule[{nth}].cross_site");
                let why = "without sessions (session = \"off\") there is none to come along";
                check.warn(&key, why, "take one of them out");
            }
        }
        let rules = site.rules.iter().enumerate();
        let demanding =
            rules.filter_map(|(nth, rule)| Some((nth, rule, rule.require.user.as_ref()?)));
        for (nth, rule, user) in demanding {
            let key = format!("site[{at}].rule[{nth}].require");
            if rule.session.unwrap_or(site.session) == Attendance::Off {
                let why = "without sessions (session = \"off\") no user is known";
                check.fault(&key, why, "take one of them out");
                continue;
            }
            let mut binding = sites.iter().filter(|other| counts(site, other, cookie));
            if binding.clone().next().is_none() {
                let why = "demands a user, and there is no login here by which anybody becomes one";
                let way_out = "write a [site.login], or trust_directives = true";
                check.fault(&key, why, way_out);
            } else if user.max_auth_age.is_some() && binding.clone().all(|site| !logs_in(site)) {
                let why = "the user is named with each request here, so there is no login that could be recent, nor another one";
                let way_out = "take it out: whoever names the user decides how old a login may be";
                check.fault(&format!("{key}.max_auth_age"), why, way_out);
            } else if !user.groups.is_empty() && !binding.any(tells_groups) {
                let why = "no login that counts here tells groups: forms and certificates name the user alone";
                let way_out = "write groups_header where a proxy names the user, or trust_directives = true where the app does, or take this out";
                check.fault(&format!("{key}.groups"), why, way_out);
            }
        }
        if let Some(page) = &site.login_page {
            for host in &site.hosts {
                let address = (host.as_str(), page.path());
                if let Some((server, nth)) = in_circles(sites, site, address) {
                    let key = format!("site[{server}].rule[{nth}].require");
                    let why = format!(
                        "demands a user at {}, where visitors log in: they would be sent in circles",
                        page.path()
                    );
                    let way_out = format!(
                        "write another rule before it: [[site.rule]] with path = \"{}\" alone",
                        page.path()
                    );
                    check.fault(&key, why, way_out);
                    break;
                }
            }
        }
    }
}

/// Whether people log in here, instead of being named by somebody else.
fn logs_in(site: &Site) -> bool {
    site.namer.is_none() || site.trust_directives
}

/// Whether a login of the site can say in which groups a user is.
fn tells_groups(site: &Site) -> bool {
    let by_header = |namer: &Namer| match namer {
        Namer::Header(headers) => headers.groups.is_some(),
        Namer::Forward(service) => service.headers.groups.is_some(),
        Namer::Certificate(_) => false,
    };
    let has_groups = site.form.is_some() || site.oidc.is_some();
    site.trust_directives || has_groups || site.namer.as_ref().is_some_and(by_header)
}

/// Whether users that `other` binds count at `site`.
fn counts(site: &Site, other: &Site, cookie: &TicketCookieSettings) -> bool {
    if site.name == other.name {
        return site.binds_users();
    }
    let accepted = &site.accept_users_from;
    let sees_all = accepted.is_empty() && !site.binds_users();
    let is_seen = sees_all || accepted.contains(&other.name);
    is_seen && other.binds_users() && share_a_ticket(site, other, cookie)
}

/// The rule that keeps out of the login page of `site` who is not logged in: the place of its site, and its own.
fn in_circles(sites: &[Site], site: &Site, (host, path): (&str, &str)) -> Option<(usize, usize)> {
    let (at, server) = serving(sites, host, path)?;
    let login = site.watch.as_ref().map(|watch| &watch.login);
    // The form goes there too, or to a path of its own.
    let mut ways = vec![(Method::GET, path)];
    let sent_to = login.map(|login| sent_to(login.path.as_str(), path));
    ways.extend(
        login
            .zip(sent_to.as_deref())
            .map(|(login, to)| (login.method.clone(), to)),
    );
    let blocked = ways.iter().find_map(|(method, path)| {
        let mut rules = server.rules.iter().enumerate();
        let decides = rules.find(|(_, rule)| {
            let pattern = PathPattern::parse(&rule.path);
            let is_for = pattern.is_some_and(|pattern| pattern.matches(path));
            let methods = rule
                .methods
                .clone()
                .map_or_else(Methods::default, Methods::of);
            // What lets some networks pass says nothing for the others.
            let for_all = rule.networks.is_none() || rule.require.user.is_some();
            is_for && methods.hold(method) && for_all
        });
        decides.filter(|(_, rule)| rule.require.user.is_some())
    });
    blocked.map(|(nth, _)| (at, nth))
}

/// Where the form on the login page at `page` is sent to. A pattern is no path: what it names at its end lies beside the page,
/// as a servlet container's `j_security_check` does, and what it leaves open is the page itself.
fn sent_to<'p>(pattern: &'p str, page: &'p str) -> Cow<'p, str> {
    if !pattern.contains('*') {
        return Cow::Borrowed(pattern);
    }
    let (_, last) = pattern.rsplit_once('/').unwrap_or_default();
    match page.rsplit_once('/') {
        Some((folder, _)) if !last.contains('*') => Cow::Owned(format!("{folder}/{last}")),
        _ => Cow::Borrowed(page),
    }
}

/// The site that serves `path` at `host`, which is one of a site's hosts as it is written.
fn serving<'s>(sites: &'s [Site], host: &str, path: &str) -> Option<(usize, &'s Site)> {
    let is_at = |site: &Site| {
        let mut patterns = site.hosts.iter();
        patterns.any(|pattern| {
            pattern == host
                || pattern
                    .strip_prefix("*.")
                    .is_some_and(|suffix| value::is_within(host.trim_start_matches("*."), suffix))
        })
    };
    let serve = sites.iter().enumerate().filter(|(_, site)| is_at(site));
    let serve = serve.filter(|(_, site)| value::path_covers(&site.path, path));
    serve.max_by_key(|(_, site)| (site.hosts.iter().any(|one| one == host), site.path.len()))
}
