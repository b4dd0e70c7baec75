//! Two upgraded streams, joined: after `101 Switching Protocols` the gateway only carries bytes.

use std::cell::Cell;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use http::Response;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;

use super::balance::InFlight;
use super::body::Body;

/// How long the other direction may go on when one has ended.
const LINGER: Duration = Duration::from_secs(5);

/// What a tunnel has carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// Bytes from the visitor to the app.
    pub up: u64,
    /// Bytes from the app to the visitor.
    pub down: u64,
}

/// Takes the app's side out of its `101` response, to be joined with the visitor's side once both are there; answers
/// none if `response` is not an upgrade. The response is left without a body, ready to go to the visitor. The app's
/// connection keeps its place in the pool's count until the tunnel has ended.
pub fn app_side(response: &mut Response<Body>) -> Option<AppSide> {
    let upgrade = response.extensions_mut().remove::<OnUpgrade>()?;
    let counted = response.extensions_mut().remove::<InFlight>();
    let place = match std::mem::take(response.body_mut()) {
        Body::App(body) => body.into_lease()?.into_place_of_upgraded(),
        Body::Empty | Body::Full(_) | Body::Visitor(_) => return None,
    };
    Some(AppSide {
        upgrade,
        place,
        _counted: counted,
    })
}

/// The app's side of a tunnel that is to be.
pub struct AppSide {
    upgrade: OnUpgrade,
    place: OwnedSemaphorePermit,
    /// What the streams count as until they have ended, where somebody counts.
    _counted: Option<InFlight>,
}

impl AppSide {
    /// Waits for both sides, then carries bytes between them until [`join`] ends. `visitor` is what
    /// [`hyper::upgrade::on`] gave for the visitor's request.
    ///
    /// # Errors
    /// When one of the sides was not upgraded: it has gone before.
    pub async fn carry(self, visitor: OnUpgrade, idle: Duration) -> Result<Carried, hyper::Error> {
        let app = self.upgrade.await?;
        let visitor = visitor.await?;
        let carried = join(visitor, app, idle).await;
        drop(self.place);
        Ok(carried)
    }
}

/// Carries bytes both ways until one side ends or breaks, or until nothing has come from either for `idle` (zero: no
/// limit). When one side ends, the other is told, may finish within a few seconds, and is closed.
pub async fn join(visitor: Upgraded, app: Upgraded, idle: Duration) -> Carried {
    let (visitor_read, mut visitor_write) = tokio::io::split(TokioIo::new(visitor));
    let (app_read, mut app_write) = tokio::io::split(TokioIo::new(app));
    let (up, down) = (Cell::new(0), Cell::new(0));
    let mut visitor_read = Counted::new(visitor_read, &up);
    let mut app_read = Counted::new(app_read, &down);
    {
        let mut upwards = pin!(pass(&mut visitor_read, &mut app_write));
        let mut downwards = pin!(pass(&mut app_read, &mut visitor_write));
        let quiet = pin!(quiet(idle, &up, &down));
        // An end is passed on and the other direction lingers; a fault or silence ends both at once.
        tokio::select! {
            ended = upwards.as_mut() => if ended.is_ok() {
                let _ = tokio::time::timeout(LINGER, downwards).await;
            },
            ended = downwards.as_mut() => if ended.is_ok() {
                let _ = tokio::time::timeout(LINGER, upwards).await;
            },
            () = quiet => {}
        }
    }
    Carried {
        up: up.get(),
        down: down.get(),
    }
}

async fn pass<R, W>(from: &mut R, to: &mut W) -> io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWriteExt + Unpin,
{
    tokio::io::copy(from, to).await?;
    to.shutdown().await
}

/// Ends when nothing was carried for `idle`, at the latest twice that.
async fn quiet(idle: Duration, up: &Cell<u64>, down: &Cell<u64>) {
    if idle.is_zero() {
        return std::future::pending().await;
    }
    loop {
        let before = (up.get(), down.get());
        tokio::time::sleep(idle).await;
        if (up.get(), down.get()) == before {
            return;
        }
    }
}

/// Counts what is read.
struct Counted<'a, R> {
    inner: R,
    bytes: &'a Cell<u64>,
}

impl<'a, R> Counted<'a, R> {
    const fn new(inner: R, bytes: &'a Cell<u64>) -> Self {
        Self { inner, bytes }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Counted<'_, R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(cx, buf);
        let bytes = buf.filled().len().saturating_sub(before);
        let total = self.bytes.get();
        self.bytes
            .set(total.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX)));
        read
    }
}
