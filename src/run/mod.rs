//! Floor 5: puts the parts together, starts a thread for each core, and sees them off again.

mod build;
mod fault;
mod listen;
mod live;

mod inherited;

mod handover;

mod notify;

mod forward;
mod login;
mod sealed;
mod site;
mod upstreams;

mod named;

mod tls;

mod pem;

mod keeper;

mod keys;

mod reload;

mod pinned;

mod requests;

mod nodes;

mod standing;

mod streams;

mod admin;

mod roll_call;

mod redis;
pub mod store;

pub mod postgres;

use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;
use tokio::task::LocalSet;

pub use build::{admit_limits, cookie_limits};
pub use fault::StartFault;
pub use pem::pem_faults;
pub use reload::Source;
pub use roll_call::{RollCallFault, roll_call};
pub use site::sites;

use self::build::Parts;
use self::keeper::Keeper;
use self::keys::KeyFile;
use self::reload::Reloader;
use self::requests::{Requests, requests};
use self::standing::Standing;
use crate::admin::Report;
use crate::base::clock::Clock;
use crate::base::latest::Latest;
use crate::base::meter::{Count, Meter};
use crate::config::Settings;
use crate::gateway::Gateway;
use crate::server::drain::Drain;
use crate::server::listener::Address;
use crate::server::{Listeners, Setup, run_core};
use crate::store::sweep;
use crate::upstream::{Pool, probe};

/// How often the store is tidied up. What is expired is refused whether or not it was.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// Runs the gateway until it is told to stop; `source` says where reloads find the configuration. `ready` is called once
/// it listens.
///
/// # Errors
/// When it cannot start; nothing is left half started then.
pub fn run(
    settings: &Settings,
    source: Source,
    ready: impl FnOnce(&Addresses),
) -> Result<(), Vec<StartFault>> {
    let parts = Parts::build(settings, Clock::system())?;
    let addresses = Addresses {
        https: parts.https.clone(),
        http: parts.http.clone(),
        admin: parts.admin_address(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| vec![StartFault::Runtime(source)])?;
    let served = runtime.block_on(async {
        let signals = Signals::new().map_err(StartFault::Runtime)?;
        let upgrades = handover::asked().map_err(StartFault::Runtime)?;
        let drain = Drain::new();
        let (standing, reloaded) = (Arc::new(Standing::new(drain.clone())), Notify::new());
        let (reloads, asked) = requests();
        let reloader = parts.reloader(settings, source);
        let report = Arc::clone(&reloader.report);
        let mut keeper = Keeper::new(settings, &parts.live, &standing, &reloader.keys);
        keeper.introduce().await;
        let cores = parts.start_cores(&drain).inspect_err(|_| drain.cut())?;
        for address in &addresses.https {
            tracing::info!(https = %address, "listening");
        }
        for address in &addresses.http {
            tracing::info!(http = %address, "listening");
        }
        if let Some(address) = &addresses.admin {
            tracing::info!(admin = %address, "listening");
        }
        ready(&addresses);
        parts.handover.ready();
        let sweeping = sweep::run(
            Arc::clone(&parts.live.store),
            parts.clock.clone(),
            Arc::clone(&parts.meter),
            SWEEP_EVERY,
            drain.begun(),
        );
        let probing = probe(parts.clock.clone(), || {
            let gateway = parts.gateway.current();
            let sets = gateway.sites().map(|site| Arc::clone(&site.upstreams));
            sets.collect()
        });
        let to_the_end = async {
            tokio::join!(sweeping, signals.obey(&drain, &parts.gateway, &reloads));
        };
        tokio::select! {
            () = to_the_end => {}
            () = keeper.run(&reloaded) => {}
            () = asked.obey(reloader, &reloaded) => {}
            () = admin::serve(&parts, standing, report, reloads.clone(), drain.clone()) => {}
            () = parts.handover.serve(upgrades, &drain) => {}
            () = notify::keep_alive() => {}
            () = probing => {}
            () = streams::watch(&parts, &drain) => {}
        }
        keeper.leave().await;
        for core in cores {
            // The panic of a core was logged by the panic hook when it happened.
            let _ = core.join();
        }
        Ok(())
    });
    parts.finish();
    served.map_err(|fault: StartFault| vec![fault])
}

/// Where the gateway listens, with the ports that were really bound.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// TLS listeners.
    pub https: Vec<Address>,
    /// Plain listeners.
    pub http: Vec<Address>,
    /// The listener of the administration, as `server.admin` would say it.
    pub admin: Option<String>,
}

/// Everything that one core needs.
struct Core {
    listeners: Listeners,
    setup: Latest<Setup>,
    gateway: Latest<Gateway>,
    meter: Arc<Meter>,
    drain: Drain,
}

impl Core {
    /// Starts the thread that serves.
    fn start(self, number: usize) -> std::io::Result<JoinHandle<()>> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        std::thread::Builder::new()
            .name(format!("core-{number}"))
            .spawn(move || {
                let served = LocalSet::new().block_on(&runtime, async move {
                    let pool = Pool::new();
                    let latest = self.gateway.on_this_core();
                    let handler = move |arrival, request| {
                        // Boxed: what serves a request is large, and hyper moves it about. The box comes first, so
                        // that it is made in there.
                        let served = Box::new_uninit();
                        // The request ends with the configuration it began with.
                        let (gateway, pool) = (latest.now(), pool.clone());
                        let serving = Gateway::handle(gateway, arrival, pool, request);
                        Box::into_pin(Box::write(served, serving))
                    };
                    run_core(self.listeners, self.setup, handler, self.drain, self.meter).await
                });
                if let Err(error) = served {
                    tracing::error!(%error, "a core could not serve");
                }
            })
    }
}

/// The signals that a running gateway obeys.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    user1: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            user1: signal(SignalKind::user_defined1())?,
        })
    }

    /// Obeys until the drain is over: the first SIGTERM or SIGINT drains, a second one stops at once.
    async fn obey(mut self, drain: &Drain, gateway: &Latest<Gateway>, reloads: &Requests) {
        let over = async {
            drain.begun().await;
            tokio::select! {
                () = drain.emptied() => {}
                () = drain.was_cut() => {}
            }
        };
        tokio::pin!(over);
        loop {
            tokio::select! {
                () = &mut over => return,
                _ = self.terminate.recv() => stop(drain),
                _ = self.interrupt.recv() => stop(drain),
                _ = self.user1.recv() => gateway.current().access_log().reopen(),
                _ = self.hang_up.recv() => {
                    let by = "SIGHUP";
                    tracing::info!(by, "reloading the configuration, the certificates and the keys");
                    reloads.signal();
                }
            }
        }
    }
}

fn stop(drain: &Drain) {
    use crate::server::drain::Stage;
    match drain.stage() {
        Stage::Serving => {
            tracing::info!(open = drain.open(), "draining");
            notify::stopping();
            drain.begin();
        }
        Stage::Draining | Stage::Cut => {
            tracing::info!("stopping at once");
            drain.cut();
        }
    }
}

impl Parts {
    fn reloader(&self, settings: &Settings, source: Source) -> Reloader {
        let report = Report {
            last_succeeded: true,
            since: self.clock.now(),
            certificates: reload::ends(&self.certificates.current()),
            ..Report::default()
        };
        Reloader {
            source,
            running: settings.clone(),
            live: Arc::clone(&self.live),
            gateway: self.gateway.clone(),
            setup: self.setup.clone(),
            certificates: Arc::clone(&self.certificates),
            https: self.https.clone(),
            door: self.door.clone(),
            keys: Arc::new(Mutex::new(KeyFile::new(&settings.session.keys))),
            log_writers: Arc::clone(&self.log_writers),
            report: Arc::new(Mutex::new(report)),
        }
    }

    fn start_cores(&self, drain: &Drain) -> Result<Vec<JoinHandle<()>>, StartFault> {
        let mut cores = Vec::new();
        let listeners = self.take_listeners();
        for (number, listeners) in listeners.into_iter().enumerate() {
            let core = Core {
                listeners,
                setup: self.setup.clone(),
                gateway: self.gateway.clone(),
                meter: Arc::clone(&self.meter),
                drain: drain.clone(),
            };
            cores.push(core.start(number).map_err(StartFault::Runtime)?);
        }
        Ok(cores)
    }

    /// The last words: what was counted, and the access log to its end.
    fn finish(self) {
        let counted = Count::ALL
            .iter()
            .filter(|what| self.meter.total(**what) > 0);
        let counted: Vec<_> = counted
            .map(|what| format!("{}={}", what.name(), self.meter.total(*what)))
            .collect();
        tracing::info!(counted = counted.join(" "), "stopped");
    }
}
