//! From finished settings to who names the users of a site.

use crate::config::settings;
use crate::login::header::LoginHeaders;
use crate::login::named::Namer;

/// Who names the users of a site.
pub(super) fn namer(settings: &settings::Namer) -> Namer {
    match settings {
        settings::Namer::Certificate(user) => Namer::Certificate(*user),
        settings::Namer::Header(headers) => Namer::Header(LoginHeaders {
            user: headers.user.clone(),
            groups: headers.groups.clone(),
            name: headers.name.clone(),
            email: headers.email.clone(),
        }),
    }
}
