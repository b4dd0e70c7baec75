//! `cloakroom run`: serves the sites of a configuration until it is told to stop.

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;

use super::{BAD_CONFIG, FAILED, FINE, RunArgs, complain};
use crate::base::causes::Causes;
use crate::config::settings::{Level, Log, LogFormat};
use crate::config::{self, Fault, Faults, Loaded, Settings};
use crate::run::{self, Addresses, Source, StartFault};

/// Serves until it is told to stop; tells the exit code.
pub fn main(args: &RunArgs) -> u8 {
    let (file, variables) = (args.config.file(), config::variables());
    let read = move || config::load(&file, &variables);
    match read() {
        Ok(loaded) => serve(&loaded, read, |_| {}),
        Err(faults) => {
            complain(faults);
            BAD_CONFIG
        }
    }
}

/// Serves what `loaded` says, and what `read` says at each reload, calling `ready` once it listens; tells the exit code.
pub fn serve(
    loaded: &Loaded,
    read: impl Fn() -> Result<Loaded, Faults> + Send + 'static,
    ready: impl FnOnce(&Addresses),
) -> u8 {
    let settings = &loaded.settings;
    for warning in &loaded.warnings {
        complain(format_args!("warning: {warning}"));
    }
    let absent = config::check_files(settings);
    if !absent.is_empty() {
        absent.iter().for_each(complain);
        return BAD_CONFIG;
    }
    let source = Source {
        read: Box::new(move || read_whole(&read)),
        log_level: start_log(&settings.log),
    };
    match run::run(settings, source, ready) {
        Ok(()) => FINE,
        Err(faults) => {
            for fault in &faults {
                complain(in_full(fault, settings));
            }
            if faults.iter().all(StartFault::is_of_the_moment) {
                FAILED
            } else {
                BAD_CONFIG
            }
        }
    }
}

/// What is read at a reload is judged as at a start.
fn read_whole(read: &dyn Fn() -> Result<Loaded, Faults>) -> Result<Loaded, Vec<Fault>> {
    let loaded = read().map_err(|faults| faults.iter().cloned().collect::<Vec<_>>())?;
    let absent = config::check_files(&loaded.settings);
    if absent.is_empty() {
        Ok(loaded)
    } else {
        Err(absent)
    }
}

/// A fault with all its causes.
pub(super) fn in_full(fault: &StartFault, settings: &Settings) -> String {
    let mut text = String::new();
    if let Some(key) = fault.key() {
        text.push_str(&format!("{}: ", settings.origins.fault(key, "", "").place));
    }
    text.push_str(&Causes(fault).to_string());
    text
}

/// Our own log goes to standard error; the access log has a place of its own. Tells how its level is changed.
fn start_log(settings: &Log) -> Box<dyn Fn(Level) + Send> {
    let (filtering, handle) = reload::Layer::new(filter(settings.level));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let log = tracing_subscriber::registry().with(filtering);
    // A log that was started before stays: that happens in tests alone.
    let _ = match settings.format {
        LogFormat::Json => log.with(lines.json().flatten_event(true)).try_init(),
        LogFormat::Text => log.with(lines.with_ansi(false)).try_init(),
    };
    Box::new(move |wanted| {
        // It fails when there is no log any more, and then nobody misses it.
        let _ = handle.modify(|current| *current = filter(wanted));
    })
}

/// What is logged at `wanted`. Libraries warn of what any visitor can send, and say again what we say with its site: they
/// have their say for those who look for a fault.
fn filter(wanted: Level) -> Targets {
    let all = Targets::new().with_default(level(wanted));
    if matches!(wanted, Level::Debug | Level::Trace) {
        return all;
    }
    let loud = ["h2", "hyper", "hyper_util", "rustls"];
    all.with_targets(loud.map(|library| (library, LevelFilter::ERROR)))
        .with_target("rustls_platform_verifier", LevelFilter::OFF)
}

const fn level(level: Level) -> LevelFilter {
    match level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn visitors_cannot_make_libraries_log() {
        let warn = tracing::Level::WARN;
        let error = tracing::Level::ERROR;
        for level in [Level::Warn, Level::Info] {
            let filter = filter(level);
            assert!(filter.would_enable("cloakroom::gateway", &warn));
            assert!(!filter.would_enable("rustls::msgs::handshake", &warn));
            assert!(!filter.would_enable("rustls_platform_verifier::verification", &error));
            assert!(!filter.would_enable("h2::proto", &warn));
            assert!(filter.would_enable("hyper::proto", &error));
        }
        assert!(filter(Level::Debug).would_enable("rustls::msgs::handshake", &warn));
    }
}
