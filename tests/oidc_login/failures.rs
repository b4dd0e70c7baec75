//! Logins that do not work, and what visitors are told.

use serde_json::json;

use super::*;

/// Promise: what the provider says against a login is told by its code alone, with a way to try again that nobody is
/// sent by on their own.
#[tokio::test]
async fn a_denial_is_told_by_its_code_alone() {
    let shop = Shop::plain().await;
    let browser = shop.gate.browser();
    for (error, status, shown) in [
        ("access_denied", 403, "access_denied"),
        ("temporarily_unavailable", 503, "temporarily_unavailable"),
        ("server_error", 502, "server_error"),
        ("%3Cscript%3Ealert(1)%3C/script%3E", 403, "invalid"),
    ] {
        let there = shop.begin(&browser, "/private/x").await;
        let (_, state) = there.split_once("&state=").unwrap();
        let state = state.split('&').next().unwrap();
        let iss = shop.idp.issuer().replace(':', "%3A").replace('/', "%2F");
        let markup = "%3Cscript%3Ealert(2)%3C%2Fscript%3E";
        let path = format!(
            "/.cloakroom/callback?error={error}&error_description={markup}&state={state}&iss={iss}"
        );

        let answer = shop.come_back(&browser, &path).await;

        let html = answer.text();
        assert_eq!(answer.status(), status, "{html}");
        assert!(
            !html.contains("alert") && !html.contains("http-equiv"),
            "{html}"
        );
        for part in [shown, "Request id", "return_to=%2Fprivate%2Fx"] {
            assert!(html.contains(part), "{part}: {html}");
        }
    }
    shop.gate.says("\"reason\":\"denied\"").await;
}

/// Promise: a provider that is down is told so, no session is harmed, and when it is back the login works.
#[tokio::test]
async fn a_provider_that_is_down_harms_nobody() {
    let shop = Shop::plain().await;
    let (member, browser) = (shop.member("bob").await, shop.gate.browser());
    let there = shop.begin(&browser, "/private/x").await;
    let back = shop.idp.visitor().log_in(&there, "alice").await;
    shop.idp.set(json!({"down": true})).await;

    let answer = shop.come_back(&browser, &back).await;

    assert!(
        [502, 503, 504].contains(&answer.status()),
        "{}",
        answer.status()
    );
    let html = answer.text();
    assert!(
        html.contains("does not answer") && html.contains("Log in again"),
        "{html}"
    );
    assert_eq!(shop.whoami(&member).await.as_deref(), Some("bob"));
    shop.gate.says("\"reason\":\"no-answer\"").await;
    shop.idp.set(json!({"down": false})).await;
    let again = shop.log_in_as(&browser, &shop.idp.visitor(), "alice").await;
    assert_eq!(again.status(), 303, "{}", again.text());
}

/// Promise: a gateway starts without its provider, and says so to who would log in.
#[tokio::test]
async fn a_gateway_starts_without_its_provider() {
    let app = App::plain().await;
    let nobody = app.addr();
    let site = site("http://127.0.0.1:9", "");
    let setup = Setup {
        site: &site,
        ..Setup::default()
    };
    let gate = Gate::before(nobody, setup).await;
    let browser = gate.browser();

    let answer = browser.get("/.cloakroom/login").navigating().send().await;

    assert_eq!(answer.status(), 502, "{}", answer.text());
    assert!(answer.text().contains("Request id"), "{}", answer.text());
    assert!(bindings(&browser).is_empty());
}

/// Promise: whoever is logged in and sent to log in again and again is told instead.
#[tokio::test]
async fn a_login_loop_ends() {
    let shop = Shop::plain().await;
    let (browser, visitor) = (shop.gate.browser(), shop.idp.visitor());
    shop.log_in_as(&browser, &visitor, "alice").await;
    let page = "/.cloakroom/login?return_to=%2Fprivate%2Fx";
    for _ in 0..5 {
        let there = shop.sent(&browser, page).await;
        let back = visitor.log_in(&there, "alice").await;
        assert_eq!(shop.come_back(&browser, &back).await.status(), 303);
    }
    let told = browser.get(page).navigating().send().await;
    assert_eq!(told.status(), 403, "{}", told.text());
    shop.gate.says("login-loop").await;
}
