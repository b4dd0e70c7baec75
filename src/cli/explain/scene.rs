//! What the verdicts are found in: the site, where its lines are written, and whether there is a session.

use super::account::Ruling;
use crate::config::Settings;
use crate::gateway::access::Rule;
use crate::gateway::site::Site;
use crate::gateway::visit::SessionMode;

/// The site that a request is for.
pub(super) struct Scene<'a> {
    pub settings: &'a Settings,
    pub site: &'a Site,
    /// Where it stands among the sites.
    pub at: usize,
    pub rule: Option<&'a Rule>,
    /// How it uses sessions, with what the rule says of it.
    pub mode: SessionMode,
    pub seat: Seat,
}

/// Whether a request has a session for what is to be remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seat {
    /// It has, or one begins.
    Taken,
    /// If the visitor brings one.
    IfThere,
    /// It has none, or none that it may change; why.
    None(&'static str),
}

impl Seat {
    pub(super) const fn of(mode: SessionMode, could_carry: bool) -> Self {
        match (mode, could_carry) {
            (SessionMode::Off, _) => Self::None("there are no sessions here (session = \"off\")"),
            (_, false) => Self::None("this request may not change a session"),
            (SessionMode::Observe, true) => Self::IfThere,
            (SessionMode::Attach | SessionMode::Lazy, true) => Self::Taken,
        }
    }
}

impl<'a> Scene<'a> {
    pub(super) fn of(
        settings: &'a Settings,
        site: &'a Site,
        rule: Option<&'a Rule>,
        could_carry: bool,
    ) -> Self {
        let mut named = settings.sites.iter();
        let at = named.position(|one| *one.name == *site.name);
        let mode = rule.and_then(|rule| rule.session).unwrap_or(site.session);
        Self {
            settings,
            site,
            // The sites were built from these settings, and no two have one name.
            at: at.unwrap_or_default(),
            rule,
            mode,
            seat: Seat::of(mode, could_carry),
        }
    }
}

impl Scene<'_> {
    pub(super) fn ticket_name(&self) -> &str {
        &self.settings.cookie.name
    }

    /// Where a key of the site is written.
    pub(super) fn place(&self, key: &str) -> String {
        let at = self.at;
        self.settings
            .origins
            .place(&format!("site[{at}]{key}"))
            .to_string()
    }

    /// The rule that a cookie comes under.
    pub(super) fn ruling(&self, name: &[u8]) -> Ruling {
        let rule = self.site.cookies.rule_for(name);
        let mode = rule.mode.word();
        match self.site.cookies.rule_at(name) {
            Some(nth) => Ruling {
                name: rule.name.as_str().to_owned(),
                mode,
                place: Some(self.place(&format!(".cookies.rules[{nth}]"))),
            },
            None => {
                let key = format!("site[{}].cookies.default", self.at);
                let is_written = self.settings.origins.is_written(&key);
                Ruling {
                    name: "default".to_owned(),
                    mode,
                    place: is_written.then(|| self.place(".cookies.default")),
                }
            }
        }
    }
}

/// Bytes of others as they may be shown on a terminal.
pub(super) fn printable(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for letter in String::from_utf8_lossy(bytes).chars() {
        if letter.is_control() {
            out.extend(letter.escape_default());
        } else {
            out.push(letter);
        }
    }
    out
}
