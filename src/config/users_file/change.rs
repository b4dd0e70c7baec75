//! Changes of the users file: one at a time, each of them whole, and what else stands in the file stays as it is.

use std::fmt::Write as _;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use zeroize::Zeroizing;

use super::super::new_file;
use super::super::replace::{Held, ReplaceFault};
use super::{ListFault, UsersFault, parse};

/// Why the file was not changed. It is as it was.
#[derive(Debug, thiserror::Error)]
pub enum ChangeFault {
    /// It cannot be read, or is none.
    #[error(transparent)]
    Users(#[from] UsersFault),
    /// Somebody else changes it.
    #[error("{}: another process is changing it; try again when it is done", .0.display())]
    Busy(PathBuf),
    /// The new file would belong to somebody else, who may not be the one that the gateway runs as.
    #[error("{}: its owner cannot be kept; run this as the user that owns it, or as root", path.display())]
    Owner {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It cannot be written.
    #[error("{}: cannot be written; run this as a user that may write to its folder", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Its words are not those that we write.
    #[error("{}: cannot be changed by this command; write each user as a table [[user]], or change it by hand", .0.display())]
    Form(PathBuf),
    /// There is one already.
    #[error("there is a user {0:?} already; `cloakroom users passwd` gives them another password")]
    Exists(String),
    /// There is none.
    #[error("there is no user {0:?}; `cloakroom users list` shows those that there are")]
    NoSuchUser(String),
    /// The new user would be none.
    #[error("this user cannot be added")]
    Unfit(#[source] ListFault),
}

/// Somebody who is added.
pub struct NewUser<'a> {
    /// Under which name.
    pub id: &'a str,
    /// The PHC string of the password.
    pub hash: &'a str,
    /// What they are called.
    pub name: Option<&'a str>,
    /// Their address.
    pub email: Option<&'a str>,
    /// What they belong to.
    pub groups: &'a [String],
    /// The secret of their authenticator app, in base32.
    pub totp: Option<&'a str>,
}

/// Adds a user, and makes the file first where there is none.
///
/// # Errors
/// [`ChangeFault`]; the file is as it was then.
pub fn add(path: &Path, user: &NewUser<'_>) -> Result<(), ChangeFault> {
    let entry = Zeroizing::new(written(user));
    parse(&entry).map_err(ChangeFault::Unfit)?;
    if !path.exists() {
        let unwritable = |source| ChangeFault::Unwritable {
            path: path.to_owned(),
            source,
        };
        if new_file::make(path, ".users-", &entry).map_err(unwritable)? {
            return Ok(());
        }
    }
    change(path, |text, ids| {
        if ids.iter().any(|id| id == user.id) {
            return Err(ChangeFault::Exists(user.id.to_owned()));
        }
        let gap = if text.is_empty() || text.ends_with("\n\n") {
            ""
        } else if text.ends_with('\n') {
            "\n"
        } else {
            "\n\n"
        };
        let mut ids = ids.to_vec();
        ids.push(user.id.to_owned());
        let text = Zeroizing::new(format!("{}{gap}{}", &**text, *entry));
        Ok((text, ids))
    })
}

/// Gives a user another password.
///
/// # Errors
/// [`ChangeFault`]; the file is as it was then.
pub fn set_password(path: &Path, id: &str, hash: &str) -> Result<(), ChangeFault> {
    change(path, |text, ids| {
        let spot = spot(text, id, ids).ok_or_else(|| none_or_odd(path, id, ids))?;
        let mut new = Zeroizing::new(text.to_string());
        new.replace_range(spot.password, &quoted(hash));
        Ok((new, ids.to_vec()))
    })
}

/// Takes a user out.
///
/// # Errors
/// [`ChangeFault`]; the file is as it was then.
pub fn remove(path: &Path, id: &str) -> Result<(), ChangeFault> {
    change(path, |text, ids| {
        let spot = spot(text, id, ids).ok_or_else(|| none_or_odd(path, id, ids))?;
        let mut new = Zeroizing::new(text.to_string());
        new.replace_range(spot.whole, "");
        let left = ids.iter().filter(|other| *other != id);
        Ok((new, left.cloned().collect()))
    })
}

fn none_or_odd(path: &Path, id: &str, ids: &[String]) -> ChangeFault {
    if ids.iter().any(|other| other == id) {
        ChangeFault::Form(path.to_owned())
    } else {
        ChangeFault::NoSuchUser(id.to_owned())
    }
}

type Changed = Result<(Zeroizing<String>, Vec<String>), ChangeFault>;

/// Has `edit` make a new text of the old one and its IDs, and tell the IDs that it must hold then.
fn change(
    path: &Path,
    edit: impl FnOnce(&Zeroizing<String>, &[String]) -> Changed,
) -> Result<(), ChangeFault> {
    let unreadable = |source| UsersFault::Unreadable {
        path: path.to_owned(),
        source,
    };
    let held = Held::take(path).map_err(unreadable)?;
    let held = held.ok_or_else(|| ChangeFault::Busy(path.to_owned()))?;
    let text = held.read().map_err(unreadable)?;
    let ids = ids(&text).map_err(|source| UsersFault::Unfit {
        path: path.to_owned(),
        source,
    })?;
    let (text, expected) = edit(&text, &ids)?;
    // Whatever way the file is written in: what comes out is what was meant, or nothing.
    if self::ids(&text) != Ok(expected) {
        return Err(ChangeFault::Form(path.to_owned()));
    }
    held.replace(&text).map_err(|fault| {
        let path = path.to_owned();
        match fault {
            ReplaceFault::Owner(source) => ChangeFault::Owner { path, source },
            ReplaceFault::Write(source) => ChangeFault::Unwritable { path, source },
        }
    })
}

fn ids(text: &str) -> Result<Vec<String>, ListFault> {
    let accounts = parse(text)?;
    Ok(accounts.into_iter().map(|account| account.id).collect())
}

/// Where a user stands.
struct Spot {
    /// From the header to the next one, with its own comments.
    whole: Range<usize>,
    /// The value of `password`, quotes and all.
    password: Range<usize>,
}

fn spot(text: &str, id: &str, ids: &[String]) -> Option<Spot> {
    let nth = ids.iter().position(|other| other == id)?;
    let table = DeTable::parse(text).ok()?.into_inner();
    let users = table.get("user")?.get_ref().as_array()?;
    let value = |nth: usize, key: &str| {
        let DeValue::Table(user) = users.get(nth)?.get_ref() else {
            return None;
        };
        user.get(key).map(Spanned::span)
    };
    let start = header_before(text, value(nth, "id")?.start)?;
    let end = match value(nth + 1, "id") {
        Some(next) => without_comments(text, header_before(text, next.start)?),
        None => text.len(),
    };
    Some(Spot {
        whole: without_comments(text, start)..end,
        password: value(nth, "password")?,
    })
}

/// Where the line `[[user]]` begins that is the last before `at`.
fn header_before(text: &str, at: usize) -> Option<usize> {
    let before = text.get(..at)?;
    let mut end = before.len();
    loop {
        let start = before.get(..end)?.rfind('\n').map_or(0, |at| at + 1);
        if before.get(start..)?.trim_start().starts_with("[[") {
            return Some(start);
        }
        end = start.checked_sub(1)?;
    }
}

/// Where the comments begin that stand right above the line at `at`.
fn without_comments(text: &str, at: usize) -> usize {
    let mut start = at;
    while let Some(above) = text.get(..start).and_then(|text| text.strip_suffix('\n')) {
        let line = above.rfind('\n').map_or(0, |at| at + 1);
        if !above
            .get(line..)
            .unwrap_or_default()
            .trim_start()
            .starts_with('#')
        {
            break;
        }
        start = line;
    }
    start
}

fn written(user: &NewUser<'_>) -> String {
    let mut text = format!("[[user]]\nid = {}\n", quoted(user.id));
    let mut line = |key: &str, value: Option<&str>| {
        if let Some(value) = value {
            // Writing to a text does not fail.
            let _ = writeln!(text, "{key} = {}", quoted(value));
        }
    };
    line("name", user.name);
    line("email", user.email);
    line("password", Some(user.hash));
    line("totp", user.totp);
    if !user.groups.is_empty() {
        let groups: Vec<String> = user.groups.iter().map(|group| quoted(group)).collect();
        let _ = writeln!(text, "groups = [{}]", groups.join(", "));
    }
    text
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::super::tests::HASH;
    use super::*;

    fn user<'a>(id: &'a str, hash: &'a str) -> NewUser<'a> {
        NewUser {
            id,
            hash,
            name: None,
            email: None,
            groups: &[],
            totp: None,
        }
    }

    #[test]
    fn a_change_leaves_everything_else_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.toml");
        add(&path, &user("alice", HASH)).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        let before = format!(
            "# Our users.\n\n# The boss, see [[wiki]].\n[[user]] # first\n# [[not]] this one\nid = \"alice\"\npassword = \"{HASH}\" # from 2024\n\n\
             # Builds.\n[[ user ]]\npassword = '{HASH}'\nid = \"b\\\"ob\"\n# end\n"
        );
        fs::write(&path, &before).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let other = HASH.replace("t=2", "t=3");

        set_password(&path, "alice", &other).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, before.replacen(HASH, &other, 1));
        add(
            &path,
            &NewUser {
                name: Some("C\"arl\n"),
                groups: &["x".to_owned(), "y".to_owned()],
                ..user("carl", HASH)
            },
        )
        .unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let carl = parse(&text).unwrap().pop().unwrap();
        assert_eq!(carl.name.as_deref(), Some("C\"arl\n"));
        assert_eq!(carl.groups, ["x", "y"]);
        remove(&path, "b\"ob").unwrap();
        remove(&path, "carl").unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let (alices, _) = before.split_once("# Builds.").unwrap();
        assert_eq!(text, alices.replacen(HASH, &other, 1));
        remove(&path, "alice").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "# Our users.\n\n");
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o640);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_cannot_be_done_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.toml");
        let absent = set_password(&path, "alice", HASH);
        assert!(matches!(
            absent,
            Err(ChangeFault::Users(UsersFault::Unreadable { .. }))
        ));
        let inline = format!("user = [{{ id = \"alice\", password = \"{HASH}\" }}]\n");
        fs::write(&path, &inline).unwrap();
        let twice = add(&path, &user("alice", HASH));
        assert!(matches!(twice, Err(ChangeFault::Exists(_))));
        let nobody = remove(&path, "bob");
        assert!(matches!(nobody, Err(ChangeFault::NoSuchUser(_))));
        for odd in [add(&path, &user("bob", HASH)), remove(&path, "alice")] {
            assert!(matches!(odd, Err(ChangeFault::Form(_))), "{odd:?}");
        }
        let unfit = add(&path, &user(" bob", HASH));
        assert!(matches!(unfit, Err(ChangeFault::Unfit(_))));
        assert_eq!(fs::read_to_string(&path).unwrap(), inline);
    }
}
