//! The login page of the gateway: who gets in, who does not, and what nobody can make of it.
//!
//! One function for each promise; its name is the promise.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../support/mod.rs"]
mod support;

mod codes;

mod commands;

mod hostile;

mod login;

mod logout;

mod looks;

mod page;

mod rules;

use std::fs;
use std::path::{Path, PathBuf};

use cloakroom::login::form::password::{Cost, hash};
use tempfile::TempDir;

use support::forms::{encode, hidden};
use support::{Answer, App, Browser, Gate, Reply, Seen, Setup};

/// Quick to check, as nobody tries to guess it.
pub const CHEAP: Cost = Cost {
    memory_kib: 64,
    passes: 1,
    lanes: 1,
};
/// Everybody's.
pub const PASSWORD: &str = "correct horse";

/// A gateway with a login page, and its users.
pub struct Club {
    /// What is tested.
    pub gate: Gate,
    /// Sees who is let through.
    pub app: App,
    folder: TempDir,
}

impl Club {
    /// With `alice`, and `more` in the users file; `login` are lines of `[site.login]`.
    pub async fn with(session: &str, login: &str, more: &str) -> Self {
        Self::set_up(session, "", login, more).await
    }

    async fn set_up(session: &str, site: &str, login: &str, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let users = format!(
            "{}\nname = \"Alice\"\ngroups = [\"staff\"]\n{more}",
            user("alice")
        );
        let file = folder.path().join("users.toml");
        fs::write(&file, users).unwrap();
        let app = App::answering(greet).await;
        let site = format!(
            "{site}\n[site.headers]\n\"X-Session-User\" = \"{{user.id}}\"\n\"X-Name\" = \"{{user.name}}\"\n\
             \"X-Groups\" = \"{{user.groups}}\"\n[site.login]\nmethod = \"form\"\nusers_file = {:?}\n{login}",
            file.display().to_string()
        );
        let setup = Setup {
            session,
            site: &site,
            ..Setup::default()
        };
        let gate = Gate::with(&app, setup).await;
        Self { gate, app, folder }
    }

    /// For a site at this path.
    pub async fn at(path: &str) -> Self {
        Self::set_up("", &format!("path = {path:?}"), "", "").await
    }

    /// With `alice` and nothing else.
    pub async fn plain() -> Self {
        Self::with("", "", "").await
    }

    /// Where the users are.
    pub fn users_file(&self) -> PathBuf {
        self.folder.path().join("users.toml")
    }

    /// The form, as a visitor gets it who follows a link.
    pub async fn form(&self, browser: &Browser, query: &str) -> Answer {
        let page = format!("/.cloakroom/login{query}");
        browser.get(&page).navigating().send().await
    }

    /// Fills in the form and sends it.
    pub async fn log_in(&self, browser: &Browser, user: &str, password: &str) -> Answer {
        self.fill_in(browser, &[("user", user), ("password", password)])
            .await
    }

    /// The same with other fields.
    pub async fn fill_in(&self, browser: &Browser, fields: &[(&str, &str)]) -> Answer {
        let form = self.form(browser, "?return_to=/page").await;
        let html = form.text();
        let token = hidden(&html, "token").unwrap();
        let back = hidden(&html, "return_to").unwrap();
        let mut fields = fields.to_vec();
        fields.push(("token", &token));
        fields.push(("return_to", &back));
        self.send(browser, &fields).await
    }

    /// Sends a form with these fields, as a browser does.
    pub async fn send(&self, browser: &Browser, fields: &[(&str, &str)]) -> Answer {
        posted(browser, "/.cloakroom/login", fields)
            .header("origin", self.gate.origin())
            .navigating()
            .send()
            .await
    }

    /// Whom the app takes the visitor for.
    pub async fn whoami(&self, browser: &Browser) -> Option<String> {
        browser.get("/whoami").send().await;
        self.app.last().header("x-session-user")
    }
}

/// A form, as far as all browsers send it alike.
pub fn posted<'b>(browser: &'b Browser, path: &str, fields: &[(&str, &str)]) -> support::Call<'b> {
    browser
        .post(path, encode(fields))
        .header("content-type", "application/x-www-form-urlencoded")
}

/// The lines of a user with the usual password.
pub fn user(id: &str) -> String {
    user_at(id, CHEAP)
}

/// The same with a hash of this cost.
pub fn user_at(id: &str, cost: Cost) -> String {
    let hash = hash(PASSWORD, cost).unwrap();
    format!("[[user]]\nid = \"{id}\"\npassword = \"{hash}\"\n")
}

fn greet(seen: &Seen) -> Reply {
    match seen.path() {
        "/set" => Reply::ok("set").header("set-cookie", "basket=full; Path=/"),
        "/late" => Reply::ok("set").header("set-cookie", "late=1; Path=/"),
        _ => Reply::ok("hello"),
    }
}

/// Runs `cloakroom users …` with `input` to read.
pub fn users(folder: &Path, args: &[&str], input: &str) -> (i32, String, String) {
    use std::io::Write;
    use std::process::Stdio;
    let args = [&["users"], args, &["--config", "cloakroom.toml"]].concat();
    let mut command = support::cloakroom(folder, &args);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // It may have ended without reading.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code().unwrap(),
        text(&output.stdout),
        text(&output.stderr),
    )
}
