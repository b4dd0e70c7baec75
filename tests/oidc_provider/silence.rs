//! A provider that is slow, silent or wordy, that moves its keys, or says where it is in a way that cannot be trusted.

use std::net::TcpListener;

use cloakroom::base::clock::Stopwatch;
use cloakroom::login::oidc::{Ask, OidcFault};
use serde_json::{Value, json};

use super::liar::{Answer, DISCOVERY, KEYS, Key, Liar, NOW, TOKEN, USERINFO};
use super::lies::{redeemed, redeemed_at};
use super::support::together;
use super::*;

async fn begin(provider: &Provider) -> Result<String, OidcFault> {
    begin_at(provider, NOW).await
}

async fn begin_at(provider: &Provider, secs: u64) -> Result<String, OidcFault> {
    let ask = Ask {
        redirect_uri: CALLBACK,
        state: "s",
        nonce: "n",
        challenge: "c",
        max_age: Some(Duration::from_secs(60)),
        prompt: None,
    };
    provider.authorize_url(&ask, Time::from_secs(secs)).await
}

#[tokio::test]
async fn a_login_begins_at_the_provider_with_all_that_binds_it() {
    let liar = Liar::start().await;
    let address = format!("{}/auth?theme=dark", liar.issuer);
    let document = liar.discovery(json!({"authorization_endpoint": address}));
    liar.answers(DISCOVERY, Answer::Json(document));
    let url = begin(&liar.provider()).await.unwrap();
    assert!(url.starts_with(&format!("{address}&")), "{url}");
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", "shop"),
        ("redirect_uri", CALLBACK),
        ("scope", "openid profile email groups"),
        ("state", "s"),
        ("nonce", "n"),
        ("code_challenge", "c"),
        ("code_challenge_method", "S256"),
        ("max_age", "60"),
    ] {
        assert_eq!(param(&url, name).as_deref(), Some(value), "{url}");
    }
    let mut offline = settings(&liar.issuer, "shop", "a secret");
    offline.scopes = vec!["offline_access".to_owned()];
    let url = begin(&provider(offline)).await.unwrap();
    assert_eq!(
        param(&url, "scope").as_deref(),
        Some("openid offline_access")
    );
    assert_eq!(param(&url, "prompt").as_deref(), Some("consent"));
}

#[tokio::test]
async fn a_document_that_cannot_be_trusted_is_not_used() {
    let liar = Liar::start().await;
    for (changes, expected) in [
        (json!({"issuer": "https://id.test"}), "other-provider"),
        (
            json!({"issuer": format!("{}/", liar.issuer)}),
            "other-provider",
        ),
        (
            json!({"token_endpoint": "http://id.test/token"}),
            "insecure-endpoint",
        ),
        (
            json!({"jwks_uri": "http://10.0.0.1/jwks"}),
            "insecure-endpoint",
        ),
        (
            json!({"userinfo_endpoint": "http://id.test/"}),
            "insecure-endpoint",
        ),
        (
            json!({"authorization_endpoint": "http://id.test/"}),
            "insecure-endpoint",
        ),
        (
            json!({"authorization_endpoint": "javascript:alert(1)"}),
            "insecure-endpoint",
        ),
        (
            json!({"end_session_endpoint": "http://id.test/"}),
            "insecure-endpoint",
        ),
        (json!({"token_endpoint": null}), "bad-answer"),
        (json!({"jwks_uri": null}), "bad-answer"),
    ] {
        let document = liar.discovery(changes.clone());
        liar.answers(DISCOVERY, Answer::Json(document));
        let fault = begin(&liar.provider()).await.unwrap_err();
        assert_eq!(fault.word(), expected, "{changes}");
    }
    // Without a page to log out at, nobody is sent to one.
    let document = liar.discovery(json!({"end_session_endpoint": null}));
    liar.answers(DISCOVERY, Answer::Json(document));
    let provider = liar.provider();
    let url = provider.logout_url(None, ORIGIN, None, Time::from_secs(NOW));
    assert_eq!(url.await.unwrap(), None);
}

#[tokio::test]
async fn an_answer_that_is_none_is_told_from_silence() {
    let liar = Liar::start().await;
    let document = liar.discovery(json!({}));
    let fits = 512 * 1024 - document.to_string().len();
    for (answer, expected) in [
        (Answer::Long(fits, document.clone()), "fine"),
        (Answer::Long(fits + 1, document.clone()), "bad-answer"),
        (Answer::Json(json!([])), "bad-answer"),
        // Nobody follows a redirect.
        (Answer::Status(302), "bad-answer"),
        (Answer::Status(404), "bad-answer"),
        (Answer::Status(429), "no-answer"),
        (Answer::Status(503), "no-answer"),
    ] {
        liar.answers(DISCOVERY, answer);
        let begun = begin(&liar.provider()).await;
        let word = begun.err().map_or("fine", |fault| fault.word());
        assert_eq!(word, expected);
    }
    assert_eq!(liar.asked(DISCOVERY), 7);

    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let refused = begin(&provider(settings(&address, "shop", "a secret"))).await;
    assert!(refused.unwrap_err().is_no_answer());
}

#[tokio::test]
async fn nobody_waits_longer_than_the_site_says() {
    let liar = Liar::start().await;
    let mut settings = settings(&liar.issuer, "shop", "a secret");
    settings.timeout = Duration::from_millis(200);
    for (path, slow) in [
        (DISCOVERY, Answer::Never),
        (KEYS, Answer::Never),
        (TOKEN, Answer::Never),
        (USERINFO, Answer::Never),
        (DISCOVERY, Answer::Drips),
        (TOKEN, Answer::Drips),
    ] {
        // With time enough, since the machine may be busy.
        redeemed(&liar.provider()).await.unwrap();
        liar.brings(
            liar.key
                .sign(json!({}), liar.claims(json!({"groups": null}))),
        );
        let truth = liar.discovery(json!({}));
        liar.answers(path, slow);
        let provider = provider(settings.clone());
        let watch = Stopwatch::start();
        // Whoever waits for somebody else's question has the answer with them.
        let all = together((0..20).map(|_| redeemed(&provider))).await;
        assert!(watch.elapsed() < Duration::from_secs(9));
        for one in all {
            assert!(one.unwrap_err().is_no_answer(), "{path}");
        }
        liar.answers(DISCOVERY, Answer::Json(truth));
        liar.answers(KEYS, Answer::Json(json!({"keys": [liar.key.jwk()]})));
        liar.answers(USERINFO, Answer::Json(json!({"sub": "1"})));
        liar.brings(liar.key.sign(json!({}), liar.claims(json!({}))));
    }
}

#[tokio::test]
async fn a_new_key_is_found_and_invented_ones_ask_little() {
    let liar = Liar::start().await;
    let provider = liar.provider();
    assert!(redeemed(&provider).await.is_ok());
    assert_eq!(liar.asked(KEYS), 1);

    // Many at once with a name that nobody knows: one question, and then none for a while.
    let invented = Key::new("invented").sign(json!({}), liar.logout(json!({})));
    let ends = async |secs| {
        let ended = provider
            .read_logout_token(&invented, Time::from_secs(secs))
            .await;
        assert_eq!(ended.unwrap_err().word(), "unknown-key");
    };
    together((0..20).map(|_| ends(NOW + 10))).await;
    assert_eq!(liar.asked(KEYS), 2);
    together((0..20).map(|_| ends(NOW + 19))).await;
    assert_eq!(liar.asked(KEYS), 2);

    let second = Key::new("second");
    liar.answers(
        KEYS,
        Answer::Json(json!({"keys": [liar.key.jwk(), second.jwk()]})),
    );
    liar.brings(second.sign(json!({}), liar.claims(json!({}))));
    // Too soon after the last question; a moment later it is found.
    let soon = redeemed_at(&provider, NOW + 19).await.unwrap_err();
    assert_eq!(soon.word(), "unknown-key");
    assert!(redeemed_at(&provider, NOW + 20).await.is_ok());
    assert_eq!(liar.asked(KEYS), 3);

    // A key that is taken out counts for an hour at most.
    liar.answers(KEYS, Answer::Json(json!({"keys": [second.jwk()]})));
    let later = NOW + 20 + 3600;
    let claims = liar.claims(json!({"iat": later, "exp": later + 60}));
    liar.brings(liar.key.sign(json!({}), claims));
    let gone = redeemed_at(&provider, later).await.unwrap_err();
    assert_eq!(gone.word(), "unknown-key");
}

#[tokio::test]
async fn keys_without_names_are_tried_and_found_anew() {
    let liar = Liar::start().await;
    let provider = liar.provider();
    let nameless = |key: &Key| {
        let mut jwk = key.jwk();
        jwk["kid"] = Value::Null;
        jwk
    };
    let (first, second) = (Key::new("first"), Key::new("second"));
    let sign = |key: &Key| key.sign(json!({"kid": null}), liar.claims(json!({})));
    liar.answers(
        KEYS,
        Answer::Json(json!({"keys": [nameless(&liar.key), nameless(&first)]})),
    );
    liar.brings(sign(&first));
    assert!(redeemed(&provider).await.is_ok());
    liar.answers(KEYS, Answer::Json(json!({"keys": [nameless(&second)]})));
    liar.brings(sign(&second));
    assert!(redeemed_at(&provider, NOW + 10).await.is_ok());
}

#[tokio::test]
async fn what_is_known_stays_good_while_the_provider_is_silent() {
    let liar = Liar::start().await;
    let provider = liar.provider();
    assert!(redeemed(&provider).await.is_ok());
    liar.answers(DISCOVERY, Answer::Status(503));
    liar.answers(KEYS, Answer::Status(503));
    let later = NOW + 7200;
    let claims = liar.claims(json!({"iat": later, "exp": later + 60}));
    liar.brings(liar.key.sign(json!({}), claims));
    assert!(redeemed_at(&provider, later).await.is_ok());
    assert!(begin_at(&provider, later).await.is_ok());
    // It was asked, once for both.
    assert_eq!((liar.asked(DISCOVERY), liar.asked(KEYS)), (2, 2));
    // Whether there is a key of this name is not known then.
    let token = Key::new("invented").sign(json!({}), liar.logout(json!({})));
    let read = provider
        .read_logout_token(&token, Time::from_secs(later))
        .await;
    assert!(read.unwrap_err().is_no_answer());
}

#[test]
fn every_core_may_ask_for_all() {
    let of_one_core = || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all().build().unwrap()
    };
    let home = of_one_core();
    let liar = home.block_on(Liar::start());
    let provider = liar.provider();
    let (ended, end) = tokio::sync::oneshot::channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(|| home.block_on(end));
        let cores = (0..4).map(|_| {
            scope.spawn(|| {
                let runtime = of_one_core();
                let redeemed = runtime.block_on(redeemed(&provider)).map(|one| one.sub);
                // What this core fetched is good when it is gone.
                drop(runtime);
                redeemed.unwrap()
            })
        });
        for core in cores.collect::<Vec<_>>() {
            assert_eq!(core.join().unwrap(), "1");
        }
        drop(ended);
    });
    assert_eq!((liar.asked(DISCOVERY), liar.asked(KEYS)), (1, 1));
    assert_eq!(liar.asked(TOKEN), 4);
}
