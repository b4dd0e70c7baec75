//! How the pages look: one template, one style, one table of words. They work without a script, and may run none.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::BASE64;
use http::{HeaderValue, Response, StatusCode};
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value};

use super::super::page::whole;
use crate::login::form::SecondFactor;
use crate::upstream::Body;

const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");

/// Every word that the pages say.
pub(super) struct Texts {
    lang: &'static str,
    log_in: &'static str,
    log_out: &'static str,
    log_out_title: &'static str,
    logged_out: &'static str,
    log_in_again: &'static str,
    user: &'static str,
    password: &'static str,
    code: &'static str,
    code_note: &'static str,
    /// The same for every reason.
    pub denied: &'static str,
    pub stale: &'static str,
    logged_in_as: &'static str,
}

/// In English.
pub(super) const ENGLISH: Texts = Texts {
    lang: "en",
    log_in: "Log in",
    log_out: "Log out",
    log_out_title: "Log out?",
    logged_out: "You are logged out",
    log_in_again: "Log in again",
    user: "User name",
    password: "Password",
    code: "Code of your authenticator app",
    code_note: "Leave it empty if you have not set one up.",
    denied: "That did not work. Check what you typed, and try again.",
    stale: "Your session has changed since this page was opened. Please log in again.",
    logged_in_as: "You are logged in as",
};

/// A page.
pub(super) enum Page<'a> {
    /// The form.
    Login {
        /// Whether a code is asked for.
        second_factor: SecondFactor,
        /// What was typed for a user before.
        typed: &'a str,
        /// Where the visitor goes on.
        return_to: &'a str,
        /// What ties the form to the visitor's session.
        token: &'a str,
        /// What did not work.
        fault: Option<&'a str>,
        /// Who is logged in now.
        user: Option<&'a str>,
    },
    /// The button that logs out.
    Logout {
        /// Who is logged in now.
        user: Option<&'a str>,
    },
    /// It is done.
    LoggedOut,
}

/// What the template is told beside words and style.
#[derive(Default)]
struct Context<'a> {
    kind: &'a str,
    title: &'a str,
    note: String,
    fault: &'a str,
    code: &'a str,
    typed: &'a str,
    return_to: &'a str,
    token: &'a str,
}

struct Looks {
    templates: Environment<'static>,
    /// What a page may do.
    policy: HeaderValue,
}

static LOOKS: LazyLock<Looks> = LazyLock::new(|| {
    let mut templates = Environment::new();
    templates.set_auto_escape_callback(|_| AutoEscape::Html);
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    let added = templates.add_template("page", TEMPLATE);
    added.unwrap_or_else(|error| tracing::error!(%error, "the template of our pages is broken"));
    let style = BASE64.encode(digest(&SHA256, STYLE.as_bytes()).as_ref());
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    let policy = HeaderValue::try_from(policy);
    Looks {
        templates,
        policy: policy.unwrap_or(HeaderValue::from_static("default-src 'none'")),
    }
});

impl Page<'_> {
    /// The answer that shows it.
    pub fn answer(&self, status: StatusCode) -> Response<Body> {
        whole(status, self.html(), &LOOKS.policy)
    }

    fn html(&self) -> String {
        let page = LOOKS.templates.get_template("page");
        let html = page.and_then(|page| page.render(self.context(&ENGLISH).value(&ENGLISH)));
        html.unwrap_or_else(|error| {
            tracing::error!(%error, "a page of ours cannot be made");
            String::new()
        })
    }

    fn context<'a>(&'a self, text: &'a Texts) -> Context<'a> {
        let logged_in = |user: &Option<&str>| match user {
            Some(user) => format!("{} {user}.", text.logged_in_as),
            None => String::new(),
        };
        match self {
            Self::Login {
                second_factor,
                typed,
                return_to,
                token,
                fault,
                user,
            } => Context {
                kind: "login",
                title: text.log_in,
                note: logged_in(user),
                fault: fault.unwrap_or_default(),
                code: match second_factor {
                    SecondFactor::Off => "off",
                    SecondFactor::Optional => "optional",
                    SecondFactor::Required => "required",
                },
                typed,
                return_to,
                token,
            },
            Self::Logout { user } => Context {
                kind: "logout",
                title: text.log_out_title,
                note: logged_in(user),
                ..Context::default()
            },
            Self::LoggedOut => Context {
                kind: "logged-out",
                title: text.logged_out,
                ..Context::default()
            },
        }
    }
}

impl Texts {
    fn value(&self) -> Value {
        Value::from_pairs([
            ("lang", self.lang),
            ("log_in", self.log_in),
            ("log_out", self.log_out),
            ("log_in_again", self.log_in_again),
            ("user", self.user),
            ("password", self.password),
            ("code", self.code),
            ("code_note", self.code_note),
        ])
    }
}

impl Context<'_> {
    fn value(&self, text: &Texts) -> Value {
        let told = [
            ("kind", self.kind),
            ("title", self.title),
            ("note", &self.note),
            ("fault", self.fault),
            ("code", self.code),
            ("typed", self.typed),
            ("return_to", self.return_to),
            ("token", self.token),
        ];
        let told = told.map(|(name, text)| (name, Value::from(text)));
        // The style goes in as it is: its hash is what the policy allows.
        let style = ("style", Value::from_safe_string(STYLE.to_owned()));
        Value::from_pairs(told.into_iter().chain([("text", text.value()), style]))
    }
}

#[cfg(test)]
mod tests {
    use http::header::CONTENT_SECURITY_POLICY;

    use super::*;

    #[test]
    fn nothing_that_was_typed_becomes_markup() {
        let odd = "\"><script>alert(1)</script>'&";
        let page = Page::Login {
            second_factor: SecondFactor::Optional,
            typed: odd,
            return_to: odd,
            token: odd,
            fault: Some(odd),
            user: Some(odd),
        };
        let html = page.html();
        assert!(
            !html.contains("<script") && !html.contains("\">'"),
            "{html}"
        );
        assert_eq!(html.matches("&lt;script&gt;").count(), 5, "{html}");
        assert!(html.contains("id=\"code\"") && html.contains("code-note"));
    }

    #[test]
    fn each_page_has_what_it_is_for() {
        let login = Page::Login {
            second_factor: SecondFactor::Off,
            typed: "",
            return_to: "/x?a=1&b=2",
            token: "t",
            fault: None,
            user: None,
        };
        let html = login.html();
        for part in [
            "<html lang=\"en\">",
            "<label for=\"user\">",
            "<label for=\"password\">",
            "type=\"password\"",
            "autocomplete=\"current-password\"",
            "name=\"return_to\" value=\"&#x2f;x?a=1&amp;b=2\"",
            "prefers-color-scheme: dark",
        ] {
            assert!(html.contains(part), "{part}: {html}");
        }
        assert!(!html.contains("id=\"code\"") && !html.contains("role=\"alert\""));
        let logout = Page::Logout {
            user: Some("alice"),
        }
        .html();
        assert!(logout.contains("logged in as alice.") && logout.contains("action=\"logout\""));
        assert!(Page::LoggedOut.html().contains("href=\"login\""));
    }

    /// The style is allowed by its hash, which must be that of what stands between the tags.
    #[test]
    fn the_policy_allows_the_style_and_nothing_else() {
        let html = Page::LoggedOut.html();
        let (_, rest) = html.split_once("<style>").unwrap();
        let (style, _) = rest.split_once("</style>").unwrap();
        let answer = Page::LoggedOut.answer(StatusCode::OK);
        let policy = answer.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
        let hash = BASE64.encode(digest(&SHA256, style.as_bytes()).as_ref());
        assert!(
            policy.contains(&format!("style-src 'sha256-{hash}';")),
            "{policy}"
        );
        for part in [
            "default-src 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.contains(part), "{policy}");
        }
    }
}
