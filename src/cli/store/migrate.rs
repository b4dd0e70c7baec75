//! `cloakroom store migrate`: makes the schema that PostgreSQL needs.

use crate::base::clock::Clock;
use crate::cli::access::{self, Refusal};
use crate::cli::run::in_full;
use crate::cli::{BAD_CONFIG, ConfigArgs, FAILED, FINE, complain, say};
use crate::run::postgres::migrate_store;
use crate::store::postgres::Migration;

pub(super) fn migrate(args: &ConfigArgs) -> Result<u8, Refusal> {
    let settings = access::load(args)?;
    match migrate_store(&settings, Clock::system().now()) {
        Ok(None) => say("nothing to do: only PostgreSQL needs it"),
        Ok(Some(Migration { from, to })) if from == to => {
            say(format_args!("the schema is up to date: version {to}"));
        }
        Ok(Some(Migration { from: 0, to })) => {
            say(format_args!("the schema is made: version {to}"));
        }
        Ok(Some(Migration { from, to })) => {
            say(format_args!(
                "the schema is brought from version {from} to version {to}"
            ));
        }
        Err(fault) => {
            complain(in_full(&fault, &settings));
            return Ok(if fault.is_of_the_moment() {
                FAILED
            } else {
                BAD_CONFIG
            });
        }
    }
    Ok(FINE)
}
