//! The owner's mark: whose cookies a browser holds besides the ticket, as far as a login has told.
//!
//! While cookies are adopted, what one user left in a browser must not move into the jar of the next. Their sessions have
//! nothing in common once the first has logged out, so that the browser itself has to remember. The mark is a cookie of
//! ours, sealed, and good for that alone: whoever makes one up or takes it to another browser has less adopted there, not
//! more.

use super::seal::{Context, Form, ValueKeys};
use crate::base::clock::Time;

/// What its name has behind that of the ticket.
pub const SUFFIX: &str = "-owner";

/// Stands for the session that it is bound to: it outlives all of them.
const BOND: &[u8; 32] = b"cloakroom the owner of a browser";

/// What a mark says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// This user alone has logged in.
    One(Vec<u8>),
    /// Several have, or somebody whom nobody can name, or the mark does not open.
    Unclear,
}

/// Whether the cookies that a browser still holds may move into a jar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Adoption {
    /// They may: nobody has logged in yet, or the user of the session alone.
    #[default]
    Open,
    /// Not before a login says whether they are the owner's. Until then they stay where they are.
    Waiting,
    /// They may not, and go.
    Shut,
}

/// Whether a cookie of that name is a mark, or would be in the hands of a reader that folds case.
pub(super) fn is_mark(name: &[u8], ticket_name: &[u8]) -> bool {
    name.len() == ticket_name.len() + SUFFIX.len()
        && name
            .split_at_checked(ticket_name.len())
            .is_some_and(|(ticket, suffix)| {
                ticket.eq_ignore_ascii_case(ticket_name)
                    && suffix.eq_ignore_ascii_case(SUFFIX.as_bytes())
            })
}

impl Owner {
    /// What the mark with this value says.
    pub fn read(value: &[u8], keys: &ValueKeys, now: Time) -> Self {
        match keys.open(value, &CONTEXT, now) {
            Ok(opened) if !opened.value.is_empty() => Self::One(opened.value),
            _ => Self::Unclear,
        }
    }

    /// The value of the mark that says it, until then.
    pub fn write(&self, keys: &ValueKeys, until: Time, now: Time) -> Vec<u8> {
        let owner: &[u8] = match self {
            Self::One(user) => user,
            Self::Unclear => b"",
        };
        keys.close(owner, &CONTEXT, Some(until), now)
    }

    /// Who owns the browser once `user` has logged in; `None` is somebody whom nobody can name.
    #[must_use]
    pub fn after(before: Option<Self>, user: Option<Vec<u8>>) -> Self {
        match (before, user) {
            (None, Some(user)) => Self::One(user),
            (Some(Self::One(owner)), Some(user)) if owner == user => Self::One(user),
            (_, _) => Self::Unclear,
        }
    }
}

impl Adoption {
    /// Into the jar of a session with this user, in a browser with this mark.
    pub fn of(mark: Option<&Owner>, user: Option<&[u8]>) -> Self {
        match (mark, user) {
            (None, _) => Self::Open,
            (Some(Owner::One(owner)), Some(user)) if owner == user => Self::Open,
            (Some(Owner::One(_)), None) => Self::Waiting,
            (Some(_), _) => Self::Shut,
        }
    }
}

const CONTEXT: Context<'static> = Context {
    form: Form::Sealed,
    // No site has this name.
    site: "",
    name: SUFFIX.as_bytes(),
    bond: Some(BOND),
    max_age: None,
};

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::secret::Secret;

    const NOW: Time = Time::from_secs(1_800_000_000);

    fn keys(byte: u8) -> ValueKeys {
        let secret = Secret::new([byte; 32]);
        ValueKeys::new([(&secret, NOW)], Duration::ZERO).unwrap()
    }

    #[test]
    fn a_mark_says_what_was_written_and_nothing_once_it_was_touched_or_has_expired() {
        let until = NOW.plus(Duration::from_secs(60));
        for owner in [Owner::One(b"alice".to_vec()), Owner::Unclear] {
            let value = owner.write(&keys(1), until, NOW);
            assert!(!value.windows(5).any(|run| run == b"alice"));
            assert_eq!(Owner::read(&value, &keys(1), NOW), owner);
            assert_eq!(Owner::read(&value, &keys(2), NOW), Owner::Unclear);
            assert_eq!(Owner::read(&value, &keys(1), until), Owner::Unclear);
        }
        assert_eq!(Owner::read(b"alice", &keys(1), NOW), Owner::Unclear);
    }

    #[test]
    fn one_user_alone_owns_a_browser() {
        let one = |user: &str| Owner::One(user.into());
        let table = [
            (None, Some("alice"), one("alice")),
            (Some(one("alice")), Some("alice"), one("alice")),
            (Some(one("alice")), Some("bob"), Owner::Unclear),
            (Some(Owner::Unclear), Some("bob"), Owner::Unclear),
            (None, None, Owner::Unclear),
            (Some(one("alice")), None, Owner::Unclear),
        ];
        for (before, user, after) in table {
            assert_eq!(Owner::after(before, user.map(Into::into)), after);
        }
    }

    #[test]
    fn what_a_browser_holds_is_adopted_for_its_owner() {
        use Adoption::{Open, Shut, Waiting};
        let alice = Owner::One(b"alice".to_vec());
        let table = [
            (None, None, Open),
            (None, Some("bob"), Open),
            (Some(&alice), Some("alice"), Open),
            (Some(&alice), None, Waiting),
            (Some(&alice), Some("bob"), Shut),
            (Some(&Owner::Unclear), Some("bob"), Shut),
            (Some(&Owner::Unclear), None, Shut),
        ];
        for (mark, user, adoption) in table {
            let user = user.map(str::as_bytes);
            assert_eq!(Adoption::of(mark, user), adoption, "{mark:?} {user:?}");
        }
    }

    #[test]
    fn a_mark_is_known_by_its_name() {
        for (name, is) in [
            ("__Host-session-owner", true),
            ("__HOST-session-OWNER", true),
            ("__Host-session", false),
            ("__Host-session-owners", false),
            ("__Host-sessio_-owner", false),
        ] {
            assert_eq!(is_mark(name.as_bytes(), b"__Host-session"), is, "{name}");
        }
    }
}
