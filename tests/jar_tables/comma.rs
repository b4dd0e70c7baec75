//! Commas: RFC 2109 folded several cookies into one line with them, and browsers never followed.

use crate::{Case, hold};

pub const CASES: &[Case] = &[
    (
        "a comma is part of a value",
        &[("/", b"a=1,2")],
        &[("/", b"a=1,2")],
    ),
    (
        "also before a space",
        &[("/", b"a=1, 2")],
        &[("/", b"a=1, 2")],
    ),
    (
        "what looks like a second cookie is none",
        &[("/", b"a=1,b=2")],
        &[("/", b"a=1,b=2")],
    ),
    (
        "nor with a space",
        &[("/", b"a=1, b=2")],
        &[("/", b"a=1, b=2")],
    ),
    (
        "a semicolon ends it all the same",
        &[("/", b"a=1, b=2; c=3")],
        &[("/", b"a=1, b=2")],
    ),
    (
        "a comma in front belongs to the name",
        &[("/", b",a=1")],
        &[("/", b",a=1")],
    ),
    (
        "a comma within belongs to the name",
        &[("/", b"a,b=1")],
        &[("/", b"a,b=1")],
    ),
    ("a comma alone is a value", &[("/", b",")], &[("/", b",")]),
    ("a comma may be a name", &[("/", b",=1")], &[("/", b",=1")]),
    (
        "a comma may end a value",
        &[("/", b"a=1,")],
        &[("/", b"a=1,")],
    ),
    (
        "a comma does not end an attribute",
        &[("/", b"a=1; Path=/x, b=2")],
        &[("/x", b""), ("/", b"")],
    ),
    (
        "nor Domain, which then covers nothing",
        &[("/", b"a=1; Domain=example.com, b=2")],
        &[("/", b"")],
    ),
    (
        "nor Max-Age, which then is no number",
        &[("/", b"a=1; Max-Age=0, b=2")],
        &[("/", b"a=1")],
    ),
    (
        "nor Secure, which then is another word",
        &[("/", b"__Secure-a=1; Secure, b=2")],
        &[("/", b"")],
    ),
    (
        "the comma of a date stays in the date",
        &[("/", b"a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT")],
        &[("/", b"")],
    ),
    (
        "quotes around commas mean nothing",
        &[("/", b"a=\"1, 2\"")],
        &[("/", b"a=\"1, 2\"")],
    ),
    (
        "two lines are two cookies",
        &[("/", b"a=1"), ("/", b"b=2")],
        &[("/", b"a=1; b=2")],
    ),
    // A browser would take these. Readers of old could find our cookie in them.
    (
        "what could be our name after a comma is refused",
        &[("/", b"a=1, __Host-session=x")],
        &[("/", b"")],
    ),
    (
        "in any case and without a space",
        &[("/", b"a=1,__HOST-SESSION=x")],
        &[("/", b"")],
    ),
];

#[test]
fn a_comma_is_a_byte_like_others() {
    hold(CASES);
}
