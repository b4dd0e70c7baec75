//! The key ring file: the keys that sign tickets and cookie values, and the key that names sessions.
//!
//! It is made at the first start and read at every other. Losing it means that every visitor starts
//! anew; showing it means that anybody can make tickets. Session IDs have a key of their own in it
//! that never rotates, so that apps keep knowing their sessions.

mod text;

mod change;

pub use change::{ChangeFault, Rotated, drop_key, rotate};

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use zeroize::Zeroizing;

use self::text::Content;
use super::new_file;
use crate::base::clock::Time;
use crate::cookie::seal::ValueKeys;
use crate::session::{KeyId, KeyRing, SessionIds};

/// What the file holds.
#[derive(Debug)]
pub struct Keys {
    /// Signs and verifies tickets.
    pub ring: KeyRing,
    /// Seals and signs the values of apps' cookies.
    pub values: ValueKeys,
    /// Names sessions.
    pub ids: SessionIds,
    /// When each key was made, the oldest first.
    created: Vec<(KeyId, Time)>,
}

/// A key as an operator sees it: never the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyState {
    /// Its name.
    pub id: KeyId,
    /// When it was made.
    pub created: Time,
    /// What it is good for.
    pub duty: Duty,
}

/// What a key is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// It signs tickets, and verifies.
    Signs,
    /// It signed until then, and verifies.
    Verifies(Time),
    /// It verifies, and signs from then on.
    Waits(Time),
}

impl Keys {
    /// The keys and what they are good for at `now`, the oldest first.
    pub fn states(&self, now: Time) -> Vec<KeyState> {
        let uses = self.ring.uses(now);
        let signs = uses.iter().position(|key| key.signs).unwrap_or(0);
        let created = |id| self.created.iter().find(|(known, _)| *known == id);
        let each = uses.iter().enumerate().map(|(at, key)| KeyState {
            id: key.id,
            created: created(key.id).map_or(key.signs_from, |(_, created)| *created),
            duty: match uses.get(at + 1) {
                _ if at > signs => Duty::Waits(key.signs_from),
                Some(next) if at < signs => Duty::Verifies(next.signs_from),
                _ => Duty::Signs,
            },
        });
        each.collect()
    }
}

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeysFault {
    /// There is none.
    #[error("session.keys.file = \"{}\": no such file; `cloakroom run` makes it at its first start", .0.display())]
    Absent(PathBuf),
    /// It cannot be read.
    #[error("session.keys.file = \"{}\": cannot be read; let the user that cloakroom runs as read it", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It cannot be made.
    #[error("session.keys.file = \"{}\": cannot be made; choose a folder that cloakroom may write to", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It does not hold keys.
    #[error(
        "session.keys.file = \"{}\": is not a key ring: {reason}; restore it from a backup, or move it \
         away to have a new one made (every visitor then starts anew)",
        path.display()
    )]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, without any of its content.
        reason: &'static str,
    },
}

impl KeysFault {
    /// It cannot be read, says the system.
    fn unreadable(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::NotFound => Self::Absent(path),
            _ => Self::Unreadable { path, source },
        }
    }
}

/// Reads the key ring at `path`, making it first when there is none.
///
/// # Errors
/// [`KeysFault`], which names the key, the file and the way out.
pub fn read_or_make(path: &Path, activate_after: Duration, now: Time) -> Result<Keys, KeysFault> {
    match read(path, activate_after) {
        Err(KeysFault::Absent(_)) => {}
        read => return read,
    }
    let text = make(path, now).map_err(|source| KeysFault::Unwritable {
        path: path.to_owned(),
        source,
    })?;
    parse(path, &text, activate_after)
}

/// Reads the key ring at `path`, which must be there.
///
/// # Errors
/// [`KeysFault`], which names the key, the file and the way out.
pub fn read(path: &Path, activate_after: Duration) -> Result<Keys, KeysFault> {
    let text = fs::read_to_string(path).map(Zeroizing::new);
    let text = text.map_err(|source| KeysFault::unreadable(path, source))?;
    if is_exposed(path) {
        tracing::warn!(path = %path.display(), "{EXPOSED}");
    }
    parse(path, &text, activate_after)
}

fn parse(path: &Path, text: &str, activate_after: Duration) -> Result<Keys, KeysFault> {
    let malformed = |reason| KeysFault::Malformed {
        path: path.to_owned(),
        reason,
    };
    let content = Content::parse(text).map_err(malformed)?;
    let secrets = content.keys.iter().map(|key| (&key.secret, key.created));
    let values = ValueKeys::new(secrets, activate_after);
    let ring = KeyRing::new(&content.keys, activate_after);
    let (ring, values) = ring
        .zip(values)
        .ok_or_else(|| malformed("it has no [[keys]]"))?;
    Ok(Keys {
        ring,
        values,
        ids: SessionIds::new(&content.session_id_key),
        created: content
            .keys
            .iter()
            .map(|key| (key.id(), key.created))
            .collect(),
    })
}

/// What to say of a key ring that others can read.
pub const EXPOSED: &str = "the key ring can be read by others; run chmod 600 on it";

/// Whether others than its owner can read or change the file.
pub fn is_exposed(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}

/// Makes the file; tells what stands in it.
fn make(path: &Path, now: Time) -> io::Result<Zeroizing<String>> {
    let text = Content::fresh(now).written();
    if new_file::make(path, ".keys-", &text)? {
        Ok(text)
    } else {
        fs::read_to_string(path).map(Zeroizing::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cookie::seal::{Context, Form};
    use crate::session::{Place, Reading, Ticket};

    const PLACE: Place<'_> = Place::at("sid", "localhost");
    const PATIENCE: Duration = Duration::from_secs(600);

    #[test]
    fn the_file_is_made_once_with_mode_0600_and_read_ever_after() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data/session.keys");
        let ticket = Ticket::mint(Time::from_secs(1));

        let text = read_or_make(&path, PATIENCE, Time::from_secs(1))
            .unwrap()
            .ring
            .encode(&ticket, &PLACE, Time::from_secs(1));

        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let again = read_or_make(&path, PATIENCE, Time::from_secs(2)).unwrap();
        let read = again.ring.read(text.as_bytes(), &PLACE, Time::from_secs(2));
        assert_eq!(
            read,
            Reading::Genuine {
                ticket,
                outdated: false
            }
        );
        assert_eq!(
            fs::read_dir(path.parent().unwrap()).unwrap().count(),
            1,
            "no draft is left"
        );
    }

    /// Tickets and values: whoever drops a key by what `keys list` says of it must not lose values by it.
    #[test]
    fn the_key_that_signs_tickets_closes_values() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("session.keys");
        let started = Time::from_secs(1_000_000);
        read_or_make(&path, PATIENCE, started).unwrap();
        let rotated_at = started.plus(PATIENCE);
        rotate(&path, PATIENCE, rotated_at).unwrap();
        let keys = read(&path, PATIENCE).unwrap();
        let context = Context {
            form: Form::Signed,
            site: "shop",
            name: b"cart",
            bond: None,
            max_age: None,
        };

        let mut closers = Vec::new();
        for secs in [0, 599, 600] {
            let now = rotated_at.plus(Duration::from_secs(secs));
            let signs = keys
                .states(now)
                .into_iter()
                .find(|key| key.duty == Duty::Signs);
            let value = keys.values.close(b"v", &context, None, now);
            let closer = keys.values.open(&value, &context, now).unwrap().key;
            assert_eq!(Some(KeyId(closer)), signs.map(|key| key.id), "{secs}");
            closers.push(closer);
        }
        assert!(closers[0] == closers[1] && closers[1] != closers[2]);
    }

    #[test]
    fn a_broken_file_is_named_and_its_content_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("session.keys");
        for text in ["", "hunter2", "session_id_key = \"hunter2\"\nkeys = []\n"] {
            fs::write(&path, text).unwrap();
            let fault = read_or_make(&path, PATIENCE, Time::from_secs(1)).unwrap_err();
            let printed = format!("{fault} {fault:?}");
            assert!(
                printed.contains("session.keys.file") && !printed.contains("hunter2"),
                "{printed}"
            );
        }
    }
}
