//! `Path`: the default, and how one matches.

use crate::{Case, hold};

pub const CASES: &[Case] = &[
    // The default: the folder of the request.
    (
        "the root's is the root",
        &[("/", b"a=1")],
        &[("/", b"a=1"), ("/x/y", b"a=1")],
    ),
    (
        "a page's at the top is the root",
        &[("/login", b"a=1")],
        &[("/", b"a=1")],
    ),
    (
        "a page's is its folder",
        &[("/shop/cart", b"a=1")],
        &[("/shop", b"a=1"), ("/shop/x", b"a=1"), ("/", b"")],
    ),
    (
        "a folder's is itself, without the slash",
        &[("/shop/", b"a=1")],
        &[("/shop", b"a=1"), ("/shop/x/y", b"a=1"), ("/", b"")],
    ),
    (
        "a deep one's is deep",
        &[("/a/b/c", b"a=1")],
        &[("/a/b", b"a=1"), ("/a", b"")],
    ),
    (
        "an empty segment is a segment",
        &[("/a//b", b"a=1")],
        &[("/a//x", b"a=1"), ("/a/x", b"a=1"), ("/a", b"")],
    ),
    (
        "a query is not part of it",
        &[("/shop/cart?x=/y/z", b"a=1")],
        &[("/shop/x", b"a=1"), ("/shop/cart?x=/y/q", b"a=1")],
    ),
    (
        "an empty Path is none",
        &[("/shop/cart", b"a=1; Path=")],
        &[("/shop/x", b"a=1"), ("/", b"")],
    ),
    (
        "a Path without = is none",
        &[("/shop/cart", b"a=1; Path")],
        &[("/shop/x", b"a=1"), ("/", b"")],
    ),
    (
        "one that does not begin with / is none",
        &[("/shop/cart", b"a=1; Path=x")],
        &[("/shop/x", b"a=1"), ("/x", b"")],
    ),
    (
        "a quoted one is none",
        &[("/shop/cart", b"a=1; Path=\"/\"")],
        &[("/shop/x", b"a=1"), ("/", b"")],
    ),
    (
        "a URL is none",
        &[("/shop/cart", b"a=1; Path=http://shop.example.com/")],
        &[("/shop/x", b"a=1"), ("/", b"")],
    ),
    (
        "a backslash is none",
        &[("/shop/cart", b"a=1; Path=\\")],
        &[("/shop/x", b"a=1"), ("/", b"")],
    ),
    (
        "an escaped slash is none",
        &[("/shop/cart", b"a=1; Path=%2Fx")],
        &[("/shop/x", b"a=1"), ("/x", b"")],
    ),
    // The attribute.
    (
        "a Path may be wider than the request's",
        &[("/a/b/c", b"a=1; Path=/")],
        &[("/", b"a=1")],
    ),
    (
        "it may be narrower",
        &[("/", b"a=1; Path=/a/b")],
        &[("/a/b", b"a=1"), ("/a", b"")],
    ),
    (
        "it may be another",
        &[("/a", b"a=1; Path=/b")],
        &[("/b", b"a=1"), ("/a", b"")],
    ),
    (
        "a tab and spaces around it do not count",
        &[("/", b"a=1; Path=\t /a \t")],
        &[("/a", b"a=1")],
    ),
    // Matching.
    (
        "a path matches itself",
        &[("/", b"a=1; Path=/shop")],
        &[("/shop", b"a=1")],
    ),
    (
        "and what lies beneath",
        &[("/", b"a=1; Path=/shop")],
        &[
            ("/shop/", b"a=1"),
            ("/shop/cart", b"a=1"),
            ("/shop/a/b", b"a=1"),
        ],
    ),
    (
        "but nothing that only begins alike",
        &[("/", b"a=1; Path=/shop")],
        &[("/shopping", b""), ("/shop-x", b""), ("/shop.html", b"")],
    ),
    (
        "nor its parent",
        &[("/", b"a=1; Path=/shop/cart")],
        &[("/shop", b""), ("/shop/", b"")],
    ),
    (
        "with a slash at the end: what lies beneath",
        &[("/", b"a=1; Path=/shop/")],
        &[("/shop/", b"a=1"), ("/shop/x", b"a=1")],
    ),
    (
        "and not the folder without it",
        &[("/", b"a=1; Path=/shop/")],
        &[("/shop", b"")],
    ),
    (
        "two slashes are not one",
        &[("/", b"a=1; Path=/shop//")],
        &[("/shop/", b""), ("/shop//", b"a=1")],
    ),
    (
        "a path has case",
        &[("/", b"a=1; Path=/Shop")],
        &[("/shop", b""), ("/Shop", b"a=1")],
    ),
    (
        "the query of a request does not count",
        &[("/", b"a=1; Path=/shop")],
        &[("/shop?x", b"a=1"), ("/?/shop", b"")],
    ),
    (
        "a ? in a Path is a byte like others",
        &[("/", b"a=1; Path=/shop?x")],
        &[("/shop?x", b""), ("/shop", b"")],
    ),
    (
        "a # in a Path too",
        &[("/", b"a=1; Path=/shop#x")],
        &[("/shop", b"")],
    ),
    (
        "nothing is decoded",
        &[("/", b"a=1; Path=/a%2Fb")],
        &[("/a/b", b""), ("/a%2Fb", b"a=1"), ("/a%2fb", b"")],
    ),
    (
        "nor is a letter",
        &[("/", b"a=1; Path=/%61")],
        &[("/a", b""), ("/%61", b"a=1")],
    ),
    (
        "dots are names",
        &[("/", b"a=1; Path=/a/../b")],
        &[("/b", b""), ("/a/../b", b"a=1")],
    ),
    (
        "a parameter belongs to its segment",
        &[("/", b"a=1; Path=/a")],
        &[("/a;v=1", b""), ("/a/;v=1", b"a=1")],
    ),
    // One name at several paths.
    (
        "two paths are two cookies",
        &[("/", b"a=1; Path=/"), ("/", b"a=2; Path=/x")],
        &[("/", b"a=1"), ("/x", b"a=2; a=1")],
    ),
    (
        "a slash at the end makes two",
        &[("/", b"a=1; Path=/x"), ("/", b"a=2; Path=/x/")],
        &[("/x", b"a=1"), ("/x/", b"a=2; a=1")],
    ),
    (
        "the default and its spelling are one",
        &[("/x/y", b"a=1"), ("/", b"a=2; Path=/x")],
        &[("/x", b"a=2")],
    ),
    (
        "each is replaced for itself",
        &[
            ("/", b"a=1; Path=/"),
            ("/", b"a=2; Path=/x"),
            ("/", b"a=3; Path=/"),
        ],
        &[("/x", b"a=2; a=3")],
    ),
    (
        "each is deleted for itself",
        &[
            ("/", b"a=1; Path=/"),
            ("/", b"a=2; Path=/x"),
            ("/", b"a=; Path=/x; Max-Age=0"),
        ],
        &[("/x", b"a=1")],
    ),
    (
        "a deletion elsewhere deletes nothing",
        &[("/", b"a=1; Path=/x"), ("/", b"a=; Max-Age=0")],
        &[("/x", b"a=1")],
    ),
];

#[test]
fn a_cookie_goes_where_its_path_leads() {
    hold(CASES);
}
