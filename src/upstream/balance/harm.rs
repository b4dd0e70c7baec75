//! What is wrong with a member: what a failed request says of it, and why a probe of it failed.

use http::StatusCode;

use super::super::fault::{Unanswered, UpstreamFault};

/// What a fault says of the member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Harm {
    /// Nothing: it is busy, or others are at fault.
    None,
    /// It was asked, and answered badly.
    Answer,
    /// It could not be asked, or says nothing.
    Unreachable,
}

impl Harm {
    pub(super) const fn of(fault: &UpstreamFault) -> Self {
        match fault {
            UpstreamFault::Connect(_)
            | UpstreamFault::Tls(_)
            | UpstreamFault::ConnectTimeout
            | UpstreamFault::ResponseTimeout => Self::Unreachable,
            UpstreamFault::Closed(_)
            | UpstreamFault::Protocol(_)
            | UpstreamFault::Http2(_)
            | UpstreamFault::Interim
            | UpstreamFault::UnaskedUpgrade
            | UpstreamFault::UnknownCoding => Self::Answer,
            UpstreamFault::Exhausted
            | UpstreamFault::NoUpgrade
            | UpstreamFault::Unspeakable(_)
            | UpstreamFault::VisitorBody(_) => Self::None,
        }
    }
}

/// Why a probe failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProbeFault {
    /// It said itself that it is not well.
    #[error("it answers with status {0}")]
    Status(StatusCode),
    /// There was no answer.
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
    /// There was no answer in time.
    #[error("it did not answer within health.timeout")]
    TimedOut,
}
