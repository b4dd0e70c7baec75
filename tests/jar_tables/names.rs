//! Name and value: nameless, empty, quoted, and as long as a browser takes them.

use crate::{Case, Jar, Taken, hold};
use cloakroom::cookie::set_cookie::Refused;

pub const CASES: &[Case] = &[
    ("a pair", &[("/", b"a=1")], &[("/", b"a=1")]),
    (
        "space around both does not count",
        &[("/", b" a = 1 ")],
        &[("/", b"a=1")],
    ),
    (
        "space within both does",
        &[("/", b"a b=1 2")],
        &[("/", b"a b=1 2")],
    ),
    (
        "several spaces stay several",
        &[("/", b"a=1   2")],
        &[("/", b"a=1   2")],
    ),
    (
        "the first = parts them",
        &[("/", b"a=b=c")],
        &[("/", b"a=b=c")],
    ),
    (
        "a value may be signs alone",
        &[("/", b"a===")],
        &[("/", b"a===")],
    ),
    ("a value may be empty", &[("/", b"a=")], &[("/", b"a=")]),
    (
        "also before an attribute",
        &[("/", b"a=; Path=/")],
        &[("/", b"a=")],
    ),
    (
        "an empty value takes another's place",
        &[("/", b"a=1"), ("/", b"a=")],
        &[("/", b"a=")],
    ),
    (
        "names have case",
        &[("/", b"a=1"), ("/", b"A=2")],
        &[("/", b"a=1; A=2")],
    ),
    // Nameless: sent back without a sign.
    ("a word is a nameless value", &[("/", b"a")], &[("/", b"a")]),
    ("so is one behind =", &[("/", b"=a")], &[("/", b"a")]),
    (
        "both are one cookie",
        &[("/", b"a"), ("/", b"=b")],
        &[("/", b"b")],
    ),
    (
        "nameless and named are two",
        &[("/", b"=1"), ("/", b"a=2")],
        &[("/", b"1; a=2")],
    ),
    (
        "a nameless one may look like a pair",
        &[("/", b"=a=1")],
        &[("/", b"a=1")],
    ),
    (
        "it is another cookie than the pair",
        &[("/", b"a=1"), ("/", b"=a=2")],
        &[("/", b"a=1; a=2")],
    ),
    ("it may begin with =", &[("/", b"==a")], &[("/", b"=a")]),
    ("it may hold spaces", &[("/", b"a b c")], &[("/", b"a b c")]),
    (
        "it is deleted like others",
        &[("/", b"=a"), ("/", b"=x; Max-Age=0")],
        &[("/", b"")],
    ),
    (
        "a word deletes it as well",
        &[("/", b"=a"), ("/", b"x; Max-Age=0")],
        &[("/", b"")],
    ),
    // Nothing at all.
    (
        "neither name nor value is no cookie",
        &[("/", b"=")],
        &[("/", b"")],
    ),
    ("nor with spaces", &[("/", b" = ")], &[("/", b"")]),
    ("nor with attributes", &[("/", b"=; Path=/")], &[("/", b"")]),
    ("an empty line is none", &[("/", b"")], &[("/", b"")]),
    ("nor is a blank one", &[("/", b" \t ")], &[("/", b"")]),
    ("nor is a semicolon", &[("/", b";")], &[("/", b"")]),
    (
        "nor are attributes alone",
        &[("/", b"; Path=/; Secure")],
        &[("/", b"")],
    ),
    (
        "nor what comes after an empty pair",
        &[("/", b"; a=1")],
        &[("/", b"")],
    ),
    (
        "it deletes nothing",
        &[("/", b"=a"), ("/", b"=; Max-Age=0")],
        &[("/", b"a")],
    ),
    // Quotes mean nothing.
    ("quotes stay", &[("/", b"a=\"1\"")], &[("/", b"a=\"1\"")]),
    (
        "empty quotes stay",
        &[("/", b"a=\"\"")],
        &[("/", b"a=\"\"")],
    ),
    (
        "half a pair of quotes stays",
        &[("/", b"a=\"1")],
        &[("/", b"a=\"1")],
    ),
    (
        "quotes within stay",
        &[("/", b"a=1\"2\"3")],
        &[("/", b"a=1\"2\"3")],
    ),
    (
        "spaces within quotes stay",
        &[("/", b"a=\" 1 \"")],
        &[("/", b"a=\" 1 \"")],
    ),
    (
        "a semicolon ends what is quoted",
        &[("/", b"a=\"1; b=2\"")],
        &[("/", b"a=\"1")],
    ),
    (
        "an escaped quote is two bytes",
        &[("/", b"a=\"\\\"\"")],
        &[("/", b"a=\"\\\"\"")],
    ),
    ("single quotes stay", &[("/", b"a='1'")], &[("/", b"a='1'")]),
    (
        "a name may be quoted",
        &[("/", b"\"a\"=1"), ("/", b"a=2")],
        &[("/", b"\"a\"=1; a=2")],
    ),
    (
        "a quoted sign parts all the same",
        &[("/", b"\"a=b\"=1")],
        &[("/", b"\"a=b\"=1")],
    ),
];

#[test]
fn name_and_value_are_read_as_browsers_read_them() {
    hold(CASES);
}

/// Promise: the bound of 4096 bytes for both together is held to the byte; attributes do not count.
#[test]
fn name_and_value_are_4096_bytes_at_most() {
    let x = |bytes: usize| "x".repeat(bytes);
    let path = format!("; Path=/{}", x(1000)).repeat(8);
    let table = [
        (format!("a={}", x(4095)), true),
        (format!("a={}", x(4096)), false),
        (format!("{}=1", x(4095)), true),
        (format!("{}=1", x(4096)), false),
        (format!("{}={}", x(2048), x(2048)), true),
        (format!("{}={}", x(2048), x(2049)), false),
        (x(4096), true),
        (x(4097), false),
        (format!("={}", x(4096)), true),
        (format!("{}=", x(4096)), true),
        (format!("  a  =  {}  ", x(4095)), true),
        (format!("a={}{path}; Path=/", x(4095)), true),
        (format!("a={}\u{e4}", x(4093)), true),
        (format!("a={}\u{e4}", x(4094)), false),
    ];
    for (line, fits) in table {
        let mut jar = Jar::new();
        let taken = jar.set("/", line.as_bytes());
        let expected = if fits {
            Taken::Yes
        } else {
            Taken::No(Refused::TooLarge)
        };
        assert_eq!(taken, expected, "{} bytes", line.len());
        assert_eq!(jar.cookie("/").is_empty(), !fits, "{} bytes", line.len());
    }
}
