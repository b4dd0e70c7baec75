//! Files with secrets that are made at the first start: for this user alone, and whole or not at all.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use data_encoding::HEXLOWER;

use crate::base::secret::random_bytes;

/// Makes the file at `path`, and its folder. It is written under another name, which begins with `draft`, and linked
/// into place, so that nobody, not even another node that starts at the same moment on the same folder, ever sees half
/// of it. `false`: somebody else was faster, and theirs counts.
pub(super) fn make(path: &Path, draft: &str, text: &str) -> io::Result<bool> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let draft = folder.join(format!("{draft}{}", HEXLOWER.encode(&random_bytes::<8>())));
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
            File::open(folder)?.sync_all()?;
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}
