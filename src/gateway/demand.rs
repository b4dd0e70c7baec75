//! What a rule demands of whoever asks for its paths, and what they lack.

use std::net::IpAddr;
use std::time::Duration;

use http::Method;
use ipnet::IpNet;

use crate::base::clock::Time;
use crate::headers::forwarded::Hops;
use crate::session::User;

/// Methods; `None`: any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Methods(Option<Vec<Method>>);

impl Methods {
    /// Those in the list, and HEAD with GET: it tells the head of the same answer.
    pub const fn of(list: Vec<Method>) -> Self {
        Self(Some(list))
    }

    /// The list, if there is one.
    pub fn list(&self) -> Option<&[Method]> {
        self.0.as_deref()
    }

    /// Whether `method` is among them.
    pub fn hold(&self, method: &Method) -> bool {
        let is_listed = |list: &Vec<Method>| {
            list.contains(method) || (*method == Method::HEAD && list.contains(&Method::GET))
        };
        self.0.as_ref().is_none_or(is_listed)
    }
}

/// Networks; `None`: any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Option<Vec<IpNet>>);

impl Networks {
    /// Those in the list.
    pub const fn of(list: Vec<IpNet>) -> Self {
        Self(Some(list))
    }

    /// The list, if there is one.
    pub fn list(&self) -> Option<&[IpNet]> {
        self.0.as_deref()
    }

    /// Whether `address` is in one of them. An IPv4 address that came over an IPv6 socket is an IPv4 address.
    pub fn hold(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let mut nets = self.0.iter().flatten();
        self.0.is_none() || nets.any(|net| net.contains(&address))
    }
}

/// Who asks, as far as rules may know before there is a session.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    /// The method of the request.
    pub method: &'a Method,
    /// The visitor's address.
    pub client_ip: IpAddr,
}

impl<'a> Asking<'a> {
    /// Who sends a request by `method` that came over `hops`.
    pub const fn of(method: &'a Method, hops: &Hops) -> Self {
        Self {
            method,
            client_ip: hops.client_ip,
        }
    }
}

/// `require` of a rule: all that is said must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// From where.
    pub networks: Networks,
    /// By which methods.
    pub methods: Methods,
    /// Of whom; `None`: of anybody.
    pub user: Option<UserDemand>,
}

/// What a rule demands of users.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserDemand {
    /// In one of these groups at least; empty: in any or none.
    pub groups: Vec<String>,
    /// Logged in no longer ago than this.
    pub max_auth_age: Option<Duration>,
}

/// What a visitor lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// An address of one of the networks.
    Network,
    /// One of the methods.
    Method,
    /// A login.
    Login,
    /// One of the groups.
    Group,
    /// A login that is recent enough.
    RecentLogin,
    /// A word on which of too many sessions ends.
    Pick,
    /// The consent of the login service, which knows who they are.
    Consent,
}

impl Lack {
    /// The word for it in logs and answers.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Network => "wrong-network",
            Self::Method => "wrong-method",
            Self::Login => "login-required",
            Self::Group => "not-in-group",
            Self::RecentLogin => "login-too-old",
            Self::Pick => "too-many-sessions",
            Self::Consent => "refused-by-service",
        }
    }

    /// What mends it, as a link is called.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::Pick => "Continue",
            Self::Network
            | Self::Method
            | Self::Login
            | Self::Group
            | Self::RecentLogin
            | Self::Consent => "Log in",
        }
    }

    /// Whether a login may mend it.
    pub const fn is_for_login(self) -> bool {
        matches!(self, Self::Login | Self::RecentLogin)
    }
}

impl Demand {
    /// What `user` lacks who asks at `now`. Where a login could not mend it, nobody is sent to log in.
    ///
    /// # Errors
    /// The first thing that is lacking.
    pub fn judge(&self, asking: &Asking<'_>, user: Option<&User>, now: Time) -> Result<(), Lack> {
        if !self.networks.hold(asking.client_ip) {
            return Err(Lack::Network);
        }
        if !self.methods.hold(asking.method) {
            return Err(Lack::Method);
        }
        let Some(demand) = &self.user else {
            return Ok(());
        };
        let user = user.ok_or(Lack::Login)?;
        if !demand.groups.is_empty() && !demand.groups.iter().any(|one| user.groups.contains(one)) {
            return Err(Lack::Group);
        }
        match demand.max_auth_age {
            // A login that seems to lie ahead was before the clock went back, by nobody knows how much.
            Some(most) if user.auth_time > now || now.since(user.auth_time) > most => {
                Err(Lack::RecentLogin)
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_secs(10_000);

    fn user(groups: &[&str], auth_time: u64) -> User {
        User {
            id: "alice".to_owned(),
            issuer: None,
            name: None,
            email: None,
            groups: groups.iter().map(|one| (*one).to_owned()).collect(),
            claims: serde_json::Map::new(),
            site: "app".to_owned(),
            auth_time: Time::from_secs(auth_time),
            entrance: None,
            grant: None,
        }
    }

    #[test]
    fn all_that_is_demanded_must_hold_and_a_login_is_asked_for_only_where_it_helps() {
        let demand = Demand {
            networks: Networks::of(vec![
                "10.0.0.0/8".parse().unwrap(),
                "2001:db8::/32".parse().unwrap(),
            ]),
            methods: Methods::of(vec![Method::GET, Method::PUT]),
            user: Some(UserDemand {
                groups: vec!["staff".to_owned(), "admin".to_owned()],
                max_auth_age: Some(Duration::from_secs(60)),
            }),
        };
        let staff = || Some(user(&["x", "staff"], 9_940));
        let rows = [
            ("10.1.2.3", Method::GET, staff(), Ok(())),
            ("::ffff:10.1.2.3", Method::HEAD, staff(), Ok(())),
            (
                "2001:db8::1",
                Method::PUT,
                Some(user(&["admin"], 10_000)),
                Ok(()),
            ),
            ("11.1.2.3", Method::GET, staff(), Err(Lack::Network)),
            ("11.1.2.3", Method::GET, None, Err(Lack::Network)),
            ("::ffff:11.0.0.1", Method::GET, staff(), Err(Lack::Network)),
            ("10.1.2.3", Method::POST, staff(), Err(Lack::Method)),
            ("10.1.2.3", Method::POST, None, Err(Lack::Method)),
            ("10.1.2.3", Method::GET, None, Err(Lack::Login)),
            (
                "10.1.2.3",
                Method::GET,
                Some(user(&["Staff"], 9_999)),
                Err(Lack::Group),
            ),
            (
                "10.1.2.3",
                Method::GET,
                Some(user(&[], 1)),
                Err(Lack::Group),
            ),
            (
                "10.1.2.3",
                Method::GET,
                Some(user(&["staff"], 9_939)),
                Err(Lack::RecentLogin),
            ),
            (
                "10.1.2.3",
                Method::GET,
                Some(user(&["staff"], 10_001)),
                Err(Lack::RecentLogin),
            ),
        ];
        for (address, method, user, expected) in rows {
            let asking = Asking {
                method: &method,
                client_ip: address.parse().unwrap(),
            };
            let found = demand.judge(&asking, user.as_ref(), NOW);
            assert_eq!(found, expected, "{address} {method} {user:?}");
        }
    }

    #[test]
    fn nothing_demanded_is_nothing_lacking() {
        let asking = Asking {
            method: &Method::DELETE,
            client_ip: "192.0.2.1".parse().unwrap(),
        };
        assert_eq!(Demand::default().judge(&asking, None, NOW), Ok(()));
        let any_user = Demand {
            user: Some(UserDemand::default()),
            ..Demand::default()
        };
        assert_eq!(any_user.judge(&asking, None, NOW), Err(Lack::Login));
        assert_eq!(any_user.judge(&asking, Some(&user(&[], 1)), NOW), Ok(()));
    }
}
