//! `SameSite` by kind of request, in both directions; and `Secure`, which an app behind plain http may say or not.
//!
//! `link` is a navigation from a foreign page, `form` one by POST, `image` a part that a foreign page loads.

use crate::{Case, hold};

pub const CASES: &[Case] = &[
    (
        "Strict goes with requests of its own site",
        &[("/", b"a=1; SameSite=Strict")],
        &[("/", b"a=1")],
    ),
    (
        "and with no foreign one",
        &[("/", b"a=1; SameSite=Strict")],
        &[("link /", b""), ("form /", b""), ("image /", b"")],
    ),
    (
        "Lax goes with a link too",
        &[("/", b"a=1; SameSite=Lax")],
        &[("/", b"a=1"), ("link /", b"a=1")],
    ),
    (
        "and with nothing else that is foreign",
        &[("/", b"a=1; SameSite=Lax")],
        &[("form /", b""), ("image /", b"")],
    ),
    (
        "None goes with all",
        &[("/", b"a=1; SameSite=None; Secure")],
        &[
            ("/", b"a=1"),
            ("link /", b"a=1"),
            ("form /", b"a=1"),
            ("image /", b"a=1"),
        ],
    ),
    (
        "nothing said is Lax",
        &[("/", b"a=1")],
        &[
            ("/", b"a=1"),
            ("link /", b"a=1"),
            ("form /", b""),
            ("image /", b""),
        ],
    ),
    (
        "an unknown word is Lax",
        &[("/", b"a=1; SameSite=Always; Secure")],
        &[("link /", b"a=1"), ("image /", b"")],
    ),
    (
        "an empty one is Lax",
        &[("/", b"a=1; SameSite=; Secure")],
        &[("link /", b"a=1"), ("image /", b"")],
    ),
    (
        "one without = is Lax",
        &[("/", b"a=1; SameSite; Secure")],
        &[("link /", b"a=1"), ("image /", b"")],
    ),
    (
        "a quoted one is Lax",
        &[("/", b"a=1; SameSite=\"None\"; Secure")],
        &[("image /", b"")],
    ),
    (
        "words have no case",
        &[
            ("/", b"a=1; SAMESITE=STRICT"),
            ("/", b"b=1; samesite=none; Secure"),
        ],
        &[("image /", b"b=1")],
    ),
    (
        "space around them does not count",
        &[("/", b"a=1; SameSite = \tNone ; Secure")],
        &[("image /", b"a=1")],
    ),
    (
        "the last counts",
        &[("/", b"a=1; SameSite=None; SameSite=Strict; Secure")],
        &[("link /", b"")],
    ),
    (
        "also to the looser",
        &[("/", b"a=1; SameSite=Strict; SameSite=None; Secure")],
        &[("image /", b"a=1")],
    ),
    (
        "also if nobody knows it",
        &[("/", b"a=1; SameSite=None; SameSite=Weird; Secure")],
        &[("link /", b"a=1"), ("image /", b"")],
    ),
    (
        "each cookie for itself",
        &[
            ("/", b"s=1; SameSite=Strict"),
            ("/", b"l=1; SameSite=Lax"),
            ("/", b"n=1; SameSite=None; Secure"),
            ("/", b"d=1"),
        ],
        &[
            ("/", b"s=1; l=1; n=1; d=1"),
            ("link /", b"l=1; n=1; d=1"),
            ("form /", b"n=1"),
            ("image /", b"n=1"),
        ],
    ),
    (
        "a new value brings its own",
        &[
            ("/", b"a=1; SameSite=Strict"),
            ("/", b"a=2; SameSite=None; Secure"),
        ],
        &[("image /", b"a=2")],
    ),
    (
        "it tells no two cookies apart",
        &[
            ("/", b"a=1; SameSite=None; Secure"),
            ("/", b"a=2; SameSite=Strict"),
        ],
        &[("/", b"a=2"), ("image /", b"")],
    ),
    // Who may set.
    (
        "a foreign part sets None alone",
        &[("image /", b"a=1; SameSite=None; Secure")],
        &[("/", b"a=1")],
    ),
    (
        "not Lax",
        &[("image /", b"a=1; SameSite=Lax")],
        &[("/", b"")],
    ),
    (
        "not Strict",
        &[("image /", b"a=1; SameSite=Strict")],
        &[("/", b"")],
    ),
    (
        "not one that says nothing",
        &[("image /", b"a=1")],
        &[("/", b"")],
    ),
    (
        "it replaces nothing",
        &[("/", b"a=1"), ("image /", b"a=2")],
        &[("/", b"a=1")],
    ),
    (
        "it deletes nothing",
        &[("/", b"a=1"), ("image /", b"a=; Max-Age=0")],
        &[("/", b"a=1")],
    ),
    (
        "a link sets all",
        &[
            ("link /", b"s=1; SameSite=Strict"),
            ("link /", b"l=1; SameSite=Lax"),
            ("link /", b"d=1"),
        ],
        &[("/", b"s=1; l=1; d=1")],
    ),
    (
        "so does a form",
        &[
            ("form /", b"s=1; SameSite=Strict"),
            ("form /", b"l=1; SameSite=Lax"),
            ("form /", b"d=1"),
        ],
        &[("/", b"s=1; l=1; d=1")],
    ),
    (
        "what a link set does not come with the next",
        &[("link /", b"a=1; SameSite=Strict")],
        &[("link /", b""), ("/", b"a=1")],
    ),
    (
        "a link may delete",
        &[
            ("/", b"a=1; SameSite=Strict"),
            ("link /", b"a=; Max-Age=0; SameSite=Strict"),
        ],
        &[("/", b"")],
    ),
    // Secure. All that the browser sends comes over https, whatever the app speaks.
    (
        "a plain http app may set Secure",
        &[("http://shop.example.com/", b"a=1; Secure")],
        &[("http://shop.example.com/", b"a=1")],
    ),
    (
        "also to an https page",
        &[("http://shop.example.com/", b"a=1; Secure")],
        &[("https://shop.example.com/", b"a=1")],
    ),
    (
        "schemes do not part cookies",
        &[
            ("https://shop.example.com/", b"a=1; Secure"),
            ("http://shop.example.com/", b"a=2"),
        ],
        &[("https://shop.example.com/", b"a=2")],
    ),
    (
        "a plain http app may set __Secure-",
        &[("http://shop.example.com/", b"__Secure-a=1; Secure")],
        &[("http://shop.example.com/", b"__Secure-a=1")],
    ),
    (
        "and __Host-",
        &[("http://shop.example.com/", b"__Host-a=1; Secure; Path=/")],
        &[("http://shop.example.com/", b"__Host-a=1")],
    ),
    (
        "what lacks Secure is kept as if it had it",
        &[("http://shop.example.com/", b"a=1")],
        &[("https://shop.example.com/", b"a=1")],
    ),
    // A browser would refuse it. What is kept never leaves https, so that it is as good as Secure, as a passed one is made.
    (
        "None without Secure is None",
        &[("/", b"a=1; SameSite=None")],
        &[("image /", b"a=1")],
    ),
];

#[test]
fn same_site_is_applied_by_the_kind_of_request() {
    hold(CASES);
}
