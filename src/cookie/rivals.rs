//! Several sites of one host get the same cookies from a browser, and it does not say for which of them one is.
//!
//! Whose rule names a cookie more narrowly has what the browser holds alone: the exact name goes before a pattern, the
//! longer pattern before the shorter, and what is for all names comes last. Of equals each takes a copy into its own
//! jar, and what the browser holds goes with the last of them.

use std::sync::Arc;

use super::name::NamePattern;
use super::policy::{CookiePolicy, CookieRule, Mode};
use crate::base::clock::Time;
use crate::base::domain;
use crate::base::kept::KeptCookie;

/// Another site that gets the same cookies.
#[derive(Clone, Debug)]
pub struct Rival {
    site: Arc<str>,
    /// One for each of its rules, the first that matches decides. The last is its default.
    claims: Vec<Claim>,
}

#[derive(Clone, Debug)]
struct Claim {
    name: NamePattern,
    wants: Wants,
}

/// What a site has of a cookie that the browser holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wants {
    /// Nothing.
    Nothing,
    /// It moves into its jar until then.
    Adopts(Time),
    /// It is a copy of what is in its jar.
    Copies,
    /// It goes to its app.
    Reads,
}

/// How a site shares a cookie with its rivals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Share {
    /// It has it alone, or all others have their copies.
    Alone,
    /// Another one has yet to take its copy.
    Shared,
    /// The app of another one gets it from the browser, which must keep it.
    Read,
    /// Another one has it alone.
    Ceded,
}

/// The jar of a site, by its name.
pub type JarOf<'a> = &'a dyn Fn(&str) -> &'a [KeptCookie];

/// Whether a cookie can be for a domain in which hosts of both patterns lie, without belonging to everybody.
pub fn share_a_domain(one: &str, other: &str) -> bool {
    let bare = |pattern: &'_ str| pattern.strip_prefix("*.").unwrap_or(pattern).to_owned();
    let (one, other) = (bare(one), bare(other));
    let above = one
        .match_indices('.')
        .filter_map(|(dot, _)| one.get(dot + 1..));
    [&*one]
        .into_iter()
        .chain(above)
        .take_while(|domain| !domain::is_ip(domain) && !domain::is_public_suffix(domain))
        .any(|domain| domain::matches(&other, domain))
}

impl Rival {
    /// The site of that name as a rival, unless it wants nothing.
    pub fn of(site: &Arc<str>, policy: &CookiePolicy) -> Option<Self> {
        let rules = policy.rules.iter().chain([&policy.default]);
        let claims = rules.map(|rule| Claim {
            name: rule.name.clone(),
            wants: Wants::of(rule, policy.enforce),
        });
        let claims: Vec<_> = claims.collect();
        let wants = claims.iter().any(|claim| claim.wants != Wants::Nothing);
        wants.then(|| Self {
            site: Arc::clone(site),
            claims,
        })
    }

    fn claim(&self, name: &[u8]) -> Option<&Claim> {
        self.claims.iter().find(|claim| claim.name.matches(name))
    }
}

impl Wants {
    fn of(rule: &CookieRule, is_enforced: bool) -> Self {
        match (rule.mode, rule.adopt_until) {
            (Mode::Mirror, _) => Self::Copies,
            (Mode::Seal | Mode::Sign | Mode::Pass, _) => Self::Reads,
            (_, _) if !is_enforced => Self::Reads,
            (Mode::Keep, Some(until)) => Self::Adopts(until),
            (Mode::Keep | Mode::Strip, _) => Self::Nothing,
        }
    }
}

impl CookiePolicy {
    /// Whether the site takes over what browsers hold, or clears it away, so that rivals matter to it.
    pub fn minds_rivals(&self) -> bool {
        let mut rules = self.rules.iter().chain([&self.default]);
        rules.any(|rule| rule.adopt_until.is_some() || rule.mode == Mode::Mirror)
    }

    /// Whether a site may have the browser forget a cookie that others may not have taken over yet.
    pub fn may_expire(&self, name: &[u8], now: Time) -> bool {
        let rule = self.rule_for(name);
        let share = self.share(name, rule, now, &|_| &[]);
        rule.adopt_until.is_some() && !matches!(share, Share::Ceded | Share::Read)
    }

    /// Whether it takes a cookie over that the browser must keep for the app of another one.
    pub fn leaves(&self, name: &[u8], now: Time) -> bool {
        let rule = self.rule_for(name);
        rule.adopt_until.is_some() && self.share(name, rule, now, &|_| &[]) == Share::Read
    }

    /// Whether another host of ours is to find what a browser holds under that name for a domain. What it would take over
    /// is settled once somebody has logged in or out: it was theirs, and no mark tells another host so.
    pub fn spares_domain(&self, name: &[u8], now: Time, is_settled: bool) -> bool {
        match self.share_of_domain(name, now) {
            Share::Read => true,
            Share::Shared => !is_settled || self.leaves(name, now),
            Share::Alone | Share::Ceded => false,
        }
    }

    /// Whether another host of ours wants it if it is for a domain.
    pub fn is_shared_in_domain(&self, name: &[u8], now: Time) -> bool {
        self.share_of_domain(name, now) != Share::Alone
    }

    /// Whether no host of ours is to find it any more, although sites of this one have yet to take it over.
    pub fn ends_in_domain(&self, name: &[u8], now: Time, is_settled: bool) -> bool {
        let is_shared = self.share_of_domain(name, now) != Share::Alone;
        is_shared && !self.spares_domain(name, now, is_settled)
    }

    /// How a cookie `name` is shared with other hosts if it is for a domain.
    pub(super) fn share_of_domain(&self, name: &[u8], now: Time) -> Share {
        let mut share = Share::Alone;
        for neighbour in &self.neighbours {
            let wants = neighbour.claim(name).map(|claim| claim.wants);
            match wants {
                Some(Wants::Reads) => return Share::Read,
                Some(Wants::Adopts(until)) if now < until => share = Share::Shared,
                Some(Wants::Adopts(_) | Wants::Copies | Wants::Nothing) | None => {}
            }
        }
        share
    }

    /// How the cookie `name`, which comes under `rule`, is shared.
    pub(super) fn share(
        &self,
        name: &[u8],
        rule: &CookieRule,
        now: Time,
        jar_of: JarOf<'_>,
    ) -> Share {
        let mut share = Share::Alone;
        for rival in &self.rivals {
            let Some(claim) = rival.claim(name) else {
                continue;
            };
            let is_wanted = match claim.wants {
                Wants::Nothing => false,
                Wants::Adopts(until) => now < until,
                Wants::Copies | Wants::Reads => true,
            };
            let (theirs, ours) = (narrowness(&claim.name), narrowness(&rule.name));
            // A copy of what another's jar holds must not come into this one.
            let is_theirs = theirs > ours || theirs == ours && claim.wants == Wants::Copies;
            if is_wanted && is_theirs {
                return Share::Ceded;
            }
            if !is_wanted || theirs < ours {
                continue;
            }
            share = match claim.wants {
                Wants::Reads => Share::Read,
                _ if share == Share::Read || has(jar_of(&rival.site), name) => share,
                _ => Share::Shared,
            };
        }
        share
    }

    /// Whether this is a copy of what a rival's jar holds.
    pub(super) fn is_copy_of_a_rival(&self, name: &[u8], value: &[u8], jar_of: JarOf<'_>) -> bool {
        self.rivals.iter().any(|rival| {
            let mut jar = jar_of(&rival.site).iter();
            rival
                .claim(name)
                .is_some_and(|claim| claim.wants == Wants::Copies)
                && jar.any(|kept| *kept.identity.name == *name && *kept.value == *value)
        })
    }
}

fn has(jar: &[KeptCookie], name: &[u8]) -> bool {
    jar.iter().any(|kept| *kept.identity.name == *name)
}

/// Greater for a pattern that names a cookie more narrowly.
fn narrowness(name: &NamePattern) -> (bool, usize) {
    let letters = name.as_str().bytes().filter(|byte| *byte != b'*').count();
    (name.exact().is_some(), letters)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_secs(1_800_000_000);
    const LATER: Time = Time::from_secs(1_900_000_000);

    fn rule(name: &str, mode: Mode, adopt_until: Option<Time>) -> CookieRule {
        CookieRule {
            adopt_until,
            ..CookieRule::plain(NamePattern::parse(name).unwrap(), mode)
        }
    }

    fn policy(rules: &[CookieRule]) -> CookiePolicy {
        CookiePolicy {
            rules: rules.to_vec(),
            ..CookiePolicy::plain(Mode::Keep)
        }
    }

    /// How a site with the rule `ours` shares a cookie with one that has `theirs`.
    fn share(ours: CookieRule, theirs: CookieRule, name: &str) -> Share {
        let rival = Rival::of(&"other".into(), &policy(&[theirs]));
        let policy = CookiePolicy {
            rivals: rival.into_iter().collect(),
            ..policy(&[ours])
        };
        let name = name.as_bytes();
        policy.share(name, policy.rule_for(name), NOW, &|_| &[])
    }

    #[test]
    fn hosts_share_a_domain_unless_it_is_everybodys() {
        for (one, other, shared) in [
            ("www.shop.test", "shop.test", true),
            ("shop.test", "www.shop.test", true),
            ("a.shop.test", "b.shop.test", true),
            ("*.shop.test", "shop.test", true),
            ("a.co.uk", "b.co.uk", false),
            ("shop.test", "other.test", false),
            ("localhost", "other.test", false),
            ("127.0.0.1", "127.0.0.2", false),
        ] {
            assert_eq!(share_a_domain(one, other), shared, "{one} {other}");
        }
    }

    #[test]
    fn who_names_a_cookie_more_narrowly_has_it_alone() {
        use Share::{Alone, Ceded, Shared};
        let adopts = |name| rule(name, Mode::Keep, Some(LATER));
        let table = [
            ("PHPSESSID", "PHPSESSID", Shared),
            ("PHPSESSID", "*", Alone),
            ("PHPSESSID", "PHP*", Alone),
            ("PHP*", "PHPSESSID", Ceded),
            ("PHP*", "PHPSESS*", Ceded),
            ("PHPSESS*", "PHP*", Alone),
            ("*", "PHPSESSID", Ceded),
            ("*", "*", Shared),
            ("PHPSESSID", "other", Alone),
        ];
        for (ours, theirs, expected) in table {
            let found = share(adopts(ours), adopts(theirs), "PHPSESSID");
            assert_eq!(found, expected, "{ours} {theirs}");
        }
    }

    #[test]
    fn who_wants_nothing_of_the_browser_is_no_rival() {
        use Share::{Alone, Ceded, Read, Shared};
        let table = [
            (Mode::Keep, None, Alone),
            (Mode::Keep, Some(NOW), Alone),
            (Mode::Keep, Some(LATER), Shared),
            (Mode::Strip, None, Alone),
            (Mode::Pass, None, Read),
            (Mode::Seal, None, Read),
            (Mode::Mirror, None, Ceded),
        ];
        for (mode, until, expected) in table {
            let ours = rule("sid", Mode::Keep, Some(LATER));
            let found = share(ours, rule("sid", mode, until), "sid");
            assert_eq!(found, expected, "{mode:?} {until:?}");
        }
    }

    #[test]
    fn the_first_rule_of_a_rival_decides() {
        let rules = [
            rule("sid", Mode::Strip, None),
            rule("*", Mode::Keep, Some(LATER)),
        ];
        let rival = Rival::of(&"other".into(), &policy(&rules)).unwrap();
        let policy = CookiePolicy {
            rivals: vec![rival],
            ..policy(&[rule("s*", Mode::Keep, Some(LATER))])
        };
        let rule = policy.rule_for(b"sid");
        assert_eq!(policy.share(b"sid", rule, NOW, &|_| &[]), Share::Alone);
    }
}
