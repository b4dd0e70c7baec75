//! Real input: Jupyter Server, unmodified, behind the gateway over HTTPS.
//!
//! Its scripts read `_xsrf` from `document.cookie` and send it along in a header, so that cookie has to pass. Its login
//! cookie is signed and nothing on its side remembers it: that logout is final is the gateway's doing alone. Its login
//! asks for a password alone, so whoever has it is the one user that the preset names.

mod support;

use std::net::SocketAddr;

use support::apps::{Jupyter, JupyterVisitor};
use support::{App, Gate, Setup, WebSocket, forms};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const XSRF_PASSES: &str = r#"
[site.cookies]
rules = [{ name = "_xsrf", mode = "pass", http_only = false }]
"#;

const LOGIN: &str = r#"
[site.login]
method = "watch"
preset = "jupyter"
"#;

#[tokio::test]
async fn jupyter_works_with_its_xsrf_cookie_readable_and_all_else_kept() {
    let jupyter = Jupyter::start();
    let app = App::forwarding(jupyter.addr()).await;
    let gate = gate(&app, &[XSRF_PASSES, LOGIN].concat()).await;
    let visitor = JupyterVisitor::new(&gate, &["__Host-session", "_xsrf"]);
    let browser = &visitor.browser;

    // Logging in.
    let page = visitor.open("/login").await;
    assert_eq!(browser.names(), ["__Host-session", "_xsrf"]);
    readable_and_hardened(&page.set_cookies());
    let before = browser.everything();
    let ticket_before = browser.ticket();
    visitor.log_in(&page).await;
    assert_ne!(browser.ticket(), ticket_before, "a new ticket at login");
    let logged_in = browser.everything();
    // Nothing of the login is open to whoever knew the ticket from before.
    visitor.opens_nothing(&before).await;

    // Work, as its scripts do it.
    let made = visitor.make_folder().await;
    assert_eq!(made.status(), 201, "{}", made.text());
    let user = app.last().header("x-session-user");
    assert_eq!(user.as_deref(), Some("jupyter"));
    assert!(jupyter.folder().join("Untitled Folder").is_dir());
    let (mut terminal, target) = visitor.open_terminal().await;
    terminal.run("echo $((6 * 7))-answers", "42-answers").await;
    let login_cookie = login_cookie(&app);

    // Logging out: what was held opens nothing, though to Jupyter itself its cookie is as good as ever.
    visitor.log_out().await;
    assert_eq!(browser.names(), ["_xsrf"]);
    for held in [&before, &logged_in] {
        visitor.opens_nothing(held).await;
        let refused = WebSocket::open_holding(&gate, held, &target).await;
        assert!(refused.is_err(), "the terminal is open to {held}");
    }
    let past_the_gateway = ask(jupyter.addr(), &gate, &login_cookie).await;
    assert!(past_the_gateway.starts_with("HTTP/1.1 200"));

    // What crossed the TLS side, and what the app was told. Nobody brings it its own cookie.
    let crossed = browser.lines().join("\n");
    assert!(!crossed.contains("username-"), "{crossed}");
    visitor.opens_nothing(&login_cookie).await;
    assert_eq!(app.last().cookies(), [], "{:?}", app.last());
    for seen in app.seen() {
        let user = seen.header("x-session-user");
        assert!(user.is_none_or(|user| user == "jupyter"), "{seen:?}");
        for (name, _) in seen.cookies() {
            let its_own = name == "_xsrf" || name.starts_with("username-localhost-");
            assert!(its_own, "{seen:?}");
        }
    }
}

#[tokio::test]
async fn with_its_xsrf_cookie_kept_jupyter_refuses_what_scripts_write_and_nothing_else() {
    let jupyter = Jupyter::start();
    let app = App::forwarding(jupyter.addr()).await;
    let gate = gate(&app, LOGIN).await;
    let visitor = JupyterVisitor::new(&gate, &["__Host-session"]);

    let page = visitor.open("/login").await;
    visitor.log_in(&page).await;
    let held = visitor.browser.everything();

    let refused = visitor.make_folder().await;
    assert_eq!(refused.status(), 403, "{}", refused.text());
    assert!(refused.text().contains("_xsrf"), "{}", refused.text());
    assert!(!jupyter.folder().join("Untitled Folder").exists());
    // The script's token is all that it lacks.
    let token = forms::hidden(&page.text(), "_xsrf");
    let made = visitor.make_folder_with(token.as_deref()).await;
    assert_eq!(made.status(), 201, "{}", made.text());

    visitor.log_out().await;
    visitor.opens_nothing(&held).await;
}

async fn gate(app: &App, site: &str) -> Gate {
    let setup = Setup {
        site,
        ..Setup::default()
    };
    Gate::with(app, setup).await
}

/// Jupyter itself says of `_xsrf` neither `Secure` nor `SameSite`.
fn readable_and_hardened(set_cookies: &[String]) {
    let mut lines = set_cookies.iter();
    let line = lines.rfind(|line| line.starts_with("_xsrf="));
    let line = line.expect("the login page sets _xsrf");
    let attributes = line.split(';').skip(1).map(str::trim);
    let attributes: Vec<_> = attributes.map(str::to_ascii_lowercase).collect();
    for wanted in ["secure", "samesite=lax", "path=/"] {
        assert!(attributes.iter().any(|found| found == wanted), "{line}");
    }
    assert!(
        !attributes.iter().any(|found| found == "httponly"),
        "{line}"
    );
}

/// The login cookie as Jupyter got it last.
fn login_cookie(app: &App) -> String {
    let seen = app.seen().into_iter().rev();
    let mut cookies = seen.flat_map(|seen| seen.cookies());
    let found = cookies.find(|(name, _)| name.starts_with("username-"));
    let (name, value) = found.expect("Jupyter got its login cookie");
    format!("{name}={value}")
}

/// Asks Jupyter past the gateway, in its words.
async fn ask(jupyter: SocketAddr, gate: &Gate, cookies: &str) -> String {
    let mut stream = TcpStream::connect(jupyter).await.expect("Jupyter");
    let host = gate.origin().replace("https://", "");
    let head = format!(
        "GET /api/contents HTTP/1.1\r\nhost: {host}\r\ncookie: {cookies}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    answer
}
