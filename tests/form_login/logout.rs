//! The page that logs out.

use crate::support::Browser;
use crate::{Club, PASSWORD, posted};

async fn logged_in(club: &Club) -> Browser {
    let browser = club.gate.browser();
    club.log_in(&browser, "alice", PASSWORD).await;
    assert_eq!(club.whoami(&browser).await.as_deref(), Some("alice"));
    browser
}

#[tokio::test]
async fn the_button_ends_the_session() {
    let club = Club::plain().await;
    let browser = logged_in(&club).await;
    let ticket = browser.ticket_line();

    let answer = posted(&browser, "/.cloakroom/logout", &[])
        .header("origin", club.gate.origin())
        .navigating()
        .send()
        .await;

    assert_eq!(answer.status(), 200);
    assert!(answer.text().contains("You are logged out"));
    assert_eq!(club.whoami(&browser).await, None);
    club.gate.browser().get("/").holding(&ticket).send().await;
    assert_eq!(club.app.last().header("x-session-user"), None);
}

#[tokio::test]
async fn neither_a_link_nor_another_site_nor_a_script_logs_anybody_out() {
    let club = Club::plain().await;
    let browser = logged_in(&club).await;
    let shown = browser.get("/.cloakroom/logout").navigating().send().await;
    assert_eq!(shown.status(), 200);
    assert!(shown.text().contains("logged in as alice."));

    let page = "/.cloakroom/logout";
    let origin = club.gate.origin();
    let rows = [
        posted(&browser, page, &[])
            .header("origin", "https://evil.test")
            .header("sec-fetch-site", "cross-site")
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-dest", "document"),
        posted(&browser, page, &[]).header("origin", "https://evil.test"),
        posted(&browser, page, &[]).header("origin", "null"),
        posted(&browser, page, &[]),
        posted(&browser, page, &[])
            .header("origin", &origin)
            .header("sec-fetch-site", "same-site"),
        posted(&browser, page, &[])
            .header("origin", &origin)
            .fetching(),
        browser.get(page).fetching(),
    ];
    for (nth, call) in rows.into_iter().enumerate() {
        let answer = call.send().await;
        assert_eq!(answer.status(), 403, "{nth}");
        assert_eq!(answer.set_cookies(), Vec::<String>::new(), "{nth}");
    }
    assert_eq!(club.whoami(&browser).await.as_deref(), Some("alice"));
}
