//! `cloakroom store check`: reads everything in the store once.

use clap::Args;
use serde_json::json;

use crate::base::clock::Time;
use crate::cli::access::{self, Access, Refusal, wait_for};
use crate::cli::words::When;
use crate::cli::{ConfigArgs, FAILED, FINE, complain, say};
use crate::run::store::Purpose;
use crate::session::{Session, stored};

/// `cloakroom store check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// As one JSON object
    #[arg(long)]
    json: bool,
}

/// What is in a store.
#[derive(Default)]
struct Census {
    live: usize,
    /// What nobody can open any more, though it must stay for a while.
    ended: usize,
    /// What a sweep may take.
    over: usize,
    users: usize,
    bytes: usize,
    largest_bytes: usize,
    unreadable: usize,
}

pub(super) fn check(args: &CheckArgs) -> Result<u8, Refusal> {
    let settings = access::load(&args.config)?;
    let access = Access::open(&settings, Purpose::Serve)?;
    let mut census = Census::default();
    let now = access.now();
    census.unreadable = wait_for(access.walk(async |sessions| {
        for session in &sessions {
            census.count(session, &access, now);
        }
        Ok(())
    }))?;
    if args.json {
        say(as_json(&census, &access));
    } else {
        for (name, value) in lines(&census, &access) {
            say(format_args!("{name:<16} {value}"));
        }
    }
    if census.over > census.live + 1000 {
        complain(
            "warning: more is over than live: no server sweeps this store; see cloakroom sessions sweep",
        );
    }
    if census.unreadable == 0 {
        return Ok(FINE);
    }
    complain(format_args!(
        "records that cannot be read: {}; their visitors get 503. They were cut or changed by hand, or a newer \
         cloakroom wrote them",
        census.unreadable
    ));
    Ok(FAILED)
}

impl Census {
    fn count(&mut self, session: &Session, access: &Access, now: Time) {
        if session.is_live(&access.terms, now) {
            self.live += 1;
            self.users += usize::from(session.record.user.is_some());
        } else if session.keep_until(&access.terms) <= now {
            self.over += 1;
        } else {
            self.ended += 1;
        }
        let bytes = stored::write(session).map_or(0, |text| text.len());
        self.bytes += bytes;
        self.largest_bytes = self.largest_bytes.max(bytes);
    }
}

fn lines(census: &Census, access: &Access) -> Vec<(&'static str, String)> {
    let mut lines = access.opened.facts.clone();
    if let Some(born) = access.opened.born {
        lines.push(("remembers since", remembers_since(born)));
    }
    lines.extend([
        (
            "live",
            format!("{} ({} logged in)", census.live, census.users),
        ),
        ("ended", census.ended.to_string()),
        ("over", census.over.to_string()),
        ("unreadable", census.unreadable.to_string()),
        (
            "size",
            format!(
                "{} bytes, the largest {}",
                census.bytes, census.largest_bytes
            ),
        ),
    ]);
    lines
}

fn as_json(census: &Census, access: &Access) -> serde_json::Value {
    let facts = access.opened.facts.iter();
    let facts: serde_json::Map<_, _> = facts
        .map(|(name, value)| (name.replace(' ', "_"), value.clone().into()))
        .collect();
    let born = access.opened.born.filter(|born| *born > Time::from_secs(0));
    json!({
        "facts": facts,
        "remembers_since": born.map(|born| When(born).to_string()),
        "live": census.live,
        "logged_in": census.users,
        "ended": census.ended,
        "over": census.over,
        "unreadable": census.unreadable,
        "size_bytes": census.bytes,
        "largest_bytes": census.largest_bytes,
    })
}

fn remembers_since(born: Time) -> String {
    if born == Time::from_secs(0) {
        // An older version made it.
        "always".to_owned()
    } else {
        When(born).to_string()
    }
}
