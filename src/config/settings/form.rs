//! Finished `[site.login]` with `method = "form"`.

use std::path::{Path, PathBuf};

use super::Site;
use crate::login::attempts::Limits;
use crate::login::form::SecondFactor;
use crate::login::form::password::Cost;

/// `[site.login]` with `method = "form"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    /// Whether an anonymous session's data and jar go along into the login.
    pub carry: bool,
    /// Where the users are.
    pub users_file: PathBuf,
    /// Whether codes of an authenticator app are asked for.
    pub totp: SecondFactor,
    /// How many logins may fail.
    pub limits: Limits,
    /// What new hashes cost.
    pub cost: Cost,
}

impl Site {
    /// Whether the site has a login of its own that binds users.
    pub const fn has_login(&self) -> bool {
        self.watch.is_some() || self.form.is_some() || self.oidc.is_some()
    }

    /// The users file, with its key, of the site at `at`.
    pub fn users_file(&self, at: usize) -> Option<(String, &Path)> {
        let form = self.form.as_ref()?;
        Some((format!("site[{at}].login.users_file"), &form.users_file))
    }
}
