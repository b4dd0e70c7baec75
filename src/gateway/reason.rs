//! What a request's ticket came to, in one word: for the access log, metrics and explanations.

use crate::session::Closed;

/// What a request's ticket came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// None came and none is given.
    None,
    /// None came; a new session began.
    New,
    /// It opened its session.
    Live,
    /// It opened its session, whose idle clock was written.
    Renewed,
    /// The session had passed its idle timeout.
    IdleExpired,
    /// The session had passed its absolute timeout.
    AbsoluteExpired,
    /// Its tag was wrong, or it was no ticket at all.
    Forged,
    /// It was signed with a key that we do not have.
    UnknownKey,
    /// The store does not know it.
    Unknown,
    /// Its session was ended.
    Ended,
    /// A newer ticket took its place.
    Superseded,
    /// Two different tickets came and both opened: somebody planted one.
    Ambiguous,
    /// The store did not answer.
    StoreOutage,
}

impl Reason {
    /// The word for it in logs and metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::New => "new",
            Self::Live => "live",
            Self::Renewed => "renewed",
            Self::IdleExpired => "idle-expired",
            Self::AbsoluteExpired => "absolute-expired",
            Self::Forged => "forged",
            Self::UnknownKey => "unknown-key",
            Self::Unknown => "unknown",
            Self::Ended => "ended",
            Self::Superseded => "superseded",
            Self::Ambiguous => "ambiguous",
            Self::StoreOutage => "store-outage",
        }
    }
}

impl From<Closed> for Reason {
    fn from(closed: Closed) -> Self {
        match closed {
            Closed::Unknown => Self::Unknown,
            Closed::Ended => Self::Ended,
            Closed::Superseded => Self::Superseded,
            Closed::IdleExpired => Self::IdleExpired,
            Closed::AbsoluteExpired => Self::AbsoluteExpired,
        }
    }
}

impl Reason {
    /// The reason that tells more: of several tickets that opened nothing, one that was genuine once.
    pub(super) fn worse_of(self, other: Self) -> Self {
        const fn rank(reason: Reason) -> u8 {
            match reason {
                Reason::None => 0,
                Reason::Forged => 1,
                Reason::UnknownKey => 2,
                _ => 3,
            }
        }
        if rank(other) > rank(self) {
            other
        } else {
            self
        }
    }
}
