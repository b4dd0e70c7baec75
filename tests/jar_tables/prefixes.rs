//! Name prefixes: what they promise is kept, in any case of letters, or the cookie is refused.

use crate::{Case, hold};

const HOST: &str = "http://shop.example.com/";

pub const CASES: &[Case] = &[
    (
        "__Secure- needs Secure",
        &[("/", b"__Secure-a=1")],
        &[("/", b"")],
    ),
    (
        "and nothing else",
        &[("/x/y", b"__Secure-a=1; Secure")],
        &[("/x/", b"__Secure-a=1")],
    ),
    (
        "it may have a Domain",
        &[(HOST, b"__Secure-a=1; Secure; Domain=example.com")],
        &[("http://example.com/", b"__Secure-a=1")],
    ),
    (
        "__Host- with all it needs",
        &[("/", b"__Host-a=1; Secure; Path=/")],
        &[("/", b"__Host-a=1"), ("/x/y", b"__Host-a=1")],
    ),
    (
        "also when set from within",
        &[("/x/y", b"__Host-a=1; Path=/; Secure")],
        &[("/", b"__Host-a=1")],
    ),
    (
        "__Host- needs Secure",
        &[("/", b"__Host-a=1; Path=/")],
        &[("/", b"")],
    ),
    (
        "__Host- needs a Path, even at the root",
        &[("/", b"__Host-a=1; Secure")],
        &[("/", b"")],
    ),
    (
        "__Host- needs the Path /",
        &[("/", b"__Host-a=1; Secure; Path=/x")],
        &[("/", b""), ("/x", b"")],
    ),
    (
        "an empty Path will not do",
        &[("/", b"__Host-a=1; Secure; Path=")],
        &[("/", b"")],
    ),
    (
        "// is not /",
        &[("/", b"__Host-a=1; Secure; Path=//")],
        &[("//", b"")],
    ),
    (
        "the last Path counts",
        &[("/", b"__Host-a=1; Secure; Path=/; Path=/x")],
        &[("/x", b"")],
    ),
    (
        "also to the good",
        &[("/", b"__Host-a=1; Secure; Path=/x; Path=/")],
        &[("/", b"__Host-a=1")],
    ),
    (
        "__Host- forbids a Domain",
        &[(HOST, b"__Host-a=1; Secure; Path=/; Domain=example.com")],
        &[(HOST, b"")],
    ),
    (
        "also the host's own",
        &[(HOST, b"__Host-a=1; Secure; Path=/; Domain=shop.example.com")],
        &[(HOST, b"")],
    ),
    (
        "an empty Domain is none",
        &[(HOST, b"__Host-a=1; Secure; Path=/; Domain=")],
        &[(HOST, b"__Host-a=1")],
    ),
    (
        "__Http- needs Secure",
        &[("/", b"__Http-a=1; HttpOnly")],
        &[("/", b"")],
    ),
    (
        "__Http- needs HttpOnly",
        &[("/", b"__Http-a=1; Secure")],
        &[("/", b"")],
    ),
    (
        "__Http- with both",
        &[("/", b"__Http-a=1; Secure; HttpOnly")],
        &[("/", b"__Http-a=1")],
    ),
    (
        "__Host-Http- with all",
        &[("/", b"__Host-Http-a=1; Secure; HttpOnly; Path=/")],
        &[("/", b"__Host-Http-a=1")],
    ),
    (
        "__Host-Http- needs HttpOnly",
        &[("/", b"__Host-Http-a=1; Secure; Path=/")],
        &[("/", b"")],
    ),
    (
        "__Host-Http- needs the Path /",
        &[("/", b"__Host-Http-a=1; Secure; HttpOnly")],
        &[("/", b"")],
    ),
    // In any case, because servers fold it.
    ("__HOST- is __Host-", &[("/", b"__HOST-a=1")], &[("/", b"")]),
    (
        "__host- is __Host-",
        &[("/", b"__host-a=1; Secure")],
        &[("/", b"")],
    ),
    (
        "__sEcUrE- is __Secure-",
        &[("/", b"__sEcUrE-a=1")],
        &[("/", b"")],
    ),
    (
        "__HTTP- is __Http-",
        &[("/", b"__HTTP-a=1; Secure")],
        &[("/", b"")],
    ),
    (
        "__HoSt-HtTp- is __Host-Http-",
        &[("/", b"__HoSt-HtTp-a=1; Secure; Path=/")],
        &[("/", b"")],
    ),
    (
        "a kept one keeps its case",
        &[("/", b"__SECURE-a=1; Secure")],
        &[("/", b"__SECURE-a=1")],
    ),
    (
        "the prefix alone is one",
        &[("/", b"__Secure-=1")],
        &[("/", b"")],
    ),
    (
        "also with all it needs",
        &[("/", b"__Secure-=1; Secure")],
        &[("/", b"__Secure-=1")],
    ),
    // What only looks like one.
    (
        "one underscore is none",
        &[("/", b"_Host-a=1")],
        &[("/", b"_Host-a=1")],
    ),
    (
        "three are none",
        &[("/", b"___Host-a=1")],
        &[("/", b"___Host-a=1")],
    ),
    (
        "without a dash it is none",
        &[("/", b"__Host=1"), ("/", b"__Secure_a=1")],
        &[("/", b"__Host=1; __Secure_a=1")],
    ),
    (
        "in the middle it is none",
        &[("/", b"a__Host-a=1")],
        &[("/", b"a__Host-a=1")],
    ),
    (
        "in a value it is none",
        &[("/", b"a=__Host-a=1")],
        &[("/", b"a=__Host-a=1")],
    ),
    (
        "space in front does not hide it",
        &[("/", b" \t__Host-a=1")],
        &[("/", b"")],
    ),
    // Nameless ones, which a server reads as pairs.
    (
        "a nameless disguise of __Host- is refused",
        &[("/", b"=__Host-a=1")],
        &[("/", b"")],
    ),
    (
        "even with all that the name would need",
        &[("/", b"=__Host-a=1; Secure; Path=/")],
        &[("/", b"")],
    ),
    (
        "a nameless disguise of __Secure- is refused",
        &[("/", b"=__Secure-a=1; Secure")],
        &[("/", b"")],
    ),
    ("also without =", &[("/", b"__Secure-a")], &[("/", b"")]),
    ("also in any case", &[("/", b"=__hOsT-a=1")], &[("/", b"")]),
    (
        "also with space in between",
        &[("/", b" = \t__Host-a=1")],
        &[("/", b"")],
    ),
    (
        "also of __Http-",
        &[("/", b"=__Http-a=1; Secure; HttpOnly")],
        &[("/", b"")],
    ),
    (
        "it takes nothing's place",
        &[("/", b"__Host-a=1; Secure; Path=/"), ("/", b"=__Host-a=2")],
        &[("/", b"__Host-a=1")],
    ),
    (
        "a second = makes it another value",
        &[("/", b"==__Host-a=1")],
        &[("/", b"=__Host-a=1")],
    ),
    // A refused one leaves what is there.
    (
        "what breaks its promise deletes nothing",
        &[
            ("/", b"__Host-a=1; Secure; Path=/"),
            ("/", b"__Host-a=; Max-Age=0; Path=/"),
        ],
        &[("/", b"__Host-a=1")],
    ),
    (
        "what keeps it does",
        &[
            ("/", b"__Host-a=1; Secure; Path=/"),
            ("/", b"__Host-a=; Max-Age=0; Path=/; Secure"),
        ],
        &[("/", b"")],
    ),
    // Stricter than a browser: our own name is nobody's, whatever it says.
    (
        "our own name is refused",
        &[("/", b"__Host-session=1; Secure; Path=/")],
        &[("/", b"")],
    ),
    (
        "in any case",
        &[("/", b"__host-SESSION=1; Secure; Path=/")],
        &[("/", b"")],
    ),
    ("nameless", &[("/", b"=__Host-session=1")], &[("/", b"")]),
    (
        "behind more than one =",
        &[("/", b"==__Host-session=1")],
        &[("/", b"")],
    ),
    (
        "in the place of an attribute",
        &[("/", b"a=1; __Host-session=1")],
        &[("/", b"")],
    ),
    (
        "behind a space that is none",
        &[("/", b"\xe2\x80\x80__Host-session=1")],
        &[("/", b"")],
    ),
    (
        "a longer name is not ours",
        &[("/", b"__Host-sessions=1; Secure; Path=/")],
        &[("/", b"__Host-sessions=1")],
    ),
];

#[test]
fn a_prefix_keeps_its_promise_or_is_refused() {
    hold(CASES);
}
