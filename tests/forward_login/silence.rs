//! No answer is not "no": nobody is served, and nobody is logged out.

use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

use super::{RULES, Rig, id, say, user};
use crate::support::{App, Reply, eventually};

#[tokio::test]
async fn an_answer_that_says_nothing_is_an_outage_and_the_session_outlives_it() {
    let rig = Rig::new("recheck = \"0\"").await;
    let browser = rig.browser("alice");
    let before = rig.seen_by(&browser, "/inside/").await;
    let asked = rig.app.seen().len();

    super::log_in(&browser, "broken");
    for path in ["/inside/", "/"] {
        let answer = browser.get(path).navigating().send().await;
        assert_eq!(answer.status(), 503, "{path}");
        assert!(answer.header("retry-after").is_some());
        assert_eq!(answer.set_cookies(), [""; 0]);
        assert!(!answer.text().contains("sorry"), "{answer:?}");
    }
    assert_eq!(rig.app.seen().len(), asked, "the app was not asked");
    rig.gate.says("neither yes nor no").await;
    let lines = rig.gate.access_log(3).await;
    assert_eq!(lines[2]["refusal"], "no-login-service");

    super::log_in(&browser, "alice");
    let after = rig.seen_by(&browser, "/inside/").await;
    assert_eq!((user(&after), id(&after)), (user(&before), id(&before)));
}

#[tokio::test]
async fn a_service_that_is_gone_logs_nobody_out() {
    let mut rig = Rig::new("recheck = \"0\"").await;
    let browser = rig.browser("alice");
    let before = rig.seen_by(&browser, "/").await;
    let addr = std::mem::replace(&mut rig.service, App::plain().await)
        .stop()
        .await;

    assert_eq!(browser.get("/").send().await.status(), 503);
    rig.gate.says("the login service did not answer").await;

    rig.service = App::answering_at(addr, say).await;
    let after = rig.seen_by(&browser, "/").await;
    assert_eq!(id(&after), id(&before));
}

#[tokio::test]
async fn a_head_that_is_too_large_is_no_answer() {
    let huge = |seen: &crate::support::Seen| say(seen).header("x-huge", "a".repeat(40 << 10));
    let rig = Rig::with("", RULES, huge).await;
    let answer = rig.browser("alice").get("/").send().await;
    assert_eq!(answer.status(), 503);
}

#[tokio::test]
async fn a_long_body_costs_nothing_and_changes_nothing() {
    let long = |seen: &crate::support::Seen| {
        let reply = Reply::ok("a".repeat(1 << 20)).header("content-type", "text/plain");
        match seen.cookie("sso") {
            Some(who) => reply.header("remote-user", who),
            None => reply.status(403),
        }
    };
    let rig = Rig::with("", RULES, long).await;
    let browser = rig.browser("alice");
    assert_eq!(
        user(&rig.seen_by(&browser, "/").await).as_deref(),
        Some("alice")
    );
    let answer = rig.gate.browser().get("/inside/").navigating().send().await;
    assert_eq!(answer.status(), 403);
    assert!(answer.body.len() < 4096, "our own page");
}

/// Promise: a service that takes its time, or drips, costs a visitor no more than `timeout`.
#[tokio::test]
async fn a_slow_service_is_waited_for_no_longer_than_was_said() {
    for drips in [false, true] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                if !drips {
                    held.push(stream);
                    continue;
                }
                tokio::spawn(async move {
                    let _ = stream
                        .write_all(b"HTTP/1.1 200 OK\r\nremote-user: alice\r\n")
                        .await;
                    loop {
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        if stream.write_all(b"x: y\r\n").await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        let app = super::app().await;
        let url = format!("http://{addr}");
        let gate = super::gate(&app, &url, "timeout = \"500ms\"", RULES).await;
        let browser = gate.browser();

        let answer = tokio::time::timeout(Duration::from_secs(20), browser.get("/").send()).await;

        assert_eq!(answer.expect("in time").status(), 503, "drips: {drips}");
        assert_eq!(app.seen().len(), 0);
        eventually("the log says why", async || {
            let said = gate.printed();
            (said.contains("within site.login.timeout") || said.contains("in time")).then_some(())
        })
        .await;
    }
}
