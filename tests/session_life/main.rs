//! The life of a session as its visitor sees it: when it begins, what it may grow to, when its ticket changes, when it
//! ends. What every engine must hold is asked in `session_engine`.

#[path = "../support/mod.rs"]
mod support;

mod rotation;

mod newcomers;

mod crowd;

mod modes;

mod limits;

use support::{App, Browser, Gate, Reply, Seen, Setup};

/// Directives are obeyed and the app is shown what the session knows.
const SITE: &str = r#"trust_directives = true
[site.headers]
"X-Session-Id" = "{session.id}"
"X-Session-User" = "{user.id}"
"X-Session-Data" = "{session.data}"
"#;

/// An app that asks of the session what its path says.
async fn app() -> App {
    App::answering(|seen| {
        let query = seen.target.split_once('?').map_or("", |(_, query)| query);
        let ok = Reply::ok("ok");
        match seen.path() {
            "/keep" => ok.header("set-cookie", format!("{query}=kept; Path=/")),
            "/set" => ok.header("x-session-set", format!("{query}=\"1\"")),
            "/big" => ok.header("x-session-set", format!("big=\"{}\"", "x".repeat(5000))),
            "/login" => ok.header("x-session-login", format!("\"{query}\"")),
            "/logout" => ok.header("x-session-logout", "?1"),
            "/rotate" => ok.header("x-session-rotate", "?1"),
            "/expiry" => ok.header("x-session-expiry", query),
            "/status" => ok.status(query.parse().expect("a status")),
            "/public" => ok.header("cache-control", "public, max-age=600"),
            "/public-keep" => ok
                .header("cache-control", "public, max-age=600")
                .header("set-cookie", "a=kept; Path=/"),
            _ => ok,
        }
    })
    .await
}

fn setup(session: &str) -> Setup<'_> {
    Setup {
        session,
        site: SITE,
        ..Setup::default()
    }
}

/// What the app was shown when it was asked for `target` last.
fn shown(app: &App, target: &str) -> Seen {
    let seen = app.seen().into_iter().rev();
    let mut seen = seen.filter(|seen| seen.target == target);
    seen.next().expect("the app was asked")
}

/// Who the app sees when `ticket` is brought.
async fn user_of(app: &App, browser: &Browser, ticket: &str) -> Option<String> {
    browser.get("/who").holding(ticket).send().await;
    shown(app, "/who").header("x-session-user")
}

/// How many sessions the database holds, tombstones too.
fn rows(gate: &Gate) -> i64 {
    let file = gate.folder().join("data/sessions.db");
    let database = rusqlite::Connection::open(file).expect("the database");
    let count = "SELECT count(*) FROM sessions";
    database
        .query_row(count, [], |row| row.get(0))
        .expect("a count")
}

/// A count of the gateway, as its metrics tell it.
async fn count(gate: &Gate, name: &str) -> u64 {
    let metrics = gate.admin("/metrics").await;
    let line = format!("cloakroom_{name}_total ");
    let mut lines = metrics.lines();
    let value = lines.find_map(|text| text.strip_prefix(line.as_str()));
    value.expect("the count").parse().expect("a number")
}
