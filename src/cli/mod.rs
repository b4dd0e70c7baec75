//! Floor 5: the command line. One command a file: arguments to calls below, output for people.

pub mod run;

pub mod demo;

mod demo_app;

pub mod check;

pub mod explain;

pub mod cert;

pub mod keys;

pub mod healthcheck;

pub mod sessions;

pub mod users;

pub mod cookie;

pub mod store;

pub mod learn;

mod admin_client;

mod access;

mod words;

use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::error::ErrorKind as ClapErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand};

/// All went well.
pub const FINE: u8 = 0;

/// Something failed while running.
pub const FAILED: u8 = 1;

/// The command line makes no sense; clap exits with it.
pub const USAGE: u8 = 2;

/// The configuration is at fault (`EX_CONFIG` of sysexits.h).
pub const BAD_CONFIG: u8 = 78;

/// The variable that names the configuration where `--config` does not.
const CONFIG_VARIABLE: &str = "CLOAKROOM_CONFIG";

/// A session gateway: one hardened cookie in the browser, the apps' own cookies on our side of the wire.
#[derive(Debug, Parser)]
#[command(name = "cloakroom", version, arg_required_else_help = true)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the sites of a configuration.
    Run(RunArgs),
    /// Serve a small legacy app on localhost, to try things out.
    Demo(DemoArgs),
    /// Judge a configuration: all its faults at once, each with its place and the way out.
    Check(check::CheckArgs),
    /// Say what becomes of a request, its cookies and the app's: each verdict with the place of its rule.
    ///
    /// Asks the configuration alone, neither a store nor an app, and opens no value. Ends with 0 if the request would
    /// reach an app, and with 1 if it would be refused.
    Explain(explain::ExplainArgs),
    /// Make certificates.
    #[command(subcommand)]
    Cert(cert::CertCommand),
    /// Rotate the keys that sign tickets.
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// List, show and end the sessions in the store.
    #[command(subcommand)]
    Sessions(sessions::SessionsCommand),
    /// Say who may log in on the login page of the gateway.
    #[command(subcommand)]
    Users(users::UsersCommand),
    /// Say what a ticket or another cookie value of ours is.
    #[command(subcommand)]
    Cookie(cookie::CookieCommand),
    /// Watch the cookies of a site and propose rules for them.
    Learn(learn::LearnArgs),
    /// Judge the store, or copy it to another.
    #[command(subcommand)]
    Store(store::StoreCommand),
    /// Ask a running gateway whether it is well; for containers.
    Healthcheck(healthcheck::HealthcheckArgs),
}

/// Which configuration.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// The configuration file [env: CLOAKROOM_CONFIG]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl ConfigArgs {
    /// The file that the flag names, else the one that the environment names. Without either, tells how to name one
    /// and ends the process as clap does.
    pub fn file(&self) -> PathBuf {
        let named = self.config.clone().or_else(|| {
            let variable = std::env::var_os(CONFIG_VARIABLE)?;
            (!variable.is_empty()).then(|| variable.into())
        });
        named.unwrap_or_else(|| {
            let message =
                format!("no configuration: name one with --config FILE or {CONFIG_VARIABLE}");
            CommandLine::command()
                .error(ClapErrorKind::MissingRequiredArgument, message)
                .exit()
        })
    }
}

/// `cloakroom run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Which configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// `cloakroom demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// The port of https://localhost:PORT
    #[arg(long, value_name = "PORT", default_value_t = 8443)]
    pub port: u16,
    /// Where the demo keeps its sessions and keys
    #[arg(long, value_name = "DIR", default_value = "demo-data")]
    pub data: PathBuf,
}

/// Reads the command line and does what it says.
pub fn main() -> ExitCode {
    let code = match CommandLine::parse().command {
        Command::Run(args) => run::main(&args),
        Command::Demo(args) => demo::main(&args),
        Command::Check(args) => check::main(&args),
        Command::Explain(args) => explain::main(&args),
        Command::Cert(command) => cert::main(&command),
        Command::Keys(command) => keys::main(&command),
        Command::Sessions(command) => sessions::main(&command),
        Command::Users(command) => users::main(&command),
        Command::Cookie(command) => cookie::main(&command),
        Command::Learn(args) => learn::main(&args),
        Command::Store(command) => store::main(&command),
        Command::Healthcheck(args) => healthcheck::main(&args),
    };
    let code = match code {
        FINE if IS_CUT_SHORT.load(Ordering::Relaxed) => FAILED,
        code => code,
    };
    ExitCode::from(code)
}

/// Whether something that was said could not be written, as on a full disk.
static IS_CUT_SHORT: AtomicBool = AtomicBool::new(false);

/// Prints for people. A reader who has gone away, as `head` does, is no reason to fail.
fn say(text: impl std::fmt::Display) {
    if let Err(error) = writeln!(std::io::stdout(), "{text}")
        && error.kind() != ErrorKind::BrokenPipe
        && !IS_CUT_SHORT.swap(true, Ordering::Relaxed)
    {
        complain(format_args!("standard output cannot be written: {error}"));
    }
}

/// The same on standard error.
fn complain(text: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_holds_together() {
        CommandLine::command().debug_assert();
    }
}
