//! Somebody at a browser who works in Django's admin, and lies about who it is all the while.

use super::super::super::{Answer, Browser, Call, Gate, forms};
use super::super::{PASSWORD, send};

/// Somebody at a browser.
pub struct DjangoVisitor<'a> {
    gate: &'a Gate,
    pub browser: Browser,
    may_hold: &'a [&'a str],
}

impl<'a> DjangoVisitor<'a> {
    pub fn new(gate: &'a Gate, browser: Browser, may_hold: &'a [&'a str]) -> Self {
        Self {
            gate,
            browser,
            may_hold,
        }
    }

    /// Follows a link.
    pub async fn open(&self, target: &str) -> Answer {
        let call = lying(self.browser.get(target).navigating());
        send(call, &self.browser, self.may_hold).await
    }

    /// Fills in the form of `page` and sends it.
    pub async fn submit(&self, target: &str, page: &Answer, fields: &[(&str, &str)]) -> Answer {
        let token = forms::hidden(&page.text(), "csrfmiddlewaretoken").expect("a form of Django's");
        let fields = [&[("csrfmiddlewaretoken", &*token)], fields].concat();
        let call = self.browser.post(target, forms::encode(&fields));
        let call = call.header("content-type", "application/x-www-form-urlencoded");
        let call = call.header("origin", self.gate.origin()).navigating();
        let call = call.header("referer", format!("{}{target}", self.gate.origin()));
        send(lying(call), &self.browser, self.may_hold).await
    }

    /// Opens the login page.
    pub async fn open_login(&self) -> Answer {
        let page = self.open(LOGIN).await;
        assert_eq!(page.status(), 200, "{page:?}");
        page
    }

    /// Fills in the login page and sees that it is let in.
    pub async fn log_in(&self, page: &Answer) {
        let fields = [
            ("username", "admin"),
            ("password", PASSWORD),
            ("next", "/admin/"),
        ];
        let answer = self.submit(LOGIN, page, &fields).await;
        assert_eq!(answer.status(), 302, "{}", answer.text());
        assert_eq!(answer.header("location"), Some("/admin/"));
        let index = self.open("/admin/").await;
        assert_eq!(index.status(), 200, "{index:?}");
        let text = index.text();
        assert!(text.contains("Site administration"), "{text}");
    }

    /// Adds a group. Returns the list of groups, which shows it.
    pub async fn add_a_group(&self, name: &str) -> Answer {
        let page = self.open("/admin/auth/group/add/").await;
        assert_eq!(page.status(), 200, "{page:?}");
        let fields = [("name", name), ("_save", "Save")];
        let answer = self.submit("/admin/auth/group/add/", &page, &fields).await;
        assert_eq!(answer.status(), 302, "{}", answer.text());
        let list = self.open("/admin/auth/group/").await;
        assert!(list.text().contains(name), "{}", list.text());
        list
    }

    /// A script adds a group, as Django's manual has it: with the token that it reads from the cookie, in a header.
    pub async fn script_adds_a_group(&self, name: &str) -> Answer {
        let body = forms::encode(&[("name", name), ("_save", "Save")]);
        let call = self.browser.post("/admin/auth/group/add/", body).fetching();
        let call = call.header("content-type", "application/x-www-form-urlencoded");
        let call = call.header("origin", self.gate.origin());
        let call = match self.browser.script_reads("csrftoken") {
            Some(token) => call.header("x-csrftoken", token),
            None => call,
        };
        send(lying(call), &self.browser, self.may_hold).await
    }

    /// Presses the button of this page that logs out.
    pub async fn log_out(&self, page: &Answer) {
        let answer = self.submit("/admin/logout/", page, &[]).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
    }

    /// Whoever holds just `cookies` is a stranger to Django.
    pub async fn opens_nothing(&self, cookies: &str) {
        let call = self.browser.get("/admin/").holding(cookies);
        let answer = call.header("sec-fetch-site", "none").send().await;
        assert_eq!(answer.status(), 302, "{answer:?}");
        let to = answer.header("location").unwrap_or_default();
        assert!(to.starts_with("/admin/login/"), "{to}");
    }
}

const LOGIN: &str = "/admin/login/?next=/admin/";

fn lying(call: Call<'_>) -> Call<'_> {
    let call = call.header("x-session-user", "mallory");
    let call = call.header("x_session_user", "mallory");
    let call = call.header("x.session.user", "mallory");
    call.header("x-session-roles", "mallory")
}
