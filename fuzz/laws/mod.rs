//! What the rules for cookies and for messages promise of every input there is, as functions that panic where a promise is broken.
//!
//! Property tests, fuzz targets and the test that replays the corpus all call these, so that there is one text of each
//! law. Everything that the laws compare with is written anew here, in the plainest way: whoever shares code with what
//! is judged shares its mistakes.

pub mod app_answer;

pub mod cookie_field;

pub mod h1_request;

pub mod proxy_header;

pub mod readers;

pub mod set_cookie;

pub mod wire;

use cloakroom::base::clock::Time;
use cloakroom::cookie::name::NamePattern;
use cloakroom::cookie::policy::{Binding, CookiePolicy, CookieRule, Mode};

/// Our own cookie.
pub const OURS: &[u8] = b"__Host-session";
/// The mark beside it, while some site adopts cookies.
pub const MARK: &[u8] = b"__Host-session-owner";
/// When everything happens.
pub const NOW: Time = Time::from_secs(1_800_000_000);
/// Whom the visitor asked.
pub const HOST: &str = "a.shop.example.com";

/// The rules of every policy here, the first that matches decides.
const RULES: [(&str, Mode); 8] = [
    ("sessionid", Mode::Keep),
    ("wp-secret", Mode::Keep),
    ("cart", Mode::Seal),
    ("csrftoken", Mode::Pass),
    ("theme", Mode::Pass),
    ("wp-*", Mode::Pass),
    ("*_pref", Mode::Pass),
    ("_ga*", Mode::Strip),
];

/// A policy, and what it says in a form that the laws can read by themselves.
pub struct Stand {
    pub policy: CookiePolicy,
    default: Mode,
}

impl Stand {
    /// The policy that a number stands for: what becomes of unknown cookies, whether it is enforced, whether `theme` may
    /// hold bytes past ASCII.
    pub fn of(choice: u8) -> Self {
        let default = if choice & 1 == 0 {
            Mode::Keep
        } else {
            Mode::Pass
        };
        let rule = |(name, mode): (&str, Mode)| {
            let name = NamePattern::parse(name).expect("a pattern");
            let non_ascii = choice & 4 != 0 && name.exact() == Some("theme");
            CookieRule {
                non_ascii,
                // Scripts read it, as they do in Django.
                overrides: cloakroom::cookie::policy::Overrides {
                    http_only: (name.exact() == Some("csrftoken")).then_some(false),
                    ..Default::default()
                },
                binding: Binding::Site,
                ..CookieRule::plain(name, mode)
            }
        };
        let policy = CookiePolicy {
            rules: RULES.map(rule).into(),
            enforce: choice & 2 == 0,
            shared_domains: vec!["shop.example.com".to_owned()],
            has_marks: true,
            ..CookiePolicy::plain(default)
        };
        Self { policy, default }
    }

    /// Whether there is a rule whose values may hold bytes past ASCII.
    pub fn allows_non_ascii(&self) -> bool {
        self.policy.rules.iter().any(|rule| rule.non_ascii)
    }

    /// What is to become of a cookie of that name.
    pub fn mode(&self, name: &[u8]) -> Mode {
        self.rule(name).unwrap_or(self.default)
    }

    /// What a rule says of it, if one does.
    pub fn rule(&self, name: &[u8]) -> Option<Mode> {
        let rule = RULES.iter().find(|(pattern, _)| match pattern.as_bytes() {
            [start @ .., b'*'] => name.starts_with(start),
            [b'*', end @ ..] => name.ends_with(end),
            whole => name == whole,
        });
        rule.map(|(_, mode)| *mode)
    }
}

/// Whether a name is ours, the ticket's or the mark's, for somebody who folds case and trims what is not printed.
pub fn is_ours_to_somebody(name: &[u8]) -> bool {
    let printed = |byte: &&u8| (0x21..=0x7e).contains(*byte);
    let start = name.iter().take_while(|byte| !printed(byte)).count();
    let end = name.iter().rev().take_while(|byte| !printed(byte)).count();
    let core = name.get(start..name.len() - end.min(name.len() - start));
    let is = |ours: &[u8]| core.is_some_and(|core| core.eq_ignore_ascii_case(ours));
    is(OURS) || is(MARK)
}
