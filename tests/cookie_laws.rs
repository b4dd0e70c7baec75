//! The laws of the cookie rules (`fuzz/laws`), held against inputs that are put together from what is odd in cookies.
//! The fuzz targets hold the same laws against what a fuzzer thinks of.

#[path = "../fuzz/laws/mod.rs"]
#[allow(dead_code, reason = "the laws are asked for as a whole")]
mod laws;

use proptest::prelude::*;

/// Pieces of what browsers send, of what attackers send, and now and then any byte at all.
fn input(pieces: &'static [&'static [u8]]) -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        12 => prop::sample::select(pieces).prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 1..3),
    ];
    (any::<u8>(), prop::collection::vec(piece, 0..24))
        .prop_map(|(choice, pieces)| [&[choice][..], &pieces.concat()].concat())
}

const COOKIE: &[&[u8]] = &[
    b"; ",
    b"; ",
    b"; ",
    b";",
    b"=",
    b"=",
    b" ",
    b"\t",
    b",",
    b", ",
    b"\"",
    b"\\",
    b"\n",
    b"__Host-session",
    b"__Host-session=",
    b"__HOST-SESSION=",
    b"__Host-session-owner=",
    b"-OWNER",
    b"theme",
    b"theme=",
    b"csrftoken=",
    b"wp-1=",
    b"wp-secret=",
    b"wp-",
    b"sessionid=",
    b"sessionid",
    b"cart=",
    b"cart={sealed}",
    b"cart=of-the-app",
    b"{sealed}",
    b"_ga=1",
    b"$Version=1",
    b"$",
    b"\xe2\x80\x80",
    b"\xc2\xa0",
    b"\xa0",
    b"\x85",
    b"\x1c",
    b"\0",
    b"%69",
    b"%20",
    b"%5B",
    b".",
    b"+",
    b"[",
    b"]",
    b"dark",
    b"a",
    b"b=",
    b"\xc3\xb6",
    b"secre%74=",
    b"\\073",
    b"_pref=",
    b"%00",
    b"%3D",
    b"]_pref=",
];

const SET_COOKIE: &[&[u8]] = &[
    b"; ",
    b"; ",
    b"; ",
    b";",
    b"=",
    b"=",
    b" ",
    b"\t",
    b",",
    b"\"",
    b"__Host-session",
    b"__HOST-SESSION",
    b"__Host-session-owner",
    b"-OWNER",
    b"__Host-",
    b"__Secure-",
    b"__Http-",
    b"__host-HTTP-",
    b"theme",
    b"csrftoken=",
    b"sessionid=",
    b"cart=",
    b"_ga=",
    b"a",
    b"b",
    b"Path=/",
    b"Path=",
    b"/deep",
    b"Domain=",
    b"Domain=example.com",
    b"Domain=.shop.example.com",
    b"Domain=com",
    b"Domain=A.shop.example.com",
    b"Secure",
    b"HttpOnly",
    b"SameSite=None",
    b"samesite=strict",
    b"SameSite=",
    b"Lax",
    b"Max-Age=",
    b"Max-Age=60",
    b"0",
    b"-",
    b"9999999999",
    b"Expires=",
    b"Thu, 01 Jan 1970 00:00:00 GMT",
    b"Fri, 31 Dec 2100 23:59:59 GMT",
    b"Priority=High",
    b"Partitioned",
    b"\xe2\x80\x80",
    b"\xa0",
    b"\xc3\xb6",
    b".",
];

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 4096,
        // What is found goes into the corpus of the fuzz target, where both see it.
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn whatever_a_browser_sends_the_laws_hold(input in input(COOKIE)) {
        laws::cookie_field::hold(&input);
    }

    #[test]
    fn whatever_an_app_sets_the_laws_hold(input in input(SET_COOKIE)) {
        laws::set_cookie::hold(&input);
    }

    #[test]
    fn of_any_bytes_too(input in prop::collection::vec(any::<u8>(), 0..64)) {
        laws::cookie_field::hold(&input);
        laws::set_cookie::hold(&input);
    }
}
