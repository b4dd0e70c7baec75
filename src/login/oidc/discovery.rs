//! Where a provider is asked what (OpenID Connect Discovery 1.0). Its document counts only if it is of the very issuer
//! that is configured, and names nothing that is reached without TLS.

use serde::Deserialize;

use super::endpoint::{Address, Client, Question};
use super::fault::OidcFault;
use super::settings::Issuer;

/// What the document says.
#[derive(Debug)]
pub(super) struct Discovery {
    /// Where visitors log in.
    pub(super) authorization: String,
    pub(super) token: Address,
    pub(super) keys: Address,
    pub(super) userinfo: Option<Address>,
    /// Where visitors log out.
    pub(super) end_session: Option<String>,
    /// How we show our secret; `None`: in no way that we know.
    pub(super) secret_in: Option<SecretIn>,
    /// Whether every callback names the issuer (RFC 9207).
    pub(super) callbacks_name_issuer: bool,
}

/// How a client shows its secret (OpenID Connect Core 1.0, 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SecretIn {
    /// `client_secret_basic`.
    Header,
    /// `client_secret_post`.
    Form,
}

/// The document, as far as it concerns us.
#[derive(Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    userinfo_endpoint: Option<String>,
    end_session_endpoint: Option<String>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

impl Discovery {
    /// Fetches it.
    pub(super) async fn fetch(client: &Client, issuer: &Issuer) -> Result<Self, OidcFault> {
        let base = issuer.as_str().trim_end_matches('/');
        let address = format!("{base}/.well-known/openid-configuration");
        let address = address_of("the issuer", &address, issuer)?;
        let answer = client.ask(&address, Question::Get).await?;
        Self::of(answer.json()?, issuer)
    }

    fn of(document: Document, issuer: &Issuer) -> Result<Self, OidcFault> {
        if document.issuer != issuer.as_str() {
            return Err(OidcFault::OtherProvider);
        }
        let address = |name, text: &str| address_of(name, text, issuer);
        let authorization = document.authorization_endpoint;
        address("authorization_endpoint", &authorization)?;
        if let Some(end_session) = &document.end_session_endpoint {
            address("end_session_endpoint", end_session)?;
        }
        let userinfo = document.userinfo_endpoint.as_deref();
        let userinfo = userinfo.map(|text| address("userinfo_endpoint", text));
        Ok(Self {
            token: address("token_endpoint", &document.token_endpoint)?,
            keys: address("jwks_uri", &document.jwks_uri)?,
            userinfo: userinfo.transpose()?,
            authorization,
            end_session: document.end_session_endpoint,
            secret_in: secret_in(document.token_endpoint_auth_methods_supported.as_deref()),
            callbacks_name_issuer: document.authorization_response_iss_parameter_supported,
        })
    }
}

fn address_of(name: &'static str, text: &str, issuer: &Issuer) -> Result<Address, OidcFault> {
    // `Uri` drops fragments, and a browser would not.
    let whole = Some(text).filter(|text| !text.contains('#'));
    let address = whole.and_then(|text| Address::parse(text, issuer.is_plain()));
    address.ok_or(OidcFault::Insecure(name))
}

fn secret_in(methods: Option<&[String]>) -> Option<SecretIn> {
    // Discovery 1.0, 3: what it is when nothing is said.
    let Some(methods) = methods else {
        return Some(SecretIn::Header);
    };
    let has = |name| methods.iter().any(|method| method == name);
    if has("client_secret_basic") {
        Some(SecretIn::Header)
    } else {
        has("client_secret_post").then_some(SecretIn::Form)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn document() -> Value {
        json!({
            "issuer": "https://id.test",
            "authorization_endpoint": "https://id.test/auth",
            "token_endpoint": "https://id.test/token",
            "jwks_uri": "https://keys.test/jwks",
            "userinfo_endpoint": "https://id.test/me",
            "end_session_endpoint": "https://id.test/end",
        })
    }

    fn read(document: Value) -> Result<Discovery, OidcFault> {
        let issuer = Issuer::parse("https://id.test").unwrap();
        Discovery::of(serde_json::from_value(document).unwrap(), &issuer)
    }

    #[test]
    fn the_document_is_of_this_issuer_to_the_byte() {
        read(document()).unwrap();
        for other in ["https://id.test/", "https://ID.test", "https://evil.test"] {
            let mut document = document();
            document["issuer"] = other.into();
            assert_eq!(read(document).unwrap_err().word(), "other-provider");
        }
    }

    #[test]
    fn nothing_is_reached_without_tls() {
        for name in [
            "authorization_endpoint",
            "token_endpoint",
            "jwks_uri",
            "userinfo_endpoint",
            "end_session_endpoint",
        ] {
            for odd in [
                "http://id.test/x",
                "http://localhost/x",
                "//id.test/x",
                "javascript:alert(1)",
                "https://id.test/x#y",
                "",
            ] {
                let mut document = document();
                document[name] = odd.into();
                let fault = read(document).unwrap_err();
                assert!(
                    matches!(fault, OidcFault::Insecure(at) if at == name),
                    "{name} {odd}: {fault:?}"
                );
            }
        }
    }

    #[test]
    fn the_secret_is_shown_as_the_provider_takes_it() {
        let of = |methods: Value| {
            let mut document = document();
            document["token_endpoint_auth_methods_supported"] = methods;
            read(document).unwrap().secret_in
        };
        assert_eq!(of(Value::Null), Some(SecretIn::Header));
        let both = json!(["client_secret_post", "client_secret_basic"]);
        assert_eq!(of(both), Some(SecretIn::Header));
        assert_eq!(of(json!(["client_secret_post"])), Some(SecretIn::Form));
        assert_eq!(of(json!(["private_key_jwt"])), None);
    }
}
