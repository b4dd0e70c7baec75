//! Promise: `method = "forward"` asks a login service who a visitor is, believes it as a trusted proxy is believed, and gives
//! it and everybody else nothing that is not theirs. The service is a server in the test process that remembers what it was
//! asked.

#[path = "../support/mod.rs"]
mod support;

mod asking;

mod answers;

mod cookies;

mod hostile;

mod silence;

mod transport;

mod vouching;

mod nginx;

mod configuration;

use crate::support::{App, Browser, Gate, Reply, Seen, Setup};

/// Where the service sends people to log in.
const PORTAL: &str = "https://auth.test/?rd=https://localhost/";
const RULES: &str = "[[site.rule]]\npath = \"/inside/*\"\nrequire = { user = true }\n";

/// A gateway between an app and a service that tells who the visitors of the app are.
struct Rig {
    app: App,
    service: App,
    gate: Gate,
}

impl Rig {
    /// With a service that answers as [`say`] says.
    async fn new(login: &str) -> Self {
        Self::with(login, RULES, say).await
    }

    async fn with(
        login: &str,
        site: &str,
        say: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let service = App::answering(say).await;
        let app = app().await;
        let url = format!("http://{}/verify?as=nginx", service.addr());
        let gate = gate(&app, &url, login, site).await;
        Self { app, service, gate }
    }

    /// A browser in which the service knows `who`.
    fn browser(&self, who: &str) -> Browser {
        let browser = self.gate.browser();
        log_in(&browser, who);
        browser
    }

    /// What the app is asked when `browser` asks for `path`.
    async fn seen_by(&self, browser: &Browser, path: &str) -> Seen {
        assert_eq!(browser.get(path).send().await.status(), 200);
        self.app.last()
    }
}

/// Gives everybody who has none a cookie that names the user.
async fn app() -> App {
    App::answering(|seen| {
        let user = seen.header("x-session-user").unwrap_or("nobody".into());
        match seen.cookie("mine") {
            Some(_) => Reply::ok("ok"),
            None => Reply::ok("ok").header("set-cookie", format!("mine={user}; Path=/")),
        }
    })
    .await
}

async fn gate(app: &App, url: &str, login: &str, site: &str) -> Gate {
    let site = format!(
        r#"{site}
[site.headers]
"X-Session-Id" = "{{session.id}}"
"X-Session-User" = "{{user.id}}"
"X-Session-Groups" = "{{user.groups}}"
"X-Session-Email" = "{{user.email}}"
[site.login]
method = "forward"
url = "{url}"
user_header = "Remote-User"
groups_header = "Remote-Groups"
email_header = "Remote-Email"
cookies = ["sso", "sso_*"]
{login}
"#
    );
    let setup = Setup {
        site: &site,
        ..Setup::default()
    };
    Gate::with(app, setup).await
}

/// Names whom its cookie names, and sends everybody else to log in. Some names stand for what services do.
fn say(seen: &Seen) -> Reply {
    let who = seen.cookie("sso");
    match who.as_deref() {
        None | Some("stranger") => Reply::ok("see other")
            .status(302)
            .header("location", PORTAL),
        Some("nobody") => Reply::ok("ok"),
        Some("broken") => Reply::ok("sorry").status(500),
        Some("forbidden") => Reply::ok("<h1>Not you</h1><script>alert(1)</script>")
            .status(403)
            .header("content-type", "text/html"),
        Some("basic") => Reply::ok("")
            .status(401)
            .header("www-authenticate", "Basic realm=\"sso\""),
        Some(who) => Reply::ok("ok")
            .header("remote-user", who)
            .header("remote-groups", "staff,dev")
            .header("remote-email", format!("{who}@example.com")),
    }
}

fn log_in(browser: &Browser, who: &str) {
    browser.plant("localhost", "/", &format!("sso={who}; Path=/; Secure"));
}

fn log_out(browser: &Browser) {
    browser.plant("localhost", "/", "sso=; Path=/; Secure; Max-Age=0");
}

fn user(seen: &Seen) -> Option<String> {
    seen.header("x-session-user")
}

fn id(seen: &Seen) -> Option<String> {
    seen.header("x-session-id")
}
