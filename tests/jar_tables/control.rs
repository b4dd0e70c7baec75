//! Control bytes: a line that holds one sets nothing, wherever it stands. Only a tab is a space.

use crate::{Case, Jar, Taken, hold};
use cloakroom::cookie::set_cookie::Refused;

pub const CASES: &[Case] = &[
    ("NUL in a value", &[("/", b"a=1\x002")], &[("/", b"")]),
    ("NUL at the end", &[("/", b"a=1\x00")], &[("/", b"")]),
    ("NUL in a name", &[("/", b"a\x00b=1")], &[("/", b"")]),
    (
        "NUL in an attribute's value",
        &[("/", b"a=1; Path=/\x00")],
        &[("/", b"")],
    ),
    (
        "NUL in an unknown attribute",
        &[("/", b"a=1; x\x00y")],
        &[("/", b"")],
    ),
    ("CR in a value", &[("/", b"a=1\r2")], &[("/", b"")]),
    ("LF in a value", &[("/", b"a=1\n2")], &[("/", b"")]),
    (
        "a line that is split",
        &[("/", b"a=1\r\nSet-Cookie: b=2")],
        &[("/", b"")],
    ),
    ("a folded line", &[("/", b"a=1;\r\n Path=/")], &[("/", b"")]),
    (
        "a vertical tab is no space",
        &[("/", b"\x0ba=1")],
        &[("/", b"")],
    ),
    (
        "a form feed is no space",
        &[("/", b"a=1\x0c")],
        &[("/", b"")],
    ),
    ("an escape sequence", &[("/", b"a=\x1b[2J")], &[("/", b"")]),
    ("DEL", &[("/", b"a=1\x7f")], &[("/", b"")]),
    (
        "a line that would delete deletes nothing",
        &[("/", b"a=1"), ("/", b"a=; Max-Age=0; \x01")],
        &[("/", b"a=1")],
    ),
    (
        "a line that would replace replaces nothing",
        &[("/", b"a=1"), ("/", b"a=2\x08")],
        &[("/", b"a=1")],
    ),
    (
        "a tab within a value stays",
        &[("/", b"a=1\t2")],
        &[("/", b"a=1\t2")],
    ),
    (
        "a tab within a name stays",
        &[("/", b"a\tb=1")],
        &[("/", b"a\tb=1")],
    ),
    (
        "a tab at the borders goes",
        &[("/", b"\ta\t=\t1\t;\tPath=/\t")],
        &[("/", b"a=1")],
    ),
    (
        "the controls of Latin-1 are bytes like others",
        &[("/", b"a=\x80\x9f")],
        &[("/", b"a=\x80\x9f")],
    ),
];

#[test]
fn a_line_with_a_control_byte_sets_nothing() {
    hold(CASES);
}

/// Promise: it is every control byte, in every part of a line.
#[test]
fn each_control_byte_is_refused_in_each_place() {
    for byte in (0..=0x1f_u8).chain([0x7f]).filter(|byte| *byte != b'\t') {
        let lines: [&[&[u8]]; 6] = [
            &[&[byte], b"a=1"],
            &[b"a", &[byte], b"=1"],
            &[b"a=", &[byte], b"1"],
            &[b"a=1", &[byte]],
            &[b"a=1; Pa", &[byte], b"th=/"],
            &[b"a=1; Path=/", &[byte]],
        ];
        for line in lines {
            let mut jar = Jar::new();
            let taken = jar.set("/", &line.concat());
            assert_eq!(taken, Taken::No(Refused::ControlByte), "{byte:#04x}");
            assert_eq!(jar.count(), 0);
        }
    }
}
