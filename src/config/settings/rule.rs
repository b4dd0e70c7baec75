//! Finished `[[site.rule]]`.

use std::time::Duration;

use http::Method;
use ipnet::IpNet;
use serde::Deserialize;

use super::Attendance;

/// `[[site.rule]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// A path, or one with all below it (`/admin/*`).
    pub path: String,
    /// The methods that it is for; `None`: all.
    pub methods: Option<Vec<Method>>,
    /// Where visitors come from that it is for; `None`: anywhere.
    pub networks: Option<Vec<IpNet>>,
    /// What it demands of them.
    pub require: Require,
    /// How its requests use sessions; `None`: as the site says.
    pub session: Option<Attendance>,
    /// Whether requests from other sites may change state here.
    pub cross_site: CrossSite,
}

/// What becomes of requests by which another site would act with a visitor's session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CrossSite {
    /// 403.
    Refuse,
    /// To the app.
    Allow,
    /// Forms are posted again by a page of ours; the rest: 403.
    Resend,
}

/// `require` of a rule. By default it demands nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Require {
    /// A method of these; `None`: any.
    pub methods: Option<Vec<Method>>,
    /// An address of these; `None`: any.
    pub networks: Option<Vec<IpNet>>,
    /// A user; `None`: anybody.
    pub user: Option<RequireUser>,
}

/// What is demanded of a user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequireUser {
    /// One of these groups; empty: none.
    pub groups: Vec<String>,
    /// How long ago the login may be; `None`: any time.
    pub max_auth_age: Option<Duration>,
}
