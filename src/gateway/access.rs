//! What a site's rules say of a path, and whether this visitor may go on.

use http::{HeaderMap, Method};

use super::demand::{Asking, Demand, Methods, Networks};
use super::path::NormalPath;
use super::refusal::Refusal;
use super::visit::{SessionMode, Visit};
use crate::base::kept::SameSite;
use crate::headers::fetch::Provenance;
use crate::headers::navigation::{Audience, audience};
use crate::session::Record;

/// A `[[site.rule]]`: the first that is for a request decides.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Which paths it is for.
    pub path: PathPattern,
    /// Which methods it is for.
    pub methods: Methods,
    /// Visitors from where it is for.
    pub networks: Networks,
    /// What it demands of them.
    pub require: Demand,
    /// How sessions are handled there, if not as the site says.
    pub session: Option<SessionMode>,
    /// Whether another site may act with the visitor's session there.
    pub cross_site: CrossSite,
}

impl Rule {
    /// Whether it decides what becomes of a request for the normalised `path`, if none before it does.
    pub fn is_for(&self, path: &str, asking: &Asking<'_>) -> bool {
        self.path.matches(path)
            && self.methods.hold(asking.method)
            && self.networks.hold(asking.client_ip)
    }
}

impl Rule {
    /// Whether it demands anything of anybody.
    pub fn demands(&self) -> bool {
        self.require != Demand::default()
    }
}

/// What becomes of a request by which another site would act with the visitor's session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CrossSite {
    /// 403.
    #[default]
    Refuse,
    /// It goes through.
    Allow,
    /// If it is a form, a page of ours sends it again from here; else 403.
    Resend,
}

/// A path, or a path and all below it (`/admin/*`, which covers `/admin` too).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathPattern {
    /// This path.
    Exactly(String),
    /// This path, without a slash at its end, and everything below it on segment borders.
    Below(String),
}

impl PathPattern {
    /// Reads the pattern of a rule. `None` for one that does not begin with `/`, or has a `*` in
    /// another place than alone in the last segment.
    pub fn parse(text: &str) -> Option<Self> {
        if !text.starts_with('/') {
            return None;
        }
        let pattern = match text.strip_suffix("/*") {
            Some(base) => Self::Below(base.to_owned()),
            None => Self::Exactly(text.to_owned()),
        };
        let (Self::Exactly(base) | Self::Below(base)) = &pattern;
        (!base.contains('*')).then_some(pattern)
    }

    /// Whether the normalised `path` matches.
    pub fn matches(&self, path: &str) -> bool {
        match self {
            Self::Exactly(exact) => path == exact,
            Self::Below(base) => path
                .strip_prefix(base.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
        }
    }
}

/// The path comes under different rules, or sites, depending on who reads it.
#[derive(Debug, PartialEq, Eq)]
pub struct Ambiguous;

/// The first of `rules` for such a request. `passes`: the site passes paths on that can be read in different ways.
///
/// # Errors
/// When the readings of the path come under different rules. Where such paths are passed on, when more than one of these
/// demands something; if one does, it holds.
pub fn rule_for<'r>(
    rules: &'r [Rule],
    path: &NormalPath,
    asking: &Asking<'_>,
    passes: bool,
) -> Result<Option<&'r Rule>, Ambiguous> {
    let find = |path: &str| rules.iter().find(|rule| rule.is_for(path, asking));
    let is_same = |one: Option<&Rule>, other: Option<&Rule>| {
        one.map(std::ptr::from_ref) == other.map(std::ptr::from_ref)
    };
    let mut chosen = find(path.bare());
    for reading in path.readings() {
        let other = find(&reading);
        if is_same(chosen, other) {
            continue;
        }
        if !passes {
            return Err(Ambiguous);
        }
        chosen = stricter(chosen, other)?;
    }
    // Few apps read a host into `//host/path`, and nothing else is ambiguous in it: it passes, by either rule.
    if let Some(behind) = path.behind_host() {
        let other = find(&behind);
        if !is_same(chosen, other) {
            chosen = stricter(chosen, other)?;
        }
    }
    Ok(chosen)
}

/// Of two rules, by two readings, the one that demands something: nobody gets around a rule by a path that the app may read
/// otherwise. Nor does another site act here that may by one reading alone.
///
/// # Errors
/// When neither is the stricter in everything.
fn stricter<'r>(
    one: Option<&'r Rule>,
    other: Option<&'r Rule>,
) -> Result<Option<&'r Rule>, Ambiguous> {
    let demands = |rule: Option<&Rule>| rule.is_some_and(Rule::demands);
    let lets_in = |rule: Option<&Rule>| match rule.map(|rule| rule.cross_site) {
        None | Some(CrossSite::Refuse) => 0,
        Some(CrossSite::Resend) => 1,
        Some(CrossSite::Allow) => 2,
    };
    let (chosen, left) = match (demands(one), demands(other)) {
        (true, true) => return Err(Ambiguous),
        (true, false) => (one, other),
        (false, true) => (other, one),
        (false, false) if lets_in(one) > lets_in(other) => (other, one),
        (false, false) if lets_in(one) < lets_in(other) => (one, other),
        (false, false) => (one.or(other), other),
    };
    if lets_in(chosen) > lets_in(left) {
        return Err(Ambiguous);
    }
    Ok(chosen)
}

/// Whether a request is a form of another site that a page of ours is to send again.
pub fn is_resent(
    rule: Option<&Rule>,
    from: &Provenance,
    method: &Method,
    headers: &HeaderMap,
) -> bool {
    rule.is_some_and(|rule| rule.cross_site == CrossSite::Resend)
        && *method == Method::POST
        && audience(method, headers, false) == Audience::Sender
        && from.crosses_site_changing_state(false)
}

/// Whether a request that crosses sites to change state may use the session it has open. One without
/// anything in its session has nothing to be abused.
pub fn check_cross_site(crosses: bool, rule: Option<&Rule>, visit: &Visit) -> Result<(), Refusal> {
    let allowed = rule.is_some_and(|rule| rule.cross_site == CrossSite::Allow);
    if crosses && !allowed && visit.record().is_some_and(Record::is_worth_guarding) {
        return Err(Refusal::CrossSite);
    }
    Ok(())
}

/// Whether whoever somebody else names may be believed to act: on requests that could have carried our own ticket.
pub fn believes(
    rule: Option<&Rule>,
    from: &Provenance,
    same_site: SameSite,
    is_websocket: bool,
) -> bool {
    let allows = rule.is_some_and(|rule| rule.cross_site == CrossSite::Allow);
    let is_foreign = from.crosses_site_changing_state(is_websocket) && !allows;
    from.could_carry(same_site) && !is_foreign
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_on_segment_borders() {
        let rows = [
            ("/admin/*", "/admin", true),
            ("/admin/*", "/admin/", true),
            ("/admin/*", "/admin/x/y", true),
            ("/admin/*", "/administrator", false),
            ("/*", "/", true),
            ("/*", "/x", true),
            ("/poll", "/poll", true),
            ("/poll", "/poll/", false),
        ];
        for (pattern, path, expected) in rows {
            let parsed = PathPattern::parse(pattern).unwrap();
            assert_eq!(parsed.matches(path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn a_star_stands_alone_at_the_end_or_not_at_all() {
        for text in ["admin/*", "", "/a*", "/*/b", "/a/*/*"] {
            assert_eq!(PathPattern::parse(text), None, "{text}");
        }
    }
}
