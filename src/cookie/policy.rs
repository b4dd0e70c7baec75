//! The policy of a site's cookies: what each mode means, and which rule a cookie comes under.

use std::time::Duration;

use super::name::NamePattern;
use super::rivals::Rival;
use super::set_cookie::{Ends, SetCookie};
use crate::base::clock::Time;
use crate::base::kept::SameSite;

/// What becomes of a cookie that the app sets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// It stays in the jar, and the app gets it from there.
    #[default]
    Keep,
    /// The same; the browser gets a copy for its scripts to read, and what it makes of that matters to nobody.
    Mirror,
    /// The browser gets it encrypted and authenticated, and the app gets it back in plain text.
    Seal,
    /// The browser gets it readable with an authentication tag, and the app gets it back without.
    Sign,
    /// The browser gets it hardened, and the app gets what the browser sends.
    Pass,
    /// Nobody gets it.
    Strip,
}

impl Mode {
    /// As it is written in the configuration.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Mirror => "mirror",
            Self::Seal => "seal",
            Self::Sign => "sign",
            Self::Pass => "pass",
            Self::Strip => "strip",
        }
    }

    /// Whether the app gets the cookie from the jar.
    pub const fn is_kept(self) -> bool {
        matches!(self, Self::Keep | Self::Mirror)
    }

    /// Whether the browser's copy is good only if its tag is.
    pub const fn is_guarded(self) -> bool {
        matches!(self, Self::Seal | Self::Sign)
    }
}

/// What a sealed or signed value is good for besides its site and name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Binding {
    /// The session alone in which it was set.
    #[default]
    Session,
    /// Any visitor of the site.
    Site,
}

/// What a rule puts in the place of the app's own attributes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `Some(false)` leaves what the browser gets readable to scripts. `None`: HttpOnly, but for mirrored cookies.
    pub http_only: Option<bool>,
    /// The loosest SameSite that the cookie may have. `None`: Lax for what the browser gets, the app's own in the jar.
    pub same_site: Option<SameSite>,
    /// How long it lives, whatever the app says. For sealed and signed values also how old they may be.
    pub max_age: Option<Duration>,
    /// Its Domain.
    pub domain: Option<CookieDomain>,
    /// Its Path.
    pub path: Option<Box<str>>,
}

/// The Domain that a rule gives a cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CookieDomain {
    /// None: the host only that the visitor asked.
    HostOnly,
    /// This one, with all hosts beneath it.
    Shared(Box<str>),
}

/// One line of `rules` in `[site.cookies]`.
#[derive(Clone, Debug)]
pub struct CookieRule {
    /// The cookies meant.
    pub name: NamePattern,
    /// What becomes of them.
    pub mode: Mode,
    /// Attributes that the rule decides.
    pub overrides: Overrides,
    /// Mode keep: until then a copy that the browser still holds moves into a jar that lacks it; afterwards it is only
    /// expired. `None`: the browser holds none.
    pub adopt_until: Option<Time>,
    /// Modes seal and sign: until then a value that was never sealed or signed is believed.
    pub accept_unsealed_until: Option<Time>,
    /// Modes seal and sign: what values are bound to.
    pub binding: Binding,
    /// Mode keep and mirror, exact names: while the jar has no such cookie, the app is sent one with a random value. A
    /// servlet container then sees that cookies work, and writes no session id into links.
    pub placeholder: bool,
    /// Mode pass: whether values may hold bytes past ASCII.
    pub non_ascii: bool,
}

impl CookieRule {
    /// A rule that only says what becomes of the cookies.
    pub fn plain(name: NamePattern, mode: Mode) -> Self {
        Self {
            name,
            mode,
            overrides: Overrides::default(),
            adopt_until: None,
            accept_unsealed_until: None,
            binding: Binding::default(),
            placeholder: false,
            non_ascii: false,
        }
    }
}

/// The finished settings of `[site.cookies]`.
#[derive(Clone, Debug)]
pub struct CookiePolicy {
    /// The rules; the first that matches decides.
    pub rules: Vec<CookieRule>,
    /// For a cookie that no rule names.
    pub default: CookieRule,
    /// False: report only. Cookies that are not to be passed are counted, and passed all the same; never ours, none
    /// that is not written plainly, and no sealed or signed one that was touched.
    pub enforce: bool,
    /// Domains that the site serves whole, the name itself and every name beneath it: no cookie that the browser gets
    /// is for a wider one.
    pub shared_domains: Vec<String>,
    /// Whether some site adopts cookies, so that browsers hold marks beside the ticket.
    pub has_marks: bool,
    /// Cookies of the services that tell who visitors of these hosts are: they are for those services alone.
    pub of_services: Vec<NamePattern>,
    /// Whether visitors of some site log in at a provider, so that browsers hold what ties a login to them.
    pub has_bindings: bool,
    /// Other sites of the same hosts, which the browser sends the same cookies.
    pub rivals: Vec<Rival>,
    /// Sites of other hosts that get the same cookies where these are for a domain.
    pub neighbours: Vec<Rival>,
}

impl CookiePolicy {
    /// A policy without rules.
    pub fn plain(default: Mode) -> Self {
        Self {
            rules: Vec::new(),
            default: CookieRule::plain(NamePattern::any(), default),
            enforce: true,
            shared_domains: Vec::new(),
            has_marks: false,
            of_services: Vec::new(),
            has_bindings: false,
            rivals: Vec::new(),
            neighbours: Vec::new(),
        }
    }

    /// The rule that a cookie of that name comes under.
    #[inline]
    pub fn rule_for(&self, name: &[u8]) -> &CookieRule {
        self.rules
            .iter()
            .find(|rule| rule.name.matches(name))
            .unwrap_or(&self.default)
    }

    /// Whether a cookie of that name is a login service's.
    #[inline]
    pub(super) fn is_of_a_service(&self, name: &[u8]) -> bool {
        self.of_services.iter().any(|pattern| pattern.matches(name))
    }

    /// Where that rule stands in the list; `None` for the default.
    pub fn rule_at(&self, name: &[u8]) -> Option<usize> {
        self.rules.iter().position(|rule| rule.name.matches(name))
    }
}

impl Overrides {
    /// `set` as if the app had written what the rule says. A deletion stays one.
    pub(super) fn apply<'a>(&'a self, mut set: SetCookie<'a>, now: Time) -> SetCookie<'a> {
        if let Some(floor) = self.same_site {
            let stricter = set.same_site.unwrap_or(floor).stricter_of(floor);
            set.same_site = Some(stricter);
        }
        if let Some(age) = self.max_age
            && set.ends(now) != Ends::Past
        {
            set.live_for(age);
        }
        match &self.domain {
            Some(CookieDomain::HostOnly) => set.domain = None,
            Some(CookieDomain::Shared(domain)) => set.domain = Some(domain.as_bytes()),
            None => {}
        }
        if let Some(path) = &self.path {
            set.path = Some(path.as_bytes());
        }
        set
    }
}
