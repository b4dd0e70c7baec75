//! Polls one connection of hyper to its end, under the limits of its phases and the stages of the drain.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Poll, Waker};

use crate::server::Limits;
use crate::server::activity::{Activity, Phase};
use crate::server::drain::{Drain, Stage};

/// Why a connection ended before its peer or we had closed it in good order.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    /// The peer broke the protocol or went away, or the socket failed.
    #[error("the connection failed")]
    Http(#[from] hyper::Error),
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

/// Polls `connection` until it ends. `close` asks it to end gracefully.
///
/// The one timer is moved as seldom as possible: it runs towards the earliest limit that was known when it was set,
/// and looks again when it fires. A connection that serves requests all the time hardly ever touches it, and one
/// that does nothing wakes up once, to be closed.
pub(super) async fn drive<C>(
    mut connection: Pin<Box<C>>,
    close: fn(Pin<&mut C>),
    activity: &Activity,
    limits: &Limits,
    drain: &Drain,
) -> Result<(), Ended>
where
    C: Future<Output = hyper::Result<()>>,
{
    let mut timer = pin!(tokio::time::sleep(limits.header_timeout));
    // Whether the timer fires in time for a head that begins now.
    let mut timer_guards_head = true;

    let mut move_of_drain = pin!(drain.next_move());
    let mut stage = Stage::Serving;
    let mut listening: Option<Waker> = None;
    let mut closing = false;

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
            return Poll::Ready(Err(Ended::Cut));
        }
        if stage == Stage::Draining && !closing {
            closing = true;
            close(connection.as_mut());
            timer.set(tokio::time::sleep(limits.write_timeout));
            timer_guards_head = false;
        }

        loop {
            if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
                return Poll::Ready(ended.map_err(Ended::Http));
            }
            let phase = activity.phase();
            if phase == Phase::Head && !timer_guards_head {
                let left = activity.left(limits).unwrap_or_default();
                timer.set(tokio::time::sleep(left));
                timer_guards_head = true;
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }

            timer_guards_head = phase == Phase::Head;
            let left = match phase {
                Phase::Busy => limits.keepalive_timeout,
                // What was answered last may still be on its way, so the end is given as long as a write.
                Phase::First | Phase::Idle if closing => {
                    limits.write_timeout.saturating_sub(activity.elapsed())
                }
                Phase::First | Phase::Idle | Phase::Head => {
                    activity.left(limits).unwrap_or_default()
                }
            };
            if !left.is_zero() {
                timer.set(tokio::time::sleep(left));
            } else if phase == Phase::Head {
                return Poll::Ready(Err(Ended::SlowHead));
            } else if closing {
                return Poll::Ready(Err(Ended::Lingering));
            } else {
                closing = true;
                close(connection.as_mut());
                timer.set(tokio::time::sleep(limits.write_timeout));
            }
        }
    })
    .await
}
