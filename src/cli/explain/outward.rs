//! The verdict over what the app sets, in words.

use std::time::Duration;

use http::HeaderValue;

use super::account::{InJar, Set};
use super::scene::{Scene, Seat, printable};
use crate::base::clock::Time;
use crate::base::kept::{KeptCookie, SameSite};
use crate::base::secret::Secret;
use crate::cli::words::When;
use crate::cookie::jar::{AppRequest, JarAct};
use crate::cookie::outgoing::{Bond, Outgoing, Unbound};
use crate::cookie::policy::Mode;
use crate::cookie::seal::ValueKeys;
use crate::cookie::set_cookie::{Ends, Refused, SetCookie};

/// Closes values that nobody ever opens: what comes of it has the size that the real one has.
const MADE_UP: [u8; 32] = [0x5A; 32];

/// What becomes of one `Set-Cookie`.
pub(super) fn set(scene: &Scene<'_>, field: &HeaderValue, request: &AppRequest<'_>) -> Set {
    let read = SetCookie::read(field.as_bytes()).ok();
    let ticket_name = scene.ticket_name().as_bytes();
    let outgoing = scene.site.cookies.screen_out(field, ticket_name, request);
    // What collides with ours is refused before any rule is asked.
    let is_ruled = !matches!(outgoing, Outgoing::Refused(Refused::OurName));
    let told = Set {
        name: read.map(|set| printable(set.name)),
        rule: read.filter(|_| is_ruled).map(|set| scene.ruling(set.name)),
        ..told(scene, outgoing, request)
    };
    let is_deletion = read.is_some_and(|set| set.ends(request.now) == Ends::Past);
    match told.verdict {
        "passed" if is_deletion => Set {
            why: "a deletion; the browser gets it".to_owned(),
            ..told
        },
        _ => told,
    }
}

fn told(scene: &Scene<'_>, outgoing: Outgoing<'_>, request: &AppRequest<'_>) -> Set {
    let told = |verdict, why: &str| Set {
        name: None,
        verdict,
        why: why.to_owned(),
        jar: None,
        browser: None,
        rule: None,
    };
    let refused = |refused: Refused| told("refused", &refused.to_string());
    let to_browser = |verdict, why, field: &HeaderValue| Set {
        browser: Some(printable(field.as_bytes())),
        ..told(verdict, why)
    };
    match (outgoing, scene.seat) {
        (Outgoing::Keep(_) | Outgoing::Mirror(..), Seat::None(why)) => told("lost", why),
        (Outgoing::Keep(JarAct::Put(cookie)), seat) => Set {
            jar: Some(in_jar(&cookie)),
            ..told(
                "kept",
                if_there(seat, "in the jar; the browser gets nothing"),
            )
        },
        (Outgoing::Keep(JarAct::Remove { .. }), _) => told("deleted", "from the jar"),
        (Outgoing::Mirror(JarAct::Put(cookie), copy), seat) => Set {
            jar: Some(in_jar(&cookie)),
            ..to_browser(
                "mirrored",
                if_there(seat, "in the jar; the browser gets a copy for show"),
                &copy,
            )
        },
        (Outgoing::Mirror(JarAct::Remove { .. }, copy), _) => to_browser(
            "deleted",
            "from the jar of a stored session, with the browser's copy",
            &copy,
        ),
        (Outgoing::Bind(unbound), seat) => match bound(scene, &unbound, seat, request) {
            Ok((Mode::Sign, line)) => Set {
                browser: Some(line),
                ..told("signed", "the browser gets it readable, with a tag")
            },
            Ok((_, line)) => Set {
                browser: Some(line),
                ..told("sealed", "the browser gets it encrypted")
            },
            Err(why) => refused(why),
        },
        (Outgoing::Pass(field), _) => to_browser("passed", "the browser gets it, hardened", &field),
        (Outgoing::Strip, _) => told("stripped", "nobody gets it"),
        (Outgoing::Refused(why), _) => refused(why),
    }
}

const fn if_there(seat: Seat, why: &'static str) -> &'static str {
    match seat {
        Seat::IfThere => "in the jar of a session that is there; without one it is lost",
        Seat::Taken | Seat::None(_) => why,
    }
}

fn in_jar(cookie: &KeptCookie) -> InJar {
    InJar {
        domain: cookie.identity.domain.to_string(),
        host_only: cookie.host_only,
        path: cookie.identity.path.to_string(),
        expires: cookie.expires.map(|end| When(end).to_string()),
        same_site: cookie.same_site.map(|same_site| match same_site {
            SameSite::Strict => "Strict",
            SameSite::Lax => "Lax",
            SameSite::None => "None",
        }),
    }
}

/// The field that the browser gets of a sealed or signed cookie, with a word in the place of its value.
fn bound(
    scene: &Scene<'_>,
    unbound: &Unbound<'_>,
    seat: Seat,
    request: &AppRequest<'_>,
) -> Result<(Mode, String), Refused> {
    let secret = Secret::new(MADE_UP);
    let keys = ValueKeys::new([(&secret, Time::from_secs(0))], Duration::ZERO);
    // A ring of one key is never empty.
    let keys = keys.ok_or(Refused::NoSession)?;
    let session = match seat {
        Seat::None(_) => None,
        Seat::Taken | Seat::IfThere => Some(&MADE_UP),
    };
    let field = unbound.bind(&Bond {
        keys: &keys,
        site: &scene.site.name,
        session,
        visitor_host: request.visitor_host,
        now: request.now,
    })?;
    let bytes = field.as_bytes();
    let set = SetCookie::read(bytes)?;
    let mode = scene.site.cookies.rule_for(set.name).mode;
    let word = match mode {
        Mode::Sign => "<signed>",
        _ => "<sealed>",
    };
    let rest = bytes.splitn(2, |byte| *byte == b';').nth(1);
    let rest = rest.map(|rest| format!(";{}", printable(rest)));
    let name = printable(set.name);
    Ok((mode, format!("{name}={word}{}", rest.unwrap_or_default())))
}
