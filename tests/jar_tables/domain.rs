//! `Domain`: whom a cookie is for.

use crate::{Case, Jar, Taken, hold};
use cloakroom::cookie::set_cookie::Refused;

const EX: &str = "http://example.com/";
const SUB: &str = "http://a.example.com/";
const DEEP: &str = "http://b.a.example.com/";
const SIB: &str = "http://b.example.com/";

pub const CASES: &[Case] = &[
    // Without one: the host alone.
    (
        "a cookie without Domain is the host's",
        &[(EX, b"a=1")],
        &[(EX, b"a=1"), (SUB, b"")],
    ),
    (
        "not its parent's",
        &[(SUB, b"a=1")],
        &[(SUB, b"a=1"), (EX, b"")],
    ),
    ("not its sibling's", &[(SUB, b"a=1")], &[(SIB, b"")]),
    (
        "not a stranger's",
        &[(EX, b"a=1")],
        &[("http://example.org/", b"")],
    ),
    (
        "an empty Domain is none",
        &[(EX, b"a=1; Domain=")],
        &[(EX, b"a=1"), (SUB, b"")],
    ),
    (
        "a Domain without = is none",
        &[(EX, b"a=1; Domain")],
        &[(EX, b"a=1"), (SUB, b"")],
    ),
    (
        "a dot alone is none",
        &[(EX, b"a=1; Domain=.")],
        &[(EX, b"a=1"), (SUB, b"")],
    ),
    // With one: it and what lies beneath.
    (
        "a Domain covers what lies beneath",
        &[(EX, b"a=1; Domain=example.com")],
        &[(EX, b"a=1"), (SUB, b"a=1"), (DEEP, b"a=1")],
    ),
    (
        "a host beneath may name it",
        &[(DEEP, b"a=1; Domain=example.com")],
        &[(EX, b"a=1"), (SIB, b"a=1")],
    ),
    (
        "one in the middle covers its own",
        &[(DEEP, b"a=1; Domain=a.example.com")],
        &[(SUB, b"a=1"), (DEEP, b"a=1"), (EX, b""), (SIB, b"")],
    ),
    (
        "a host that names itself covers what lies beneath",
        &[(SUB, b"a=1; Domain=a.example.com")],
        &[(DEEP, b"a=1"), (EX, b"")],
    ),
    (
        "a leading dot does not count",
        &[(EX, b"a=1; Domain=.example.com")],
        &[(EX, b"a=1"), (SUB, b"a=1")],
    ),
    (
        "two leading dots cover nothing",
        &[(EX, b"a=1; Domain=..example.com")],
        &[(EX, b""), (SUB, b"")],
    ),
    (
        "a trailing dot covers nothing",
        &[(EX, b"a=1; Domain=example.com.")],
        &[(EX, b""), (SUB, b"")],
    ),
    (
        "nor with a leading one",
        &[(EX, b"a=1; Domain=.example.com.")],
        &[(EX, b""), (SUB, b"")],
    ),
    (
        "a dot within too many covers nothing",
        &[(EX, b"a=1; Domain=example..com")],
        &[(EX, b"")],
    ),
    (
        "a Domain has no case",
        &[(EX, b"a=1; Domain=EXAMPLE.Com")],
        &[(EX, b"a=1"), (SUB, b"a=1")],
    ),
    (
        "nor has the name of the attribute",
        &[(EX, b"a=1; dOMAIN=example.com")],
        &[(SUB, b"a=1")],
    ),
    (
        "spaces around it do not count",
        &[(EX, b"a=1; Domain =\t example.com \t")],
        &[(SUB, b"a=1")],
    ),
    (
        "a space within covers nothing",
        &[(EX, b"a=1; Domain=example .com")],
        &[(EX, b"")],
    ),
    // Whom the host may not speak for.
    (
        "a host beneath cannot be named",
        &[(EX, b"a=1; Domain=a.example.com")],
        &[(EX, b""), (SUB, b"")],
    ),
    (
        "a sibling cannot be named",
        &[(SUB, b"a=1; Domain=b.example.com")],
        &[(SUB, b""), (SIB, b"")],
    ),
    (
        "a stranger cannot be named",
        &[(EX, b"a=1; Domain=example.org")],
        &[(EX, b""), ("http://example.org/", b"")],
    ),
    (
        "an ending that is no label is not a domain",
        &[("http://badexample.com/", b"a=1; Domain=example.com")],
        &[("http://badexample.com/", b""), (EX, b"")],
    ),
    (
        "nor half a label",
        &[(EX, b"a=1; Domain=ample.com")],
        &[(EX, b"")],
    ),
    (
        "a domain cookie is not for a longer label",
        &[(EX, b"a=1; Domain=example.com")],
        &[
            ("http://badexample.com/", b""),
            ("http://example.com.evil.net/", b""),
        ],
    ),
    (
        "a star is no domain",
        &[(SUB, b"a=1; Domain=*.example.com")],
        &[(SUB, b"")],
    ),
    (
        "quotes are part of it",
        &[(EX, b"a=1; Domain=\"example.com\"")],
        &[(EX, b"")],
    ),
    (
        "a port is part of it",
        &[(EX, b"a=1; Domain=example.com:80")],
        &[(EX, b"")],
    ),
    (
        "a scheme is part of it",
        &[(EX, b"a=1; Domain=http://example.com")],
        &[(EX, b"")],
    ),
    (
        "a slash is part of it",
        &[(EX, b"a=1; Domain=example.com/")],
        &[(EX, b"")],
    ),
    (
        "a percent sign is part of it",
        &[(EX, b"a=1; Domain=example%2ecom")],
        &[(EX, b"")],
    ),
    // Public suffixes.
    (
        "com belongs to everybody",
        &[(EX, b"a=1; Domain=com")],
        &[(EX, b"")],
    ),
    (
        "also with dots",
        &[(EX, b"a=1; Domain=.com"), (EX, b"b=1; Domain=com.")],
        &[(EX, b"")],
    ),
    (
        "also in capitals",
        &[(EX, b"a=1; Domain=COM")],
        &[(EX, b"")],
    ),
    (
        "co.uk belongs to everybody",
        &[("http://a.co.uk/", b"a=1; Domain=co.uk")],
        &[("http://a.co.uk/", b"")],
    ),
    (
        "what lies beneath it does not",
        &[("http://b.a.co.uk/", b"a=1; Domain=a.co.uk")],
        &[("http://a.co.uk/", b"a=1")],
    ),
    (
        "github.io belongs to everybody",
        &[("http://me.github.io/", b"a=1; Domain=github.io")],
        &[
            ("http://me.github.io/", b""),
            ("http://you.github.io/", b""),
        ],
    ),
    (
        "a wildcard of the list counts",
        &[("http://a.b.ck/", b"a=1; Domain=b.ck")],
        &[("http://a.b.ck/", b"")],
    ),
    (
        "and its exception too",
        &[("http://a.www.ck/", b"a=1; Domain=www.ck")],
        &[("http://www.ck/", b"a=1")],
    ),
    (
        "a suffix that names itself is a host",
        &[("http://github.io/", b"a=1; Domain=github.io")],
        &[("http://github.io/", b"a=1"), ("http://me.github.io/", b"")],
    ),
    // Single labels.
    (
        "localhost keeps its own",
        &[("http://localhost/", b"a=1")],
        &[("http://localhost/", b"a=1")],
    ),
    (
        "localhost may name itself, for itself",
        &[("http://localhost/", b"a=1; Domain=localhost")],
        &[("http://localhost/", b"a=1"), ("http://a.localhost/", b"")],
    ),
    (
        "nobody beneath may name it",
        &[("http://a.localhost/", b"a=1; Domain=localhost")],
        &[("http://a.localhost/", b"")],
    ),
    (
        "a machine of the house is like it",
        &[("http://intranet/", b"a=1; Domain=.intranet")],
        &[("http://intranet/", b"a=1"), ("http://a.intranet/", b"")],
    ),
    // Addresses.
    (
        "an address keeps its own",
        &[("http://10.0.0.1/", b"a=1")],
        &[("http://10.0.0.1/", b"a=1"), ("http://10.0.0.2/", b"")],
    ),
    (
        "an address may name itself",
        &[("http://10.0.0.1/", b"a=1; Domain=10.0.0.1")],
        &[("http://10.0.0.1/", b"a=1")],
    ),
    (
        "nothing lies beneath an address",
        &[("http://10.0.0.1/", b"a=1; Domain=10.0.0.1")],
        &[("http://9.10.0.0.1/", b"")],
    ),
    (
        "the end of an address is no domain",
        &[("http://10.0.0.1/", b"a=1; Domain=0.0.1")],
        &[("http://10.0.0.1/", b"")],
    ),
    (
        "nor is one label of it",
        &[("http://10.0.0.1/", b"a=1; Domain=1")],
        &[("http://10.0.0.1/", b"")],
    ),
    (
        "a name is no domain of an address",
        &[("http://10.0.0.1/", b"a=1; Domain=example.com")],
        &[("http://10.0.0.1/", b"")],
    ),
    (
        "an IPv6 address keeps its own",
        &[("http://[::1]/", b"a=1")],
        &[("http://[::1]/", b"a=1"), ("http://[::2]/", b"")],
    ),
    (
        "an IPv6 address may name itself",
        &[("http://[::1]/", b"a=1; Domain=[::1]")],
        &[("http://[::1]/", b"a=1")],
    ),
    // Several.
    (
        "the last Domain counts",
        &[(SUB, b"a=1; Domain=a.example.com; Domain=example.com")],
        &[(EX, b"a=1")],
    ),
    (
        "also if it covers less",
        &[(SUB, b"a=1; Domain=example.com; Domain=a.example.com")],
        &[(EX, b""), (SUB, b"a=1")],
    ),
    (
        "also if it is refused",
        &[(SUB, b"a=1; Domain=example.com; Domain=example.org")],
        &[(SUB, b"")],
    ),
    (
        "a bad one before a good one does not matter",
        &[(SUB, b"a=1; Domain=example.org; Domain=example.com")],
        &[(EX, b"a=1")],
    ),
    (
        "also if it is empty",
        &[(SUB, b"a=1; Domain=example.com; Domain=")],
        &[(EX, b""), (SUB, b"a=1")],
    ),
    // One name for several domains.
    (
        "two domains are two cookies",
        &[
            (SUB, b"a=1; Domain=example.com"),
            (SUB, b"a=2; Domain=a.example.com"),
        ],
        &[(SUB, b"a=1; a=2"), (EX, b"a=1")],
    ),
    (
        "and are deleted apart",
        &[
            (SUB, b"a=1; Domain=example.com"),
            (SUB, b"a=2; Domain=a.example.com"),
            (SUB, b"a=; Domain=example.com; Max-Age=0"),
        ],
        &[(SUB, b"a=2"), (EX, b"")],
    ),
    (
        "a dot in front makes no other cookie",
        &[
            (SUB, b"a=1; Domain=example.com"),
            (SIB, b"a=2; Domain=.Example.com"),
        ],
        &[(SUB, b"a=2")],
    ),
    // RFC 6265bis 5.7 keeps both. Here name, domain and path are all there is to a cookie: the app said it last.
    (
        "a host cookie takes the place of its domain cookie",
        &[(EX, b"a=1; Domain=example.com"), (EX, b"a=2")],
        &[(EX, b"a=2"), (SUB, b"")],
    ),
];

#[test]
fn a_cookie_goes_to_those_whom_its_domain_covers() {
    hold(CASES);
}

/// Promise: a refusal says whether it was the wrong domain or everybody's.
#[test]
fn a_refused_domain_is_named() {
    let table = [
        (EX, "com", Refused::PublicSuffix),
        ("http://me.github.io/", "github.io", Refused::PublicSuffix),
        ("http://a.localhost/", "localhost", Refused::PublicSuffix),
        (EX, "a.example.com", Refused::Domain),
        (EX, "example.org", Refused::Domain),
        ("http://10.0.0.1/", "0.0.1", Refused::Domain),
    ];
    for (request, domain, why) in table {
        let line = format!("a=1; Domain={domain}");
        assert_eq!(
            Jar::new().set(request, line.as_bytes()),
            Taken::No(why),
            "{line}"
        );
    }
}
