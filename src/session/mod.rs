//! Floor 1: what a session is. Pure rules: no I/O, no clock of their own, nothing that waits.
//!
//! A *ticket* is what the browser holds, a *record* what the store holds, a *change* what one
//! request did. [`life::Session`] puts them together: it is the whole consistency contract (DESIGN
//! section 4) as one state machine that every store engine runs inside its own lock or transaction.

pub mod ticket;

pub mod record;

pub mod expiry;

pub mod change;

pub mod holders;

pub mod life;

pub use change::{Change, DataEdit, JarEdit, Turn};
pub use expiry::{Expiry, Terms};
pub use holders::Holder;
pub use life::{Closed, Commit, Committed, Effects, Opening, Outcome, Session, Standing, State};
pub use record::{Record, User};
pub use ticket::{KeyRing, Reading, Root, SessionId, SessionIds, Ticket, TicketKey};
