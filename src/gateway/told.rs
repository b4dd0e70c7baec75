//! What logs tell of cookies.

use super::Gateway;
use super::access_log::Line;
use crate::base::meter::Count;

/// How many cookies one line of the log names.
pub(super) const COOKIES_SHOWN: usize = 16;
/// How much of a cookie's name is logged.
const NAME_BYTES_SHOWN: usize = 64;

/// The name in a `Set-Cookie`; nothing where there is none, since the value may be a secret.
pub(super) fn name_in(field: &[u8]) -> &[u8] {
    let pair = field.split(|byte| *byte == b';').next().unwrap_or(field);
    let end = pair.iter().position(|byte| *byte == b'=').unwrap_or(0);
    pair.get(..end).unwrap_or_default().trim_ascii()
}

/// Names of cookies for the log.
pub(super) fn listed<'n>(names: impl Iterator<Item = &'n [u8]>) -> String {
    let names: Vec<&[u8]> = names.collect();
    let shown = names.iter().take(COOKIES_SHOWN).map(|name| shown(name));
    let mut listed = shown.collect::<Vec<_>>().join(" ");
    if names.len() > COOKIES_SHOWN {
        listed.push_str(&format!(" and {} more", names.len() - COOKIES_SHOWN));
    }
    listed
}

/// A cookie's name for the log. It may come from anybody.
pub(super) fn shown(name: &[u8]) -> String {
    match name.get(..NAME_BYTES_SHOWN) {
        Some(start) if start.len() < name.len() => format!("{}…", start.escape_ascii()),
        _ => name.escape_ascii().to_string(),
    }
}

impl Gateway {
    #[cold]
    pub(super) fn tell_lookalikes(&self, line: &Line) {
        self.meter.count(Count::CookieLookalikes);
        let request_id = &*line.request_id;
        tracing::warn!(
            request_id,
            "cookies came that some reader would take for the ticket"
        );
    }

    #[cold]
    pub(super) fn tell_ambiguous(&self, line: &Line) {
        self.meter.count(Count::TicketsAmbiguous);
        let request_id = &*line.request_id;
        tracing::warn!(
            request_id,
            "two different tickets came and both open; neither is used"
        );
    }
}
