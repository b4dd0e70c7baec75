//! What should become of one cookie, by what was seen of it and, where that leaves it open, by its name.

use super::super::policy::Mode;
use super::super::tally::Sightings;
use super::family::tracker;

/// The session cookie of every servlet container.
pub(super) const SERVLET_SESSION: &str = "JSESSIONID";
/// How many paths a reason names.
const PATHS_TOLD: usize = 2;

/// What a cookie should come under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// No rule: it is kept, and scripts could not see it before either.
    Hidden,
    /// No rule: too little was seen of it.
    Unseen,
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

/// Judges a cookie. The first thing that is true of it decides.
pub(super) fn judge(name: &str, seen: &Sightings) -> Verdict {
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
    if lower.contains("csrf") || lower.contains("xsrf") {
        let reason = "against forged requests: scripts read it and send it along";
        return passed(reason.to_owned(), seen);
    }
    if seen.set > 0 && is_sessionlike(&lower) {
        return session(name, seen);
    }
    if let Some(place) = echo(seen) {
        return passed(
            format!("scripts read it: its value came in {place} too"),
            seen,
        );
    }
    if seen.changed > 0 {
        let (changed, sent) = (seen.changed, seen.sent);
        let reason = format!("scripts write it: changed {changed} of the {sent} times it came");
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
        (false, false) => {
            let reason = format!(
                "scripts make it: it came {} times, and the app never set it",
                seen.sent
            );
            passed(reason, seen)
        }
        (true, _) => {
            let reason = "no script was seen to use it; if one reads it: mode = \"mirror\"";
            rule(Mode::Keep, None, reason.to_owned() + &facts(seen))
        }
    }
}

fn is_sessionlike(lower: &str) -> bool {
    let parts = ["sess", "auth", "token"];
    parts.iter().any(|part| lower.contains(part)) || lower.ends_with("sid")
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
        reason += &format!("; came with another value {} times", seen.changed);
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
