//! What a provider gave, sealed with the key ring before it goes into a session: a store that is stolen gives nobody a
//! token. They go to no app and to no browser.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::base::clock::Time;
use crate::base::secret::Secret;
use crate::cookie::seal::{Context, Form, ValueKeys};
use crate::session::{Grant, User};

/// A token that is longer is not kept, so that a session stays small.
const TOKEN_BYTES_MAX: usize = 4096;
/// So long before it must be, fresh tokens are asked for.
const LEAD: Duration = Duration::from_secs(30);

/// The tokens that are kept.
#[derive(Default)]
pub(super) struct Kept {
    /// Asks for fresh ones.
    pub refresh_token: Option<Secret<String>>,
    /// Says at a logout whose it is.
    pub id_token: Option<Secret<String>>,
}

#[derive(Serialize)]
struct Writing<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<&'a str>,
}

#[derive(Deserialize)]
struct Reading {
    #[serde(default)]
    refresh_token: Option<Secret<String>>,
    #[serde(default)]
    id_token: Option<Secret<String>>,
}

impl Kept {
    /// What goes into the session of `user`. Fresh tokens are due some time before `expires`.
    pub(super) fn grant(
        &self,
        keys: &ValueKeys,
        user: &User,
        sid: Option<&str>,
        (expires, now): (Option<Time>, Time),
    ) -> Grant {
        let text = Writing {
            refresh_token: fitting(self.refresh_token.as_ref()),
            id_token: fitting(self.id_token.as_ref()),
        };
        if text.refresh_token.is_none() && self.refresh_token.is_some() {
            tracing::warn!(
                site = %user.site,
                "the provider's refresh token has more than {TOKEN_BYTES_MAX} bytes and is not kept"
            );
        }
        let due = expires.filter(|_| text.refresh_token.is_some());
        let json = Zeroizing::new(serde_json::to_vec(&text).unwrap_or_default());
        let key = user.key();
        let sealed = keys.close(&json, &context(&user.site, &key.0), None, now);
        Grant {
            sealed: String::from_utf8(sealed).unwrap_or_default().into(),
            sid: sid.map(Box::from),
            due: due.map(|expires| {
                let lead = LEAD.min(expires.since(now) / 4);
                let lead = u64::try_from(lead.as_millis()).unwrap_or_default();
                Time::from_millis(expires.as_millis().saturating_sub(lead))
            }),
        }
    }

    /// What is in `grant`; nothing if no key of ours opens it any more.
    pub(super) fn open(grant: &Grant, keys: &ValueKeys, user: &User, now: Time) -> Self {
        let key = user.key();
        let opened = keys.open(grant.sealed.as_bytes(), &context(&user.site, &key.0), now);
        let text = opened.ok().and_then(|opened| {
            let json = Zeroizing::new(opened.value);
            serde_json::from_slice::<Reading>(&json).ok()
        });
        text.map_or_else(Self::default, |text| Self {
            refresh_token: text.refresh_token,
            id_token: text.id_token,
        })
    }
}

fn fitting(token: Option<&Secret<String>>) -> Option<&str> {
    let token = token?.expose().as_str();
    (token.len() <= TOKEN_BYTES_MAX).then_some(token)
}

const fn context<'a>(site: &'a str, user: &'a [u8; 32]) -> Context<'a> {
    Context {
        form: Form::Sealed,
        site,
        // No cookie has this name.
        name: b"provider tokens",
        bond: Some(user),
        max_age: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_secs(1_800_000_000);

    fn keys(byte: u8) -> ValueKeys {
        let secret = Secret::new([byte; 32]);
        ValueKeys::new([(&secret, Time::from_secs(1))], Duration::ZERO).unwrap()
    }

    fn kept() -> Kept {
        let secret = |text: &str| Some(Secret::new(text.to_owned()));
        Kept {
            refresh_token: secret("refresh-me"),
            id_token: secret("id"),
        }
    }

    #[test]
    fn tokens_open_for_their_user_with_our_keys_alone() {
        let [alice, bob] = ["alice", "bob"].map(|id| User::new(id.to_owned(), "shop", NOW));
        let expires = Some(NOW.plus(Duration::from_secs(3600)));
        let grant = kept().grant(&keys(1), &alice, Some("sid"), (expires, NOW));
        assert_eq!(grant.due, Some(NOW.plus(Duration::from_secs(3570))));
        let json = serde_json::to_string(&grant).unwrap();
        assert!(
            !json.contains("refresh-me") && json.contains("\"sid\":\"sid\""),
            "{json}"
        );
        let token = |key: u8, user: &User| {
            let kept = Kept::open(&grant, &keys(key), user, NOW);
            kept.refresh_token.map(|token| token.expose().clone())
        };
        assert_eq!(token(1, &alice).as_deref(), Some("refresh-me"));
        assert_eq!(token(2, &alice), None);
        assert_eq!(token(1, &bob), None);
    }

    #[test]
    fn short_lives_are_not_over_before_they_begin_and_without_a_token_nothing_is_due() {
        let alice = User::new("alice".to_owned(), "shop", NOW);
        let due = |kept: &Kept, secs: u64| {
            let expires = Some(NOW.plus(Duration::from_secs(secs)));
            kept.grant(&keys(1), &alice, None, (expires, NOW)).due
        };
        assert_eq!(due(&kept(), 8), Some(NOW.plus(Duration::from_secs(6))));
        assert_eq!(due(&Kept::default(), 8), None);
        let long = Kept {
            refresh_token: Some(Secret::new("x".repeat(TOKEN_BYTES_MAX + 1))),
            id_token: None,
        };
        assert_eq!(due(&long, 8), None);
    }
}
