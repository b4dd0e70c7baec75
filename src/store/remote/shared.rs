//! What the calls of a remote store share: the driver, and the two things that are asked of it.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::RemoteSettings;
use super::commits::Waiting;
use super::driver::{Driver, Found, Row, Writing, Written};
use super::lanes::Lanes;
use super::nearby::Nearby;
use super::opens::Asking;
use crate::base::clock::{Stopwatch, Time};
use crate::base::secret::random_bytes;
use crate::session::{Terms, TicketKey};
use crate::store::StoreFault;

/// Somebody who waits for an answer, in one of the `queue_max` places.
pub(super) struct Reply<T> {
    answer: oneshot::Sender<Result<T, StoreFault>>,
    place: OwnedSemaphorePermit,
}

/// Where the answer comes.
pub(super) type Answered<T> = oneshot::Receiver<Result<T, StoreFault>>;

impl<T> Reply<T> {
    pub(super) fn send(self, answer: Result<T, StoreFault>) {
        // First the place, so that who has an answer finds it free.
        drop(self.place);
        // Nobody waits any more: then nobody minds.
        let _ = self.answer.send(answer);
    }

    /// Whether somebody still waits.
    pub(super) fn is_wanted(&self) -> bool {
        !self.answer.is_closed()
    }
}

pub(super) struct Shared<D> {
    pub(super) driver: D,
    pub(super) terms: Terms,
    pub(super) timeout: Duration,
    pub(super) nearby: Arc<Nearby>,
    pub(super) opens: Arc<Lanes<Asking>>,
    pub(super) commits: Arc<Lanes<Waiting>>,
    places: Arc<Semaphore>,
    places_max: u32,
    is_stopping: AtomicBool,
}

impl<D: Driver> Shared<D> {
    pub(super) fn new(driver: D, terms: Terms, settings: &RemoteSettings) -> Self {
        let places_max = u32::try_from(settings.queue_max).unwrap_or(u32::MAX);
        let places_max = places_max.min(u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX));
        Self {
            driver,
            terms,
            timeout: settings.timeout,
            nearby: Arc::new(Nearby::new(settings.near_cache_bytes)),
            opens: Arc::default(),
            commits: Arc::default(),
            places: Arc::new(Semaphore::new(places_max as usize)),
            places_max,
            is_stopping: AtomicBool::new(false),
        }
    }

    /// Takes a place for somebody who waits.
    pub(super) fn reply<T>(&self) -> Result<(Reply<T>, Answered<T>), StoreFault> {
        if self.is_stopping.load(Ordering::Acquire) {
            return Err(StoreFault::Stopped);
        }
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| StoreFault::Overloaded)?;
        let (answer, answered) = oneshot::channel();
        Ok((Reply { answer, place }, answered))
    }

    /// No places are given out any more.
    pub(super) fn refuse_more(&self) {
        self.is_stopping.store(true, Ordering::Release);
    }

    /// Waits until all places are free.
    pub(super) async fn nobody_waits(&self) {
        let _ = self.places.acquire_many(self.places_max).await;
    }

    /// Asks the server, and keeps what it says nearby.
    pub(super) async fn find(
        &self,
        key: &TicketKey,
        now: Time,
        patience: Patience,
    ) -> Result<Found, StoreFault> {
        let noted = self.nearby.note(key);
        let found = patience.limit(self.driver.find(key, now)).await?;
        self.nearby.found(key, &found, noted);
        Ok(found)
    }

    /// Has the server write, and keeps what is there now nearby, before anybody is told of it.
    pub(super) async fn write(
        &self,
        writing: &Writing,
        patience: Patience,
    ) -> Result<Written, StoreFault> {
        let mut news = News {
            nearby: &self.nearby,
            keys: Vec::new(),
        };
        for change in &writing.rows {
            let row = Row {
                revision: change.revision,
                session: Arc::clone(&change.session),
            };
            for holder in &change.session.holders {
                let noted = self.nearby.note(&holder.key);
                news.keys.push((holder.key, Some((row.clone(), noted))));
            }
            news.keys
                .extend(change.unfile.iter().map(|key| (*key, None)));
        }
        let written = patience.limit(self.driver.write(writing)).await?;
        if written == Written::Done {
            news.publish();
        }
        Ok(written)
    }
}

/// What will be known nearby if a write is done. Dropped without that, whether the write failed or was given up:
/// nothing is known of its tickets any more, because it may have been done or something else stood there.
struct News<'a> {
    nearby: &'a Nearby,
    keys: Vec<(TicketKey, Option<(Row, super::nearby::Noted)>)>,
}

impl News<'_> {
    fn publish(mut self) {
        for (key, row) in self.keys.drain(..) {
            match row {
                Some((row, noted)) => self.nearby.wrote(&key, row, noted),
                None => self.nearby.forget(&key),
            }
        }
    }
}

impl Drop for News<'_> {
    fn drop(&mut self) {
        for (key, _) in &self.keys {
            self.nearby.forget(key);
        }
    }
}

/// How much earlier work is given up than those who wait for it go away. So that what a caller was told "did not
/// answer" about is not sent a moment later.
const AHEAD_MAX: Duration = Duration::from_millis(50);

pub(super) fn ahead(span: Duration) -> Duration {
    AHEAD_MAX.min(span / 20)
}

/// How long somebody waits.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    since: Stopwatch,
    span: Duration,
}

impl Patience {
    /// From now on for `span`.
    pub(super) fn begin(span: Duration) -> Self {
        Self {
            since: Stopwatch::start(),
            span,
        }
    }

    /// What is left of it for the one who waits.
    pub(super) fn left(&self) -> Duration {
        self.span.saturating_sub(self.since.elapsed())
    }

    /// What is left of it for the work.
    pub(super) fn left_to_work(&self) -> Duration {
        self.left().saturating_sub(ahead(self.span))
    }

    /// `work`, which is dropped when the patience ends; nothing is begun afterwards.
    pub(super) async fn limit<T>(
        self,
        work: impl Future<Output = Result<T, StoreFault>>,
    ) -> Result<T, StoreFault> {
        let left = self.left_to_work();
        if left.is_zero() {
            return Err(StoreFault::Timeout);
        }
        let answer = tokio::time::timeout(left, work).await;
        answer.unwrap_or(Err(StoreFault::Timeout))
    }
}

/// How often somebody else was faster. A second time is followed by a pause of random length, because two that fail
/// against each other in step would go on to do so.
#[derive(Default)]
pub(super) struct Conflicts(u32);

impl Conflicts {
    pub(super) async fn back_off(&mut self) {
        self.0 += 1;
        if self.0 >= 2 {
            let most_micros = 1000_u64 << self.0.min(6);
            let micros = u64::from_be_bytes(random_bytes()) % most_micros;
            tokio::time::sleep(Duration::from_micros(micros)).await;
        }
    }
}
