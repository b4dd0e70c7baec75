//! `cloakroom check`: judges the text of a configuration, and the certificates and keys that are there. Absent ones are
//! warnings here; `run` needs them.

use std::path::Path;

use clap::Args;

use super::run::in_full;
use super::{BAD_CONFIG, ConfigArgs, FINE, complain, say};
use crate::config::settings::Engine;
use crate::config::{self, Settings};
use crate::run::pem_faults;

/// `cloakroom check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    #[command(flatten)]
    config: ConfigArgs,
}

/// Prints what the configuration says, or everything that is wrong with it; tells the exit code.
pub fn main(args: &CheckArgs) -> u8 {
    let file = args.config.file();
    let loaded = match config::load(&file, &config::variables()) {
        Ok(loaded) => loaded,
        Err(faults) => {
            complain(faults);
            return BAD_CONFIG;
        }
    };
    let unusable = pem_faults(&loaded.settings);
    if !unusable.is_empty() {
        for fault in &unusable {
            complain(in_full(fault, &loaded.settings));
        }
        return BAD_CONFIG;
    }
    let mut warnings = loaded.warnings;
    warnings.extend(config::check_files(&loaded.settings));
    warnings.sort();
    for warning in &warnings {
        complain(format_args!("warning: {warning}"));
    }
    say(summary(&file, &loaded.settings, warnings.len()));
    FINE
}

fn summary(file: &Path, settings: &Settings, warnings: usize) -> String {
    let counted = |count: usize, noun: &str| match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    };
    let listeners: Vec<String> = settings
        .server
        .https
        .iter()
        .map(ToString::to_string)
        .collect();
    let store = match &settings.store.engine {
        Engine::Memory => "sessions in memory".to_owned(),
        Engine::Sqlite { path } => format!("sessions in {}", path.display()),
        Engine::Redis { .. } => "sessions in Redis".to_owned(),
        Engine::Postgres {
            listen_url,
            near_cache_bytes,
            ..
        } => {
            let told = match (near_cache_bytes, listen_url) {
                (0, _) => "",
                (_, Some(_)) => ", kept near and told of changes by LISTEN",
                (_, None) => ", kept near and told of changes by polling a table of them",
            };
            format!("sessions in PostgreSQL{told}")
        }
        Engine::Cookie { .. } => "sessions in the ticket cookie".to_owned(),
    };
    let mut parts = vec![
        counted(settings.sites.len(), "site"),
        format!("https on {}", listeners.join(" and ")),
        store,
    ];
    if warnings > 0 {
        parts.push(counted(warnings, "warning"));
    }
    format!("{}: fine: {}", file.display(), parts.join(", "))
}
