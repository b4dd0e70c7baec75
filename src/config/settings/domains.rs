//! Which domains a site serves whole.

use super::Site;

impl Site {
    /// Domains that the site serves whole: the name itself and every name beneath it.
    pub fn shared_domains(&self) -> impl Iterator<Item = &str> {
        shared_domains(&self.hosts)
    }
}

/// Those of `hosts` that are there both by themselves and with `*.` before them: a Domain gives a cookie to the name
/// itself as well as to all beneath it.
pub fn shared_domains(hosts: &[String]) -> impl Iterator<Item = &str> {
    let names = hosts.iter().filter_map(|host| host.strip_prefix("*."));
    names.filter(|name| hosts.iter().any(|host| host == name))
}
