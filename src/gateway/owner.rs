//! Whose cookies a browser holds: read from its mark, and written into it whenever that says less than the session does.
//! Only while some site adopts cookies; nobody else gets a mark.

use http::header::HeaderValue;

use super::Gateway;
use super::visit::Visit;
use crate::base::clock::Time;
use crate::cookie::owner::{Adoption, Marked, Owner};
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

/// Whether what the browser holds may move into the jar of this session. A request that `could_carry` no mark does not
/// say that there is none: it comes from a page of somebody else.
pub(super) fn adoption(marked: &Marked, record: Option<&Record>, could_carry: bool) -> Adoption {
    if *marked == Marked::Not && record.is_none() && !could_carry {
        return Adoption::Waiting;
    }
    let user = record.and_then(|record| record.user.as_deref()).map(text);
    Adoption::of(marked, user.as_deref())
}

/// What stands for a user in a mark. Two sites may know different people by one id.
fn text(user: &User) -> Vec<u8> {
    [&user.key().0, user.site.as_bytes()].concat()
}

impl Gateway {
    /// What the marks that came say.
    pub(super) fn marked(&self, cookies: &Incoming<'_>, now: Time) -> Marked {
        let marks = cookies.marks.as_slice();
        if marks.is_empty() {
            return Marked::Not;
        }
        Marked::read(marks, &self.values.load(), now)
    }

    /// The mark after `turn`, if the browser is to be given one. Whoever has a session with a user in it has logged in
    /// here, also before there were marks.
    pub(super) fn mark_after(
        &self,
        turn: &Turn,
        visit: &Visit,
        came: Marked,
        now: Time,
    ) -> Option<Mark> {
        let until = self.sites.adopt_until().filter(|until| now < *until)?;
        let before = match &came {
            Marked::Not => None,
            Marked::Unreadable => Some(Owner::Unclear),
            Marked::Says(mark) => Some(mark.owner.clone()),
        };
        let record = visit.record();
        let user = record.and_then(|record| record.user.as_deref()).map(text);
        let known = match user {
            Some(user) => Some(Owner::after(before, Some(user))),
            None => before,
        };
        let (owner, needs_record) = match turn {
            Turn::LogIn { user, .. } => (Owner::after(known, user.as_deref().map(text)), true),
            // Only a login says anew whose the browser is. An old ticket says whose it was.
            _ if came == Marked::Unreadable || visit.is_frozen() => return None,
            Turn::End | Turn::Stay | Turn::Rotate | Turn::RotateOnSchedule => (known?, false),
        };
        let says_it = match &came {
            Marked::Says(mark) => mark.owner == owner && mark.lasts(until, now),
            Marked::Not | Marked::Unreadable => false,
        };
        (!says_it).then_some(Mark {
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
