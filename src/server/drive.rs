//! Polls one connection to its end, under the limits of its phases and the stages of the drain.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Poll, Waker};
use std::time::Duration;

use crate::gateway::access_log::note_cut;
use crate::server::Limits;
use crate::server::activity::{Activity, Phase};
use crate::server::drain::{Drain, Stage};

/// How long a connection is idle before it is asked to give back its memory. Who asks again within that time, as a
/// browser that loads a page does, finds everything in its place.
const REST_AFTER: Duration = Duration::from_millis(500);

/// How long a connection that does nothing is kept when the server drains: what its peer has sent already is on its way
/// to us, or waits in the socket, and closing at once would lose it.
const PARTING: Duration = Duration::from_millis(250);

/// Why a connection ended before its peer or we had closed it in good order.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    /// The peer broke the protocol or went away, or the socket failed.
    #[error("the connection failed")]
    Http(#[from] hyper::Error),
    /// The same on HTTP/2.
    #[error("the connection failed")]
    Http2(#[from] h2::Error),
    /// The socket failed.
    #[error("the connection failed")]
    Io(#[source] std::io::Error),
    /// A request head that did not come to its end.
    #[error("the request head took longer than server.limits.header_timeout")]
    SlowHead,
    /// We said that the connection ends, and the peer did not react.
    #[error("the peer did not let the connection end")]
    Lingering,
    /// The drain was over.
    #[error("cut by the end of the drain")]
    Cut,
}

/// What a connection can be asked for.
pub(super) struct Asks<C> {
    /// To end gracefully.
    pub(super) close: fn(Pin<&mut C>),
    /// To answer a request head that takes too long; without it the connection just ends.
    pub(super) tell_slow: Option<fn(Pin<&mut C>)>,
    /// To give back memory while it is idle.
    pub(super) rest: Option<fn(Pin<&mut C>)>,
}

/// Polls `connection` until it ends. `close` asks it to end gracefully.
pub(super) async fn drive<C, E>(
    connection: Pin<Box<C>>,
    close: fn(Pin<&mut C>),
    activity: &Activity,
    limits: &Limits,
    drain: &Drain,
) -> Result<(), Ended>
where
    C: Future<Output = Result<(), E>>,
    E: Into<Ended>,
{
    let asks = Asks {
        close,
        tell_slow: None,
        rest: None,
    };
    drive_asking(connection, asks, activity, limits, drain).await
}

/// The same for a connection that can be asked for more.
///
/// The one timer is moved as seldom as possible: it runs towards the earliest limit that was known when it was set,
/// and looks again when it fires. A connection that serves requests all the time hardly ever touches it, and one
/// that does nothing wakes up once to rest and once to be closed.
pub(super) async fn drive_asking<C, E>(
    mut connection: Pin<Box<C>>,
    asks: Asks<C>,
    activity: &Activity,
    limits: &Limits,
    drain: &Drain,
) -> Result<(), Ended>
where
    C: Future<Output = Result<(), E>>,
    E: Into<Ended>,
{
    let mut timer = pin!(tokio::time::sleep(limits.header_timeout));
    let mut timer_due = activity.now().saturating_add(limits.header_timeout);
    let mut waits = Waits {
        limits,
        closing: None,
        draining: None,
        rests: asks.rest.is_some(),
        rested_in: None,
    };
    let mut told_slow = false;

    let mut move_of_drain = pin!(drain.next_move());
    let mut stage = Stage::Serving;
    let mut listening: Option<Waker> = None;

    poll_fn(|cx| {
        // Asking the drain for its next move takes a lock that all cores share, so it is asked once, and again only
        // when it has moved. In between its stage is one atomic read.
        let listens = |waker: &Waker| waker.will_wake(cx.waker());
        if !listening.as_ref().is_some_and(listens) || drain.stage() != stage {
            loop {
                move_of_drain.set(drain.next_move());
                stage = drain.stage();
                if move_of_drain.as_mut().poll(cx).is_pending() {
                    break;
                }
            }
            listening = Some(cx.waker().clone());
        }
        if stage == Stage::Cut {
            // What is under way ends with the connection, and its visitors are not those who went.
            note_cut();
            return Poll::Ready(Err(Ended::Cut));
        }
        if stage == Stage::Draining && waits.draining.is_none() {
            waits.draining = Some(activity.now());
        }

        loop {
            if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
                return Poll::Ready(ended.map_err(Into::into));
            }
            if waits.is_last_request(activity) {
                waits.closing = Some(activity.now());
                (asks.close)(connection.as_mut());
                continue;
            }
            let due = waits.due(activity);
            if let Some(due) = due.filter(|due| *due < timer_due) {
                timer.set(tokio::time::sleep(due.saturating_sub(activity.now())));
                timer_due = due;
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }

            let now = activity.now();
            let due = due.unwrap_or_else(|| now.saturating_add(limits.keepalive_timeout));
            if due > now {
                timer.set(tokio::time::sleep(due - now));
                timer_due = due;
            } else if activity.phase() == Phase::Head {
                let tell = asks.tell_slow.filter(|_| !told_slow);
                let Some(tell) = tell else {
                    return Poll::Ready(Err(Ended::SlowHead));
                };
                told_slow = true;
                tell(connection.as_mut());
            } else if waits.closing.is_some() {
                return Poll::Ready(Err(Ended::Lingering));
            } else if let Some(rest) = asks.rest.filter(|_| waits.is_for_rest(activity, now)) {
                waits.rested_in = Some(activity.since());
                rest(connection.as_mut());
            } else {
                waits.closing = Some(now);
                (asks.close)(connection.as_mut());
            }
        }
    })
    .await
}

/// What is waited for.
struct Waits<'a> {
    limits: &'a Limits,
    /// Since when the connection is closing.
    closing: Option<Duration>,
    /// Since when the server drains, as far as the connection knows.
    draining: Option<Duration>,
    rests: bool,
    /// The idle phase, by its beginning, in which the connection was asked to rest.
    rested_in: Option<Duration>,
}

impl Waits<'_> {
    /// Whether the request under way is the one to end with.
    fn is_last_request(&self, activity: &Activity) -> bool {
        self.draining.is_some() && self.closing.is_none() && activity.phase() == Phase::Busy
    }

    /// When the phase has lasted as long as it may; `None` while a request is under way, which has limits of its own.
    fn due(&self, activity: &Activity) -> Option<Duration> {
        let since = activity.since();
        let (since, allowed) = match (activity.phase(), self.closing) {
            (Phase::First | Phase::Idle, None) if self.draining.is_some() => {
                (since.max(self.draining.unwrap_or_default()), PARTING)
            }
            (Phase::Busy, _) => return None,
            (Phase::Head, _) | (Phase::First, None) => (since, self.limits.header_timeout),
            // What was answered last may still be on its way, so the end is given as long as a write.
            (Phase::First | Phase::Idle, Some(closing)) => {
                (since.max(closing), self.limits.write_timeout)
            }
            (Phase::Idle, None) if self.may_rest(since) => {
                (since, self.limits.keepalive_timeout.min(REST_AFTER))
            }
            (Phase::Idle, None) => (since, self.limits.keepalive_timeout),
        };
        Some(since.saturating_add(allowed))
    }

    fn may_rest(&self, since: Duration) -> bool {
        self.rests && self.draining.is_none() && self.rested_in != Some(since)
    }

    /// Whether what is due `now` is rest, and not yet the end.
    fn is_for_rest(&self, activity: &Activity, now: Duration) -> bool {
        let since = activity.since();
        activity.phase() == Phase::Idle
            && self.may_rest(since)
            && now < since.saturating_add(self.limits.keepalive_timeout)
    }
}
