//! What logs tell of cookies.

use http::header::HeaderValue;

use super::Gateway;
use super::access_log::Line;
use super::forward::Call;
use super::site::Site;
use crate::base::meter::Count;
use crate::cookie::admission::Admission;
use crate::cookie::set_cookie::Refused;
use crate::cookie::why::Why;

/// How many cookies one line of the log names.
const COOKIES_SHOWN: usize = 16;
/// How much of a cookie's name is logged.
const NAME_BYTES_SHOWN: usize = 64;

/// The name in a `Set-Cookie`; nothing where there is none, since the value may be a secret.
pub(super) fn name_in(field: &[u8]) -> &[u8] {
    let pair = field.split(|byte| *byte == b';').next().unwrap_or(field);
    let end = pair.iter().position(|byte| *byte == b'=').unwrap_or(0);
    pair.get(..end).unwrap_or_default().trim_ascii()
}

/// Names of cookies for the log.
fn listed<'n>(names: impl Iterator<Item = &'n [u8]>) -> String {
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
    /// The rest of the verdicts, for a site that is only being watched.
    pub(super) fn tell_withheld(&self, withheld: &[(&[u8], Why)], call: &Call<'_>) {
        if withheld.is_empty() {
            return;
        }
        let told = withheld.iter().take(COOKIES_SHOWN);
        let told = told.map(|(name, why)| format!("{} ({})", shown(name), why.word()));
        tracing::info!(
            request_id = &*call.request_id,
            site = %call.site.name,
            cookies = told.collect::<Vec<_>>().join(" "),
            count = withheld.len(),
            "report only: these cookies do not reach the app even so"
        );
    }

    pub(super) fn tell_of(&self, admission: &Admission<'_>, site: &Site, request_id: &str) {
        let count = |what, times: usize| {
            if times > 0 {
                self.meter.add(what, times as u64);
            }
        };
        count(Count::CookiesDropped, admission.dropped as usize);
        count(Count::CookiesDrifted, admission.drifted as usize);
        count(Count::CookiesUnopened, admission.unopened.len());
        count(Count::CookiesReported, admission.reported.len());
        // One line for each request: a visitor must not fill the log with one.
        if let Some((_, reason)) = admission.unopened.first() {
            let names = admission.unopened.iter().map(|(name, _)| *name);
            tracing::warn!(
                request_id,
                site = %site.name,
                cookies = listed(names),
                %reason,
                "sealed or signed cookies did not open; the app does not get them"
            );
        }
        if !admission.reported.is_empty() {
            tracing::info!(
                request_id,
                site = %site.name,
                cookies = listed(admission.reported.iter().copied()),
                "report only: these cookies would not have reached the app"
            );
        }
    }

    /// Says that a cookie of the app goes nowhere.
    pub(super) fn refuse_cookie(
        &self,
        field: &HeaderValue,
        reason: Refused,
        site: &Site,
        request_id: &str,
    ) {
        self.meter.count(Count::CookiesRefused);
        let cookie = shown(name_in(field.as_bytes()));
        tracing::warn!(
            request_id,
            site = %site.name,
            cookie,
            %reason,
            "a cookie of the app was refused"
        );
    }

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
