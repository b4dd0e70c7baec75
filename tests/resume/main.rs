//! Promise: a form that meets a login is not lost, is sent by its own visitor alone and by their own hand, and once.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../support/mod.rs"]
mod support;

mod browser;

mod hostile;

mod limits;

mod ours;

mod watched;

use std::fs;

use cloakroom::login::form::password::{Cost, hash};
use tempfile::TempDir;

use support::forms::{encode, hidden};
use support::{Answer, App, Browser, Call, Gate, Reply, Seen, Setup};

const PASSWORD: &str = "correct horse";
const FORM: &str = "application/x-www-form-urlencoded";
/// The page at which `/notes/new` is posted.
const TARGET: &str = "/notes/new?draft=1";
const RULES: &str = "[[site.rule]]\npath = \"/notes/*\"\nrequire = { user = true }\n\
     [[site.rule]]\npath = \"/vault/*\"\nrequire = { user = true, max_auth_age = \"1s\" }\n";

/// A gateway with a login page of its own, whose users are alice and bob.
pub struct Club {
    /// What is tested.
    pub gate: Gate,
    /// Sees what is let through.
    pub app: App,
    _folder: TempDir,
}

impl Club {
    /// With a store that keeps notes, and nothing else.
    pub async fn plain() -> Self {
        Self::with("engine = \"memory\"", "", "").await
    }

    /// `store` are lines of `[session.store]`, `session` of `[session]` and what is beside it, `login` of `[site.login]`.
    pub async fn with(store: &str, session: &str, login: &str) -> Self {
        Self::before(App::plain().await, store, session, login).await
    }

    /// The same before this app.
    pub async fn before(app: App, store: &str, session: &str, login: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let cost = Cost {
            memory_kib: 64,
            passes: 1,
            lanes: 1,
        };
        let hash = hash(PASSWORD, cost).unwrap();
        let user = |id: &str| format!("[[user]]\nid = {id:?}\npassword = {hash:?}\n");
        let file = folder.path().join("users.toml");
        fs::write(&file, [user("alice"), user("bob")].concat()).unwrap();
        let site = format!(
            "{RULES}[site.headers]\n\"X-Session-User\" = \"{{user.id}}\"\n\
             [site.login]\nmethod = \"form\"\nusers_file = {:?}\n{login}",
            file.display().to_string()
        );
        let setup = Setup {
            store,
            session,
            site: &site,
            ..Setup::default()
        };
        let gate = Gate::with(&app, setup).await;
        Self {
            gate,
            app,
            _folder: folder,
        }
    }

    /// A visitor posts a form of the site's own.
    pub fn post<'b>(&self, browser: &'b Browser, target: &str, body: &str) -> Call<'b> {
        browser
            .post(target, body.to_owned())
            .header("content-type", FORM)
            .header("origin", self.gate.origin())
            .navigating()
    }

    /// The form is kept, and the visitor is sent to log in; tells the address of the page where it is.
    pub async fn keep(&self, browser: &Browser, target: &str, body: &str) -> String {
        let answer = self.post(browser, target, body).send().await;
        assert_eq!(answer.status(), 303, "{answer:?}");
        let login = answer.header("location").unwrap();
        let (page, back) = login.split_once("?return_to=").unwrap();
        assert_eq!(page, "/.cloakroom/login");
        back.replace("%2F", "/")
            .replace("%3F", "?")
            .replace("%3D", "=")
    }

    /// Logs in on our page, and tells where that leads.
    pub async fn log_in(&self, browser: &Browser, user: &str, back: &str) -> String {
        let query = encode(&[("return_to", back)]);
        let page = format!("/.cloakroom/login?{query}");
        let html = browser.get(&page).navigating().send().await.text();
        let (token, to) = (
            hidden(&html, "token").unwrap(),
            hidden(&html, "return_to").unwrap(),
        );
        let fields = [
            ("user", user),
            ("password", PASSWORD),
            ("token", &token),
            ("return_to", &to),
        ];
        let call = self.post(browser, "/.cloakroom/login", &encode(&fields));
        let answer = call.send().await;
        assert_eq!(answer.status(), 303, "{answer:?}");
        answer.header("location").unwrap().to_owned()
    }

    /// The page where the form is.
    pub async fn look(&self, browser: &Browser, page: &str) -> Answer {
        browser.get(page).navigating().send().await
    }

    /// Presses the button of that page; tells what came of it at the page itself.
    pub async fn press(&self, browser: &Browser, page: &str, html: &str) -> Answer {
        self.post(browser, page, &body_of(html)).send().await
    }

    /// The same as a browser goes on from there.
    pub async fn press_and_follow(&self, browser: &Browser, page: &str, html: &str) -> Answer {
        let answer = self.press(browser, page, html).await;
        assert_eq!(answer.status(), 307, "{answer:?}");
        let to = answer.header("location").unwrap();
        let to = to.strip_prefix(&self.gate.origin()).unwrap();
        self.post(browser, to, &body_of(html)).send().await
    }

    /// The requests of this target that the app has seen.
    pub fn seen(&self, target: &str) -> Vec<Seen> {
        let mut seen = self.app.seen();
        seen.retain(|seen| seen.target == target);
        seen
    }
}

/// What the form of a page would post.
pub fn body_of(html: &str) -> String {
    let attribute = |text: &str, name: &str| {
        let (_, rest) = text.split_once(&format!("{name}=\"")).unwrap();
        unescape(rest.split_once('"').unwrap().0)
    };
    let (_, form) = html.split_once("<form ").unwrap();
    let (form, _) = form.split_once("</form>").unwrap();
    let inputs = form.split("<input ").skip(1);
    let fields: Vec<_> = inputs
        .map(|input| (attribute(input, "name"), attribute(input, "value")))
        .collect();
    let fields: Vec<_> = fields
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str()))
        .collect();
    encode(&fields)
}

fn unescape(text: &str) -> String {
    let pairs = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&#13;", "\r"),
        ("&#10;", "\n"),
        ("&amp;", "&"),
    ];
    pairs
        .iter()
        .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// That the app was asked for nothing that needs a login.
pub fn assert_untouched(club: &Club) {
    let seen = club.app.seen();
    let posts: Vec<_> = seen.iter().filter(|seen| seen.method == "POST").collect();
    assert!(posts.is_empty(), "{posts:?}");
}

/// An app with a login of its own: `/in` is its page, and a POST there logs in whom `name` says.
pub fn app_with_login(seen: &Seen) -> Reply {
    match (seen.method.as_str(), seen.path()) {
        ("POST", "/in") => {
            let next = seen
                .target
                .split_once("next=")
                .map_or("%2F", |(_, next)| next);
            let next = next
                .replace("%2F", "/")
                .replace("%3F", "?")
                .replace("%3D", "=");
            Reply::ok("in")
                .status(302)
                .header("set-cookie", "app_login=1; Path=/")
                .header("location", next)
        }
        _ => Reply::ok("ok"),
    }
}
