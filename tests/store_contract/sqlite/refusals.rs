//! What cannot be opened.

use std::path::{Path, PathBuf};
use std::time::Duration;

use cloakroom::store::sqlite::{SCHEMA_VERSION, SqliteSettings, SqliteStore, StoreOpenFault};
use tempfile::TempDir;

use crate::rig::*;

/// A database of ours with one session, after `spoil` had its way with it.
fn spoiled(spoil: impl FnOnce(&Path)) -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("sessions.db");
    let store = open_sqlite(&path).unwrap();
    block_on(stored_session(&store));
    drop(store);
    spoil(&path);
    (folder, path)
}

#[track_caller]
fn refusal(path: &Path) -> StoreOpenFault {
    let settings = SqliteSettings::new(path, Duration::from_millis(50));
    match SqliteStore::open(&settings, terms(), START) {
        Ok(_) => panic!("this should not open"),
        Err(fault) => {
            let message = fault.to_string();
            let names_it = message.contains(&*path.parent().unwrap().to_string_lossy());
            assert!(names_it, "{message}");
            fault
        }
    }
}

#[test]
fn a_newer_schema_is_refused_and_left_alone() {
    let (_folder, path) =
        spoiled(|path| raw(path).pragma_update(None, "user_version", 99).unwrap());
    let fault = refusal(&path);
    assert!(
        matches!(
            fault,
            StoreOpenFault::NewerSchema {
                found: 99,
                known: SCHEMA_VERSION,
                ..
            }
        ),
        "{fault:?}"
    );
    assert_eq!(rows_of(&path), 1);
}

#[test]
fn a_damaged_database_is_refused() {
    let (_folder, path) = spoiled(|path| {
        let mut bytes = std::fs::read(path).unwrap();
        // Everything past the first page, which holds the schema.
        bytes[4096..].fill(0x5a);
        std::fs::write(path, bytes).unwrap();
    });
    let fault = refusal(&path);
    assert!(matches!(fault, StoreOpenFault::Corrupt { .. }), "{fault:?}");
}

#[test]
fn a_file_that_is_something_else_is_refused_and_left_alone() {
    let text = "# not a database at all\n".repeat(100);
    let (_folder, path) = spoiled(|path| std::fs::write(path, &text).unwrap());
    let fault = refusal(&path);
    assert!(
        matches!(fault, StoreOpenFault::NotADatabase { .. }),
        "{fault:?}"
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn the_database_of_another_program_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("other.db");
    raw(&path).execute("CREATE TABLE notes (text)", []).unwrap();
    let fault = refusal(&path);
    assert!(matches!(fault, StoreOpenFault::Foreign { .. }), "{fault:?}");
}

#[test]
fn a_database_that_somebody_holds_is_refused_after_the_timeout() {
    let (_folder, path) = spoiled(|_| {});
    let holder = raw(&path);
    holder
        .execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE")
        .unwrap();
    let fault = refusal(&path);
    assert!(matches!(fault, StoreOpenFault::Locked { .. }), "{fault:?}");
}

#[test]
fn a_place_that_cannot_be_written_is_refused() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    let fault = refusal(&folder.path().join("file/sessions.db"));
    assert!(matches!(fault, StoreOpenFault::File { .. }), "{fault:?}");
    let fault = refusal(&folder.path().join("file/deeper/sessions.db"));
    assert!(matches!(fault, StoreOpenFault::Folder { .. }), "{fault:?}");
    std::fs::create_dir(folder.path().join("folder")).unwrap();
    std::os::unix::fs::symlink("nowhere", folder.path().join("dangling")).unwrap();
    let fault = refusal(&folder.path().join("dangling"));
    assert!(matches!(fault, StoreOpenFault::File { .. }), "{fault:?}");
    let fault = refusal(&folder.path().join("folder"));
    assert!(matches!(fault, StoreOpenFault::File { .. }), "{fault:?}");
}
