//! The bytes of a `Cookie` header.
//!
//! A pair ends at `;` and nowhere else, only SP and HTAB are trimmed, nothing is decoded or unquoted (RFC 6265bis
//! 4.2.1 and 5.8.3). Python, Java and PHP each read more into a header than a browser ever wrote into it; reading less
//! is what keeps `\u{2000}__Host-session` from becoming our cookie. Whether a pair is fit to be passed on is asked
//! apart, by [`is_plain_name`] and [`plain_value`].

/// One pair of a `Cookie` header, as it came.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Pair<'a> {
    /// What stands before the first `=`. Empty for a nameless pair (`=v`, or no `=` at all).
    pub name: &'a [u8],
    /// What stands after it; for a pair without `=`, all of it.
    pub value: &'a [u8],
    /// All of it, trimmed.
    pub whole: &'a [u8],
}

/// All pairs of several `Cookie` fields, in order. Fields of HTTP/1.1 and crumbs of HTTP/2 are one list (RFC 9113
/// 8.2.3). Empty segments (`;;`) are no pairs.
pub fn pairs<'a, I>(fields: I) -> impl Iterator<Item = Pair<'a>>
where
    I: Iterator<Item = &'a [u8]>,
{
    let mut fields = fields;
    let mut rest: &[u8] = b"";
    std::iter::from_fn(move || {
        loop {
            if rest.is_empty() {
                rest = fields.next()?;
            }
            let (segment, after) = split_once(rest, b';').unwrap_or((rest, b""));
            rest = after;
            let segment = trim(segment);
            if !segment.is_empty() {
                return Some(Pair::read(segment));
            }
        }
    })
}

impl<'a> Pair<'a> {
    fn read(segment: &'a [u8]) -> Self {
        let (name, value) = split_once(segment, b'=').unwrap_or((b"", segment));
        Self {
            name,
            value,
            whole: segment,
        }
    }
}

impl std::fmt::Debug for Pair<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A nameless pair may be a secret altogether, and so may any value.
        f.debug_struct("Pair")
            .field("name", &self.name.escape_ascii().to_string())
            .field("value", &"<redacted>")
            .finish()
    }
}

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlainValue {
    /// Of cookie-octets alone, bare or in one full pair of quotes.
    Solid,
    /// The same with spaces or commas in between, as real apps write them.
    Gapped,
    /// With bytes past ASCII, and perhaps with gaps. Readers that trim or split at Unicode spaces see others than we do.
    NonAscii,
}

/// Whether `name` is one that every reader takes for one and the same name: printable ASCII without space, quote,
/// comma, semicolon, equals sign and backslash, not empty, and no `$` in front, which RFC 2965 gave a meaning.
pub fn is_plain_name(name: &[u8]) -> bool {
    NameBytes::of(name).is_plain()
}

/// What the bytes of a name tell of it, looked at once.
#[derive(Clone, Copy)]
pub(super) struct NameBytes(u8);

impl NameBytes {
    #[inline]
    pub(super) fn of(name: &[u8]) -> Self {
        match name.first() {
            None | Some(b'$') => Self(NOT_NAME | all_classes(name)),
            Some(_) => Self(all_classes(name)),
        }
    }

    /// See [`is_plain_name`].
    pub(super) const fn is_plain(self) -> bool {
        self.0 & NOT_NAME == 0
    }

    /// Whether some framework may make another name of it.
    pub(super) const fn may_fold(self) -> bool {
        self.0 & FOLDED != 0
    }
}

/// How `value` is written, or `None` when it holds what no reader may be given (RFC 6265bis 4.1.1): a control, a
/// backslash, or a quote that is not one of a full pair around the value. Readers differ over all of these.
pub fn plain_value(value: &[u8]) -> Option<PlainValue> {
    let inner = match value {
        [b'"', inner @ .., b'"'] => inner,
        bare => bare,
    };
    match classes(inner) {
        odd if odd & NOT_VALUE != 0 => None,
        high if high & HIGH != 0 => Some(PlainValue::NonAscii),
        gapped if gapped & GAP != 0 => Some(PlainValue::Gapped),
        _ => Some(PlainValue::Solid),
    }
}

/// `bytes` without SP and HTAB at both ends. Not `trim_ascii`, which takes more.
pub(super) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// What stands before and after the first `mark`.
pub(super) fn split_once(bytes: &[u8], mark: u8) -> Option<(&[u8], &[u8])> {
    let (before, rest) = bytes.split_at_checked(find(bytes, mark)?)?;
    Some((before, rest.get(1..)?))
}

/// Where the first `mark` stands. Looks at eight bytes at a time, since every byte of every request's cookies comes by
/// here: a byte that is `mark` becomes zero, and only a zero byte borrows into its own high bit.
fn find(bytes: &[u8], mark: u8) -> Option<usize> {
    const LOW: u64 = u64::from_le_bytes([0x01; 8]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    let marks = u64::from_le_bytes([mark; 8]);
    let (mut rest, mut at) = (bytes, 0);
    while let Some((chunk, after)) = rest.split_first_chunk::<8>() {
        let odd = u64::from_le_bytes(*chunk) ^ marks;
        // Borrows may spill upwards past a hit, so only the lowest one is believed.
        let hits = odd.wrapping_sub(LOW) & !odd & HIGH;
        if hits != 0 {
            return Some(at + hits.trailing_zeros() as usize / 8);
        }
        (rest, at) = (after, at + 8);
    }
    let near = rest.iter().position(|byte| *byte == mark)?;
    Some(at + near)
}

/// All the reservations about any of `bytes`, together.
fn classes(bytes: &[u8]) -> u8 {
    const RUN: usize = 16;
    let runs = bytes.chunks_exact(RUN);
    let of_tail = all_classes(runs.remainder());
    // Nearly all values hold nothing odd, and that is seen sixteen bytes at a time.
    let mut odd = [0; RUN];
    for run in runs {
        let marks = odd.iter_mut().zip(run);
        marks.for_each(|(odd, byte)| *odd |= odd_mark(*byte));
    }
    if odd == [0; RUN] {
        of_tail
    } else {
        all_classes(bytes)
    }
}

#[inline]
fn all_classes(bytes: &[u8]) -> u8 {
    let classes = bytes.iter().map(|byte| CLASS[usize::from(*byte)]);
    classes.fold(0, |all, class| all | class)
}

/// Not zero for a byte that a value has a class for. Comparisons alone, so that they are done for many bytes at once.
const fn odd_mark(byte: u8) -> u8 {
    (byte < 0x21) as u8
        | (byte > 0x7E) as u8
        | (byte == b'"') as u8
        | (byte == b',') as u8
        | (byte == b';') as u8
        | (byte == b'=') as u8
        | (byte == b'\\') as u8
}

const NOT_NAME: u8 = 1;
const NOT_VALUE: u8 = 2;
const GAP: u8 = 4;
const HIGH: u8 = 8;
/// PHP or Rack make another byte of it in a name.
const FOLDED: u8 = 16;

/// What is to be said against each byte.
static CLASS: [u8; 256] = {
    let mut table = [NOT_NAME | NOT_VALUE; 256];
    let mut byte = 0x21;
    while byte <= 0x7E {
        table[byte] = match byte as u8 {
            b'"' | b';' | b'\\' => NOT_NAME | NOT_VALUE,
            b',' => NOT_NAME | GAP,
            b'=' => NOT_NAME,
            b'%' | b'+' | b'.' | b'[' => FOLDED,
            _ => 0,
        };
        byte += 1;
    }
    table[b' ' as usize] = NOT_NAME | GAP | FOLDED;
    let mut byte = 0x80;
    while byte <= 0xFF {
        table[byte] = NOT_NAME | HIGH;
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Read<'a> = (&'a [u8], &'a [u8]);

    fn read<'a>(fields: &[&'a [u8]]) -> Vec<Read<'a>> {
        pairs(fields.iter().copied())
            .map(|pair| (pair.name, pair.value))
            .collect()
    }

    #[test]
    fn pairs_end_at_semicolons_only() {
        let table: &[(&[u8], &[Read<'_>])] = &[
            (b"a=1; b=2", &[(b"a", b"1"), (b"b", b"2")]),
            (b"a=1;b=2;", &[(b"a", b"1"), (b"b", b"2")]),
            (b"a=1, b=2", &[(b"a", b"1, b=2")]),
            (b"a=1 b=2", &[(b"a", b"1 b=2")]),
            (b"a=\"x; b=2\"", &[(b"a", b"\"x"), (b"b", b"2\"")]),
            (b";; ;\t; a==;", &[(b"a", b"=")]),
            (b"=v; w", &[(b"", b"v"), (b"", b"w")]),
            (b" \ta =\t1 ", &[(b"a ", b"\t1")]),
            (b"\xa0a=1", &[(b"\xa0a", b"1")]),
            (b"", &[]),
        ];
        for (field, expected) in table {
            assert_eq!(read(&[field]), *expected, "{}", field.escape_ascii());
        }
    }

    #[test]
    fn several_fields_are_one_list() {
        assert_eq!(
            read(&[b"a=1", b"b=2; c=3", b"", b"a=4"]),
            read(&[b"a=1; b=2; c=3; a=4"])
        );
    }

    #[test]
    fn only_plain_names_are_plain() {
        for name in [
            "sessionid",
            "a",
            "user[1]",
            "_ga_X.1",
            "__Host-x",
            "a%20b",
            "x$",
        ] {
            assert!(is_plain_name(name.as_bytes()), "{name}");
        }
        for name in [
            "", "$Version", "a b", "a\t", "a,b", "a\"b", "a\\b", "a=b", "ä", "a\u{1c}", "a\u{7f}",
        ] {
            assert!(!is_plain_name(name.as_bytes()), "{name:?}");
        }
    }

    #[test]
    fn values_outside_cookie_octet_are_not_plain() {
        use PlainValue::{Gapped, NonAscii, Solid};
        let table: &[(&[u8], Option<PlainValue>)] = &[
            (b"", Some(Solid)),
            (b"abc%20=/+:{}[]'<>?@!~", Some(Solid)),
            (b"\"quoted\"", Some(Solid)),
            (b"\"\"", Some(Solid)),
            (b"a b, c", Some(Gapped)),
            (b"\"a b\"", Some(Gapped)),
            (b"\"", None),
            (b"\"a", None),
            (b"a\"", None),
            (b"a\"b", None),
            (b"\"a\"b\"", None),
            (b"\"a\\\"b\"", None),
            (b"\\073", None),
            (b"a\tb", None),
            (b"a\0", None),
            (b"\x1c", None),
            (b"\x7f", None),
            (b"J\xc3\xb6rg", Some(NonAscii)),
            (b"\xa0", Some(NonAscii)),
            (b"a \xa0", Some(NonAscii)),
            (b"\xa0\x01", None),
        ];
        for (value, expected) in table {
            assert_eq!(plain_value(value), *expected, "{}", value.escape_ascii());
        }
    }

    #[test]
    fn a_byte_is_odd_if_it_has_a_class() {
        for byte in 0..=u8::MAX {
            let class = CLASS[usize::from(byte)] & !FOLDED;
            assert_eq!(odd_mark(byte) != 0, class != 0, "{byte}");
        }
    }

    #[test]
    fn debug_output_holds_no_value() {
        let pair = Pair::read(b"sid=secret");
        assert!(!format!("{pair:?}").contains("secret"));
    }

    proptest! {
        #[test]
        fn a_mark_is_found_where_it_first_stands(
            bytes in prop::collection::vec(prop::sample::select(vec![b';', b':', b'<', 0xBB, 0x00, 0xFF, b'a']), 0..80),
        ) {
            prop_assert_eq!(find(&bytes, b';'), bytes.iter().position(|byte| *byte == b';'));
        }
    }
}
