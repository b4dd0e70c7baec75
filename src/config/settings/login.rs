//! What of `[site.login]` is no setting of the watch itself.

use std::path::Path;
use std::time::Duration;

use http::HeaderName;
use http::uri::PathAndQuery;
use serde::Deserialize;

use crate::cookie::name::NamePattern;
use crate::login::certificate::CertificateUser;
use crate::login::forward::RecheckScope;
use crate::upstream::{Address, TlsSettings};

/// `[site.login]` with `method = "header"`, `"certificate"` or `"forward"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Namer {
    /// A trusted proxy names the user.
    Header(NamingHeaders),
    /// The client's certificate does.
    Certificate(CertificateUser),
    /// A service that is asked does.
    Forward(Box<Forward>),
}

/// In which headers a proxy names the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamingHeaders {
    /// `user_header`.
    pub user: HeaderName,
    /// `groups_header`.
    pub groups: Option<HeaderName>,
    /// `name_header`.
    pub name: Option<HeaderName>,
    /// `email_header`.
    pub email: Option<HeaderName>,
}

/// `[site.login]` with `method = "forward"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// Where the service is: the first part of `url`.
    pub address: Address,
    /// What it is asked for: the rest of it.
    pub target: PathAndQuery,
    /// How it is spoken to over https.
    pub tls: Option<TlsSettings>,
    /// In which headers it names the user.
    pub headers: NamingHeaders,
    /// `cookies`: its own.
    pub cookies: Vec<NamePattern>,
    /// `timeout`: for one question.
    pub timeout: Duration,
    /// `recheck`: how long a yes is good.
    pub recheck: Duration,
    /// `recheck_scope`: for what.
    pub scope: RecheckScope,
}

impl Forward {
    /// The certificates that count as roots, if they are in a file.
    pub fn ca_file(&self) -> Option<&Path> {
        self.tls.as_ref()?.ca_file.as_deref()
    }
}

/// Where visitors log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginPage {
    /// `login_url`: a path, with a query if it has one.
    pub address: String,
    /// `return_param`: the name in the query of where the visitor goes on.
    pub return_param: Option<String>,
}

impl LoginPage {
    /// Its path alone.
    pub fn path(&self) -> &str {
        self.address.split('?').next().unwrap_or_default()
    }
}

/// The method of a request that logs in or out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// GET.
    Get,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// PATCH.
    Patch,
    /// DELETE.
    Delete,
}

impl From<Method> for http::Method {
    fn from(method: Method) -> Self {
        match method {
            Method::Get => Self::GET,
            Method::Post => Self::POST,
            Method::Put => Self::PUT,
            Method::Patch => Self::PATCH,
            Method::Delete => Self::DELETE,
        }
    }
}
