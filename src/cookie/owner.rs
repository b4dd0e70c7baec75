//! The owner's mark: whose cookies a browser holds besides the ticket, as far as a login has told.
//!
//! While cookies are adopted, what one user left in a browser must not move into the jar of the next. Their sessions have
//! nothing in common once the first has logged out, so that the browser itself has to remember. The mark is a cookie of
//! ours, sealed, and good for that alone: whoever makes one up or takes it to another browser has less adopted there, not
//! more.

use super::binding;
use super::form_key::is_form_key_to_somebody;
use super::name::{resembles, resembles_beginning, resembles_with};
use super::policy::CookiePolicy;
use super::seal::{Context, Form, Label, Opened, Unopened, ValueKeys};
use super::set_cookie::LIFE_MAX;
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
    /// Several have, or somebody whom nobody can name.
    Unclear,
}

/// A mark that opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// What it says.
    pub owner: Owner,
    issued: Time,
    until: Time,
    is_outdated: bool,
}

/// What the marks of a browser say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Marked {
    /// None came.
    #[default]
    Not,
    /// None of them opens, or those that do disagree: some were planted, or are of a key that is gone.
    Unreadable,
    /// All that open say this; the first is ours.
    Says(Mark),
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

/// Whether a cookie of that name is a mark.
pub(super) fn is_mark(name: &[u8], ticket_name: &[u8]) -> bool {
    name.strip_prefix(ticket_name) == Some(SUFFIX.as_bytes())
}

impl CookiePolicy {
    /// Whether `name` is one of our own, or would be in the hands of some reader.
    #[inline]
    pub(super) fn is_ours_to_somebody(&self, name: &[u8], ticket_name: &[u8]) -> bool {
        resembles(name, ticket_name)
            || is_form_key_to_somebody(name)
            || self.has_marks && resembles_with(name, ticket_name, SUFFIX.as_bytes())
            || self.has_bindings && resembles_beginning(name, ticket_name, binding::MARK)
    }
}

impl Marked {
    /// What the marks with these values say.
    pub fn read(values: &[&[u8]], keys: &ValueKeys, now: Time) -> Self {
        let mut opened = values
            .iter()
            .filter_map(|value| Mark::read(value, keys, now));
        match opened.next() {
            Some(mark) if opened.all(|other| other.owner == mark.owner) => Self::Says(mark),
            None if values.is_empty() => Self::Not,
            Some(_) | None => Self::Unreadable,
        }
    }
}

impl Mark {
    fn read(value: &[u8], keys: &ValueKeys, now: Time) -> Option<Self> {
        let opened = open(value, keys, now).ok()?;
        Some(Self {
            // Authenticated with the value.
            until: Label::read(value)?.until?,
            issued: opened.issued,
            is_outdated: keys.is_outdated(opened.key, now),
            owner: if opened.value.is_empty() {
                Owner::Unclear
            } else {
                Owner::One(opened.value)
            },
        })
    }

    /// Whether it will open until then, as far as anybody knows, and the browser will hold it so long.
    pub fn lasts(&self, until: Time, now: Time) -> bool {
        let is_fresh = now.since(self.issued) < LIFE_MAX / 2;
        !self.is_outdated
            && self.until >= until
            && (is_fresh || self.issued.plus(LIFE_MAX) >= until)
    }
}

/// Opens a value as that of a mark.
///
/// # Errors
/// Why it is none.
pub fn open(value: &[u8], keys: &ValueKeys, now: Time) -> Result<Opened, Unopened> {
    keys.open(value, &CONTEXT, now)
}

impl Owner {
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
    pub fn of(marked: &Marked, user: Option<&[u8]>) -> Self {
        let owner = match marked {
            Marked::Not => return Self::Open,
            // Whoever can plant a cookie shall not have others destroyed by it.
            Marked::Unreadable => return Self::Waiting,
            Marked::Says(mark) => &mark.owner,
        };
        match (owner, user) {
            (Owner::One(owner), Some(user)) if owner == user => Self::Open,
            (Owner::One(_), None) => Self::Waiting,
            (_, _) => Self::Shut,
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

    fn says(owner: Owner) -> Marked {
        Marked::Says(Mark {
            owner,
            issued: NOW,
            until: NOW.plus(Duration::from_secs(60)),
            is_outdated: false,
        })
    }

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
            assert_eq!(Marked::read(&[&value], &keys(1), NOW), says(owner));
            for (keys, now) in [(keys(2), NOW), (keys(1), until)] {
                assert_eq!(Marked::read(&[&value], &keys, now), Marked::Unreadable);
            }
        }
        assert_eq!(Marked::read(&[b"alice"], &keys(1), NOW), Marked::Unreadable);
        assert_eq!(Marked::read(&[], &keys(1), NOW), Marked::Not);
    }

    #[test]
    fn of_several_marks_those_that_open_have_to_agree() {
        let until = NOW.plus(Duration::from_secs(60));
        let mark = |user: &str| Owner::One(user.into()).write(&keys(1), until, NOW);
        let (alice, bob) = (mark("alice"), mark("bob"));
        let read = |came: &[&[u8]]| Marked::read(came, &keys(1), NOW);
        let owner = Owner::One(b"alice".to_vec());
        assert_eq!(read(&[b"planted", &alice, &alice]), says(owner));
        // Somebody else's mark was planted. Which is which nobody can tell, so that nothing is destroyed by it.
        for came in [[&*alice, &*bob], [&*bob, &*alice]] {
            assert_eq!(read(&came), Marked::Unreadable);
        }
    }

    #[test]
    fn a_mark_lasts_while_its_key_closes_and_its_end_is_late_enough() {
        let days = |days: u64| NOW.plus(Duration::from_secs(days * 86_400));
        let read = |value: &[u8], keys: &ValueKeys, now| match Marked::read(&[value], keys, now) {
            Marked::Says(mark) => mark,
            other => panic!("{other:?}"),
        };
        let value = Owner::Unclear.write(&keys(1), days(30), NOW);
        let mark = read(&value, &keys(1), NOW);
        assert!(mark.lasts(days(30), NOW));
        assert!(!mark.lasts(days(31), NOW), "adoption goes on for longer");

        let secrets = [Secret::new([1; 32]), Secret::new([2; 32])];
        let ring = [(&secrets[0], NOW), (&secrets[1], days(1))];
        let ring = ValueKeys::new(ring, Duration::ZERO).unwrap();
        assert!(read(&value, &ring, NOW).lasts(days(30), NOW));
        let later = days(2);
        assert!(
            !read(&value, &ring, later).lasts(days(30), later),
            "another key closes"
        );

        // No browser holds a cookie for longer than 400 days.
        let value = Owner::Unclear.write(&keys(1), days(900), NOW);
        let mark = read(&value, &keys(1), NOW);
        assert!(mark.lasts(days(900), days(100)));
        assert!(!mark.lasts(days(900), days(300)));
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
        let alice = says(Owner::One(b"alice".to_vec()));
        let unclear = says(Owner::Unclear);
        let table = [
            (&Marked::Not, None, Open),
            (&Marked::Not, Some("bob"), Open),
            (&Marked::Unreadable, None, Waiting),
            (&Marked::Unreadable, Some("bob"), Waiting),
            (&alice, Some("alice"), Open),
            (&alice, None, Waiting),
            (&alice, Some("bob"), Shut),
            (&unclear, Some("bob"), Shut),
            (&unclear, None, Shut),
        ];
        for (marked, user, adoption) in table {
            let user = user.map(str::as_bytes);
            assert_eq!(Adoption::of(marked, user), adoption, "{marked:?} {user:?}");
        }
    }

    #[test]
    fn a_mark_is_known_by_its_name() {
        for (name, is) in [
            ("__Host-session-owner", true),
            ("__HOST-session-OWNER", false),
            ("__Host-session", false),
            ("__Host-session-owners", false),
            ("__Host-sessio_-owner", false),
        ] {
            assert_eq!(is_mark(name.as_bytes(), b"__Host-session"), is, "{name}");
        }
    }
}
