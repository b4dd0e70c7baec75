//! From the mirror to finished settings: what the keys mean, one by one and together. All faults at once.

mod accept;

mod admin;

mod assertion;

mod balance;

mod cookies;

mod form;

mod forward;

mod listen;

mod login;

mod login_page;
mod looks;

mod named;
mod oidc;

mod rules;

mod sealed;

mod session;

mod site;

mod store;
mod upstream_tls;

mod value;

use std::fs::File as OpenFile;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

pub(super) use self::store::exposed;
use super::fault::{Fault, Origins};
use super::file::File;
use super::settings::{AccessLog, Log, Settings};
use super::users_file;
use crate::base::causes::Causes;

/// Judges `mirror`; relative paths count from `base`. Tells the settings, warnings, and faults: with faults the
/// settings are good for nothing.
pub(super) fn check(
    mirror: File,
    base: &Path,
    origins: Origins,
) -> (Settings, Vec<Fault>, Vec<Fault>) {
    let mut check = Check {
        origins,
        base,
        faults: Vec::new(),
        warnings: Vec::new(),
    };
    let server = listen::server(&mut check, mirror.server);
    let tls = listen::tls(&mut check, mirror.tls);
    let sessions = session::sessions(&mut check, &mirror.session);
    let store = store::store(&mut check, &mirror.session);
    sealed::judge(&mut check, &mirror.session);
    let cookie = session::cookie(&mut check, mirror.session.cookie);
    let sites = site::sites(&mut check, mirror.site, &cookie);
    named::judge(&mut check, &server, &tls, &sites);
    session::judge_pages(&mut check, &sessions, &sites);
    forward::judge(&mut check, &sites, &cookie);
    assertion::keys_are_known_in_time(&mut check, &sites, sessions.keys.activate_after);
    oidc::engine_can(&mut check, &sites, &store.engine);
    let admin = admin::admin(&mut check, mirror.admin);
    let log = Log {
        format: mirror.log.format,
        access: match mirror.log.access.as_str() {
            "stdout" => AccessLog::Stdout,
            "stderr" => AccessLog::Stderr,
            "off" => AccessLog::Off,
            file => AccessLog::File(check.file("log.access", file)),
        },
        level: mirror.log.level,
    };
    check.warnings.sort();
    let settings = Settings {
        server,
        tls,
        session: sessions,
        cookie,
        store,
        sites,
        admin,
        log,
        origins: check.origins,
    };
    (settings, check.warnings, check.faults)
}

/// The files that must be there before the gateway can run, and are not, or cannot be read.
pub fn check_files(settings: &Settings) -> Vec<Fault> {
    let mut faults = Vec::new();
    let certificates = settings.tls.certificates.iter().enumerate();
    for (at, certificate) in certificates {
        for (key, file, what) in [
            ("cert_file", &certificate.cert_file, "certificate"),
            ("key_file", &certificate.key_file, "key"),
        ] {
            // Opened for a moment and not only looked at: what counts is whether it can be read.
            let absent =
                format!("put the {what} there, or make a pair with `cloakroom cert self-signed`");
            let forbidden = "let the user that cloakroom runs as read it".to_owned();
            let (why, way_out) = match OpenFile::open(file).and_then(|open| open.metadata()) {
                Ok(about) if about.is_file() => continue,
                Ok(_) => (format!("{} is no file", file.display()), absent),
                Err(error) => {
                    let is_there = error.kind() == ErrorKind::PermissionDenied;
                    let way_out = if is_there { forbidden } else { absent };
                    (
                        format!("{} cannot be read: {error}", file.display()),
                        way_out,
                    )
                }
            };
            let path = format!("tls.certificate[{at}].{key}");
            faults.push(settings.origins.fault(&path, why, way_out));
        }
    }
    let client_ca = settings.tls.client_ca_file.as_deref();
    let client_ca = client_ca.map(|file| ("tls.client_ca_file".to_owned(), file));
    let roots = settings.sites.iter().enumerate();
    let roots = roots.filter_map(|(at, site)| site.oidc.as_ref()?.roots_file(at));
    let files = settings.upstream_files().into_iter().chain(client_ca);
    for (path, file) in files.chain(roots) {
        let opened = OpenFile::open(file).and_then(|open| open.metadata());
        let why = match opened {
            Ok(about) if about.is_file() => continue,
            Ok(_) => format!("{} is no file", file.display()),
            Err(error) => format!("{} cannot be read: {error}", file.display()),
        };
        let way_out = "put it there, and let the user that cloakroom runs as read it";
        faults.push(settings.origins.fault(&path, why, way_out));
    }
    let users = settings.sites.iter().enumerate();
    for (path, file) in users.filter_map(|(at, site)| site.users_file(at)) {
        // Read and judged: a list with a fault in it would let nobody in.
        if let Err(fault) = users_file::read(file) {
            let why = Causes(&fault).to_string();
            faults.push(settings.origins.fault(&path, why, ""));
        }
    }
    for (at, site) in settings.sites.iter().enumerate() {
        // What is in it was judged where it is there.
        let dir = site.looks.dir.as_deref().filter(|dir| !dir.is_dir());
        if let Some(dir) = dir {
            let path = format!("site[{at}].login.templates_dir");
            let why = format!("{} is no folder that can be read", dir.display());
            let way_out = "make it, and let the user that cloakroom runs as read it";
            faults.push(settings.origins.fault(&path, why, way_out));
        }
    }
    let of_stores = settings.store.secrets().into_iter();
    let of_stores = of_stores.map(|(path, text)| (path.to_owned(), text));
    for (path, text) in of_stores.chain(settings.client_secrets()) {
        if let Err(fault) = text.read() {
            let why = Causes(&fault).to_string();
            faults.push(settings.origins.fault(&format!("{path}_file"), why, ""));
        }
    }
    faults
}

/// What the checks have found so far.
struct Check<'a> {
    origins: Origins,
    base: &'a Path,
    faults: Vec<Fault>,
    warnings: Vec<Fault>,
}

impl Check<'_> {
    /// Reports a fault of the key at `path`, unless it has one already.
    fn fault(&mut self, path: &str, why: impl Into<String>, way_out: impl Into<String>) {
        if !self.origins.is_spoiled(path) {
            self.faults.push(self.origins.fault(path, why, way_out));
        }
    }

    fn warn(&mut self, path: &str, why: impl Into<String>, way_out: impl Into<String>) {
        if !self.origins.is_spoiled(path) {
            self.warnings.push(self.origins.fault(path, why, way_out));
        }
    }

    /// Reports what `result` has against the key at `path`.
    fn accept<T>(&mut self, path: &str, result: Result<T, value::Objection>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(value::Objection { why, way_out }) => {
                self.fault(path, why, way_out);
                None
            }
        }
    }

    /// A file, relative to the configuration.
    fn file(&mut self, path: &str, text: &str) -> PathBuf {
        if text.is_empty() || text.contains('\0') {
            self.fault(path, "names no file", "write the path of a file");
        }
        self.base.join(text)
    }

    fn at_least<N: PartialOrd>(&mut self, path: &str, value: N, least: N, written: &str) -> N {
        if value < least {
            self.fault(path, "too little", format!("write at least {written}"));
        }
        value
    }
}
