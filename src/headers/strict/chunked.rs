//! A chunked body (RFC 9112, 7.1), byte by byte but for the data.

use super::text::is_token_byte;
use super::{Fault, Limits};

/// A size of more digits overflows 64 bits.
const DIGITS_MAX: u8 = 16;
/// Extensions are read past, and nobody needs them: of one chunk and of one body.
const EXTENSION_BYTES_MAX: u32 = 512;
const EXTENSIONS_BYTES_MAX: u32 = 8 * 1024;
/// What the parser behind us counts for trailers beside their lines.
const TRAILER_SPARE: usize = 8;

#[derive(Debug, Default)]
pub(super) struct Chunked {
    step: Step,
    /// Of the chunk: its size, then what is left of it.
    size: u64,
    digits: u8,
    extension: u32,
    extensions: u32,
    trailer_bytes: usize,
    trailers: usize,
}

/// What comes next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Step {
    #[default]
    Size,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    Trailer,
    Name,
    Value,
    TrailerLf,
    EndLf,
    End,
}

impl Chunked {
    /// Reads on: how many bytes belong to the body and are sound, and whether it ends with them.
    pub(super) fn read(&mut self, bytes: &[u8], limits: &Limits) -> (usize, Result<bool, Fault>) {
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            if self.step == Step::Data {
                let here = bytes.len() - at;
                let data = usize::try_from(self.size).map_or(here, |size| size.min(here));
                at += data;
                self.size -= data as u64;
                if self.size == 0 {
                    self.step = Step::DataCr;
                }
                continue;
            }
            match self.step(*byte, limits) {
                Ok(step) => self.step = step,
                Err(fault) => return (at, Err(fault)),
            }
            at += 1;
            if self.step == Step::End {
                return (at, Ok(true));
            }
        }
        (at, Ok(false))
    }

    fn step(&mut self, byte: u8, limits: &Limits) -> Result<Step, Fault> {
        match self.step {
            Step::Size => self.size(byte),
            Step::Extension => self.extension(byte),
            Step::SizeLf if byte == b'\n' => Ok(self.end_size_line()),
            Step::DataCr if byte == b'\r' => Ok(Step::DataLf),
            Step::DataLf if byte == b'\n' => Ok(Step::Size),
            Step::Trailer | Step::Name | Step::Value | Step::TrailerLf | Step::EndLf => {
                self.trailer(byte, limits)
            }
            Step::SizeLf | Step::DataCr | Step::DataLf | Step::Data | Step::End => {
                Err(Fault::Chunk)
            }
        }
    }

    fn size(&mut self, byte: u8) -> Result<Step, Fault> {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            b'\r' if self.digits > 0 => return Ok(Step::SizeLf),
            b';' if self.digits > 0 => {
                self.extension = 0;
                return Ok(Step::Extension);
            }
            _ => return Err(Fault::Chunk),
        };
        self.digits += 1;
        if self.digits > DIGITS_MAX {
            return Err(Fault::Chunk);
        }
        // Sixteen digits are 64 bits.
        self.size = self.size << 4 | u64::from(digit);
        Ok(Step::Size)
    }

    fn extension(&mut self, byte: u8) -> Result<Step, Fault> {
        self.extension += 1;
        self.extensions += 1;
        let fits = self.extension <= EXTENSION_BYTES_MAX && self.extensions <= EXTENSIONS_BYTES_MAX;
        match byte {
            b'\r' => Ok(Step::SizeLf),
            b'\t' | b' '..=b'~' if fits => Ok(Step::Extension),
            // A bare LF above all: some end the line with it (CVE-2025-55315).
            _ => Err(Fault::Chunk),
        }
    }

    fn end_size_line(&mut self) -> Step {
        self.digits = 0;
        if self.size == 0 {
            Step::Trailer
        } else {
            Step::Data
        }
    }

    fn trailer(&mut self, byte: u8, limits: &Limits) -> Result<Step, Fault> {
        self.trailer_bytes += 1;
        if self.trailer_bytes.saturating_add(TRAILER_SPARE) > limits.head_bytes {
            return Err(Fault::Trailers);
        }
        match (self.step, byte) {
            (Step::Trailer, b'\r') => Ok(Step::EndLf),
            (Step::Trailer, _) if is_token_byte(byte) => {
                self.trailers += 1;
                if self.trailers > limits.fields {
                    return Err(Fault::Trailers);
                }
                Ok(Step::Name)
            }
            (Step::Name, _) if is_token_byte(byte) => Ok(Step::Name),
            (Step::Name, b':') => Ok(Step::Value),
            (Step::Value, b'\r') => Ok(Step::TrailerLf),
            (Step::Value, b'\t' | b' '..=b'~' | 0x80..) => Ok(Step::Value),
            (Step::TrailerLf, b'\n') => Ok(Step::Trailer),
            (Step::EndLf, b'\n') => Ok(Step::End),
            _ => Err(Fault::Trailers),
        }
    }
}
