//! The token of the administration, in a file of its own: made at the first start, used as it is ever after.

use std::io;
use std::path::{Path, PathBuf};

use data_encoding::BASE64URL_NOPAD;
use zeroize::Zeroizing;

use super::new_file;
use super::secret_file::SecretFault;
use super::settings::Text;
use crate::base::secret::{Secret, random_bytes};

/// A shorter token can be guessed.
const CHARACTERS_MIN: usize = 32;

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenFault {
    /// The file is not there.
    #[error("admin.token_file: there is no {}; the gateway makes it at its first start with server.admin", .0.display())]
    Absent(PathBuf),
    /// It cannot be read, or holds no text.
    #[error("admin.token_file cannot be used")]
    Unusable(#[source] SecretFault),
    /// It cannot be made.
    #[error("admin.token_file: {} cannot be made; choose a folder that cloakroom may write to", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It can be guessed, or nobody can send it.
    #[error(
        "admin.token_file: {} {why}; move it away to have a new token made, or write one of at least \
         {CHARACTERS_MIN} letters, digits and -._~+/= into it",
        path.display()
    )]
    Unfit {
        /// The file.
        path: PathBuf,
        /// What is wrong with the token, without any of it.
        why: &'static str,
    },
}

/// Reads the token at `path`, making it first when there is none.
///
/// # Errors
/// [`TokenFault`], which names the key, the file and the way out.
pub fn read_or_make(path: &Path) -> Result<Secret<String>, TokenFault> {
    match read(path) {
        Err(TokenFault::Absent(_)) => {}
        read => return read,
    }
    let bytes = Zeroizing::new(random_bytes::<32>());
    let line = Zeroizing::new(BASE64URL_NOPAD.encode(&*bytes) + "\n");
    let made = new_file::make(path, ".token-", &line);
    made.map_err(|source| TokenFault::Unwritable {
        path: path.to_owned(),
        source,
    })?;
    read(path)
}

/// Reads the token at `path`, which must be there.
///
/// # Errors
/// [`TokenFault`], which names the key, the file and the way out.
pub fn read(path: &Path) -> Result<Secret<String>, TokenFault> {
    let token = Text::In(path.to_owned())
        .read()
        .map_err(|fault| match fault {
            SecretFault::Unreadable { path, source }
                if source.kind() == io::ErrorKind::NotFound =>
            {
                TokenFault::Absent(path)
            }
            fault => TokenFault::Unusable(fault),
        })?;
    let unfit = |why| TokenFault::Unfit {
        path: path.to_owned(),
        why,
    };
    if !token.expose().bytes().all(is_token_byte) {
        return Err(unfit("holds what a token cannot"));
    }
    if token.expose().len() < CHARACTERS_MIN {
        return Err(unfit("is too short for a token"));
    }
    Ok(token)
}

/// What may stand behind `Bearer` (RFC 6750, 2.1).
const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=')
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_token_is_made_once_for_this_user_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data/admin.token");
        assert!(matches!(read(&path), Err(TokenFault::Absent(_))));

        let token = read_or_make(&path).unwrap();

        assert_eq!(token.expose().len(), 43);
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        assert!(read_or_make(&path).unwrap() == token);
        let other = read_or_make(&folder.path().join("other")).unwrap();
        assert!(other != token);
        assert_eq!(format!("{token:?}"), "<redacted>");
    }

    #[test]
    fn a_token_of_the_operator_is_used_as_it_is_unless_it_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.token");
        fs::write(&path, "an-operators.own~token+of/enough=x\n").unwrap();
        let token = read_or_make(&path).unwrap();
        assert_eq!(token.expose(), "an-operators.own~token+of/enough=x");

        for (written, why) in [
            ("", "is empty"),
            ("\n", "is empty"),
            ("hunter2", "too short"),
            ("hunter2 hunter2 hunter2 hunter2 hunter2", "cannot"),
            ("hunter2-hunter2-hunter2-hunter2-hunter2\n\n", "cannot"),
        ] {
            fs::write(&path, written).unwrap();
            let fault = read_or_make(&path).unwrap_err();
            let told = crate::base::causes::Causes(&fault).to_string();
            assert!(
                told.contains(why) && told.contains("admin.token_file"),
                "{told}"
            );
            assert!(!format!("{told}{fault:?}").contains("hunter2"), "{told}");
            assert_eq!(fs::read_to_string(&path).unwrap(), written, "it stays");
        }
    }
}
