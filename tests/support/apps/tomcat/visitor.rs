//! Somebody at a browser who uses Tomcat's examples.

use super::super::super::{Answer, Browser, Call, Gate, forms};
use super::super::{PASSWORD, send};

/// The sessions example.
pub const SESSIONS: &str = "/examples/servlets/servlet/SessionExample";
/// The folder that only those see who have logged in.
pub const PROTECTED: &str = "/examples/jsp/security/protected";

/// Somebody at a browser, which may hold the ticket alone.
pub struct TomcatVisitor<'a> {
    gate: &'a Gate,
    pub browser: Browser,
    may_hold: &'a [&'a str],
}

impl<'a> TomcatVisitor<'a> {
    /// One whose browser may hold the ticket alone.
    pub fn of(gate: &'a Gate) -> Self {
        Self::new(gate, &["__Host-session"])
    }

    pub fn new(gate: &'a Gate, may_hold: &'a [&'a str]) -> Self {
        Self {
            gate,
            browser: gate.browser(),
            may_hold,
        }
    }

    /// Follows a link of the site.
    pub async fn open(&self, target: &str) -> Answer {
        let call = self.browser.get(target).navigating();
        send(call, &self.browser, self.may_hold).await
    }

    /// The same as somebody who holds just `cookies`.
    pub async fn open_holding(&self, cookies: &str, target: &str) -> Answer {
        let call: Call<'_> = self.browser.get(target).navigating();
        call.holding(cookies).send().await
    }

    /// Sends a form.
    pub async fn submit(&self, target: &str, fields: &[(&str, &str)]) -> Answer {
        let call = self.browser.post(target, forms::encode(fields));
        let call = call.header("content-type", "application/x-www-form-urlencoded");
        let call = call.header("origin", self.gate.origin()).navigating();
        send(call, &self.browser, self.may_hold).await
    }

    /// Puts an attribute into the session with the form of the sessions example, and sees that it stays there.
    pub async fn keeps_attributes(&self) {
        let first = self.open(SESSIONS).await;
        let action = resolve(SESSIONS, &form_action(&first));
        let fields = [("dataname", "colour"), ("datavalue", "teal")];
        let stored = self.submit(&action, &fields).await;
        assert_eq!(stored.status(), 200, "{}", stored.text());
        let (before, after) = (session_of(&first), session_of(&stored));
        assert_eq!(before, after, "one session all the while");
        let later = self.open(SESSIONS).await;
        assert!(later.text().contains("colour = teal"), "{}", later.text());
        assert_eq!(ids_in_urls(&later), [""; 0]);
    }

    /// Asks for the protected page, in whose place Tomcat shows its login form. Returns where that goes.
    pub async fn open_login(&self) -> String {
        let protected = format!("{PROTECTED}/index.jsp");
        let page = self.open(&protected).await;
        resolve(&protected, &form_action(&page))
    }

    /// Sends the login form with a password that is none.
    pub async fn mistypes(&self, check: &str) {
        let fields = [("j_username", "tomcat"), ("j_password", "wrong")];
        let answer = self.submit(check, &fields).await;
        assert_eq!(answer.status(), 200, "{answer:?}");
    }

    /// Sends the login form and sees that it is let in. Returns the protected page.
    pub async fn log_in(&self, check: &str) -> Answer {
        let fields = [("j_username", "tomcat"), ("j_password", PASSWORD)];
        let answer = self.submit(check, &fields).await;
        assert!([302, 303].contains(&answer.status()), "{answer:?}");
        let protected = format!("{PROTECTED}/index.jsp");
        assert_eq!(answer.header("location"), Some(&*protected));
        let index = self.open(&format!("{protected}?role=tomcat")).await;
        let text = index.text();
        assert!(text.contains("remote user\n<b>tomcat</b>"), "{text}");
        assert!(text.contains("You have been granted role"), "{text}");
        index
    }

    /// Follows the link of the protected page that logs out.
    pub async fn log_out(&self) {
        let target = format!("{PROTECTED}/index.jsp?logoff=true");
        let answer = self.open(&target).await;
        assert_eq!(answer.status(), 302, "{answer:?}");
    }

    /// Whoever holds just `cookies` is a stranger to Tomcat.
    pub async fn opens_nothing(&self, cookies: &str) {
        let target = format!("{PROTECTED}/index.jsp");
        let answer = self.open_holding(cookies, &target).await;
        let text = answer.text();
        assert!(text.contains("j_security_check"), "{text}");
    }
}

/// The session that the sessions example says it is in.
pub fn session_of(page: &Answer) -> String {
    let text = page.text();
    let id = text
        .split_once("Session ID: ")
        .map(|(_, rest)| rest.lines().next());
    id.flatten()
        .unwrap_or_else(|| panic!("no session in {text}"))
        .trim()
        .to_owned()
}

/// The session IDs in links, and in the address of a redirect.
pub fn ids_in_urls(answer: &Answer) -> Vec<String> {
    let text = answer.text() + answer.header("location").unwrap_or_default();
    let found = text.split(";jsessionid=").skip(1);
    found
        .map(|rest| {
            rest.chars()
                .take_while(char::is_ascii_alphanumeric)
                .collect()
        })
        .collect()
}

/// Where the first form of the page goes.
fn form_action(page: &Answer) -> String {
    let text = page.text();
    let (_, rest) = text
        .split_once("action=")
        .unwrap_or_else(|| panic!("no form in {text}"));
    let quote = rest.chars().next().expect("an address");
    rest[1..]
        .split(quote)
        .next()
        .expect("an address")
        .to_owned()
}

/// `relative`, as it is meant in a page at `base`.
fn resolve(base: &str, relative: &str) -> String {
    let folder = base.rfind('/').expect("a path") + 1;
    format!("{}{relative}", &base[..folder])
}
