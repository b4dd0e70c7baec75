//! How operators call sessions: by the IDs that they have at the sites.

use crate::base::causes::Causes;
use crate::cli::access::Refusal;
use crate::config::{Settings, keyring};
use crate::session::{Record, Session, SessionIds};

/// Knows the sites, and the key that names sessions.
pub(super) struct Names {
    ids: SessionIds,
    sites: Vec<String>,
}

impl Names {
    /// Reads the key ring, and makes none: without it nobody could be called anything.
    pub(super) fn of(settings: &Settings) -> Result<Self, Refusal> {
        let keys = &settings.session.keys;
        let keys = keyring::read(&keys.file, keys.activate_after)
            .map_err(|fault| Refusal::Config(Causes(&fault).to_string()))?;
        Ok(Self {
            ids: keys.ids,
            sites: settings
                .sites
                .iter()
                .map(|site| site.name.clone())
                .collect(),
        })
    }

    /// The site of this name.
    pub(super) fn known_site<'a>(&self, site: &'a str) -> Result<&'a str, Refusal> {
        if self.sites.iter().any(|known| known == site) {
            return Ok(site);
        }
        let known = self.sites.join(", ");
        Err(Refusal::Usage(format!(
            "there is no site {site:?}: the configuration has {known}"
        )))
    }

    /// The ID of a session at a site.
    pub(super) fn id(&self, record: &Record, site: &str) -> String {
        self.ids.derive(&record.root, site).as_str().to_owned()
    }

    /// Its IDs at all sites.
    pub(super) fn all(&self, record: &Record) -> Vec<(&str, String)> {
        let sites = self.sites.iter();
        sites.map(|site| (&**site, self.id(record, site))).collect()
    }

    /// The site that it is most at home at: the user's, else the first with a jar, else the first.
    pub(super) fn home(&self, record: &Record) -> &str {
        let is_users =
            |site: &&String| record.user.as_ref().is_some_and(|user| user.site == **site);
        let has_jar = |site: &&String| !record.jar(site).is_empty();
        let find = |is: &dyn Fn(&&String) -> bool| self.sites.iter().find(is);
        let home = find(&is_users).or_else(|| find(&has_jar));
        home.or(self.sites.first()).map_or("", String::as_str)
    }

    /// Whether a session has this ID at any site.
    pub(super) fn is_called(&self, session: &Session, id: &str) -> bool {
        let root = &session.record.root;
        let sites = self.sites.iter();
        let mut ids = sites.map(|site| self.ids.derive(root, site));
        ids.any(|own| own.as_str() == id)
    }
}
