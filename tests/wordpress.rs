//! Real input: WordPress, unmodified, with PHP and MariaDB behind the gateway over HTTPS.
//!
//! Its login refuses whoever does not bring `wordpress_test_cookie` back. It sets one cookie at two paths under the same
//! name. Its scripts write `wp-settings-*`, so these have to pass; everything else stays in the jar.

mod support;

use support::apps::{PASSWORD, WordPress, WordPressVisitor};
use support::{App, Browser, Gate, Seen, Setup};

const COOKIES: &str = r#"
[site.cookies]
rules = [{ name = "wp-settings-*", mode = "pass", http_only = false }]
"#;

const NO_TEST_COOKIE: &str = r#"
[site.cookies]
rules = [{ name = "wordpress_test_cookie", mode = "strip" }]
"#;

const LOGIN: &str = r#"
[site.login]
method = "watch"
preset = "wordpress"
"#;

const LOGIN_BY_COOKIE: &str = r#"
[site.login]
method = "watch"
login = { method = "POST", path = "/wp-login.php", user_field = "log", success = { sets_cookie = "wordpress_logged_in_*" } }
"#;

const MAY_HOLD: [&str; 3] = ["__Host-session", "wp-settings-1", "wp-settings-time-1"];

#[tokio::test]
async fn wordpress_works_behind_one_ticket_over_http1() {
    let wordpress = WordPress::start();
    let app = App::forwarding(wordpress.addr()).await;
    let gate = gate(&app, &[COOKIES, LOGIN]).await;
    write_in_the_dashboard(&gate, &app, gate.browser()).await;
}

#[tokio::test]
async fn wordpress_works_behind_one_ticket_over_http2() {
    let wordpress = WordPress::start();
    let app = App::forwarding(wordpress.addr()).await;
    let gate = gate(&app, &[COOKIES, LOGIN]).await;
    write_in_the_dashboard(&gate, &app, gate.browser().http2()).await;
}

#[tokio::test]
async fn without_its_test_cookie_wordpress_lets_nobody_in() {
    let wordpress = WordPress::start();
    let app = App::forwarding(wordpress.addr()).await;
    let gate = gate(&app, &[NO_TEST_COOKIE, LOGIN]).await;
    let visitor = WordPressVisitor::new(&gate, gate.browser(), &["__Host-session"]);

    visitor.open("/wp-login.php").await;
    let answer = visitor.try_to_log_in("/wp-login.php", PASSWORD).await;

    assert_eq!(answer.status(), 200, "{answer:?}");
    let text = answer.text();
    assert!(text.contains("Cookies are blocked"), "{text}");
    assert_eq!(app.last().cookie("wordpress_test_cookie"), None);
}

/// WordPress that is to ask again (`reauth`) deletes its login cookies in the answer to the form, even when it has just
/// set them there.
#[tokio::test]
async fn what_wordpress_deletes_is_no_login() {
    let wordpress = WordPress::start();
    let app = App::forwarding(wordpress.addr()).await;
    let gate = gate(&app, &[COOKIES, LOGIN_BY_COOKIE]).await;
    let visitor = WordPressVisitor::new(&gate, gate.browser(), &MAY_HOLD);
    visitor.open("/wp-login.php").await;

    for (target, password) in [
        ("/wp-login.php?reauth=1", PASSWORD),
        ("/wp-login.php?reauth=1", "a guess"),
        ("/wp-login.php", "a guess"),
    ] {
        let answer = visitor.try_to_log_in(target, password).await;
        assert_eq!(answer.status(), 200, "{answer:?}");
        visitor.opens_nothing(&visitor.browser.everything()).await;
        assert_eq!(app.last().header("x-session-user"), None);
    }

    visitor.log_in().await;
    visitor.open("/wp-admin/").await;
    assert_eq!(
        app.last().header("x-session-user").as_deref(),
        Some("admin")
    );
}

async fn gate(app: &App, site: &[&str]) -> Gate {
    let setup = Setup {
        site: &site.concat(),
        ..Setup::default()
    };
    Gate::with(app, setup).await
}

async fn write_in_the_dashboard(gate: &Gate, app: &App, browser: Browser) {
    let visitor = WordPressVisitor::new(gate, browser, &MAY_HOLD);
    let browser = &visitor.browser;

    // Logging in. The ticket from before sees nothing of it.
    let page = visitor.open("/wp-login.php").await;
    assert_eq!(page.status(), 200, "{page:?}");
    assert_eq!(browser.names(), ["__Host-session"]);
    let before = browser.everything();
    let ticket_before = browser.ticket();
    visitor.log_in().await;
    assert_ne!(browser.ticket(), ticket_before, "a new ticket at login");
    let logged_in = browser.everything();
    opens_nothing(&visitor, app, &before).await;

    // The dashboard. The cookie that it wants is at two paths, and the jar brings the one that belongs there.
    let dashboard = visitor.open("/wp-admin/").await;
    assert_eq!(dashboard.status(), 200, "{dashboard:?}");
    assert!(dashboard.text().contains("Dashboard"), "{dashboard:?}");
    let seen = app.last();
    assert_eq!(seen.header("x-session-user").as_deref(), Some("admin"));
    assert_eq!(count(&seen, "wordpress_sec_"), 1, "{seen:?}");
    assert_eq!(count(&seen, "wordpress_logged_in_"), 1, "{seen:?}");
    for (path, wanted) in [("/wp-content/plugins/none.php", 1), ("/?p=1", 0)] {
        visitor.open(path).await;
        let seen = app.last();
        assert_eq!(count(&seen, "wordpress_sec_"), wanted, "{seen:?}");
    }

    // Work. A preference that a script wrote arrives: another browser gets it from WordPress.
    visitor.rename_the_blog("The cloakroom").await;
    visitor.publish_a_post().await;
    visitor.choose_the_html_editor().await;
    let other = WordPressVisitor::new(gate, gate.browser(), &MAY_HOLD);
    other.open("/wp-login.php").await;
    other.log_in().await;
    other.open("/wp-admin/").await;
    let read = other.browser.script_reads("wp-settings-1");
    assert_eq!(read.as_deref(), Some("editor%3Dhtml"));

    // Logging out, when WordPress deletes the preferences too.
    assert_eq!(browser.names(), MAY_HOLD);
    visitor.log_out(&dashboard).await;
    assert_eq!(browser.names(), [""; 0]);
    for held in [&before, &logged_in] {
        opens_nothing(&visitor, app, held).await;
    }

    // What crossed the TLS side.
    let crossed = browser.lines().join("\n");
    assert!(!crossed.contains("wordpress_"), "{crossed}");
}

/// Whoever holds just `cookies` is a stranger to WordPress, and the gateway shows it nothing from the jar.
async fn opens_nothing(visitor: &WordPressVisitor<'_>, app: &App, cookies: &str) {
    visitor.opens_nothing(cookies).await;
    let seen = app.last();
    assert_eq!(seen.header("x-session-user"), None, "{seen:?}");
    assert_eq!(count(&seen, "wordpress_logged_in_"), 0, "{seen:?}");
    assert_eq!(count(&seen, "wordpress_sec_"), 0, "{seen:?}");
}

/// How many cookies of such a name WordPress got.
fn count(seen: &Seen, prefix: &str) -> usize {
    let cookies = seen.cookies().into_iter();
    cookies.filter(|(name, _)| name.starts_with(prefix)).count()
}
