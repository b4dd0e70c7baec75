//! What a server must be able to do so that sessions can live on it.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::base::clock::Time;
use crate::session::{Session, TicketKey, UserKey};
use crate::store::{Cursor, Node, Note, NoteKey, Page, Pour, StoreFault};

/// One kind of server. It moves rows and decides nothing.
///
/// A row is a session (its identity is [`Record::root`](crate::session::Record::root)) with the tickets that lead to
/// it. All calls run on one runtime of the store's own, so a driver may start tasks there.
///
/// # Laws
/// - [`Driver::find`] and [`Driver::write`] cost one round trip each. A connection that breaks is replaced, and the call
///   is made once more if that cannot do it twice: a write that may have arrived is recognised by its revision.
/// - [`Driver::write`] is atomic over all its rows. They are of one [family](TicketKey::family), but for sessions that
///   another store made before tickets had one.
/// - A time that a driver hands to the server's own expiry is a duration from `now`: the clocks need not agree.
pub trait Driver: Send + Sync + 'static {
    /// The row that the ticket with this key leads to. `now` becomes the server's birth if it has forgotten everything.
    fn find(
        &self,
        key: &TicketKey,
        now: Time,
    ) -> impl Future<Output = Result<Found, StoreFault>> + Send;

    /// Which writing the rows of these tickets are of now, in the order of `keys`. It is asked a few times a second, for
    /// all streams that are open; a server can tell it without sending the rows.
    fn glance(
        &self,
        keys: &[TicketKey],
        now: Time,
    ) -> impl Future<Output = Result<Vec<Option<Revision>>, StoreFault>> + Send {
        async move {
            let mut revisions = Vec::with_capacity(keys.len());
            for key in keys {
                let found = self.find(key, now).await?;
                revisions.push(found.row.map(|row| row.revision));
            }
            Ok(revisions)
        }
    }

    /// Writes all rows of `writing`, or nothing.
    fn write(&self, writing: &Writing) -> impl Future<Output = Result<Written, StoreFault>> + Send;

    /// The sessions that the index knows for a user; some may be over, or hold that user no longer.
    fn of_user(
        &self,
        user: &UserKey,
        now: Time,
    ) -> impl Future<Output = Result<Vec<Session>, StoreFault>> + Send;

    /// See [`Catalogue::page`](crate::store::Catalogue::page).
    fn page(
        &self,
        after: Option<&Cursor>,
        at_most: usize,
    ) -> impl Future<Output = Result<Page, StoreFault>> + Send;

    /// Removes up to `at_most` rows that are over, where the server does not do so by itself; tells how many.
    fn sweep(
        &self,
        now: Time,
        at_most: usize,
    ) -> impl Future<Output = Result<usize, StoreFault>> + Send;

    /// See [`Catalogue::announce`](crate::store::Catalogue::announce).
    fn announce(
        &self,
        node: &Node,
        now: Time,
    ) -> impl Future<Output = Result<Vec<Node>, StoreFault>> + Send;

    /// See [`Notes::get`](crate::store::Notes::get).
    fn note(
        &self,
        key: NoteKey,
        now: Time,
    ) -> impl Future<Output = Result<Option<Vec<u8>>, StoreFault>> + Send;

    /// See [`Notes::swap`](crate::store::Notes::swap). One that puts a note is done once, however often it is sent; one that
    /// removes a note and is sent twice may answer that it was not done.
    fn swap_note(&self, swap: &NoteSwap) -> impl Future<Output = Result<bool, StoreFault>> + Send;

    /// See [`Notes::pour`](crate::store::Notes::pour). It is done once, unless somebody else pours between two sendings.
    fn pour(
        &self,
        pouring: &Pouring,
    ) -> impl Future<Output = Result<Option<Duration>, StoreFault>> + Send;

    /// Tells `listener` what is written, by whomever, for as long as it runs. It mends its own channel, and calls
    /// [`Listener::lost`] whenever something may have been missed.
    fn watch(&self, listener: Arc<dyn Listener>) -> impl Future<Output = Infallible> + Send;
}

/// What a driver's watch tells.
pub trait Listener: Send + Sync {
    /// What these tickets lead to has changed. What this very driver wrote need not be told, and better is not: it is
    /// known here already.
    fn changed(&self, keys: &[TicketKey]);

    /// Anything may have changed: the channel is new, or was gone for a while.
    fn lost(&self);

    /// The time to be given to [`Listener::vouch`], to be taken before the server is asked for a sign of life.
    fn moment_millis(&self) -> u64;

    /// Everything that was written before this moment has been told: the server answered on the channel itself. To be
    /// called about every 200 ms; what is known here counts for 500 ms after the moment.
    fn vouch(&self, moment_millis: u64);
}

/// What a server knows of a ticket.
#[derive(Clone, Debug)]
pub struct Found {
    /// Since when the server remembers. A server that was emptied begins anew.
    pub born: Time,
    /// The row, if there is one.
    pub row: Option<Row>,
}

/// A session as a server holds it.
#[derive(Clone, Debug)]
pub struct Row {
    /// Which writing it is of.
    pub revision: Revision,
    /// The session.
    pub session: Arc<Session>,
}

/// Names one writing of a row: drawn at random by the writer, so that it recognises its own after a broken connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revision(pub u64);

/// Rows to be written together.
#[derive(Clone, Debug)]
pub struct Writing {
    /// When.
    pub now: Time,
    /// When the ticket was issued that opens the first row by itself, if that row is to be made: a server that was born
    /// later than that answers [`Written::Lost`], unless the ticket was issued at `now`.
    pub issued: Option<Time>,
    /// The rows; never empty.
    pub rows: Vec<RowChange>,
}

/// A row to be written.
#[derive(Clone, Debug)]
pub struct RowChange {
    /// What it shall be.
    pub session: Arc<Session>,
    /// Which writing it must still be of; `None`: it must not be there.
    pub expected: Option<Revision>,
    /// Which writing this is.
    pub revision: Revision,
    /// Until when the server must keep it.
    pub keep_until: Time,
    /// Tickets that lead to it from now on; they must lead nowhere yet.
    pub file: Vec<TicketKey>,
    /// Tickets that lead nowhere afterwards.
    pub unfile: Vec<TicketKey>,
}

/// A note to be put in the place of another.
#[derive(Clone, Debug)]
pub struct NoteSwap {
    /// Which.
    pub key: NoteKey,
    /// What must be there; `None`: nothing.
    pub expected: Option<Vec<u8>>,
    /// What shall be there; `None`: nothing.
    pub new: Option<Note>,
    /// Which writing this is.
    pub revision: Revision,
    /// When.
    pub now: Time,
}

/// Something to be poured into a bucket.
#[derive(Clone, Copy, Debug)]
pub struct Pouring {
    /// Which bucket.
    pub key: NoteKey,
    /// How much.
    pub pour: Pour,
    /// Which writing this is.
    pub revision: Revision,
    /// When.
    pub now: Time,
}

/// What came of a [`Writing`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It is done.
    Done,
    /// Nothing was done: a row is not as expected.
    Conflict,
    /// Nothing was done: a ticket to be filed leads somewhere already, though all rows are as expected.
    TicketInUse,
    /// Nothing was done: the server has forgotten everything since the ticket was issued.
    Lost,
}
