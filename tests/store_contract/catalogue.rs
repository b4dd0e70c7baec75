//! What every engine that lists its sessions promises of the list.

use std::collections::BTreeSet;
use std::time::Duration;

use cloakroom::base::clock::Time;
use cloakroom::session::{
    Change, Closed, KeyId, Opening, Outcome, Session, State, Ticket, TicketKey, Turn, UserKey,
};
use cloakroom::store::{Catalogue, Cursor, Node, NodeKey, Store};

use crate::alike::{Dice, shown};
use crate::rig::*;

fn list(store: &dyn Store) -> &dyn Catalogue {
    store.catalogue().unwrap()
}

fn key_of(id: &str) -> UserKey {
    UserKey::of(None, id)
}

/// The newest tickets of a user's sessions.
async fn tickets_of(store: &dyn Store, id: &str, now: Time) -> BTreeSet<TicketKey> {
    let sessions = list(store).of_user(&key_of(id), now).await.unwrap();
    let newest = |session: &Session| session.holders.last().unwrap().key;
    let keys: BTreeSet<_> = sessions.iter().map(newest).collect();
    assert_eq!(keys.len(), sessions.len(), "none twice");
    keys
}

async fn walk(store: &dyn Store, at_most: usize) -> Vec<Session> {
    let (mut met, mut after) = (Vec::new(), None);
    loop {
        let page = list(store).page(after.as_ref(), at_most).await.unwrap();
        assert!(page.sessions.len() <= at_most);
        assert_eq!(page.unreadable, 0);
        met.extend(page.sessions);
        after = page.next;
        if after.is_none() {
            return met;
        }
    }
}

async fn session_of(store: &dyn Store, id: &str, now: Time) -> Ticket {
    let login = commit(store, &Ticket::mint(now), log_in(id), now).await;
    login.ticket.unwrap()
}

fn keys(tickets: &[&Ticket]) -> BTreeSet<TicketKey> {
    tickets.iter().map(|ticket| ticket.key()).collect()
}

// === users ===

#[tokio::test]
async fn a_user_has_the_sessions_that_are_live_and_nobody_elses() {
    for rig in Rig::each() {
        let store = &*rig.store;
        let first = session_of(store, "alice", START).await;
        let second = session_of(store, "alice", START).await;
        let third = session_of(store, "alice", START).await;
        let bobs = session_of(store, "bob", START).await;
        stored_session(store).await;
        let all = keys(&[&first, &second, &third]);
        assert_eq!(tickets_of(store, "alice", START).await, all);

        commit(store, &second, turn(Turn::End), after(1)).await;
        let rotated = commit(store, &first, turn(Turn::Rotate), after(2)).await;
        let first = rotated.ticket.unwrap();
        let again = commit(store, &third, log_in("bob"), after(3)).await;
        let again = again.ticket.unwrap();

        assert_eq!(tickets_of(store, "alice", after(4)).await, keys(&[&first]));
        let bobs = keys(&[&bobs, &again]);
        assert_eq!(tickets_of(store, "bob", after(4)).await, bobs);
        assert_eq!(tickets_of(store, "mallory", after(4)).await, keys(&[]));
        assert!(tickets_of(store, "alice", after(3602)).await.is_empty());
    }
}

#[tokio::test]
async fn the_index_of_users_keeps_nothing_of_what_is_over() {
    for rig in Rig::each() {
        let store = &*rig.store;
        let mut tickets = Vec::new();
        for number in 0..20 {
            tickets.push(session_of(store, &format!("user{}", number % 3), START).await);
        }
        assert_eq!((rig.indexed)(), 20);
        for ticket in &tickets[..5] {
            commit(store, ticket, turn(Turn::End), after(1)).await;
        }
        for ticket in &tickets[5..10] {
            assert!(list(store).end(&ticket.key(), after(1)).await.unwrap());
        }
        for ticket in &tickets[10..15] {
            commit(store, ticket, log_in("somebody else"), after(1)).await;
        }
        for ticket in &tickets[15..] {
            commit(store, ticket, turn(Turn::Rotate), after(1)).await;
        }
        assert_eq!((rig.indexed)(), 10);
        if rig.sweeps {
            while store.sweep(after(3700), 3).await.unwrap() > 0 {}
            assert_eq!((rig.indexed)(), 0);
            assert_eq!((rig.rows)(), 0);
        }
    }
}

#[test]
fn whoever_comes_and_goes_at_once_the_index_is_right_in_the_end() {
    for rig in Rig::each() {
        let store = &*rig.store;
        let shared = block_on(session_of(store, "alice", START));
        in_parallel(8, |number| {
            let mut dice = Dice(number as u64);
            let mut ticket = shared.clone();
            for _ in 0..40 {
                let id = ["alice", "bob", "carol"][dice.roll(3)];
                let change = match dice.roll(4) {
                    0 | 1 => log_in(id),
                    2 => turn(Turn::End),
                    _ => put("sid"),
                };
                let committed = block_on(commit(store, &ticket, change, START));
                ticket = match committed.outcome {
                    Outcome::Applied(_) => committed.ticket.unwrap_or(ticket),
                    _ if dice.roll(2) == 0 => shared.clone(),
                    _ => block_on(session_of(store, id, START)),
                };
                let other = &block_on(list(store).of_user(&key_of(id), START)).unwrap();
                if let Some(session) = other.first().filter(|_| dice.roll(3) == 0) {
                    let key = session.holders[0].key;
                    block_on(list(store).end(&key, START)).unwrap();
                }
            }
        });
        let indexed = (rig.indexed)();
        block_on(the_index_agrees_with_the_sessions(store, indexed, START));
    }
}

#[tokio::test]
async fn whatever_happens_the_index_agrees_with_the_sessions() {
    for rig in Rig::each() {
        let store = &*rig.store;
        let (mut dice, mut now) = (Dice(7), START);
        let mut tickets: Vec<_> = (0..5).map(|_| Ticket::mint(now)).collect();
        for step in 0..300 {
            now = now.plus(Duration::from_secs([0, 1, 4, 12, 700][dice.roll(5)]));
            let ticket = tickets[dice.roll(tickets.len())].clone();
            match dice.roll(12) {
                0 => drop(list(store).end(&ticket.key(), now).await.unwrap()),
                1 => drop(store.sweep(now, 3).await.unwrap()),
                2 => tickets.push(Ticket::mint(now)),
                _ => tickets.extend(commit(store, &ticket, dice.change(), now).await.ticket),
            }
            if step % 10 == 0 {
                the_index_agrees_with_the_sessions(store, (rig.indexed)(), now).await;
            }
        }
    }
}

/// Compares the index with what a walk finds.
pub async fn the_index_agrees_with_the_sessions(store: &dyn Store, indexed: usize, now: Time) {
    let met = walk(store, 100).await;
    let of_somebody = || met.iter().filter(|session| session.user_key().is_some());
    // What has run out may be there until it is swept, and need not be indexed until then.
    let has_run_out = |session: &&Session| session.keep_until(&terms()) < now;
    let least = of_somebody().count() - of_somebody().filter(has_run_out).count();
    assert!(
        (least..=of_somebody().count()).contains(&indexed),
        "{indexed}"
    );
    for id in ["alice", "bob", "carol"] {
        let own = met
            .iter()
            .filter(|session| session.is_of(&key_of(id), &terms(), now))
            .map(|session| session.holders.last().unwrap().key);
        let own: BTreeSet<_> = own.collect();
        assert_eq!(tickets_of(store, id, now).await, own, "{id}");
    }
}

// === finding and ending ===

#[tokio::test]
async fn an_end_by_the_operator_is_a_logout() {
    for rig in Rig::each() {
        let store = &*rig.store;
        let before = stored_session(store).await;
        let login = commit(store, &before, log_in("alice"), after(1)).await;
        let ticket = login.ticket.unwrap();
        let other = session_of(store, "alice", after(1)).await;
        record_of(open(store, &ticket, after(2)).await);

        assert!(list(store).end(&ticket.key(), after(2)).await.unwrap());

        assert_closed(&open(store, &ticket, after(2)).await, Closed::Ended);
        assert_closed(&open(store, &before, after(2)).await, Closed::Ended);
        let late = commit(store, &ticket, put("late"), after(3)).await;
        assert_eq!(late.outcome, Outcome::Dropped(Closed::Ended));
        let left = tickets_of(store, "alice", after(3)).await;
        assert_eq!(left, keys(&[&other]));
        assert!(!list(store).end(&ticket.key(), after(3)).await.unwrap());
        let unknown = Ticket::mint(START).key();
        assert!(!list(store).end(&unknown, after(3)).await.unwrap());
    }
}

#[tokio::test]
async fn a_session_is_found_by_each_of_its_tickets_whatever_its_state() {
    for rig in Rig::each() {
        let store = &*rig.store;
        let first = stored_session(store).await;
        let second = commit(store, &first, turn(Turn::Rotate), after(1)).await;
        let second = second.ticket.unwrap();
        let find = async |ticket: &Ticket| list(store).find(&ticket.key()).await.unwrap();
        let found = find(&first).await.unwrap();
        assert_eq!(find(&second).await, Some(found.clone()));
        assert_eq!(found.state, State::Live);
        assert_eq!(found.holders.len(), 2);
        commit(store, &second, turn(Turn::End), after(2)).await;
        let tombstone = find(&second).await.unwrap();
        assert!(matches!(tombstone.state, State::Closed { .. }));
        assert!(tombstone.record.data.is_empty());
        assert_eq!(find(&Ticket::mint(START)).await, None);
        if rig.sweeps {
            while store.sweep(after(7200), 10).await.unwrap() > 0 {}
            assert_eq!(find(&second).await, None);
        }
    }
}

// === walking ===

#[tokio::test]
async fn a_walk_meets_everybody_tombstones_too() {
    for rig in Rig::each() {
        let store = &*rig.store;
        assert!(walk(store, 10).await.is_empty());
        let mut expected = BTreeSet::new();
        for number in 0..57 {
            let ticket = stored_session(store).await;
            if number % 5 == 0 {
                commit(store, &ticket, turn(Turn::End), after(1)).await;
            }
            if number % 7 == 1 {
                commit(store, &ticket, turn(Turn::Rotate), after(1)).await;
            }
            expected.insert(ticket.root().0);
        }
        for at_most in [1, 10, 57, 1000] {
            let met = walk(store, at_most).await;
            assert_eq!(met.len(), 57);
            let met: BTreeSet<_> = met.iter().map(|session| session.record.root.0).collect();
            assert_eq!(met, expected);
        }
        let foreign = Cursor("of another engine".into());
        let page = list(store).page(Some(&foreign), 10).await.unwrap();
        assert!(page.sessions.is_empty() && page.next.is_none());
    }
}

#[tokio::test]
async fn a_walk_misses_nobody_who_is_there_throughout() {
    for rig in Rig::each() {
        let store = &*rig.store;
        let mut there = Vec::new();
        for _ in 0..40 {
            there.push(stored_session(store).await);
        }
        let expected: BTreeSet<_> = there.iter().map(|ticket| ticket.root().0).collect();
        let (mut met, mut after_what, mut now) = (BTreeSet::new(), None, START);
        loop {
            let page = list(store).page(after_what.as_ref(), 3).await.unwrap();
            met.extend(page.sessions.iter().map(|session| session.record.root.0));
            after_what = page.next;
            if after_what.is_none() {
                break;
            }
            // Meanwhile all their tickets change, others come, and some of those go.
            now = now.plus(Duration::from_secs(60));
            for ticket in &mut there {
                let rotated = commit(store, ticket, turn(Turn::Rotate), now).await;
                *ticket = rotated.ticket.unwrap();
            }
            let passer_by = stored_session(store).await;
            commit(store, &passer_by, turn(Turn::End), START).await;
        }
        assert!(met.is_superset(&expected));
    }
}

// === taking over ===

/// Takes everything of one store over into another, as an operator's command does: what is over stays behind.
async fn copy(from: &dyn Store, to: &dyn Store, now: Time) -> usize {
    let sessions = worth_keeping(from, now).await;
    list(to).take_over(sessions, now).await.unwrap()
}

async fn worth_keeping(store: &dyn Store, now: Time) -> Vec<Session> {
    let mut sessions = walk(store, 100).await;
    sessions.retain(|session| session.keep_until(&terms()) > now);
    sessions
}

#[tokio::test]
async fn what_is_taken_over_opens_as_it_did() {
    for (from, to) in Rig::pairs() {
        let (from, to) = (&*from.store, &*to.store);
        let (mut dice, mut now) = (Dice(11), START);
        let mut tickets: Vec<_> = (0..10).map(|_| Ticket::mint(now)).collect();
        for _ in 0..150 {
            now = now.plus(Duration::from_secs([0, 1, 4, 12, 300][dice.roll(5)]));
            let ticket = tickets[dice.roll(tickets.len())].clone();
            tickets.extend(commit(from, &ticket, dice.change(), now).await.ticket);
        }
        let all = worth_keeping(from, now).await.len();
        assert_eq!(copy(from, to, now).await, all);
        for ticket in &tickets {
            let (before, after) = (open(from, ticket, now).await, open(to, ticket, now).await);
            assert_eq!(shown(before), shown(after));
        }
        assert_eq!(copy(from, to, now).await, 0, "once more changes nothing");
        assert_eq!(walk(to, 100).await.len(), all);
        for id in ["alice", "bob"] {
            let before = tickets_of(from, id, now).await;
            assert_eq!(tickets_of(to, id, now).await, before);
        }
    }
}

#[tokio::test]
async fn nothing_that_ended_on_either_side_is_revived() {
    for (from, to) in Rig::pairs() {
        let (from, to) = (&*from.store, &*to.store);
        let ended_here = session_of(from, "alice", START).await;
        let ended_there = session_of(from, "alice", START).await;
        let superseded = session_of(from, "alice", START).await;
        assert_eq!(copy(from, to, START).await, 6);
        // What is touched later, but has not ended, is not further along.
        let touch = Change {
            touch: true,
            ..put("sid")
        };
        commit(from, &ended_here, touch.clone(), after(50)).await;
        list(to).end(&ended_here.key(), after(1)).await.unwrap();
        commit(from, &ended_there, turn(Turn::End), after(1)).await;
        commit(to, &ended_there, touch.clone(), after(50)).await;
        commit(from, &superseded, log_in("bob"), after(1)).await;
        commit(to, &superseded, touch, after(50)).await;

        copy(from, to, after(60)).await;

        for ticket in [&ended_here, &ended_there] {
            assert_closed(&open(to, ticket, after(60)).await, Closed::Ended);
        }
        let late = commit(to, &superseded, put("late"), after(60)).await;
        assert_eq!(late.outcome, Outcome::Dropped(Closed::Superseded));
        assert!(tickets_of(to, "alice", after(60)).await.is_empty());
        assert_eq!(tickets_of(to, "bob", after(60)).await.len(), 1);
    }
}

#[tokio::test]
async fn the_later_touch_wins_and_its_tickets_with_it() {
    for (from, to) in Rig::pairs() {
        let (from, to) = (&*from.store, &*to.store);
        let first = stored_session(from).await;
        let other = stored_session(from).await;
        copy(from, to, START).await;
        let touch = |name: &str| Change {
            touch: true,
            ..set(name, "v")
        };
        let rotation = Change {
            turn: Turn::Rotate,
            ..touch("there")
        };
        let second = commit(from, &first, rotation, after(5))
            .await
            .ticket
            .unwrap();
        commit(to, &other, touch("here"), after(9)).await;
        commit(from, &other, touch("there"), after(8)).await;

        assert_eq!(copy(from, to, after(10)).await, 1);

        let record = record_of(open(to, &second, after(10)).await);
        assert_eq!(record.data.len(), 2);
        let record = record_of(open(to, &other, after(10)).await);
        assert!(record.data.contains_key("here") && !record.data.contains_key("there"));
        // The first ticket is forgotten in one, and then in the other, where it led to the state from before.
        let late = after(3600 + 5);
        commit(from, &second, touch("late"), after(1800)).await;
        commit(from, &second, touch("later"), late).await;
        assert_eq!(list(from).find(&first.key()).await.unwrap(), None);
        copy(from, to, late).await;
        assert_eq!(list(to).find(&first.key()).await.unwrap(), None);
        let opening = open(to, &first.marked_stored(), late).await;
        assert!(matches!(opening, Opening::Closed(_)), "{opening:?}");
        let record = record_of(open(to, &second, late).await);
        assert_eq!(record.data.len(), 4);
        assert_eq!(walk(to, 100).await.len(), 2);
    }
}

// === nodes ===

pub fn node(id: &str) -> Node {
    let key = NodeKey {
        id: KeyId([1, 2, 3, 4]),
        signs: true,
        last_use: Some(START),
    };
    let idle = NodeKey {
        last_use: None,
        signs: false,
        ..key
    };
    Node {
        id: id.into(),
        seen: START,
        session_ids: KeyId([9; 4]),
        keys: vec![idle, key],
    }
}

#[tokio::test]
async fn a_node_meets_itself_as_it_announced_itself() {
    for rig in Rig::each() {
        let store = &*rig.store;
        let nodes = list(store).announce(node("a"), START).await.unwrap();
        assert_eq!(nodes, [node("a")]);
        let nodes = list(store).announce(node("a"), after(20)).await.unwrap();
        let seen = after(20);
        assert_eq!(nodes, [Node { seen, ..node("a") }]);
    }
}
