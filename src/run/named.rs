//! From finished settings to who names the users of a site.

use crate::config::settings;
use crate::login::header::LoginHeaders;
use crate::login::named::Namer;

/// Who names the users of a site, if nobody must be asked.
pub(super) fn namer(settings: &settings::Namer) -> Option<Namer> {
    match settings {
        settings::Namer::Certificate(user) => Some(Namer::Certificate(*user)),
        settings::Namer::Header(wanted) => Some(Namer::Header(headers(wanted))),
        settings::Namer::Forward(_) => None,
    }
}

/// In which headers users are named.
pub(super) fn headers(settings: &settings::NamingHeaders) -> LoginHeaders {
    LoginHeaders {
        user: settings.user.clone(),
        groups: settings.groups.clone(),
        name: settings.name.clone(),
        email: settings.email.clone(),
    }
}
