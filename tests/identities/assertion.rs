//! `{assertion}`: what an app can verify for itself, by the public keys that the gateway serves.

use std::fs;
use std::process::{Command, Stdio};

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use crate::support::{App, Gate, Reply, Setup, cloakroom, eventually};

const SITE: &str = "trust_directives = true\n[site.headers]\n\"X-Assertion\" = \"{assertion}\"\n\"X-Session-Id\" = \"{session.id}\"";
const KEYS: &str = "/.cloakroom/jwks.json";

async fn speaking_app() -> App {
    App::answering(|seen| match seen.path() {
        "/alice" => Reply::ok("welcome").header(
            "x-session-login",
            "\"alice\"; name=\"Alice\"; email=\"a@example.com\"; groups=\"staff,dev\"",
        ),
        "/bob" => Reply::ok("welcome").header("x-session-login", "\"bob\""),
        "/large" => {
            let groups = "g".repeat(6000);
            Reply::ok("welcome")
                .header("x-session-login", format!("\"carol\"; groups=\"{groups}\""))
        }
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

fn decoded(part: &str) -> Vec<u8> {
    BASE64URL_NOPAD.decode(part.as_bytes()).expect("base64url")
}

fn part(jwt: &str, nth: usize) -> Value {
    let part = jwt.split('.').nth(nth).expect("a part");
    serde_json::from_slice(&decoded(part)).expect("JSON")
}

pub async fn published(gate: &Gate) -> Vec<Value> {
    let answer = gate.browser().get(KEYS).send().await;
    assert_eq!(answer.status(), 200);
    let keys: Value = serde_json::from_str(&answer.text()).expect("JSON");
    keys["keys"].as_array().expect("a list").clone()
}

/// Whether OpenSSL finds the signature of `jwt` right under `key`.
fn verifies(jwt: &str, key: &Value) -> bool {
    /// What stands before a point of P-256 in a public key (RFC 5480).
    const PREFIX: &[u8] = &[
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08,
        0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
    ];
    let member = |name: &str| decoded(key[name].as_str().expect("a member"));
    let public = [PREFIX, &member("x"), &member("y")].concat();
    let (signed, signature) = jwt.rsplit_once('.').expect("three parts");
    let signature = decoded(signature);
    assert_eq!(signature.len(), 64);
    let number = |bytes: &[u8]| {
        let first = bytes.iter().position(|byte| *byte != 0).unwrap_or(0);
        let sign: &[u8] = if bytes[first] & 0x80 == 0 { &[] } else { &[0] };
        let bytes = [sign, &bytes[first..]].concat();
        [
            &[2, u8::try_from(bytes.len()).expect("few bytes")],
            &bytes[..],
        ]
        .concat()
    };
    let pair = [number(&signature[..32]), number(&signature[32..])].concat();
    let signature = [
        &[0x30, u8::try_from(pair.len()).expect("few bytes")],
        &pair[..],
    ]
    .concat();

    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, bytes: &[u8]| {
        fs::write(folder.path().join(name), bytes).expect("a file");
    };
    write("key.der", &public);
    write("signature", &signature);
    write("signed", signed.as_bytes());
    let openssl = Command::new("openssl")
        .args(["dgst", "-sha256", "-verify", "key.der", "-keyform", "DER"])
        .args(["-signature", "signature", "signed"])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .output()
        .expect("openssl is installed");
    String::from_utf8_lossy(&openssl.stdout).contains("Verified OK")
}

#[tokio::test]
async fn an_app_can_prove_who_a_request_is_from() {
    let app = speaking_app().await;
    let gate = gate(&app).await;
    let browser = gate.browser();

    browser
        .get("/")
        .header("x_assertion", "forged")
        .send()
        .await;
    assert_eq!(app.last().folded("x-assertion"), [], "nobody is asserted");
    browser.post("/alice", "").send().await;
    browser.get("/").send().await;

    let seen = app.last();
    let jwt = seen.header("x-assertion").expect("an assertion");
    let keys = published(&gate).await;
    assert_eq!(keys.len(), 1);
    assert_eq!(
        part(&jwt, 0),
        json!({"alg": "ES256", "typ": "JWT", "kid": keys[0]["kid"]})
    );
    assert!(verifies(&jwt, &keys[0]), "{jwt}");
    let (signed, signature) = jwt.rsplit_once('.').unwrap();
    assert!(!verifies(&format!("{signed}x.{signature}"), &keys[0]));

    let claims = part(&jwt, 1);
    assert_eq!(claims["iss"], "https://localhost");
    assert_eq!(claims["aud"], "app");
    assert_eq!(claims["sub"], "alice");
    assert_eq!(
        claims["sid"].as_str(),
        seen.header("x-session-id").as_deref()
    );
    assert_eq!(claims["name"], "Alice");
    assert_eq!(claims["email"], "a@example.com");
    assert_eq!(claims["groups"], json!(["staff", "dev"]));
    let secs = |name: &str| claims[name].as_u64().expect("a time");
    assert_eq!(secs("exp"), secs("iat") + 60);
    assert!(secs("auth_time") <= secs("iat"));
    assert_eq!(claims["jti"].as_str().map(str::len), Some(22));
}

#[tokio::test]
async fn one_session_is_signed_for_once_in_a_while_and_another_user_at_once() {
    let app = speaking_app().await;
    let gate = gate(&app).await;
    let browser = gate.browser();
    let assertion = async |path| {
        browser.get(path).send().await;
        app.last().header("x-assertion")
    };
    browser.post("/alice", "").send().await;

    let mut seen = Vec::new();
    for _ in 0..20 {
        seen.push(assertion("/").await.expect("an assertion"));
    }
    seen.dedup();
    assert!(seen.len() <= 2, "{}", seen.len());

    browser.post("/bob", "").send().await;
    let of_bob = assertion("/").await.expect("an assertion");
    assert_eq!(part(&of_bob, 1)["sub"], "bob");
    assert_ne!(part(&of_bob, 1)["sid"], part(&seen[0], 1)["sid"]);
    assert_ne!(part(&of_bob, 1)["jti"], part(&seen[0], 1)["jti"]);

    // One that no app would take is left out, and said so.
    browser.post("/large", "").send().await;
    assert_eq!(assertion("/").await, None);
    gate.says("an assertion was left out").await;
}

#[tokio::test]
async fn the_public_keys_are_for_everybody_and_begin_no_session() {
    let app = speaking_app().await;
    let gate = gate(&app).await;
    let browser = gate.browser();

    let answer = browser.get(KEYS).send().await;
    assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
    assert_eq!(
        answer.header("content-type"),
        Some("application/jwk-set+json")
    );
    assert_eq!(answer.header("access-control-allow-origin"), None);
    assert_eq!(answer.set_cookies(), [""; 0]);
    assert!(!answer.text().contains("\"d\""), "no private key");
    let refused = browser.post(KEYS, "").send().await;
    assert_eq!(refused.status(), 405);
    assert_eq!(refused.header("allow"), Some("GET, HEAD"));
    for path in [
        "/.CLOAKROOM/jwks.json",
        "/.cloakroom/jwks.json/",
        "/.cloakroom/jwks.json;a",
    ] {
        let status = browser.get(path).send().await.status();
        assert_eq!(status, 404, "{path}");
    }
    assert_eq!(app.seen().len(), 0, "the app is asked nothing");
}

#[tokio::test]
async fn without_a_header_that_tells_one_there_are_no_keys() {
    let app = App::plain().await;
    let gate = Gate::in_front_of(&app).await;
    assert_eq!(gate.browser().get(KEYS).send().await.status(), 404);
}

#[tokio::test]
async fn every_node_has_the_same_keys_and_a_new_one_is_known_before_it_signs() {
    let app = speaking_app().await;
    let gate = gate(&app).await;
    let other = gate.another().await;
    let before = published(&gate).await;
    assert_eq!(published(&other).await, before);

    let rotated = cloakroom(
        gate.folder(),
        &["keys", "rotate", "--config", "cloakroom.toml"],
    )
    .output()
    .expect("the command");
    assert!(rotated.status.success(), "{rotated:?}");
    let after = eventually("both nodes know the new key", async || {
        let after = published(&gate).await;
        (after.len() == 2 && published(&other).await == after).then_some(after)
    })
    .await;

    assert_eq!(after[0], before[0], "the older one stays");
    let browser = gate.browser();
    browser.post("/alice", "").send().await;
    browser.get("/").send().await;
    let jwt = app.last().header("x-assertion").expect("an assertion");
    assert!(verifies(&jwt, &after[0]), "the new key waits");
    assert!(!verifies(&jwt, &after[1]));
}

/// A key that signs no more is listed as long as it is in the ring, and what it signed is not sent again.
#[tokio::test]
async fn the_keys_rotate_and_what_the_old_one_signed_stays_good() {
    let app = speaking_app().await;
    let setup = Setup {
        site: SITE,
        keys: "data/session.keys\"\nactivate_after = \"0s",
        ..Setup::default()
    };
    let gate = Gate::with(&app, setup).await;
    let keys = |args: &[&str]| {
        let args = [&["keys"], args, &["--config", "cloakroom.toml"]].concat();
        let output = cloakroom(gate.folder(), &args)
            .output()
            .expect("the command");
        let printed = [output.stdout, output.stderr].concat();
        let printed = String::from_utf8(printed).expect("text");
        (output.status.success(), printed)
    };
    let listed = |count| {
        let gate = &gate;
        async move {
            eventually("the list of keys", async || {
                let keys = published(gate).await;
                (keys.len() == count).then_some(keys)
            })
            .await
        }
    };
    let browser = gate.browser();
    browser.post("/alice", "").send().await;
    browser.get("/").send().await;
    let old = app.last().header("x-assertion").expect("an assertion");
    let (_, ring) = keys(&["list"]);
    let id = ring.lines().nth(1).and_then(|line| line.split(' ').next());
    let id = id.expect("a key").to_owned();

    assert!(keys(&["rotate"]).0);
    let both = listed(2).await;
    browser.get("/").send().await;
    let new = app.last().header("x-assertion").expect("an assertion");
    assert!(verifies(&new, &both[1]), "the new key signs at once");
    assert_eq!(part(&new, 0)["kid"], both[1]["kid"]);
    assert!(verifies(&old, &both[0]), "and the old one is listed");

    let (dropped, why) = keys(&["drop", &id]);
    assert!(!dropped && why.contains("was not dropped"), "{why}");
    let (dropped, why) = keys(&["drop", &id, "--yes"]);
    assert!(dropped, "{why}");
    assert_eq!(listed(1).await, both[1..]);
}
