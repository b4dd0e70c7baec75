//! Durations, sizes and days as people write them: `"30m"`, `"16KiB"`, `2027-01-31`. Every refusal says what to write
//! instead.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de::Error};
use time::{Date, Month};
use toml::value::Datetime;

use crate::base::clock::Time;

/// The longest duration there is, in milliseconds: a hundred years. Nothing that adds it to a time can overflow.
const LONGEST_MILLIS: u64 = 36_500 * 86_400_000;

/// Units of time, the largest first, with their milliseconds.
const TIMES: &[(&str, u64)] = &[
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Units of size with their bytes.
const SIZES: &[(&str, u64)] = &[
    ("B", 1),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// Why a text is no duration or no size, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}; {way_out}")]
pub struct UnitFault {
    /// What is wrong.
    pub why: String,
    /// What to write instead.
    pub way_out: String,
}

fn fault<T>(why: impl Into<String>, way_out: impl Into<String>) -> Result<T, UnitFault> {
    Err(UnitFault {
        why: why.into(),
        way_out: way_out.into(),
    })
}

/// Reads a duration: whole numbers with the units d, h, m, s, ms, the largest first (`"1h30m"`), or `"0"`.
///
/// # Errors
/// What is wrong with the text and what to write instead.
pub fn duration(text: &str) -> Result<Duration, UnitFault> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut rest = text;
    let mut millis: u64 = 0;
    let mut smallest = TIMES.len();
    let mut place = 0;
    while !rest.is_empty() {
        let (digits, unit, after) = split(rest, "a duration", "\"30m\" or \"1h30m\"")?;
        rest = after;
        if unit.is_empty() {
            return fault("a duration has a unit", suggest_time(digits));
        }
        let found = TIMES.iter().position(|(name, _)| *name == unit);
        let Some(at) = found else {
            return fault(
                format!("{unit:?} is no unit of time (d, h, m, s, ms)"),
                suggest_unit(digits, unit),
            );
        };
        if place > 0 && at <= smallest {
            return fault(
                "the units go from the largest to the smallest, each once",
                "write for example \"1h30m\"",
            );
        }
        smallest = at;
        place += 1;
        let each = TIMES.get(at).map_or(1, |(_, each)| *each);
        let part = digits.parse::<u64>().ok().and_then(|n| n.checked_mul(each));
        match part.and_then(|part| millis.checked_add(part)) {
            Some(sum) if sum <= LONGEST_MILLIS => millis = sum,
            _ => {
                return fault("longer than a hundred years", "write at most \"36500d\"");
            }
        }
    }
    if place == 0 {
        return fault("an empty duration", "write for example \"30m\", or \"0\"");
    }
    Ok(Duration::from_millis(millis))
}

/// Reads a size in bytes: one whole number with a unit (`"16KiB"`, `"10MB"`, `"512B"`), or `"0"`.
///
/// # Errors
/// What is wrong with the text and what to write instead.
pub fn size(text: &str) -> Result<u64, UnitFault> {
    if text == "0" {
        return Ok(0);
    }
    if text.is_empty() {
        return fault("an empty size", "write for example \"16KiB\", or \"0\"");
    }
    let (digits, unit, after) = split(text, "a size", "\"16KiB\" or \"10MB\"")?;
    if !after.is_empty() {
        return fault(
            "a size is one number and one unit",
            "write for example \"16KiB\" or \"10MB\"",
        );
    }
    let Some((_, each)) = SIZES.iter().find(|(name, _)| *name == unit) else {
        let way_out = match unit.to_ascii_lowercase().as_str() {
            "" => format!("write \"{digits}B\" or \"{digits}KiB\""),
            "k" | "kib" => format!("write \"{digits}KiB\""),
            "m" | "mib" => format!("write \"{digits}MiB\""),
            "g" | "gib" => format!("write \"{digits}GiB\""),
            "b" => format!("write \"{digits}B\""),
            "mb" => format!("write \"{digits}MB\""),
            "gb" => format!("write \"{digits}GB\""),
            _ => "write for example \"16KiB\" or \"10MB\"".to_owned(),
        };
        if unit.is_empty() {
            return fault("a size has a unit", way_out);
        }
        return fault(
            format!("{unit:?} is no unit of size (B, KB, MB, GB, KiB, MiB, GiB)"),
            way_out,
        );
    };
    match digits
        .parse::<u64>()
        .ok()
        .and_then(|n| n.checked_mul(*each))
    {
        Some(bytes) if i64::try_from(bytes).is_ok() => Ok(bytes),
        _ => fault("larger than any machine", "write at most \"8000000000GB\""),
    }
}

/// Reads a day: the time at which it ends everywhere that counts by UTC.
///
/// # Errors
/// What is wrong with it and what to write instead.
pub fn day(date: &Datetime) -> Result<Time, UnitFault> {
    let way_out = "write the day alone, for example 2027-01-31; it counts to its end, in UTC";
    let (Some(day), None) = (date.date, date.time) else {
        return fault("not a day", way_out);
    };
    let end = Month::try_from(day.month)
        .and_then(|month| Date::from_calendar_date(day.year.into(), month, day.day))
        .ok()
        .and_then(Date::next_day);
    let secs = end.map(|end| end.midnight().assume_utc().unix_timestamp());
    match secs.and_then(|secs| u64::try_from(secs).ok()) {
        Some(secs) => Ok(Time::from_secs(secs)),
        None => fault("a day before 1970", way_out),
    }
}

/// Splits the first number and its unit off `text`.
fn split<'t>(
    text: &'t str,
    what: &str,
    example: &str,
) -> Result<(&'t str, &'t str, &'t str), UnitFault> {
    let digits_end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at(digits_end);
    if digits.is_empty() {
        let why = match text.chars().next() {
            Some('-') => format!("{what} is never negative"),
            Some(c) if c.is_whitespace() => format!("{what} holds no blanks"),
            _ => format!("{what} starts with a whole number"),
        };
        return fault(why, format!("write for example {example}"));
    }
    let unit_end = rest
        .find(|c: char| !c.is_alphabetic())
        .unwrap_or(rest.len());
    let (unit, after) = rest.split_at(unit_end);
    if unit.is_empty() && !after.is_empty() {
        let why = match after.chars().next() {
            Some('.' | ',') => format!("{what} is made of whole numbers"),
            Some(c) if c.is_whitespace() => format!("{what} holds no blanks"),
            _ => format!("{what} is a number and a unit"),
        };
        return fault(why, format!("write for example {example}"));
    }
    Ok((digits, unit, after))
}

fn suggest_time(digits: &str) -> String {
    format!("write \"{digits}s\" for seconds or \"{digits}m\" for minutes")
}

fn suggest_unit(digits: &str, unit: &str) -> String {
    let lower = unit.to_ascii_lowercase();
    let known = match lower.as_str() {
        "d" | "day" | "days" => "d",
        "h" | "hr" | "hour" | "hours" => "h",
        "m" | "min" | "mins" | "minute" | "minutes" => "m",
        "s" | "sec" | "secs" | "second" | "seconds" => "s",
        "ms" | "msec" | "millis" | "milliseconds" => "ms",
        "w" | "week" | "weeks" => return "write weeks as days, for example \"7d\"".to_owned(),
        _ => return suggest_time(digits),
    };
    format!("write \"{digits}{known}\"")
}

/// A duration in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

impl Span {
    pub(super) const fn secs(secs: u64) -> Self {
        Self(Duration::from_secs(secs))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        duration(&text).map(Self).map_err(D::Error::custom)
    }
}

/// A day in the file: the time at which it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayEnd(pub Time);

impl<'de> Deserialize<'de> for DayEnd {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let date = Datetime::deserialize(deserializer)?;
        day(&date).map(Self).map_err(D::Error::custom)
    }
}

/// A size in the file, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes(pub u64);

impl Bytes {
    /// As a number of this machine; a size past its address space is as good as no limit.
    pub(super) fn in_memory(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        size(&text).map(Self).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_mean_what_they_say() {
        for (text, millis) in [
            ("0", 0),
            ("0s", 0),
            ("500ms", 500),
            ("10s", 10_000),
            ("30m", 1_800_000),
            ("1h30m", 5_400_000),
            ("365d", 31_536_000_000),
            ("1d2h3m4s5ms", 93_784_005),
            ("36500d", LONGEST_MILLIS),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn a_refused_duration_says_what_to_write() {
        for (text, way_out) in [
            ("", "write for example \"30m\", or \"0\""),
            ("30", "write \"30s\" for seconds or \"30m\" for minutes"),
            ("30min", "write \"30m\""),
            ("5M", "write \"5m\""),
            ("2w", "write weeks as days, for example \"7d\""),
            ("1.5h", "write for example \"30m\" or \"1h30m\""),
            ("30 m", "write for example \"30m\" or \"1h30m\""),
            ("-5s", "write for example \"30m\" or \"1h30m\""),
            ("m", "write for example \"30m\" or \"1h30m\""),
            ("1h 30m", "write for example \"30m\" or \"1h30m\""),
            ("30m1h", "write for example \"1h30m\""),
            ("1h1h", "write for example \"1h30m\""),
            ("1h30", "write \"30s\" for seconds or \"30m\" for minutes"),
            ("36501d", "write at most \"36500d\""),
            ("99999999999999999999999s", "write at most \"36500d\""),
            ("18446744073709551615d", "write at most \"36500d\""),
            ("5µs", "write \"5s\" for seconds or \"5m\" for minutes"),
        ] {
            match duration(text) {
                Err(fault) => assert_eq!(fault.way_out, way_out, "{text:?}: {}", fault.why),
                Ok(span) => panic!("{text:?} was taken as {span:?}"),
            }
        }
    }

    #[test]
    fn a_day_counts_to_its_end() {
        let ends = |text: &str| day(&text.parse().unwrap());
        assert_eq!(ends("1970-01-01"), Ok(Time::from_secs(86_400)));
        assert_eq!(ends("2027-01-31"), Ok(Time::from_secs(1_801_440_000)));
        for odd in ["1969-01-01", "2027-01-31T12:00:00Z", "12:00:00"] {
            let way_out = ends(odd).unwrap_err().way_out;
            assert!(way_out.starts_with("write the day alone"), "{odd}");
        }
    }

    #[test]
    fn sizes_mean_what_they_say() {
        for (text, bytes) in [
            ("0", 0),
            ("512B", 512),
            ("16KiB", 16_384),
            ("10MB", 10_000_000),
            ("3kB", 3_000),
            ("1GiB", 1 << 30),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn a_refused_size_says_what_to_write() {
        for (text, way_out) in [
            ("", "write for example \"16KiB\", or \"0\""),
            ("512", "write \"512B\" or \"512KiB\""),
            ("16K", "write \"16KiB\""),
            ("16kib", "write \"16KiB\""),
            ("2g", "write \"2GiB\""),
            ("1.5MB", "write for example \"16KiB\" or \"10MB\""),
            ("1MB2KB", "write for example \"16KiB\" or \"10MB\""),
            ("-1B", "write for example \"16KiB\" or \"10MB\""),
            ("5 MB", "write for example \"16KiB\" or \"10MB\""),
            ("99999999999999GB", "write at most \"8000000000GB\""),
        ] {
            match size(text) {
                Err(fault) => assert_eq!(fault.way_out, way_out, "{text:?}: {}", fault.why),
                Ok(bytes) => panic!("{text:?} was taken as {bytes}"),
            }
        }
    }
}
