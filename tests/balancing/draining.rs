//! Taking an app out of service without a failed request.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::rig::{answers, ask, count, gate, json, metric, named, order, report, url};
use crate::support::{eventually, together};

#[tokio::test]
async fn draining_under_load_fails_no_request() {
    let (a, b) = (named("a").await, named("b").await);
    let gate = gate(&a, &[url(&b)], "").await;
    let over = AtomicBool::new(false);
    let load = together((0..4).map(|_| async {
        let mut all = Vec::new();
        while !over.load(Ordering::SeqCst) {
            all.push(ask(&gate.browser()).await);
        }
        all
    }));
    let operator = async {
        eventually("b is asked", async || (b.seen().len() > 10).then_some(())).await;
        let told = json(&order(&gate, "drain", &url(&b)).await);
        assert_eq!(told["drained_by"], "admin", "{told}");
        eventually("b has nothing to do", async || {
            (report(&gate, &url(&b)).await["in_flight"] == 0).then_some(())
        })
        .await;
        assert_eq!(metric(&gate, "upstream_drained", &url(&b)).await, 1);
        let had = b.seen().len();
        let seen = a.seen().len();
        eventually("a goes on", async || {
            (a.seen().len() > seen + 20).then_some(())
        })
        .await;
        assert_eq!(b.seen().len(), had, "b got no more");
        // It can go now, and nobody notices.
        let gone = b.stop().await;
        let seen = a.seen().len();
        eventually("a goes on", async || {
            (a.seen().len() > seen + 20).then_some(())
        })
        .await;
        over.store(true, Ordering::SeqCst);
        gone
    };
    let (all, _) = tokio::join!(load, operator);

    let all = all.concat();
    assert_eq!(count(&all, "a") + count(&all, "b"), all.len(), "{all:?}");
}

#[tokio::test]
async fn the_configuration_drains_too() {
    let (a, b) = (named("a").await, named("b").await);
    let drained = format!("{{ url = \"{}\", drain = true }}", url(&b));
    let gate = gate(&a, &[drained], "").await;

    assert_eq!(count(&answers(&gate, 10).await, "a"), 10);
    assert_eq!(report(&gate, &url(&b)).await["drained_by"], "configuration");
    let told = order(&gate, "undrain", &url(&b)).await;
    assert!(told.starts_with("HTTP/1.1 409 "), "{told}");
    assert_eq!(count(&answers(&gate, 4).await, "a"), 4);
}

#[tokio::test]
async fn with_every_upstream_drained_it_is_503_until_one_is_back() {
    let a = named("a").await;
    let gate = gate(&a, &[], "").await;
    order(&gate, "drain", &url(&a)).await;

    let refused = gate.browser().get("/").send().await;

    assert_eq!(refused.status(), 503, "{refused:?}");
    assert!(refused.header("retry-after").is_some(), "{refused:?}");
    assert!(refused.header("x-request-id").is_some(), "{refused:?}");
    order(&gate, "undrain", &url(&a)).await;
    assert_eq!(ask(&gate.browser()).await, "a");
}

#[tokio::test]
async fn only_who_has_the_token_drains_and_only_what_there_is() {
    let a = named("a").await;
    let gate = gate(&a, &[], "").await;
    let path = format!("/api/v1/upstreams/drain?site=app&upstream={}", url(&a));

    for path in [path.as_str(), "/api/v1/upstreams"] {
        let refused = gate
            .admin_says(&format!(
                "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
            ))
            .await;
        assert!(refused.starts_with("HTTP/1.1 401 "), "{refused}");
    }
    let read = gate.admin_knowing(&path).await;
    assert!(read.starts_with("HTTP/1.1 405 "), "{read}");
    let unknown = order(&gate, "drain", "http://nobody:1").await;
    assert!(unknown.starts_with("HTTP/1.1 404 "), "{unknown}");
    assert!(
        unknown.contains(&url(&a)),
        "it names those there are: {unknown}"
    );
    assert!(report(&gate, &url(&a)).await["drained_by"].is_null());
    let absent = gate.admin_knowing("/api/v1/upstreamsx").await;
    assert!(absent.starts_with("HTTP/1.1 404 "), "{absent}");
}

/// Promise: a reload changes who is there, and nothing that is known of those who stay.
#[tokio::test]
async fn a_reload_keeps_what_is_known_of_the_members_that_stay() {
    let (a, b, c) = (named("a").await, named("b").await, named("c").await);
    let gate = gate(&a, &[url(&b)], "fail_timeout = \"1h\"").await;
    order(&gate, "drain", &url(&b)).await;
    assert_eq!(count(&answers(&gate, 4).await, "a"), 4);

    let file = gate.folder().join("cloakroom.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let before = format!(", \"{}\"]", url(&b));
    let after = format!(
        ", \"{}\", {{ url = \"{}\", weight = 2 }}]",
        url(&b),
        url(&c)
    );
    assert!(text.contains(&before), "{text}");
    std::fs::write(&file, text.replace(&before, &after)).unwrap();
    gate.signal("HUP");
    eventually("c is asked", async || {
        (ask(&gate.browser()).await == "c").then_some(())
    })
    .await;

    assert_eq!(report(&gate, &url(&b)).await["drained_by"], "admin");
    assert!(metric(&gate, "upstream_requests_total", &url(&a)).await >= 4);
    assert_eq!(count(&answers(&gate, 12).await, "b"), 0);
    let drained = format!("{{ url = \"{}\", drain = true }}]", url(&c));
    let last = after.rsplit_once("{ url").unwrap().1;
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace(&format!("{{ url{last}"), &drained)).unwrap();
    gate.signal("HUP");
    eventually("c is drained", async || {
        let by = &report(&gate, &url(&c)).await["drained_by"];
        (by == "configuration").then_some(())
    })
    .await;
    assert_eq!(count(&answers(&gate, 12).await, "a"), 12);
}
