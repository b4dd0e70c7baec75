//! Both directions at once: an app that has answered before it had the whole request may say more when it hears more, and
//! its visitor the same. Streams of gRPC are like that.
//!
//! Nobody says anything there for as long as there is nothing to say. So neither is too slow for the other, until
//! `stream_timeout` has passed without a word of either.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use super::upload::Progress;
use crate::base::clock::Stopwatch;

/// What both directions know of each other. It lives as long as the response does.
pub(super) struct Duplex {
    /// Zero: no limit.
    limit: Duration,
    moved: Cell<Stopwatch>,
    upload: Rc<Progress>,
    /// How far the upload was when the app was last excused.
    before: Cell<u64>,
}

impl Duplex {
    pub(super) fn new(limit: Duration, upload: Rc<Progress>) -> Rc<Self> {
        Rc::new(Self {
            limit,
            moved: Cell::new(Stopwatch::start()),
            before: Cell::new(upload.parts()),
            upload,
        })
    }

    /// Something has come, from either side.
    pub(super) fn moves(&self) {
        self.moved.set(Stopwatch::start());
    }

    /// How long nothing may come from now on.
    pub(super) fn left(&self) -> Duration {
        if self.limit.is_zero() {
            return Duration::MAX;
        }
        self.limit.saturating_sub(self.moved.get().elapsed())
    }

    /// Whether an app that has said nothing for a while need not have: it waits for the visitor, or has taken something.
    pub(super) fn excuses_app(&self) -> bool {
        let before = self.before.replace(self.upload.parts());
        Progress::excuses(Some(&self.upload), Some(before)) && !self.left().is_zero()
    }
}
