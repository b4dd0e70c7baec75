//! Chunks, to the end of their trailers (RFC 9112, 7.1).

use bytes::{Buf, BytesMut};
use http::HeaderMap;

use super::head::Lines;
use super::{Data, Flaw};

/// A size of sixteen digits is the largest that fits into 64 bits.
const DIGITS_MAX: u8 = 16;

/// The longest extension of a chunk. Nobody uses them.
const EXTENSION_BYTES_MAX: u16 = 1024;

/// A body in chunks that is being read.
#[derive(Debug, Default)]
pub(super) struct Chunks(Part);

#[derive(Debug)]
enum Part {
    Size { size: u64, digits: u8 },
    Extension { size: u64, bytes: u16 },
    SizeLf(u64),
    Data(u64),
    DataCr,
    DataLf,
    Trailers(Lines),
}

impl Default for Part {
    fn default() -> Self {
        Self::Size { size: 0, digits: 0 }
    }
}

impl Chunks {
    /// Takes all of the body that is there from the front of `buffer`; answers with the trailers when it has ended.
    pub(super) fn read(
        &mut self,
        buffer: &mut BytesMut,
        trailer_bytes_max: usize,
        data: &mut Data,
    ) -> Result<Option<HeaderMap>, Flaw> {
        while !buffer.is_empty() {
            match &mut self.0 {
                Part::Data(left) => {
                    *left -= data.take(buffer, *left);
                    if *left == 0 {
                        self.0 = Part::DataCr;
                    }
                }
                Part::Trailers(lines) => return lines.read_trailers(buffer, trailer_bytes_max),
                part => {
                    let mut read = 0;
                    while part.is_framing()
                        && let Some(&byte) = buffer.get(read)
                    {
                        part.step(byte)?;
                        read += 1;
                    }
                    buffer.advance(read);
                }
            }
        }
        Ok(None)
    }
}

impl Part {
    const fn is_framing(&self) -> bool {
        !matches!(self, Self::Data(_) | Self::Trailers(_))
    }

    /// Reads one byte that is no data.
    fn step(&mut self, byte: u8) -> Result<(), Flaw> {
        *self = match (&*self, byte) {
            (&Self::Size { size, digits }, b'\r') if digits > 0 => Self::SizeLf(size),
            (&Self::Size { size, digits }, b';') if digits > 0 => {
                Self::Extension { size, bytes: 0 }
            }
            (&Self::Size { size, digits }, digit) if digits < DIGITS_MAX => {
                let digit = char::from(digit).to_digit(16).ok_or(Flaw::Chunk)?;
                Self::Size {
                    size: size << 4 | u64::from(digit),
                    digits: digits + 1,
                }
            }
            (&Self::Extension { size, .. }, b'\r') => Self::SizeLf(size),
            (&Self::Extension { size, bytes }, b'\t' | b' '..=b'~' | 0x80..)
                if bytes < EXTENSION_BYTES_MAX =>
            {
                Self::Extension {
                    size,
                    bytes: bytes + 1,
                }
            }
            (Self::SizeLf(0), b'\n') => Self::Trailers(Lines::default()),
            (&Self::SizeLf(size), b'\n') => Self::Data(size),
            (Self::DataCr, b'\r') => Self::DataLf,
            (Self::DataLf, b'\n') => Self::default(),
            _ => return Err(Flaw::Chunk),
        };
        Ok(())
    }
}
