//! Attributes: their names in any case and any space, unknown ones, repeated ones, and what only looks like one.
//!
//! `Secure` and `HttpOnly` show in what a name prefix is worth.

use crate::{Case, Jar, hold};

pub const CASES: &[Case] = &[
    (
        "an attribute has no case",
        &[("/", b"__Secure-a=1; SECURE")],
        &[("/", b"__Secure-a=1")],
    ),
    (
        "nor when mixed",
        &[("/", b"__Secure-a=1; sEcUrE")],
        &[("/", b"__Secure-a=1")],
    ),
    (
        "no space is needed before one",
        &[("/", b"__Secure-a=1;Secure")],
        &[("/", b"__Secure-a=1")],
    ),
    (
        "spaces around one do not count",
        &[("/", b"__Secure-a=1 ;  Secure  ")],
        &[("/", b"__Secure-a=1")],
    ),
    (
        "nor do tabs",
        &[("/", b"__Secure-a=1\t;\tSecure\t")],
        &[("/", b"__Secure-a=1")],
    ),
    (
        "empty attributes are none",
        &[("/", b"__Secure-a=1;;; ; Secure;;")],
        &[("/", b"__Secure-a=1")],
    ),
    (
        "Secure with a value is Secure",
        &[("/", b"__Secure-a=1; Secure=false")],
        &[("/", b"__Secure-a=1")],
    ),
    (
        "Secure with an empty value too",
        &[("/", b"__Secure-a=1; Secure=")],
        &[("/", b"__Secure-a=1")],
    ),
    (
        "and with a gap before the sign",
        &[("/", b"__Secure-a=1; Secure =no")],
        &[("/", b"__Secure-a=1")],
    ),
    (
        "Secure twice is Secure once",
        &[("/", b"__Secure-a=1; Secure; Secure")],
        &[("/", b"__Secure-a=1")],
    ),
    (
        "half a word is not Secure",
        &[("/", b"__Secure-a=1; Secur")],
        &[("/", b"")],
    ),
    (
        "a longer word is not Secure",
        &[("/", b"__Secure-a=1; Secured")],
        &[("/", b"")],
    ),
    (
        "a quoted word is not Secure",
        &[("/", b"__Secure-a=1; \"Secure\"")],
        &[("/", b"")],
    ),
    (
        "a word with a dash is not Secure",
        &[("/", b"__Secure-a=1; -Secure")],
        &[("/", b"")],
    ),
    (
        "a value is not an attribute",
        &[("/", b"__Secure-a=1; =Secure")],
        &[("/", b"")],
    ),
    (
        "a comma makes no attribute",
        &[("/", b"__Secure-a=1, Secure")],
        &[("/", b"")],
    ),
    (
        "a space makes no attribute",
        &[("/", b"__Secure-a=1 Secure")],
        &[("/", b"")],
    ),
    (
        "an attribute before the pair is none",
        &[("/", b"Secure; __Secure-a=1")],
        &[("/", b"Secure")],
    ),
    (
        "Secure does not tell two cookies apart",
        &[("/", b"a=1; Secure"), ("/", b"a=2")],
        &[("/", b"a=2")],
    ),
    (
        "HttpOnly has no case",
        &[("/", b"__Http-a=1; secure; httponly")],
        &[("/", b"__Http-a=1")],
    ),
    (
        "HttpOnly with a value is HttpOnly",
        &[("/", b"__Http-a=1; Secure; HttpOnly=0")],
        &[("/", b"__Http-a=1")],
    ),
    (
        "Http Only is not HttpOnly",
        &[("/", b"__Http-a=1; Secure; Http Only")],
        &[("/", b"")],
    ),
    (
        "Http-Only is not HttpOnly",
        &[("/", b"__Http-a=1; Secure; Http-Only")],
        &[("/", b"")],
    ),
    (
        "HttpOnly does not hide a cookie from the app",
        &[("/", b"a=1; HttpOnly")],
        &[("/", b"a=1")],
    ),
    (
        "an attribute nobody knows is nothing",
        &[("/", b"a=1; Priority=High; Wow")],
        &[("/", b"a=1")],
    ),
    (
        "attributes of RFC 2109 are nothing",
        &[("/", b"a=1; Version=1; Comment=\"x\"")],
        &[("/", b"a=1")],
    ),
    (
        "Port of RFC 2965 is nothing",
        &[("/", b"a=1; Port=\"80\"; Discard")],
        &[("/", b"a=1")],
    ),
    (
        "Partitioned changes nothing in a jar of one",
        &[("/", b"a=1; Secure; Partitioned")],
        &[("/", b"a=1")],
    ),
    (
        "an attribute without a name is nothing",
        &[("/", b"a=1; =; ==; = =")],
        &[("/", b"a=1")],
    ),
    (
        "the cookie's own name is no attribute",
        &[("/", b"a=1; a=2")],
        &[("/", b"a=1")],
    ),
    (
        "nor is another pair",
        &[("/", b"a=1; b=2")],
        &[("/", b"a=1")],
    ),
    (
        "the first = ends an attribute's name",
        &[("/", b"a=1; Path=/x=y")],
        &[("/", b""), ("/x=y", b"a=1")],
    ),
    (
        "space around an attribute's value does not count",
        &[("/", b"a=1; Path\t= \t/x\t ")],
        &[("/", b""), ("/x", b"a=1")],
    ),
    (
        "space within one does",
        &[("/", b"a=1; Path=/x y")],
        &[("/x", b"")],
    ),
    (
        "the last of several Paths counts",
        &[("/", b"a=1; Path=/x; Path=/y")],
        &[("/x", b""), ("/y", b"a=1")],
    ),
    (
        "also if it is worse",
        &[("/z/", b"a=1; Path=/x; Path=y")],
        &[("/x", b""), ("/z/", b"a=1")],
    ),
    (
        "also if it is empty",
        &[("/z/", b"a=1; Path=/x; Path=")],
        &[("/x", b""), ("/z/", b"a=1")],
    ),
    (
        "in any case",
        &[("/", b"a=1; path=/x; PATH=/y")],
        &[("/x", b""), ("/y", b"a=1")],
    ),
    (
        "one line sets one cookie",
        &[("/", b"a=1; Set-Cookie: b=2")],
        &[("/", b"a=1")],
    ),
];

#[test]
fn attributes_are_read_as_browsers_read_them() {
    hold(CASES);
}

/// Promise: the bound of 1024 bytes for an attribute's value is held to the byte.
#[test]
fn an_attribute_past_1024_bytes_is_as_good_as_absent() {
    let path = |bytes: usize| format!("/{}", "x".repeat(bytes - 1));
    let mut jar = Jar::new();
    jar.set("/", format!("fits=1; Path={}", path(1024)).as_bytes());
    jar.set("/", format!("long=1; Path={}", path(1025)).as_bytes());
    jar.set(
        "/",
        format!("kept=1; Path=/k; Path={}", path(1025)).as_bytes(),
    );
    jar.set(
        "/",
        format!("__Secure-a=1; Secure={}", path(1025)).as_bytes(),
    );
    assert_eq!(jar.cookie("/"), b"long=1");
    assert_eq!(jar.cookie("/k"), b"kept=1; long=1");
    assert_eq!(jar.cookie(&path(1024)), b"fits=1; long=1");
}
