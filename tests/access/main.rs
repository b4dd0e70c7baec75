//! Promise: a path that a rule keeps for some is had by nobody else, and who may not have it is told so in a way that
//! loses nothing: sent to log in where a person follows, told so where a program asks.

#[path = "../support/mod.rs"]
mod support;

mod answers;

mod users;

mod limits;

mod resending;

mod configuration;

mod explaining;

use crate::support::{App, Gate, Reply, Seen, Setup};

/// An app that logs in whoever asks: `/login?alice&staff,dev`. It says so in directives.
fn reply(seen: &Seen) -> Reply {
    let query = seen.target.split_once('?').map_or("", |(_, query)| query);
    match seen.path() {
        "/login" if seen.method == "POST" => {
            let (user, groups) = query.split_once('&').unwrap_or((query, ""));
            let login = format!("\"{user}\"; groups=\"{groups}\"");
            Reply::ok("welcome").header("x-session-login", login)
        }
        "/logout" => Reply::ok("bye").header("x-session-logout", "?1"),
        _ => Reply::ok("ok"),
    }
}

/// That app, and a gateway with these rules before it.
async fn gate(rules: &str) -> (App, Gate) {
    gate_with(rules, Setup::default()).await
}

async fn gate_with(rules: &str, setup: Setup<'_>) -> (App, Gate) {
    let app = App::answering(reply).await;
    let site = format!(
        "trust_directives = true\n{rules}\n[site.login]\nlogin_url = \"/login\"\nreturn_param = \"next\"\n"
    );
    let setup = Setup {
        site: &site,
        ..setup
    };
    let gate = Gate::with(&app, setup).await;
    (app, gate)
}

const ADMIN: &str = "[[site.rule]]\npath = \"/admin/*\"\nrequire = { user = true }\n";
