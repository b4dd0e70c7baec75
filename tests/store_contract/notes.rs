//! Notes: small values that all nodes share, of which one caller alone gets what only one may have.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cloakroom::store::{NOTE_BYTES_MAX, Note, NoteKey, Store};

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
