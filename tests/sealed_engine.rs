//! Promise: `engine = "cookie"` keeps of the consistency contract (DESIGN section 4) what a cookie can keep, and with
//! revocations all that matters for who is logged in. What does not hold is asserted too, as `docs/STORES.md` says it:
//! each test begins with what the table there has to say of the points that it shows.
//!
//! Time is an argument here, so nothing waits for it to pass. What travels is sealed and read back as a browser's cookie
//! would be, so that nothing gets by outside of it.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where its rig fails, helpers included"
)]

mod support;

use std::future::Future;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use cloakroom::base::clock::{Stopwatch, Time};
use cloakroom::base::kept::{CookieIdentity, KeptCookie};
use cloakroom::base::secret::Secret;
use cloakroom::cookie::attributes::{COOKIE_BYTES_MAX, TicketCookie, TicketCookieSettings};
use cloakroom::session::{
    Change, Closed, Commit, Committed, DataEdit, Expiry, JarEdit, KeyRing, Opening, Outcome, Place,
    Reading, Record, RingKey, Standing, Terms, Ticket, TicketKey, Turn, Upkeep, User,
};
use cloakroom::store::memory::MemoryStore;
use cloakroom::store::sealed::{SealedStore, shadow_terms};
use cloakroom::store::sqlite::{SqliteSettings, SqliteStore};
use cloakroom::store::{Answer, Catalogue, Fate, Store, StoreFault};
use support::contract::Kept::{InPart, Not, Wholly};
use support::contract::{Kept, POINTS, kept, names};
use tempfile::TempDir;

const START: Time = Time::from_secs(1_800_000_000);
const HOUR: u64 = 3600;
const PLACE: Place<'_> = Place::at("__Host-session", "shop.example");

fn terms() -> Terms {
    Terms {
        idle: Duration::from_secs(HOUR),
        absolute: Duration::from_secs(24 * HOUR),
        rotation_grace: Duration::from_secs(10),
        rotate_every: None,
        save_every_request: false,
        max_bytes: 64 << 10,
        jar_cookies_max: 300,
    }
}

fn rotating() -> Terms {
    Terms {
        rotate_every: Some(Duration::from_secs(600)),
        ..terms()
    }
}

fn after(secs: u64) -> Time {
    START.plus(Duration::from_secs(secs))
}

fn cookie() -> TicketCookie {
    TicketCookie::new(TicketCookieSettings::default()).unwrap()
}

fn alone(terms: Terms) -> SealedStore {
    SealedStore::new(terms, cookie(), None)
}

/// With revocations in memory, and how many tickets those know.
fn revoking(terms: Terms) -> (SealedStore, MemoryStore) {
    let shadows = MemoryStore::new(shadow_terms(&terms), START);
    let noted: Arc<dyn Store> = Arc::new(shadows.clone());
    (SealedStore::new(terms, cookie(), Some(noted)), shadows)
}

fn revoking_in(path: &Path) -> SealedStore {
    let settings = SqliteSettings::new(path, Duration::from_secs(10));
    let noted = SqliteStore::open(&settings, shadow_terms(&terms()), START).unwrap();
    SealedStore::new(terms(), cookie(), Some(Arc::new(noted)))
}

// === the table ===

/// The columns of the engine.
const REVOKING: &str = "cookie + revocations";
const ALONE: &str = "cookie";

#[track_caller]
fn says(column: &str, much: Kept, points: &[u8]) {
    for point in points {
        assert_eq!(kept(column, *point), much, "{column} and point {point}");
    }
}

#[test]
fn every_point_has_a_test_with_revocations_and_without() {
    let tests = include_str!("sealed_engine.rs");
    for point in POINTS {
        for column in ["REVOKING", "ALONE"] {
            let asks = format!("says({column}, ");
            assert!(names(tests, &asks, point), "{column} and point {point}");
        }
    }
}

// === the rig ===

fn ring() -> KeyRing {
    let key = RingKey {
        secret: Secret::new([7; 32]),
        created: START,
    };
    let ring = KeyRing::new(&[key], Duration::ZERO).unwrap();
    ring.opening_sealed()
}

/// The ticket as it comes back with the visitor's next request.
fn through_the_browser(ticket: &Ticket) -> Ticket {
    let text = ring().encode(ticket, &PLACE, START);
    match ring().read(text.as_bytes(), &PLACE, START) {
        Reading::Genuine { ticket, .. } => ticket,
        other => panic!("{other:?}"),
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().build().unwrap().block_on(future)
}

fn in_parallel<T: Send>(threads: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let line = Barrier::new(threads);
    std::thread::scope(|scope| {
        let (line, work) = (&line, &work);
        let start = |number| {
            scope.spawn(move || {
                line.wait();
                work(number)
            })
        };
        let started: Vec<_> = (0..threads).map(start).collect();
        let ended = started.into_iter().map(|thread| thread.join().unwrap());
        ended.collect()
    })
}

async fn open(store: &dyn Store, ticket: &Ticket, now: Time) -> Opening {
    store.open(ticket, now).await.unwrap()
}

#[track_caller]
fn opened(opening: Opening) -> (Arc<Record>, Standing, Upkeep) {
    match opening {
        Opening::Open {
            record,
            standing,
            upkeep,
        } => (record, standing, upkeep),
        other => panic!("the ticket should open a session: {other:?}"),
    }
}

#[track_caller]
fn assert_closed(opening: &Opening, why: Closed) {
    assert!(
        matches!(opening, Opening::Closed(found) if *found == why),
        "{opening:?} instead of {why:?}"
    );
}

async fn commit(store: &dyn Store, ticket: &Ticket, change: Change, now: Time) -> Committed {
    store.commit(request(ticket, change, now)).await.unwrap()
}

fn request(ticket: &Ticket, change: Change, now: Time) -> Commit {
    Commit {
        ticket: ticket.clone(),
        next: Ticket::mint(now),
        change,
        now,
    }
}

/// What the visitor holds after `change`.
async fn after_change(store: &dyn Store, ticket: &Ticket, change: Change, now: Time) -> Ticket {
    let committed = commit(store, ticket, change, now).await;
    assert!(
        matches!(committed.outcome, Outcome::Applied(_)),
        "{committed:?}"
    );
    through_the_browser(&committed.ticket.unwrap())
}

/// A session with one key in its data, as the visitor holds it.
async fn sealed_session(store: &dyn Store) -> Ticket {
    after_change(store, &Ticket::mint(START), set("a", "1"), START).await
}

fn set(key: &str, value: &str) -> Change {
    Change {
        data: vec![DataEdit::Set(key.into(), value.into())],
        ..Change::default()
    }
}

fn put(name: &str) -> Change {
    let cookie = KeptCookie {
        identity: CookieIdentity {
            name: name.as_bytes().into(),
            domain: "shop.example".into(),
            path: "/".into(),
        },
        value: b"v"[..].into(),
        host_only: true,
        expires: None,
        created: START,
        same_site: None,
        adopted: false,
    };
    let site = "shop".into();
    Change {
        cookies: vec![JarEdit::Put { site, cookie }],
        ..Change::default()
    }
}

fn touch() -> Change {
    Change {
        touch: true,
        ..Change::default()
    }
}

fn turn(turn: Turn) -> Change {
    Change {
        turn,
        ..Change::default()
    }
}

fn log_in(id: &str) -> Change {
    let user = User {
        id: id.into(),
        issuer: None,
        name: None,
        email: None,
        groups: Vec::new(),
        claims: serde_json::Map::new(),
        site: "shop".into(),
        auth_time: START,
        entrance: None,
        grant: None,
    };
    turn(Turn::LogIn {
        user: Some(Box::new(user)),
        carry: true,
    })
}

/// A store that fails on demand.
struct Frail {
    inner: MemoryStore,
    broken: Arc<AtomicBool>,
}

impl Frail {
    fn fault<T>(&self) -> Option<Answer<T>> {
        let broken = self.broken.load(Ordering::SeqCst);
        broken.then(|| Answer::fault(StoreFault::Timeout))
    }
}

impl Store for Frail {
    fn open(&self, ticket: &Ticket, now: Time) -> Answer<Opening> {
        self.fault().unwrap_or_else(|| self.inner.open(ticket, now))
    }

    fn commit(&self, commit: Commit) -> Answer<Committed> {
        self.fault().unwrap_or_else(|| self.inner.commit(commit))
    }

    fn fates(&self, keys: Vec<TicketKey>, now: Time) -> Answer<Vec<Fate>> {
        self.fault().unwrap_or_else(|| self.inner.fates(keys, now))
    }

    fn sweep(&self, now: Time, at_most: usize) -> Answer<usize> {
        self.fault()
            .unwrap_or_else(|| self.inner.sweep(now, at_most))
    }

    fn catalogue(&self) -> Option<&dyn Catalogue> {
        None
    }
}

// === the state is in the ticket ===

#[tokio::test]
async fn any_gateway_with_the_keys_opens_what_another_sealed() {
    says(ALONE, Wholly, &[7]);
    let (here, there) = (alone(terms()), alone(terms()));
    let first = Ticket::mint(START);
    let committed = commit(&here, &first, set("theme", "dark"), START).await;
    assert!(committed.began);
    let ticket = through_the_browser(&committed.ticket.unwrap());
    assert_eq!(ticket.key(), first.key(), "the same random part");
    let ticket = after_change(&there, &ticket, put("sid"), after(1)).await;
    let ticket = after_change(&here, &ticket, log_in("alice"), after(2)).await;

    let (record, standing, upkeep) = opened(open(&there, &ticket, after(3)).await);
    assert_eq!(record.user.as_ref().unwrap().id, "alice");
    assert_eq!(
        (record.data.get("theme"), record.jar("shop").len()),
        (Some(&"dark".into()), 1)
    );
    assert_eq!((standing, upkeep), (Standing::Current, Upkeep::Nothing));
    assert!(here.catalogue().is_none());
    assert_eq!(here.sweep(after(9), 10).await.unwrap(), 0);
}

#[tokio::test]
async fn a_visitor_with_nothing_to_remember_holds_a_plain_ticket_and_costs_nothing() {
    says(REVOKING, Wholly, &[6]);
    says(ALONE, Wholly, &[6]);
    let (store, shadows) = revoking(terms());
    for store in [&store, &alone(terms())] {
        let plain = Ticket::mint(START);
        assert!(matches!(
            open(store, &plain, after(5)).await,
            Opening::Vacant
        ));
        let committed = commit(store, &plain, touch(), after(5)).await;
        assert!(matches!(committed.outcome, Outcome::Applied(_)));
        assert_eq!(committed.ticket, None);
        let idle = open(store, &plain, after(HOUR)).await;
        assert_closed(&idle, Closed::IdleExpired);
        // A plain one that is marked stored is another engine's.
        let stored = open(store, &plain.marked_stored(), START).await;
        assert_closed(&stored, Closed::Unknown);
        let committed = commit(store, &plain.marked_stored(), set("a", "1"), START).await;
        assert_eq!(
            (committed.outcome, committed.ticket),
            (Outcome::Dropped(Closed::Unknown), None)
        );
        // What is kept without a login, a rotation or an end needs no shadow.
        let ticket = sealed_session(store).await;
        after_change(store, &ticket, put("sid"), after(1)).await;
    }
    assert_eq!(shadows.tickets(), 0);
}

#[tokio::test]
async fn the_idle_clock_is_in_the_ticket_and_the_absolute_end_never_moves() {
    says(REVOKING, InPart, &[9]);
    says(ALONE, InPart, &[9]);
    let (revoking, _) = revoking(terms());
    for store in [&alone(terms()), &revoking] {
        // Without a shadow, and with one from the first moment on.
        for change in [set("a", "1"), log_in("alice")] {
            let first = after_change(store, &Ticket::mint(START), change, START).await;
            let mut ticket = first.clone();
            for half_hour in 1..=47 {
                let now = after(half_hour * HOUR / 2);
                ticket = after_change(store, &ticket, touch(), now).await;
            }
            let last = open(store, &ticket, after(24 * HOUR - 1)).await;
            assert_eq!(opened(last).0.touched, after(47 * HOUR / 2));
            let over = open(store, &ticket, after(24 * HOUR)).await;
            assert_closed(&over, Closed::AbsoluteExpired);
            let late = commit(store, &ticket, set("b", "2"), after(24 * HOUR)).await;
            assert_eq!(late.outcome, Outcome::Dropped(Closed::AbsoluteExpired));
            // The earlier state keeps its own, earlier end.
            let earlier = open(store, &first, after(HOUR)).await;
            assert_closed(&earlier, Closed::IdleExpired);
            // The clock going back ends nothing.
            opened(open(store, &first, START).await);
        }
    }
}

/// Whether a state is the newest, no cookie knows, and the revocations are not told of every change.
#[tokio::test]
async fn an_earlier_state_with_a_longer_idle_timeout_outlives_a_later_one() {
    says(REVOKING, InPart, &[9]);
    says(ALONE, InPart, &[9]);
    let (revoking, _) = revoking(terms());
    for store in [&revoking, &alone(terms())] {
        let lasting = sealed_session(store).await;
        let short = Change {
            expiry: Some(Some(Expiry::IdleSecs(60))),
            ..Change::default()
        };
        let short = after_change(store, &lasting, short, after(1)).await;
        let over = open(store, &short, after(100)).await;
        assert_closed(&over, Closed::IdleExpired);
        opened(open(store, &lasting, after(100)).await);
    }
}

#[tokio::test]
async fn a_raised_timeout_does_not_prolong_what_was_sealed_before() {
    says(ALONE, InPart, &[9]);
    let ticket = sealed_session(&alone(terms())).await;
    let lax = Terms {
        idle: Duration::from_secs(100 * HOUR),
        absolute: Duration::from_secs(100 * HOUR),
        ..terms()
    };
    let store = alone(lax);
    opened(open(&store, &ticket, after(23 * HOUR)).await);
    assert_closed(
        &open(&store, &ticket, after(24 * HOUR)).await,
        Closed::AbsoluteExpired,
    );
    let renewed = after_change(&store, &ticket, touch(), after(23 * HOUR)).await;
    opened(open(&store, &renewed, after(99 * HOUR)).await);
}

#[tokio::test]
async fn without_a_shared_store_the_last_response_wins() {
    says(REVOKING, Not, &[1]);
    says(ALONE, Not, &[1]);
    says(REVOKING, InPart, &[11]);
    says(ALONE, InPart, &[11]);
    let (revoking, _) = revoking(terms());
    for store in [&revoking, &alone(terms())] {
        let ticket = sealed_session(store).await;
        let one = after_change(store, &ticket, set("one", "1"), after(1)).await;
        let other = after_change(store, &ticket, set("other", "1"), after(1)).await;
        let keys = |record: &Record| record.data.keys().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(
            keys(&opened(open(store, &one, after(2)).await).0),
            ["a", "one"]
        );
        assert_eq!(
            keys(&opened(open(store, &other, after(2)).await).0),
            ["a", "other"]
        );
    }
}

// === what fits ===

/// A cookie name for which both 4096 and 4097 bytes can be reached: base64 has no text of 4n + 1 characters.
fn cookie_of_any_size() -> TicketCookie {
    let cookies = (1..5).map(|length| TicketCookieSettings {
        name: format!("__Host-{}", "s".repeat(length)),
        ..TicketCookieSettings::default()
    });
    let mut cookies = cookies.map(|settings| TicketCookie::new(settings).unwrap());
    let day = Some(Duration::from_secs(24 * HOUR));
    let fits = |cookie: &TicketCookie| {
        let chars = COOKIE_BYTES_MAX - cookie.bytes_of(0, day);
        chars % 4 == 2
    };
    cookies.find(fits).unwrap()
}

#[tokio::test]
async fn a_session_of_4096_bytes_as_a_cookie_is_kept_and_one_of_4097_refused() {
    says(ALONE, Wholly, &[12]);
    let cookie = cookie_of_any_size();
    let store = SealedStore::new(terms(), cookie.clone(), None);
    let first = sealed_session(&store).await;
    let mut sizes = Vec::new();
    for bytes in 2500..3000 {
        let committed = commit(&store, &first, set("b", &"x".repeat(bytes)), START).await;
        // What a browser would be sent, worked out the long way.
        let ticket = committed.ticket.clone().unwrap_or_else(|| {
            let mut record = Record::clone(first.carried().unwrap().record());
            record.data.insert("b", "x".repeat(bytes).into());
            let carried = cloakroom::session::Carried::new(Arc::new(record), after(24 * HOUR));
            first.carrying(carried.unwrap())
        });
        let text = ring().encode(&ticket, &PLACE, START);
        let life = Some(Duration::from_secs(24 * HOUR));
        let line = format!("{}={}", cookie.name(), *text).len()
            + cookie.set("x", life).unwrap().len()
            - format!("{}=x", cookie.name()).len();
        sizes.push(line);
        if line <= 4096 {
            assert!(
                matches!(committed.outcome, Outcome::Applied(_)),
                "{line} bytes"
            );
            assert_eq!(cookie.set(&text, life).unwrap().len(), line);
        } else {
            assert_eq!(
                (committed.outcome, committed.ticket),
                (Outcome::TooLarge, None),
                "{line}"
            );
            assert!(cookie.set(&text, life).is_err());
        }
    }
    assert!(sizes.contains(&4096) && sizes.contains(&4097), "{sizes:?}");
    // The old state is whole.
    let (record, ..) = opened(open(&store, &first, START).await);
    assert_eq!(record.data.len(), 1);
}

#[tokio::test]
async fn what_fits_no_cookie_never_begins_a_session_and_max_bytes_holds_too() {
    says(REVOKING, Wholly, &[12]);
    says(ALONE, Wholly, &[12]);
    let (store, shadows) = revoking(terms());
    let plain = Ticket::mint(START);
    let big = set("big", &"x".repeat(4000));
    let committed = commit(&store, &plain, big, START).await;
    assert_eq!(
        (committed.outcome, committed.ticket),
        (Outcome::TooLarge, None)
    );
    let mut login = log_in("alice");
    login.data = set("big", &"x".repeat(4000)).data;
    let committed = commit(&store, &plain, login, START).await;
    assert_eq!(committed.outcome, Outcome::TooLarge);
    assert_eq!(shadows.tickets(), 0, "nothing was noted");
    assert!(matches!(open(&store, &plain, START).await, Opening::Vacant));

    let narrow = Terms {
        max_bytes: 600,
        ..terms()
    };
    let store = alone(narrow);
    let committed = commit(&store, &plain, set("big", &"x".repeat(400)), START).await;
    assert_eq!(committed.outcome, Outcome::TooLarge);
}

/// As with every engine: an app that always asks for too much must not idle its visitors out.
#[tokio::test]
async fn a_change_that_does_not_fit_holds_up_neither_the_idle_clock_nor_a_scheduled_rotation() {
    says(REVOKING, Wholly, &[12]);
    for (bytes, max_bytes) in [(2000, 1000), (4000, 64 << 10)] {
        let narrow = Terms {
            max_bytes,
            ..rotating()
        };
        let (store, _) = revoking(narrow);
        let first = sealed_session(&store).await;
        let mut big = set("big", &"x".repeat(bytes));
        big.touch = true;
        let committed = commit(&store, &first, big.clone(), after(500)).await;
        assert_eq!(committed.outcome, Outcome::TooLarge);
        let ticket = through_the_browser(&committed.ticket.unwrap());
        let (record, ..) = opened(open(&store, &ticket, after(501)).await);
        assert_eq!((record.data.len(), record.touched), (1, after(500)));
        big.turn = Turn::RotateOnSchedule;
        let committed = commit(&store, &ticket, big, after(600)).await;
        assert_eq!(committed.outcome, Outcome::TooLarge);
        let rotated = through_the_browser(&committed.ticket.unwrap());
        assert_ne!(rotated.key(), ticket.key());
        let (record, _, upkeep) = opened(open(&store, &rotated, after(601)).await);
        assert_eq!((record.data.len(), upkeep), (1, Upkeep::Settle));
    }
}

#[tokio::test]
async fn a_user_whom_the_app_has_replaced_does_not_stay_when_the_new_one_does_not_fit() {
    says(REVOKING, Wholly, &[3, 12]);
    let (store, _) = revoking(terms());
    let alice = after_change(&store, &Ticket::mint(START), log_in("alice"), START).await;
    let mut login = log_in("bob");
    login.data = set("big", &"x".repeat(4000)).data;
    let committed = commit(&store, &alice, login, after(1)).await;
    assert_eq!(committed.outcome, Outcome::Ended);
    assert_closed(&open(&store, &alice, after(1)).await, Closed::Ended);
}

// === logout ===

#[tokio::test]
async fn after_a_logout_no_ticket_of_the_session_opens_anything() {
    says(REVOKING, Wholly, &[2, 5, 6]);
    let (store, _) = revoking(rotating());
    let plain = Ticket::mint(START);
    let first = after_change(&store, &plain, set("a", "1"), START).await;
    let second = after_change(&store, &first, put("sid"), after(1)).await;
    let user = after_change(&store, &second, log_in("alice"), after(2)).await;
    let rotated = after_change(&store, &user, turn(Turn::Rotate), after(3)).await;
    let earlier = rotated.clone();
    let rotated = after_change(&store, &rotated, set("b", "2"), after(4)).await;
    let ended = commit(&store, &rotated, turn(Turn::End), after(5)).await;
    assert_eq!((ended.outcome, ended.ticket), (Outcome::Ended, None));
    for ticket in [&plain, &first, &second, &user, &earlier, &rotated] {
        assert_closed(&open(&store, ticket, after(5)).await, Closed::Ended);
        for change in [
            set("late", "1"),
            touch(),
            log_in("alice"),
            turn(Turn::Rotate),
        ] {
            let late = commit(&store, ticket, change, after(6)).await;
            assert_eq!(
                (late.outcome, late.ticket),
                (Outcome::Dropped(Closed::Ended), None)
            );
        }
    }
}

#[tokio::test]
async fn an_end_with_the_old_ticket_ends_what_the_new_one_opens() {
    says(REVOKING, Wholly, &[5]);
    let (store, _) = revoking(terms());
    let old = sealed_session(&store).await;
    let new = after_change(&store, &old, turn(Turn::Rotate), after(1)).await;
    let ended = commit(&store, &old, turn(Turn::End), after(2)).await;
    assert_eq!(ended.outcome, Outcome::Ended);
    assert_closed(&open(&store, &new, after(2)).await, Closed::Ended);
}

#[tokio::test]
async fn a_session_that_was_never_kept_can_be_ended_too() {
    says(REVOKING, Wholly, &[2, 5]);
    let (store, _) = revoking(terms());
    let plain = Ticket::mint(START);
    let ended = commit(&store, &plain, turn(Turn::End), after(1)).await;
    assert_eq!(ended.outcome, Outcome::Ended);
    assert_closed(&open(&store, &plain, after(1)).await, Closed::Ended);
    let late = commit(&store, &plain, set("a", "1"), after(2)).await;
    assert_eq!(late.outcome, Outcome::Dropped(Closed::Ended));
}

/// The documents say so, and `cloakroom check` warns.
#[tokio::test]
async fn without_revocations_a_logout_takes_the_cookie_from_the_browser_and_no_more() {
    says(ALONE, Not, &[2, 5, 10]);
    let store = alone(terms());
    let before = sealed_session(&store).await;
    let user = after_change(&store, &before, log_in("alice"), after(1)).await;
    let ended = commit(&store, &user, turn(Turn::End), after(2)).await;
    assert_eq!((ended.outcome, ended.ticket), (Outcome::Ended, None));
    opened(open(&store, &user, after(3)).await);
    opened(open(&store, &before, after(3)).await);
}

/// An app may have given an earlier state a longer idle timeout than the one that is ended.
#[tokio::test]
async fn no_earlier_state_opens_after_the_tombstone_is_gone() {
    says(REVOKING, Wholly, &[2]);
    let (store, shadows) = revoking(terms());
    let lasting = Change {
        expiry: Some(Some(Expiry::IdleSecs(200_000))),
        ..set("a", "1")
    };
    let lasting = after_change(&store, &Ticket::mint(START), lasting, START).await;
    let short = Change {
        expiry: Some(Some(Expiry::IdleSecs(60))),
        ..Change::default()
    };
    let short = after_change(&store, &lasting, short, after(1)).await;
    commit(&store, &short, turn(Turn::End), after(2)).await;
    for hour in 0..30 {
        let now = after(hour * HOUR + 10);
        store.sweep(now, 100).await.unwrap();
        for ticket in [&lasting, &short] {
            let opening = open(&store, ticket, now).await;
            assert!(
                matches!(opening, Opening::Closed(_)),
                "hour {hour}: {opening:?}"
            );
        }
    }
    assert_eq!(shadows.tickets(), 0, "and it is gone in the end");
}

// === user changes ===

#[tokio::test]
async fn after_a_login_the_old_ticket_sees_the_old_state_for_the_grace_and_then_nothing() {
    says(REVOKING, Wholly, &[3]);
    let (store, _) = revoking(terms());
    for first in [Ticket::mint(START), sealed_session(&store).await] {
        let new = after_change(&store, &first, log_in("alice"), after(1)).await;
        let new = after_change(&store, &new, put("sid"), after(2)).await;
        for change in [put("planted"), touch(), log_in("mallory"), turn(Turn::End)] {
            let late = commit(&store, &first, change, after(3)).await;
            assert_eq!(late.outcome, Outcome::Dropped(Closed::Superseded));
        }
        let (record, standing, _) = opened(open(&store, &first, after(3)).await);
        assert_eq!(standing, Standing::Frozen);
        assert!(record.user.is_none() && record.jar("shop").is_empty());
        let old = open(&store, &first, after(11)).await;
        assert_closed(&old, Closed::Superseded);
        let (record, standing, _) = opened(open(&store, &new, after(11)).await);
        assert_eq!(record.user.as_ref().unwrap().id, "alice");
        assert_eq!((record.jar("shop").len(), standing), (1, Standing::Current));
    }
}

#[test]
fn of_parallel_logins_one_counts() {
    says(REVOKING, Wholly, &[3]);
    let (store, _) = revoking(terms());
    let first = block_on(sealed_session(&store));
    let given = in_parallel(8, |number| {
        let login = log_in(&format!("user{number}"));
        let committed = block_on(commit(&store, &first, login, after(1)));
        let won = matches!(committed.outcome, Outcome::Applied(_));
        let lost = committed.outcome == Outcome::Dropped(Closed::Superseded);
        assert!(won || lost, "{committed:?}");
        assert_eq!(won, committed.ticket.is_some());
        committed.ticket
    });
    let given: Vec<_> = given.into_iter().flatten().collect();
    assert_eq!(given.len(), 1);
    opened(block_on(open(&store, &given[0], after(2))));
}

#[test]
fn whatever_races_with_a_logout_the_session_stays_ended() {
    says(REVOKING, Wholly, &[2]);
    let (store, _) = revoking(terms());
    for _ in 0..20 {
        let ticket = block_on(sealed_session(&store));
        let given = in_parallel(8, |number| {
            let change = match number {
                0 => turn(Turn::End),
                1 => turn(Turn::Rotate),
                2 => touch(),
                _ => put(&format!("c{number}")),
            };
            block_on(commit(&store, &ticket, change, START)).ticket
        });
        for given in given.into_iter().flatten().chain([ticket]) {
            assert_closed(&block_on(open(&store, &given, START)), Closed::Ended);
        }
    }
}

#[tokio::test]
async fn without_revocations_the_ticket_from_before_a_login_opens_the_state_from_before_it() {
    says(ALONE, Not, &[3]);
    let store = alone(terms());
    let first = sealed_session(&store).await;
    let new = after_change(&store, &first, log_in("alice"), after(1)).await;
    let (record, standing, _) = opened(open(&store, &first, after(60)).await);
    assert_eq!((&record.user, standing), (&None, Standing::Current));
    assert_ne!(
        record.root,
        opened(open(&store, &new, after(60)).await).0.root
    );
}

// === rotation ===

#[test]
fn of_fifty_rotations_at_once_one_counts() {
    says(REVOKING, InPart, &[4]);
    let (store, _) = revoking(terms());
    let ticket = block_on(sealed_session(&store));
    let given = in_parallel(50, |_| {
        block_on(commit(&store, &ticket, turn(Turn::Rotate), START)).ticket
    });
    let given: Vec<_> = given.into_iter().flatten().collect();
    let [new] = &given[..] else {
        panic!("one rotation counts, not {}", given.len());
    };
    let (record, ..) = opened(block_on(open(&store, new, after(20))));
    assert_eq!(record.root, ticket.root(), "the session's IDs stay");
    let old = block_on(open(&store, &ticket, after(10)));
    assert_closed(&old, Closed::Superseded);
}

/// A state machine forgets retired tickets that could open nothing by themselves. Sealed ones could.
#[tokio::test]
async fn no_ticket_of_a_session_that_was_rotated_often_opens_anything_again() {
    says(REVOKING, Wholly, &[2]);
    for pause_secs in [0, 1, 30] {
        let (store, _) = revoking(terms());
        let mut now = START;
        let mut held = vec![Ticket::mint(now)];
        held.push(after_change(&store, &held[0], set("a", "1"), now).await);
        for _ in 0..40 {
            now = now.plus(Duration::from_secs(pause_secs));
            let rotated = after_change(&store, &held[held.len() - 1], turn(Turn::Rotate), now);
            held.push(rotated.await);
        }
        let newest = held.pop().unwrap();
        now = now.plus(Duration::from_secs(10));
        // One more turn, so that whatever may be forgotten is.
        let newest = after_change(&store, &newest, turn(Turn::Rotate), now).await;
        for ticket in &held {
            let opening = open(&store, ticket, now).await;
            assert!(
                matches!(opening, Opening::Closed(_)),
                "{pause_secs}: {opening:?}"
            );
            let late = commit(&store, ticket, log_in("mallory"), now).await;
            assert!(matches!(late.outcome, Outcome::Dropped(_)), "{late:?}");
        }
        opened(open(&store, &newest, now).await);
        commit(&store, &newest, turn(Turn::End), now).await;
        held.push(newest);
        for hour in 0..25 {
            let now = now.plus(Duration::from_secs(hour * HOUR));
            store.sweep(now, 1000).await.unwrap();
            for ticket in &held {
                let opening = open(&store, ticket, now).await;
                assert!(matches!(opening, Opening::Closed(_)), "{hour}: {opening:?}");
            }
        }
    }
}

#[tokio::test]
async fn during_the_grace_the_old_ticket_reads_and_never_replaces_the_newer_cookie() {
    says(REVOKING, InPart, &[4]);
    let (store, _) = revoking(terms());
    let old = sealed_session(&store).await;
    let new = after_change(&store, &old, turn(Turn::Rotate), after(1)).await;
    let (record, standing, _) = opened(open(&store, &old, after(5)).await);
    assert_eq!((record.data.len(), standing), (1, Standing::Retiring));
    for change in [put("late"), touch(), turn(Turn::Rotate)] {
        let late = commit(&store, &old, change, after(5)).await;
        assert_eq!(
            (late.outcome, late.ticket),
            (Outcome::Dropped(Closed::Superseded), None)
        );
    }
    assert_eq!(
        opened(open(&store, &new, after(5)).await).1,
        Standing::Current
    );
}

#[tokio::test]
async fn a_scheduled_rotation_lets_the_old_ticket_go_on_until_the_new_one_came() {
    says(REVOKING, InPart, &[4]);
    let (store, _) = revoking(rotating());
    let old = sealed_session(&store).await;
    assert_eq!(
        opened(open(&store, &old, after(599)).await).2,
        Upkeep::Nothing
    );
    assert_eq!(
        opened(open(&store, &old, after(600)).await).2,
        Upkeep::Rotate
    );
    let mut change = put("sid");
    change.turn = Turn::RotateOnSchedule;
    let new = after_change(&store, &old, change, after(600)).await;
    assert_ne!(new.key(), old.key());
    // The response that brought it may be lost: nothing retires yet, and the old one is as good as it was.
    let kept = after_change(&store, &old, put("meanwhile"), after(700)).await;
    assert_eq!(kept.key(), old.key());
    opened(open(&store, &kept, after(1100)).await);
    let (record, _, upkeep) = opened(open(&store, &new, after(1100)).await);
    assert_eq!((record.jar("shop").len(), upkeep), (1, Upkeep::Settle));
    let settled = after_change(&store, &new, turn(Turn::RotateOnSchedule), after(1100)).await;
    assert_eq!(settled.key(), new.key());
    assert_eq!(
        opened(open(&store, &settled, after(1101)).await).2,
        Upkeep::Nothing
    );
    assert_eq!(
        opened(open(&store, &old, after(1109)).await).1,
        Standing::Retiring
    );
    let retired = open(&store, &old, after(1110)).await;
    assert_closed(&retired, Closed::Superseded);
    opened(open(&store, &settled, after(1110)).await);
}

#[tokio::test]
async fn without_revocations_a_rotation_gives_a_new_ticket_and_the_old_one_goes_on() {
    says(ALONE, Not, &[4]);
    let store = alone(rotating());
    let old = sealed_session(&store).await;
    assert_eq!(
        opened(open(&store, &old, after(600)).await).2,
        Upkeep::Rotate
    );
    let new = after_change(&store, &old, turn(Turn::RotateOnSchedule), after(600)).await;
    assert_ne!(new.key(), old.key());
    assert_eq!(
        opened(open(&store, &new, after(601)).await).2,
        Upkeep::Nothing
    );
    opened(open(&store, &old, after(700)).await);
    // A response to it that comes late brings it back.
    let late = after_change(&store, &old, put("late"), after(701)).await;
    assert_eq!(late.key(), old.key());
}

// === whatever happens ===

/// Small numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn change(&mut self) -> Change {
        let mut change = match self.roll(12) {
            0..3 => set(&format!("n{}", self.roll(4)), "v"),
            3 => put("sid"),
            4..6 => turn(Turn::Rotate),
            6..9 => turn(Turn::RotateOnSchedule),
            9..11 => log_in(["alice", "bob"][self.roll(2)]),
            _ => turn(Turn::End),
        };
        change.touch = self.roll(2) == 0;
        change
    }
}

/// One state of a session, and whether it was seen to open nothing.
struct Held {
    ticket: Ticket,
    closed: bool,
}

/// A visitor who keeps every value ever sent, and brings any of them at any time.
#[tokio::test]
async fn what_is_over_once_never_opens_again() {
    says(REVOKING, Wholly, &[2]);
    let mut ends = 0;
    for seed in 0..40 {
        let mut dice = Dice(seed);
        let (store, _) = revoking(rotating());
        let mut now = START;
        let mut held = vec![Held {
            ticket: Ticket::mint(now),
            closed: false,
        }];
        for step in 0..60 {
            now = now.plus(Duration::from_secs([0, 1, 4, 12, 700][dice.roll(5)]));
            let brought = held[dice.roll(held.len())].ticket.clone();
            let committed = commit(&store, &brought, dice.change(), now).await;
            let given = committed.ticket.iter().map(through_the_browser);
            held.extend(given.map(|ticket| Held {
                ticket,
                closed: false,
            }));
            if dice.roll(5) == 0 {
                store.sweep(now, 1000).await.unwrap();
            }
            let ended = committed.outcome == Outcome::Ended;
            ends += usize::from(ended);
            // They all come of one first ticket, so an end ends them all; one that was forked from may wait for its grace.
            let later = now.plus(Duration::from_secs(11));
            for held in &mut held {
                let told = format!("seed {seed}, step {step}");
                let is_closed = |opening| matches!(opening, Opening::Closed(_));
                let closed = is_closed(open(&store, &held.ticket, now).await);
                assert!(closed || !held.closed, "{told}");
                held.closed = closed;
                let over = is_closed(open(&store, &held.ticket, later).await);
                assert!(over || !ended, "{told}");
            }
            if ended {
                break;
            }
        }
    }
    assert!(ends > 20, "{ends} ends");
}

/// A browser that brings what it was given last sees what it would see with any engine.
#[tokio::test]
async fn one_request_at_a_time_cannot_tell_the_engine_from_another() {
    for seed in 0..40 {
        let mut dice = Dice(seed);
        let (sealed, _) = revoking(rotating());
        let plain = MemoryStore::new(rotating(), START);
        let mut now = START;
        let first = Ticket::mint(now);
        let mut tickets = [first.clone(), first];
        for step in 0..60 {
            let told = format!("seed {seed}, step {step}");
            now = now.plus(Duration::from_secs([0, 1, 12, 700, 3000][dice.roll(5)]));
            let mut one = request(&tickets[0], dice.change(), now);
            let mut other = one.clone();
            other.ticket = tickets[1].clone();
            // As the gateway does.
            let opening = open(&sealed, &tickets[0], now).await;
            let needs =
                matches!(opening, Opening::Open { upkeep, .. } if upkeep != Upkeep::Nothing);
            if one.change.turn == Turn::Stay && needs {
                one.change.turn = Turn::RotateOnSchedule;
            }
            other.change = one.change.clone();
            let one = sealed.commit(one).await.unwrap();
            let other = plain.commit(other).await.unwrap();
            // Why there is nothing left, either may have forgotten.
            let outcome = |committed: &Committed| match &committed.outcome {
                Outcome::Dropped(_) => None,
                done => Some(done.clone()),
            };
            assert_eq!(outcome(&one), outcome(&other), "{told}");
            assert_eq!(one.began, other.began, "{told}");
            if let Some(ticket) = &one.ticket {
                tickets[0] = through_the_browser(ticket);
            }
            if let Some(ticket) = other.ticket {
                tickets[1] = ticket;
            }
            assert_eq!(tickets[0].key(), tickets[1].key(), "{told}");
            let shown = |opening| match opening {
                Opening::Open {
                    record,
                    standing,
                    upkeep,
                } => Some((record, standing, upkeep)),
                Opening::Vacant | Opening::Closed(_) => None,
            };
            let here = shown(open(&sealed, &tickets[0], now).await);
            let there = shown(open(&plain, &tickets[1], now).await);
            assert_eq!(here, there, "{told}");
        }
    }
}

// === the store of the revocations ===

#[tokio::test]
async fn an_outage_of_the_revocations_is_an_outage_and_never_a_not_revoked() {
    says(REVOKING, Wholly, &[8]);
    says(ALONE, Wholly, &[8]);
    let broken = Arc::new(AtomicBool::new(false));
    let frail = Frail {
        inner: MemoryStore::new(shadow_terms(&terms()), START),
        broken: Arc::clone(&broken),
    };
    let store = SealedStore::new(terms(), cookie(), Some(Arc::new(frail)));
    let ticket = sealed_session(&store).await;
    let user = after_change(&store, &ticket, log_in("alice"), after(1)).await;
    broken.store(true, Ordering::SeqCst);
    for ticket in [&ticket, &user, &Ticket::mint(START)] {
        let answer = store.open(ticket, after(2)).await;
        assert!(matches!(answer, Err(StoreFault::Timeout)), "{answer:?}");
        for change in [
            set("b", "2"),
            log_in("bob"),
            turn(Turn::End),
            turn(Turn::Rotate),
            turn(Turn::RotateOnSchedule),
        ] {
            // A plain ticket is not worth a rotation; nothing is asked for it then.
            if !change.needs_a_record() && ticket.carried().is_none() {
                continue;
            }
            let answer = store.commit(request(ticket, change, after(2))).await;
            assert!(matches!(answer, Err(StoreFault::Timeout)), "{answer:?}");
        }
    }
    // Without revocations there is no store that could be out.
    opened(open(&alone(terms()), &user, after(2)).await);
    // What is expired is so without asking anybody.
    let over = open(&store, &user, after(24 * HOUR + 1)).await;
    assert_closed(&over, Closed::AbsoluteExpired);
    broken.store(false, Ordering::SeqCst);
    opened(open(&store, &user, after(3)).await);
}

#[tokio::test]
async fn revocations_that_were_lost_let_nothing_in_that_they_could_have_held() {
    says(REVOKING, Wholly, &[2]);
    let (before, _) = revoking(terms());
    let ticket = sealed_session(&before).await;
    let reborn: Arc<dyn Store> = Arc::new(MemoryStore::new(shadow_terms(&terms()), after(60)));
    let store = SealedStore::new(terms(), cookie(), Some(reborn));
    assert_closed(&open(&store, &ticket, after(61)).await, Closed::Unknown);
    let late = commit(&store, &ticket, set("b", "2"), after(61)).await;
    assert_eq!(late.outcome, Outcome::Dropped(Closed::Unknown));
    let fresh = Ticket::mint(after(62));
    let ticket = after_change(&store, &fresh, set("a", "1"), after(62)).await;
    opened(open(&store, &ticket, after(63)).await);
}

#[tokio::test]
async fn the_revocations_know_nothing_of_what_a_session_holds() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("revocations.db");
    let store = revoking_in(&path);
    let first = after_change(&store, &Ticket::mint(START), set("theme", "crimson"), START).await;
    let mut login = log_in("alice");
    login.cookies = put("wordpress").cookies;
    let user = after_change(&store, &first, login, START).await;
    after_change(&store, &user, turn(Turn::Rotate), START).await;
    drop(store);
    let bytes = std::fs::read(&path).unwrap();
    for word in ["crimson", "theme", "alice", "wordpress"] {
        let found = bytes
            .windows(word.len())
            .any(|window| window == word.as_bytes());
        assert!(!found, "{word}");
    }
}

#[tokio::test]
async fn what_one_gateway_ends_another_refuses_within_a_second_and_after_every_restart() {
    says(REVOKING, Wholly, &[5, 7, 10]);
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("revocations.db");
    let (here, there) = (revoking_in(&path), revoking_in(&path));
    let ticket = sealed_session(&here).await;
    let user = after_change(&here, &ticket, log_in("alice"), after(1)).await;
    opened(open(&there, &user, after(2)).await);
    commit(&here, &user, turn(Turn::End), after(3)).await;
    let watch = Stopwatch::start();
    while !matches!(
        open(&there, &user, after(3)).await,
        Opening::Closed(Closed::Ended)
    ) {
        assert!(
            watch.elapsed() < Duration::from_secs(1),
            "not within a second"
        );
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    // A commit never believes a cache.
    let late = commit(&there, &user, log_in("alice"), after(4)).await;
    assert_eq!(late.outcome, Outcome::Dropped(Closed::Ended));
    drop((here, there));
    let again = revoking_in(&path);
    assert_closed(&open(&again, &user, after(5)).await, Closed::Ended);
}
