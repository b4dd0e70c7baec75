//! Scheduled rotation, and what it means for everything else that can become of a session (contract 4).

use super::*;

const EVERY: Duration = Duration::from_secs(600);
/// When the first rotation of [`stored_session`] is due.
const DUE: u64 = 600;

fn scheduled() -> Terms {
    Terms {
        rotate_every: Some(EVERY),
        ..terms()
    }
}

/// One request with `ticket`, as the gateway makes it: it opens the session and does its `change` with what the upkeep
/// asks for. Tells which ticket the visitor was given.
#[track_caller]
fn visit(session: &mut Session, ticket: &Ticket, mut change: Change, now: Time) -> Option<Ticket> {
    let Opening::Open { upkeep, .. } = session.open(&ticket.key(), &scheduled(), now) else {
        panic!("the ticket opens nothing");
    };
    if change.turn == Turn::Stay && upkeep != Upkeep::Nothing {
        change.turn = Turn::RotateOnSchedule;
    }
    let effects = session.commit(&request(ticket, change, now), &scheduled());
    effects.committed.ticket
}

#[track_caller]
fn standing(session: &Session, ticket: &Ticket, now: Time) -> Result<Standing, Closed> {
    match session.open(&ticket.key(), &scheduled(), now) {
        Opening::Open { standing, .. } => Ok(standing),
        Opening::Closed(closed) => Err(closed),
        Opening::Vacant => panic!("a session never calls itself vacant"),
    }
}

/// A session whose first rotation was just done, with the old ticket and the new one.
fn rotated() -> (Session, Ticket, Ticket) {
    let (mut session, old) = stored_session();
    let new = visit(&mut session, &old, touch(), after(DUE)).expect("a new ticket");
    (session, old, new)
}

#[test]
fn a_new_ticket_comes_when_the_old_one_is_old_enough_and_not_before() {
    let (mut session, old) = stored_session();
    assert_eq!(
        visit(&mut session, &old, touch(), after(DUE - 1)),
        None,
        "not yet"
    );
    let root = session.record.root;
    let new = visit(&mut session, &old, touch(), after(DUE)).expect("a new ticket");
    assert!(new.is_stored());
    assert_eq!(session.record.root, root, "the session ID stays");
    // The next is due when the new one is old.
    assert_eq!(visit(&mut session, &new, touch(), after(2 * DUE - 1)), None);
    assert!(visit(&mut session, &new, touch(), after(2 * DUE)).is_some());

    let (mut off, old) = stored_session();
    let asked = request(&old, turn(Turn::RotateOnSchedule), after(DUE));
    let effects = off.commit(&asked, &terms());
    assert_eq!(effects.committed.ticket, None, "rotate_every = 0");
}

#[test]
fn of_fifty_requests_at_the_moment_of_rotation_one_gets_a_new_ticket() {
    let (mut session, old) = stored_session();
    let Opening::Open { upkeep, .. } = session.open(&old.key(), &scheduled(), after(DUE)) else {
        panic!("open")
    };
    assert_eq!(upkeep, Upkeep::Rotate);
    // All were opened before the first was committed, so all ask.
    let mut given = Vec::new();
    for n in 0..50 {
        let mut change = set(&format!("key{n}"), "1");
        change.turn = Turn::RotateOnSchedule;
        let effects = session.commit(&request(&old, change, after(DUE)), &scheduled());
        assert!(matches!(effects.committed.outcome, Outcome::Applied(_)));
        given.extend(effects.committed.ticket);
    }
    assert_eq!(given.len(), 1);
    assert_eq!(session.record.data.len(), 51);
    assert_eq!(standing(&session, &old, after(DUE)), Ok(Standing::Yielding));
    assert_eq!(
        standing(&session, &given[0], after(DUE)),
        Ok(Standing::Current)
    );
}

#[test]
fn the_grace_counts_from_the_first_use_of_the_new_ticket() {
    let (mut session, old, new) = rotated();
    // However long that takes.
    assert_eq!(
        standing(&session, &old, after(DUE + 500)),
        Ok(Standing::Yielding)
    );
    let first_use = DUE + 500;
    assert_eq!(
        visit(&mut session, &new, Change::default(), after(first_use)),
        None
    );
    assert_eq!(
        standing(&session, &old, after(first_use + 9)),
        Ok(Standing::Retiring)
    );
    assert_eq!(
        standing(&session, &old, after(first_use + 10)),
        Err(Closed::Superseded)
    );
    // Later uses do not prolong it.
    visit(&mut session, &new, touch(), after(first_use + 5));
    assert_eq!(
        standing(&session, &old, after(first_use + 10)),
        Err(Closed::Superseded)
    );
    assert_eq!(
        standing(&session, &new, after(first_use + 10)),
        Ok(Standing::Current)
    );
}

#[test]
fn a_lost_response_loses_nobody() {
    let (mut session, old, lost) = rotated();
    assert_eq!(
        visit(&mut session, &old, touch(), after(DUE + 9)),
        None,
        "the response may still come"
    );
    let again = visit(&mut session, &old, touch(), after(DUE + 10)).expect("another");
    assert_ne!(again, lost);
    visit(&mut session, &again, touch(), after(DUE + 20));
    assert_eq!(
        standing(&session, &again, after(DUE + 40)),
        Ok(Standing::Current)
    );
    for gone in [&old, &lost] {
        assert_eq!(
            standing(&session, gone, after(DUE + 40)),
            Err(Closed::Superseded)
        );
    }
}

/// The browser was given two, one after the other, and keeps the one that arrived last. That may be either.
#[test]
fn of_two_new_tickets_the_one_that_the_browser_kept_goes_on() {
    for (first_used, kept) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let (mut session, old, one) = rotated();
        let two = visit(&mut session, &old, touch(), after(DUE + 10)).expect("another");
        let tickets = [one, two];
        visit(&mut session, &tickets[first_used], touch(), after(DUE + 11));
        visit(&mut session, &tickets[kept], touch(), after(DUE + 12));
        visit(&mut session, &tickets[kept], touch(), after(DUE + 13));
        let case = format!("first used {first_used}, kept {kept}");
        // The older one again after the newer: its response would have to be later than the patience and the grace.
        let expected = if (first_used, kept) == (1, 0) {
            Err(Closed::Superseded)
        } else {
            Ok(())
        };
        let found = standing(&session, &tickets[kept], after(DUE + 60)).map(drop);
        assert_eq!(found, expected, "{case}");
        let newest = session.holders.last().expect("a holder");
        assert_eq!(newest.retires, None, "the session keeps a ticket: {case}");
        assert_eq!(
            standing(&session, &old, after(DUE + 60)),
            Err(Closed::Superseded),
            "{case}"
        );
    }
}

#[test]
fn a_client_that_never_takes_a_cookie_up_does_not_grow_the_record() {
    let (mut session, old) = stored_session();
    let mut given = 0;
    for secs in (DUE..4000).step_by(5) {
        given += usize::from(visit(&mut session, &old, touch(), after(secs)).is_some());
    }
    assert!(given > 100, "{given}");
    assert_eq!(session.holders.len(), 1 + 4);
    assert_eq!(
        standing(&session, &old, after(4000)),
        Ok(Standing::Yielding)
    );
}

#[test]
fn without_a_grace_parallel_requests_still_share_one_rotation() {
    let hasty = Terms {
        rotation_grace: Duration::ZERO,
        ..scheduled()
    };
    let (mut session, old) = stored_session();
    let given = (0..50).filter_map(|_| {
        let asked = request(&old, turn(Turn::RotateOnSchedule), after(DUE));
        session.commit(&asked, &hasty).committed.ticket
    });
    assert_eq!(given.count(), 1);
}

#[test]
fn a_commit_that_does_nothing_any_more_is_not_written() {
    let (mut session, old, new) = rotated();
    let ask = |ticket| request(ticket, turn(Turn::RotateOnSchedule), after(DUE));
    let late = session.commit(&ask(&old), &scheduled());
    assert!(!late.changed && matches!(late.committed.outcome, Outcome::Applied(_)));
    let settles = session.commit(&ask(&new), &scheduled());
    assert!(settles.changed);
    let settled_already = session.commit(&ask(&new), &scheduled());
    assert!(!settled_already.changed);
}

#[test]
fn the_unstored_spelling_of_the_first_ticket_rotates_too() {
    let fresh = Ticket::mint(START);
    let mut session = begin(&fresh, &scheduled(), START).unwrap();
    visit(&mut session, &fresh, set("a", "1"), START);
    // It lasts as long as the record does, though by itself it would open nothing any more.
    let new = visit(&mut session, &fresh, touch(), after(DUE)).expect("a new ticket");
    assert_ne!(new.key(), fresh.key());
    // What the old one is told of the new must not replace it.
    assert_eq!(
        visit(&mut session, &fresh, set("b", "1"), after(DUE + 1)),
        None
    );
    visit(&mut session, &new, touch(), after(DUE + 2));
    assert_eq!(
        standing(&session, &fresh, after(DUE + 12)),
        Err(Closed::Superseded)
    );
}

#[test]
fn a_login_settles_a_rotation_whichever_ticket_it_came_with() {
    for with_new in [false, true] {
        let (mut session, old, new) = rotated();
        let brought = if with_new { &new } else { &old };
        let login = request(brought, log_in("alice", true), after(DUE + 1));
        let (fork, ticket) = forked(session.commit(&login, &scheduled()));
        assert_eq!(
            standing(&fork, &ticket, after(DUE + 60)),
            Ok(Standing::Current)
        );
        for late in [&old, &new] {
            assert_eq!(
                standing(&session, late, after(DUE + 2)),
                Ok(Standing::Frozen)
            );
            assert_eq!(
                standing(&session, late, after(DUE + 11)),
                Err(Closed::Superseded)
            );
        }
    }
}

#[test]
fn a_logout_ends_both_and_says_whether_the_cookie_may_be_deleted() {
    // Which ticket asks, whether the new one has been used → how it stands.
    for (with_new, used, expected) in [
        (false, false, Standing::Yielding),
        (false, true, Standing::Retiring),
        (true, false, Standing::Current),
        (true, true, Standing::Current),
    ] {
        let (mut session, old, new) = rotated();
        if used {
            visit(&mut session, &new, touch(), after(DUE + 1));
        }
        let brought = if with_new { &new } else { &old };
        let end = request(brought, turn(Turn::End), after(DUE + 2));
        let effects = session.commit(&end, &scheduled());
        assert_eq!(effects.committed.outcome, Outcome::Ended);
        assert_eq!(effects.committed.standing, expected);
        for ticket in [&old, &new] {
            let found = standing(&session, ticket, after(DUE + 2));
            assert_eq!(found, Err(Closed::Ended));
        }
    }
}

/// An app asks for a new ticket when somebody may know the old one. Who knows the old one can have drawn the one of a
/// scheduled rotation as well.
#[test]
fn an_asked_for_rotation_leaves_nothing_to_who_knew_the_ticket_before() {
    // Which ticket asks, whether the scheduled one was used before.
    for (with_new, used) in [(false, false), (true, false), (true, true)] {
        let (mut session, old, new) = rotated();
        if used {
            visit(&mut session, &new, touch(), after(DUE + 1));
        }
        let brought = if with_new { &new } else { &old };
        let asked = request(brought, turn(Turn::Rotate), after(DUE + 2));
        let effects = session.commit(&asked, &scheduled());
        let third = effects.committed.ticket.expect("a new ticket");
        // Within the grace both still work, and neither takes the place of the newest.
        for late in [&old, &new] {
            let given = visit(&mut session, late, touch(), after(DUE + 3));
            assert_eq!(given, None);
        }
        for late in [&old, &new] {
            let found = standing(&session, late, after(DUE + 12));
            assert_eq!(found, Err(Closed::Superseded), "{with_new} {used}");
        }
        let found = standing(&session, &third, after(DUE + 12));
        assert_eq!(found, Ok(Standing::Current), "{with_new} {used}");
    }
}

#[test]
fn an_old_ticket_in_its_grace_asks_for_no_rotation() {
    let (mut session, old, new) = rotated();
    visit(&mut session, &new, touch(), after(DUE + 1));
    for asked in [Turn::Rotate, Turn::RotateOnSchedule] {
        let effects = session.commit(&request(&old, turn(asked), after(DUE + 2)), &scheduled());
        assert_eq!(effects.committed.ticket, None);
    }
    assert_eq!(
        standing(&session, &new, after(DUE + 60)),
        Ok(Standing::Current)
    );
}

#[test]
fn a_full_session_rotates_and_settles_although_its_change_is_refused() {
    let (mut session, old) = stored_session();
    let big = || Change {
        touch: true,
        ..set("big", &"x".repeat(5000))
    };
    let ask = |ticket: &Ticket, secs| {
        let mut change = big();
        change.turn = Turn::RotateOnSchedule;
        request(ticket, change, after(secs))
    };
    let effects = session.commit(&ask(&old, DUE), &scheduled());
    assert_eq!(effects.committed.outcome, Outcome::TooLarge);
    let new = effects.committed.ticket.expect("a new ticket");
    assert_eq!(session.record.data.len(), 1, "the old state is kept");
    assert_eq!(session.record.touched, after(DUE), "and kept alive");

    let effects = session.commit(&ask(&new, DUE + 1), &scheduled());
    assert_eq!(effects.committed.outcome, Outcome::TooLarge);
    assert_eq!(effects.committed.ticket, None);
    assert_eq!(
        standing(&session, &old, after(DUE + 11)),
        Err(Closed::Superseded)
    );
}

#[test]
fn a_first_change_that_is_too_large_begins_no_record() {
    let fresh = Ticket::mint(START);
    let change = Change {
        touch: true,
        ..set("big", &"x".repeat(5000))
    };
    let asked = request(&fresh, change, START);
    let mut session = Session::begin_for(&asked, ALWAYS, &scheduled()).unwrap();
    let effects = session.commit(&asked, &scheduled());
    assert_eq!(effects.committed, Outcome::TooLarge.into());
    assert!(!effects.changed);
}

#[test]
fn a_session_that_is_only_observed_settles_and_does_not_rotate() {
    // The gateway asks for nothing where a rotation is due, and settles as ever.
    let (mut session, old, new) = rotated();
    let settles = request(&new, turn(Turn::RotateOnSchedule), after(5 * DUE));
    let effects = session.commit(&settles, &scheduled());
    assert_eq!(
        effects.committed.ticket, None,
        "old as it is, it has only just arrived"
    );
    assert_eq!(record_of(&effects).touched, after(DUE));
    assert_eq!(
        standing(&session, &old, after(5 * DUE + 10)),
        Err(Closed::Superseded)
    );
}

#[test]
fn the_clock_going_back_rotates_nothing_and_retires_nothing_early() {
    let (mut session, old, new) = rotated();
    assert_eq!(visit(&mut session, &old, touch(), after(1)), None);
    visit(&mut session, &new, touch(), after(1));
    assert_eq!(standing(&session, &old, after(10)), Ok(Standing::Retiring));
    assert_eq!(standing(&session, &old, after(11)), Err(Closed::Superseded));
}
