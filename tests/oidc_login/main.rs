//! Logins at an OpenID provider, through the gateway: who gets in, who does not, and how they get out.
//!
//! One function for each promise; its name is the promise.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../support/mod.rs"]
mod support;

mod failures;

mod hostile;

mod login;

mod logout;

mod lying;

mod refresh;

#[path = "../open_streams/app.rs"]
mod streaming;

use serde_json::Value;

use support::apps::oidc_provider::{self, OidcProvider, ProviderVisitor};
use support::{Answer, App, Browser, Gate, Reply, Seen, Setup};

/// What everybody's configuration says of the headers and of who may have what.
const SITE: &str = r#"
[site.headers]
"X-Session-User" = "{user.id}"
"X-Issuer" = "{user.issuer}"
"X-Name" = "{user.name}"
"X-Groups" = "{user.groups}"

[[site.rule]]
path = "/private/*"
require = { user = true }

[[site.rule]]
path = "/fresh"
require = { user = true, max_auth_age = "2s" }
"#;

/// A shop whose customers log in at a provider.
pub struct Shop {
    /// What is tested.
    pub gate: Gate,
    /// Sees who is let through.
    pub app: App,
    /// Who vouches for them.
    pub idp: OidcProvider,
}

impl Shop {
    /// With defaults.
    pub async fn plain() -> Self {
        Self::with("", "").await
    }

    /// With lines of `[session]` and of `[site.login]`.
    pub async fn with(session: &str, login: &str) -> Self {
        Self::of(
            oidc_provider::settings("https://localhost"),
            session,
            "",
            login,
        )
        .await
    }

    /// With a provider of these settings, and lines of `[session.store]` too.
    pub async fn of(settings: Value, session: &str, store: &str, login: &str) -> Self {
        let idp = OidcProvider::with(&settings);
        let app = App::answering(answer).await;
        let site = site(idp.issuer(), login);
        let setup = Setup {
            session,
            store,
            site: &site,
            ..Setup::default()
        };
        let gate = Gate::with(&app, setup).await;
        idp.serve(&gate.origin()).await;
        Self { gate, app, idp }
    }

    /// Begins a login at `path`, and returns where the provider is asked.
    pub async fn begin(&self, browser: &Browser, path: &str) -> String {
        let denied = browser.get(path).navigating().send().await;
        assert_eq!(denied.status(), 302, "{}", denied.text());
        self.sent(browser, denied.header("location").unwrap()).await
    }

    /// Asks for the page that begins a login, and returns where it sends the visitor.
    pub async fn sent(&self, browser: &Browser, page: &str) -> String {
        let sent = browser.get(page).navigating().send().await;
        assert_eq!(sent.status(), 303, "{}", sent.text());
        sent.header("location").unwrap().to_owned()
    }

    /// The callback, as a browser asks for it that the provider sends back.
    pub async fn come_back(&self, browser: &Browser, address: &str) -> Answer {
        let path = address.strip_prefix(&self.gate.origin()).unwrap_or(address);
        coming(browser, path).send().await
    }

    /// Logs in from `path` on, and returns where the visitor ends.
    pub async fn log_in_as(
        &self,
        browser: &Browser,
        visitor: &ProviderVisitor,
        user: &str,
    ) -> Answer {
        let there = self.begin(browser, "/private/x").await;
        let back = visitor.log_in(&there, user).await;
        self.come_back(browser, &back).await
    }

    /// Somebody who has logged in.
    pub async fn member(&self, user: &str) -> Browser {
        let browser = self.gate.browser();
        let answer = self.log_in_as(&browser, &self.idp.visitor(), user).await;
        assert_eq!(answer.status(), 303, "{}", answer.text());
        browser
    }

    /// Whom the app takes the visitor for.
    pub async fn whoami(&self, browser: &Browser) -> Option<String> {
        let answer = browser.get("/whoami").send().await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        self.app.last().header("x-session-user")
    }
}

/// The site's part of the configuration.
pub fn site(issuer: &str, login: &str) -> String {
    format!(
        "{SITE}\n[site.login]\nmethod = \"oidc\"\nissuer = {issuer:?}\nclient_id = {:?}\nclient_secret = {:?}\n\
         scopes = [\"openid\", \"profile\", \"email\", \"groups\"]\n{login}\n",
        oidc_provider::CLIENT,
        oidc_provider::CLIENT_SECRET
    )
}

/// A navigation that another site begins.
pub fn coming<'b>(browser: &'b Browser, path: &str) -> support::Call<'b> {
    browser
        .get(path)
        .header("sec-fetch-site", "cross-site")
        .header("sec-fetch-mode", "navigate")
        .header("sec-fetch-dest", "document")
}

/// The names of the cookies that tie logins to a browser.
pub fn bindings(browser: &Browser) -> Vec<String> {
    let names = browser.names().into_iter();
    names.filter(|name| name.contains("-login-")).collect()
}

fn answer(seen: &Seen) -> Reply {
    match seen.path() {
        "/set" => Reply::ok("set").header("set-cookie", "basket=full; Path=/"),
        "/impostor" => Reply::ok("set").header(
            "set-cookie",
            "__Host-session-login-00000000=x; Path=/; Secure",
        ),
        _ => Reply::ok("hello"),
    }
}
