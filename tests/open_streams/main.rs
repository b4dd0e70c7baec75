//! Promises of open WebSockets and event streams: they end when their session does, on every node and with every engine,
//! and not before.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../support/mod.rs"]
mod support;

mod app;

use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use hyper::body::Incoming;
use support::servers::{Postgres, Redis};
use support::{Browser, Gate, Setup, WebSocket, cloakroom, eventually, together};

use self::app::{LastWords, app};

/// A second, and what a busy machine takes besides.
const SOON: Duration = Duration::from_millis(1900);

/// A close frame as a server sends it: 1008, "session ended".
const SESSION_ENDED: &[u8] = b"\x88\x0f\x03\xf0session ended";
const GOING_AWAY: &[u8] = b"\x88\x0c\x03\xe9going away";

fn setup<'a>(session: &'a str, store: &'a str) -> Setup<'a> {
    Setup {
        server: "admin = \"127.0.0.1:0\"\ndrain_timeout = \"3s\"",
        session,
        store,
        site: "trust_directives = true",
        ..Setup::default()
    }
}

/// Streams of one visitor at one node.
struct Streams {
    socket: WebSocket,
    events: Incoming,
}

impl Streams {
    async fn open(gate: &Gate, browser: &Browser) -> Self {
        let mut socket = WebSocket::open(gate, browser, "/ws").await.unwrap();
        socket.send("hello").await;
        assert_eq!(socket.receive().await.unwrap(), "hello");
        let mut events = browser.get("/events").fetching().stream().await.into_body();
        let first = events.frame().await.unwrap().unwrap();
        assert_eq!(first.into_data().unwrap(), "data: hello\n\n");
        Self { socket, events }
    }

    async fn are_open(&mut self) {
        self.socket.send("still there?").await;
        assert_eq!(self.socket.receive().await.unwrap(), "still there?");
        let silence = tokio::time::timeout(Duration::from_millis(100), self.events.frame());
        assert!(silence.await.is_err(), "the events have ended");
    }

    /// Waits until both have ended as they should when their session has; tells how long that took.
    async fn end(&mut self) -> Duration {
        #[allow(clippy::disallowed_methods, reason = "the test's own clock")]
        let since = Instant::now();
        assert_eq!(self.socket.rest().await, SESSION_ENDED);
        let end = tokio::time::timeout(SOON, self.events.frame()).await;
        assert!(end.expect("the events end").is_none(), "in good order");
        since.elapsed()
    }
}

async fn logged_in(gate: &Gate) -> Browser {
    let browser = gate.browser();
    assert_eq!(browser.post("/login", "").send().await.status(), 200);
    browser
}

async fn an_end_is_noticed_everywhere(session: &str, store: &str) {
    let (app, heard) = app().await;
    let here = Gate::with(&app, setup(session, store)).await;
    let there = here.another().await;
    let browser = logged_in(&here).await;
    let stranger = logged_in(&there).await;
    let mut at_home = Streams::open(&here, &browser).await;
    let mut away = Streams::open(&there, &browser.at(&there)).await;
    let mut of_a_stranger = Streams::open(&there, &stranger).await;
    at_home.are_open().await;
    away.are_open().await;

    assert_eq!(browser.post("/logout", "").send().await.status(), 200);

    let (one, other) = tokio::join!(at_home.end(), away.end());
    assert!(one < SOON && other < SOON, "{one:?} here, {other:?} there");
    of_a_stranger.are_open().await;
    the_app_was_told(&heard, 2).await;
}

async fn the_app_was_told(heard: &LastWords, times: usize) {
    let told = eventually("the app is told", async || {
        let told = heard.lock().unwrap().clone();
        (told.len() >= times).then_some(told)
    })
    .await;
    for frame in told {
        assert_eq!(frame[..2], [0x88, 0x80 | 15], "masked, as a client must");
        assert_eq!([frame[6] ^ frame[2], frame[7] ^ frame[3]], [0x03, 0xf0]);
    }
}

#[tokio::test]
async fn a_logout_ends_streams_on_every_node_with_sqlite() {
    an_end_is_noticed_everywhere("", "").await;
}

#[tokio::test]
async fn a_logout_ends_streams_on_every_node_with_redis() {
    let Some(redis) = Redis::start() else { return };
    let store = format!("engine = \"redis\"\nurl = \"{}\"", redis.url());
    an_end_is_noticed_everywhere("", &store).await;
    let near = format!("{store}\nnear_cache = \"8MiB\"");
    an_end_is_noticed_everywhere("", &near).await;
}

#[tokio::test]
async fn a_logout_ends_streams_on_every_node_with_postgres() {
    let Some(database) = Postgres::database() else {
        return;
    };
    let store = format!("engine = \"postgres\"\nurl = \"{}\"", database.url());
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("pg.toml"), migrating(&store)).unwrap();
    support::write_certificate(folder.path());
    let migrated = cloakroom(folder.path(), &["store", "migrate", "--config", "pg.toml"]).output();
    assert!(migrated.as_ref().unwrap().status.success(), "{migrated:?}");
    an_end_is_noticed_everywhere("", &store).await;
    let near = format!("{store}\nnear_cache = \"8MiB\"");
    an_end_is_noticed_everywhere("", &near).await;
}

fn migrating(store: &str) -> String {
    support::configuration(([127, 0, 0, 1], 1).into(), setup("", store))
}

#[tokio::test]
async fn a_logout_ends_streams_on_every_node_with_sealed_tickets() {
    let store = "engine = \"cookie\"\nrevocations = \"data/revocations.db\"";
    an_end_is_noticed_everywhere("", store).await;
}

#[tokio::test]
async fn a_logout_ends_streams_in_memory() {
    let (app, _) = app().await;
    let gate = Gate::with(&app, setup("", "engine = \"memory\"")).await;
    let browser = logged_in(&gate).await;
    let mut streams = Streams::open(&gate, &browser).await;
    let metrics = gate.admin("/metrics").await;
    assert!(metrics.contains("\ncloakroom_open_streams{kind=\"websocket\"} 1\n"));

    browser.post("/logout", "").send().await;

    assert!(streams.end().await < SOON);
    eventually("the registry is empty", async || {
        let metrics = gate.admin("/metrics").await;
        let lines = [
            "open_streams{kind=\"websocket\"} 0\n",
            "open_streams{kind=\"events\"} 0\n",
            "streams_ended_with_session_total 2\n",
        ];
        lines
            .iter()
            .all(|line| metrics.contains(line))
            .then_some(())
    })
    .await;
    gate.says("\"a stream ended\"").await;
}

/// An anonymous one of the same visitor ends as well: it shows what was before.
#[tokio::test]
async fn a_stream_that_was_opened_under_an_old_user_ends_at_a_user_change() {
    let (app, _) = app().await;
    let here = Gate::with(&app, setup("", "")).await;
    let there = here.another().await;
    let browser = here.browser();
    browser.post("/remember", "").send().await;
    let mut anonymous = Streams::open(&there, &browser.at(&there)).await;
    browser.post("/login", "").send().await;
    assert!(anonymous.end().await < SOON);
    let mut of_alice = Streams::open(&there, &browser.at(&there)).await;

    browser.post("/login-bob", "").send().await;

    let mut of_bob = Streams::open(&there, &browser.at(&there)).await;
    assert!(of_alice.end().await < SOON);
    of_bob.are_open().await;
}

#[tokio::test]
async fn a_rotation_ends_no_stream() {
    let (app, _) = app().await;
    let session = "rotation_grace = \"2s\"";
    let here = Gate::with(&app, setup(session, "")).await;
    let there = here.another().await;
    let browser = logged_in(&here).await;
    let mut streams = Streams::open(&there, &browser.at(&there)).await;
    for _ in 0..3 {
        browser.post("/rotate", "").send().await;
        tokio::time::sleep(Duration::from_millis(600)).await;
        streams.are_open().await;
    }

    browser.post("/logout", "").send().await;

    assert!(
        streams.end().await < SOON,
        "it is found under its new ticket"
    );
}

#[tokio::test]
async fn the_end_of_a_session_by_the_operator_ends_its_streams() {
    let (app, _) = app().await;
    let gate = Gate::with(&app, setup("", "")).await;
    let browser = logged_in(&gate).await;
    let mut streams = Streams::open(&gate, &browser).await;
    let config = ["--config", "cloakroom.toml"];
    let args = [
        &["sessions", "end", "--user", "alice", "--yes"],
        &config[..],
    ]
    .concat();
    let ended = cloakroom(gate.folder(), &args).output().unwrap();
    assert!(ended.status.success(), "{ended:?}");
    assert!(streams.end().await < SOON);
}

#[tokio::test]
async fn streams_end_at_the_idle_timeout_whatever_they_carry() {
    let (app, _) = app().await;
    let gate = Gate::with(&app, setup("idle_timeout = \"2s\"", "")).await;
    let browser = logged_in(&gate).await;
    let mut ticking = browser.get("/ticking-events").fetching().stream().await;
    let mut streams = Streams::open(&gate, &browser).await;
    tokio::time::sleep(Duration::from_millis(1200)).await;
    streams.are_open().await;
    assert!(streams.end().await < Duration::from_secs(3));
    while let Some(tick) = ticking.body_mut().frame().await {
        tick.expect("it ends in good order");
    }
}

#[tokio::test]
async fn streams_keep_a_session_alive_only_if_that_is_configured() {
    let (app, _) = app().await;
    let session =
        "idle_timeout = \"2s\"\nabsolute_timeout = \"6s\"\nstreams_count_as_activity = true";
    let gate = Gate::with(&app, setup(session, "")).await;
    let browser = logged_in(&gate).await;
    let mut socket = WebSocket::open(&gate, &browser, "/ws").await.unwrap();
    for _ in 0..8 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        socket.send("busy").await;
        assert_eq!(socket.receive().await.unwrap(), "busy");
    }
    // And the absolute timeout holds whatever they carry.
    loop {
        socket.send("busy").await;
        if socket.receive().await.is_none() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn an_outage_of_the_store_ends_no_stream() {
    let Some(redis) = Redis::start() else { return };
    let (app, _) = app().await;
    let store = format!(
        "engine = \"redis\"\nurl = \"{}\"\ntimeout = \"500ms\"",
        redis.url()
    );
    let gate = Gate::with(&app, setup("", &store)).await;
    let browser = logged_in(&gate).await;
    let mut streams = Streams::open(&gate, &browser).await;
    redis.pause();
    let told = "the streams stay open until the store answers";
    eventually(told, async || gate.printed().contains(told).then_some(())).await;
    streams.are_open().await;
    redis.resume();
    let again = "looked at again";
    eventually(again, async || gate.printed().contains(again).then_some(())).await;
    streams.are_open().await;

    let logged_out = async || {
        let answer = browser.post("/logout", "").send().await;
        (answer.status() == 200).then_some(())
    };
    eventually("a logout after the outage", logged_out).await;

    assert!(streams.end().await < SOON);
}

#[tokio::test]
async fn frames_are_never_broken_by_a_close_frame() {
    let (app, _) = app().await;
    let gate = Gate::with(&app, setup("", "")).await;
    let browser = logged_in(&gate).await;
    let mut stalling = WebSocket::open(&gate, &browser, "/stalling-ws")
        .await
        .unwrap();
    let mut flooding = WebSocket::open(&gate, &browser, "/flooding-ws")
        .await
        .unwrap();
    // A session that ended before the frame began would get a goodbye.
    assert_eq!(stalling.bytes(8).await, b"\x81\x7e\x10\x00half");
    // Both are read meanwhile: a visitor who takes nothing is cut off.
    let logout = browser.post("/logout", "").send();
    let (_, stalled, all) = tokio::join!(logout, stalling.rest(), flooding.rest());
    assert_eq!(stalled, b"", "cut off");
    let (frames, last) = all.split_at(all.len() - SESSION_ENDED.len());
    assert_eq!(last, SESSION_ENDED);
    assert_eq!(frames.len() % (10 + 100_000), 0, "whole frames");
}

#[tokio::test]
async fn many_streams_end_at_once() {
    let (app, _) = app().await;
    let here = Gate::with(&app, setup("", "")).await;
    let there = here.another().await;
    let browser = logged_in(&here).await;
    let elsewhere = browser.at(&there);
    let sockets = (0..200).map(|_| WebSocket::open(&there, &elsewhere, "/ws"));
    let mut sockets = together(sockets).await;
    browser.post("/logout", "").send().await;
    for socket in &mut sockets {
        assert_eq!(socket.as_mut().unwrap().rest().await, SESSION_ENDED);
    }
}

#[tokio::test]
async fn a_gateway_that_ends_says_goodbye_to_its_streams() {
    let (app, _) = app().await;
    let mut gate = Gate::with(&app, setup("", "")).await;
    let browser = logged_in(&gate).await;
    let mut streams = Streams::open(&gate, &browser).await;
    let (status, last) = tokio::join!(gate.stop(), streams.socket.rest());
    assert!(status.success());
    assert_eq!(last, GOING_AWAY);
}
