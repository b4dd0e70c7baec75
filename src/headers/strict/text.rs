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

/// How many bytes from the front are token bytes.
pub(super) fn token_length(bytes: &[u8]) -> usize {
    let end = bytes.iter().position(|byte| !is_token_byte(*byte));
    end.unwrap_or(bytes.len())
}

const ONES: u64 = u64::MAX / 0xff;
const HIGHS: u64 = ONES * 0x80;

/// Whether all bytes may stand in a value: visible ones, spaces, tabs, and bytes past ASCII.
pub(super) fn is_text(bytes: &[u8]) -> bool {
    let Some(last) = bytes.last_chunk::<8>() else {
        return bytes.iter().all(|byte| is_text_byte(*byte));
    };
    // Eight at a time, the last eight once more, so that none is left over.
    let (eights, _) = bytes.as_chunks::<8>();
    let mut suspicious = may_hold_control(*last);
    for eight in eights {
        suspicious |= may_hold_control(*eight);
    }
    suspicious == 0 || bytes.iter().all(|byte| is_text_byte(*byte))
}

const fn is_text_byte(byte: u8) -> bool {
    (byte >= b' ' && byte != 0x7f) || byte == b'\t'
}

/// Not zero when one of the bytes is below 0x20, a tab too, or 0x7f.
const fn may_hold_control(bytes: [u8; 8]) -> u64 {
    let word = u64::from_ne_bytes(bytes);
    let below = word.wrapping_sub(ONES * 0x20) & !word;
    let differs = word ^ (ONES * 0x7f);
    let delete = differs.wrapping_sub(ONES) & !differs;
    (below | delete) & HIGHS
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
            let expected = !(byte.is_ascii_control()) || byte == b'\t';
            for length in 1..40 {
                for at in [0, length / 2, length - 1] {
                    let mut bytes = vec![b'a'; length];
                    bytes[at] = byte;
                    assert_eq!(is_text(&bytes), expected, "{byte:#x} at {at} of {length}");
                }
            }
        }
    }
}
