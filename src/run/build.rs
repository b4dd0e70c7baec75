//! From finished settings to the parts that run: everything that can fail at a start fails here.

use std::sync::{Arc, Mutex, PoisonError};

use super::fault::StartFault;
use super::handover::Handover;
use super::inherited::Inherited;
use super::listen::{bind, bind_admin, server_settings};
use super::live::Live;
use super::site::sites;
use super::store;
use super::tls::{load_certificates, tls_config};
use crate::admin;
use crate::base::clock::Clock;
use crate::base::latest::Latest;
use crate::base::meter::Meter;
use crate::config::keyring;
use crate::config::settings::{self, Settings};
use crate::cookie::attributes::{TicketCookie, TicketCookieSettings};
use crate::cookie::screen::CookieLimits;
use crate::gateway::Gateway;
use crate::gateway::access_log::{AccessLog, Destination, Format, Writer};
use crate::gateway::admit::AdmitLimits;
use crate::server::listener::Address;
use crate::server::tls::Certificates;
use crate::server::{Listeners, Setup};

/// Browsers send at most a few hundred cookies; more are an attack (DESIGN section 3).
const COOKIE_PAIRS_MAX: usize = 300;

/// All that runs.
pub(super) struct Parts {
    pub gateway: Latest<Gateway>,
    pub live: Arc<Live>,
    pub setup: Latest<Setup>,
    pub certificates: Arc<Certificates>,
    pub meter: Arc<Meter>,
    pub clock: Clock,
    pub https: Vec<Address>,
    pub http: Vec<Address>,
    pub handover: Handover,
    /// Taken once, when the cores start.
    listeners: Mutex<Vec<Listeners>>,
    /// Taken once, when it is served.
    admin: Mutex<Option<admin::Listener>>,
    /// Who is let in to the administration, if there is one.
    pub door: Option<Latest<admin::Door>>,
    /// Dropped last: they write out what the logs still hold.
    pub log_writers: Arc<Mutex<Vec<Writer>>>,
}

impl Parts {
    /// Builds everything. Listeners are bound, and accept nothing yet.
    pub fn build(settings: &Settings, clock: Clock) -> Result<Self, Vec<StartFault>> {
        let now = clock.now();
        let mut faults = Vec::new();
        let mut inherited = Inherited::take().map_err(one)?;
        // First what leaves nothing behind, so that a start that is refused leaves no files.
        let certificates = note(&mut faults, load_certificates(&settings.tls, now));
        let sites = note(&mut faults, sites(settings));
        let cookie = note(&mut faults, ticket_cookie(&settings.cookie));
        let bound = note(
            &mut faults,
            bind(&settings.server, &mut inherited).map_err(one),
        );
        let (Some(certificates), Some(sites), Some(cookie), Some(mut bound)) =
            (certificates, sites, cookie, bound)
        else {
            return Err(faults);
        };
        let keys = keyring::read_or_make(
            &settings.session.keys.file,
            settings.session.keys.activate_after,
            now,
        );
        let keys = note(&mut faults, keys.map_err(one));
        let store = note(&mut faults, store::open(settings, now).map_err(one));
        let store = store.map(|opened| opened.store);
        let log = note(&mut faults, open_log(&settings.log).map_err(one));
        let admin = bind_admin(settings, &mut inherited, &mut bound.kept);
        let admin = note(&mut faults, admin.map_err(one));
        let (Some(keys), Some(store), Some(log), Some(admin)) = (keys, store, log, admin) else {
            return Err(faults);
        };
        let meter = Arc::new(Meter::default());
        let live = Live::new(settings, keys, store, &clock, &meter);
        let certificates = Certificates::new(certificates);
        let (admin, door) = admin.unzip();
        let door = door.map(Latest::new);
        let (access_log, log_writer) = log;
        let gateway = live.gateway(settings, sites, cookie, access_log);
        Ok(Self {
            gateway: Latest::new(gateway),
            live: Arc::new(live),
            setup: Latest::new(Setup {
                settings: Arc::new(server_settings(settings, &bound.https)),
                tls: tls_config(&settings.tls, Arc::clone(&certificates))?,
            }),
            certificates,
            meter,
            clock,
            https: bound.https,
            http: bound.http,
            handover: Handover::new(bound.kept, inherited.rest(), &settings.store.engine),
            listeners: Mutex::new(bound.listeners),
            admin: Mutex::new(admin),
            door,
            log_writers: Arc::new(Mutex::new(log_writer.into_iter().collect())),
        })
    }

    /// The listeners, one set for each core; empty when called again.
    pub fn take_listeners(&self) -> Vec<Listeners> {
        std::mem::take(
            &mut *self
                .listeners
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// Where the administration listens, until its listener is taken.
    pub fn admin_address(&self) -> Option<String> {
        let admin = self.admin.lock().unwrap_or_else(PoisonError::into_inner);
        admin.as_ref().map(|admin| admin.address().to_owned())
    }

    /// The listener of the administration; `None` when called again.
    pub fn take_admin(&self) -> Option<admin::Listener> {
        let mut admin = self.admin.lock().unwrap_or_else(PoisonError::into_inner);
        admin.take()
    }
}

/// The limits on a request head.
pub const fn admit_limits(limits: &settings::Limits) -> AdmitLimits {
    AdmitLimits {
        header_bytes: limits.header_bytes,
        header_count: limits.header_count,
        body_bytes: limits.body_bytes,
    }
}

/// The limits on a request's cookies.
pub const fn cookie_limits(limits: &settings::Limits) -> CookieLimits {
    CookieLimits {
        bytes_max: limits.cookie_bytes,
        pairs_max: COOKIE_PAIRS_MAX,
    }
}

pub(super) fn one(fault: impl Into<StartFault>) -> Vec<StartFault> {
    vec![fault.into()]
}

/// Keeps what is there and collects the faults, so that a start tells all of them at once.
pub(super) fn note<T>(
    faults: &mut Vec<StartFault>,
    built: Result<T, Vec<StartFault>>,
) -> Option<T> {
    built.map_err(|more| faults.extend(more)).ok()
}

pub(super) fn open_log(
    settings: &settings::Log,
) -> Result<(AccessLog, Option<Writer>), StartFault> {
    let format = match settings.format {
        settings::LogFormat::Json => Format::Json,
        settings::LogFormat::Text => Format::Text,
    };
    let destination = match &settings.access {
        settings::AccessLog::Stdout => Destination::Stdout,
        settings::AccessLog::Stderr => Destination::Stderr,
        settings::AccessLog::Off => Destination::Off,
        settings::AccessLog::File(path) => Destination::File(path.clone()),
    };
    AccessLog::open(format, &destination).map_err(|source| match destination {
        Destination::File(path) => StartFault::AccessLog { path, source },
        Destination::Stdout | Destination::Stderr | Destination::Off => StartFault::Runtime(source),
    })
}

pub(super) fn ticket_cookie(
    settings: &TicketCookieSettings,
) -> Result<TicketCookie, Vec<StartFault>> {
    TicketCookie::new(settings.clone()).map_err(|faults| {
        let fault = |fault: crate::cookie::attributes::TicketCookieFault| StartFault::Setting {
            key: fault.key().to_owned(),
            why: fault.to_string(),
        };
        faults.into_iter().map(fault).collect()
    })
}
