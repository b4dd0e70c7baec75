//! Which cookies in a browser are copies of what belongs to a session: good for nothing without it, so that they are to
//! go when it does. And which are the app's at all, so that they go when the app clears its own.

use super::parse::Pair;
use super::policy::{Binding, CookiePolicy, CookieRule, Mode};
use super::screen::{CookieLimits, Verdict};
use super::seal::Label;
use crate::base::kept::KeptCookie;

const NO_LIMITS: CookieLimits = CookieLimits {
    bytes_max: usize::MAX,
    pairs_max: usize::MAX,
};

impl CookieRule {
    /// Whether what the browser gets under it is of use to one session alone.
    const fn makes_copies(&self) -> bool {
        match self.mode {
            Mode::Mirror => true,
            Mode::Seal | Mode::Sign => matches!(self.binding, Binding::Session),
            Mode::Keep | Mode::Pass | Mode::Strip => false,
        }
    }
}

impl CookiePolicy {
    /// The names of the copies among these fields. A plain value is none: it is the browser's own, which a rule may still
    /// accept. Nor has a policy any that only reports, since it takes nothing away.
    pub fn copies<'a>(
        &'a self,
        fields: impl Iterator<Item = &'a [u8]> + Clone,
        ticket_name: &[u8],
    ) -> Vec<&'a [u8]> {
        let mut names = Vec::new();
        if !self.enforce {
            return names;
        }
        // Without limits there is no fault.
        let _ = self.judge_all(fields, ticket_name, &NO_LIMITS, |pair, verdict| {
            if let Verdict::Hold(rule) = verdict
                && rule.makes_copies()
                && (rule.mode == Mode::Mirror || Label::read(pair.value).is_some())
                && !names.contains(&pair.name)
            {
                names.push(pair.name);
            }
        });
        names
    }

    /// Whether the policy, which is another site's, has a copy in what a browser brought here. `jar` is that site's.
    pub fn has_copy(&self, pair: &Pair<'_>, jar: &[KeptCookie], ticket_name: &[u8]) -> bool {
        // A mark is sealed too, and nobody's copy.
        if self.is_ours_to_somebody(pair.name, ticket_name) {
            return false;
        }
        let rule = self.rule_for(pair.name);
        let is_kept =
            |kept: &KeptCookie| (&*kept.identity.name, &*kept.value) == (pair.name, pair.value);
        let is_ours = || match rule.mode {
            // The site that was asked may have one of that name too.
            Mode::Mirror => jar.iter().any(is_kept),
            _ => Label::read(pair.value).is_some(),
        };
        self.enforce && rule.makes_copies() && is_ours()
    }

    /// Whether what was once a copy called `name` still is one, or at least nothing that anybody could want.
    pub fn gives_up(&self, name: &[u8]) -> bool {
        let rule = self.rule_for(name);
        let may_be_wanted = match rule.mode {
            Mode::Pass => true,
            _ => rule.mode.is_guarded() && !rule.makes_copies(),
        };
        self.enforce && !may_be_wanted
    }

    /// The names of all among these fields that the app knows of: what goes up, and what is mirrored, sealed or signed.
    pub fn names_of_app<'a>(
        &'a self,
        fields: impl Iterator<Item = &'a [u8]> + Clone,
        ticket_name: &[u8],
    ) -> Vec<&'a [u8]> {
        let mut names = Vec::new();
        let _ = self.judge_all(fields, ticket_name, &NO_LIMITS, |pair, verdict| {
            let is_known = match verdict {
                Verdict::Pass | Verdict::PassReported => true,
                // What waits for adoption is not known to be this visitor's.
                Verdict::Hold(rule) => !self.enforce || rule.mode != Mode::Keep,
                Verdict::Ticket | Verdict::Mark | Verdict::Binding | Verdict::Drop(_) => false,
            };
            if is_known && !names.contains(&pair.name) {
                names.push(pair.name);
            }
        });
        names
    }
}
