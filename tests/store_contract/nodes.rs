//! Two nodes on one server: two store objects that know nothing of each other.

use std::sync::Arc;
use std::time::Duration;

use cloakroom::session::{Closed, Opening, Outcome, Ticket, Turn};
use cloakroom::store::Store;

use crate::rig::*;

/// How long it takes until it is so, which may be a second; zero: it is so at once.
async fn lag(what: &str, mut is_so: impl AsyncFnMut() -> bool) -> Duration {
    if is_so().await {
        return Duration::ZERO;
    }
    within_a_second(what, is_so).await
}

/// Without near_cache nothing lags. With it, as a rule, no more than 100 ms; since the machine that runs the tests may be
/// busy at any one time, it is the middle one of several that counts.
fn assert_usual(mut lags: Vec<Duration>, rig: &Rig) {
    lags.sort();
    println!("behind by {lags:?}");
    if rig.is_near_cache {
        assert!(
            lags[lags.len() / 2] <= Duration::from_millis(100),
            "{lags:?}"
        );
    } else {
        assert!(lags.iter().all(Duration::is_zero), "{lags:?}");
    }
}

#[tokio::test]
async fn what_one_node_ends_the_other_refuses_within_a_second() {
    for rig in Rig::keeping(&[2, 10]) {
        let Some(there) = rig.another_node().await else {
            continue;
        };
        let here = &*rig.store;
        let mut lags = Vec::new();
        for number in 0..9 {
            let ticket = stored_session(here).await;
            record_of(open(here, &ticket, START).await);
            // By its visitor, or by an operator.
            if number % 2 == 0 {
                commit(&*there, &ticket, turn(Turn::End), START).await;
            } else {
                let list = there.catalogue().unwrap();
                assert!(list.end(&ticket.key(), START).await.unwrap());
            }
            let is_ended = async || {
                let opening = open(here, &ticket, START).await;
                matches!(opening, Opening::Closed(Closed::Ended))
            };
            lags.push(lag("the end", is_ended).await);
            let late = commit(here, &ticket, put("late"), START).await;
            assert_eq!(late.outcome, Outcome::Dropped(Closed::Ended));
            // It stays so.
            assert!(is_ended().await);
        }
        assert_usual(lags, &rig);
    }
}

/// Nothing that a node knows of a session keeps a commit from being refused.
#[tokio::test]
async fn a_node_that_has_not_heard_of_an_end_writes_nothing_all_the_same() {
    for rig in Rig::keeping(&[2, 10]) {
        let Some(there) = rig.another_node().await else {
            continue;
        };
        let here = &*rig.store;
        for _ in 0..9 {
            let ticket = stored_session(here).await;
            record_of(open(here, &ticket, START).await);
            commit(&*there, &ticket, turn(Turn::End), START).await;

            let late = commit(here, &ticket, put("late"), START).await;

            assert_eq!(late.outcome, Outcome::Dropped(Closed::Ended));
            assert_closed(&open(here, &ticket, START).await, Closed::Ended);
        }
    }
}

#[tokio::test]
async fn what_one_node_has_answered_the_other_shows() {
    for rig in Rig::keeping(&[11]) {
        let Some(another) = rig.another_node().await else {
            continue;
        };
        let nodes = [Arc::clone(&rig.store), another];
        let ticket = stored_session(&*rig.store).await;
        let mut lags = Vec::new();
        for number in 0..21 {
            let [here, there]: [&dyn Store; 2] = [&*nodes[number % 2], &*nodes[(number + 1) % 2]];
            // Both know the session as it was.
            for node in [here, there] {
                record_of(open(node, &ticket, START).await);
            }
            let name = format!("k{number}");
            commit(here, &ticket, set(&name, "v"), START).await;
            let shows = async |node: &dyn Store| {
                let record = record_of(open(node, &ticket, START).await);
                record.data.contains_key(&name)
            };
            assert!(shows(here).await, "on that node at once");
            lags.push(lag("the change", async || shows(there).await).await);
        }
        assert_usual(lags, &rig);
    }
}

#[tokio::test]
async fn that_a_ticket_was_unknown_is_never_used_when_committing() {
    for rig in Rig::keeping(&[1, 11]) {
        let Some(there) = rig.another_node().await else {
            continue;
        };
        let here = &*rig.store;
        for _ in 0..5 {
            let fresh = Ticket::mint(START);
            assert!(matches!(open(here, &fresh, START).await, Opening::Vacant));
            commit(&*there, &fresh, put("there"), START).await;

            let committed = commit(here, &fresh, put("here"), START).await;

            let Outcome::Applied(record) = committed.outcome else {
                panic!("{committed:?}");
            };
            assert_eq!(record.jar("shop").len(), 2, "it meets the other's session");
            assert!(!committed.began);
        }
        assert_eq!((rig.rows)(), 5);
    }
}

#[test]
fn a_hundred_parallel_changes_over_two_nodes_all_survive() {
    for rig in Rig::keeping(&[1]) {
        let Some(there) = block_on(rig.another_node()) else {
            continue;
        };
        let nodes = [&rig.store, &there];
        let fresh = Ticket::mint(START);
        in_parallel(100, |number| {
            let change = put(&format!("c{number}"));
            let committed = block_on(commit(&**nodes[number % 2], &fresh, change, START));
            assert!(matches!(committed.outcome, Outcome::Applied(_)));
        });
        for node in nodes {
            let all = async || {
                let record = record_of(open(&**node, &fresh, START).await);
                record.jar("shop").len() == 100
            };
            block_on(within_a_second("all cookies", all));
        }
        assert_eq!((rig.rows)(), 1);
    }
}
