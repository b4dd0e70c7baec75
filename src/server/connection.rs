//! One connection: handshake, then HTTP/1.1 or HTTP/2 as ALPN chose, until it ends.
//!
//! HTTP/1.1 requests are handled inside the task of their connection; HTTP/2 gives each stream a task on the same
//! core. The futures of the handshake and of each protocol are boxed, so that an idle connection does not carry the
//! largest of them.

use std::error::Error;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::base::causes::Causes;
use crate::base::meter::{Count, Meter};
use crate::gateway::Arrival;
use crate::login::certificate::ClientCertificate;
use crate::server::activity::Activity;
use crate::server::drain::Drain;
use crate::server::h1::serve_h1;
use crate::server::h2::serve_h2;
use crate::server::socket::Newcomer;
use crate::server::tls::ALPN_H2;
use crate::server::wire::Wire;
use crate::server::{Limits, ServerSettings};
use crate::upstream::visitor::Incoming;

/// What the connections of one core share.
pub(super) struct Core<H> {
    pub(super) settings: Arc<ServerSettings>,
    pub(super) tls: TlsAcceptor,
    pub(super) handler: H,
    pub(super) drain: Drain,
    pub(super) meter: Arc<Meter>,
}

/// A handshake that did not succeed.
#[derive(Debug, thiserror::Error)]
enum HandshakeFault {
    #[error("the handshake took longer than server.limits.handshake_timeout")]
    TimedOut,
    #[error("the handshake failed")]
    Failed(#[source] std::io::Error),
    #[error("cut by the end of the drain")]
    Cut,
}

/// A connection whose handshake has succeeded.
struct Shaken {
    stream: Box<TlsStream<Wire>>,
    activity: Arc<Activity>,
    arrival: Rc<Arrival>,
}

/// Serves a connection to a TLS listener.
pub(super) fn serve_tls<H, F, B>(
    newcomer: Newcomer,
    core: Rc<Core<H>>,
) -> impl Future<Output = ()> + use<H, F, B>
where
    H: Fn(Rc<Arrival>, Request<Incoming>) -> F + 'static,
    F: Future<Output = Response<B>> + 'static,
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    // Out here, for what an async function is given it keeps room for until its end.
    let shaking = Box::pin(shake_hands(newcomer, Rc::clone(&core)));
    async move {
        let Some(shaken) = shaking.await else {
            return;
        };
        let Shaken {
            stream,
            activity,
            arrival,
        } = shaken;
        if stream.get_ref().1.alpn_protocol() == Some(ALPN_H2) {
            Box::pin(serve_h2(stream, activity, arrival, core)).await;
        } else {
            Box::pin(serve_h1(stream, activity, arrival, core)).await;
        }
    }
}

/// Serves a connection to a plain listener.
pub(super) async fn serve_plain<H, F, B>(newcomer: Newcomer, core: Rc<Core<H>>)
where
    H: Fn(Rc<Arrival>, Request<Incoming>) -> F + 'static,
    F: Future<Output = Response<B>> + 'static,
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    if let Some((wire, activity, arrival)) = open(newcomer, &core.settings.limits) {
        serve_h1(wire, activity, Rc::new(arrival), core).await;
    }
}

/// `None` when the peer has gone already.
fn open(newcomer: Newcomer, limits: &Limits) -> Option<(Wire, Arc<Activity>, Arrival)> {
    let Newcomer {
        socket,
        peer,
        is_peers_own,
        local,
        permit,
    } = newcomer;
    // A response is written whole or in large pieces; to wait for more of it would only delay it.
    socket.set_nodelay().ok()?;
    let arrival = Arrival {
        peer,
        is_peers_own,
        local,
        sni: None,
        certificate: None,
    };
    let activity = Arc::new(Activity::new());
    let wire = Wire::new(socket, Arc::clone(&activity), limits.write_timeout, permit);
    Some((wire, activity, arrival))
}

/// `None` when there is nobody to serve.
async fn shake_hands<H>(newcomer: Newcomer, core: Rc<Core<H>>) -> Option<Shaken> {
    let (wire, activity, mut arrival) = open(newcomer, &core.settings.limits)?;
    let stream = match handshake(wire, &core).await {
        Ok(stream) => stream,
        Err(fault) => {
            core.meter.count(Count::HandshakeFailures);
            tracing::debug!(peer = %arrival.peer, error = %Causes(&fault), "handshake failed");
            return None;
        }
    };
    core.meter.count(Count::Handshakes);
    arrival.sni = stream.get_ref().1.server_name().map(Into::into);
    // The certificate was verified, or there would be no connection. A resumed one brings that of the first.
    let certificates = stream.get_ref().1.peer_certificates();
    arrival.certificate = certificates
        .and_then(<[_]>::first)
        .map(|leaf| Box::new(ClientCertificate::read(leaf)));
    Some(Shaken {
        stream,
        activity,
        arrival: Rc::new(arrival),
    })
}

async fn handshake<H>(wire: Wire, core: &Core<H>) -> Result<Box<TlsStream<Wire>>, HandshakeFault> {
    let limit = core.settings.limits.handshake_timeout;
    tokio::select! {
        shaken = tokio::time::timeout(limit, core.tls.accept(wire)) => match shaken {
            Ok(Ok(stream)) => Ok(Box::new(stream)),
            Ok(Err(error)) => Err(HandshakeFault::Failed(error)),
            Err(_elapsed) => Err(HandshakeFault::TimedOut),
        },
        () = core.drain.was_cut() => Err(HandshakeFault::Cut),
    }
}
