//! What should become of one cookie, by what was seen of it and, where that leaves it open, by its name.

use super::super::policy::Mode;
use super::super::tally::Sightings;
use super::family::tracker;

/// The session cookie of every servlet container.
pub(super) const SERVLET_SESSION: &str = "JSESSIONID";
/// How many paths a reason names.
const PATHS_TOLD: usize = 2;
/// Among more visitors than that, what one of them did alone, or fewer than one in ten, opens nothing: anybody can send
/// anything, and be a few visitors.
const VISITORS_FEW: u64 = 3;
/// See there.
const LONE_SHARE: u64 = 10;
/// Parts of names by which logins and sessions go.
const LOGIN_PARTS: &[&str] = &[
    "sess",
    "auth",
    "token",
    "login",
    "logged",
    "signin",
    "signed_in",
    "remember",
    "identity",
    "credential",
    "passw",
    "bearer",
    "oidc",
    "saml",
    "secret",
];
/// The same, where they are a word of the name by themselves.
const LOGIN_WORDS: &[&str] = &["sso", "sid", "jwt", "tgc", "castgc", "otp", "mfa"];

/// What a cookie should come under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// No rule: it is kept, and scripts could not see it before either.
    Hidden,
    /// No rule: too little was seen of it.
    Unseen,
    /// No rule: the app never set it, and of many visitors hardly one brought it.
    Lone,
    /// A rule with this mode, this `http_only` and this `placeholder`.
    Rule(Mode, Option<bool>, bool),
}

/// What a cookie should come under, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) choice: Choice,
    pub(super) reason: String,
}

/// Whether the app set it, and each time so that no script can see it.
pub(super) const fn is_hidden(seen: &Sightings) -> bool {
    seen.set > 0 && seen.http_only >= seen.set
}

/// Judges a cookie that so many visitors could have brought. The first thing that is true of it decides.
pub(super) fn judge(name: &str, seen: &Sightings, visitors: u64) -> Verdict {
    let lower = name.to_ascii_lowercase();
    if is_hidden(seen) {
        // No script can change what it cannot see: another value that came back is an older one, or one of another path.
        return match name {
            SERVLET_SESSION => servlet_session(seen),
            _ => Verdict {
                choice: Choice::Hidden,
                reason: String::new(),
            },
        };
    }
    if tracker(name).is_some() {
        let reason = "a tracker's, and the app does without it".to_owned();
        return rule(Mode::Strip, None, reason);
    }
    if is_against_forgery(&lower) && !(seen.set == 0 && is_lone(seen.sent_by, visitors)) {
        let reason = "against forged requests: scripts read it and send it along";
        return passed(reason.to_owned(), seen);
    }
    if seen.set > 0 && is_sessionlike(&lower) {
        return session(name, seen);
    }
    if let Some(place) = echo(seen).filter(|_| !is_lone(seen.echoed_by, seen.sent_by)) {
        let who = visitors_of(seen.echoed_by, seen.sent_by);
        return passed(
            format!("scripts read it: its value came in {place} too, from {who}"),
            seen,
        );
    }
    if seen.changed > 0 && !is_lone(seen.changed_by, seen.sent_by) {
        let (changed, sent) = (seen.changed, seen.sent);
        let who = visitors_of(seen.changed_by, seen.sent_by);
        let reason = match sent {
            1 => format!("scripts write it: changed the one time it came, from {who}"),
            _ => format!(
                "scripts write it: changed {changed} of the {sent} times it came, from {who}"
            ),
        };
        return passed(reason, seen);
    }
    if seen.set == 0 && seen.sent == 0 {
        return Verdict {
            choice: Choice::Unseen,
            reason: String::new(),
        };
    }
    match (seen.set > 0, is_sessionlike(&lower)) {
        (false, true) => {
            let reason = "came, but was not set while this watched: a login's or session's by its name, and likely from \
                          before";
            rule(Mode::Keep, None, reason.to_owned())
        }
        (false, false) if is_lone(seen.sent_by, visitors) => Verdict {
            choice: Choice::Lone,
            reason: String::new(),
        },
        (false, false) => {
            let reason = format!(
                "scripts make it: it came {} from {}, and the app never set it",
                times(seen.sent),
                visitors_of(seen.sent_by, visitors)
            );
            passed(reason, seen)
        }
        (true, _) if seen.changed > 0 || echo(seen).is_some() => {
            let reason = format!(
                "only {} wrote or repeated it; if a script of yours does: mode = \"pass\"",
                visitors_of(seen.changed_by.max(seen.echoed_by), seen.sent_by)
            );
            rule(Mode::Keep, None, reason + &facts(seen))
        }
        (true, _) => {
            let reason = "no script was seen to use it; if one reads it: mode = \"mirror\"";
            rule(Mode::Keep, None, reason.to_owned() + &facts(seen))
        }
    }
}

/// What is proposed instead of `pass` where frameworks make `other` of the name.
pub(super) fn kept_because_of(other: &str, seen: &Sightings) -> Verdict {
    let reason = format!(
        "some frameworks read it as {other}, which scripts must not write, so that it is not passed"
    );
    rule(Mode::Keep, None, reason + &facts(seen))
}

/// Whether a cookie of that name, in any case, opens doors.
pub(in crate::cookie) fn opens_doors(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    is_sessionlike(&lower) && !is_against_forgery(&lower)
}

fn is_against_forgery(lower: &str) -> bool {
    lower.contains("csrf") || lower.contains("xsrf")
}

fn is_sessionlike(lower: &str) -> bool {
    let mut words = lower.split(|letter: char| !letter.is_ascii_alphanumeric());
    LOGIN_PARTS.iter().any(|part| lower.contains(part))
        || lower.ends_with("sid")
        || words.any(|word| LOGIN_WORDS.contains(&word))
}

/// Whether hardly anybody did it of many who could have.
const fn is_lone(who: u64, of: u64) -> bool {
    of > VISITORS_FEW && (who <= 1 || who < of / LONE_SHARE)
}

fn visitors_of(who: u64, of: u64) -> String {
    match (who, of.max(who)) {
        (_, 1) => "one visitor".to_owned(),
        (who, of) => format!("{who} of {of} visitors"),
    }
}

/// How often, in words.
pub(super) fn times(count: u64) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        count => format!("{count} times"),
    }
}

/// What opens doors is never handed to scripts to write, whatever they were seen to do: an answer that crosses another
/// looks as if they had, and then every script of the page could plant a login.
fn session(name: &str, seen: &Sightings) -> Verdict {
    if let Some(place) = echo(seen) {
        let reason = format!(
            "scripts read it: its value came in {place} too; a login's or session's by its name, so the app gets ours"
        );
        return rule(Mode::Mirror, None, reason + &facts(seen));
    }
    if name == SERVLET_SESSION {
        return servlet_session(seen);
    }
    let mut reason =
        "a login's or session's by its name, which is no business of scripts".to_owned();
    if seen.changed > 0 {
        reason += &format!("; came with another value {}", times(seen.changed));
    }
    rule(Mode::Keep, None, reason + &facts(seen))
}

fn servlet_session(seen: &Sightings) -> Verdict {
    let reason = "a servlet container's: sees at once that cookies work, and writes no ;jsessionid= into links";
    Verdict {
        choice: Choice::Rule(Mode::Keep, None, true),
        reason: reason.to_owned() + &facts(seen),
    }
}

fn passed(reason: String, seen: &Sightings) -> Verdict {
    rule(Mode::Pass, Some(false), reason + &facts(seen))
}

fn rule(mode: Mode, http_only: Option<bool>, reason: String) -> Verdict {
    Verdict {
        choice: Choice::Rule(mode, http_only, false),
        reason,
    }
}

/// Where else a request had its value.
fn echo(seen: &Sightings) -> Option<String> {
    let fields: Vec<&str> = seen.echoed_in.iter().map(String::as_str).collect();
    match (fields.is_empty(), seen.echoed_in_query) {
        (true, 0) => None,
        (true, _) => Some("the query".to_owned()),
        (false, _) => Some(fields.join(", ")),
    }
}

/// Who sets it, and what it lacks.
fn facts(seen: &Sightings) -> String {
    if seen.set == 0 {
        return String::new();
    }
    let paths: Vec<&str> = seen.set_by.iter().map(String::as_str).collect();
    let (told, others) = paths.split_at(paths.len().min(PATHS_TOLD));
    let mut facts = format!("; set by {}", told.join(", "));
    if !others.is_empty() {
        facts += &format!(" and {} more", others.len());
    }
    let attributes = [
        ("HttpOnly", seen.http_only),
        ("Secure", seen.secure),
        ("SameSite", seen.same_site),
    ];
    let lacked = attributes.iter().filter(|(_, count)| *count < seen.set);
    let lacked: Vec<&str> = lacked.map(|(attribute, _)| *attribute).collect();
    if !lacked.is_empty() {
        facts += &format!(" without {}", lacked.join(", "));
    }
    facts
}
