//! The table of `docs/STORES.md`: which engine is said to keep which point of the consistency contract. The suites that
//! prove it read it here, so that it says nothing that no test has seen.

use std::ops::RangeInclusive;

const PAGE: &str = include_str!("../../docs/STORES.md");

/// The points of the contract.
pub const POINTS: RangeInclusive<u8> = 1..=12;

/// Whether the engine of this column is said to keep this point.
///
/// # Panics
/// When the table has no such column or point, or says neither yes nor no.
pub fn holds(column: &str, point: u8) -> bool {
    let mut rows = PAGE.lines().filter_map(cells);
    let head = rows.find(|row| row[0] == "point").expect("the table");
    let at = head.iter().position(|name| *name == column);
    let at = at.unwrap_or_else(|| panic!("the table has no column {column:?}"));
    let is_of_point = |row: &Vec<&str>| row[0].split(' ').next() == Some(&point.to_string());
    let row = rows.find(is_of_point);
    match row.as_ref().and_then(|row| row.get(at)) {
        Some(&"yes") => true,
        Some(&"no") => false,
        other => panic!("point {point} of {column:?} is {other:?}"),
    }
}

/// What stands between the bars of a line of a table.
fn cells(line: &str) -> Option<Vec<&str>> {
    let line = line.strip_prefix('|')?.strip_suffix('|')?;
    Some(line.split('|').map(str::trim).collect())
}
