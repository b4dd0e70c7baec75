//! The login watch: an unmodified app's own login and logout, known by their requests and the app's answers.

use http::{Method, StatusCode};

use crate::base::clock::Time;
use crate::cookie::name::NamePattern;
use crate::cookie::set_cookie::{Ends, SetCookie};

/// `[site.login]` with `method = "watch"`, finished.
#[derive(Clone, Debug, PartialEq)]
pub struct Watch {
    /// What a login looks like.
    pub login: LoginRule,
    /// What a logout looks like, if the app has one.
    pub logout: Option<LogoutRule>,
    /// Whether data and jar of an anonymous session go along into the login.
    pub carry: bool,
}

/// What a login looks like.
#[derive(Clone, Debug, PartialEq)]
pub struct LoginRule {
    /// The method of the request.
    pub method: Method,
    /// Its normalised path.
    pub path: String,
    /// The field of the form that names the user.
    pub user_field: String,
    /// By what it succeeded.
    pub success: Signs,
}

/// What a logout looks like.
#[derive(Clone, Debug, PartialEq)]
pub struct LogoutRule {
    /// The method of the request; `None`: any.
    pub method: Option<Method>,
    /// Its normalised path.
    pub path: String,
    /// What its query holds, between two `&`, byte for byte; `None`: anything.
    pub query: Option<String>,
    /// By what it succeeded.
    pub success: Signs,
}

/// By what in the app's answer a login or logout is known to have succeeded: all that is said must hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Signs {
    /// Any of these statuses; empty: whatever the status is.
    pub status: Vec<u16>,
    /// A cookie of such a name is set. A deletion is no setting.
    pub sets_cookie: Option<NamePattern>,
}

/// What a request asks of the app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// To log somebody in.
    Login,
    /// To log somebody out.
    Logout,
}

impl Watch {
    /// What a request asks, as far as its head tells. `paths` are the readings of its normalised path, with and without
    /// `;parameters`: servlet containers put the session in there, in the address of the login form too. Where both
    /// rules match it is a logout, whose rule says more.
    pub fn asks(&self, method: &Method, paths: [&str; 2], query: Option<&str>) -> Option<Asked> {
        if let Some(rule) = &self.logout
            && rule.method.as_ref().is_none_or(|wanted| wanted == method)
            && paths.contains(&rule.path.as_str())
            && rule.query.as_ref().is_none_or(|pair| holds(query, pair))
        {
            return Some(Asked::Logout);
        }
        let rule = &self.login;
        (rule.method == *method && paths.contains(&rule.path.as_str())).then_some(Asked::Login)
    }

    /// Whether the app did what was asked, if it answered with this status and really set cookies of these names
    /// ([`names_set`]). An answer that is an error of the app's did nothing.
    pub fn succeeded(&self, asked: Asked, status: StatusCode, set: &[&[u8]]) -> bool {
        let signs = match asked {
            Asked::Login => &self.login.success,
            Asked::Logout => match &self.logout {
                Some(rule) => &rule.success,
                None => return false,
            },
        };
        !status.is_server_error() && signs.show(status, set)
    }
}

impl Signs {
    fn show(&self, status: StatusCode, set: &[&[u8]]) -> bool {
        let as_said = self.status.is_empty() || self.status.contains(&status.as_u16());
        let mut names = set.iter();
        as_said
            && self
                .sets_cookie
                .as_ref()
                .is_none_or(|pattern| names.any(|name| pattern.matches(name)))
    }
}

fn holds(query: Option<&str>, pair: &str) -> bool {
    query.is_some_and(|query| query.split('&').any(|held| held == pair))
}

/// The names of the cookies that these `Set-Cookie` fields leave behind. An empty value, or an end in the past, deletes;
/// so does a later field for the same cookie.
pub fn names_set<'h>(fields: impl Iterator<Item = &'h [u8]>, now: Time) -> Vec<&'h [u8]> {
    let mut left: Vec<SetCookie<'h>> = Vec::new();
    for set in fields.filter_map(|field| SetCookie::read(field).ok()) {
        left.retain(|before| {
            (before.name, before.domain, before.path) != (set.name, set.domain, set.path)
        });
        if !set.value.is_empty() && set.ends(now) != Ends::Past {
            left.push(set);
        }
    }
    left.into_iter().map(|set| set.name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wordpress() -> Watch {
        Watch {
            login: LoginRule {
                method: Method::POST,
                path: "/wp-login.php".to_owned(),
                user_field: "log".to_owned(),
                success: Signs {
                    status: vec![302],
                    sets_cookie: NamePattern::parse("wordpress_logged_in_*").ok(),
                },
            },
            logout: Some(LogoutRule {
                method: None,
                path: "/wp-login.php".to_owned(),
                query: Some("action=logout".to_owned()),
                success: Signs {
                    status: vec![302],
                    sets_cookie: None,
                },
            }),
            carry: true,
        }
    }

    #[test]
    fn a_request_is_known_by_method_path_and_a_whole_pair_of_the_query() {
        let (login, logout) = (Some(Asked::Login), Some(Asked::Logout));
        let path = "/wp-login.php";
        for (method, plain, bare, query, asked) in [
            ("POST", path, path, None, login),
            ("POST", path, path, Some("redirect_to=/"), login),
            ("POST", "/wp-login.php;x=1", path, None, login),
            ("GET", path, path, None, None),
            ("post", path, path, None, None),
            ("POST", "/wp-login.php/", "/wp-login.php/", None, None),
            ("GET", path, path, Some("action=logout"), logout),
            (
                "GET",
                path,
                path,
                Some("a=b&action=logout&_wpnonce=1"),
                logout,
            ),
            ("POST", path, path, Some("action=logout"), logout),
            ("GET", path, path, Some("action=logouts"), None),
            ("GET", path, path, Some("xaction=logout"), None),
            ("GET", "/", "/", Some("action=logout"), None),
        ] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let found = wordpress().asks(&method, [plain, bare], query);
            assert_eq!(found, asked, "{method} {plain} {query:?}");
        }
    }

    #[test]
    fn every_sign_that_is_said_must_show() {
        let logged_in: &[u8] = b"wordpress_logged_in_1";
        for (asked, status, set, succeeded) in [
            (Asked::Login, 302, vec![b"x".as_slice(), logged_in], true),
            (Asked::Login, 200, vec![logged_in], false),
            (Asked::Login, 302, vec![b"wordpress_test_cookie"], false),
            (Asked::Login, 302, vec![], false),
            (Asked::Logout, 302, vec![], true),
            (Asked::Logout, 200, vec![], false),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let found = wordpress().succeeded(asked, status, &set);
            assert_eq!(found, succeeded, "{asked:?} {status} {set:?}");
        }
    }

    #[test]
    fn an_error_of_the_app_did_nothing() {
        let mut watch = wordpress();
        watch.login.success.status.clear();
        let set: [&[u8]; 1] = [b"wordpress_logged_in_1"];
        assert!(watch.succeeded(Asked::Login, StatusCode::OK, &set));
        assert!(!watch.succeeded(Asked::Login, StatusCode::BAD_GATEWAY, &set));
    }

    #[test]
    fn a_deletion_is_no_setting() {
        let now = Time::from_secs(1_700_000_000);
        let rows: [(&[&str], &[&str]); 10] = [
            (&["a=1", "b=2; Max-Age=60"], &["a", "b"]),
            (&["a="], &[]),
            (&["a= ; Path=/"], &[]),
            (&["a=1; Max-Age=0"], &[]),
            (&["a=1; Max-Age=-1"], &[]),
            (&["a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT"], &[]),
            (&["a=; Max-Age=0", "a=1"], &["a"]),
            (&["a=1", "a=; Max-Age=0"], &[]),
            (&["a=1; Path=/x", "a=; Path=/y; Max-Age=0"], &["a"]),
            (&["a=\u{1}"], &[]),
        ];
        for (fields, names) in rows {
            let found = names_set(fields.iter().map(|field| field.as_bytes()), now);
            let names: Vec<&[u8]> = names.iter().map(|name| name.as_bytes()).collect();
            assert_eq!(found, names, "{fields:?}");
        }
    }
}
