//! Where PostgreSQL is and how it is to be trusted: `session.store.url` and `listen_url`, judged.
//!
//! The text is what libpq and every PostgreSQL tool take. What is said about TLS is judged here, for the client knows
//! only a part of it. One default differs: a server that is neither on this machine nor behind a Unix socket is
//! verified unless the text says otherwise; libpq would go on in the clear.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{ChannelBinding, Host, SslMode, TargetSessionAttrs};

/// How PostgreSQL lists us, unless the address says otherwise.
const APPLICATION_NAME: &str = "cloakroom";

/// What the client understands by itself.
const UNDERSTOOD: &[&str] = &[
    "user",
    "password",
    "dbname",
    "options",
    "application_name",
    "host",
    "hostaddr",
    "port",
    "connect_timeout",
    "tcp_user_timeout",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_retries",
    "channel_binding",
    "load_balance_hosts",
    "sslnegotiation",
];

/// A judged address. Printed without its password.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresAddress {
    pub(super) config: Config,
    pub(super) trust: Trust,
    pub(super) roots: Roots,
}

/// How a connection is protected: libpq's `sslmode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// `disable`: not at all.
    Clear,
    /// `prefer`: encrypted if the server offers it, whoever it is.
    Prefer,
    /// `require`: encrypted, to whoever answers.
    Anybody,
    /// `verify-ca`: to a server with a certificate of a CA that is trusted, whatever its name.
    Chain,
    /// `verify-full`: to the server of that name.
    Full,
}

/// Whose certificates are trusted: libpq's `sslrootcert`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Roots {
    /// Those that the machine trusts.
    Platform,
    /// Those in this PEM file.
    File(PathBuf),
}

/// What is wrong with an address. Never shows what may be a secret.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressFault {
    /// Another scheme, or none.
    #[error("is no PostgreSQL address: write postgres://USER:PASSWORD@HOST/DATABASE")]
    Scheme,
    /// A character of the user or the password that ends them early.
    #[error("the user or the password holds one of / ? # @: write it as %2F, %3F, %23 or %40")]
    Reserved,
    /// A key that nobody here knows.
    #[error("{0} is not known here: leave it out")]
    UnknownKey(String),
    /// A key without value.
    #[error("after the ? stands something that is not KEY=VALUE")]
    Pair,
    /// A value that a key cannot have.
    #[error("{key} must be {expected}")]
    Value {
        /// The key.
        key: &'static str,
        /// What it may be.
        expected: &'static str,
    },
    /// No host.
    #[error("names no host: write postgres://USER:PASSWORD@HOST/DATABASE")]
    NoHost,
    /// No database.
    #[error("names no database: write postgres://USER:PASSWORD@HOST/DATABASE")]
    NoDatabase,
    /// Sockets and machines together.
    #[error(
        "names Unix sockets and machines together: their connections are protected in different ways"
    )]
    MixedHosts,
    /// The rest of what the client has against it.
    #[error("cannot be read: {0}")]
    Client(String),
}

impl PostgresAddress {
    /// Judges `url`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(url: &str) -> Result<Self, AddressFault> {
        let scheme = ["postgres://", "postgresql://"];
        let rest = scheme.iter().find_map(|scheme| url.strip_prefix(scheme));
        let rest = rest.ok_or(AddressFault::Scheme)?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(end);
        if tail.contains(['@', '#']) || authority.matches('@').count() > 1 {
            return Err(AddressFault::Reserved);
        }
        let (path, query) = tail.split_once('?').unwrap_or((tail, ""));
        let mut written = Written::default();
        let mut url = format!("postgres://{authority}{path}?");
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').ok_or(AddressFault::Pair)?;
            if written.take(key, value)? {
                continue;
            } else if !UNDERSTOOD.contains(&key) {
                return Err(AddressFault::UnknownKey(key.chars().take(40).collect()));
            }
            url.push_str(pair);
            url.push('&');
        }
        // Its complaints name a key and never a value; what may hold a secret was taken apart above.
        let config = Config::from_str(&url).map_err(|fault| {
            let cause = std::error::Error::source(&fault).map(ToString::to_string);
            AddressFault::Client(cause.unwrap_or_else(|| fault.to_string()))
        })?;
        Self::of(config, written)
    }

    fn of(mut config: Config, written: Written) -> Result<Self, AddressFault> {
        let hosts = config.get_hosts();
        let sockets = hosts.iter().filter(|host| is_socket(host)).count();
        let is_nothing = |host: &Host| *host == Host::Tcp(String::new());
        let is_nowhere = hosts.is_empty() && config.get_hostaddrs().is_empty();
        if is_nowhere || hosts.iter().any(is_nothing) {
            return Err(AddressFault::NoHost);
        } else if config.get_dbname().is_none_or(str::is_empty) {
            return Err(AddressFault::NoDatabase);
        } else if sockets > 0 && sockets < hosts.len() {
            return Err(AddressFault::MixedHosts);
        }
        let trust = match written.trust {
            _ if sockets > 0 => Trust::Clear,
            // As with libpq, who names a CA wants it asked.
            Some(Trust::Anybody) if written.roots.is_some() => Trust::Chain,
            Some(trust) => trust,
            None if is_of_this_machine(&config) => Trust::Clear,
            None => Trust::Full,
        };
        if config.get_channel_binding() == ChannelBinding::Require && trust == Trust::Clear {
            let (key, expected) = ("channel_binding", "left out where there is no TLS");
            return Err(AddressFault::Value { key, expected });
        }
        config.ssl_mode(match trust {
            Trust::Clear => SslMode::Disable,
            Trust::Prefer => SslMode::Prefer,
            Trust::Anybody | Trust::Chain | Trust::Full => SslMode::Require,
        });
        config.target_session_attrs(written.attributes.unwrap_or(TargetSessionAttrs::ReadWrite));
        if config.get_application_name().is_none() {
            config.application_name(APPLICATION_NAME);
        }
        Ok(Self {
            config,
            trust,
            roots: written.roots.unwrap_or(Roots::Platform),
        })
    }

    /// How its connections are protected.
    pub const fn trust(&self) -> Trust {
        self.trust
    }

    /// For the client. Of several hosts each gets its share of `timeout`: one that swallows everything must not keep us
    /// from the next.
    pub(super) fn config_for(&self, timeout: Duration) -> Config {
        let mut config = self.config.clone();
        let hosts = config.get_hosts().len().max(config.get_hostaddrs().len());
        let share = timeout / u32::try_from(hosts.max(1)).unwrap_or(u32::MAX);
        let shorter = config
            .get_connect_timeout()
            .map_or(share, |written| share.min(*written));
        config.connect_timeout(shorter);
        config
    }

    /// What somebody on the way to the server could do, if anything.
    pub fn weakness(&self) -> Option<&'static str> {
        match self.trust {
            Trust::Clear if self.stays_here() => None,
            Trust::Clear => Some("sessions cross the network in the clear"),
            Trust::Prefer | Trust::Anybody => {
                Some("anybody on the way can pose as the server: its certificate is not verified")
            }
            Trust::Chain => Some("any server with a certificate of that CA can pose as this one"),
            Trust::Full => None,
        }
    }

    fn stays_here(&self) -> bool {
        self.config.get_hosts().iter().any(is_socket) || is_of_this_machine(&self.config)
    }
}

impl fmt::Debug for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresAddress")
            .field("hosts", &self.config.get_hosts())
            .field("database", &self.config.get_dbname())
            .field("trust", &self.trust)
            .finish_non_exhaustive()
    }
}

/// What an address says of the things that are judged here.
#[derive(Default)]
struct Written {
    trust: Option<Trust>,
    roots: Option<Roots>,
    attributes: Option<TargetSessionAttrs>,
}

impl Written {
    /// Whether `key` is one of them; its value is taken then.
    fn take(&mut self, key: &str, value: &str) -> Result<bool, AddressFault> {
        match key {
            "sslmode" => self.trust = Some(trust(value)?),
            "sslrootcert" => self.roots = Some(roots(value)?),
            "target_session_attrs" => self.attributes = Some(attributes(value)?),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn trust(value: &str) -> Result<Trust, AddressFault> {
    Ok(match value {
        "disable" => Trust::Clear,
        "prefer" => Trust::Prefer,
        "require" => Trust::Anybody,
        "verify-ca" => Trust::Chain,
        "verify-full" => Trust::Full,
        _ => {
            return Err(AddressFault::Value {
                key: "sslmode",
                expected: "disable, prefer, require, verify-ca or verify-full",
            });
        }
    })
}

fn roots(value: &str) -> Result<Roots, AddressFault> {
    match percent_decoded(value) {
        Some(value) if value == "system" => Ok(Roots::Platform),
        Some(value) if value.starts_with('/') => Ok(Roots::File(value.into())),
        _ => Err(AddressFault::Value {
            key: "sslrootcert",
            expected: "the full path of a PEM file, or system",
        }),
    }
}

fn attributes(value: &str) -> Result<TargetSessionAttrs, AddressFault> {
    match value {
        "any" => Ok(TargetSessionAttrs::Any),
        "read-write" | "primary" => Ok(TargetSessionAttrs::ReadWrite),
        _ => Err(AddressFault::Value {
            key: "target_session_attrs",
            expected: "read-write, which is the default, primary or any: sessions have to be written",
        }),
    }
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = tail.get(..2)?;
        bytes.extend(data_encoding::HEXLOWER_PERMISSIVE.decode(digits).ok()?);
        rest = tail.get(2..)?;
    }
    String::from_utf8(bytes).ok()
}

const fn is_socket(host: &Host) -> bool {
    matches!(host, Host::Unix(_))
}

/// Whether no packet leaves the machine. Where an address is written beside a name, the address is what is called.
fn is_of_this_machine(config: &Config) -> bool {
    let addresses = config.get_hostaddrs();
    if !addresses.is_empty() {
        return addresses.iter().all(std::net::IpAddr::is_loopback);
    }
    let is_local = |host: &Host| match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            let address = name.parse::<std::net::IpAddr>();
            name == "localhost" || address.is_ok_and(|address| address.is_loopback())
        }
    };
    config.get_hosts().iter().all(is_local)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(url: &str) -> PostgresAddress {
        PostgresAddress::parse(url).unwrap_or_else(|fault| panic!("{url}: {fault}"))
    }

    #[test]
    fn a_server_elsewhere_is_verified_unless_the_address_says_otherwise() {
        let cases = [
            ("postgres://u:p@db.example/s", Trust::Full),
            (
                "postgresql://u:p@db.example:6432/s?application_name=x",
                Trust::Full,
            ),
            ("postgres://u:p@10.0.0.1/s", Trust::Full),
            ("postgres://u:p@localhost,db.example/s", Trust::Full),
            ("postgres://u:p@localhost/s?hostaddr=10.0.0.1", Trust::Full),
            ("postgres://u:p@localhost/s", Trust::Clear),
            ("postgres://u:p@127.0.0.1:5433/s", Trust::Clear),
            ("postgres://u:p@[::1]/s", Trust::Clear),
            ("postgres://u@%2Fvar%2Frun%2Fpostgresql/s", Trust::Clear),
            (
                "postgres:///s?host=/run/postgresql&sslmode=require",
                Trust::Clear,
            ),
            ("postgres://u:p@db.example/s?sslmode=disable", Trust::Clear),
            ("postgres://u:p@db.example/s?sslmode=prefer", Trust::Prefer),
            (
                "postgres://u:p@db.example/s?sslmode=require",
                Trust::Anybody,
            ),
            (
                "postgres://u:p@db.example/s?sslmode=require&sslrootcert=/ca.pem",
                Trust::Chain,
            ),
            (
                "postgres://u:p@db.example/s?sslmode=verify-ca",
                Trust::Chain,
            ),
            (
                "postgres://u:p@localhost/s?sslmode=verify-full",
                Trust::Full,
            ),
        ];
        for (url, trust) in cases {
            assert_eq!(address(url).trust(), trust, "{url}");
        }
    }

    #[test]
    fn the_way_to_the_ca_may_be_spelled_as_urls_are() {
        let file = |url: &str| match address(url).roots {
            Roots::File(path) => path.display().to_string(),
            Roots::Platform => "platform".to_owned(),
        };
        let with = |value| file(&format!("postgres://u@db/s?sslrootcert={value}"));
        assert_eq!(with("/etc/ca.pem"), "/etc/ca.pem");
        assert_eq!(with("%2Fetc%2Fmy%20ca.pem"), "/etc/my ca.pem");
        assert_eq!(with("system"), "platform");
        assert_eq!(file("postgres://u@db/s"), "platform");
    }

    #[test]
    fn a_standby_is_not_taken_unless_the_address_says_otherwise() {
        let wanted = |url| address(url).config.get_target_session_attrs();
        assert_eq!(wanted("postgres://u@db/s"), TargetSessionAttrs::ReadWrite);
        let any = "postgres://u@db/s?target_session_attrs=any";
        assert_eq!(wanted(any), TargetSessionAttrs::Any);
    }

    #[test]
    fn what_is_wrong_is_told_without_the_password() {
        let cases = [
            ("redis://:hunter2@h/1", "no PostgreSQL address"),
            ("hunter2", "no PostgreSQL address"),
            ("postgres://u:hunter2/x@h/s", "%2F"),
            ("postgres://u:hunter2?x@h/s", "%2F"),
            ("postgres://u:hunter2#x@h/s", "%2F"),
            ("postgres://u:hunter2@x@h/s", "%2F"),
            ("postgres://u:hunter2@/s", "no host"),
            ("postgres:///s?password=hunter2", "no host"),
            ("postgres://u:hunter2@h", "no database"),
            ("postgres://u:hunter2@h/", "no database"),
            ("postgres://u:hunter2@h:port/s", "port"),
            (
                "postgres://u:hunter2@h/s?sslmode=on",
                "sslmode must be disable",
            ),
            ("postgres://u:hunter2@h/s?sslrootcert=ca.pem", "full path"),
            (
                "postgres://u:hunter2@h/s?sslcert=/c.pem",
                "sslcert is not known",
            ),
            ("postgres://u:hunter2@h/s?sslmode", "KEY=VALUE"),
            (
                "postgres://u:hunter2@h/s?target_session_attrs=standby",
                "have to be written",
            ),
            ("postgres://u:hunter2@h,%2Ftmp/s", "together"),
            (
                "postgres://u:hunter2@localhost/s?channel_binding=require",
                "no TLS",
            ),
        ];
        for (url, expected) in cases {
            let fault = PostgresAddress::parse(url).unwrap_err();
            let text = format!("{fault} {fault:?}");
            assert!(text.contains(expected), "{url}: {text}");
            assert!(!text.contains("hunter2"), "{url}: {text}");
        }
        let printed = format!("{:?}", address("postgres://u:hunter2@h/s"));
        assert!(!printed.contains("hunter2"), "{printed}");
    }

    #[test]
    fn what_can_be_listened_in_on_is_called_weak() {
        let weak = |url: &str| address(url).weakness().is_some();
        assert!(!weak("postgres://u@db/s") && !weak("postgres://u@localhost/s"));
        for mode in ["disable", "prefer", "require", "verify-ca"] {
            assert!(weak(&format!("postgres://u@db/s?sslmode={mode}")), "{mode}");
        }
    }
}
