//! The store does not answer: nobody is logged out, and nothing that was refused is done later.

use rusqlite::Connection;

use crate::support::{App, Gate, Reply, Setup, eventually};

async fn app() -> App {
    App::answering(|seen| match seen.path() {
        "/start" => Reply::ok("ok").header("set-cookie", "sid=kept; Path=/"),
        "/logout" => Reply::ok("ok").header("x-session-logout", "?1"),
        "/login" => Reply::ok("ok").header("x-session-login", "\"alice\""),
        _ => Reply::ok("ok"),
    })
    .await
}

fn setup(store: &str) -> Setup<'_> {
    Setup {
        session: "rotation_grace = \"0\"",
        store,
        site: "trust_directives = true",
        ..Setup::default()
    }
}

/// The database, held by another program for as long as this lives.
fn lock(gate: &Gate) -> Connection {
    let lock = Connection::open(gate.folder().join("data/sessions.db")).expect("the database");
    lock.busy_timeout(std::time::Duration::from_secs(5))
        .expect("patience");
    lock.execute_batch("BEGIN IMMEDIATE").expect("the lock");
    lock
}

/// Somebody tidies the folder up. What went on into a file without a name would be lost with the process, and a command
/// that ends sessions would find none.
#[tokio::test]
async fn files_that_are_taken_away_beside_the_database_are_noticed() {
    let app = app().await;
    for end in ["-wal", "-shm"] {
        let gate = Gate::with(&app, setup("")).await;
        let browser = gate.browser();
        browser.get("/start").send().await;
        let ticket = browser.ticket_line();
        let file = gate.folder().join(format!("data/sessions.db{end}"));
        std::fs::remove_file(file).expect("a file to take away");

        let answer = browser.post("/login", "").send().await;

        assert_eq!(answer.status(), 503, "{end}");
        assert_eq!(browser.ticket_line(), ticket, "{end}");
    }
}

#[tokio::test]
async fn an_outage_is_a_503_that_touches_no_cookie_and_ends_with_the_outage() {
    let app = app().await;
    let gate = Gate::with(&app, setup("timeout = \"200ms\"")).await;
    let browser = gate.browser();
    browser.get("/start").send().await;
    let ticket = browser.ticket_line();

    let locked = lock(&gate);
    // More than one, so that some wait behind the one that has the writer.
    for _ in 0..3 {
        let answer = browser.post("/login", "").send().await;
        assert_eq!(answer.status(), 503);
        assert!(answer.header("retry-after").is_some());
        assert!(
            answer.set_cookies().is_empty(),
            "{:?}",
            answer.set_cookies()
        );
        assert!(answer.header("x-request-id").is_some());
    }
    drop(locked);

    eventually("the store is back", async || {
        let answer = gate.browser().get("/start").send().await;
        (answer.status() == 200).then_some(())
    })
    .await;
    browser.get("/").holding(&ticket).send().await;
    let seen = app.last();
    assert_eq!(
        seen.cookie("sid").as_deref(),
        Some("kept"),
        "the same ticket works"
    );
    assert_eq!(
        seen.header("x-session-user"),
        None,
        "what was refused was not done"
    );
}

#[tokio::test]
async fn an_outage_may_be_anonymous_and_still_touches_no_cookie() {
    let app = app().await;
    let store = "timeout = \"200ms\"\non_outage = \"anonymous\"";
    let gate = Gate::with(&app, setup(store)).await;
    let browser = gate.browser();
    browser.get("/start").send().await;
    let locked = lock(&gate);

    let answer = browser.get("/start").send().await;

    assert_eq!(answer.status(), 200);
    assert!(
        answer.set_cookies().is_empty(),
        "{:?}",
        answer.set_cookies()
    );

    // But nobody shall believe in a logout that did not happen.
    let answer = browser.get("/logout").send().await;
    assert_eq!(answer.status(), 503);
    assert!(
        answer.set_cookies().is_empty(),
        "{:?}",
        answer.set_cookies()
    );
    drop(locked);
}
