//! A reload: the configuration, the certificates and the keys are read again, and either all of it is used or none.
//!
//! Everything that can fail is done first and changes nothing. What is left then are replacements, which cannot fail:
//! requests and connections that begin afterwards begin with the new configuration, all others end with the old one.

use std::sync::{Arc, Mutex, PoisonError};

use super::build::{note, one, open_log, ticket_cookie};
use super::fault::StartFault;
use super::keys::KeyFile;
use super::listen::server_settings;
use super::live::Live;
use super::pinned::pin;
use super::site::sites;
use super::tls::{load_certificates, tls_config, tls_config_after};
use crate::admin::{Door, Outcome, Report};
use crate::base::clock::Time;
use crate::base::latest::Latest;
use crate::config::keyring::Keys;
use crate::config::settings::{Level, Settings};
use crate::config::{Fault, Loaded, token_file};
use crate::gateway::Gateway;
use crate::gateway::access_log::Writer;
use crate::gateway::site::Site;
use crate::server::Setup;
use crate::server::listener::Address;
use crate::server::tls::{CertificateSet, Certificates};

/// What a reload asks of whoever started the gateway.
pub struct Source {
    /// Reads the configuration again, and looks whether the files that it names are there.
    pub read: Box<dyn Fn() -> Result<Loaded, Vec<Fault>> + Send>,
    /// From now on logs by this level.
    pub log_level: Box<dyn Fn(Level) + Send>,
}

/// Reloads, one after the other.
pub(super) struct Reloader {
    pub source: Source,
    /// What is in force.
    pub running: Settings,
    pub live: Arc<Live>,
    pub gateway: Latest<Gateway>,
    pub setup: Latest<Setup>,
    pub certificates: Arc<Certificates>,
    /// Where the TLS listeners are bound.
    pub https: Vec<Address>,
    /// Who is let in to the administration, if there is one.
    pub door: Option<Latest<Door>>,
    pub keys: Arc<Mutex<KeyFile>>,
    pub log_writers: Arc<Mutex<Vec<Writer>>>,
    pub report: Arc<Mutex<Report>>,
}

/// Everything that a new configuration makes, before any of it is used.
struct Next {
    settings: Settings,
    restart_needed: Vec<&'static str>,
    gateway: Gateway,
    setup: Setup,
    certificates: CertificateSet,
    door: Option<Door>,
    keys: Keys,
    log_writer: Option<Writer>,
}

impl Reloader {
    /// Reads everything again and uses it from the next request and connection on, or says why not.
    pub(super) fn reload(&mut self) -> Outcome {
        let read = (self.source.read)();
        match read.and_then(|loaded| self.prepare(loaded)) {
            Ok(next) => self.apply(next),
            Err(faults) => self.refuse(faults),
        }
    }

    fn prepare(&self, loaded: Loaded) -> Result<Next, Vec<Fault>> {
        for warning in &loaded.warnings {
            tracing::warn!("{warning}");
        }
        let mut settings = loaded.settings;
        let restart_needed = pin(&mut settings, &self.running);
        let built = self.build(settings.clone(), restart_needed);
        built.map_err(|faults| {
            let placed = faults.iter().map(|fault| fault.placed(&settings));
            placed.collect()
        })
    }

    fn build(
        &self,
        settings: Settings,
        restart_needed: Vec<&'static str>,
    ) -> Result<Next, Vec<StartFault>> {
        let now = self.live.clock.now();
        let mut faults = Vec::new();
        let certificates = note(&mut faults, load_certificates(&settings.tls, now));
        let sites = note(&mut faults, sites(&settings));
        let cookie = note(&mut faults, ticket_cookie(&settings.cookie));
        let door = note(&mut faults, self.build_door(&settings).map_err(one));
        let keys = self.read_keys(&settings);
        let keys = note(&mut faults, keys.map_err(one));
        let setup = note(&mut faults, self.build_setup(&settings));
        let (Some(certificates), Some(sites), Some(cookie), Some(door), Some(keys), Some(setup)) =
            (certificates, sites, cookie, door, keys, setup)
        else {
            return Err(faults);
        };
        // Last, as it may make a file.
        let before = self.gateway.current();
        let (access_log, log_writer) = if settings.log.access == self.running.log.access {
            (before.access_log().clone(), None)
        } else {
            open_log(&settings.log).map_err(one)?
        };
        let sites = sites
            .into_iter()
            .map(|site| keeping_apps(site, &before, now));
        let sites = sites.collect();
        let gateway = self.live.gateway(&settings, sites, cookie, access_log);
        Ok(Next {
            settings,
            restart_needed,
            gateway,
            setup,
            certificates,
            door,
            keys,
            log_writer,
        })
    }

    /// Who is let in from now on, if anybody is.
    fn build_door(&self, settings: &Settings) -> Result<Option<Door>, StartFault> {
        if self.door.is_none() {
            return Ok(None);
        }
        let file = &settings.admin.token_file;
        let token = token_file::read_or_make(file)?;
        Ok(Some(Door::new(&token, file, settings.admin.open.clone())))
    }

    fn read_keys(&self, settings: &Settings) -> Result<Keys, StartFault> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.read(settings.session.keys.activate_after, &self.live)
    }

    fn build_setup(&self, settings: &Settings) -> Result<Setup, Vec<StartFault>> {
        let before = self.setup.current();
        let (tls, ran) = (&settings.tls, &self.running.tls);
        let certificates = Arc::clone(&self.certificates);
        let tls = if tls.client_ca_file.is_some() || ran.client_ca_file.is_some() {
            // The file may hold other roots by now. Who resumes would bring a certificate that the old ones issued.
            tls_config(tls, certificates)?
        } else if tls.min_version == ran.min_version {
            Arc::clone(&before.tls)
        } else {
            tls_config_after(&before.tls, tls, certificates)?
        };
        Ok(Setup {
            settings: Arc::new(server_settings(settings, &self.https)),
            tls,
        })
    }

    /// Nothing in here can fail.
    fn apply(&mut self, next: Next) -> Outcome {
        let Next {
            settings,
            restart_needed,
            gateway,
            setup,
            certificates,
            door,
            keys,
            log_writer,
        } = next;
        let now = self.live.clock.now();
        let activate_after = settings.session.keys.activate_after;
        let mut file = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        file.adopt(keys, activate_after, &self.live, now);
        drop(file);
        self.live.newcomers.limit(settings.session.max_new_per_ip);
        let ends = ends(&certificates);
        self.certificates.replace(certificates);
        self.setup.replace(setup);
        self.gateway.replace(gateway);
        if let (Some(latest), Some(door)) = (&self.door, door) {
            latest.replace(door);
        }
        (self.source.log_level)(settings.log.level);
        self.keep_log_writers(log_writer);
        self.running = settings;

        let mut report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        report.reloaded += 1;
        report.last_succeeded = true;
        report.since = now;
        report.restart_needed.clone_from(&restart_needed);
        report.certificates = ends;
        drop(report);
        tracing::info!("the configuration was reloaded");
        for key in &restart_needed {
            tracing::warn!(
                key,
                "{key} has changed and needs a restart; the running value stays until SIGUSR2 hands over to a new \
                 process, or cloakroom is started again"
            );
        }
        Outcome {
            faults: Vec::new(),
            restart_needed,
        }
    }

    fn refuse(&self, faults: Vec<Fault>) -> Outcome {
        let mut report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        report.refused += 1;
        report.last_succeeded = false;
        drop(report);
        for fault in &faults {
            tracing::error!("{fault}");
        }
        tracing::error!(
            faults = faults.len(),
            "the reload was refused; the configuration is that of before"
        );
        let told = faults.into_iter().map(|fault| crate::admin::Fault {
            file: fault.place.name().to_owned(),
            line: fault.place.line(),
            text: fault.to_string(),
            key: fault.key,
        });
        Outcome {
            faults: told.collect(),
            restart_needed: Vec::new(),
        }
    }

    /// A log that requests of before still write to is written to its end.
    fn keep_log_writers(&self, more: Option<Writer>) {
        let mut writers = self
            .log_writers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        writers.extend(more);
        writers.retain(Writer::is_in_use);
    }
}

/// The certificates by the first of their hosts, and when each ends.
pub(super) fn ends(certificates: &CertificateSet) -> Vec<(String, crate::base::clock::Time)> {
    let each = certificates.certificates().iter().map(|certificate| {
        let name = certificate.hosts.first().cloned().unwrap_or_default();
        (name, certificate.not_after)
    });
    each.collect()
}

/// Apps that stay keep what is known of them, and their connections if they are spoken to as before.
fn keeping_apps(mut site: Site, before: &Gateway, now: Time) -> Site {
    let old = before.sites().find(|old| old.name == site.name);
    if let (Some(old), Some(new)) = (old, Arc::get_mut(&mut site.upstreams)) {
        new.take_over(&old.upstreams, now);
    }
    if let (Some(old), Some(new)) = (old.and_then(|old| old.oidc.as_ref()), &mut site.oidc) {
        new.take_over(old);
    }
    site
}
