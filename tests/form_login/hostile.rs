//! What nobody can make of the login page.

use std::time::Duration;

use cloakroom::base::clock::Stopwatch;
use cloakroom::login::form::password::Cost;

use crate::support::forms::hidden;
use crate::support::together;
use crate::{Club, PASSWORD, posted, user_at};

/// Session fixation: somebody who planted a valid ticket of their own gets nothing of the login, neither at once nor later.
#[tokio::test]
async fn a_planted_ticket_sees_nothing_of_the_login() {
    let club = Club::with("rotation_grace = \"1s\"", "carry = true", "").await;
    let thief = club.gate.browser();
    thief.get("/set").send().await;
    let planted = thief.ticket_line();
    let victim = club.gate.browser();
    victim.plant("localhost", "/", &format!("{planted}; Path=/; Secure"));

    // It is held and sent: the form is tied to it.
    assert_eq!(victim.ticket_line(), planted);
    let html = club.form(&victim, "").await.text();
    let tied = hidden(&html, "token").unwrap();
    let html = club.form(&thief, "").await.text();
    assert_eq!(hidden(&html, "token").unwrap(), tied);
    assert_ne!(tied, "");

    let answer = club.log_in(&victim, "alice", PASSWORD).await;
    assert_eq!(answer.status(), 303);
    assert_ne!(victim.ticket_line(), planted);
    victim.get("/late").send().await;

    assert_eq!(club.whoami(&victim).await.as_deref(), Some("alice"));
    let watch = async || {
        thief.get("/").holding(&planted).send().await;
        let seen = club.app.last();
        let ticket = (seen.header("x-session-user"), seen.cookie("late"));
        assert_eq!(ticket, (None, None));
        seen.cookie("basket")
    };
    watch().await;
    // After the grace it opens nothing at all.
    crate::support::eventually("the planted ticket to be dead", async || {
        watch().await.is_none().then_some(())
    })
    .await;
    assert_eq!(club.whoami(&victim).await.as_deref(), Some("alice"));
}

/// Login CSRF: nobody is logged in as somebody else by another site's form.
#[tokio::test]
async fn a_form_of_another_origin_logs_nobody_in() {
    let club = Club::plain().await;
    let browser = club.gate.browser();
    browser.get("/").send().await;
    let fields = [("user", "alice"), ("password", PASSWORD)];
    let page = "/.cloakroom/login";
    let origin = club.gate.origin();
    let port = club.gate.https().port();
    let form = || posted(&browser, page, &fields);
    let rows = [
        form().header("origin", "https://evil.test"),
        form()
            .header("origin", "https://evil.test")
            .header("sec-fetch-site", "cross-site"),
        form().header("origin", "null"),
        // Nobody says where it comes from.
        form(),
        // Another host of the same site, and another port of the same host.
        form().header("origin", format!("https://other.test:{port}")),
        form().header("origin", "https://localhost"),
        form().header("origin", format!("http://localhost:{port}")),
        form()
            .header("origin", &origin)
            .header("sec-fetch-site", "same-site"),
        form()
            .header("origin", "https://evil.test")
            .header("sec-fetch-site", "same-origin"),
        // A script of the app.
        form().header("origin", &origin).fetching(),
        browser.get(page).fetching(),
    ];
    for (nth, call) in rows.into_iter().enumerate() {
        let answer = call.send().await;
        assert_eq!(answer.status(), 403, "{nth}");
        assert_eq!(answer.set_cookies(), Vec::<String>::new(), "{nth}");
    }
    // From the right origin, but not from the form that this visitor was given.
    let other = club.gate.browser();
    other.get("/").send().await;
    let html = club.form(&other, "").await.text();
    let token = hidden(&html, "token").unwrap();
    for token in ["x", &token] {
        let fields = [fields.as_slice(), &[("token", token)]].concat();
        let answer = club.send(&browser, &fields).await;
        assert_eq!(answer.status(), 409, "{token}");
        assert!(answer.text().contains("Your session has changed"));
    }
    assert_eq!(club.whoami(&browser).await, None);
}

#[tokio::test]
async fn no_return_address_leads_away() {
    let club = Club::plain().await;
    let long = format!("/{}", "x".repeat(3000));
    for (wanted, expected) in [
        ("/x?a=1&b=//z", "/x?a=1&b=//z"),
        ("//evil.test", "/"),
        ("/\\evil.test", "/"),
        ("\\\\evil.test", "/"),
        ("https:evil.test", "/"),
        ("https://evil.test/", "/"),
        ("javascript:alert(1)", "/"),
        ("/%2fevil.test", "/"),
        ("/%5cevil.test", "/"),
        ("/%252fevil.test", "/"),
        ("/\t/evil.test", "/"),
        ("/%09/evil.test", "/"),
        ("/x\r\nset-cookie: a=b", "/"),
        ("/x%0d%0aset-cookie: a=b", "/"),
        ("/.cloakroom/login", "/"),
        ("/x/..//evil.test", "/"),
        ("evil.test", "/"),
        ("", "/"),
        (&long, "/"),
    ] {
        let browser = club.gate.browser();
        let query = crate::support::forms::encode(&[("return_to", wanted)]);
        let html = club.form(&browser, &format!("?{query}")).await.text();
        let shown = hidden(&html, "return_to").unwrap();
        let shown = shown.replace("&#x2f;", "/").replace("&amp;", "&");
        assert_eq!(shown, expected, "{wanted:?}");
        let fields = [
            ("user", "alice"),
            ("password", PASSWORD),
            ("return_to", wanted),
        ];
        let answer = club.send(&browser, &fields).await;
        let found = (answer.status(), answer.header("location"));
        assert_eq!(found, (303, Some(expected)), "{wanted:?}");
        assert_eq!(answer.header("a"), None);
    }
}

#[tokio::test]
async fn what_is_no_plain_form_is_refused() {
    let club = Club::plain().await;
    let browser = club.gate.browser();
    let large = "x".repeat(9 << 10);
    let page = "/.cloakroom/login";
    let form = "application/x-www-form-urlencoded";
    let good = "user=alice&password=correct+horse";
    let rows = [
        (page, form, "user=alice", 400),
        (page, form, "user=alice&user=bob&password=x", 400),
        (page, form, "user=alice&USER=bob&password=x", 400),
        (page, form, "user=alice&password=%zz", 400),
        (page, "application/json", good, 400),
        (page, "multipart/form-data; boundary=x", good, 400),
        ("/.cloakroom/login?user=bob", form, good, 400),
        (page, form, &large, 413),
    ];
    for (path, kind, body, expected) in rows {
        let call = browser.post(path, body.to_owned());
        let call = call.header("origin", club.gate.origin()).navigating();
        let answer = call.header("content-type", kind).send().await;
        assert_eq!(answer.status(), expected, "{kind} {path} {:.40}", body);
    }
    assert_eq!(club.whoami(&browser).await, None);
}

/// Guessing is slowed down, account by account, whether there is such an account or not.
#[tokio::test]
async fn guessing_is_slowed_down() {
    let club = Club::with("", "attempts_per_account = 3", "").await;
    let browser = club.gate.browser();
    for user in ["alice", "nobody"] {
        for _ in 0..3 {
            let answer = club.log_in(&browser, user, "a wrong one").await;
            assert_eq!(answer.status(), 401, "{user}");
        }
        let answer = club.log_in(&browser, user, PASSWORD).await;
        assert_eq!(answer.status(), 429, "{user}");
        assert!(answer.header("retry-after").is_some(), "{user}");
    }
    assert_eq!(club.whoami(&browser).await, None);
}

/// The app sees none of our pages, in no spelling; what is spelled otherwise is no page.
#[tokio::test]
async fn our_pages_never_reach_the_app() {
    let club = Club::plain().await;
    let browser = club.gate.browser();
    for path in [
        "/.CLOAKROOM/login",
        "/%2ecloakroom/login/x",
        "/.cloakroom/login;x=1",
        "/.cloakroom/login/",
        "/.cloakroom/nothing",
    ] {
        let answer = browser.get(path).send().await;
        assert!(
            [400, 404].contains(&answer.status()),
            "{path} {}",
            answer.status()
        );
    }
    assert_eq!(
        browser
            .call(http::Method::PUT, "/.cloakroom/login")
            .send()
            .await
            .status(),
        405
    );
    assert_eq!(club.app.seen().len(), 0);
}

/// A flood of logins is turned away, and what is not a login goes on meanwhile.
#[tokio::test]
async fn a_flood_of_logins_is_turned_away_and_starves_nobody() {
    let dear = Cost {
        memory_kib: 64 << 10,
        passes: 4,
        lanes: 1,
    };
    let limits = "attempts_per_account = 0\nattempts_per_address = 0";
    let club = Club::with("", limits, &user_at("dear", dear)).await;
    let club = &club;
    let flood = (0..160).map(async |_| {
        let browser = club.gate.browser();
        let fields = [("user", "dear"), ("password", "wrong password")];
        let sent = Stopwatch::start();
        let answer = club.send(&browser, &fields).await;
        let again = answer.header("retry-after").map(str::to_owned);
        (answer.status(), again, sent.elapsed())
    });
    let others = async {
        let mut slowest = Duration::ZERO;
        for _ in 0..20 {
            let began = Stopwatch::start();
            let answer = club.gate.browser().get("/").send().await;
            assert_eq!(answer.status(), 200);
            slowest = slowest.max(began.elapsed());
        }
        slowest
    };
    let (answers, slowest) = tokio::join!(together(flood), others);
    let mut busy = answers.iter().filter(|(status, ..)| *status == 503);
    // At once, and not when their patience is at an end.
    let at_once = busy
        .clone()
        .filter(|(.., took)| *took < Duration::from_secs(6));
    assert!(at_once.count() > 20, "{answers:?}");
    assert!(busy.all(|(_, again, _)| again.as_deref() == Some("5")));
    assert!(
        answers
            .iter()
            .all(|(status, ..)| [401, 503].contains(status))
    );
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");
    let browser = club.gate.browser();
    assert_eq!(club.log_in(&browser, "alice", PASSWORD).await.status(), 303);
}
