//! What has ended stays ended.

use cloakroom::base::clock::Time;
use cloakroom::session::{Closed, Opening, Outcome, Standing, Ticket, Turn};

use crate::rig::*;

#[tokio::test]
async fn after_a_flush_no_spelling_of_the_ticket_opens_anything() {
    for rig in Rig::keeping(&[2, 5]) {
        // Of a session that is stored, and of one that never was.
        for stored in [true, false] {
            let fresh = Ticket::mint(START);
            if stored {
                commit(&*rig.store, &fresh, set("a", "1"), START).await;
            }
            let ended = commit(&*rig.store, &fresh, turn(Turn::End), after(1)).await;
            assert_eq!((ended.outcome, ended.ticket), (Outcome::Ended, None));
            assert_closed(&open(&*rig.store, &fresh, after(1)).await, Closed::Ended);
            for ticket in [&fresh, &fresh.marked_stored()] {
                let late = commit(&*rig.store, ticket, put("late"), after(2)).await;
                assert_eq!(late.outcome, Outcome::Dropped(Closed::Ended));
            }
        }
    }
}

#[tokio::test]
async fn after_a_login_the_old_ticket_sees_the_old_state_for_the_grace_and_then_nothing() {
    for rig in Rig::keeping(&[3]) {
        for fresh in [Ticket::mint(START), stored_session(&*rig.store).await] {
            let login = commit(&*rig.store, &fresh, log_in("alice"), after(1)).await;
            let new = login.ticket.unwrap();
            commit(&*rig.store, &new, put("sid"), after(2)).await;

            let late = commit(&*rig.store, &fresh, put("planted"), after(3)).await;
            assert_eq!(late.outcome, Outcome::Dropped(Closed::Superseded));
            match open(&*rig.store, &fresh, after(3)).await {
                Opening::Open {
                    record, standing, ..
                } => {
                    assert_eq!(standing, Standing::Frozen);
                    assert_eq!(record.user, None);
                    assert!(record.jar("shop").is_empty());
                }
                other => panic!("{other:?}"),
            }
            assert_closed(
                &open(&*rig.store, &fresh, after(11)).await,
                Closed::Superseded,
            );
            let record = record_of(open(&*rig.store, &new, after(11)).await);
            assert_eq!(record.user.as_ref().map(|user| &user.id[..]), Some("alice"));
            assert_eq!(record.jar("shop").len(), 1);
        }
    }
}

/// As in Django.
#[tokio::test]
async fn another_user_starts_with_nothing_and_the_same_user_with_everything() {
    for rig in Rig::keeping(&[3]) {
        for (id, data, cookies) in [("alice", 1, 1), ("bob", 0, 0)] {
            let mut change = log_in(id);
            change.data = set("of the login", "1").data;
            let ticket = stored_session(&*rig.store).await;
            let login = commit(&*rig.store, &ticket, log_in("alice"), START).await;
            let ticket = login.ticket.unwrap();
            commit(&*rig.store, &ticket, put("sid"), START).await;

            let again = commit(&*rig.store, &ticket, change, START).await;

            let record = record_of(open(&*rig.store, &again.ticket.unwrap(), START).await);
            assert_eq!(record.user.as_ref().map(|user| &user.id[..]), Some(id));
            assert_eq!(record.data.len(), data + 1, "{id}");
            assert_eq!(record.jar("shop").len(), cookies, "{id}");
        }
    }
}

#[tokio::test]
async fn a_flush_ends_the_state_from_before_the_login_too() {
    for rig in Rig::keeping(&[5]) {
        let first = stored_session(&*rig.store).await;
        let login = commit(&*rig.store, &first, log_in("alice"), after(1)).await;
        let second = login.ticket.unwrap();
        let login = commit(&*rig.store, &second, log_in("alice"), after(2)).await;
        let third = login.ticket.unwrap();
        commit(&*rig.store, &third, turn(Turn::End), after(3)).await;
        for ticket in [first, second, third] {
            assert_closed(&open(&*rig.store, &ticket, after(3)).await, Closed::Ended);
        }
    }
}

#[test]
fn whatever_races_with_a_flush_the_session_stays_ended() {
    for rig in Rig::keeping(&[2]) {
        for _ in 0..10 {
            let ticket = block_on(stored_session(&*rig.store));
            in_parallel(8, |number| {
                let change = match number {
                    0 => turn(Turn::End),
                    1 => turn(Turn::Rotate),
                    _ => put(&format!("c{number}")),
                };
                let committed = block_on(commit(&*rig.store, &ticket, change, START));
                if number > 1 {
                    let outcome = &committed.outcome;
                    let fine = matches!(
                        outcome,
                        Outcome::Applied(_) | Outcome::Dropped(Closed::Ended)
                    );
                    assert!(fine, "{outcome:?}");
                }
                if let Some(new) = committed.ticket {
                    block_on(commit(&*rig.store, &new, turn(Turn::End), START));
                }
            });
            assert_closed(&block_on(open(&*rig.store, &ticket, START)), Closed::Ended);
        }
    }
}

#[tokio::test]
async fn what_is_over_is_refused_without_a_sweep() {
    for rig in Rig::keeping(&[9]) {
        let ticket = stored_session(&*rig.store).await;
        assert!(matches!(
            open(&*rig.store, &ticket, after(3599)).await,
            Opening::Open { .. }
        ));
        assert_closed(
            &open(&*rig.store, &ticket, after(3600)).await,
            Closed::IdleExpired,
        );
        let late = commit(&*rig.store, &ticket, set("b", "2"), after(3600)).await;
        assert_eq!(late.outcome, Outcome::Dropped(Closed::IdleExpired));
        let in_2039 = Time::from_secs(2_177_452_800);
        assert_closed(
            &open(&*rig.store, &ticket, in_2039).await,
            Closed::AbsoluteExpired,
        );
    }
}

#[tokio::test]
async fn a_sweep_takes_what_is_over_in_small_steps_and_nothing_else() {
    for rig in Rig::keeping(&[2]).filter(|rig| rig.sweeps) {
        let mut over = Vec::new();
        for _ in 0..25 {
            over.push(stored_session(&*rig.store).await);
        }
        let rotated = commit(&*rig.store, &over[0], turn(Turn::Rotate), START).await;
        over.push(rotated.ticket.unwrap());
        commit(&*rig.store, &over[1], turn(Turn::End), START).await;
        let login = commit(&*rig.store, &over[2], log_in("alice"), after(3600 - 1)).await;
        let alive = login.ticket.unwrap();

        assert_eq!(
            rig.store.sweep(after(3600), 100).await.unwrap(),
            0,
            "not yet"
        );
        let now = after(3600 + 60);
        assert_eq!(rig.store.sweep(now, 10).await.unwrap(), 10);
        assert_eq!(rig.store.sweep(now, 10).await.unwrap(), 10);
        let rest = rig.store.sweep(now, 10).await.unwrap();
        // The session that froze a moment ago is over a moment later.
        let last = rig.store.sweep(after(3600 + 70), 10).await.unwrap();
        assert_eq!(rest + last, 5);
        assert_eq!(rig.store.sweep(after(3600 + 70), 10).await.unwrap(), 0);

        assert_eq!((rig.rows)(), 1);
        record_of(open(&*rig.store, &alive, now).await);
        for ticket in over {
            let opening = open(&*rig.store, &ticket, now).await;
            assert!(matches!(opening, Opening::Vacant | Opening::Closed(_)));
            let late = commit(&*rig.store, &ticket, set("b", "2"), now).await;
            assert!(matches!(late.outcome, Outcome::Dropped(_)), "{late:?}");
        }
    }
}
