//! A provider that answers whatever a test wants, true or not.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use data_encoding::BASE64URL_NOPAD;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

use super::support::body::{Body, fed, full};
use super::*;

/// The time at which everything happens, in seconds.
pub const NOW: u64 = 1_800_000_000;
pub const CLIENT: &str = "shop";
pub const NONCE: &str = "the nonce";

pub const DISCOVERY: &str = "/.well-known/openid-configuration";
pub const KEYS: &str = "/jwks";
pub const TOKEN: &str = "/token";
pub const USERINFO: &str = "/me";

/// What it answers.
#[derive(Clone)]
pub enum Answer {
    /// 200.
    Json(Value),
    /// Another status, with a Location.
    Status(u16),
    /// So many bytes of spaces, with the object behind them.
    Long(usize, Value),
    /// Nothing, for as long as the test runs.
    Never,
    /// A space now and then, for as long as somebody reads.
    Drips,
}

#[derive(Default)]
struct Plan {
    answers: HashMap<&'static str, Answer>,
    asked: HashMap<String, usize>,
}

/// The provider.
pub struct Liar {
    pub issuer: String,
    pub key: Key,
    plan: Arc<Mutex<Plan>>,
}

impl Liar {
    /// One that tells nothing but the truth, until told otherwise.
    pub async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let plan = Arc::new(Mutex::new(Plan::default()));
        tokio::spawn(serve(listener, Arc::clone(&plan)));
        let liar = Self {
            issuer,
            key: Key::new("first"),
            plan,
        };
        liar.answers(DISCOVERY, Answer::Json(liar.discovery(json!({}))));
        liar.answers(KEYS, Answer::Json(json!({"keys": [liar.key.jwk()]})));
        liar.answers(USERINFO, Answer::Json(json!({"sub": "1"})));
        liar.brings(liar.key.sign(json!({}), liar.claims(json!({}))));
        liar
    }

    /// From now on `path` is answered so.
    pub fn answers(&self, path: &'static str, answer: Answer) {
        self.plan.lock().unwrap().answers.insert(path, answer);
    }

    /// From now on the token endpoint brings this ID token.
    pub fn brings(&self, id_token: String) {
        let tokens = json!({"access_token": "an access token", "token_type": "Bearer", "id_token": id_token});
        self.answers(TOKEN, Answer::Json(tokens));
    }

    /// How often `path` was asked.
    pub fn asked(&self, path: &str) -> usize {
        let plan = self.plan.lock().unwrap();
        plan.asked.get(path).copied().unwrap_or(0)
    }

    /// Its discovery document with changes; null takes something out.
    pub fn discovery(&self, changes: Value) -> Value {
        let at = |path: &str| format!("{}{path}", self.issuer);
        let document = json!({
            "issuer": self.issuer, "authorization_endpoint": at("/auth"), "token_endpoint": at(TOKEN),
            "jwks_uri": at(KEYS), "userinfo_endpoint": at(USERINFO), "end_session_endpoint": at("/end"),
        });
        changed(document, changes)
    }

    /// What a good ID token says, with changes.
    pub fn claims(&self, changes: Value) -> Value {
        let claims = json!({
            "iss": self.issuer, "aud": CLIENT, "sub": "1", "nonce": NONCE, "iat": NOW, "exp": NOW + 300,
            "name": "One", "email": "one@example.com", "groups": ["staff"],
        });
        changed(claims, changes)
    }

    /// What a good logout token says, with changes.
    pub fn logout(&self, changes: Value) -> Value {
        let event = "http://schemas.openid.net/event/backchannel-logout";
        let claims = json!({
            "iss": self.issuer, "aud": CLIENT, "sub": "1", "iat": NOW, "exp": NOW + 120, "jti": "a name",
            "events": {event: {}},
        });
        changed(claims, changes)
    }

    /// A site's view of it.
    pub fn provider(&self) -> Provider {
        provider(settings(&self.issuer, CLIENT, "a secret"))
    }
}

fn changed(mut object: Value, changes: Value) -> Value {
    let changes: Map<String, Value> = serde_json::from_value(changes).unwrap();
    let all = object.as_object_mut().unwrap();
    for (name, value) in changes {
        if value.is_null() {
            all.remove(&name);
        } else {
            all.insert(name, value);
        }
    }
    object
}

async fn serve(listener: TcpListener, plan: Arc<Mutex<Plan>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let plan = Arc::clone(&plan);
        let answer =
            service_fn(move |request: Request<Incoming>| answer(request, Arc::clone(&plan)));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
    }
}

async fn answer(
    request: Request<Incoming>,
    plan: Arc<Mutex<Plan>>,
) -> Result<Response<Body>, Infallible> {
    let path = request.uri().path().to_owned();
    let answer = {
        let mut plan = plan.lock().unwrap();
        let answer = plan.answers.get(path.as_str()).cloned();
        *plan.asked.entry(path).or_default() += 1;
        answer
    };
    let (status, body) = match answer {
        Some(Answer::Json(json)) => (200, full(json.to_string())),
        Some(Answer::Status(status)) => (status, full("")),
        Some(Answer::Long(spaces, json)) => (200, full(format!("{}{json}", " ".repeat(spaces)))),
        Some(Answer::Never) => std::future::pending().await,
        Some(Answer::Drips) => {
            let (feed, body) = fed();
            tokio::spawn(async move {
                let drip = async || loop {
                    feed.data(" ").await;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                };
                tokio::select! {
                    biased;
                    () = feed.closed() => {}
                    () = drip() => {}
                }
            });
            (200, body)
        }
        None => (404, full("")),
    };
    let response = Response::builder()
        .status(status)
        .header("Location", DISCOVERY);
    Ok(response.body(body).unwrap())
}

/// A key that signs.
pub struct Key {
    pub id: &'static str,
    pair: EcdsaKeyPair,
}

impl Key {
    pub fn new(id: &'static str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self { id, pair }
    }

    /// The public key as bytes.
    pub fn public(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    pub fn jwk(&self) -> Value {
        let (x, y) = self.public()[1..].split_at(32);
        let (x, y) = (BASE64URL_NOPAD.encode(x), BASE64URL_NOPAD.encode(y));
        json!({"kty": "EC", "crv": "P-256", "kid": self.id, "use": "sig", "alg": "ES256", "x": x, "y": y})
    }

    /// A token of these claims; `head` changes what it says of itself.
    pub fn sign(&self, head: Value, claims: Value) -> String {
        let head = changed(json!({"alg": "ES256", "kid": self.id}), head);
        let signed = unsigned(&head, &claims);
        let signature = self
            .pair
            .sign(&SystemRandom::new(), signed.as_bytes())
            .unwrap();
        format!("{signed}.{}", BASE64URL_NOPAD.encode(signature.as_ref()))
    }
}

/// The part that is signed.
pub fn unsigned(head: &Value, claims: &Value) -> String {
    let encoded = |json: &Value| BASE64URL_NOPAD.encode(json.to_string().as_bytes());
    format!("{}.{}", encoded(head), encoded(claims))
}
