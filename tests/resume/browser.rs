//! In a real browser whose owner has turned scripts off. A picture of the page is kept in `target/tmp/browser`.

use crate::support::chromium::Chromium;
use crate::support::{App, Reply, Seen};
use crate::{Club, PASSWORD};

fn with_a_form(seen: &Seen) -> Reply {
    let page = match seen.path() {
        "/write" => {
            "<!DOCTYPE html><title>Write</title><form method=\"post\" action=\"/notes/new\">\
             <input name=\"title\" value=\"\"><textarea name=\"text\">one\ntwo</textarea>\
             <input name=\"pin\" value=\"1234\"><button type=\"submit\">Save</button></form>"
        }
        _ => "<!DOCTYPE html><title>Saved</title><p>saved</p>",
    };
    Reply::ok(page).header("content-type", "text/html; charset=utf-8")
}

#[tokio::test]
async fn a_person_writes_logs_in_presses_the_button_and_it_is_saved() {
    let Some(browser) = Chromium::without_scripts().await else {
        return;
    };
    let app = App::answering(with_a_form).await;
    let club = Club::before(app, "engine = \"memory\"", "", "").await;
    let at = |path: &str| format!("{}{path}", club.gate.origin());
    browser.go(&at("/write")).await;
    browser.fill("[name=title]", "Käse & <b>").await;
    browser.click("button").await;
    browser
        .arrives("/.cloakroom/login?return_to=%2F.cloakroom%2Fresume%3Fform%3D0")
        .await;
    browser.fill("#user", "alice").await;
    browser.fill("#password", PASSWORD).await;
    browser.click("button[type=submit]").await;

    browser.arrives("/.cloakroom/resume?form=0").await;
    browser.picture("resume").await;
    assert_eq!(browser.text("h1").await, "Send your form now?");
    let shown = browser.text("dl").await;
    assert!(
        shown.contains("Käse & <b>") && !shown.contains("1234"),
        "{shown}"
    );
    assert!(club.seen("/notes/new").is_empty());
    browser.click("button[type=submit]").await;

    browser.arrives("/notes/new").await;
    assert_eq!(browser.text("p").await, "saved");
    let seen = club.seen("/notes/new");
    let [seen] = &*seen else {
        panic!("{seen:?}");
    };
    assert_eq!(seen.header("x-session-user").as_deref(), Some("alice"));
    assert_eq!(
        seen.header("sec-fetch-site").as_deref(),
        Some("same-origin")
    );
    assert_eq!(
        seen.body,
        "title=K%C3%A4se+%26+%3Cb%3E&text=one%0D%0Atwo&pin=1234".as_bytes()
    );
    let key = browser.cookie("__Host-cloakroom-form").await.unwrap();
    assert_eq!(
        (&key["httpOnly"], &key["secure"]),
        (&true.into(), &true.into())
    );

    browser.go(&at("/.cloakroom/resume?form=0")).await;
    assert_eq!(browser.text("h1").await, "There is no form here");
}
