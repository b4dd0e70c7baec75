//! The jar against RFC 6265bis, case by case: what an app set, and what it is sent with a later request.
//!
//! The topics are those that abarth/http-state and the web-platform-tests have for browsers; the cases are our own. A
//! jar that keeps everything is asked, through the same calls that the gateway makes. Where cloakroom is stricter than
//! a browser on purpose, the case says so.

mod attributes;

mod charset;

mod comma;

mod control;

mod dates;

mod domain;

mod expiry;

mod limits;

mod names;

mod oddities;

mod order;

mod path;

mod prefixes;

mod same_site;

use std::time::Duration;

use http::HeaderValue;

use cloakroom::base::clock::Time;
use cloakroom::cookie::jar::{AppRequest, JarAct};
use cloakroom::cookie::outgoing::Outgoing;
use cloakroom::cookie::policy::{CookiePolicy, Mode};
use cloakroom::cookie::set_cookie::{Refused, SetCookie};
use cloakroom::session::{Change, Commit, DataEdit, JarEdit, Outcome, Session, Terms, Ticket};

/// When every case begins.
const NOW: Time = Time::from_secs(1_800_000_000);

const OUR_NAME: &[u8] = b"__Host-session";
const SITE: &str = "shop";
/// The host where a request names none.
const HOST: &str = "shop.example.com";
/// Longer than any date of the tables.
const EVER: Duration = Duration::from_secs(10_000 * 366 * 86_400);

/// A request and what comes with it: a Set-Cookie line of its answer, or the Cookie line that it carries.
type Line = (&'static str, &'static [u8]);

/// What is promised; what is set; what is sent. See [`Asked::read`] for how a request is written.
type Case = (&'static str, &'static [Line], &'static [Line]);

/// Runs the cases, each with a jar of its own.
fn hold(cases: &[Case]) {
    let mut faults = Vec::new();
    for (promise, set, sent) in cases {
        let mut jar = Jar::new();
        for (request, line) in *set {
            jar.set(request, line);
        }
        for (request, expected) in *sent {
            let cookie = jar.cookie(request);
            if cookie != *expected {
                let (cookie, expected) = (cookie.escape_ascii(), expected.escape_ascii());
                faults.push(format!("{promise}: {request}: {cookie} is not {expected}"));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

/// What became of a Set-Cookie line.
#[derive(Debug, PartialEq, Eq)]
enum Taken {
    Yes,
    No(Refused),
    /// The session has no room for it.
    TooLarge,
}

/// A session whose jar keeps everything.
struct Jar {
    policy: CookiePolicy,
    terms: Terms,
    ticket: Ticket,
    session: Session,
}

impl Jar {
    fn new() -> Self {
        Self::within(180, 64 << 10)
    }

    /// With limits of its own: cookies in the jar, bytes in the session.
    fn within(jar_cookies_max: usize, max_bytes: usize) -> Self {
        let terms = Terms {
            idle: EVER,
            absolute: EVER,
            rotation_grace: Duration::from_secs(10),
            rotate_every: None,
            save_every_request: false,
            max_bytes,
            jar_cookies_max,
        };
        let ticket = Ticket::mint(NOW);
        let change = Change {
            data: vec![DataEdit::Set("begun".into(), true.into())],
            ..Change::default()
        };
        let first = Commit::new(ticket.clone(), change, NOW);
        Self {
            session: Session::begin_for(&first, NOW, &terms).expect("a session"),
            policy: CookiePolicy::plain(Mode::Keep),
            terms,
            ticket: ticket.marked_stored(),
        }
    }

    /// Takes in a Set-Cookie line of the answer to `request`.
    fn set(&mut self, request: &str, line: &[u8]) -> Taken {
        let asked = Asked::read(request);
        let Ok(field) = HeaderValue::from_bytes(line) else {
            // HTTP cannot bring it; whoever else asks is told no.
            return Taken::No(SetCookie::read(line).expect_err("a control byte"));
        };
        let outgoing = self
            .policy
            .screen_out(&field, OUR_NAME, &asked.app_request());
        match outgoing {
            Outgoing::Keep(act) => self.edit(act, asked.now),
            Outgoing::Refused(refused) => Taken::No(refused),
            other => panic!("the jar keeps everything: {other:?}"),
        }
    }

    fn edit(&mut self, act: JarAct, now: Time) -> Taken {
        let site = SITE.to_owned();
        let edit = match act {
            JarAct::Put(cookie) => JarEdit::Put { site, cookie },
            JarAct::Remove { identity, .. } => JarEdit::Remove { site, identity },
        };
        let change = Change {
            cookies: vec![edit],
            ..Change::default()
        };
        let commit = Commit::new(self.ticket.clone(), change, now);
        let effects = self.session.commit(&commit, &self.terms);
        match effects.committed.outcome {
            Outcome::Applied(_) => Taken::Yes,
            Outcome::TooLarge => Taken::TooLarge,
            other => panic!("the session is open: {other:?}"),
        }
    }

    /// The Cookie line that the app is sent with `request`; empty without one.
    fn cookie(&self, request: &str) -> Vec<u8> {
        let asked = Asked::read(request);
        let jar = self.session.record.jar(SITE);
        let nothing = std::iter::empty();
        let field = self.policy.cookie_field(jar, &asked.app_request(), nothing);
        field.map_or_else(Vec::new, |field| field.as_bytes().to_vec())
    }

    /// How many cookies there are.
    fn count(&self) -> usize {
        self.session.record.jar(SITE).len()
    }
}

/// A request as the app got it.
struct Asked {
    host: String,
    path: String,
    same_site: bool,
    top_level: bool,
    safe: bool,
    now: Time,
}

impl Asked {
    /// Reads words: `+SECONDS` after [`NOW`]; `link`, `form` or `image` for a foreign page that led there, had a form
    /// sent or loads a part of itself; and at last a URL or, for [`HOST`], a path alone. As in the gateway, the scheme
    /// does not matter: what is kept for a browser on https is as safe as there.
    fn read(request: &str) -> Self {
        let mut asked = Self {
            host: HOST.to_owned(),
            path: "/".to_owned(),
            same_site: true,
            top_level: true,
            safe: true,
            now: NOW,
        };
        for word in request.split(' ') {
            let foreign = match word {
                "link" => Some((true, true)),
                "form" => Some((true, false)),
                "image" => Some((false, true)),
                _ => None,
            };
            if let Some((top_level, safe)) = foreign {
                (asked.same_site, asked.top_level, asked.safe) = (false, top_level, safe);
            } else if let Some(secs) = word.strip_prefix('+') {
                let secs = secs.parse().expect("seconds");
                asked.now = NOW.plus(Duration::from_secs(secs));
            } else if let Some((_, rest)) = word.split_once("://") {
                let slash = rest.find('/').expect("a path");
                rest[..slash].clone_into(&mut asked.host);
                rest[slash..].clone_into(&mut asked.path);
            } else {
                word.clone_into(&mut asked.path);
            }
        }
        asked
    }

    fn app_request(&self) -> AppRequest<'_> {
        AppRequest {
            host: &self.host,
            visitor_host: &self.host,
            path: &self.path,
            same_site: self.same_site,
            top_level: self.top_level,
            top_level_safe: self.top_level && self.safe,
            now: self.now,
        }
    }
}

/// Promise: the tables cannot shrink unseen.
#[test]
fn there_are_hundreds_of_cases() {
    let tables = [
        attributes::CASES,
        charset::CASES,
        comma::CASES,
        control::CASES,
        domain::CASES,
        expiry::CASES,
        names::CASES,
        oddities::CASES,
        order::CASES,
        path::CASES,
        prefixes::CASES,
        same_site::CASES,
    ];
    let cases = tables.iter().map(|table| table.len()).sum::<usize>() + dates::CASES.len();
    assert!(cases >= 500, "{cases}");
}
