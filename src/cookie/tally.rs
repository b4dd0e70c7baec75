//! What a site's traffic shows of its cookies: names, attributes and what becomes of them, never a value.
//!
//! A watch lasts as long as somebody looks on. It holds a bounded number of names and paths, and of values keyed hashes
//! alone, whose key is drawn for the watch and forgotten with it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use percent_encoding::percent_decode;
use serde::{Deserialize, Serialize};

use super::binding::is_binding;
use super::logins::{self, LoginForm, LoginSeen};
use super::owner::is_mark;
use super::parse::pairs;
use super::policy::CookiePolicy;
use super::set_cookie::{Ends, SetCookie};
use crate::base::clock::Time;
use crate::base::kept::{KeptCookie, SameSite};

/// How many names are told apart; what comes after them is only counted.
pub const NAMES_MAX: usize = 200;
/// How many of them may be of cookies that the app never set: visitors can make up as many as they like.
const FOREIGN_NAMES_MAX: usize = 100;
/// The longest name that is told apart.
const NAME_BYTES_MAX: usize = 128;
/// How many paths are remembered of a cookie.
const PATHS_MAX: usize = 8;
/// How much of a path is remembered.
const PATH_BYTES_MAX: usize = 64;
/// Of how many cookies of visitors values are remembered, as hashes.
const VALUES_MAX: usize = 20_000;
/// How many values of one of them: requests that are under way bring older ones, and a name can be set for several paths.
const LATEST_MAX: usize = 6;
/// A segment of a path that is so long and has a digit in it names a thing and no part of the app.
const ID_CHARS_MIN: usize = 12;
/// How many visitors are told apart, of all and of each cookie. More are as good as that many.
const VISITORS_MAX: usize = 256;
/// A shorter value is found in many places by chance.
const ECHO_BYTES_MIN: usize = 8;

/// What a watch has seen so far. This is what goes to whoever looks on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// How many requests came.
    pub requests: u64,
    /// From how many visitors, as far as they are told apart: a session is one, with those that logins made of it.
    #[serde(default)]
    pub visitors: u64,
    /// The cookies, by name; bytes that are no text are escaped.
    pub cookies: BTreeMap<String, Sightings>,
    /// How many times a cookie was seen that there was no room to tell apart.
    pub untold: u64,
    /// The forms with a password, and how the app answered them.
    #[serde(default)]
    pub logins: Vec<LoginSeen>,
}

/// What was seen of one cookie.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sightings {
    /// How often the app set it to a value.
    pub set: u64,
    /// How often the app deleted it.
    pub deleted: u64,
    /// How many of the times that it was set had HttpOnly.
    pub http_only: u64,
    /// The same for Secure.
    pub secure: u64,
    /// The same for SameSite, whatever it said.
    pub same_site: u64,
    /// Those of them that said `SameSite=None`.
    pub same_site_none: u64,
    /// How many of the times that it was set it had an expiry.
    pub persistent: u64,
    /// The longest life that it was given, in seconds.
    pub life_secs_max: u64,
    /// The answers that set it: the first segments of their paths.
    pub set_by: BTreeSet<String>,
    /// The `Path` that it was given.
    pub for_paths: BTreeSet<String>,
    /// The `Domain` that it was given.
    pub for_domains: BTreeSet<String>,
    /// How often a browser sent it.
    pub sent: u64,
    /// How many visitors did.
    pub sent_by: u64,
    /// How often one did although the app has not set it since the watch began and the visitor's jar has none: a
    /// script made it, or it is from before.
    pub unknown: u64,
    /// How often it came with another value than the app had lately set for that visitor: a script
    /// wrote it, or the browser holds a copy from before. Sealed and signed ones are not looked at.
    pub changed: u64,
    /// With how many visitors that was so.
    pub changed_by: u64,
    /// The request headers that repeated its value.
    pub echoed_in: BTreeSet<String>,
    /// How often the query of a request repeated its value.
    pub echoed_in_query: u64,
    /// With how many visitors something repeated it.
    pub echoed_by: u64,
}

/// A watch over one site.
#[derive(Debug, Default)]
pub struct Watch {
    tally: Tally,
    /// What the app last set, by visitor and name.
    last_set: HashMap<u64, Latest>,
    /// Who came, and who did what with a cookie of that name; as hashes.
    visitors: HashMap<(Did, Box<[u8]>), HashSet<u64>>,
    /// Whose session a login began, as hashes: the browser is the same.
    went_on: HashMap<u64, u64>,
    key: RandomState,
}

/// What visitors are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Did {
    Come,
    Send,
    Change,
    Repeat,
}

/// The latest values of one cookie of a visitor, as hashes, in a ring.
#[derive(Debug, Default)]
struct Latest {
    prints: [Option<u64>; LATEST_MAX],
    next: usize,
}

/// A request, as far as cookies may show in it.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// Whose session it has open: what tells visitors apart.
    pub visitor: Option<&'a [u8; 32]>,
    /// The `Cookie` fields, without our own.
    pub cookies: &'a [&'a [u8]],
    /// The name of our own cookie.
    pub ticket_name: &'a [u8],
    /// The other fields.
    pub fields: &'a [(&'a str, &'a [u8])],
    /// The query, without `?`.
    pub query: &'a str,
    /// The site's jar of the visitor.
    pub jar: &'a [KeptCookie],
    /// What the site does with cookies.
    pub policy: &'a CookiePolicy,
}

impl Watch {
    /// What was seen so far.
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The app answered a form with a password so, and these are the names of the cookies that it set.
    pub fn login(&mut self, form: LoginForm, status: u16, set: impl Iterator<Item = String>) {
        logins::note(&mut self.tally.logins, form, status, set);
    }

    /// A request came.
    pub fn request(&mut self, asked: &Asked<'_>) {
        self.tally.requests += 1;
        let visitor = self.who(asked.visitor);
        self.tally.visitors = self.distinct(Did::Come, b"", visitor);
        for pair in pairs(asked.cookies.iter().copied()) {
            let is_mark = asked.policy.has_marks && is_mark(pair.name, asked.ticket_name);
            let is_binding = asked.policy.has_bindings && is_binding(pair.name, asked.ticket_name);
            let is_ours = pair.name == asked.ticket_name || is_mark || is_binding;
            if pair.name.is_empty() || is_ours {
                continue;
            }
            let is_changed = self.is_changed(asked, pair.name, pair.value);
            let Some(seen) = self.tally.sightings_of_visitor(pair.name) else {
                continue;
            };
            seen.sent += 1;
            let is_kept = asked
                .jar
                .iter()
                .any(|kept| *kept.identity.name == *pair.name);
            seen.unknown += u64::from(seen.set == 0 && !is_kept);
            seen.changed += u64::from(is_changed);
            let mut is_repeated = false;
            for name in echoes(pair.value, asked.fields) {
                is_repeated = true;
                remember(&mut seen.echoed_in, name.as_bytes());
            }
            let is_in_query = is_in_query(pair.value, asked.query);
            seen.echoed_in_query += u64::from(is_in_query);
            is_repeated |= is_in_query;
            let sent_by = self.distinct(Did::Send, pair.name, visitor);
            let changed_by = is_changed.then(|| self.distinct(Did::Change, pair.name, visitor));
            let echoed_by = is_repeated.then(|| self.distinct(Did::Repeat, pair.name, visitor));
            if let Some(seen) = self.tally.sightings_of_visitor(pair.name) {
                seen.sent_by = sent_by;
                seen.changed_by = changed_by.unwrap_or(seen.changed_by);
                seen.echoed_by = echoed_by.unwrap_or(seen.echoed_by);
            }
        }
    }

    /// A login made another session of this one.
    pub fn goes_on(&mut self, before: &[u8; 32], after: &[u8; 32]) {
        if self.went_on.len() < VALUES_MAX {
            let visitor = self.who(Some(before));
            self.went_on.insert(self.key.hash_one(Some(after)), visitor);
        }
    }

    /// The visitor whose session that is, as a hash.
    fn who(&self, session: Option<&[u8; 32]>) -> u64 {
        let print = self.key.hash_one(session);
        self.went_on.get(&print).copied().unwrap_or(print)
    }

    /// How many visitors have done that with the cookie, this one among them.
    fn distinct(&mut self, did: Did, name: &[u8], visitor: u64) -> u64 {
        let who = self.visitors.entry((did, name.into())).or_default();
        if who.len() < VISITORS_MAX {
            who.insert(visitor);
        }
        who.len() as u64
    }

    /// The app answered a request for `path` with this `Set-Cookie`. What bears the name of our own cookie is not
    /// taken from an app, and does not count.
    pub fn answer(
        &mut self,
        visitor: Option<&[u8; 32]>,
        path: &str,
        set: &SetCookie<'_>,
        ticket_name: &[u8],
        now: Time,
    ) {
        if set.name.eq_ignore_ascii_case(ticket_name) {
            return;
        }
        if let Some(visitor) = visitor {
            let place = self.place(visitor, set.name);
            if set.ends(now) == Ends::Past {
                self.last_set.remove(&place);
            } else if self.last_set.len() < VALUES_MAX || self.last_set.contains_key(&place) {
                let print = self.key.hash_one(set.value);
                self.last_set.entry(place).or_default().push(print);
            }
        }
        let Some(seen) = self.tally.sightings(set.name) else {
            return;
        };
        remember(&mut seen.set_by, part_of_app(path.as_bytes()).as_bytes());
        let life = match set.ends(now) {
            Ends::Past => {
                seen.deleted += 1;
                return;
            }
            Ends::At(end) => Some(end.since(now).as_secs()),
            Ends::WithSession => None,
        };
        seen.set += 1;
        seen.http_only += u64::from(set.http_only);
        seen.secure += u64::from(set.secure);
        seen.same_site += u64::from(set.same_site.is_some());
        seen.same_site_none += u64::from(set.same_site == Some(SameSite::None));
        seen.persistent += u64::from(life.is_some());
        seen.life_secs_max = seen.life_secs_max.max(life.unwrap_or(0));
        if let Some(path) = set.path {
            remember(&mut seen.for_paths, part_of_app(path).as_bytes());
        }
        if let Some(domain) = set.domain {
            remember(&mut seen.for_domains, domain);
        }
    }

    /// Whether somebody changed a value that the app had set. A sealed or signed one never comes as the app set it.
    fn is_changed(&self, asked: &Asked<'_>, name: &[u8], value: &[u8]) -> bool {
        let is_guarded = asked.policy.rule_for(name).mode.is_guarded();
        let latest = asked
            .visitor
            .filter(|_| !is_guarded)
            .and_then(|visitor| self.last_set.get(&self.place(visitor, name)));
        latest.is_some_and(|latest| !latest.prints.contains(&Some(self.key.hash_one(value))))
    }

    fn place(&self, visitor: &[u8; 32], name: &[u8]) -> u64 {
        self.key.hash_one((self.who(Some(visitor)), name))
    }
}

impl Latest {
    fn push(&mut self, print: u64) {
        if let Some(slot) = self.prints.get_mut(self.next) {
            *slot = Some(print);
        }
        self.next = (self.next + 1) % LATEST_MAX;
    }
}

impl Tally {
    fn sightings(&mut self, name: &[u8]) -> Option<&mut Sightings> {
        let has_room = self.cookies.len() < NAMES_MAX;
        self.sightings_with_room(name, has_room)
    }

    fn sightings_of_visitor(&mut self, name: &[u8]) -> Option<&mut Sightings> {
        let all = self.cookies.values();
        let foreign = all.filter(|seen| seen.set + seen.deleted == 0).count();
        let has_room = self.cookies.len() < NAMES_MAX && foreign < FOREIGN_NAMES_MAX;
        self.sightings_with_room(name, has_room)
    }

    fn sightings_with_room(&mut self, name: &[u8], has_room: bool) -> Option<&mut Sightings> {
        let text = name.escape_ascii().to_string();
        let has_room = has_room && name.len() <= NAME_BYTES_MAX;
        if !has_room && !self.cookies.contains_key(&text) {
            self.untold += 1;
            return None;
        }
        Some(self.cookies.entry(text).or_default())
    }
}

fn remember(all: &mut BTreeSet<String>, one: &[u8]) {
    let one = one.get(..PATH_BYTES_MAX).unwrap_or(one);
    if all.len() < PATHS_MAX {
        all.insert(one.escape_ascii().to_string());
    }
}

/// The path as far as it names a part of the app and not a thing in it. A servlet container's `;jsessionid=` is the value
/// of a cookie, and a link to reset a password is as good as one: of neither is anything left.
fn part_of_app(path: &[u8]) -> String {
    let mut part = String::new();
    for segment in path.split(|byte| *byte == b'/').skip(1).take(2) {
        let plain = segment
            .split(|byte| *byte == b';')
            .next()
            .unwrap_or_default();
        part.push('/');
        if is_id(plain) {
            part.push('*');
        } else {
            part.push_str(&plain.escape_ascii().to_string());
        }
    }
    part
}

fn is_id(segment: &[u8]) -> bool {
    let digits = segment.iter().filter(|byte| byte.is_ascii_digit()).count();
    digits > 0 && (digits == segment.len() || segment.len() >= ID_CHARS_MIN)
}

/// The fields whose value is the cookie's, as it is or percent-decoded.
fn echoes<'a>(value: &[u8], fields: &'a [(&'a str, &'a [u8])]) -> impl Iterator<Item = &'a str> {
    let value = unquoted(value);
    let decoded: Vec<u8> = percent_decode(value).collect();
    let is_long = value.len() >= ECHO_BYTES_MIN;
    let value = value.to_vec();
    fields
        .iter()
        .filter(move |(_, field)| is_long && (*field == value || *field == decoded))
        .map(|(name, _)| *name)
}

fn is_in_query(value: &[u8], query: &str) -> bool {
    let value = unquoted(value);
    let decoded: Vec<u8> = percent_decode(value).collect();
    let is_it = |part: &str| {
        let text = part.split_once('=').map_or(part, |(_, text)| text);
        let plain: Vec<u8> = percent_decode(text.as_bytes()).collect();
        plain == value || plain == decoded || text.as_bytes() == value
    };
    value.len() >= ECHO_BYTES_MIN && query.split('&').any(is_it)
}

fn unquoted(value: &[u8]) -> &[u8] {
    match value {
        [b'"', inner @ .., b'"'] => inner,
        bare => bare,
    }
}

#[cfg(test)]
mod tests {
    use super::super::name::NamePattern;
    use super::super::policy::{CookieRule, Mode};
    use super::*;

    const NOW: Time = Time::from_secs(1_800_000_000);
    const ALICE: &[u8; 32] = &[1; 32];
    const BOB: &[u8; 32] = &[2; 32];

    fn asked<'a>(visitor: &'a [u8; 32], cookies: &'a [&'a [u8]]) -> Asked<'a> {
        Asked {
            visitor: Some(visitor),
            cookies,
            ticket_name: b"__Host-session",
            fields: &[],
            query: "",
            jar: &[],
            policy: policy(),
        }
    }

    /// Browsers get what the app sets, but for two names.
    fn policy() -> &'static CookiePolicy {
        static POLICY: std::sync::LazyLock<CookiePolicy> = std::sync::LazyLock::new(|| {
            let mut policy = CookiePolicy::plain(Mode::Pass);
            for (name, mode) in [("signed", Mode::Sign), ("sealed", Mode::Seal)] {
                let name = NamePattern::parse(name).unwrap();
                policy.rules.push(CookieRule::plain(name, mode));
            }
            policy
        });
        &POLICY
    }

    fn set(watch: &mut Watch, visitor: &[u8; 32], line: &str) {
        watch.answer(
            Some(visitor),
            "/a/b/c",
            &SetCookie::read(line.as_bytes()).unwrap(),
            b"__Host-session",
            NOW,
        );
    }

    #[test]
    fn attributes_and_places_are_counted() {
        let mut watch = Watch::default();
        set(&mut watch, ALICE, "sid=x; HttpOnly; Path=/a; Max-Age=60");
        set(
            &mut watch,
            ALICE,
            "sid=y; Secure; SameSite=None; Domain=shop.test",
        );
        set(&mut watch, ALICE, "sid=; Max-Age=0");
        let seen = &watch.tally().cookies["sid"];
        assert_eq!((seen.set, seen.deleted), (2, 1));
        assert_eq!(
            (
                seen.http_only,
                seen.secure,
                seen.same_site,
                seen.same_site_none
            ),
            (1, 1, 1, 1)
        );
        assert_eq!((seen.persistent, seen.life_secs_max), (1, 60));
        assert_eq!(seen.set_by.iter().collect::<Vec<_>>(), ["/a/b"]);
        assert_eq!(seen.for_paths.iter().collect::<Vec<_>>(), ["/a"]);
        assert_eq!(seen.for_domains.iter().collect::<Vec<_>>(), ["shop.test"]);
    }

    #[test]
    fn a_value_that_the_browser_changed_is_told_from_one_of_another_visitor() {
        let mut watch = Watch::default();
        set(&mut watch, ALICE, "theme=dark");
        set(&mut watch, BOB, "theme=light");
        watch.request(&asked(ALICE, &[b"theme=dark"]));
        watch.request(&asked(BOB, &[b"theme=light; __Host-session=T"]));
        assert_eq!(watch.tally().cookies["theme"].changed, 0);
        watch.request(&asked(BOB, &[b"theme=dark"]));
        set(&mut watch, BOB, "theme=; Max-Age=0");
        watch.request(&asked(BOB, &[b"theme=odd"]));
        let seen = &watch.tally().cookies["theme"];
        assert_eq!((seen.sent, seen.changed, seen.unknown), (4, 1, 0));
        assert_eq!((seen.sent_by, seen.changed_by), (2, 1));
        assert_eq!(watch.tally().visitors, 2);
        assert!(!watch.tally().cookies.contains_key("__Host-session"));
    }

    #[test]
    fn what_is_sealed_on_the_way_is_not_changed_by_the_browser() {
        let mut watch = Watch::default();
        for line in ["signed=new", "sealed=new", "plain=new"] {
            set(&mut watch, ALICE, line);
        }
        watch.request(&asked(
            ALICE,
            &[b"signed=new.AAAA; sealed=v1.AAAA; plain=old"],
        ));
        let changed = |name: &str| watch.tally().cookies[name].changed;
        assert_eq!(
            [changed("signed"), changed("sealed"), changed("plain")],
            [0, 0, 1]
        );
    }

    /// Parallel requests bring what earlier answers set, and a name can be set for several paths.
    #[test]
    fn a_value_that_the_app_set_a_moment_ago_is_not_the_browsers() {
        let mut watch = Watch::default();
        for value in ["a", "b", "c"] {
            set(&mut watch, ALICE, &format!("sliding={value}"));
        }
        watch.request(&asked(ALICE, &[b"sliding=a; sliding=b; sliding=c"]));
        assert_eq!(watch.tally().cookies["sliding"].changed, 0);
        for nth in 0..LATEST_MAX {
            set(&mut watch, ALICE, &format!("sliding={nth}"));
        }
        watch.request(&asked(ALICE, &[b"sliding=a"]));
        assert_eq!(watch.tally().cookies["sliding"].changed, 1, "long ago");
    }

    #[test]
    fn what_names_a_thing_in_the_app_is_not_remembered_of_paths() {
        for (path, part) in [
            ("/admin/login/", "/admin/login"),
            ("/wp-login.php", "/wp-login.php"),
            ("/", "/"),
            ("/app;jsessionid=5C1D2E3F", "/app"),
            ("/app;v=1/list;jsessionid=5C1D2E3F/x", "/app/list"),
            ("/reset/MjQ6YWJjZGVmZ2hp", "/reset/*"),
            ("/interaction/aB3dE5fG7hI9", "/interaction/*"),
            ("/orders/1042", "/orders/*"),
            ("/2fa/verify", "/2fa/verify"),
            ("/long-name-of-a-page/x", "/long-name-of-a-page/x"),
            ("*", ""),
        ] {
            assert_eq!(part_of_app(path.as_bytes()), part, "{path}");
        }
        let mut watch = Watch::default();
        let line = SetCookie::read(b"a=1; Path=/interaction/aB3dE5fG7hI9").unwrap();
        watch.answer(Some(ALICE), "/app;jsessionid=5C1D2E3F", &line, b"sid", NOW);
        let told = serde_json::to_string(watch.tally()).unwrap();
        assert!(!told.contains("5C1D") && !told.contains("aB3d"), "{told}");
    }

    #[test]
    fn visitors_leave_room_for_the_names_of_the_app() {
        let mut watch = Watch::default();
        for nth in 0..1000 {
            let line = format!("made-up-{nth}=1");
            watch.request(&asked(ALICE, &[line.as_bytes()]));
        }
        assert_eq!(watch.tally().cookies.len(), FOREIGN_NAMES_MAX);
        set(&mut watch, ALICE, "sid=1");
        watch.request(&asked(ALICE, &[b"sid=1"]));
        assert_eq!(watch.tally().cookies["sid"].sent, 1);
        assert_eq!(watch.tally().untold, 1000 - FOREIGN_NAMES_MAX as u64);
    }

    #[test]
    fn what_nobody_set_comes_from_a_script_unless_the_jar_has_it() {
        let mut watch = Watch::default();
        watch.request(&asked(ALICE, &[b"made=1"]));
        assert_eq!(watch.tally().cookies["made"].unknown, 1);
    }

    #[test]
    fn a_value_that_is_repeated_in_a_header_or_the_query_is_noticed() {
        let fields: [(&str, &[u8]); 2] = [("x-xsrftoken", b"2|abc|def"), ("accept", b"*/*")];
        let mut watch = Watch::default();
        watch.request(&Asked {
            fields: &fields,
            query: "a=b&token=2%7Cabc%7Cdef",
            ..asked(ALICE, &[b"_xsrf=2%7Cabc%7Cdef; short=*/*"])
        });
        let seen = &watch.tally().cookies["_xsrf"];
        assert_eq!(seen.echoed_in.iter().collect::<Vec<_>>(), ["x-xsrftoken"]);
        assert_eq!((seen.echoed_in_query, seen.echoed_by), (1, 1));
        assert!(watch.tally().cookies["short"].echoed_in.is_empty());
    }

    #[test]
    fn names_and_paths_are_bounded_and_no_value_is_in_what_is_told() {
        let mut watch = Watch::default();
        for nth in 0..1000 {
            set(
                &mut watch,
                ALICE,
                &format!("name-{nth}=SECRET; Path=/p{nth}"),
            );
            set(&mut watch, ALICE, &format!("one=SECRET; Path=/p{nth}"));
        }
        set(&mut watch, ALICE, &format!("{}=SECRET", "n".repeat(500)));
        assert_eq!(watch.tally().cookies.len(), NAMES_MAX);
        assert_eq!(watch.tally().cookies["one"].for_paths.len(), PATHS_MAX);
        assert!(watch.tally().untold > 0);
        let told = serde_json::to_string(watch.tally()).unwrap() + &format!("{watch:?}");
        assert!(!told.contains("SECRET"));
    }
}
