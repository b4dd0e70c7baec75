//! `cloakroom learn`: watches the cookies of a site of a running gateway, and says which rules would suit them.
//!
//! What is seen are names, attributes and counts; no value leaves the gateway.

use std::future::Future;
use std::time::Duration;

use clap::Args;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpStream, UnixStream};
use tokio::signal::unix::{SignalKind, signal};

use self::progress::Progress;
use super::access::{Refusal, load};
use super::admin_client::{
    ANSWER_BYTES_MAX, Line, TIMEOUT, Unheard, connect, parts, place, request,
};
use super::{ConfigArgs, FINE, complain, say};
use crate::base::causes::Causes;
use crate::base::secret::Secret;
use crate::config::settings::{AdminAddress, Settings};
use crate::config::{token_file, units};
use crate::cookie::logins::propose_login;
use crate::cookie::proposal::{Proposed, counted, propose};
use crate::cookie::tally::Tally;

mod login;
mod progress;

/// The gateway says something every second; one that does not for so long has hung.
const SILENCE_MAX: Duration = Duration::from_secs(15);
/// More than the largest tally needs.
const LINE_BYTES_MAX: u64 = 8 << 20;

/// `cloakroom learn`.
#[derive(Debug, Args)]
pub struct LearnArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// The name of the site
    #[arg(long, value_name = "NAME")]
    site: String,
    /// How long to watch, such as 5m; else until Ctrl-C
    #[arg(long = "for", value_name = "DURATION", value_parser = span)]
    span: Option<Duration>,
    /// Print what was seen and the rules as JSON
    #[arg(long)]
    json: bool,
}

fn span(text: &str) -> Result<Duration, String> {
    match units::duration(text) {
        Ok(span) if span.is_zero() => Err("no time at all; write for example 5m".to_owned()),
        Ok(span) => Ok(span),
        Err(fault) => Err(format!("{}; {}", fault.why, fault.way_out)),
    }
}

/// Watches until it is enough, and prints the rules; tells the exit code.
pub fn main(args: &LearnArgs) -> u8 {
    match load(&args.config).and_then(|settings| learn(args, &settings)) {
        Ok((tally, has_login)) => {
            print(args, &tally, has_login);
            FINE
        }
        Err(refusal) => refusal.told(),
    }
}

/// Tells what was seen, and whether the site has a login already.
fn learn(args: &LearnArgs, settings: &Settings) -> Result<(Tally, bool), Refusal> {
    let Some(address) = &settings.server.admin else {
        let why = "nothing to learn from: the gateway is asked over its own listener";
        let way_out = "write admin = \"127.0.0.1:9443\" or \"unix:/run/cloakroom/admin.sock\" into [server] and \
                       restart it";
        let fault = settings.origins.fault("server.admin", why, way_out);
        return Err(Refusal::Config(fault.to_string()));
    };
    let token = token_file::read(&settings.admin.token_file)
        .map_err(|fault| Refusal::Failed(Causes(&fault).to_string()))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Refusal::Failed(format!("the system gives no runtime: {error}")))?;
    let tally = runtime.block_on(watch(args, address, &token))?;
    let mut sites = settings.sites.iter();
    let has_login = sites.any(|site| site.name == args.site && site.watch.is_some());
    Ok((tally, has_login))
}

/// Looks on until there is a signal, the time is up or the gateway ends it.
async fn watch(
    args: &LearnArgs,
    address: &AdminAddress,
    token: &Secret<String>,
) -> Result<Tally, Refusal> {
    let no_signals = |error| Refusal::Failed(format!("signals cannot be heard: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(no_signals)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(no_signals)?;
    let mut tallies = Tallies::open(address, &args.site, token).await?;
    complain(format_args!(
        "watching the cookies of {}: use it as its visitors do, and end this with Ctrl-C",
        args.site
    ));
    let patience = async {
        match args.span {
            Some(span) => tokio::time::sleep(span).await,
            None => std::future::pending().await,
        }
    };
    let enough = async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            () = patience => {}
        }
    };
    Ok(tallies.follow(enough).await)
}

fn print(args: &LearnArgs, tally: &Tally, has_login: bool) {
    if tally.cookies.is_empty() {
        let requests = counted(tally.requests, "request");
        complain(format_args!(
            "no cookies of {} were seen in {requests}",
            args.site
        ));
    }
    let proposal = propose(tally);
    let login = propose_login(&tally.logins);
    if args.json {
        say(json!({
            "site": args.site,
            "tally": tally,
            "rules": proposal.rules.iter().map(rule).collect::<Vec<_>>(),
            "notes": proposal.notes,
            "login": login.as_ref().map(login::json),
        }));
    } else if tally.cookies.is_empty() {
        say("# [site.cookies]\n# No cookies were seen, so there are no rules to propose.");
    } else {
        say(proposal.to_string().trim_end());
    }
    if let (Some(login), false, false) = (&login, has_login, args.json) {
        say(login::block(login));
    }
}

/// A rule with the keys that it has in a configuration, and why it is proposed.
fn rule(rule: &Proposed) -> Value {
    let mut told = json!({ "name": rule.name.as_str(), "mode": rule.mode.word() });
    if let Some(http_only) = rule.http_only {
        told["http_only"] = http_only.into();
    }
    if rule.placeholder {
        told["placeholder"] = true.into();
    }
    told["reason"] = rule.reason.as_str().into();
    told
}

trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

/// The tallies of a watch as they come.
struct Tallies {
    stream: BufReader<Box<dyn Stream>>,
    /// What has come of the next one.
    line: Vec<u8>,
}

impl Tallies {
    /// Begins a watch.
    async fn open(
        address: &AdminAddress,
        site: &str,
        token: &Secret<String>,
    ) -> Result<Self, Refusal> {
        let at = place(address);
        let failed = |unheard: Unheard| {
            let why = Causes(&unheard).to_string();
            Refusal::Failed(format!(
                "{why}; is the gateway running with this configuration?"
            ))
        };
        let line = connect(address).map_err(failed)?;
        let site = utf8_percent_encode(site, NON_ALPHANUMERIC);
        let request = request(&format!("/api/v1/learn?site={site}"), Some(token));
        let opening = tokio::time::timeout(TIMEOUT, Self::ask(line, &request));
        let opened = opening.await.unwrap_or_else(|late| Err(late.into()));
        let (tallies, head) = opened.map_err(|error| failed(Unheard::silent(&at, error)))?;
        match parts(&head) {
            Some((200, _)) => Ok(tallies),
            Some((status, body)) => Err(Refusal::Failed(refused(&at, status, &body))),
            None => Err(failed(Unheard::NotHttp(at))),
        }
    }

    /// Sends the request; tells the head of the answer, and all of it where nothing goes on.
    async fn ask(line: Line, request: &Secret<String>) -> std::io::Result<(Self, Vec<u8>)> {
        let mut stream = BufReader::new(adopt(line)?);
        stream.write_all(request.expose().as_bytes()).await?;
        let mut answer = Vec::new();
        let mut limited = (&mut stream).take(ANSWER_BYTES_MAX);
        while limited.read_until(b'\n', &mut answer).await? > 0 && !answer.ends_with(b"\r\n\r\n") {}
        if !matches!(parts(&answer), Some((200, _))) {
            limited.read_to_end(&mut answer).await?;
        }
        let line = Vec::new();
        Ok((Self { stream, line }, answer))
    }

    /// Shows what comes until it is `enough` or there is no more; tells the last.
    async fn follow(&mut self, enough: impl Future<Output = ()>) -> Tally {
        let mut progress = Progress::new();
        let mut last = Tally::default();
        tokio::pin!(enough);
        loop {
            let next = tokio::select! {
                next = self.next() => next,
                () = &mut enough => break,
            };
            let Some(tally) = next else {
                progress.end();
                complain("the gateway ended the watch");
                return last;
            };
            progress.show(&tally);
            last = tally;
        }
        progress.end();
        // One more, so that what has just happened is in it.
        let one_more = tokio::time::timeout(TIMEOUT, self.next()).await;
        one_more.ok().flatten().unwrap_or(last)
    }

    /// The next tally; `None` when there are no more. What has come stays when it is dropped.
    async fn next(&mut self) -> Option<Tally> {
        let mut limited = (&mut self.stream).take(LINE_BYTES_MAX - self.line.len() as u64);
        let reading = limited.read_until(b'\n', &mut self.line);
        let read = tokio::time::timeout(SILENCE_MAX, reading).await;
        let is_whole = matches!(read, Ok(Ok(_))) && self.line.ends_with(b"\n");
        let tally = is_whole.then(|| serde_json::from_slice(&self.line).ok());
        self.line.clear();
        tally.flatten()
    }
}

fn adopt(line: Line) -> std::io::Result<Box<dyn Stream>> {
    Ok(match line {
        Line::Tcp(stream) => {
            stream.set_nonblocking(true)?;
            Box::new(TcpStream::from_std(stream)?)
        }
        Line::Unix(stream) => {
            stream.set_nonblocking(true)?;
            Box::new(UnixStream::from_std(stream)?)
        }
    })
}

/// Why there is no watch, from an answer that is none.
fn refused(at: &str, status: u16, body: &str) -> String {
    let told: Value = serde_json::from_str(body).unwrap_or_default();
    let error = told.get("error").and_then(Value::as_str);
    let sites = told.get("sites").and_then(Value::as_array);
    match (status, error) {
        (401, _) => format!(
            "{at} does not take the token of admin.token_file: if the file was changed while the gateway runs, restart it"
        ),
        (_, Some(error)) => {
            let sites = sites.into_iter().flatten().filter_map(Value::as_str);
            let sites: Vec<&str> = sites.collect();
            match sites.as_slice() {
                [] => error.to_owned(),
                sites => format!("{error}; the gateway has: {}", sites.join(", ")),
            }
        }
        (_, None) => format!("{at} answers with status {status}: {}", body.trim()),
    }
}
