//! The key ring of a running gateway: read again when its file has changed or when somebody asks for it.
//!
//! A file that cannot be used changes nothing: the keys stay as they were, and the log says so.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use super::fault::StartFault;
use super::live::Live;
use crate::base::causes::Causes;
use crate::base::clock::Time;
use crate::config::keyring::{self, Keys};
use crate::config::settings;
use crate::session::{KeyId, KeyRing};

/// The key ring file, and how it was when it was last read.
pub(super) struct KeyFile {
    path: PathBuf,
    activate_after: Duration,
    seen: Option<Stamp>,
}

/// What changes when a file is written or replaced, or others may read it than before: device, inode, size, and when
/// it and what is said of it changed, in nanoseconds.
#[derive(Clone, Copy, PartialEq)]
struct Stamp(u64, u64, u64, [i64; 4]);

impl KeyFile {
    /// The file that `settings` name. The first look reads it: it may have changed since the start did.
    pub(super) fn new(settings: &settings::Keys) -> Self {
        Self {
            path: settings.file.clone(),
            activate_after: settings.activate_after,
            seen: None,
        }
    }

    /// Reads the file again if it has changed; looks at nothing but its directory entry else.
    pub(super) fn look(&mut self, live: &Live, now: Time) {
        if self.stamp() == self.seen {
            return;
        }
        if let Ok(keys) = self.read(self.activate_after, live) {
            self.adopt(keys, self.activate_after, live, now);
        }
    }

    /// Reads the file again. A fault is logged here, and leaves the keys of before.
    ///
    /// # Errors
    /// The file is not what it was, and nothing that could be used in its place.
    pub(super) fn read(
        &mut self,
        activate_after: Duration,
        live: &Live,
    ) -> Result<Keys, StartFault> {
        // Taken first, so that what changes while it is read is read again at the next look.
        self.seen = self.stamp();
        let keys = keyring::read(&self.path, activate_after).map_err(StartFault::Keys);
        let keys = keys.and_then(|keys| {
            if keys.ids.fingerprint() == live.ids.fingerprint() {
                Ok(keys)
            } else {
                let path = self.path.clone();
                Err(StartFault::OtherSessionIds { path })
            }
        });
        keys.inspect_err(|fault| {
            tracing::error!(
                error = %Causes(fault),
                "the key ring was not reloaded; the keys are those of before"
            );
        })
    }

    /// Uses what was read from the next request on.
    pub(super) fn adopt(&mut self, keys: Keys, activate_after: Duration, live: &Live, now: Time) {
        self.activate_after = activate_after;
        self.swap(keys, live, now);
    }

    fn swap(&self, keys: Keys, live: &Live, now: Time) {
        let ring = &live.ring;
        let before = ring.load();
        let (old, new) = (ids(&before, now), ids(&keys.ring, now));
        ring.store(keys.ring.counting_on(&before).into());
        live.values.store(keys.values.into());
        let file = self.path.display();
        if old == new {
            tracing::debug!(%file, "the key ring was read again; it holds the same keys");
            return;
        }
        let (added, dropped) = (without(&new, &old), without(&old, &new));
        tracing::info!(%file, keys = new.len(), added, dropped, "the key ring was reloaded");
    }

    fn stamp(&self) -> Option<Stamp> {
        let about = fs::metadata(&self.path).ok()?;
        Some(Stamp(
            about.dev(),
            about.ino(),
            about.size(),
            [
                about.mtime(),
                about.mtime_nsec(),
                about.ctime(),
                about.ctime_nsec(),
            ],
        ))
    }
}

fn ids(ring: &KeyRing, now: Time) -> Vec<KeyId> {
    ring.uses(now).iter().map(|key| key.id).collect()
}

/// The ids of `these` that are not among `those`, for the log.
fn without(these: &[KeyId], those: &[KeyId]) -> String {
    let left = these.iter().filter(|id| !those.contains(id));
    left.map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_that_can_be_read_at_last_is_looked_at_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("session.keys");
        fs::write(&path, "keys").unwrap();
        let mode = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        mode(0o000);
        let file = KeyFile::new(&settings::Keys {
            file: path.clone(),
            activate_after: Duration::ZERO,
        });
        let before = file.stamp();
        // The clock of a file system moves in steps.
        for _ in 0..100 {
            mode(0o600);
            if file.stamp() != before {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("nobody would notice");
    }
}
