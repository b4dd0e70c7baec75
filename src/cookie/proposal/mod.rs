//! A `[site.cookies]` table made from what a watch has seen, with a reason for every line.
//!
//! It is a proposal: who reads it knows the app, and the watch saw only what was done while it lasted. So the default
//! stays `keep`, a rule is proposed only for what needs one or is worth a look, and what is not known is said.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

pub(super) use self::family::pattern_of;
pub(super) use self::judge::opens_doors;
use self::judge::{Choice, Verdict, is_hidden, judge, kept_because_of};
pub use self::remarks::counted;
use super::name::{NamePattern, resembles};
use super::policy::Mode;
use super::reading::other_readings;
use super::tally::{Sightings, Tally};

mod judge;

mod family;

mod remarks;

/// The ticket's name where nobody has given it another.
const TICKET_NAME: &str = "__Host-session";

/// How many names a reason has besides its rule's.
const NAMES_TOLD: usize = 3;

/// What is proposed for a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The rules. No cookie that was seen comes under two of them that say different things.
    pub rules: Vec<Proposed>,
    /// What stays under the default and why, what was not seen, and what the rules cannot say.
    pub notes: Vec<String>,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposed {
    /// The cookies meant.
    pub name: NamePattern,
    /// What should become of them.
    pub mode: Mode,
    /// `Some(false)` when scripts have to read them.
    pub http_only: Option<bool>,
    /// Whether something should stand in for it while the jar has none.
    pub placeholder: bool,
    /// Why, in words.
    pub reason: String,
}

/// A cookie that was seen, and what was made of it.
struct Judged<'a> {
    name: &'a str,
    seen: &'a Sightings,
    verdict: Verdict,
    /// The pattern of its kind, or the name.
    family: String,
}

/// Proposes rules that keep the app working and leave scripts and browsers no more than they were seen to need.
pub fn propose(tally: &Tally) -> Proposal {
    let judged = judge_all(tally);
    let mut rules: Vec<Proposed> = Vec::new();
    let mut wordless = Vec::new();
    for cookie in &judged {
        let Choice::Rule(mode, http_only, placeholder) = cookie.verdict.choice else {
            continue;
        };
        let Some(name) = pattern(cookie, &judged) else {
            wordless.push((cookie.name, mode));
            continue;
        };
        rules.push(Proposed {
            name,
            mode,
            http_only,
            placeholder,
            reason: cookie.verdict.reason.clone(),
        });
    }
    let mut rules = without_repetitions(rules);
    rules.sort_by_key(|rule| rule.mode != Mode::Pass);
    rules.sort_by_key(|rule| rule.mode == Mode::Strip);
    Proposal {
        notes: remarks::all(tally, &judged, &wordless),
        rules,
    }
}

/// What one user's cookie tells holds for the same cookie of the others, whose names end in another number. Those that
/// scripts cannot see are left out of it, so that nothing of theirs is opened by what a namesake does.
fn judge_all(tally: &Tally) -> Vec<Judged<'_>> {
    let mut families: BTreeMap<String, Sightings> = BTreeMap::new();
    for (name, seen) in &tally.cookies {
        if !is_hidden(seen) {
            families.entry(pattern_of(name)).or_default().add(seen);
        }
    }
    let judged = tally.cookies.iter().map(|(name, seen)| {
        let family = pattern_of(name);
        let shared = families.get(&family).filter(|_| !is_hidden(seen));
        Judged {
            name,
            seen,
            verdict: judge(name, shared.unwrap_or(seen), tally.visitors),
            family,
        }
    });
    without_disguises(judged.collect())
}

/// Keeps what was to be passed and what a framework could read as a cookie that is not. The screen sees to that under a
/// pattern; a rule with the exact name says that its reader has looked.
fn without_disguises(mut judged: Vec<Judged<'_>>) -> Vec<Judged<'_>> {
    let is_passed = |one: &Judged<'_>| matches!(one.verdict.choice, Choice::Rule(Mode::Pass, ..));
    let is_guarded = |name: &[u8]| {
        let text = String::from_utf8_lossy(name);
        let is_kept = |one: &Judged<'_>| one.name == text && !is_passed(one);
        opens_doors(&text) || resembles(name, TICKET_NAME.as_bytes()) || judged.iter().any(is_kept)
    };
    let found = judged.iter().map(|one| {
        let readings = other_readings(one.name.as_bytes());
        let mut readings = readings.into_iter().filter(|_| is_passed(one));
        readings.find(|name| is_guarded(name))
    });
    let found: Vec<_> = found.collect();
    for (one, reading) in judged.iter_mut().zip(found) {
        if let Some(reading) = reading {
            one.verdict = kept_because_of(&reading.escape_ascii().to_string(), one.seen);
        }
    }
    judged
}

/// The pattern of the cookie's rule: that of its family if no cookie of it was judged otherwise, else the bare name.
/// `None` when no rule can name it.
fn pattern(cookie: &Judged<'_>, all: &[Judged<'_>]) -> Option<NamePattern> {
    let name = NamePattern::parse(cookie.name).ok()?;
    // To a rule a star is never just a star.
    let exact = name.exact()?;
    // The configuration takes no rule for the ticket, and an app's cookie of that name gets nowhere without one.
    if exact.eq_ignore_ascii_case(TICKET_NAME) {
        return None;
    }
    let family = NamePattern::parse(&cookie.family).ok()?;
    let is_of_one_mind = all
        .iter()
        .filter(|other| family.matches(other.name.as_bytes()))
        .all(|other| other.verdict.choice == cookie.verdict.choice);
    Some(if is_of_one_mind { family } else { name })
}

/// Takes out the rules whose cookies come under a wider one that says the same, which then names them.
fn without_repetitions(rules: Vec<Proposed>) -> Vec<Proposed> {
    let mut left: Vec<Proposed> = Vec::new();
    let mut covered = Vec::new();
    for rule in rules {
        if left.iter().any(|wider| wider.covers(&rule)) {
            covered.push(rule);
            continue;
        }
        covered.extend(left.extract_if(.., |narrow| rule.covers(narrow)));
        left.push(rule);
    }
    for wider in &mut left {
        let names = covered.iter().filter(|narrow| wider.covers(narrow));
        let names: BTreeSet<&str> = names.map(|narrow| narrow.name.as_str()).collect();
        let others = names
            .into_iter()
            .filter(|name| *name != wider.name.as_str());
        let others: Vec<&str> = others.collect();
        let (told, untold) = others.split_at(others.len().min(NAMES_TOLD));
        if !told.is_empty() {
            wider.reason += &format!("; takes along {}", told.join(", "));
        }
        if !untold.is_empty() {
            wider.reason += &format!(" and {} more", untold.len());
        }
    }
    left
}

impl Proposed {
    /// Whether whatever `other` is for comes under this rule too, and fares the same. A pattern with a star matches,
    /// as a text, what covers all that it stands for.
    fn covers(&self, other: &Self) -> bool {
        let say_the_same = (self.mode, self.http_only, self.placeholder)
            == (other.mode, other.http_only, other.placeholder);
        say_the_same && self.name.matches(other.name.as_str().as_bytes())
    }
}

impl Sightings {
    fn add(&mut self, other: &Self) {
        let counts = [
            (&mut self.set, other.set),
            (&mut self.deleted, other.deleted),
            (&mut self.http_only, other.http_only),
            (&mut self.secure, other.secure),
            (&mut self.same_site, other.same_site),
            (&mut self.same_site_none, other.same_site_none),
            (&mut self.sent, other.sent),
            (&mut self.unknown, other.unknown),
            (&mut self.changed, other.changed),
            (&mut self.echoed_in_query, other.echoed_in_query),
        ];
        for (sum, count) in counts {
            *sum = sum.saturating_add(count);
        }
        // Not the sum: one visitor may bring all cookies of a family.
        let who = [
            (&mut self.sent_by, other.sent_by),
            (&mut self.changed_by, other.changed_by),
            (&mut self.echoed_by, other.echoed_by),
        ];
        for (most, count) in who {
            *most = count.max(*most);
        }
        self.set_by.extend(other.set_by.iter().cloned());
        self.echoed_in.extend(other.echoed_in.iter().cloned());
    }
}

/// The table as it is pasted into a configuration.
impl fmt::Display for Proposal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("[site.cookies]\ndefault = \"keep\"\n")?;
        if self.rules.is_empty() {
            out.write_str("rules = []\n")?;
        } else {
            out.write_str("rules = [\n")?;
            for rule in &self.rules {
                writeln!(out, "  {rule}")?;
            }
            out.write_str("]\n")?;
        }
        for note in &self.notes {
            writeln!(out, "# {}", printable(note))?;
        }
        Ok(())
    }
}

/// One line of `rules`, with its reason.
impl fmt::Display for Proposed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A pattern holds no quote, no backslash and nothing that does not print: it needs no escapes.
        let (name, mode) = (self.name.as_str(), self.mode.word());
        write!(out, "{{ name = \"{name}\", mode = \"{mode}\"")?;
        if let Some(http_only) = self.http_only {
            write!(out, ", http_only = {http_only}")?;
        }
        if self.placeholder {
            out.write_str(", placeholder = true")?;
        }
        write!(out, " }},  # {}", printable(&self.reason))
    }
}

/// `text` on one line of a comment, whatever visitors and apps have put into names.
fn printable(text: &str) -> String {
    let mut printed = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter == ' ' || letter.is_ascii_graphic() {
            printed.push(letter);
        } else {
            printed.extend(letter.escape_unicode());
        }
    }
    printed
}

#[cfg(test)]
mod tests;
