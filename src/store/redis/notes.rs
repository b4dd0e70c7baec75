//! Notes as the server holds them: which writing, until when, and the value.

use std::sync::Arc;
use std::time::Duration;

use super::ask::{Ask, Lua};
use super::fault::RedisFault;
use super::keys::Family;
use super::rows::read;
use super::servers::Servers;
use crate::base::clock::Time;
use crate::store::remote::driver::{NoteSwap, Pouring};
use crate::store::{NoteKey, StoreFault};

static GET: Lua = Lua::new(include_str!("get_note.lua"));
static POUR: Lua = Lua::new(include_str!("pour.lua"));
static SWAP: Lua = Lua::new(include_str!("swap_note.lua"));

/// Of the revision and of the end, in hexadecimal digits.
const WORD_CHARS: usize = 16;

pub(super) async fn get(
    servers: &Arc<Servers>,
    key: NoteKey,
    now: Time,
) -> Result<Option<Vec<u8>>, StoreFault> {
    let family = Family::of_note(&key);
    let names = servers.names();
    let ask = Ask::script(&GET, vec![names.note(family, &key), names.born(family)]);
    let found: Option<Vec<u8>> = read(servers.call(family, &ask).await?)?;
    let Some(found) = found else {
        return Ok(None);
    };
    let (head, value) = found
        .split_at_checked(2 * WORD_CHARS)
        .ok_or(RedisFault::Strange)?;
    let until = std::str::from_utf8(&head[WORD_CHARS..]).ok();
    let until = until.and_then(|until| u64::from_str_radix(until, 16).ok());
    let until = Time::from_millis(until.ok_or(RedisFault::Strange)?);
    Ok((now < until).then(|| value.to_vec()))
}

pub(super) async fn swap(servers: &Arc<Servers>, swap: &NoteSwap) -> Result<bool, StoreFault> {
    let family = Family::of_note(&swap.key);
    let new = swap.new.as_ref();
    let stays = new.map_or(0, |note| note.until.since(swap.now).as_millis().max(1));
    let ask = Ask::script(&SWAP, vec![servers.names().note(family, &swap.key)])
        .with(word(swap.revision.0))
        .with(word(swap.now.as_millis()))
        .with(u8::from(swap.expected.is_some()))
        .with(swap.expected.as_deref().unwrap_or_default())
        .with(u8::from(new.is_some()))
        .with(new.map_or(&[][..], |note| &note.value))
        .with(word(new.map_or(0, |note| note.until.as_millis())))
        .with(stays.to_string());
    let done: u8 = read(servers.call_to_keep(family, &ask).await?)?;
    Ok(done == 1)
}

pub(super) async fn pour(
    servers: &Arc<Servers>,
    pouring: &Pouring,
) -> Result<Option<Duration>, StoreFault> {
    let family = Family::of_note(&pouring.key);
    let ask = Ask::script(&POUR, vec![servers.names().note(family, &pouring.key)])
        .with(word(pouring.revision.0))
        .with(pouring.now.as_millis())
        .with(pouring.pour.by_millis)
        .with(pouring.pour.whole_millis);
    let wait: u64 = read(servers.call_to_keep(family, &ask).await?)?;
    Ok((wait > 0).then(|| Duration::from_millis(wait)))
}

fn word(number: u64) -> String {
    format!("{number:016x}")
}
