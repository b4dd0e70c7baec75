//! How the page is sent.

use crate::{Club, PASSWORD};

#[tokio::test]
async fn the_page_runs_no_script_is_in_no_frame_and_in_no_cache() {
    let club = Club::plain().await;
    let browser = club.gate.browser();
    let form = club.form(&browser, "").await;
    assert_eq!(form.status(), 200);
    let policy = form.header("content-security-policy").unwrap();
    for part in [
        "default-src 'none'",
        "style-src 'sha256-",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe"));
    for (name, value) in [
        ("cache-control", "no-store"),
        ("content-type", "text/html; charset=utf-8"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "same-origin"),
    ] {
        assert_eq!(form.header(name), Some(value), "{name}");
    }
    assert!(!form.text().contains("<script"));
    // To look at the form begins no session.
    assert_eq!(form.set_cookies(), Vec::<String>::new());
    let head = browser.call(http::Method::HEAD, "/.cloakroom/login");
    let head = head.navigating().send().await;
    assert_eq!((head.status(), head.text().len()), (200, 0));
}

#[tokio::test]
async fn what_was_typed_is_shown_again_as_text() {
    let club = Club::plain().await;
    let browser = club.gate.browser();
    let answer = club
        .log_in(&browser, "\"><script>alert(1)</script>", PASSWORD)
        .await;
    assert_eq!(answer.status(), 401);
    assert!(!answer.text().contains("<script"), "{}", answer.text());
}

#[tokio::test]
async fn a_site_without_a_login_page_has_none() {
    let app = crate::App::plain().await;
    let gate = crate::Gate::in_front_of(&app).await;
    for path in ["/.cloakroom/login", "/.cloakroom/logout"] {
        assert_eq!(
            gate.browser().get(path).send().await.status(),
            404,
            "{path}"
        );
    }
}
