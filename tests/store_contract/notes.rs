//! Notes: small values that all nodes share, of which one caller alone gets what only one may have.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cloakroom::store::{NOTE_BYTES_MAX, Note, NoteKey, Pour, Store, StoreFault};

use crate::remote::Wired;
use crate::rig::*;

/// Far enough from the clock of a server that forgets by its own.
const LONG: Duration = Duration::from_secs(3600);

fn key(name: &str) -> NoteKey {
    NoteKey::of("a test", &[name.as_bytes()])
}

fn note(value: &[u8]) -> Note {
    Note {
        value: value.to_vec(),
        until: START.plus(LONG),
    }
}

#[tokio::test]
async fn a_note_is_there_until_its_end_and_taken_once() {
    for rig in Rig::each() {
        let notes = rig.store.notes().unwrap();
        let all = (0..=255).cycle().take(NOTE_BYTES_MAX).collect::<Vec<u8>>();
        for (name, value) in [("empty", &[][..]), ("all bytes", &all)] {
            let key = key(name);
            assert_eq!(notes.get(key, START).await.unwrap(), None);
            assert!(notes.put_new(key, note(value), START).await.unwrap());
            assert!(!notes.put_new(key, note(b"late"), START).await.unwrap());
            assert_eq!(notes.get(key, START).await.unwrap().unwrap(), value);
            assert_eq!(notes.take(key, START).await.unwrap().unwrap(), value);
            assert_eq!(notes.take(key, START).await.unwrap(), None);
        }
        // At its end it makes room for another, whoever has swept or not.
        let key = key("over");
        assert!(notes.put_new(key, note(b"first"), START).await.unwrap());
        let end = START.plus(LONG);
        assert_eq!(notes.get(key, end).await.unwrap(), None);
        let second = Note {
            value: b"second".to_vec(),
            until: end.plus(LONG),
        };
        assert!(notes.put_new(key, second, end).await.unwrap());
        assert_eq!(notes.get(key, end).await.unwrap().unwrap(), b"second");
    }
}

#[tokio::test]
async fn what_is_there_is_replaced_by_those_who_know_it() {
    for rig in Rig::each() {
        let notes = rig.store.notes().unwrap();
        let key = key("counted");
        let (one, two) = (b"1".to_vec(), b"2".to_vec());
        let swap = async |expected: Option<&Vec<u8>>, new: Option<&Vec<u8>>| {
            let new = new.map(|value| note(value));
            let swapped = notes.swap(key, expected.cloned(), new, START).await;
            swapped.unwrap()
        };
        assert!(!swap(Some(&one), Some(&two)).await);
        assert!(!swap(Some(&one), None).await);
        assert!(swap(None, Some(&one)).await);
        assert!(swap(Some(&one), Some(&two)).await);
        assert!(!swap(Some(&one), Some(&one)).await);
        // The same value again is a change like any other.
        assert!(swap(Some(&two), Some(&two)).await);
        assert_eq!(notes.get(key, START).await.unwrap(), Some(two.clone()));
        assert!(swap(Some(&two), None).await);
        assert!(swap(None, None).await);
        assert_eq!(notes.get(key, START).await.unwrap(), None);
    }
}

#[test]
fn of_many_at_once_one_is_first() {
    for rig in Rig::each() {
        let stores = [Some(Arc::clone(&rig.store)), block_on(rig.another_node())];
        let stores: Vec<Arc<dyn Store>> = stores.into_iter().flatten().collect();
        // All write the same, as those do who use something up.
        let first = count(&stores, async |store| {
            let notes = store.notes().unwrap();
            notes.put_new(key("once"), note(b"x"), START).await.unwrap()
        });
        assert_eq!(first, 1, "{}", rig.engine);
        let taken = count(&stores, async |store| {
            let notes = store.notes().unwrap();
            notes.take(key("once"), START).await.unwrap().is_some()
        });
        assert_eq!(taken, 1, "{}", rig.engine);
    }
}

/// In how many of a hundred calls at once it is so.
fn count(stores: &[Arc<dyn Store>], is_so: impl AsyncFn(&dyn Store) -> bool + Sync) -> usize {
    let counted = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for number in 0..100 {
            let store = &stores[number % stores.len()];
            let (is_so, counted) = (&is_so, &counted);
            scope.spawn(move || {
                if block_on(is_so(&**store)) {
                    counted.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
    });
    counted.into_inner()
}

#[tokio::test]
async fn what_is_over_is_swept() {
    for rig in Rig::each().filter(|rig| rig.sweeps) {
        let notes = rig.store.notes().unwrap();
        for name in ["a", "b", "c"] {
            assert!(notes.put_new(key(name), note(b"x"), START).await.unwrap());
        }
        let end = START.plus(LONG);
        assert_eq!(rig.store.sweep(START, 100).await.unwrap(), 0);
        assert_eq!(rig.store.sweep(end, 2).await.unwrap(), 2);
        assert_eq!(rig.store.sweep(end, 100).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn what_is_too_large_is_refused_and_changes_nothing() {
    for rig in Rig::each() {
        let notes = rig.store.notes().unwrap();
        let key = key("large");
        let large = note(&[1; NOTE_BYTES_MAX + 1]);
        let fault = notes.put_new(key, large, START).await.unwrap_err();
        assert!(matches!(fault, StoreFault::NoteTooLarge), "{fault:?}");
        assert_eq!(notes.get(key, START).await.unwrap(), None);
    }
}

fn one_of(most: u64) -> Pour {
    Pour {
        by_millis: 60_000,
        whole_millis: most * 60_000,
    }
}

#[tokio::test]
async fn a_bucket_holds_so_many_and_runs_out_evenly() {
    for rig in Rig::each() {
        let notes = rig.store.notes().unwrap();
        let pour = async |pour, now| notes.pour(key("bucket"), pour, now).await.unwrap();
        let full = |secs| Some(Duration::from_secs(secs));
        for _ in 0..3 {
            assert_eq!(pour(one_of(3), START).await, None, "{}", rig.engine);
        }
        assert_eq!(pour(one_of(3), START).await, full(60));
        assert_eq!(pour(one_of(3), after(59)).await, full(1));
        assert_eq!(pour(one_of(3), after(60)).await, None);
        assert_eq!(pour(one_of(3), after(60)).await, full(60));
        let back = Pour {
            by_millis: -60_000,
            ..one_of(3)
        };
        assert_eq!(pour(back, after(60)).await, None);
        assert_eq!(pour(one_of(3), after(60)).await, None);
        // A clock that goes back waits for one bucket and no longer.
        assert_eq!(pour(one_of(3), START).await, full(60));
        assert_eq!(pour(Pour::EMPTY, after(60)).await, None);
        assert_eq!(pour(Pour::EMPTY, after(60)).await, None);
        for _ in 0..3 {
            assert_eq!(pour(one_of(3), after(60)).await, None);
        }
        assert_eq!(pour(one_of(3), after(60)).await, full(60));
        let other = notes.pour(key("another"), one_of(3), after(60)).await;
        assert_eq!(other.unwrap(), None);
    }
}

#[test]
fn of_many_at_once_no_more_get_in_than_a_bucket_holds() {
    for rig in Rig::each() {
        let stores = [Some(Arc::clone(&rig.store)), block_on(rig.another_node())];
        let stores: Vec<Arc<dyn Store>> = stores.into_iter().flatten().collect();
        let got_in = count(&stores, async |store| {
            let notes = store.notes().unwrap();
            let answer = notes.pour(key("crowd"), one_of(7), START).await;
            answer.unwrap().is_none()
        });
        assert_eq!(got_in, 7, "{}", rig.engine);
    }
}

/// Of many who read the same and want to be the next, one is, also where a note is replaced.
#[test]
fn of_many_who_replace_a_note_one_succeeds() {
    for rig in Rig::each() {
        let stores = [Some(Arc::clone(&rig.store)), block_on(rig.another_node())];
        let stores: Vec<Arc<dyn Store>> = stores.into_iter().flatten().collect();
        let put = async |store: &dyn Store, expected: Option<&[u8]>, value: &[u8]| {
            let expected = expected.map(<[u8]>::to_vec);
            let notes = store.notes().unwrap();
            let swapped = notes.swap(key("lease"), expected, Some(note(value)), START);
            swapped.await.unwrap()
        };
        assert!(block_on(put(&*rig.store, None, b"free")));
        let winners = count(&stores, async |store| {
            put(store, Some(b"free"), b"held").await
        });
        assert_eq!(winners, 1, "{}", rig.engine);
    }
}

/// What one node wrote another sees at once, with near_cache too.
#[tokio::test]
async fn no_cache_answers_for_a_note() {
    for rig in Rig::each() {
        let Some(there) = rig.another_node().await else {
            continue;
        };
        let (here, there) = (rig.store.notes().unwrap(), there.notes().unwrap());
        for round in 0..50_u8 {
            let key = key(&format!("round {round}"));
            assert_eq!(there.get(key, START).await.unwrap(), None);
            assert!(here.put_new(key, note(&[round]), START).await.unwrap());
            assert_eq!(there.get(key, START).await.unwrap(), Some(vec![round]));
            assert!(there.take(key, START).await.unwrap().is_some());
            assert_eq!(here.get(key, START).await.unwrap(), None);
        }
    }
}

#[tokio::test]
async fn a_note_costs_one_round_trip_and_silence_is_no_answer() {
    for Wired { store, wire, .. } in Wired::each() {
        let notes = store.notes().unwrap();
        let (note_key, bucket) = (key("wired"), key("wired bucket"));
        // Connected, and the scripts known.
        assert!(notes.put_new(note_key, note(b"x"), START).await.unwrap());
        assert!(notes.get(note_key, START).await.unwrap().is_some());
        assert_eq!(notes.pour(bucket, one_of(9), START).await.unwrap(), None);
        let idle = wire.round_trips();
        assert!(!notes.put_new(note_key, note(b"y"), START).await.unwrap());
        assert!(notes.get(note_key, START).await.unwrap().is_some());
        assert_eq!(notes.pour(bucket, one_of(9), START).await.unwrap(), None);
        assert_eq!(wire.round_trips() - idle, 3);

        wire.refuse();
        wire.cut();
        notes.get(note_key, START).await.unwrap_err();
        notes
            .put_new(note_key, note(b"y"), START)
            .await
            .unwrap_err();
        notes.pour(bucket, one_of(9), START).await.unwrap_err();
        wire.heal();
        assert!(notes.get(note_key, START).await.unwrap().is_some());
    }
}

/// The answer is lost, and the question asked again: it was this very writing that came first.
#[tokio::test]
async fn what_is_sent_twice_is_done_once_and_not_taken_for_somebody_elses() {
    for Wired { store, wire, .. } in Wired::each() {
        let notes = store.notes().unwrap();
        assert!(notes.put_new(key("warm"), note(b"x"), START).await.unwrap());
        assert_eq!(
            notes.pour(key("pour"), one_of(2), START).await.unwrap(),
            None
        );

        wire.cut_reply_after(0);
        assert!(notes.put_new(key("cut"), note(b"x"), START).await.unwrap());
        assert!(!wire.cut_is_pending());
        wire.cut_reply_after(0);
        assert_eq!(
            notes.pour(key("pour"), one_of(2), START).await.unwrap(),
            None
        );
        assert!(!wire.cut_is_pending());

        let full = notes.pour(key("pour"), one_of(2), START).await.unwrap();
        assert_eq!(full, Some(Duration::from_secs(60)));
    }
}
