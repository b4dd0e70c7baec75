//! What belongs to one hop and what counts the hops: Connection, TE, Via, Max-Forwards.

use http::Method;

use crate::support::{App, Gate, exchange};

#[tokio::test]
async fn via_names_every_hop_with_its_version() {
    let app = App::plain().await;
    let gate = Gate::in_front_of(&app).await;

    let browser = gate.browser();
    browser.get("/").header("via", "1.0 cache (x)").send().await;
    assert_eq!(app.last().all("via"), ["1.0 cache (x)", "1.1 cloakroom"]);
    gate.browser().http2().get("/").send().await;
    assert_eq!(app.last().all("via"), ["2.0 cloakroom"]);
}

#[tokio::test]
async fn a_request_that_goes_in_circles_is_stopped() {
    let app = App::plain().await;
    let gate = Gate::in_front_of(&app).await;
    let passed = ["1.1 cloakroom"; 3].join(", ");

    for browser in [gate.browser(), gate.browser().http2()] {
        let few = browser.get("/").header("via", &passed).send().await;
        assert_eq!(few.status(), 200);
        let many = browser
            .get("/")
            .header("via", &passed)
            .header("via", "2.0 cloakroom");
        assert_eq!(many.send().await.status(), 508);
    }
    assert_eq!(app.seen().len(), 2);
}

#[tokio::test]
async fn max_forwards_is_counted_on_options() {
    let app = App::plain().await;
    let gate = Gate::in_front_of(&app).await;

    for browser in [gate.browser(), gate.browser().http2()] {
        let options = |count| {
            browser
                .call(Method::OPTIONS, "/x")
                .header("max-forwards", count)
        };
        assert_eq!(options("2").send().await.status(), 200);
        assert_eq!(app.last().header("max-forwards").as_deref(), Some("1"));
        let asked = app.seen().len();

        let last = options("0").send().await;
        assert_eq!(last.status(), 204);
        assert!(
            last.lists("allow", "GET") && last.lists("allow", "OPTIONS"),
            "{last:?}"
        );
        assert!(
            !last.lists("allow", "TRACE") && !last.lists("allow", "CONNECT"),
            "{last:?}"
        );
        assert_eq!(options("-1").send().await.status(), 400);
        assert_eq!(app.seen().len(), asked);

        // Other methods may carry it along.
        assert_eq!(
            browser
                .get("/")
                .header("max-forwards", "0")
                .send()
                .await
                .status(),
            200
        );
    }
}

#[tokio::test]
async fn connection_takes_away_what_is_of_the_hop_and_nothing_else() {
    let app = App::plain().await;
    let gate = Gate::in_front_of(&app).await;

    let answer = exchange(
        &gate,
        "GET / HTTP/1.1\r\nHost: localhost\r\n\
         Connection: close, x-hop, HOST, Authorization, cookie, Origin, X-Forwarded-For, via, x-session-id\r\n\
         Connection: te, user-agent, accept\r\n\
         X-Hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nTE: gzip, trailers\r\n\
         Authorization: Basic eDp5\r\nOrigin: https://localhost\r\nUser-Agent: test\r\nAccept: */*\r\n\r\n",
    )
    .await;

    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let seen = app.last();
    for gone in ["x-hop", "keep-alive", "proxy-connection"] {
        assert_eq!(seen.header(gone), None, "{gone}");
    }
    for (kept, value) in [
        ("host", "localhost"),
        ("authorization", "Basic eDp5"),
        ("origin", "https://localhost"),
        ("user-agent", "test"),
        ("accept", "*/*"),
        ("x-forwarded-for", "127.0.0.1"),
        ("via", "1.1 cloakroom"),
        ("te", "trailers"),
    ] {
        assert_eq!(seen.header(kept).as_deref(), Some(value), "{kept}");
    }
    assert!(seen.header("x-session-id").is_some());
}

#[tokio::test]
async fn what_an_app_says_of_its_connection_ends_here() {
    let app = App::answering(|_| {
        crate::support::Reply::ok("ok")
            .header("connection", "keep-alive, x-hop, set-cookie, cache-control")
            .header("keep-alive", "timeout=5")
            .header("x-hop", "1")
            .header("proxy-authenticate", "Basic")
            .header("cache-control", "max-age=5")
            .header("upgrade", "h2c")
    })
    .await;
    let gate = Gate::in_front_of(&app).await;
    for browser in [gate.browser(), gate.browser().http2()] {
        let answer = browser.get("/").send().await;
        for gone in [
            "connection",
            "keep-alive",
            "x-hop",
            "proxy-authenticate",
            "upgrade",
        ] {
            assert_eq!(answer.header(gone), None, "{gone}");
        }
        assert!(answer.header("cache-control").is_some(), "{answer:?}");
        assert!(
            !answer.set_cookies().is_empty(),
            "the ticket is ours to give"
        );
    }
}
