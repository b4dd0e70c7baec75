//! What of `[site.upstream_options]` stands in files of its own.

use std::path::Path;

use super::{Namer, Settings};

impl Settings {
    /// The files of certificates and keys for the apps, with their keys.
    pub fn upstream_files(&self) -> Vec<(String, &Path)> {
        let mut files = Vec::new();
        for (at, site) in self.sites.iter().enumerate() {
            if let Some(Namer::Forward(service)) = &site.namer
                && let Some(file) = service.ca_file()
            {
                files.push((format!("site[{at}].login.ca_file"), file));
            }
            let Some(tls) = &site.upstream.tls else {
                continue;
            };
            let mut name = |key: &str, file| {
                files.push((format!("site[{at}].upstream_options.{key}"), file));
            };
            if let Some(file) = &tls.ca_file {
                name("ca_file", file.as_path());
            }
            if let Some(client) = &tls.client {
                name("client_cert_file", client.cert_file.as_path());
                name("client_key_file", client.key_file.as_path());
            }
        }
        files
    }
}
