//! The screen: the verdict over every cookie, both ways.
//!
//! In: our own name is found exactly where a browser would have written it, cookies marked `pass` go up as they came,
//! and everything else stays outside. Out: what the app sets goes into the jar, to the browser hardened, or nowhere.
//! A value is not passed if some reader could find a cookie in it that is not to be passed: Python splits at spaces,
//! old Java at commas.

use http::HeaderValue;

use super::harden::{Hardening, harden};
use super::incoming::{Names, append};
use super::jar::{AppRequest, JarAct, cookies_for, receive};
use super::name::{NamePattern, mentions, resembles};
use super::parse::{Pair, PlainValue, is_plain_name, pairs, plain_value, split_once};
use super::set_cookie::{Refused, SetCookie};
use crate::base::kept::{KeptCookie, SameSite};

pub use super::incoming::{CANDIDATES_MAX, Candidates, Incoming};

/// Fields of RFC 2965. They are deleted both ways: nobody sends them in good faith, and some servers still obey them.
pub const OBSOLETE_FIELDS: [&str; 2] = ["cookie2", "set-cookie2"];

/// What becomes of a cookie that the app sets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// It stays in the jar, and the app gets it from there.
    #[default]
    Keep,
    /// The browser gets it hardened, and the app gets what the browser sends.
    Pass,
    /// Nobody gets it.
    Strip,
}

/// One line of `rules` in `[site.cookies]`.
#[derive(Clone, Debug)]
pub struct CookieRule {
    /// The cookies meant.
    pub name: NamePattern,
    /// What becomes of them.
    pub mode: Mode,
    /// Mode pass: `Some(false)` leaves them readable to scripts. `None` counts as true.
    pub http_only: Option<bool>,
    /// Mode pass: the loosest SameSite they may have. `None` counts as Lax.
    pub same_site: Option<SameSite>,
}

/// The finished settings of `[site.cookies]`.
#[derive(Clone, Debug)]
pub struct CookiePolicy {
    /// The mode of a cookie that no rule names.
    pub default: Mode,
    /// The rules; the first that matches decides.
    pub rules: Vec<CookieRule>,
    /// False: report only. Cookies that are not to be passed are counted, and passed all the same; never ours, and none
    /// that is not written plainly.
    pub enforce: bool,
    /// Domains that the site serves whole, the name itself and every name beneath it: no passed cookie is for a wider
    /// one.
    pub shared_domains: Vec<String>,
}

/// How much a request's cookies may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CookieLimits {
    /// Bytes of all `Cookie` fields together.
    pub bytes_max: usize,
    /// Pairs in them.
    pub pairs_max: usize,
}

/// More cookies than the limits allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooMuch {
    /// Too many bytes.
    #[error("the Cookie fields hold too many bytes")]
    Bytes,
    /// Too many pairs.
    #[error("the Cookie fields hold too many pairs")]
    Pairs,
}

/// What becomes of a `Set-Cookie` of the app.
#[derive(Debug, PartialEq)]
pub enum Outgoing {
    /// The browser gets nothing; the jar changes.
    Keep(JarAct),
    /// The browser gets this field.
    Pass(HeaderValue),
    /// It vanishes, as a rule says.
    Strip,
    /// It vanishes, because no browser would take it or because it would harm.
    Refused(Refused),
}

/// What the policy says of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Treatment {
    /// What becomes of the cookie.
    pub mode: Mode,
    /// See [`CookieRule::http_only`].
    pub http_only: Option<bool>,
    /// See [`CookieRule::same_site`].
    pub same_site: Option<SameSite>,
}

enum Verdict {
    Ticket,
    Pass,
    /// Not to be passed, but the policy only reports.
    PassReported,
    Drop,
    DropLookalike,
}

impl CookiePolicy {
    /// What the rules say of a cookie of that name.
    pub fn mode_of(&self, name: &[u8]) -> Treatment {
        let rule = self.rules.iter().find(|rule| rule.name.matches(name));
        rule.map_or(
            Treatment {
                mode: self.default,
                http_only: None,
                same_site: None,
            },
            |rule| Treatment {
                mode: rule.mode,
                http_only: rule.http_only,
                same_site: rule.same_site,
            },
        )
    }

    /// Judges every pair of a request's `Cookie` fields. Of pairs with one passed name the first is passed: of cookies
    /// for several paths a browser sends the nearest first (RFC 6265bis 5.8.3).
    pub fn screen_in<'a>(
        &self,
        fields: impl Iterator<Item = &'a [u8]> + Clone,
        ticket_name: &[u8],
        limits: &CookieLimits,
    ) -> Result<Incoming<'a>, TooMuch> {
        let (mut bytes, mut room) = (0, 0);
        for field in fields.clone() {
            bytes += field.len();
            room += field.len() + 2;
        }
        if bytes > limits.bytes_max {
            return Err(TooMuch::Bytes);
        }
        let mut incoming = Incoming::default();
        let mut names = Names::default();
        for (nth, pair) in pairs(fields).enumerate() {
            if nth >= limits.pairs_max {
                return Err(TooMuch::Pairs);
            }
            match self.judge(&pair, ticket_name) {
                Verdict::Ticket => incoming.offer(pair.value),
                Verdict::Pass if names.insert(pair.name) => incoming.pass(pair.whole, room),
                Verdict::PassReported => {
                    incoming.dropped += 1;
                    incoming.pass(pair.whole, room);
                }
                Verdict::Pass | Verdict::Drop => incoming.dropped += 1,
                Verdict::DropLookalike => {
                    incoming.dropped += 1;
                    incoming.lookalikes += 1;
                }
            }
        }
        Ok(incoming)
    }

    fn judge(&self, pair: &Pair<'_>, ticket_name: &[u8]) -> Verdict {
        if pair.name == ticket_name {
            return Verdict::Ticket;
        }
        let named = if pair.name.is_empty() {
            // `=__Host-session=EVIL`, or our name alone.
            split_once(pair.value, b'=').map_or(pair.value, |(name, _)| name)
        } else {
            pair.name
        };
        if resembles(named, ticket_name) {
            return Verdict::DropLookalike;
        }
        let marked = self.mode_of(pair.name).mode == Mode::Pass;
        if !marked && self.enforce || !is_plain_name(pair.name) {
            return Verdict::Drop;
        }
        match plain_value(pair.value) {
            Some(PlainValue::Solid) => {}
            Some(PlainValue::Gapped) if self.may_hold(pair.value, ticket_name) => {}
            _ => return Verdict::Drop,
        }
        if marked {
            Verdict::Pass
        } else {
            Verdict::PassReported
        }
    }

    /// Whether all that a reader who splits at spaces or commas finds in `value` may go up too.
    fn may_hold(&self, value: &[u8], ticket_name: &[u8]) -> bool {
        let inner = match value {
            [b'"', inner @ .., b'"'] => inner,
            bare => bare,
        };
        let may_go_up = |name: &[u8]| {
            is_plain_name(name)
                && !resembles(name, ticket_name)
                && (!self.enforce || self.mode_of(name).mode == Mode::Pass)
        };
        let mut before: &[u8] = b"";
        for (nth, piece) in inner.split(|byte| matches!(byte, b' ' | b',')).enumerate() {
            if piece.is_empty() {
                continue;
            }
            let name = match split_once(piece, b'=') {
                // Some skip the spaces in `a = b`.
                Some((b"", _)) => before,
                Some((name, _)) if nth > 0 => name,
                _ => b"",
            };
            if !name.is_empty() && !may_go_up(name) {
                return false;
            }
            before = piece;
        }
        true
    }

    /// The one `Cookie` field that the app gets with `request`: first what the jar keeps for it, then `passed` as
    /// [`Self::screen_in`] gave it. Where both have a name the jar's cookie wins. `None` when there is nothing.
    pub fn cookie_field(
        &self,
        jar: &[KeptCookie],
        request: &AppRequest<'_>,
        passed: &[u8],
    ) -> Option<HeaderValue> {
        let mut kept = cookies_for(jar, request);
        // A rule may have changed since: what is passed now is no longer the jar's to answer.
        kept.retain(|cookie| self.mode_of(&cookie.identity.name).mode == Mode::Keep);
        let weight: usize = kept.iter().map(|cookie| cookie.weight_bytes()).sum();
        let mut out = Vec::with_capacity(weight + passed.len());
        for cookie in &kept {
            append(&mut out, &cookie.identity.name);
            if !cookie.identity.name.is_empty() {
                out.push(b'=');
            }
            out.extend_from_slice(&cookie.value);
        }
        for pair in pairs(std::iter::once(passed)) {
            if !kept
                .iter()
                .any(|cookie| *cookie.identity.name == *pair.name)
            {
                append(&mut out, pair.whole);
            }
        }
        if out.is_empty() {
            return None;
        }
        let mut field = HeaderValue::from_maybe_shared(bytes::Bytes::from(out)).ok()?;
        field.set_sensitive(true);
        Some(field)
    }

    /// Judges one `Set-Cookie` of the app.
    pub fn screen_out(
        &self,
        field: &HeaderValue,
        ticket_name: &[u8],
        request: &AppRequest<'_>,
    ) -> Outgoing {
        if mentions(field.as_bytes(), ticket_name) {
            return Outgoing::Refused(Refused::OurName);
        }
        let set = match SetCookie::read(field.as_bytes()) {
            Ok(set) => set,
            Err(refused) => return Outgoing::Refused(refused),
        };
        let treatment = self.mode_of(set.name);
        let judged = match treatment.mode {
            Mode::Keep => receive(&set, request).map(Outgoing::Keep),
            Mode::Pass => {
                let how = Hardening {
                    http_only: treatment.http_only,
                    same_site: treatment.same_site,
                    visitor_host: request.visitor_host,
                    shared_domains: &self.shared_domains,
                };
                harden(&set, &how).map(Outgoing::Pass)
            }
            Mode::Strip => Ok(Outgoing::Strip),
        };
        judged.unwrap_or_else(Outgoing::Refused)
    }
}

#[cfg(test)]
mod tests;
