//! WordPress in PHP's own web server, with a MariaDB that no port leads to.

mod visitor;

use std::ffi::OsString;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;

use super::super::servers::process::{Process, folder, local, on_free_port};
use super::{copy, made};

pub use visitor::WordPressVisitor;

/// A WordPress with a database of its own.
pub struct WordPress {
    php: Process,
    addr: SocketAddr,
    // Ended last.
    _database: Process,
}

impl WordPress {
    /// Starts one.
    ///
    /// # Panics
    /// When its setup has not been run.
    pub fn start() -> Self {
        let made = made("wordpress", ".wordpress");
        let home = folder();
        copy(&made.join("data"), &home.path().join("data"));
        let at = |name: &str| home.path().join(name);
        let socket = at("socket");
        let path = std::env::var("PATH").unwrap_or_default();
        let words = [
            "env".to_owned(),
            // Debian keeps servers where only root looks.
            format!("PATH={path}:/usr/sbin"),
            "mariadbd".to_owned(),
            "--no-defaults".to_owned(),
            // It will not be root by accident; anybody else stays who he is.
            "--user=root".to_owned(),
            format!("--datadir={}", at("data").display()),
            format!("--socket={}", socket.display()),
            format!("--pid-file={}", at("pid").display()),
            "--skip-networking".to_owned(),
            "--innodb-log-file-size=4M".to_owned(),
            "--innodb-buffer-pool-size=16M".to_owned(),
            "--innodb-flush-log-at-trx-commit=0".to_owned(),
        ];
        let words = words.map(OsString::from).to_vec();
        let database = Process::new(home, words, "KILL");
        let started = database.start(|_| UnixStream::connect(&socket).is_ok());
        assert!(started, "MariaDB does not start:\n{}", database.log());

        let site = made.join("site");
        let (php, addr) = on_free_port(|port| {
            let addr = local(port);
            let words = [
                "env".to_owned(),
                format!("WORDPRESS_DATABASE={}", socket.display()),
                "PHP_CLI_SERVER_WORKERS=4".to_owned(),
                "php".to_owned(),
                "-S".to_owned(),
                addr.to_string(),
                "-t".to_owned(),
                site.display().to_string(),
            ];
            let words = words.map(OsString::from).to_vec();
            let php = Process::new(folder(), words, "KILL");
            if php.start(|_| TcpStream::connect(addr).is_ok()) {
                return Ok((php, addr));
            }
            Err(php.log())
        });
        Self {
            php,
            addr,
            _database: database,
        }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for WordPress {
    fn drop(&mut self) {
        // Its workers do not end with it, nor it before them.
        self.php.kill9();
    }
}
