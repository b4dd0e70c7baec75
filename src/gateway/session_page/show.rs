//! What the page says of a visitor and their sessions.

use super::super::Gateway;
use super::super::site::Site;
use super::Seen;
use super::mine::Others;
use super::render::{Kind, Sessions, Shown};
use super::words::Moment;
use crate::base::clock::Time;
use crate::login::named::Namer;
use crate::login::page::LoginPage;
use crate::session::{Record, Session, User};

/// How many other sessions are shown. All of them can be ended.
const SHOWN_MAX: usize = 100;

impl Gateway {
    /// The page as it is for `seen`, who goes on to `return_to`.
    pub(super) fn page<'a>(
        &self,
        site: &'a Site,
        seen: &Seen<'_>,
        others: &Others,
        return_to: &'a str,
        now: Time,
    ) -> Sessions<'a> {
        let (record, terms) = (seen.record, &self.desk.terms);
        let waits = record.waits();
        // To end another one that waits would help nobody who has to pick.
        let is_shown = |session: &&Session| !waits || !session.record.waits();
        let list = others.list().map(|list| {
            let list: Vec<_> = list.iter().filter(is_shown).collect();
            let more = list.len().saturating_sub(SHOWN_MAX);
            let shown = list.into_iter().take(SHOWN_MAX).map(|session| {
                let name = self.name_of(site, &session.record.root);
                (name, shown(&session.record, now))
            });
            (shown.collect(), more)
        });
        let (list, more) = list.map_or((None, 0), |(list, more)| (Some(list), more));
        let end = record.created.plus(terms.absolute);
        let idle_end = record.touched.plus(terms.idle_of(record)).min(end);
        Sessions {
            kind: match &self.crowd {
                Some(crowd) if waits => Kind::Pick {
                    most: crowd.most,
                    has_room: self.has_room(others),
                    return_to,
                },
                _ => Kind::Sessions,
            },
            note: None,
            fault: None,
            who: self.who(seen.user, now),
            again: site.namer.as_ref().map(|_| {
                "Whoever vouches for you here may log you in again with the next page that you open."
            }),
            token: self.form_token(site, seen.visit),
            own: shown(record, now),
            idle_end: Moment::seen(idle_end, now),
            end: Moment::seen(end, now),
            others: list,
            more,
        }
    }

    /// Who is logged in, how, and since when.
    fn who(&self, user: &User, now: Time) -> String {
        let mut sites = self.sites();
        let how = sites.find(|site| *site.name == *user.site).map_or("", how);
        let name = match &user.name {
            Some(name) if *name != user.id => format!("{name} ({})", user.id),
            _ => user.id.clone(),
        };
        let when = Moment::seen(user.auth_time, now).distance;
        format!("You are logged in as {name}. You logged in{how} {when}.")
    }
}

fn shown(record: &Record, now: Time) -> Shown {
    let entrance = record.entrance.as_deref();
    let device = entrance.and_then(|entrance| entrance.device.as_deref());
    let address = entrance.and_then(|entrance| entrance.address);
    Shown {
        device: device.map(str::to_owned),
        address: address.map(|address| address.to_string()),
        begun: Moment::seen(record.created, now),
        seen: Moment::seen(record.touched, now),
    }
}

/// How users of `site` log in.
fn how(site: &Site) -> &'static str {
    match (&site.login_page, &site.namer) {
        (Some(LoginPage::Ours { .. }), _) => " on the login page of this site",
        (_, Some(Namer::Certificate(_))) => " with a certificate",
        (_, Some(Namer::Header(_))) => " by a system in front of this site",
        _ => " in the application",
    }
}
