//! `cloakroom keys`: adds a key that signs tickets, shows those that there are, drops one that nobody needs.
//!
//! No secret is ever printed. The gateway need not run, and one that does takes a change up by itself.

use clap::{Args, Subcommand};
use serde_json::json;

use super::words::{Roughly, When};
use super::{BAD_CONFIG, ConfigArgs, FAILED, FINE, complain, say};
use crate::base::causes::Causes;
use crate::base::clock::{Clock, Time};
use crate::config::keyring::{self, Duty, KeyState, Keys};
use crate::config::{self, Settings};
use crate::gateway::assertion;
use crate::run::roll_call;
use crate::session::{KeyId, Terms};
use crate::store::Node;

/// `cloakroom keys`.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Add a new key: it verifies at once and signs when it is session.keys.activate_after old.
    Rotate(RotateArgs),
    /// Show the keys, what they are good for, and when nodes last used them.
    List(ListArgs),
    /// Remove a key: tickets that it signed are refused from then on.
    Drop(DropArgs),
}

/// `cloakroom keys rotate`.
#[derive(Debug, Args)]
pub struct RotateArgs {
    #[command(flatten)]
    config: ConfigArgs,
}

/// `cloakroom keys list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// For machines
    #[arg(long)]
    json: bool,
}

/// `cloakroom keys drop`.
#[derive(Debug, Args)]
pub struct DropArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Which key, as `cloakroom keys list` shows it
    #[arg(value_name = "KEY", value_parser = key_id)]
    id: KeyId,
    /// Also if visitors still hold tickets that it signed
    #[arg(long)]
    yes: bool,
}

fn key_id(text: &str) -> Result<KeyId, &'static str> {
    KeyId::parse(text).ok_or("a key is named by eight hexadecimal digits")
}

/// Does what the command says and tells the exit code.
pub fn main(command: &KeysCommand) -> u8 {
    let args = match command {
        KeysCommand::Rotate(args) => &args.config,
        KeysCommand::List(args) => &args.config,
        KeysCommand::Drop(args) => &args.config,
    };
    let settings = match config::load(&args.file(), &config::variables()) {
        Ok(loaded) => loaded.settings,
        Err(faults) => {
            complain(faults);
            return BAD_CONFIG;
        }
    };
    let file = &settings.session.keys.file;
    let now = Clock::system().now();
    let done = match command {
        KeysCommand::Rotate(_) => rotate(&settings, now),
        KeysCommand::List(args) => list(&settings, args.json, now),
        KeysCommand::Drop(args) => drop_key(&settings, args, now),
    };
    if keyring::is_exposed(file) {
        complain(format_args!(
            "warning: {}: {}",
            file.display(),
            keyring::EXPOSED
        ));
    }
    match done {
        Ok(()) => FINE,
        Err(Undone { code, why }) => {
            complain(why);
            code
        }
    }
}

/// Why a command did nothing, and with which code it ends.
struct Undone {
    code: u8,
    why: String,
}

impl From<String> for Undone {
    fn from(why: String) -> Self {
        Self { code: FAILED, why }
    }
}

fn rotate(settings: &Settings, now: Time) -> Result<(), Undone> {
    read(settings, now)?;
    let keys = &settings.session.keys;
    let rotated = keyring::rotate(&keys.file, keys.activate_after, now);
    let rotated = rotated.map_err(|fault| Causes(&fault).to_string())?;
    let (id, file) = (rotated.id, keys.file.display());
    let signs_from = When(rotated.signs_from);
    say(format_args!(
        "added key {id} to {file}\n\
         it verifies now and signs from {signs_from} on (session.keys.activate_after)\n\
         a gateway on this machine takes it up within 10 seconds, or at once on SIGHUP\n\
         other nodes: copy the file to each of them before the key signs, and send SIGHUP there"
    ));
    Ok(())
}

fn list(settings: &Settings, for_machines: bool, now: Time) -> Result<(), Undone> {
    let (keys, states) = read(settings, now)?;
    let nodes = nodes(settings, &keys);
    if let Err(why) = &nodes {
        complain(format_args!(
            "note: when keys were last used is not known: {why}"
        ));
    }
    let nodes = nodes.unwrap_or_default();
    if for_machines {
        let each = states.iter().map(|key| as_json(key, &nodes, now));
        say(json!({ "nodes": nodes.len(), "keys": each.collect::<Vec<_>>() }));
        return Ok(());
    }
    say("KEY       CREATED               AGE   LAST USE  STATE");
    for key in &states {
        let last_use =
            last_use(key.id, &nodes).map(|time| format!("{} ago", Roughly(now.since(time))));
        let (id, created, age) = (key.id, When(key.created), Roughly(now.since(key.created)));
        let last_use = last_use.unwrap_or_else(|| "-".to_owned());
        let state = state(key.duty);
        say(format_args!(
            "{id}  {created}  {age:<4}  {last_use:<8}  {state}"
        ));
    }
    Ok(())
}

fn state(duty: Duty) -> String {
    match duty {
        Duty::Signs => "signs".to_owned(),
        Duty::Verifies(until) => format!("verifies (signed until {})", When(until)),
        Duty::Waits(until) => format!("waits (signs from {} on)", When(until)),
    }
}

fn as_json(key: &KeyState, nodes: &[Node], now: Time) -> serde_json::Value {
    let (state, since) = match key.duty {
        Duty::Signs => ("signs", None),
        Duty::Verifies(until) => ("verifies", Some(("signed_until", until))),
        Duty::Waits(until) => ("waits", Some(("signs_from", until))),
    };
    let mut value = json!({
        "id": key.id.to_string(),
        "state": state,
        "created": When(key.created).to_string(),
        "age_secs": now.since(key.created).as_secs(),
        "last_use": last_use(key.id, nodes).map(|time| When(time).to_string()),
    });
    if let Some((name, time)) = since {
        value[name] = When(time).to_string().into();
    }
    value
}

fn drop_key(settings: &Settings, args: &DropArgs, now: Time) -> Result<(), Undone> {
    let (keys, states) = read(settings, now)?;
    let key = states.iter().find(|key| key.id == args.id);
    if let Some(key) = key.filter(|_| !args.yes) {
        let nodes = nodes(settings, &keys);
        let terms = &settings.session.terms;
        if let Some(why) = objection(key, nodes.as_deref(), terms, now) {
            return Err(format!(
                "key {} was not dropped: {why}; visitors who hold such a ticket would begin a new session (reason \
                 unknown-key). Drop it later, or take --yes to drop it all the same",
                key.id
            )
            .into());
        }
    }
    let keys = &settings.session.keys;
    let dropped = keyring::drop_key(&keys.file, args.id, keys.activate_after, now);
    dropped.map_err(|fault| Causes(&fault).to_string())?;
    say(format_args!(
        "dropped key {} from {}\n\
         a gateway on this machine refuses its tickets within 10 seconds, or at once on SIGHUP\n\
         other nodes: copy the file to each of them, and send SIGHUP there",
        args.id,
        keys.file.display()
    ));
    Ok(())
}

/// Why visitors may still hold tickets of `key` that open something. Keys that sign are none of its business.
fn objection(
    key: &KeyState,
    nodes: Result<&[Node], &String>,
    terms: &Terms,
    now: Time,
) -> Option<String> {
    let Duty::Verifies(signed_until) = key.duty else {
        return None;
    };
    // Assertions, which apps verify by what is listed, may outlive very short sessions.
    if now.since(signed_until).as_secs() < assertion::LIFE_SECS {
        let signed_until = When(signed_until);
        return Some(format!(
            "it signed until {signed_until}, less than a minute ago"
        ));
    }
    // Whatever it signed belongs to sessions that are older than that, and those have ended.
    if now.since(signed_until) >= terms.absolute {
        return None;
    }
    if now.since(signed_until) < terms.idle {
        return Some(format!(
            "it signed until {}, less than session.idle_timeout ago",
            When(signed_until)
        ));
    }
    let nodes = match nodes {
        Ok(nodes) => nodes,
        Err(why) => return Some(format!("who uses it is not known ({why})")),
    };
    let used = last_use(key.id, nodes).filter(|time| now.since(*time) < terms.idle);
    used.map(|time| {
        let ago = Roughly(now.since(time));
        format!("a ticket that it signed came {ago} ago, within session.idle_timeout")
    })
}

/// The ring as it is. One that cannot be read is bad configuration, as at a start.
fn read(settings: &Settings, now: Time) -> Result<(Keys, Vec<KeyState>), Undone> {
    let keys = &settings.session.keys;
    let keys = keyring::read(&keys.file, keys.activate_after);
    let keys = keys.map_err(|fault| Undone {
        code: BAD_CONFIG,
        why: Causes(&fault).to_string(),
    })?;
    let states = keys.states(now);
    Ok((keys, states))
}

/// The nodes that are alive, of which there is at least one, or why nobody knows them.
fn nodes(settings: &Settings, keys: &Keys) -> Result<Vec<Node>, String> {
    match roll_call(settings, keys.ids.fingerprint()) {
        Ok(Some(nodes)) if nodes.is_empty() => {
            Err("no gateway is running on this store".to_owned())
        }
        Ok(Some(nodes)) => Ok(nodes),
        Ok(None) => Err("this store keeps no list of its gateways".to_owned()),
        Err(fault) => Err(Causes(&fault).to_string()),
    }
}

/// When a ticket last came to any of `nodes` that the key had signed.
fn last_use(id: KeyId, nodes: &[Node]) -> Option<Time> {
    let keys = nodes.iter().flat_map(|node| &node.keys);
    keys.filter(|key| key.id == id)
        .filter_map(|key| key.last_use)
        .max()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::store::NodeKey;

    #[test]
    fn a_key_is_dropped_unasked_only_when_nobody_can_hold_a_live_ticket_of_it() {
        let hours = |hours: u64| Time::from_secs(hours * 3600);
        let terms = Terms {
            idle: Duration::from_secs(3600),
            absolute: Duration::from_secs(24 * 3600),
            rotation_grace: Duration::from_secs(10),
            rotate_every: None,
            save_every_request: false,
            max_bytes: 1,
            jar_cookies_max: 1,
        };
        let node = |last_use| Node {
            id: "a".to_owned(),
            seen: hours(100),
            session_ids: KeyId([0; 4]),
            keys: vec![NodeKey {
                id: KeyId([1; 4]),
                signs: false,
                last_use,
            }],
        };
        let unknown = "the store is away".to_owned();
        let (unused, long_ago) = ([node(None)], [node(Some(hours(98)))]);
        let just_now = [node(None), node(Some(Time::from_secs(100 * 3600 - 60)))];
        let until = |at| Duty::Verifies(hours(at));
        type Known<'a> = Result<&'a [Node], &'a String>;
        let rows: [(&str, Duty, Known<'_>, &str); 8] = [
            ("waits", Duty::Waits(hours(101)), Err(&unknown), ""),
            ("signs", Duty::Signs, Err(&unknown), ""),
            ("over for all", until(76), Ok(&just_now), ""),
            ("over a while, unused", until(77), Ok(&unused), ""),
            ("used before the idle timeout", until(77), Ok(&long_ago), ""),
            ("used", until(77), Ok(&just_now), "came 1m ago"),
            ("nobody knows", until(77), Err(&unknown), "store is away"),
            ("signed until now", until(100), Ok(&unused), "signed until"),
        ];
        for (name, duty, nodes, expected) in rows {
            let key = KeyState {
                id: KeyId([1; 4]),
                created: hours(1),
                duty,
            };
            let why = objection(&key, nodes, &terms, hours(100));
            assert_eq!(why.is_some(), !expected.is_empty(), "{name}: {why:?}");
            let why = why.unwrap_or_default();
            assert!(why.contains(expected), "{name}: {why}");
        }
    }
}
