//! Times and spans as people read them.

use std::fmt;
use std::time::Duration;

use time::OffsetDateTime;

use crate::base::clock::Time;

/// A time in UTC, to the second: `2026-07-01T12:00:00Z`.
pub(super) struct When(pub Time);

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secs = i64::try_from(self.0.as_secs()).unwrap_or(i64::MAX);
        let time = OffsetDateTime::from_unix_timestamp(secs).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let (year, month, day) = time.to_calendar_date();
        let (hour, minute, second) = time.to_hms();
        let month = u8::from(month);
        let text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z");
        f.pad(&text)
    }
}

/// A span in its largest unit, rounded down: `3m`, `12d`.
pub(super) struct Roughly(pub Duration);

impl fmt::Display for Roughly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secs = self.0.as_secs();
        let (count, unit) = match secs {
            0..60 => (secs, 's'),
            60..3_600 => (secs / 60, 'm'),
            3_600..172_800 => (secs / 3_600, 'h'),
            _ => (secs / 86_400, 'd'),
        };
        f.pad(&format!("{count}{unit}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_spans_are_short() {
        assert_eq!(When(Time::from_secs(0)).to_string(), "1970-01-01T00:00:00Z");
        let leap = Time::from_secs(1_709_210_096);
        assert_eq!(When(leap).to_string(), "2024-02-29T12:34:56Z");
        for (secs, text) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (7_199, "1h"),
            (172_800, "2d"),
        ] {
            assert_eq!(Roughly(Duration::from_secs(secs)).to_string(), text);
        }
        assert_eq!(format!("{:>4}|", Roughly(Duration::ZERO)), "  0s|");
    }
}
