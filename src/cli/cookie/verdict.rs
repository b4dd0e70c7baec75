//! What is said of a cookie value, and in which words.

use crate::base::clock::Time;
use crate::config::keyring::Duty;
use crate::cookie::seal::Unopened;
use crate::session::KeyId;

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Ticket {
        stored: bool,
    },
    Carrying,
    Sealed,
    Signed,
    /// It tells whose cookies a browser holds.
    Mark,
    /// It begins as what we make.
    Damaged,
    /// An app's, a script's, or anything.
    Foreign,
}

/// Whether a value was made by us, for where it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    Right,
    Wrong,
    /// Nobody can tell without these flags.
    Unverified {
        needs: &'static str,
    },
    /// There is no key to verify it with, or nothing to verify.
    None,
}

/// Why a value would be refused: for tickets with the word of the access log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    NotOurs,
    Damaged,
    UnknownKey,
    Forged,
    WrongEngine,
    Unstored,
    IdleExpired,
    AbsoluteExpired,
    Altered,
    OtherRule,
    TooOld,
    Expired,
    FromTheFuture,
}

impl Refused {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::NotOurs => "not-ours",
            Self::Damaged | Self::Altered => "altered",
            Self::UnknownKey => "unknown-key",
            Self::Forged | Self::WrongEngine => "forged",
            Self::Unstored => "unknown",
            Self::IdleExpired => "idle-expired",
            Self::AbsoluteExpired => "absolute-expired",
            Self::OtherRule => "other-rule",
            Self::TooOld => "too-old",
            Self::Expired => "expired",
            Self::FromTheFuture => "from-the-future",
        }
    }

    pub(super) const fn why(self) -> &'static str {
        match self {
            Self::NotOurs => "it has the form of nothing that we make",
            Self::Damaged => "it was cut, lengthened or put together anew",
            Self::UnknownKey => "its key is not in the ring (any more)",
            Self::Forged => {
                "its tag is wrong: it was touched, or was made for another host or cookie name"
            }
            Self::WrongEngine => {
                "tickets that carry their session open only with session.store.engine = \"cookie\""
            }
            Self::Unstored => {
                "the store must know its session, and with session.store.engine = \"cookie\" none does"
            }
            Self::IdleExpired => {
                "it is past the idle timeout; one that is not marked stored still opens what the store has of it"
            }
            Self::AbsoluteExpired => "it is past the absolute timeout",
            Self::Altered => {
                "its tag is wrong: it was touched, or is of another site, name or session; a session that was given \
                 another ticket goes on with what its first one bound"
            }
            Self::OtherRule => "the rule for its cookie does not ask for such values (any more)",
            Self::TooOld => "it is older than the rule's max_age",
            Self::Expired => "the moment has passed until which it was good",
            Self::FromTheFuture => "it was issued later than now: a clock is wrong",
        }
    }
}

/// All that is said of a value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Verdict {
    pub kind: Kind,
    pub issued: Option<Time>,
    pub until: Option<Time>,
    /// Its name, and what it is good for if it is in the ring.
    pub key: Option<(KeyId, Option<Duty>)>,
    pub tag: Tag,
    pub refused: Option<Refused>,
}

impl Verdict {
    pub(super) const fn of(kind: Kind) -> Self {
        Self {
            kind,
            issued: None,
            until: None,
            key: None,
            tag: Tag::None,
            refused: None,
        }
    }

    pub(super) const fn key_is_known(&self) -> bool {
        matches!(self.key, Some((_, Some(_))))
    }

    pub(super) fn verified(self, refused: Option<Refused>) -> Self {
        let tag = Tag::Right;
        Self {
            tag,
            refused,
            ..self
        }
    }

    pub(super) fn touched(self, refused: Refused) -> Self {
        let tag = Tag::Wrong;
        Self { tag, ..self }.refused(refused)
    }

    pub(super) fn unverified(self, needs: &'static str, refused: Option<Refused>) -> Self {
        let tag = Tag::Unverified { needs };
        Self {
            tag,
            refused,
            ..self
        }
    }

    pub(super) fn refused(self, refused: Refused) -> Self {
        let refused = Some(refused);
        Self { refused, ..self }
    }
}

impl From<Unopened> for Refused {
    fn from(why: Unopened) -> Self {
        match why {
            Unopened::NotOurs => Self::NotOurs,
            Unopened::UnknownKey => Self::UnknownKey,
            Unopened::Altered => Self::Altered,
            Unopened::TooOld => Self::TooOld,
            Unopened::Expired => Self::Expired,
            Unopened::FromTheFuture => Self::FromTheFuture,
        }
    }
}
