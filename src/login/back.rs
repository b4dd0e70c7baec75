//! Where a visitor goes on after a login: to a path of the same origin, or to the beginning of the site.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What stands for itself in a path.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The longest address that a visitor is brought back to, in bytes.
const BYTES_MAX: usize = 2048;
/// How often an address is decoded to see what somebody may make of it.
const READINGS: usize = 3;

/// `wanted` if it leads nowhere but to a path of this origin, whoever reads it and however often it is decoded, and to
/// none of our own pages; else the beginning of the site, whose prefix (without a slash at the end) is `prefix`.
pub fn way_on(wanted: Option<&str>, prefix: &str) -> String {
    match wanted {
        Some(wanted) if leads_on(wanted, prefix) => wanted.to_owned(),
        _ if prefix.is_empty() => "/".to_owned(),
        _ => utf8_percent_encode(prefix, PLAIN).to_string(),
    }
}

/// Whether a visitor may go on to `wanted`, of all our own pages to that of their sessions and to a form of theirs alone.
pub(super) fn leads_on(wanted: &str, prefix: &str) -> bool {
    is_local(wanted) || wanted == session_page(prefix) || is_resume_page(wanted, prefix)
}

/// Whether it is the address of the page of a form that was kept, at a site with this prefix.
pub fn is_resume_page(wanted: &str, prefix: &str) -> bool {
    let number = wanted
        .bytes()
        .next_back()
        .map(|last| last.wrapping_sub(b'0'));
    number.is_some_and(|number| number < 10 && wanted == resume_page(prefix, number))
}

/// The address of the page of a form that was kept, at a site with this prefix. A browser has fewer than ten.
pub fn resume_page(prefix: &str, number: u8) -> String {
    let prefix = utf8_percent_encode(prefix, PLAIN);
    format!("{prefix}/.cloakroom/resume?form={number}")
}

/// The address of the page of a visitor's sessions, at a site with this prefix.
pub fn session_page(prefix: &str) -> String {
    own_page(prefix, "session")
}

/// The address of a page of ours.
pub fn own_page(prefix: &str, name: &str) -> String {
    let prefix = utf8_percent_encode(prefix, PLAIN);
    format!("{prefix}/.cloakroom/{name}")
}

/// Whether it leads nowhere but to a path of this origin, whoever reads it and however often it is decoded.
pub fn is_local(wanted: &str) -> bool {
    if wanted.len() > BYTES_MAX {
        return false;
    }
    // It becomes a header field: what is not printable ASCII has been encoded by every browser.
    if !wanted.bytes().all(|byte| byte.is_ascii_graphic()) || wanted.contains('#') {
        return false;
    }
    let mut reading = wanted.to_owned();
    for _ in 0..READINGS {
        if !is_plain_path(&reading) {
            return false;
        }
        let Ok(decoded) = percent_decode_str(&reading).decode_utf8() else {
            return false;
        };
        if decoded == reading {
            return true;
        }
        reading = decoded.into_owned();
    }
    is_plain_path(&reading)
}

/// Whether a reading of the address is one path from the root, in which no browser finds a host.
fn is_plain_path(reading: &str) -> bool {
    let path = reading.split(['?', '#']).next().unwrap_or_default();
    let Some(rest) = path.strip_prefix('/') else {
        return false;
    };
    let mut segments = path.split('/').map(|segment| segment.split(';').next());
    let is_odd = |segment: Option<&str>| {
        let segment = segment.unwrap_or_default();
        matches!(segment, "." | "..") || segment.eq_ignore_ascii_case(".cloakroom")
    };
    // Whoever cuts something off its front may come to a path that begins with two slashes.
    !rest.starts_with('/')
        && !rest.contains("//")
        && !path.contains('\\')
        && !reading.chars().any(char::is_control)
        && !segments.any(is_odd)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_this_origin_are_gone_on_to() {
        for wanted in [
            "/",
            "/x",
            "/x/y/?a=1&b=//z",
            "/x?next=https://z.test/",
            "/caf%C3%A9",
            "/%20",
            "/100%25",
            "/.well-known/x",
            "/..x",
            "/cloakroom/login",
        ] {
            assert_eq!(way_on(Some(wanted), "/deep"), wanted);
        }
    }

    #[test]
    fn of_our_own_pages_two_are_gone_on_to() {
        for wanted in ["/deep/.cloakroom/session", "/deep/.cloakroom/resume?form=3"] {
            assert_eq!(way_on(Some(wanted), "/deep"), wanted);
            assert_eq!(way_on(Some(wanted), ""), "/");
        }
        for odd in [
            "",
            "?form=",
            "?form=10",
            "?form=x",
            "?form=3&x=1",
            "?form=3#x",
            "?x=1&form=3",
        ] {
            let wanted = format!("/deep/.cloakroom/resume{odd}");
            assert_eq!(way_on(Some(&wanted), "/deep"), "/deep", "{odd}");
        }
    }

    #[test]
    fn anything_odd_leads_to_the_beginning_of_the_site() {
        let long = format!("/{}", "x".repeat(BYTES_MAX));
        let odd = [
            "",
            "x",
            "?x",
            "*",
            "//evil.test",
            "///evil.test",
            "/\\evil.test",
            "\\/evil.test",
            "\\\\evil.test",
            "/x\\y",
            "https:evil.test",
            "https://evil.test/",
            "HTTPS://evil.test/",
            "javascript:alert(1)",
            "data:text/html,x",
            "//user@evil.test",
            "/x//y",
            "/x/..//evil.test",
            "/%2F/evil.test",
            "/x%5c..%5c",
            "user@evil.test",
            "/%2fevil.test",
            "/%2F%2fevil.test",
            "/%5cevil.test",
            "/%255cevil.test",
            "/%252fevil.test",
            "/%25252fevil.test",
            "%2f%2fevil.test",
            "/%09/evil.test",
            "/\t/evil.test",
            "/x\r\nSet-Cookie: a=b",
            "/x%0d%0aSet-Cookie:a=b",
            "/x%00",
            "/x%7f",
            "/x y",
            "/caf\u{e9}",
            "/%ff",
            "/x#y",
            "/../x",
            "/x/%2e%2e//evil.test",
            "/.//evil.test",
            "/..;/x",
            "/.cloakroom/login",
            "/.cloakroom",
            "/.CLOAKROOM/logout",
            "/%2ecloakroom/logout",
            "/deep/.cloakroom/login?return_to=/",
            "/.cloakroom;x/login",
            long.as_str(),
        ];
        for wanted in odd {
            assert_eq!(way_on(Some(wanted), "/deep"), "/deep", "{wanted:?}");
            assert_eq!(way_on(Some(wanted), ""), "/", "{wanted:?}");
        }
        assert_eq!(way_on(None, "/deep"), "/deep");
        assert_eq!(way_on(None, "/d\u{e9} p"), "/d%C3%A9%20p");
    }
}
