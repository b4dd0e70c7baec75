//! Text made fit for a header value.
//!
//! Control characters (CR, LF, NUL, TAB, …) and everything outside ASCII are percent-encoded, as UTF-8, so that no
//! user name can end a header or begin another. So are a space at either end, which parsers would trim (` admin` must
//! not become `admin`), and a comma inside one of several list members. Where anything is encoded, every `%` is too,
//! and a `%` before two hex digits always is. What a reader needs to know: a value with `%` and two hex digits in it is
//! encoded, any other is as it stands. No two texts come out alike.

use std::fmt::Write;

use http::HeaderValue;
use serde::Serialize;

/// `text` as a header value; `None` when it is empty.
pub(super) fn header_value(text: &str) -> Option<HeaderValue> {
    if needs_encoding(text) {
        encoded(text, &[])
    } else {
        plain(text)
    }
}

/// `value` as compact JSON in plain ASCII. `%` is written as `\u0025`, so that percent-decoding changes nothing.
pub(super) fn json(value: &impl Serialize) -> String {
    // Maps with text keys and what they hold always have a JSON form.
    let wide = serde_json::to_string(value).unwrap_or_default();
    if wide.bytes().all(|byte| is_plain(byte) && byte != b'%') {
        return wide;
    }
    let mut ascii = String::with_capacity(wide.len() + 16);
    for character in wide.chars() {
        if matches!(character, ' '..='~') && character != '%' {
            ascii.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            // Writing into a String cannot fail.
            let _ = write!(ascii, "\\u{unit:04x}");
        }
    }
    ascii
}

/// A value that is put together from parts.
#[derive(Default)]
pub(super) struct Draft {
    text: String,
    /// Where in `text` a comma stands that does not separate.
    inner_commas: Vec<usize>,
}

impl Draft {
    /// Adds text.
    pub(super) fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Adds `members` with commas between them; `None` when there are none. Empty members are left out.
    pub(super) fn push_list(&mut self, members: &[String]) -> Option<()> {
        let mut is_first = true;
        for member in members.iter().filter(|member| !member.is_empty()) {
            if !is_first {
                self.text.push(',');
            }
            is_first = false;
            let start = self.text.len();
            self.text.push_str(member);
            self.inner_commas
                .extend(member.match_indices(',').map(|(at, _)| start + at));
        }
        (!is_first).then_some(())
    }

    /// The finished value; `None` when it is empty.
    pub(super) fn into_header_value(self) -> Option<HeaderValue> {
        if self.inner_commas.is_empty() && !needs_encoding(&self.text) {
            plain(&self.text)
        } else {
            encoded(&self.text, &self.inner_commas)
        }
    }
}

fn plain(text: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(text)
        .ok()
        .filter(|value| !value.is_empty())
}

fn needs_encoding(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.first() == Some(&b' ')
        || bytes.last() == Some(&b' ')
        || !bytes.iter().all(|byte| is_plain(*byte))
        || looks_encoded(bytes)
}

fn looks_encoded(bytes: &[u8]) -> bool {
    bytes.windows(3).any(|three| {
        matches!(three, [b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit())
    })
}

const fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~')
}

/// `inner_commas` is in ascending order.
fn encoded(text: &str, inner_commas: &[usize]) -> Option<HeaderValue> {
    let last = text.len().checked_sub(1)?;
    let mut commas = inner_commas.iter().copied().peekable();
    let mut out = String::with_capacity(text.len() * 2);
    for (at, byte) in text.bytes().enumerate() {
        let is_inner_comma = commas.next_if_eq(&at).is_some();
        let is_outer_space = byte == b' ' && (at == 0 || at == last);
        if is_plain(byte) && byte != b'%' && !is_inner_comma && !is_outer_space {
            out.push(char::from(byte));
        } else {
            // Writing into a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    plain(&out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Option<String> {
        header_value(text).map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn what_a_header_cannot_hold_is_percent_encoded() {
        for (text, header) in [
            ("alice", "alice"),
            ("a b,c;d=\"e\"", "a b,c;d=\"e\""),
            ("100%", "100%"),
            ("50%zz", "50%zz"),
            ("a\r\nX-Session-User: root", "a%0D%0AX-Session-User: root"),
            ("a\0b\tc\u{7f}", "a%00b%09c%7F"),
            ("b\u{f6}rn", "b%C3%B6rn"),
            ("\u{1f511}", "%F0%9F%94%91"),
            ("100% b\u{f6}rn", "100%25 b%C3%B6rn"),
            ("b%C3%B6rn", "b%25C3%25B6rn"),
            ("b%c3", "b%25c3"),
            (" admin", "%20admin"),
            ("admin ", "admin%20"),
            ("  a  b  ", "%20 a  b %20"),
            (" ", "%20"),
            ("\u{a0}admin", "%C2%A0admin"),
        ] {
            assert_eq!(value(text).as_deref(), Some(header), "{text:?}");
        }
        assert_eq!(value(""), None);
    }

    proptest::proptest! {
        #[test]
        fn a_reader_gets_back_every_text(text in "[ -~\\PC\\r\\n\\x00%0-9A-Fa-f]{1,24}|%[0-9a-f]{2}.{0,3}") {
            let value = value(&text).unwrap();
            let read = if looks_encoded(value.as_bytes()) {
                percent_decoded(&value)
            } else {
                value.into_bytes()
            };
            proptest::prop_assert_eq!(read, text.into_bytes());
        }
    }

    fn percent_decoded(value: &str) -> Vec<u8> {
        let mut pieces = value.split('%');
        let mut out = pieces.next().unwrap().as_bytes().to_vec();
        for piece in pieces {
            out.push(u8::from_str_radix(&piece[..2], 16).unwrap());
            out.extend_from_slice(&piece.as_bytes()[2..]);
        }
        out
    }

    #[test]
    fn a_comma_inside_a_list_member_does_not_make_two_of_it() {
        for (members, header) in [
            (&["staff", "dev"][..], Some("staff,dev")),
            (&["staff,admin", "dev"], Some("staff%2Cadmin,dev")),
            (&["a,b,c", ",", "50%"], Some("a%2Cb%2Cc,%2C,50%25")),
            (&["", "dev", ""], Some("dev")),
            (&["\u{e9}t\u{e9}", "a"], Some("%C3%A9t%C3%A9,a")),
            (&[""], None),
            (&[], None),
        ] {
            let members: Vec<String> = members.iter().copied().map(String::from).collect();
            let mut draft = Draft::default();
            let filled = draft.push_list(&members);
            let value = filled.and_then(|()| draft.into_header_value());
            assert_eq!(
                value.as_ref().map(|value| value.to_str().unwrap()),
                header,
                "{members:?}"
            );
        }
    }

    #[test]
    fn json_is_plain_ascii_and_loses_nothing() {
        let data = serde_json::json!({"a": "\u{fc} \u{1f511} 100% %20 \u{7f} \n \"", "b": [1, true, null]});
        let text = json(&data);
        assert!(
            text.bytes().all(|byte| is_plain(byte) && byte != b'%'),
            "{text}"
        );
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&text).unwrap(),
            data
        );
        assert_eq!(
            json(&serde_json::json!({"a": "\u{1f511}%"})),
            r#"{"a":"\ud83d\udd11\u0025"}"#
        );
    }
}
