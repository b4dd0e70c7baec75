//! The words of `[site.login]`.

use serde::Deserialize;

/// `site.login.method`.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum LoginMethod {
    /// The app's own login is watched.
    Watch,
    /// On a page of ours.
    Form,
    /// At an OpenID provider.
    Oidc,
    /// A service that is asked names the user.
    Forward,
    /// A trusted proxy names the user.
    Header,
    /// The client's certificate names the user.
    Certificate,
    /// Nobody logs in.
    None,
}

/// `site.login.user`.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub(in crate::config) enum CertificateName {
    /// The subject's common name.
    #[serde(rename = "subject.cn")]
    CommonName,
    /// The one e-mail address.
    #[serde(rename = "san.email")]
    Email,
}

/// `site.login.login.content_type`.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum ContentType {
    /// `application/x-www-form-urlencoded`.
    Form,
    /// `application/json`.
    Json,
}

/// `site.login.login.normalise`.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum Normalise {
    /// As it was typed.
    None,
    /// Without blanks at the ends.
    Trim,
    /// In lower case.
    Lowercase,
    /// Both.
    TrimLowercase,
    /// As a title of MediaWiki.
    #[serde(rename = "mediawiki")]
    MediaWiki,
    /// As DokuWiki cleans it.
    #[serde(rename = "dokuwiki")]
    DokuWiki,
}
