//! What a site says of its OpenID provider.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::Uri;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::base::secret::Secret;

/// The longest issuer, in bytes.
const ISSUER_BYTES_MAX: usize = 512;

/// `[site.login]` with `method = "oidc"`, as far as the provider is concerned. Two that are equal make providers that
/// behave alike, so that a reload may keep the one that it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OidcSettings {
    /// The issuer, byte for byte as the provider writes it.
    pub issuer: Issuer,
    /// Who we are to the provider.
    pub client_id: String,
    /// What we prove that with; none: a public client, whom PKCE alone protects.
    pub client_secret: Option<Secret<String>>,
    /// What is asked for; `openid` is asked for always.
    pub scopes: Vec<String>,
    /// The claim that holds the groups; a name with dots is a way into nested objects where no claim has that very name.
    pub groups_claim: String,
    /// Whose certificates are believed.
    pub roots: Roots,
    /// How long one exchange with the provider may take, from the name's resolution to the last byte.
    pub timeout: Duration,
}

/// The identifier of a provider: an https URL without query and fragment, or one of http on loopback.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Issuer(String);

impl Issuer {
    /// # Errors
    /// Why it can be none.
    pub fn parse(text: &str) -> Result<Self, IssuerFault> {
        let not_a_url = IssuerFault::NotAUrl;
        if text.len() > ISSUER_BYTES_MAX || text.contains('@') {
            return Err(not_a_url);
        }
        // `Uri` drops what stands behind a '#' without a word.
        if text.contains(['?', '#']) {
            return Err(IssuerFault::Query);
        }
        let uri: Uri = text.parse().map_err(|_| IssuerFault::NotAUrl)?;
        let host = uri.host().filter(|host| !host.is_empty());
        match (uri.scheme_str(), host) {
            (Some("https"), Some(_)) => Ok(Self(text.to_owned())),
            (Some("http"), Some(host)) if is_loopback(host) => Ok(Self(text.to_owned())),
            (Some("http"), Some(_)) => Err(IssuerFault::Plain),
            _ => Err(not_a_url),
        }
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is reached without TLS, which only loopback is.
    pub fn is_plain(&self) -> bool {
        self.0.starts_with("http://")
    }
}

/// Whether the host of a URL is this machine: `localhost`, or a loopback address.
pub(super) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// Why a text is no issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssuerFault {
    /// Not the URL of anything.
    #[error(
        "an issuer is a URL such as \"https://id.example.com\", written exactly as the provider writes it"
    )]
    NotAUrl,
    /// http to another machine.
    #[error("an issuer is reached over https; http is taken on loopback only")]
    Plain,
    /// More than an issuer has.
    #[error("an issuer has neither a query nor a fragment")]
    Query,
}

/// Whose certificates are believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Roots {
    /// Those that the system believes.
    #[default]
    System,
    /// These, and no others.
    These(Vec<CertificateDer<'static>>),
}

impl Roots {
    /// Reads a PEM file; there is at least one certificate in it.
    ///
    /// # Errors
    /// A [`RootsFault`] that names the file.
    pub fn read(path: &Path) -> Result<Self, RootsFault> {
        let fault = |source| RootsFault {
            path: path.to_owned(),
            source,
        };
        let certificates =
            CertificateDer::pem_file_iter(path).map_err(|error| fault(Some(error)))?;
        let certificates: Result<Vec<_>, _> = certificates.collect();
        let certificates = certificates.map_err(|error| fault(Some(error)))?;
        if certificates.is_empty() {
            return Err(fault(None));
        }
        Ok(Self::These(certificates))
    }
}

/// A file of roots that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{} holds no certificate that can be read", path.display())]
pub struct RootsFault {
    path: PathBuf,
    #[source]
    source: Option<rustls::pki_types::pem::Error>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_reached_over_tls_or_on_this_machine() {
        for fine in [
            "https://id.example.com",
            "https://id.example.com/realms/shop/",
            "https://id.example.com:8443",
            "http://localhost:3000",
            "http://127.0.0.1",
            "http://[::1]:80/a",
        ] {
            assert_eq!(Issuer::parse(fine).unwrap().as_str(), fine);
        }
        for (odd, fault) in [
            ("", IssuerFault::NotAUrl),
            ("id.example.com", IssuerFault::NotAUrl),
            ("/realms/shop", IssuerFault::NotAUrl),
            ("ftp://id.example.com", IssuerFault::NotAUrl),
            ("https://me@id.example.com", IssuerFault::NotAUrl),
            ("https://id.example.com/ a", IssuerFault::NotAUrl),
            ("http://id.example.com", IssuerFault::Plain),
            ("http://localhost.example.com", IssuerFault::Plain),
            ("http://10.0.0.1", IssuerFault::Plain),
            ("https://id.example.com?a=b", IssuerFault::Query),
            ("https://id.example.com/#a", IssuerFault::Query),
        ] {
            assert_eq!(Issuer::parse(odd), Err(fault), "{odd}");
        }
    }
}
