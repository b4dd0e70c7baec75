//! Secret texts that stand in a file of their own: the `_file` twin of a key, or a systemd credential.
//!
//! They are read once, at the start, and neither the text nor a part of it is ever in a fault.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::settings::Text;
use crate::base::secret::Secret;

/// What a `_file` key starts with when it names a credential instead of a file.
const CREDENTIAL: &str = "credential:";

/// Where systemd tells a service of its credentials (`LoadCredential=`, systemd.exec(5)).
const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

/// More than any address or password; a file that is longer was named by mistake.
const BYTES_MAX: u64 = 64 << 10;

/// Why there is no secret text.
#[derive(Debug, thiserror::Error)]
pub enum SecretFault {
    /// The file cannot be read.
    #[error("{} cannot be read; put the secret there, where the user that cloakroom runs as can read it", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It holds no text that could be meant.
    #[error("{} {why}; write the secret into it, as one line of text", path.display())]
    Unfit {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, without any of its content.
        why: &'static str,
    },
    /// A credential is named, and systemd gave none.
    #[error(
        "credential {name:?} cannot be found, as CREDENTIALS_DIRECTORY is not set; \
         write LoadCredential={name}:/path in the systemd unit, or name a file"
    )]
    NoCredentials {
        /// The name.
        name: String,
    },
}

impl Text {
    /// What a `_file` key says: a credential, or a file relative to `base`. `None` when it names neither.
    pub(super) fn named(text: &str, base: &Path) -> Option<Self> {
        let is_file = !text.is_empty() && !text.contains('\0');
        match text.strip_prefix(CREDENTIAL) {
            Some(name) => is_plain_name(name).then(|| Self::Credential(name.to_owned())),
            None => is_file.then(|| Self::In(base.join(text))),
        }
    }

    /// The text itself, read now if it stands in a file. One line break at its end is not part of it.
    ///
    /// # Errors
    /// [`SecretFault`], which names the file and the way out.
    pub fn read(&self) -> Result<Secret<String>, SecretFault> {
        let path = match self {
            Self::Here(text) => return Ok(text.clone()),
            Self::In(path) => path.clone(),
            Self::Credential(name) => credential(name, std::env::var_os(CREDENTIALS_DIRECTORY))?,
        };
        read_file(&path)
    }
}

/// Whether `name` is one name in a folder.
fn is_plain_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains(['/', '\0'])
}

fn credential(name: &str, folder: Option<OsString>) -> Result<PathBuf, SecretFault> {
    let folder = folder.filter(|folder| !folder.is_empty());
    let folder = folder.ok_or_else(|| SecretFault::NoCredentials {
        name: name.to_owned(),
    })?;
    Ok(Path::new(&folder).join(name))
}

fn read_file(path: &Path) -> Result<Secret<String>, SecretFault> {
    let unreadable = |source| SecretFault::Unreadable {
        path: path.to_owned(),
        source,
    };
    let unfit = |why| SecretFault::Unfit {
        path: path.to_owned(),
        why,
    };
    let file = File::open(path).map_err(unreadable)?;
    let about = file.metadata().map_err(unreadable)?;
    if about.permissions().mode() & 0o007 != 0 {
        tracing::warn!(path = %path.display(), "a secret can be read by others; run chmod o-rwx on it");
    }
    // Made as large as it can get at once: a vector that grows leaves copies behind that nobody wipes.
    let mut bytes = Zeroizing::new(Vec::with_capacity(BYTES_MAX as usize + 1));
    let mut file = file.take(BYTES_MAX + 1);
    file.read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(unfit("is too long for a secret"));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| unfit("is no UTF-8 text"))?;
    let line = text.strip_suffix('\n').unwrap_or(text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.is_empty() {
        return Err(unfit("is empty"));
    }
    Ok(Secret::new(line.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn one_line_break_at_the_end_is_not_part_of_the_secret() {
        let folder = tempfile::tempdir().unwrap();
        for (written, read) in [
            ("hunter2", "hunter2"),
            ("hunter2\n", "hunter2"),
            ("hunter2\r\n", "hunter2"),
            (" hunter2 \n\n", " hunter2 \n"),
        ] {
            let text = Text::named("secret", folder.path()).unwrap();
            fs::write(folder.path().join("secret"), written).unwrap();
            assert_eq!(text.read().unwrap().expose(), read, "{written:?}");
        }
    }

    #[test]
    fn what_holds_no_secret_is_a_fault_that_names_the_file_alone() {
        let folder = tempfile::tempdir().unwrap();
        let long = "hunter2".repeat(10_000);
        for written in [&b""[..], b"\n", b"hunter2\xff", long.as_bytes()] {
            let path = folder.path().join("secret");
            fs::write(&path, written).unwrap();
            let fault = Text::In(path.clone()).read().unwrap_err();
            let printed = format!("{fault} {fault:?}");
            assert!(
                printed.contains(path.to_str().unwrap()) && !printed.contains("hunter2"),
                "{printed}"
            );
        }
        let absent = Text::In(folder.path().join("absent")).read();
        assert!(matches!(absent, Err(SecretFault::Unreadable { .. })));
        let no_file = Text::In(folder.path().to_owned()).read();
        assert!(matches!(no_file, Err(SecretFault::Unreadable { .. })));
    }

    #[test]
    fn a_credential_is_a_name_in_the_folder_that_systemd_tells() {
        let base = Path::new("/etc/cloakroom");
        let named = Text::named("credential:redis", base);
        assert_eq!(named, Some(Text::Credential("redis".to_owned())));
        let file = Text::named("redis", base);
        assert_eq!(file, Some(Text::In("/etc/cloakroom/redis".into())));
        for odd in ["", "credential:", "credential:..", "credential:../shadow"] {
            assert_eq!(Text::named(odd, base), None, "{odd}");
        }

        let folder = Some(OsString::from("/run/credentials/cloakroom.service"));
        let path = credential("redis", folder).unwrap();
        assert_eq!(path, Path::new("/run/credentials/cloakroom.service/redis"));
        for unset in [None, Some(OsString::new())] {
            let fault = credential("redis", unset).unwrap_err().to_string();
            assert!(fault.contains("LoadCredential=redis:"), "{fault}");
        }
    }
}
