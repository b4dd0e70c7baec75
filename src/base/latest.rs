//! A value that is replaced whole while it is in use, such as a configuration, and how each core looks at it.

use std::cell::RefCell;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;

use arc_swap::{ArcSwap, Cache};

/// The value that counts now. Cloning it gives the same.
#[derive(Debug)]
pub struct Latest<T>(Arc<ArcSwap<T>>);

impl<T> Latest<T> {
    /// Begins with `value`.
    pub fn new(value: T) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(value)))
    }

    /// From now on `value` counts. Who began with the one before goes on with that.
    pub fn replace(&self, value: T) {
        self.0.store(Arc::new(value));
    }

    /// The value that counts now.
    pub fn current(&self) -> Arc<T> {
        self.0.load_full()
    }

    /// How this core looks at it.
    pub fn on_this_core(&self) -> OnCore<T> {
        let cache = Cache::new(Arc::clone(&self.0));
        let held = Rc::new(Held(self.current()));
        OnCore(Rc::new(RefCell::new(Look { cache, held })))
    }
}

impl<T> Clone for Latest<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// The look of one core at a [`Latest`]: one atomic read tells whether the value is still the one that the core holds.
/// Who takes it counts in the core's own memory, so that no two cores write to one place for every request.
pub struct OnCore<T>(Rc<RefCell<Look<T>>>);

struct Look<T> {
    cache: Cache<Arc<ArcSwap<T>>, Arc<T>>,
    held: Rc<Held<T>>,
}

/// A value that somebody on this core began with.
pub struct Held<T>(Arc<T>);

impl<T> Deref for Held<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> OnCore<T> {
    /// The value that counts now, to be kept for as long as what begins with it lasts.
    pub fn now(&self) -> Rc<Held<T>> {
        let mut look = self.0.borrow_mut();
        let Look { cache, held } = &mut *look;
        let current = cache.load();
        if !Arc::ptr_eq(current, &held.0) {
            *held = Rc::new(Held(Arc::clone(current)));
        }
        Rc::clone(held)
    }
}

impl<T> Clone for OnCore<T> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_began_with_a_value_keeps_it_and_who_comes_later_gets_the_next() {
        let latest = Latest::new(1);
        let core = latest.on_this_core();
        let before = core.now();
        latest.replace(2);
        assert_eq!((**before, **core.now(), *latest.current()), (1, 2, 2));
    }

    #[test]
    fn a_value_goes_when_nobody_uses_it_any_more() {
        let latest = Latest::new(1);
        let core = latest.on_this_core();
        let first = Arc::downgrade(&latest.current());
        latest.replace(2);
        core.now();
        assert!(first.upgrade().is_none());
    }
}
