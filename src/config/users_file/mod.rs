//! The file of the users of a site whose login is ours: one `[[user]]` for each.
//!
//! It is read at the start and at each reload. Nothing of a hash or a secret in it is ever told.

mod change;

pub use change::{ChangeFault, NewUser, add, remove, set_password};

use std::collections::HashSet;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use zeroize::Zeroizing;

use crate::base::secret::Secret;
use crate::login::form::password::{HashFault, PasswordHash};
use crate::login::form::totp::TotpSecret;
use crate::login::form::users::{Account, is_id};

/// A file that is longer was named by mistake.
const BYTES_MAX: u64 = 64 << 20;

/// What to tell of a file that others can read.
pub const EXPOSED: &str = "others can read the hashes of passwords in it; run chmod 600 on it";

/// Why there are no users.
#[derive(Debug, thiserror::Error)]
pub enum UsersFault {
    /// The file cannot be read.
    #[error("{} cannot be read; make it with `cloakroom users add`, readable for the user that cloakroom runs as", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is no list of users.
    #[error("{} is no list of users", path.display())]
    Unfit {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: ListFault,
    },
}

/// What is wrong with a list of users. It tells no value but IDs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListFault {
    /// It is no TOML, or has other keys.
    #[error(
        "line {line}: {why}; write each user as [[user]] with id and password, and if you like name, email, groups, totp, disabled"
    )]
    Shape {
        /// Counted from 1.
        line: usize,
        /// Why.
        why: String,
    },
    /// An ID is none.
    #[error(
        "the id {0:?} is none: write up to 256 bytes without control characters, and no blanks around it"
    )]
    Id(String),
    /// Two have one ID.
    #[error("the id {0:?} stands there twice: take one of them out")]
    Twice(String),
    /// A hash is none.
    #[error("the password of {id:?} cannot be used; write one with `cloakroom users passwd`")]
    Password {
        /// Whose.
        id: String,
        /// Why.
        #[source]
        source: HashFault,
    },
    /// A secret is none.
    #[error("the totp of {0:?} is no secret in base32 of 16 bytes or more")]
    Totp(String),
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
struct File {
    user: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    password: Secret<String>,
    name: Option<String>,
    email: Option<String>,
    #[serde(default)]
    groups: Vec<String>,
    totp: Option<Secret<String>>,
    #[serde(default)]
    disabled: bool,
}

/// The users in the file at `path`, in its order.
///
/// # Errors
/// [`UsersFault`], which names the file and the way out.
pub fn read(path: &Path) -> Result<Vec<Account>, UsersFault> {
    let unreadable = |source| UsersFault::Unreadable {
        path: path.to_owned(),
        source,
    };
    let about = std::fs::metadata(path).map_err(unreadable)?;
    if about.len() > BYTES_MAX {
        return Err(unreadable(io::Error::from(io::ErrorKind::FileTooLarge)));
    }
    let text = Zeroizing::new(std::fs::read_to_string(path).map_err(unreadable)?);
    if is_exposed(path) {
        tracing::warn!(path = %path.display(), "{EXPOSED}");
    }
    parse(&text).map_err(|source| UsersFault::Unfit {
        path: path.to_owned(),
        source,
    })
}

/// Whether others than the owner and the group can read it.
pub fn is_exposed(path: &Path) -> bool {
    let about = std::fs::metadata(path);
    about.is_ok_and(|about| about.permissions().mode() & 0o007 != 0)
}

fn parse(text: &str) -> Result<Vec<Account>, ListFault> {
    let file: File = toml::from_str(text).map_err(|error| shape(text, &error))?;
    let mut ids = HashSet::new();
    let accounts = file.user.into_iter().map(|entry| {
        if !is_id(&entry.id) {
            return Err(ListFault::Id(entry.id));
        }
        if !ids.insert(entry.id.clone()) {
            return Err(ListFault::Twice(entry.id));
        }
        account(entry)
    });
    accounts.collect()
}

fn account(entry: Entry) -> Result<Account, ListFault> {
    let id = entry.id;
    let password = PasswordHash::parse(entry.password.expose());
    let password = password.map_err(|source| ListFault::Password {
        id: id.clone(),
        source,
    })?;
    let totp = entry.totp.map(|text| {
        let secret = TotpSecret::parse(text.expose());
        secret.ok_or_else(|| ListFault::Totp(id.clone()))
    });
    Ok(Account {
        password: Arc::new(password),
        name: entry.name,
        email: entry.email,
        groups: entry.groups,
        totp: totp.transpose()?,
        disabled: entry.disabled,
        id,
    })
}

/// What the reader of TOML says, unless it may show a value.
fn shape(text: &str, error: &toml::de::Error) -> ListFault {
    let start = error.span().map_or(0, |span| span.start);
    let before = text.as_bytes().get(..start).unwrap_or_default();
    let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
    let message = error.message();
    let names_keys = ["unknown field", "missing field", "duplicate key"];
    let tells = names_keys.iter().any(|start| message.starts_with(start));
    let why = if tells {
        message.lines().next().unwrap_or_default().to_owned()
    } else {
        "this is no TOML, or a value of another kind".to_owned()
    };
    ListFault::Shape { line, why }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) const HASH: &str =
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

    #[test]
    fn users_are_read_with_what_is_said_of_them() {
        let text = format!(
            "# ours\n[[user]]\nid = \"alice\"\npassword = \"{HASH}\"\n\n[[user]]\nid = \"bob\"\nname = \"Bob\"\n\
             email = \"bob@example.test\"\ngroups = [\"staff\"]\ntotp = \"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\"\n\
             disabled = true\npassword = '{HASH}'\n"
        );
        let users = parse(&text).unwrap();
        let [alice, bob] = users.as_slice() else {
            panic!("{users:?}");
        };
        assert!(alice.password.is_of(b"password") && !alice.disabled && alice.totp.is_none());
        assert_eq!(bob.groups, ["staff"]);
        assert!(bob.disabled && bob.totp.is_some());
        assert_eq!(parse("").unwrap().len(), 0);
    }

    #[test]
    fn what_is_no_list_of_users_is_refused_without_showing_a_secret() {
        let user = |lines: &str| format!("[[user]]\nid = \"a\"\npassword = \"{HASH}\"\n{lines}");
        let rows = [
            ("x".to_owned(), "line 1"),
            (user("pasword = \"hunter2!\""), "unknown field `pasword`"),
            ("[[user]]\npassword = 3".to_owned(), "line 2"),
            (
                "[[user]]\nid = \"a\"".to_owned(),
                "missing field `password`",
            ),
            (
                "[[user]]\nid = \"a\"\npassword = \"hunter2!\"".to_owned(),
                "password of \"a\"",
            ),
            (user("totp = \"hunter2!\""), "totp of \"a\""),
            (user("disabled = \"hunter2!\""), "another kind"),
            (user(&user("")), "twice"),
            (user("").replace("\"a\"", "\" a\""), "\" a\""),
            (user("[[users]]"), "unknown field `users`"),
        ];
        for (text, expected) in rows {
            let fault = parse(&text).unwrap_err();
            let told = crate::base::causes::Causes(&fault).to_string();
            assert!(told.contains(expected), "{told}");
            assert!(!told.contains("hunter2"), "{told}");
        }
    }
}
