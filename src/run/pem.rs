//! Certificates, keys and the files of CAs, read as a start would read them.

use super::fault::StartFault;
use super::site::tls;
use super::tls::load_certificates;
use crate::base::clock::Clock;
use crate::config::Settings;

/// What is wrong with the certificates and keys that are there. Of those that are not,
/// [`check_files`](crate::config::check_files) tells.
pub fn pem_faults(settings: &Settings) -> Vec<StartFault> {
    let loaded = load_certificates(&settings.tls, Clock::system().now());
    let mut faults = loaded.err().unwrap_or_default();
    faults.retain(|fault| match fault {
        StartFault::Certificate { source, .. } => source.file().is_none_or(std::path::Path::exists),
        _ => true,
    });
    for (at, site) in settings.sites.iter().enumerate() {
        let Some(wanted) = &site.upstream.tls else {
            continue;
        };
        let client = wanted.client.iter();
        let client = client.flat_map(|files| [&files.cert_file, &files.key_file]);
        if client.chain(&wanted.ca_file).all(|file| file.exists()) {
            faults.extend(tls(at, wanted).err());
        }
    }
    faults
}
