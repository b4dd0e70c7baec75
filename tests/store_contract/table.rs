//! The table of `docs/STORES.md` says of the four engines with a store that they keep everything, and each point of it
//! has a test that may find otherwise.

use crate::support::contract::{POINTS, holds, names};

/// The files that ask for engines by the points they keep.
const SUITE: &[&str] = &[
    include_str!("changes.rs"),
    include_str!("ends.rs"),
    include_str!("rotation.rs"),
    include_str!("clocks.rs"),
    include_str!("nodes.rs"),
];

/// What one store object cannot show: where whole gateways are asked, over every engine, by "(contract N)".
const ELSEWHERE: &[(u8, &str)] = &[
    (7, include_str!("../session_engine/crash.rs")),
    (8, include_str!("../session_engine/outages.rs")),
    (10, include_str!("../session_engine/ends.rs")),
    (11, include_str!("../session_engine/parallel.rs")),
];

#[test]
fn the_engines_with_a_store_are_said_to_keep_everything() {
    for column in ["memory", "sqlite", "redis", "postgres"] {
        for point in POINTS {
            assert!(holds(column, point), "{column} and point {point}");
        }
    }
}

#[test]
fn every_point_has_a_test() {
    for point in POINTS {
        let here = SUITE.iter().any(|text| names(text, "keeping(&[", point));
        let elsewhere = ELSEWHERE.iter().find(|(tested, _)| *tested == point);
        if let Some((_, text)) = elsewhere {
            assert!(names(text, "(contract ", point), "point {point}");
        }
        assert!(here || elsewhere.is_some(), "point {point}");
    }
}
