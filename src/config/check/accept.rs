//! `site.accept_users_from`: other sites whose logins count here.

use super::super::settings::Site;
use super::Check;
use super::login::share_a_ticket;
use crate::cookie::attributes::TicketCookieSettings;

/// Whether those that are named can bring users, and how sure their users are.
pub(super) fn accepted_are_known(
    check: &mut Check<'_>,
    sites: &[Site],
    cookie: &TicketCookieSettings,
) {
    for (at, site) in sites.iter().enumerate() {
        for (nth, name) in site.accept_users_from.iter().enumerate() {
            let key = format!("site[{at}].accept_users_from[{nth}]");
            let Some(other) = sites.iter().find(|other| other.name == *name) else {
                check.fault(
                    &key,
                    "no site has this name",
                    "write the name of a [[site]]",
                );
                continue;
            };
            if other.name == site.name {
                check.warn(
                    &key,
                    "is this very site, whose users count anyway",
                    "take it out",
                );
            } else if !other.binds_users() {
                let why = "nobody logs in there";
                check.warn(&key, why, "give that site a [site.login], or take it out");
            } else if !share_a_ticket(site, other, cookie) {
                let why =
                    "no browser brings one ticket to both sites, as they have no host in common";
                let way_out = "give them a host in common, or set session.cookie.domain";
                check.warn(&key, why, way_out);
            } else if other.watch.is_some() && site.binds_users() {
                // Where there is no login to be outdone, naming the other says that it is meant.
                let why = "its users are those whom its app let in under a name that was typed, and here they count as much as this site's own";
                let way_out = "be sure that they are the same people, or take it out";
                check.warn(&key, why, way_out);
            }
        }
    }
}
