//! `session.rotate_every`: a new ticket on schedule, and nobody loses the session over it.

use std::sync::Arc;

use http::{HeaderValue, Method, Response};
use tokio::sync::Notify;

use crate::support::body::full;
use crate::support::{Answer, App, Browser, Gate, Setup, eventually, together};
use crate::{SITE, app, count, setup, shown, user_of};

const EVERY_SECOND: &str = "rotate_every = \"1s\"\nrotation_grace = \"1s\"";

/// The pair of the Set-Cookie line that the answer brings, if it brings one.
fn given(answer: &Answer) -> Option<String> {
    let lines = answer.set_cookies();
    assert!(lines.len() <= 1, "{lines:?}");
    let line = lines.first()?;
    assert!(!line.contains("Max-Age=0"), "a deletion: {line}");
    assert!(answer.lists("cache-control", "no-store"), "{answer:?}");
    line.split(';').next().map(str::to_owned)
}

/// A visitor who has logged in, with the ticket.
async fn visitor(gate: &Gate) -> (Browser, String) {
    let browser = gate.browser();
    browser.get("/login?alice").send().await;
    let ticket = browser.ticket_line();
    (browser, ticket)
}

/// Asks until a new ticket comes.
async fn next_ticket(browser: &Browser, method: Method, target: &str, ticket: &str) -> String {
    eventually("a new ticket", async || {
        let call = browser.call(method.clone(), target).holding(ticket);
        given(&call.send().await)
    })
    .await
}

/// Promise (contract 4): at the moment of rotation one of fifty parallel requests gets a new ticket and none a deletion
/// or an empty session; the old ticket lives on until the new one is used and for the grace after that.
#[tokio::test]
async fn of_fifty_parallel_requests_one_gets_the_new_ticket() {
    let app = app().await;
    let gate = Gate::with(
        &app,
        Setup {
            server: "admin = \"127.0.0.1:0\"",
            ..setup(EVERY_SECOND)
        },
    )
    .await;
    let (browser, old) = visitor(&gate).await;
    browser.get("/who").holding(&old).send().await;
    let id = shown(&app, "/who").header("x-session-id");

    let new = eventually("a rotation", async || {
        let fifty = (0..50).map(|_| browser.get("/fifty").holding(&old).send());
        let answers = together(fifty).await;
        let mut tickets: Vec<_> = answers.iter().filter_map(given).collect();
        assert!(tickets.len() <= 1, "{tickets:?}");
        tickets.pop()
    })
    .await;

    assert_ne!(new, old);
    for seen in app.seen().iter().filter(|seen| seen.path() == "/fifty") {
        assert_eq!(seen.header("x-session-user").as_deref(), Some("alice"));
        assert_eq!(seen.header("x-session-id"), id, "the session ID stays");
    }
    assert_eq!(
        user_of(&app, &browser, &old).await.as_deref(),
        Some("alice")
    );
    assert_eq!(count(&gate, "tickets_rotated").await, 1);
    assert_eq!(
        user_of(&app, &browser, &new).await.as_deref(),
        Some("alice")
    );
    eventually("the old ticket is dead", async || {
        user_of(&app, &browser, &old).await.is_none().then_some(())
    })
    .await;
    assert_eq!(
        user_of(&app, &browser, &new).await.as_deref(),
        Some("alice")
    );
    assert_eq!(shown(&app, "/who").header("x-session-id"), id);
}

/// Promise: whatever the answer is, it can bring the new ticket, and no cache keeps it then.
#[tokio::test]
async fn every_kind_of_answer_can_bring_the_new_ticket() {
    let app = app().await;
    let gate = Gate::with(&app, setup(EVERY_SECOND)).await;
    let kinds = [
        (Method::HEAD, "/who"),
        (Method::POST, "/who"),
        (Method::GET, "/status?304"),
        (Method::GET, "/status?404"),
        (Method::GET, "/status?500"),
        (Method::GET, "/public"),
        (Method::GET, "/keep?a"),
        (Method::GET, "/set?a"),
        (Method::GET, "/big"),
    ];
    together(kinds.map(|(method, target)| {
        let (app, gate) = (&app, &gate);
        async move {
            let (browser, old) = visitor(gate).await;
            let new = next_ticket(&browser, method.clone(), target, &old).await;
            assert_ne!(new, old, "{method} {target}");
            browser.get(target).holding(&new).send().await;
            let user = shown(app, target).header("x-session-user");
            assert_eq!(user.as_deref(), Some("alice"), "{method} {target}");
        }
    }))
    .await;
}

/// Promise: a request that could not have carried the ticket brings none, and one that only observes neither.
#[tokio::test]
async fn who_may_not_renew_a_session_does_not_rotate_it() {
    let app = app().await;
    let site = format!(
        "{}[[site.rule]]\npath = \"/poll\"\nsession = \"observe\"\n",
        SITE
    );
    let setup = Setup {
        site: &site,
        ..setup(EVERY_SECOND)
    };
    let gate = Gate::with(&app, setup).await;
    let (browser, old) = visitor(&gate).await;
    let (later, its) = visitor(&gate).await;
    next_ticket(&later, Method::GET, "/who", &its).await;
    // What was younger is due, so the older is.
    let poll = browser.get("/poll").holding(&old).send().await;
    assert_eq!(poll.set_cookies(), [""; 0]);
    let foreign = browser.get("/image").holding(&old);
    let foreign = foreign.header("sec-fetch-site", "cross-site").send().await;
    assert_eq!(foreign.set_cookies(), [""; 0]);
    let own = browser.get("/who").holding(&old).send().await;
    let new = given(&own).expect("the new ticket");

    // But whoever brings the new one has it, and the old one may go.
    browser.get("/poll").holding(&new).send().await;
    eventually("the old ticket is dead", async || {
        user_of(&app, &browser, &old).await.is_none().then_some(())
    })
    .await;
}

/// Promise: with the rotation whose answer was lost the visitor goes on, and gets another one.
#[tokio::test]
async fn a_lost_answer_loses_nobody() {
    let app = app().await;
    let gate = Gate::with(&app, setup(EVERY_SECOND)).await;
    let (browser, old) = visitor(&gate).await;
    let lost = next_ticket(&browser, Method::GET, "/who", &old).await;
    let again = next_ticket(&browser, Method::GET, "/who", &old).await;
    assert_ne!(lost, again);
    assert_eq!(
        user_of(&app, &browser, &again).await.as_deref(),
        Some("alice")
    );
    eventually("the others are dead", async || {
        for ticket in [&old, &lost] {
            if user_of(&app, &browser, ticket).await.is_some() {
                return None;
            }
        }
        Some(())
    })
    .await;
    assert_eq!(
        user_of(&app, &browser, &again).await.as_deref(),
        Some("alice")
    );
}

/// Promise: what the app asks for counts whichever of two tickets the browser holds meanwhile.
#[tokio::test]
async fn a_logout_and_an_asked_for_rotation_work_while_the_new_ticket_is_under_way() {
    let app = app().await;
    let gate = Gate::with(&app, setup(EVERY_SECOND)).await;

    let (browser, old) = visitor(&gate).await;
    let new = next_ticket(&browser, Method::GET, "/who", &old).await;
    let answer = browser.get("/logout").holding(&old).send().await;
    assert!(answer.set_cookies()[0].contains("Max-Age=0"), "{answer:?}");
    for ticket in [&old, &new] {
        assert_eq!(user_of(&app, &browser, ticket).await, None);
    }

    let (browser, old) = visitor(&gate).await;
    let new = next_ticket(&browser, Method::GET, "/who", &old).await;
    let answer = browser.get("/rotate").holding(&old).send().await;
    let asked = given(&answer).expect("a ticket");
    eventually("both older ones are dead", async || {
        for ticket in [&old, &new] {
            if user_of(&app, &browser, ticket).await.is_some() {
                return None;
            }
        }
        Some(())
    })
    .await;
    assert_eq!(
        user_of(&app, &browser, &asked).await.as_deref(),
        Some("alice")
    );
}

/// Promise (contract 4): a slow answer to the old ticket does not bring it back after a rotation, though it would have
/// been sent again when the request came.
#[tokio::test]
async fn a_slow_answer_does_not_bring_the_old_ticket_back() {
    let go_on = Arc::new(Notify::new());
    let app = app_that_waits(Arc::clone(&go_on)).await;
    let gate = Gate::with(&app, setup("")).await;
    for slow in ["/slow", "/slow-expiry"] {
        let browser = gate.browser();
        browser.get("/").send().await;
        // The spelling from before the session is stored, as parallel first requests bring it.
        let unstored = browser.ticket_line();
        browser.get("/set").holding(&unstored).send().await;
        let answer = browser.get("/").holding(&unstored).send().await;
        assert!(given(&answer).is_some(), "it is sent again as a rule");

        let waiting = async { browser.get(slow).holding(&unstored).send().await };
        let rotating = async {
            eventually("the slow one is with the app", async || {
                let seen = app.seen();
                seen.iter().any(|seen| seen.path() == slow).then_some(())
            })
            .await;
            let answer = browser.get("/rotate").holding(&unstored).send().await;
            assert!(given(&answer).is_some());
            go_on.notify_one();
        };
        let (answer, ()) = tokio::join!(waiting, rotating);

        assert_eq!(answer.set_cookies(), [""; 0], "{slow}");
    }
}

/// Answers `/slow…` when it is told to go on.
async fn app_that_waits(go_on: Arc<Notify>) -> App {
    App::serving(move |request| {
        let go_on = Arc::clone(&go_on);
        async move {
            let path = request.uri().path();
            if path.starts_with("/slow") {
                go_on.notified().await;
            }
            let directive = match path {
                "/set" => Some(("x-session-set", "a=\"1\"")),
                "/rotate" => Some(("x-session-rotate", "?1")),
                "/slow-expiry" => Some(("x-session-expiry", "300")),
                _ => None,
            };
            let mut answer = Response::new(full("ok"));
            if let Some((name, value)) = directive {
                let value = HeaderValue::from_static(value);
                answer.headers_mut().insert(name, value);
            }
            answer
        }
    })
    .await
}

/// Promise: without `rotate_every` nothing rotates by itself.
#[tokio::test]
async fn there_is_no_rotation_by_default() {
    let app = app().await;
    let rotating = Gate::with(&app, setup(EVERY_SECOND)).await;
    let plain = Gate::with(&app, setup("")).await;
    let (browser, ticket) = visitor(&plain).await;
    let (other, its) = visitor(&rotating).await;
    next_ticket(&other, Method::GET, "/who", &its).await;
    let answer = browser.get("/who").holding(&ticket).send().await;
    assert_eq!(answer.set_cookies(), [""; 0]);
}
