//! `cloakroom store copy`: moves a gateway to another store. What is copied twice is copied once, so a copy that was cut
//! short is simply made again, and a second copy after the server has stopped brings what came in between.

use std::io::{IsTerminal, stderr};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::JoinSet;

use crate::base::secret::Secret;
use crate::cli::access::{self, Access, Refusal, is_absent, wait_for};
use crate::cli::{ConfigArgs, FAILED, FINE, complain, say};
use crate::config::Settings;
use crate::config::settings::{Engine, Store, Text};
use crate::run::store::Purpose;
use crate::session::Session;

/// How many sessions are looked up at a time.
const TOGETHER: usize = 64;

/// `cloakroom store copy`.
#[derive(Debug, Args)]
pub struct CopyArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// The store to copy: config:FILE, a path, or an address such as redis://… (which others on this machine can see
    /// while the command runs, passwords too: prefer config:FILE)
    #[arg(long, value_name = "STORE")]
    from: String,
    /// The store that takes them; what is further along there stays
    #[arg(long, value_name = "STORE")]
    to: String,
}

/// What became of the sessions.
#[derive(Default)]
struct Tally {
    met: usize,
    /// What is over and needs no copy.
    over: usize,
    taken: usize,
    unreadable: usize,
    /// What is not at the target as it is at the source.
    missing: usize,
}

pub(super) fn copy(args: &CopyArgs) -> Result<u8, Refusal> {
    let settings = access::load(&args.config)?;
    let (from, to) = (place(&args.from, &settings)?, place(&args.to, &settings)?);
    if is_same(&from.engine, &to.engine) {
        return Err(Refusal::Usage("both are the same store".to_owned()));
    }
    if let Engine::Sqlite { path } = &from.engine
        && is_absent(path)
    {
        return Err(Refusal::Failed(format!(
            "there is no session database at {}",
            path.display()
        )));
    }
    let from = Access::open_or_make(&settings, &from, Purpose::Command)?;
    let to = Access::open_or_make(&settings, &to, Purpose::Serve)?;
    let tally = wait_for(async {
        let mut tally = Tally::default();
        bring(&from, &to, &mut tally).await?;
        compare(&from, &to, &mut tally).await?;
        Ok(tally)
    })?;
    say(format_args!(
        "{} of {} sessions copied, {} were there already, {} were over and left out",
        tally.taken,
        tally.met,
        tally.met - tally.over - tally.taken,
        tally.over
    ));
    Ok(tally.judged())
}

impl Tally {
    fn judged(&self) -> u8 {
        if self.unreadable > 0 {
            complain(format_args!(
                "records that cannot be read and were not copied: {}",
                self.unreadable
            ));
        }
        if self.missing > 0 {
            complain(format_args!(
                "sessions that have changed at the source since they were copied, or could not be taken: {}; copy \
                 again, best when no server writes to the source any more",
                self.missing
            ));
        }
        if self.unreadable + self.missing > 0 {
            FAILED
        } else {
            FINE
        }
    }
}

/// Copies what is worth it, page by page.
async fn bring(from: &Access, to: &Access, tally: &mut Tally) -> Result<(), Refusal> {
    let bar = progress("copied", None);
    tally.unreadable = from
        .walk(async |sessions| {
            let met = sessions.len();
            let sessions = worth_keeping(from, sessions);
            tally.met += met;
            tally.over += met - sessions.len();
            tally.taken += to.list()?.take_over(sessions, to.now()).await?;
            bar.inc(met as u64);
            Ok(())
        })
        .await?;
    bar.finish_and_clear();
    Ok(())
}

/// Looks whether everything has come.
async fn compare(from: &Access, to: &Access, tally: &mut Tally) -> Result<(), Refusal> {
    let bar = progress("compared", Some(tally.met));
    from.walk(async |sessions| {
        bar.inc(sessions.len() as u64);
        let sessions = worth_keeping(from, sessions);
        for some in sessions.chunks(TOGETHER) {
            tally.missing += missing(some, to).await?;
        }
        Ok(())
    })
    .await?;
    bar.finish_and_clear();
    Ok(())
}

/// How many of `sessions` are not at the target, or further along at the source.
async fn missing(sessions: &[Session], to: &Access) -> Result<usize, Refusal> {
    let mut looked = JoinSet::new();
    for session in sessions {
        let Some(newest) = session.holders.last() else {
            continue;
        };
        let (session, found) = (session.clone(), to.list()?.find(&newest.key));
        looked.spawn(async move {
            let found = found.await?;
            let is_there = found.is_some_and(|found| {
                found.record.root == session.record.root && !found.is_behind(&session)
            });
            Ok::<_, crate::store::StoreFault>(is_there)
        });
    }
    let mut missing = 0;
    while let Some(is_there) = looked.join_next().await {
        let is_there = is_there.map_err(|error| Refusal::Failed(error.to_string()))?;
        missing += usize::from(!is_there?);
    }
    Ok(missing)
}

/// What is over would be swept at the target at once, or a server there would not even take it.
fn worth_keeping(from: &Access, sessions: Vec<Session>) -> Vec<Session> {
    let now = from.now();
    let worth = |session: &Session| session.keep_until(&from.terms) > now;
    sessions.into_iter().filter(worth).collect()
}

/// A bar at a terminal; elsewhere nothing.
fn progress(what: &'static str, total: Option<usize>) -> ProgressBar {
    if !stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let (bar, template) = match total {
        Some(total) => (
            ProgressBar::new(total as u64),
            "{msg} {bar:40} {pos} of {len}",
        ),
        None => (ProgressBar::new_spinner(), "{msg} {spinner} {pos}"),
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar.with_message(what)
}

/// The store that an argument names; timeouts are those of the configuration.
fn place(text: &str, settings: &Settings) -> Result<Store, Refusal> {
    if let Some(file) = text.strip_prefix("config:") {
        return Ok(access::load_file(&PathBuf::from(file))?.store);
    }
    let secret = || Text::Here(Secret::new(text.to_owned()));
    let engine = match text.split_once("://") {
        Some((scheme, _)) if scheme.starts_with("redis") || scheme.starts_with("valkey") => {
            Engine::Redis {
                url: secret(),
                near_cache_bytes: 0,
            }
        }
        Some(("postgres" | "postgresql", _)) => Engine::Postgres {
            url: secret(),
            listen_url: None,
            near_cache_bytes: 0,
        },
        // Not the whole address: it may hold a password.
        Some((scheme, _)) => {
            return Err(Refusal::Usage(format!(
                "{scheme}:// is no store: name config:FILE, a path, redis://… or postgres://…"
            )));
        }
        None => Engine::Sqlite {
            path: text.strip_prefix("sqlite:").unwrap_or(text).into(),
        },
    };
    Ok(Store {
        engine,
        ..settings.store.clone()
    })
}

fn is_same(one: &Engine, other: &Engine) -> bool {
    let real = |path: &PathBuf| path.canonicalize().ok();
    match (one, other) {
        (Engine::Sqlite { path: one }, Engine::Sqlite { path: other }) => {
            one == other || real(one).is_some_and(|path| Some(path) == real(other))
        }
        (Engine::Redis { url: one, .. }, Engine::Redis { url: other, .. })
        | (Engine::Postgres { url: one, .. }, Engine::Postgres { url: other, .. }) => one == other,
        _ => false,
    }
}
