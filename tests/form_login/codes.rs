//! Codes of authenticator apps.

use cloakroom::base::clock::Clock;
use cloakroom::login::form::totp::TotpSecret;

use crate::{Club, PASSWORD, user};

const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

fn code() -> String {
    TotpSecret::parse(SECRET)
        .unwrap()
        .code(Clock::system().now())
}

fn fields<'a>(user: &'a str, code: &'a str) -> [(&'a str, &'a str); 3] {
    [("user", user), ("password", PASSWORD), ("code", code)]
}

/// Also by another visitor, and with the password right.
#[tokio::test]
async fn a_code_is_good_once() {
    let bob = format!("{}totp = \"{SECRET}\"\n", user("bob"));
    let club = Club::with("", "totp = \"required\"", &bob).await;
    let html = club.form(&club.gate.browser(), "").await.text();
    assert!(html.contains("autocomplete=\"one-time-code\""));
    let first = club.gate.browser();
    let code = code();

    assert_eq!(club.fill_in(&first, &fields("bob", "")).await.status(), 401);
    let wrong = if code == "000000" { "000001" } else { "000000" };
    assert_eq!(
        club.fill_in(&first, &fields("bob", wrong)).await.status(),
        401
    );
    assert_eq!(
        club.fill_in(&first, &fields("bob", &code)).await.status(),
        303
    );
    assert_eq!(club.whoami(&first).await.as_deref(), Some("bob"));

    let second = club.gate.browser();
    assert_eq!(
        club.fill_in(&second, &fields("bob", &code)).await.status(),
        401
    );
    assert_eq!(club.whoami(&second).await, None);
    club.gate.says("\"reason\":\"used-code\"").await;
    // Who has no secret does not get in.
    assert_eq!(
        club.fill_in(&second, &fields("alice", "")).await.status(),
        401
    );
    club.gate.says("\"reason\":\"no-second-factor\"").await;
}

#[tokio::test]
async fn optional_codes_are_asked_of_those_who_have_them() {
    let bob = format!("{}totp = \"{SECRET}\"\n", user("bob"));
    let club = Club::with("", "totp = \"optional\"", &bob).await;
    let browser = club.gate.browser();
    assert_eq!(
        club.fill_in(&browser, &fields("bob", "")).await.status(),
        401
    );
    assert_eq!(
        club.fill_in(&browser, &fields("alice", "")).await.status(),
        303
    );
    assert_eq!(
        club.fill_in(&browser, &fields("bob", &code()))
            .await
            .status(),
        303
    );
    assert_eq!(club.whoami(&browser).await.as_deref(), Some("bob"));
}

/// A reload forgets no code.
#[tokio::test]
async fn a_used_code_stays_used_over_a_reload() {
    let bob = format!("{}totp = \"{SECRET}\"\n", user("bob"));
    let club = Club::with("", "totp = \"required\"", &bob).await;
    let code = code();
    let browser = club.gate.browser();
    assert_eq!(
        club.fill_in(&browser, &fields("bob", &code)).await.status(),
        303
    );
    club.gate.signal("HUP");
    club.gate.says("reloaded").await;
    assert_eq!(
        club.fill_in(&browser, &fields("bob", &code)).await.status(),
        401
    );
}
