//! No update is lost, what is nothing costs nothing, and limits hold.

use cloakroom::base::clock::Time;
use cloakroom::session::{Change, Closed, Opening, Outcome, Standing, Ticket, Turn};

use crate::rig::*;
use crate::support::together;

#[test]
fn a_hundred_parallel_changes_of_one_session_all_survive() {
    for rig in Rig::keeping(&[1, 11]) {
        let ticket = block_on(stored_session(&*rig.store));
        in_parallel(100, |number| {
            let change = Change {
                cookies: put(&format!("c{number}")).cookies,
                ..set(&format!("k{number}"), "v")
            };
            let committed = block_on(commit(&*rig.store, &ticket, change, START));
            assert!(matches!(committed.outcome, Outcome::Applied(_)));
            // Read your writes.
            let record = record_of(block_on(open(&*rig.store, &ticket, START)));
            assert!(record.data.contains_key(&format!("k{number}")));
        });
        let record = record_of(block_on(open(&*rig.store, &ticket, START)));
        assert_eq!(record.data.len(), 101);
        assert_eq!(record.jar("shop").len(), 100);
    }
}

#[test]
fn fifty_parallel_first_changes_meet_in_one_session() {
    for rig in Rig::keeping(&[1]) {
        let fresh = Ticket::mint(START);
        let given = in_parallel(50, |number| {
            block_on(commit(
                &*rig.store,
                &fresh,
                put(&format!("c{number}")),
                START,
            ))
            .ticket
        });
        assert!(
            given
                .iter()
                .all(|ticket| *ticket == Some(fresh.marked_stored()))
        );
        let record = record_of(block_on(open(&*rig.store, &fresh, START)));
        assert_eq!(record.jar("shop").len(), 50);
        assert_eq!((rig.rows)(), 1);
    }
}

#[tokio::test]
async fn twenty_thousand_unstored_tickets_cost_the_store_nothing() {
    for rig in Rig::keeping(&[12]) {
        // Where each is a trip over a wire, a tenth has to do; all of them come by `session_engine`.
        let is_local = ["memory", "sqlite"].contains(&rig.engine);
        for _ in 0..if is_local { 200 } else { 20 } {
            let tickets: Vec<_> = (0..100).map(|_| Ticket::mint(START)).collect();
            let opens = tickets
                .iter()
                .map(|ticket| open(&*rig.store, ticket, START));
            for opening in together(opens).await {
                assert!(matches!(opening, Opening::Vacant));
            }
        }
        assert_eq!((rig.rows)(), 0);
    }
}

#[tokio::test]
async fn what_is_not_worth_a_record_makes_none() {
    for rig in Rig::keeping(&[2, 12]) {
        let fresh = Ticket::mint(START);
        let touch = Change {
            touch: true,
            ..Change::default()
        };
        let committed = commit(&*rig.store, &fresh, touch, START).await;
        assert!(matches!(committed.outcome, Outcome::Applied(_)));
        assert_eq!(committed.ticket, None);
        let too_large = set("big", &"x".repeat(70_000));
        let committed = commit(&*rig.store, &fresh, too_large, START).await;
        assert_eq!(committed.outcome, Outcome::TooLarge);
        let committed = commit(&*rig.store, &fresh.marked_stored(), set("a", "1"), START).await;
        assert_eq!(committed.outcome, Outcome::Dropped(Closed::Unknown));
        assert!(matches!(
            open(&*rig.store, &fresh, START).await,
            Opening::Vacant
        ));
        assert_eq!((rig.rows)(), 0);
    }
}

#[tokio::test]
async fn a_session_past_its_limit_keeps_its_old_state_and_goes_on() {
    for rig in Rig::keeping(&[12]) {
        let ticket = stored_session(&*rig.store).await;
        let before = record_of(open(&*rig.store, &ticket, START).await);
        for turn in [Turn::Stay, Turn::Rotate, log_in("alice").turn] {
            let big = Change {
                turn,
                cookies: put("sid").cookies,
                ..set("big", &"x".repeat(70_000))
            };
            let committed = commit(&*rig.store, &ticket, big, after(1)).await;
            assert_eq!(committed.outcome, Outcome::TooLarge);
            assert_eq!(committed.ticket, None);
            match open(&*rig.store, &ticket, after(1)).await {
                Opening::Open {
                    record, standing, ..
                } => {
                    assert_eq!((&record.data, &record.jars), (&before.data, &before.jars));
                    assert_eq!((&record.user, standing), (&None, Standing::Current));
                }
                other => panic!("{other:?}"),
            }
        }
        let small = commit(&*rig.store, &ticket, set("b", "2"), after(2)).await;
        assert!(matches!(small.outcome, Outcome::Applied(_)));
        let record = record_of(open(&*rig.store, &ticket, after(2)).await);
        assert_eq!(record.data.len(), 2);
    }
}

/// It may have been stored, and ended, in a store that was lost.
#[tokio::test]
async fn a_ticket_from_before_the_store_was_born_opens_nothing() {
    for rig in Rig::keeping(&[2]) {
        let before = Time::from_millis(START.as_millis() - 1);
        let old = Ticket::mint(before);
        for _ in 0..2 {
            assert_closed(&open(&*rig.store, &old, START).await, Closed::Unknown);
        }
        let late = commit(&*rig.store, &old, set("a", "1"), START).await;
        assert_eq!(late.outcome, Outcome::Dropped(Closed::Unknown));
        // Of a node whose clock is behind: what this very request minted was in no store.
        let minted_now = commit(&*rig.store, &old, set("a", "1"), before).await;
        assert!(matches!(minted_now.outcome, Outcome::Applied(_)));
    }
}
