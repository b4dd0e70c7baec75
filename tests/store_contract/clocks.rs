//! Clocks go on for a long time, and back.

use cloakroom::base::clock::Time;
use cloakroom::session::{Change, Closed, Opening, Outcome, Ticket, Turn};

use crate::rig::*;

#[tokio::test]
async fn a_clock_that_is_set_back_revives_nothing() {
    for rig in Rig::keeping(&[2, 9]) {
        let store = &*rig.store;
        let late = after(1000);
        let stored = stored_session(store).await;
        let unstored = Ticket::mint(START);
        // Issued before the clock was set back, ended after it was.
        let ahead = commit(store, &Ticket::mint(late), set("a", "1"), late).await;
        let ahead = ahead.ticket.unwrap();
        for (ticket, now) in [(&stored, late), (&unstored, late), (&ahead, START)] {
            let ended = commit(store, ticket, turn(Turn::End), now).await;
            assert_eq!(ended.outcome, Outcome::Ended);
        }
        for now in [late, after(500), START, Time::from_secs(1), late] {
            for ticket in [&stored, &unstored, &ahead] {
                assert_closed(&open(store, ticket, now).await, Closed::Ended);
                let late = commit(store, ticket, put("late"), now).await;
                assert_eq!(late.outcome, Outcome::Dropped(Closed::Ended));
            }
        }
        // Nor does whoever sweeps with the right time forget too early.
        store.sweep(after(3600), 100).await.unwrap();
        assert_closed(&open(store, &unstored, START).await, Closed::Ended);
        assert_closed(&open(store, &ahead, after(3600)).await, Closed::Ended);
    }
}

#[tokio::test]
async fn a_clock_that_is_set_back_neither_ends_nor_prolongs() {
    for rig in Rig::keeping(&[9]) {
        let store = &*rig.store;
        let ticket = stored_session(store).await;
        for (key, now) in [("b", after(1000)), ("c", after(10))] {
            let change = Change {
                touch: true,
                ..set(key, "v")
            };
            commit(store, &ticket, change, now).await;
        }
        let record = record_of(open(store, &ticket, START).await);
        assert_eq!((record.data.len(), record.touched), (3, after(1000)));
        record_of(open(store, &ticket, after(1000 + 3599)).await);
        let over = open(store, &ticket, after(1000 + 3600)).await;
        assert_closed(&over, Closed::IdleExpired);
    }
}

/// Past the end of the seconds that 31 bits count, and of milliseconds in 41.
#[tokio::test]
async fn in_2039_everything_goes_on() {
    for rig in Rig::keeping(&[4, 9]) {
        let store = &*rig.store;
        let now = Time::from_secs(2_190_000_000);
        let later = |secs| now.plus(std::time::Duration::from_secs(secs));
        let first = commit(store, &Ticket::mint(now), set("a", "1"), now).await;
        let rotated = commit(store, &first.ticket.unwrap(), turn(Turn::Rotate), later(1)).await;
        let second = rotated.ticket.unwrap();
        let login = commit(store, &second, log_in("alice"), later(2)).await;
        let ticket = login.ticket.unwrap();

        let record = record_of(open(store, &ticket, later(3)).await);

        assert_eq!((record.created, record.data.len()), (later(2), 1));
        if let Some(list) = store.catalogue() {
            let key = cloakroom::session::UserKey::of(None, "alice");
            let sessions = list.of_user(&key, later(3)).await.unwrap();
            assert_eq!(sessions.len(), 1);
        }
        assert_eq!(store.sweep(later(3), 100).await.unwrap(), 0);
        let over = open(store, &ticket, later(2 + 3600)).await;
        assert_closed(&over, Closed::IdleExpired);
        let ended = commit(store, &ticket, turn(Turn::End), later(4)).await;
        assert_eq!(ended.outcome, Outcome::Ended);
        for ticket in [&second, &ticket] {
            assert_closed(&open(store, ticket, later(5)).await, Closed::Ended);
        }
        let fresh = open(store, &Ticket::mint(later(5)), later(5)).await;
        assert!(matches!(fresh, Opening::Vacant), "{fresh:?}");
    }
}
