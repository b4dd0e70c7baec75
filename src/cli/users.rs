//! `cloakroom users`: who may log in at a site with `method = "form"`.
//!
//! A password comes from the terminal or from standard input, never from the command line, where every process of the
//! machine could read it. Neither a hash nor a secret is ever printed, but for the new secret of `add --totp`.

use std::io::{IsTerminal, Read, stdin};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use console::Term;
use serde_json::json;
use zeroize::Zeroizing;

use super::{BAD_CONFIG, ConfigArgs, FAILED, FINE, complain, say};
use crate::base::causes::Causes;
use crate::config::settings::{Form, Settings, Site};
use crate::config::users_file::{self, NewUser};
use crate::config::{self};
use crate::login::form::password::{self, acceptable};
use crate::login::form::totp::TotpSecret;

/// `cloakroom users`.
#[derive(Debug, Subcommand)]
pub enum UsersCommand {
    /// Add a user, and make the users file first where there is none.
    Add(AddArgs),
    /// Give a user another password.
    Passwd(PasswdArgs),
    /// Show the users, without their hashes and secrets.
    List(ListArgs),
    /// Remove a user.
    Remove(RemoveArgs),
}

/// Which users file.
#[derive(Debug, Args)]
pub struct FileArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Whose users, where several sites have a users file each
    #[arg(long, value_name = "NAME")]
    site: Option<String>,
}

/// `cloakroom users add`.
#[derive(Debug, Args)]
pub struct AddArgs {
    #[command(flatten)]
    file: FileArgs,
    /// What the user types to log in
    #[arg(value_name = "ID")]
    id: String,
    /// What the user is called
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The user's address
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// A group that the user is in; may be given several times
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// Make a secret for an authenticator app, and print its otpauth address
    #[arg(long)]
    totp: bool,
    /// Read the password from standard input: one line
    #[arg(long)]
    password_stdin: bool,
}

/// `cloakroom users passwd`.
#[derive(Debug, Args)]
pub struct PasswdArgs {
    #[command(flatten)]
    file: FileArgs,
    /// Which user
    #[arg(value_name = "ID")]
    id: String,
    /// Read the password from standard input: one line
    #[arg(long)]
    password_stdin: bool,
}

/// `cloakroom users list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    file: FileArgs,
    /// For machines
    #[arg(long)]
    json: bool,
}

/// `cloakroom users remove`.
#[derive(Debug, Args)]
pub struct RemoveArgs {
    #[command(flatten)]
    file: FileArgs,
    /// Which user
    #[arg(value_name = "ID")]
    id: String,
}

/// Does what the command says and tells the exit code.
pub fn main(command: &UsersCommand) -> u8 {
    let args = match command {
        UsersCommand::Add(args) => &args.file,
        UsersCommand::Passwd(args) => &args.file,
        UsersCommand::List(args) => &args.file,
        UsersCommand::Remove(args) => &args.file,
    };
    let settings = match config::load(&args.config.file(), &config::variables()) {
        Ok(loaded) => loaded.settings,
        Err(faults) => {
            complain(faults);
            return BAD_CONFIG;
        }
    };
    let (site, form) = match site(&settings, args.site.as_deref()) {
        Ok(found) => found,
        Err(why) => {
            complain(why);
            return FAILED;
        }
    };
    let done = match command {
        UsersCommand::Add(args) => add(args, site, form),
        UsersCommand::Passwd(args) => passwd(args, form),
        UsersCommand::List(args) => list(form, args.json),
        UsersCommand::Remove(args) => remove(&args.id, form),
    };
    let file = &form.users_file;
    if users_file::is_exposed(file) {
        let (file, why) = (file.display(), users_file::EXPOSED);
        complain(format_args!("warning: {file}: {why}"));
    }
    match done {
        Ok(()) => FINE,
        Err(why) => {
            complain(why);
            FAILED
        }
    }
}

/// The site whose users are meant.
fn site<'s>(settings: &'s Settings, named: Option<&str>) -> Result<(&'s Site, &'s Form), String> {
    let with_form = |site: &'s Site| Some((site, site.form.as_ref()?));
    let mut sites = settings.sites.iter().filter_map(with_form);
    if let Some(name) = named {
        return sites
            .find(|(site, _)| site.name == name)
            .ok_or_else(|| format!("no site {name:?} has a [site.login] with method = \"form\""));
    }
    let first = sites.next().ok_or_else(|| {
        "no site has a [site.login] with method = \"form\" and a users_file".to_owned()
    })?;
    let file: &PathBuf = &first.1.users_file;
    if sites.any(|(_, other)| other.users_file != *file) {
        return Err("several sites have a users_file each: name one with --site NAME".to_owned());
    }
    Ok(first)
}

fn told(fault: impl std::error::Error + 'static) -> String {
    Causes(&fault).to_string()
}

const TAKES_EFFECT: &str = "a running gateway knows it after a reload (SIGHUP)";

fn add(args: &AddArgs, site: &Site, form: &Form) -> Result<(), String> {
    // Before anybody types a password in vain.
    if form.users_file.exists() {
        let accounts = users_file::read(&form.users_file).map_err(told)?;
        if accounts.iter().any(|account| account.id == args.id) {
            let exists = users_file::ChangeFault::Exists(args.id.clone());
            return Err(told(exists));
        }
    }
    let hash = hash(&ask(args.password_stdin)?, form)?;
    let secret = args.totp.then(TotpSecret::make);
    let text = secret.as_ref().map(TotpSecret::to_text);
    let user = NewUser {
        id: &args.id,
        hash: &hash,
        name: args.name.as_deref(),
        email: args.email.as_deref(),
        groups: &args.groups,
        totp: text.as_ref().map(|text| text.as_str()),
    };
    users_file::add(&form.users_file, &user).map_err(told)?;
    let (id, file) = (&args.id, form.users_file.display());
    say(format_args!("added {id} to {file}\n{TAKES_EFFECT}"));
    if let Some(secret) = secret {
        let issuer = site
            .hosts
            .first()
            .map_or(site.name.as_str(), String::as_str);
        say("for the authenticator app, as a QR code or by hand; it is shown this once:");
        say(secret.url(issuer, id).as_str());
    }
    Ok(())
}

fn passwd(args: &PasswdArgs, form: &Form) -> Result<(), String> {
    let accounts = users_file::read(&form.users_file).map_err(told)?;
    if !accounts.iter().any(|account| account.id == args.id) {
        return Err(told(users_file::ChangeFault::NoSuchUser(args.id.clone())));
    }
    let hash = hash(&ask(args.password_stdin)?, form)?;
    users_file::set_password(&form.users_file, &args.id, &hash).map_err(told)?;
    say(format_args!(
        "{} has another password\n{TAKES_EFFECT}",
        args.id
    ));
    say("sessions of this user go on; `cloakroom sessions end` ends them");
    Ok(())
}

fn remove(id: &str, form: &Form) -> Result<(), String> {
    users_file::remove(&form.users_file, id).map_err(told)?;
    let file = form.users_file.display();
    say(format_args!("removed {id} from {file}\n{TAKES_EFFECT}"));
    say("sessions of this user go on; `cloakroom sessions end` ends them");
    Ok(())
}

fn list(form: &Form, for_machines: bool) -> Result<(), String> {
    let accounts = users_file::read(&form.users_file).map_err(told)?;
    if for_machines {
        let each = accounts.iter().map(|account| {
            json!({
                "id": account.id,
                "name": account.name,
                "email": account.email,
                "groups": account.groups,
                "totp": account.totp.is_some(),
                "disabled": account.disabled,
            })
        });
        say(json!({ "users": each.collect::<Vec<_>>() }));
        return Ok(());
    }
    say("ID                        TOTP  STATE     GROUPS");
    for account in &accounts {
        let totp = if account.totp.is_some() { "yes" } else { "-" };
        let state = if account.disabled {
            "disabled"
        } else {
            "active"
        };
        let (id, groups) = (&account.id, account.groups.join(", "));
        say(format_args!("{id:<24}  {totp:<4}  {state:<8}  {groups}"));
    }
    Ok(())
}

fn hash(password: &str, form: &Form) -> Result<Zeroizing<String>, String> {
    acceptable(password).map_err(told)?;
    let hash = password::hash(password, form.cost).map(Zeroizing::new);
    hash.ok_or_else(|| "site.login.hash_*: argon2 does not work with these".to_owned())
}

/// The password that somebody types, twice and unseen, or one line of standard input.
fn ask(from_stdin: bool) -> Result<Zeroizing<String>, String> {
    if from_stdin {
        return read_line();
    }
    let term = Term::stderr();
    if !stdin().is_terminal() || !term.is_term() {
        return Err("there is no terminal to type a password at: take --password-stdin".to_owned());
    }
    let ask = |words: &str| {
        let asked = term.write_str(words).and_then(|()| term.read_secure_line());
        asked
            .map(Zeroizing::new)
            .map_err(|error| format!("the terminal cannot be read: {error}"))
    };
    let password = ask("Password: ")?;
    acceptable(&password).map_err(told)?;
    if *ask("Again: ")? != *password {
        return Err("these were two different passwords; nothing was changed".to_owned());
    }
    Ok(password)
}

fn read_line() -> Result<Zeroizing<String>, String> {
    let most = password::BYTES_MAX + 2;
    let mut text = Zeroizing::new(String::with_capacity(most + 1));
    let read = stdin()
        .lock()
        .take(most as u64 + 1)
        .read_to_string(&mut text);
    read.map_err(|error| format!("standard input cannot be read: {error}"))?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.contains(['\n', '\r', '\0']) {
        return Err("standard input holds more than one line".to_owned());
    }
    Ok(Zeroizing::new(line.to_owned()))
}
