//! `Max-Age` and `Expires` together, and deletions.

use crate::{Case, hold};

pub const CASES: &[Case] = &[
    (
        "without either it lives as long as the session",
        &[("/", b"a=1")],
        &[("+99999999 /", b"a=1")],
    ),
    (
        "Max-Age is counted from when it came",
        &[("+100 /", b"a=1; Max-Age=60")],
        &[("+159 /", b"a=1"), ("+160 /", b"")],
    ),
    (
        "one second is one second",
        &[("/", b"a=1; Max-Age=1")],
        &[("/", b"a=1"), ("+1 /", b"")],
    ),
    (
        "Max-Age has no case",
        &[("/", b"a=1; MAX-AGE=60")],
        &[("+60 /", b"")],
    ),
    (
        "zeros in front do not count",
        &[("/", b"a=1; Max-Age=0060")],
        &[("+59 /", b"a=1"), ("+60 /", b"")],
    ),
    // Which one counts.
    (
        "Max-Age beats Expires",
        &[(
            "/",
            b"a=1; Max-Age=60; Expires=Fri, 15 Jan 2027 09:00:00 GMT",
        )],
        &[("+59 /", b"a=1"), ("+60 /", b"")],
    ),
    (
        "in any order",
        &[(
            "/",
            b"a=1; Expires=Fri, 15 Jan 2027 09:00:00 GMT; Max-Age=60",
        )],
        &[("+59 /", b"a=1"), ("+60 /", b"")],
    ),
    (
        "also if it is later",
        &[(
            "/",
            b"a=1; Max-Age=7200; Expires=Fri, 15 Jan 2027 09:00:00 GMT",
        )],
        &[("+7199 /", b"a=1"), ("+7200 /", b"")],
    ),
    (
        "also if Expires would delete",
        &[(
            "/",
            b"a=1; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
        )],
        &[("/", b"a=1"), ("+60 /", b"")],
    ),
    (
        "also if it deletes itself",
        &[(
            "/",
            b"a=1; Max-Age=0; Expires=Fri, 15 Jan 2027 09:00:00 GMT",
        )],
        &[("/", b"")],
    ),
    (
        "but not if it is none",
        &[(
            "/",
            b"a=1; Max-Age=x; Expires=Fri, 15 Jan 2027 09:00:00 GMT",
        )],
        &[("+3599 /", b"a=1"), ("+3600 /", b"")],
    ),
    (
        "the last Max-Age counts",
        &[("/", b"a=1; Max-Age=600; Max-Age=60")],
        &[("+60 /", b"")],
    ),
    (
        "also if it is later",
        &[("/", b"a=1; Max-Age=60; Max-Age=600")],
        &[("+599 /", b"a=1"), ("+600 /", b"")],
    ),
    (
        "the last Expires counts",
        &[(
            "/",
            b"a=1; Expires=Fri, 15 Jan 2027 10:00:00 GMT; Expires=Fri, 15 Jan 2027 09:00:00 GMT",
        )],
        &[("+3599 /", b"a=1"), ("+3600 /", b"")],
    ),
    (
        "one that cannot be read does not undo one that can",
        &[("/", b"a=1; Max-Age=60; Max-Age=x")],
        &[("+60 /", b"")],
    ),
    (
        "nor for Expires",
        &[(
            "/",
            b"a=1; Expires=Fri, 15 Jan 2027 09:00:00 GMT; Expires=never",
        )],
        &[("+3600 /", b"")],
    ),
    // What is no number.
    (
        "an empty Max-Age is none",
        &[("/", b"a=1; Max-Age=")],
        &[("+99 /", b"a=1")],
    ),
    (
        "nor is one without =",
        &[("/", b"a=1; Max-Age")],
        &[("+99 /", b"a=1")],
    ),
    (
        "nor a word",
        &[("/", b"a=1; Max-Age=forever")],
        &[("+99 /", b"a=1")],
    ),
    (
        "nor with a plus",
        &[("/", b"a=1; Max-Age=+0")],
        &[("+99 /", b"a=1")],
    ),
    (
        "nor a fraction",
        &[("/", b"a=1; Max-Age=0.5")],
        &[("+99 /", b"a=1")],
    ),
    (
        "nor with a unit",
        &[("/", b"a=1; Max-Age=0s")],
        &[("+99 /", b"a=1")],
    ),
    (
        "nor quoted",
        &[("/", b"a=1; Max-Age=\"0\"")],
        &[("+99 /", b"a=1")],
    ),
    (
        "nor hexadecimal",
        &[("/", b"a=1; Max-Age=0x0")],
        &[("+99 /", b"a=1")],
    ),
    (
        "nor a minus alone",
        &[("/", b"a=1; Max-Age=-")],
        &[("+99 /", b"a=1")],
    ),
    (
        "nor with a minus within",
        &[("/", b"a=1; Max-Age=0-0")],
        &[("+99 /", b"a=1")],
    ),
    (
        "nor with two",
        &[("/", b"a=1; Max-Age=--1")],
        &[("+99 /", b"a=1")],
    ),
    (
        "nor with a space within",
        &[("/", b"a=1; Max-Age=0 0")],
        &[("+99 /", b"a=1")],
    ),
    // No cookie is for more than 400 days.
    (
        "400 days are the most",
        &[("/", b"a=1; Max-Age=99999999")],
        &[("+34559999 /", b"a=1"), ("+34560000 /", b"")],
    ),
    (
        "also past what a machine can count",
        &[("/", b"a=1; Max-Age=99999999999999999999999")],
        &[("+34559999 /", b"a=1"), ("+34560000 /", b"")],
    ),
    (
        "also for Expires",
        &[("/", b"a=1; Expires=Fri, 31 Dec 9999 23:59:59 GMT")],
        &[("+34559999 /", b"a=1"), ("+34560000 /", b"")],
    ),
    // Deletions.
    (
        "Max-Age=0 deletes",
        &[("/", b"a=1"), ("/", b"a=; Max-Age=0")],
        &[("/", b"")],
    ),
    (
        "whatever the value",
        &[("/", b"a=1"), ("/", b"a=2; Max-Age=0")],
        &[("/", b"")],
    ),
    (
        "a negative one too",
        &[("/", b"a=1"), ("/", b"a=; Max-Age=-1")],
        &[("/", b"")],
    ),
    (
        "a very negative one too",
        &[
            ("/", b"a=1"),
            ("/", b"a=; Max-Age=-99999999999999999999999"),
        ],
        &[("/", b"")],
    ),
    (
        "minus zero too",
        &[("/", b"a=1"), ("/", b"a=; Max-Age=-0")],
        &[("/", b"")],
    ),
    (
        "a past date deletes",
        &[
            ("/", b"a=1"),
            ("/", b"a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT"),
        ],
        &[("/", b"")],
    ),
    (
        "a date of now deletes",
        &[
            ("/", b"a=1"),
            ("/", b"a=2; Expires=Fri, 15 Jan 2027 08:00:00 GMT"),
        ],
        &[("/", b"")],
    ),
    (
        "a date one second on does not",
        &[
            ("/", b"a=1"),
            ("/", b"a=2; Expires=Fri, 15 Jan 2027 08:00:01 GMT"),
        ],
        &[("/", b"a=2"), ("+1 /", b"")],
    ),
    (
        "a deletion of what is not there is nothing",
        &[("/", b"a=; Max-Age=0")],
        &[("/", b"")],
    ),
    (
        "a deletion takes its own alone",
        &[("/", b"a=1"), ("/", b"b=2"), ("/", b"a=; Max-Age=0")],
        &[("/", b"b=2")],
    ),
    (
        "names have case in deletions too",
        &[("/", b"a=1"), ("/", b"A=; Max-Age=0")],
        &[("/", b"a=1")],
    ),
    (
        "what was deleted can be set again",
        &[("/", b"a=1"), ("/", b"a=; Max-Age=0"), ("/", b"a=2")],
        &[("/", b"a=2")],
    ),
    (
        "an end may be taken back",
        &[("/", b"a=1; Max-Age=60"), ("/", b"a=2")],
        &[("+99 /", b"a=2")],
    ),
    (
        "an end may be put off",
        &[("/", b"a=1; Max-Age=60"), ("+59 /", b"a=1; Max-Age=60")],
        &[("+118 /", b"a=1"), ("+119 /", b"")],
    ),
    (
        "an end may be brought forward",
        &[("/", b"a=1; Max-Age=600"), ("/", b"a=1; Max-Age=60")],
        &[("+60 /", b"")],
    ),
];

#[test]
fn a_cookie_ends_when_the_app_said() {
    hold(CASES);
}
