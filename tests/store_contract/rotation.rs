//! Rotation keeps one session under both tickets, and a presented ticket is never adopted.

use std::time::Duration;

use cloakroom::base::clock::Time;
use cloakroom::session::{Change, Closed, Opening, Outcome, Standing, Ticket, Turn, Upkeep};
use cloakroom::store::StoreFault;

use crate::rig::*;

#[test]
fn a_rotation_among_fifty_requests_gives_one_new_ticket_and_loses_nothing() {
    for rig in Rig::keeping(&[1, 4]) {
        let ticket = block_on(stored_session(&*rig.store));
        let given = in_parallel(50, |number| {
            let mut change = put(&format!("c{number}"));
            if number % 10 == 0 {
                change.turn = Turn::Rotate;
            }
            let committed = block_on(commit(&*rig.store, &ticket, change, START));
            assert!(matches!(committed.outcome, Outcome::Applied(_)));
            committed.ticket
        });
        let given: Vec<_> = given.into_iter().flatten().collect();
        let [new] = &given[..] else {
            panic!("one rotation counts, not {}", given.len());
        };
        let record = record_of(block_on(open(&*rig.store, new, after(20))));
        assert_eq!(record.jar("shop").len(), 50);
        assert_closed(
            &block_on(open(&*rig.store, &ticket, START.plus(GRACE))),
            Closed::Superseded,
        );
    }
}

#[tokio::test]
async fn a_fresh_ticket_that_is_in_use_is_never_adopted() {
    for rig in Rig::keeping(&[6]) {
        let stored = stored_session(&*rig.store).await;
        let rows = (rig.rows)() + 2;
        for mine in [&stored, &Ticket::mint(START)] {
            let theirs = mine.mint_beside(START);
            let stored = commit(&*rig.store, &theirs, set("a", "1"), START).await;
            let theirs = stored.ticket.unwrap();
            for change in [turn(Turn::Rotate), log_in("alice")] {
                let mut request = request(mine, change, START);
                request.next = theirs.clone();
                let answer = rig.store.commit(request).await;
                assert!(matches!(answer, Err(StoreFault::TicketInUse)), "{answer:?}");
            }
            let record = record_of(open(&*rig.store, &theirs, START).await);
            assert_eq!(record.root, theirs.root());
        }
        assert_eq!((rig.rows)(), rows, "nothing was done");
        let standing = match open(&*rig.store, &stored, after(60)).await {
            Opening::Open { standing, .. } => standing,
            other => panic!("{other:?}"),
        };
        assert_eq!(standing, Standing::Current);
    }
}

// === on schedule ===

fn standing_of(opening: Opening) -> (Standing, Upkeep) {
    match opening {
        Opening::Open {
            standing, upkeep, ..
        } => (standing, upkeep),
        other => panic!("the ticket should open a session: {other:?}"),
    }
}

#[tokio::test]
async fn the_old_ticket_has_its_grace_from_the_first_use_of_the_scheduled_one() {
    for rig in Rig::keeping(&[4]) {
        let store = &*rig.store;
        let old = stored_session(store).await;
        let due = START.plus(ROTATE_EVERY);
        let after_due = |secs| due.plus(Duration::from_secs(secs));
        let standing =
            async |ticket: &Ticket, secs| standing_of(open(store, ticket, after_due(secs)).await);
        let early = Time::from_millis(due.as_millis() - 1);
        let early = commit(store, &old, turn(Turn::RotateOnSchedule), early).await;
        assert_eq!(early.ticket, None);
        assert_eq!(standing(&old, 0).await.1, Upkeep::Rotate);
        let rotated = commit(store, &old, turn(Turn::RotateOnSchedule), due).await;
        let new = rotated.ticket.unwrap();

        // However long the response is under way.
        assert_eq!(standing(&old, 1000).await.0, Standing::Yielding);
        assert_eq!(standing(&new, 1000).await.1, Upkeep::Settle);
        let first_use = commit(store, &new, set("b", "2"), after_due(1000)).await;
        assert!(matches!(first_use.outcome, Outcome::Applied(_)));

        assert_eq!(standing(&old, 1009).await.0, Standing::Retiring);
        let late = commit(store, &old, put("late"), after_due(1009)).await;
        assert!(matches!(late.outcome, Outcome::Applied(_)), "{late:?}");
        assert_eq!(late.ticket, None);
        let over = open(store, &old, after_due(1010)).await;
        assert_closed(&over, Closed::Superseded);
        let record = record_of(open(store, &new, after_due(1010)).await);
        assert_eq!((record.data.len(), record.jar("shop").len()), (2, 1));
    }
}

#[test]
fn of_fifty_requests_at_the_moment_of_rotation_one_gets_the_new_ticket() {
    for rig in Rig::keeping(&[1, 4]) {
        let another = block_on(rig.another_node());
        let nodes = [&rig.store, another.as_ref().unwrap_or(&rig.store)];
        let old = block_on(stored_session(&*rig.store));
        let due = START.plus(ROTATE_EVERY);
        let given = in_parallel(50, |number| {
            let change = Change {
                turn: Turn::RotateOnSchedule,
                ..put(&format!("c{number}"))
            };
            let committed = block_on(commit(&**nodes[number % 2], &old, change, due));
            assert!(matches!(committed.outcome, Outcome::Applied(_)));
            committed.ticket
        });
        let given: Vec<_> = given.into_iter().flatten().collect();
        let [new] = &given[..] else {
            panic!("one rotation counts, not {}", given.len());
        };
        for ticket in [&old, new] {
            let all = async || {
                let record = record_of(open(&*rig.store, ticket, due.plus(GRACE)).await);
                record.jar("shop").len() == 50
            };
            block_on(within_a_second("all cookies", all));
        }
    }
}
