//! The verdict over what the browser brings, in words.

use super::account::{Brought, InField};
use super::scene::{Scene, Seat, printable};
use crate::cli::words::When;
use crate::cookie::jar::AppRequest;
use crate::cookie::outlook::{Foretold, Outlook};
use crate::cookie::parse::pairs;
use crate::cookie::policy::{Binding, CookieRule, Mode};

/// What becomes of each cookie.
pub(super) fn brought(scene: &Scene<'_>, foretold: &[Foretold<'_>]) -> Vec<Brought> {
    let told = foretold.iter().map(|cookie| {
        let rule = scene.site.cookies.rule_for(cookie.name);
        let (verdict, reaches_app) = verdict(cookie.outlook);
        let reason = match cookie.outlook {
            Outlook::Dropped(why) => Some(why.word()),
            Outlook::NotOurs => Some("not-ours"),
            _ => None,
        };
        let is_ruled = !cookie.outlook.precedes_rules();
        Brought {
            name: printable(cookie.name),
            verdict,
            reaches_app,
            reason,
            why: why(cookie.outlook, rule, scene.seat),
            rule: is_ruled.then(|| scene.ruling(cookie.name)),
        }
    });
    told.collect()
}

/// The names in the app's one Cookie field, in order.
pub(super) fn field(
    scene: &Scene<'_>,
    foretold: &[Foretold<'_>],
    request: &AppRequest<'_>,
) -> Vec<InField> {
    let in_field = |name: &[u8], from, certain| InField {
        name: Some(printable(name)),
        from,
        certain,
    };
    let jar = InField {
        name: None,
        from: "jar",
        certain: false,
    };
    let mut all = vec![jar];
    // With an empty jar and nothing passed, placeholders are all that is left.
    let placeholders = scene
        .site
        .cookies
        .cookie_field(&[], request, std::iter::empty());
    let placeholders = placeholders.as_ref().map(|field| field.as_bytes());
    all.extend(
        pairs(placeholders.into_iter()).map(|pair| in_field(pair.name, "placeholder", false)),
    );
    for cookie in foretold {
        match verdict(cookie.outlook).1 {
            "no" => {}
            reaches => all.push(in_field(cookie.name, "browser", reaches == "yes")),
        }
    }
    all
}

/// In one word, and whether the app gets it.
const fn verdict(outlook: Outlook) -> (&'static str, &'static str) {
    match outlook {
        Outlook::Ticket => ("ticket", "no"),
        Outlook::Mark => ("mark", "no"),
        Outlook::Binding => ("login", "no"),
        Outlook::Passed => ("passed", "yes"),
        Outlook::Reported => ("reported", "yes"),
        Outlook::Opens => ("opened", "depends"),
        Outlook::Unsealed(_) => ("unsealed", "yes"),
        Outlook::Copy => ("ignored", "no"),
        Outlook::CopyReported => ("ignored", "depends"),
        Outlook::Moves(_) => ("adopted", "depends"),
        Outlook::Expires(_) => ("expired", "no"),
        Outlook::NotOurs | Outlook::Dropped(_) => ("dropped", "no"),
    }
}

fn why(outlook: Outlook, rule: &CookieRule, seat: Seat) -> String {
    let closed = match rule.mode {
        Mode::Sign => "signed",
        _ => "sealed",
    };
    match outlook {
        Outlook::Ticket => "tried as a ticket; the app never sees it".to_owned(),
        Outlook::Mark => {
            "tells us whose cookies the browser holds, while some are adopted; the app never sees it"
                .to_owned()
        }
        Outlook::Binding => {
            "ties a login at the OpenID provider to this browser; the app never sees it".to_owned()
        }
        Outlook::Passed => "as it came".to_owned(),
        Outlook::Reported => {
            "as it came, for enforce = false only reports: no rule says pass".to_owned()
        }
        Outlook::Opens => {
            let bound = match rule.binding {
                Binding::Session => "session and site",
                Binding::Site => "site",
            };
            format!("opened if its tag is right for name, {bound}, else dropped")
        }
        Outlook::Unsealed(until) => {
            format!(
                "as it came: what was never {closed} is believed until {}",
                When(until)
            )
        }
        Outlook::NotOurs => format!("it was never {closed}, or was damaged"),
        Outlook::Copy => "the app gets the jar's, whatever the browser sends".to_owned(),
        Outlook::CopyReported => {
            "the app gets the jar's; where the jar has none, this, for enforce = false only reports"
                .to_owned()
        }
        Outlook::Moves(until) => match seat {
            Seat::None(why) => format!("as it came where the jar has none; it stays there: {why}"),
            Seat::Taken | Seat::IfThere => format!(
                "until {} it moves into a jar that has not had it nor anything in its place, and leaves the browser",
                When(until)
            ),
        },
        Outlook::Expires(until) => format!(
            "the browser is told to hold it no more: adoption ended on {}",
            When(until)
        ),
        Outlook::Dropped(why) => why.text().to_owned(),
    }
}
