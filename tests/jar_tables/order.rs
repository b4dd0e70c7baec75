//! The order of a Cookie line: longer paths first, then what was there first. Some frameworks take the first of a name,
//! others the last.

use crate::{Case, hold};

pub const CASES: &[Case] = &[
    (
        "older first",
        &[("+1 /", b"a=1"), ("+2 /", b"b=2"), ("+3 /", b"c=3")],
        &[("+4 /", b"a=1; b=2; c=3")],
    ),
    (
        "whatever the names are",
        &[("+1 /", b"c=1"), ("+2 /", b"a=2"), ("+3 /", b"b=3")],
        &[("+4 /", b"c=1; a=2; b=3")],
    ),
    (
        "within one second: as they came",
        &[("/", b"c=1"), ("/", b"a=2"), ("/", b"b=3")],
        &[("/", b"c=1; a=2; b=3")],
    ),
    (
        "longer paths first",
        &[
            ("+1 /", b"a=1; Path=/"),
            ("+2 /", b"b=2; Path=/x"),
            ("+3 /", b"c=3; Path=/x/y"),
        ],
        &[("+4 /x/y", b"c=3; b=2; a=1")],
    ),
    (
        "also if they are older",
        &[
            ("+1 /", b"a=1; Path=/x/y"),
            ("+2 /", b"b=2; Path=/x"),
            ("+3 /", b"c=3; Path=/"),
        ],
        &[("+4 /x/y", b"a=1; b=2; c=3")],
    ),
    (
        "bytes are counted, not segments",
        &[("+1 /", b"a=1; Path=/x"), ("+2 /", b"b=2; Path=/x/")],
        &[("+3 /x/", b"b=2; a=1")],
    ),
    (
        "of one name too",
        &[("+1 /", b"a=1; Path=/"), ("+2 /", b"a=2; Path=/x")],
        &[("+3 /x", b"a=2; a=1")],
    ),
    (
        "a new value keeps the place",
        &[("+1 /", b"a=1"), ("+2 /", b"b=2"), ("+3 /", b"a=3")],
        &[("+4 /", b"a=3; b=2")],
    ),
    (
        "also with another end",
        &[
            ("+1 /", b"a=1"),
            ("+2 /", b"b=2"),
            ("+3 /", b"a=3; Max-Age=60"),
        ],
        &[("+4 /", b"a=3; b=2")],
    ),
    (
        "what was deleted begins anew",
        &[
            ("+1 /", b"a=1"),
            ("+2 /", b"b=2"),
            ("+3 /", b"a=; Max-Age=0"),
            ("+4 /", b"a=3"),
        ],
        &[("+5 /", b"b=2; a=3")],
    ),
    (
        "what ended begins anew",
        &[
            ("+1 /", b"a=1; Max-Age=2"),
            ("+2 /", b"b=2"),
            ("+9 /", b"a=3"),
        ],
        &[("+9 /", b"b=2; a=3")],
    ),
    (
        "domains do not matter",
        &[("+1 /", b"a=1"), ("+2 /", b"a=2; Domain=example.com")],
        &[("+3 /", b"a=1; a=2")],
    ),
    (
        "nor from the other side",
        &[("+1 /", b"a=2; Domain=example.com"), ("+2 /", b"a=1")],
        &[("+3 /", b"a=2; a=1")],
    ),
    (
        "what does not match leaves no gap",
        &[
            ("+1 /", b"a=1"),
            ("+2 /", b"b=2; Path=/x"),
            ("+3 /", b"c=3"),
        ],
        &[("+4 /", b"a=1; c=3")],
    ),
    (
        "a nameless one has its place too",
        &[("+1 /", b"a=1"), ("+2 /", b"=2"), ("+3 /", b"c=3")],
        &[("+4 /", b"a=1; 2; c=3")],
    ),
    (
        "a clock that went back does not reorder what is there",
        &[("+9 /", b"a=1"), ("+5 /", b"a=2"), ("+8 /", b"b=3")],
        &[("+9 /", b"b=3; a=2")],
    ),
];

#[test]
fn longer_paths_come_first_then_older_cookies() {
    hold(CASES);
}
