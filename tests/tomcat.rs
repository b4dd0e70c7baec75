//! Real input: Tomcat's own examples, unmodified, behind the gateway over HTTPS.
//!
//! A servlet container that does not see its cookie come back writes the session ID into links, so with the jar on, the
//! first page of every visitor carries one. Here it is shown that this happens, that an ID in a URL is worth nothing
//! once `strip_path_params` takes it out, and that no page carries one once the first request brings a cookie.

mod support;

use support::servers::Tomcat;
use support::{Answer, App, Browser, Call, Gate, Raw, Setup, exchange, forms};

const SESSIONS: &str = "/examples/servlets/servlet/SessionExample";
const PROTECTED: &str = "/examples/jsp/security/protected";
const STRIPPING: &str = "strip_path_params = [\"jsessionid\"]\n";
const WATCHING: &str = r#"
[site.login]
method = "watch"
login = { method = "POST", path = "/examples/jsp/security/protected/j_security_check", user_field = "j_username", success = { status = [302, 303], sets_cookie = "JSESSIONID" } }
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

    let attacker = Visitor::of(&gate);
    let first = attacker.open(SESSIONS).await;
    let id = session_of(&first);
    assert!(ids_in_urls(&first).contains(&id), "{}", first.text());
    let second = attacker.open(SESSIONS).await;
    assert_eq!(session_of(&second), id, "the jar brings the cookie back");
    assert_eq!(ids_in_urls(&second), [""; 0]);
    let redirect = Visitor::of(&gate).open("/own/first.jsp").await;
    assert_eq!(ids_in_urls(&redirect).len(), 1, "{redirect:?}");

    // Whoever follows the attacker's link is in the attacker's session.
    let victim = Visitor::of(&gate);
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
    let id = session_of(&Visitor::of(&gate).open(SESSIONS).await);

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
    let victim = Visitor::of(&gate)
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
    let redirect = Visitor::of(&gate).open("/own/first.jsp").await;
    assert_eq!(redirect.status(), 302);
    let to = redirect.header("location").expect("where to");
    assert!(to.ends_with("next.jsp?a=1"), "{to}");
    assert_eq!(ids_in_urls(&redirect), [""; 0]);

    // Its own links still name the session: the one that the jar holds.
    let visitor = Visitor::of(&gate);
    keeps_attributes(&visitor, &app).await;
    let stranger = Visitor::of(&gate).open(SESSIONS).await;
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
        let visitor = Visitor::of(&gate);
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
    let visitor = Visitor::of(&gate);
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
    let visitor = Visitor::of(&gate);
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

async fn keeps_attributes(visitor: &Visitor<'_>, app: &App) {
    let first = visitor.open(SESSIONS).await;
    let action = form_action(&first);
    let fields = [("dataname", "colour"), ("datavalue", "teal")];
    let stored = visitor.submit(&resolve(SESSIONS, &action), &fields).await;
    assert_eq!(stored.status(), 200, "{}", stored.text());
    assert_eq!(app.last().target, SESSIONS);
    assert_eq!(
        session_of(&stored),
        session_of(&first),
        "one session all the while"
    );
    let later = visitor.open(SESSIONS).await;
    assert!(later.text().contains("colour = teal"), "{}", later.text());
    assert_eq!(ids_in_urls(&later), [""; 0]);
}

async fn logs_in_works_and_logs_out(gate: &Gate, app: &App) {
    let visitor = Visitor::of(gate);
    let protected = format!("{PROTECTED}/index.jsp");

    // Tomcat shows its login form in place of the page.
    let page = visitor.open(&protected).await;
    let check = resolve(&protected, &form_action(&page));
    let anonymous = visitor.browser.ticket_line();
    let wrong = [("j_username", "tomcat"), ("j_password", "wrong")];
    let answer = visitor.submit(&check, &wrong).await;
    assert_eq!(answer.status(), 200, "{answer:?}");
    assert_eq!(
        visitor.browser.ticket_line(),
        anonymous,
        "nobody was logged in"
    );

    visitor.open(&protected).await;
    let right = [("j_username", "tomcat"), ("j_password", "correct horse")];
    let answer = visitor.submit(&check, &right).await;
    assert!([302, 303].contains(&answer.status()), "{answer:?}");
    assert_eq!(answer.header("location"), Some(&*protected));
    let logged_in = visitor.browser.ticket_line();
    assert_ne!(logged_in, anonymous, "the ticket changed at login");

    let index = visitor.open(&format!("{protected}?role=tomcat")).await;
    assert!(
        index.text().contains("remote user\n<b>tomcat</b>"),
        "{}",
        index.text()
    );
    assert!(
        index.text().contains("You have been granted role"),
        "{}",
        index.text()
    );
    assert_eq!(ids_in_urls(&index), [""; 0]);
    assert_eq!(
        app.last().header("x-session-user").as_deref(),
        Some("tomcat")
    );
    // The ticket from before the login is a stranger's.
    let before = visitor
        .call(visitor.browser.get(&protected))
        .holding(&anonymous)
        .send()
        .await;
    assert!(
        before.text().contains("j_security_check"),
        "{}",
        before.text()
    );

    let answer = visitor.open(&format!("{protected}?logoff=true")).await;
    assert_eq!(answer.status(), 302, "{answer:?}");
    assert_eq!(visitor.browser.names(), [""; 0], "the ticket is gone");
    let after = visitor
        .call(visitor.browser.get(&protected))
        .holding(&logged_in)
        .send()
        .await;
    assert!(
        after.text().contains("j_security_check"),
        "{}",
        after.text()
    );
    assert_eq!(app.last().header("x-session-user"), None);
    let crossed = visitor.browser.lines().join("\n");
    assert!(!crossed.to_lowercase().contains("jsessionid"), "{crossed}");
}

// === what a page shows ===

/// How the sessions example shows a session.
fn shown(id: &str) -> String {
    format!("Session ID: {id}")
}

/// The session that the sessions example says it is in.
fn session_of(page: &Answer) -> String {
    let text = page.text();
    let id = text
        .split_once("Session ID: ")
        .map(|(_, rest)| rest.lines().next());
    id.flatten()
        .unwrap_or_else(|| panic!("no session in {text}"))
        .trim()
        .to_owned()
}

/// The session IDs in links, and in the address of a redirect.
fn ids_in_urls(answer: &Answer) -> Vec<String> {
    let text = answer.text() + answer.header("location").unwrap_or_default();
    let found = text.split(";jsessionid=").skip(1);
    found
        .map(|rest| {
            rest.chars()
                .take_while(char::is_ascii_alphanumeric)
                .collect()
        })
        .collect()
}

/// Where the first form of the page goes.
fn form_action(page: &Answer) -> String {
    let text = page.text();
    let (_, rest) = text
        .split_once("action=")
        .unwrap_or_else(|| panic!("no form in {text}"));
    let quote = rest.chars().next().expect("an address");
    rest[1..]
        .split(quote)
        .next()
        .expect("an address")
        .to_owned()
}

/// `relative`, as it is meant in a page at `base`.
fn resolve(base: &str, relative: &str) -> String {
    let folder = base.rfind('/').expect("a path") + 1;
    format!("{}{relative}", &base[..folder])
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

// === somebody at a browser ===

struct Visitor<'a> {
    gate: &'a Gate,
    browser: Browser,
}

impl<'a> Visitor<'a> {
    fn of(gate: &'a Gate) -> Self {
        Self {
            gate,
            browser: gate.browser(),
        }
    }

    /// Follows a link of the site.
    async fn open(&self, target: &str) -> Answer {
        let answer = self.call(self.browser.get(target)).send().await;
        self.holds_only_the_ticket();
        answer
    }

    /// Sends a form.
    async fn submit(&self, target: &str, fields: &[(&str, &str)]) -> Answer {
        let call = self.call(self.browser.post(target, forms::encode(fields)));
        let call = call.header("content-type", "application/x-www-form-urlencoded");
        let answer = call.header("origin", self.gate.origin()).send().await;
        self.holds_only_the_ticket();
        answer
    }

    fn call<'b>(&self, call: Call<'b>) -> Call<'b> {
        let call = call.header("sec-fetch-site", "same-origin");
        call.header("sec-fetch-mode", "navigate")
            .header("sec-fetch-dest", "document")
    }

    fn holds_only_the_ticket(&self) {
        let names = self.browser.names();
        assert!(
            names.iter().all(|name| name == "__Host-session"),
            "{names:?}"
        );
    }
}
