//! What lies where on a server.
//!
//! Whatever one change touches is of one [family](TicketKey::family) of tickets. The name of each key has the tag of its
//! family in braces, so a cluster keeps a family in one slot, and one script changes it atomically.

use data_encoding::BASE64URL_NOPAD;

use crate::session::{FAMILIES, Root, Session, TicketKey, UserKey};
use crate::store::NoteKey;

/// What the names of all keys begin with, unless the address says otherwise.
pub(super) const PREFIX: &str = "cloakroom:";

/// The hash tags of the families: short texts whose slots lie evenly over the 16384 of a cluster.
#[rustfmt::skip]
const TAGS: [&str; FAMILIES as usize] = [
    "mm", "ry", "9i", "e8", "v1", "qt", "ap", "ax", "tb", "kv", "dn", "df", "wo",
    "o6", "gc", "xw", "8g", "d6", "lc", "02", "g3", "pk", "on", "pz", "99", "zt",
    "ul", "m5", "fm", "yy", "va", "iu", "si", "k0", "ce", "8y", "pd", "op", "x9",
    "x1", "jf", "ur", "zj", "b3", "ik", "q2", "yg", "fs", "bk", "z2", "rg", "ms",
    "af", "an", "qj", "i3", "c5", "dp", "kh", "0t", "xi", "xa", "he", "44",
];

/// A family of tickets, and the place where it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Family(u8);

impl Family {
    /// Where what belongs to no family is kept.
    pub const FIRST: Self = Self(0);

    pub fn of(key: &TicketKey) -> Self {
        Self(key.family())
    }

    /// Where a note is kept: as its key has it, so that notes lie evenly.
    pub fn of_note(key: &NoteKey) -> Self {
        Self(key.0[0] % FAMILIES)
    }

    pub fn all() -> impl Iterator<Item = Self> {
        (0..FAMILIES).map(Self)
    }

    pub fn index(self) -> usize {
        self.0.into()
    }

    fn tag(self) -> &'static str {
        TAGS[self.index()]
    }

    /// The slot of a cluster that everything of the family is in.
    pub fn slot(self) -> u16 {
        slot(self.tag().as_bytes())
    }

    /// The family of a session that is to be written. `is_new` tells the tickets that are only now filed for it: a
    /// session that is there already lies where one of the others leads.
    ///
    /// All tickets of a session are of one family. Those of one that another engine kept before there were families may
    /// be of several; it is kept where its newest ticket leads.
    pub fn of_session(session: &Session, is_new: impl Fn(&TicketKey) -> bool) -> Self {
        let holders = session.holders.iter().rev();
        let known = holders.clone().find(|holder| !is_new(&holder.key));
        let holder = known.or(holders.clone().next());
        holder.map_or(Self::FIRST, |holder| Self::of(&holder.key))
    }
}

/// Makes the names of keys.
#[derive(Clone, Debug)]
pub(super) struct Names {
    prefix: String,
}

impl Names {
    pub fn new(prefix: &str) -> Self {
        let prefix = prefix.to_owned();
        Self { prefix }
    }

    /// Holds the root of the session that a ticket leads to. All names of this kind begin with [`Self::tickets`].
    pub fn ticket(&self, family: Family, key: &TicketKey) -> String {
        let key = BASE64URL_NOPAD.encode(&key.0);
        format!("{}t:{{{}}}:{key}", self.prefix, family.tag())
    }

    pub fn tickets(&self) -> String {
        format!("{}t:", self.prefix)
    }

    /// The ticket that a name of the first kind tells of.
    pub fn read_ticket(&self, name: &[u8]) -> Option<TicketKey> {
        let rest = name.strip_prefix(self.tickets().as_bytes())?;
        let at = rest.iter().position(|byte| *byte == b':')?;
        let key = BASE64URL_NOPAD.decode(&rest[at + 1..]).ok()?;
        key.try_into().ok().map(TicketKey)
    }

    /// Holds a session. All names of this kind begin with [`Self::sessions`].
    pub fn session(&self, family: Family, root: &Root) -> String {
        self.session_before_root(family) + &root_text(root)
    }

    /// The same without the root.
    pub fn session_before_root(&self, family: Family) -> String {
        format!("{}s:{{{}}}:", self.prefix, family.tag())
    }

    pub fn sessions(&self) -> String {
        format!("{}s:", self.prefix)
    }

    /// Holds since when the server remembers.
    pub fn born(&self, family: Family) -> String {
        format!("{}born:{{{}}}", self.prefix, family.tag())
    }

    /// Holds the roots of a user's sessions, those of one family.
    pub fn user(&self, family: Family, user: &UserKey) -> String {
        self.user_before_hash(family) + &user_text(Some(user))
    }

    /// The same without the user.
    pub fn user_before_hash(&self, family: Family) -> String {
        format!("{}u:{{{}}}:", self.prefix, family.tag())
    }

    /// Holds a note.
    pub fn note(&self, family: Family, key: &NoteKey) -> String {
        let key = BASE64URL_NOPAD.encode(&key.0);
        format!("{}n:{{{}}}:{key}", self.prefix, family.tag())
    }

    /// Holds which nodes there are.
    pub fn nodes(&self) -> String {
        format!("{}nodes:{{{}}}", self.prefix, Family::FIRST.tag())
    }
}

pub(super) fn root_text(root: &Root) -> String {
    BASE64URL_NOPAD.encode(&root.0)
}

/// How many characters [`user_text`] has.
pub(super) const USER_CHARS: usize = 43;

/// A user as text of a fixed length; nobody is a row of dashes.
pub(super) fn user_text(user: Option<&UserKey>) -> String {
    user.map_or_else(
        || "-".repeat(USER_CHARS),
        |user| BASE64URL_NOPAD.encode(&user.0),
    )
}

/// The slot that a cluster computes from a hash tag: CRC-16/XMODEM over its bytes, of 16384.
fn slot(tag: &[u8]) -> u16 {
    let crc = tag.iter().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            let carry = if crc & 0x8000 == 0 { 0 } else { 0x1021 };
            (crc << 1) ^ carry
        })
    });
    crc % 16384
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Time;
    use crate::session::{Holder, Record, State};

    #[test]
    fn the_tags_of_the_families_lie_evenly_over_the_slots() {
        // From the specification of Redis Cluster.
        assert_eq!(slot(b"123456789"), 0x31c3);
        for family in Family::all() {
            let share = 16384 / u16::from(FAMILIES);
            let slot = family.slot();
            assert_eq!(slot / share, family.index() as u16, "{family:?}: {slot}");
        }
    }

    #[test]
    fn the_name_of_a_ticket_reads_back_and_no_other_name_does() {
        let names = Names::new("x:");
        let key = TicketKey([0xfb; 32]);
        let name = names.ticket(Family::of(&key), &key);
        assert_eq!(names.read_ticket(name.as_bytes()), Some(key));
        let session = names.session(Family::FIRST, &Root([7; 32]));
        for other in [&session, &name[1..], &name[..name.len() - 1], "x:t:", ""] {
            assert_eq!(names.read_ticket(other.as_bytes()), None, "{other}");
        }
        assert_eq!(user_text(None).len(), USER_CHARS);
        assert_eq!(user_text(Some(&UserKey([9; 32]))).len(), USER_CHARS);
    }

    #[test]
    fn a_session_stays_where_it_is_when_a_ticket_is_added() {
        let time = Time::from_secs(1);
        let [old, new] = [TicketKey([0; 32]), TicketKey([0xff; 32])];
        let session = Session {
            record: Record::empty(Root([7; 32]), time, time).into(),
            holders: [old, new]
                .map(|key| Holder::current(key, time))
                .into_iter()
                .collect(),
            state: State::Live,
            forebears: Vec::new(),
        };
        let of_session = |is_new: &dyn Fn(&TicketKey) -> bool| Family::of_session(&session, is_new);
        assert_eq!(of_session(&|key| *key == new), Family::of(&old));
        assert_eq!(of_session(&|_| true), Family::of(&new));
        assert_eq!(of_session(&|_| false), Family::of(&new));
    }
}
