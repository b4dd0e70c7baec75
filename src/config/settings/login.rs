//! What of `[site.login]` is no setting of the watch itself.

use http::HeaderName;
use serde::Deserialize;

use crate::login::certificate::CertificateUser;

/// `[site.login]` with `method = "header"` or `"certificate"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Namer {
    /// A trusted proxy names the user.
    Header(NamingHeaders),
    /// The client's certificate does.
    Certificate(CertificateUser),
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
