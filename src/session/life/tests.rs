//! The consistency contract (DESIGN section 4) as far as it is decided here: points 1 to 6, 9 and 12.

use serde_json::json;

use super::*;
use crate::base::kept::{BrowserCopy, CookieIdentity, KeptCookie};
use crate::session::change::Change;
use crate::session::change::{DataEdit, JarEdit};
use crate::session::expiry::Expiry;

const START: Time = Time::from_secs(1_800_000_000);
const IDLE: Duration = Duration::from_secs(3600);
const ABSOLUTE: Duration = Duration::from_secs(86_400);
const GRACE: Duration = Duration::from_secs(10);
const ALWAYS: Time = Time::from_secs(0);
const SECOND: Duration = Duration::from_secs(1);

fn terms() -> Terms {
    Terms {
        idle: IDLE,
        absolute: ABSOLUTE,
        rotation_grace: GRACE,
        rotate_every: None,
        save_every_request: false,
        max_bytes: 4096,
        jar_cookies_max: 3,
    }
}

/// The empty session that `ticket` opens by itself, at a store that always was.
fn begin(ticket: &Ticket, terms: &Terms, now: Time) -> Option<Session> {
    let commit = request(ticket, set("a", "1"), now);
    Session::begin_for(&commit, ALWAYS, terms).ok()
}

fn after(secs: u64) -> Time {
    START.plus(Duration::from_secs(secs))
}

fn set(key: &str, value: &str) -> Change {
    Change {
        data: vec![DataEdit::Set(key.into(), json!(value))],
        ..Change::default()
    }
}

fn put(name: &str, value: &str, created: Time) -> Change {
    let cookie = KeptCookie {
        identity: identity(name),
        value: value.as_bytes().into(),
        host_only: true,
        expires: None,
        created,
        same_site: None,
        adopted: false,
    };
    let site = "shop".into();
    Change {
        cookies: vec![JarEdit::Put { site, cookie }],
        ..Change::default()
    }
}

/// Copies in the browser, each of which weighs some 300 bytes.
fn copies(paths: std::ops::Range<u32>) -> Change {
    let copy = |nth| BrowserCopy {
        place: CookieIdentity {
            path: format!("/{nth}{}", "l".repeat(200)).into(),
            domain: "".into(),
            ..identity("seal")
        },
        site: "shop".into(),
        host: "shop.example".into(),
    };
    Change {
        copies: paths.map(copy).collect(),
        binds: true,
        ..Change::default()
    }
}

#[test]
fn copies_make_room_for_all_else() {
    let (mut session, ticket) = stored_session();
    session.commit(&request(&ticket, copies(0..30), START), &terms());
    let remembered = session.record.copies().len();
    assert!((10..=16).contains(&remembered), "{remembered}");
    assert!(
        session.record.copies()[remembered - 1]
            .place
            .path
            .starts_with("/29")
    );

    let large = put("sid", &"x".repeat(2500), START);
    let kept = session.commit(&request(&ticket, large, START), &terms());
    assert!(matches!(kept.committed.outcome, Outcome::Applied(_)));
    let left = session.record.copies();
    assert!(
        !left.is_empty() && left.len() < remembered,
        "{}",
        left.len()
    );
    assert!(
        left[left.len() - 1].place.path.starts_with("/29"),
        "the oldest go first"
    );
}

fn identity(name: &str) -> CookieIdentity {
    CookieIdentity {
        name: name.as_bytes().into(),
        domain: "shop.example".into(),
        path: "/".into(),
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

fn log_in(id: &str, carry: bool) -> Change {
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
        carry,
    })
}

/// A request that brings `ticket`.
fn request(ticket: &Ticket, change: Change, now: Time) -> Commit {
    Commit::new(ticket.clone(), change, now)
}

/// A session with one key in its data, and its ticket as the visitor now has it.
fn stored_session() -> (Session, Ticket) {
    let ticket = Ticket::mint(START);
    let mut session = begin(&ticket, &terms(), START).unwrap();
    session.commit(&request(&ticket, set("a", "1"), START), &terms());
    (session, ticket.marked_stored())
}

fn commit(session: &mut Session, ticket: &Ticket, change: Change, now: Time) -> Effects {
    session.commit(&request(ticket, change, now), &terms())
}

#[track_caller]
fn opened(session: &Session, ticket: &Ticket, now: Time) -> (Arc<Record>, Standing) {
    match session.open(&ticket.key(), &terms(), now) {
        Opening::Open {
            record, standing, ..
        } => (record, standing),
        other => panic!("the ticket should open the session: {other:?}"),
    }
}

#[track_caller]
fn assert_closed(session: &Session, ticket: &Ticket, now: Time, why: Closed) {
    match session.open(&ticket.key(), &terms(), now) {
        Opening::Closed(found) => assert_eq!(found, why),
        other => panic!("the ticket should open nothing: {other:?}"),
    }
}

#[track_caller]
fn record_of(effects: &Effects) -> &Record {
    match &effects.committed.outcome {
        Outcome::Applied(record) => record,
        other => panic!("the change should have been applied: {other:?}"),
    }
}

fn value<'a>(record: &'a Record, key: &str) -> Option<&'a str> {
    record.data.get(key).and_then(|value| value.as_str())
}

// === beginning ===

#[test]
fn an_unstored_ticket_opens_an_empty_session_for_the_idle_timeout_from_its_issue() {
    let ticket = Ticket::mint(START);
    let last = START.plus(IDLE - Duration::from_millis(1));
    let session = begin(&ticket, &terms(), last).unwrap();
    assert_eq!(session.record.created, START);
    assert_eq!(session.record.root, ticket.root());
    assert!(!session.record.is_worth_guarding());
    assert!(begin(&ticket, &terms(), START.plus(IDLE)).is_none());
}

#[test]
fn a_ticket_marked_stored_never_begins_a_session() {
    let ticket = Ticket::mint(START).marked_stored();
    assert!(begin(&ticket, &terms(), START).is_none());
}

#[test]
fn only_something_to_remember_begins_a_record() {
    let fresh = Ticket::mint(START);
    let stored = fresh.marked_stored();
    let unset = Change {
        data: vec![DataEdit::Unset("a".into())],
        cookies: vec![JarEdit::Remove {
            site: "shop".into(),
            identity: identity("a"),
        }],
        ..Change::default()
    };
    let usual_expiry = Change {
        expiry: Some(None),
        ..Change::default()
    };
    for change in [touch(), unset, usual_expiry] {
        let answer =
            Session::begin_for(&request(&fresh, change, START), ALWAYS, &terms()).unwrap_err();
        assert!(matches!(answer.outcome, Outcome::Applied(_)), "{answer:?}");
        assert_eq!(answer.ticket, None);
    }
    for change in [
        set("a", "1"),
        put("a", "1", START),
        log_in("alice", true),
        turn(Turn::End),
    ] {
        assert!(
            Session::begin_for(&request(&fresh, change.clone(), START), ALWAYS, &terms()).is_ok()
        );
        // Contract 2: a session that was stored is never made again.
        let answer = Session::begin_for(&request(&stored, change.clone(), START), ALWAYS, &terms());
        assert_eq!(
            answer.unwrap_err().outcome,
            Outcome::Dropped(Closed::Unknown)
        );
        let late = request(&fresh, change, START.plus(IDLE));
        let answer = Session::begin_for(&late, ALWAYS, &terms()).unwrap_err();
        assert_eq!(answer.outcome, Outcome::Dropped(Closed::IdleExpired));
    }
}

#[test]
fn the_pre_store_spelling_gets_the_stored_ticket_again_each_time() {
    let fresh = Ticket::mint(START);
    let mut session = begin(&fresh, &terms(), START).unwrap();
    for key in ["a", "b"] {
        let effects = commit(&mut session, &fresh, set(key, "1"), START);
        assert_eq!(effects.committed.ticket, Some(fresh.marked_stored()));
        assert_eq!(effects.fresh_ticket(&fresh.key()), None);
    }
    let effects = commit(&mut session, &fresh.marked_stored(), set("c", "1"), START);
    assert_eq!(effects.committed.ticket, None);
    assert_eq!(record_of(&effects).data.len(), 3);
}

// === contract 1: no lost update ===

#[test]
fn changes_merge_by_key_and_by_cookie() {
    let (mut session, ticket) = stored_session();
    commit(&mut session, &ticket, set("b", "2"), START);
    commit(&mut session, &ticket, put("x", "1", START), START);
    commit(&mut session, &ticket, put("y", "1", START), START);
    let effects = commit(&mut session, &ticket, put("x", "2", after(5)), after(5));
    let record = record_of(&effects);
    assert_eq!(
        (value(record, "a"), value(record, "b")),
        (Some("1"), Some("2"))
    );
    let jar: Vec<_> = record
        .jar("shop")
        .iter()
        .map(|cookie| (&cookie.identity.name[..], &cookie.value[..], cookie.created))
        .collect();
    // A cookie that is set again keeps its creation time.
    assert_eq!(
        jar,
        [(&b"x"[..], &b"2"[..], START), (&b"y"[..], &b"1"[..], START)]
    );
}

#[test]
fn a_full_jar_gives_up_its_oldest_cookie_and_first_the_dead_ones() {
    let (mut session, ticket) = stored_session();
    for (name, created) in [("b", 2), ("a", 1), ("c", 3)] {
        commit(
            &mut session,
            &ticket,
            put(name, "1", after(created)),
            after(3),
        );
    }
    let effects = commit(&mut session, &ticket, put("d", "1", after(4)), after(4));
    assert_eq!(names(record_of(&effects)), ["b", "c", "d"]);

    let mut short_lived = put("e", "1", after(5));
    if let Some(JarEdit::Put { cookie, .. }) = short_lived.cookies.first_mut() {
        cookie.expires = Some(after(6));
    }
    commit(&mut session, &ticket, short_lived, after(5));
    let effects = commit(&mut session, &ticket, put("f", "1", after(7)), after(7));
    assert_eq!(names(record_of(&effects)), ["c", "d", "f"]);
}

#[test]
fn whoever_fills_a_jar_is_told_what_went_whatever_the_turn() {
    let turns = [
        Turn::Stay,
        Turn::Rotate,
        log_in("alice", true).turn,
        log_in("alice", false).turn,
    ];
    for turn in turns {
        let (mut session, ticket) = stored_session();
        for (name, created) in [("b", 2), ("a", 1), ("c", 3)] {
            let put = put(name, "1", after(created));
            let effects = commit(&mut session, &ticket, put, after(3));
            assert!(effects.committed.evicted.is_empty(), "there is room");
        }
        let mut change = put("d", "1", after(4));
        change.cookies.extend(put("e", "1", after(5)).cookies);
        change.turn = turn.clone();
        let effects = commit(&mut session, &ticket, change, after(5));
        // A login that begins anew has an empty jar.
        let expected: &[&[u8]] = match turn {
            Turn::LogIn { carry: false, .. } => &[],
            _ => &[b"a", b"b"],
        };
        let evicted = effects.committed.evicted.iter().map(|name| &**name);
        assert_eq!(evicted.collect::<Vec<_>>(), expected, "{turn:?}");
    }
}

#[test]
fn a_refused_change_lets_nothing_go() {
    let (mut session, ticket) = stored_session();
    for name in ["a", "b", "c"] {
        commit(&mut session, &ticket, put(name, "1", START), START);
    }
    let large = put("d", &"x".repeat(4096), after(1));
    let effects = commit(&mut session, &ticket, large, after(1));
    assert_eq!(effects.committed.outcome, Outcome::TooLarge);
    assert!(effects.committed.evicted.is_empty());
    assert_eq!(names(&session.record), ["a", "b", "c"]);
}

fn names(record: &Record) -> Vec<String> {
    let name = |cookie: &KeptCookie| String::from_utf8_lossy(&cookie.identity.name).into_owned();
    record.jar("shop").iter().map(name).collect()
}

// === contract 2 and 5: no resurrection, logout is flush ===

#[test]
fn a_flush_leaves_nothing_but_a_tombstone() {
    let (mut session, ticket) = stored_session();
    let root = session.record.root;
    let effects = commit(&mut session, &ticket, turn(Turn::End), after(60));
    assert_eq!(effects.committed.outcome, Outcome::Ended);
    assert_eq!(effects.committed.ticket, None, "no new ticket is attached");
    assert!(!session.record.is_worth_guarding());
    assert_eq!(session.record.root, root);
    assert_closed(&session, &ticket, after(60), Closed::Ended);
}

#[test]
fn nothing_brings_an_ended_session_back() {
    let fresh = Ticket::mint(START);
    let mut session = begin(&fresh, &terms(), START).unwrap();
    commit(&mut session, &fresh, set("a", "1"), START);
    commit(
        &mut session,
        &fresh.marked_stored(),
        turn(Turn::End),
        after(1),
    );
    let ended = session.clone();
    for ticket in [&fresh, &fresh.marked_stored()] {
        for change in [
            set("b", "2"),
            put("sid", "1", after(2)),
            touch(),
            log_in("alice", true),
            turn(Turn::Rotate),
            turn(Turn::End),
        ] {
            // A slow response, begun before the end or after it.
            for now in [START, after(2)] {
                let effects = commit(&mut session, ticket, change.clone(), now);
                assert_eq!(effects.committed.outcome, Outcome::Dropped(Closed::Ended));
                assert_eq!(effects.committed.ticket, None);
                assert!(!effects.changed && effects.fork.is_none());
            }
        }
    }
    assert_eq!(session, ended);
}

#[test]
fn a_tombstone_outlives_what_the_unstored_spelling_could_open() {
    // The last: issued while the clock was ahead, ended after it was set back.
    for (issued, ended) in [(0, 0), (0, 1800), (0, 3599), (5_000_000, 10)] {
        let fresh = Ticket::mint(after(issued));
        let mut session = begin(&fresh, &terms(), after(ended)).unwrap();
        commit(&mut session, &fresh, turn(Turn::End), after(ended));
        let swept_at = session.keep_until(&terms());
        assert!(
            begin(&fresh, &terms(), swept_at).is_none(),
            "issued {issued}, ended {ended}"
        );
    }
}

#[test]
fn a_second_end_does_not_prolong_the_tombstone_or_change_its_reason() {
    let (mut session, ticket) = stored_session();
    commit(&mut session, &ticket, turn(Turn::End), after(1));
    let tombstone = session.clone();
    session.close(Closed::Superseded, &terms(), after(1000));
    assert_eq!(session, tombstone);
}

#[test]
fn a_flush_ends_the_sessions_that_it_was_forked_from() {
    let (mut first, ticket) = stored_session();
    let login = commit(&mut first, &ticket, log_in("alice", true), after(1));
    let (mut second, second_ticket) = forked(login);
    let again = commit(&mut second, &second_ticket, log_in("alice", true), after(2));
    let (mut third, third_ticket) = forked(again);

    let effects = commit(&mut third, &third_ticket, turn(Turn::End), after(3));

    assert_eq!(effects.end_too, [ticket.key(), second_ticket.key()]);
    first.close(Closed::Ended, &terms(), after(3));
    // Within the grace, during which it would have shown the state from before the login.
    assert_closed(&first, &ticket, after(3), Closed::Ended);
    assert!(!first.record.is_worth_guarding());
}

#[test]
fn a_login_loop_does_not_grow_the_list_of_forebears() {
    let (mut session, mut ticket) = stored_session();
    for _ in 0..50 {
        let login = commit(&mut session, &ticket, log_in("alice", true), after(1));
        (session, ticket) = forked(login);
    }
    assert_eq!(session.forebears.len(), FOREBEARS_MAX);
}

// === contract 3: a user change forks ===

#[track_caller]
fn forked(effects: Effects) -> (Session, Ticket) {
    let fork = effects.fork.expect("a user change forks");
    let ticket = effects
        .committed
        .ticket
        .expect("a user change gives a ticket");
    assert!(ticket.is_stored());
    (fork, ticket)
}

#[test]
fn a_login_forks_and_the_old_ticket_sees_only_what_was_before() {
    let (mut old, ticket) = stored_session();
    commit(&mut old, &ticket, put("before", "1", START), START);
    let before = Arc::clone(&old.record);
    let mut login = log_in("alice", true);
    login.data = set("at_login", "1").data;
    login.cookies = put("sid", "secret", after(1)).cookies;

    let (mut new, new_ticket) = forked(commit(&mut old, &ticket, login, after(1)));
    commit(&mut new, &new_ticket, set("since", "1"), after(2));

    // The new one: everything carried, and what this response set.
    let (record, standing) = opened(&new, &new_ticket, after(2));
    assert_eq!(standing, Standing::Current);
    assert_eq!(record.user.as_ref().map(|user| &user.id[..]), Some("alice"));
    assert_eq!(record.data.len(), 3);
    assert_eq!(names(&record), ["before", "sid"]);
    assert_eq!(record.created, after(1));
    assert_ne!(
        record.root, before.root,
        "a user change gives a new session ID"
    );
    // The old one, in the grace: the very state from before.
    let (record, standing) = opened(&old, &ticket, after(10));
    assert_eq!(standing, Standing::Frozen);
    assert_eq!(record, before);
    // And nothing afterwards; neither ticket ever opens the other's session.
    assert_closed(&old, &ticket, after(11), Closed::Superseded);
    assert_closed(&new, &ticket, after(2), Closed::Superseded);
    assert_closed(&old, &new_ticket, after(2), Closed::Superseded);
}

#[test]
fn what_late_responses_of_the_old_ticket_ask_for_is_dropped() {
    let (mut old, ticket) = stored_session();
    forked(commit(&mut old, &ticket, log_in("alice", true), after(1)));
    let frozen = old.clone();
    for change in [
        set("planted", "1"),
        put("planted", "1", after(2)),
        touch(),
        log_in("mallory", true),
        turn(Turn::Rotate),
        turn(Turn::End),
    ] {
        for secs in [2, 11, 500] {
            let effects = commit(&mut old, &ticket, change.clone(), after(secs));
            assert_eq!(
                effects.committed,
                Outcome::Dropped(Closed::Superseded).into()
            );
            assert!(!effects.changed && effects.fork.is_none() && effects.end_too.is_empty());
        }
    }
    assert_eq!(old, frozen);
}

#[test]
fn who_carries_what_over_a_user_change() {
    // Before, at login, carry → whether the data and the jar go along.
    for (before, login, carry, expected) in [
        (None, "alice", true, true),
        (None, "alice", false, false),
        (Some("alice"), "alice", true, true),
        (Some("alice"), "alice", false, false),
        (Some("alice"), "bob", true, false),
        (Some("alice"), "bob", false, false),
    ] {
        let (mut session, mut ticket) = stored_session();
        if let Some(user) = before {
            (session, ticket) = forked(commit(&mut session, &ticket, log_in(user, true), START));
        }
        commit(&mut session, &ticket, put("sid", "1", START), START);
        let mut change = log_in(login, carry);
        change.cookies = put("new", "1", START).cookies;

        let (fork, _) = forked(commit(&mut session, &ticket, change, after(1)));

        let case = format!("{before:?} to {login}, carry {carry}");
        assert_eq!(value(&fork.record, "a").is_some(), expected, "{case}");
        let jar = names(&fork.record);
        assert_eq!(jar.contains(&"sid".into()), expected, "{case}");
        assert!(
            jar.contains(&"new".into()),
            "what this response sets always goes: {case}"
        );
    }
}

#[test]
fn the_same_id_from_another_site_or_issuer_is_somebody_else() {
    for change_user in [
        (|user: &mut User| user.site = "other".into()) as fn(&mut User),
        |user| user.issuer = Some("https://id.example".into()),
    ] {
        let (mut session, ticket) = stored_session();
        let (mut session, ticket) =
            forked(commit(&mut session, &ticket, log_in("alice", true), START));
        let mut change = log_in("alice", true);
        if let Turn::LogIn {
            user: Some(user), ..
        } = &mut change.turn
        {
            change_user(user);
        }
        let (fork, _) = forked(commit(&mut session, &ticket, change, START));
        assert_eq!(value(&fork.record, "a"), None);
    }
}

#[test]
fn of_two_parallel_logins_one_counts() {
    let fresh = Ticket::mint(START);
    let mut session = begin(&fresh, &terms(), START).unwrap();
    forked(commit(&mut session, &fresh, log_in("alice", true), START));
    let second = commit(&mut session, &fresh, log_in("bob", true), START);
    assert_eq!(
        second.committed,
        Outcome::Dropped(Closed::Superseded).into()
    );
    // The ticket from before the login was never stored and opens nothing by itself either.
    let swept_at = session.keep_until(&terms());
    assert!(begin(&fresh, &terms(), swept_at).is_none());
}

// === contract 4: rotation with grace ===

#[test]
fn a_rotation_keeps_one_session_under_both_tickets_for_the_grace() {
    let (mut session, old) = stored_session();
    let root = session.record.root;
    let mut change = turn(Turn::Rotate);
    change.data = set("b", "2").data;
    let effects = commit(&mut session, &old, change, START);
    let new = effects.committed.ticket.clone().unwrap();
    assert_eq!(effects.fresh_ticket(&old.key()), Some(new.key()));
    assert!(new.is_stored() && effects.fork.is_none());
    assert_eq!(value(record_of(&effects), "b"), Some("2"));
    assert_eq!(session.record.root, root, "a rotation keeps the session ID");

    // Whatever either of them writes, both see.
    let late = commit(&mut session, &old, set("late", "1"), after(9));
    assert_eq!(late.committed.ticket, None);
    commit(&mut session, &new, set("next", "1"), after(9));
    let (seen_by_old, standing) = opened(&session, &old, after(9));
    assert_eq!(standing, Standing::Retiring);
    let (seen_by_new, standing) = opened(&session, &new, after(9));
    assert_eq!(standing, Standing::Current);
    assert_eq!(seen_by_old, seen_by_new);
    assert_eq!(seen_by_new.data.len(), 4);

    assert_closed(&session, &old, after(10), Closed::Superseded);
    let too_late = commit(&mut session, &old, set("too_late", "1"), after(10));
    assert_eq!(
        too_late.committed.outcome,
        Outcome::Dropped(Closed::Superseded)
    );
    opened(&session, &new, after(10));
}

#[test]
fn the_old_ticket_never_replaces_the_newer_one() {
    let fresh = Ticket::mint(START);
    let mut session = begin(&fresh, &terms(), START).unwrap();
    let effects = commit(&mut session, &fresh, turn(Turn::Rotate), START);
    let new = effects.committed.ticket.unwrap();
    for old in [&fresh, &fresh.marked_stored()] {
        for change in [turn(Turn::Rotate), set("a", "1"), touch()] {
            let effects = commit(&mut session, old, change, after(1));
            assert!(matches!(effects.committed.outcome, Outcome::Applied(_)));
            assert_eq!(effects.committed.ticket, None);
        }
    }
    assert_eq!(
        session.holders.last().map(|holder| holder.key),
        Some(new.key())
    );
    assert_eq!(session.holders.len(), 2);
}

#[test]
fn a_flush_ends_every_ticket_of_the_session() {
    let (mut session, old) = stored_session();
    let rotated = commit(&mut session, &old, turn(Turn::Rotate), START);
    let new = rotated.committed.ticket.unwrap();
    commit(&mut session, &old, turn(Turn::End), after(1));
    assert_closed(&session, &old, after(1), Closed::Ended);
    assert_closed(&session, &new, after(1), Closed::Ended);
}

#[test]
fn retired_tickets_are_forgotten_when_they_can_open_nothing_by_themselves() {
    let (mut session, first) = stored_session();
    let rotated = commit(&mut session, &first, turn(Turn::Rotate), START);
    let second = rotated.committed.ticket.unwrap();
    let rotated = commit(&mut session, &second, turn(Turn::Rotate), after(1));
    let third = rotated.committed.ticket.unwrap();

    // The second was born stored; the first could still open an empty session in its unstored spelling.
    let effects = commit(&mut session, &third, touch(), after(11));
    assert_eq!(effects.forgotten, [second.key()]);
    let effects = commit(&mut session, &third, touch(), after(3000));
    assert!(effects.forgotten.is_empty());
    let effects = commit(&mut session, &third, touch(), after(3600));
    assert_eq!(effects.forgotten, [first.key()]);
    assert!(begin(&first, &terms(), after(3600)).is_none());
}

#[test]
fn a_rotation_with_every_response_does_not_grow_the_session() {
    let (mut session, first) = stored_session();
    let mut ticket = first.clone();
    for _ in 0..100 {
        let effects = commit(&mut session, &ticket, turn(Turn::Rotate), START);
        ticket = effects.committed.ticket.unwrap();
    }
    assert!(session.holders.len() <= 16, "{}", session.holders.len());
    opened(&session, &ticket, START);
    // The first stays known, lest its unstored spelling opens an empty session.
    assert_eq!(
        session.holders.first().map(|holder| holder.key),
        Some(first.key())
    );
}

// === contract 6: never adopt ===

#[test]
fn a_new_ticket_is_always_the_fresh_one_and_never_the_one_brought() {
    for change in [turn(Turn::Rotate), log_in("alice", true)] {
        for brought_stored in [false, true] {
            let fresh = Ticket::mint(START);
            let mut session = begin(&fresh, &terms(), START).unwrap();
            let brought = if brought_stored {
                fresh.marked_stored()
            } else {
                fresh
            };
            let request = request(&brought, change.clone(), START);
            let effects = session.commit(&request, &terms());
            assert_eq!(effects.committed.ticket, Some(request.next.marked_stored()));
            assert_eq!(
                effects.fresh_ticket(&brought.key()),
                Some(request.next.key())
            );
        }
    }
}

#[test]
fn a_ticket_that_the_session_does_not_know_opens_and_changes_nothing() {
    let (mut session, _) = stored_session();
    let before = session.clone();
    let stranger = Ticket::mint(START);
    assert_closed(&session, &stranger, START, Closed::Superseded);
    let effects = commit(&mut session, &stranger, set("b", "2"), START);
    assert_eq!(
        effects.committed.outcome,
        Outcome::Dropped(Closed::Superseded)
    );
    assert_eq!(session, before);
}

// === contract 9: expiry on read ===

#[test]
fn a_session_ends_by_itself_when_it_is_read_whether_or_not_somebody_swept() {
    let (mut session, ticket) = stored_session();
    opened(&session, &ticket, START.plus(IDLE - SECOND));
    assert_closed(&session, &ticket, START.plus(IDLE), Closed::IdleExpired);
    let effects = commit(&mut session, &ticket, touch(), START.plus(IDLE));
    assert_eq!(
        effects.committed.outcome,
        Outcome::Dropped(Closed::IdleExpired)
    );
    // To 2039 and beyond.
    for secs in [2_177_452_800, u64::MAX / 1000] {
        assert_closed(
            &session,
            &ticket,
            Time::from_secs(secs),
            Closed::AbsoluteExpired,
        );
    }
}

#[test]
fn activity_moves_the_idle_timeout_and_never_the_absolute_one() {
    let (mut session, mut ticket) = stored_session();
    let mut now = START;
    while now.plus(IDLE / 2) < START.plus(ABSOLUTE) {
        now = now.plus(IDLE / 2);
        let used = Change {
            touch: true,
            ..turn(Turn::Rotate)
        };
        let effects = commit(&mut session, &ticket, used, now);
        ticket = effects.committed.ticket.expect("still alive");
    }
    assert_closed(
        &session,
        &ticket,
        START.plus(ABSOLUTE),
        Closed::AbsoluteExpired,
    );
}

#[test]
fn the_clock_going_back_neither_ends_nor_prolongs() {
    let (mut session, ticket) = stored_session();
    commit(&mut session, &ticket, touch(), after(100));
    let effects = commit(&mut session, &ticket, set("b", "2"), after(50));
    assert_eq!(record_of(&effects).touched, after(100));
    opened(&session, &ticket, Time::from_secs(1));
    assert_closed(
        &session,
        &ticket,
        after(100).plus(IDLE),
        Closed::IdleExpired,
    );
}

#[test]
fn a_session_may_have_an_expiry_of_its_own_within_the_absolute_one() {
    // Its own expiry → when it ends, in seconds without use.
    for (expiry, ends) in [
        (Some(Expiry::IdleSecs(60)), 60),
        (Some(Expiry::IdleSecs(7200)), 7200),
        (Some(Expiry::IdleSecs(u32::MAX)), 86_400),
        (Some(Expiry::AtBrowserClose), 3600),
        (None, 3600),
    ] {
        let (mut session, ticket) = stored_session();
        let change = Change {
            expiry: Some(expiry),
            ..Change::default()
        };
        commit(&mut session, &ticket, change, START);
        opened(&session, &ticket, after(ends - 1));
        let end = session.open(&ticket.key(), &terms(), after(ends));
        assert!(matches!(end, Opening::Closed(_)), "{expiry:?}: {end:?}");
        assert!(session.keep_until(&terms()) >= after(ends), "{expiry:?}");
    }
}

#[test]
fn a_store_keeps_whatever_still_opens_or_still_keeps_something_from_opening() {
    let (live, ticket) = stored_session();
    let mut frozen = live.clone();
    forked(commit(
        &mut frozen,
        &ticket,
        log_in("alice", true),
        after(3595),
    ));
    let mut late = live.clone();
    commit(&mut late, &ticket, touch(), after(3000));
    for session in [live, frozen, late] {
        let swept_at = session.keep_until(&terms());
        let opening = session.open(&ticket.key(), &terms(), swept_at);
        assert!(matches!(opening, Opening::Closed(_)), "{opening:?}");
    }
}

// === contract 12: limits ===

#[test]
fn a_change_past_the_limit_is_refused_whole_and_the_old_state_kept() {
    let (mut session, ticket) = stored_session();
    let before = session.clone();
    let mut change = set("small", "1");
    change.data.extend(set("big", &"x".repeat(5000)).data);
    for turn in [Turn::Stay, Turn::Rotate, log_in("alice", true).turn] {
        let change = Change {
            turn,
            ..change.clone()
        };
        let effects = commit(&mut session, &ticket, change, after(1));
        assert_eq!(effects.committed, Outcome::TooLarge.into());
        assert!(!effects.changed && effects.fork.is_none());
        assert_eq!(session, before);
    }
    commit(&mut session, &ticket, set("b", "2"), after(2));
    assert_eq!(session.record.data.len(), 2);
}

#[test]
fn a_user_whom_the_app_has_replaced_does_not_stay_when_the_new_one_does_not_fit() {
    let (mut session, ticket) = stored_session();
    let effects = commit(&mut session, &ticket, log_in("alice", true), after(1));
    let mut session = effects.fork.expect("a fork");
    let ticket = effects.committed.ticket.expect("a ticket");
    let change = Change {
        turn: log_in("bob", true).turn,
        ..set("big", &"x".repeat(5000))
    };

    let effects = commit(&mut session, &ticket, change, after(2));

    assert_eq!(effects.committed.outcome, Outcome::Ended);
    assert_closed(&session, &ticket, after(2), Closed::Ended);
}

#[test]
fn a_session_that_is_too_heavy_already_may_stay_and_shrink_but_not_grow() {
    let (mut session, ticket) = stored_session();
    commit(&mut session, &ticket, set("big", &"x".repeat(3000)), START);
    let tight = Terms {
        max_bytes: 1000,
        ..terms()
    };
    let touched = session.commit(&request(&ticket, touch(), after(1)), &tight);
    assert!(matches!(touched.committed.outcome, Outcome::Applied(_)));
    let grown = session.commit(&request(&ticket, set("b", "2"), after(1)), &tight);
    assert_eq!(grown.committed.outcome, Outcome::TooLarge);
    let unset = Change {
        data: vec![DataEdit::Unset("a".into())],
        ..Change::default()
    };
    let shrunk = session.commit(&request(&ticket, unset, after(1)), &tight);
    assert!(matches!(shrunk.committed.outcome, Outcome::Applied(_)));
    // Ending it is always possible.
    let ended = session.commit(&request(&ticket, turn(Turn::End), after(1)), &tight);
    assert_eq!(ended.committed.outcome, Outcome::Ended);
}

/// A store that keeps families of tickets apart still makes each change at one place.
#[test]
fn rotations_and_forks_stay_in_the_family() {
    let (mut session, ticket) = stored_session();
    let family = ticket.key().family();
    let mut ticket = ticket;
    for secs in 1..6 {
        let effects = commit(&mut session, &ticket, turn(Turn::Rotate), after(secs));
        ticket = effects.committed.ticket.unwrap();
    }
    let fork = commit(&mut session, &ticket, log_in("alice", true), after(6));
    let fork = fork.fork.unwrap();
    let holders = session.holders.iter().chain(&fork.holders);
    let keys = holders.map(|holder| holder.key).chain(fork.forebears);
    let families: Vec<_> = keys.map(|key| key.family()).collect();
    assert!(families.len() > 7, "{families:?}");
    assert!(families.iter().all(|one| *one == family), "{families:?}");
}

mod rotation;
