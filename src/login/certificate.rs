//! The client certificate of a connection, as far as a login goes by it. That it leads to a root of `tls.client_ca_file`
//! and that the client has its key was verified in the handshake.

use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::named::check_name;
use crate::base::clock::Time;

/// `site.login.user`: which name of the certificate is the user's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateUser {
    /// The common name of its subject.
    CommonName,
    /// Its alternative name of the kind for e-mail addresses.
    Email,
}

/// A verified client certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The common name of its subject, if it has exactly one.
    pub common_name: Option<Box<str>>,
    /// Its alternative name of the kind for e-mail addresses, if it has exactly one.
    pub email: Option<Box<str>>,
    /// When its time is over. A connection can outlast it, and a resumed one can begin after.
    pub not_after: Time,
}

impl ClientCertificate {
    /// Reads a certificate. One that cannot be read has no names and no time.
    pub fn read(der: &[u8]) -> Self {
        let unreadable = Self {
            common_name: None,
            email: None,
            not_after: Time::from_secs(0),
        };
        let Ok((_, certificate)) = X509Certificate::from_der(der) else {
            return unreadable;
        };
        let not_after = certificate.validity().not_after.timestamp();
        let names = certificate.subject().iter_common_name();
        // One that is no text counts too: who reads it otherwise would find two.
        let names: Vec<_> = names
            .map(|name| name.as_str().unwrap_or_default())
            .collect();
        let alternatives = certificate.subject_alternative_name().ok().flatten();
        let alternatives = alternatives
            .iter()
            .flat_map(|names| &names.value.general_names);
        let emails = alternatives.filter_map(|name| match name {
            GeneralName::RFC822Name(email) => Some(*email),
            _ => None,
        });
        let emails: Vec<_> = emails.collect();
        Self {
            common_name: only(&names),
            email: only(&emails).filter(|email| email.contains('@')),
            not_after: Time::from_secs(u64::try_from(not_after).unwrap_or(0)),
        }
    }
}

fn only(names: &[&str]) -> Option<Box<str>> {
    match names {
        [name] => check_name(name).ok().map(Box::from),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, DnValue, KeyPair, SanType};

    use super::*;

    fn certificate(names: &[&str], emails: &[&str]) -> ClientCertificate {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        for (nth, name) in names.iter().enumerate() {
            // A set of attributes holds each kind once; 2.5.4.3 is the common name.
            let kind = match nth {
                0 => DnType::CommonName,
                _ => DnType::CustomDnType(vec![2, 5, 4, 3]),
            };
            params
                .distinguished_name
                .push(kind, DnValue::Utf8String((*name).to_owned()));
        }
        let email = |email: &&str| SanType::Rfc822Name((*email).try_into().unwrap());
        params.subject_alt_names = emails.iter().map(email).collect();
        ClientCertificate::read(params.self_signed(&key).unwrap().der())
    }

    #[test]
    fn a_name_counts_when_it_is_the_only_one_of_its_kind() {
        for (names, emails, common_name, email) in [
            (
                &["alice"][..],
                &["a@example.com"][..],
                Some("alice"),
                Some("a@example.com"),
            ),
            (&[], &[], None, None),
            (
                &["alice", "root"],
                &["a@example.com", "b@example.com"],
                None,
                None,
            ),
            (&[""], &["nobody"], None, None),
            (&["a\0b"], &[], None, None),
            (&[" alice"], &[], None, None),
        ] {
            let read = certificate(names, emails);
            assert_eq!(read.common_name.as_deref(), common_name, "{names:?}");
            assert_eq!(read.email.as_deref(), email, "{emails:?}");
        }
    }

    #[test]
    fn what_is_no_certificate_names_nobody_and_is_over() {
        let read = ClientCertificate::read(b"nonsense");
        assert_eq!((read.common_name, read.email), (None, None));
        assert_eq!(read.not_after, Time::from_secs(0));
    }
}
