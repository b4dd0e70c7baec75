//! What those get whom the service turns away.

use super::{PORTAL, Rig, user};

#[tokio::test]
async fn a_person_is_sent_where_the_service_sends_them_and_a_program_is_told() {
    let rig = Rig::new("").await;
    let browser = rig.gate.browser();

    let answer = browser.get("/inside/").navigating().send().await;
    assert_eq!(answer.status(), 302);
    assert_eq!(answer.header("location"), Some(PORTAL));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(answer.lists("vary", "cookie"), "{answer:?}");
    assert_eq!(answer.set_cookies(), [""; 0]);

    let answer = browser.get("/inside/").fetching().send().await;
    assert_eq!(answer.status(), 401);
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json")
    );
    assert_eq!(
        answer.header("www-authenticate"),
        Some("Session realm=\"app\"")
    );
    let problem: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert_eq!(problem["reason"], "login-required");
    assert_eq!(problem["login"], PORTAL);

    // A form would be lost on the way.
    let answer = browser.post("/inside/", "a=b").navigating().send().await;
    assert_eq!(answer.status(), 401);
    assert_eq!(answer.header("location"), None);
    assert!(answer.text().contains("https://auth.test/"), "{answer:?}");
    assert_eq!(rig.app.seen().len(), 0);
}

#[tokio::test]
async fn where_nobody_is_demanded_its_no_means_nobody() {
    let rig = Rig::new("").await;
    for who in ["stranger", "forbidden", "basic", "nobody"] {
        let browser = rig.browser(who);
        let seen = rig.seen_by(&browser, "/").await;
        assert_eq!(user(&seen), None, "{who}");
        assert_eq!(seen.cookie("sso"), None);
    }
    // It let somebody pass whom it does not name: that is nobody where somebody is demanded.
    let browser = rig.browser("nobody");
    assert_eq!(
        browser.get("/inside/").fetching().send().await.status(),
        401
    );
}

#[tokio::test]
async fn whom_the_service_knows_and_refuses_a_login_does_not_help() {
    let rig = Rig::new("").await;
    let browser = rig.browser("forbidden");

    let answer = browser.get("/inside/").navigating().send().await;
    assert_eq!(answer.status(), 403);
    assert!(answer.text().contains("<h1>Not you</h1>"), "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("text/html"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    let policy = answer.header("content-security-policy").unwrap_or_default();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    assert!(!policy.contains("script-src"), "{policy}");

    let answer = browser.get("/inside/").fetching().send().await;
    assert_eq!(answer.status(), 403);
    assert!(
        answer.text().contains("\"refused-by-service\""),
        "{answer:?}"
    );
    assert!(!answer.text().contains("Not you"));
    let lines = rig.gate.access_log(2).await;
    assert_eq!(lines[1]["refusal"], "refused-by-service");
}

#[tokio::test]
async fn a_challenge_of_the_service_reaches_people_alone() {
    let rig = Rig::new("").await;
    let browser = rig.browser("basic");

    let answer = browser.get("/inside/").navigating().send().await;
    assert_eq!(answer.status(), 401);
    assert_eq!(answer.all("www-authenticate"), ["Basic realm=\"sso\""]);
    let answer = browser.get("/inside/").fetching().send().await;
    assert_eq!(answer.all("www-authenticate"), ["Session realm=\"app\""]);
}

#[tokio::test]
async fn who_comes_back_again_and_again_is_told_so() {
    let rig = Rig::new("").await;
    let browser = rig.gate.browser();
    rig.seen_by(&browser, "/").await;

    for _ in 0..5 {
        let answer = browser.get("/inside/").navigating().send().await;
        assert_eq!(answer.status(), 302);
    }
    let answer = browser.get("/inside/").navigating().send().await;
    assert_eq!(answer.status(), 401);
    assert!(answer.text().contains("several times"), "{answer:?}");
}
