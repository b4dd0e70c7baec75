//! `cloakroom sessions`: what the operator does with the sessions in the store.
//!
//! An operator knows a session by the ID that it has at a site, as it stands in the access log and in what apps are
//! told. Tickets, values of cookies and values of data are never shown; `export` alone writes them, for a backup.

mod names;

mod rows;

mod export;

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use tokio::task::JoinSet;

use self::names::Names;
use self::rows::{Row, head};
use super::access::{self, Access, Refusal, is_confirmed, wait_for};
use super::{ConfigArgs, FAILED, FINE, complain, say};
use crate::config::Settings;
use crate::run::store::Purpose;
use crate::session::{Session, TicketKey};

/// How many sessions are ended at a time.
const TOGETHER: usize = 64;

/// How many sessions one step of a sweep removes.
const SWEEP: usize = 500;

/// `cloakroom sessions`.
#[derive(Debug, Subcommand)]
pub enum SessionsCommand {
    /// List the sessions that are live.
    List(ListArgs),
    /// Show one session: whose it is, and the names, never the values, of what it keeps.
    Show(ShowArgs),
    /// End sessions, as a logout would.
    End(EndArgs),
    /// Remove what is over; the server does so by itself every minute.
    Sweep(SweepArgs),
    /// Write every session whole, the apps' cookies too, as JSON lines for a backup.
    Export(ExportArgs),
}

/// `cloakroom sessions list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Only the sessions of this user
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// Only sessions with a cookie jar or a login at this site; IDs are those at this site
    #[arg(long, value_name = "NAME")]
    site: Option<String>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

/// `cloakroom sessions show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Its ID at any site
    #[arg(value_name = "ID")]
    id: String,
    /// As one JSON object
    #[arg(long)]
    json: bool,
}

/// `cloakroom sessions end`.
#[derive(Debug, Args)]
#[group(id = "which", required = true, multiple = false, args = ["ids", "user", "all"])]
pub struct EndArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Sessions, each by its ID at any site
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// All sessions of this user
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// All sessions of everybody
    #[arg(long)]
    all: bool,
    /// Do not ask before ending all, or all of a user
    #[arg(long)]
    yes: bool,
}

/// `cloakroom sessions sweep`.
#[derive(Debug, Args)]
pub struct SweepArgs {
    #[command(flatten)]
    config: ConfigArgs,
}

/// `cloakroom sessions export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// A new file, made readable for this user only; without it, standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Does what the command says and tells the exit code.
pub fn main(command: &SessionsCommand) -> u8 {
    let config = match command {
        SessionsCommand::List(args) => &args.config,
        SessionsCommand::Show(args) => &args.config,
        SessionsCommand::End(args) => &args.config,
        SessionsCommand::Sweep(args) => &args.config,
        SessionsCommand::Export(args) => &args.config,
    };
    let done = access::load(config).and_then(|settings| match command {
        SessionsCommand::List(args) => list(&settings, args),
        SessionsCommand::Show(args) => show(&settings, args),
        SessionsCommand::End(args) => end(&settings, args),
        SessionsCommand::Sweep(_) => sweep(&settings),
        SessionsCommand::Export(args) => export(&settings, args),
    });
    done.unwrap_or_else(Refusal::told)
}

fn list(settings: &Settings, args: &ListArgs) -> Result<u8, Refusal> {
    let names = Names::of(settings)?;
    let site = args.site.as_deref();
    let site = site.map(|site| names.known_site(site)).transpose()?;
    let access = Access::open(settings, Purpose::Command)?;
    if !args.json {
        say(head());
    }
    let mut listed = 0;
    let walk = access.each_live(|session| {
        let is_asked_for = args.user.as_deref().is_none_or(|id| is_of(session, id))
            && site.is_none_or(|site| is_at(session, site));
        if is_asked_for {
            listed += 1;
            let row = Row::of(session, &names, &access.terms, access.now());
            if args.json {
                say(row.as_json());
            } else {
                say(row.as_line(site));
            }
        }
        Ok(())
    });
    let unreadable = wait_for(walk)?;
    if !args.json {
        let noun = if listed == 1 { "session" } else { "sessions" };
        complain(format_args!("{listed} {noun}"));
    }
    Ok(judged(unreadable))
}

fn is_of(session: &Session, user: &str) -> bool {
    let of = session.record.user.as_ref();
    of.is_some_and(|of| of.id == user)
}

fn is_at(session: &Session, site: &str) -> bool {
    let record = &session.record;
    let of = record.user.as_ref();
    !record.jar(site).is_empty() || of.is_some_and(|of| of.site == site)
}

fn show(settings: &Settings, args: &ShowArgs) -> Result<u8, Refusal> {
    let names = Names::of(settings)?;
    let access = Access::open(settings, Purpose::Command)?;
    let mut found = None;
    let unreadable = wait_for(access.each_live(|session| {
        if found.is_none() && names.is_called(session, &args.id) {
            found = Some(session.clone());
        }
        Ok(())
    }))?;
    let Some(session) = found else {
        complain(format_args!("{}: no live session has this ID", args.id));
        judged(unreadable);
        return Ok(FAILED);
    };
    let row = Row::of(&session, &names, &access.terms, access.now());
    if args.json {
        say(row.as_whole_json());
    } else {
        say(row.as_text());
    }
    Ok(FINE)
}

fn end(settings: &Settings, args: &EndArgs) -> Result<u8, Refusal> {
    let names = Names::of(settings)?;
    let what = match &args.user {
        Some(user) => format!("ends every session of user {user:?}"),
        None => "ends the sessions of everybody".to_owned(),
    };
    if args.ids.is_empty() && !is_confirmed(args.yes, &what)? {
        say("nothing was ended");
        return Ok(FAILED);
    }
    let access = Access::open(settings, Purpose::Command)?;
    // Which of the IDs that were asked for have been met.
    let mut met: BTreeMap<&str, bool> = args.ids.iter().map(|id| (&**id, false)).collect();
    let mut ended = 0;
    let work = access.walk(async |sessions| {
        let now = access.now();
        let mut keys = Vec::new();
        for session in &sessions {
            if !session.is_live(&access.terms, now) {
                continue;
            }
            let mut is_asked_for =
                args.all || args.user.as_deref().is_some_and(|id| is_of(session, id));
            for (id, is_met) in &mut met {
                if names.is_called(session, id) {
                    *is_met = true;
                    is_asked_for = true;
                }
            }
            let newest = session.holders.last().filter(|_| is_asked_for);
            keys.extend(newest.map(|holder| holder.key));
        }
        ended += end_all(&access, &keys).await?;
        Ok(())
    });
    let unreadable = wait_for(work)?;
    let noun = if ended == 1 { "session" } else { "sessions" };
    say(format_args!("ended {ended} {noun}"));
    let mut code = judged(unreadable);
    for (id, _) in met.iter().filter(|(_, is_met)| !**is_met) {
        complain(format_args!("{id}: no live session has this ID"));
        code = FAILED;
    }
    Ok(code)
}

/// Ends sessions, several at a time; tells how many had not ended meanwhile.
async fn end_all(access: &Access, keys: &[TicketKey]) -> Result<usize, Refusal> {
    let mut ended = 0;
    for keys in keys.chunks(TOGETHER) {
        let mut ends = JoinSet::new();
        for key in keys {
            ends.spawn(access.list()?.end(key, access.now()));
        }
        while let Some(end) = ends.join_next().await {
            let end = end.map_err(|error| Refusal::Failed(error.to_string()))?;
            ended += usize::from(end?);
        }
    }
    Ok(ended)
}

fn sweep(settings: &Settings) -> Result<u8, Refusal> {
    let access = Access::open(settings, Purpose::Command)?;
    let removed = wait_for(async {
        let mut removed = 0;
        loop {
            match access.opened.store.sweep(access.now(), SWEEP).await? {
                0 => return Ok(removed),
                some => removed += some,
            }
        }
    })?;
    let what = if removed == 1 {
        "session that was over"
    } else {
        "sessions that were over"
    };
    say(format_args!("removed {removed} {what}"));
    Ok(FINE)
}

fn export(settings: &Settings, args: &ExportArgs) -> Result<u8, Refusal> {
    let access = Access::open(settings, Purpose::Command)?;
    let exported = wait_for(export::export(&access, args.output.as_deref()))?;
    if let Some(path) = &args.output {
        let sessions = exported.sessions;
        say(format_args!(
            "wrote {sessions} sessions and tombstones to {}",
            path.display()
        ));
    }
    Ok(judged(exported.unreadable))
}

/// The exit code of a walk that met so many records that cannot be read.
fn judged(unreadable: usize) -> u8 {
    if unreadable == 0 {
        return FINE;
    }
    complain(format_args!(
        "records that cannot be read: {unreadable} (cloakroom store check says more)"
    ));
    FAILED
}
