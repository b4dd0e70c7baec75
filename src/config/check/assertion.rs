//! `site.assertion_issuer` and `site.sign_requests`: who `{assertion}` says that it is from, and what holds it to its request.

use std::time::Duration;

use super::super::settings::Site;
use super::Check;
use crate::headers::fold;
use crate::headers::signature::FIELDS;

const LENGTH_MAX: usize = 512;

/// As it is written, or the first host of the site, which is at `path`; empty where no header tells an assertion.
pub(super) fn assertion_issuer(
    check: &mut Check<'_>,
    at: usize,
    (written, headers): (String, &[(String, String)]),
    (hosts, path): (&[String], &str),
) -> String {
    let key = format!("site[{at}].assertion_issuer");
    let is_told = tells_one(headers);
    if !written.is_empty() {
        let address = written.strip_prefix("https://");
        let is_sound = |rest: &str| {
            !rest.is_empty()
                && rest.len() <= LENGTH_MAX
                && rest.bytes().all(|byte| byte.is_ascii_graphic())
                && !rest.contains(['?', '#', '"', '\\'])
        };
        if !address.is_some_and(is_sound) {
            let why = "not an https address without query";
            check.fault(&key, why, "write for example \"https://shop.example.com\"");
        } else if !is_told {
            let why = "no header tells an {assertion}";
            let way_out = "write one into [site.headers], or take this out";
            check.warn(&key, why, way_out);
        }
        return written;
    }
    if !is_told {
        return String::new();
    }
    let Some(host) = hosts.iter().find(|host| !host.starts_with("*.")) else {
        // Without any host there is another fault already.
        if !hosts.is_empty() {
            let why =
                "missing: an {assertion} says who it is from, and no host of the site has one name";
            check.fault(
                &key,
                why,
                "write for example assertion_issuer = \"https://shop.example.com\"",
            );
        }
        return String::new();
    };
    format!("https://{host}{}", path.trim_end_matches('/'))
}

/// A request is signed for the sake of its assertion, and in fields that nobody else writes.
pub(super) fn can_sign(
    check: &mut Check<'_>,
    at: usize,
    signs: bool,
    headers: &[(String, String)],
) {
    if !signs {
        return;
    }
    if !tells_one(headers) {
        let why = "no header tells an {assertion}, and only requests that have one are signed";
        let way_out =
            "write one into [site.headers], for example \"X-Assertion\" = \"{assertion}\"";
        check.fault(&format!("site[{at}].sign_requests"), why, way_out);
    }
    let is_signatures = |name: &str| {
        FIELDS
            .iter()
            .any(|field| fold::is_folded(name, field.as_str()))
    };
    for (name, _) in headers.iter().filter(|(name, _)| is_signatures(name)) {
        let key = format!("site[{at}].headers.{name}");
        let way_out = "choose another name, or take sign_requests out";
        check.fault(&key, "is written by site.sign_requests", way_out);
    }
}

/// Apps keep what they read at jwks.json for five minutes, and must know a key before it signs.
pub(super) fn keys_are_known_in_time(check: &mut Check<'_>, sites: &[Site], wait: Duration) {
    const KEPT: Duration = Duration::from_secs(300);
    if wait <= KEPT && sites.iter().any(|site| tells_one(&site.headers)) {
        let why = "a new key would sign an {assertion} before all apps know it: they keep the list for five minutes";
        check.warn(
            "session.keys.activate_after",
            why,
            "write for example \"10m\"",
        );
    }
}

fn tells_one(headers: &[(String, String)]) -> bool {
    let mut templates = headers.iter().map(|(_, template)| template);
    templates.any(|template| template.contains("{assertion}"))
}
