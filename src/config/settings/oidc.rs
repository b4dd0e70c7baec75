//! Finished `[site.login]` with `method = "oidc"`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Settings, Text};
use crate::login::oidc::Issuer;

/// `[site.login]` with `method = "oidc"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Oidc {
    /// Whether an anonymous session's data and jar go along into the login.
    pub carry: bool,
    /// The provider, as it calls itself.
    pub issuer: Issuer,
    /// Who we are to it.
    pub client_id: String,
    /// What we prove that with.
    pub client_secret: Option<Text>,
    /// What is asked for.
    pub scopes: Vec<String>,
    /// The claim that holds the groups.
    pub groups_claim: String,
    /// Whose certificates are believed; none: those that the system believes.
    pub ca_file: Option<PathBuf>,
    /// How long a login may take.
    pub login_timeout: Duration,
    /// How long one exchange with the provider may take.
    pub provider_timeout: Duration,
}

impl Oidc {
    /// The file of roots, with its key, of the site at `at`.
    pub fn roots_file(&self, at: usize) -> Option<(String, &Path)> {
        let file = self.ca_file.as_deref()?;
        Some((format!("site[{at}].login.ca_file"), file))
    }
}

impl Settings {
    /// The secrets of providers, with their keys.
    pub fn client_secrets(&self) -> impl Iterator<Item = (String, &Text)> {
        self.sites.iter().enumerate().filter_map(|(at, site)| {
            let text = site.oidc.as_ref()?.client_secret.as_ref()?;
            Some((format!("site[{at}].login.client_secret"), text))
        })
    }
}
