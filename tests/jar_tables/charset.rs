//! Bytes past ASCII: nothing is decoded, trimmed or put together, and what went in comes out.

use crate::{Case, hold};

pub const CASES: &[Case] = &[
    (
        "UTF-8 survives in a value",
        &[("/", b"a=J\xc3\xb6rg")],
        &[("/", b"a=J\xc3\xb6rg")],
    ),
    (
        "Latin-1 survives in a value",
        &[("/", b"a=J\xf6rg")],
        &[("/", b"a=J\xf6rg")],
    ),
    (
        "UTF-8 survives in a name",
        &[("/", b"\xc3\xb6=1")],
        &[("/", b"\xc3\xb6=1")],
    ),
    (
        "Latin-1 survives in a name",
        &[("/", b"\xf6=1")],
        &[("/", b"\xf6=1")],
    ),
    (
        "both spellings of one letter are two names",
        &[("/", b"\xc3\xb6=1"), ("/", b"\xf6=2")],
        &[("/", b"\xc3\xb6=1; \xf6=2")],
    ),
    (
        "four bytes of UTF-8 survive",
        &[("/", b"a=\xf0\x9f\x8d\xaa")],
        &[("/", b"a=\xf0\x9f\x8d\xaa")],
    ),
    (
        "what is no UTF-8 at all survives",
        &[("/", b"a=\xff\xfe\xc3")],
        &[("/", b"a=\xff\xfe\xc3")],
    ),
    (
        "an overlong slash is no slash",
        &[("/", b"a=\xc0\xaf")],
        &[("/", b"a=\xc0\xaf")],
    ),
    (
        "Shift JIS with a backslash in it survives",
        &[("/", b"a=\x83\x5c\x83\x82")],
        &[("/", b"a=\x83\x5c\x83\x82")],
    ),
    (
        "a byte order mark is part of the name",
        &[("/", b"\xef\xbb\xbfa=1")],
        &[("/", b"\xef\xbb\xbfa=1")],
    ),
    (
        "a no-break space is not trimmed",
        &[("/", b"\xa0a\xa0=\xa01\xa0")],
        &[("/", b"\xa0a\xa0=\xa01\xa0")],
    ),
    (
        "nor is one in UTF-8",
        &[("/", b"\xc2\xa0a=1\xc2\xa0")],
        &[("/", b"\xc2\xa0a=1\xc2\xa0")],
    ),
    (
        "nor is an em quad",
        &[("/", b"\xe2\x80\x80a=1")],
        &[("/", b"\xe2\x80\x80a=1")],
    ),
    (
        "nor is an ideographic space",
        &[("/", b"a=1\xe3\x80\x80")],
        &[("/", b"a=1\xe3\x80\x80")],
    ),
    (
        "nor is NEL",
        &[("/", b"\x85a=1\x85")],
        &[("/", b"\x85a=1\x85")],
    ),
    (
        "a fullwidth = is no =",
        &[("/", b"a\xef\xbc\x9db=1")],
        &[("/", b"a\xef\xbc\x9db=1")],
    ),
    (
        "a fullwidth ; is no ;",
        &[("/", b"a=1\xef\xbc\x9bb")],
        &[("/", b"a=1\xef\xbc\x9bb")],
    ),
    (
        "a Greek question mark is no ;",
        &[("/", b"a=1\xcd\xbeb")],
        &[("/", b"a=1\xcd\xbeb")],
    ),
    (
        "a percent sign means itself",
        &[("/", b"a=%41%zz%")],
        &[("/", b"a=%41%zz%")],
    ),
    (
        "also in a name",
        &[("/", b"%61=1"), ("/", b"a=2")],
        &[("/", b"%61=1; a=2")],
    ),
    (
        "a plus means itself",
        &[("/", b"a=1+2")],
        &[("/", b"a=1+2")],
    ),
    (
        "an attribute's name is ASCII",
        &[("/", b"a=1; P\xc3\xa4th=/x")],
        &[("/", b"a=1")],
    ),
    (
        "the long s is no s",
        &[("/", b"__Secure-a=1; \xc5\xbfecure")],
        &[("/", b"")],
    ),
    (
        "a dotless i is no i",
        &[("/", b"a=1; Doma\xc4\xb1n=example.com")],
        &[("http://example.com/", b""), ("/", b"a=1")],
    ),
    (
        "a Domain past ASCII is refused",
        &[(
            "http://b.xn--bcher-kva.example/",
            b"a=1; Domain=b\xc3\xbccher.example",
        )],
        &[("http://b.xn--bcher-kva.example/", b"")],
    ),
    (
        "its ASCII form is taken",
        &[(
            "http://b.xn--bcher-kva.example/",
            b"a=1; Domain=xn--bcher-kva.example",
        )],
        &[("http://xn--bcher-kva.example/", b"a=1")],
    ),
    (
        "a Path in UTF-8 matches itself",
        &[("/", b"a=1; Path=/\xc3\xb6")],
        &[("/\u{f6}", b"a=1")],
    ),
    (
        "and not its escaped spelling",
        &[("/", b"a=1; Path=/\xc3\xb6")],
        &[("/%C3%B6", b"")],
    ),
    // A browser would take it; no request that reaches an app has such a path.
    (
        "a Path that is no text is refused",
        &[("/", b"a=1; Path=/\xf6")],
        &[("/", b"")],
    ),
];

#[test]
fn bytes_past_ascii_come_back_as_they_went() {
    hold(CASES);
}
