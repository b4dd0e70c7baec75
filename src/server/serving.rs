//! What the connections of one core are served with: made anew when a reload has replaced it, and kept by whoever began
//! with it.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use crate::base::latest::{Held, OnCore};
use crate::base::meter::Meter;
use crate::server::Setup;
use crate::server::connection::Core;
use crate::server::drain::Drain;

/// Hands each new connection what it is served with.
pub(super) struct Serving<H> {
    setup: OnCore<Setup>,
    latest: RefCell<Made<H>>,
}

/// What was made last, and of which setup.
struct Made<H> {
    of: Rc<Held<Setup>>,
    core: Rc<Core<H>>,
}

impl<H: Clone> Serving<H> {
    pub(super) fn new(setup: OnCore<Setup>, handler: H, drain: Drain, meter: Arc<Meter>) -> Self {
        let now = setup.now();
        let core = Core {
            settings: Arc::clone(&now.settings),
            tls: Arc::clone(&now.tls).into(),
            handler,
            drain,
            meter,
        };
        let latest = RefCell::new(Made {
            of: now,
            core: Rc::new(core),
        });
        Self { setup, latest }
    }

    /// What a connection that begins now is served with.
    pub(super) fn core(&self) -> Rc<Core<H>> {
        let now = self.setup.now();
        let mut latest = self.latest.borrow_mut();
        let Made { of, core } = &mut *latest;
        if !Rc::ptr_eq(of, &now) {
            *core = Rc::new(Core {
                settings: Arc::clone(&now.settings),
                tls: Arc::clone(&now.tls).into(),
                handler: core.handler.clone(),
                drain: core.drain.clone(),
                meter: Arc::clone(&core.meter),
            });
            *of = now;
        }
        Rc::clone(core)
    }
}
