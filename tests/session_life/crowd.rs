//! `session.max_per_user`: after a login the oldest sessions of the user end.

use crate::support::{App, Browser, Gate, Setup, eventually, together};
use crate::{app, count, setup, user_of};

const ADMIN: &str = "admin = \"127.0.0.1:0\"";

async fn gate(app: &App, session: &str) -> Gate {
    let setup = Setup {
        server: ADMIN,
        ..setup(session)
    };
    Gate::with(app, setup).await
}

async fn log_in(gate: &Gate, user: &str) -> Browser {
    let browser = gate.browser();
    let answer = browser.get(&format!("/login?{user}")).send().await;
    assert_eq!(answer.status(), 200);
    browser
}

/// Which of `browsers` are still logged in.
async fn alive(app: &App, browsers: &[Browser]) -> Vec<usize> {
    let mut alive = Vec::new();
    for (number, browser) in browsers.iter().enumerate() {
        let user = user_of(app, browser, &browser.ticket_line()).await;
        alive.extend(user.map(|_| number));
    }
    alive
}

#[tokio::test]
async fn the_oldest_session_ends_with_a_login_too_many() {
    for store in ["", "engine = \"memory\""] {
        let app = app().await;
        let setup = Setup {
            server: ADMIN,
            store,
            ..setup("max_per_user = 2")
        };
        let gate = Gate::with(&app, setup).await;
        let bob = log_in(&gate, "bob").await;
        let mut browsers = vec![log_in(&gate, "alice").await, log_in(&gate, "alice").await];
        assert_eq!(alive(&app, &browsers).await, [0, 1]);

        browsers.push(log_in(&gate, "alice").await);

        assert_eq!(alive(&app, &browsers).await, [1, 2]);
        assert_eq!(count(&gate, "sessions_crowded_out").await, 1);
        // Who logs in again where they are logged in already takes no more room.
        browsers[1].get("/login?alice").send().await;
        browsers[1].get("/login?alice").send().await;
        assert_eq!(alive(&app, &browsers).await, [1, 2]);
        let user = user_of(&app, &bob, &bob.ticket_line()).await;
        assert_eq!(user.as_deref(), Some("bob"));
    }
}

#[tokio::test]
async fn logins_at_once_converge_to_the_limit() {
    let app = app().await;
    let gate = gate(&app, "max_per_user = 3").await;
    let browsers = together((0..12).map(|_| log_in(&gate, "alice"))).await;
    eventually("three sessions are left", async || {
        let alive = alive(&app, &browsers).await;
        assert!(alive.len() >= 3, "too many ended: {alive:?}");
        (alive.len() == 3).then_some(())
    })
    .await;
    assert_eq!(count(&gate, "sessions_crowded_out").await, 9);
}

#[tokio::test]
async fn without_the_limit_all_stay() {
    let app = app().await;
    let gate = gate(&app, "").await;
    let browsers = together((0..12).map(|_| log_in(&gate, "alice"))).await;
    assert_eq!(alive(&app, &browsers).await.len(), 12);
    assert_eq!(count(&gate, "sessions_crowded_out").await, 0);
}
