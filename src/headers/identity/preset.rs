//! Sets of headers that apps know from other login gateways.

use http::HeaderName;

use super::template::{Placeholder, Template};
use super::{Entry, Stamp};

/// `site.header_preset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// `Remote-User` and its kin, as Authelia and Apache's modules write them.
    RemoteUser,
    /// `X-Forwarded-User` and its kin, as oauth2-proxy and Pomerium write them.
    XForwarded,
    /// `X-Auth-Request-User` and its kin, as oauth2-proxy writes them for nginx.
    XAuthRequest,
}

impl Preset {
    /// The headers, and what each tells.
    fn headers(self) -> [(&'static str, Placeholder); 4] {
        let [user, groups, email, name] = match self {
            Self::RemoteUser => [
                "remote-user",
                "remote-groups",
                "remote-email",
                "remote-name",
            ],
            Self::XForwarded => [
                "x-forwarded-user",
                "x-forwarded-groups",
                "x-forwarded-email",
                "x-forwarded-preferred-username",
            ],
            Self::XAuthRequest => [
                "x-auth-request-user",
                "x-auth-request-groups",
                "x-auth-request-email",
                "x-auth-request-preferred-username",
            ],
        };
        let called = match self {
            Self::RemoteUser => Placeholder::UserName,
            Self::XForwarded | Self::XAuthRequest => Placeholder::PreferredUsername,
        };
        [
            (user, Placeholder::UserId),
            (groups, Placeholder::UserGroups),
            (email, Placeholder::UserEmail),
            (name, called),
        ]
    }

    /// Its headers in lower case, and what each tells, for people.
    pub fn told(self) -> [(&'static str, &'static str); 4] {
        self.headers().map(|(name, placeholder)| {
            let told = match placeholder {
                Placeholder::UserId => "{user.id}",
                Placeholder::UserGroups => "{user.groups}",
                Placeholder::UserEmail => "{user.email}",
                Placeholder::UserName => "{user.name}",
                _ => "{user.claims.preferred_username}",
            };
            (name, told)
        })
    }
}

impl Stamp {
    /// What another proxy is told of a user, who passes on what it was told to.
    pub fn vouching() -> Self {
        let nothing = Self::of(Vec::new());
        let nginx = nothing.with_preset(Preset::XAuthRequest);
        nginx.with_preset(Preset::RemoteUser)
    }

    /// The same, which writes the headers of `preset` too. Where a line of its own has the name already, in whatever
    /// spelling, that line stays: it says more.
    #[must_use]
    pub fn with_preset(mut self, preset: Preset) -> Self {
        for (name, placeholder) in preset.headers() {
            if self.entries.iter().all(|entry| entry.folded != name) {
                self.entries.push(Entry {
                    name: HeaderName::from_static(name),
                    folded: name.to_owned(),
                    template: Template::only(placeholder),
                });
            }
        }
        Self::of(self.entries)
    }
}
