//! What the app's response head asks of the session, taken out of the head on its way to the browser.

use http::header::{HeaderMap, SET_COOKIE};
use http::{Response, StatusCode};

use super::Gateway;
use super::site::Site;
use super::witness::Witness;
use crate::base::clock::Time;
use crate::base::meter::{Count, Meter};
use crate::cookie::jar::{AppRequest, JarAct};
use crate::cookie::screen::{OBSOLETE_FIELDS, Outgoing};
use crate::headers::clear_site_data;
use crate::headers::directive::{self, Directives};
use crate::session::{Change, DataEdit, Expiry, JarEdit, Turn, User};
use crate::upstream::Body;

/// Reads what the response asks of the session and leaves in its head what the browser may have.
pub(super) fn learn(
    response: &mut Response<Body>,
    gateway: &Gateway,
    site: &Site,
    request: &AppRequest<'_>,
    witness: Option<Witness<'_>>,
) -> Change {
    let ticket_name = gateway.desk.cookie.name().as_bytes();
    let meter = &*gateway.meter;
    let status = response.status();
    let headers = response.headers_mut();
    let mut change = Change::default();
    let asked = directive::take(headers);
    if asked.present {
        obey(asked, &mut change, status, site, request.now, meter);
    }
    if let Some(witness) = witness {
        let seen = witness.turn(status, headers, request.now, meter);
        // The app's own word says more.
        if change.turn == Turn::Stay {
            change.turn = seen;
        }
    }
    screen_cookies(headers, &mut change, site, ticket_name, request, meter);
    if change.turn == Turn::End {
        // The app's last words to a session that is over.
        change.cookies.clear();
    }
    change
}

fn obey(
    asked: Directives,
    change: &mut Change,
    status: StatusCode,
    site: &Site,
    now: Time,
    meter: &Meter,
) {
    if !site.trust_directives {
        meter.count(Count::DirectivesDistrusted);
        tracing::debug!(site = %site.name, "the app gives directives, but trust_directives is false");
        return;
    }
    for header in &asked.malformed {
        meter.count(Count::DirectivesMalformed);
        tracing::warn!(site = %site.name, header, "a directive could not be read and was ignored");
    }
    // As in Django, an answer that is an error of the app's does not touch the session.
    if status.is_server_error() {
        return;
    }
    change.data.extend(
        asked
            .set
            .into_iter()
            .map(|(key, value)| DataEdit::Set(key, value)),
    );
    change
        .data
        .extend(asked.unset.into_iter().map(DataEdit::Unset));
    change.expiry = asked.expiry.map(|secs| match secs {
        0 => Some(Expiry::AtBrowserClose),
        secs => Some(Expiry::IdleSecs(secs)),
    });
    change.turn = match asked.login {
        _ if asked.logout => Turn::End,
        Some(login) => Turn::LogIn {
            user: Box::new(User {
                id: login.id,
                issuer: None,
                name: login.name,
                email: login.email,
                groups: login.groups,
                claims: serde_json::Map::new(),
                site: site.name.to_string(),
                auth_time: now,
            }),
            carry: true,
        },
        None if asked.rotate => Turn::Rotate,
        None => Turn::Stay,
    };
}

fn screen_cookies(
    headers: &mut HeaderMap,
    change: &mut Change,
    site: &Site,
    ticket_name: &[u8],
    request: &AppRequest<'_>,
    meter: &Meter,
) {
    OBSOLETE_FIELDS
        .iter()
        .for_each(|name| drop(headers.remove(*name)));
    if clear_site_data::names_cookies(headers) {
        // First, so that what this very response sets stays, in the jar as in the browser.
        let site = site.name.to_string();
        change.cookies.push(JarEdit::Empty { site });
    }
    if !headers.contains_key(SET_COOKIE) {
        return;
    }
    let mut passed = Vec::new();
    for field in headers.get_all(SET_COOKIE) {
        match site.cookies.screen_out(field, ticket_name, request) {
            Outgoing::Keep(act) => {
                meter.count(Count::CookiesKept);
                let site = site.name.to_string();
                change.cookies.push(match act {
                    JarAct::Put(cookie) => JarEdit::Put { site, cookie },
                    JarAct::Remove(identity) => JarEdit::Remove { site, identity },
                });
            }
            Outgoing::Pass(field) => passed.push(field),
            Outgoing::Strip => {}
            Outgoing::Refused(refused) => {
                meter.count(Count::CookiesRefused);
                tracing::warn!(site = %site.name, reason = %refused, "a cookie of the app was refused");
            }
        }
    }
    headers.remove(SET_COOKIE);
    for field in passed {
        headers.append(SET_COOKIE, field);
    }
}
