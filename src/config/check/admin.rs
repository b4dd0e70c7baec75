//! `[admin]`: who is told what.

use super::super::file;
use super::super::keys::nearest;
use super::super::settings::Admin;
use super::Check;
use crate::admin::Page;

pub(super) fn admin(check: &mut Check<'_>, mirror: file::Admin) -> Admin {
    let mut open = Vec::new();
    for (at, text) in mirror.open.iter().enumerate() {
        match Page::ALL.iter().find(|page| page.name() == text) {
            Some(page) => open.push(*page),
            None => unknown(check, at, text),
        }
    }
    Admin {
        token_file: check.file("admin.token_file", &mirror.token_file),
        open,
    }
}

/// Says what may be open. A path of the interface is none of it: what it tells is not for everybody on the machine.
fn unknown(check: &mut Check<'_>, at: usize, text: &str) {
    let key = format!("admin.open[{at}]");
    let names = Page::ALL.iter().map(|page| page.name());
    let bare = text.trim_matches('/');
    if bare.starts_with("api") || bare == "learn" {
        let why = "is never answered without the token";
        check.fault(&key, why, "take it out");
    } else if let Some(near) = nearest(bare, names) {
        let why = "nothing that can be answered without the token";
        check.fault(&key, why, format!("did you mean \"{near}\"?"));
    } else {
        let why = "nothing that can be answered without the token";
        let way_out = "write \"livez\", \"readyz\" or \"metrics\", or take it out";
        check.fault(&key, why, way_out);
    }
}
