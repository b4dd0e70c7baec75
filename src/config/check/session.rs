//! `[session]` and what is below it: how long, where, in which cookie.

use std::time::Duration;

use super::super::file;
use super::super::settings::{Keys, Sessions, Site};
use super::Check;
use super::listen::positive;
use crate::base::kept::SameSite;
use crate::cookie::attributes::{TicketCookie, TicketCookieSettings};
use crate::session::Terms;

/// Longer than any request runs; during it, a stolen old ticket still opens something.
const ROTATION_GRACE_MAX: Duration = Duration::from_secs(300);

/// More sessions of one user than anybody has.
const USER_SESSIONS_MAX: u32 = 1000;

/// A key that was stolen goes on signing for as long as its successor waits.
const ACTIVATE_AFTER_MAX: Duration = Duration::from_secs(7 * 86_400);

/// Browsers keep no cookie longer (RFC 6265bis 5.5).
const COOKIE_LIFE_MAX: Duration = Duration::from_secs(400 * 86_400);

/// What browsers keep of one site's cookies, about.
const JAR_COOKIES_MAX: usize = 180;

pub(super) fn sessions(check: &mut Check<'_>, mirror: &file::Session) -> Sessions {
    let terms = Terms {
        idle: positive(check, "session.idle_timeout", mirror.idle_timeout),
        absolute: positive(check, "session.absolute_timeout", mirror.absolute_timeout),
        rotation_grace: mirror.rotation_grace.0,
        rotate_every: Some(mirror.rotate_every.0).filter(|every| !every.is_zero()),
        save_every_request: mirror.save_every_request,
        max_bytes: check.at_least(
            "session.max_bytes",
            mirror.max_bytes.in_memory(),
            4 << 10,
            "\"4KiB\": one cookie may be as large",
        ),
        jar_cookies_max: JAR_COOKIES_MAX,
    };
    if terms.idle > terms.absolute {
        // Said of the key that the operator wrote.
        let (path, other) = if check.origins.is_written("session.idle_timeout") {
            ("session.idle_timeout", "session.absolute_timeout")
        } else {
            ("session.absolute_timeout", "session.idle_timeout")
        };
        let why = "a session would end before it can be idle for so long";
        let way_out = "lower session.idle_timeout or raise session.absolute_timeout";
        if !check.origins.is_spoiled(other) {
            check.fault(path, why, way_out);
        }
    }
    if terms.rotation_grace > ROTATION_GRACE_MAX {
        let why = "for so long an old ticket still opens something";
        check.fault(
            "session.rotation_grace",
            why,
            "write at most \"5m\"; \"10s\" is plenty",
        );
    }
    check_rotation(check, &terms);
    if mirror.max_per_user > USER_SESSIONS_MAX {
        let why = "all of them are looked through at each login";
        let way_out = format!("write at most {USER_SESSIONS_MAX}, or 0 for no limit");
        check.fault("session.max_per_user", why, way_out);
    }
    if mirror.over_limit == file::OverLimit::Ask && mirror.max_per_user == 0 {
        let why = "there is no limit that anybody could be over";
        let way_out = "set session.max_per_user, or take it out";
        check.fault("session.over_limit", why, way_out);
    }
    if mirror.keys.activate_after.0 > ACTIVATE_AFTER_MAX {
        let why = "for so long a new key would not sign";
        let way_out = "write at most \"7d\"; \"10m\" is enough to bring it to every node";
        check.fault("session.keys.activate_after", why, way_out);
    }
    if terms.absolute > COOKIE_LIFE_MAX && !mirror.expire_at_browser_close {
        let why = "browsers keep a cookie for 400 days at most";
        check.warn("session.absolute_timeout", why, "");
    }
    Sessions {
        terms,
        expire_at_browser_close: mirror.expire_at_browser_close,
        streams_count_as_activity: mirror.streams_count_as_activity,
        max_per_user: Some(mirror.max_per_user).filter(|most| *most > 0),
        asks_over_limit: mirror.over_limit == file::OverLimit::Ask,
        clear_site_data: mirror.clear_site_data,
        max_new_per_ip: Some(mirror.max_new_per_ip).filter(|most| *most > 0),
        keys: Keys {
            file: check.file("session.keys.file", &mirror.keys.file),
            activate_after: mirror.keys.activate_after.0,
        },
    }
}

/// Warns where nobody is asked, although somebody is to be.
pub(super) fn judge_pages(check: &mut Check<'_>, sessions: &Sessions, sites: &[Site]) {
    let has_page = |site: &Site| site.form.is_some() || site.oidc.is_some();
    if sessions.asks_over_limit && !sites.iter().any(has_page) {
        let why = "no site has a login page of ours, so the oldest session ends all the same";
        check.warn("session.over_limit", why, "");
    }
}

/// Scheduled rotation must be slower than the grace and faster than the session, or it does not happen.
fn check_rotation(check: &mut Check<'_>, terms: &Terms) {
    let path = "session.rotate_every";
    let Some(every) = terms.rotate_every else {
        return;
    };
    if every < terms.rotation_grace && !check.origins.is_spoiled("session.rotation_grace") {
        let why = "shorter than session.rotation_grace, in which the ticket before still works";
        let way_out = "write for example \"1h\", or \"0\" for no rotation on schedule";
        check.fault(path, why, way_out);
    }
    if every >= terms.absolute && !check.origins.is_spoiled("session.absolute_timeout") {
        let why = "no session lives so long (session.absolute_timeout)";
        let way_out = "write for example \"1h\", or \"0\" for no rotation on schedule";
        check.fault(path, why, way_out);
    }
}

pub(super) fn cookie(check: &mut Check<'_>, mirror: file::Cookie) -> TicketCookieSettings {
    let key = |name: &str| format!("session.cookie.{name}");
    let cookie = TicketCookieSettings {
        name: mirror.name,
        domain: Some(mirror.domain.trim_start_matches('.').to_ascii_lowercase())
            .filter(|domain| !domain.is_empty()),
        path: mirror.path,
        secure: mirror.secure,
        http_only: mirror.http_only,
        same_site: mirror.same_site,
        partitioned: mirror.partitioned,
    };
    for fault in TicketCookie::new(cookie.clone())
        .err()
        .into_iter()
        .flatten()
    {
        check.fault(&key(fault.key()), fault.to_string(), "");
    }
    if !cookie.secure && cookie.same_site != SameSite::None {
        let why = "browsers send the ticket without TLS as well, where anybody can read it";
        check.warn(&key("secure"), why, "leave secure = true");
    }
    if !cookie.http_only {
        let why = "scripts of the app can read the ticket";
        check.warn(&key("http_only"), why, "leave http_only = true");
    }
    if cookie.partitioned && cookie.same_site != SameSite::None {
        let why = "only a cookie with SameSite None is sent from within another site's page";
        check.warn(
            &key("partitioned"),
            why,
            "set same_site = \"None\" or take it out",
        );
    }
    cookie
}
