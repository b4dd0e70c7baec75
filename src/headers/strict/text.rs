//! What bytes may stand in names and values.

/// The bytes of a token (RFC 9110, 5.6.2).
const TOKEN: [bool; 256] = table(b"!#$%&'*+-.^_`|~");
/// The bytes of a target that every reader takes alike: what a URI is made of (RFC 3986, 2), without `[` and `]`.
const TARGET: [bool; 256] = table(b"-._~%/?:@!$&'()*+,;=");

const fn table(others: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut at = 0;
    while at < others.len() {
        table[others[at] as usize] = true;
        at += 1;
    }
    table
}

pub(super) const fn is_token_byte(byte: u8) -> bool {
    TOKEN[byte as usize]
}

pub(super) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| is_token_byte(*byte))
}

/// Whether a target needs no second look.
pub(super) fn is_plain_target(bytes: &[u8]) -> bool {
    bytes.first() == Some(&b'/') && bytes.iter().all(|byte| TARGET[usize::from(*byte)])
}

/// How many bytes from the front are token bytes. Eight at a time while there are only letters and hyphens, of which
/// nearly all names are made.
pub(super) fn token_length(bytes: &[u8]) -> usize {
    let mut at = 0;
    for eight in bytes.as_chunks::<8>().0 {
        let others = neither_letter_nor_hyphen(*eight);
        if others != 0 {
            at += others.trailing_zeros() as usize / 8;
            break;
        }
        at += 8;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    let end = rest.iter().position(|byte| !is_token_byte(*byte));
    at + end.unwrap_or(rest.len())
}

const ONES: u64 = u64::MAX / 0xff;
const HIGHS: u64 = ONES * 0x80;

/// The highest bit of each byte that is neither.
const fn neither_letter_nor_hyphen(bytes: [u8; 8]) -> u64 {
    let word = u64::from_le_bytes(bytes);
    // Seven bits of each byte, so that no sum carries into the next.
    let low = (word | (ONES * 0x20)) & !HIGHS;
    let from_a = low + ONES * (0x80 - b'a' as u64);
    let past_z = low + ONES * (0x7f - b'z' as u64);
    let differs = (word ^ (ONES * b'-' as u64)) & !HIGHS;
    let is_no_hyphen = differs + ONES * 0x7f;
    ((!from_a | past_z) & is_no_hyphen | word) & HIGHS
}

/// Whether all bytes may stand in a line: visible ones, spaces, tabs, and bytes past ASCII.
pub(super) fn is_text(bytes: &[u8]) -> bool {
    let Some(last) = bytes.last_chunk::<16>() else {
        return bytes.iter().all(|byte| !is_control(*byte));
    };
    // Sixteen at a time, without a branch, which is one step for the machine; the last ones once more, so that none is
    // left over.
    let mut controls = holds_control(last);
    for block in bytes.as_chunks::<16>().0 {
        controls |= holds_control(block);
    }
    controls == 0
}

fn holds_control(block: &[u8; 16]) -> u8 {
    block
        .iter()
        .fold(0, |found, byte| found | u8::from(is_control(*byte)))
}

const fn is_control(byte: u8) -> bool {
    (byte < b' ' && byte != b'\t') || byte == 0x7f
}

/// Without the spaces and tabs around it.
pub(super) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_is_judged_alike_wherever_it_stands() {
        for byte in 0..=u8::MAX {
            let is_text_byte = !byte.is_ascii_control() || byte == b'\t';
            for length in 1..40 {
                for at in [0, length / 2, length - 1] {
                    let mut bytes = vec![b'a'; length];
                    bytes[at] = byte;
                    assert_eq!(
                        is_text(&bytes),
                        is_text_byte,
                        "{byte:#x} at {at} of {length}"
                    );
                    let expected = if is_token_byte(byte) { length } else { at };
                    assert_eq!(
                        token_length(&bytes),
                        expected,
                        "{byte:#x} at {at} of {length}"
                    );
                }
            }
        }
    }
}
