//! `engine = "cookie"`: what it cannot do is refused, and what it means is said.

use super::super::file;
use super::Check;
use crate::cookie::attributes::COOKIE_BYTES_MAX;

/// Judges what is asked for besides the cookie engine, if that is the engine.
pub(super) fn judge(check: &mut Check<'_>, session: &file::Session) {
    let store = &session.store;
    if store.engine != file::Engine::Cookie {
        return;
    }
    if session.max_per_user > 0 {
        let why = "the cookie engine keeps no list of a user's sessions";
        let way_out = "take it out, or choose another session.store.engine";
        check.fault("session.max_per_user", why, way_out);
    }
    if session.streams_count_as_activity {
        let why = "the idle clock is in the visitor's cookie, which a stream cannot renew";
        let way_out = "take it out, or choose another session.store.engine";
        check.fault("session.streams_count_as_activity", why, way_out);
    }
    let why = "each session is in its visitor's cookie: the last response wins, and a visitor can bring back an \
               earlier state of the own session until it is revoked";
    let way_out = "choose \"sqlite\" unless there can be no store";
    check.warn("session.store.engine", why, way_out);
    if store.revocations.expose().is_empty() && store.revocations_file.is_empty() {
        let why = "is empty, so a logout only takes the cookie from the browser, and a copy of it opens the session \
                   until it expires; the same goes for the ticket from before a login or a rotation";
        let way_out = "write the path of a file, or the redis:// or postgres:// address of a server that all nodes use";
        check.warn("session.store.revocations", why, way_out);
    }
    let is_written = check.origins.is_written("session.max_bytes");
    if is_written && session.max_bytes.in_memory() > COOKIE_BYTES_MAX {
        let why = format!(
            "a session must fit its cookie, which has at most {COOKIE_BYTES_MAX} bytes in all"
        );
        check.warn("session.max_bytes", why, "");
    }
}
