//! `site.header_preset`: headers that apps know from other gateways.

use crate::support::{App, Gate, Reply, Setup};

/// Each preset, with the headers for user, groups, e-mail and name.
const PRESETS: [(&str, [&str; 4]); 3] = [
    (
        "remote-user",
        [
            "remote-user",
            "remote-groups",
            "remote-email",
            "remote-name",
        ],
    ),
    (
        "x-forwarded",
        [
            "x-forwarded-user",
            "x-forwarded-groups",
            "x-forwarded-email",
            "x-forwarded-preferred-username",
        ],
    ),
    (
        "x-auth-request",
        [
            "x-auth-request-user",
            "x-auth-request-groups",
            "x-auth-request-email",
            "x-auth-request-preferred-username",
        ],
    ),
];
/// What other apps would read as one of them.
const FORGED: [&str; 8] = [
    "remote_user",
    "Remote-User",
    "Remote-Groups",
    "x_forwarded_user",
    "X-Forwarded-Groups",
    "x-auth-request_email",
    "x.auth.request.user",
    "X-Auth-Request-Preferred-Username",
];

async fn speaking_app() -> App {
    App::answering(|seen| match seen.path() {
        "/login" => Reply::ok("welcome").header(
            "x-session-login",
            "\"alice\"; name=\"Alice B\"; email=\"a@example.com\"; groups=\"staff,dev\"",
        ),
        _ => Reply::ok("ok"),
    })
    .await
}

#[tokio::test]
async fn each_preset_writes_its_headers_once_somebody_is_logged_in_and_nothing_before() {
    for (preset, names) in PRESETS {
        let app = speaking_app().await;
        let site = format!("trust_directives = true\nheader_preset = {preset:?}");
        let setup = Setup {
            site: &site,
            ..Setup::default()
        };
        let gate = Gate::with(&app, setup).await;
        let browser = gate.browser();
        let forging = || {
            let call = browser.get("/");
            FORGED
                .into_iter()
                .fold(call, |call, name| call.header(name, "forged"))
        };

        forging().send().await;
        let seen = app.last();
        assert!(!format!("{seen:?}").contains("forged"), "{seen:?}");
        for name in names {
            assert_eq!(seen.folded(name), [], "{preset}");
        }

        browser.post("/login", "").send().await;
        forging().send().await;
        let seen = app.last();
        assert!(!format!("{seen:?}").contains("forged"), "{seen:?}");
        let called = if preset == "remote-user" {
            "Alice B"
        } else {
            "alice"
        };
        for (name, value) in names
            .into_iter()
            .zip(["alice", "staff,dev", "a@example.com", called])
        {
            assert_eq!(seen.header(name).as_deref(), Some(value), "{name}");
        }
        // Beside what the site is told anyway, and beside nothing of another preset.
        assert_eq!(seen.header("x-session-user").as_deref(), Some("alice"));
        for other in PRESETS.iter().filter(|(other, _)| *other != preset) {
            assert_eq!(seen.folded(other.1[0]), [], "{preset}");
        }
    }
}

#[tokio::test]
async fn a_line_of_the_sites_own_wins_over_the_preset_in_whatever_spelling() {
    let app = speaking_app().await;
    let setup = Setup {
        site: "trust_directives = true\nheader_preset = \"remote-user\"\n[site.headers]\n\"Remote_User\" = \"{user.email}\"",
        ..Setup::default()
    };
    let gate = Gate::with(&app, setup).await;
    let browser = gate.browser();
    browser.post("/login", "").send().await;

    browser.get("/").send().await;

    let seen = app.last();
    assert_eq!(seen.folded("remote-user").len(), 1, "{seen:?}");
    assert_eq!(seen.header("remote_user").as_deref(), Some("a@example.com"));
    assert_eq!(seen.header("remote-groups").as_deref(), Some("staff,dev"));
}
