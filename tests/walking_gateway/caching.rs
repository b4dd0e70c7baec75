//! A private response is never cacheable by accident, and a public one stays public.

use crate::support::{App, Gate, Reply};

async fn app() -> App {
    App::answering(|seen| match seen.path() {
        "/static.css" => Reply::ok("css").header("cache-control", "public, max-age=60"),
        "/shared.css" => Reply::ok("css").header("cache-control", "s-maxage=60"),
        "/public-but-kept" => Reply::ok("ok")
            .header("cache-control", "public, max-age=60")
            .header("set-cookie", "SID=1; Path=/"),
        "/unchanged" => Reply::ok("").status(304).header("etag", "\"1\""),
        "/varied" => Reply::ok("ok").header("vary", "Accept-Encoding"),
        _ => Reply::ok("ok"),
    })
    .await
}

#[tokio::test]
async fn a_public_response_carries_no_ticket_and_no_vary_of_ours() {
    let app = app().await;
    let gate = Gate::in_front_of(&app).await;
    let browser = gate.browser();

    for path in ["/static.css", "/shared.css"] {
        let answer = browser.get(path).send().await;
        assert_eq!(answer.set_cookies(), [""; 0], "{path}");
        assert!(!answer.lists("vary", "cookie"), "{path}: {answer:?}");
        assert!(
            !answer.lists("cache-control", "private"),
            "{path}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn a_response_that_needs_a_ticket_is_private_whatever_the_app_says() {
    let app = app().await;
    let gate = Gate::in_front_of(&app).await;

    let answer = gate.browser().get("/public-but-kept").send().await;

    assert_eq!(answer.set_cookies().len(), 1, "{answer:?}");
    assert!(answer.lists("cache-control", "private"), "{answer:?}");
    assert!(answer.lists("cache-control", "no-store"), "{answer:?}");
    assert!(!answer.lists("cache-control", "public"), "{answer:?}");
}

#[tokio::test]
async fn every_other_response_varies_by_cookie() {
    let app = app().await;
    let gate = Gate::in_front_of(&app).await;
    let browser = gate.browser();
    browser.get("/").send().await;

    for path in ["/", "/unchanged", "/varied"] {
        let answer = browser.get(path).send().await;
        assert!(answer.lists("vary", "cookie"), "{path}: {answer:?}");
    }
    let answer = browser.get("/varied").send().await;
    assert!(answer.lists("vary", "accept-encoding"), "{answer:?}");
}
