use proptest::prelude::*;
use serde_json::json;

use super::*;

const NOW: u64 = 1_800_000_000;
const ISSUER: &str = "https://id.test";

fn now() -> Time {
    Time::from_secs(NOW)
}

fn head(json: &Value) -> String {
    format!(
        "{}.e30.AAAA",
        BASE64URL_NOPAD.encode(json.to_string().as_bytes())
    )
}

fn parsed(json: &Value) -> Result<Algorithm, &'static str> {
    let token = head(json);
    let jws = Jws::parse(&token).map(|jws| jws.algorithm);
    jws.map_err(|fault| fault.word())
}

#[test]
fn a_signature_that_proves_nothing_is_refused_before_anything_is_read() {
    for (json, verdict) in [
        (json!({"alg": "RS256"}), Ok(Algorithm::RS256)),
        (json!({"alg": "EdDSA", "kid": "k"}), Ok(Algorithm::EdDSA)),
        (json!({"alg": "none"}), Err("unsigned")),
        (json!({"alg": "HS256"}), Err("symmetric-algorithm")),
        (json!({"alg": "ES256K"}), Err("algorithm")),
        (json!({"alg": 7}), Err("malformed")),
        (json!({}), Err("malformed")),
        (json!({"alg": "RS256", "kid": 7}), Err("malformed")),
        (
            json!({"alg": "RS256", "crit": ["b64"], "b64": false}),
            Err("malformed"),
        ),
        (json!(["RS256"]), Err("malformed")),
    ] {
        assert_eq!(parsed(&json), verdict, "{json}");
    }
}

#[test]
fn a_token_has_three_parts_of_base64url() {
    let whole = head(&json!({"alg": "RS256"}));
    assert!(Jws::parse(&whole).is_ok());
    for odd in [
        String::new(),
        "..".to_owned(),
        "a.b".to_owned(),
        format!("{whole}.e30"),
        format!("{whole}.e30.e30"),
        format!(" {whole}"),
        whole.replacen('.', "=.", 1),
        "x".repeat(TOKEN_BYTES_MAX + 1),
    ] {
        let fault = Jws::parse(&odd).err().map(|fault| fault.word());
        assert_eq!(fault, Some("malformed"), "{odd}");
    }
}

#[test]
fn a_token_of_another_type_is_refused() {
    for (kind, is_id, is_logout) in [
        (json!(null), true, true),
        (json!("JWT"), true, true),
        (json!("application/jwt"), true, true),
        (json!("logout+jwt"), false, true),
        (json!("application/Logout+JWT"), false, true),
        (json!("at+jwt"), false, false),
        (json!(""), false, false),
    ] {
        let token = head(&json!({"alg": "RS256", "typ": kind}));
        let jws = Jws::parse(&token).unwrap();
        assert_eq!(jws.check_kind(ID_KINDS).is_ok(), is_id, "{kind}");
        assert_eq!(jws.check_kind(LOGOUT_KINDS).is_ok(), is_logout, "{kind}");
    }
}

/// `claims` with these changed; null takes one out.
fn with(mut claims: Value, changes: Value) -> Map<String, Value> {
    let (Value::Object(claims), Value::Object(changes)) = (&mut claims, changes) else {
        panic!("objects")
    };
    for (name, value) in changes {
        if value.is_null() {
            claims.remove(&name);
        } else {
            claims.insert(name, value);
        }
    }
    std::mem::take(claims)
}

fn judged(changes: Value, max_age: Option<u64>) -> Result<Proof, &'static str> {
    let claims = json!({
        "iss": ISSUER, "aud": "shop", "sub": "1", "nonce": "n", "iat": NOW - 5, "exp": NOW + 60, "sid": "s",
    });
    let expected = Expected {
        issuer: ISSUER,
        client_id: "shop",
        nonce: Some("n"),
        max_age: max_age.map(Duration::from_secs),
    };
    let proof = prove(&with(claims, changes), &expected, now());
    proof.map_err(|fault| fault.word())
}

#[test]
fn an_id_token_is_believed_only_if_all_of_it_is_right() {
    let proof = judged(json!({"auth_time": NOW - 9}), None).unwrap();
    assert_eq!((proof.sub.as_str(), proof.sid.as_deref()), ("1", Some("s")));
    assert_eq!(proof.auth_time, Some(Time::from_secs(NOW - 9)));
    for fine in [
        json!({"aud": ["shop"]}),
        json!({"aud": ["shop", "mall"], "azp": "shop"}),
        json!({"azp": "shop"}),
        json!({"exp": NOW - 59}),
        json!({"exp": NOW as f64 + 0.5, "sid": null}),
        json!({"iat": NOW + 60, "nbf": NOW + 60}),
    ] {
        assert!(judged(fine.clone(), None).is_ok(), "{fine}");
    }
    for (wrong, word) in [
        (json!({"iss": "https://id.test/"}), "wrong-issuer"),
        (json!({"iss": null}), "wrong-issuer"),
        (json!({"aud": "mall"}), "wrong-audience"),
        (json!({"aud": ["mall"]}), "wrong-audience"),
        (json!({"aud": []}), "wrong-audience"),
        (json!({"aud": null}), "wrong-audience"),
        (json!({"aud": {"shop": 1}}), "wrong-audience"),
        (json!({"aud": ["shop", "mall"]}), "wrong-party"),
        (json!({"azp": "mall"}), "wrong-party"),
        (json!({"azp": 7}), "wrong-party"),
        (json!({"exp": NOW - 60}), "expired"),
        (json!({"exp": null}), "malformed"),
        (json!({"exp": "soon"}), "malformed"),
        (json!({"exp": -1}), "malformed"),
        (json!({"iat": null}), "malformed"),
        (json!({"iat": NOW + 61}), "from-the-future"),
        (json!({"nbf": NOW + 61}), "from-the-future"),
        (json!({"nonce": "m"}), "wrong-nonce"),
        (json!({"nonce": null}), "wrong-nonce"),
        (json!({"sub": null}), "malformed"),
        (json!({"sub": ""}), "malformed"),
        (json!({"sub": 1}), "malformed"),
        (json!({"sub": "a\nb"}), "malformed"),
        (json!({"sub": "x".repeat(256)}), "malformed"),
    ] {
        assert_eq!(judged(wrong.clone(), None).err(), Some(word), "{wrong}");
    }
}

#[test]
fn a_login_is_no_longer_ago_than_was_asked() {
    let within = |changes| judged(changes, Some(100)).map(|_| ());
    assert_eq!(within(json!({"auth_time": NOW - 160})), Ok(()));
    assert_eq!(within(json!({"auth_time": NOW - 161})), Err("long-ago"));
    assert_eq!(within(json!({})), Err("long-ago"));
}

fn ends(changes: Value) -> Result<Ended, &'static str> {
    let claims = json!({
        "iss": ISSUER, "aud": "shop", "sub": "1", "iat": NOW - 5, "exp": NOW + 120, "jti": "j",
        "events": {LOGOUT_EVENT: {}},
    });
    let ended = ended(&with(claims, changes), ISSUER, "shop", now());
    ended.map_err(|fault| fault.word())
}

#[test]
fn a_logout_token_ends_something_only_if_all_of_it_is_right() {
    let by_user = ends(json!({})).unwrap();
    assert_eq!((by_user.sub.as_deref(), by_user.sid), (Some("1"), None));
    assert_eq!(by_user.expires, Time::from_secs(NOW + 180));
    let by_session = ends(json!({"sub": null, "sid": "s"})).unwrap();
    assert_eq!(
        (by_session.sub, by_session.sid.as_deref()),
        (None, Some("s"))
    );
    // Its name is remembered for an hour, and no longer.
    let long = ends(json!({"exp": NOW * 2})).unwrap();
    assert_eq!(long.expires, Time::from_secs(NOW - 5 + 3660));
    for (wrong, word) in [
        (json!({"iss": "https://evil.test"}), "wrong-issuer"),
        (json!({"aud": "mall"}), "wrong-audience"),
        (json!({"exp": NOW - 61}), "expired"),
        (json!({"exp": NOW * 2, "iat": NOW - 3660}), "expired"),
        (json!({"exp": null}), "malformed"),
        (json!({"iat": NOW + 61}), "from-the-future"),
        (json!({"events": null}), "no-logout"),
        (json!({"events": {}}), "no-logout"),
        (json!({"events": {LOGOUT_EVENT: true}}), "no-logout"),
        (json!({"events": [LOGOUT_EVENT]}), "no-logout"),
        (json!({"nonce": "n"}), "logout-nonce"),
        (json!({"sub": null}), "nobody"),
        (json!({"sub": ""}), "malformed"),
        (json!({"jti": null}), "malformed"),
    ] {
        assert_eq!(ends(wrong.clone()).err(), Some(word), "{wrong}");
    }
}

fn keys() -> Keys {
    let x = BASE64URL_NOPAD.encode(&[7; 32]);
    let n = BASE64URL_NOPAD.encode(&[0xc1; 256]);
    let set = json!({"keys": [
        {"kty": "RSA", "n": n, "e": "AQAB"},
        {"kty": "RSA", "n": "", "e": ""},
        {"kty": "EC", "crv": "P-256", "x": x, "y": x},
        {"kty": "EC", "crv": "P-384", "x": "", "y": x},
        {"kty": "OKP", "crv": "Ed25519", "x": "AA"},
    ]});
    Keys::of(serde_json::from_value(set).unwrap())
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z:/.\\PC]{0,12}".prop_map(Value::from),
        Just(Value::from(ISSUER)),
        Just(Value::from("shop")),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,4}", inner, 0..4)
                .prop_map(|all| Value::Object(all.into_iter().collect())),
        ]
    })
}

fn any_claims() -> impl Strategy<Value = Map<String, Value>> {
    let name = prop::sample::select(vec![
        "iss",
        "aud",
        "azp",
        "sub",
        "sid",
        "exp",
        "iat",
        "nbf",
        "nonce",
        "auth_time",
        "events",
        "jti",
        "groups",
        "name",
        "email",
        "email_verified",
    ]);
    let claims = prop::collection::btree_map(name.prop_map(str::to_owned), any_json(), 0..12);
    claims.prop_map(|all| all.into_iter().collect())
}

proptest! {
    #[test]
    fn no_text_of_a_token_does_harm(text in "\\PC{0,80}") {
        if let Ok(jws) = Jws::parse(&text) {
            let _ = jws.verified(&keys());
        }
    }

    #[test]
    fn no_three_parts_do_harm(
        algorithm in prop::sample::select(vec!["RS256", "PS512", "ES256", "ES384", "EdDSA", "HS256", "none", "x"]),
        claims in any_json(),
        signature in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let encoded = |json: Value| BASE64URL_NOPAD.encode(json.to_string().as_bytes());
        let signature = BASE64URL_NOPAD.encode(&signature);
        let head = encoded(json!({"alg": algorithm}));
        let token = format!("{head}.{}.{signature}", encoded(claims));
        if let Ok(jws) = Jws::parse(&token) {
            prop_assert!(jws.verified(&keys()).is_err());
        }
    }

    #[test]
    fn no_claims_do_harm(claims in any_claims(), secs in any::<u64>()) {
        let now = Time::from_millis(secs);
        let expected = Expected {
            issuer: ISSUER,
            client_id: "shop",
            nonce: None,
            max_age: Some(Duration::from_secs(secs)),
        };
        let _ = prove(&claims, &expected, now);
        let _ = ended(&claims, ISSUER, "shop", now);
        let _ = super::super::profile::of(claims, "groups.a");
    }
}
