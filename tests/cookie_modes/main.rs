//! What each mode of `[site.cookies]` promises, seen from outside.
//!
//! One function for each promise; its name is the promise.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../support/mod.rs"]
mod support;

mod adopting;

mod copies;

mod guarding;

mod marking;

mod mirroring;

mod overriding;

mod reporting;

mod shadows;

mod sharing;

use support::{App, Gate, Reply, Setup};

/// A gateway with these rules, a little of everything that the tests ask of it.
async fn gate(app: &App, rules: &str) -> Gate {
    let site = format!("trust_directives = true\n[site.cookies]\nrules = [{rules}]\n");
    gate_with(app, &site).await
}

async fn gate_with(app: &App, site: &str) -> Gate {
    let setup = Setup {
        server: "admin = \"127.0.0.1:0\"",
        site,
        ..Setup::default()
    };
    Gate::with(app, setup).await
}

/// An app that sets a cookie with the query of `/set`, logs alice in at `/login`, and out at `/logout`. What follows `?`
/// there is set too. The same beneath `/blog` and `/two`.
async fn app() -> App {
    App::answering(|seen| {
        let (path, query) = seen.target.split_once('?').unwrap_or((&seen.target, ""));
        let mut reply = Reply::ok("ok");
        for line in query.split('&').filter(|line| !line.is_empty()) {
            reply = reply.header("set-cookie", line.replace("%20", " "));
        }
        let mut others = ["/blog", "/two"].iter();
        let beneath = others.find_map(|prefix| path.strip_prefix(prefix));
        match beneath.unwrap_or(path) {
            "/login" => reply.header("x-session-login", "\"alice\""),
            "/login-bob" => reply.header("x-session-login", "\"bob\""),
            "/clear" => reply.header("clear-site-data", "\"cookies\""),
            "/logout" => reply.header("x-session-logout", "?1"),
            _ => reply,
        }
    })
    .await
}

/// Lets the gateway begin anew with another configuration, in the same store.
async fn rewrite(gate: &mut Gate, from: &str, to: &str) {
    gate.stop().await;
    let file = gate.folder().join("cloakroom.toml");
    let text = std::fs::read_to_string(&file).expect("the configuration");
    assert!(text.contains(from), "{from} in {text}");
    std::fs::write(file, text.replacen(from, to, 1)).expect("to write it");
    gate.restart().await;
}

/// How often the gateway has counted something.
async fn counted(gate: &Gate, what: &str) -> u64 {
    let metrics = gate.admin("/metrics").await;
    let name = format!("cloakroom_{what}_total ");
    let line = metrics.lines().find_map(|line| line.strip_prefix(&name));
    line.and_then(|count| count.parse().ok()).expect("a count")
}
