//! The screen, inwards: the verdict over every cookie that a browser sends.
//!
//! Our own name is found exactly where a browser would have written it, cookies marked `pass` go up as they came, those
//! whose fate depends on the session are held until it is open, and everything else stays outside. A value is not
//! passed if some reader could find a cookie in it that is not to be passed: Python splits at spaces, old Java at
//! commas.

use super::binding::is_binding;
use super::incoming::Names;
use super::owner::is_mark;
use super::parse::{NameBytes, Pair, PlainValue, is_plain_name, pairs, plain_value, split_once};
use super::policy::{CookiePolicy, CookieRule, Mode};
use super::why::Why;

pub use super::incoming::{CANDIDATES_MAX, Candidates, Held, Incoming};

/// Fields of RFC 2965. They are deleted both ways: nobody sends them in good faith, and some servers still obey them.
pub const OBSOLETE_FIELDS: [&str; 2] = ["cookie2", "set-cookie2"];

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

/// What becomes of a pair.
#[derive(Clone, Copy)]
pub(super) enum Verdict<'p> {
    /// It is offered as a ticket.
    Ticket,
    /// It is our own note of whose cookies the browser holds.
    Mark,
    /// It ties a login to the browser, and is looked at by our own pages alone.
    Binding,
    /// It goes up.
    Pass,
    /// It was not to go up, but the policy only reports.
    PassReported,
    /// The session decides.
    Hold(&'p CookieRule),
    /// It stays outside.
    Drop(Why),
}

impl CookiePolicy {
    /// Judges every pair of a request's `Cookie` fields. Of pairs with one name the first counts: of cookies for several
    /// paths a browser sends the nearest first (RFC 6265bis 5.8.3).
    pub fn screen_in<'a>(
        &'a self,
        fields: impl Iterator<Item = &'a [u8]> + Clone,
        ticket_name: &[u8],
        limits: &CookieLimits,
    ) -> Result<Incoming<'a>, TooMuch> {
        let mut incoming = Incoming::default();
        self.judge_all(fields, ticket_name, limits, |pair, verdict| match verdict {
            Verdict::Ticket => incoming.offer(pair.value),
            Verdict::Mark => incoming.offer_mark(pair.value),
            Verdict::Binding => {}
            Verdict::Pass => incoming.pass(pair.whole),
            Verdict::Hold(rule) => incoming.hold(pair, rule),
            Verdict::PassReported => {
                incoming.dropped += 1;
                incoming.reported.push(pair.name);
                incoming.pass(pair.whole);
            }
            Verdict::Drop(why) => {
                incoming.dropped += 1;
                incoming.lookalikes += u32::from(why == Why::Lookalike);
                if !self.enforce {
                    incoming.withheld.push((pair.name, why));
                }
            }
        })?;
        Ok(incoming)
    }

    /// Tells `each` what becomes of every pair, in order.
    #[inline]
    pub(super) fn judge_all<'a>(
        &'a self,
        fields: impl Iterator<Item = &'a [u8]> + Clone,
        ticket_name: &[u8],
        limits: &CookieLimits,
        mut each: impl FnMut(Pair<'a>, Verdict<'a>),
    ) -> Result<(), TooMuch> {
        let bytes: usize = fields.clone().map(<[u8]>::len).sum();
        if bytes > limits.bytes_max {
            return Err(TooMuch::Bytes);
        }
        let mut names = Names::default();
        for (nth, pair) in pairs(fields).enumerate() {
            if nth >= limits.pairs_max {
                return Err(TooMuch::Pairs);
            }
            let verdict = match self.judge(&pair, ticket_name) {
                // The first that opens counts, so that a planted one does not hide it.
                Verdict::Hold(rule) if rule.mode.is_guarded() => Verdict::Hold(rule),
                Verdict::Pass | Verdict::Hold(_) if !names.insert(pair.name) => {
                    Verdict::Drop(Why::Again)
                }
                verdict => verdict,
            };
            each(pair, verdict);
        }
        Ok(())
    }

    /// What becomes of a pair that came with a request, as far as it can be told before the session is open.
    pub(super) fn judge(&self, pair: &Pair<'_>, ticket_name: &[u8]) -> Verdict<'_> {
        if pair.name == ticket_name {
            return Verdict::Ticket;
        }
        if self.has_marks && is_mark(pair.name, ticket_name) {
            return Verdict::Mark;
        }
        if self.has_bindings && is_binding(pair.name, ticket_name) {
            return Verdict::Binding;
        }
        let named = if pair.name.is_empty() {
            // `=__Host-session=EVIL`, or our name alone.
            split_once(pair.value, b'=').map_or(pair.value, |(name, _)| name)
        } else {
            pair.name
        };
        if self.is_ours_to_somebody(named, ticket_name) {
            return Verdict::Drop(Why::Lookalike);
        }
        if self.is_of_a_service(named) {
            return Verdict::Drop(Why::OfAService);
        }
        let rule = self.rule_for(pair.name);
        let is_held = match rule.mode {
            Mode::Pass => false,
            Mode::Seal | Mode::Sign | Mode::Mirror => true,
            Mode::Keep => rule.adopt_until.is_some(),
            Mode::Strip => false,
        };
        let goes_up = rule.mode == Mode::Pass || !self.enforce;
        if !is_held && !goes_up {
            return Verdict::Drop(Why::of_name(pair.name, Why::NotPassed));
        }
        let bytes = NameBytes::of(pair.name);
        if !bytes.is_plain() {
            return Verdict::Drop(Why::of_name(pair.name, Why::OddName));
        }
        if bytes.may_fold() && !self.folds_alike(pair.name, rule, ticket_name) {
            return Verdict::Drop(Why::ReadsOtherwise);
        }
        if is_held {
            return Verdict::Hold(rule);
        }
        if let Some(why) = self.speaks_against(pair.value, rule, ticket_name) {
            return Verdict::Drop(why);
        }
        if rule.mode == Mode::Pass {
            Verdict::Pass
        } else {
            Verdict::PassReported
        }
    }

    /// Whether every reader finds in `value` one value, or at most cookies that may go up too.
    pub(super) fn may_go_up(&self, value: &[u8], rule: &CookieRule, ticket_name: &[u8]) -> bool {
        self.speaks_against(value, rule, ticket_name).is_none()
    }

    /// Why `value` may not go up, if so.
    pub(super) fn speaks_against(
        &self,
        value: &[u8],
        rule: &CookieRule,
        ticket_name: &[u8],
    ) -> Option<Why> {
        let is_one_value = match plain_value(value) {
            Some(PlainValue::Solid) => true,
            Some(PlainValue::NonAscii) if !rule.non_ascii => return Some(Why::NonAscii),
            Some(PlainValue::Gapped | PlainValue::NonAscii) => self.may_hold(value, ticket_name),
            None => return Some(Why::of_value(value)),
        };
        (!is_one_value).then_some(Why::HoldsAnother)
    }

    /// Whether all that a reader who splits at spaces, commas or what is not ASCII finds in `value` may go up too.
    fn may_hold(&self, value: &[u8], ticket_name: &[u8]) -> bool {
        let inner = match value {
            [b'"', inner @ .., b'"'] => inner,
            bare => bare,
        };
        let may_go_up = |name: &[u8]| {
            let rule = self.rule_for(name);
            is_plain_name(name)
                && !self.is_ours_to_somebody(name, ticket_name)
                && !self.is_of_a_service(name)
                && (!self.enforce || rule.mode == Mode::Pass)
                && self.reads_alike(name, rule, ticket_name)
        };
        let mut before: &[u8] = b"";
        let is_gap = |byte: &u8| matches!(byte, b' ' | b',' | 0x80..);
        for (nth, piece) in inner.split(is_gap).enumerate() {
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
}

#[cfg(test)]
mod tests;
