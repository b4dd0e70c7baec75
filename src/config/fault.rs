//! What is wrong with a configuration: where, which key, which value, why, and the way out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::source::Place;

/// One thing that is wrong (or, as a warning, worth knowing).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// Where it is written.
    pub place: Place,
    /// The key, as in `session.cookie.same_site`; empty where the text is no TOML.
    pub key: String,
    /// The value as written, if that helps.
    pub value: Option<String>,
    /// What is wrong.
    pub why: String,
    /// What to do about it; may be empty in a warning.
    pub way_out: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        match (&self.key, &self.value) {
            (key, Some(value)) if !key.is_empty() => write!(f, "{key} = {value}: ")?,
            (key, None) if !key.is_empty() => write!(f, "{key}: ")?,
            _ => {}
        }
        f.write_str(&self.why)?;
        if !self.way_out.is_empty() {
            write!(f, "; {}", self.way_out)?;
        }
        Ok(())
    }
}

/// All that is wrong with a configuration, ordered by place. Never empty.
#[derive(Debug, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// Puts `faults`, of which there is at least one, in order.
    pub(super) fn sorted(mut faults: Vec<Fault>) -> Self {
        faults.sort();
        faults.dedup();
        Self(faults)
    }

    /// One by one.
    pub fn iter(&self) -> std::slice::Iter<'_, Fault> {
        self.0.iter()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fault in &self.0 {
            writeln!(f, "{fault}")?;
        }
        match self.0.len() {
            1 => f.write_str("1 fault"),
            count => write!(f, "{count} faults"),
        }
    }
}

impl std::error::Error for Faults {}

/// Where each key was written, so that whoever finds its value wrong later (a port in use, a store path that cannot
/// be written) can point at it.
#[derive(Clone, Debug)]
pub struct Origins {
    whole: Place,
    written: BTreeMap<String, Origin>,
    /// Keys that have a fault already: what follows from it is not worth telling.
    spoiled: BTreeSet<String>,
}

#[derive(Clone, Debug)]
struct Origin {
    place: Place,
    value: Option<String>,
}

impl Origins {
    pub(super) fn new(whole: Place) -> Self {
        Self {
            whole,
            written: BTreeMap::new(),
            spoiled: BTreeSet::new(),
        }
    }

    pub(super) fn insert(&mut self, path: String, place: Place, value: Option<String>) {
        self.written.insert(path, Origin { place, value });
    }

    pub(super) fn spoil(&mut self, path: String) {
        self.spoiled.insert(path);
    }

    /// Whether the key, or a table that holds it, has a fault already.
    pub(super) fn is_spoiled(&self, path: &str) -> bool {
        ancestry(path).any(|path| self.spoiled.contains(path))
    }

    /// Whether the key is written anywhere. Elements of lists are counted from 0: `site[0].path`.
    pub fn is_written(&self, path: &str) -> bool {
        self.written.contains_key(path)
    }

    /// Every key that is written, elements of lists counted from 0.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.written.keys().map(String::as_str)
    }

    /// Where the key at `path`, or the table around it, is written.
    pub fn place(&self, path: &str) -> &Place {
        let around = ancestry(path).find_map(|path| self.written.get(path));
        around.map_or(&self.whole, |origin| &origin.place)
    }

    /// A fault of the key at `path` (`server.https[0]`), at the place where it or the table around it is written.
    pub fn fault(&self, path: &str, why: impl Into<String>, way_out: impl Into<String>) -> Fault {
        Fault {
            place: self.place(path).clone(),
            key: without_indices(path),
            value: self
                .written
                .get(path)
                .and_then(|origin| origin.value.clone()),
            why: why.into(),
            way_out: way_out.into(),
        }
    }
}

/// `a.b[0]`, `a.b`, `a`.
fn ancestry(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |path| {
        path.rfind(['.', '[']).and_then(|at| path.get(..at))
    })
}

/// `site[0].path` as people write it: `site.path`.
pub(super) fn without_indices(path: &str) -> String {
    let mut within = false;
    let mut out = String::with_capacity(path.len());
    for c in path.chars() {
        match c {
            '[' => within = true,
            ']' if within => within = false,
            _ if within => {}
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_not_written_points_at_its_table() {
        let mut origins = Origins::new(Place::whole_file("whole.toml"));
        origins.insert("site[0]".to_owned(), Place::whole_file("table"), None);
        let fault = origins.fault("site[0].name", "no name", "give it one");
        assert_eq!(fault.to_string(), "table: site.name: no name; give it one");
        let fault = origins.fault("tls.hsts", "odd", "");
        assert_eq!(fault.to_string(), "whole.toml: tls.hsts: odd");
    }

    #[test]
    fn what_lies_within_a_spoiled_table_is_spoiled() {
        let mut origins = Origins::new(Place::whole_file("x"));
        origins.spoil("site[1]".to_owned());
        assert!(origins.is_spoiled("site[1].path"));
        assert!(!origins.is_spoiled("site[11].path"));
        assert!(!origins.is_spoiled("site[0].path"));
        assert!(!origins.is_spoiled("site"));
    }
}
