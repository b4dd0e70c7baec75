//! Visitors with nothing to remember, and tickets that somebody made up: the store stays as it was.

use std::fmt::Write;

use http_body_util::BodyExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::engines::{Engine, Server, app};
use crate::support::body::full;
use crate::support::{Gate, together};

const REQUESTS: usize = 20_000;
/// Streams at once on one connection.
const AT_ONCE: usize = 50;

/// Promise (SECURITY lesson 15): neither cookieless requests nor random tickets leave anything in the store.
#[tokio::test]
async fn twenty_thousand_strangers_leave_no_row() {
    for engine in [
        Some(Engine::sqlite()),
        Engine::redis(""),
        Engine::postgres(""),
    ] {
        let Some(engine) = engine else { continue };
        println!("engine: {}", engine.name);
        let app = app().await;
        let gate = Gate::with(&app, engine.setup()).await;
        let rows_before = rows(&engine, &gate);

        flood(&gate, |_| None).await;
        flood(&gate, |number| Some(random_ticket(number))).await;

        assert_eq!(rows(&engine, &gate), rows_before, "{}", engine.name);
        let asked = app.seen().len();
        assert_eq!(asked, 2 * REQUESTS, "every visitor got the page");
    }
}

async fn flood(gate: &Gate, cookie: impl Fn(usize) -> Option<String>) {
    let stream = TcpStream::connect(gate.https()).await.expect("the gateway");
    let name = "localhost".try_into().expect("a server name");
    let stream = gate
        .tls(true)
        .connect(name, stream)
        .await
        .expect("a handshake");
    let handshake =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (sender, connection) = handshake.await.expect("HTTP/2");
    tokio::spawn(connection);
    let uri = format!("{}/", gate.origin());
    for first in (0..REQUESTS).step_by(AT_ONCE) {
        together((first..first + AT_ONCE).map(|number| {
            let mut sender = sender.clone();
            let mut request = http::Request::get(&uri);
            if let Some(value) = cookie(number) {
                request = request.header("cookie", format!("__Host-session={value}"));
            }
            let request = request.body(full("")).expect("a request");
            async move {
                let answer = sender.send_request(request).await.expect("an answer");
                assert_eq!(answer.status(), 200);
                answer.into_body().collect().await.expect("a body");
            }
        }))
        .await;
    }
}

/// Of the shape of a ticket, another one for each number.
fn random_ticket(number: usize) -> String {
    let mut bytes = String::new();
    while bytes.len() < 104 {
        let word = (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ bytes.len() as u64;
        let _ = write!(bytes, "{word:016x}");
    }
    bytes.replace_range(0..1, "A");
    bytes.truncate(104);
    bytes
}

/// What the store holds of sessions and tickets.
fn rows(engine: &Engine, gate: &Gate) -> String {
    match &engine.server {
        Server::None => {
            let file = gate.folder().join("data/sessions.db");
            let database = rusqlite::Connection::open(file).expect("the database");
            let count = "SELECT (SELECT count(*) FROM sessions) || ' ' || (SELECT count(*) FROM tickets)";
            database.query_row(count, [], |row| row.get(0)).expect("a count")
        }
        Server::Redis(redis) => {
            let keys = redis.cli(&["--scan", "--pattern", "cloakroom:[stu]:*"]);
            keys.lines().count().to_string()
        }
        Server::Cluster(_) => unreachable!("not asked for"),
        Server::Postgres(database) => database
            .psql("SELECT (SELECT count(*) FROM cloakroom.sessions) + (SELECT count(*) FROM cloakroom.tickets)"),
    }
}
