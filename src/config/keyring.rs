//! The key ring file: the keys that sign tickets and the key that names sessions.
//!
//! It is made at the first start and read at every other. Losing it means that every visitor starts
//! anew; showing it means that anybody can make tickets. Session IDs have a key of their own in it
//! that never rotates, so that apps keep knowing their sessions.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::base::clock::Time;
use crate::base::secret::{Secret, random_bytes};
use crate::session::{KeyRing, SessionIds};

const HEADER: &str = "\
# The keys of cloakroom's sessions. Whoever reads this file can make tickets: keep it secret.
# The first of [[keys]] signs tickets, all of them verify. session_id_key names sessions for apps
# and must not change. Every node of one gateway needs the same file.
";

/// What the file holds.
#[derive(Debug)]
pub struct Keys {
    /// Signs and verifies tickets.
    pub ring: KeyRing,
    /// Names sessions.
    pub ids: SessionIds,
}

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeysFault {
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

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeysFile {
    session_id_key: String,
    keys: Vec<KeyEntry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyEntry {
    secret: String,
    created: u64,
}

impl Drop for KeysFile {
    fn drop(&mut self) {
        self.session_id_key.zeroize();
        self.keys.iter_mut().for_each(|key| key.secret.zeroize());
    }
}

/// Reads the key ring at `path`, making it first when there is none.
///
/// # Errors
/// [`KeysFault`], which names the key, the file and the way out.
pub fn read_or_make(path: &Path, now: Time) -> Result<Keys, KeysFault> {
    let text = match fs::read_to_string(path) {
        Ok(text) => Zeroizing::new(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make(path, now).map_err(|source| KeysFault::Unwritable {
                path: path.to_owned(),
                source,
            })?
        }
        Err(source) => {
            return Err(KeysFault::Unreadable {
                path: path.to_owned(),
                source,
            });
        }
    };
    warn_if_others_can_read(path);
    parse(&text).map_err(|reason| KeysFault::Malformed {
        path: path.to_owned(),
        reason,
    })
}

fn parse(text: &str) -> Result<Keys, &'static str> {
    // The parser's own message quotes the line that it fails on, and here lines are secrets.
    let file: KeysFile =
        toml::from_str(text).map_err(|_| "it is not the TOML that cloakroom writes")?;
    let ids = SessionIds::new(&decode(&file.session_id_key)?);
    let keys = file
        .keys
        .iter()
        .map(|key| decode(&key.secret))
        .collect::<Result<Vec<_>, _>>()?;
    let ring = KeyRing::new(&keys).ok_or("it has no [[keys]]")?;
    Ok(Keys { ring, ids })
}

fn decode(text: &str) -> Result<Secret<[u8; 32]>, &'static str> {
    let bytes = Zeroizing::new(
        BASE64URL_NOPAD
            .decode(text.as_bytes())
            .map_err(|_| "a key is not base64url")?,
    );
    let key: [u8; 32] = bytes
        .as_slice()
        .try_into()
        .map_err(|_| "a key is not 256 bits long")?;
    Ok(Secret::new(key))
}

/// Makes the file. It is written under another name and linked into place, so that nobody, not even
/// another node that starts at the same moment on the same folder, ever sees half of it.
fn make(path: &Path, now: Time) -> io::Result<Zeroizing<String>> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let new_key = || BASE64URL_NOPAD.encode(Secret::new(random_bytes::<32>()).expose());
    let entry = KeyEntry {
        secret: new_key(),
        created: now.as_secs(),
    };
    let file = KeysFile {
        session_id_key: new_key(),
        keys: vec![entry],
    };
    let body = Zeroizing::new(toml::to_string(&file).map_err(io::Error::other)?);
    let text = Zeroizing::new(format!("{HEADER}{}", *body));

    let name = format!(
        ".keys-{}",
        data_encoding::HEXLOWER.encode(&random_bytes::<8>())
    );
    let draft = folder.join(name);
    let mut out = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)?;
    let written = out
        .write_all(text.as_bytes())
        .and_then(|()| out.sync_all())
        .and_then(|()| fs::hard_link(&draft, path));
    let _ = fs::remove_file(&draft);
    match written {
        Ok(()) => {
            fs::File::open(folder)?.sync_all()?;
            Ok(text)
        }
        // Somebody else was faster: theirs counts.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::read_to_string(path).map(Zeroizing::new)
        }
        Err(error) => Err(error),
    }
}

fn warn_if_others_can_read(path: &Path) {
    if let Ok(metadata) = fs::metadata(path)
        && metadata.permissions().mode() & 0o077 != 0
    {
        tracing::warn!(
            path = %path.display(),
            "the key ring can be read by others; run chmod 600 on it"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::{Reading, Ticket};

    #[test]
    fn the_file_is_made_once_with_mode_0600_and_read_ever_after() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data/session.keys");
        let ticket = Ticket::mint(Time::from_secs(1));

        let text = read_or_make(&path, Time::from_secs(1))
            .unwrap()
            .ring
            .encode(&ticket);

        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let again = read_or_make(&path, Time::from_secs(2)).unwrap();
        assert_eq!(again.ring.read(text.as_bytes()), Reading::Genuine(ticket));
        assert_eq!(
            fs::read_dir(path.parent().unwrap()).unwrap().count(),
            1,
            "no draft is left"
        );
    }

    #[test]
    fn a_broken_file_is_named_and_its_content_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("session.keys");
        for text in ["", "hunter2", "session_id_key = \"hunter2\"\nkeys = []\n"] {
            fs::write(&path, text).unwrap();
            let fault = read_or_make(&path, Time::from_secs(1)).unwrap_err();
            let printed = format!("{fault} {fault:?}");
            assert!(
                printed.contains("session.keys.file") && !printed.contains("hunter2"),
                "{printed}"
            );
        }
    }
}
