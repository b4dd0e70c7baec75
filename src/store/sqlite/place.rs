//! Whether the files that are open are still those at their places: the database, the write-ahead log and the index of
//! the log. SQLite does not notice when somebody moves or deletes one of them: whatever is written then goes into a file
//! that nobody will ever find, and a command that works beside the server makes new ones and does not see the server's.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// A place, and the files that were there when it was opened.
///
/// A file is only ever asked for its name's metadata: to open and close it would take away the locks that this
/// process holds on it.
pub(super) struct Place {
    path: PathBuf,
    files: Vec<(PathBuf, FileId)>,
    /// Whether the last look did not find it, so that it is said once.
    is_gone: AtomicBool,
}

#[derive(PartialEq)]
struct FileId {
    device: u64,
    inode: u64,
}

impl Place {
    /// The place `path` with the file that is there now.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            files: vec![(path.to_owned(), FileId::at(path)?)],
            is_gone: AtomicBool::new(false),
        })
    }

    /// Takes note of the files that SQLite has made beside the database since. They stay for as long as anybody has the
    /// database open.
    pub(super) fn note_log(&mut self) -> io::Result<()> {
        // SQLite follows a link and makes them where it leads to.
        let real = fs::canonicalize(&self.path)?;
        for end in ["-wal", "-shm"] {
            let mut beside = OsString::from(&real);
            beside.push(end);
            let beside = PathBuf::from(beside);
            let file = FileId::at(&beside)?;
            self.files.push((beside, file));
        }
        Ok(())
    }

    /// Whether the files are still there. Says so in the log when that changes.
    pub(super) fn has_its_files(&self) -> bool {
        let is_there = |(path, file): &(PathBuf, FileId)| {
            FileId::at(path).is_ok_and(|at_the_place| at_the_place == *file)
        };
        let is_gone = !self.files.iter().all(is_there);
        if self.is_gone.swap(is_gone, Ordering::Relaxed) != is_gone {
            let path = self.path.display();
            if is_gone {
                tracing::error!(%path, "the session database or one of its -wal and -shm files was moved or deleted: put it back, or restart cloakroom to begin with what is there");
            } else {
                tracing::info!(%path, "the session database is back");
            }
        }
        !is_gone
    }
}

impl FileId {
    fn at(path: &Path) -> io::Result<Self> {
        let file = fs::metadata(path)?;
        Ok(Self {
            device: file.dev(),
            inode: file.ino(),
        })
    }
}
