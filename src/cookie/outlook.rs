//! What becomes of a browser's cookies, foretold without a session and without keys, for whoever asks what a policy
//! does. The verdicts are those of the screen itself; what depends on the session says so.

use super::parse::Pair;
use super::policy::{CookiePolicy, CookieRule, Mode};
use super::rivals::Share;
use super::screen::{CookieLimits, TooMuch, Verdict};
use super::seal::Label;
use super::why::Why;
use crate::base::clock::Time;

/// What becomes of one cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outlook {
    /// It is tried as a ticket, and goes no further.
    Ticket,
    /// It is the owner's mark, read by us alone.
    Mark,
    /// It ties a login at a provider to the browser, and is read by us alone.
    Binding,
    /// It goes up as it came.
    Passed,
    /// The same, although it was not to: the policy only reports.
    Reported,
    /// Its plain value goes up if it opens for the session, else nothing.
    Opens,
    /// It was never sealed or signed, and goes up as it came until then.
    Unsealed(Time),
    /// It was never sealed or signed, and stays outside.
    NotOurs,
    /// A copy for show: the app gets the jar's.
    Copy,
    /// The same; where the jar has none it goes up, because the policy only reports.
    CopyReported,
    /// It goes up and moves into the jar, if that has not had it nor anything in its place; until then.
    Moves(Time),
    /// The browser is told to hold it no more.
    Expires(Time),
    /// It stays outside.
    Dropped(Why),
}

impl Outlook {
    /// Whether it is decided before any rule is asked.
    pub const fn precedes_rules(self) -> bool {
        matches!(
            self,
            Self::Ticket | Self::Mark | Self::Binding | Self::Dropped(Why::Lookalike)
        )
    }
}

/// One cookie, and what becomes of it.
#[derive(Clone, Copy, Debug)]
pub struct Foretold<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// What becomes of it.
    pub outlook: Outlook,
}

impl CookiePolicy {
    /// What becomes of every pair of a request's `Cookie` fields, in order.
    ///
    /// # Errors
    /// When there are too many.
    pub fn foretell<'a>(
        &'a self,
        fields: impl Iterator<Item = &'a [u8]> + Clone,
        ticket_name: &[u8],
        limits: &CookieLimits,
        now: Time,
    ) -> Result<Vec<Foretold<'a>>, TooMuch> {
        let mut all = Vec::new();
        self.judge_all(fields, ticket_name, limits, |pair, verdict| {
            let outlook = match verdict {
                Verdict::Ticket => Outlook::Ticket,
                Verdict::Mark => Outlook::Mark,
                Verdict::Binding => Outlook::Binding,
                Verdict::Pass => Outlook::Passed,
                Verdict::PassReported => Outlook::Reported,
                Verdict::Drop(why) => Outlook::Dropped(why),
                Verdict::Hold(rule) => self.outlook_of_held(&pair, rule, ticket_name, now),
            };
            let name = pair.name;
            all.push(Foretold { name, outlook });
        })?;
        Ok(all)
    }

    fn outlook_of_held(
        &self,
        pair: &Pair<'_>,
        rule: &CookieRule,
        ticket_name: &[u8],
        now: Time,
    ) -> Outlook {
        let against = self.speaks_against(pair.value, rule, ticket_name);
        match rule.mode {
            Mode::Seal | Mode::Sign if Label::read(pair.value).is_some() => Outlook::Opens,
            Mode::Seal | Mode::Sign => match (against, rule.accept_unsealed_until) {
                (Some(why), _) => Outlook::Dropped(why),
                (None, Some(until)) if rule.accepts_unsealed_at(now) => Outlook::Unsealed(until),
                (None, _) if !self.enforce => Outlook::Reported,
                (None, _) => Outlook::NotOurs,
            },
            Mode::Mirror if !self.enforce && against.is_none() => Outlook::CopyReported,
            Mode::Mirror => Outlook::Copy,
            Mode::Keep | Mode::Pass | Mode::Strip => match (against, rule.adopt_until) {
                (Some(why), _) if !self.enforce => Outlook::Dropped(why),
                (None, _) if !self.enforce => Outlook::Reported,
                _ if self.share(pair.name, rule, now, &|_| &[]) == Share::Ceded => {
                    Outlook::Dropped(Why::AnotherSites)
                }
                (_, Some(until)) if !rule.adopts_at(now) || Label::read(pair.value).is_some() => {
                    Outlook::Expires(until)
                }
                (None, Some(until)) => Outlook::Moves(until),
                (Some(why), _) => Outlook::Dropped(why),
                (None, None) => Outlook::Dropped(Why::NotPassed),
            },
        }
    }
}
