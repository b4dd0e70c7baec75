//! `sign_requests`: an assertion counts with the request that it came with alone. Judged by an implementation of RFC 9421
//! that is not ours.

use std::io::Write;
use std::process::{Command, Stdio};

use data_encoding::BASE64;
use http::Method;
use serde_json::{Value, json};

use crate::assertion::published;
use crate::support::apps::made;
use crate::support::body::fed;
use crate::support::{App, Gate, Reply, Seen, Setup};

const SITE: &str = r#"
trust_directives = true
sign_requests = true
[site.headers]
"Authorization" = "Bearer {assertion}"
"X-Session-User" = "{user.id}"
"#;
const OURS: [&str; 3] = ["signature", "signature-input", "content-digest"];

async fn app() -> App {
    App::answering(|seen| match seen.path() {
        "/alice" => Reply::ok("welcome").header("x-session-login", "\"alice\""),
        _ => Reply::ok("ok"),
    })
    .await
}

async fn gate(app: &App) -> Gate {
    let setup = Setup {
        site: SITE,
        ..Setup::default()
    };
    Gate::with(app, setup).await
}

/// A request as the verifier is told of it.
fn told(seen: &Seen, keys: &[Value]) -> Value {
    let host = seen.header("host").expect("a host");
    let fields = seen.headers.keys().filter(|name| *name != "cookie");
    let headers: serde_json::Map<String, Value> = fields
        .map(|name| (name.to_string(), json!(seen.all(name.as_str()).join(", "))))
        .collect();
    let mut told = json!({
        "method": seen.method.as_str(),
        "url": format!("https://{host}{}", seen.target),
        "headers": headers,
        "keys": keys,
    });
    if seen.header("content-digest").is_some() {
        told["body"] = json!(BASE64.encode(&seen.body));
    }
    told
}

/// What the verifier makes of it.
fn verdict(told: &Value) -> Value {
    let venv = made("signatures", ".venv-signatures");
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/apps/signatures/verify.py"
    );
    let mut python = Command::new(venv.join("bin/python"))
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python");
    let mut stdin = python.stdin.take().expect("stdin");
    stdin.write_all(told.to_string().as_bytes()).expect("told");
    drop(stdin);
    let output = python.wait_with_output().expect("Python");
    serde_json::from_slice(&output.stdout).expect("a verdict")
}

/// What a signature that is good covers.
fn covered(told: &Value) -> Vec<String> {
    let verdict = verdict(told);
    let covers = verdict["covers"].as_object();
    let covers = covers.unwrap_or_else(|| panic!("{verdict} of {told}"));
    covers.keys().map(|name| name.replace('"', "")).collect()
}

#[tokio::test]
async fn an_app_can_prove_that_an_assertion_came_with_this_request() {
    let app = app().await;
    let gate = gate(&app).await;
    let keys = published(&gate).await;
    for browser in [gate.browser(), gate.browser().http2()] {
        browser.post("/alice", "").send().await;
        let form = browser.post("/p%61y?to=bob&a=%20b", "amount=1");
        form.send().await;
        let seen = app.last();
        assert_eq!(seen.body, "amount=1");

        let good = told(&seen, &keys);
        let mut covers = covered(&good);
        covers.sort();
        let expected = [
            "@authority",
            "@method",
            "@path",
            "@query",
            "@signature-params",
            "authorization",
            "content-digest",
            "x-session-user",
        ];
        assert_eq!(covers, expected);
        let says = verdict(&good)["says"].clone();
        assert_eq!(
            says["nonce"].as_str(),
            seen.header("x-request-id").as_deref()
        );
        assert_eq!(says["keyid"], keys[0]["kid"]);
        assert_eq!(says["alg"], "ecdsa-p256-sha256");
        let secs = |name: &str| says[name].as_u64().expect("a time");
        assert_eq!(secs("expires"), secs("created") + 60);

        // The same assertion with anything else is worth nothing.
        for (key, value) in [
            ("method", "PUT"),
            ("url", "https://localhost/p%61y?to=bob&a=%20b"),
            (
                "url",
                &good["url"]
                    .as_str()
                    .unwrap_or_default()
                    .replace("bob", "eve"),
            ),
            (
                "url",
                &good["url"].as_str().unwrap_or_default().replace("%61", "a"),
            ),
            ("body", "YW1vdW50PTk="),
        ] {
            let mut other = good.clone();
            other[key] = json!(value);
            let verdict = verdict(&other);
            assert!(verdict["fault"].is_string(), "{key} = {value}: {verdict}");
        }
        for (name, value) in [("x-session-user", "root"), ("authorization", "Bearer x")] {
            let mut other = good.clone();
            other["headers"][name] = json!(value);
            let verdict = verdict(&other);
            assert!(verdict["fault"].is_string(), "{name} = {value}: {verdict}");
        }
    }
}

#[tokio::test]
async fn what_has_no_body_is_signed_as_that_and_a_stream_without_one() {
    let app = app().await;
    let gate = gate(&app).await;
    let keys = published(&gate).await;
    let browser = gate.browser();
    browser.post("/alice", "").send().await;

    for (method, target) in [
        (Method::GET, "/"),
        (Method::HEAD, "/a?"),
        (Method::DELETE, "/a;b=c"),
    ] {
        browser.call(method, target).send().await;
        let names = covered(&told(&app.last(), &keys));
        assert!(names.contains(&"content-digest".to_owned()), "{target}");
    }

    // Whose length nobody knows goes up as it comes.
    let (feed, body) = fed();
    let sent = browser.call(Method::POST, "/upload").body(body).send();
    let (_, answer) = tokio::join!(
        async move {
            feed.data("one").await;
            feed.data("two").await;
        },
        sent
    );
    assert_eq!(answer.status(), 200);
    // So does what is long.
    let streamed = app.last();
    browser
        .post("/upload", vec![b'x'; (64 << 10) + 1])
        .send()
        .await;
    let long = app.last();
    browser.post("/upload", vec![b'x'; 64 << 10]).send().await;
    let short = app.last();
    for (seen, length, has_digest) in [
        (streamed, 6, false),
        (long, (64 << 10) + 1, false),
        (short, 64 << 10, true),
    ] {
        assert_eq!(seen.body.len(), length);
        assert_eq!(
            seen.header("content-digest").is_some(),
            has_digest,
            "{length}"
        );
        let names = covered(&told(&seen, &keys));
        assert_eq!(
            names.contains(&"content-digest".to_owned()),
            has_digest,
            "{length}"
        );
    }
}

#[tokio::test]
async fn nobody_else_signs_where_the_gateway_does() {
    let app = app().await;
    let gate = gate(&app).await;
    let keys = published(&gate).await;
    let browser = gate.browser();
    let forged = |target: &str| {
        let call = browser.get(target).header("signature", "cloakroom=:eA==:");
        let call = call.header("signature-input", "cloakroom=();tag=\"cloakroom\"");
        let call = call.header("content-digest", "sha-256=:eA==:");
        let call = call.header("signature_input", "cloakroom=()");
        let call = call.header("content.digest", "sha-256=:eA==:");
        call.header("connection", "signature, signature-input, content-digest")
    };

    // Nobody is asserted, so nothing is signed, and what the visitor says is gone.
    forged("/").send().await;
    let seen = app.last();
    assert_eq!(
        OURS.map(|name| seen.folded(name).len()),
        [0, 0, 0],
        "{seen:?}"
    );

    browser.post("/alice", "").send().await;
    forged("/").send().await;
    let seen = app.last();
    // "signature" is the beginning of "signature-input" too.
    assert_eq!(
        OURS.map(|name| seen.folded(name).len()),
        [2, 1, 1],
        "{seen:?}"
    );
    covered(&told(&seen, &keys));
    assert_eq!(browser.get("/").send().await.header("signature"), None);

    // And not in trailers either.
    let (feed, body) = fed();
    let call = browser
        .call(Method::POST, "/")
        .header("trailer", "signature, x-sum");
    let trailers = [("signature", "cloakroom=:eA==:"), ("x-sum", "1")];
    let trailers = trailers.map(|(name, value)| {
        (
            http::HeaderName::from_static(name),
            http::HeaderValue::from_static(value),
        )
    });
    let fed = async move {
        feed.data("x").await;
        feed.trailers(trailers.into_iter().collect()).await;
    };
    let ((), answer) = tokio::join!(fed, call.body(body).send());
    assert_eq!(answer.status(), 200);
    let seen = app.last();
    assert_eq!(seen.trailers.get("signature"), None);
    assert!(seen.trailers.contains_key("x-sum"));
}

/// A site that does not sign leaves to visitors and apps what is theirs.
#[tokio::test]
async fn where_the_gateway_does_not_sign_a_visitors_signature_is_the_apps() {
    let app = app().await;
    let gate = Gate::in_front_of(&app).await;
    let browser = gate.browser();
    let call = browser.get("/").header("signature", "sig1=:eA==:");
    call.header("content-digest", "sha-256=:eA==:").send().await;
    let seen = app.last();
    assert_eq!(seen.header("signature").as_deref(), Some("sig1=:eA==:"));
    assert_eq!(
        seen.header("content-digest").as_deref(),
        Some("sha-256=:eA==:")
    );
}
