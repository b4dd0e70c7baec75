//! Heads and trailers, line by line.

use memchr::memchr;

use super::Flaw;

/// A head that is being read.
#[derive(Debug, Default)]
pub(super) struct Head {
    lines: Lines,
    begun: bool,
    old: bool,
    ending: Ending,
}

/// What of a head says how the message goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ending {
    pub(super) status: u16,
    pub(super) length: Option<u64>,
    pub(super) chunked: bool,
    coding: bool,
}

impl Head {
    /// How many bytes were read, and what the head says if it ended with them.
    pub(super) fn read(
        &mut self,
        bytes: &[u8],
        bytes_max: usize,
    ) -> Result<(usize, Option<Ending>), Flaw> {
        let Self {
            lines,
            begun,
            old,
            ending,
        } = self;
        let (read, ended) = lines.read(bytes, bytes_max, |line| {
            if !*begun {
                *begun = true;
                (ending.status, *old) = status_line(line)?;
                return Ok(false);
            }
            if line.is_empty() {
                return Ok(true);
            }
            let (name, value) = field(line)?;
            // Few names have these lengths.
            match name.len() {
                14 if name.eq_ignore_ascii_case(b"content-length") => ending.state_length(value)?,
                17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                    ending.state_coding(value, *old)?;
                }
                _ => {}
            }
            Ok(false)
        })?;
        Ok((read, ended.then_some(*ending).map(Ending::settled)))
    }
}

impl Ending {
    /// Several equal lengths are one.
    fn state_length(&mut self, value: &[u8]) -> Result<(), Flaw> {
        for item in value.split(|&byte| byte == b',') {
            let length = number(item.trim_ascii()).ok_or(Flaw::Length)?;
            if self.length.is_some_and(|other| other != length) {
                return Err(Flaw::Length);
            }
            self.length = Some(length);
        }
        Ok(())
    }

    /// `identity` is no coding; old servers send it.
    fn state_coding(&mut self, value: &[u8], old: bool) -> Result<(), Flaw> {
        self.chunked = value.eq_ignore_ascii_case(b"chunked");
        if old || self.coding || !(self.chunked || value.eq_ignore_ascii_case(b"identity")) {
            return Err(Flaw::Coding);
        }
        self.coding = true;
        Ok(())
    }

    /// A transfer coding makes lengths void.
    const fn settled(self) -> Self {
        Self {
            length: if self.coding { None } else { self.length },
            ..self
        }
    }
}

/// Cuts what comes into lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The beginning of a line whose end has not come.
    partial: Vec<u8>,
    bytes: usize,
}

impl Lines {
    /// Gives whole lines without their CRLF to `take`, until that answers `true` for the last. Answers how many bytes
    /// were read, and whether that line has come.
    pub(super) fn read(
        &mut self,
        bytes: &[u8],
        bytes_max: usize,
        mut take: impl FnMut(&[u8]) -> Result<bool, Flaw>,
    ) -> Result<(usize, bool), Flaw> {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let end = memchr(b'\n', rest);
            let part = &rest[..end.map_or(rest.len(), |end| end + 1)];
            at += part.len();
            self.bytes += part.len();
            if self.bytes > bytes_max {
                return Err(Flaw::TooLarge);
            }
            if end.is_none() {
                self.partial.extend_from_slice(part);
                break;
            }
            let ended = if self.partial.is_empty() {
                take(part.strip_suffix(b"\r\n").ok_or(Flaw::LineEnd)?)?
            } else {
                self.partial.extend_from_slice(part);
                let whole = std::mem::take(&mut self.partial);
                take(whole.strip_suffix(b"\r\n").ok_or(Flaw::LineEnd)?)?
            };
            if ended {
                return Ok((at, true));
            }
        }
        Ok((at, false))
    }
}

/// The status, and whether the version is HTTP/1.0. The blank before an empty reason may be missing, as some apps do.
fn status_line(line: &[u8]) -> Result<(u16, bool), Flaw> {
    let [
        b'H',
        b'T',
        b'T',
        b'P',
        b'/',
        b'1',
        b'.',
        minor,
        b' ',
        a,
        b,
        c,
        rest @ ..,
    ] = line
    else {
        return Err(Flaw::StatusLine);
    };
    let old = match minor {
        b'1' => false,
        b'0' => true,
        _ => return Err(Flaw::StatusLine),
    };
    let status = number(&[*a, *b, *c]).and_then(|status| u16::try_from(status).ok());
    let status = status.filter(|status| (100..=999).contains(status));
    if !rest.is_empty() && rest.first() != Some(&b' ') || has_control(rest) {
        return Err(Flaw::StatusLine);
    }
    status.map(|status| (status, old)).ok_or(Flaw::StatusLine)
}

/// The name and the value of a field.
pub(super) fn field(line: &[u8]) -> Result<(&[u8], &[u8]), Flaw> {
    if line
        .first()
        .is_some_and(|byte| matches!(byte, b' ' | b'\t'))
    {
        return Err(Flaw::Fold);
    }
    let colon = memchr(b':', line).ok_or(Flaw::Field)?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    if name.is_empty() || !name.iter().all(|&byte| is_token_byte(byte)) {
        return Err(Flaw::Field);
    }
    if has_control(value) {
        return Err(Flaw::Control);
    }
    Ok((name, value.trim_ascii()))
}

/// Looks at every byte, so that the compiler may look at many at once.
fn has_control(bytes: &[u8]) -> bool {
    bytes.iter().fold(false, |found, &byte| {
        found | (byte < b' ' && byte != b'\t') | (byte == 0x7F)
    })
}

const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// Digits and nothing else.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, &digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}
