//! Promise: what `cloakroom learn` prints makes the app work that it watched.
//!
//! A real app is used through a gateway that reports only, while `learn` watches. The block that it prints is put, as
//! it is, into the configuration of a fresh gateway before the same app. There the app is used in the same way once
//! more, by a browser that may hold no cookies but those that the block lets through.

mod support;

use std::net::SocketAddr;
use std::path::Path;

use cloakroom::config;
use cloakroom::config::settings::CookieMode;
use support::apps::{
    Django, DjangoVisitor, Jupyter, JupyterVisitor, PROTECTED, SESSIONS, Tomcat, TomcatVisitor,
    WordPress, WordPressVisitor, ids_in_urls,
};
use support::learner::Learner;
use support::{App, Gate, Setup, configuration};

/// Browsers hold what they would without a gateway.
const WIDE_OPEN: &str = r#"
[site.cookies]
enforce = false
rules = [{ name = "*", mode = "pass", http_only = false }]
"#;
const ANYTHING: &[&str] = &["*"];

const DJANGO: &str = r#"
[site.login]
method = "watch"
preset = "django"
"#;
const WORDPRESS: &str = r#"
[site.login]
method = "watch"
preset = "wordpress"
"#;
const TOMCAT: &str = r#"
[site.login]
method = "watch"
preset = "tomcat"
base = "/examples"
logout = { path = "/examples/jsp/security/protected/index.jsp", query = "logoff=true", success = { status = [302] } }
"#;
const JUPYTER: &str = r#"
[site.login]
method = "watch"
preset = "jupyter"
"#;

#[tokio::test]
async fn djangos_admin_works_with_what_was_learned_of_it() {
    let django = Django::start();
    let app = App::forwarding(django.addr()).await;
    let (gate, watch) = watched(app.addr(), DJANGO).await;
    in_the_admin(&gate, ANYTHING, ["Learners", "Watchers"]).await;

    let (gate, learned) = fresh(app.addr(), DJANGO, watch).await;

    assert_eq!(learned.passed, ["csrftoken"]);
    learned.says("messages, sessionid.");
    let groups = ["Attendants", "Porters"];
    in_the_admin(&gate, &learned.may_hold(), groups).await;
}

#[tokio::test]
async fn wordpress_works_with_what_was_learned_of_it() {
    let wordpress = WordPress::start();
    let app = App::forwarding(wordpress.addr()).await;
    let (gate, watch) = watched(app.addr(), WORDPRESS).await;
    in_the_dashboard(&gate, ANYTHING, "Learning").await;

    let (gate, learned) = fresh(app.addr(), WORDPRESS, watch).await;

    assert_eq!(learned.passed, ["wp-settings-*"]);
    learned.says(r#"{ name = "wordpress_test_cookie", mode = "keep" }"#);
    learned.says("wordpress_logged_in_*, wordpress_sec_*.");
    in_the_dashboard(&gate, &learned.may_hold(), "The cloakroom").await;
}

#[tokio::test]
async fn tomcats_examples_work_with_what_was_learned_of_them() {
    let Some(tomcat) = Tomcat::shared() else {
        return;
    };
    let (gate, watch) = watched(tomcat.addr(), TOMCAT).await;
    let visitor = TomcatVisitor::new(&gate, ANYTHING);
    // Browsers that hold nothing see the session in its links here.
    visitor.open(SESSIONS).await;
    in_the_examples(&visitor).await;

    let (gate, learned) = fresh(tomcat.addr(), TOMCAT, watch).await;

    assert_eq!(learned.passed, [""; 0]);
    let may_hold = learned.may_hold();
    for page in [SESSIONS, "/own/first.jsp", &format!("{PROTECTED}/")] {
        let first = TomcatVisitor::new(&gate, &may_hold).open(page).await;
        assert_eq!(ids_in_urls(&first), [""; 0], "{page}: {}", first.text());
    }
    in_the_examples(&TomcatVisitor::new(&gate, &may_hold)).await;
}

#[tokio::test]
async fn jupyter_works_with_what_was_learned_of_it() {
    let jupyter = Jupyter::start();
    let app = App::forwarding(jupyter.addr()).await;
    let (gate, watch) = watched(app.addr(), JUPYTER).await;
    in_a_notebook(&JupyterVisitor::new(&gate, ANYTHING)).await;

    let (gate, learned) = fresh(app.addr(), JUPYTER, watch).await;

    assert_eq!(learned.passed, ["_xsrf"]);
    learned.says("username-*.");
    in_a_notebook(&JupyterVisitor::new(&gate, &learned.may_hold())).await;
}

// === what is done in the apps ===

async fn in_the_admin(gate: &Gate, may_hold: &[&str], groups: [&str; 2]) {
    let visitor = DjangoVisitor::new(gate, gate.browser(), may_hold);
    let page = visitor.open_login().await;
    visitor.log_in(&page).await;
    let list = visitor.add_a_group(groups[0]).await;
    let added = visitor.script_adds_a_group(groups[1]).await;
    assert_eq!(added.status(), 302, "{}", added.text());
    visitor.log_out(&list).await;
    visitor.opens_nothing(&visitor.browser.everything()).await;
}

async fn in_the_dashboard(gate: &Gate, may_hold: &[&str], title: &str) {
    let visitor = WordPressVisitor::new(gate, gate.browser(), may_hold);
    visitor.open("/wp-login.php").await;
    visitor.log_in().await;
    let dashboard = visitor.open("/wp-admin/").await;
    assert!(dashboard.text().contains("Dashboard"), "{dashboard:?}");
    visitor.rename_the_blog(title).await;
    visitor.publish_a_post().await;
    visitor.choose_the_html_editor().await;
    let browser = &visitor.browser;
    let read = browser.script_reads("wp-settings-1");
    assert_eq!(read.as_deref(), Some("editor%3Dhtml"));
    visitor.log_out(&dashboard).await;
    visitor.opens_nothing(&browser.everything()).await;
}

async fn in_the_examples(visitor: &TomcatVisitor<'_>) {
    visitor.keeps_attributes().await;
    let check = visitor.open_login().await;
    let index = visitor.log_in(&check).await;
    assert_eq!(ids_in_urls(&index), [""; 0]);
    visitor.log_out().await;
    visitor.opens_nothing(&visitor.browser.everything()).await;
}

async fn in_a_notebook(visitor: &JupyterVisitor<'_>) {
    let page = visitor.open("/login").await;
    visitor.log_in(&page).await;
    let made = visitor.make_folder().await;
    assert_eq!(made.status(), 201, "{}", made.text());
    let (mut terminal, _) = visitor.open_terminal().await;
    terminal.run("echo $((6 * 7))-answers", "42-answers").await;
    visitor.log_out().await;
    visitor.opens_nothing(&visitor.browser.everything()).await;
}

// === watching, and what comes of it ===

async fn watched(app: SocketAddr, login: &str) -> (Gate, Learner) {
    let setup = Setup {
        server: "admin = \"unix:admin.sock\"",
        site: &[WIDE_OPEN, login].concat(),
        ..Setup::default()
    };
    let gate = Gate::before(app, setup).await;
    let watch = Learner::of(&gate).await;
    (gate, watch)
}

/// A gateway with the block in its configuration, and nothing else said of cookies.
async fn fresh(app: SocketAddr, login: &str, watch: Learner) -> (Gate, Learned) {
    let block = watch.block().await;
    let setup = Setup {
        site: &format!("{block}{login}"),
        ..Setup::default()
    };
    let learned = Learned::read(&configuration(app, setup), block);
    (Gate::before(app, setup).await, learned)
}

struct Learned {
    block: String,
    /// The names that browsers may hold.
    passed: Vec<String>,
}

impl Learned {
    fn read(configuration: &str, block: String) -> Self {
        let read = config::read(Path::new("cloakroom.toml"), configuration.to_owned(), &[]);
        let read = read.unwrap_or_else(|faults| panic!("{block}\n{faults:?}"));
        let cookies = &read.settings.sites[0].cookies;
        assert!(
            cookies.enforce && cookies.default == CookieMode::Keep,
            "{block}"
        );
        let mut passed = Vec::new();
        for rule in &cookies.rules {
            match rule.mode {
                CookieMode::Pass => passed.push(rule.name.clone()),
                mode => assert_eq!(mode, CookieMode::Keep, "{block}"),
            }
        }
        Self { block, passed }
    }

    fn may_hold(&self) -> Vec<&str> {
        let passed = self.passed.iter().map(String::as_str);
        passed.chain(["__Host-session"]).collect()
    }

    fn says(&self, part: &str) {
        assert!(self.block.contains(part), "{part}: {}", self.block);
    }
}
