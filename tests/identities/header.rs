//! `method = "header"`: a trusted proxy names the user with each request. The tests' browser stands for proxy and visitor
//! in one.

use crate::support::{App, Browser, Gate, Reply, Seen, Setup, together};

const TRUSTED: &str = "trusted_proxies = [\"127.0.0.0/8\"]";
const SITE: &str = r#"
header_preset = "remote-user"
[site.login]
method = "header"
user_header = "X-Forwarded-User"
groups_header = "X-Forwarded-Groups"
email_header = "X-Mail"
"#;

/// Gives everybody who has none a cookie that names the user.
async fn app() -> App {
    App::answering(|seen| {
        let user = seen.header("x-session-user").unwrap_or("nobody".into());
        match seen.cookie("mine") {
            Some(_) => Reply::ok("ok"),
            None => Reply::ok("ok").header("set-cookie", format!("mine={user}; Path=/")),
        }
    })
    .await
}

async fn gate(app: &App, server: &str, site: &str) -> Gate {
    let setup = Setup {
        server,
        site,
        ..Setup::default()
    };
    Gate::with(app, setup).await
}

async fn seen_by(app: &App, browser: &Browser, user: Option<&str>) -> Seen {
    let call = browser.get("/");
    let call = match user {
        Some(user) => call.header("x-forwarded-user", user),
        None => call,
    };
    assert_eq!(call.send().await.status(), 200);
    app.last()
}

fn user(seen: &Seen) -> Option<String> {
    seen.header("x-session-user")
}

fn id(seen: &Seen) -> Option<String> {
    seen.header("x-session-id")
}

#[tokio::test]
async fn a_named_user_is_logged_in_before_the_app_is_asked_and_once() {
    let cookie = "engine = \"cookie\"\nrevocations = \"data/revocations.db\"";
    for (store, http2) in [("", false), ("", true), (cookie, false)] {
        let app = app().await;
        let setup = Setup {
            server: TRUSTED,
            store,
            site: SITE,
            ..Setup::default()
        };
        let gate = Gate::with(&app, setup).await;
        let browser = match http2 {
            true => gate.browser().http2(),
            false => gate.browser(),
        };
        let before = seen_by(&app, &browser, None).await;
        let ticket = browser.ticket();
        assert_eq!(user(&before), None);

        let call = browser.get("/").header("x-forwarded-user", "alice");
        let call = call
            .header("x-forwarded-groups", "staff,dev")
            .header("x-mail", "a@example.com");
        call.send().await;
        let seen = app.last();
        assert_eq!(user(&seen).as_deref(), Some("alice"));
        assert_eq!(seen.header("remote-groups").as_deref(), Some("dev,staff"));
        assert_eq!(
            seen.header("remote-email").as_deref(),
            Some("a@example.com")
        );
        assert_eq!(seen.folded("x-forwarded-user"), [], "read, and removed");
        assert_eq!(seen.folded("x-mail"), []);
        assert_ne!(id(&seen), id(&before), "a session of their own");
        assert_eq!(seen.cookies(), [], "nothing of before comes along");
        let given = browser.ticket();
        assert_ne!(given, ticket);

        let call = browser.get("/").header("x-forwarded-user", "alice");
        let call = call
            .header("x-forwarded-groups", "dev, staff")
            .header("x-mail", "a@example.com");
        let answer = call.send().await;
        assert_eq!(
            answer.set_cookies(),
            [""; 0],
            "the same user: nothing is written"
        );
        let again = app.last();
        assert_eq!((user(&again), id(&again)), (user(&seen), id(&seen)));
        assert_eq!(again.cookie("mine").as_deref(), Some("alice"));
        let lines = gate.access_log(3).await;
        assert_eq!(lines[1]["user"], "alice");
    }
}

#[tokio::test]
async fn another_user_finds_nothing_of_the_one_before_and_new_groups_count_at_once() {
    let app = app().await;
    let gate = gate(&app, TRUSTED, SITE).await;
    let browser = gate.browser();
    let alice = seen_by(&app, &browser, Some("alice")).await;
    let of_alice = browser.ticket_line();

    let bob = seen_by(&app, &browser, Some("bob")).await;
    assert_eq!(user(&bob).as_deref(), Some("bob"));
    assert_eq!(bob.cookies(), []);
    assert_ne!(id(&bob), id(&alice));
    let of_bob = seen_by(&app, &browser, Some("bob")).await;
    assert_eq!(of_bob.cookie("mine").as_deref(), Some("bob"));

    // The old ticket does not show bob's things, whoever is named with it.
    let call = browser.get("/").holding(&of_alice);
    call.header("x-forwarded-user", "bob").send().await;
    assert_eq!(app.last().cookies(), []);
    assert_ne!(id(&app.last()), id(&bob));

    // Rights that were taken away are gone with the next request; what the user has stays.
    let call = browser.get("/").header("x-forwarded-user", "bob");
    call.header("x-forwarded-groups", "staff").send().await;
    assert_eq!(app.last().header("remote-groups").as_deref(), Some("staff"));
    assert_eq!(app.last().cookie("mine").as_deref(), Some("bob"));
    seen_by(&app, &browser, Some("bob")).await;
    assert_eq!(app.last().header("remote-groups"), None);
    assert_eq!(app.last().cookie("mine").as_deref(), Some("bob"));
}

/// Promise: a planted ticket is worth nothing to who planted it.
#[tokio::test]
async fn a_planted_ticket_sees_nothing_of_the_login() {
    let app = app().await;
    let gate = gate(&app, TRUSTED, SITE).await;
    let attacker = gate.browser();
    let planted = seen_by(&app, &attacker, None).await;
    let victim = gate.browser();
    let held = attacker.ticket_line();

    let call = victim.get("/").holding(&held);
    let answer = call.header("x-forwarded-user", "alice").send().await;
    let seen = app.last();
    assert_eq!(user(&seen).as_deref(), Some("alice"));
    assert_eq!(seen.cookies(), [], "the attacker's cookie of the app");
    assert_ne!(id(&seen), id(&planted));
    let given = answer.set_cookies();
    assert_eq!(given.len(), 1, "{given:?}");
    let given = given[0].split(';').next().unwrap_or_default();
    assert_ne!(given, held);
    let call = victim.get("/").holding(given);
    call.header("x-forwarded-user", "alice").send().await;
    assert_eq!(app.last().cookie("mine").as_deref(), Some("alice"));

    let seen = seen_by(&app, &attacker, None).await;
    assert_eq!(user(&seen), None);
    assert_ne!(seen.cookie("mine").as_deref(), Some("alice"));
}

#[tokio::test]
async fn where_nobody_is_named_nobody_is_logged_in() {
    let app = app().await;
    let gate = gate(&app, TRUSTED, SITE).await;
    let browser = gate.browser();
    let alice = seen_by(&app, &browser, Some("alice")).await;
    let ticket = browser.ticket();

    let seen = seen_by(&app, &browser, None).await;
    assert_eq!((user(&seen), id(&seen)), (None, None));
    assert_eq!(seen.cookies(), []);
    assert_eq!(
        browser.ticket(),
        ticket,
        "the session is out of sight, not over"
    );

    let back = seen_by(&app, &browser, Some("alice")).await;
    assert_eq!(id(&back), id(&alice));
    assert_eq!(back.cookie("mine").as_deref(), Some("alice"));
}

#[tokio::test]
async fn a_peer_that_is_not_trusted_names_nobody() {
    let app = app().await;
    let gate = gate(&app, "trusted_proxies = [\"10.0.0.0/8\"]", SITE).await;
    let browser = gate.browser();

    let call = browser.get("/").header("x-forwarded-user", "root");
    call.header("x_mail", "root@example.com").send().await;

    let seen = app.last();
    assert!(!format!("{seen:?}").contains("root"), "{seen:?}");
    gate.says(
        "a header that names the user came from a peer that is none of server.trusted_proxies",
    )
    .await;
}

#[tokio::test]
async fn what_can_be_read_in_two_ways_names_nobody() {
    let app = app().await;
    let gate = gate(&app, TRUSTED, SITE).await;
    let browser = gate.browser();
    let long = "a".repeat(257);
    let rows: [&[(&'static str, &str)]; 8] = [
        &[("x-forwarded-user", "alice"), ("x-forwarded-user", "root")],
        &[
            ("x-forwarded-user", "alice"),
            ("x-forwarded-groups", "a"),
            ("x-forwarded-groups", "b"),
        ],
        &[("x-forwarded-user", "")],
        &[("x-forwarded-user", "(null)")],
        &[("x-forwarded-user", &long)],
        &[("x-forwarded-user", "ali\tce")],
        // What the proxy does not write comes from the visitor.
        &[("x_forwarded_user", "alice")],
        &[("x.forwarded-user", "alice")],
    ];
    for (nth, row) in rows.into_iter().enumerate() {
        let call = row.iter().fold(browser.get("/"), |call, (name, value)| {
            call.header(name, value)
        });
        assert_eq!(call.send().await.status(), 200);
        let seen = app.last();
        assert_eq!(seen.folded("x-session-user"), [], "{row:?}");
        assert_eq!(seen.folded("remote"), [], "{row:?}");
        assert_eq!(seen.folded("x-forwarded-user"), [], "{row:?}");
        if nth == 0 {
            gate.says("nobody is logged in: who is named cannot be told")
                .await;
            gate.says("came more than once").await;
        }
    }
}

/// Promise: what a foreign page sends is nobody's, although the proxy's own cookie went along.
#[tokio::test]
async fn a_foreign_page_does_not_act_as_the_user() {
    let app = app().await;
    let gate = gate(&app, TRUSTED, SITE).await;
    let browser = gate.browser();
    for (method, mode) in [
        (http::Method::POST, "navigate"),
        (http::Method::GET, "no-cors"),
        (http::Method::DELETE, "cors"),
    ] {
        let call = browser
            .call(method, "/")
            .header("x-forwarded-user", "alice")
            .header("sec-fetch-site", "cross-site")
            .header("sec-fetch-mode", mode)
            .header("sec-fetch-dest", "document")
            .header("origin", "https://evil.example");
        let answer = call.send().await;
        assert_eq!(user(&app.last()), None);
        assert_eq!(answer.set_cookies(), [""; 0]);
    }
    // A link is followed as the user, as with a cookie that is Lax.
    let call = browser.get("/").header("x-forwarded-user", "alice");
    let call = call
        .header("sec-fetch-site", "cross-site")
        .header("sec-fetch-mode", "navigate")
        .header("sec-fetch-dest", "document");
    call.send().await;
    assert_eq!(user(&app.last()).as_deref(), Some("alice"));

    // And with a session the page gets nowhere.
    let call = browser.post("/", "").header("x-forwarded-user", "alice");
    let call = call.header("origin", "https://evil.example");
    assert_eq!(call.send().await.status(), 403);
}

#[tokio::test]
async fn with_a_ticket_that_foreign_pages_send_along_they_still_do_not_act() {
    let app = app().await;
    let site = SITE.replace(
        "[site.login]",
        "[[site.rule]]\npath = \"/open\"\ncross_site = \"allow\"\n[site.login]",
    );
    let setup = Setup {
        server: TRUSTED,
        session: "[session.cookie]\nsame_site = \"None\"",
        site: &site,
        ..Setup::default()
    };
    let gate = Gate::with(&app, setup).await;
    let post = async |path| {
        let browser = gate.browser();
        let call = browser.post(path, "").header("x-forwarded-user", "alice");
        call.header("origin", "https://evil.example").send().await;
        user(&app.last())
    };
    assert_eq!(post("/").await, None);
    assert_eq!(post("/open").await.as_deref(), Some("alice"));
}

#[tokio::test]
async fn a_site_without_sessions_is_told_all_the_same() {
    let app = app().await;
    let site = format!("session = \"off\"\n{SITE}");
    let gate = gate(&app, TRUSTED, &site).await;
    let browser = gate.browser();

    let call = browser.get("/").header("x-forwarded-user", "alice");
    let answer = call.send().await;

    assert_eq!(app.last().header("remote-user").as_deref(), Some("alice"));
    assert_eq!(id(&app.last()), None);
    assert_eq!(answer.set_cookies(), [""; 0]);
    let answer = browser.get("/").send().await;
    assert_eq!(answer.status(), 200);
    assert_eq!(app.last().header("remote-user"), None);
}

#[tokio::test]
async fn twenty_first_requests_at_once_are_all_the_users() {
    let app = app().await;
    let gate = gate(&app, TRUSTED, SITE).await;
    let browser = gate.browser();
    seen_by(&app, &browser, None).await;
    let held = browser.ticket_line();
    let before = app.seen().len();

    let calls = (0..20).map(|_| {
        let call = browser.get("/").holding(&held);
        call.header("x-forwarded-user", "alice").send()
    });
    for answer in together(calls).await {
        assert_eq!(answer.status(), 200);
    }

    let seen = app.seen().split_off(before);
    assert_eq!(seen.len(), 20);
    for seen in seen {
        assert_eq!(user(&seen).as_deref(), Some("alice"));
        assert_eq!(seen.cookies(), [], "nothing of before");
    }
}

#[tokio::test]
async fn the_carried_things_of_an_anonymous_visitor_come_along_when_asked_for() {
    let app = app().await;
    let site = format!("{SITE}carry = true\n");
    let gate = gate(&app, TRUSTED, &site).await;
    let browser = gate.browser();
    seen_by(&app, &browser, None).await;

    let seen = seen_by(&app, &browser, Some("alice")).await;
    assert_eq!(seen.cookie("mine").as_deref(), Some("nobody"));
    // Never from one user to the next.
    let seen = seen_by(&app, &browser, Some("bob")).await;
    assert_eq!(seen.cookies(), []);
}

#[tokio::test]
async fn the_ticket_is_given_although_the_app_does_not_answer() {
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let nowhere = nobody.expect("a port").local_addr().expect("an address");
    let setup = Setup {
        server: TRUSTED,
        site: SITE,
        ..Setup::default()
    };
    let gate = Gate::before(nowhere, setup).await;
    let browser = gate.browser();

    let call = browser.get("/").header("x-forwarded-user", "alice");
    assert_eq!(call.send().await.status(), 502);
    let ticket = browser.ticket();
    assert!(!ticket.is_empty());

    let call = browser.get("/").header("x-forwarded-user", "alice");
    let answer = call.send().await;
    assert_eq!((answer.status(), answer.set_cookies().len()), (502, 0));
    assert_eq!(browser.ticket(), ticket, "no session more");
}
