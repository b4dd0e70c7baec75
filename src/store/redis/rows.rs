//! Rows as the server holds them, and the scripts that read and write them.

use std::sync::Arc;

use ::redis::{FromRedisValue, Value, from_redis_value};

use super::ask::{Ask, Lua};
use super::fault::RedisFault;
use super::keys::{Family, Names, USER_CHARS, root_text, user_text};
use crate::base::clock::Time;
use crate::session::{Session, TicketKey, UserKey, stored};
use crate::store::StoreFault;
use crate::store::remote::driver::{Found, Revision, Row, RowChange, Writing, Written};

static FIND: Lua = Lua::new(include_str!("find.lua"));
static GLANCE: Lua = Lua::new(include_str!("glance.lua"));
static WRITE: Lua = Lua::new(include_str!("write.lua"));
static OF_USER: Lua = Lua::new(include_str!("of_user.lua"));

const REVISION_CHARS: usize = 16;

/// Asks for the row of a ticket.
pub(super) fn find(names: &Names, key: &TicketKey, now: Time) -> Ask {
    let family = Family::of(key);
    let keys = vec![names.ticket(family, key), names.born(family)];
    Ask::script(&FIND, keys)
        .with(now.as_millis())
        .with(names.session_before_root(family))
}

/// What came of it, and whether the server has just begun to remember.
pub(super) fn read_found(answer: Value) -> Result<(Found, bool), StoreFault> {
    let (born, is_new, row): (u64, bool, Option<Vec<u8>>) = read(answer)?;
    let row = row.as_deref().map(read_row).transpose()?;
    let born = Time::from_millis(born);
    Ok((Found { born, row }, is_new))
}

/// Asks which writings the rows of these tickets are of, all of one family.
pub(super) fn glance(names: &Names, family: Family, keys: &[TicketKey]) -> Ask {
    let tickets: Vec<_> = keys.iter().map(|key| names.ticket(family, key)).collect();
    Ask::script(&GLANCE, vec![names.born(family)])
        .with_keys(&tickets)
        .with(names.session_before_root(family))
        .with(REVISION_CHARS)
}

/// What came of it.
pub(super) fn read_glance(answer: Value) -> Result<Vec<Option<Revision>>, StoreFault> {
    let revisions: Vec<Vec<u8>> = read(answer)?;
    Ok(revisions.iter().map(|text| read_revision(text)).collect())
}

/// Asks to write the rows of `writing`, family by family. By the law of families there is only one; a session that comes
/// from before there were families may have forebears in others, and those are written by themselves, after it.
pub(super) fn write(names: &Names, writing: &Writing) -> Result<Vec<(Family, Ask)>, StoreFault> {
    let mut families: Vec<(Family, Vec<&RowChange>)> = Vec::new();
    for row in &writing.rows {
        let family = family_of(row)?;
        match families.iter_mut().find(|(known, _)| *known == family) {
            Some((_, rows)) => rows.push(row),
            None => families.push((family, vec![row])),
        }
    }
    let asks = families
        .into_iter()
        .enumerate()
        .map(|(at, (family, rows))| {
            let issued = writing.issued.filter(|_| at == 0);
            let ask = Ask::script(&WRITE, vec![names.born(family)])
                .with(writing.now.as_millis())
                .with(issued.map_or_else(String::new, |time| time.as_millis().to_string()))
                .with(names.user_before_hash(family));
            let ask = rows.into_iter().try_fold(ask, |ask, row| {
                with_row(ask, names, family, row, writing.now)
            });
            Ok((family, ask.map_err(StoreFault::Unreadable)?))
        });
    asks.collect()
}

fn family_of(row: &RowChange) -> Result<Family, StoreFault> {
    let family = Family::of_session(&row.session, |key| row.file.contains(key));
    // A session that goes on under a ticket from elsewhere would be lost when the others retire.
    let newest = row.session.holders.last();
    let strays = newest.is_some_and(|newest| Family::of(&newest.key) != family);
    if strays {
        return Err(RedisFault::Stray.into());
    }
    Ok(family)
}

fn with_row(
    ask: Ask,
    names: &Names,
    family: Family,
    row: &RowChange,
    now: Time,
) -> Result<Ask, serde_json::Error> {
    let record = &row.session.record;
    // What has ended, or was superseded by a login, is nobody's.
    let user = row.session.user_key();
    let here = |key: &&TicketKey| Family::of(key) == family;
    let tickets = |keys: Vec<&TicketKey>| -> Vec<String> {
        let keys = keys.into_iter().filter(here);
        keys.map(|key| names.ticket(family, key)).collect()
    };
    let holders = row.session.holders.iter().map(|holder| &holder.key);
    let filed = tickets(row.file.iter().collect());
    let staying = tickets(holders.filter(|key| !row.file.contains(key)).collect());
    let unfiled = tickets(row.unfile.iter().collect());
    let index: Vec<String> = user.iter().map(|user| names.user(family, user)).collect();
    let stays = row.keep_until.since(now).as_millis().max(1);
    Ok(ask
        .with_keys(&[names.session(family, &record.root)])
        .with_keys(&index)
        .with_keys(&filed)
        .with_keys(&staying)
        .with_keys(&unfiled)
        .with(root_text(&record.root))
        .with(revision_text(row.revision))
        .with(row.expected.map_or_else(String::new, revision_text))
        .with(stays.to_string())
        .with(row.keep_until.as_millis())
        .with(user_text(user.as_ref()))
        .with(index.len())
        .with(filed.len())
        .with(staying.len())
        .with(unfiled.len())
        .with(stored::write(&row.session)?))
}

/// What came of it, and whether the server has just begun to remember.
pub(super) fn read_written(answer: Value) -> Result<(Written, bool), StoreFault> {
    let (written, is_new): (u8, bool) = read(answer)?;
    let written = match written {
        0 => Written::Done,
        1 => Written::Conflict,
        2 => Written::TicketInUse,
        3 => Written::Lost,
        _ => return Err(RedisFault::Strange.into()),
    };
    Ok((written, is_new))
}

/// Asks for those sessions of a user that are of this family.
pub(super) fn of_user(names: &Names, family: Family, user: &UserKey, now: Time) -> Ask {
    Ask::script(&OF_USER, vec![names.user(family, user)])
        .with(now.as_millis())
        .with(names.session_before_root(family))
        .with(user_text(Some(user)))
}

pub(super) fn read_sessions(answer: Value) -> Result<Vec<Session>, StoreFault> {
    let rows: Vec<Vec<u8>> = read(answer)?;
    rows.iter().map(|row| read_session(row)).collect()
}

/// The session of a row.
pub(super) fn read_session(row: &[u8]) -> Result<Session, StoreFault> {
    // What is too short to be a row is no JSON either.
    let text = row.get(REVISION_CHARS + USER_CHARS..).unwrap_or_default();
    stored::read(text).map_err(StoreFault::Unreadable)
}

fn read_row(row: &[u8]) -> Result<Row, StoreFault> {
    let session = Arc::new(read_session(row)?);
    let revision = row.get(..REVISION_CHARS).and_then(read_revision);
    let revision = revision.ok_or(RedisFault::Strange)?;
    Ok(Row { revision, session })
}

fn revision_text(revision: Revision) -> String {
    format!("{:016x}", revision.0)
}

fn read_revision(text: &[u8]) -> Option<Revision> {
    let text = std::str::from_utf8(text).ok()?;
    u64::from_str_radix(text, 16).ok().map(Revision)
}

/// An answer as what it should be.
pub(super) fn read<T: FromRedisValue>(answer: Value) -> Result<T, RedisFault> {
    from_redis_value(answer).map_err(|_| RedisFault::Strange)
}
