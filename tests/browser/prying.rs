//! Scripts of the app have the same origin as our pages, and get nothing of them. Neither do other sites.

use serde_json::Value;

use crate::support::chromium::Chromium;
use crate::{House, LOGIN, SESSIONS};

/// The end of every script: it tells the test.
const TELL: &str = "const tell = arguments[arguments.length - 1];";

#[tokio::test]
async fn a_script_of_the_app_reads_none_of_our_pages() {
    let Some(browser) = Chromium::open().await else {
        return;
    };
    let house = House::with("").await;
    house.log_in(&browser).await;
    for page in [LOGIN, SESSIONS, "/.cloakroom/logout"] {
        // The same app reads its own pages by each of these ways.
        for (path, readable) in [("/desk", true), (page, false)] {
            for (way, script) in ways(path) {
                let read = browser.run(&format!("{TELL}{script}")).await;
                let has_read = read.as_str().unwrap_or_default().contains("<p");
                assert_eq!(has_read, readable, "{path} by {way}: {read}");
            }
        }
    }
    assert_eq!(browser.text("#user").await, "alice");
}

/// How a script gets at a page of its own origin.
fn ways(path: &str) -> [(&'static str, String); 4] {
    [
        (
            "fetch",
            format!("fetch('{path}').then(a => a.text()).then(tell, e => tell('' + e))"),
        ),
        (
            "XMLHttpRequest",
            format!(
                "const ask = new XMLHttpRequest(); ask.open('GET', '{path}'); \
                 ask.onloadend = () => tell(ask.responseText); ask.send()"
            ),
        ),
        (
            "a frame",
            format!(
                "const frame = document.createElement('iframe'); frame.src = '{path}'; \
                 frame.onload = () => {{ let text = ''; \
                 try {{ text = frame.contentDocument.body.innerHTML }} catch (e) {{ text = '' + e }} \
                 frame.remove(); tell(text) }}; document.body.append(frame)"
            ),
        ),
        ("a window", window(path)),
    ]
}

/// Waits until the window has loaded something, or is out of reach.
fn window(path: &str) -> String {
    format!(
        "const opened = window.open('{path}'); \
         const end = text => {{ clearInterval(look); opened.close(); tell(text) }}; \
         const look = setInterval(() => {{ \
           if (opened.closed) return end('closed to us'); \
           try {{ \
             if (opened.document.readyState == 'complete' && opened.document.querySelector('p')) \
               end(opened.document.body.innerHTML) \
           }} catch (e) {{ if (e.name == 'SecurityError') end('' + e) }} \
         }}, 50)"
    )
}

/// A worker is asked before the network, and can keep whatever comes through its hands. Our pages do not.
#[tokio::test]
async fn a_service_worker_of_the_app_reads_none_of_our_pages() {
    let Some(browser) = Chromium::open().await else {
        return;
    };
    let house = House::with("").await;
    house.log_in(&browser).await;
    let register = format!(
        "{TELL} navigator.serviceWorker.register('/worker.js') \
         .then(() => navigator.serviceWorker.ready).then(() => tell('ready'), e => tell('' + e))"
    );
    assert_eq!(browser.run(&register).await, "ready");
    for (page, is_kept) in [("/desk", true), (LOGIN, false), (SESSIONS, false)] {
        browser.go(&house.at(page)).await;
        browser.go(&house.at("/")).await;
        let read = format!(
            "{TELL} caches.match('{page}').then(a => a ? a.text() : '').then(tell, e => tell('' + e))"
        );
        let read = browser.run(&read).await;
        let has_read = read.as_str().unwrap_or_default().contains("<p");
        assert_eq!(has_read, is_kept, "{page}: {read}");
    }
}

/// A script can have the browser ask for our page, but not send what only the page itself knows.
#[tokio::test]
async fn a_script_of_the_app_ends_no_session() {
    let (Some(browser), Some(other)) = (Chromium::open().await, Chromium::open().await) else {
        return;
    };
    let house = House::with("").await;
    house.log_in(&other).await;
    house.log_in(&browser).await;
    let script = format!(
        "{TELL} const body = new URLSearchParams({{ deed: 'end-others', token: '' }}); \
         fetch('{SESSIONS}', {{ method: 'POST', body }}).then(a => tell(a.status))"
    );
    assert_eq!(browser.run(&script).await, Value::from(403));
    // A form that it makes up and sends for the visitor is one that the page was not asked for.
    let form = format!(
        "{TELL} const form = document.createElement('form'); form.method = 'post'; form.action = '{SESSIONS}'; \
         form.innerHTML = '<input name=deed value=end-others><input name=token>'; \
         document.body.append(form); tell(''); form.submit()"
    );
    browser.run(&form).await;
    assert!(
        browser
            .text("[role=alert]")
            .await
            .contains("Nothing was done")
    );
    other.go(&house.at("/desk")).await;
    assert_eq!(other.text("#user").await, "alice");
}

/// Neither a form nor a picture nor a frame of another site logs anybody out or ends a session.
#[tokio::test]
async fn a_foreign_page_logs_nobody_out() {
    let Some(browser) = Chromium::open().await else {
        return;
    };
    let house = House::with("").await;
    house.log_in(&browser).await;
    let foreign = house.at("/").replace("localhost", "other.test");
    for (path, fields) in [
        ("/.cloakroom/logout", ""),
        (SESSIONS, "<input name=deed value=log-out>"),
        (SESSIONS, "<input name=deed value=end-others>"),
    ] {
        browser.go(&foreign).await;
        let target = house.at(path);
        let script = format!(
            "{TELL} new Image().src = '{target}'; \
             const frame = document.createElement('iframe'); frame.src = '{target}'; document.body.append(frame); \
             const form = document.createElement('form'); form.method = 'post'; form.action = '{target}'; \
             form.innerHTML = '{fields}'; document.body.append(form); tell(''); form.submit()"
        );
        browser.run(&script).await;
        browser.arrives(path).await;
        assert!(browser.text("body").await.contains("403"), "{path}");
    }
    browser.go(&house.at("/desk")).await;
    assert_eq!(browser.text("#user").await, "alice");
}
