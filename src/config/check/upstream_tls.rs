//! `[site.upstream_options]`: how an app behind `https:` is spoken to.

use std::path::PathBuf;

use super::super::file::UpstreamOptions;
use super::Check;
use crate::upstream::{ClientFiles, TlsSettings, server_name};

/// What the keys say; `speaks_tls` tells whether an upstream of the site is `https:`.
pub(super) fn upstream_tls(
    check: &mut Check<'_>,
    at: usize,
    options: &UpstreamOptions,
    speaks_tls: bool,
) -> TlsSettings {
    let key = |name: &str| format!("site[{at}].upstream_options.{name}");
    let texts = [
        ("ca_file", &options.ca_file),
        ("client_cert_file", &options.client_cert_file),
        ("client_key_file", &options.client_key_file),
        ("tls_name", &options.tls_name),
    ];
    for (name, text) in texts {
        if !text.is_empty() && !speaks_tls {
            let why = "no upstream of this site is spoken to over TLS";
            check.fault(
                &key(name),
                why,
                "write https:// in upstream, or take it out",
            );
        }
    }
    let mut file = |name: &str, text: &str| -> Option<PathBuf> {
        (!text.is_empty()).then(|| check.file(&key(name), text))
    };
    let ca_file = file("ca_file", &options.ca_file);
    let cert_file = file("client_cert_file", &options.client_cert_file);
    let key_file = file("client_key_file", &options.client_key_file);
    let client = match (cert_file, key_file) {
        (Some(cert_file), Some(key_file)) => Some(ClientFiles {
            cert_file,
            key_file,
        }),
        (None, None) => None,
        (Some(_), None) => {
            let way_out = "write client_key_file as well";
            check.fault(&key("client_cert_file"), "has no key", way_out);
            None
        }
        (None, Some(_)) => {
            let way_out = "write client_cert_file as well";
            check.fault(&key("client_key_file"), "has no certificate", way_out);
            None
        }
    };
    let name = (!options.tls_name.is_empty()).then(|| options.tls_name.clone());
    if name
        .as_deref()
        .is_some_and(|name| server_name(name).is_err())
    {
        let why = "neither a DNS name nor an IP address";
        check.fault(
            &key("tls_name"),
            why,
            "write the name that the app's certificate holds",
        );
    }
    TlsSettings {
        ca_file,
        client,
        name,
    }
}
