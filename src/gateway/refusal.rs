//! What we answer ourselves when a request cannot go through: the one table from reason to status.

use std::time::Duration;

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY,
    RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
};
use http::{Response, StatusCode, Version};

use super::admit::AdmitFault;
use super::denial::{Denial, Sentence};
use super::oidc::{Failed, Why};
use super::page::HTML;
use super::resend::Resend;
use super::service::ServiceFault;
use crate::cookie::screen::TooMuch;
use crate::headers::original::Untold;
use crate::headers::strict::Fault;
use crate::login::form::hashing::Busy;
use crate::login::oidc::OidcFault;
use crate::login::typed::Unread;
use crate::store::StoreFault;
use crate::upstream::{Body, BodyFault, Unserved, UpstreamFault};

/// Why a request was not passed on, or its answer was not passed back.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The request itself is refused.
    #[error(transparent)]
    Admit(#[from] AdmitFault),
    /// No site is served at this host and path.
    #[error("nothing is served at this address")]
    NoSite,
    /// The host is not one of ours.
    #[error("this host is not served here")]
    UnknownHost,
    /// The path can be read in two ways.
    #[error("the path can be read in more than one way")]
    AmbiguousPath,
    /// The path is one of our own, and there is nothing at it.
    #[error("there is no such page of the gateway")]
    OwnPath,
    /// Another proxy asks about a request, and nobody can tell which.
    #[error("the question does not say clearly what it is about")]
    AuthQuestion(#[from] Untold),
    /// Another proxy asks about what is not for it to serve.
    #[error("no site here answers questions about this address")]
    AuthElsewhere,
    /// Too many or too large cookies.
    #[error("the request brings too many cookies")]
    Cookies(#[from] TooMuch),
    /// Another site tries to act with the visitor's session.
    #[error("the request comes from another site and would act with this session")]
    CrossSite,
    /// A page of ours is asked for by something that shows nobody a page.
    #[error("pages of the gateway are for people, and no script may ask for them")]
    NotNavigated,
    /// A form of ours cannot be read.
    #[error("the login form cannot be read")]
    LoginForm(#[source] Unread),
    /// Too many log in.
    #[error("too many people log in at the moment")]
    LoginBusy(#[source] Busy),
    /// The account or the address has failed to log in too often.
    #[error("too many failed logins; try again later")]
    TooManyLogins {
        /// How long until the next may be tried.
        wait: Duration,
    },
    /// A form of another site is to be sent again from here.
    #[error("the form is sent again from this site, so that the session comes along")]
    Resend(Box<Resend>),
    /// The visitor may not have the path, or not before a login.
    #[error(transparent)]
    Denied(Box<Denial>),
    /// A login at a provider did not work.
    #[error(transparent)]
    Provider(Box<Failed>),
    /// A logout token that is not believed, and why.
    #[error("the logout token is refused: {0}")]
    LogoutToken(&'static str),
    /// The path is for users, and without the session store nobody knows who is one.
    #[error(
        "sessions cannot be looked up at the moment, and this address is for visitors who are logged in"
    )]
    UserUnknown,
    /// The login service did not say who the visitor is.
    #[error("who you are cannot be looked up at the moment")]
    Service(#[source] Box<ServiceFault>),
    /// The session store did not answer.
    #[error("sessions cannot be looked up at the moment")]
    Store(#[from] StoreFault),
    /// The visitor went away before all of the body had come. The answer is for the log.
    #[error("the visitor is gone")]
    VisitorGone,
    /// The visitor's body was refused or did not come.
    #[error("{}", body_words(.0))]
    VisitorBody(#[source] BodyFault),
    /// The app was asked to open a WebSocket and answered something that is neither one nor an error.
    #[error("the application behind this site did not open a WebSocket")]
    NoWebSocket,
    /// The app could not be reached or did not answer properly.
    #[error("{}", upstream_words(.0))]
    Upstream(#[source] UpstreamFault),
    /// No app of the site may be asked.
    #[error("no application behind this site is in service")]
    NoUpstream,
}

impl Refusal {
    /// The status that the visitor gets. Without a `_` arm: every reason is chosen for.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Admit(fault) => admit_status(fault),
            Self::NoSite | Self::OwnPath => StatusCode::NOT_FOUND,
            Self::UnknownHost => StatusCode::MISDIRECTED_REQUEST,
            Self::AmbiguousPath | Self::AuthQuestion(_) => StatusCode::BAD_REQUEST,
            Self::AuthElsewhere => StatusCode::FORBIDDEN,
            Self::Cookies(_) => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::CrossSite | Self::NotNavigated => StatusCode::FORBIDDEN,
            Self::LoginForm(_) | Self::LogoutToken(_) => StatusCode::BAD_REQUEST,
            Self::TooManyLogins { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Resend(_) => StatusCode::OK,
            Self::Denied(denial) => denied_status(denial),
            Self::Provider(failed) => provider_status(&failed.why),
            Self::UserUnknown | Self::LoginBusy(_) | Self::Service(_) | Self::Store(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::VisitorGone => StatusCode::from_u16(GONE).unwrap_or(StatusCode::BAD_REQUEST),
            Self::VisitorBody(fault) => body_status(fault),
            Self::NoWebSocket => StatusCode::BAD_GATEWAY,
            Self::Upstream(fault) => upstream_status(fault),
            Self::NoUpstream => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// A word for the log.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Admit(AdmitFault::Message(_)) => "malformed",
            Self::Admit(_) => "bad-request",
            Self::NoSite => "no-site",
            Self::UnknownHost => "unknown-host",
            Self::AmbiguousPath => "ambiguous-path",
            Self::OwnPath => "own-path",
            Self::AuthQuestion(_) => "auth-question",
            Self::AuthElsewhere => "auth-elsewhere",
            Self::Cookies(_) => "too-many-cookies",
            Self::CrossSite => "cross-site",
            Self::NotNavigated => "not-navigated",
            Self::LoginForm(_) => "login-form",
            Self::LoginBusy(_) => "login-busy",
            Self::TooManyLogins { .. } => "too-many-logins",
            Self::Resend(_) => "resent",
            Self::Denied(denial) => denial.word(),
            Self::Service(_) => "no-login-service",
            Self::Provider(failed) => failed.why.word(),
            Self::LogoutToken(_) => "logout-token",
            Self::UserUnknown | Self::Store(_) => "store-outage",
            Self::VisitorGone => "visitor-gone",
            Self::VisitorBody(_) => "body",
            Self::NoWebSocket => "no-websocket",
            Self::Upstream(_) => "app",
            Self::NoUpstream => "no-upstream",
        }
    }

    /// The answer. It says what happened in general words; addresses, causes and versions are for
    /// the log, where the request id finds them. `has_body`: the request has a body that nobody reads.
    pub fn answer(&self, request_id: &str, version: Version, has_body: bool) -> Response<Body> {
        let status = self.status();
        let (kind, body) = if let Self::Denied(denial) = self {
            denial.body(status, request_id)
        } else if let Self::Provider(failed) = self {
            (HTML, failed.page(status, request_id).into())
        } else if let Self::Resend(resend) = self {
            (HTML, resend.page(request_id).into())
        } else {
            self.text(status, request_id)
        };
        let mut response = Response::new(Body::full(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, kind);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(
            CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'none'; base-uri 'none'; frame-ancestors 'none'"),
        );
        if let Ok(id) = HeaderValue::from_str(request_id) {
            headers.insert("x-request-id", id);
        }
        if let Self::TooManyLogins { wait } = self {
            let secs = wait.as_millis().div_ceil(1000).max(1);
            let secs = u64::try_from(secs).unwrap_or(u64::MAX);
            headers.insert(RETRY_AFTER, HeaderValue::from(secs));
        } else if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
        }
        if let Self::Denied(denial) = self {
            denial.dress(headers);
        }
        if let Self::Provider(_) = self {
            // Its own address may hold a code.
            headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        }
        let is_read = if let Self::Resend(resend) = self {
            resend.dress(headers);
            true
        } else {
            matches!(self, Self::Denied(denial) if denial.keeps())
        };
        // The connection ends with what is left unread on it, and a visitor who is told so does not ask for more there.
        if version != Version::HTTP_2 && (has_body && !is_read || self.ends_the_connection()) {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    fn text(&self, status: StatusCode, request_id: &str) -> (HeaderValue, Bytes) {
        let reason = status.canonical_reason().unwrap_or("Error");
        let text = format!(
            "{} {reason}: {self}.\nRequest id: {request_id}\n",
            status.as_u16()
        );
        let kind = HeaderValue::from_static("text/plain; charset=utf-8");
        (kind, text.into())
    }

    /// Whether what follows on the connection can no longer be trusted to be a request.
    const fn ends_the_connection(&self) -> bool {
        matches!(
            self,
            Self::Admit(_) | Self::VisitorGone | Self::VisitorBody(_)
        )
    }
}

/// The status of a request whose visitor went away, as nginx writes it down. Nobody gets it.
pub(super) const GONE: u16 = 499;

fn denied_status(denial: &Denial) -> StatusCode {
    match denial.sentence() {
        Sentence::Send => StatusCode::FOUND,
        // What was posted is not posted to the login page.
        Sentence::Keep => StatusCode::SEE_OTHER,
        Sentence::Tell => StatusCode::UNAUTHORIZED,
        Sentence::Forbid => StatusCode::FORBIDDEN,
    }
}

fn provider_status(why: &Why) -> StatusCode {
    match why {
        Why::NoAnswer | Why::NoState | Why::Expired | Why::Replayed => StatusCode::BAD_REQUEST,
        Why::OtherBrowser | Why::Circles => StatusCode::FORBIDDEN,
        Why::Denied(code) if code.as_str() == "temporarily_unavailable" => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        Why::Denied(code) if code.as_str() == "server_error" => StatusCode::BAD_GATEWAY,
        Why::Denied(_) => StatusCode::FORBIDDEN,
        Why::TooLarge => StatusCode::INTERNAL_SERVER_ERROR,
        Why::Fault(OidcFault::LongAgo) => StatusCode::FORBIDDEN,
        Why::Fault(_) if why.is_timeout() => StatusCode::GATEWAY_TIMEOUT,
        Why::Fault(_) => StatusCode::BAD_GATEWAY,
    }
}

const fn admit_status(fault: &AdmitFault) -> StatusCode {
    match fault {
        AdmitFault::Message(fault) => message_status(fault),
        AdmitFault::Method => StatusCode::METHOD_NOT_ALLOWED,
        AdmitFault::Misdirected => StatusCode::MISDIRECTED_REQUEST,
        AdmitFault::TransferCoding | AdmitFault::Protocol => StatusCode::NOT_IMPLEMENTED,
        AdmitFault::TargetTooLong => StatusCode::URI_TOO_LONG,
        AdmitFault::Loop => StatusCode::LOOP_DETECTED,
        AdmitFault::Expectation => StatusCode::EXPECTATION_FAILED,
        AdmitFault::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        AdmitFault::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        AdmitFault::Host
        | AdmitFault::HostMalformed
        | AdmitFault::Framing
        | AdmitFault::Target
        | AdmitFault::MaxForwards
        | AdmitFault::ConnectionHeader => StatusCode::BAD_REQUEST,
    }
}

/// The status for an HTTP/1.1 message that is not passed on.
pub(crate) const fn message_status(fault: &Fault) -> StatusCode {
    match fault {
        Fault::Method => StatusCode::METHOD_NOT_ALLOWED,
        Fault::Slow => StatusCode::REQUEST_TIMEOUT,
        Fault::TargetTooLong => StatusCode::URI_TOO_LONG,
        Fault::Expectation => StatusCode::EXPECTATION_FAILED,
        Fault::TooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        Fault::Coding => StatusCode::NOT_IMPLEMENTED,
        Fault::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
        Fault::RequestLine
        | Fault::Target
        | Fault::LineEnd
        | Fault::Field
        | Fault::Host
        | Fault::Length
        | Fault::Chunk
        | Fault::Trailers => StatusCode::BAD_REQUEST,
    }
}

const fn body_status(fault: &BodyFault) -> StatusCode {
    match fault {
        BodyFault::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        BodyFault::Stalled | BodyFault::TooSlow => StatusCode::REQUEST_TIMEOUT,
        BodyFault::Trailers | BodyFault::VisitorGone(_) => StatusCode::BAD_REQUEST,
        BodyFault::AppBroke(_) => StatusCode::BAD_GATEWAY,
        BodyFault::AppStalled => StatusCode::GATEWAY_TIMEOUT,
    }
}

/// What a visitor is told of it, who knows nothing of limits.
const fn body_words(fault: &BodyFault) -> &'static str {
    match fault {
        BodyFault::TooLarge { .. } => "the request body is too large",
        BodyFault::Stalled | BodyFault::TooSlow => "the request body did not come in time",
        BodyFault::Trailers
        | BodyFault::VisitorGone(_)
        | BodyFault::AppBroke(_)
        | BodyFault::AppStalled => "the request body was refused",
    }
}

const fn upstream_words(fault: &UpstreamFault) -> &'static str {
    match fault {
        UpstreamFault::Exhausted => "the application behind this site is busy",
        UpstreamFault::ConnectTimeout | UpstreamFault::ResponseTimeout => {
            "the application behind this site did not answer in time"
        }
        UpstreamFault::VisitorBody(fault) => body_words(fault),
        UpstreamFault::Connect(_)
        | UpstreamFault::Closed(_)
        | UpstreamFault::Protocol(_)
        | UpstreamFault::Tls(_)
        | UpstreamFault::Http2(_)
        | UpstreamFault::Interim
        | UpstreamFault::NoUpgrade
        | UpstreamFault::Unspeakable(_)
        | UpstreamFault::UnaskedUpgrade
        | UpstreamFault::UnknownCoding => "the application behind this site did not answer",
    }
}

const fn upstream_status(fault: &UpstreamFault) -> StatusCode {
    match fault {
        UpstreamFault::Connect(_)
        | UpstreamFault::Closed(_)
        | UpstreamFault::Protocol(_)
        | UpstreamFault::Tls(_)
        | UpstreamFault::Http2(_)
        | UpstreamFault::Interim
        | UpstreamFault::NoUpgrade
        | UpstreamFault::Unspeakable(_)
        | UpstreamFault::UnaskedUpgrade
        | UpstreamFault::UnknownCoding => StatusCode::BAD_GATEWAY,
        UpstreamFault::ConnectTimeout | UpstreamFault::ResponseTimeout => {
            StatusCode::GATEWAY_TIMEOUT
        }
        UpstreamFault::Exhausted => StatusCode::SERVICE_UNAVAILABLE,
        UpstreamFault::VisitorBody(fault) => body_status(fault),
    }
}

impl From<Unserved> for Refusal {
    fn from(unserved: Unserved) -> Self {
        match unserved {
            Unserved::Fault(fault) => fault.into(),
            Unserved::NoneInService => Self::NoUpstream,
        }
    }
}

impl From<BodyFault> for Refusal {
    fn from(fault: BodyFault) -> Self {
        if fault.is_visitor_gone() {
            Self::VisitorGone
        } else {
            Self::VisitorBody(fault)
        }
    }
}

impl From<UpstreamFault> for Refusal {
    fn from(fault: UpstreamFault) -> Self {
        match fault {
            UpstreamFault::VisitorBody(fault) => fault.into(),
            fault => Self::Upstream(fault),
        }
    }
}
