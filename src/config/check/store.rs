//! `[session.store]`: which engine, and whether it can do what else is asked for.

use super::super::fault::Fault;
use super::super::file;
use super::super::settings::{Engine, OnOutage, Revocations, Settings, Store, Text};
use super::Check;
use super::listen::positive;
use crate::base::secret::Secret;
use crate::store::postgres::PostgresAddress;
use crate::store::redis::RedisAddress;

/// What an address of Redis or Valkey begins with; a `+` and more may follow.
const REDIS: &[&str] = &["redis", "rediss", "valkey", "valkeys"];

/// What an address of PostgreSQL begins with.
const POSTGRES: &[&str] = &["postgres", "postgresql"];

/// Below that a cache holds next to nothing.
const NEAR_CACHE_BYTES_MIN: usize = 1 << 20;

pub(super) fn store(check: &mut Check<'_>, session: &file::Session) -> Store {
    let mirror = &session.store;
    let engine = match mirror.engine {
        file::Engine::Sqlite => Engine::Sqlite {
            path: check.file("session.store.path", &mirror.path),
        },
        file::Engine::Memory => {
            let why = "every session ends when cloakroom stops";
            check.warn(
                "session.store.engine",
                why,
                "choose \"sqlite\" to keep them",
            );
            Engine::Memory
        }
        file::Engine::Redis => Engine::Redis {
            url: needed(check, "session.store.url", &mirror.url, &mirror.url_file),
            near_cache_bytes: near_cache(check, mirror),
        },
        file::Engine::Postgres => Engine::Postgres {
            url: needed(check, "session.store.url", &mirror.url, &mirror.url_file),
            listen_url: text(
                check,
                "session.store.listen_url",
                &mirror.listen_url,
                &mirror.listen_url_file,
            ),
            near_cache_bytes: near_cache(check, mirror),
        },
        file::Engine::Cookie => Engine::Cookie {
            revocations: revocations(check, mirror),
        },
    };
    warn_of_unused(check, mirror);
    if mirror.on_outage == OnOutage::Anonymous {
        let why = "while the store does not answer, apps see their users as strangers";
        check.warn(
            "session.store.on_outage",
            why,
            "choose \"refuse\" unless they cope with that",
        );
    }
    let store = Store {
        engine,
        timeout: positive(check, "session.store.timeout", mirror.timeout),
        on_outage: mirror.on_outage,
    };
    for (path, text) in store.secrets() {
        check_address(check, path, text, &store.engine);
    }
    store
}

/// What is written for another engine than the one that is chosen.
fn warn_of_unused(check: &mut Check<'_>, mirror: &file::Store) {
    use file::Engine::{Cookie, Memory, Postgres, Redis, Sqlite};
    let engine = mirror.engine;
    let is_said = |text: &Secret<String>| !text.expose().is_empty();
    let is_path_said = check.origins.is_written("session.store.path");
    let said: [(&str, bool, &[file::Engine]); 7] = [
        ("path", is_path_said, &[Sqlite]),
        ("url", is_said(&mirror.url), &[Redis, Postgres]),
        ("url_file", !mirror.url_file.is_empty(), &[Redis, Postgres]),
        ("listen_url", is_said(&mirror.listen_url), &[Postgres]),
        (
            "listen_url_file",
            !mirror.listen_url_file.is_empty(),
            &[Postgres],
        ),
        ("revocations", is_said(&mirror.revocations), &[Cookie]),
        (
            "revocations_file",
            !mirror.revocations_file.is_empty(),
            &[Cookie],
        ),
    ];
    let word = match engine {
        Sqlite => "sqlite",
        Memory => "memory",
        Redis => "redis",
        Postgres => "postgres",
        Cookie => "cookie",
    };
    for (name, is_said, users) in said {
        if is_said && !users.contains(&engine) {
            let why = format!("not used by the {word} engine");
            check.warn(&format!("session.store.{name}"), why, "");
        }
    }
    if mirror.near_cache.0 > 0 && !matches!(engine, Redis | Postgres) {
        let why = format!("there is nothing far away to keep near with the {word} engine");
        let way_out = "take it out; it is for \"redis\" and \"postgres\"";
        check.fault("session.store.near_cache", why, way_out);
    }
}

fn near_cache(check: &mut Check<'_>, mirror: &file::Store) -> usize {
    match mirror.near_cache.in_memory() {
        0 => 0,
        bytes => check.at_least(
            "session.store.near_cache",
            bytes,
            NEAR_CACHE_BYTES_MIN,
            "\"1MiB\", or \"0\" for none",
        ),
    }
}

/// Judges an address that is written here; one in a file is judged at the start. No fault repeats any of it.
fn check_address(check: &mut Check<'_>, path: &str, text: &Text, engine: &Engine) {
    let Text::Here(url) = text else {
        return;
    };
    let (known, example): (Vec<&str>, &str) = match engine {
        Engine::Redis { .. } => (REDIS.to_vec(), "redis://127.0.0.1:6379"),
        Engine::Postgres { .. } => (
            POSTGRES.to_vec(),
            "postgres://cloakroom@127.0.0.1/cloakroom",
        ),
        Engine::Cookie { .. } => ([REDIS, POSTGRES].concat(), "redis://127.0.0.1:6379"),
        Engine::Memory | Engine::Sqlite { .. } => return,
    };
    let scheme = url.expose().split_once("://").map(|(scheme, _)| scheme);
    let way_out = format!("write for example \"{example}\"");
    match scheme {
        _ if url.expose().is_empty() => {}
        None => check.fault(path, "no address: it has no scheme", way_out),
        Some(scheme) if known.contains(&scheme.split('+').next().unwrap_or(scheme)) => {
            judge_address(check, path, url);
        }
        Some(_) => {
            let why = format!("another kind of address than {}", either(&known));
            check.fault(path, why, way_out);
        }
    }
}

/// `redis://, rediss:// or …`.
fn either(schemes: &[&str]) -> String {
    let written: Vec<_> = schemes
        .iter()
        .map(|scheme| format!("{scheme}://"))
        .collect();
    match written.as_slice() {
        [start @ .., last] if !start.is_empty() => format!("{} or {last}", start.join(", ")),
        all => all.concat(),
    }
}

/// What holds a password in the configuration file itself, which others can read.
pub(in super::super) fn exposed(settings: &Settings) -> Vec<Fault> {
    let has_password = |text: &Text| match text {
        Text::Here(url) => has_password(url.expose()),
        Text::In(_) | Text::Credential(_) => false,
    };
    let secrets = settings.store.secrets().into_iter();
    let faults = secrets
        .filter(|(_, text)| has_password(text))
        .map(|(path, _)| {
            let way_out =
                format!("run chmod o-r on the file, or move the address into {path}_file");
            let why = "holds a password, and everybody on this machine can read the file";
            settings.origins.fault(path, why, way_out)
        });
    // What a variable says is not in the file.
    faults
        .filter(|fault| fault.place.line_and_column().is_some())
        .collect()
}

fn has_password(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    // Not cut at a slash: one that stands in a password should not be there, and is.
    let authority = rest.split('?').next().unwrap_or(rest);
    let user = authority.rsplit_once('@').map(|(user, _)| user);
    let password = user.and_then(|user| user.split_once(':'));
    password.is_some_and(|(_, password)| !password.is_empty()) || rest.contains("password=")
}

/// What the driver says of an address whose scheme it knows.
fn judge_address(check: &mut Check<'_>, path: &str, url: &Secret<String>) {
    if !url.expose().starts_with("postgres") {
        if let Err(fault) = RedisAddress::parse(url.expose()) {
            check.fault(path, fault.to_string(), fault.way_out());
        }
        return;
    }
    match PostgresAddress::parse(url.expose()) {
        Err(fault) => check.fault(path, fault.to_string(), ""),
        Ok(address) => {
            if let Some(why) = address.weakness() {
                check.warn(path, why, "write sslmode=verify-full, or leave sslmode out");
            }
        }
    }
}

/// A secret text that must be there, here or in its `_file` twin.
fn needed(check: &mut Check<'_>, path: &str, here: &Secret<String>, file: &str) -> Text {
    text(check, path, here, file).unwrap_or_else(|| {
        let name = path.rsplit('.').next().unwrap_or(path);
        if !check.origins.is_spoiled(&format!("{path}_file")) {
            check.fault(path, "is missing", format!("write {name} or {name}_file"));
        }
        Text::Here(here.clone())
    })
}

pub(super) fn text(
    check: &mut Check<'_>,
    path: &str,
    here: &Secret<String>,
    file: &str,
) -> Option<Text> {
    match (here.expose().is_empty(), file.is_empty()) {
        (true, true) => None,
        (false, true) => Some(Text::Here(here.clone())),
        (true, false) => Some(in_file(check, &format!("{path}_file"), file)),
        (false, false) => {
            let way_out = "leave one of them out";
            check.fault(path, "is written here and in a file", way_out);
            Some(Text::Here(here.clone()))
        }
    }
}

fn in_file(check: &mut Check<'_>, path: &str, file: &str) -> Text {
    if file.contains("://") {
        let name = path.trim_end_matches("_file");
        let why = "an address, where a file is named that holds one";
        check.fault(path, why, format!("write it as {name}, or into a file"));
    }
    Text::named(file, check.base).unwrap_or_else(|| {
        let why = "names neither a file nor a credential";
        let way_out = "write the path of a file, or \"credential:NAME\"";
        check.fault(path, why, way_out);
        Text::Here(Secret::new(String::new()))
    })
}

fn revocations(check: &mut Check<'_>, mirror: &file::Store) -> Option<Revocations> {
    let path = "session.store.revocations";
    match text(check, path, &mirror.revocations, &mirror.revocations_file)? {
        Text::Here(here) if !here.expose().contains("://") => Some(Revocations::Sqlite {
            path: check.file(path, here.expose()),
        }),
        url => Some(Revocations::Url(url)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_recognised_in_every_place_where_an_address_has_one() {
        for (url, expected) in [
            ("redis://alice:hunter2@db:6379/0", true),
            ("redis://:hunter2@db", true),
            ("redis://db:6379", false),
            ("redis://alice@db", false),
            ("redis://:hunt/er2@db:6379/0", true),
            ("redis://alice:@db", false),
            ("redis://db/?a=b:c@d", false),
            ("postgres://db/x?user=a&password=hunter2", true),
            ("postgres://a:b@c@db/x", true),
            ("data/revocations.db", false),
        ] {
            assert_eq!(has_password(url), expected, "{url}");
        }
    }
}
