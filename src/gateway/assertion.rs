//! `{assertion}`: who the user is, signed, so that an app can prove for itself that a request came through us.
//!
//! A signature costs as much as many requests, so the requests of one session bring the same assertion for some seconds.
//! Nobody's is signed: a visitor without a user is none of the app's to prove, and a flood of them would cost us.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use data_encoding::BASE64URL_NOPAD;
use serde::Serialize;

use super::site::Site;
use crate::base::clock::Time;
use crate::base::meter::{Count, Meter};
use crate::base::secret::random_bytes;
use crate::session::{AssertionKey, KeyRing, SessionId, User};

/// How long an assertion is good for.
pub const LIFE_SECS: u64 = 60;
/// How long it is sent again. What is left of its life then is for clocks that go wrong and apps that are slow.
const REUSE_SECS: u64 = 10;
/// The longest that is sent. Apps take headers of 8 KiB as a rule, all of them together.
const BYTES_MAX: usize = 6 * 1024;
/// How many are remembered. What falls into the slot of another takes its place.
const SLOTS: usize = 1024;

/// The assertions of the last seconds. Its room is made when the first is asked for.
#[derive(Default)]
pub struct Assertions {
    /// Each lock is held for a comparison and a copy; the cores seldom meet at one.
    slots: OnceLock<Box<[Slot]>>,
    hasher: RandomState,
}

type Slot = Mutex<Option<Signed>>;

struct Signed {
    /// All that it says but for times and its own name: whoever says the same may have it.
    facts: Box<str>,
    made: Time,
    /// The name of the key that signed it.
    key: Box<str>,
    jwt: Arc<str>,
}

/// What an assertion says that does not change from one to the next. The members' names are those of RFC 7519, and of
/// OpenID Connect where that has them.
#[derive(Serialize)]
struct Facts<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<&'a str>,
    /// Who vouched for `sub`; an app knows a user by both.
    #[serde(skip_serializing_if = "Option::is_none")]
    sub_iss: Option<&'a str>,
    auth_time: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    groups: &'a [String],
}

impl Assertions {
    /// The assertion of `user`; `None` if it cannot be signed, which is logged.
    pub(super) fn of(
        &self,
        site: &Site,
        user: &User,
        session: Option<&SessionId>,
        (ring, now, meter): (&KeyRing, Time, &Meter),
    ) -> Option<Arc<str>> {
        let facts = Facts {
            iss: &site.assertion_issuer,
            aud: &site.name,
            sub: &user.id,
            sid: session.map(SessionId::as_str),
            sub_iss: user.issuer.as_deref(),
            auth_time: user.auth_time.as_secs(),
            name: user.name.as_deref(),
            email: user.email.as_deref(),
            groups: &user.groups,
        };
        // Texts alone always have a JSON form.
        let facts = serde_json::to_string(&facts).ok()?;
        let slots = self
            .slots
            .get_or_init(|| (0..SLOTS).map(|_| Mutex::default()).collect());
        let at = self.hasher.hash_one(&facts) % SLOTS as u64;
        let slot = slots.get(usize::try_from(at).unwrap_or_default())?;
        let key = ring.assertion_key(now);
        let known = slot.lock().unwrap_or_else(PoisonError::into_inner);
        // What a key has signed is sent no more once another one signs: it may have been dropped because somebody has it.
        let is_good = |signed: &&Signed| {
            let is_ours = key.is_some_and(|key| *key.id() == *signed.key);
            is_ours && *signed.facts == *facts && signed.is_fresh(now)
        };
        if let Some(signed) = known.as_ref().filter(is_good) {
            return Some(Arc::clone(&signed.jwt));
        }
        drop(known);
        let signed = key.and_then(|key| Some((key.id(), sign(key, &facts, now)?)));
        let Some((key, jwt)) = signed.filter(|(_, jwt)| jwt.len() <= BYTES_MAX) else {
            meter.count(Count::AssertionsFailed);
            let site = &*site.name;
            tracing::warn!(
                site,
                "an assertion was left out: it is longer than 6 KiB, or could not be signed"
            );
            return None;
        };
        meter.count(Count::AssertionsSigned);
        let jwt: Arc<str> = jwt.into();
        let signed = Signed {
            facts: facts.into(),
            made: now,
            key: key.into(),
            jwt: Arc::clone(&jwt),
        };
        *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(signed);
        Some(jwt)
    }
}

impl Signed {
    /// A clock that went back makes none fresh.
    fn is_fresh(&self, now: Time) -> bool {
        let made = self.made.as_secs();
        (made..made + REUSE_SECS).contains(&now.as_secs())
    }
}

/// The JWT of `facts`, which are a JSON object with something in it.
fn sign(key: &AssertionKey, facts: &str, now: Time) -> Option<String> {
    let iat = now.as_secs();
    let exp = iat + LIFE_SECS;
    let jti = BASE64URL_NOPAD.encode(&random_bytes::<16>());
    let rest = facts.strip_prefix('{')?;
    key.sign(&format!(
        r#"{{"iat":{iat},"exp":{exp},"jti":"{jti}",{rest}"#
    ))
}
