//! Real input: Django's admin, unmodified, served by gunicorn, behind the gateway over HTTPS.
//!
//! A browser logs in, adds an object and logs out, and lies about who it is all the while. The gateway learns who it is
//! from Django's own login. Between gateway and gunicorn stands a forwarder that remembers what Django was sent.

mod support;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use support::{Answer, App, Browser, Gate, Setup, forms};

const SITE: &str = r#"
[site.cookies]
rules = [{ name = "csrftoken", mode = "pass", http_only = false }]
[site.login]
method = "watch"
login = { method = "POST", path = "/admin/login/", user_field = "username", success = { status = [302], sets_cookie = "sessionid" } }
logout = { method = "POST", path = "/admin/logout/", success = { status = [200] } }
"#;

#[tokio::test]
async fn the_admin_works_behind_one_ticket_over_http1() {
    let django = Django::start();
    let app = App::forwarding(django.addr).await;
    let gate = gate(&app).await;
    work_in_the_admin(&gate, &app, gate.browser()).await;
}

#[tokio::test]
async fn the_admin_works_behind_one_ticket_over_http2() {
    let django = Django::start();
    let app = App::forwarding(django.addr).await;
    let gate = gate(&app).await;
    work_in_the_admin(&gate, &app, gate.browser().http2()).await;
}

async fn gate(app: &App) -> Gate {
    let setup = Setup {
        session: "rotation_grace = \"1s\"",
        site: SITE,
        ..Setup::default()
    };
    Gate::with(app, setup).await
}

async fn work_in_the_admin(gate: &Gate, app: &App, browser: Browser) {
    let visitor = Visitor { gate, browser };
    let browser = &visitor.browser;

    // The login page.
    let page = visitor.open("/admin/login/?next=/admin/").await;
    assert_eq!(page.status(), 200, "{page:?}");
    assert_eq!(browser.names(), ["__Host-session", "csrftoken"]);
    let before = browser.everything();
    let ticket_before = browser.ticket();

    // Logging in.
    let fields = [
        ("username", "admin"),
        ("password", "correct horse"),
        ("next", "/admin/"),
    ];
    let answer = visitor
        .submit("/admin/login/?next=/admin/", &page, &fields)
        .await;
    assert_eq!(answer.status(), 302, "{}", answer.text());
    assert_eq!(answer.header("location"), Some("/admin/"));
    assert_ne!(
        browser.ticket(),
        ticket_before,
        "the ticket changed at login"
    );
    let logged_in = browser.everything();
    let ticket_logged_in = browser.ticket();

    // Django gets its sessionid from the jar.
    let index = visitor.open("/admin/").await;
    assert_eq!(index.status(), 200, "{index:?}");
    assert!(
        index.text().contains("Site administration"),
        "{}",
        index.text()
    );
    let seen = app.last();
    assert!(seen.cookie("sessionid").is_some(), "{seen:?}");
    assert_eq!(seen.header("x-session-user").as_deref(), Some("admin"));

    // The ticket from before the login sees neither the user nor the new sessionid: at once, and after the grace.
    sees_nothing(&visitor, app, &before).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    sees_nothing(&visitor, app, &before).await;

    // Adding an object.
    let page = visitor.open("/admin/auth/group/add/").await;
    assert_eq!(page.status(), 200, "{page:?}");
    let fields = [("name", "Cloakroom attendants"), ("_save", "Save")];
    let answer = visitor
        .submit("/admin/auth/group/add/", &page, &fields)
        .await;
    assert_eq!(answer.status(), 302, "{}", answer.text());
    let list = visitor.open("/admin/auth/group/").await;
    assert!(
        list.text().contains("Cloakroom attendants"),
        "{}",
        list.text()
    );
    assert_eq!(
        browser.ticket(),
        ticket_logged_in,
        "one ticket all the while"
    );

    // Logging out.
    let answer = visitor.submit("/admin/logout/", &list, &[]).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert!(
        !browser.names().contains(&"__Host-session".to_owned()),
        "the ticket is gone"
    );
    for held in [&before, &logged_in] {
        sees_nothing(&visitor, app, held).await;
    }

    // What crossed the TLS side, and what the app was told.
    let crossed = browser.lines().join("\n");
    assert!(!crossed.contains("sessionid"), "{crossed}");
    for seen in app.seen() {
        assert!(!format!("{seen:?}").contains("mallory"), "{seen:?}");
        let ids = seen.folded("x-session-id");
        assert_eq!(ids.len(), 1, "{seen:?}");
        assert!(
            seen.folded("x-session-").len() <= 2,
            "the ID and the user: {seen:?}"
        );
        // Django keeps its one-time messages in a cookie of their own, which the jar holds like the session's.
        for (name, _) in seen.cookies() {
            assert!(
                ["sessionid", "csrftoken", "messages"].contains(&&*name),
                "{name}: {seen:?}"
            );
        }
    }
}

/// Whoever holds just `cookies` is a stranger to Django, and the gateway shows it no cookie from the jar.
async fn sees_nothing(visitor: &Visitor<'_>, app: &App, cookies: &str) {
    let call = visitor.browser.get("/admin/").holding(cookies);
    let answer = call.header("sec-fetch-site", "none").send().await;
    assert_eq!(answer.status(), 302, "{answer:?}");
    let to = answer.header("location").unwrap_or_default();
    assert!(to.starts_with("/admin/login/"), "{to}");
    let seen = app.last();
    assert_eq!(seen.header("x-session-user"), None, "{seen:?}");
    assert_eq!(seen.cookie("sessionid"), None, "{seen:?}");
}

/// Somebody at a browser, who lies.
struct Visitor<'a> {
    gate: &'a Gate,
    browser: Browser,
}

impl Visitor<'_> {
    /// Follows a link.
    async fn open(&self, target: &str) -> Answer {
        let call = self.browser.get(target);
        let call = call.header("sec-fetch-site", "same-origin");
        let call = call
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-dest", "document");
        self.lying(call)
            .send()
            .await
            .holding_only_ours(&self.browser)
    }

    /// Fills in the form of `page` and sends it.
    async fn submit(&self, target: &str, page: &Answer, fields: &[(&str, &str)]) -> Answer {
        let token = forms::hidden(&page.text(), "csrfmiddlewaretoken").expect("a form of Django's");
        let fields = [&[("csrfmiddlewaretoken", &*token)], fields].concat();
        let call = self.browser.post(target, forms::encode(&fields));
        let call = call.header("content-type", "application/x-www-form-urlencoded");
        let call = call.header("origin", self.gate.origin());
        let call = call.header("referer", format!("{}{target}", self.gate.origin()));
        let call = call.header("sec-fetch-site", "same-origin");
        let call = call
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-dest", "document");
        self.lying(call)
            .send()
            .await
            .holding_only_ours(&self.browser)
    }

    fn lying<'b>(&self, call: support::Call<'b>) -> support::Call<'b> {
        let call = call.header("x-session-user", "mallory");
        let call = call.header("x_session_user", "mallory");
        let call = call.header("x.session.user", "mallory");
        call.header("x-session-roles", "mallory")
    }
}

trait HoldingOnlyOurs {
    fn holding_only_ours(self, browser: &Browser) -> Self;
}

impl HoldingOnlyOurs for Answer {
    /// The answer, once it is sure that the browser holds nothing but the ticket and `csrftoken`.
    fn holding_only_ours(self, browser: &Browser) -> Self {
        let names = browser.names();
        let ours = |name: &String| name == "__Host-session" || name == "csrftoken";
        assert!(names.iter().all(ours), "{names:?}");
        self
    }
}

/// Gunicorn with a fresh copy of the project. It is ended when dropped.
struct Django {
    gunicorn: Child,
    addr: SocketAddr,
    _project: tempfile::TempDir,
}

impl Django {
    fn start() -> Self {
        let venv = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/apps/.venv"));
        assert!(
            venv.join("made-for").is_file(),
            "there is no Django to test with: run tests/apps/django/setup (scripts/test does)"
        );
        let project = tempfile::tempdir().expect("a folder");
        copy(&venv.join("project"), project.path());
        let mut gunicorn = Command::new(venv.join("bin/gunicorn"))
            .args(["--bind", "127.0.0.1:0", "--workers", "1", "--threads", "4"])
            .arg("mysite.wsgi")
            .current_dir(project.path())
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("gunicorn starts");
        let mut stderr = BufReader::new(gunicorn.stderr.take().expect("stderr"));
        let addr = listening(&mut stderr);
        // Its log is read on, or gunicorn would stop when the pipe is full.
        std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
        Self {
            gunicorn,
            addr,
            _project: project,
        }
    }
}

impl Drop for Django {
    fn drop(&mut self) {
        // A kill would leave its worker behind.
        let pid = self.gunicorn.id().to_string();
        let _ = Command::new("sh")
            .args(["-c", "kill -TERM $0", &pid])
            .status();
        let _ = self.gunicorn.wait();
    }
}

fn listening(log: &mut impl BufRead) -> SocketAddr {
    let mut told = String::new();
    loop {
        let from = told.len();
        let read = log.read_line(&mut told).expect("gunicorn's log");
        assert!(read > 0, "gunicorn did not start:\n{told}");
        if let Some((_, rest)) = told[from..].split_once("Listening at: http://") {
            let addr = rest.split_whitespace().next().expect("an address");
            return addr.parse().expect("an address");
        }
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("the project") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("its type").is_dir() {
            std::fs::create_dir(&target).expect("a folder");
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("a copy");
        }
    }
}
