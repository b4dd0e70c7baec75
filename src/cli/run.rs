//! `cloakroom run`: serves the sites of a configuration until it is told to stop.

use tracing_subscriber::filter::LevelFilter;

use super::{BAD_CONFIG, FAILED, FINE, RunArgs, complain};
use crate::base::causes::Causes;
use crate::config::settings::{Level, Log, LogFormat};
use crate::config::{self, Loaded, Settings};
use crate::run::{self, Addresses, StartFault};

/// Serves until it is told to stop; tells the exit code.
pub fn main(args: &RunArgs) -> u8 {
    match config::load(&args.config.file(), &config::variables()) {
        Ok(loaded) => serve(&loaded, |_| {}),
        Err(faults) => {
            complain(faults);
            BAD_CONFIG
        }
    }
}

/// Serves what `loaded` says, calling `ready` once it listens; tells the exit code.
pub fn serve(loaded: &Loaded, ready: impl FnOnce(&Addresses)) -> u8 {
    let settings = &loaded.settings;
    for warning in &loaded.warnings {
        complain(format_args!("warning: {warning}"));
    }
    let absent = config::check_files(settings);
    if !absent.is_empty() {
        absent.iter().for_each(complain);
        return BAD_CONFIG;
    }
    start_log(&settings.log);
    match run::run(settings, ready) {
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

/// A fault with all its causes.
pub(super) fn in_full(fault: &StartFault, settings: &Settings) -> String {
    let mut text = String::new();
    if let Some(key) = fault.key() {
        text.push_str(&format!("{}: ", settings.origins.fault(key, "", "").place));
    }
    text.push_str(&Causes(fault).to_string());
    text
}

/// Our own log goes to standard error; the access log has a place of its own.
fn start_log(settings: &Log) {
    let level = match settings.level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    };
    let log = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr);
    // A log that was started before stays: that happens in tests alone.
    let _ = match settings.format {
        LogFormat::Json => log.json().flatten_event(true).try_init(),
        LogFormat::Text => log.with_ansi(false).try_init(),
    };
}
