//! The table of `docs/STORES.md`: which engine is said to keep which point of the consistency contract. The suites that
//! prove it read it here, so that it says nothing that no test has seen; and which points they ask for can be read too.

use std::ops::RangeInclusive;

const PAGE: &str = include_str!("../../docs/STORES.md");

/// The points of the contract.
pub const POINTS: RangeInclusive<u8> = 1..=12;

/// How much of a point an engine is said to keep.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kept {
    Wholly,
    InPart,
    Not,
}

/// Whether the engine of this column is said to keep this point, and all of it.
pub fn holds(column: &str, point: u8) -> bool {
    kept(column, point) == Kept::Wholly
}

/// How much of this point the engine of this column is said to keep.
///
/// # Panics
/// When the table has no such column or point, or says neither yes nor no nor in part what.
pub fn kept(column: &str, point: u8) -> Kept {
    let mut rows = PAGE.lines().filter_map(cells);
    let head = rows.find(|row| row[0] == "point").expect("the table");
    let at = head.iter().position(|name| *name == column);
    let at = at.unwrap_or_else(|| panic!("the table has no column {column:?}"));
    let is_of_point = |row: &Vec<&str>| row[0].split(' ').next() == Some(&point.to_string());
    let row = rows.find(is_of_point);
    match row.as_ref().and_then(|row| row.get(at)) {
        Some(&"yes") => Kept::Wholly,
        Some(&"no") => Kept::Not,
        Some(cell) if cell.starts_with("in part: ") => Kept::InPart,
        other => panic!("point {point} of {column:?} is {other:?}"),
    }
}

/// What stands between the bars of a line of a table.
fn cells(line: &str) -> Option<Vec<&str>> {
    let line = line.strip_prefix('|')?.strip_suffix('|')?;
    Some(line.split('|').map(str::trim).collect())
}

/// Whether `text` has `point` among the numbers that follow `before`.
pub fn names(text: &str, before: &str, point: u8) -> bool {
    let lists = text.split(before).skip(1);
    let mut numbers = lists.flat_map(|rest| {
        let end = rest.find([']', ')']).unwrap_or(0);
        let list = rest[..end].split(" SECURITY").next().unwrap_or_default();
        list.split(|c: char| !c.is_ascii_digit())
    });
    numbers.any(|number| number == point.to_string())
}
