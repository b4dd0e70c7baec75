//! The visitor's side of a request, as the server hands it over: the same whichever HTTP the visitor speaks.
//!
//! ```text
//! body      what the visitor sends, up to the app
//! aside     what goes to the visitor before the answer, from the app or from us
//! upgrade   the visitor's side of a WebSocket, once the answer has opened it
//! ```
//! The server makes these, the gateway passes them on, and nothing here knows which of both protocols is spoken but the
//! two enums that hold hyper's types and h2's.

mod aside;
mod body;
mod upgrade;

pub use super::streamed::Streamed;
pub use aside::{Aside, Interim};
pub use body::{Broken, Incoming};
pub use upgrade::{NotOpened, Opened, Upgrade};
