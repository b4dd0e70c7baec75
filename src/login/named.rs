//! A user whom somebody else names with each request: a proxy in front of us, or the certificate of the connection.

use super::certificate::{CertificateUser, ClientCertificate};
use super::header::LoginHeaders;

/// The longest name of a user, in bytes.
const NAME_BYTES_MAX: usize = 256;

/// Who names the users of a site.
#[derive(Clone, Debug)]
pub enum Namer {
    /// A trusted proxy, in a header.
    Header(LoginHeaders),
    /// The certificate that the visitor's TLS client showed.
    Certificate(CertificateUser),
}

/// A user as somebody else names them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// The user's id.
    pub id: String,
    /// A name for people.
    pub name: Option<String>,
    /// An e-mail address.
    pub email: Option<String>,
    /// Groups, in order and each once.
    pub groups: Vec<String>,
}

/// Why nobody is named although something was said. None of it tells what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unnamed {
    /// A header came more than once: one of them may be the visitor's.
    #[error("a header of [site.login] came more than once")]
    Twice,
    /// There is no name in the header.
    #[error("the user's header is empty, or \"(null)\" as Apache writes what it does not know")]
    Empty,
    /// Longer than names are.
    #[error("a header of [site.login] is longer than it may be")]
    TooLong,
    /// No name that anybody has.
    #[error("a header of [site.login] is not plain text in UTF-8")]
    Malformed,
    /// The certificate has no such name, or several.
    #[error(
        "the client certificate does not have exactly one name of the kind that site.login.user asks for"
    )]
    Certificate,
    /// It was good when the connection began.
    #[error("the client certificate has expired since the connection began")]
    Expired,
}

impl Namer {
    /// What `certificate` says to a site that asks for one.
    ///
    /// # Errors
    /// Why it names nobody.
    pub fn of_certificate(
        wanted: CertificateUser,
        certificate: &ClientCertificate,
    ) -> Result<Named, Unnamed> {
        let id = match wanted {
            CertificateUser::CommonName => &certificate.common_name,
            CertificateUser::Email => &certificate.email,
        };
        Ok(Named {
            id: id.as_deref().ok_or(Unnamed::Certificate)?.to_owned(),
            email: certificate.email.as_deref().map(str::to_owned),
            ..Named::default()
        })
    }
}

/// Whether `text` may be the name of a user.
pub(super) fn check_name(text: &str) -> Result<&str, Unnamed> {
    if text.is_empty() || text == "(null)" {
        return Err(Unnamed::Empty);
    }
    if text.len() > NAME_BYTES_MAX {
        return Err(Unnamed::TooLong);
    }
    if text.chars().any(char::is_control) || text.trim() != text {
        return Err(Unnamed::Malformed);
    }
    Ok(text)
}
