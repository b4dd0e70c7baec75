//! The login watch: an unmodified app's own login and logout, known by their requests and the app's answers.

use http::header::{LOCATION, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::attempts::Limits;
use super::normalise::Normalise;
use super::told::Told;
use super::typed::{Kind, Unread};
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
    /// How often a login may fail.
    pub limits: Limits,
}

/// What a login looks like.
#[derive(Clone, Debug, PartialEq)]
pub struct LoginRule {
    /// The method of the request.
    pub method: Method,
    /// Its normalised path.
    pub path: PathRule,
    /// Whether other requests than logins have that path: then one is a login only if it brings the user's field.
    pub shared_path: bool,
    /// Who logs in.
    pub who: Who,
    /// Which cookie of a success names the user, and how.
    pub told: Option<(NamePattern, Told)>,
    /// By what it succeeded.
    pub success: Signs,
    /// By what it failed, whatever else shows; any of them.
    pub failure: Signs,
}

/// Who logs in.
#[derive(Clone, Debug, PartialEq)]
pub enum Who {
    /// Whom a field of the body names.
    Named {
        /// The field.
        field: String,
        /// The type of the body.
        kind: Kind,
        /// What becomes of what was typed.
        normalise: Normalise,
    },
    /// Always the same: the app asks for no name.
    Fixed(String),
}

/// What a logout looks like.
#[derive(Clone, Debug, PartialEq)]
pub struct LogoutRule {
    /// The method of the request; `None`: any.
    pub method: Option<Method>,
    /// Its normalised path.
    pub path: PathRule,
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
    /// A Location like this.
    pub location: Option<TextPattern>,
    /// A cookie of such a name is set. A deletion is no setting.
    pub sets_cookie: Option<NamePattern>,
    /// A cookie of such a name is deleted.
    pub deletes_cookie: Option<NamePattern>,
}

/// A text, or what begins and ends as one with a `*` in it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextPattern(String);

impl TextPattern {
    /// The pattern that `text` is; all after a first `*` is an end.
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    fn matches(&self, text: &str) -> bool {
        match self.0.split_once('*') {
            None => self.0 == text,
            Some((start, end)) => text
                .strip_prefix(start)
                .is_some_and(|rest| rest.ends_with(end)),
        }
    }

    /// Whether a Location is such a one. A pattern that is a path means the path of an address, too.
    fn matches_location(&self, location: &str) -> bool {
        let path = if self.0.starts_with('/') && !location.starts_with('/') {
            let rest = location.split_once("//").map(|(_, rest)| rest);
            rest.and_then(|rest| rest.find('/').and_then(|at| rest.get(at..)))
        } else {
            None
        };
        self.matches(path.unwrap_or(location))
    }
}

/// The paths at which an app reads a login or a logout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathRule(TextPattern);

impl PathRule {
    /// The rule that `text` is: a path; in it `/*/` stands for any folders or none, and `*` at its end for anything.
    pub fn new(text: impl Into<String>) -> Self {
        Self(TextPattern::new(text.into()))
    }

    /// The path as it is written.
    pub fn as_str(&self) -> &str {
        &self.0.0
    }

    fn matches(&self, path: &str) -> bool {
        let rule = &*self.0.0;
        if self.0.matches(path) {
            return true;
        }
        if let Some((start, end)) = rule.split_once("/*/") {
            let rest = path
                .strip_prefix(start)
                .and_then(|rest| rest.strip_prefix('/'));
            return rest == Some(end);
        }
        // PHP runs a script for whatever stands behind its name too, and a folder for its index.
        let behind = path.strip_prefix(rule);
        let is_behind = rule.ends_with(".php") && behind.is_some_and(|rest| rest.starts_with('/'));
        let folder = rule.strip_suffix("index.php");
        is_behind || folder.is_some_and(|folder| folder.ends_with('/') && folder == path)
    }
}

/// What a request asks of the app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// To log somebody in.
    Login,
    /// To log somebody out.
    Logout,
    /// To log somebody in, if it brings the user's field; else this.
    LoginIfNamed {
        /// To log somebody out.
        else_logout: bool,
    },
}

/// Why what was asked is not known to have been done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Miss {
    /// An error of the app's did nothing.
    #[error("the app answered with an error of its own, {0}")]
    Broken(u16),
    /// The status is none of a success.
    #[error("the app answered {0}, which is none of success.status")]
    Status(u16),
    /// The Location is not that of a success.
    #[error("the Location is not like success.location")]
    Location,
    /// The cookie of a success was not set.
    #[error("no cookie like success.sets_cookie was set")]
    Cookie,
    /// The cookie of a success was not deleted.
    #[error("no cookie like success.deletes_cookie was deleted")]
    Deletion,
    /// A sign of failure shows.
    #[error("the answer shows a sign of [failure]")]
    Failure,
}

impl Watch {
    /// What a request asks, as far as its head tells. `paths` are the readings of its normalised path, with and without
    /// `;parameters` among them: servlet containers put the session in there, in the address of the login form too. Where both
    /// rules match it is a logout, whose rule says more, unless a body can tell.
    pub fn asks(
        &self,
        method: &Method,
        paths: impl Iterator<Item = impl AsRef<str>> + Clone,
        query: Option<&str>,
    ) -> Option<Asked> {
        let is_at = |rule: &PathRule| paths.clone().any(|path| rule.matches(path.as_ref()));
        let logs_out = self.logout.as_ref().is_some_and(|rule| {
            rule.method.as_ref().is_none_or(|wanted| wanted == method)
                && is_at(&rule.path)
                && rule.query.as_ref().is_none_or(|pair| holds(query, pair))
        });
        let rule = &self.login;
        let logs_in = rule.method == *method && is_at(&rule.path);
        match (logs_in, logs_out) {
            (true, else_logout) if rule.shared_path => Some(Asked::LoginIfNamed { else_logout }),
            (_, true) => Some(Asked::Logout),
            (true, false) => Some(Asked::Login),
            (false, false) => None,
        }
    }

    /// Whether the app let somebody in.
    ///
    /// # Errors
    /// By what it did not.
    pub fn logged_in(&self, answer: &Answer<'_>) -> Result<(), Miss> {
        let failure = &self.login.failure;
        answer.shows(&self.login.success)?;
        let shows_failure = failure.status.contains(&answer.status.as_u16())
            || (failure.location.as_ref()).is_some_and(|location| answer.goes_to(location))
            || (failure.sets_cookie.as_ref()).is_some_and(|name| answer.sets(name))
            || (failure.deletes_cookie.as_ref()).is_some_and(|name| any(&answer.deleted, name));
        if shows_failure {
            Err(Miss::Failure)
        } else {
            Ok(())
        }
    }

    /// Who was let in: whom the login named, unless the app's own cookie names somebody else. Instead of an e-mail address,
    /// which may be another account's name, the name in the cookie counts.
    ///
    /// # Errors
    /// Why it is nobody.
    pub fn who(
        &self,
        typed: Result<String, Unread>,
        answer: &Answer<'_>,
    ) -> Result<String, Unread> {
        let typed = typed?;
        let (Some((pattern, form)), Who::Named { normalise, .. }) =
            (&self.login.told, &self.login.who)
        else {
            return Ok(typed);
        };
        let named = answer.set.iter().filter(|(name, _)| pattern.matches(name));
        let mut named = named.filter_map(|(_, value)| form.who(value));
        let Some(one) = named.next() else {
            return Ok(typed);
        };
        let one = normalise.apply(one).ok_or(Unread::Another)?;
        let is_same = |name| normalise.apply(name).as_ref() == Some(&one);
        if named.all(is_same) && (one == typed || typed.contains('@')) {
            Ok(one)
        } else {
            Err(Unread::Another)
        }
    }

    /// Whether the app let somebody out.
    pub fn logged_out(&self, answer: &Answer<'_>) -> bool {
        let rule = self.logout.as_ref();
        rule.is_some_and(|rule| answer.shows(&rule.success).is_ok())
    }
}

/// A cookie's name and value.
type Pair<'h> = (&'h [u8], &'h [u8]);

/// What an app's answer says of a login or a logout.
#[derive(Debug)]
pub struct Answer<'h> {
    status: StatusCode,
    location: Option<&'h str>,
    /// The cookies that it leaves behind, with their values.
    set: Vec<Pair<'h>>,
    /// The names of those that it takes away.
    deleted: Vec<&'h [u8]>,
}

impl<'h> Answer<'h> {
    /// Reads it, before any of it is taken out.
    pub fn read(status: StatusCode, headers: &'h HeaderMap, now: Time) -> Self {
        let fields = headers.get_all(SET_COOKIE).iter();
        let (set, deleted) = cookies(fields.map(HeaderValue::as_bytes), now);
        let location = headers.get(LOCATION);
        Self {
            status,
            location: location.and_then(|location| location.to_str().ok()),
            set,
            deleted,
        }
    }

    /// The names of the cookies that it sets.
    pub fn names_set(&self) -> impl Iterator<Item = String> {
        let names = self.set.iter();
        names.map(|(name, _)| String::from_utf8_lossy(name).into_owned())
    }

    /// Whether the app did anything at all.
    pub fn is_broken(&self) -> bool {
        self.status.is_server_error()
    }

    fn shows(&self, signs: &Signs) -> Result<(), Miss> {
        let status = self.status.as_u16();
        if self.is_broken() {
            return Err(Miss::Broken(status));
        }
        if !signs.status.is_empty() && !signs.status.contains(&status) {
            return Err(Miss::Status(status));
        }
        if !signs
            .location
            .as_ref()
            .is_none_or(|wanted| self.goes_to(wanted))
        {
            return Err(Miss::Location);
        }
        if !signs
            .sets_cookie
            .as_ref()
            .is_none_or(|name| self.sets(name))
        {
            return Err(Miss::Cookie);
        }
        if !signs
            .deletes_cookie
            .as_ref()
            .is_none_or(|name| any(&self.deleted, name))
        {
            return Err(Miss::Deletion);
        }
        Ok(())
    }

    fn sets(&self, pattern: &NamePattern) -> bool {
        self.set.iter().any(|(name, _)| pattern.matches(name))
    }

    fn goes_to(&self, pattern: &TextPattern) -> bool {
        self.location
            .is_some_and(|location| pattern.matches_location(location))
    }
}

fn any(names: &[&[u8]], pattern: &NamePattern) -> bool {
    names.iter().any(|name| pattern.matches(name))
}

fn holds(query: Option<&str>, pair: &str) -> bool {
    query.is_some_and(|query| query.split('&').any(|held| held == pair))
}

/// The cookies that these `Set-Cookie` fields leave behind, and the names of those that they take away. An empty value,
/// or an end in the past, deletes; so does a later field for the same cookie.
fn cookies<'h>(
    fields: impl Iterator<Item = &'h [u8]>,
    now: Time,
) -> (Vec<Pair<'h>>, Vec<&'h [u8]>) {
    let mut left: Vec<(SetCookie<'h>, bool)> = Vec::new();
    for set in fields.filter_map(|field| SetCookie::read(field).ok()) {
        left.retain(|(before, _)| {
            (before.name, before.domain, before.path) != (set.name, set.domain, set.path)
        });
        let stays = !set.value.is_empty() && set.ends(now) != Ends::Past;
        left.push((set, stays));
    }
    let (set, deleted): (Vec<_>, Vec<_>) = left.iter().partition(|(_, stays)| *stays);
    (
        set.iter().map(|(set, _)| (set.name, set.value)).collect(),
        deleted.iter().map(|(set, _)| set.name).collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wordpress() -> Watch {
        Watch {
            login: LoginRule {
                method: Method::POST,
                path: PathRule::new("/wp-login.php"),
                shared_path: false,
                who: Who::Fixed("somebody".to_owned()),
                success: Signs {
                    status: vec![302],
                    sets_cookie: NamePattern::parse("wordpress_logged_in_*").ok(),
                    ..Signs::default()
                },
                failure: Signs::default(),
                told: None,
            },
            logout: Some(LogoutRule {
                method: None,
                path: PathRule::new("/wp-login.php"),
                query: Some("action=logout".to_owned()),
                success: Signs {
                    status: vec![302],
                    ..Signs::default()
                },
            }),
            carry: true,
            limits: Limits::default(),
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
            ("POST", "/wp-login.php/", "/wp-login.php/", None, login),
            ("POST", "/wp-login.phpx", "/wp-login.phpx", None, None),
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
            let found = wordpress().asks(&method, [plain, bare].into_iter(), query);
            assert_eq!(found, asked, "{method} {plain} {query:?}");
        }
    }

    type Fields = &'static [(&'static str, &'static str)];

    /// An answer with these fields.
    fn fields(fields: Fields) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn at(status: u16, headers: &HeaderMap) -> Answer<'_> {
        let status = StatusCode::from_u16(status).unwrap();
        Answer::read(status, headers, Time::from_secs(1_700_000_000))
    }

    #[test]
    fn every_sign_that_is_said_must_show_and_none_of_failure() {
        let mut watch = wordpress();
        watch.login.success.location = Some(TextPattern::new("/wp-admin/*".to_owned()));
        watch.login.failure = Signs {
            status: vec![303],
            location: Some(TextPattern::new("*error=1".to_owned())),
            sets_cookie: NamePattern::parse("failed").ok(),
            deletes_cookie: NamePattern::parse("sid").ok(),
        };
        watch.login.success.status.push(303);
        const COOKIE: (&str, &str) = ("set-cookie", "wordpress_logged_in_1=x");
        const PLACE: (&str, &str) = ("location", "/wp-admin/");
        let rows: [(u16, Fields, Result<(), Miss>); 12] = [
            (302, &[COOKIE, PLACE], Ok(())),
            (
                302,
                &[COOKIE, ("location", "https://x:8/wp-admin/a")],
                Ok(()),
            ),
            (200, &[COOKIE, PLACE], Err(Miss::Status(200))),
            (500, &[COOKIE, PLACE], Err(Miss::Broken(500))),
            (302, &[PLACE], Err(Miss::Cookie)),
            (
                302,
                &[PLACE, ("set-cookie", "wordpress_logged_in_1=")],
                Err(Miss::Cookie),
            ),
            (302, &[COOKIE], Err(Miss::Location)),
            (
                302,
                &[COOKIE, ("location", "/login?next=/wp-admin/")],
                Err(Miss::Location),
            ),
            (303, &[COOKIE, PLACE], Err(Miss::Failure)),
            (
                302,
                &[COOKIE, ("location", "/wp-admin/?error=1")],
                Err(Miss::Failure),
            ),
            (
                302,
                &[COOKIE, PLACE, ("set-cookie", "failed=1")],
                Err(Miss::Failure),
            ),
            (
                302,
                &[COOKIE, PLACE, ("set-cookie", "sid=; Max-Age=0")],
                Err(Miss::Failure),
            ),
        ];
        for (status, answer, expected) in rows {
            let headers = fields(answer);
            let found = watch.logged_in(&at(status, &headers));
            assert_eq!(found, expected, "{status} {answer:?}");
        }
        let none = HeaderMap::new();
        assert!(watch.logged_out(&at(302, &none)));
        assert!(!watch.logged_out(&at(200, &none)));
        let signs = &mut watch.logout.as_mut().unwrap().success;
        signs.deletes_cookie = NamePattern::parse("sid").ok();
        assert!(!watch.logged_out(&at(302, &none)));
        let headers = fields(&[("set-cookie", "sid=; Max-Age=0")]);
        assert!(watch.logged_out(&at(302, &headers)));
    }

    #[test]
    fn an_error_of_the_app_did_nothing() {
        let mut watch = wordpress();
        watch.login.success.status.clear();
        let headers = fields(&[("set-cookie", "wordpress_logged_in_1=x")]);
        assert_eq!(watch.logged_in(&at(200, &headers)), Ok(()));
        assert_eq!(watch.logged_in(&at(502, &headers)), Err(Miss::Broken(502)));
    }

    #[test]
    fn a_path_is_all_that_the_app_reads_as_it() {
        for (rule, path, matches) in [
            ("/login", "/login", true),
            ("/login", "/login/", false),
            ("/login", "/login/x", false),
            ("/wp-login.php", "/wp-login.php/x", true),
            ("/wp-login.php", "/wp-login.phpx", false),
            ("/pma/index.php", "/pma/", true),
            ("/pma/index.php", "/pma/index.php/x", true),
            ("/pma/index.php", "/pma", false),
            ("/pma/index.php", "/", false),
            ("/app/*/j_check", "/app/j_check", true),
            ("/app/*/j_check", "/app/a/b/j_check", true),
            ("/app/*/j_check", "/app/aj_check", false),
            ("/app/*/j_check", "/appx/j_check", false),
            ("/app/*/j_check", "/app/j_check/x", false),
            ("/wiki/*", "/wiki/a/b", true),
            ("/wiki/*", "/wikis", false),
        ] {
            assert_eq!(PathRule::new(rule).matches(path), matches, "{rule} {path}");
        }
    }

    #[test]
    fn at_a_shared_path_the_body_decides() {
        let mut watch = wordpress();
        watch.login.shared_path = true;
        let asks = |query| watch.asks(&Method::POST, ["/wp-login.php"; 2].into_iter(), query);
        let either = |else_logout| Some(Asked::LoginIfNamed { else_logout });
        assert_eq!(asks(None), either(false));
        assert_eq!(asks(Some("action=logout")), either(true));
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
            let (found, _) = cookies(fields.iter().map(|field| field.as_bytes()), now);
            let names: Vec<&[u8]> = names.iter().map(|name| name.as_bytes()).collect();
            let found: Vec<&[u8]> = found.iter().map(|(name, _)| *name).collect();
            assert_eq!(found, names, "{fields:?}");
        }
    }
}
