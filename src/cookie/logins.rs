//! What a watch sees of logins: where a form with a password goes, which of its fields looks like the user's, and what the
//! app's answers set. Names alone; what was typed is read by nobody.

use std::collections::BTreeSet;

use percent_encoding::percent_decode;
use serde::{Deserialize, Serialize};

use super::proposal::{opens_doors, pattern_of};

/// How many forms are told apart, and how many kinds of answers to each.
const LOGINS_MAX: usize = 8;
/// How many names are remembered of an answer, and how long they may be.
const NAMES_MAX: usize = 16;
const NAME_BYTES_MAX: usize = 128;
const PASSWORD_PARTS: &[&str] = &["passw", "passphrase", "pwd", "passcode"];
/// The likelier ones first.
const USER_PARTS: &[&str] = &["user", "login", "log", "account", "mail", "name", "uid"];

/// A form with a password that somebody sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginForm {
    /// The method of the request.
    pub method: String,
    /// Its path, without parameters.
    pub path: String,
    /// Whether the body is JSON.
    pub json: bool,
    /// The field that looks like the user's, if one does.
    pub user_field: Option<String>,
}

/// A login form, and how the app answered it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginSeen {
    /// The form.
    pub form: LoginForm,
    /// Each kind of answer.
    pub answers: Vec<LoginAnswer>,
}

/// One kind of answer to a login form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginAnswer {
    /// Its status.
    pub status: u16,
    /// The names of the cookies that it set.
    pub set: BTreeSet<String>,
    /// How often it was seen.
    pub times: u64,
}

/// How a login is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginProposal {
    /// The form.
    pub form: LoginForm,
    /// The status of a success.
    pub status: u16,
    /// The cookie that a success sets, as a pattern.
    pub sets_cookie: Option<String>,
    /// Whether an answer was seen that is none of a success.
    pub saw_failure: bool,
}

impl LoginForm {
    /// The form that a body is, if it has a password in it.
    pub fn read(method: &str, path: &str, json: bool, body: &[u8]) -> Option<Self> {
        let names = if json {
            let object: serde_json::Map<String, serde_json::Value> =
                serde_json::from_slice(body).ok()?;
            object.into_iter().map(|(name, _)| name).collect()
        } else {
            names_of(body)
        };
        let is_password = |name: &str| {
            let lower = name.to_ascii_lowercase();
            PASSWORD_PARTS.iter().any(|part| lower.contains(part))
        };
        // A form with two of them changes the password.
        let passwords = names.iter().filter(|name| is_password(name)).count();
        if passwords != 1 {
            return None;
        }
        let like = |part: &str| {
            let mut others = names.iter().filter(|name| !is_password(name));
            others.find(|name| is_plain(name) && name.to_ascii_lowercase().contains(part))
        };
        let path = path.split(';').next().unwrap_or(path);
        let path_is_plain = path.len() <= NAME_BYTES_MAX && !path.contains(['%', '"', '\\', '*']);
        path_is_plain.then(|| Self {
            method: method.to_owned(),
            path: path.to_owned(),
            json,
            user_field: USER_PARTS.iter().find_map(|part| like(part)).cloned(),
        })
    }
}

/// The names of a form's fields.
fn names_of(body: &[u8]) -> Vec<String> {
    let pairs = body.split(|byte| *byte == b'&').take(NAMES_MAX * 4);
    let names = pairs.map(|pair| pair.split(|byte| *byte == b'=').next().unwrap_or_default());
    let decoded = names.map(|name| percent_decode(name).decode_utf8_lossy().into_owned());
    decoded.filter(|name| !name.is_empty()).collect()
}

fn is_plain(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b'*');
    name.len() <= NAME_BYTES_MAX && name.bytes().all(is_plain)
}

/// Remembers an answer.
pub(super) fn note(
    logins: &mut Vec<LoginSeen>,
    form: LoginForm,
    status: u16,
    set: impl Iterator<Item = String>,
) {
    let at = logins.iter().position(|seen| seen.form == form);
    let at = at.unwrap_or_else(|| {
        if logins.len() < LOGINS_MAX {
            let answers = Vec::new();
            logins.push(LoginSeen { form, answers });
        }
        logins.len().saturating_sub(1)
    });
    let Some(LoginSeen { answers, .. }) = logins.get_mut(at) else {
        return;
    };
    let set: BTreeSet<String> = set.filter(|name| is_plain(name)).take(NAMES_MAX).collect();
    let is_same = |answer: &LoginAnswer| answer.status == status && answer.set == set;
    match answers.iter().position(is_same) {
        Some(at) => answers[at].times += 1,
        None if answers.len() < LOGINS_MAX => answers.push(LoginAnswer {
            status,
            set,
            times: 1,
        }),
        None => {}
    }
}

/// The rule for the login that looks most like one.
pub fn propose_login(logins: &[LoginSeen]) -> Option<LoginProposal> {
    let answered = logins.iter().flat_map(|seen| {
        let answers = seen.answers.iter().filter(|answer| answer.status < 400);
        answers.map(move |answer| (seen, answer))
    });
    let best = answered.max_by_key(|(seen, answer)| {
        let own = own_cookie(seen, answer);
        let is_door = own.is_some_and(opens_doors);
        let redirects = (300..400).contains(&answer.status);
        (is_door, own.is_some(), redirects, answer.times)
    });
    let (seen, answer) = best?;
    Some(LoginProposal {
        form: seen.form.clone(),
        status: answer.status,
        sets_cookie: own_cookie(seen, answer).map(pattern_of),
        saw_failure: seen.answers.len() > 1,
    })
}

/// The cookie that this answer set and no other kind did: the one that looks like a login's, if one does.
fn own_cookie<'a>(seen: &LoginSeen, answer: &'a LoginAnswer) -> Option<&'a str> {
    let others = || seen.answers.iter().filter(|other| *other != answer);
    let own = answer
        .set
        .iter()
        .filter(|name| !others().any(|other| other.set.contains(*name)));
    let own: Vec<&str> = own.map(String::as_str).collect();
    let door = own.iter().find(|name| opens_doors(name));
    door.or(own.first()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(answers: &[(u16, &[&str])]) -> Vec<LoginSeen> {
        let mut logins = Vec::new();
        for (status, set) in answers {
            let body = b"log=alice&pwd=hunter2&rememberme=1";
            let form = LoginForm::read("POST", "/wp-login.php", false, body).unwrap();
            let set = set.iter().map(|name| (*name).to_owned());
            note(&mut logins, form, *status, set);
        }
        logins
    }

    #[test]
    fn the_field_that_looks_like_the_users_is_found_and_never_the_passwords() {
        for (json, body, field) in [
            (false, "log=a&pwd=b", Some(Some("log"))),
            (
                false,
                "csrf=x&username=a&password=b&next=/",
                Some(Some("username")),
            ),
            (
                false,
                "user%5Bemail%5D=a&user%5Bpassword%5D=b",
                Some(Some("user[email]")),
            ),
            (false, "userpassword=b&email=a", Some(Some("email"))),
            (false, "password=b&_xsrf=x", Some(None)),
            (false, "email=a&subject=b", None),
            (false, "user=a&password=b&password2=c", None),
            (true, r#"{"user":"a","password":"b"}"#, Some(Some("user"))),
            (true, "user=a&password=b", None),
        ] {
            let form = LoginForm::read("POST", "/in;sid=1", json, body.as_bytes());
            let found = form.as_ref().map(|form| form.user_field.as_deref());
            assert_eq!(found, field, "{body}");
            assert!(form.is_none_or(|form| form.path == "/in"));
        }
    }

    #[test]
    fn a_success_is_told_by_what_no_failure_sets() {
        let logins = seen(&[
            (200, &["wordpress_test_cookie"]),
            (
                302,
                &[
                    "wordpress_test_cookie",
                    "wordpress_logged_in_0123456789abcdef",
                ],
            ),
        ]);
        let proposal = propose_login(&logins).unwrap();
        assert_eq!(proposal.status, 302);
        let cookie = proposal.sets_cookie.as_deref();
        assert_eq!(cookie, Some("wordpress_logged_in_*"));
        assert!(proposal.saw_failure);

        let proposal = propose_login(&seen(&[(302, &["csrftoken", "sessionid"])])).unwrap();
        assert_eq!(proposal.sets_cookie.as_deref(), Some("sessionid"));
        assert!(!proposal.saw_failure);
        assert_eq!(propose_login(&seen(&[(401, &["sid"])])), None);
        assert_eq!(propose_login(&[]), None);
    }

    #[test]
    fn however_much_is_seen_little_is_remembered() {
        let mut logins = Vec::new();
        for nth in 0..100 {
            let path = format!("/in{}", nth % 20);
            let form = LoginForm::read("POST", &path, false, b"u=a&pwd=b").unwrap();
            note(
                &mut logins,
                form,
                200 + nth,
                (0..100).map(|name| format!("c{name}")),
            );
        }
        assert_eq!(logins.len(), LOGINS_MAX);
        for seen in &logins {
            assert!(seen.answers.len() <= LOGINS_MAX);
            assert!(
                seen.answers
                    .iter()
                    .all(|answer| answer.set.len() <= NAMES_MAX)
            );
        }
    }
}
