//! What the app's response head asks of the session, taken out of the head on its way to the browser.

use http::header::{HeaderMap, HeaderValue, SET_COOKIE};
use http::{Response, StatusCode};

use super::Gateway;
use super::cookies::{Brought, Parting};
use super::copies::{Found, Stand, found};
use super::site::Site;
use super::told::{name_in, shown};
use super::witness::Witness;
use crate::base::clock::Time;
use crate::base::domain;
use crate::base::kept::{CookieIdentity, KeptCookie, TakenCopy};
use crate::base::meter::{Count, Meter};
use crate::cookie::jar::{AppRequest, JarAct, bare_path};
use crate::cookie::outgoing::Outgoing;
use crate::cookie::screen::OBSOLETE_FIELDS;
use crate::cookie::set_cookie::Refused;
use crate::headers::directive::{self, Directives};
use crate::headers::{clear_site_data, fold};
use crate::session::{Change, DataEdit, Expiry, JarEdit, Record, Turn, User};
use crate::upstream::Body;

/// What a response is read against.
#[derive(Clone, Copy)]
pub(super) struct Scene<'s, 'r> {
    pub gateway: &'s Gateway,
    pub site: &'s Site,
    pub request: &'r AppRequest<'r>,
    /// The session as the request found it.
    pub record: Option<&'r Record>,
    /// The one that gave way to it before the app was asked.
    pub was: Option<&'r Record>,
    /// Whether a jar may take cookies on this request at all.
    pub may_keep: bool,
    pub request_id: &'r str,
}

/// Reads what the response asks of the session and leaves in its head what the browser may have. The cookies are taken
/// out: they go back once the session is written. `turn` is what we have the session do ourselves.
pub(super) fn learn<'s>(
    response: &mut Response<Body>,
    scene: Scene<'s, '_>,
    brought: Brought,
    witness: Option<Witness<'_>>,
    turn: Turn,
) -> (Change, Parting<'s>) {
    let Scene {
        gateway,
        site,
        request,
        ..
    } = scene;
    let meter = &*gateway.meter;
    let status = response.status();
    let headers = response.headers_mut();
    let mut change = Change {
        turn,
        ..Change::default()
    };
    let asked = directive::take(headers);
    if asked.present {
        obey(asked, &mut change, status, site, request.now, meter);
    }
    if let Some(witness) = witness {
        let seen = witness.turn(status, headers, request.now, gateway);
        // The app's own word says more.
        if change.turn == Turn::Stay {
            change.turn = seen;
        }
    }
    let mut parting = Parting {
        stale: brought.stale,
        several_tickets: brought.several_tickets,
        several_marks: brought.several_marks,
        lingering: brought.lingering,
        waits: brought.waits,
        ..Parting::default()
    };
    screen_cookies(headers, &mut change, &mut parting, &brought.came, scene);
    if matches!(change.turn, Turn::End | Turn::LogIn { .. }) {
        parting.copies = scene.copies(&brought.came);
    }
    let gave_way = scene.was.map(|was| Scene {
        record: Some(was),
        ..scene
    });
    if let Some(was) = gave_way {
        parting.copies.extend(was.copies(&brought.came));
    }
    if change.turn == Turn::End {
        // The app's last words to a session that is over.
        change.cookies.clear();
        parting.end();
        let adoptable = brought.adopted.into_iter();
        parting
            .lingering
            .extend(adoptable.map(|cookie| cookie.identity.name));
        forget_lingering(&mut parting, scene);
    } else {
        adopt(brought.adopted, &mut change, &mut parting, scene);
    }
    change.binds = parting.binds();
    let apart = parting.places_apart(request);
    change.copies = apart.map(|place| scene.remember(place)).collect();
    change
        .copies_gone
        .extend(scene.copies_replaced(&parting.passed));
    if matches!(change.turn, Turn::LogIn { .. }) {
        // They have to wait for a request to the host that set them.
        change.copies.extend(scene.copies_out_of_reach().cloned());
    }
    if let Some(was) = gave_way {
        change.copies.extend(was.copies_out_of_reach().cloned());
    }
    (change, parting)
}

/// Has the jar take over what the browser still held, unless this very response says something else of it.
fn adopt(
    adopted: Vec<KeptCookie>,
    change: &mut Change,
    parting: &mut Parting<'_>,
    scene: Scene<'_, '_>,
) {
    let record = scene.record;
    // Nothing goes along into a login that begins anew, nor from one user to the next.
    let has_user = record.is_some_and(|record| record.user.is_some());
    let begins_anew = match change.turn {
        Turn::LogIn { carry, .. } => !carry || has_user,
        _ => false,
    };
    if begins_anew {
        forget_lingering(parting, scene);
    }
    let path = bare_path(scene.request.path);
    let is_meant = |said: &CookieIdentity, brought: &KeptCookie| {
        let is_there = said.path == brought.identity.path || said.covers(path);
        said.name == brought.identity.name && is_there
    };
    for cookie in adopted {
        let name = cookie.identity.name.clone();
        let is_answered = change.cookies.iter().any(|edit| match edit {
            JarEdit::Put { cookie: said, .. } => is_meant(&said.identity, &cookie),
            JarEdit::Remove { identity, .. } => is_meant(identity, &cookie),
            JarEdit::Adopt { .. } | JarEdit::Empty { .. } => false,
        });
        let edits = take_over(cookie, !is_answered && !begins_anew, scene);
        // Before what the response sets, in the jar as it was in the browser.
        change.cookies.splice(0..0, edits);
        parting.moved.push(name);
    }
}

/// Puts a cookie that the browser brought into the jar. One that does not stay is remembered all the same: the browser may
/// go on bringing it.
fn take_over(cookie: KeptCookie, stays: bool, scene: Scene<'_, '_>) -> Vec<JarEdit> {
    let site = scene.site.name.to_string();
    let gone = (!stays).then(|| JarEdit::Remove {
        site: site.clone(),
        identity: cookie.identity.clone(),
    });
    let brought_to = bare_path(scene.request.path).into();
    let adopt = JarEdit::Adopt {
        site,
        cookie,
        brought_to,
    };
    [adopt].into_iter().chain(gone).collect()
}

/// Has the browser forget what it was to hold for other sites, but for what their apps get from it.
fn forget_lingering(parting: &mut Parting<'_>, scene: Scene<'_, '_>) {
    let (cookies, now) = (&scene.site.cookies, scene.request.now);
    parting.settles = true;
    let lingering = std::mem::take(&mut parting.lingering).into_iter();
    let (mut over, read): (Vec<_>, Vec<_>) =
        lingering.partition(|name| cookies.may_expire(name, now));
    parting.lingering = read;
    parting.stale.append(&mut over);
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
            user: Some(Box::new(User {
                name: login.name,
                email: login.email,
                groups: login.groups,
                ..User::new(login.id, &site.name, now)
            })),
            carry: true,
        },
        None if asked.rotate => Turn::Rotate,
        None => Turn::Stay,
    };
}

fn screen_cookies<'s>(
    headers: &mut HeaderMap,
    change: &mut Change,
    parting: &mut Parting<'s>,
    came: &[HeaderValue],
    scene: Scene<'s, '_>,
) {
    let Scene {
        gateway,
        site,
        request,
        record,
        ..
    } = scene;
    fold::remove_where(headers, |name| OBSOLETE_FIELDS.contains(&name));
    if clear_site_data::names_cookies(headers) {
        // First, so that what this very response sets stays, in the jar as in the browser.
        let name = site.name.to_string();
        change.cookies.push(JarEdit::Empty { site: name });
        // The ticket must stay, so that the browser is told of each cookie of the app by itself.
        forget_lingering(parting, scene);
        let of_others = scene.copies_of_others(came);
        let ticket_name = gateway.desk.cookie.name().as_bytes();
        let came = came.iter().map(HeaderValue::as_bytes);
        let names = site.cookies.names_of_app(came, ticket_name).into_iter();
        let names = names.filter(|name| of_others.iter().all(|other| *other.name != **name));
        parting.stale.extend(names.map(Box::from));
        let cleared = scene.copies_cleared();
        change.copies_gone.extend(cleared.cloned());
        parting.gone.extend(change.copies_gone.iter().map(found));
    }
    if !headers.contains_key(SET_COOKIE) {
        return;
    }
    let ticket_name = gateway.desk.cookie.name().as_bytes();
    let jar = record.map_or(&[][..], |record| record.jar(&site.name));
    for field in headers.get_all(SET_COOKIE) {
        let outgoing = site.cookies.screen_out(field, ticket_name, request);
        if !site.cookies.enforce {
            report(field, &outgoing, site);
        }
        match outgoing {
            Outgoing::Keep(JarAct::Put(_)) if !scene.may_keep => {
                gateway.refuse_cookie(field, Refused::NoSession, site, scene.request_id);
            }
            Outgoing::Keep(act) => keep(act, jar, change, parting, scene),
            Outgoing::Mirror(act, copy) => {
                // A copy may be left of a session that is no more, so that its deletion needs none.
                match act {
                    JarAct::Put(_) => parting.mirrored.push(copy),
                    JarAct::Remove { .. } => parting.passed.push(copy),
                }
                keep(act, jar, change, parting, scene);
            }
            Outgoing::Bind(unbound) => parting.unbound.push(unbound),
            Outgoing::Pass(field) => parting.passed.push(field),
            Outgoing::Strip => {}
            Outgoing::Refused(refused) => {
                gateway.refuse_cookie(field, refused, site, scene.request_id);
            }
        }
    }
    headers.remove(SET_COOKIE);
}

fn keep(
    act: JarAct,
    jar: &[KeptCookie],
    change: &mut Change,
    parting: &mut Parting<'_>,
    scene: Scene<'_, '_>,
) {
    let Scene { gateway, site, .. } = scene;
    gateway.meter.count(Count::CookiesKept);
    let (identity, host_only) = match &act {
        JarAct::Put(cookie) => (&cookie.identity, cookie.host_only),
        JarAct::Remove {
            identity,
            host_only,
        } => (identity, *host_only),
    };
    // Where an adopted cookie really was for is not known, so that it gives way to every word of the app's that may be
    // on it.
    let taken = scene
        .record
        .map_or(&[][..], |record| record.taken(&site.name));
    let guesses = jar.iter().filter(|kept| {
        let guess = &kept.identity;
        let is_guess = kept.adopted && guess.name == identity.name && *guess != *identity;
        // What came to one host is nothing to what another has for itself.
        let is_here = guess.domain == identity.domain
            || !host_only && domain::matches(&guess.domain, &identity.domain);
        let may_be_meant = || {
            TakenCopy::find(taken, &guess.name, &kept.value, &guess.domain)
                .is_none_or(|copy| copy.may_be_at(guess, identity))
        };
        is_guess && is_here && may_be_meant()
    });
    for guess in guesses {
        change.cookies.push(JarEdit::Remove {
            site: site.name.to_string(),
            identity: guess.identity.clone(),
        });
    }
    if let JarAct::Remove { identity, .. } = &act
        && !parting.waits
    {
        // A copy that the browser still holds somewhere would come back.
        let (name, now) = (&identity.name, scene.request.now);
        let may_expire = site.cookies.may_expire(name, now);
        if may_expire && identity.covers(bare_path(scene.request.path)) {
            // What stands for a domain it does not speak of may be another host's.
            let is_narrow = host_only && site.cookies.is_shared_in_domain(name, now);
            let names = if is_narrow {
                &mut parting.narrowed
            } else {
                &mut parting.stale
            };
            names.push(name.clone());
        }
        if may_expire || site.cookies.leaves(name, now) {
            // The app's word as it would be without us: that very one goes, whoever else reads it.
            parting.gone.push(said_of(identity, host_only, scene));
        }
    }
    let site = site.name.to_string();
    change.cookies.push(match act {
        JarAct::Put(cookie) => JarEdit::Put { site, cookie },
        JarAct::Remove { identity, .. } => JarEdit::Remove { site, identity },
    });
}

/// Where the browser holds what the app means by a cookie of its jar.
fn said_of(identity: &CookieIdentity, host_only: bool, scene: Scene<'_, '_>) -> Found {
    let mut place = identity.clone();
    if host_only {
        place.domain = "".into();
    }
    Found {
        site: (*scene.site.name).into(),
        name: place.name.clone(),
        stand: Stand::At(place),
    }
}

/// The verdict over a cookie of the app, for a site that is only being watched.
fn report(field: &HeaderValue, outgoing: &Outgoing<'_>, site: &Site) {
    let verdict = match outgoing {
        Outgoing::Keep(_) => "kept in the jar",
        Outgoing::Mirror(..) => "kept in the jar, with a copy for the browser",
        Outgoing::Bind(_) => "to the browser, sealed or signed",
        Outgoing::Pass(_) => "to the browser, hardened",
        Outgoing::Strip => "stripped",
        Outgoing::Refused(_) => "refused",
    };
    tracing::info!(
        site = %site.name,
        cookie = shown(name_in(field.as_bytes())),
        verdict,
        "report only: a cookie of the app"
    );
}
