//! What the app is told, by whom, and what the visitor cannot tell it.

use crate::support::{App, Gate, Raw, Reply, Setup, exchange};

/// Every spelling that some app would read as one of ours, and some names that only look like it.
const FORGED: &[&str] = &[
    "X-Session-User: forged",
    "x-session-user: forged",
    "x_session_user: forged",
    "X_Session_User: forged",
    "X-Session_User: forged",
    "X.Session.User: forged",
    "X.Session-User: forged",
    "X~Session-User: forged",
    "X-Session-Id: forged",
    "X_Session_Id: forged",
    "X-Session-Roles: forged",
    "X-Session_Roles: forged",
    "X-Cloakroom-Anything: forged",
    "x_cloakroom_anything: forged",
];

#[tokio::test]
async fn a_forged_identity_never_reaches_the_app_and_ours_does_once() {
    let app = App::plain().await;
    let gate = Gate::in_front_of(&app).await;

    let fields = FORGED.join("\r\n");
    let answer = exchange(
        &gate,
        format!("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{fields}\r\n\r\n"),
    )
    .await;

    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let seen = app.last();
    assert!(!format!("{seen:?}").contains("forged"), "{seen:?}");
    assert_eq!(seen.folded("x-session-").len(), 1, "{seen:?}");
    assert_eq!(seen.folded("x-cloakroom-"), []);
    assert!(seen.header("x-session-id").is_some_and(|id| !id.is_empty()));
}

#[tokio::test]
async fn a_forged_identity_never_gets_through_over_http2() {
    let app = App::plain().await;
    let gate = Gate::in_front_of(&app).await;
    let browser = gate.browser().http2();

    let call = browser.get("/").header("x-session-user", "forged");
    let call = call
        .header("x_session_user", "forged")
        .header("x.session.user", "forged");
    let call = call
        .header("x-session_roles", "forged")
        .header("x-session-id", "forged");
    assert_eq!(call.send().await.status(), 200);

    let seen = app.last();
    assert!(!format!("{seen:?}").contains("forged"), "{seen:?}");
    assert_eq!(seen.folded("x-session-").len(), 1, "{seen:?}");
}

#[tokio::test]
async fn a_connection_field_cannot_take_ours_away() {
    let app = App::plain().await;
    let gate = Gate::in_front_of(&app).await;

    let request = "GET / HTTP/1.1\r\nHost: localhost\r\n\
        Connection: close, X-Session-Id, X_Session_User, X-Forwarded-Proto, X-Private, Authorization\r\n\
        X_Session_User: forged\r\nX-Private: hop\r\nAuthorization: Basic ZGVtbw==\r\n\r\n";
    let answer = exchange(&gate, request).await;

    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let seen = app.last();
    assert!(seen.header("x-session-id").is_some(), "{seen:?}");
    assert_eq!(seen.header("x-forwarded-proto").as_deref(), Some("https"));
    assert!(
        seen.header("authorization").is_some(),
        "end-to-end: {seen:?}"
    );
    assert_eq!(seen.header("x-private"), None, "{seen:?}");
    assert!(!format!("{seen:?}").contains("forged"), "{seen:?}");
}

#[tokio::test]
async fn trailers_cannot_carry_an_identity() {
    let app = App::plain().await;
    let gate = Gate::in_front_of(&app).await;

    let answer = exchange(
        &gate,
        "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\
         Trailer: X-Session-User, X-Checksum\r\n\r\n\
         2\r\nhi\r\n0\r\nX-Session-User: forged\r\nx_session_user: forged\r\nCookie: forged=1\r\n\
         X-Forwarded-For: 192.0.2.66\r\nX-Checksum: abc\r\n\r\n",
    )
    .await;

    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let seen = app.last();
    assert_eq!(&seen.body[..], b"hi");
    assert!(
        !format!("{:?}", seen.trailers).contains("forged"),
        "{seen:?}"
    );
    assert!(!seen.trailers.contains_key("x-forwarded-for"), "{seen:?}");
}

#[tokio::test]
async fn what_a_proxy_says_is_said_by_us_alone() {
    let app = App::plain().await;
    let gate = Gate::in_front_of(&app).await;

    let fields = [
        "X-Forwarded-For: 192.0.2.66",
        "X_Forwarded_For: 192.0.2.66",
        "X-Forwarded-Proto: gopher",
        "X-Forwarded-Host: evil.test",
        "X-Forwarded-Prefix: /evil",
        "X-Forwarded-Whatever: evil",
        "Forwarded: for=192.0.2.66;proto=gopher",
        "X-Real-IP: 192.0.2.66",
        "True-Client-IP: 192.0.2.66",
        "X-Client-IP: 192.0.2.66",
        "X-Original-URL: /evil",
        "X-Rewrite-URL: /evil",
        "X-Script-Name: /evil",
        "X_Scheme: gopher",
        "Remote-User: evil",
        "Remote_User: evil",
        "X-Remote-User: evil",
        "X-Auth-Request-User: evil",
        "Proxy: http://evil.test",
        "X-Request-Id: evil",
    ]
    .join("\r\n");
    exchange(
        &gate,
        format!("GET / HTTP/1.1\r\nHost: localhost:8443\r\nConnection: close\r\n{fields}\r\n\r\n"),
    )
    .await;

    let seen = app.last();
    let told = format!("{:?}", seen.headers);
    for lie in ["192.0.2.66", "gopher", "evil"] {
        assert!(!told.contains(lie), "{lie} in {told}");
    }
    assert_eq!(seen.header("x-forwarded-for").as_deref(), Some("127.0.0.1"));
    assert_eq!(seen.header("x-forwarded-proto").as_deref(), Some("https"));
    assert_eq!(
        seen.header("x-forwarded-host").as_deref(),
        Some("localhost:8443")
    );
    assert!(seen.header("x-forwarded-port").is_some(), "{told}");
    let forwarded = seen.header("forwarded").unwrap_or_default();
    assert!(
        forwarded.contains("for=127.0.0.1") && forwarded.contains("proto=https"),
        "{told}"
    );
    assert!(
        seen.header("x-request-id").is_some_and(|id| id.len() >= 16),
        "{told}"
    );
    assert!(seen.header("via").is_some(), "{told}");
    assert_eq!(
        seen.header("host").as_deref(),
        Some("localhost:8443"),
        "Host as it came"
    );
}

#[tokio::test]
async fn a_redirect_to_the_apps_own_address_leads_to_ours() {
    let app = App::answering(|seen| {
        let own = seen.header("x-own").unwrap_or_default();
        let to = match seen.path() {
            "/own" => format!("http://{own}/next?x=1#there"),
            "/own-https" => format!("https://{own}/next"),
            "/relative" => "/next".to_owned(),
            _ => "http://elsewhere.test/next".to_owned(),
        };
        Reply::ok("").status(302).header("location", to)
    })
    .await;
    let gate = Gate::in_front_of(&app).await;
    let browser = gate.browser();
    let origin = gate.origin();

    for (path, expected) in [
        ("/own", format!("{origin}/next?x=1#there")),
        ("/own-https", format!("{origin}/next")),
        ("/relative", "/next".to_owned()),
        ("/elsewhere", "http://elsewhere.test/next".to_owned()),
    ] {
        let call = browser.get(path).header("x-own", app.addr().to_string());
        let answer = call.send().await;
        assert_eq!(answer.header("location"), Some(&*expected), "{path}");
    }
}

#[tokio::test]
async fn a_literal_host_and_headers_of_choice_are_sent_up() {
    let app = App::plain().await;
    let site =
        "host = \"legacy.internal\"\n[site.headers]\n\"X-Remote-Session\" = \"{session.id}\"";
    let setup = Setup {
        site,
        ..Setup::default()
    };
    let gate = Gate::with(&app, setup).await;

    let browser = gate.browser();
    browser
        .get("/")
        .header("x_remote_session", "forged")
        .send()
        .await;

    let seen = app.last();
    assert_eq!(seen.header("host").as_deref(), Some("legacy.internal"));
    assert_eq!(seen.folded("x-remote-session").len(), 1, "{seen:?}");
    assert!(!format!("{seen:?}").contains("forged"), "{seen:?}");
    assert_eq!(
        seen.header("x-session-id"),
        None,
        "only what the site lists"
    );
}

#[tokio::test]
async fn a_name_that_no_strict_parser_takes_is_refused() {
    let app = App::plain().await;
    let gate = Gate::in_front_of(&app).await;

    for field in [
        "X-Session-User : forged",
        " X-Session-User: forged",
        "X-Session\u{a0}User: forged",
    ] {
        let mut raw = Raw::tls(&gate, "localhost").await;
        let request =
            format!("GET / HTTP/1.1\r\nHost: localhost\r\n{field}\r\nConnection: close\r\n\r\n");
        raw.send(request).await;
        let answer = raw.rest().await;
        // Either refused outright or taken for something harmless: never an identity.
        let refused = answer.is_empty() || answer.starts_with("HTTP/1.1 400");
        let told = app.seen().iter().any(|seen| {
            seen.folded("x-session-")
                .iter()
                .any(|(_, value)| value.contains("forged"))
        });
        assert!(!told, "{field:?}");
        assert!(
            refused || answer.starts_with("HTTP/1.1 200"),
            "{field:?}: {answer}"
        );
    }
}
