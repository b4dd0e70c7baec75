//! Real input: Tomcat's own examples, unmodified, behind the gateway over HTTPS.
//!
//! A servlet container that does not see its cookie come back writes the session ID into links, so with the jar on, the
//! first page of every visitor carries one. Here it is shown that this happens, that an ID in a URL is worth nothing
//! once `strip_path_params` takes it out, and that no page carries one once the first request brings a cookie.

mod support;

use support::apps::{PROTECTED, SESSIONS, Tomcat, TomcatVisitor, ids_in_urls, session_of};
use support::{App, Gate, Raw, Setup, exchange};

const STRIPPING: &str = "strip_path_params = [\"jsessionid\"]\n";
const WATCHING: &str = r#"
[site.login]
method = "watch"
preset = "tomcat"
base = "/examples"
logout = { path = "/examples/jsp/security/protected/index.jsp", query = "logoff=true", success = { status = [302] } }
"#;

// === the first page ===

#[tokio::test]
async fn without_help_the_first_page_has_the_session_id_in_its_links_and_takes_one_from_the_url() {
    let Some(tomcat) = Tomcat::shared() else {
        return;
    };
    let app = App::forwarding(tomcat.addr()).await;
    let gate = Gate::in_front_of(&app).await;

    let attacker = TomcatVisitor::of(&gate);
    let first = attacker.open(SESSIONS).await;
    let id = session_of(&first);
    assert!(ids_in_urls(&first).contains(&id), "{}", first.text());
    let second = attacker.open(SESSIONS).await;
    assert_eq!(session_of(&second), id, "the jar brings the cookie back");
    assert_eq!(ids_in_urls(&second), [""; 0]);
    let redirect = TomcatVisitor::of(&gate).open("/own/first.jsp").await;
    assert_eq!(ids_in_urls(&redirect).len(), 1, "{redirect:?}");

    // Whoever follows the attacker's link is in the attacker's session.
    let victim = TomcatVisitor::of(&gate);
    let fixed = victim.open(&format!("{SESSIONS};jsessionid={id}")).await;
    assert_eq!(session_of(&fixed), id);
}

#[tokio::test]
async fn stripped_the_session_of_a_url_is_nobodys_in_any_spelling() {
    let Some(tomcat) = Tomcat::shared() else {
        return;
    };
    let app = App::forwarding(tomcat.addr()).await;
    let gate = gate(&app, STRIPPING).await;
    let straight = Gate::before(
        tomcat.addr(),
        Setup {
            site: "ambiguous_paths = \"pass\"\n",
            ..Setup::default()
        },
    )
    .await;
    let lenient = Gate::before(
        tomcat.addr(),
        Setup {
            site: &format!("{STRIPPING}ambiguous_paths = \"pass\"\n"),
            ..Setup::default()
        },
    )
    .await;
    let id = session_of(&TomcatVisitor::of(&gate).open(SESSIONS).await);

    let mut read_by_tomcat = 0;
    for target in spellings(&id) {
        let asked =
            format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        // The control: without the key, which of these does Tomcat take?
        read_by_tomcat += usize::from(exchange(&straight, &asked).await.contains(&shown(&id)));
        for gate in [&gate, &lenient] {
            let answer = exchange(gate, &asked).await;
            assert!(!answer.contains(&shown(&id)), "{target}: {answer}");
        }
    }
    assert!(read_by_tomcat >= 10, "Tomcat read {read_by_tomcat} of them");

    // The plain one is served all the same, with a session of its own.
    let victim = TomcatVisitor::of(&gate)
        .open(&format!("{SESSIONS};jsessionid={id}?a=1"))
        .await;
    assert_eq!(victim.status(), 200);
    assert_ne!(session_of(&victim), id);
    assert_eq!(app.last().target, format!("{SESSIONS}?a=1"));
}

#[tokio::test]
async fn stripped_no_redirect_carries_the_session_id_and_the_links_of_the_first_page_work() {
    let Some(tomcat) = Tomcat::shared() else {
        return;
    };
    let app = App::forwarding(tomcat.addr()).await;
    let gate = gate(&app, STRIPPING).await;
    let redirect = TomcatVisitor::of(&gate).open("/own/first.jsp").await;
    assert_eq!(redirect.status(), 302);
    let to = redirect.header("location").expect("where to");
    assert!(to.ends_with("next.jsp?a=1"), "{to}");
    assert_eq!(ids_in_urls(&redirect), [""; 0]);

    // Its own links still name the session: the one that the jar holds.
    let visitor = TomcatVisitor::of(&gate);
    keeps_attributes(&visitor, &app).await;
    let stranger = TomcatVisitor::of(&gate).open(SESSIONS).await;
    assert!(
        !stranger.text().contains("colour = teal"),
        "{}",
        stranger.text()
    );
}

/// With a placeholder the container sees a cookie with the first request, one of a session that it does not know, so it
/// begins one and trusts cookies from then on.
#[tokio::test]
async fn with_a_placeholder_no_page_ever_has_the_session_id_in_its_links() {
    let Some(tomcat) = Tomcat::shared() else {
        return;
    };
    let app = App::forwarding(tomcat.addr()).await;
    let rule = "[site.cookies]\nrules = [{ name = \"JSESSIONID\", mode = \"keep\", placeholder = true }]\n";
    let gate = gate(&app, &format!("{STRIPPING}{rule}{WATCHING}")).await;
    for page in [SESSIONS, "/own/first.jsp", &format!("{PROTECTED}/")] {
        let visitor = TomcatVisitor::of(&gate);
        let first = visitor.open(page).await;
        assert!(first.status() < 400, "{first:?}");
        assert_eq!(ids_in_urls(&first), [""; 0], "{page}: {}", first.text());
        let brought = app.last().cookie("JSESSIONID").expect("a placeholder");
        assert!(
            !first.text().contains(&brought),
            "Tomcat made the session: {}",
            first.text()
        );
        // From here on it is Tomcat's own.
        visitor.open(page).await;
        assert_ne!(app.last().cookie("JSESSIONID"), Some(brought), "{page}");
    }
    let visitor = TomcatVisitor::of(&gate);
    keeps_attributes(&visitor, &app).await;
    logs_in_works_and_logs_out(&gate, &app).await;
}

// === sessions, login, websocket ===

#[tokio::test]
async fn the_form_login_works_behind_one_ticket() {
    let Some(tomcat) = Tomcat::shared() else {
        return;
    };
    let app = App::forwarding(tomcat.addr()).await;
    let gate = gate(&app, &format!("{STRIPPING}{WATCHING}")).await;
    logs_in_works_and_logs_out(&gate, &app).await;
}

/// Tomcat shows its form in place of a protected page, so that page is where a rule sends people: `login_url` names it, and
/// rules of its own let it and the form's address through.
#[tokio::test]
async fn a_rule_sends_to_the_page_in_whose_place_the_form_is_shown() {
    const RULES: &str = r#"
login_url = "/examples/jsp/security/protected/index.jsp"
[[site.rule]]
path = "/examples/jsp/security/protected/*"
[[site.rule]]
path = "/examples/*"
require = { user = true }
"#;
    let Some(tomcat) = Tomcat::shared() else {
        return;
    };
    let app = App::forwarding(tomcat.addr()).await;
    for (rules, to) in [
        (RULES.to_owned(), Some(format!("{PROTECTED}/index.jsp"))),
        // Without it nobody knows where the form is, and people are told so.
        (RULES.replacen("login_url", "# login_url", 1), None),
    ] {
        let gate = gate(&app, &format!("{STRIPPING}{WATCHING}{rules}")).await;
        let visitor = TomcatVisitor::of(&gate);
        let asked = app.seen().len();
        let answer = visitor.open(SESSIONS).await;
        assert_eq!(app.seen().len(), asked, "the app is not asked");
        assert_eq!(answer.header("location"), to.as_deref(), "{answer:?}");
        assert_eq!(answer.status(), if to.is_some() { 302 } else { 401 });

        let check = visitor.open_login().await;
        visitor.log_in(&check).await;
        assert_eq!(visitor.open(SESSIONS).await.status(), 200);
        let seen = app.last();
        assert_eq!(seen.header("x-session-user").as_deref(), Some("tomcat"));
        visitor.log_out().await;
        assert_ne!(visitor.open(SESSIONS).await.status(), 200);
    }
}

#[tokio::test]
async fn the_websocket_echoes() {
    let Some(tomcat) = Tomcat::shared() else {
        return;
    };
    let gate = Gate::before(
        tomcat.addr(),
        Setup {
            site: STRIPPING,
            ..Setup::default()
        },
    )
    .await;
    let visitor = TomcatVisitor::of(&gate);
    visitor.open(SESSIONS).await;
    let mut socket = Raw::tls(&gate, "localhost").await;
    let asked = format!(
        "GET /examples/websocket/echoAnnotation;jsessionid=1 HTTP/1.1\r\nHost: {authority}\r\nOrigin: {origin}\r\n\
         Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nCookie: {ticket}\r\n\r\n",
        authority = gate.origin().trim_start_matches("https://"),
        origin = gate.origin(),
        ticket = visitor.browser.ticket_line(),
    );
    socket.send(asked).await;
    let head = socket.head().await;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    // RFC 6455 5.7: one text frame; what comes from the visitor is masked, here with zeros.
    socket.send(b"\x81\x85\0\0\0\0Hello").await;
    assert_eq!(socket.bytes(7).await, b"\x81\x05Hello");
}

async fn gate(app: &App, site: &str) -> Gate {
    Gate::with(
        app,
        Setup {
            site,
            ..Setup::default()
        },
    )
    .await
}

async fn keeps_attributes(visitor: &TomcatVisitor<'_>, app: &App) {
    visitor.keeps_attributes().await;
    // Whatever its form said, Tomcat was asked for no session.
    let asked = app.seen().into_iter().map(|seen| seen.target);
    let asked: Vec<_> = asked
        .filter(|target| target.contains("jsessionid"))
        .collect();
    assert_eq!(asked, [""; 0]);
}

async fn logs_in_works_and_logs_out(gate: &Gate, app: &App) {
    let visitor = TomcatVisitor::of(gate);
    let check = visitor.open_login().await;
    let anonymous = visitor.browser.ticket_line();
    visitor.mistypes(&check).await;
    let still = visitor.browser.ticket_line();
    assert_eq!(still, anonymous, "nobody was logged in");

    visitor.open_login().await;
    let index = visitor.log_in(&check).await;
    let logged_in = visitor.browser.ticket_line();
    assert_ne!(logged_in, anonymous, "the ticket changed at login");
    assert_eq!(ids_in_urls(&index), [""; 0]);
    assert_eq!(
        app.last().header("x-session-user").as_deref(),
        Some("tomcat")
    );
    // The ticket from before the login is a stranger's.
    visitor.opens_nothing(&anonymous).await;

    visitor.log_out().await;
    assert_eq!(visitor.browser.names(), [""; 0], "the ticket is gone");
    visitor.opens_nothing(&logged_in).await;
    assert_eq!(app.last().header("x-session-user"), None);
    let crossed = visitor.browser.lines().join("\n");
    assert!(!crossed.to_lowercase().contains("jsessionid"), "{crossed}");
}

/// How the sessions example shows a session.
fn shown(id: &str) -> String {
    format!("Session ID: {id}")
}

/// Ways to write `id` into the path of the sessions example.
fn spellings(id: &str) -> Vec<String> {
    let mut all = Vec::new();
    for name in [
        "jsessionid",
        "JSESSIONID",
        "%6asessionid",
        "jsessioni%64",
        "%256asessionid",
    ] {
        for separator in [
            ";",
            ";;",
            "%3b",
            "%3B",
            ";v=1;",
            ";v;",
            ";v=1&",
            ";jsession;",
        ] {
            for equals in ["=", "%3d", ",", "==", "=;jsessionid="] {
                all.push(format!("{SESSIONS}{separator}{name}{equals}{id}"));
            }
        }
    }
    let (start, end) = SESSIONS.split_at("/examples".len());
    all.extend([
        format!("{start};jsessionid={id}{end}"),
        format!("/;jsessionid={id}{SESSIONS}"),
        format!("/;jsessionid={id}/..{SESSIONS}"),
        format!("/x;jsessionid={id}/..{SESSIONS}"),
        format!("/x/..;jsessionid={id}{SESSIONS}"),
        format!("/.;jsessionid={id}{SESSIONS}"),
        format!("{SESSIONS};jsessionid=1;jsessionid={id}"),
        format!("{SESSIONS};jsessionid={id};jsessionid=1"),
        format!("{SESSIONS};jsessionid={id};v=1"),
        format!("{SESSIONS};jsessionid={id}?a;b"),
        format!("{SESSIONS};jsession;jsessionid=1;id={id}"),
        format!("{SESSIONS};jsession\\;jsessionid={id}"),
        format!("{SESSIONS};x\\jsessionid={id}"),
        format!("{SESSIONS};jsessionid={id}#;jsessionid=1"),
        format!("https://localhost{SESSIONS};jsessionid={id}"),
        format!("{SESSIONS}?jsessionid={id}"),
        format!("{SESSIONS}?;jsessionid={id}"),
        format!("//examples;jsessionid={id}{end}"),
    ]);
    all
}
