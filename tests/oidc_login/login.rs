//! Logins that succeed.

use super::*;
use crate::support::together;

/// Promise: whoever the provider vouches for is who the app is told of, with issuer, name and groups; where they were
/// going is where they end.
#[tokio::test]
async fn whoever_logs_in_at_the_provider_comes_to_where_they_were_going() {
    let shop = Shop::plain().await;
    let browser = shop.gate.browser();

    let there = shop.begin(&browser, "/private/x?y=1").await;
    assert!(there.starts_with(shop.idp.issuer()), "{there}");
    let back = shop.idp.visitor().log_in(&there, "alice").await;
    let answer = shop.come_back(&browser, &back).await;

    assert_eq!(answer.status(), 303, "{}", answer.text());
    assert_eq!(answer.header("location"), Some("/private/x?y=1"));
    assert_eq!(answer.header("cache-control"), Some("private, no-store"));
    assert_eq!(browser.get("/private/x").send().await.status(), 200);
    let seen = shop.app.last();
    assert_eq!(seen.header("x-session-user").as_deref(), Some("alice"));
    assert_eq!(seen.header("x-issuer").as_deref(), Some(shop.idp.issuer()));
    assert_eq!(seen.header("x-name").as_deref(), Some("Alice"));
    assert_eq!(seen.header("x-groups").as_deref(), Some("dev,staff"));
    assert!(seen.cookies().is_empty(), "{:?}", seen.cookies());
}

/// Promise (fixation): a ticket that was planted before the login sees nothing of it, and the browser gets another.
#[tokio::test]
async fn a_planted_ticket_sees_nothing_of_the_login() {
    let shop = Shop::with("rotation_grace = \"1s\"", "").await;
    let (browser, attacker) = (shop.gate.browser(), shop.gate.browser());
    browser.get("/set").send().await;
    let planted = browser.ticket_line();

    shop.log_in_as(&browser, &shop.idp.visitor(), "alice").await;

    assert_ne!(browser.ticket_line(), planted);
    assert_eq!(shop.whoami(&browser).await.as_deref(), Some("alice"));
    attacker.get("/whoami").holding(&planted).send().await;
    assert_eq!(shop.app.last().header("x-session-user"), None);
    let again = attacker.get("/private/x").holding(&planted).navigating();
    assert_eq!(again.send().await.status(), 302);
}

/// Promise: another user starts with nothing of the one before.
#[tokio::test]
async fn another_user_begins_with_an_empty_jar() {
    let shop = Shop::plain().await;
    let browser = shop.member("alice").await;
    browser.get("/set").send().await;
    browser.get("/whoami").send().await;
    assert_eq!(shop.app.last().cookie("basket").as_deref(), Some("full"));

    let there = shop.sent(&browser, "/.cloakroom/login").await;
    let back = shop.idp.visitor().log_in(&there, "bob").await;
    shop.come_back(&browser, &back).await;

    assert_eq!(shop.whoami(&browser).await.as_deref(), Some("bob"));
    assert_eq!(shop.app.last().cookie("basket"), None);
}

/// Promise: a login leads to a path of this site and nowhere else.
#[tokio::test]
async fn a_login_leads_nowhere_but_to_the_site() {
    let shop = Shop::plain().await;
    let visitor = shop.idp.visitor();
    let long = format!("%2F{}", "x".repeat(900));
    for (wanted, expected) in [
        ("%2Fx%3Fa%3D1", "/x?a=1"),
        ("//evil.test", "/"),
        ("%2F%2Fevil.test", "/"),
        ("/%5Cevil.test", "/"),
        ("https://evil.test/", "/"),
        ("https:evil.test", "/"),
        ("/%09/evil.test", "/"),
        ("%2Fx%0D%0ASet-Cookie:a=b", "/"),
        ("%2F.cloakroom%2Flogout", "/"),
        ("javascript:alert(1)", "/"),
        (&long, "/"),
    ] {
        let browser = shop.gate.browser();
        let there = shop
            .sent(&browser, &format!("/.cloakroom/login?return_to={wanted}"))
            .await;
        let back = visitor.log_in(&there, "alice").await;
        let answer = shop.come_back(&browser, &back).await;
        assert_eq!(answer.header("location"), Some(expected), "{wanted}");
    }
}

/// Promise: twenty tabs that begin at once, in a browser that holds nothing, all log in.
#[tokio::test]
async fn twenty_tabs_log_in_at_once() {
    let shop = Shop::plain().await;
    let browser = shop.gate.browser();
    let paths: Vec<_> = (0..20).map(|tab| format!("/private/{tab}")).collect();

    let begun = together(paths.iter().map(|path| shop.begin(&browser, path))).await;
    assert!(bindings(&browser).len() <= 20, "{:?}", browser.names());
    let visitor = shop.idp.visitor();
    let mut back = Vec::new();
    for there in &begun {
        back.push(visitor.log_in(there, "alice").await);
    }
    let answers = together(back.iter().map(|address| shop.come_back(&browser, address))).await;

    for (path, answer) in paths.iter().zip(answers) {
        assert_eq!(answer.status(), 303, "{}", answer.text());
        assert_eq!(answer.header("location"), Some(path.as_str()));
        assert_eq!(browser.get(path).navigating().send().await.status(), 200);
    }
    // A tab that begins later goes by what is there.
    let before = bindings(&browser).len();
    shop.sent(&browser, "/.cloakroom/login").await;
    assert_eq!(bindings(&browser).len(), before);
}

/// Promise: scripts are told, and leave a browser as it was, however many of them ask.
#[tokio::test]
async fn a_thousand_requests_of_scripts_make_no_cookie() {
    let shop = Shop::plain().await;
    let browser = shop.gate.browser();
    for _ in 0..20 {
        let asked = (0..50).map(|_| browser.get("/private/data").fetching().send());
        for answer in together(asked).await {
            assert_eq!(answer.status(), 401);
            assert!(
                answer.text().contains("login-required"),
                "{}",
                answer.text()
            );
        }
    }
    let direct = browser.get("/.cloakroom/login").fetching().send().await;
    assert_eq!(direct.status(), 403);
    assert_eq!(bindings(&browser), Vec::<String>::new());
}

/// Promise: with a Strict ticket a login works as well; the ticket is set on a request of our own page.
#[tokio::test]
async fn a_strict_ticket_is_set_on_the_way_from_our_own_page() {
    let shop = Shop::with("[session.cookie]\nsame_site = \"Strict\"", "").await;
    let browser = shop.gate.browser();
    let there = shop.begin(&browser, "/private/x").await;
    let back = shop.idp.visitor().log_in(&there, "alice").await;

    let page = shop.come_back(&browser, &back).await;

    assert_eq!(page.status(), 200, "{}", page.text());
    assert!(page.set_cookies().is_empty());
    let html = page.text().replace("&amp;", "&");
    let (_, rest) = html.split_once("content=\"0; url=").unwrap();
    let (address, _) = rest.split_once('"').unwrap();
    let path = address.strip_prefix(&shop.gate.origin()).unwrap();
    let answer = browser.get(path).navigating().send().await;
    assert_eq!(answer.status(), 303, "{}", answer.text());
    assert!(!browser.ticket().is_empty());
    assert_eq!(shop.whoami(&browser).await.as_deref(), Some("alice"));
    // A browser that says "another site" of our own page too is not sent round for ever.
    let looped = coming(&browser, path).send().await;
    assert_eq!(looped.status(), 403);
}

/// Promise (step-up): a rule that asks for a recent login has the provider ask again, and ends.
#[tokio::test]
async fn a_recent_login_is_asked_of_the_provider() {
    let shop = Shop::plain().await;
    let (browser, visitor) = (shop.gate.browser(), shop.idp.visitor());
    shop.log_in_as(&browser, &visitor, "alice").await;
    tokio::time::sleep(std::time::Duration::from_millis(3100)).await;

    let there = shop.begin(&browser, "/fresh").await;

    assert!(there.contains("max_age=2"), "{there}");
    let back = visitor.log_in(&there, "alice").await;
    let answer = shop.come_back(&browser, &back).await;
    assert_eq!(
        answer.header("location"),
        Some("/fresh"),
        "{}",
        answer.text()
    );
}

/// Promise: what ties a login to the browser is ours: the app neither sees it nor sets it.
#[tokio::test]
async fn the_app_neither_sees_nor_sets_what_ties_a_login() {
    let shop = Shop::plain().await;
    let browser = shop.gate.browser();
    shop.begin(&browser, "/private/x").await;
    let held = bindings(&browser);
    assert_eq!(held.len(), 1);

    browser.get("/impostor").send().await;

    assert!(shop.app.last().cookies().is_empty());
    assert_eq!(bindings(&browser), held);
}
