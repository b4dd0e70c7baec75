//! Promise: the operator sees, ends and moves sessions from the command line, while the gateway serves.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../support/mod.rs"]
mod support;

mod sessions;

mod store;

use std::path::Path;
use std::process::Output;

use support::cloakroom;

/// What a command came to.
#[derive(Debug)]
struct Told {
    code: Option<i32>,
    out: String,
    err: String,
}

impl From<Output> for Told {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Told {
    #[track_caller]
    fn fine(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.out
    }

    /// It ended with `code` and said why.
    #[track_caller]
    fn refused(self, code: i32, why: &str) {
        assert!(
            self.code == Some(code) && self.err.contains(why),
            "{self:?}"
        );
    }
}

/// Runs `cloakroom COMMAND… --config cloakroom.toml` in `folder`.
fn run(folder: &Path, command: &[&str]) -> Told {
    let args = [command, &["--config", "cloakroom.toml"]].concat();
    cloakroom(folder, &args).output().unwrap().into()
}
