//! What a site's rules say of a path, and whether this visitor may go on.

use super::refusal::Refusal;
use super::visit::{SessionMode, Visit};
use crate::session::Record;

/// A `[[site.rule]]`: the first whose path matches decides.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Which paths it is for.
    pub path: PathPattern,
    /// How sessions are handled there, if not as the site says.
    pub session: Option<SessionMode>,
    /// Whether another site may act with the visitor's session there.
    pub cross_site: CrossSite,
}

/// What becomes of a request by which another site would act with the visitor's session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CrossSite {
    /// 403.
    #[default]
    Refuse,
    /// It goes through.
    Allow,
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

/// Whether a request that crosses sites to change state may use the session it has open. One without
/// anything in its session has nothing to be abused.
pub fn check_cross_site(crosses: bool, rule: Option<&Rule>, visit: &Visit) -> Result<(), Refusal> {
    let allowed = rule.is_some_and(|rule| rule.cross_site == CrossSite::Allow);
    if crosses && !allowed && visit.record().is_some_and(Record::is_worth_guarding) {
        return Err(Refusal::CrossSite);
    }
    Ok(())
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
