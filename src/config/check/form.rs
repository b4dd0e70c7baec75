//! `[site.login]` with `method = "form"`: a login page of ours.

use super::super::file::{self, LoginMethod};
use super::super::keys::Kind::UpTo;
use super::super::settings::{Attendance, Form};
use super::{Check, login};
use crate::login::form::SecondFactor;
use crate::login::form::password::Cost;

/// The login page of the site at `at`, if it has one.
pub(super) fn form(
    check: &mut Check<'_>,
    at: usize,
    mirror: &file::Login,
    session: Attendance,
) -> Option<Form> {
    let key = |name: &str| format!("site[{at}].login.{name}");
    if mirror.method != LoginMethod::Form {
        let written = [
            ("users_file", !mirror.users_file.is_empty()),
            ("totp", mirror.totp != SecondFactor::Off),
        ];
        for (name, is_meant) in written {
            if is_meant {
                let why = "says nothing without method = \"form\"";
                check.warn(&key(name), why, "set the method or take it out");
            }
        }
        return None;
    }
    if session == Attendance::Off {
        let why = "without sessions (session = \"off\") nobody can be logged in";
        check.fault(&key("method"), why, "take one of them out");
    }
    let cost = cost(check, at, mirror);
    if mirror.users_file.is_empty() {
        let way_out = "write users_file = \"users.toml\", and make it with `cloakroom users add`";
        let path = key("users_file");
        check.fault(&path, "missing: who may log in", way_out);
        return None;
    }
    let users_file = check.file(&key("users_file"), &mirror.users_file);
    Some(Form {
        carry: mirror.carry.unwrap_or(false),
        users_file,
        limits: login::limits(check, at, mirror),
        totp: mirror.totp,
        cost,
    })
}

/// What new hashes cost. Each key is judged by itself, so that each fault stands where it was made.
fn cost(check: &mut Check<'_>, at: usize, mirror: &file::Login) -> Cost {
    let key = |name: &str| format!("site[{at}].login.hash_{name}");
    let counts = [
        ("passes", mirror.hash_passes, Cost::PASSES_MAX),
        ("lanes", mirror.hash_lanes, Cost::LANES_MAX),
    ];
    let mut counts_are_sound = true;
    for (name, count, most) in counts {
        if !(1..=most).contains(&count) {
            check.fault(&key(name), "out of range", UpTo(most).range());
            counts_are_sound = false;
        }
    }
    let kib = mirror.hash_memory.0 >> 10;
    let cost = Cost {
        memory_kib: u32::try_from(kib).unwrap_or(u32::MAX),
        passes: mirror.hash_passes,
        lanes: mirror.hash_lanes,
    };
    if counts_are_sound && !cost.is_sound() {
        let most = Cost::MEMORY_KIB_MAX >> 10;
        let why = "is more than a login may take, or less than argon2 works with";
        let way_out = format!(
            "write at least 8KiB for each lane, and at most {most}MiB; OWASP: 19MiB with 2 passes"
        );
        check.fault(&key("memory"), why, way_out);
    } else if cost.memory_kib < 7 << 10 {
        let why = "makes passwords cheap to guess for whoever gets hold of users_file";
        let way_out = "write 19MiB with hash_passes = 2, or 7MiB with 5";
        check.warn(&key("memory"), why, way_out);
    }
    cost
}
