//! With the login page of the gateway.

use crate::support::forms::encode;
use crate::{Club, TARGET, assert_untouched};

#[tokio::test]
async fn a_form_that_meets_a_login_is_sent_after_it_as_it_was() {
    let club = Club::plain().await;
    for http2 in [false, true] {
        let mut browser = club.gate.browser();
        if http2 {
            browser = browser.http2();
        }
        browser.get("/").navigating().send().await;
        let target = format!("{TARGET}&h2={http2}");
        let body = encode(&[
            ("title", "Käse & <b>"),
            ("text", "a\r\nb"),
            ("tag", "1"),
            ("tag", "2"),
            ("e", ""),
        ]);
        let answer = club.post(&browser, &target, &body).send().await;
        assert_eq!(answer.status(), 303, "{answer:?}");
        assert!(answer.lists("cache-control", "no-store"));
        assert!(answer.header("connection").is_none(), "the form was read");
        let cookies = answer.set_cookies();
        let [cookie] = &*cookies else {
            panic!("{cookies:?}");
        };
        let (pair, attributes) = cookie.split_once("; ").unwrap();
        assert!(
            pair.starts_with("__Host-cloakroom-form=") && pair.len() == 65,
            "{pair}"
        );
        assert_eq!(
            attributes,
            "HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=900"
        );
        assert_untouched_by(&club, &target);

        let page = club
            .log_in(&browser, "alice", "/.cloakroom/resume?form=0")
            .await;
        assert_eq!(page, "/.cloakroom/resume?form=0");
        let shown = club.look(&browser, &page).await;
        assert_eq!(shown.status(), 200, "{shown:?}");
        let html = shown.text();
        assert!(
            html.contains("/notes/new") && html.contains("Käse &amp; &lt;b&gt;"),
            "{html}"
        );
        assert!(shown.lists("cache-control", "no-store"), "{shown:?}");
        // To look at it, even twice, sends nothing and takes nothing away.
        assert_eq!(club.look(&browser, &page).await.text(), html);
        assert_untouched_by(&club, &target);

        let answer = club.press_and_follow(&browser, &page, &html).await;

        assert_eq!(answer.status(), 200);
        let seen = club.seen(&target);
        let [seen] = &*seen else {
            panic!("{seen:?}");
        };
        assert_eq!(seen.method, "POST");
        assert_eq!(seen.header("x-session-user").as_deref(), Some("alice"));
        assert_eq!(seen.body, body.as_bytes());
        assert_eq!(seen.cookie("__Host-cloakroom-form"), None);
    }
}

fn assert_untouched_by(club: &Club, target: &str) {
    assert!(club.seen(target).is_empty());
}

/// CVE-2025-3891 was a module that fell over such a form.
#[tokio::test]
async fn an_empty_form_is_kept_too() {
    let club = Club::plain().await;
    let browser = club.gate.browser();
    let page = club.keep(&browser, TARGET, "").await;
    club.log_in(&browser, "alice", &page).await;
    let html = club.look(&browser, &page).await.text();
    let answer = club.press_and_follow(&browser, &page, &html).await;
    assert_eq!(answer.status(), 200);
    let seen = club.seen(TARGET);
    assert_eq!(
        (seen.len(), seen.first().map(|seen| seen.body.len())),
        (1, Some(0))
    );
}

#[tokio::test]
async fn a_form_without_content_type_is_answered_as_before() {
    let club = Club::plain().await;
    let browser = club.gate.browser();
    let call = browser
        .post(TARGET, "")
        .header("origin", club.gate.origin());
    let answer = call.navigating().send().await;
    assert_eq!(answer.status(), 401);
    assert_untouched(&club);
}

#[tokio::test]
async fn several_forms_of_a_browser_wait_side_by_side() {
    let club = Club::plain().await;
    let browser = club.gate.browser();
    let mut pages = Vec::new();
    for nth in 0..4 {
        pages.push(
            club.keep(&browser, &format!("/notes/{nth}"), &format!("n={nth}"))
                .await,
        );
    }
    // There is no place for another; nothing of the others is lost for it.
    let answer = club.post(&browser, "/notes/4", "n=4").send().await;
    assert_eq!(answer.status(), 401, "{answer:?}");
    club.log_in(&browser, "alice", "/").await;
    for (nth, page) in pages.iter().enumerate() {
        assert_eq!(*page, format!("/.cloakroom/resume?form={nth}"));
        let html = club.look(&browser, page).await.text();
        assert!(html.contains(&format!("/notes/{nth}")), "{html}");
    }
}

#[tokio::test]
async fn a_step_up_keeps_the_form_for_the_same_user_alone() {
    let club = Club::plain().await;
    let browser = club.gate.browser();
    club.log_in(&browser, "alice", "/").await;
    crate::support::eventually("the login is too old", async || {
        let answer = club.look(&browser, "/vault/x").await;
        (answer.status() == 302).then_some(())
    })
    .await;
    let page = club.keep(&browser, "/vault/x", "a=1").await;
    club.log_in(&browser, "bob", &page).await;
    let other = club.look(&browser, &page).await;
    assert_eq!(other.status(), 404, "{other:?}");
    assert!(!other.text().contains("vault"));
    club.log_in(&browser, "alice", &page).await;
    let own = club.look(&browser, &page).await;
    assert_eq!(own.status(), 200);
    assert!(own.text().contains("/vault/x"));
}

#[tokio::test]
async fn whoever_is_not_logged_in_is_sent_to_log_in_and_back() {
    let club = Club::plain().await;
    let browser = club.gate.browser();
    let page = club.keep(&browser, TARGET, "a=1").await;
    let answer = club.look(&browser, &page).await;
    assert_eq!(answer.status(), 302);
    let back = "/.cloakroom/login?return_to=%2F.cloakroom%2Fresume%3Fform%3D0";
    assert_eq!(answer.header("location"), Some(back));
    let answer = club.post(&browser, &page, "a=1").send().await;
    assert_eq!(answer.status(), 401, "it is not lost: {answer:?}");
    assert!(
        answer
            .text()
            .contains("href=\"/.cloakroom/login?return_to=")
    );
    assert_untouched(&club);
}

/// Who has to pick first which of their sessions ends comes to the form afterwards.
#[tokio::test]
async fn the_way_to_the_form_leads_through_the_choice_of_sessions() {
    let limit = "max_per_user = 1\nover_limit = \"ask\"";
    let club = Club::with("engine = \"memory\"", limit, "").await;
    let (other, browser) = (club.gate.browser(), club.gate.browser());
    club.log_in(&other, "alice", "/").await;
    let page = club.keep(&browser, TARGET, "a=1").await;
    club.log_in(&browser, "alice", &page).await;
    let answer = club.look(&browser, &page).await;
    assert_eq!(answer.status(), 302, "{answer:?}");
    let choice = "/.cloakroom/session?return_to=%2F.cloakroom%2Fresume%3Fform%3D0";
    assert_eq!(answer.header("location"), Some(choice));
    assert_untouched(&club);
}

#[tokio::test]
async fn values_of_passwords_are_not_shown_and_arrive_all_the_same() {
    let club = Club::plain().await;
    let browser = club.gate.browser();
    let body = encode(&[("old_password", "hunter2"), ("title", "plain")]);
    let page = club.keep(&browser, TARGET, &body).await;
    club.log_in(&browser, "alice", &page).await;
    let html = club.look(&browser, &page).await.text();
    let (visible, _) = html.split_once("<form ").unwrap();
    assert!(
        visible.contains("old_password") && visible.contains("plain"),
        "{html}"
    );
    assert!(!visible.contains("hunter2"), "{html}");
    club.press_and_follow(&browser, &page, &html).await;
    assert_eq!(club.seen(TARGET).first().unwrap().body, body.as_bytes());
    assert!(!club.gate.printed().contains("hunter2"));
}

#[tokio::test]
async fn the_page_speaks_the_visitors_language() {
    let club = Club::plain().await;
    let browser = club.gate.browser();
    let page = club.keep(&browser, TARGET, "a=1").await;
    club.log_in(&browser, "alice", &page).await;
    let call = browser.get(&page).navigating();
    let answer = call
        .header("accept-language", "fr-CA, en;q=0.5")
        .send()
        .await;
    assert_eq!(answer.header("content-language"), Some("fr"));
    assert!(answer.lists("vary", "accept-language") || answer.lists("vary", "Accept-Language"));
    assert!(
        answer.text().contains("<html lang=\"fr\">")
            && answer.text().contains("Envoyer le formulaire")
    );
}

#[tokio::test]
async fn without_notes_or_with_none_wanted_the_answer_is_as_before() {
    for (store, login) in [("", ""), ("engine = \"memory\"", "preserve_post = \"0\"")] {
        let club = Club::with(store, "", login).await;
        let browser = club.gate.browser();
        let answer = club.post(&browser, TARGET, "a=1").send().await;
        // Where SQLite keeps notes the form is kept as well.
        if !login.is_empty() || answer.status() == 401 {
            assert_eq!(answer.status(), 401, "{answer:?}");
            assert_eq!(answer.set_cookies(), [""; 0]);
        }
        assert_untouched(&club);
    }
}
