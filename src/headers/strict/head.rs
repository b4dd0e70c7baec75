//! A request head, line by line. Each line is looked at once, as soon as it is whole.

use http::Uri;

use super::text::{is_plain_target, is_text, is_token, is_token_byte, token_length, trim};
use super::{Fault, Limits};

/// Method, spaces and version beside a target.
const REQUEST_LINE_SPARE: usize = 64;
/// 10^18 bytes are an exabyte. More digits are no length, and past twenty they overflow somewhere.
const LENGTH_DIGITS_MAX: usize = 18;
/// The http crate takes none that is longer.
const NAME_BYTES_MAX: usize = u16::MAX as usize;

/// What has been read of a head.
#[derive(Debug, Default)]
pub(super) struct Head {
    /// Where the line begins that is not yet whole.
    line: usize,
    /// Up to where there is no end of it.
    searched: usize,
    fields: usize,
    version: Version,
    hosts: bool,
    length: Option<u64>,
    coding: Option<Coding>,
    expects: bool,
    upgrades: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Version {
    #[default]
    Http10,
    Http11,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Chunked,
    Unknown,
}

/// A head that is whole and sound.
#[derive(Debug)]
pub(super) struct Whole {
    pub bytes: usize,
    pub framing: Framing,
    pub upgrades: bool,
}

/// Where its body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Length(u64),
    Chunked,
}

impl Head {
    /// Reads on in `bytes`, which begin with the head. `None`: it is not whole.
    pub(super) fn read(&mut self, bytes: &[u8], limits: &Limits) -> Result<Option<Whole>, Fault> {
        // Whoever speaks another protocol, or sends an empty line first, need not be waited for.
        if bytes.first().is_some_and(|first| !is_token_byte(*first)) {
            return Err(Fault::RequestLine);
        }
        loop {
            let unsearched = bytes.get(self.searched..).unwrap_or_default();
            let Some(found) = memchr::memchr(b'\n', unsearched) else {
                self.searched = bytes.len();
                self.check_room(bytes.len(), limits)?;
                return Ok(None);
            };
            let end = self.searched + found;
            self.check_room(end, limits)?;
            let line = bytes.get(self.line..end).unwrap_or_default();
            let Some((b'\r', line)) = line.split_last() else {
                return Err(Fault::LineEnd);
            };
            if !is_text(line) {
                return Err(self.bad_byte());
            }
            let is_first = self.line == 0;
            self.line = end + 1;
            self.searched = end + 1;
            if is_first {
                self.read_request_line(line, limits)?;
            } else if line.is_empty() {
                return self.finish().map(Some);
            } else {
                self.read_field(line, limits)?;
            }
        }
    }

    /// A control byte stands in the line.
    const fn bad_byte(&self) -> Fault {
        if self.line == 0 {
            Fault::RequestLine
        } else {
            Fault::Field
        }
    }

    /// Whether a head of more than so many bytes may be.
    fn check_room(&self, bytes: usize, limits: &Limits) -> Result<(), Fault> {
        if self.line == 0 && bytes > limits.target_bytes.saturating_add(REQUEST_LINE_SPARE) {
            return Err(Fault::TargetTooLong);
        }
        if bytes >= limits.head_bytes {
            return Err(Fault::TooLarge);
        }
        Ok(())
    }

    fn read_request_line(&mut self, line: &[u8], limits: &Limits) -> Result<(), Fault> {
        let (method, target, version) = parts(line).ok_or(Fault::RequestLine)?;
        self.version = match version {
            b"HTTP/1.1" => Version::Http11,
            b"HTTP/1.0" => Version::Http10,
            [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
                if major.is_ascii_digit() && minor.is_ascii_digit() =>
            {
                return Err(Fault::Version);
            }
            _ => return Err(Fault::RequestLine),
        };
        if target.len() > limits.target_bytes {
            return Err(Fault::TargetTooLong);
        }
        if matches!(method, b"CONNECT" | b"TRACE") {
            return Err(Fault::Method);
        }
        if !is_target(target) {
            return Err(Fault::Target);
        }
        Ok(())
    }

    fn read_field(&mut self, line: &[u8], limits: &Limits) -> Result<(), Fault> {
        self.fields += 1;
        if self.fields > limits.fields {
            return Err(Fault::TooLarge);
        }
        let (name, rest) = line
            .split_at_checked(token_length(line))
            .ok_or(Fault::Field)?;
        let Some((b':', value)) = rest.split_first() else {
            return Err(Fault::Field);
        };
        if name.is_empty() || name.len() >= NAME_BYTES_MAX {
            return Err(Fault::Field);
        }
        // By length first: nearly all names are done with that.
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => {
                let again = std::mem::replace(&mut self.hosts, true);
                return if again { Err(Fault::Host) } else { Ok(()) };
            }
            6 if name.eq_ignore_ascii_case(b"expect") => {
                let is_known = trim(value).eq_ignore_ascii_case(b"100-continue");
                if std::mem::replace(&mut self.expects, true) || !is_known {
                    return Err(Fault::Expectation);
                }
            }
            7 if name.eq_ignore_ascii_case(b"upgrade") => self.upgrades = true,
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                let length = read_length(trim(value)).ok_or(Fault::Length)?;
                // Two that are equal are refused too: nobody has a reason to send them.
                if self.length.replace(length).is_some() {
                    return Err(Fault::Length);
                }
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                let coding = read_coding(trim(value)).ok_or(Fault::Length)?;
                if self.coding.replace(coding).is_some() {
                    return Err(Fault::Length);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn finish(&self) -> Result<Whole, Fault> {
        let is_11 = self.version == Version::Http11;
        if is_11 && !self.hosts {
            return Err(Fault::Host);
        }
        let framing = match (self.coding, self.length) {
            (Some(_), Some(_)) => return Err(Fault::Length),
            // HTTP/1.0 has no transfer codings: whoever sends one is read differently down the line.
            (Some(_), None) if !is_11 => return Err(Fault::Length),
            (Some(Coding::Unknown), None) => return Err(Fault::Coding),
            (Some(Coding::Chunked), None) => Framing::Chunked,
            (None, length) => Framing::Length(length.unwrap_or(0)),
        };
        Ok(Whole {
            bytes: self.line,
            framing,
            upgrades: self.upgrades && is_11,
        })
    }
}

/// Method and target of a head that begins with `bytes`, if its request line is sound.
pub(super) fn request_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(b'\n', bytes)?;
    let line = bytes.get(..end)?.strip_suffix(b"\r")?;
    if !is_text(line) {
        return None;
    }
    let (method, target, _) = parts(line)?;
    is_target(target).then_some((method, target))
}

/// Splits at single spaces; a space more ends up in the version, which has none.
fn parts(line: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (method, rest) = line.split_at_checked(token_length(line))?;
    let rest = rest.strip_prefix(b" ")?;
    let space = rest.iter().position(|byte| *byte == b' ')?;
    let (target, version) = rest.split_at_checked(space)?;
    (!method.is_empty()).then_some((method, target, version.get(1..)?))
}

/// Whether it is a target in a form that we serve and that the parser behind us takes whole: it would cut a fragment
/// off.
fn is_target(target: &[u8]) -> bool {
    if is_plain_target(target) || target == b"*" {
        return true;
    }
    if target.contains(&b'#') {
        return false;
    }
    let is_origin = target.first() == Some(&b'/');
    Uri::try_from(target)
        .is_ok_and(|uri| is_origin || (uri.scheme().is_some() && uri.authority().is_some()))
}

fn read_length(value: &[u8]) -> Option<u64> {
    let is_number = !value.is_empty()
        && value.len() <= LENGTH_DIGITS_MAX
        && value.iter().all(u8::is_ascii_digit);
    // Some read a zero in front as octal.
    if !is_number || (value.len() > 1 && value.first() == Some(&b'0')) {
        return None;
    }
    let add = |length: u64, digit: &u8| length * 10 + u64::from(digit - b'0');
    Some(value.iter().fold(0, add))
}

/// `None` for what is no single coding: a list, quotes, nothing.
fn read_coding(value: &[u8]) -> Option<Coding> {
    if value.eq_ignore_ascii_case(b"chunked") {
        return Some(Coding::Chunked);
    }
    is_token(value).then_some(Coding::Unknown)
}
