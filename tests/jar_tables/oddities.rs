//! Odd lines that real servers send, as Chromium's table has them.

use crate::{Case, hold};

pub const CASES: &[Case] = &[
    (
        "every mark that a value may have",
        &[("/", b"a=!#$%&'()*+-./:<=>?@[]^_`{|}~")],
        &[("/", b"a=!#$%&'()*+-./:<=>?@[]^_`{|}~")],
    ),
    (
        "every mark that a name may have",
        &[("/", b"!#$%&'*+-.^_`|~=1")],
        &[("/", b"!#$%&'*+-.^_`|~=1")],
    ),
    (
        "marks that no token may have",
        &[("/", b"a(b)<c>@{d}[e]?:/=1")],
        &[("/", b"a(b)<c>@{d}[e]?:/=1")],
    ),
    (
        "a backslash is a byte",
        &[("/", b"a=\\1\\")],
        &[("/", b"a=\\1\\")],
    ),
    (
        "it saves no semicolon",
        &[("/", b"a=1\\; Path=/x")],
        &[("/x", b"a=1\\"), ("/", b"")],
    ),
    (
        "octal is not decoded",
        &[("/", b"a=\"\\073\"")],
        &[("/", b"a=\"\\073\"")],
    ),
    (
        "an entity is not decoded",
        &[("/", b"a=&amp;")],
        &[("/", b"a=&amp")],
    ),
    (
        "an escaped line end is four letters",
        &[("/", b"a=1%0d%0a")],
        &[("/", b"a=1%0d%0a")],
    ),
    (
        "JSON ends at its semicolon alone",
        &[("/", b"a={\"b\":1,\"c\":[2]}")],
        &[("/", b"a={\"b\":1,\"c\":[2]}")],
    ),
    (
        "a URL is a value",
        &[("/", b"a=http://h/?b=c&d")],
        &[("/", b"a=http://h/?b=c&d")],
    ),
    (
        "base64 with its padding",
        &[("/", b"a=bG9uZw==")],
        &[("/", b"a=bG9uZw==")],
    ),
    (
        "$Version is a name",
        &[("/", b"$Version=1; a=2")],
        &[("/", b"$Version=1")],
    ),
    ("$Path too", &[("/", b"$Path=/x")], &[("/", b"$Path=/x")]),
    (
        "a cookie may be called Path",
        &[("/x/y", b"Path=/")],
        &[("/x/", b"Path=/"), ("/", b"")],
    ),
    (
        "or Domain",
        &[("/", b"Domain=example.com")],
        &[("/", b"Domain=example.com"), ("http://example.com/", b"")],
    ),
    (
        "or Expires",
        &[("/", b"Expires=Thu, 01 Jan 1970 00:00:00 GMT")],
        &[("/", b"Expires=Thu, 01 Jan 1970 00:00:00 GMT")],
    ),
    ("or Max-Age", &[("/", b"Max-Age=0")], &[("/", b"Max-Age=0")]),
    (
        "or SameSite",
        &[("/", b"SameSite=Strict")],
        &[("link /", b"SameSite=Strict")],
    ),
    (
        "Secure alone is a value",
        &[("/", b"Secure")],
        &[("/", b"Secure")],
    ),
    (
        "HttpOnly alone too",
        &[("/", b"HttpOnly; Path=/")],
        &[("/", b"HttpOnly")],
    ),
    (
        "the name of the field is a name",
        &[("/", b"Set-Cookie: a=1")],
        &[("/", b"Set-Cookie: a=1")],
    ),
    (
        "names of an object's inside are names",
        &[("/", b"__proto__=1"), ("/", b"constructor=2")],
        &[("/", b"__proto__=1; constructor=2")],
    ),
    ("a number is a name", &[("/", b"0=1")], &[("/", b"0=1")]),
    (
        "brackets of PHP are bytes",
        &[("/", b"a[b][]=1"), ("/", b"a[b]=2")],
        &[("/", b"a[b][]=1; a[b]=2")],
    ),
    (
        "a dot and an underscore are two names",
        &[("/", b"a.b=1"), ("/", b"a_b=2")],
        &[("/", b"a.b=1; a_b=2")],
    ),
    ("a colon parts nothing", &[("/", b"a:1")], &[("/", b"a:1")]),
    (
        "an & parts nothing",
        &[("/", b"a=1&b=2")],
        &[("/", b"a=1&b=2")],
    ),
    (
        "a | parts nothing",
        &[("/", b"a=1|b=2")],
        &[("/", b"a=1|b=2")],
    ),
    (
        "semicolons at the end do nothing",
        &[("/", b"a=1;;;")],
        &[("/", b"a=1")],
    ),
    (
        "nor does one with spaces",
        &[("/", b"a=1 ; ")],
        &[("/", b"a=1")],
    ),
    (
        "a hash begins no comment",
        &[("/", b"a=1#2")],
        &[("/", b"a=1#2")],
    ),
    (
        "brackets begin none",
        &[("/", b"a=(1);b")],
        &[("/", b"a=(1)")],
    ),
    (
        "markup is a value",
        &[("/", b"a=<script>1</script>")],
        &[("/", b"a=<script>1</script>")],
    ),
    (
        "a value of PHP's deletions",
        &[
            ("/", b"a=1"),
            (
                "/",
                b"a=deleted; expires=Thu, 01-Jan-1970 00:00:01 GMT; Max-Age=0",
            ),
        ],
        &[("/", b"")],
    ),
    (
        "ASP.NET of old",
        &[("/", b"ASP.NET_SessionId=x; path=/; HttpOnly")],
        &[("/", b"ASP.NET_SessionId=x")],
    ),
    (
        "Tomcat's quotes and version",
        &[("/", b"JSESSIONID=\"x.node1\"; Version=1; Path=/")],
        &[("/", b"JSESSIONID=\"x.node1\"")],
    ),
];

#[test]
fn odd_lines_are_read_as_browsers_read_them() {
    hold(CASES);
}
