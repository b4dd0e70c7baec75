//! From finished settings to the parts that run: everything that can fail at a start fails here.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use http::HeaderValue;

use super::fault::StartFault;
use super::listen::{bind, server_settings};
use super::login;
use crate::base::clock::Clock;
use crate::base::meter::Meter;
use crate::config::keyring::{self, Keys};
use crate::config::settings::{self, Settings};
use crate::cookie::attributes::{TicketCookie, TicketCookieSettings};
use crate::cookie::name::NamePattern;
use crate::cookie::screen::{CookieLimits, CookiePolicy, CookieRule, Mode};
use crate::gateway::Gateway;
use crate::gateway::access::{CrossSite, PathPattern, Rule};
use crate::gateway::access_log::{AccessLog, Destination, Format, Writer};
use crate::gateway::admit::{AdmitLimits, host_of};
use crate::gateway::reply::TicketDesk;
use crate::gateway::request_id::RequestIds;
use crate::gateway::site::{AppHost, Site, SiteTable};
use crate::gateway::visit::{OnOutage, SessionMode};
use crate::headers::forwarded::ForwardedPolicy;
use crate::headers::identity::Stamp;
use crate::server::certificate::{CertificateFault, CertificateSettings};
use crate::server::tls::{CertificateSet, Certificates, TlsSettings, TlsVersion, server_config};
use crate::server::{Listeners, ServerSettings};
use crate::store::Store;
use crate::store::memory::MemoryStore;
use crate::store::sqlite::{SqliteSettings, SqliteStore, StoreOpenFault};
use crate::upstream::{BodyLimits, RATE_GRACE, UpstreamSettings};

/// Browsers send at most a few hundred cookies; more are an attack (DESIGN section 3).
const COOKIE_PAIRS_MAX: usize = 300;

/// All that runs.
pub(super) struct Parts {
    pub gateway: Arc<Gateway>,
    pub store: Arc<dyn Store>,
    pub server: Arc<ServerSettings>,
    pub tls: Arc<rustls::ServerConfig>,
    pub meter: Arc<Meter>,
    pub clock: Clock,
    pub https: Vec<SocketAddr>,
    pub http: Vec<SocketAddr>,
    /// Taken once, when the cores start.
    listeners: Mutex<Vec<Listeners>>,
    /// Dropped last: it writes out what the log still holds.
    _log_writer: Option<Writer>,
}

impl Parts {
    /// Builds everything. Listeners are bound, and accept nothing yet.
    pub fn build(settings: &Settings, clock: Clock) -> Result<Self, Vec<StartFault>> {
        let now = clock.now();
        let mut faults = Vec::new();
        // First what leaves nothing behind, so that a start that is refused leaves no files.
        let certificates = note(&mut faults, load_certificates(&settings.tls, now));
        let sites = note(&mut faults, sites(settings));
        let cookie = note(&mut faults, ticket_cookie(&settings.cookie));
        let bound = note(&mut faults, bind(&settings.server).map_err(one));
        let (Some(certificates), Some(sites), Some(cookie), Some(bound)) =
            (certificates, sites, cookie, bound)
        else {
            return Err(faults);
        };
        let keys = keyring::read_or_make(&settings.session.keys_file, now);
        let keys = note(&mut faults, keys.map_err(one));
        let store = note(&mut faults, open_store(settings).map_err(one));
        let log = note(&mut faults, open_log(&settings.log).map_err(one));
        let (Some(keys), Some(store), Some(log)) = (keys, store, log) else {
            return Err(faults);
        };
        let meter = Arc::new(Meter::default());
        let Keys { ring, ids } = keys;
        let (access_log, log_writer) = log;
        let limits = &settings.server.limits;
        let gateway = Gateway {
            sites: SiteTable::new(sites),
            desk: TicketDesk {
                ring,
                cookie,
                terms: settings.session.terms.clone(),
                expire_at_browser_close: settings.session.expire_at_browser_close,
            },
            ids,
            store: Arc::clone(&store),
            on_outage: match settings.store.on_outage {
                settings::OnOutage::Refuse => OnOutage::Refuse,
                settings::OnOutage::Anonymous => OnOutage::Anonymous,
            },
            admit_limits: AdmitLimits {
                header_bytes: limits.header_bytes,
                header_count: limits.header_count,
                body_bytes: limits.body_bytes,
            },
            cookie_limits: CookieLimits {
                bytes_max: limits.cookie_bytes,
                pairs_max: COOKIE_PAIRS_MAX,
            },
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
            clock: clock.clone(),
            meter: Arc::clone(&meter),
            request_ids: RequestIds::new(),
        };
        Ok(Self {
            gateway: Arc::new(gateway),
            store,
            server: Arc::new(server_settings(settings, &bound.https)),
            tls: tls_config(&settings.tls, certificates)?,
            meter,
            clock,
            https: bound.https,
            http: bound.http,
            listeners: Mutex::new(bound.listeners),
            _log_writer: log_writer,
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
}

fn one(fault: impl Into<StartFault>) -> Vec<StartFault> {
    vec![fault.into()]
}

/// Keeps what is there and collects the faults, so that a start tells all of them at once.
fn note<T>(faults: &mut Vec<StartFault>, built: Result<T, Vec<StartFault>>) -> Option<T> {
    built.map_err(|more| faults.extend(more)).ok()
}

fn load_certificates(
    settings: &settings::Tls,
    now: crate::base::clock::Time,
) -> Result<CertificateSet, Vec<StartFault>> {
    let certificates = settings
        .certificates
        .iter()
        .map(|certificate| CertificateSettings {
            cert_file: certificate.cert_file.clone(),
            key_file: certificate.key_file.clone(),
            hosts: Vec::new(),
        });
    let finished = TlsSettings {
        min_version: tls_version(settings.min_version),
        certificates: certificates.collect(),
    };
    let loaded = CertificateSet::load(&finished, now);
    let placed = |source: CertificateFault| {
        let file = source.file().map(Path::to_owned);
        let named = settings
            .certificates
            .iter()
            .enumerate()
            .find_map(|(at, certificate)| {
                let is = |named: &Path| file.as_deref() == Some(named);
                let key = is(&certificate.key_file).then_some("key_file");
                let key = key.or_else(|| is(&certificate.cert_file).then_some("cert_file"))?;
                Some(format!("tls.certificate[{at}].{key}"))
            });
        let key = named.unwrap_or_else(|| "tls.certificate".to_owned());
        StartFault::Certificate { key, source }
    };
    loaded.map_err(|faults| faults.into_iter().map(placed).collect())
}

fn tls_config(
    settings: &settings::Tls,
    certificates: CertificateSet,
) -> Result<Arc<rustls::ServerConfig>, Vec<StartFault>> {
    server_config(
        tls_version(settings.min_version),
        Certificates::new(certificates),
    )
    .map_err(|error| vec![StartFault::Runtime(io::Error::other(error))])
}

const fn tls_version(version: settings::TlsVersion) -> TlsVersion {
    match version {
        settings::TlsVersion::V12 => TlsVersion::Tls12,
        settings::TlsVersion::V13 => TlsVersion::Tls13,
    }
}

fn open_store(settings: &Settings) -> Result<Arc<dyn Store>, StoreOpenFault> {
    let terms = settings.session.terms.clone();
    Ok(match &settings.store.engine {
        settings::Engine::Memory => Arc::new(MemoryStore::new(terms)),
        settings::Engine::Sqlite { path } => {
            let finished = SqliteSettings::new(path, settings.store.timeout);
            Arc::new(SqliteStore::open(&finished, terms)?)
        }
    })
}

fn open_log(settings: &settings::Log) -> Result<(AccessLog, Option<Writer>), StartFault> {
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

fn ticket_cookie(settings: &TicketCookieSettings) -> Result<TicketCookie, Vec<StartFault>> {
    TicketCookie::new(settings.clone()).map_err(|faults| {
        let fault = |fault: crate::cookie::attributes::TicketCookieFault| StartFault::Setting {
            key: fault.key().to_owned(),
            why: fault.to_string(),
        };
        faults.into_iter().map(fault).collect()
    })
}

fn sites(settings: &Settings) -> Result<Vec<Site>, Vec<StartFault>> {
    let mut faults = Vec::new();
    let built = settings
        .sites
        .iter()
        .filter_map(|one| note(&mut faults, site(one)));
    let built: Vec<_> = built.collect();
    if faults.is_empty() {
        Ok(built)
    } else {
        Err(faults)
    }
}

fn site(settings: &settings::Site) -> Result<Site, Vec<StartFault>> {
    let fault = |key: &str, why: String| {
        let key = format!("site {:?}: {key}", settings.name);
        vec![StartFault::Setting { key, why }]
    };
    let upstream = UpstreamSettings {
        address: settings.upstream.address.clone(),
        connect_timeout: settings.upstream.connect_timeout,
        response_timeout: settings.upstream.response_timeout,
        idle_timeout: settings.upstream.idle_timeout,
        connections: settings.upstream.connections,
    };
    let fixed = |authority: &str| match (HeaderValue::from_str(authority), host_of(authority)) {
        (Ok(field), Some(host)) => Ok(AppHost::Fixed { field, host }),
        _ => Err(fault("host", format!("{authority:?} is no host"))),
    };
    let stamp = Stamp::parse(
        settings
            .headers
            .iter()
            .map(|(name, template)| (name.as_str(), template.as_str())),
    )
    .map_err(|faults| {
        let each = |fault: crate::headers::identity::HeaderFault| StartFault::Setting {
            key: format!("site {:?}: headers", settings.name),
            why: fault.to_string(),
        };
        faults.into_iter().map(each).collect::<Vec<_>>()
    })?;
    let rules = settings.rules.iter().map(|rule| {
        let path = PathPattern::parse(&rule.path)
            .ok_or_else(|| fault("rule.path", format!("{:?} is no path pattern", rule.path)))?;
        let cross_site = if rule.cross_site_allowed {
            CrossSite::Allow
        } else {
            CrossSite::Refuse
        };
        Ok(Rule {
            path,
            session: rule.session.map(session_mode),
            cross_site,
        })
    });
    Ok(Site {
        name: settings.name.as_str().into(),
        hosts: settings.hosts.clone(),
        prefix: settings.path.trim_end_matches('/').to_owned(),
        host: match &settings.host {
            settings::UpstreamHost::Keep => AppHost::Keep,
            settings::UpstreamHost::Upstream => fixed(&upstream.address.authority())?,
            settings::UpstreamHost::Literal(host) => fixed(host)?,
        },
        upstream: Arc::new(upstream),
        session: session_mode(settings.session),
        pass_ambiguous_paths: settings.ambiguous_paths_pass,
        rewrite_location: settings.location_rewrite,
        trust_directives: settings.trust_directives,
        cookies: cookie_policy(settings).map_err(|why| fault("cookies.rules", why))?,
        trailers: {
            let stamp = stamp.clone();
            Arc::new(move |trailers| {
                stamp.screen_trailers(trailers);
            })
        },
        stamp,
        rules: rules.collect::<Result<_, Vec<StartFault>>>()?,
        watch: login::watch(settings.watch.as_ref())
            .map_err(|why| fault("login.login.success.sets_cookie", why))?,
    })
}

const fn session_mode(attendance: settings::Attendance) -> SessionMode {
    match attendance {
        settings::Attendance::Attach => SessionMode::Attach,
        settings::Attendance::Lazy => SessionMode::Lazy,
        settings::Attendance::Observe => SessionMode::Observe,
        settings::Attendance::Off => SessionMode::Off,
    }
}

fn cookie_policy(site: &settings::Site) -> Result<CookiePolicy, String> {
    let rules = site.cookies.rules.iter().map(|rule| {
        Ok(CookieRule {
            name: NamePattern::parse(&rule.name).map_err(|fault| fault.to_string())?,
            mode: cookie_mode(rule.mode),
            http_only: rule.http_only,
            same_site: rule.same_site,
        })
    });
    // A Domain gives a cookie to the name itself as well as to all beneath it.
    let served = |name: &&str| site.hosts.iter().any(|host| host == name);
    let shared_domains = site
        .hosts
        .iter()
        .filter_map(|host| host.strip_prefix("*."))
        .filter(served);
    Ok(CookiePolicy {
        default: cookie_mode(site.cookies.default),
        rules: rules.collect::<Result<_, String>>()?,
        enforce: site.cookies.enforce,
        shared_domains: shared_domains.map(str::to_owned).collect(),
    })
}

const fn cookie_mode(mode: settings::CookieMode) -> Mode {
    match mode {
        settings::CookieMode::Keep => Mode::Keep,
        settings::CookieMode::Pass => Mode::Pass,
        settings::CookieMode::Strip => Mode::Strip,
    }
}

fn hsts(life: Option<std::time::Duration>) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("max-age={}", life?.as_secs())).ok()
}
