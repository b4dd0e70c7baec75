//! Floor 1: what a session is. Pure rules: no I/O, no clock of their own, nothing that waits.
//!
//! A *ticket* is what the browser holds, a *record* what the store holds, a *change* what one
//! request did. [`life::Session`] puts them together: it is the whole consistency contract (DESIGN
//! section 4) as one state machine that every store engine runs inside its own lock or transaction.

pub mod ticket;

mod recent;

pub mod ring;

pub mod sealed;

mod assertion;

mod label;

mod home;

mod entrance;

mod grant;

pub mod record;

mod root_text;

pub mod expiry;

pub mod change;

pub mod holders;

pub mod opening;

pub mod commit;

pub mod life;

mod census;

pub mod stored;

pub use assertion::AssertionKey;
pub use change::{Change, DataEdit, JarEdit, Turn};
pub use commit::{Commit, Committed, Effects, Outcome};
pub use entrance::Entrance;
pub use expiry::{Expiry, Terms};
pub use grant::{Grant, GrantEdit};
pub use holders::{Holder, Holders};
pub use home::Home;
pub use label::TicketLabel;
pub use life::{Session, State};
pub use opening::{Closed, Opening, Standing, Upkeep};
pub use record::{Record, User, UserKey};
pub use ring::{KeyRing, KeyUse, Reading, RingKey};
pub use sealed::{Carried, Place, Scope};
pub use ticket::{FAMILIES, KeyId, Root, SessionId, SessionIds, Ticket, TicketKey};
