//! Heads and trailers, line by line.

use std::ops::Range;

use bytes::{Buf, Bytes, BytesMut};
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use memchr::memchr;

use super::Flaw;

/// How many fields a head or trailers may have. Apps send a tenth of it.
const FIELDS_MAX: usize = 100;

/// Room for the fields of a usual head, and for what is written into it on its way.
const FIELDS_USUAL: usize = 24;

/// The head of an answer. What says where the body ends is not among its fields, but for the length.
#[derive(Debug)]
pub struct Head {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// The connection is good for this answer only: the app says so, or speaks HTTP/1.0.
    pub closes: bool,
}

/// A head that is being read.
#[derive(Debug, Default)]
pub(super) struct HeadLines {
    lines: Lines,
    ending: Ending,
}

/// What of a head says how the message goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ending {
    pub(super) status: u16,
    pub(super) length: Option<u64>,
    pub(super) chunked: bool,
    /// HTTP/1.0.
    old: bool,
    coding: bool,
    closes: bool,
    /// The field that tells the length is a number and nothing else.
    plain_length: bool,
}

impl HeadLines {
    /// Takes a head from the front of `buffer`, if all of it is there.
    pub(super) fn read(
        &mut self,
        buffer: &mut BytesMut,
        bytes_max: usize,
    ) -> Result<Option<(Head, Ending)>, Flaw> {
        let Self { lines, ending } = self;
        while let Some(line) = lines.next(buffer, bytes_max)? {
            let text = &buffer[line.clone()];
            if ending.status == 0 {
                (ending.status, ending.old) = status_line(text)?;
            } else if text.is_empty() {
                let headers = lines.take(buffer)?;
                return Ok(Some((ending.head(headers)?, *ending)));
            } else {
                let (name_end, value) = field(text)?;
                if ending.note(&text[..name_end], &text[value.clone()])? {
                    lines.keep(line.start, name_end, value)?;
                }
            }
        }
        Ok(None)
    }
}

impl Ending {
    /// Answers whether the field may be passed on. Few names have these lengths.
    fn note(&mut self, name: &[u8], value: &[u8]) -> Result<bool, Flaw> {
        match name.len() {
            10 if name.eq_ignore_ascii_case(b"connection") => {
                let mut options = value.split(|&byte| byte == b',');
                self.closes |=
                    options.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"));
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                let is_first = self.length.is_none();
                self.state_length(value)?;
                self.plain_length = is_first && is_plain(value);
                return Ok(self.plain_length);
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                self.state_coding(value)?;
                return Ok(false);
            }
            _ => {}
        }
        Ok(true)
    }

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
    fn state_coding(&mut self, value: &[u8]) -> Result<(), Flaw> {
        self.chunked = value.eq_ignore_ascii_case(b"chunked");
        if self.old || self.coding || !(self.chunked || value.eq_ignore_ascii_case(b"identity")) {
            return Err(Flaw::Coding);
        }
        self.coding = true;
        Ok(())
    }

    /// A length beside a transfer coding is how smuggling begins: RFC 9112, 6.3, lets a reader believe the coding, and one
    /// on the way that believes the length sees another message. A message without content has no length (RFC 9110, 8.6).
    fn head(&mut self, mut headers: HeaderMap) -> Result<Head, Flaw> {
        if self.coding && self.length.is_some() {
            return Err(Flaw::TwoFramings);
        }
        match self
            .length
            .filter(|_| self.status >= 200 && self.status != 204)
        {
            Some(_) if self.plain_length => {}
            Some(length) => drop(headers.insert(CONTENT_LENGTH, length.into())),
            None => drop(headers.remove(CONTENT_LENGTH)),
        }
        Ok(Head {
            status: StatusCode::from_u16(self.status).map_err(|_| Flaw::StatusLine)?,
            headers,
            closes: self.closes || self.old,
        })
    }
}

/// Whether a number stands in its only form.
fn is_plain(value: &[u8]) -> bool {
    value.iter().all(u8::is_ascii_digit) && (value.len() == 1 || value.first() != Some(&b'0'))
}

/// Cuts the front of a buffer into lines. The bytes stay there until all lines have come, and no byte is looked at twice
/// on the way, however they come.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// Where the next line begins.
    at: usize,
    /// How far its end was looked for.
    searched: usize,
    fields: Vec<Field>,
}

/// Where a field is.
#[derive(Debug)]
struct Field {
    name: Range<usize>,
    value: Range<usize>,
}

impl Lines {
    /// The next line, without its CRLF, if all of it is there.
    fn next(&mut self, buffer: &[u8], bytes_max: usize) -> Result<Option<Range<usize>>, Flaw> {
        let from = self.searched.max(self.at);
        let found = memchr(b'\n', buffer.get(from..).unwrap_or_default());
        self.searched = found.map_or(buffer.len(), |found| from + found + 1);
        if self.searched > bytes_max {
            return Err(Flaw::TooLarge);
        }
        let Some(found) = found else {
            return Ok(None);
        };
        let start = std::mem::replace(&mut self.at, self.searched);
        match buffer[start..from + found].split_last() {
            Some((b'\r', line)) => Ok(Some(start..start + line.len())),
            _ => Err(Flaw::LineEnd),
        }
    }

    fn keep(&mut self, line: usize, name_end: usize, value: Range<usize>) -> Result<(), Flaw> {
        if self.fields.len() == FIELDS_MAX {
            return Err(Flaw::Fields);
        }
        if self.fields.capacity() == 0 {
            self.fields.reserve(FIELDS_USUAL);
        }
        self.fields.push(Field {
            name: line..line + name_end,
            value: line + value.start..line + value.end,
        });
        Ok(())
    }

    /// Takes the lines out of `buffer`. The values are slices of one copy: the buffer is filled again, and a header table
    /// of HTTP/2 may remember one of them for long.
    fn take(&mut self, buffer: &mut BytesMut) -> Result<HeaderMap, Flaw> {
        let block = Bytes::copy_from_slice(&buffer[..self.at]);
        buffer.advance(self.at);
        let mut headers = HeaderMap::with_capacity(FIELDS_USUAL.max(self.fields.len()));
        for Field { name, value } in self.fields.drain(..) {
            let name = HeaderName::from_bytes(&block[name]).map_err(|_| Flaw::Field)?;
            let value = HeaderValue::from_maybe_shared(block.slice(value));
            headers.append(name, value.map_err(|_| Flaw::Control)?);
        }
        Ok(headers)
    }

    /// Takes trailers from the front of `buffer`, if all of them are there.
    pub(super) fn read_trailers(
        &mut self,
        buffer: &mut BytesMut,
        bytes_max: usize,
    ) -> Result<Option<HeaderMap>, Flaw> {
        while let Some(line) = self.next(buffer, bytes_max)? {
            let text = &buffer[line.clone()];
            if text.is_empty() {
                return self.take(buffer).map(Some);
            }
            let (name_end, value) = field(text)?;
            self.keep(line.start, name_end, value)?;
        }
        Ok(None)
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

/// Where in `line` the name ends, and where the value is.
fn field(line: &[u8]) -> Result<(usize, Range<usize>), Flaw> {
    if line
        .first()
        .is_some_and(|byte| matches!(byte, b' ' | b'\t'))
    {
        return Err(Flaw::Fold);
    }
    let colon = memchr(b':', line).ok_or(Flaw::Field)?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    if name.is_empty() || !name.iter().all(|&byte| TOKEN[usize::from(byte)]) {
        return Err(Flaw::Field);
    }
    if has_control(value) {
        return Err(Flaw::Control);
    }
    let start = line.len() - value.trim_ascii_start().len();
    Ok((colon, start..start + line[start..].trim_ascii_end().len()))
}

/// Looks at every byte, so that the compiler may look at many at once.
fn has_control(bytes: &[u8]) -> bool {
    bytes.iter().fold(false, |found, &byte| {
        found | (byte < b' ' && byte != b'\t') | (byte == 0x7F)
    })
}

/// The bytes of a token, in a table: every name is looked at byte by byte.
const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = is_token_byte(byte as u8);
        byte += 1;
    }
    table
};

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
