//! `[site.cookies]`: what becomes of the app's cookies.

use std::time::Duration;

use super::super::file::{self, Bind};
use super::super::settings::{self, Attendance, CookieMode, CookieRule, Cookies};
use super::{Check, value};
use crate::cookie::attributes::TicketCookieSettings;
use crate::cookie::name::NamePattern;
use crate::cookie::owner;
use crate::cookie::set_cookie::LIFE_MAX;

/// What the rules of a site's cookies are judged by.
pub(super) struct SiteFacts<'a> {
    /// The site's place in the list.
    pub(super) at: usize,
    pub(super) hosts: &'a [String],
    pub(super) session: Attendance,
    /// Our own cookie.
    pub(super) ticket: &'a TicketCookieSettings,
}

use CookieMode::{Keep, Mirror, Pass, Seal, Sign, Strip};

pub(super) fn cookies(
    check: &mut Check<'_>,
    site: &SiteFacts<'_>,
    mirror: file::Cookies,
) -> Cookies {
    let mut seen: Vec<String> = Vec::new();
    let mut rules = Vec::new();
    for (nth, mirror) in mirror.rules.into_iter().enumerate() {
        let key = |name: &str| format!("site[{}].cookies.rules[{nth}].{name}", site.at);
        let name = judge_name(check, &key, mirror.name.as_deref(), &seen, site.ticket);
        let (Some(name), Some(mode)) = (name, mirror.mode) else {
            if mirror.mode.is_none() {
                let way_out =
                    "write mode = \"keep\", \"mirror\", \"seal\", \"sign\", \"pass\" or \"strip\"";
                check.fault(&key("mode"), "missing", way_out);
            }
            continue;
        };
        judge_fit(check, &key, mode, &mirror);
        judge_values(check, &key, site, &mirror);
        judge_session(check, &key, site, mode, &mirror);
        judge_prefix(check, &key, &name, mode, &mirror);
        seen.push(name.clone());
        rules.push(CookieRule {
            name,
            mode,
            http_only: mirror.http_only,
            same_site: mirror.same_site,
            max_age: mirror.max_age.map(|span| span.0),
            domain: mirror.domain,
            path: mirror.path,
            adopt_until: mirror.adopt_until.map(|day| day.0),
            accept_unsealed_until: mirror.accept_unsealed_until.map(|day| day.0),
            bound_to_site: mirror.bind == Some(Bind::Site),
            placeholder: mirror.placeholder,
            non_ascii: mirror.non_ascii,
        });
    }
    let default = mirror.default;
    let key = format!("site[{}].cookies.default", site.at);
    if matches!(default, Seal | Sign) && site.session == Attendance::Off {
        let why = "binds cookies to a session, and this site has none (session = \"off\")";
        let way_out = "write a rule with bind = \"site\", or let the site have sessions";
        check.fault(&key, why, way_out);
    }
    Cookies {
        default,
        enforce: mirror.enforce,
        rules,
    }
}

fn judge_name(
    check: &mut Check<'_>,
    key: &impl Fn(&str) -> String,
    name: Option<&str>,
    seen: &[String],
    ticket: &TicketCookieSettings,
) -> Option<String> {
    let Some(name) = name else {
        let way_out = "write for example name = \"csrftoken\"";
        check.fault(&key("name"), "missing", way_out);
        return None;
    };
    check.accept(&key("name"), value::cookie_pattern(name));
    if name.eq_ignore_ascii_case(&ticket.name) {
        let why = "this is the ticket (session.cookie.name), which no rule touches";
        check.fault(&key("name"), why, "take the rule out");
    }
    if seen.iter().any(|earlier| earlier == name || earlier == "*") {
        let why = "an earlier rule takes all that this one would";
        let way_out = "the first match wins: take it out or move it up";
        check.warn(&key("name"), why, way_out);
    }
    Some(name.to_owned())
}

/// Warns of rules for the mark that browsers get beside the ticket while some site adopts.
pub(super) fn mark_is_ours(
    check: &mut Check<'_>,
    sites: &[settings::Site],
    ticket: &TicketCookieSettings,
) {
    let mut rules = sites.iter().flat_map(|site| &site.cookies.rules);
    if !rules.any(|rule| rule.adopt_until.is_some()) {
        return;
    }
    let mark = [&*ticket.name, owner::SUFFIX].concat();
    for (at, site) in sites.iter().enumerate() {
        for (nth, rule) in site.cookies.rules.iter().enumerate() {
            if rule.name.eq_ignore_ascii_case(&mark) {
                let key = format!("site[{at}].cookies.rules[{nth}].name");
                let why = "this is our own mark while a site adopts (adopt_until), and no rule touches it";
                check.warn(
                    &key,
                    why,
                    "take the rule out, or give the ticket another name",
                );
            }
        }
    }
}

/// Options that say nothing in the rule's mode. Harmless ones are warned of; one that somebody would rely on is a fault.
fn judge_fit(
    check: &mut Check<'_>,
    key: &impl Fn(&str) -> String,
    mode: CookieMode,
    rule: &file::CookieRule,
) {
    let harmless: [(&str, bool, &[CookieMode], &str); 6] = [
        (
            "http_only",
            rule.http_only.is_some(),
            &[Mirror, Seal, Sign, Pass],
            "says how the browser gets a cookie, and it gets none in this mode",
        ),
        (
            "same_site",
            rule.same_site.is_some(),
            &[Keep, Mirror, Seal, Sign, Pass],
            "says how a cookie is sent, and nobody is sent this one",
        ),
        (
            "max_age",
            rule.max_age.is_some(),
            &[Keep, Mirror, Seal, Sign, Pass],
            "says how long a cookie lives, and this one is stripped",
        ),
        (
            "domain",
            rule.domain.is_some(),
            &[Keep, Mirror, Seal, Sign, Pass],
            "says for which hosts a cookie is, and this one is stripped",
        ),
        (
            "path",
            rule.path.is_some(),
            &[Keep, Mirror, Seal, Sign, Pass],
            "says for which paths a cookie is, and this one is stripped",
        ),
        (
            "non_ascii",
            rule.non_ascii,
            &[Pass],
            "says what a passed value may hold, and this one is not passed",
        ),
    ];
    for (option, is_set, modes, why) in harmless {
        if is_set && !modes.contains(&mode) {
            check.warn(&key(option), why, "take it out");
        }
    }
    let binding: [(&str, bool, &[CookieMode], &str); 4] = [
        (
            "adopt_until",
            rule.adopt_until.is_some(),
            &[Keep],
            "has the jar take over what browsers hold, which only mode = \"keep\" does",
        ),
        (
            "accept_unsealed_until",
            rule.accept_unsealed_until.is_some(),
            &[Seal, Sign],
            "is about values that were never sealed or signed, and this mode does neither",
        ),
        (
            "bind",
            rule.bind.is_some(),
            &[Seal, Sign],
            "says what a value is good for, and only mode = \"seal\" or \"sign\" can hold it to that",
        ),
        (
            "placeholder",
            rule.placeholder,
            &[Keep, Mirror],
            "stands in for a cookie that the jar lacks, and this mode has no jar",
        ),
    ];
    for (option, is_set, modes, why) in binding {
        if is_set && !modes.contains(&mode) {
            let words: Vec<String> = modes.iter().map(|mode| format!("{mode:?}")).collect();
            let way_out = format!(
                "take it out, or write mode = \"{}\"",
                words.join("\" or \"").to_lowercase()
            );
            check.fault(&key(option), why, way_out);
        }
    }
    if mode == Mirror && rule.http_only == Some(true) {
        let why = "a mirrored cookie is there for scripts, and HttpOnly hides it from them";
        check.warn(
            &key("http_only"),
            why,
            "write mode = \"keep\", or take it out",
        );
    }
    if mode == Strip {
        return;
    }
    if rule.placeholder
        && let Some(name) = &rule.name
        && NamePattern::parse(name).is_ok_and(|name| name.exact().is_none())
    {
        let why = "a placeholder needs one name, and this rule is for several";
        check.fault(
            &key("placeholder"),
            why,
            "write a rule for the one name above",
        );
    }
}

fn judge_values(
    check: &mut Check<'_>,
    key: &impl Fn(&str) -> String,
    site: &SiteFacts<'_>,
    rule: &file::CookieRule,
) {
    if let Some(span) = rule.max_age {
        if span.0 == Duration::ZERO {
            let way_out =
                "write for example \"30d\"; mode = \"strip\" keeps a cookie away altogether";
            check.fault(&key("max_age"), "nothing lives for no time", way_out);
        }
        if span.0 > LIFE_MAX {
            check.fault(
                &key("max_age"),
                "browsers keep no cookie for longer than 400 days",
                "write at most \"400d\"",
            );
        }
    }
    if let Some(path) = &rule.path {
        let is_plain = path.starts_with('/')
            && path.len() <= 512
            && path
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b';');
        if !is_plain {
            let why = "no path of a cookie";
            check.fault(
                &key("path"),
                why,
                "write one that begins with / and has no semicolon and no blank",
            );
        }
    }
    if let Some(domain) = rule.domain.as_deref().filter(|domain| !domain.is_empty()) {
        let shared = settings::shared_domains(site.hosts);
        let is_ours = shared
            .into_iter()
            .any(|shared| value::is_within(domain, shared));
        if !is_ours {
            let why = "the site does not serve this domain with all hosts beneath it";
            let way_out = format!(
                "add \"{domain}\" and \"*.{domain}\" to the site's hosts, or write domain = \"\" for the one host"
            );
            check.fault(&key("domain"), why, way_out);
        }
    }
}

/// Name prefixes hold a cookie to its attributes (RFC 6265bis 4.1.3): a rule that breaks one makes a cookie that no
/// browser and no jar takes.
fn judge_prefix(
    check: &mut Check<'_>,
    key: &impl Fn(&str) -> String,
    name: &str,
    mode: CookieMode,
    rule: &file::CookieRule,
) {
    let lower = name.to_ascii_lowercase();
    if lower.starts_with("__host-") && mode != Strip {
        if rule.path.as_deref().is_some_and(|path| path != "/") {
            let why = "a __Host- cookie is for all paths, or no browser takes it";
            check.fault(&key("path"), why, "write path = \"/\", or take it out");
        }
        if rule
            .domain
            .as_deref()
            .is_some_and(|domain| !domain.is_empty())
        {
            let why = "a __Host- cookie is for one host, or no browser takes it";
            check.fault(&key("domain"), why, "write domain = \"\", or take it out");
        }
    }
    let needs_http_only = lower.starts_with("__http-") || lower.starts_with("__host-http-");
    if needs_http_only && rule.http_only == Some(false) {
        let why = "an __Http- cookie is HttpOnly, or no browser takes it";
        check.fault(&key("http_only"), why, "take it out");
    }
}

fn judge_session(
    check: &mut Check<'_>,
    key: &impl Fn(&str) -> String,
    site: &SiteFacts<'_>,
    mode: CookieMode,
    rule: &file::CookieRule,
) {
    if site.session != Attendance::Off {
        return;
    }
    match mode {
        Seal | Sign if rule.bind != Some(Bind::Site) => {
            let why = "binds the cookie to a session, and this site has none (session = \"off\")";
            check.fault(
                &key("mode"),
                why,
                "write bind = \"site\" as well, or let the site have sessions",
            );
        }
        Keep | Mirror => {
            let why = "keeps the cookie in a session, and this site has none (session = \"off\")";
            check.warn(
                &key("mode"),
                why,
                "write mode = \"pass\" or \"strip\", or let the site have sessions",
            );
        }
        Seal | Sign | Pass | Strip => {}
    }
}
