//! WebSocket frames (RFC 6455 5.2), as far as it takes to write one of ours between two of somebody else's: their headers
//! are read, what they hold is counted and never looked at. So compression and other extensions do not matter.

use crate::base::secret::random_bytes;

const CLOSE: u8 = 8;
const IS_FINAL: u8 = 0x80;
const IS_MASKED: u8 = 0x80;

/// Where in a stream of frames somebody is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Frames {
    /// How many bytes of a header have come; 0: none is under way.
    header_bytes: u8,
    /// How many it has up to the mask, once two have come.
    length_end: u8,
    /// How many it has.
    header_end: u8,
    /// The length that it tells, as far as it has come.
    length: u64,
    /// How much of a payload is still to come.
    left: u64,
    /// Whether a close frame has begun: nothing may come after it.
    closes: bool,
}

impl Frames {
    /// Whether a frame has just ended, or none has begun.
    pub(super) const fn is_at_border(&self) -> bool {
        self.header_bytes == 0 && self.left == 0
    }

    /// Whether this side has said that it closes.
    pub(super) const fn has_closed(&self) -> bool {
        self.closes
    }

    /// Goes past `bytes`.
    pub(super) fn follow(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let passed = self.go_on(bytes);
            bytes = &bytes[passed..];
        }
    }

    /// How many of `bytes` belong to the frame that is under way, if it ends within them.
    pub(super) fn to_border(mut self, bytes: &[u8]) -> Option<usize> {
        if self.is_at_border() {
            return Some(0);
        }
        let passed = self.go_on(bytes);
        self.is_at_border().then_some(passed)
    }

    /// Goes on to the next border, or to the end of `bytes`; tells how far that was.
    fn go_on(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            if self.left > 0 {
                let here = u64::try_from(bytes.len() - at).unwrap_or(u64::MAX);
                let passed = here.min(self.left);
                self.left -= passed;
                at += usize::try_from(passed).unwrap_or(usize::MAX);
            } else {
                self.take_header_byte(*byte);
                at += 1;
            }
            if self.is_at_border() {
                break;
            }
        }
        at
    }

    fn take_header_byte(&mut self, byte: u8) {
        match self.header_bytes {
            0 => self.closes |= byte & 0x0f == CLOSE,
            1 => {
                let (length, more) = match byte & !IS_MASKED {
                    126 => (0, 2),
                    127 => (0, 8),
                    short => (short.into(), 0),
                };
                let mask = if byte & IS_MASKED == 0 { 0 } else { 4 };
                self.length = length;
                self.length_end = 2 + more;
                self.header_end = 2 + more + mask;
            }
            at if at < self.length_end => self.length = self.length << 8 | u64::from(byte),
            // A byte of the mask.
            _ => {}
        }
        self.header_bytes += 1;
        if self.header_bytes >= 2 && self.header_bytes == self.header_end {
            self.header_bytes = 0;
            self.left = self.length;
        }
    }
}

/// A close frame with a status code and a reason, masked as a client must if it `goes_up` to an app.
pub(super) fn close_frame(code: u16, reason: &str, goes_up: bool) -> Vec<u8> {
    // A control frame holds at most 125 bytes.
    let reason = reason.as_bytes();
    let reason = &reason[..reason.len().min(123)];
    let payload = code.to_be_bytes().into_iter().chain(reason.iter().copied());
    let length = u8::try_from(2 + reason.len()).unwrap_or(125);
    let mut frame = vec![IS_FINAL | CLOSE, length];
    if goes_up {
        let mask: [u8; 4] = random_bytes();
        frame[1] |= IS_MASKED;
        frame.extend(mask);
        frame.extend(
            payload
                .zip(mask.into_iter().cycle())
                .map(|(byte, mask)| byte ^ mask),
        );
    } else {
        frame.extend(payload);
    }
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(opcode: u8, mask: bool, payload: usize) -> Vec<u8> {
        let mut frame = vec![IS_FINAL | opcode];
        let masked = if mask { IS_MASKED } else { 0 };
        match payload {
            0..126 => frame.push(masked | payload as u8),
            126..65_536 => {
                frame.push(masked | 126);
                frame.extend((payload as u16).to_be_bytes());
            }
            _ => {
                frame.push(masked | 127);
                frame.extend((payload as u64).to_be_bytes());
            }
        }
        frame.extend([9].repeat(if mask { 4 } else { 0 }));
        frame.extend([0x88].repeat(payload));
        frame
    }

    #[test]
    fn every_border_is_seen_however_the_bytes_come() {
        let lengths = [
            0, 1, 5, 125, 126, 127, 128, 300, 65_535, 65_536, 70_000, 0, 2,
        ];
        let mut stream = Vec::new();
        let mut borders = vec![0];
        for (at, length) in lengths.into_iter().enumerate() {
            stream.extend(frame(2, at % 2 == 1, length));
            borders.push(stream.len());
        }
        for step in [1, 2, 3, 7, 4096, stream.len()] {
            let mut frames = Frames::default();
            let mut at = 0;
            for some in stream.chunks(step) {
                let next = borders.iter().find(|border| **border >= at).unwrap();
                let within = (*next - at <= some.len()).then(|| *next - at);
                assert_eq!(frames.to_border(some), within, "at {at}, step {step}");
                frames.follow(some);
                at += some.len();
                assert_eq!(frames.is_at_border(), borders.contains(&at), "{at}");
            }
            assert!(!frames.has_closed(), "a payload is no header");
        }
    }

    #[test]
    fn a_close_frame_is_seen_and_ours_is_one() {
        for goes_up in [false, true] {
            let ours = close_frame(1008, "session ended", goes_up);
            let mut frames = Frames::default();
            frames.follow(&ours);
            assert!(frames.has_closed() && frames.is_at_border());
        }
        let ours = close_frame(1008, "bye", false);
        assert_eq!(ours, [0x88, 5, 0x03, 0xf0, b'b', b'y', b'e']);
        let up = close_frame(1008, "bye", true);
        let text: Vec<u8> = (0..5).map(|at| up[6 + at] ^ up[2 + at % 4]).collect();
        assert_eq!(text, ours[2..]);
        assert_eq!(close_frame(1000, &"x".repeat(500), false).len(), 127);
    }
}
