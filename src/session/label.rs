//! What stands in the open on a ticket, for an operator who asks what a value is. Nothing is opened by it.

use data_encoding::BASE64URL_NOPAD;
use zeroize::Zeroizing;

use super::ring::{self, TICKET_CHARS};
use super::sealed;
use super::ticket::{KEY_ID_BYTES, KeyId};
use crate::base::clock::Time;

/// What stands in the open on a ticket. Anybody can have written it: only [`super::KeyRing::read`] tells whether it is
/// true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TicketLabel {
    /// Its session is in the store, if anywhere.
    Plain {
        /// Which key signed it.
        key: KeyId,
        /// When it was issued.
        issued: Time,
        /// Whether the store must know it.
        stored: bool,
    },
    /// It carries its session, and when it was issued is sealed as well.
    Carrying {
        /// Which key sealed it.
        key: KeyId,
    },
}

impl TicketLabel {
    /// The label of `value`; `None` for one that has not the form of a ticket.
    pub fn read(value: &[u8]) -> Option<Self> {
        let is_plain = value.len() == TICKET_CHARS;
        if !is_plain && !sealed::CHARS.contains(&value.len()) {
            return None;
        }
        let bytes = BASE64URL_NOPAD.decode(value).map(Zeroizing::new).ok()?;
        let (version, rest) = bytes.split_first()?;
        let (key, rest) = rest.split_first_chunk::<KEY_ID_BYTES>()?;
        let key = KeyId(*key);
        match *version {
            ring::VERSION if is_plain => {
                let (issued, rest) = rest.split_first_chunk()?;
                let issued = Time::from_millis(u64::from_be_bytes(*issued));
                let stored = *rest.first()? != 0;
                Some(Self::Plain {
                    key,
                    issued,
                    stored,
                })
            }
            sealed::VERSION if !is_plain => Some(Self::Carrying { key }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::base::secret::Secret;
    use crate::session::{Carried, KeyRing, Place, Record, RingKey, Ticket};

    #[test]
    fn a_label_says_what_a_ticket_is_and_other_values_have_none() {
        let now = Time::from_secs(1_000_000);
        let key = RingKey {
            secret: Secret::new([1; 32]),
            created: now,
        };
        let ring = KeyRing::new(std::slice::from_ref(&key), Duration::ZERO).unwrap();
        let ring = ring.opening_sealed();
        let key = key.id();
        let label = |ticket: &Ticket| {
            let text = ring.encode(ticket, &Place::at("sid", "localhost"), now);
            TicketLabel::read(text.as_bytes())
        };

        let ticket = Ticket::mint(now);
        for (ticket, stored) in [(ticket.clone(), false), (ticket.marked_stored(), true)] {
            let issued = now;
            let plain = TicketLabel::Plain {
                key,
                issued,
                stored,
            };
            assert_eq!(label(&ticket), Some(plain));
        }
        let record = Record::empty(ticket.root(), now, now);
        let carried = Carried::new(Arc::new(record), now).unwrap();
        let carrying = ticket.carrying(carried);
        assert_eq!(label(&carrying), Some(TicketLabel::Carrying { key }));

        let text = ring.encode(&ticket, &Place::at("sid", "localhost"), now);
        for other in ["", "dark", &text[1..], &"x".repeat(TICKET_CHARS)] {
            assert_eq!(TicketLabel::read(other.as_bytes()), None, "{other}");
        }
    }
}
