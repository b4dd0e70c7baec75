//! Jupyter Server with a password and terminals.

mod visitor;

use std::ffi::OsString;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use super::super::servers::process::{Process, folder, local, on_free_port};
use super::{copy, made};

pub use visitor::JupyterVisitor;

/// A Jupyter Server whose notebooks lie in a folder of its own.
pub struct Jupyter {
    process: Process,
    addr: SocketAddr,
}

impl Jupyter {
    /// Starts one.
    ///
    /// # Panics
    /// When its setup has not been run.
    pub fn start() -> Self {
        let venv = made("jupyter", ".venv-jupyter");
        let (process, addr) = on_free_port(|port| {
            let process = process(&venv, port);
            let addr = local(port);
            let running = process.folder().join("runtime");
            // It says in a file that the port is its own.
            let ready = |pid| {
                running.join(format!("jpserver-{pid}.json")).is_file()
                    && TcpStream::connect(addr).is_ok()
            };
            if process.start(ready) {
                return Ok((process, addr));
            }
            Err(process.log())
        });
        Self { process, addr }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The folder whose files it shows.
    pub fn folder(&self) -> &Path {
        self.process.folder()
    }
}

fn process(venv: &Path, port: u16) -> Process {
    let home = folder();
    copy(&venv.join("config"), &home.path().join("config"));
    let mut words = vec![OsString::from("env")];
    // Nothing of the one who runs the tests may change what is tested.
    for (name, place) in [
        ("HOME", ""),
        ("JUPYTER_CONFIG_DIR", "config"),
        ("JUPYTER_DATA_DIR", "data"),
        ("JUPYTER_RUNTIME_DIR", "runtime"),
    ] {
        let place = home.path().join(place);
        words.push(format!("{name}={}", place.display()).into());
    }
    words.push("SHELL=/bin/sh".into());
    words.push(venv.join("bin/jupyter-server").into());
    words.push(format!("--ServerApp.port={port}").into());
    words.push("--ServerApp.port_retries=0".into());
    Process::new(home, words, "TERM")
}
