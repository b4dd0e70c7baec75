//! What lives on while configurations come and go, and the gateway that a configuration makes of it.

use std::sync::Arc;

use arc_swap::ArcSwap;
use http::HeaderValue;

use super::build::{admit_limits, cookie_limits};
use crate::base::clock::Clock;
use crate::base::meter::Meter;
use crate::config::keyring::Keys;
use crate::config::settings::{self, Settings};
use crate::cookie::attributes::TicketCookie;
use crate::cookie::seal::ValueKeys;
use crate::gateway::Gateway;
use crate::gateway::access_log::AccessLog;
use crate::gateway::assertion::Assertions;
use crate::gateway::circles::Circles;
use crate::gateway::crowd::Crowd;
use crate::gateway::guesses::Guesses;
use crate::gateway::newcomers::Newcomers;
use crate::gateway::observe::Observers;
use crate::gateway::reply::TicketDesk;
use crate::gateway::request_id::RequestIds;
use crate::gateway::resume::quota::Quota as FormQuota;
use crate::gateway::site::{Site, SiteTable};
use crate::gateway::streams::Streams;
use crate::gateway::visit::OnOutage;
use crate::headers::forwarded::ForwardedPolicy;
use crate::login::form::Desk as LoginDesk;
use crate::session::{KeyRing, SessionIds};
use crate::store::Store;
use crate::upstream::{BodyLimits, RATE_GRACE};

/// What every gateway of this process shares, whatever its configuration says.
pub(super) struct Live {
    pub store: Arc<dyn Store>,
    pub ring: Arc<ArcSwap<KeyRing>>,
    pub values: Arc<ArcSwap<ValueKeys>>,
    pub ids: Arc<SessionIds>,
    pub observers: Arc<Observers>,
    pub newcomers: Arc<Newcomers>,
    pub attempts: Arc<Guesses>,
    pub circles: Arc<Circles>,
    /// How many forms are kept over logins.
    pub form_quota: Arc<FormQuota>,
    pub streams: Arc<Streams>,
    pub request_ids: Arc<RequestIds>,
    pub assertions: Arc<Assertions>,
    pub logins: Arc<LoginDesk>,
    pub clock: Clock,
    pub meter: Arc<Meter>,
}

impl Live {
    pub(super) fn new(
        settings: &Settings,
        keys: Keys,
        store: Arc<dyn Store>,
        clock: &Clock,
        meter: &Arc<Meter>,
    ) -> Self {
        let Keys {
            mut ring,
            values,
            ids,
            ..
        } = keys;
        if matches!(settings.store.engine, settings::Engine::Cookie { .. }) {
            ring = ring.opening_sealed();
        }
        let ids = Arc::new(ids);
        // What is in this process's memory nobody else counts in, and it ends with the process.
        let is_shared = settings.store.engine != settings::Engine::Memory;
        let shared = is_shared.then(|| Arc::clone(&store));
        Self {
            attempts: Arc::new(Guesses::new(shared, &ids, meter)),
            store,
            ring: Arc::new(ArcSwap::from_pointee(ring)),
            values: Arc::new(ArcSwap::from_pointee(values)),
            ids,
            observers: Arc::default(),
            newcomers: Arc::new(Newcomers::new(settings.session.max_new_per_ip)),
            circles: Arc::default(),
            form_quota: Arc::default(),
            streams: Arc::new(Streams::new(Arc::clone(meter))),
            request_ids: Arc::default(),
            assertions: Arc::default(),
            logins: Arc::default(),
            clock: clock.clone(),
            meter: Arc::clone(meter),
        }
    }

    /// The gateway that serves by `settings`, of which the rest is built already.
    pub(super) fn gateway(
        &self,
        settings: &Settings,
        sites: Vec<Site>,
        cookie: TicketCookie,
        access_log: AccessLog,
    ) -> Gateway {
        let limits = &settings.server.limits;
        Gateway {
            sites: SiteTable::new(sites),
            desk: TicketDesk {
                ring: Arc::clone(&self.ring),
                cookie,
                terms: settings.session.terms.clone(),
                expire_at_browser_close: settings.session.expire_at_browser_close,
                clear_site_data: settings.session.clear_site_data,
            },
            observers: Arc::clone(&self.observers),
            values: Arc::clone(&self.values),
            ids: Arc::clone(&self.ids),
            store: Arc::clone(&self.store),
            on_outage: match settings.store.on_outage {
                settings::OnOutage::Refuse => OnOutage::Refuse,
                settings::OnOutage::Anonymous => OnOutage::Anonymous,
            },
            newcomers: Arc::clone(&self.newcomers),
            attempts: Arc::clone(&self.attempts),
            circles: Arc::clone(&self.circles),
            form_quota: Arc::clone(&self.form_quota),
            streams: {
                let renews = settings.session.streams_count_as_activity;
                self.streams.count_as_activity(renews);
                Arc::clone(&self.streams)
            },
            crowd: crowd(&settings.session, &self.store, &self.clock, &self.meter),
            admit_limits: admit_limits(limits),
            cookie_limits: cookie_limits(limits),
            body_limits: BodyLimits {
                bytes_max: limits.body_bytes,
                between_reads: limits.body_timeout,
                rate_min: limits.body_min_rate.unwrap_or(0),
                rate_grace: RATE_GRACE,
            },
            forwarded: ForwardedPolicy {
                trusted: settings.server.trusted_proxies.clone(),
            },
            hsts: hsts(settings.tls.hsts),
            access_log,
            clock: self.clock.clone(),
            meter: Arc::clone(&self.meter),
            request_ids: Arc::clone(&self.request_ids),
            assertions: Arc::clone(&self.assertions),
            logins: Arc::clone(&self.logins),
        }
    }
}

fn crowd(
    settings: &settings::Sessions,
    store: &Arc<dyn Store>,
    clock: &Clock,
    meter: &Arc<Meter>,
) -> Option<Arc<Crowd>> {
    let most = settings.max_per_user?;
    Some(Arc::new(Crowd {
        store: Arc::clone(store),
        terms: settings.terms.clone(),
        most: usize::try_from(most).unwrap_or(usize::MAX),
        asks: settings.asks_over_limit,
        clock: clock.clone(),
        meter: Arc::clone(meter),
    }))
}

fn hsts(life: Option<std::time::Duration>) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("max-age={}", life?.as_secs())).ok()
}
