//! The state of a login at a provider, as it travels with the visitor: sealed, so that no store has to remember logins
//! that may never end, and whoever begins thousands of them costs nothing.

use std::fmt;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;

use super::seal::{Context, Form, Unopened, ValueKeys};
use crate::base::clock::Time;
use crate::base::framed;
use crate::base::secret::{Secret, random_bytes};

/// The longest way on that fits, in bytes: a state stays below a kilobyte or so, and so does what is made of it.
pub const RETURN_BYTES_MAX: usize = 600;

const SEED_BYTES: usize = 32;
const HEAD_BYTES: usize = SEED_BYTES + 32 + 4;
/// Stands for no `max_age`.
const NO_AGE: u32 = u32::MAX;
/// What we make is not longer than this.
const TEXT_BYTES_MAX: usize = 1200;
/// Stands for the session that it is bound to: there may be none.
const BOND: &[u8; 32] = b"cloakroom a login at a provider.";

/// What is known of a login that is under way.
#[derive(Clone, PartialEq, Eq)]
pub struct LoginState {
    /// Of which the rest is made that nobody may guess.
    seed: Secret<[u8; SEED_BYTES]>,
    /// What ties it to a browser.
    pub browser: [u8; 32],
    /// How long ago the user may have proved who they are.
    pub max_age: Option<Duration>,
    /// Where the visitor goes on.
    pub return_to: String,
}

impl LoginState {
    /// Of a login that begins.
    pub fn begin(browser: [u8; 32], max_age: Option<Duration>, return_to: String) -> Self {
        Self {
            seed: Secret::new(random_bytes()),
            browser,
            max_age,
            return_to,
        }
    }

    /// Its name: it counts once.
    pub fn id(&self) -> [u8; 32] {
        self.derive(b"id")
    }

    /// What the provider puts into the ID token of this login.
    pub fn nonce(&self) -> String {
        BASE64URL_NOPAD.encode(&self.derive(b"nonce")[..16])
    }

    /// The PKCE verifier.
    pub fn verifier(&self) -> String {
        BASE64URL_NOPAD.encode(&self.derive(b"verifier"))
    }

    fn derive(&self, what: &[u8]) -> [u8; 32] {
        framed::hash(&[b"cloakroom login state v1", what, self.seed.expose()])
    }

    /// As it travels; it opens at `site` alone, and not from `until` on.
    pub fn seal(&self, keys: &ValueKeys, site: &str, until: Time, now: Time) -> String {
        let age = self.max_age.map_or(NO_AGE, |age| {
            u32::try_from(age.as_secs()).unwrap_or(NO_AGE - 1)
        });
        let parts: [&[u8]; 4] = [
            self.seed.expose(),
            &self.browser,
            &age.to_be_bytes(),
            self.return_to.as_bytes(),
        ];
        let sealed = keys.close(&parts.concat(), &context(site), Some(until), now);
        // It is base64.
        String::from_utf8(sealed).unwrap_or_default()
    }

    /// What came back with the visitor.
    ///
    /// # Errors
    /// Why it is none of ours, or no longer.
    pub fn open(text: &str, keys: &ValueKeys, site: &str, now: Time) -> Result<Self, Unopened> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(Unopened::NotOurs);
        }
        let opened = keys.open(text.as_bytes(), &context(site), now)?;
        Self::read(&opened.value).ok_or(Unopened::NotOurs)
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (head, return_to) = bytes.split_at_checked(HEAD_BYTES)?;
        let (seed, rest) = head.split_first_chunk()?;
        let (browser, age) = rest.split_first_chunk()?;
        let age = u32::from_be_bytes(age.try_into().ok()?);
        Some(Self {
            seed: Secret::new(*seed),
            browser: *browser,
            max_age: (age != NO_AGE).then(|| Duration::from_secs(age.into())),
            return_to: std::str::from_utf8(return_to).ok()?.to_owned(),
        })
    }
}

const fn context(site: &str) -> Context<'_> {
    Context {
        form: Form::Sealed,
        site,
        // No cookie has this name.
        name: b"login state",
        bond: Some(BOND),
        max_age: None,
    }
}

impl fmt::Debug for LoginState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginState")
            .field("max_age", &self.max_age)
            .field("return_to", &self.return_to)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_secs(1_800_000_000);
    const UNTIL: Time = Time::from_secs(1_800_000_600);

    fn keys(byte: u8) -> ValueKeys {
        let secret = Secret::new([byte; 32]);
        ValueKeys::new([(&secret, Time::from_secs(1))], Duration::ZERO).unwrap()
    }

    #[test]
    fn it_comes_back_as_it_went_and_fits_an_address() {
        let keys = keys(1);
        for max_age in [None, Some(Duration::ZERO), Some(Duration::from_secs(900))] {
            let state = LoginState::begin([7; 32], max_age, "/x?a=1".to_owned());
            let text = state.seal(&keys, "shop", UNTIL, NOW);
            let back = LoginState::open(&text, &keys, "shop", NOW).unwrap();
            assert_eq!(back, state);
            assert_eq!(
                (back.nonce(), back.verifier()),
                (state.nonce(), state.verifier())
            );
            assert_eq!(back.verifier().len(), 43);
        }
        let longest = format!("/{}", "x".repeat(RETURN_BYTES_MAX - 1));
        let state = LoginState::begin([7; 32], None, longest);
        let text = state.seal(&keys, "shop", UNTIL, NOW);
        assert!(text.len() <= TEXT_BYTES_MAX, "{}", text.len());
        assert!(LoginState::open(&text, &keys, "shop", NOW).is_ok());
    }

    #[test]
    fn nobody_makes_one_up_or_takes_it_elsewhere() {
        let state = LoginState::begin([7; 32], None, "/".to_owned());
        let text = state.seal(&keys(1), "shop", UNTIL, NOW);
        let open = |text: &str, key, site, now| LoginState::open(text, &keys(key), site, now);
        assert_eq!(open(&text, 1, "blog", NOW), Err(Unopened::Altered));
        assert_eq!(open(&text, 2, "shop", NOW), Err(Unopened::UnknownKey));
        assert_eq!(open(&text, 1, "shop", UNTIL), Err(Unopened::Expired));
        assert_eq!(open("", 1, "shop", NOW), Err(Unopened::NotOurs));
        assert_eq!(
            open(&"A".repeat(1 << 16), 1, "shop", NOW),
            Err(Unopened::NotOurs)
        );
        for at in 0..text.len() {
            let mut forged = text.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).unwrap();
            assert!(open(&forged, 1, "shop", NOW).is_err(), "{at}");
        }
    }

    #[test]
    fn what_is_told_of_it_gives_nothing_away() {
        let state = LoginState::begin([7; 32], None, "/".to_owned());
        assert_ne!(state.nonce(), state.verifier()[..22]);
        assert!(!format!("{state:?}").contains(&state.verifier()));
    }
}
