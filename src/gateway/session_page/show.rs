//! What the page says of a visitor and their sessions.

use http::{Response, StatusCode};

use super::super::Gateway;
use super::super::form_page::Asked;
use super::super::looks::moment::Moment;
use super::super::looks::pages::Page;
use super::super::looks::sessions::{Pick, Sessions, Shown};
use super::super::looks::texts::Text;
use super::super::site::Site;
use super::Seen;
use super::mine::Others;
use crate::base::clock::Time;
use crate::login::named::Namer;
use crate::login::page::LoginPage;
use crate::session::{Record, Session, User};
use crate::upstream::Body;

/// How many other sessions are shown. All of them can be ended.
const SHOWN_MAX: usize = 100;

/// What became of what was asked for.
#[derive(Clone, Copy, Default)]
pub(super) struct Done {
    pub note: Option<(Text, usize)>,
    pub fault: Option<Text>,
}

impl Gateway {
    /// The page as it is for `seen`, who goes on to `return_to`.
    pub(super) fn page(
        &self,
        asked: Asked<'_>,
        seen: &Seen<'_>,
        others: &Others,
        (return_to, done): (&str, Done),
        now: Time,
    ) -> Response<Body> {
        let (site, record, terms) = (asked.site, seen.record, &self.desk.terms);
        let waits = record.waits();
        // To end another one that waits would help nobody who has to pick.
        let is_shown = |session: &&Session| !waits || !session.record.waits();
        let list = others.list().map(|list| {
            let list: Vec<_> = list.iter().filter(is_shown).collect();
            let more = list.len().saturating_sub(SHOWN_MAX);
            let shown = list.into_iter().take(SHOWN_MAX).map(|session| {
                let name = self.name_of(site, &session.record.root);
                (format!("end {name}"), shown(&session.record, now))
            });
            (shown.collect(), more)
        });
        let (list, more) = list.map_or((None, 0), |(list, more)| (Some(list), more));
        let end = record.created.plus(terms.absolute);
        let idle_end = record.touched.plus(terms.idle_of(record)).min(end);
        let from = |at| Moment { at, now };
        let page = Sessions {
            pick: self.crowd.as_ref().filter(|_| waits).map(|crowd| Pick {
                most: crowd.most,
                has_room: self.has_room(others),
                return_to,
            }),
            note: done.note,
            fault: done.fault,
            user: &called(seen.user),
            how: (self.how(seen.user), from(seen.user.auth_time)),
            is_vouched: site.namer.is_some(),
            token: &self.form_token(site, seen.visit),
            own: shown(record, now),
            idle_end: from(idle_end),
            end: from(end),
            others: list,
            more,
        };
        let status = match done.fault {
            Some(_) => StatusCode::CONFLICT,
            None => StatusCode::OK,
        };
        let manner = site.looks.manner(&asked.head.headers);
        manner.answer(&Page::Sessions(&page), status)
    }

    /// How a user logged in, as far as the site tells that bound them.
    fn how(&self, user: &User) -> Text {
        let mut sites = self.sites();
        let site = sites.find(|site| *site.name == *user.site);
        site.map_or(Text::LoggedInApp, how)
    }
}

fn how(site: &Site) -> Text {
    match (&site.login_page, &site.namer) {
        (Some(LoginPage::Ours { .. }), _) => Text::LoggedInHere,
        (_, Some(Namer::Certificate(_))) => Text::LoggedInCertificate,
        (_, Some(Namer::Header(_))) => Text::LoggedInProxy,
        _ => Text::LoggedInApp,
    }
}

fn called(user: &User) -> String {
    match &user.name {
        Some(name) if *name != user.id => format!("{name} ({})", user.id),
        _ => user.id.clone(),
    }
}

fn shown(record: &Record, now: Time) -> Shown {
    let entrance = record.entrance();
    let device = entrance.and_then(|entrance| entrance.device.as_deref());
    let address = entrance.and_then(|entrance| entrance.address);
    Shown {
        device: device.map(str::to_owned),
        address: address.map(|address| address.to_string()),
        begun: Moment {
            at: record.created,
            now,
        },
        seen: Moment {
            at: record.touched,
            now,
        },
    }
}
