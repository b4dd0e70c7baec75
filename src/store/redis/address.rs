//! `session.store.url` for Redis and Valkey: read once, before anything is connected.

use std::fmt;
use std::path::PathBuf;

use super::keys;
use crate::base::secret::Secret;

const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

/// More replicas than that nobody waits for.
const REPLICAS_MAX: u32 = 8;

/// Where Redis is, and who we are to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisAddress {
    pub(super) layout: Layout,
    pub(super) login: Login,
    pub(super) database: u32,
    /// `None`: clear text.
    pub(super) tls: Option<Trust>,
    /// What the names of all keys begin with.
    pub(super) prefix: String,
    /// How many replicas must have a change before it counts as done.
    pub(super) replicas: u32,
}

/// How the servers stand together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// One server.
    Single(Endpoint),
    /// A master whom sentinels name.
    Sentinel {
        sentinels: Vec<Endpoint>,
        /// What the sentinels call it.
        master: String,
        /// Who we are to the sentinels.
        login: Login,
    },
    /// A cluster, of which these nodes are known.
    Cluster(Vec<Endpoint>),
}

/// One server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Endpoint {
    Tcp { host: String, port: u16 },
    Unix(PathBuf),
}

/// Who we are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Login {
    pub user: Option<String>,
    pub password: Option<Secret<String>>,
}

/// Whom we believe that a certificate is genuine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Trust {
    /// `None`: whomever the platform believes.
    pub ca_file: Option<PathBuf>,
}

/// Why a text is no address. Quotes nothing of it: in the wrong place, anything may be a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressFault {
    /// It does not begin as one of the known ones does.
    #[error("is no address of a Redis or Valkey server")]
    Scheme,
    /// A host is missing, or is none.
    #[error("has no host where one should be")]
    Host,
    /// A port is none.
    #[error("has no port after a colon where one should be")]
    Port,
    /// More hosts than one, where only one is possible.
    #[error("names more than one server")]
    ManyHosts,
    /// The sentinels are not told which master is meant.
    #[error("does not say what the sentinels call the master")]
    MasterName,
    /// The database is no number.
    #[error("has something else than a number where the database should be")]
    Database,
    /// A cluster has one database.
    #[error("names a database, and a cluster has but one")]
    ClusterDatabase,
    /// A path where there is none.
    #[error("has a path that means nothing")]
    Path,
    /// A Unix socket without a path, or with more than that.
    #[error("names no socket")]
    Socket,
    /// An escape that is none, or is no text.
    #[error("has a % that is not followed by two hexadecimal digits of UTF-8 text")]
    Escape,
    /// A user without a password.
    #[error("names a user without a password")]
    UserAlone,
    /// An option that is not known, or not here.
    #[error("has an option that means nothing here, or is there twice")]
    Option,
    /// A prefix with characters that do not belong there.
    #[error("has a prefix that is not 1 to 64 of a-z A-Z 0-9 : . _ -")]
    Prefix,
    /// A number of replicas that is none.
    #[error("has a number of replicas that is not 0 to {REPLICAS_MAX}")]
    Replicas,
    /// Something that may be meant to leave TLS unverified, or be part of a password.
    #[error("has a # in it")]
    Fragment,
}

impl AddressFault {
    /// How it is put right.
    pub const fn way_out(&self) -> &'static str {
        match self {
            Self::Scheme => {
                "begin it with redis://, rediss:// (TLS), redis+unix://, redis+cluster://, rediss+cluster://, \
                 redis+sentinel:// or rediss+sentinel://"
            }
            Self::Host | Self::Port => {
                "write host or host:port, an IPv6 address in brackets, several with commas between them"
            }
            Self::ManyHosts => {
                "name one, or begin with redis+sentinel:// or redis+cluster:// if they belong together"
            }
            Self::MasterName => "end it with /NAME, as in \"sentinel monitor NAME …\"",
            Self::Database => "end it with /0, or leave that out",
            Self::ClusterDatabase => "leave the part after the hosts out",
            Self::Path => "leave out what comes after the database",
            Self::Socket => "write redis+unix:///path/of/the.sock",
            Self::Escape | Self::Fragment => {
                "write such characters of a user or password as % and two digits: %25 for %, %23 for #, %40 for @"
            }
            Self::UserAlone => "write user:password@, or :password@ where there are no users",
            Self::Option => {
                "there are ca_file (rediss), db, user and password (redis+unix), sentinel_username and \
                 sentinel_password (sentinel), prefix and replicas"
            }
            Self::Prefix => "choose another prefix",
            Self::Replicas => "write replicas=1, or leave it out to wait for none",
        }
    }
}

impl RedisAddress {
    /// Reads the text of an address.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, AddressFault> {
        let (scheme, rest) = text.split_once("://").ok_or(AddressFault::Scheme)?;
        if rest.contains('#') {
            return Err(AddressFault::Fragment);
        }
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut options = Options::parse(query)?;
        let (family, kind) = scheme.split_once('+').unwrap_or((scheme, ""));
        let tls = match family {
            "redis" | "valkey" => None,
            "rediss" | "valkeys" => Some(Trust {
                ca_file: options.take("ca_file").map(PathBuf::from),
            }),
            _ => return Err(AddressFault::Scheme),
        };
        let address = match (kind, &tls) {
            ("unix", None) => unix(place, &mut options)?,
            ("", _) => single(place)?,
            ("cluster", _) => cluster(place)?,
            ("sentinel", _) => sentinel(place, &mut options)?,
            _ => return Err(AddressFault::Scheme),
        };
        let prefix = prefix(options.take("prefix"))?;
        let replicas = replicas(options.take("replicas"))?;
        options.are_all_taken()?;
        Ok(Self {
            tls,
            prefix,
            replicas,
            ..address
        })
    }

    /// The servers that it names, for people.
    pub fn servers(&self) -> String {
        let (before, endpoints) = match &self.layout {
            Layout::Single(endpoint) => ("", std::slice::from_ref(endpoint)),
            Layout::Sentinel { sentinels, .. } => ("sentinels ", &sentinels[..]),
            Layout::Cluster(nodes) => ("cluster ", &nodes[..]),
        };
        let texts: Vec<_> = endpoints.iter().map(Endpoint::to_string).collect();
        format!("{before}{}", texts.join(", "))
    }

    fn of(layout: Layout, login: Login, database: u32) -> Self {
        Self {
            layout,
            login,
            database,
            tls: None,
            prefix: String::new(),
            replicas: 0,
        }
    }
}

fn single(place: &str) -> Result<RedisAddress, AddressFault> {
    let (login, hosts, path) = parts(place)?;
    let mut hosts = endpoints(hosts, PORT)?.into_iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return Err(AddressFault::ManyHosts);
    };
    let (database, rest) = path.split_once('/').unwrap_or((path, ""));
    if !rest.is_empty() {
        return Err(AddressFault::Path);
    }
    let layout = Layout::Single(host);
    Ok(RedisAddress::of(layout, login, read_database(database)?))
}

fn cluster(place: &str) -> Result<RedisAddress, AddressFault> {
    let (login, hosts, path) = parts(place)?;
    if !matches!(path, "" | "0") {
        return Err(AddressFault::ClusterDatabase);
    }
    let layout = Layout::Cluster(endpoints(hosts, PORT)?);
    Ok(RedisAddress::of(layout, login, 0))
}

fn sentinel(place: &str, options: &mut Options) -> Result<RedisAddress, AddressFault> {
    let (login, hosts, path) = parts(place)?;
    let (master, database) = path.split_once('/').unwrap_or((path, ""));
    if master.is_empty() {
        return Err(AddressFault::MasterName);
    }
    let user = options.take("sentinel_username");
    let layout = Layout::Sentinel {
        sentinels: endpoints(hosts, SENTINEL_PORT)?,
        master: unescape(master)?,
        login: Login::new(user, options.take("sentinel_password"))?,
    };
    Ok(RedisAddress::of(layout, login, read_database(database)?))
}

fn unix(place: &str, options: &mut Options) -> Result<RedisAddress, AddressFault> {
    if !place.starts_with('/') || place.ends_with('/') {
        return Err(AddressFault::Socket);
    }
    let layout = Layout::Single(Endpoint::Unix(unescape(place)?.into()));
    let login = Login::new(options.take("user"), options.take("password"))?;
    let database = read_database(&options.take("db").unwrap_or_default())?;
    Ok(RedisAddress::of(layout, login, database))
}

/// Who, the hosts, and what comes after the first slash.
fn parts(place: &str) -> Result<(Login, &str, &str), AddressFault> {
    // An unescaped @ or / in a password is taken for part of it as long as a host remains.
    let (login, place) = place.rsplit_once('@').unwrap_or(("", place));
    let (hosts, path) = place.split_once('/').unwrap_or((place, ""));
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let part = |text: &str| (!text.is_empty()).then(|| unescape(text)).transpose();
    Ok((Login::new(part(user)?, part(password)?)?, hosts, path))
}

fn endpoints(hosts: &str, port: u16) -> Result<Vec<Endpoint>, AddressFault> {
    hosts
        .split(',')
        .map(|host| Endpoint::parse(host, port))
        .collect()
}

fn read_database(text: &str) -> Result<u32, AddressFault> {
    match text {
        "" => Ok(0),
        text => text.parse().map_err(|_| AddressFault::Database),
    }
}

fn prefix(given: Option<String>) -> Result<String, AddressFault> {
    let Some(prefix) = given else {
        return Ok(keys::PREFIX.to_owned());
    };
    // Braces would change the slots of a cluster, and the others have a meaning in patterns.
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b":._-".contains(&byte);
    if !(1..=64).contains(&prefix.len()) || !prefix.bytes().all(allowed) {
        return Err(AddressFault::Prefix);
    }
    Ok(prefix)
}

fn replicas(given: Option<String>) -> Result<u32, AddressFault> {
    let count = given.map(|text| text.parse().ok().filter(|count| *count <= REPLICAS_MAX));
    count.map_or(Ok(0), |count| count.ok_or(AddressFault::Replicas))
}

impl Login {
    fn new(user: Option<String>, password: Option<String>) -> Result<Self, AddressFault> {
        if user.is_some() && password.is_none() {
            return Err(AddressFault::UserAlone);
        }
        let password = password.map(Secret::new);
        Ok(Self { user, password })
    }
}

impl Endpoint {
    /// `host`, `host:port` or `[IPv6]:port`.
    fn parse(text: &str, default: u16) -> Result<Self, AddressFault> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']').ok_or(AddressFault::Host)?;
                host.parse::<std::net::Ipv6Addr>()
                    .map_err(|_| AddressFault::Host)?;
                (
                    host,
                    port.strip_prefix(':').or(port.is_empty().then_some("")),
                )
            }
            None => {
                let (host, port) = text
                    .split_once(':')
                    .map_or((text, None), |(host, port)| (host, Some(port)));
                (host, port.or(Some("")))
            }
        };
        let port = port.ok_or(AddressFault::Host)?;
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
        if host.is_empty() || !host.bytes().all(is_part) {
            return Err(AddressFault::Host);
        }
        let port = match port {
            "" => default,
            port => match port.parse() {
                Ok(port) if port != 0 => port,
                _ => return Err(AddressFault::Port),
            },
        };
        let host = host.to_owned();
        Ok(Self::Tcp { host, port })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

/// What comes after the question mark.
struct Options(Vec<(String, String)>);

impl Options {
    fn parse(query: &str) -> Result<Self, AddressFault> {
        let options = query.split('&').filter(|option| !option.is_empty());
        let options = options.map(|option| {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            Ok((unescape(name)?, unescape(value)?))
        });
        options.collect::<Result<_, _>>().map(Self)
    }

    fn take(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.remove(at).1)
    }

    /// An option that is there twice is not taken either.
    fn are_all_taken(self) -> Result<(), AddressFault> {
        self.0.is_empty().then_some(()).ok_or(AddressFault::Option)
    }
}

fn unescape(text: &str) -> Result<String, AddressFault> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte == b'%' {
            let (digits, after) = rest.split_at_checked(2).ok_or(AddressFault::Escape)?;
            let byte = data_encoding::HEXLOWER_PERMISSIVE.decode(digits);
            bytes.extend(byte.map_err(|_| AddressFault::Escape)?);
            rest = after;
        } else {
            bytes.push(*byte);
        }
    }
    String::from_utf8(bytes).map_err(|_| AddressFault::Escape)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, port: u16) -> Endpoint {
        let host = host.to_owned();
        Endpoint::Tcp { host, port }
    }

    fn login(user: &str, password: &str) -> Login {
        Login {
            user: (!user.is_empty()).then(|| user.to_owned()),
            password: (!password.is_empty()).then(|| Secret::new(password.to_owned())),
        }
    }

    fn address(layout: Layout) -> RedisAddress {
        RedisAddress {
            prefix: keys::PREFIX.to_owned(),
            ..RedisAddress::of(layout, Login::default(), 0)
        }
    }

    #[track_caller]
    fn reads(text: &str, expected: RedisAddress) {
        assert_eq!(RedisAddress::parse(text), Ok(expected), "{text}");
    }

    #[test]
    fn one_server() {
        let here = || address(Layout::Single(tcp("localhost", 6379)));
        reads("redis://localhost", here());
        reads("valkey://localhost/", here());
        reads(
            "redis://[::1]:7/3",
            RedisAddress {
                database: 3,
                ..address(Layout::Single(tcp("::1", 7)))
            },
        );
        reads(
            "redis://:s%40cr%2Fet@localhost",
            RedisAddress {
                login: login("", "s@cr/et"),
                ..here()
            },
        );
        reads(
            "redis://app:p:w@localhost?prefix=shop:&replicas=1",
            RedisAddress {
                login: login("app", "p:w"),
                prefix: "shop:".into(),
                replicas: 1,
                ..here()
            },
        );
        reads(
            "rediss://localhost?ca_file=/etc/ca%20x.pem",
            RedisAddress {
                tls: Some(Trust {
                    ca_file: Some("/etc/ca x.pem".into()),
                }),
                ..here()
            },
        );
        reads(
            "rediss://localhost",
            RedisAddress {
                tls: Some(Trust::default()),
                ..here()
            },
        );
        reads(
            "redis+unix:///run/redis.sock?db=2&user=app&password=x%26",
            RedisAddress {
                login: login("app", "x&"),
                database: 2,
                ..address(Layout::Single(Endpoint::Unix("/run/redis.sock".into())))
            },
        );
    }

    #[test]
    fn several_servers() {
        let hosts = vec![tcp("a", 1), tcp("b", 6379)];
        reads(
            "redis+cluster://a:1,b",
            address(Layout::Cluster(hosts.clone())),
        );
        reads(
            "rediss+cluster://u:p@a:1,b/0",
            RedisAddress {
                login: login("u", "p"),
                tls: Some(Trust::default()),
                ..address(Layout::Cluster(hosts))
            },
        );
        reads(
            "redis+sentinel://:p@a:1,b/mymaster/2?sentinel_username=s&sentinel_password=q",
            RedisAddress {
                login: login("", "p"),
                database: 2,
                ..address(Layout::Sentinel {
                    sentinels: vec![tcp("a", 1), tcp("b", 26379)],
                    master: "mymaster".into(),
                    login: login("s", "q"),
                })
            },
        );
    }

    #[test]
    fn what_is_no_address_says_why_and_keeps_the_password() {
        use AddressFault as Fault;
        let cases = [
            ("", Fault::Scheme),
            ("localhost:6379", Fault::Scheme),
            ("postgres://hunter2@a", Fault::Scheme),
            ("redis+tls://a", Fault::Scheme),
            ("rediss+unix:///a", Fault::Scheme),
            ("redis://", Fault::Host),
            ("redis://:hunter2@", Fault::Host),
            ("redis://a b", Fault::Host),
            ("redis://:hunter2", Fault::Host),
            ("redis://app:hunter2", Fault::Port),
            ("redis://a/hunter2", Fault::Database),
            ("redis://a?hunter2", Fault::Option),
            ("redis://[a]", Fault::Host),
            ("redis://::1", Fault::Host),
            ("redis://a:0", Fault::Port),
            ("redis://a:x", Fault::Port),
            ("redis://a,b", Fault::ManyHosts),
            ("redis://a/x", Fault::Database),
            ("redis://a/-1", Fault::Database),
            ("redis://a/1/2", Fault::Path),
            ("redis+cluster://a/1", Fault::ClusterDatabase),
            ("redis+sentinel://a,b", Fault::MasterName),
            ("redis+sentinel://a/m?sentinel_username=x", Fault::UserAlone),
            ("redis+unix://run/redis", Fault::Socket),
            ("redis+unix://", Fault::Socket),
            ("redis://app@a", Fault::UserAlone),
            ("redis://:hunter2%@a", Fault::Escape),
            ("redis://:hunter2%zz@a", Fault::Escape),
            ("redis://:hunter2%ff@a", Fault::Escape),
            ("redis://:hunter2#@a", Fault::Fragment),
            ("rediss://a#insecure", Fault::Fragment),
            ("redis://a?ca_file=x", Fault::Option),
            ("redis://a?prefix=x&prefix=y", Fault::Option),
            ("redis://a?prefix=%7bx%7d", Fault::Prefix),
            ("redis://a?prefix=", Fault::Prefix),
            ("redis://a?replicas=x", Fault::Replicas),
            ("redis://a?replicas=9", Fault::Replicas),
        ];
        for (text, fault) in cases {
            let told = format!("{fault} {fault:?} {}", fault.way_out());
            assert!(!told.contains("hunter2"), "{told}");
            assert_eq!(RedisAddress::parse(text), Err(fault), "{text}");
        }
    }

    #[test]
    fn an_address_prints_no_password() {
        let text = "redis+sentinel://app:hunter2@a/m?sentinel_password=hunter2";
        let printed = format!("{:?}", RedisAddress::parse(text));
        assert!(
            printed.contains("app") && !printed.contains("hunter2"),
            "{printed}"
        );
    }
}
