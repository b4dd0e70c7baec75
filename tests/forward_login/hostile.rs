//! What visitors, foreign pages and a service gone mad try.

use super::{RULES, Rig, id, say, user};
use crate::support::{Reply, together};

#[tokio::test]
async fn what_the_visitor_claims_reaches_neither_the_service_nor_the_app() {
    let rig = Rig::new("").await;
    let browser = rig.gate.browser();
    let claims = [
        ("remote-user", "root"),
        ("remote_user", "root"),
        ("remote.user", "root"),
        ("x-remote-user", "root"),
        ("remote-groups", "root"),
        ("x-session-user", "root"),
        ("x_session_user", "root"),
        ("x-forwarded-user", "root"),
        ("x-auth-request-user", "root"),
        ("x-forwarded-uri", "/root"),
        ("x-forwarded-method", "root"),
        ("x-forwarded-host", "root.test"),
        ("x-forwarded-for", "10.66.6.6"),
        ("x-original-url", "https://root.test/root"),
        ("x-original-uri", "/root"),
        ("x_forwarded_uri", "/root"),
        ("proxy-authorization", "root"),
        (
            "connection",
            "x-forwarded-uri, x-forwarded-host, remote-user",
        ),
        ("cookie2", "root"),
    ];
    for (name, value) in claims {
        browser.get("/").header(name, value).send().await;
        for seen in [rig.service.last(), rig.app.last()] {
            let text = format!("{seen:?}");
            assert!(
                !text.contains("root") && !text.contains("10.66"),
                "{name}: {text}"
            );
        }
        assert_eq!(
            rig.service.last().header("x-forwarded-uri").as_deref(),
            Some("/")
        );
        assert_eq!(user(&rig.app.last()), None, "{name}");
    }
}

#[tokio::test]
async fn the_services_other_words_are_nothing_to_app_and_visitor() {
    let mad = |seen: &crate::support::Seen| {
        say(seen)
            .header("x-session-user", "root")
            .header("x-session-login", "\"root\"")
            .header("x-session-set", "a=1")
            .header("x-session-logout", "?1")
            .header("x-cloakroom-x", "1")
            .header("strict-transport-security", "max-age=0")
            .header("clear-site-data", "\"*\"")
            .header("access-control-allow-origin", "*")
            .header("content-security-policy", "script-src *")
    };
    let rig = Rig::with("", RULES, mad).await;
    let browser = rig.browser("alice");
    let answer = browser.get("/").navigating().send().await;
    assert_eq!(user(&rig.app.last()).as_deref(), Some("alice"));
    assert!(!format!("{:?}", rig.app.last()).contains("root"));
    let denied = rig
        .browser("forbidden")
        .get("/inside/")
        .navigating()
        .send()
        .await;
    for answer in [answer, denied] {
        for name in [
            "x-session-user",
            "x-session-login",
            "x-session-set",
            "x-cloakroom-x",
            "clear-site-data",
            "access-control-allow-origin",
        ] {
            assert_eq!(answer.header(name), None, "{name}");
        }
        assert_ne!(
            answer.header("strict-transport-security"),
            Some("max-age=0")
        );
        assert_ne!(
            answer.header("content-security-policy"),
            Some("script-src *")
        );
    }
}

#[tokio::test]
async fn nobody_is_sent_anywhere_but_to_a_page_of_the_web() {
    for location in [
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "//evil.test/",
        "/\\evil.test/",
        "https:/\\evil.test",
        "vbscript:x",
        "",
    ] {
        let say =
            move |_: &crate::support::Seen| Reply::ok("").status(302).header("location", location);
        let rig = Rig::with("", RULES, say).await;
        let browser = rig.gate.browser();
        let answer = browser.get("/inside/").navigating().send().await;
        assert_eq!(answer.status(), 401, "{location}");
        assert_eq!(answer.header("location"), None, "{location}");
        let text = answer.text();
        assert!(
            !text.contains("alert") && !text.contains("evil"),
            "{location}: {text}"
        );
    }
}

#[tokio::test]
async fn who_cannot_be_told_is_nobody() {
    let rows: [&[(&'static str, &str)]; 6] = [
        &[("remote-user", "alice"), ("remote-user", "root")],
        &[("remote-user", "")],
        &[("remote-user", "(null)")],
        &[
            ("remote-user", "alice"),
            ("remote-groups", "a"),
            ("remote-groups", "b"),
        ],
        &[("remote_user", "alice")],
        &[("x-remote-user", "alice")],
    ];
    for row in rows {
        let say = move |_: &crate::support::Seen| {
            row.iter().fold(Reply::ok(""), |reply, (name, value)| {
                reply.header(name, value)
            })
        };
        let rig = Rig::with("", RULES, say).await;
        let browser = rig.gate.browser();
        assert_eq!(user(&rig.seen_by(&browser, "/").await), None, "{row:?}");
        assert_eq!(
            browser.get("/inside/").send().await.status(),
            401,
            "{row:?}"
        );
    }
}

/// Promise: a planted ticket is worth nothing to who planted it.
#[tokio::test]
async fn a_planted_ticket_sees_nothing_of_the_login() {
    let rig = Rig::new("").await;
    let attacker = rig.gate.browser();
    let planted = rig.seen_by(&attacker, "/").await;
    let held = format!("{}; sso=alice", attacker.ticket_line());
    let victim = rig.gate.browser();

    let answer = victim.get("/").holding(&held).send().await;
    let seen = rig.app.last();
    assert_eq!(user(&seen).as_deref(), Some("alice"));
    assert_eq!(seen.cookies(), [], "the attacker's cookie of the app");
    assert_ne!(id(&seen), id(&planted));
    let given = answer.set_cookies();
    assert_eq!(given.len(), 1, "{given:?}");
    assert!(!given[0].starts_with(&attacker.ticket_line()));

    let seen = rig.seen_by(&attacker, "/").await;
    assert_eq!(user(&seen), None);
    assert_ne!(seen.cookie("mine").as_deref(), Some("alice"));
    let answer = attacker.get("/inside/").send().await;
    assert_eq!(answer.status(), 401);
}

#[tokio::test]
async fn a_foreign_page_does_not_act_as_the_user() {
    let rig = Rig::new("").await;
    let browser = rig.browser("alice");
    let call = browser.post("/", "").header("origin", "https://evil.test");
    call.send().await;
    assert_eq!(user(&rig.app.last()), None);
    // With a session it gets nowhere.
    rig.seen_by(&browser, "/").await;
    let call = browser.post("/", "").header("origin", "https://evil.test");
    assert_eq!(call.send().await.status(), 403);
}

#[tokio::test]
async fn twenty_first_requests_at_once_are_all_the_users() {
    let rig = Rig::new("").await;
    let browser = rig.browser("alice");
    let calls = (0..20).map(|_| browser.get("/inside/").holding("sso=alice").send());
    for answer in together(calls).await {
        assert_eq!(answer.status(), 200);
    }
    for seen in rig.app.seen() {
        assert_eq!(user(&seen).as_deref(), Some("alice"));
    }
}
