//! What the rules do not say: what stays under the default, and what was not seen.

use std::collections::BTreeSet;

use super::super::policy::Mode;
use super::super::tally::{Sightings, Tally};
use super::Judged;
use super::judge::{Choice, SERVLET_SESSION, is_hidden, times};

/// The rule under which browsers hold what they would hold without us: a default of `pass` alone adds HttpOnly.
const WIDE_OPEN: &str = r#"{ name = "*", mode = "pass", http_only = false }"#;

/// All notes, the most telling first. `wordless` are cookies that no rule can name, and what was to become of them.
pub(super) fn all(tally: &Tally, judged: &[Judged<'_>], wordless: &[(&str, Mode)]) -> Vec<String> {
    let mut notes = vec![format!(
        "Seen in {} from {}.",
        counted(tally.requests, "request"),
        counted(tally.visitors, "visitor")
    )];
    notes.extend(kept(judged));
    for (name, mode) in wordless {
        let mode = mode.word();
        notes.push(format!(
            "No rule can name {name}: it stays under the default, though {mode} would suit it."
        ));
    }
    notes.extend(cautions(judged));
    notes.extend(gaps(tally, judged));
    notes
}

/// What stays under the default.
fn kept(judged: &[Judged<'_>]) -> impl Iterator<Item = String> {
    let named = |choice: Choice| {
        list(
            judged
                .iter()
                .filter(move |one| one.verdict.choice == choice),
        )
    };
    let hidden = named(Choice::Hidden)
        .map(|names| format!("Kept by default, since no script can see them (HttpOnly): {names}."));
    let unseen = named(Choice::Unseen)
        .map(|names| format!("Kept by default, since the app only deleted them: {names}."));
    let lone = named(Choice::Lone).map(|names| {
        format!(
            "Not passed, since the app never set them and hardly a visitor brought them: {names}."
        )
    });
    [hidden, unseen, lone].into_iter().flatten()
}

/// What to look at before the rules go live.
fn cautions(judged: &[Judged<'_>]) -> impl Iterator<Item = String> {
    let passed = |one: &&Judged<'_>| matches!(one.verdict.choice, Choice::Rule(Mode::Pass, ..));
    let foreign = judged.iter().filter(passed);
    let foreign = list(foreign.filter(|one| one.seen.same_site_none > 0)).map(|names| {
        format!(
            "The app says SameSite=None, and browsers will get Lax: {names}. If other sites embed this one, add \
             same_site = \"None\"."
        )
    });
    let held = |which: Mode| {
        let kept = move |one: &&Judged<'_>| match one.verdict.choice {
            Choice::Hidden => which == Mode::Keep,
            Choice::Rule(mode, ..) => mode == which,
            Choice::Unseen | Choice::Lone => false,
        };
        let kept = judged.iter().filter(kept);
        list(kept.filter(|one| one.seen.sent > 0))
    };
    let copied = held(Mode::Mirror).map(|names| {
        format!(
            "Browsers hold these themselves: {names}. Mirrored cookies are not moved into the jar: whoever is logged in by \
             them when the rules go live has to log in once more."
        )
    });
    let earlier = held(Mode::Keep).map(|names| {
        format!(
            "Browsers hold these themselves: {names}. A rule with mode = \"keep\" and adopt_until = DATE moves them into \
             the jar; without it, whoever is logged in by them now is logged out."
        )
    });
    let odd = judged.iter().filter(|one| is_hidden(one.seen));
    let odd = list(odd.filter(|one| one.seen.changed > 0)).map(|names| {
        format!(
            "Some came with another value than the app last set, though scripts cannot write them: {names}. Answers \
             that cross do that, and names that are set for several paths."
        )
    });
    let servlet = judged.iter().any(|one| one.name == SERVLET_SESSION);
    let servlet = servlet.then(|| {
        format!(
            "For {SERVLET_SESSION}, write strip_path_params = [\"jsessionid\"] into [[site]] too: no session then \
             comes from a link."
        )
    });
    [foreign, earlier, copied, odd, servlet]
        .into_iter()
        .flatten()
}

/// What was not seen.
fn gaps(tally: &Tally, judged: &[Judged<'_>]) -> impl Iterator<Item = String> {
    let readable = || {
        let all = judged.iter();
        all.filter(|one| one.seen.set > 0 && !is_hidden(one.seen))
    };
    let is_used = |one: &Judged<'_>| {
        let Sightings {
            changed,
            echoed_in,
            echoed_in_query,
            ..
        } = one.seen;
        *changed > 0 || *echoed_in_query > 0 || !echoed_in.is_empty()
    };
    let is_kept = |one: &Judged<'_>| matches!(one.verdict.choice, Choice::Rule(Mode::Keep, ..));
    let none_came = readable().next().is_some() && readable().all(|one| one.seen.sent == 0);
    let none_is_used = readable().any(is_kept) && !readable().any(is_used);
    let unused = match (none_came, none_is_used) {
        (true, _) => {
            Some("No browser sent a cookie that scripts could have used, as if none got one.")
        }
        (false, true) => Some("No script was seen to use a cookie that the app set."),
        (false, false) => None,
    };
    let unused = unused.map(|what| {
        format!(
            "{what} If browsers did not get cookies as the app sets them, no script could: then watch with enforce = \
             false and rules = [{WIDE_OPEN}]."
        )
    });
    let nothing = (judged.is_empty()).then(|| "No cookie was seen.".to_owned());
    let none_hidden = !judged.is_empty() && !judged.iter().any(|one| is_hidden(one.seen));
    let none_hidden = none_hidden.then(|| {
        "No cookie was set with HttpOnly: did nobody log in while this watched?".to_owned()
    });
    let none_deleted = !judged.is_empty() && judged.iter().all(|one| one.seen.deleted == 0);
    let none_deleted = none_deleted
        .then(|| "No cookie was deleted: did nobody log out while this watched?".to_owned());
    let untold = (tally.untold > 0).then(|| {
        format!(
            "Cookies were not told apart {} (too many names, or too long a one): these stay under the default.",
            times(tally.untold)
        )
    });
    [nothing, none_hidden, none_deleted, unused, untold]
        .into_iter()
        .flatten()
}

/// `1 request`, `2 requests`.
pub fn counted(count: u64, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    }
}

/// The cookies' names, those of a family as one. `None` when there is none.
fn list<'a>(cookies: impl Iterator<Item = &'a Judged<'a>>) -> Option<String> {
    let names: BTreeSet<&str> = cookies.map(|one| &*one.family).collect();
    let names: Vec<&str> = names.into_iter().collect();
    (!names.is_empty()).then(|| names.join(", "))
}
