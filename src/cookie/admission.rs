//! The pairs that the screen held, judged when the session is open: sealed and signed values are opened, copies that
//! the browser still holds of kept cookies are adopted, and copies of mirrored ones are compared.

use std::borrow::Cow;

use super::incoming::{Held, Incoming, written};
use super::jar::{AppRequest, bare_path, is_for};
use super::owner::Adoption;
use super::parse::Pair;
use super::policy::{Binding, CookiePolicy, CookieRule, Mode};
use super::rivals::{JarOf, Share};
use super::seal::{Context, Form, Label, Unopened, ValueKeys};
use crate::base::clock::Time;
use crate::base::kept::{CookieIdentity, KeptCookie, TakenCopy};

/// What held pairs are judged by.
#[derive(Clone, Copy)]
pub struct Bench<'a> {
    /// Opens sealed and signed values.
    pub keys: &'a ValueKeys,
    /// The site's name.
    pub site: &'a str,
    /// What values of the session are bound to, if any were sealed in it.
    pub bond: Option<&'a [u8; 32]>,
    /// The site's jar in the session.
    pub jar: &'a [KeptCookie],
    /// What it has taken over from browsers before.
    pub taken: &'a [TakenCopy],
    /// The jars of other sites in it.
    pub jar_of: JarOf<'a>,
    /// Whether a cookie may go into it.
    pub may_keep: bool,
    /// Whether one that the browser still holds may.
    pub adoption: Adoption,
    /// The name of our own cookie.
    pub ticket_name: &'a [u8],
}

/// What becomes of a request's cookies.
#[derive(Default)]
pub struct Admission<'a> {
    /// What goes up: whole pairs, in the order in which they came.
    passed: Vec<Cow<'a, [u8]>>,
    /// What moves into the jar. The browser's copy is to be expired once it has.
    pub adopted: Vec<KeptCookie>,
    /// Names of copies that the browser still holds for other sites, although this one has its own.
    pub lingering: Vec<&'a [u8]>,
    /// Names of copies that the browser should hold no more.
    pub stale: Vec<&'a [u8]>,
    /// Sealed and signed values that did not open, and why.
    pub unopened: Vec<(&'a [u8], Unopened)>,
    /// How many mirrored copies came back with another value than the jar's.
    pub drifted: u32,
    /// How many pairs were not to go up.
    pub dropped: u32,
    /// As in [`Incoming::reported`].
    pub reported: Vec<&'a [u8]>,
}

/// Stands for the bond of a session in which nothing was sealed. No session has it, so that nothing opens with it.
const NO_BOND: [u8; 32] = [0; 32];

impl Admission<'_> {
    /// The pairs that go up, in order.
    pub fn passed(&self) -> impl Iterator<Item = &[u8]> + Clone {
        self.passed.iter().map(|pair| &**pair)
    }

    /// The same as one `Cookie` field; empty when nothing does.
    pub fn written(&self) -> Vec<u8> {
        written(self.passed())
    }
}

enum Fate {
    /// It goes up as it came.
    Up,
    /// It goes up with this value.
    Opened(Vec<u8>),
    Reported,
    Drop,
    /// It is no loss: the app gets the jar's.
    Ignore,
}

impl CookiePolicy {
    /// Judges what was held, and puts what goes up in the order in which it came.
    pub fn admit<'a>(
        &self,
        incoming: Incoming<'a>,
        bench: &Bench<'_>,
        request: &AppRequest<'_>,
    ) -> Admission<'a> {
        let mut admission = Admission {
            dropped: incoming.dropped,
            reported: incoming.reported,
            ..Admission::default()
        };
        let mut passed = incoming.passed.iter().copied().map(Cow::Borrowed);
        let mut done = 0;
        let mut up: Vec<&[u8]> = Vec::new();
        for held in &incoming.held {
            if up.contains(&held.pair.name) {
                admission.dropped += 1;
                continue;
            }
            let fate = match held.rule.mode {
                Mode::Seal => self.open(Form::Sealed, held, bench, request.now, &mut admission),
                Mode::Sign => self.open(Form::Signed, held, bench, request.now, &mut admission),
                Mode::Mirror => self.compare(held, bench, request.now, &mut admission),
                Mode::Keep | Mode::Pass | Mode::Strip => {
                    self.adopt(held, bench, request, &mut admission)
                }
            };
            let pair = match fate {
                Fate::Up => Cow::Borrowed(held.pair.whole),
                Fate::Opened(value) => Cow::Owned([held.pair.name, b"=", &value].concat()),
                Fate::Reported => {
                    admission.dropped += 1;
                    admission.reported.push(held.pair.name);
                    Cow::Borrowed(held.pair.whole)
                }
                Fate::Drop => {
                    admission.dropped += 1;
                    continue;
                }
                Fate::Ignore => continue,
            };
            up.push(held.pair.name);
            let before = passed.by_ref().take(held.at - done);
            admission.passed.extend(before);
            done = held.at;
            admission.passed.push(pair);
        }
        admission.passed.extend(passed);
        admission
    }

    fn open<'a>(
        &self,
        form: Form,
        held: &Held<'a>,
        bench: &Bench<'_>,
        now: Time,
        admission: &mut Admission<'a>,
    ) -> Fate {
        let Held { pair, rule, .. } = held;
        let bond = bench.bond.unwrap_or(&NO_BOND);
        let context = rule.context(form, bench.site, pair.name, bond);
        match bench.keys.open(pair.value, &context, now) {
            Ok(opened) => Fate::Opened(opened.value),
            Err(Unopened::NotOurs) => {
                let is_plain = self.may_go_up(pair.value, rule, bench.ticket_name);
                let accepted = rule.accepts_unsealed_at(now);
                match (is_plain, accepted) {
                    (true, true) => Fate::Up,
                    (true, false) if !self.enforce => Fate::Reported,
                    _ => {
                        admission.unopened.push((pair.name, Unopened::NotOurs));
                        Fate::Drop
                    }
                }
            }
            Err(why) => {
                admission.unopened.push((pair.name, why));
                Fate::Drop
            }
        }
    }

    fn compare<'a>(
        &self,
        held: &Held<'a>,
        bench: &Bench<'_>,
        now: Time,
        admission: &mut Admission<'a>,
    ) -> Fate {
        let Held { pair, rule, .. } = held;
        let mut kept = kept_as(bench.jar, pair.name).peekable();
        if kept.peek().is_none() {
            if self.enforce {
                // Left over from a session that is no more, or of another user.
                if self.share(pair.name, rule, now, bench.jar_of) == Share::Alone {
                    admission.stale.push(pair.name);
                }
                return Fate::Drop;
            }
            let may_go_up = self.may_go_up(pair.value, rule, bench.ticket_name);
            return if may_go_up {
                Fate::Reported
            } else {
                Fate::Drop
            };
        }
        if !kept.any(|cookie| *cookie.value == *pair.value) {
            admission.drifted += 1;
        }
        Fate::Ignore
    }

    fn adopt<'a>(
        &self,
        held: &Held<'a>,
        bench: &Bench<'_>,
        request: &AppRequest<'_>,
        admission: &mut Admission<'a>,
    ) -> Fate {
        let Held { pair, rule, .. } = held;
        let is_plain = self.may_go_up(pair.value, rule, bench.ticket_name);
        // Reporting changes nothing that the browser holds.
        if !self.enforce {
            return if is_plain { Fate::Reported } else { Fate::Drop };
        }
        let now = request.now;
        let share = self.share(pair.name, rule, now, bench.jar_of);
        if share == Share::Ceded {
            return Fate::Drop;
        }
        // One of ours is what is left of another rule, and no value of the app's.
        let is_over = !rule.adopts_at(now) || Label::read(pair.value).is_some();
        let path = bench.path_for(pair, request);
        match bench.adoption {
            Adoption::Shut => {
                if share != Share::Read {
                    admission.stale.push(pair.name);
                }
                return Fate::Drop;
            }
            _ if is_over => {
                if share == Share::Alone {
                    admission.stale.push(pair.name);
                }
                return Fate::Drop;
            }
            Adoption::Waiting => return Fate::Drop,
            Adoption::Open => {}
        }
        let is_a_rivals = || self.is_copy_of_a_rival(pair.name, pair.value, bench.jar_of);
        if path.is_some() && (!is_plain || is_a_rivals()) {
            return Fate::Drop;
        }
        let Some(path) = path else {
            // It may be one for the whole domain, that another host needs.
            if share == Share::Alone && self.share_of_domain(pair.name, now) == Share::Alone {
                admission.stale.push(pair.name);
            } else {
                admission.lingering.push(pair.name);
            }
            return Fate::Drop;
        };
        if bench.may_keep {
            if share != Share::Alone {
                admission.lingering.push(pair.name);
            }
            // Otherwise the copy goes when the jar has it, not before.
            admission.adopted.push(adopted(pair, path, rule, request));
        }
        Fate::Up
    }
}

impl CookieRule {
    /// Whether copies that browsers hold still move into the jar.
    pub(super) fn adopts_at(&self, now: Time) -> bool {
        self.adopt_until.is_some_and(|end| now < end)
    }

    /// Whether values still count that were never sealed or signed.
    pub(super) fn accepts_unsealed_at(&self, now: Time) -> bool {
        self.accept_unsealed_until.is_some_and(|end| now < end)
    }

    /// What a value under this rule is good for.
    pub(super) fn context<'a>(
        &self,
        form: Form,
        site: &'a str,
        name: &'a [u8],
        bond: &'a [u8; 32],
    ) -> Context<'a> {
        Context {
            form,
            site,
            name,
            bond: (self.binding == Binding::Session).then_some(bond),
            max_age: self.overrides.max_age,
        }
    }
}

fn kept_as<'j>(jar: &'j [KeptCookie], name: &[u8]) -> impl Iterator<Item = &'j KeptCookie> {
    jar.iter().filter(move |kept| *kept.identity.name == *name)
}

impl Bench<'_> {
    /// The path for which the jar takes `pair` over; `None` where it has had it, or has something in its place.
    fn path_for<'r>(&self, pair: &Pair<'_>, request: &AppRequest<'r>) -> Option<&'r str> {
        let is_left = TakenCopy::find(self.taken, pair.name, pair.value, request.host).is_some();
        let mut kept = kept_as(self.jar, pair.name);
        let is_answered = kept.any(|kept| !kept.adopted && is_for(kept, request));
        if is_left || is_answered {
            return None;
        }
        let place = (pair.name, request.host);
        TakenCopy::folder_beside(self.taken, self.jar, place, bare_path(request.path))
    }
}

/// The browser does not say which Path and Domain a cookie has: it is taken for one of the whole host, unless that is taken.
fn adopted(pair: &Pair<'_>, path: &str, rule: &CookieRule, request: &AppRequest<'_>) -> KeptCookie {
    let overrides = &rule.overrides;
    KeptCookie {
        identity: CookieIdentity {
            name: pair.name.into(),
            domain: request.host.into(),
            path: overrides.path.as_deref().unwrap_or(path).into(),
        },
        value: pair.value.into(),
        host_only: true,
        expires: overrides.max_age.map(|age| request.now.plus(age)),
        created: request.now,
        same_site: overrides.same_site,
        adopted: true,
    }
}

#[cfg(test)]
mod tests;
