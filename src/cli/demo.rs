//! `cloakroom demo`: a certificate, a small legacy app, a gateway in front of it, and curl lines to
//! try. What runs is what `run` would run with the configuration that is shown.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::cert::{CertFault, SelfSignedArgs, self_signed};
use super::{BAD_CONFIG, DemoArgs, FAILED, complain, demo_app, run, say};
use crate::config;
use crate::run::Addresses;
use crate::server::listener::Address;

const CERT_FILE: &str = "certs/localhost.pem";
const KEY_FILE: &str = "certs/localhost-key.pem";

/// Serves the demo until it is told to stop; tells the exit code.
pub fn main(args: &DemoArgs) -> u8 {
    if let Err(fault) = make_certificate() {
        complain(format_args!("the demo's certificate: {fault}"));
        complain("`cloakroom cert self-signed --force` makes both files anew");
        return FAILED;
    }
    let app = match start_app() {
        Ok(address) => address,
        Err(error) => {
            complain(format_args!("the demo's app could not start: {error}"));
            return FAILED;
        }
    };
    let text = configuration(args, app);
    let shown = text.clone();
    let read = move || config::read(Path::new("demo.toml"), text.clone(), &[]);
    match read() {
        Ok(loaded) => run::serve(&loaded, read, |addresses| say(welcome(&shown, addresses))),
        Err(faults) => {
            complain(faults);
            BAD_CONFIG
        }
    }
}

fn make_certificate() -> Result<(), CertFault> {
    let (cert_file, key_file) = (PathBuf::from(CERT_FILE), PathBuf::from(KEY_FILE));
    if cert_file.exists() && key_file.exists() {
        return Ok(());
    }
    self_signed(&SelfSignedArgs {
        hosts: ["localhost", "127.0.0.1", "::1"]
            .map(str::to_owned)
            .to_vec(),
        cert_file,
        key_file,
        days: 365,
        force: false,
    })
}

/// Starts the app on a thread of its own, as if it were another program.
fn start_app() -> io::Result<SocketAddr> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let listener = runtime.block_on(tokio::net::TcpListener::bind(("127.0.0.1", 0)))?;
    let address = listener.local_addr()?;
    std::thread::Builder::new()
        .name("demo-app".to_owned())
        .spawn(move || runtime.block_on(demo_app::serve(listener)))?;
    Ok(address)
}

fn configuration(args: &DemoArgs, app: SocketAddr) -> String {
    // A TOML string in which nothing but these two needs escaping.
    let data = args
        .data
        .display()
        .to_string()
        .replace('\\', "\\\\")
        .replace('"', "\\\"");
    let port = args.port;
    format!(
        r#"[server]
https = ["127.0.0.1:{port}"]

# Browsers would insist on https for whatever else runs on localhost.
[tls]
hsts = "0"

[[tls.certificate]]
cert_file = "{CERT_FILE}"
key_file = "{KEY_FILE}"

[session.keys]
file = "{data}/session.keys"

[session.store]
path = "{data}/sessions.db"

[[site]]
name = "demo"
hosts = ["localhost"]
upstream = ["http://{app}"]
trust_directives = true

[site.cookies]
rules = [
  {{ name = "theme", mode = "pass" }},
  {{ name = "_ga*", mode = "strip" }},
]

[log]
format = "text"
"#
    )
}

fn welcome(text: &str, addresses: &Addresses) -> String {
    let port = addresses
        .https
        .iter()
        .find_map(Address::tcp)
        .map_or(0, |address| address.port());
    let site = format!("https://localhost:{port}");
    let indented: String = text.lines().map(|line| format!("    {line}\n")).collect();
    format!(
        r#"
cloakroom demo: {site}
A legacy app from 2009 runs inside this process; the gateway in front of it has this configuration:

{indented}
Try it from another terminal, in this folder (user demo, password demo):

  # 1. One hardened cookie, whatever the app sets
  curl -si --cacert {CERT_FILE} {site}/login | grep -i set-cookie

  # 2. Log in, and see what the app sees: its own cookie from the jar, the session ID, the user
  curl -s --cacert {CERT_FILE} -c jar.txt -d user=demo -d password=demo {site}/login -o /dev/null
  curl -s --cacert {CERT_FILE} -b jar.txt -c jar.txt {site}/headers

  # 3. What the client holds: the ticket and the theme, not LEGACYSESSID and not _ga
  grep -v '^# ' jar.txt

  # 4. A forged identity does not arrive, in any spelling
  curl -s --cacert {CERT_FILE} -H 'X-Session-User: admin' -H 'X_Session_User: admin' {site}/headers | grep -ic admin

  # 5. Log out: everything the client held is worthless
  cp jar.txt old.txt
  curl -s --cacert {CERT_FILE} -b jar.txt -c jar.txt -X POST {site}/logout -o /dev/null
  curl -s --cacert {CERT_FILE} -b old.txt {site}/headers | grep -ic LEGACYSESSID

Stop it with Ctrl-C. Sessions survive a restart, and kill -9 as well.
"#
    )
}
