//! One stream: a request, what is said before its answer, the answer, and what is left unread.
//!
//! Each has a task on the core of its connection. A stream that panics ends alone.

use std::error::Error;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::header::{CONTENT_LENGTH, DATE, EXPECT};
use http::response::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::Body;
use tokio::sync::oneshot;

use crate::base::causes::Causes;
use crate::gateway::Arrival;
use crate::server::activity::{Activity, UnderWay};
use crate::server::connection::Core;
use crate::server::h2::answer::{CutShort, Pour};
use crate::server::h2::breaks::Breaks;
use crate::server::h2::date::date;
use crate::upstream::visitor::{Aside, Incoming, Interim, Streamed, Upgrade};

/// How long and for how much the rest of a body is read away after its answer. A visitor who is still sending would be
/// told to stop in the same breath as the answer comes, and may lose the 413 that it is about to read.
const UNREAD_TIME: Duration = Duration::from_secs(2);
const UNREAD_BYTES_MAX: usize = 1024 * 1024;

/// What the streams of one connection share.
pub(super) struct Streams<H> {
    pub(super) activity: Arc<Activity>,
    pub(super) arrival: Rc<Arrival>,
    pub(super) core: Rc<Core<H>>,
    pub(super) breaks: Breaks,
}

/// What comes back to a visitor, and what has to be known for it.
struct Reply {
    respond: SendResponse<Bytes>,
    aside: Rc<Aside>,
    /// Who waits for the stream, if it was to become a tunnel.
    tunnel: Option<(RecvStream, oneshot::Sender<Streamed>)>,
    under_way: UnderWay,
}

impl<H, F, B> Streams<H>
where
    H: Fn(Rc<Arrival>, Request<Incoming>) -> F + 'static,
    F: Future<Output = Response<B>> + 'static,
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    /// Has `request` answered.
    pub(super) fn begin(
        self: &Rc<Self>,
        request: Request<RecvStream>,
        respond: SendResponse<Bytes>,
    ) {
        let under_way = self.activity.request(false);
        let aside = Rc::<Aside>::default();
        let (head, stream) = request.into_parts();
        let (body, tunnel) = if head.method == Method::CONNECT {
            let (opens, opened) = oneshot::channel();
            let body = Incoming::upgrading(Upgrade::Http2(opened), Rc::clone(&aside));
            (body, Some((stream, opens)))
        } else {
            let expects = head.headers.contains_key(EXPECT);
            let length = length_of(&head.headers);
            let body = Incoming::http2(stream, length, expects, Rc::clone(&aside));
            (body, None)
        };
        let request = Request::from_parts(head, body);
        // In a box, which is gone when there is an answer: a task keeps its room until it ends.
        let answering = Box::pin((self.core.handler)(Rc::clone(&self.arrival), request));
        let reply = Reply {
            respond,
            aside,
            tunnel,
            under_way,
        };
        let write_timeout = self.core.settings.limits.write_timeout;
        let streams = Rc::clone(self);
        tokio::task::spawn_local(async move {
            let outcome = reply.serve(answering, write_timeout, &streams.breaks).await;
            if let Err(fault) = outcome {
                tracing::debug!(peer = %streams.arrival.peer, error = %Causes(&fault), "stream ended");
            }
        });
    }
}

impl Reply {
    async fn serve<F, B>(
        mut self,
        answering: Pin<Box<F>>,
        write_timeout: Duration,
        breaks: &Breaks,
    ) -> Result<(), CutShort>
    where
        F: Future<Output = Response<B>>,
        B: Body<Data = Bytes> + Unpin,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let mut counted = Counted {
            breaks,
            end: End::Broken,
        };
        let Some(response) = self.answered(answering).await? else {
            return Ok(());
        };
        let (mut head, body) = response.into_parts();
        if let Some((receive, opens)) = self.tunnel.take()
            && head.status.is_success()
        {
            let stream = self.send_head(head, false)?;
            counted.end = End::Whole;
            // Whoever was to have it may have gone: then it is reset.
            let _ = opens.send(Streamed::new(stream, receive, self.under_way));
            return Ok(());
        }
        let is_whole = body.is_end_stream();
        if !is_whole && let Some(length) = body.size_hint().exact() {
            let length_field = head.headers.entry(CONTENT_LENGTH);
            length_field.or_insert_with(|| length.into());
        }
        let stream = self.send_head(head, is_whole)?;
        if is_whole {
            // Only now is the request answered, as far as the log goes.
            drop(body);
        } else {
            let poured = Pour::new(stream, body, write_timeout).await;
            if let Err(CutShort::ByApp) = poured {
                counted.end = End::OfNoMatter;
            }
            poured?;
        }
        counted.end = End::Whole;
        drop(counted);
        if let Some(unread) = self.aside.unread() {
            let _ = tokio::time::timeout(UNREAD_TIME, read_away(unread)).await;
        }
        Ok(())
    }

    /// The answer; none if the visitor has given the stream up.
    async fn answered<F, B>(
        &mut self,
        mut answering: Pin<Box<F>>,
    ) -> Result<Option<Response<B>>, h2::Error>
    where
        F: Future<Output = Response<B>>,
    {
        poll_fn(|cx| {
            let answer = answering.as_mut().poll(cx);
            for interim in self.aside.take() {
                self.respond.send_informational(head_of(interim))?;
            }
            match answer {
                Poll::Ready(answer) => Poll::Ready(Ok(Some(answer))),
                Poll::Pending => self.respond.poll_reset(cx).map_ok(|_reason| None),
            }
        })
        .await
    }

    fn send_head(
        &mut self,
        mut head: Parts,
        is_whole: bool,
    ) -> Result<SendStream<Bytes>, h2::Error> {
        head.headers.entry(DATE).or_insert_with(date);
        let sent = self
            .respond
            .send_response(Response::from_parts(head, ()), is_whole);
        // It has fields that HTTP/2 does not have, or the stream is gone.
        sent.inspect_err(|_| self.respond.send_reset(Reason::INTERNAL_ERROR))
    }
}

/// Tells how a stream has ended.
struct Counted<'a> {
    breaks: &'a Breaks,
    end: End,
}

/// How a stream can end.
enum End {
    Whole,
    /// Its peer gave it up, or broke it, or left us to wait.
    Broken,
    /// The app's answer broke off, for which a peer is not to blame: it may stand for many visitors.
    OfNoMatter,
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        match self.end {
            End::Whole => self.breaks.ended_whole(),
            End::Broken => self.breaks.broke_off(),
            End::OfNoMatter => {}
        }
    }
}

fn head_of(interim: Interim) -> Response<()> {
    let (status, fields) = match interim {
        Interim::Continue => (StatusCode::CONTINUE, HeaderMap::new()),
        Interim::EarlyHints(fields) => (StatusCode::EARLY_HINTS, fields),
    };
    let mut head = Response::new(());
    *head.status_mut() = status;
    *head.headers_mut() = fields;
    head
}

/// What a head tells of the length of its body. That the data keeps to it is h2's business, and that it is one number was
/// h2's too.
fn length_of(fields: &HeaderMap) -> Option<u64> {
    let length = fields.get(CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}

async fn read_away(mut unread: RecvStream) {
    let mut left = UNREAD_BYTES_MAX;
    while let Some(Ok(data)) = unread.data().await {
        let _ = unread.flow_control().release_capacity(data.len());
        let Some(less) = left.checked_sub(data.len()) else {
            return;
        };
        left = less;
    }
}
