//! Under load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::rig::{HSTS, Kept, edit, edit_top, gate, hsts, reload, reload_by_signal, reload_well};
use super::support::{App, Gate, Reply, together};

/// Lets `visitors` come again and again, and tells how many requests they made; each of them must be answered well.
struct Load {
    over: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    visitors: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    async fn begin(gate: &Arc<Gate>) -> Self {
        let mut load = Self {
            over: Arc::default(),
            answered: Arc::default(),
            visitors: Vec::new(),
        };
        for _ in 0..2 {
            load.keep(Kept::h1(gate).await);
        }
        let h2 = Kept::h2(gate).await;
        for _ in 0..3 {
            load.keep(h2.share());
        }
        for http2 in [false, true] {
            let (over, answered) = (Arc::clone(&load.over), Arc::clone(&load.answered));
            let gate = Arc::clone(gate);
            load.visitors.push(tokio::spawn(async move {
                while !over.load(Ordering::Relaxed) {
                    let mut fresh = match http2 {
                        true => Kept::h2(&gate).await,
                        false => Kept::h1(&gate).await,
                    };
                    ask(&mut fresh, &answered).await;
                }
            }));
        }
        load
    }

    fn keep(&mut self, mut connection: Kept) {
        let (over, answered) = (Arc::clone(&self.over), Arc::clone(&self.answered));
        self.visitors.push(tokio::spawn(async move {
            while !over.load(Ordering::Relaxed) {
                ask(&mut connection, &answered).await;
            }
        }));
    }

    async fn end(self) -> usize {
        self.over.store(true, Ordering::Relaxed);
        for visitor in self.visitors {
            visitor.await.expect("every request was answered");
        }
        self.answered.load(Ordering::Relaxed)
    }
}

async fn ask(connection: &mut Kept, answered: &AtomicUsize) {
    let answer = connection.get("/").await.expect("an answer");
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.body(), "ok");
    assert!(answer.headers().contains_key(HSTS));
    answered.fetch_add(1, Ordering::Relaxed);
}

/// Promise: however often the configuration changes, every request on every connection is answered, and those that
/// begin afterwards by the new one. A session goes on.
#[tokio::test]
async fn no_request_is_lost_by_twenty_reloads() {
    let app = App::answering(|_| Reply::ok("ok").header("set-cookie", "SID=1")).await;
    let gate = Arc::new(gate(&app, "").await);
    edit_top(&gate, "[tls]\nhsts = \"1d\"");
    reload_well(&gate).await;
    let browser = gate.browser();
    browser.get("/mine").send().await;
    browser.get("/mine").send().await;
    let session = app.last().header("x-session-id");
    assert!(session.is_some());
    let load = Load::begin(&gate).await;
    let mut kept = Kept::h1(&gate).await;

    for round in 0..20 {
        let (from, to) = if round % 2 == 0 { (1, 2) } else { (2, 1) };
        let text = |days| format!("hsts = \"{days}d\"");
        edit(&gate, &text(from), &text(to));
        if round % 4 < 2 {
            reload_well(&gate).await;
        } else {
            reload_by_signal(&gate).await;
        }
        let in_force = format!("max-age={}", to * 86_400);
        let fresh = Kept::h2(&gate).await.get("/").await.unwrap();
        assert_eq!(hsts(&fresh), in_force, "round {round}");
        let old = kept.get("/").await.unwrap();
        assert_eq!(hsts(&old), in_force, "round {round}, an old connection");
    }

    let answered = load.end().await;
    assert!(answered > 100, "{answered} requests are no load");
    browser.get("/mine").send().await;
    let mine = app.seen().into_iter().rfind(|seen| seen.path() == "/mine");
    assert_eq!(mine.unwrap().header("x-session-id"), session);
}

/// Promise: whoever asks while a reload is under way gets the next one, and is told how it went.
#[tokio::test]
async fn reloads_at_once_are_done_one_after_the_other() {
    let app = App::plain().await;
    let gate = gate(&app, "").await;
    edit_top(&gate, "[tls]\nhsts = \"2d\"");

    gate.signal("HUP");
    let outcomes = together((0..8).map(|_| reload(&gate))).await;

    for (status, told) in outcomes {
        assert_eq!(status, 200, "{told}");
    }
    let answer = Kept::h1(&gate).await.get("/").await.unwrap();
    assert_eq!(hsts(&answer), "max-age=172800");
}
