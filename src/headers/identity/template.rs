//! One template of `[site.headers]`: text with placeholders.

use std::borrow::Cow;

use http::HeaderValue;
use serde_json::Value;

use super::value::{self, Draft};
use super::{Facts, HeaderFault, UserFacts};
use crate::base::clock::Time;

/// What may stand between braces, for messages.
pub(super) const KNOWN: &str = "{session.id} {session.created} {session.auth_time} {session.new} {session.data} \
     {session.data.KEY} {user.id} {user.issuer} {user.name} {user.email} {user.groups} {user.claims.NAME} {client.ip} {assertion}";

/// A compiled template; never empty.
#[derive(Clone, Debug)]
pub(super) struct Template(Vec<Part>);

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Fact(Placeholder),
}

/// A fact that a template asks for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Placeholder {
    SessionId,
    SessionCreated,
    SessionAuthTime,
    SessionNew,
    SessionData,
    SessionDataKey(String),
    UserId,
    UserIssuer,
    UserName,
    UserEmail,
    UserGroups,
    UserClaim(String),
    /// What the user is called at the login. Presets alone ask for it.
    PreferredUsername,
    ClientIp,
    Assertion,
}

impl Template {
    /// A template of one placeholder.
    pub(super) fn only(placeholder: Placeholder) -> Self {
        Self(vec![Part::Fact(placeholder)])
    }

    /// Compiles the template of the header called `header`.
    pub(super) fn parse(header: &str, text: &str) -> Result<Self, HeaderFault> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            let Some((inside, after)) = after.split_once('}') else {
                return Err(HeaderFault::Unclosed {
                    header: header.to_owned(),
                });
            };
            parts.push(Part::Fact(Placeholder::parse(header, inside)?));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        if parts.is_empty() {
            return Err(HeaderFault::Empty {
                header: header.to_owned(),
            });
        }
        Ok(Self(parts))
    }

    /// Whether `placeholder` stands in it.
    pub(super) fn asks_for(&self, placeholder: &Placeholder) -> bool {
        let asks = |part: &Part| matches!(part, Part::Fact(asked) if asked == placeholder);
        self.0.iter().any(asks)
    }

    /// The header's value; `None` when a fact is missing or the value is empty. It is marked sensitive: it is
    /// printed nowhere and no compression table remembers it.
    pub(super) fn fill(&self, facts: &Facts<'_>) -> Option<HeaderValue> {
        let mut value = match self.0.as_slice() {
            // The usual case: one fact, plain, copied once.
            [Part::Fact(placeholder)] if *placeholder != Placeholder::UserGroups => {
                value::header_value(&placeholder.text(facts)?)?
            }
            parts => {
                let mut draft = Draft::default();
                for part in parts {
                    match part {
                        Part::Text(text) => draft.push(text),
                        Part::Fact(Placeholder::UserGroups) => {
                            draft.push_list(facts.user?.groups)?
                        }
                        Part::Fact(placeholder) => draft.push(&placeholder.text(facts)?),
                    }
                }
                draft.into_header_value()?
            }
        };
        value.set_sensitive(true);
        Some(value)
    }
}

impl Placeholder {
    fn parse(header: &str, inside: &str) -> Result<Self, HeaderFault> {
        Ok(match inside {
            "session.id" => Self::SessionId,
            "session.created" => Self::SessionCreated,
            "session.auth_time" => Self::SessionAuthTime,
            "session.new" => Self::SessionNew,
            "session.data" => Self::SessionData,
            "user.id" => Self::UserId,
            "user.issuer" => Self::UserIssuer,
            "user.name" => Self::UserName,
            "user.email" => Self::UserEmail,
            "user.groups" => Self::UserGroups,
            "client.ip" => Self::ClientIp,
            "assertion" => Self::Assertion,
            _ => {
                let key = |prefix| {
                    let key: &str = inside.strip_prefix(prefix)?;
                    (!key.is_empty()).then(|| key.to_owned())
                };
                key("session.data.")
                    .map(Self::SessionDataKey)
                    .or_else(|| key("user.claims.").map(Self::UserClaim))
                    .ok_or_else(|| HeaderFault::UnknownPlaceholder {
                        header: header.to_owned(),
                        placeholder: inside.to_owned(),
                    })?
            }
        })
    }

    /// The fact as text. An empty text is no fact. Groups are not asked for here, they are a list.
    fn text<'a>(&self, facts: &Facts<'a>) -> Option<Cow<'a, str>> {
        let user = facts.user.as_ref();
        let text = match self {
            Self::SessionId => Cow::Borrowed(facts.session_id?),
            Self::SessionCreated => unix_secs(facts.created?),
            Self::SessionAuthTime => unix_secs(facts.auth_time?),
            Self::SessionNew => Cow::Borrowed(if facts.is_new { "?1" } else { "?0" }),
            Self::SessionData => Cow::Owned(value::json(facts.data?)),
            Self::SessionDataKey(key) => member(facts.data?.get(key)?)?,
            Self::UserId => Cow::Borrowed(user?.id),
            Self::UserIssuer => Cow::Borrowed(user?.issuer?),
            Self::UserName => Cow::Borrowed(user?.name?),
            Self::UserEmail => Cow::Borrowed(user?.email?),
            Self::UserGroups => return None,
            Self::UserClaim(name) => member(user?.claims?.get(name)?)?,
            Self::PreferredUsername => preferred_username(user?)?,
            Self::Assertion => Cow::Borrowed(facts.assertion?),
            Self::ClientIp => Cow::Owned(facts.client_ip.to_string()),
        };
        (!text.is_empty()).then_some(text)
    }
}

/// As OpenID Connect has it. Where no issuer made the id up, people typed it: then it is the name itself.
fn preferred_username<'a>(user: &UserFacts<'a>) -> Option<Cow<'a, str>> {
    let claimed = user
        .claims
        .and_then(|claims| claims.get("preferred_username"));
    match claimed.and_then(member) {
        Some(name) => Some(name),
        None if user.issuer.is_none() => Some(Cow::Borrowed(user.id)),
        None => None,
    }
}

/// A string as it is, anything else as JSON; null is no value.
fn member(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(Cow::Borrowed(text)),
        other => Some(Cow::Owned(value::json(other))),
    }
}

fn unix_secs(time: Time) -> Cow<'static, str> {
    Cow::Owned(time.as_secs().to_string())
}
