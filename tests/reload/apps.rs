//! Sites and the apps behind them.

use std::fs;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::rig::{Kept, edit, edit_top, gate, printed, reload_well};
use super::support::body::full;
use super::support::{App, Gate, Reply, Setup, eventually};

/// Promise: when a site gets another app, requests under way end at the old one, and new ones go to the new one.
#[tokio::test]
async fn requests_under_way_end_at_the_app_they_went_to() {
    let go_on = Arc::new(Notify::new());
    let wait = Arc::clone(&go_on);
    let old = App::serving(move |request| {
        let wait = Arc::clone(&wait);
        async move {
            if request.uri().path() == "/slow" {
                wait.notified().await;
            }
            http::Response::new(full("old"))
        }
    })
    .await;
    let new = App::answering(|_| Reply::ok("new")).await;
    let gate = gate(&old, "").await;
    let mut slow = Kept::h1(&gate).await;
    let mut kept = Kept::h1(&gate).await;
    assert_eq!(kept.get("/").await.unwrap().body(), "old");
    let under_way = tokio::spawn(async move { slow.get("/slow").await.unwrap().into_body() });
    eventually("the request is with the app", async || {
        (old.seen().len() == 2).then_some(())
    })
    .await;

    let address = |app: &App| format!("upstream = [\"http://{}\"]", app.addr());
    edit(&gate, &address(&old), &address(&new));
    reload_well(&gate).await;

    assert_eq!(kept.get("/").await.unwrap().body(), "new");
    go_on.notify_one();
    assert_eq!(under_way.await.unwrap(), "old");
}

/// Promise: an app that stays as it was keeps its connections, whatever else changes.
#[tokio::test]
async fn connections_to_an_app_outlive_a_reload() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counting = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counting.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let service = hyper::service::service_fn(async |_| {
                Ok::<_, std::convert::Infallible>(http::Response::new(full("ok")))
            });
            let io = hyper_util::rt::TokioIo::new(stream);
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(io, service));
        }
    });
    let connections = || count.load(std::sync::atomic::Ordering::Relaxed);
    let setup = Setup {
        server: "admin = \"127.0.0.1:0\"",
        ..Setup::default()
    };
    let gate = Gate::before(address, setup).await;
    // One connection stays on one core, and each core has connections of its own.
    let mut kept = Kept::h1(&gate).await;
    kept.get("/").await.unwrap();
    assert_eq!(connections(), 1);

    edit_top(&gate, "[tls]\nhsts = \"2d\"");
    reload_well(&gate).await;
    kept.get("/").await.unwrap();
    assert_eq!(connections(), 1, "the app is the same");

    let upstream = format!("upstream = [\"http://{address}\"]");
    let patient = format!("{upstream}\n[site.upstream_options]\nresponse_timeout = \"7s\"");
    edit(&gate, &upstream, &patient);
    reload_well(&gate).await;
    kept.get("/").await.unwrap();
    assert_eq!(connections(), 2, "another patience is another pool");
}

/// Promise: a site is added by a file that is included, and taken away again.
#[tokio::test]
async fn a_site_comes_and_goes_with_its_file() {
    let app = App::plain().await;
    let gate = gate(&app, "").await;
    fs::create_dir(gate.folder().join("conf.d")).unwrap();
    edit_top(&gate, "include = [\"conf.d/*.toml\"]");
    edit(&gate, "\"localhost\", \"other.test\"", "\"localhost\"");
    reload_well(&gate).await;
    let browser = gate.browser();
    let status = async || browser.get("/").host("other.test").send().await.status();
    assert_eq!(status().await, 421);

    let more = gate.folder().join("conf.d/more.toml");
    let text = format!(
        "[[site]]\nname = \"more\"\nhosts = [\"other.test\"]\nupstream = [\"http://{}\"]\n",
        app.addr()
    );
    fs::write(&more, text).unwrap();
    reload_well(&gate).await;
    assert_eq!(status().await, 200);

    fs::remove_file(more).unwrap();
    reload_well(&gate).await;
    assert_eq!(status().await, 421);
}

/// Promise: policies, limits and logs are those of the new configuration.
#[tokio::test]
async fn what_is_applied_is_in_force_at_once() {
    let app = App::answering(|_| Reply::ok("ok").header("set-cookie", "theme=dark")).await;
    let gate = gate(&app, "").await;
    let mut kept = Kept::h1(&gate).await;
    let answer = kept.get("/").await.unwrap();
    let set = |answer: &http::Response<String>| {
        let fields = answer.headers().get_all("set-cookie").iter();
        fields
            .filter(|field| field.as_bytes().starts_with(b"theme="))
            .count()
    };
    assert_eq!(set(&answer), 0);
    let upload = async |kept: &mut Kept| {
        let answer = kept.send("POST", "/", full("0123456789")).await.unwrap();
        answer.status().as_u16()
    };
    assert_eq!(upload(&mut kept).await, 200);

    edit(
        &gate,
        "name = \"app\"",
        "name = \"app\"\ncookies = { default = \"pass\" }",
    );
    edit(
        &gate,
        "threads = 2",
        "threads = 2\nlimits = { body_bytes = \"9B\" }",
    );
    edit(
        &gate,
        "access = \"stdout\"",
        "access = \"access.log\"\nlevel = \"debug\"",
    );
    reload_well(&gate).await;

    assert_eq!(set(&kept.get("/logged").await.unwrap()), 1);
    assert_eq!(upload(&mut kept).await, 413);
    let log = gate.folder().join("access.log");
    eventually("the line in the new log", async || {
        let text = fs::read_to_string(&log).unwrap_or_default();
        text.contains("/logged").then_some(())
    })
    .await;
    printed(&gate, "\"level\":\"DEBUG\"").await;
    assert!(!gate.printed().contains("/logged"));
}
