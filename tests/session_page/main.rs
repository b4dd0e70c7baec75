//! The page of a visitor's sessions: what it shows, what it ends, who gets it and what nobody can make of it.
//!
//! One function for each promise; its name is the promise.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../support/mod.rs"]
mod support;

mod ending;

mod hostile;

mod looking;

mod methods;

mod picking;

use std::fs;
use std::sync::OnceLock;

use cloakroom::login::form::password::{Cost, hash};
use tempfile::TempDir;

use support::body::{Body, fed};
use support::forms::{encode, hidden};
use support::{Answer, App, Browser, Call, Gate, Reply, Setup};

/// Where the page is.
pub const PAGE: &str = "/.cloakroom/session";
/// Everybody's password.
pub const PASSWORD: &str = "correct horse";
/// What Firefox says of itself.
pub const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";

/// A gateway with a login page, and `alice` and `bob`.
pub struct House {
    /// What is tested.
    pub gate: Gate,
    /// Sees who is let through.
    pub app: App,
    _folder: TempDir,
}

impl House {
    /// With lines of `[session]`.
    pub async fn with(session: &str) -> Self {
        Self::set_up(session, "").await
    }

    /// With lines of `[session]` and of its store.
    pub async fn set_up(session: &str, store: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("users.toml");
        let users = ["alice", "bob"]
            .map(|id| format!("[[user]]\nid = \"{id}\"\npassword = \"{}\"\n", password()));
        fs::write(&file, users.concat()).unwrap();
        let app = app().await;
        let site = format!(
            "[site.headers]\n\"X-Session-User\" = \"{{user.id}}\"\n\"X-Session-Id\" = \"{{session.id}}\"\n\
             [site.login]\nmethod = \"form\"\nusers_file = {:?}",
            file.display().to_string()
        );
        let setup = Setup {
            session,
            store,
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

    /// A browser in which `user` is logged in.
    pub async fn browser_of(&self, user: &str) -> Browser {
        let browser = self.gate.browser();
        let answer = self.log_in(&browser, user, "/page").await;
        assert_eq!(answer.status(), 303, "{answer:?}");
        browser
    }

    /// Fills in the login form and sends it, and goes on to `return_to`.
    pub async fn log_in(&self, browser: &Browser, user: &str, return_to: &str) -> Answer {
        let form = browser.get("/.cloakroom/login").navigating().send().await;
        let token = hidden(&form.text(), "token").unwrap();
        let fields = [
            ("user", user),
            ("password", PASSWORD),
            ("token", &token),
            ("return_to", return_to),
        ];
        let call = browser.post("/.cloakroom/login", encode(&fields));
        self.as_form(call)
            .header("user-agent", FIREFOX)
            .send()
            .await
    }

    /// As a browser sends a form of our own page.
    pub fn as_form<'b>(&self, call: Call<'b>) -> Call<'b> {
        call.header("content-type", "application/x-www-form-urlencoded")
            .header("origin", self.gate.origin())
            .navigating()
    }

    /// Presses the button `deed` of the page as `browser` sees it.
    pub async fn press(&self, browser: &Browser, deed: &str) -> Answer {
        let token = hidden(&page(browser).await.text(), "token").unwrap();
        self.post(browser, &[("token", &token), ("deed", deed)])
            .await
    }

    /// Sends the page's form.
    pub async fn post(&self, browser: &Browser, fields: &[(&str, &str)]) -> Answer {
        self.as_form(browser.post(PAGE, encode(fields)))
            .send()
            .await
    }

    /// Whom the app takes the visitor for.
    pub async fn whoami(&self, browser: &Browser) -> Option<String> {
        browser.get("/whoami").send().await;
        self.app.last().header("x-session-user")
    }
}

/// The page, as somebody gets it who follows a link.
pub async fn page(browser: &Browser) -> Answer {
    browser.get(PAGE).navigating().send().await
}

/// What ends the other sessions that the page shows.
pub fn deeds(html: &str) -> Vec<String> {
    let buttons = html.split("name=\"deed\" value=\"").skip(1);
    let deeds = buttons.filter_map(|rest| rest.split_once('"'));
    let deeds = deeds.map(|(deed, _)| deed.to_owned());
    deeds.filter(|deed| deed.starts_with("end ")).collect()
}

/// An app that logs in by directives, and has events that go on.
pub async fn app() -> App {
    App::serving(|request| async move {
        match request.uri().path() {
            "/login" => Reply::ok("welcome")
                .header("x-session-login", "\"carol\"")
                .into_response(),
            "/keep" => Reply::ok("ok")
                .header("set-cookie", "basket=full; Path=/")
                .into_response(),
            "/events" => events(),
            _ => Reply::ok("ok").into_response(),
        }
    })
    .await
}

fn events() -> http::Response<Body> {
    let (feed, body) = fed();
    tokio::spawn(async move {
        feed.data("data: hello\n\n").await;
        // Open for longer than any test.
        tokio::time::sleep(std::time::Duration::from_secs(120)).await;
    });
    let answer = http::Response::builder().header("content-type", "text/event-stream");
    answer.body(body).unwrap()
}

fn password() -> &'static str {
    static HASH: OnceLock<String> = OnceLock::new();
    HASH.get_or_init(|| {
        let cost = Cost {
            memory_kib: 64,
            passes: 1,
            lanes: 1,
        };
        hash(PASSWORD, cost).unwrap()
    })
}
