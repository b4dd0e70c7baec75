//! The words of keys that take one of a few.

use serde::Deserialize;

/// `session.over_limit`.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum OverLimit {
    /// The oldest session ends.
    Oldest,
    /// The user is asked which one ends, where they log in on a page of ours.
    Ask,
}

/// `session.store.engine`.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum Engine {
    /// See [`crate::config::settings::Engine`].
    Memory,
    /// See [`crate::config::settings::Engine`].
    Sqlite,
    /// See [`crate::config::settings::Engine`].
    Redis,
    /// See [`crate::config::settings::Engine`].
    Postgres,
    /// See [`crate::config::settings::Engine`].
    Cookie,
}

/// `site.header_preset`.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum HeaderPreset {
    /// None.
    #[serde(rename = "")]
    None,
    /// See [`crate::config::settings::Preset`].
    RemoteUser,
    /// See [`crate::config::settings::Preset`].
    XForwarded,
    /// See [`crate::config::settings::Preset`].
    XAuthRequest,
}

/// `site.ambiguous_paths`.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum AmbiguousPaths {
    /// 400.
    Refuse,
    /// To the app as they came.
    Pass,
}

/// `site.location`.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum Location {
    /// The upstream's own address becomes the site's.
    Rewrite,
    /// As the app sent it.
    Keep,
}

/// `site.cookies.rules.bind`.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum Bind {
    /// Good in the session alone in which it was set.
    Session,
    /// Good for every visitor of the site.
    Site,
}
