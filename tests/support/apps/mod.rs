//! Real apps, unmodified, each a process of the test's own on a free loopback port. What they are made from is made
//! once, by `tests/apps/NAME/setup`; every test works on a copy, and both process and copy are gone when the test is.
//! Each comes with a visitor, who uses it as people do, and whose browser may hold no cookies but those named.

mod django;

mod jupyter;

pub mod oidc_provider;

mod tomcat;

mod wordpress;

use std::fs;
use std::path::{Path, PathBuf};

pub use django::{Django, DjangoVisitor};
pub use jupyter::{Jupyter, JupyterVisitor};
pub use oidc_provider::{OidcProvider, ProviderVisitor};
pub use tomcat::{PROTECTED, SESSIONS, Tomcat, TomcatVisitor, ids_in_urls, session_of};
pub use wordpress::{WordPress, WordPressVisitor};

use super::{Answer, Browser, Call};

/// The password that every app's setup gives its one account.
pub const PASSWORD: &str = "correct horse";

/// What the setup of `app` has made in `tests/apps/FOLDER`.
pub fn made(app: &str, folder: &str) -> PathBuf {
    let apps = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/apps"));
    let made = apps.join(folder);
    assert!(
        made.join("made-for").is_file(),
        "there is no app to test with: run tests/apps/{app}/setup (scripts/test does)"
    );
    made
}

/// Copies a folder with all that is in it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).expect("a folder");
    for entry in fs::read_dir(from).expect("what the setup has made") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("its type").is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a copy");
        }
    }
}

/// Sends it and returns the answer, once it is sure that the browser holds no cookie but these; `NAME*` is all that begin
/// so.
async fn send(call: Call<'_>, browser: &Browser, may_hold: &[&str]) -> Answer {
    let answer = call.send().await;
    for name in browser.names() {
        let is_it = |allowed: &&str| match allowed.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => name == **allowed,
        };
        assert!(may_hold.iter().any(is_it), "the browser holds {name}");
    }
    answer
}
