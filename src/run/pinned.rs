//! What a reload leaves as it is, because something that lives on was built with it: such a key waits for a restart.
//!
//! All else of the configuration is applied at once, as users of other servers expect, and each key that waits is named.

use std::mem::discriminant;

use crate::config::settings::{Engine, Settings, Store};
use crate::cookie::attributes::TicketCookieSettings;
use crate::session::Terms;

/// Puts what cannot change while we run back into `next`; tells the keys that would have changed.
pub(super) fn pin(next: &mut Settings, running: &Settings) -> Vec<&'static str> {
    let mut pins = Pins::default();
    let (server, now) = (&mut next.server, &running.server);
    pins.keep("server.https", &mut server.https, &now.https);
    pins.keep("server.http", &mut server.http, &now.http);
    pins.keep("server.admin", &mut server.admin, &now.admin);
    pins.keep("server.threads", &mut server.threads, &now.threads);
    pins.terms(&mut next.session.terms, &running.session.terms);
    let (session, now) = (&mut next.session, &running.session);
    pins.keep("session.keys.file", &mut session.keys.file, &now.keys.file);
    if pins.store(&mut next.store, &running.store) {
        // Whether there can be such a limit was judged by the other engine.
        let most = &mut next.session.max_per_user;
        pins.keep("session.max_per_user", most, &running.session.max_per_user);
    }
    pins.cookie(&mut next.cookie, &running.cookie);
    pins.keep("log.format", &mut next.log.format, &running.log.format);
    pins.waiting
}

#[derive(Default)]
struct Pins {
    waiting: Vec<&'static str>,
}

impl Pins {
    fn keep<T: Clone + PartialEq>(&mut self, key: &'static str, next: &mut T, running: &T) {
        if next != running {
            self.waiting.push(key);
            next.clone_from(running);
        }
    }

    /// The store expires by them.
    fn terms(&mut self, next: &mut Terms, now: &Terms) {
        self.keep("session.idle_timeout", &mut next.idle, &now.idle);
        self.keep(
            "session.absolute_timeout",
            &mut next.absolute,
            &now.absolute,
        );
        self.keep(
            "session.rotation_grace",
            &mut next.rotation_grace,
            &now.rotation_grace,
        );
        self.keep(
            "session.rotate_every",
            &mut next.rotate_every,
            &now.rotate_every,
        );
        self.keep(
            "session.save_every_request",
            &mut next.save_every_request,
            &now.save_every_request,
        );
        self.keep("session.max_bytes", &mut next.max_bytes, &now.max_bytes);
    }

    /// What becomes of requests in an outage is no matter of the store's own. Tells whether anything waits.
    fn store(&mut self, next: &mut Store, now: &Store) -> bool {
        let before = self.waiting.len();
        self.keep("session.store.timeout", &mut next.timeout, &now.timeout);
        let key = engine_key(&next.engine, &now.engine);
        self.keep(key, &mut next.engine, &now.engine);
        self.waiting.len() > before
    }

    /// Another name or scope would end every session; the other attributes go with the next cookie that is set.
    fn cookie(&mut self, next: &mut TicketCookieSettings, now: &TicketCookieSettings) {
        let before = self.waiting.len();
        for (key, differs) in [
            ("session.cookie.name", next.name != now.name),
            ("session.cookie.domain", next.domain != now.domain),
            ("session.cookie.path", next.path != now.path),
        ] {
            self.waiting.extend(differs.then_some(key));
        }
        if self.waiting.len() == before {
            return;
        }
        // They hold together, so that all of them wait.
        for (key, differs) in [
            ("session.cookie.secure", next.secure != now.secure),
            ("session.cookie.http_only", next.http_only != now.http_only),
            ("session.cookie.same_site", next.same_site != now.same_site),
            (
                "session.cookie.partitioned",
                next.partitioned != now.partitioned,
            ),
        ] {
            self.waiting.extend(differs.then_some(key));
        }
        next.clone_from(now);
    }
}

/// The key that tells two engines apart.
fn engine_key(next: &Engine, now: &Engine) -> &'static str {
    if discriminant(next) != discriminant(now) {
        return "session.store.engine";
    }
    match (next, now) {
        (Engine::Sqlite { .. }, _) => "session.store.path",
        (Engine::Cookie { .. }, _) => "session.store.revocations",
        (
            Engine::Postgres { listen_url, .. },
            Engine::Postgres {
                listen_url: other, ..
            },
        ) if listen_url != other => "session.store.listen_url",
        (
            Engine::Redis {
                near_cache_bytes, ..
            }
            | Engine::Postgres {
                near_cache_bytes, ..
            },
            Engine::Redis {
                near_cache_bytes: other,
                ..
            }
            | Engine::Postgres {
                near_cache_bytes: other,
                ..
            },
        ) if near_cache_bytes != other => "session.store.near_cache",
        _ => "session.store.url",
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config;

    fn settings(with: &str) -> Settings {
        let (server, rest) = with.split_once("---").unwrap_or(("", with));
        let text = format!(
            "[server]\n{server}\n[[tls.certificate]]\ncert_file = \"c.pem\"\nkey_file = \"k.pem\"\n\
             [[site]]\nname = \"a\"\nhosts = [\"a.test\"]\nupstream = [\"http://127.0.0.1:1\"]\n{rest}\n"
        );
        let loaded = config::read(Path::new("test.toml"), text, &[]);
        loaded.unwrap_or_else(|faults| panic!("{faults}")).settings
    }

    #[test]
    fn what_was_built_for_good_is_named_and_kept() {
        for (with, keys) in [
            ("", &[][..]),
            ("threads = 3---", &["server.threads"]),
            ("https = [\"127.0.0.1:1\"]---", &["server.https"]),
            ("http = [\"127.0.0.1:1\"]---", &["server.http"]),
            ("admin = \"127.0.0.1:1\"---", &["server.admin"]),
            (
                "---[session]\nidle_timeout = \"7m\"",
                &["session.idle_timeout"],
            ),
            (
                "---[session]\nabsolute_timeout = \"7h\"",
                &["session.absolute_timeout"],
            ),
            (
                "---[session]\nrotation_grace = \"7s\"",
                &["session.rotation_grace"],
            ),
            (
                "---[session]\nrotate_every = \"7m\"",
                &["session.rotate_every"],
            ),
            (
                "---[session]\nsave_every_request = true",
                &["session.save_every_request"],
            ),
            (
                "---[session]\nmax_bytes = \"32KiB\"",
                &["session.max_bytes"],
            ),
            (
                "---[session.keys]\nfile = \"other\"",
                &["session.keys.file"],
            ),
            (
                "---[session.store]\nengine = \"memory\"",
                &["session.store.engine"],
            ),
            (
                "---[session.store]\npath = \"other\"",
                &["session.store.path"],
            ),
            (
                "---[session.store]\ntimeout = \"7s\"",
                &["session.store.timeout"],
            ),
            (
                "---[session]\nmax_per_user = 3\n[session.store]\npath = \"other\"",
                &["session.store.path", "session.max_per_user"],
            ),
            (
                "---[session.cookie]\nname = \"__Host-other\"\nsame_site = \"Strict\"",
                &["session.cookie.name", "session.cookie.same_site"],
            ),
            ("---[log]\nformat = \"text\"", &["log.format"]),
            // These are applied.
            (
                "drain_timeout = \"7s\"\ntrusted_proxies = [\"10.0.0.0/8\"]---",
                &[],
            ),
            ("---[session]\nmax_per_user = 3\nmax_new_per_ip = 7", &[]),
            ("---[session]\nexpire_at_browser_close = true", &[]),
            ("---[session.cookie]\nsame_site = \"Strict\"", &[]),
            ("---[session.keys]\nactivate_after = \"7m\"", &[]),
            ("---[session.store]\non_outage = \"anonymous\"", &[]),
            ("---[tls]\nmin_version = \"1.3\"\nhsts = \"0\"", &[]),
            ("---[log]\nlevel = \"debug\"\naccess = \"off\"", &[]),
        ] {
            let running = settings("");
            let mut next = settings(with);
            assert_eq!(pin(&mut next, &running), keys, "{with}");
            assert_eq!(pin(&mut next, &running), &[] as &[&str], "{with}");
        }
    }
}
