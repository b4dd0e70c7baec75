//! Key rotation: a key is added, and dropped when nobody needs it any more.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use zeroize::Zeroizing;

use super::super::replace::{Held, ReplaceFault};
use super::text::{Content, new_key, with_key, without_key};
use super::{Duty, KeysFault, parse};
use crate::base::clock::Time;
use crate::session::{KeyId, RingKey};

/// Why the key ring was not changed. It is as it was.
#[derive(Debug, thiserror::Error)]
pub enum ChangeFault {
    /// It cannot be read, or is none.
    #[error(transparent)]
    Keys(#[from] KeysFault),
    /// Somebody else changes it.
    #[error("session.keys.file = \"{}\": another process is changing it; try again when it is done", .0.display())]
    Busy(PathBuf),
    /// The new file would belong to somebody else, who may not be the one that the gateway runs as.
    #[error(
        "session.keys.file = \"{}\": its owner cannot be kept; run this as the user that owns it, or as root",
        path.display()
    )]
    Owner {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It cannot be written.
    #[error(
        "session.keys.file = \"{}\": cannot be replaced; run this as a user that may write to its folder",
        path.display()
    )]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Its words are not those that we write.
    #[error(
        "session.keys.file = \"{}\": cannot be changed by this command; write each key as a table [[keys]] with \
         `secret` and `created` on lines of their own",
        .0.display()
    )]
    Form(PathBuf),
    /// It has no such key.
    #[error("there is no key {id}; `cloakroom keys list` shows those that there are")]
    NoSuchKey {
        /// Which.
        id: KeyId,
    },
    /// The key signs.
    #[error(
        "key {id} signs the tickets of today; run `cloakroom keys rotate`, and drop it when the new key signs and \
         nobody uses the old one any more"
    )]
    Signs {
        /// Which.
        id: KeyId,
    },
    /// There is no other.
    #[error("key {id} is the only one; run `cloakroom keys rotate` first")]
    Last {
        /// Which.
        id: KeyId,
    },
}

/// A key that was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// Its name.
    pub id: KeyId,
    /// From when on it signs.
    pub signs_from: Time,
}

/// Adds a new key to the file at `path`, which signs when it is `activate_after` old.
///
/// # Errors
/// [`ChangeFault`]; the file is as it was then.
pub fn rotate(path: &Path, activate_after: Duration, now: Time) -> Result<Rotated, ChangeFault> {
    let (held, text) = hold(path)?;
    let mut content = content(path, &text)?;
    let now = Time::from_secs(now.as_secs());
    // A clock that is behind must not make a key that counts as older than one that is there.
    let newest = content.keys.iter().map(|key| key.created).max();
    let created = newest.map_or(now, |newest| newest.max(now));
    let key = fresh_key(&content.keys, created);
    let rotated = Rotated {
        id: key.id(),
        signs_from: created.plus(activate_after),
    };
    let text = with_key(&text, &key);
    content.keys.push(key);
    put(path, held, &text, &content)?;
    Ok(rotated)
}

/// Takes the key `id` out of the file at `path`. Tickets that it signed are refused from then on.
///
/// # Errors
/// [`ChangeFault`], for the key that signs and for the last one too; the file is as it was then.
pub fn drop_key(
    path: &Path,
    id: KeyId,
    activate_after: Duration,
    now: Time,
) -> Result<(), ChangeFault> {
    let (held, text) = hold(path)?;
    let mut content = content(path, &text)?;
    let at = content.keys.iter().position(|key| key.id() == id);
    let at = at.ok_or(ChangeFault::NoSuchKey { id })?;
    if content.keys.len() == 1 {
        return Err(ChangeFault::Last { id });
    }
    let states = parse(path, &text, activate_after)?.states(now);
    if states
        .iter()
        .any(|key| key.id == id && key.duty == Duty::Signs)
    {
        return Err(ChangeFault::Signs { id });
    }
    let text = without_key(&text, at).ok_or_else(|| ChangeFault::Form(path.to_owned()))?;
    content.keys.remove(at);
    put(path, held, &text, &content)
}

fn hold(path: &Path) -> Result<(Held, Zeroizing<String>), ChangeFault> {
    let unreadable = |source| KeysFault::unreadable(path, source);
    let held = Held::take(path).map_err(unreadable)?;
    let held = held.ok_or_else(|| ChangeFault::Busy(path.to_owned()))?;
    let text = held.read().map_err(unreadable)?;
    Ok((held, text))
}

fn content(path: &Path, text: &str) -> Result<Content, KeysFault> {
    Content::parse(text).map_err(|reason| KeysFault::Malformed {
        path: path.to_owned(),
        reason,
    })
}

/// Puts `text` in the place of the file, once it is sure that it says `meant` and nothing else.
fn put(path: &Path, held: Held, text: &str, meant: &Content) -> Result<(), ChangeFault> {
    let is_meant = Content::parse(text).is_ok_and(|content| content.is_same_as(meant));
    if !is_meant {
        return Err(ChangeFault::Form(path.to_owned()));
    }
    let path = path.to_owned();
    held.replace(text).map_err(|fault| match fault {
        ReplaceFault::Owner(source) => ChangeFault::Owner { path, source },
        ReplaceFault::Write(source) => ChangeFault::Unwritable { path, source },
    })
}

/// A key whose name none of `others` has: names are short, and one must mean one key.
fn fresh_key(others: &[RingKey], created: Time) -> RingKey {
    loop {
        let key = new_key(created);
        if others.iter().all(|other| other.id() != key.id()) {
            return key;
        }
    }
}

#[cfg(test)]
mod tests;
