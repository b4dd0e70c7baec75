//! Finished `[site.login]`.

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

/// `[site.login]` with `method = "watch"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// Whether an anonymous session's data and jar go along into the login.
    pub carry: bool,
    /// What a login looks like.
    pub login: LoginRule,
    /// What a logout looks like; `None`: none is known.
    pub logout: Option<LogoutRule>,
}

/// `site.login.login`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginRule {
    /// The method of the request.
    pub method: Method,
    /// Its path.
    pub path: String,
    /// The field of the form that names the user.
    pub user_field: String,
    /// By what it succeeded.
    pub success: Signs,
}

/// `site.login.logout`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutRule {
    /// The method of the request; `None`: any.
    pub method: Option<Method>,
    /// Its path.
    pub path: String,
    /// A pair that its query holds; `None`: any query.
    pub query: Option<String>,
    /// By what it succeeded.
    pub success: Signs,
}

/// By what in the app's answer a login or logout is known to have succeeded: all that is said must hold, and something
/// is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signs {
    /// Any of these statuses; empty: whatever it is.
    pub status: Vec<u16>,
    /// A cookie of such a name is set; `*` stands for anything.
    pub sets_cookie: Option<String>,
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
