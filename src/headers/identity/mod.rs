//! What the app is told about the session: the compiled `[site.headers]`.
//!
//! [`Stamp::strip`] takes away whatever a visitor claims, [`Stamp::write`] writes what we know; a header without a
//! value stays absent. The order of the two, and what goes between them, is in the folder's `mod.rs`.

mod preset;
mod template;
mod value;

use std::net::IpAddr;

use http::{HeaderMap, HeaderName};
use serde_json::{Map, Value};

pub use self::preset::Preset;
use self::template::Template;
use super::fold::{self, Claim, NameList};
use super::hop;
use super::signature;
use crate::base::clock::Time;
use crate::base::small_map::SmallMap;

/// Names that `[site.headers]` may not write: who the request is for, how it is framed, and what other parts of us
/// write.
const RESERVED: NameList = NameList::new(
    &[
        "connection",
        "content-length",
        "cookie",
        "cookie2",
        "expect",
        "forwarded",
        "host",
        "keep-alive",
        "proxy-connection",
        "set-cookie",
        "set-cookie2",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "via",
        "x-request-id",
    ],
    &["x-forwarded"],
);

/// Whether a proxy may name the user in a header of this name.
pub fn may_name_users(name: &str) -> bool {
    !RESERVED.holds(name) || fold::is_under(name, "x-forwarded")
}

/// The headers of one site, ready to be stripped and written.
#[derive(Clone, Debug)]
pub struct Stamp {
    entries: Vec<Entry>,
    /// Folded names that are removed too, and never written.
    removed: Vec<String>,
    /// The first letters of all folded names.
    initials: u64,
    /// Whether one of them asks for the assertion.
    asserts: bool,
    /// Whether requests that tell an assertion are signed.
    signs: bool,
}

#[derive(Clone, Debug)]
struct Entry {
    name: HeaderName,
    folded: String,
    template: Template,
}

/// What is wrong with a line of `[site.headers]`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderFault {
    /// The name cannot be a header name.
    #[error("{header:?} is no header name: use letters, digits and `-`")]
    NotAName {
        /// As it was written.
        header: String,
    },
    /// The name is not for `[site.headers]`.
    #[error(
        "{header} is written by the gateway or frames the message: choose another name, such as X-Session-…"
    )]
    Reserved {
        /// As it was written.
        header: String,
    },
    /// An app could read the two names as one.
    #[error("{header} and {other} are one name to many apps: keep one of them")]
    SameName {
        /// The later one.
        header: String,
        /// The earlier one.
        other: String,
    },
    /// There is nothing to write.
    #[error(
        "{header} has an empty value: give it one, such as \"{{session.id}}\", or delete the line"
    )]
    Empty {
        /// As it was written.
        header: String,
    },
    /// A `{` without a `}`.
    #[error("{header}: a `{{` is not closed: write the placeholder as {{session.id}}")]
    Unclosed {
        /// As it was written.
        header: String,
    },
    /// There is no such placeholder.
    #[error("{header}: {{{placeholder}}} is not known; known are {known}", known = template::KNOWN)]
    UnknownPlaceholder {
        /// As it was written.
        header: String,
        /// What stood between the braces.
        placeholder: String,
    },
}

impl HeaderFault {
    /// The header at fault, as it was written.
    pub fn header(&self) -> &str {
        match self {
            Self::NotAName { header }
            | Self::Reserved { header }
            | Self::SameName { header, .. }
            | Self::Empty { header }
            | Self::Unclosed { header }
            | Self::UnknownPlaceholder { header, .. } => header,
        }
    }
}

/// What is known of a request's session.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// The session's ID at this site.
    pub session_id: Option<&'a str>,
    /// Who is logged in, if this site may know.
    pub user: Option<UserFacts<'a>>,
    /// The session's data; `None` without a session.
    pub data: Option<&'a SmallMap<Value>>,
    /// When the session began.
    pub created: Option<Time>,
    /// When the user proved who they are.
    pub auth_time: Option<Time>,
    /// Whether the session began with this request.
    pub is_new: bool,
    /// The visitor's address.
    pub client_ip: IpAddr,
    /// What the app can verify for itself, if [`Stamp::asserts`].
    pub assertion: Option<&'a str>,
}

/// Who is logged in.
#[derive(Clone, Copy)]
pub struct UserFacts<'a> {
    /// The user's id.
    pub id: &'a str,
    /// Who vouched for it.
    pub issuer: Option<&'a str>,
    /// A name for people.
    pub name: Option<&'a str>,
    /// An e-mail address.
    pub email: Option<&'a str>,
    /// Groups.
    pub groups: &'a [String],
    /// Further claims.
    pub claims: Option<&'a Map<String, Value>>,
}

impl Default for Stamp {
    /// `X-Session-Id` and `X-Session-User`.
    fn default() -> Self {
        let entry = |name, placeholder| Entry {
            name: HeaderName::from_static(name),
            folded: name.to_owned(),
            template: Template::only(placeholder),
        };
        Self::of(vec![
            entry("x-session-id", template::Placeholder::SessionId),
            entry("x-session-user", template::Placeholder::UserId),
        ])
    }
}

impl Stamp {
    /// Compiles lines of header name and template.
    ///
    /// A template is text with placeholders such as `{session.id}`. The header is absent when a placeholder has no
    /// value, or when the whole value is empty.
    ///
    /// # Errors
    /// Everything that is wrong, in the order of the lines.
    pub fn parse<N, T>(lines: impl IntoIterator<Item = (N, T)>) -> Result<Self, Vec<HeaderFault>>
    where
        N: AsRef<str>,
        T: AsRef<str>,
    {
        let mut entries: Vec<Entry> = Vec::new();
        let mut faults = Vec::new();
        for (name, template) in lines {
            match Entry::parse(name.as_ref(), template.as_ref(), &entries) {
                Ok(entry) => entries.push(entry),
                Err(fault) => faults.push(fault),
            }
        }
        if faults.is_empty() {
            Ok(Self::of(entries))
        } else {
            Err(faults)
        }
    }

    fn of(entries: Vec<Entry>) -> Self {
        let initials = entries
            .iter()
            .fold(0, |set, entry| set | fold::initial_bit(&entry.folded));
        let removed = Vec::new();
        let asserts = entries
            .iter()
            .any(|entry| entry.template.asks_for(&template::Placeholder::Assertion));
        Self {
            entries,
            removed,
            initials,
            asserts,
            signs: false,
        }
    }

    /// The same, which removes headers of these names too: what a proxy in front of us says to us alone.
    #[must_use]
    pub fn removing<'n>(mut self, names: impl Iterator<Item = &'n HeaderName>) -> Self {
        for name in names.map(|name| fold::fold(name.as_str())) {
            self.initials |= fold::initial_bit(&name);
            self.removed.push(name);
        }
        self
    }

    /// Whether a header tells the assertion, which costs a signature.
    pub const fn asserts(&self) -> bool {
        self.asserts
    }

    /// The same, for a site whose requests are signed: nobody else's signature is left in them.
    #[must_use]
    pub fn signing(mut self) -> Self {
        self.signs = true;
        self.removing(signature::FIELDS.iter())
    }

    /// Whether requests to the app are signed.
    pub const fn signs(&self) -> bool {
        self.signs
    }

    /// What a signature of a request to the app covers, for a site that signs and a request that tells an assertion.
    /// What is known of nobody is not signed.
    pub fn signed<'s>(
        &'s self,
        headers: &HeaderMap,
    ) -> Option<impl Iterator<Item = &'s HeaderName> + 's> {
        let tells = |entry: &Entry| {
            let asks = entry.template.asks_for(&template::Placeholder::Assertion);
            asks && headers.contains_key(&entry.name)
        };
        let is_due = self.signs && self.entries.iter().any(tells);
        is_due.then(|| self.entries.iter().map(|entry| &entry.name))
    }

    /// Removes, in every spelling, all that only we may say: our headers, everything under `X-Session-` and
    /// `X-Cloakroom-`, and the forwarding headers of other gateways. True when there was one of the first two kinds:
    /// somebody tried to pass for somebody. (Forwarding headers come from honest proxies too.)
    pub fn strip(&self, headers: &mut HeaderMap) -> bool {
        let mut spoofed = false;
        fold::remove_where(headers, |name| match self.claim(name) {
            None => false,
            Some(claim) => {
                spoofed |= claim == Claim::Identity;
                true
            }
        });
        spoofed
    }

    /// Removes from trailers what [`Stamp::strip`] removes from headers, and what may not stand in trailers at all
    /// (RFC 9110 6.5.1). True as there.
    pub fn screen_trailers(&self, trailers: &mut HeaderMap) -> bool {
        let spoofed = self.strip(trailers);
        fold::remove_where(trailers, hop::is_unfit_for_trailers);
        spoofed
    }

    /// Whether only we may send a header of this name, in whatever spelling.
    pub fn is_ours(&self, name: &str) -> bool {
        self.claim(name).is_some()
    }

    /// Writes what is known. Call it after [`Stamp::strip`] and after hop-by-hop fields are gone.
    pub fn write(&self, headers: &mut HeaderMap, facts: &Facts<'_>) {
        for entry in &self.entries {
            if let Some(value) = entry.template.fill(facts) {
                headers.insert(entry.name.clone(), value);
            } else {
                headers.remove(&entry.name);
            }
        }
    }

    fn claim(&self, name: &str) -> Option<Claim> {
        fold::claim(name).or_else(|| {
            let may_be_listed = self.initials & fold::initial_bit(name) != 0;
            if !may_be_listed {
                return None;
            }
            let mut written = self.entries.iter().map(|entry| &entry.folded);
            let is = |folded: &String| fold::is_folded(name, folded);
            // A proxy that is not believed is told of elsewhere.
            if self.removed.iter().any(is) {
                Some(Claim::Forwarding)
            } else {
                written.any(is).then_some(Claim::Identity)
            }
        })
    }
}

impl Entry {
    fn parse(header: &str, template: &str, earlier: &[Self]) -> Result<Self, HeaderFault> {
        let folded = fold::fold(header);
        let name = HeaderName::from_bytes(header.as_bytes())
            .ok()
            .filter(|_| !folded.is_empty())
            .ok_or_else(|| HeaderFault::NotAName {
                header: header.to_owned(),
            })?;
        if RESERVED.holds(header) {
            return Err(HeaderFault::Reserved {
                header: header.to_owned(),
            });
        }
        if let Some(other) = earlier.iter().find(|entry| entry.folded == folded) {
            return Err(HeaderFault::SameName {
                header: header.to_owned(),
                other: other.name.to_string(),
            });
        }
        Ok(Self {
            name,
            folded,
            template: Template::parse(header, template)?,
        })
    }
}

#[cfg(test)]
mod tests;
