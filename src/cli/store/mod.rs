//! `cloakroom store`: what the operator does with the store as a whole.

mod migrate;

mod check;

mod copy;

use clap::Subcommand;

use super::ConfigArgs;
use super::access::Refusal;

/// `cloakroom store`.
#[derive(Debug, Subcommand)]
pub enum StoreCommand {
    /// Make the schema that PostgreSQL needs, or bring it up to date. Safe to run again, and by several at once.
    Migrate(ConfigArgs),
    /// Read everything in the store and tell what is there.
    Check(check::CheckArgs),
    /// Copy all sessions from one store to another, so that nobody notices the move.
    Copy(copy::CopyArgs),
}

/// Does what the command says and tells the exit code.
pub fn main(command: &StoreCommand) -> u8 {
    let done = match command {
        StoreCommand::Migrate(args) => migrate::migrate(args),
        StoreCommand::Check(args) => check::check(args),
        StoreCommand::Copy(args) => copy::copy(args),
    };
    done.unwrap_or_else(Refusal::told)
}
