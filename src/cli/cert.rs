//! `cloakroom cert self-signed`: a certificate to begin with. Browsers warn of it; curl takes it with `--cacert`.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair};
use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

use super::{FAILED, FINE, complain, say};
use crate::base::clock::Clock;

/// `cloakroom cert`.
#[derive(Debug, Subcommand)]
pub enum CertCommand {
    /// Make a key and a certificate that nobody vouches for.
    SelfSigned(SelfSignedArgs),
}

/// `cloakroom cert self-signed`.
#[derive(Debug, Args)]
pub struct SelfSignedArgs {
    /// A host name, *.suffix or address that it is for; may be given several times
    #[arg(long = "host", value_name = "HOST", default_values = ["localhost", "127.0.0.1", "::1"])]
    pub hosts: Vec<String>,
    /// Where the certificate goes
    #[arg(long, value_name = "FILE", default_value = "certs/localhost.pem")]
    pub cert_file: PathBuf,
    /// Where its private key goes, readable for this user only
    #[arg(long, value_name = "FILE", default_value = "certs/localhost-key.pem")]
    pub key_file: PathBuf,
    /// How long it is valid
    #[arg(long, value_name = "DAYS", default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub days: u32,
    /// Replace files that are there
    #[arg(long)]
    pub force: bool,
}

/// Why no certificate was made. Files that were there are untouched.
#[derive(Debug, thiserror::Error)]
pub enum CertFault {
    /// A file is in the way.
    #[error("{} is there already; take --force to replace it", .0.display())]
    Exists(PathBuf),
    /// Both would go into one file.
    #[error("the certificate and its key need a file each")]
    SameFile,
    /// The names or the key do not make a certificate.
    #[error("no certificate can be made for these hosts")]
    Make(#[from] rcgen::Error),
    /// A file cannot be written.
    #[error("{} cannot be written", file.display())]
    Write {
        /// Which.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Does what the command says and tells the exit code.
pub fn main(command: &CertCommand) -> u8 {
    let CertCommand::SelfSigned(args) = command;
    match self_signed(args) {
        Ok(()) => {
            let (certificate, key) = (args.cert_file.display(), args.key_file.display());
            let (hosts, days) = (args.hosts.join(", "), args.days);
            say(format_args!(
                "certificate: {certificate}\nkey:         {key}\nfor {hosts}, valid for {days} days"
            ));
            FINE
        }
        Err(fault) => {
            match std::error::Error::source(&fault) {
                Some(cause) => complain(format_args!("{fault}: {cause}")),
                None => complain(fault),
            }
            FAILED
        }
    }
}

/// Makes a key (ECDSA P-256, mode 0600) and a certificate for `hosts`, signed by itself.
///
/// # Errors
/// A file is in the way, cannot be written, or a host is none.
pub fn self_signed(args: &SelfSignedArgs) -> Result<(), CertFault> {
    if args.cert_file == args.key_file {
        return Err(CertFault::SameFile);
    }
    for file in [&args.cert_file, &args.key_file] {
        // Asked without following links: a link that leads nowhere is in the way as well.
        if !args.force && fs::symlink_metadata(file).is_ok() {
            return Err(CertFault::Exists(file.clone()));
        }
    }
    let mut params = CertificateParams::new(args.hosts.clone())?;
    // A clock a little behind ours must not find the certificate in the future.
    let now = i64::try_from(Clock::system().now().as_secs()).unwrap_or_default();
    let now = OffsetDateTime::from_unix_timestamp(now).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    params.not_before = now - Duration::hours(1);
    params.not_after = now + Duration::days(args.days.into());
    // No authority, and no key usage either: clients that are handed it as their root would ask for one that a
    // server certificate has no business with.
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let name = args.hosts.first().map_or("localhost", String::as_str);
    params.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;

    let key = Zeroizing::new(key.serialize_pem());
    write(&args.key_file, key.as_bytes(), 0o600)?;
    write(&args.cert_file, certificate.pem().as_bytes(), 0o644)
}

/// Writes a file beside `file` and moves it there, so that nobody ever reads half of it.
fn write(file: &Path, content: &[u8], mode: u32) -> Result<(), CertFault> {
    let fault = |source| CertFault::Write {
        file: file.to_owned(),
        source,
    };
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder {
        let mut builder = fs::DirBuilder::new();
        builder
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(fault)?;
    }
    let mut beside = file.as_os_str().to_owned();
    beside.push(".new");
    // What an earlier attempt left behind may have another mode.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fault(error)),
        _ => {}
    }
    let mut options = fs::OpenOptions::new();
    let mut open = options
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&beside)
        .map_err(fault)?;
    let written = open
        .write_all(content)
        .and_then(|()| open.sync_all())
        .and_then(|()| fs::rename(&beside, file));
    written.map_err(|error| {
        let _ = fs::remove_file(&beside);
        fault(error)
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn args(folder: &Path) -> SelfSignedArgs {
        SelfSignedArgs {
            hosts: ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into(),
            cert_file: folder.join("new/cert.pem"),
            key_file: folder.join("new/key.pem"),
            days: 30,
            force: false,
        }
    }

    #[test]
    fn the_key_is_for_its_owner_only_and_the_names_are_in_the_certificate() {
        let folder = tempfile::tempdir().unwrap();
        let args = args(folder.path());
        self_signed(&args).unwrap();
        let mode = fs::metadata(&args.key_file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let pem = fs::read(&args.cert_file).unwrap();
        let (_, pem) = x509_parser::pem::parse_x509_pem(&pem).unwrap();
        let certificate = pem.parse_x509().unwrap();
        let names = certificate.subject_alternative_name().unwrap().unwrap();
        assert_eq!(names.value.general_names.len(), 3, "{names:?}");
        assert!(!certificate.is_ca());
        let life = certificate.validity().not_after.timestamp()
            - certificate.validity().not_before.timestamp();
        assert_eq!(life, 30 * 86_400 + 3_600);
    }

    #[test]
    fn nothing_is_overwritten_unless_asked() {
        let folder = tempfile::tempdir().unwrap();
        let mut args = args(folder.path());
        fs::create_dir(folder.path().join("new")).unwrap();
        fs::write(&args.key_file, "precious").unwrap();
        assert!(matches!(self_signed(&args), Err(CertFault::Exists(_))));
        assert_eq!(fs::read_to_string(&args.key_file).unwrap(), "precious");
        assert!(!args.cert_file.exists());
        args.force = true;
        self_signed(&args).unwrap();
        let mode = fs::metadata(&args.key_file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn what_is_no_host_gets_no_certificate() {
        let folder = tempfile::tempdir().unwrap();
        let mut args = args(folder.path());
        args.hosts = vec!["münchen.de".to_owned()];
        assert!(matches!(self_signed(&args), Err(CertFault::Make(_))));
        assert!(!args.key_file.exists());
    }
}
