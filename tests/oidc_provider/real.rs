//! Against oidc-provider, which knows nothing of us.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex};

use cloakroom::login::oidc::{
    Ask, OidcFault, Provider, Redemption, RefreshFault, Roots, Tokens, challenge,
};
use http_body_util::BodyExt;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;

use super::support::apps::oidc_provider::{self, CLIENT, CLIENT_SECRET};
use super::support::apps::{OidcProvider, ProviderVisitor};
use super::support::servers::certificate;
use super::*;

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

fn ours(idp: &OidcProvider) -> Provider {
    provider(settings(idp.issuer(), CLIENT, CLIENT_SECRET))
}

fn ask<'a>(challenge: &'a str) -> Ask<'a> {
    Ask {
        redirect_uri: CALLBACK,
        state: "the state & more",
        nonce: "the nonce",
        challenge,
        max_age: None,
        prompt: None,
    }
}

fn redemption(code: &str) -> Redemption<'_> {
    Redemption {
        code,
        verifier: VERIFIER,
        redirect_uri: CALLBACK,
        nonce: "the nonce",
        max_age: None,
    }
}

/// Logs in, and returns the code.
async fn code(provider: &Provider, visitor: &ProviderVisitor, user: &str) -> String {
    let challenge = challenge(VERIFIER);
    let begin = provider
        .authorize_url(&ask(&challenge), now())
        .await
        .unwrap();
    let end = visitor.log_in(&begin, user).await;
    assert!(end.starts_with(CALLBACK), "{end}");
    assert_eq!(param(&end, "state").as_deref(), Some("the state & more"));
    let iss = param(&end, "iss");
    let checked = provider.check_callback_issuer(iss.as_deref(), now()).await;
    checked.unwrap();
    param(&end, "code").unwrap()
}

async fn tokens(provider: &Provider, visitor: &ProviderVisitor, user: &str) -> Tokens {
    let code = code(provider, visitor, user).await;
    provider.redeem(&redemption(&code), now()).await.unwrap()
}

#[tokio::test]
async fn whoever_logs_in_is_told_with_name_groups_and_all() {
    // UserInfo tells it, or the ID token does.
    for in_tokens in [false, true] {
        let mut settings = oidc_provider::settings(ORIGIN);
        settings["in_tokens"] = in_tokens.into();
        settings["ttl"] = json!({"AccessToken": 300});
        let idp = OidcProvider::with(&settings);
        let provider = ours(&idp);

        let before = now();
        let alice = tokens(&provider, &idp.visitor(), "alice").await;
        let bob = tokens(&provider, &idp.visitor(), "bob").await;

        assert_eq!(alice.sub, "alice");
        assert_eq!(alice.profile.name.as_deref(), Some("Alice"));
        assert_eq!(alice.profile.email.as_deref(), Some("alice@example.com"));
        assert_eq!(alice.profile.groups, ["dev", "staff"]);
        assert!(alice.refresh_token.is_some() && alice.id_token.is_some());
        let life = alice.access_expires.unwrap().since(before).as_secs();
        assert!((299..=330).contains(&life), "{life}");
        assert_eq!(bob.sub, "bob");
        // The provider says that the address is not verified.
        assert_eq!(bob.profile.email, None);
        assert!(bob.profile.groups.is_empty());
        assert_eq!(bob.profile.claims["email_verified"], false);
    }
}

#[tokio::test]
async fn a_code_is_good_once_and_for_its_own_login_alone() {
    let idp = OidcProvider::of(ORIGIN);
    let provider = ours(&idp);
    let visitor = idp.visitor();
    let redeemed = async |what: Redemption<'_>| match provider.redeem(&what, now()).await {
        Ok(_) => "tokens".to_owned(),
        Err(OidcFault::Refused(code)) => code.to_string(),
        Err(fault) => fault.word().to_owned(),
    };

    let used = code(&provider, &visitor, "alice").await;
    assert_eq!(redeemed(redemption(&used)).await, "tokens");
    assert_eq!(redeemed(redemption(&used)).await, "invalid_grant");

    let code_1 = code(&provider, &visitor, "alice").await;
    let other_verifier = Redemption {
        verifier: "another-which-is-just-as-long-as-it-has-to-be",
        ..redemption(&code_1)
    };
    assert_eq!(redeemed(other_verifier).await, "invalid_grant");

    let code_2 = code(&provider, &visitor, "alice").await;
    let other_nonce = Redemption {
        nonce: "another",
        ..redemption(&code_2)
    };
    assert_eq!(redeemed(other_nonce).await, "wrong-nonce");
}

#[tokio::test]
async fn a_secret_is_shown_in_either_way_or_there_is_none() {
    for method in ["client_secret_basic", "client_secret_post", "none"] {
        let mut told = oidc_provider::settings(ORIGIN);
        told["clients"][0]["token_endpoint_auth_method"] = method.into();
        told["auth_methods"] = json!([method]);
        let idp = OidcProvider::with(&told);
        let mut settings = settings(idp.issuer(), CLIENT, CLIENT_SECRET);
        if method == "none" {
            settings.client_secret = None;
        }
        let provider = provider(settings);
        let code = code(&provider, &idp.visitor(), "alice").await;
        let redeemed = provider.redeem(&redemption(&code), now()).await;
        assert_eq!(redeemed.unwrap().sub, "alice", "{method}");
    }
}

#[tokio::test]
async fn a_wrong_secret_of_ours_is_refused_and_logs_nobody_out() {
    let idp = OidcProvider::of(ORIGIN);
    let good = ours(&idp);
    let bad = provider(settings(idp.issuer(), CLIENT, "another"));
    let code = code(&good, &idp.visitor(), "alice").await;
    let fault = bad.redeem(&redemption(&code), now()).await.unwrap_err();
    assert!(
        matches!(&fault, OidcFault::Refused(code) if code.as_str() == "invalid_client"),
        "{fault:?}"
    );
    let alice = good.redeem(&redemption(&code), now()).await.unwrap();
    let refreshed = bad
        .refresh(&alice.refresh_token.unwrap(), "alice", now())
        .await;
    assert!(matches!(
        refreshed,
        Err(RefreshFault::Unknown(OidcFault::Refused(_)))
    ));
}

#[tokio::test]
async fn a_refresh_brings_what_is_true_now_and_the_next_token() {
    let idp = OidcProvider::of(ORIGIN);
    let provider = ours(&idp);
    let alice = tokens(&provider, &idp.visitor(), "alice").await;
    let first = alice.refresh_token.unwrap();
    let groups = json!({"alice": {"name": "Alice", "email": "a@b.test", "groups": ["staff"]}});
    idp.set(json!({"users": groups})).await;

    let fresh = provider.refresh(&first, "alice", now()).await.unwrap();
    let profile = fresh.profile.unwrap();
    assert_eq!(profile.groups, ["staff"]);
    assert_eq!(profile.email.as_deref(), Some("a@b.test"));
    assert!(fresh.id_token.is_some() && fresh.access_expires.is_some());
    let second = fresh.refresh_token.unwrap();
    assert_ne!(first, second);
    assert_eq!(idp.counts("refresh_token").await, (1, 1));

    // Whoever uses one twice may be a thief: the provider ends all of it.
    for token in [&first, &second] {
        let over = provider.refresh(token, "alice", now()).await;
        assert!(
            matches!(&over, Err(RefreshFault::Over(OidcFault::Refused(code))) if code.as_str() == "invalid_grant"),
            "{over:?}"
        );
    }
}

#[tokio::test]
async fn a_refresh_for_somebody_else_is_over_and_silence_is_not() {
    let idp = OidcProvider::of(ORIGIN);
    let provider = ours(&idp);
    let alice = tokens(&provider, &idp.visitor(), "alice").await;
    let first = alice.refresh_token.unwrap();
    idp.set(json!({"down": true})).await;
    let silent = provider.refresh(&first, "alice", now()).await;
    assert!(matches!(&silent, Err(RefreshFault::Unknown(fault)) if fault.is_no_answer()));
    idp.set(json!({"down": false})).await;
    let other = provider.refresh(&first, "bob", now()).await;
    assert!(matches!(
        other,
        Err(RefreshFault::Over(OidcFault::WrongSubject))
    ));
}

#[tokio::test]
async fn a_login_may_be_asked_to_be_recent() {
    let idp = OidcProvider::of(ORIGIN);
    let provider = ours(&idp);
    let visitor = idp.visitor();
    tokens(&provider, &visitor, "alice").await;
    let challenge = challenge(VERIFIER);
    for (prompt, max_age) in [
        (Some("login"), None),
        (None, Some(Duration::from_secs(3600))),
    ] {
        let ask = Ask {
            prompt,
            max_age,
            ..ask(&challenge)
        };
        let begin = provider.authorize_url(&ask, now()).await.unwrap();
        let end = visitor.log_in(&begin, "alice").await;
        let code = param(&end, "code").unwrap();
        let what = Redemption {
            max_age,
            ..redemption(&code)
        };
        let alice = provider.redeem(&what, now()).await.unwrap();
        if max_age.is_some() {
            assert!(now().since(alice.auth_time.unwrap()).as_secs() < 60);
        }
    }
}

#[tokio::test]
async fn a_logout_at_the_provider_comes_back_to_the_site() {
    let idp = OidcProvider::of(ORIGIN);
    let provider = ours(&idp);
    let visitor = idp.visitor();
    let alice = tokens(&provider, &visitor, "alice").await;
    let back = format!("{ORIGIN}/.cloakroom/logout");
    for hint in [alice.id_token.as_ref(), None] {
        let begin = provider.logout_url(hint, &back, Some("a-state"), now());
        let begin = begin.await.unwrap().unwrap();
        let end = visitor.log_out(&begin).await;
        assert_eq!(end, format!("{back}?state=a-state"));
    }
}

/// Listens where the provider sends logout tokens, and keeps them.
async fn receive() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let address = format!("http://{}/logout", listener.local_addr().unwrap());
    let kept = Arc::new(Mutex::new(Vec::new()));
    let keeps = Arc::clone(&kept);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let keeps = Arc::clone(&keeps);
            let keep = service_fn(move |request: http::Request<hyper::body::Incoming>| {
                let keeps = Arc::clone(&keeps);
                async move {
                    let body = request.into_body().collect().await?.to_bytes();
                    let form = format!("?{}", String::from_utf8_lossy(&body));
                    keeps.lock().unwrap().extend(param(&form, "logout_token"));
                    let empty = http_body_util::Empty::<bytes::Bytes>::new();
                    Ok::<_, hyper::Error>(http::Response::new(empty))
                }
            });
            let serve = hyper::server::conn::http1::Builder::new();
            tokio::spawn(serve.serve_connection(TokioIo::new(stream), keep));
        }
    });
    (address, kept)
}

#[tokio::test]
async fn a_logout_token_names_the_session_or_the_user() {
    for by_session in [true, false] {
        let (address, kept) = receive().await;
        let mut settings = oidc_provider::settings(ORIGIN);
        let client = &mut settings["clients"][0];
        client["backchannel_logout_uri"] = address.into();
        client["backchannel_logout_session_required"] = by_session.into();
        let idp = OidcProvider::with(&settings);
        let provider = ours(&idp);
        let visitor = idp.visitor();
        let alice = tokens(&provider, &visitor, "alice").await;
        assert_eq!(alice.sid.is_some(), by_session);

        let back = format!("{ORIGIN}/");
        let begin = provider.logout_url(alice.id_token.as_ref(), &back, None, now());
        visitor.log_out(&begin.await.unwrap().unwrap()).await;

        let token = kept.lock().unwrap().pop().expect("a logout token");
        let read = provider.read_logout_token(&token, now()).await.unwrap();
        assert_eq!(read.sub.as_deref(), Some("alice"));
        assert_eq!(read.sid, alice.sid);
        assert!(!read.jti.is_empty());
        assert!(read.expires > now());
        // An ID token is none, whoever sends it.
        let id_token = alice.id_token.unwrap();
        let fault = provider.read_logout_token(id_token.expose(), now()).await;
        assert_eq!(fault.unwrap_err().word(), "no-logout");
    }
}

#[tokio::test]
async fn every_algorithm_of_the_provider_is_verified() {
    for algorithm in ["RS256", "PS256", "ES256", "EdDSA"] {
        let mut settings = oidc_provider::settings(ORIGIN);
        settings["clients"][0]["id_token_signed_response_alg"] = algorithm.into();
        let idp = OidcProvider::with(&settings);
        let alice = tokens(&ours(&idp), &idp.visitor(), "alice").await;
        let head = alice
            .id_token
            .unwrap()
            .expose()
            .split('.')
            .next()
            .unwrap()
            .to_owned();
        let head = data_encoding::BASE64URL_NOPAD
            .decode(head.as_bytes())
            .unwrap();
        let head: serde_json::Value = serde_json::from_slice(&head).unwrap();
        assert_eq!(head["alg"], algorithm);
    }
}

#[tokio::test]
async fn over_tls_the_provider_is_whom_the_site_trusts() {
    let folder = tempfile::tempdir().unwrap();
    let files = certificate::write(folder.path());
    let mut told = oidc_provider::settings(ORIGIN);
    told["tls"] = json!({"cert": files.certificate, "key": files.key});
    let idp = OidcProvider::with(&told);
    assert!(idp.issuer().starts_with("https://localhost:"));
    let challenge = challenge(VERIFIER);
    let begins = async |roots| {
        let settings = OidcSettings {
            roots,
            ..settings(idp.issuer(), CLIENT, CLIENT_SECRET)
        };
        let provider = provider(settings);
        provider.authorize_url(&ask(&challenge), now()).await
    };
    let begin = begins(Roots::read(&files.ca).unwrap()).await.unwrap();
    assert!(begin.starts_with(idp.issuer()), "{begin}");
    let fault = begins(Roots::System).await.unwrap_err();
    assert!(fault.is_no_answer(), "{fault:?}");
    fs::write(folder.path().join("empty.pem"), "").unwrap();
    assert!(Roots::read(&folder.path().join("empty.pem")).is_err());
}
