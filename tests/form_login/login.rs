//! Who gets in, and who does not.

use cloakroom::login::form::password::Cost;

use crate::support::forms::hidden;
use crate::{CHEAP, Club, PASSWORD, posted, user, user_at};

#[tokio::test]
async fn who_knows_the_password_is_told_to_the_app_and_goes_on_to_where_they_were_going() {
    let club = Club::plain().await;
    let browser = club.gate.browser();
    browser.get("/").send().await;
    let before = browser.ticket();
    assert_eq!(club.whoami(&browser).await, None);

    let answer = club.log_in(&browser, "alice", PASSWORD).await;

    assert_eq!(
        (answer.status(), answer.header("location")),
        (303, Some("/page"))
    );
    assert_eq!(answer.header("cache-control"), Some("private, no-store"));
    assert_ne!(browser.ticket(), before);
    assert_eq!(club.whoami(&browser).await.as_deref(), Some("alice"));
    let seen = club.app.last();
    assert_eq!(seen.header("x-name").as_deref(), Some("Alice"));
    assert_eq!(seen.header("x-groups").as_deref(), Some("staff"));
    let paths = club.app.seen();
    assert!(paths.iter().all(|seen| !seen.path().contains("cloakroom")));
    assert!(
        club.form(&browser, "")
            .await
            .text()
            .contains("logged in as alice.")
    );
}

#[tokio::test]
async fn a_visitor_without_a_ticket_logs_in_too() {
    let club = Club::with("", "", "").await;
    let browser = club.gate.browser().http2();
    let answer = club.log_in(&browser, " alice ", PASSWORD).await;
    assert_eq!(answer.status(), 303);
    assert_eq!(club.whoami(&browser).await.as_deref(), Some("alice"));
}

/// The answers differ in nothing but the name that was typed, and the log alone tells why.
#[tokio::test]
async fn unknown_users_wrong_passwords_and_disabled_users_get_one_answer() {
    let carl = format!("{}disabled = true\n", user("carl"));
    let club = Club::with("", "", &carl).await;
    let mut answers = Vec::new();
    for (user, password) in [
        ("alice", "hunter2-wrong"),
        ("nobody", PASSWORD),
        ("Alice", PASSWORD),
        ("carl", PASSWORD),
        ("hunter2-in-the-wrong-field", "some password"),
    ] {
        let browser = club.gate.browser();
        let answer = club.log_in(&browser, user, password).await;
        assert_eq!(answer.status(), 401, "{user}");
        let challenge = answer.header("www-authenticate");
        assert_eq!(challenge, Some("Session realm=\"app\""), "{user}");
        assert_eq!(answer.set_cookies(), Vec::<String>::new(), "{user}");
        let text = answer.text();
        assert!(text.contains("role=\"alert\"") && !text.contains(password));
        answers.push(text.replace(&format!("value=\"{user}\""), "value=\"\""));
        assert_eq!(club.whoami(&browser).await, None, "{user}");
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:#?}");
    for reason in ["wrong-password", "unknown-user", "disabled"] {
        club.gate.says(&format!("\"reason\":\"{reason}\"")).await;
    }
    let printed = club.gate.printed();
    assert!(!printed.contains("hunter2") && !printed.contains(PASSWORD));
}

/// The pages are below the site's path, and nowhere else.
#[tokio::test]
async fn a_site_below_a_path_has_its_pages_there() {
    let club = Club::at("/deep").await;
    let browser = club.gate.browser();
    assert_eq!(club.form(&browser, "").await.status(), 404);
    let page = "/deep/.cloakroom/login";
    let html = browser.get(page).navigating().send().await.text();
    let back = hidden(&html, "return_to").unwrap();
    assert_eq!(back, "/deep");
    let fields = [("user", "alice"), ("password", PASSWORD)];
    let form = posted(&browser, page, &fields).header("origin", club.gate.origin());
    let answer = form.navigating().send().await;
    let found = (answer.status(), answer.header("location"));
    assert_eq!(found, (303, Some("/deep")));
    browser.get("/deep/x").send().await;
    let user = club.app.last().header("x-session-user");
    assert_eq!(user.as_deref(), Some("alice"));
}

/// What belongs to whoever sat there before stays behind, unless the operator says otherwise.
#[tokio::test]
async fn what_an_anonymous_visitor_had_goes_along_only_if_it_is_to() {
    for (login, expected) in [("", None), ("carry = true", Some("full"))] {
        let club = Club::with("", login, "").await;
        let browser = club.gate.browser();
        browser.get("/set").send().await;
        club.log_in(&browser, "alice", PASSWORD).await;
        browser.get("/").send().await;
        let basket = club.app.last().cookie("basket");
        assert_eq!(basket.as_deref(), expected, "{login:?}");
    }
}

#[tokio::test]
async fn hashes_of_other_costs_stay_good() {
    let dear = Cost {
        memory_kib: 128,
        passes: 3,
        lanes: 2,
    };
    let club = Club::with("", "hash_memory = \"19MiB\"", &user_at("bob", dear)).await;
    let browser = club.gate.browser();
    let answer = club.log_in(&browser, "bob", PASSWORD).await;
    assert_eq!(answer.status(), 303);
    assert_ne!(CHEAP, dear);
}

#[tokio::test]
async fn logging_in_again_makes_another_session_and_another_user_starts_empty() {
    let club = Club::with("", "carry = true", &user("bob")).await;
    let browser = club.gate.browser();
    club.log_in(&browser, "alice", PASSWORD).await;
    browser.get("/set").send().await;
    let alice = browser.ticket();

    club.log_in(&browser, "bob", PASSWORD).await;

    assert_ne!(browser.ticket(), alice);
    assert_eq!(club.whoami(&browser).await.as_deref(), Some("bob"));
    assert_eq!(club.app.last().cookie("basket"), None);
}

/// While somebody types, their browser may ask for an icon, or they may look at another page: then there is a session that
/// was not there when the form was shown.
#[tokio::test]
async fn a_form_that_was_opened_before_there_was_a_session_logs_in() {
    let club = Club::with("", "", &user("bob")).await;
    let browser = club.gate.browser();
    let html = club.form(&browser, "").await.text();
    assert_eq!(hidden(&html, "token").as_deref(), Some(""));
    browser.get("/set").send().await;
    let fields = |user| [("user", user), ("password", PASSWORD), ("token", "")];
    assert_eq!(club.send(&browser, &fields("alice")).await.status(), 303);
    assert_eq!(club.whoami(&browser).await.as_deref(), Some("alice"));

    // But it takes nobody's place who has logged in meanwhile.
    assert_eq!(club.send(&browser, &fields("bob")).await.status(), 409);
    assert_eq!(club.whoami(&browser).await.as_deref(), Some("alice"));
}
