//! The gateway's own pages in a real browser: Chromium without a window, one profile for each person.
//!
//! One function for each promise; its name is the promise. Pictures of the pages are kept in `target/tmp/browser`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../support/mod.rs"]
mod support;

mod journey;

mod looks;

mod prying;

mod sessions;

use std::fs;

use cloakroom::login::form::password::{Cost, hash};
use tempfile::TempDir;

use support::chromium::Chromium;
use support::{App, Gate, Reply, Seen, Setup};

/// Where the pages are.
pub const LOGIN: &str = "/.cloakroom/login";
/// The page of one's sessions.
pub const SESSIONS: &str = "/.cloakroom/session";
/// Everybody's password.
pub const PASSWORD: &str = "correct horse";
/// The cookie that holds the ticket.
pub const TICKET: &str = "__Host-session";

/// A gateway with a login page, before an app whose pages below `/desk` are for users.
pub struct House {
    /// What is tested.
    pub gate: Gate,
    /// Sees who is let through.
    pub app: App,
    _folder: TempDir,
}

impl House {
    /// With lines of `[session]`.
    pub async fn with(session: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("users.toml");
        let cost = Cost {
            memory_kib: 64,
            passes: 1,
            lanes: 1,
        };
        let hash = hash(PASSWORD, cost).unwrap();
        let user = format!("[[user]]\nid = \"alice\"\nname = \"Alice\"\npassword = \"{hash}\"\n");
        fs::write(&file, user).unwrap();
        fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let app = App::answering(answer).await;
        let site = format!(
            "[site.headers]\n\"X-Session-User\" = \"{{user.id}}\"\n\
             [[site.rule]]\npath = \"/desk/*\"\nrequire = {{ user = true }}\n\
             [site.login]\nmethod = \"form\"\nusers_file = {:?}",
            file.display().to_string()
        );
        let setup = Setup {
            session,
            site: &site,
            ..Setup::default()
        };
        let gate = Gate::with(&app, setup).await;
        Self {
            gate,
            app,
            _folder: folder,
        }
    }

    /// The address of a path.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.gate.origin())
    }

    /// Fills in the form that `browser` is at, and sends it.
    pub async fn fill_in(&self, browser: &Chromium, password: &str) {
        browser.fill("#user", "alice").await;
        browser.fill("#password", password).await;
        browser.click("button[type=submit]").await;
    }

    /// Logs in, on the way to `/desk`.
    pub async fn log_in(&self, browser: &Chromium) {
        browser.go(&self.at("/desk")).await;
        self.fill_in(browser, PASSWORD).await;
        browser.arrives("/desk").await;
    }
}

/// Passes every request on, as a page that works offline has it, and keeps what comes.
const WORKER: &str = "
addEventListener('install', () => skipWaiting());
addEventListener('activate', event => event.waitUntil(clients.claim()));
addEventListener('fetch', event => event.respondWith((async () => {
  const answer = await fetch(event.request);
  const kept = await caches.open('kept');
  await kept.put(event.request.url, new Response(await answer.clone().text()));
  return answer;
})()));
";

/// Pages that say whom the app takes the visitor for, and run what the app likes.
fn answer(seen: &Seen) -> Reply {
    if seen.path() == "/worker.js" {
        return Reply::ok(WORKER).header("content-type", "text/javascript");
    }
    let user = seen.header("x-session-user").unwrap_or("nobody".into());
    let page = format!(
        "<!DOCTYPE html><html lang=\"en\"><title>The app</title><p id=\"user\">{user}</p>\
         <script>document.title = 'The app runs scripts'</script>"
    );
    Reply::ok(page).header("content-type", "text/html; charset=utf-8")
}
