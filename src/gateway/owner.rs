//! Whose cookies a browser holds: read from its mark, and written into it at a login and a logout. Only while some site
//! adopts cookies; nobody else gets a mark.

use http::header::HeaderValue;

use super::Gateway;
use crate::base::clock::Time;
use crate::cookie::owner::{Adoption, Owner};
use crate::cookie::screen::Incoming;
use crate::session::{Record, Turn, User};

/// A mark that the browser is to be given.
pub(super) struct Mark {
    owner: Owner,
    until: Time,
    now: Time,
    /// Whether it says nothing true unless the store took the login.
    needs_record: bool,
}

/// Whether what the browser holds may move into the jar of this session.
pub(super) fn adoption(owner: Option<&Owner>, record: Option<&Record>) -> Adoption {
    let user = record.and_then(|record| record.user.as_deref()).map(text);
    Adoption::of(owner, user.as_deref())
}

/// What stands for a user in a mark. Two sites may know different people by one id.
fn text(user: &User) -> Vec<u8> {
    [&user.key().0, user.site.as_bytes()].concat()
}

impl Gateway {
    /// What the mark that came says.
    pub(super) fn owner(&self, cookies: &Incoming<'_>, now: Time) -> Option<Owner> {
        let mark = cookies.mark?;
        Some(Owner::read(mark, &self.values.load(), now))
    }

    /// The mark after `turn`, if it is another than the one that came.
    pub(super) fn mark_after(
        &self,
        turn: &Turn,
        record: Option<&Record>,
        came: Option<Owner>,
        now: Time,
    ) -> Option<Mark> {
        let until = self.sites.adopt_until().filter(|until| now < *until)?;
        let before = record.and_then(|record| record.user.as_deref()).map(text);
        // One who logged in before there were marks.
        let known = match (&came, before) {
            (came, Some(user)) => Some(Owner::after(came.clone(), Some(user))),
            (came, None) => came.clone(),
        };
        let (owner, needs_record) = match turn {
            Turn::LogIn { user, .. } => (Owner::after(known, user.as_deref().map(text)), true),
            Turn::End => (known?, false),
            Turn::Stay | Turn::Rotate | Turn::RotateOnSchedule => return None,
        };
        (came.as_ref() != Some(&owner)).then_some(Mark {
            owner,
            until,
            now,
            needs_record,
        })
    }
}

impl Mark {
    /// The field that sets it.
    pub fn field(&self, gateway: &Gateway, has_record: bool) -> Option<HeaderValue> {
        if self.needs_record && !has_record {
            return None;
        }
        let value = self
            .owner
            .write(&gateway.values.load(), self.until, self.now);
        let value = std::str::from_utf8(&value).ok()?;
        let set = gateway.desk.cookie.mark(value, self.until.since(self.now));
        set.inspect_err(|error| tracing::error!(%error, "the mark of a browser could not be sent"))
            .ok()
    }
}
