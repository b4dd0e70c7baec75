//! `cloakroom cookie`: says what a cookie value of ours is and why it would be refused, never what is in it.
//!
//! Neither a store nor a gateway is asked: what is said of a value follows from the value, the keys and the settings.

mod case;

mod verdict;

use std::fmt;
use std::io::{self, BufRead, Read};

use clap::{Args, Subcommand};
use serde_json::json;
use zeroize::Zeroizing;

use self::case::Case;
use self::verdict::{Kind, Tag, Verdict};
use super::words::{Roughly, When};
use super::{BAD_CONFIG, ConfigArgs, FAILED, FINE, USAGE, complain, say};
use crate::base::causes::Causes;
use crate::base::clock::{Clock, Time};
use crate::base::secret::Secret;
use crate::config::keyring::{self, Duty};
use crate::config::{self, Settings};
use crate::gateway::admit::host_of;

/// How much of standard input is read: more than a browser ever sends.
const INPUT_BYTES_MAX: u64 = 64 * 1024;

/// What stands for a value that is to be read from standard input.
const FROM_STDIN: &str = "-";

/// `cloakroom cookie`.
#[derive(Debug, Subcommand)]
pub enum CookieCommand {
    /// Say what a ticket, a sealed or a signed value is, and why it would be refused.
    ///
    /// Says which key made it and when, and whether its tag is right, never what is in it. Ends with 0 if nothing
    /// speaks against the value, with 1 if it would be refused.
    Decode(DecodeArgs),
}

/// `cloakroom cookie decode`.
#[derive(Debug, Args)]
pub struct DecodeArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// The value of the cookie; better -, which reads it from standard input: what stands on a command line can be seen
    /// in ps and stays in the history of the shell
    #[arg(value_name = "VALUE", value_parser = secret)]
    value: Secret<String>,
    /// The host that the cookie came to: a ticket that carries its session opens at no other
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// The site whose app set a sealed or signed value
    #[arg(long, value_name = "NAME", requires = "cookie_name")]
    site: Option<String>,
    /// The name of the cookie that holds a sealed or signed value
    #[arg(long, value_name = "NAME", requires = "site")]
    cookie_name: Option<String>,
    /// The ticket of the session that a sealed or signed value is bound to; - reads it from standard input, on the line
    /// after the value if that is read too
    #[arg(long, value_name = "TICKET", requires = "site", value_parser = secret)]
    bond_of_ticket: Option<Secret<String>>,
    /// For machines
    #[arg(long)]
    json: bool,
}

fn secret(text: &str) -> Result<Secret<String>, std::convert::Infallible> {
    Ok(Secret::new(text.to_owned()))
}

/// Does what the command says and tells the exit code.
pub fn main(command: &CookieCommand) -> u8 {
    let CookieCommand::Decode(args) = command;
    match decode(args) {
        Ok(code) => code,
        Err((code, why)) => {
            complain(why);
            code
        }
    }
}

fn decode(args: &DecodeArgs) -> Result<u8, (u8, String)> {
    let bad = |why: &dyn fmt::Display| (BAD_CONFIG, why.to_string());
    let loaded = config::load(&args.config.file(), &config::variables());
    let settings = loaded.map_err(|faults| bad(&faults))?.settings;
    let keys = &settings.session.keys;
    let keys = keyring::read(&keys.file, keys.activate_after);
    let mut keys = keys.map_err(|fault| bad(&Causes(&fault)))?;
    // Whatever the engine is by now: the value may be from before.
    keys.ring = keys.ring.opening_sealed();
    let host = host(args)?;
    is_site(args, &settings)?;
    let unreadable = |fault| (FAILED, format!("standard input: {}", Causes(&fault)));
    let mut input = io::stdin().lock().take(INPUT_BYTES_MAX);
    let value = given(&args.value, &mut input).map_err(unreadable)?;
    let bond = args.bond_of_ticket.as_ref();
    let bond = bond.map(|ticket| given(ticket, &mut input)).transpose();
    let bond = bond.map_err(unreadable)?;

    let now = Clock::system().now();
    let mut case = Case {
        settings: &settings,
        keys: &keys,
        host: host.as_deref(),
        cookie: args.site.as_deref().zip(args.cookie_name.as_deref()),
        bond: None,
        now,
    };
    if let Some(ticket) = bond {
        let bond = case.bond_of(&ticket);
        let bond = bond.map_err(|why| (USAGE, format!("--bond-of-ticket: the ticket {why}")))?;
        case.bond = Some(bond);
    }
    let verdict = case.judge(&value);
    if args.json {
        say(as_json(&verdict, now));
    } else {
        say(Told(&verdict, now));
    }
    match verdict.refused {
        Some(_) => Ok(FAILED),
        None => Ok(FINE),
    }
}

/// What an argument says, or the next line of `input` if it says `-`.
fn given(argument: &Secret<String>, input: &mut impl BufRead) -> io::Result<Zeroizing<Vec<u8>>> {
    let argument = argument.expose();
    if argument != FROM_STDIN {
        return Ok(Zeroizing::new(argument.clone().into_bytes()));
    }
    let mut line = Zeroizing::new(Vec::new());
    input.read_until(b'\n', &mut line)?;
    while line.pop_if(|byte| matches!(byte, b'\r' | b'\n')).is_some() {}
    Ok(line)
}

fn host(args: &DecodeArgs) -> Result<Option<String>, (u8, String)> {
    let Some(text) = &args.host else {
        return Ok(None);
    };
    let host = host_of(text).ok_or_else(|| {
        let why = format!("--host {text}: is no host; write it as in a URL, like shop.example.com");
        (USAGE, why)
    });
    host.map(Some)
}

fn is_site(args: &DecodeArgs, settings: &Settings) -> Result<(), (u8, String)> {
    let mut names = settings.sites.iter().map(|site| &site.name);
    match &args.site {
        Some(name) if !names.any(|known| known == name) => {
            let known: Vec<_> = settings.sites.iter().map(|site| &*site.name).collect();
            let known = known.join(", ");
            let why = format!("--site {name}: the configuration has no such site, but {known}");
            Err((USAGE, why))
        }
        _ => Ok(()),
    }
}

// === output ===

fn kind_word(kind: Kind) -> &'static str {
    match kind {
        Kind::Ticket { .. } => "ticket",
        Kind::Carrying => "carrying-ticket",
        Kind::Sealed => "sealed",
        Kind::Signed => "signed",
        Kind::Mark => "mark",
        Kind::Damaged => "damaged",
        Kind::Foreign => "none-of-ours",
    }
}

fn kind_text(kind: Kind) -> &'static str {
    match kind {
        Kind::Ticket { stored: true } => "a ticket, marked stored: the store must know its session",
        Kind::Ticket { stored: false } => {
            "a ticket, not marked stored: by itself it opens an empty session"
        }
        Kind::Carrying => "a ticket that carries its session",
        Kind::Sealed => "a sealed value",
        Kind::Signed => "a signed value",
        Kind::Mark => "the owner's mark: whose cookies a browser holds, while some are adopted",
        Kind::Damaged => "a damaged value: it begins as what we make, and was cut or changed",
        Kind::Foreign => "none of ours",
    }
}

fn duty_word(duty: Option<Duty>) -> &'static str {
    match duty {
        Some(Duty::Signs) => "signs",
        Some(Duty::Verifies(_)) => "verifies",
        Some(Duty::Waits(_)) => "waits",
        None => "absent",
    }
}

fn duty_text(duty: Option<Duty>) -> &'static str {
    match duty {
        Some(Duty::Signs) => "in the ring: it signs",
        Some(Duty::Verifies(_)) => "in the ring: it only verifies",
        Some(Duty::Waits(_)) => "in the ring: it verifies, and does not sign yet",
        None => "not in the ring",
    }
}

fn as_json(verdict: &Verdict, now: Time) -> serde_json::Value {
    let when = |time: Option<Time>| time.map(|time| When(time).to_string());
    let stored = match verdict.kind {
        Kind::Ticket { stored } => Some(stored),
        _ => None,
    };
    let (tag, needs) = match verdict.tag {
        Tag::Right => (Some("right"), None),
        Tag::Wrong => (Some("wrong"), None),
        Tag::Unverified { needs } => (Some("not-verified"), Some(needs)),
        Tag::None => (None, None),
    };
    json!({
        "kind": kind_word(verdict.kind),
        "stored": stored,
        "issued": when(verdict.issued),
        "age_secs": verdict.issued.map(|issued| now.since(issued).as_secs()),
        "until": when(verdict.until),
        "key": verdict.key.map(|(id, _)| id.to_string()),
        "key_state": verdict.key.map(|(_, duty)| duty_word(duty)),
        "tag": tag,
        "needs": needs,
        "refused": verdict.refused.map(|refused| refused.word()),
        "why": verdict.refused.map(|refused| refused.why()),
    })
}

/// A verdict for people, at this time.
struct Told<'a>(&'a Verdict, Time);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(verdict, now) = self;
        writeln!(f, "value    {}", kind_text(verdict.kind))?;
        if let Some(issued) = verdict.issued {
            let age = Roughly(now.since(issued));
            writeln!(f, "issued   {} ({age} ago)", When(issued))?;
        }
        if let Some(until) = verdict.until {
            writeln!(f, "until    {}", When(until))?;
        }
        if let Some((id, duty)) = verdict.key {
            writeln!(f, "key      {id}, {}", duty_text(duty))?;
        }
        match verdict.tag {
            Tag::Right => writeln!(f, "tag      right")?,
            Tag::Wrong => writeln!(f, "tag      wrong")?,
            Tag::Unverified { needs } => writeln!(f, "tag      not verified: needs {needs}")?,
            Tag::None => {}
        }
        match verdict.refused {
            Some(refused) => write!(f, "refused  {}: {}", refused.word(), refused.why()),
            None => write!(f, "refused  no, as far as the value itself tells"),
        }
    }
}
