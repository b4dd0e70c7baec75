//! One change of a file with secrets at a time, and each of them whole: whoever reads sees the old file or the new one.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use data_encoding::HEXLOWER;
use zeroize::Zeroizing;

use crate::base::clock::Stopwatch;
use crate::base::secret::random_bytes;

/// How long to wait for another process that changes the file. Nobody holds it longer than a write takes.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(20);

/// A file that nobody else changes until this is dropped.
pub(super) struct Held {
    /// Locked. The lock is on what the file is, not on its name, so that it needs no second file.
    file: File,
    /// Without links: a link that leads to the file stays one.
    path: PathBuf,
}

/// Why the file was not replaced. It is as it was.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReplaceFault {
    /// The new one would belong to somebody else.
    #[error("the new file cannot be given to the owner of the old one")]
    Owner(#[source] io::Error),
    /// It cannot be written.
    #[error(transparent)]
    Write(#[from] io::Error),
}

impl Held {
    /// Waits until nobody else changes the file at `path`. `None`: somebody did so for too long.
    pub(super) fn take(path: &Path) -> io::Result<Option<Self>> {
        let path = fs::canonicalize(path)?;
        let waiting = Stopwatch::start();
        loop {
            let file = File::open(&path)?;
            match file.try_lock() {
                // Who had the lock before may have put another file in its place.
                Ok(()) if is_same(&file, &path)? => return Ok(Some(Self { file, path })),
                Ok(()) => {}
                Err(TryLockError::Error(error)) => return Err(error),
                Err(TryLockError::WouldBlock) if waiting.elapsed() > PATIENCE => return Ok(None),
                Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
            }
        }
    }

    /// What stands in it.
    pub(super) fn read(&self) -> io::Result<Zeroizing<String>> {
        let mut text = Zeroizing::new(String::new());
        (&self.file).read_to_string(&mut text)?;
        Ok(text)
    }

    /// Puts `text` in its place, with the same owner and mode, and makes sure that it stays.
    pub(super) fn replace(self, text: &str) -> Result<(), ReplaceFault> {
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        let draft = HEXLOWER.encode(&random_bytes::<8>());
        let draft = folder.join(format!(".{}-{draft}", self.stem()));
        let written = self.write(&draft, text).and_then(|()| {
            fs::rename(&draft, &self.path)?;
            Ok(())
        });
        if written.is_err() {
            let _ = fs::remove_file(&draft);
        }
        written?;
        Ok(File::open(folder)?.sync_all()?)
    }

    /// What drafts are called after.
    fn stem(&self) -> String {
        let stem = self.path.file_stem().unwrap_or_default();
        stem.to_string_lossy().into_owned()
    }

    fn write(&self, draft: &Path, text: &str) -> Result<(), ReplaceFault> {
        let before = self.file.metadata()?;
        let mut options = OpenOptions::new();
        let mut out = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(draft)?;
        out.write_all(text.as_bytes())?;
        let now = out.metadata()?;
        if (before.uid(), before.gid()) != (now.uid(), now.gid()) {
            fchown(&out, Some(before.uid()), Some(before.gid())).map_err(ReplaceFault::Owner)?;
        }
        out.set_permissions(before.permissions())?;
        Ok(out.sync_all()?)
    }
}

fn is_same(file: &File, path: &Path) -> io::Result<bool> {
    let (held, named) = (file.metadata()?, fs::metadata(path)?);
    Ok((held.dev(), held.ino()) == (named.dev(), named.ino()))
}
