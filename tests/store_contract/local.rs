//! The engines that need no server.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cloakroom::store::memory::MemoryStore;
use cloakroom::store::sqlite::{SqliteSettings, SqliteStore, StoreOpenFault};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::rig::{Rig, START, terms};

pub fn memory() -> Rig {
    let store = MemoryStore::new(terms(), START);
    let (counted, indexed) = (store.clone(), store.clone());
    Rig {
        engine: "memory",
        store: Arc::new(store),
        rows: Box::new(move || counted.tickets()),
        indexed: Box::new(move || indexed.indexed()),
        another: None,
        is_near_cache: false,
        sweeps: true,
        _place: Box::new(()),
    }
}

pub fn sqlite() -> Rig {
    let folder = TempDir::new().unwrap();
    let path = Arc::new(folder.path().join("sessions.db"));
    let [counted, indexed, shared] = [(); 3].map(|()| Arc::clone(&path));
    Rig {
        engine: "sqlite",
        store: Arc::new(open_sqlite(&path).unwrap()),
        rows: Box::new(move || rows_of(&counted)),
        indexed: Box::new(move || indexed_of(&indexed)),
        another: Some(Box::new(move || Arc::new(open_sqlite(&shared).unwrap()))),
        is_near_cache: false,
        sweeps: true,
        _place: Box::new(folder),
    }
}

pub fn open_sqlite(path: &Path) -> Result<SqliteStore, StoreOpenFault> {
    let settings = SqliteSettings::new(path, Duration::from_secs(10));
    SqliteStore::open(&settings, terms(), START)
}

pub fn rows_of(path: &Path) -> usize {
    let count = |table: &str| {
        let sql = format!("SELECT count(*) FROM {table}");
        raw(path)
            .query_row(&sql, [], |row| row.get::<_, i64>(0))
            .unwrap()
    };
    let (tickets, sessions) = (count("tickets"), count("sessions"));
    assert!(sessions <= tickets, "no session is without a ticket");
    usize::try_from(tickets).unwrap()
}

pub fn indexed_of(path: &Path) -> usize {
    let sql = "SELECT count(*) FROM sessions WHERE user_key IS NOT NULL";
    let count: i64 = raw(path).query_row(sql, [], |row| row.get(0)).unwrap();
    usize::try_from(count).unwrap()
}

/// The database as an operator's tool sees it.
pub fn raw(path: &Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.busy_timeout(Duration::from_secs(5)).unwrap();
    connection
}
