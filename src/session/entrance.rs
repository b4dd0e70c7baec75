//! How a user came into their session: what people tell their sessions apart by, and whether this one waits until they
//! have said which of the others ends. Apps are told none of it.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::expiry::Expiry;
use super::record::Record;

/// How long a session waits for its user to pick, in seconds: time to look at a list, and no more.
const WAIT_SECS: u32 = 300;

/// The longest name of a device, in bytes.
const DEVICE_BYTES_MAX: usize = 80;

/// What a login notes of itself. Some fifty bytes and never more than 120.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entrance {
    /// What the device may be called, such as `Firefox on Linux`: our words, nothing that the visitor wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<Box<str>>,
    /// From where the login came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// There: the session waits for its user to pick.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    waits: Option<Waits>,
}

/// A session that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Waits {
    /// The expiry that it has when it waits no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    then: Option<Expiry>,
}

impl Entrance {
    /// A login from `address` with a device that may be called `device`.
    pub fn of(device: Option<String>, address: IpAddr) -> Self {
        let device = device.filter(|device| device.len() <= DEVICE_BYTES_MAX);
        Self {
            device: device.map(Into::into),
            address: Some(address),
            waits: None,
        }
    }

    /// The same for a session that waits for its user to pick.
    #[must_use]
    pub fn waiting(self) -> Self {
        Self {
            waits: Some(Waits { then: None }),
            ..self
        }
    }

    /// What it weighs in its session.
    pub(super) fn weight_bytes(&self) -> usize {
        let device = self.device.as_ref().map_or(0, |device| device.len());
        device + 40
    }
}

impl Record {
    /// Whether the session waits for its user to say which other one ends, and shows no app its user before.
    pub fn waits(&self) -> bool {
        self.entrance()
            .is_some_and(|entrance| entrance.waits.is_some())
    }

    /// Has the user's session begin with `entrance`. One that waits ends by itself before long.
    pub(super) fn enter(&mut self, entrance: Option<&Entrance>) {
        let Some(user) = &mut self.user else {
            return;
        };
        let mut entrance = entrance.cloned().map(Box::new);
        if let Some(waits) = entrance.as_mut().and_then(|one| one.waits.as_mut()) {
            waits.then = self.expiry.replace(Expiry::IdleSecs(WAIT_SECS));
        }
        user.entrance = entrance;
    }

    /// The user has picked; the session goes on as any other.
    pub(super) fn wait_no_more(&mut self) {
        let entrance = self.user.as_mut().and_then(|user| user.entrance.as_mut());
        if let Some(waits) = entrance.and_then(|entrance| entrance.waits.take()) {
            self.expiry = waits.then;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Time;
    use crate::session::{Root, User};

    fn record() -> Record {
        let now = Time::from_secs(1_000);
        let mut record = Record::empty(Root([1; 32]), now, now);
        record.expiry = Some(Expiry::AtBrowserClose);
        record.user = Some(Box::new(User::new("alice".to_owned(), "shop", now)));
        record
    }

    #[test]
    fn a_session_that_waits_is_short_lived_until_its_user_has_picked() {
        let address = "2001:db8::1".parse().unwrap();
        let entrance = Entrance::of(Some("Firefox on Linux".into()), address);
        let mut record = record();
        record.enter(Some(&entrance.clone().waiting()));
        assert!(record.waits());
        assert_eq!(record.expiry, Some(Expiry::IdleSecs(WAIT_SECS)));
        let text = serde_json::to_string(&record).unwrap();
        let mut record: Record = serde_json::from_str(&text).unwrap();
        assert!(record.waits());

        record.wait_no_more();

        assert!(!record.waits());
        assert_eq!(record.expiry, Some(Expiry::AtBrowserClose));
        assert_eq!(record.entrance(), Some(&entrance));
        record.wait_no_more();
        assert_eq!(record.expiry, Some(Expiry::AtBrowserClose));
    }

    #[test]
    fn what_is_noted_is_short() {
        let address = "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff".parse().unwrap();
        let longest = Entrance::of(Some("x".repeat(DEVICE_BYTES_MAX)), address);
        assert!(longest.weight_bytes() <= 120);
        assert_eq!(Entrance::of(Some("x".repeat(81)), address).device, None);
        let mut with = record();
        let before = with.weight_bytes();
        with.enter(Some(&longest));
        assert_eq!(with.weight_bytes(), before + 120);
    }

    #[test]
    fn a_record_of_before_has_none() {
        let text = serde_json::to_string(&record()).unwrap();
        assert!(!text.contains("entrance"), "{text}");
        let read: Record = serde_json::from_str(&text).unwrap();
        assert!(!read.waits() && read.entrance().is_none());
    }
}
