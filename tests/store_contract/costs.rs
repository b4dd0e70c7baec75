//! What is not known here costs one round trip, and one for all who ask at once.

use cloakroom::session::{Closed, Opening, Ticket, Turn};

use crate::remote::Wired;
use crate::rig::*;

#[tokio::test]
async fn each_open_and_each_commit_costs_one_round_trip() {
    for Wired { store, wire, .. } in Wired::each() {
        let store = &*store;
        // Connected, and the statements known.
        let ticket = stored_session(store).await;
        record_of(open(store, &ticket, START).await);
        let idle = wire.round_trips();

        open(store, &Ticket::mint(START), START).await;
        assert_eq!(wire.round_trips() - idle, 1, "a stranger");
        record_of(open(store, &ticket, START).await);
        assert_eq!(wire.round_trips() - idle, 2, "a session");
        for (number, change) in [set("b", "2"), turn(Turn::Rotate), turn(Turn::End)]
            .into_iter()
            .enumerate()
        {
            commit(store, &ticket, change, START).await;
            assert_eq!(wire.round_trips() - idle, 3 + number, "change {number}");
        }
        assert_closed(&open(store, &ticket, START).await, Closed::Ended);
        assert_eq!(wire.round_trips() - idle, 6, "a tombstone");
    }
}

#[tokio::test]
async fn a_hundred_who_ask_at_once_for_one_ticket_share_their_round_trips() {
    for Wired { store, wire, .. } in Wired::each() {
        let ticket = stored_session(&*store).await;
        record_of(open(&*store, &ticket, START).await);
        let before = wire.asked_bytes();
        record_of(open(&*store, &ticket, START).await);
        let one = wire.asked_bytes() - before;

        let before = wire.asked_bytes();
        let opens: Vec<_> = (0..100).map(|_| store.open(&ticket, START)).collect();
        for open in opens {
            assert!(matches!(open.await.unwrap(), Opening::Open { .. }));
        }
        let all = wire.asked_bytes() - before;

        // Who comes while a question is under way waits for the next one.
        assert!(all <= 10 * one, "{all} bytes, and {one} for one question");
    }
}
