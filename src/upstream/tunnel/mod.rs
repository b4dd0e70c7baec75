//! Two upgraded streams, joined: after `101 Switching Protocols` the gateway only carries bytes.
//!
//! It does not read what WebSockets say to each other. It follows the headers of their frames, so that it can end a tunnel
//! as either side would: with a close frame between two frames of the other's.

mod frames;

mod way;

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use http::Response;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use self::frames::close_frame;
use self::way::Way;
use super::balance::InFlight;
use super::body::Body;
use super::visitor::{NotOpened, Upgrade};

/// How long the other direction may go on when one has ended.
const LINGER: Duration = Duration::from_secs(5);

/// How long the frame that is under way may take to its end when a tunnel is to end; then it is cut.
const FINISH: Duration = Duration::from_millis(250);

/// How long a visitor may take to hang up after our close frame. To hang up first, with bytes of theirs unread, would
/// reset the connection and could take the close frame with it.
const PARTING: Duration = Duration::from_secs(1);

/// What a tunnel has carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Carried {
    /// Bytes from the visitor to the app.
    pub up: u64,
    /// Bytes from the app to the visitor.
    pub down: u64,
    /// How it ended.
    pub end: End,
}

/// How a tunnel ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// One side ended it, or broke.
    Ours,
    /// Nothing came from either side for too long.
    Quiet,
    /// The visitor was sent a close frame.
    Told,
    /// It was to be ended, but the app was in the middle of a frame and did not end it, or the visitor took nothing.
    Cut,
}

/// What both sides are told when somebody else ends their tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parting {
    /// The status code of the close frame (RFC 6455 7.4).
    pub code: u16,
    /// Its reason, for people: at most 123 bytes.
    pub reason: &'static str,
}

/// Takes the app's side out of its `101` response, to be joined with the visitor's side once both are there; answers
/// none if `response` is not an upgrade. The response is left without a body, ready to go to the visitor. The app's
/// connection keeps its place in the pool's count until the tunnel has ended.
pub fn app_side(response: &mut Response<Body>) -> Option<AppSide> {
    if !matches!(response.body(), Body::App(body) if body.is_switched()) {
        return None;
    }
    let counted = response.extensions_mut().remove::<InFlight>();
    let Body::App(body) = std::mem::take(response.body_mut()) else {
        return None;
    };
    let (stream, place) = body.into_switched()?;
    Some(AppSide {
        stream,
        place,
        _counted: counted,
    })
}

/// A stream of bytes from and to an app.
pub(super) type AppStream = Pin<Box<dyn BothWays>>;

/// What can be read and written.
pub trait BothWays: AsyncRead + AsyncWrite {}

impl<T: AsyncRead + AsyncWrite> BothWays for T {}

/// The app's side of a tunnel that is to be.
pub struct AppSide {
    stream: AppStream,
    place: OwnedSemaphorePermit,
    /// What the streams count as until they have ended, where somebody counts.
    _counted: Option<InFlight>,
}

impl AppSide {
    /// Waits for the visitor's side, then carries bytes between them as [`join`] does.
    ///
    /// # Errors
    /// When the visitor's side was not upgraded: it has gone before.
    pub async fn carry(
        self,
        visitor: Upgrade,
        idle: Duration,
        moved: &AtomicBool,
        stop: impl Future<Output = Parting>,
    ) -> Result<Carried, NotOpened> {
        let visitor = visitor.opened().await?;
        let carried = join(visitor, self.stream, idle, moved, stop).await;
        drop(self.place);
        Ok(carried)
    }
}

/// Carries bytes both ways until one side ends or breaks, until nothing has come from either for `idle` (zero: no
/// limit), or until `stop` says so. When one side ends, the other is told, may finish within a few seconds, and is
/// closed. `moved` is set whenever bytes come.
pub async fn join<V, A>(
    visitor: V,
    app: A,
    idle: Duration,
    moved: &AtomicBool,
    stop: impl Future<Output = Parting>,
) -> Carried
where
    V: AsyncRead + AsyncWrite,
    A: AsyncRead + AsyncWrite,
{
    let mut visitor = tokio::io::split(visitor);
    let mut app = tokio::io::split(app);
    let (up_bytes, down_bytes) = (AtomicU64::new(0), AtomicU64::new(0));
    let mut up = Way::new(&up_bytes, moved);
    let mut down = Way::new(&down_bytes, moved);
    let ended = {
        let mut upwards = pin!(up.flow(&mut visitor.0, &mut app.1));
        let mut downwards = pin!(down.flow(&mut app.0, &mut visitor.1));
        let flowing = async {
            // An end is passed on and the other direction lingers; a fault ends both at once.
            tokio::select! {
                ended = upwards.as_mut() => if ended.is_ok() {
                    let _ = timeout(LINGER, downwards).await;
                },
                ended = downwards.as_mut() => if ended.is_ok() {
                    let _ = timeout(LINGER, upwards).await;
                },
            }
        };
        tokio::select! {
            () = flowing => Err(End::Ours),
            () = quiet(idle, &up_bytes, &down_bytes) => Err(End::Quiet),
            parting = stop => Ok(parting),
        }
    };
    let end = match ended {
        Err(End::Quiet) => {
            let away = Parting {
                code: 1001,
                reason: "idle",
            };
            part(away, (&mut up, &mut down), &mut visitor, &mut app).await;
            End::Quiet
        }
        Err(end) => end,
        Ok(parting) => part(parting, (&mut up, &mut down), &mut visitor, &mut app).await,
    };
    Carried {
        up: up_bytes.load(Ordering::Relaxed),
        down: down_bytes.load(Ordering::Relaxed),
        end,
    }
}

/// Ends a tunnel from the middle: nothing of the visitor's goes up any more but the rest of a frame that is here whole,
/// and nothing comes down but the rest of the app's frame.
async fn part<VR, VW, AR, AW>(
    parting: Parting,
    (up, down): (&mut Way<'_>, &mut Way<'_>),
    visitor: &mut (VR, VW),
    app: &mut (AR, AW),
) -> End
where
    VR: AsyncRead + Unpin,
    VW: AsyncWrite + Unpin,
    AR: AsyncRead + Unpin,
    AW: AsyncWrite + Unpin,
{
    let Parting { code, reason } = parting;
    let (for_visitor, for_app) = (
        close_frame(code, reason, false),
        close_frame(code, reason, true),
    );
    // The app's frame is read on while the app is told: one half of its connection each.
    let tell_visitor = timeout(
        FINISH,
        down.finish(&mut app.0, &mut visitor.1, &for_visitor),
    );
    let tell_app = async {
        if up.can_finish() {
            let nothing = &mut tokio::io::empty();
            let _ = timeout(FINISH, up.finish(nothing, &mut app.1, &for_app)).await;
        }
    };
    let (told, ()) = tokio::join!(tell_visitor, tell_app);
    if !matches!(told, Ok(Ok(()))) {
        return End::Cut;
    }
    let hang_up = async {
        let _ = tokio::join!(visitor.1.shutdown(), app.1.shutdown());
        let mut unread = [0; 512];
        while visitor.0.read(&mut unread).await.is_ok_and(|read| read > 0) {}
    };
    let _ = timeout(PARTING, hang_up).await;
    End::Told
}

/// Ends when nothing was carried for `idle`, at the latest twice that.
async fn quiet(idle: Duration, up: &AtomicU64, down: &AtomicU64) {
    if idle.is_zero() {
        return std::future::pending().await;
    }
    let carried = || (up.load(Ordering::Relaxed), down.load(Ordering::Relaxed));
    loop {
        let before = carried();
        tokio::time::sleep(idle).await;
        if carried() == before {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
