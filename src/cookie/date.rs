//! Cookie dates: the forgiving algorithm of RFC 6265 5.1.1, which every browser follows.

use crate::base::clock::Time;

/// Reads a cookie date. `None` when it is none by that algorithm; a date before 1970 becomes the epoch, which is past
/// all the same.
pub(super) fn parse(text: &[u8]) -> Option<Time> {
    let (mut time, mut day, mut month, mut year) = (None, None, None, None);
    for token in text
        .split(|byte| is_delimiter(*byte))
        .filter(|token| !token.is_empty())
    {
        // Each token is the first thing still wanted that it can be.
        if let (None, Some(found)) = (time, time_of(token)) {
            time = Some(found);
        } else if let (None, Some((found, _))) = (day, number(token, 1, 2)) {
            day = Some(found);
        } else if let (None, Some(found)) = (month, month_of(token)) {
            month = Some(found);
        } else if let (None, Some((found, _))) = (year, number(token, 2, 4)) {
            year = Some(found);
        }
    }
    let ((hour, minute, second), day, month) = (time?, day?, month?);
    let year = match year? {
        short @ 0..=69 => short + 2000,
        short @ 70..=99 => short + 1900,
        full => full,
    };
    if year < 1601 || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    if day == 0 || day > days_in_month(year, month) {
        return None;
    }
    let days = days_since_epoch(year, month, day);
    let secs = days * 86_400 + i64::from(hour * 3600 + minute * 60 + second);
    Some(Time::from_secs(u64::try_from(secs).unwrap_or(0)))
}

fn is_delimiter(byte: u8) -> bool {
    matches!(byte, 0x09 | 0x20..=0x2F | 0x3B..=0x40 | 0x5B..=0x60 | 0x7B..=0x7E)
}

/// A run of `min` to `max` digits in front, and what follows it.
fn number(token: &[u8], min: usize, max: usize) -> Option<(u32, &[u8])> {
    let count = token
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    if count < min || count > max {
        return None;
    }
    let (digits, rest) = token.split_at_checked(count)?;
    let value = digits
        .iter()
        .fold(0, |value, digit| value * 10 + u32::from(digit - b'0'));
    Some((value, rest))
}

fn time_of(token: &[u8]) -> Option<(u32, u32, u32)> {
    let (hour, rest) = number(token, 1, 2)?;
    let (minute, rest) = number(rest.strip_prefix(b":")?, 1, 2)?;
    let (second, _) = number(rest.strip_prefix(b":")?, 1, 2)?;
    Some((hour, minute, second))
}

/// The month whose first three letters stand in front, 1 to 12.
fn month_of(token: &[u8]) -> Option<u32> {
    const MONTHS: [&[u8; 3]; 12] = [
        b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov",
        b"dec",
    ];
    let head = token.get(..3)?;
    MONTHS
        .iter()
        .zip(1..)
        .find_map(|(name, month)| head.eq_ignore_ascii_case(*name).then_some(month))
}

fn days_in_month(year: u32, month: u32) -> u32 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a day of the Gregorian calendar. Years are counted from March, so that the leap day is the
/// last of its year.
fn days_since_epoch(year: u32, month: u32, day: u32) -> i64 {
    let (year, month) = match month {
        1 | 2 => (year - 1, month + 9),
        _ => (year, month - 3),
    };
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    let days = year * 365 + year / 4 - year / 100 + year / 400 + day_of_year;
    i64::from(days) - 719_468
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dates_are_read_as_browsers_read_them() {
        let table: &[(&str, Option<u64>)] = &[
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(784_111_777)),
            ("Sun Nov  6 08:49:37 1994", Some(784_111_777)),
            ("Wed, 09 Jun 2038 10:18:14 GMT", Some(2_159_691_494)),
            ("Thu, 29 Feb 2024 12:00:00 GMT", Some(1_709_208_000)),
            ("november 6 1994 8:49:37x", Some(784_111_777)),
            ("06 Nov 94 08:49:37", Some(784_111_777)),
            ("Fri, 31-Dec-9999 23:59:59 GMT", Some(253_402_300_799)),
            ("Thu, 01-Jan-1601 00:00:00 GMT", Some(0)),
            ("1 Jan 69 0:0:0", Some(3_124_224_000)),
            ("1 Jan 70 0:0:0", Some(0)),
            ("Thu, 30 Feb 2024 12:00:00 GMT", None),
            ("Thu, 29 Feb 2023 12:00:00 GMT", None),
            ("Thu, 31 Apr 2023 12:00:00 GMT", None),
            ("Thu, 01 Jan 1600 00:00:00 GMT", None),
            ("Thu, 01 Jan 10000 00:00:00 GMT", None),
            ("Thu, 00 Jan 2024 00:00:00 GMT", None),
            ("Thu, 01 Jan 2024 24:00:00 GMT", None),
            ("Thu, 01 Jan 2024 00:60:00 GMT", None),
            ("Thu, 01 Jan 2024 00:00 GMT", None),
            ("2024-01-01T00:00:00Z", None),
            ("0", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(
                parse(text.as_bytes()).map(Time::as_secs),
                *expected,
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn what_the_http_date_writer_writes_is_read_back(secs in 0_u64..253_402_300_800) {
            let text = httpdate::fmt_http_date(std::time::UNIX_EPOCH + std::time::Duration::from_secs(secs));
            prop_assert_eq!(parse(text.as_bytes()), Some(Time::from_secs(secs)));
        }

        #[test]
        fn nothing_panics(text in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = parse(&text);
        }

        #[test]
        fn nothing_like_a_date_panics(text in "[0-9]{0,5}[ :-][0-9]{0,5}[ :][0-9JFMabenr]{0,5}[ :][0-9:]{0,9}") {
            let _ = parse(text.as_bytes());
        }
    }
}
