//! `[site.login]` with `method = "header"`, `"certificate"` or `"forward"`: somebody else names the user.

use http::HeaderName;

use super::super::file::{self, LoginMethod};
use super::super::settings::{Namer, NamingHeaders, Server, Site, Tls};
use super::{Check, forward};
use crate::headers::identity::may_name_users;
use crate::login::certificate::CertificateUser;

/// Who names the users of the site at `at`, if somebody else does.
pub(super) fn namer(check: &mut Check<'_>, at: usize, mirror: &file::Login) -> Option<Namer> {
    let key = |name: &str| format!("site[{at}].login.{name}");
    let headers = [
        ("user_header", &mirror.user_header),
        ("groups_header", &mirror.groups_header),
        ("name_header", &mirror.name_header),
        ("email_header", &mirror.email_header),
    ];
    let by_header = matches!(mirror.method, LoginMethod::Header | LoginMethod::Forward);
    if !by_header {
        for (name, text) in headers {
            if !text.is_empty() {
                let why = "says nothing without method = \"header\" or \"forward\"";
                check.warn(&key(name), why, "set the method or take it out");
            }
        }
    }
    forward::only_there(check, at, mirror);
    match mirror.method {
        LoginMethod::Header | LoginMethod::Forward => {
            let named = headers.map(|(name, text)| header(check, &key(name), text));
            if mirror.user_header.is_empty() {
                let (why, way_out) = match mirror.method {
                    LoginMethod::Forward => (
                        "missing: where the service writes the user",
                        "write for example user_header = \"Remote-User\"",
                    ),
                    _ => (
                        "missing: where the proxy writes the user",
                        "write for example user_header = \"X-Forwarded-User\"",
                    ),
                };
                check.fault(&key("user_header"), why, way_out);
            }
            for (nth, name) in named.iter().enumerate() {
                if name.is_some() && named[..nth].contains(name) {
                    let why = "another of the headers has this name";
                    check.fault(
                        &key(headers[nth].0),
                        why,
                        "name the one that the proxy writes",
                    );
                }
            }
            let [user, groups, name, email] = named;
            let headers = NamingHeaders {
                // With a fault the settings are good for nothing, and the other faults are to be found all the same.
                user: user.unwrap_or(HeaderName::from_static("x-forwarded-user")),
                groups,
                name,
                email,
            };
            if mirror.method == LoginMethod::Header {
                return Some(Namer::Header(headers));
            }
            let service = forward::forward(check, at, mirror, headers);
            Some(Namer::Forward(Box::new(service)))
        }
        LoginMethod::Certificate => Some(Namer::Certificate(match mirror.user {
            file::CertificateName::CommonName => CertificateUser::CommonName,
            file::CertificateName::Email => CertificateUser::Email,
        })),
        LoginMethod::Watch | LoginMethod::Form | LoginMethod::Oidc | LoginMethod::None => None,
    }
}

fn header(check: &mut Check<'_>, key: &str, text: &str) -> Option<HeaderName> {
    if text.is_empty() {
        return None;
    }
    let way_out = "write the header that the proxy writes, for example \"X-Forwarded-User\"";
    let Ok(name) = HeaderName::from_bytes(text.as_bytes()) else {
        check.fault(key, "no header name", way_out);
        return None;
    };
    if !may_name_users(name.as_str()) {
        let why = "frames the message, or says something else about it";
        check.fault(key, why, way_out);
    }
    Some(name)
}

/// Whether anybody may be believed.
pub(super) fn judge(check: &mut Check<'_>, server: &Server, tls: &Tls, sites: &[Site]) {
    for (at, site) in sites.iter().enumerate() {
        let key = format!("site[{at}].login.method");
        match &site.namer {
            Some(Namer::Header(_)) if server.trusted_proxies.is_empty() => {
                let why = "nobody is trusted to say who the user is";
                let way_out = "name the proxies in front of cloakroom in server.trusted_proxies";
                check.fault(&key, why, way_out);
            }
            Some(Namer::Certificate(_)) if tls.client_ca_file.is_none() => {
                let why = "nobody is asked for a certificate";
                let way_out =
                    "write the file of the authority that issues them as tls.client_ca_file";
                check.fault(&key, why, way_out);
            }
            _ => {}
        }
    }
    let is_wanted = |site: &Site| matches!(site.namer, Some(Namer::Certificate(_)));
    if tls.client_ca_file.is_some() && !sites.iter().any(is_wanted) {
        let why = "browsers are asked for certificates that no site looks at";
        let way_out = "write method = \"certificate\" into a [site.login], or take it out";
        check.warn("tls.client_ca_file", why, way_out);
    }
}
