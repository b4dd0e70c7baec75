//! What the token endpoint is asked (RFC 6749, 4.1.3 and 6), and what it answers.

use std::time::Duration;

use data_encoding::BASE64;
use serde::Deserialize;
use serde_json::Value;

use super::discovery::{Discovery, SecretIn};
use super::endpoint::{Answer, Client, Question};
use super::fault::{ErrorCode, OidcFault};
use super::query;
use super::settings::OidcSettings;
use crate::base::secret::Secret;

/// Tokens as they come; none is believed yet.
#[derive(Deserialize)]
pub(super) struct Grant {
    pub(super) access_token: Secret<String>,
    token_type: Option<String>,
    expires_in: Option<Value>,
    pub(super) refresh_token: Option<Secret<String>>,
    pub(super) id_token: Option<Secret<String>>,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

impl Grant {
    /// Asks for it with these fields of a form, as the client of `settings`.
    pub(super) async fn ask(
        client: &Client,
        settings: &OidcSettings,
        discovery: &Discovery,
        fields: &[(&str, &str)],
    ) -> Result<Self, OidcFault> {
        let question = question(settings, discovery.secret_in, fields)?;
        let answer = client.ask(&discovery.token, question).await?;
        Self::of(&answer)
    }

    fn of(answer: &Answer) -> Result<Self, OidcFault> {
        // RFC 6749, 5.2: 400 or 401, and some say 403.
        if answer.status.is_client_error()
            && let Ok(refusal) = serde_json::from_slice::<Refusal>(&answer.body)
        {
            return Err(OidcFault::Refused(ErrorCode::of(&refusal.error)));
        }
        let grant: Self = answer.json()?;
        match &grant.token_type {
            Some(kind) if !kind.eq_ignore_ascii_case("bearer") => {
                Err(OidcFault::Incomplete("the access token is no bearer token"))
            }
            _ => Ok(grant),
        }
    }

    /// How long the access token is good for; some write it as a text.
    pub(super) fn life(&self) -> Option<Duration> {
        let told = self.expires_in.as_ref()?;
        let text = || told.as_str().and_then(|text| text.parse().ok());
        told.as_u64().or_else(text).map(Duration::from_secs)
    }
}

fn question(
    settings: &OidcSettings,
    secret_in: Option<SecretIn>,
    fields: &[(&str, &str)],
) -> Result<Question<'static>, OidcFault> {
    let id = settings.client_id.as_str();
    let mut fields = fields.to_vec();
    let mut authorization = None;
    match &settings.client_secret {
        None => fields.push(("client_id", id)),
        Some(secret) => match secret_in {
            // RFC 6749, 2.3.1: both are encoded as in a form, so that the first colon is the one between them.
            Some(SecretIn::Header) => {
                let secret = Secret::new(query::encoded(secret.expose()));
                let pair = Secret::new(format!("{}:{}", query::encoded(id), secret.expose()));
                let encoded = Secret::new(BASE64.encode(pair.expose().as_bytes()));
                authorization = Some(Secret::new(format!("Basic {}", encoded.expose())));
            }
            Some(SecretIn::Form) => {
                fields.push(("client_id", id));
                fields.push(("client_secret", secret.expose()));
            }
            None => {
                return Err(OidcFault::Incomplete(
                    "it takes a client's secret neither by client_secret_basic nor by client_secret_post",
                ));
            }
        },
    }
    Ok(Question::Form {
        body: Secret::new(query::form(&fields)),
        authorization,
    })
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::super::settings::{Issuer, Roots};
    use super::*;

    fn settings(secret: Option<&str>) -> OidcSettings {
        OidcSettings {
            issuer: Issuer::parse("https://id.test").unwrap(),
            client_id: "shop:1".to_owned(),
            client_secret: secret.map(|secret| Secret::new(secret.to_owned())),
            scopes: Vec::new(),
            groups_claim: "groups".to_owned(),
            roots: Roots::System,
            timeout: Duration::from_secs(1),
        }
    }

    fn asked(secret: Option<&str>, by: Option<SecretIn>) -> Option<(String, Option<String>)> {
        match question(&settings(secret), by, &[("code", "c d")]).ok()? {
            Question::Form {
                body,
                authorization,
            } => {
                let shown = authorization.map(|shown| shown.expose().clone());
                Some((body.expose().clone(), shown))
            }
            _ => None,
        }
    }

    #[test]
    fn the_client_shows_its_secret_as_it_is_taken() {
        let basic = format!("Basic {}", BASE64.encode(b"shop%3A1:p%40s%20s%3A"));
        let code = "code=c%20d";
        let secret = Some("p@s s:");
        assert_eq!(
            asked(secret, Some(SecretIn::Header)),
            Some((code.to_owned(), Some(basic)))
        );
        let form = format!("{code}&client_id=shop%3A1&client_secret=p%40s%20s%3A");
        assert_eq!(asked(secret, Some(SecretIn::Form)), Some((form, None)));
        assert_eq!(asked(secret, None), None);
        let public = format!("{code}&client_id=shop%3A1");
        assert_eq!(asked(None, None), Some((public, None)));
    }

    fn answered(status: StatusCode, body: &'static str) -> Result<Grant, OidcFault> {
        let body = body.as_bytes().into();
        Grant::of(&Answer { status, body })
    }

    #[test]
    fn a_refusal_is_told_from_nonsense() {
        for (status, body, word) in [
            (400, r#"{"error":"invalid_grant"}"#, "refused"),
            (401, r#"{"error":"invalid_client"}"#, "refused"),
            (400, "<html>", "bad-answer"),
            (302, "", "bad-answer"),
            (200, "{}", "bad-answer"),
            (
                200,
                r#"{"access_token":"a","token_type":"mac"}"#,
                "bad-answer",
            ),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let fault = answered(status, body).err().unwrap();
            assert_eq!(fault.word(), word, "{status} {body}");
        }
        let bad = StatusCode::from_u16(400).unwrap();
        let odd = answered(bad, r#"{"error":"a b\nc"}"#);
        assert!(matches!(odd, Err(OidcFault::Refused(code)) if code.as_str() == "invalid"));
    }

    #[test]
    fn the_life_of_an_access_token_is_a_number_or_a_text() {
        for (body, life) in [
            (r#"{"access_token":"a","expires_in":60}"#, Some(60)),
            (r#"{"access_token":"a","expires_in":"60"}"#, Some(60)),
            (r#"{"access_token":"a","expires_in":-1}"#, None),
            (r#"{"access_token":"a","token_type":"bearer"}"#, None),
        ] {
            let grant = answered(StatusCode::OK, body).ok().unwrap();
            assert_eq!(grant.life(), life.map(Duration::from_secs), "{body}");
        }
    }
}
