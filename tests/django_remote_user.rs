//! Header sign-on with a real app: Django's `RemoteUserMiddleware`, unmodified but for the name of the header, believes
//! whom the gateway names. Between gateway and gunicorn stands a forwarder that remembers what Django was sent.

mod support;

use std::fs;

use cloakroom::login::form::password::{Cost, hash};
use support::apps::{Django, PASSWORD};
use support::{Answer, App, Browser, Gate, Setup, forms};
use tempfile::TempDir;

/// Every way in which a visitor may try to be `admin`. Any WSGI server makes `HTTP_REMOTE_USER` of some of them.
const SPELLINGS: [&str; 10] = [
    "remote-user",
    "remote_user",
    "REMOTE_USER",
    "Remote-User",
    "remote.user",
    "remote--user",
    "remote-_user",
    "remote~user",
    "-remote-user",
    "remote-user-",
];

struct Office {
    _django: Django,
    app: App,
    gate: Gate,
    _folder: TempDir,
}

impl Office {
    /// With `admin`, who is Django's superuser, and `alice`, of whom Django has never heard.
    async fn open() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let cheap = Cost {
            memory_kib: 64,
            passes: 1,
            lanes: 1,
        };
        let user = |id| {
            let hash = hash(PASSWORD, cheap).expect("a hash");
            format!("[[user]]\nid = \"{id}\"\npassword = \"{hash}\"\n")
        };
        let users = folder.path().join("users.toml");
        fs::write(&users, user("admin") + &user("alice")).expect("the users");
        let site = format!(
            "header_preset = \"remote-user\"\n[site.login]\nmethod = \"form\"\nusers_file = {:?}\n",
            users.display().to_string()
        );
        let setup = Setup {
            session: "rotation_grace = \"0\"",
            site: &site,
            ..Setup::default()
        };
        let django = Django::told_of_users();
        let app = App::forwarding(django.addr()).await;
        let gate = Gate::with(&app, setup).await;
        Self {
            _django: django,
            app,
            gate,
            _folder: folder,
        }
    }

    async fn log_in(&self, browser: &Browser, user: &str) {
        let page = browser.get("/.cloakroom/login").navigating().send().await;
        let token = forms::hidden(&page.text(), "token").expect("a form of ours");
        let fields = [("user", user), ("password", PASSWORD), ("token", &token)];
        let answer = self.post(browser, "/.cloakroom/login", &fields).await;
        assert_eq!(answer.status(), 303, "{}", answer.text());
    }

    async fn post(&self, browser: &Browser, path: &str, fields: &[(&str, &str)]) -> Answer {
        let call = browser.post(path, forms::encode(fields));
        let call = call.header("content-type", "application/x-www-form-urlencoded");
        let call = call.header("referer", format!("{}{path}", self.gate.origin()));
        call.header("origin", self.gate.origin())
            .navigating()
            .send()
            .await
    }

    /// The user's name in Django, and whether they may use the admin.
    async fn django_knows(&self, browser: &Browser, forged: Option<&'static str>) -> Known {
        let call = browser.get("/admin/").navigating();
        let call = match forged {
            Some(name) => call.header(name, "admin"),
            None => call,
        };
        let answer = call.send().await;
        let names = self.app.last().folded("remote-");
        assert!(
            names.iter().all(|(name, _)| name == "remote-user"),
            "{names:?}"
        );
        if answer.status() == 200 {
            assert!(answer.text().contains("Site administration"));
            return Known::Staff;
        }
        assert_eq!(answer.status(), 302, "{}", answer.text());
        let to = answer.header("location").unwrap_or_default().to_owned();
        assert!(to.starts_with("/admin/login/"), "{to}");
        let page = browser.get(&to).navigating().send().await.text();
        match page.split_once("You are authenticated as ") {
            Some((_, rest)) => Known::Other(rest.split(',').next().unwrap_or_default().to_owned()),
            None => Known::Nobody,
        }
    }
}

#[derive(Debug, PartialEq)]
enum Known {
    Staff,
    Other(String),
    Nobody,
}

#[tokio::test]
async fn django_knows_whom_the_gateway_names_until_they_log_out() {
    let office = Office::open().await;
    for browser in [office.gate.browser(), office.gate.browser().http2()] {
        assert_eq!(office.django_knows(&browser, None).await, Known::Nobody);
        office.log_in(&browser, "admin").await;
        assert_eq!(office.django_knows(&browser, None).await, Known::Staff);

        // Django's own session goes along: its CSRF token is good for a form.
        let page = browser
            .get("/admin/auth/group/add/")
            .navigating()
            .send()
            .await;
        let token = forms::hidden(&page.text(), "csrfmiddlewaretoken").expect("Django's form");
        let fields = [
            ("csrfmiddlewaretoken", &*token),
            ("name", "Attendants"),
            ("_save", "Save"),
        ];
        let answer = office
            .post(&browser, "/admin/auth/group/add/", &fields)
            .await;
        let is_there_already = answer.text().contains("already exists");
        assert!(
            answer.status() == 302 || is_there_already,
            "{}",
            answer.text()
        );

        let held = browser.everything();
        let answer = office.post(&browser, "/.cloakroom/logout", &[]).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        assert_eq!(office.django_knows(&browser, None).await, Known::Nobody);
        let call = office.gate.browser();
        let answer = call.get("/admin/").holding(&held).navigating().send().await;
        assert_eq!(answer.status(), 302, "what was held is worth nothing");
        assert_eq!(office.app.last().cookie("sessionid"), None);
    }
}

#[tokio::test]
async fn another_user_is_another_in_django_and_begins_there_with_nothing() {
    let office = Office::open().await;
    let browser = office.gate.browser();
    office.log_in(&browser, "alice").await;
    let alice = Known::Other("alice".to_owned());
    assert_eq!(office.django_knows(&browser, None).await, alice);
    let of_alice = office.app.last().cookie("sessionid");
    assert!(of_alice.is_some());

    office.log_in(&browser, "admin").await;
    assert_eq!(office.django_knows(&browser, None).await, Known::Staff);
    browser.get("/admin/").navigating().send().await;
    let of_admin = office.app.last().cookie("sessionid");
    assert!(of_admin.is_some() && of_admin != of_alice);
}

#[tokio::test]
async fn a_forged_remote_user_never_logs_in() {
    let office = Office::open().await;
    let (stranger, alice) = (office.gate.browser(), office.gate.browser());
    office.log_in(&alice, "alice").await;
    let known = Known::Other("alice".to_owned());
    for name in SPELLINGS {
        // Names of HTTP/1.1, as bytes: the rig's client would write them in small letters.
        let request = format!(
            "GET /admin/ HTTP/1.1\r\nHost: localhost\r\n{name}: admin\r\nConnection: close, {name}\r\n\r\n"
        );
        let answer = support::exchange(&office.gate, request.as_bytes()).await;
        let status = answer.split(' ').nth(1).unwrap_or_default();
        assert!(["302", "400"].contains(&status), "{name}: {answer}");
        if status == "302" {
            assert_eq!(office.app.last().folded("remote"), [], "{name}");
            assert!(
                answer
                    .to_ascii_lowercase()
                    .contains("location: /admin/login/"),
                "{name}: {answer}"
            );
        }
    }
    for name in [
        "remote-user",
        "remote_user",
        "remote.user",
        "remote~user",
        "http_remote_user",
    ] {
        assert_eq!(
            office.django_knows(&stranger, Some(name)).await,
            Known::Nobody,
            "{name}"
        );
        assert_eq!(
            office.django_knows(&alice, Some(name)).await,
            known,
            "{name}"
        );
    }
}
