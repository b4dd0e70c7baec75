//! Tokens that are wrong, each in one thing: each is refused, with the word for it.

use aws_lc_rs::hmac;
use cloakroom::login::oidc::{OidcFault, Redemption, RefreshFault, Tokens};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use super::liar::{Answer, CLIENT, Key, Liar, NONCE, NOW, TOKEN, USERINFO, unsigned};
use super::*;

pub async fn redeemed(provider: &Provider) -> Result<Tokens, OidcFault> {
    redeemed_at(provider, NOW).await
}

pub async fn redeemed_at(provider: &Provider, secs: u64) -> Result<Tokens, OidcFault> {
    let what = Redemption {
        code: "a code",
        verifier: "a verifier",
        redirect_uri: CALLBACK,
        nonce: NONCE,
        max_age: None,
    };
    provider.redeem(&what, Time::from_secs(secs)).await
}

fn word<T>(result: Result<T, OidcFault>) -> &'static str {
    result.err().map_or("fine", |fault| fault.word())
}

#[tokio::test]
async fn an_id_token_that_is_wrong_in_one_thing_is_refused_by_its_name() {
    let liar = Liar::start().await;
    let provider = liar.provider();
    assert_eq!(redeemed(&provider).await.unwrap().profile.groups, ["staff"]);
    for (wrong, expected) in [
        (json!({"iss": "https://evil.test"}), "wrong-issuer"),
        (json!({"iss": format!("{}/", liar.issuer)}), "wrong-issuer"),
        (json!({"aud": "mall"}), "wrong-audience"),
        (json!({"aud": [CLIENT, "mall"]}), "wrong-party"),
        (json!({"azp": "mall"}), "wrong-party"),
        (json!({"nonce": "another"}), "wrong-nonce"),
        (json!({"nonce": null}), "wrong-nonce"),
        (json!({"exp": NOW - 60}), "expired"),
        (json!({"iat": NOW + 61}), "from-the-future"),
        (json!({"sub": null}), "malformed"),
    ] {
        liar.brings(liar.key.sign(json!({}), liar.claims(wrong.clone())));
        assert_eq!(word(redeemed(&provider).await), expected, "{wrong}");
    }
}

#[tokio::test]
async fn a_signature_that_proves_nothing_is_refused_by_its_name() {
    let liar = Liar::start().await;
    let provider = liar.provider();
    let claims = liar.claims(json!({}));
    let of = |algorithm: &str| unsigned(&json!({"alg": algorithm, "kid": liar.key.id}), &claims);

    // Whoever reads the public key could sign so.
    let mac = |secret: &[u8]| {
        let signed = of("HS256");
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let tag = hmac::sign(&key, signed.as_bytes());
        format!("{signed}.{}", BASE64URL_NOPAD.encode(tag.as_ref()))
    };
    let jwk = liar.key.jwk().to_string();
    let other = Key::new(liar.key.id);
    let good = liar.key.sign(json!({}), claims.clone());
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let other_claims = unsigned(
        &json!({"alg": "ES256", "kid": liar.key.id}),
        &liar.claims(json!({"sub": "2"})),
    );
    for (token, expected) in [
        (format!("{}.", of("none")), "unsigned"),
        (format!("{}.{signature}", of("None")), "unsigned"),
        (mac(liar.key.public()), "symmetric-algorithm"),
        (mac(jwk.as_bytes()), "symmetric-algorithm"),
        (mac(b"a secret"), "symmetric-algorithm"),
        (format!("{}.{signature}", of("RS256")), "algorithm"),
        (format!("{}.{signature}", of("ES384")), "algorithm"),
        (format!("{}.{signature}", of("ES512")), "algorithm"),
        (other.sign(json!({}), claims.clone()), "signature"),
        (format!("{other_claims}.{signature}"), "signature"),
        (format!("{signed}."), "signature"),
        (signed.to_owned(), "malformed"),
        (format!("{good}.e30"), "malformed"),
        (String::new(), "malformed"),
        (
            liar.key.sign(json!({"typ": "at+jwt"}), claims.clone()),
            "wrong-type",
        ),
        (
            liar.key.sign(json!({"typ": "logout+jwt"}), claims.clone()),
            "wrong-type",
        ),
        (
            liar.key.sign(json!({"crit": ["exp"]}), claims.clone()),
            "malformed",
        ),
        (
            liar.key
                .sign(json!({"jwk": other.jwk(), "kid": "other"}), claims.clone()),
            "unknown-key",
        ),
        (good.clone(), "fine"),
    ] {
        liar.brings(token.clone());
        assert_eq!(word(redeemed(&provider).await), expected, "{token}");
    }
}

#[tokio::test]
async fn a_login_that_is_longer_ago_than_was_asked_is_refused() {
    let liar = Liar::start().await;
    let provider = liar.provider();
    let what = Redemption {
        code: "a code",
        verifier: "a verifier",
        redirect_uri: CALLBACK,
        nonce: NONCE,
        max_age: Some(Duration::from_secs(300)),
    };
    for (told, expected) in [
        (json!(NOW - 360), "fine"),
        (json!(NOW - 361), "long-ago"),
        (Value::Null, "long-ago"),
    ] {
        let claims = liar.claims(json!({"auth_time": told}));
        liar.brings(liar.key.sign(json!({}), claims));
        let result = provider.redeem(&what, Time::from_secs(NOW)).await;
        assert_eq!(word(result), expected, "{told}");
    }
}

#[tokio::test]
async fn what_is_told_of_somebody_else_is_not_believed() {
    let liar = Liar::start().await;
    let provider = liar.provider();
    let without = liar.claims(json!({"groups": null}));
    liar.brings(liar.key.sign(json!({}), without));
    let told =
        |sub: &str| json!({"sub": sub, "groups": ["admins"], "name": "Unsigned", "iss": "x"});
    liar.answers(USERINFO, Answer::Json(told("1")));
    let one = redeemed(&provider).await.unwrap();
    assert_eq!(one.profile.groups, ["admins"]);
    // What was signed goes first.
    assert_eq!(one.profile.name.as_deref(), Some("One"));

    liar.answers(USERINFO, Answer::Json(told("2")));
    assert_eq!(word(redeemed(&provider).await), "wrong-subject");
    // Of nobody is not of somebody else.
    liar.answers(USERINFO, Answer::Json(json!({"groups": ["admins"]})));
    assert_eq!(word(redeemed(&provider).await), "bad-answer");
    liar.answers(USERINFO, Answer::Status(403));
    assert_eq!(word(redeemed(&provider).await), "bad-answer");
}

#[tokio::test]
async fn a_logout_token_that_is_wrong_in_one_thing_is_refused_by_its_name() {
    let liar = Liar::start().await;
    let provider = liar.provider();
    let read = async |head: Value, changes: Value| {
        let token = liar.key.sign(head, liar.logout(changes));
        provider
            .read_logout_token(&token, Time::from_secs(NOW))
            .await
    };
    let typ = json!({"typ": "logout+jwt"});
    let read_one = read(typ.clone(), json!({"sid": "a session"}))
        .await
        .unwrap();
    assert_eq!(read_one.sub.as_deref(), Some("1"));
    assert_eq!(read_one.sid.as_deref(), Some("a session"));
    assert_eq!(read_one.jti, "a name");
    assert_eq!(read_one.expires, Time::from_secs(NOW + 180));

    for (head, wrong, expected) in [
        (json!({}), json!({"nonce": NONCE}), "logout-nonce"),
        (json!({}), json!({"events": null}), "no-logout"),
        (json!({}), json!({"events": {"other": {}}}), "no-logout"),
        (json!({}), json!({"sub": null}), "nobody"),
        (
            json!({}),
            json!({"exp": NOW - 61, "iat": NOW - 100}),
            "expired",
        ),
        (json!({}), json!({"iat": NOW + 61}), "from-the-future"),
        (json!({}), json!({"jti": null}), "malformed"),
        (
            json!({}),
            json!({"iss": "https://evil.test"}),
            "wrong-issuer",
        ),
        (json!({}), json!({"aud": "mall"}), "wrong-audience"),
        (json!({"typ": "at+jwt"}), json!({}), "wrong-type"),
        (json!({"alg": "none"}), json!({}), "unsigned"),
        (json!({"alg": "HS256"}), json!({}), "symmetric-algorithm"),
        (json!({"kid": "other"}), json!({}), "unknown-key"),
    ] {
        let result = read(head.clone(), wrong.clone()).await;
        assert_eq!(word(result), expected, "{head} {wrong}");
    }
    // An ID token ends nothing.
    let id_token = liar.key.sign(json!({}), liar.claims(json!({})));
    let result = provider
        .read_logout_token(&id_token, Time::from_secs(NOW))
        .await;
    assert_eq!(word(result), "no-logout");
}

#[tokio::test]
async fn a_refresh_tells_what_is_over_from_what_is_not_known() {
    let liar = Liar::start().await;
    let provider = liar.provider();
    let refresh = async |tokens: Value| {
        liar.answers(TOKEN, Answer::Json(tokens));
        let token = Secret::new("a refresh token".to_owned());
        provider.refresh(&token, "1", Time::from_secs(NOW)).await
    };
    let with = |claims: Value| {
        let id_token = liar.key.sign(json!({}), liar.claims(claims));
        json!({"access_token": "a", "refresh_token": "r", "id_token": id_token})
    };
    // A refresh has no nonce of its own.
    let fresh = refresh(with(json!({"nonce": null}))).await.unwrap();
    assert_eq!(fresh.profile.unwrap().groups, ["staff"]);
    assert_eq!(fresh.refresh_token.unwrap().expose(), "r");

    let other = refresh(with(json!({"sub": "2"}))).await;
    assert!(matches!(
        other,
        Err(RefreshFault::Over(OidcFault::WrongSubject))
    ));
    // The old refresh token may be good no more: the new one counts, and nothing that came along with it.
    let odd = refresh(with(json!({"aud": "mall", "groups": ["root"]})))
        .await
        .unwrap();
    assert_eq!(odd.refresh_token.unwrap().expose(), "r");
    assert!(odd.profile.is_none() && odd.id_token.is_none());

    // Without an ID token UserInfo is asked; if it does not tell all, what is known stays.
    let bare = json!({"access_token": "a"});
    let fresh = refresh(bare.clone()).await.unwrap();
    assert_eq!((fresh.profile, fresh.refresh_token), (None, None));
    let told = json!({"sub": "1", "groups": ["dev"], "name": "One", "email": "a@b.test"});
    liar.answers(USERINFO, Answer::Json(told));
    let fresh = refresh(bare.clone()).await.unwrap();
    assert_eq!(fresh.profile.unwrap().groups, ["dev"]);
    liar.answers(USERINFO, Answer::Status(503));
    assert_eq!(refresh(bare.clone()).await.unwrap().profile, None);
    liar.answers(USERINFO, Answer::Json(json!({})));
    assert_eq!(refresh(bare.clone()).await.unwrap().profile, None);
    liar.answers(USERINFO, Answer::Json(json!({"sub": "2", "groups": []})));
    let other = refresh(bare).await;
    assert!(matches!(
        other,
        Err(RefreshFault::Over(OidcFault::WrongSubject))
    ));
}

#[tokio::test]
async fn a_callback_is_this_providers() {
    let liar = Liar::start().await;
    let silent = liar.provider();
    let checked = async |provider: &Provider, iss: Option<&str>| {
        word(
            provider
                .check_callback_issuer(iss, Time::from_secs(NOW))
                .await,
        )
    };
    assert_eq!(checked(&silent, None).await, "fine");
    assert_eq!(checked(&silent, Some(&liar.issuer)).await, "fine");
    assert_eq!(
        checked(&silent, Some("https://evil.test")).await,
        "wrong-issuer"
    );

    let announces = json!({"authorization_response_iss_parameter_supported": true});
    let document = liar.discovery(announces);
    liar.answers(super::liar::DISCOVERY, Answer::Json(document));
    let announced = liar.provider();
    assert_eq!(checked(&announced, None).await, "wrong-issuer");
    assert_eq!(checked(&announced, Some(&liar.issuer)).await, "fine");
}
